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
    Code {
        id: "V0806",
        title: "pointer arithmetic that a guess could misuse",
        story: r#"Without CAP_PERFMON a program must not reach other memory of the kernel on what the processor only guesses. What is added to a pointer is masked so that it stays in its object, which works for pointers to the stack and to values of maps, with the same bounds on every path, and where the result lies in the object itself.

```
r1 = *(u32 *)(r1 + 76)    ; a packet pointer
r1 += r2                  ; refused: no mask for packets
```

Load the program with CAP_PERFMON, add constants, or use a helper such as bpf_skb_load_bytes() that takes an offset."#,
    },
];
