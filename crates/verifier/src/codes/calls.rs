//! Calls of helpers: their arguments, and who may call them.

use skep_diag::Code;

pub(super) static ROWS: &[Code] = &[
    Code {
        id: "V0501",
        title: "an argument of the wrong kind",
        story: r#"The helper wants another kind of value in this register: a pointer to the context, a map, memory, a socket.

```
r1 = 0                      ; bpf_map_lookup_elem wants a map
call map_lookup_elem
```

`skep explain helper NAME` shows the prototype. If the type ends in `_or_null`, check it for null first. If it is `scalar`
where memory is wanted, a pointer was lost on the way (see V0401)."#,
    },
    Code {
        id: "V0502",
        title: "a size that is negative or has no bound",
        story: r#"The size given to a helper must be shown to be at least 0 and to fit the memory that goes with it.

```
r2 = *(u64 *)(r6 + 8)       ; any number
call probe_read_kernel
```

`if (len > sizeof(buf)) return 0;` with an unsigned `len`, or `len &= sizeof(buf) - 1` for a power of two. A check in 32 bits of a value
that is later used in 64 does not always count: use one type all through."#,
    },
    Code {
        id: "V0503",
        title: "a size that may be zero",
        story: r#"The helper does not take an empty memory, and the size may be 0.

Check it: `if (!len) return 0;`. Compilers turn `len - 1 < N` checks around: `asm volatile("" : "+r"(len))` before the check keeps it."#,
    },
    Code {
        id: "V0504",
        title: "packet pointers are not for this helper",
        story: r#"Only some helpers take a pointer into the packet where memory is wanted, and only in program types that may reach into
packets.

Copy the bytes to the stack first (`bpf_skb_load_bytes`, or a plain copy)."#,
    },
    Code {
        id: "V0505",
        title: "a reference must be given back as it was got",
        story: r#"What is released (a socket, a ring buffer record) must be the pointer itself, without an offset."#,
    },
    Code {
        id: "V0506",
        title: "a constant is wanted",
        story: r#"The helper's size argument must be a number that is known when the program is loaded, as in `bpf_ringbuf_reserve(&rb, sizeof(*e), 0)`.

For records of variable size use `bpf_ringbuf_output()` or a dynptr."#,
    },
    Code {
        id: "V0507",
        title: "not the timer that it should be",
        story: r#"The pointer must be to the `struct bpf_timer` in a value of the map, at its constant offset; and the map that
`bpf_timer_init()` gets must be the one whose value it is."#,
    },
    Code {
        id: "V0508",
        title: "not a constant string",
        story: r#"The helper wants a string in read-only memory, ended by a zero: `static const char fmt[] = "...";`."#,
    },
    Code {
        id: "V0509",
        title: "no such helper for this program",
        story: r#"The helper does not exist in Linux 6.18, or programs of this type can't call it.

`skep explain helper NAME` says which program types may. Tracing helpers are not for networking programs and the reverse."#,
    },
    Code {
        id: "V0510",
        title: "a helper for GPL programs",
        story: r#"The helper (or kernel function) may only be called by programs whose licence is compatible with the GPL:
`char LICENSE[] SEC("license") = "GPL";`."#,
    },
    Code {
        id: "V0511",
        title: "a helper that may sleep",
        story: r#"The helper may sleep, and the program is not sleepable, or it is inside an RCU or preempt-disabled section.

Sleepable programs are marked by their section (`fentry.s/`, `uprobe.s/`, `syscall`). Leave the section first."#,
    },
    Code {
        id: "V0512",
        title: "flags must be zero",
        story: r#"`bpf_get_local_storage()` takes no flags yet."#,
    },
    Code {
        id: "V0513",
        title: "a map that the helper does not take",
        story: r#"Helpers and map types go together: `bpf_redirect_map` wants devmap, cpumap or xskmap; `bpf_ringbuf_reserve` a ring buffer; `bpf_map_lookup_elem` does
not work on prog arrays; a prog array serves `bpf_tail_call` alone.

`skep explain map-type NAME` says what a map type is for."#,
    },
    Code {
        id: "V0514",
        title: "a map that this program type can't use",
        story: r#"Maps with spin locks or timers are not for tracing programs; sleepable programs can use only some map types."#,
    },
];
