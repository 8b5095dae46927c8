//! Memory: loads, stores, atomic operations.

use skep_diag::Code;

pub(super) static ROWS: &[Code] = &[
    Code {
        id: "V0401",
        title: "a number is used as an address",
        story: r#"The register does not hold a pointer here. Only what the verifier knows to be a pointer can be dereferenced, and a
pointer is lost when

- it is loaded from memory that is not the context or the stack (a field of a kernel struct, a map's value),
- only a part of it was stored, or something was written over it on the stack,
- it went through arithmetic that pointers don't take,
- a helper invalidated it: those that move the packet (`bpf_skb_pull_data`, `bpf_xdp_adjust_head`, ...) invalidate all
  packet pointers.

```
r2 = *(u64 *)(r1 + 0)       ; a number, in a kprobe
r3 = *(u64 *)(r2 + 16)      ; dereferenced
```

Read kernel memory with `bpf_probe_read_kernel()` or `BPF_CORE_READ()`; load packet pointers again from the context after
a helper that moves the packet."#,
    },
    Code {
        id: "V0402",
        title: "outside the memory",
        story: r#"The access does not lie inside the object: the value or key of a map, or memory of a known size, for every value that
the offset may have.

```
r0 = map value of 16 bytes
r0 += r2                    ; 0 to 255
r1 = *(u64 *)(r0 + 0)       ; up to byte 263
```

Compare the index with a constant before it is used, so that offset + size of the access <= size of the object:
`if (i > 8) return 0;`. The comparison must be on the variable that is used: the compiler may compare one copy and use
another; `barrier_var(i)` or `asm volatile("" : "+r"(i))` after the check keeps them one."#,
    },
    Code {
        id: "V0403",
        title: "an offset that may be negative",
        story: r#"The offset may be less than zero: it comes from a signed number, or from a subtraction that may wrap.

```
r2 = *(s32 *)(r10 - 4)
if r2 s> 15 goto out        ; says nothing of -1
r0 += r2
```

Use an unsigned variable, or check both sides: `if (i < 0 || i >= N)`."#,
    },
    Code {
        id: "V0404",
        title: "an offset without a bound",
        story: r#"Nothing bounds the number that was added to the pointer.

```
r2 = *(u64 *)(r1 + 0)
r0 += r2
r1 = *(u8 *)(r0 + 0)
```

`if (i >= N) return 0;` before, or `i &= N - 1` where N is a power of two."#,
    },
    Code {
        id: "V0405",
        title: "packet bytes that were not checked",
        story: r#"Bytes of the packet may be touched only after a comparison has shown that they are there: a packet pointer plus a
constant, compared with `data_end`. The proof holds for that pointer and its copies at smaller offsets; adding a variable
makes a new pointer, which needs a comparison of its own.

```
r2 = *(u32 *)(r1 + 0)       ; data
r0 = *(u8 *)(r2 + 0)        ; nothing says that there is a byte
```

```c
if (data + sizeof(struct ethhdr) > data_end)
        return XDP_PASS;
```

Compare the end of what you access, each time after a variable length was added. Where the offset is variable, its
bound must be at most 65535: mask it."#,
    },
    Code {
        id: "V0406",
        title: "a pointer that must be used as it was given",
        story: r#"The context, and pointers that are given back, must be used with the offset they came with: fields of the context are
rewritten by the kernel, one by one.

```
r1 += 8
r0 = *(u32 *)(r1 + 0)
```

Use the constant offset in the load itself: `r0 = *(u32 *)(r1 + 8)`. In C, don't take the address of a context's field
and don't index the context with a variable."#,
    },
    Code {
        id: "V0407",
        title: "one instruction, two kinds of pointer",
        story: r#"Accesses to the context and to sockets are rewritten when the program is loaded. An instruction that on one path gets
such a pointer and on another something else can't be.

Split the code so that each kind has its own load; compilers merge the ends of two branches, and `barrier()` stops them."#,
    },
    Code {
        id: "V0408",
        title: "an atomic operation on memory that takes none",
        story: r#"Atomic operations work on maps and the stack, not on the context, sockets, packets or flow keys."#,
    },
    Code {
        id: "V0409",
        title: "a map's key is read-only",
        story: r#"The key that a callback of `bpf_for_each_map_elem()` gets can only be read."#,
    },
    Code {
        id: "V0410",
        title: "memory that is read-only here",
        story: r#"The memory can't be written (or, for a write-only map, not read): constant data, a map with `BPF_F_RDONLY_PROG`, a
socket, the packet in a program type that may only look at it, the bpf_array behind a map's handle.

`const volatile` globals lie in .rodata: make it a plain global to write it."#,
    },
    Code {
        id: "V0411",
        title: "a field that only the kernel touches",
        story: r#"`struct bpf_spin_lock`, `struct bpf_timer` and their like inside a map's value can't be read or written by loads, stores or
helpers that copy the whole value.

Use the helpers for them. Copy the other fields one by one instead of the whole struct."#,
    },
    Code {
        id: "V0412",
        title: "LD_ABS and LD_IND out of place",
        story: r#"The legacy packet loads need a socket filter or tc program, and the context in r6."#,
    },
    Code {
        id: "V0413",
        title: "not a field that may be accessed",
        story: r#"At this offset and size the context (or socket) has no field that this program type may access this way. Which fields can
be read and which written differs by program type and attach type; some can only be accessed whole.

`skep explain prog-type NAME` lists them. A write to `__sk_buff.mark` is fine in tc, for example, but not in a socket
filter."#,
    },
    Code {
        id: "V0414",
        title: "misaligned access",
        story: r#"With strict alignment (or for atomic operations, always) an access must be at a multiple of its size.

```
lock *(u64 *)(r0 + 4) += r1
```

Pad the struct so that the field is aligned; don't use `__attribute__((packed))` for it."#,
    },
    Code {
        id: "V0415",
        title: "a pointer that may be null",
        story: r#"The result of a lookup (or any pointer that may be null) must be compared with null before it is used, on every path.

```
call map_lookup_elem
r0 = *(u64 *)(r0 + 0)
```

```c
struct value *v = bpf_map_lookup_elem(&map, &key);
if (!v)
        return 0;
```

The check counts for all copies of that pointer, but not for the result of a second lookup of the same key."#,
    },
];
