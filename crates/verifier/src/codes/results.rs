//! What a program returns, and what it must not tell.

use skep_diag::Code;

pub(super) static ROWS: &[Code] = &[
    Code {
        id: "V0801",
        title: "a result out of range",
        story: r#"Programs of this type may return only some values: cgroup programs 0 or 1, for example, and callbacks 0 or 1.

```
r0 = 2
exit
```

Return one of the values; where it is computed, check it: `return verdict ? 1 : 0;`."#,
    },
    Code {
        id: "V0802",
        title: "the result would tell an address",
        story: r#"Without CAP_PERFMON a program can't return a pointer."#,
    },
    Code {
        id: "V0803",
        title: "the result is not a number",
        story: r#"A program or function returns a pointer where a number is wanted. In C, a function that returns a pointer that is verified on its own."#,
    },
    Code {
        id: "V0804",
        title: "a pointer to a stack that is gone",
        story: r#"A function returns the address of its own local variable.

Let the caller own the memory and pass a pointer to it."#,
    },
    Code {
        id: "V0805",
        title: "an address would be told",
        story: r#"Without CAP_PERFMON a program must not store pointers where userspace or the network can see them."#,
    },
];
