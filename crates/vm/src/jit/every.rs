//! Every operation, with every pair of registers and the operands at which encodings change: what the tests of both
//! compilers read back.

use skep_isa::{AluOp, AtomicOp, Cond, Op, Operand, Reg, Size, SwapKind, Width};

fn reg(n: u8) -> Reg {
    Reg::new(n).expect("a register")
}

/// Every pair of registers that an instruction may have.
fn pairs() -> impl Iterator<Item = (Reg, Reg)> {
    (0..10).flat_map(|dst| (0..11).map(move |src| (reg(dst), reg(src))))
}

const IMMS: [i32; 10] = [0, 1, -1, 127, 128, 4095, -4096, 0x7f_f000, i32::MAX, i32::MIN];

fn encodable(mut ops: Vec<Op>) -> Vec<Op> {
    ops.retain(|op| op.encode().is_ok());
    ops
}

pub(super) fn arithmetic() -> impl Iterator<Item = Vec<Op>> {
    AluOp::ALL.into_iter().map(|op| {
        let mut ops = Vec::new();
        for width in [Width::W32, Width::W64] {
            ops.extend(pairs().map(|(dst, src)| Op::Alu { width, op, dst, src: Operand::Reg(src) }));
            let imms = (0..10).flat_map(|dst| IMMS.map(|imm| (reg(dst), imm)));
            ops.extend(imms.map(|(dst, imm)| Op::Alu { width, op, dst, src: Operand::Imm(imm) }));
        }
        ops
    })
}

pub(super) fn moves_and_byte_order() -> Vec<Op> {
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
    encodable(ops)
}

pub(super) fn accesses() -> impl Iterator<Item = Vec<Op>> {
    [0, 8, -8, -512, 127, 128, i16::MIN, i16::MAX].into_iter().map(|off| {
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
        encodable(ops)
    })
}

pub(super) fn atomics() -> Vec<Op> {
    let mut ops = Vec::new();
    for (op, (src, dst)) in AtomicOp::ALL.iter().flat_map(|op| pairs().map(|p| (*op, p))) {
        for (size, fetch) in [(Size::W, false), (Size::W, true), (Size::Dw, false), (Size::Dw, true)] {
            ops.push(Op::Atomic { op, size, fetch, dst, src, off: -16 });
        }
    }
    encodable(ops)
}

pub(super) fn branches() -> Vec<Op> {
    let mut ops = Vec::new();
    for cond in Cond::ALL {
        for (width, off) in [Width::W32, Width::W64].into_iter().flat_map(|w| [-1, 0].map(|off| (w, off))) {
            ops.extend((0..121).map(|n| {
                let src = Operand::Reg(reg(n % 11));
                Op::Branch { width, cond, dst: reg(n / 11), src, off }
            }));
            ops.extend(IMMS.map(|imm| Op::Branch { width, cond, dst: reg(10), src: Operand::Imm(imm), off }));
        }
    }
    ops
}

/// Calls of all sorts, and what else is no plain operation.
pub(super) const CALLS: &str = "
        call 1
        callx r3
        call pc-3
        may_goto -1
        may_goto +0
        r0 = *(u8 *)skb[r7 + 3]
        r0 = *(u32 *)skb[14]
        exit";
