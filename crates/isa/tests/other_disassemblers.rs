//! Text that other tools print: the kernel's log, which we print to the letter, and listings of
//! llvm-objdump and bpftool, which we read.

use skep_isa::asm::{Assembler, Dialect, RefKind, assemble};
use skep_isa::disasm::{Disassembler, Style};
use skep_isa::{Insn, Names};

struct Clock;

impl Names for Clock {
    fn helper_id(&self, name: &str) -> Option<i32> {
        (name == "bpf_ktime_get_ns").then_some(5)
    }
    fn helper_name(&self, id: i32) -> Option<&str> {
        (id == 5).then_some("bpf_ktime_get_ns")
    }
    fn nearest_helper(&self, _name: &str) -> Option<&str> {
        Some("bpf_ktime_get_ns")
    }
}

/// Instructions as Linux 6.18's verifier logged them, one a line, of a program with nearly every operation.
const KERNEL_LOG: &str = include_str!("kernel_log.txt");

#[test]
fn the_kernels_log_is_printed_to_the_letter() {
    let asm = Assembler::new(Dialect::Kernel).names(&Clock);
    let printer = Disassembler::new(Style::Kernel).names(&Clock).log(true);
    for line in KERNEL_LOG.lines() {
        let insns = asm.assemble(line).unwrap_or_else(|e| panic!("`{line}`: {e}")).insns;
        assert_eq!(printer.insn(&insns, 0).expect("it has been assembled"), line);
    }
}

#[test]
fn a_piece_of_the_verifiers_log_is_read() {
    let log = "0: R1=ctx() R10=fp0\n\
        ; int x = 1; @ a.c:5\n\
        0: (b7) r0 = 1                        ; R0=1\n\
        1: (18) r1 = 0x5                      ; R1=5\n\
        3: (85) call bpf_ktime_get_ns#5       ; R0=scalar()\n\
        4: (95) exit\n";
    let program = assemble(log, Dialect::Kernel).expect("it is a log");
    let codes: Vec<u8> = program.insns.iter().map(|insn| insn.opcode).collect();
    assert_eq!(codes, [0xb7, 0x18, 0, 0x85, 0x95]);
    assert_eq!(program.insns[3].imm, 5);
}

#[test]
fn llvm_objdump_is_read() {
    let text = "\na.o:\tfile format elf64-bpf\n\nDisassembly of section xdp:\n\n\
        0000000000000000 <prog>:\n\
        ; int prog(struct xdp_md *ctx) {\n\
        \x20      0:\t18 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00\tr1 = 0x0 ll\n\
        \t\t0000000000000000:  R_BPF_64_64\tcounts\n\
        \x20      2:\t15 00 02 00 00 00 00 00\tif r0 == 0x0 goto +0x2 <prog+0x58>\n\
        \x20      3:\t61 a2 fc ff 00 00 00 00\tr2 = *(u32 *)(r10 - 0x4)\n\
        0000000000000020 <LBB0_2>:\n\
        \x20      4:\t95 00 00 00 00 00 00 00\texit\n";
    let program = assemble(text, Dialect::Kernel).expect("it is a listing");
    assert_eq!(program.insns.len(), 5);
    assert_eq!(program.label("prog"), Some(0));
    assert_eq!(program.label("LBB0_2"), Some(4));
    assert_eq!(program.insns[2], Insn { opcode: 0x15, dst: 0, src: 0, off: 2, imm: 0 });
    assert_eq!(program.insns[3], Insn { opcode: 0x61, dst: 2, src: 10, off: -4, imm: 0 });
}

#[test]
fn bpftool_is_read() {
    let text = "int prog(struct xdp_md * ctx):\n\
        ; bpf_printk(\"x %d\", g);\n\
        \x20  0: (18) r1 = map[id:649]\n\
        \x20      18 11 00 00 89 02 00 00 00 00 00 00 00 00 00 00\n\
        \x20  2: (18) r1 = map[id:651][0]+8\n\
        \x20  4: (85) call pc+11#bpf_prog_776ce88201fb3dd3_sub\n\
        \x20  5: (85) call bpf_trace_printk#-61360\n\
        \x20  6: (05) goto pc-2\n";
    let program = assemble(text, Dialect::Kernel).expect("it is a listing");
    let fields: Vec<(u8, u8, i32)> = program.insns.iter().map(|i| (i.opcode, i.src, i.imm)).collect();
    assert_eq!(
        fields,
        [(0x18, 1, 649), (0, 0, 0), (0x18, 2, 651), (0, 0, 8), (0x85, 1, 11), (0x85, 0, -61360), (5, 0, 0)]
    );
}

