//! What has to be given back: references, locks, sections.

use skep_diag::Code;

pub(super) static ROWS: &[Code] = &[
    Code {
        id: "V0701",
        title: "a reference is not given back",
        story: r#"What was acquired (a socket from `bpf_sk_lookup_tcp`, a record from `bpf_ringbuf_reserve`) must be released on every path before
the program ends.

```c
e = bpf_ringbuf_reserve(&rb, sizeof(*e), 0);
if (!e)
        return 0;
if (skip)
        return 0;                       /* e is still held */
bpf_ringbuf_submit(e, 0);
```

Release it on that path: `bpf_ringbuf_discard(e, 0)`, `bpf_sk_release(sk)`."#,
    },
    Code {
        id: "V0702",
        title: "inside a locked section",
        story: r#"Inside a section (a spin lock, RCU, preemption or interrupts off) the program can't end, tail-call or use LD_ABS.

Close the section on every path first."#,
    },
    Code {
        id: "V0703",
        title: "a call with a lock held",
        story: r#"While a spin lock is held no helper and no global function can be called.

Do the work before or after; copy what is needed into variables."#,
    },
    Code {
        id: "V0704",
        title: "nothing to give back",
        story: r#"The helper releases a reference, and the argument holds none: it was not acquired by this program, or was released already.

After a release no copy of the pointer can be used either."#,
    },
    Code {
        id: "V0705",
        title: "sections that don't match",
        story: r#"RCU and preemption sections must be opened and closed in pairs; RCU sections don't nest."#,
    },
    Code {
        id: "V0706",
        title: "a lock used wrongly",
        story: r#"A spin lock is the `struct bpf_spin_lock` in a map's value at its constant offset; one can be held at a time, and the one that
was taken must be the one that is released. Two lookups give two different values, even of the same key."#,
    },
    Code {
        id: "V0707",
        title: "interrupts restored wrongly",
        story: r#"`bpf_local_irq_save` keeps the processor's flags in eight bytes of the stack, and `bpf_local_irq_restore` takes them from there.
The address is a variable of its own on the stack, aligned to eight bytes, at a constant offset. It holds no flags yet when
they are saved and is not touched until they are restored; sections nest, and the last one that was opened is closed first.

```c
unsigned long outer, inner;

bpf_local_irq_save(&outer);
bpf_local_irq_save(&inner);
bpf_local_irq_restore(&outer);          /* inner is still open */
```

Swap the two. Storing anything to the variable in between loses the flags, and the section can't be closed any more."#,
    },
];
