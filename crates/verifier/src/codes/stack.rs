//! The stack.

use skep_diag::Code;

pub(super) static ROWS: &[Code] = &[
    Code {
        id: "V0301",
        title: "misaligned stack access",
        story: r#"An access to the stack must be at a multiple of its size.

```
*(u64 *)(r10 - 12) = r1     ; 12 is no multiple of 8
```

Use an offset that is a multiple of the size. In C, packed structs on the stack do this: order the fields by size,
and pad by hand."#,
    },
    Code {
        id: "V0302",
        title: "too much stack",
        story: r#"The functions that are active at once may use 512 bytes of stack together, each rounded up (to 32 bytes, or 16 with
the JIT).

Put large variables into a per-CPU array map, or in a smaller scope; don't keep two big buffers alive at once."#,
    },
    Code {
        id: "V0303",
        title: "outside the stack",
        story: r#"The stack of a function is the 512 bytes below r10: offsets -512 to -1.

```
*(u64 *)(r10 - 520) = r1
```

```
r1 = r10
r1 += r2                    ; r2 may be anything
*(u8 *)(r1 + 0) = 1
```

Bound the index with a comparison that the verifier sees before the access, on the same register."#,
    },
    Code {
        id: "V0304",
        title: "a variable place on the stack",
        story: r#"At a place that is not a constant, the stack can be read and written by plain loads and stores, but not by helpers."#,
    },
    Code {
        id: "V0305",
        title: "stack that was never written",
        story: r#"A helper (or, without CAP_PERFMON, a load) reads bytes of the stack that no path has written.

```
r2 = r10
r2 += -8
call map_lookup_elem        ; reads 4 bytes at fp-8 that nobody wrote
```

Initialise the variable, padding included: `struct key k = {};` or `__builtin_memset(&k, 0, sizeof(k))`."#,
    },
    Code {
        id: "V0306",
        title: "a pointer in less than eight bytes",
        story: r#"A pointer can be stored to the stack, and loaded from it, only whole: eight bytes at a multiple of eight.

```
*(u64 *)(r10 - 8) = r1
r2 = *(u32 *)(r10 - 8)
```"#,
    },
    Code {
        id: "V0307",
        title: "a stored pointer would be overwritten in part",
        story: r#"Without CAP_PERFMON, a pointer on the stack may only be overwritten whole."#,
    },
    Code {
        id: "V0308",
        title: "a callee's stack can't outlive it",
        story: r#"A pointer to a function's own stack must not be stored in its caller's frame, where it would dangle.

Let the caller own the memory and pass a pointer to it."#,
    },
];
