//! What was emitted is read back by another's decoder.

use skep_isa::asm::{Dialect, assemble};
use skep_isa::{AluOp, AtomicOp, Cond, Endian, Insn, Op, Operand, Reg, Size, SwapKind, Width};

use crate::host::Imports;
use crate::image::{Engine, Image, Missing, Options};
use crate::memory::RegionId;

/// Every instruction of a piece of code decodes, they fill it, and jumps lead to the start of one.
fn tiles(code: &[u8]) {
    let mut decoder = iced_x86::Decoder::with_ip(64, code, 0, iced_x86::DecoderOptions::NONE);
    let (mut starts, mut targets) = (std::collections::HashSet::new(), Vec::new());
    let mut at = 0;
    while decoder.can_decode() {
        let insn = decoder.decode();
        assert!(!insn.is_invalid(), "byte {at}: {:x?}", &code[at..code.len().min(at + 15)]);
        starts.insert(at as u64);
        at += insn.len();
        use iced_x86::FlowControl::{Call, ConditionalBranch, UnconditionalBranch};
        if matches!(insn.flow_control(), Call | ConditionalBranch | UnconditionalBranch) {
            targets.push(insn.near_branch_target());
        }
    }
    assert_eq!(at, code.len());
    assert!(targets.iter().all(|t| starts.contains(t)), "a jump into the middle of an instruction");
}

struct All;

impl Imports for All {
    fn helper(&self, id: i32) -> Option<u32> {
        u32::try_from(id).ok()
    }
}

fn check(ops: &[Op]) {
    let mut insns: Vec<Insn> =
        ops.iter().flat_map(|op| op.encode().expect("an operation of the table").to_vec()).collect();
    insns.extend(Op::Exit.encode().expect("exit").to_vec());
    for endian in [Endian::Little, Endian::Big] {
        let arena = Some(RegionId::PACKET);
        let options =
            Options { endian, arena, engine: Engine::Jit, missing: Missing::Trap, ..Options::default() };
        let image = Image::new(&insns, &All, &options).expect("an image");
        tiles(image.machine_code().expect("machine code"));
    }
}

fn reg(n: u8) -> Reg {
    Reg::new(n).expect("a register")
}

/// Every pair of registers that an instruction may have.
fn pairs() -> impl Iterator<Item = (Reg, Reg)> {
    (0..10).flat_map(|dst| (0..11).map(move |src| (reg(dst), reg(src))))
}

const IMMS: [i32; 6] = [0, 1, -1, 127, 128, i32::MIN];

#[test]
fn arithmetic_tiles() {
    let all = [AluOp::Add, AluOp::Sub, AluOp::Mul, AluOp::Div, AluOp::Sdiv, AluOp::Or, AluOp::And];
    let all = all.iter().chain(&[AluOp::Lsh, AluOp::Rsh, AluOp::Mod, AluOp::Smod, AluOp::Xor, AluOp::Mov]);
    for op in all.chain(&[AluOp::Arsh]).copied() {
        let mut ops = Vec::new();
        for width in [Width::W32, Width::W64] {
            ops.extend(pairs().map(|(dst, src)| Op::Alu { width, op, dst, src: Operand::Reg(src) }));
            let imms = (0..10).flat_map(|dst| IMMS.map(|imm| (reg(dst), imm)));
            ops.extend(imms.map(|(dst, imm)| Op::Alu { width, op, dst, src: Operand::Imm(imm) }));
        }
        check(&ops);
    }
}

#[test]
fn moves_and_byte_order_tile() {
    let mut ops = Vec::new();
    for (dst, src) in pairs() {
        ops.push(Op::AddrSpaceCast { dst, src, to: 0, from: 1 });
        for width in [Width::W32, Width::W64] {
            ops.push(Op::Neg { width, dst });
            ops.extend([Size::B, Size::H, Size::W].map(|from| Op::Movsx { width, from, dst, src }));
        }
        for kind in [SwapKind::ToLe, SwapKind::ToBe, SwapKind::Swap] {
            ops.extend([Size::H, Size::W, Size::Dw].map(|size| Op::Swap { kind, size, dst }));
        }
    }
    ops.retain(|op| op.encode().is_ok());
    check(&ops);
}

#[test]
fn accesses_tile() {
    for off in [0, 8, -8, -512, 127, 128, i16::MIN, i16::MAX] {
        let mut ops = Vec::new();
        for (dst, src) in pairs() {
            for size in [Size::B, Size::H, Size::W, Size::Dw] {
                ops.push(Op::Load { size, signed: false, dst, src, off });
                ops.push(Op::Load { size, signed: true, dst, src, off });
                ops.push(Op::LoadAcquire { size, dst, src, off });
                ops.push(Op::StoreRelease { size, dst: src, src: dst, off });
                ops.push(Op::Store { size, dst: src, off, src: Operand::Reg(dst) });
                ops.push(Op::Store { size, dst, off, src: Operand::Reg(src) });
                ops.push(Op::Store { size, dst: src, off, src: Operand::Imm(-2) });
            }
        }
        ops.retain(|op| op.encode().is_ok());
        check(&ops);
    }
}

#[test]
fn atomics_tile() {
    let all = AtomicOp::ALL;
    let mut ops = Vec::new();
    for (op, (src, dst)) in all.iter().flat_map(|op| pairs().map(|p| (*op, p))) {
        for (size, fetch) in [(Size::W, false), (Size::W, true), (Size::Dw, false), (Size::Dw, true)] {
            ops.push(Op::Atomic { op, size, fetch, dst, src, off: -16 });
        }
    }
    ops.retain(|op| op.encode().is_ok());
    check(&ops);
}

#[test]
fn branches_and_calls_tile() {
    let conds = [Cond::Eq, Cond::Ne, Cond::Set, Cond::Gt, Cond::Ge, Cond::Lt, Cond::Le];
    let mut ops = Vec::new();
    for cond in conds.into_iter().chain([Cond::Sgt, Cond::Sge, Cond::Slt, Cond::Sle]) {
        for (width, off) in [Width::W32, Width::W64].into_iter().flat_map(|w| [-1, 0].map(|off| (w, off))) {
            ops.extend((0..121).map(|n| {
                let src = Operand::Reg(reg(n % 11));
                Op::Branch { width, cond, dst: reg(n / 11), src, off }
            }));
            ops.extend(IMMS.map(|imm| Op::Branch { width, cond, dst: reg(10), src: Operand::Imm(imm), off }));
        }
    }
    check(&ops);
    let text = "
        call 1
        callx r3
        call pc-3
        may_goto -1
        may_goto +0
        r0 = *(u8 *)skb[r7 + 3]
        r0 = *(u32 *)skb[14]
        exit";
    let options = Options { engine: Engine::Jit, ..Options::default() };
    let image = assemble(text, Dialect::Kernel).expect("assembles");
    let image = Image::new(&image.insns, &All, &options).expect("an image");
    tiles(image.machine_code().expect("machine code"));
}
