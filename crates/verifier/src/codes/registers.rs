//! Registers and arithmetic.

use skep_diag::Code;

pub(super) static ROWS: &[Code] = &[
    Code {
        id: "V0201",
        title: "a register that holds nothing",
        story: r#"A register is read before anything was put into it on this path. At the start only r1 (the context) and r10 (the frame
pointer) are set; a call leaves r1 to r5 unset, and r0 holds its result.

```
r0 = *(u32 *)(r2 + 0)       ; r2 was never set
exit
```

```
call ktime_get_ns
r3 = r1                     ; the call has left r1 unset
```

Set it on every path, or keep it in r6 to r9 across the call. In C it is a variable that is not initialised on some
path, or a function without a `return`: compile with `-Wall`."#,
    },
    Code {
        id: "V0202",
        title: "the frame pointer is read-only",
        story: r#"r10 points to the end of the stack frame and can't be changed.

```
r10 += -8
```

Copy it: `r1 = r10`, `r1 += -8`."#,
    },
    Code {
        id: "V0203",
        title: "a division by zero",
        story: r#"A division or modulo by the constant zero is refused. (By a register that is zero at run time, a division gives 0 and
a modulo leaves the value.)

```
r0 /= 0
```"#,
    },
    Code {
        id: "V0204",
        title: "a shift that is too far",
        story: r#"A shift by a constant must be less than the width: 64, or 32 for the `w` registers.

```
r0 <<= 64
```"#,
    },
    Code {
        id: "V0205",
        title: "a part of a pointer",
        story: r#"Without CAP_PERFMON a program must not see addresses: half of a pointer would be a number that tells it.

```
w2 = w1     ; r1 is a pointer
```

Copy the whole register."#,
    },
    Code {
        id: "V0206",
        title: "arithmetic that pointers don't take",
        story: r#"Numbers can be added to a pointer and subtracted from it, in 64 bits. Nothing else: no multiplication, no `&`, no 32-bit
operation, no pointer plus pointer; and to some pointers (maps, sockets, the end of the packet) nothing can be added.

```
r2 = *(u32 *)(r1 + 80)      ; sk_buff.data_end
r2 += 4                     ; arithmetic on the end of the packet
```

Compute with numbers first and add the result to the pointer at the end. Compare `data + n > data_end`, not
`data_end - n < data`."#,
    },
    Code {
        id: "V0207",
        title: "arithmetic on a pointer that may be null",
        story: r#"A pointer that may be null (the result of a map lookup) can't be moved: null plus 8 would not be recognised as null.

```
call map_lookup_elem
r0 += 8
if r0 == 0 goto out
```

Check it first, then move it."#,
    },
    Code {
        id: "V0208",
        title: "an offset that is too large",
        story: r#"The distance that is added to a pointer must be known to stay within 2^29 bytes either way.

```
r2 = *(u64 *)(r10 - 8)      ; any number
r1 += r2
```

Bound the number before it is added: `if (i >= N) return 0;`, or `i &= N - 1` for a power of two."#,
    },
    Code {
        id: "V0209",
        title: "a comparison that would tell an address",
        story: r#"Without CAP_PERFMON pointers may be compared only with null, and packet pointers with the end of the packet."#,
    },
];