#[test]
fn names_are_resolved_or_left_open() {
    let text = "r1 = map[counts]\n\
        r2 = map[.rodata][0]+16\n\
        r3 = btf[bpf_prog_active]\n\
        r4 = other ll\n\
        r5 = body ll\n\
        call kfunc bpf_rcu_read_lock\n\
        call bpf_ktime_get_ns\n\
        call body\n\
        exit\n\
        body: r0 = 0\n\
        exit\n";
    let program = Assembler::new(Dialect::Kernel).names(&Clock).assemble(text).expect("it is right");
    let references: Vec<_> = program.references.iter().map(|r| (r.slot, r.kind, r.name.as_str())).collect();
    assert_eq!(
        references,
        [
            (0, RefKind::Map, "counts"),
            (2, RefKind::MapValue, ".rodata"),
            (4, RefKind::Ksym, "bpf_prog_active"),
            (6, RefKind::Symbol, "other"),
            (10, RefKind::Kfunc, "bpf_rcu_read_lock"),
        ]
    );
    assert_eq!(program.insns[3].imm, 16, "the offset in the value");
    assert_eq!((program.insns[6].src, program.insns[8].src), (0, 4));
    assert_eq!(program.insns[8].imm, 14 - 8 - 1, "the subprogram");
    assert_eq!(program.insns[11].imm, 5, "the helper");
    assert_eq!((program.insns[12].src, program.insns[12].imm), (1, 14 - 12 - 1));
    assert_eq!(program.line_of(9).map(|line| line.line), Some(5));
    assert_eq!(program.line_of(15).map(|line| line.line), Some(11));
    assert_eq!(program.line_of(16), None);
    assert_eq!(skep_isa::validate(&program.insns), Ok(()));
}

#[test]
fn ubpf_and_rbpf_are_read() {
    let text = "add64 r1, 0x605\nmov64 %r2, -0x32\nldxw r0, [r1+0x4]\nstxdw [r1-0x8], r2\njeq r1, 0x2, +0x1\n\
        le32 r0\nstxxaddw [r1+0x0], r2\nldindb r1, 0x3\ncall local 5\ncall helper 5\ncall runtime 7\n\
        bswap16 r0\nswap16 r0\nlock fetch cmpxchg32 [%r1], %r2\ncallx r3\nneg64 r2\nexit";
    let program = assemble(text, Dialect::Mnemonic).expect("it is their dialect");
    let printed = Disassembler::new(Style::Mnemonic).program(&program.insns);
    assert_eq!(
        printed,
        "add %r1, 1541\nmov %r2, -50\nldxw %r0, [%r1+4]\nstxdw [%r1-8], %r2\njeq %r1, 2, +1\n\
        le32 %r0\nlock add32 [%r1], %r2\nldindb %r1, 3\ncall local +5\ncall 5\ncall runtime 7\n\
        swap16 %r0\nswap16 %r0\nlock cmpxchg32 [%r1], %r2\ncall %r3\nneg %r2\nexit\n"
    );
}

#[test]
fn operations_show_themselves_as_the_kernel_does() {
    let load = Insn { opcode: 0x71, dst: 0, src: 1, off: -4, imm: 0 };
    assert_eq!(skep_isa::decode(&[load], 0).expect("it is a load").to_string(), "r0 = *(u8 *)(r1 -4)");
}

/// The kernel uses r11 for itself, and marks per-CPU addresses in an offset: errors in a program, but not in what became
/// of one.
#[test]
fn what_the_kernel_made_is_printed_when_asked_for() {
    use skep_isa::disasm::{Disassembler, Style};
    let insn = skep_isa::Insn { opcode: 0xbf, dst: 11, src: 2, off: 0, imm: 0 };
    let log = Disassembler::new(Style::Kernel).log(true);
    assert!(log.insn(&[insn], 0).is_err());
    assert_eq!(log.loose(true).insn(&[insn], 0).as_deref(), Ok("(bf) r11 = r2"));
}
