//! Structure: control flow, limits, what the code names.

use skep_diag::Code;

pub(super) static ROWS: &[Code] = &[
    Code {
        id: "V0101",
        title: "code that nothing reaches",
        story: r#"Every instruction must be reachable from the start of its function by following jumps, whatever the values are.
Linux refuses dead code that the control flow graph shows to be dead.

```
r0 = 0
exit
r0 = 1      ; nothing jumps here
exit
```

Remove the instructions, or jump to them. Compilers emit none; hand-written code and patched objects do."#,
    },
    Code {
        id: "V0102",
        title: "a jump leaves its function",
        story: r#"A jump must land on an instruction of its own function. Only calls go from one function to another.

```
if r0 == 0 goto +7      ; the program has four instructions
r0 = 0
exit
```

Check the distance: it counts slots from the instruction after the jump, and a wide load takes two."#,
    },
    Code {
        id: "V0103",
        title: "a function's end is open",
        story: r#"The last instruction of each function must be an `exit` or an unconditional jump, so that no path runs over the end.

```
r0 = 0
r1 = 1      ; the end, and no exit
```

End it with `exit`. In C this comes of a function that ends in `__builtin_unreachable()` or misses its `return`."#,
    },
    Code {
        id: "V0104",
        title: "a call to nowhere",
        story: r#"A bpf-to-bpf call, or a function whose address is taken, must be inside the program.

```
call +100
exit
```

Objects that were cut or linked wrongly show this; link with `bpftool gen object` or load with a loader that appends
the functions that a program calls."#,
    },
    Code {
        id: "V0105",
        title: "a jump into the middle of a wide load",
        story: r#"A wide load (`r1 = 0x1122334455667788 ll`, or the address of a map) takes two slots. The second holds only data.

```
goto +1
r1 = 5 ll   ; slots 1 and 2
exit
```

Jump to the first slot, or behind the second."#,
    },
    Code {
        id: "V0106",
        title: "a loop where loops are not allowed",
        story: r#"A program that is loaded without CAP_BPF must not jump back.

```
again:
r0 += 1
if r0 < 10 goto again
exit
```

Unroll the loop (`#pragma unroll`), or load the program with CAP_BPF."#,
    },
    Code {
        id: "V0107",
        title: "a loop that does not end",
        story: r#"On this path the verifier came back to an instruction with a state that it had been in before: nothing that matters had
changed, so the loop can go on for ever.

```
again:
r1 = 0
if r1 != 1 goto again
exit
```

Make each round change something that the exit condition tests, with a constant bound: `for (int i = 0; i < 64; i++)`.
If the bound comes from data, compare with a constant too. `bpf_loop()` takes loops of any length."#,
    },
    Code {
        id: "V0108",
        title: "too many branches wait",
        story: r#"The verifier puts one arm of each undecided branch aside, and at most 8192 of them can wait.

Split long chains of conditions into functions that are not inlined (global functions are verified once, on their
own), or put the choice into a table or a map. Unrolled loops with a branch in each round are the usual cause."#,
    },
    Code {
        id: "V0109",
        title: "the program is too complex",
        story: r#"Over all paths at most 1,000,000 instructions are processed. A small program can need more, since each path through its
branches may be walked anew, and each round of a loop is.

Reduce what differs between paths:

- Put a large body into a global (not `static`) function with BTF: it is verified once.
- Replace long loops by `bpf_loop()` or `bpf_for()`.
- Keep values that are not needed later out of variables that live across branches.
- Bound loops by the smallest constant that serves."#,
    },
    Code {
        id: "V0110",
        title: "not an instruction",
        story: r#"The bytes are no instruction that Linux knows: the opcode is unassigned, a register above r10 is named, or a field that
must be zero is not.

```
.byte 0x07 0x01 0x05 0x00 0x00 0x00 0x00 0x00   ; r1 += 0, but the offset is not 0
```

An object for a newer instruction set (`-mcpu=v4`) than the kernel knows shows this too: compile with `-mcpu=v3`."#,
    },
    Code {
        id: "V0111",
        title: "a map that can't be used so",
        story: r#"The code names a map that is not there, or the address of a value in a map that has no single array of values.

The address of a value (global variables) can be taken only in array maps with one entry, and inside the value."#,
    },
    Code {
        id: "V0112",
        title: "calls nest too deep",
        story: r#"At most eight functions may be active at once, the program itself being the first. Recursion is never allowed.

Inline a function (`static __always_inline`), or use a tail call."#,
    },
    Code {
        id: "V0113",
        title: "no program, or a too long one",
        story: r#"A program has at least 1 and at most 1,000,000 instructions, at most 256 functions, and names at most 64 maps."#,
    },
    Code {
        id: "V0114",
        title: "not loaded so",
        story: r#"The program's type, the attach type that it is loaded for and its flags do not go together, and the kernel refuses it
before it reads an instruction, mostly without a word in the log.

Programs for cgroups and sockets have to say what they are loaded for (`expected_attach_type`; libbpf takes it from the
section's name: `SEC("cgroup/connect4")`). Only tracing programs, uprobes, LSM, struct_ops and syscall programs may sleep
(`BPF_F_SLEEPABLE`, the `.s` of a section's name), and syscall programs must."#,
    },
];
