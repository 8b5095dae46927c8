//! Extended instructions one after another, with labels: what the conversion writes through.

use skep_isa::classic::Size;
use skep_isa::{AluOp, CallTarget, Cond, Insn, Op, Operand, Reg, SwapKind, Width, encode};
use std::collections::BTreeMap;

/// An offset from the frame pointer, in bytes.
pub(super) type Slot = i16;

/// Somewhere to jump to, always ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Label {
    /// Where the code of a classic instruction begins.
    Insn(usize),
    /// Inside of that code.
    Fresh(usize),
    /// Where packets go that don't match.
    Out,
}

/// The code so far. Every operation takes one slot.
#[derive(Default)]
pub(super) struct Emitter {
    ops: Vec<(Op, Option<Label>)>,
    places: BTreeMap<Label, usize>,
    fresh: usize,
}

impl Emitter {
    fn push(&mut self, op: Op) {
        self.ops.push((op, None));
    }

    pub(super) fn place(&mut self, label: Label) {
        self.places.insert(label, self.ops.len());
    }

    pub(super) fn fresh(&mut self) -> Label {
        self.fresh += 1;
        Label::Fresh(self.fresh)
    }

    pub(super) fn is_wanted(&self, label: Label) -> bool {
        self.ops.iter().any(|(_, wanted)| *wanted == Some(label))
    }

    /// The slots; none if a branch is too long for its field.
    pub(super) fn finish(self) -> Option<Vec<Insn>> {
        let mut out = Vec::with_capacity(self.ops.len());
        for (at, (mut op, label)) in self.ops.into_iter().enumerate() {
            if let Some(label) = label {
                let distance = self.places.get(&label)?.checked_sub(at + 1)?;
                match &mut op {
                    Op::Jump { off, long } => {
                        *off = i32::try_from(distance).ok()?;
                        // The long form is of cpu v4: only where it must be.
                        *long = i16::try_from(distance).is_err();
                    }
                    Op::Branch { off, .. } => *off = i16::try_from(distance).ok()?,
                    _ => {}
                }
            }
            out.extend(encode(&op).ok()?.iter().copied());
        }
        Some(out)
    }

    fn alu_op(&mut self, width: Width, op: AluOp, dst: Reg, src: Operand) {
        self.push(Op::Alu { width, op, dst, src });
    }

    pub(super) fn imm(&mut self, dst: Reg, value: i32) {
        self.alu_op(Width::W32, AluOp::Mov, dst, Operand::Imm(value));
    }

    pub(super) fn mov32(&mut self, dst: Reg, src: Reg) {
        self.alu_op(Width::W32, AluOp::Mov, dst, Operand::Reg(src));
    }

    pub(super) fn mov64(&mut self, dst: Reg, src: Reg) {
        self.alu_op(Width::W64, AluOp::Mov, dst, Operand::Reg(src));
    }

    pub(super) fn alu(&mut self, op: AluOp, dst: Reg, src: Reg) {
        self.alu_op(Width::W32, op, dst, Operand::Reg(src));
    }

    pub(super) fn alu_imm(&mut self, op: AluOp, dst: Reg, value: i32) {
        self.alu_op(Width::W32, op, dst, Operand::Imm(value));
    }

    pub(super) fn alu64(&mut self, op: AluOp, dst: Reg, src: Reg) {
        self.alu_op(Width::W64, op, dst, Operand::Reg(src));
    }

    pub(super) fn alu64_imm(&mut self, op: AluOp, dst: Reg, value: i32) {
        self.alu_op(Width::W64, op, dst, Operand::Imm(value));
    }

    pub(super) fn neg(&mut self, dst: Reg) {
        self.push(Op::Neg { width: Width::W32, dst });
    }

    pub(super) fn load(&mut self, size: Size, dst: Reg, src: Reg, off: i16) {
        self.push(Op::Load { size, signed: false, dst, src, off });
    }

    pub(super) fn store(&mut self, size: Size, off: Slot, src: Reg) {
        self.push(Op::Store { size, dst: Reg::FP, off, src: Operand::Reg(src) });
    }

    /// From network order.
    pub(super) fn swap_to_host(&mut self, size: Size, dst: Reg) {
        if size != Size::B {
            self.push(Op::Swap { kind: SwapKind::ToBe, size, dst });
        }
    }

    pub(super) fn load_abs(&mut self, size: Size, imm: i32) {
        self.push(Op::LoadAbs { size, imm });
    }

    pub(super) fn load_ind(&mut self, size: Size, src: Reg, imm: i32) {
        self.push(Op::LoadInd { size, src, imm });
    }

    pub(super) fn call(&mut self, helper: i32) {
        self.push(Op::Call(CallTarget::Helper(helper)));
    }

    pub(super) fn exit(&mut self) {
        self.push(Op::Exit);
    }

    pub(super) fn goto(&mut self, label: Label) {
        self.ops.push((Op::Jump { off: 0, long: false }, Some(label)));
    }

    fn branch_op(&mut self, width: Width, cond: Cond, dst: Reg, src: Operand, label: Label) {
        self.ops.push((Op::Branch { width, cond, dst, src, off: 0 }, Some(label)));
    }

    pub(super) fn branch(&mut self, cond: Cond, dst: Reg, src: Reg, label: Label) {
        self.branch_op(Width::W32, cond, dst, Operand::Reg(src), label);
    }

    pub(super) fn branch_imm(&mut self, cond: Cond, dst: Reg, value: i32, label: Label) {
        self.branch_op(Width::W32, cond, dst, Operand::Imm(value), label);
    }

    pub(super) fn branch64(&mut self, cond: Cond, dst: Reg, src: Reg, label: Label) {
        self.branch_op(Width::W64, cond, dst, Operand::Reg(src), label);
    }

    pub(super) fn branch64_imm(&mut self, cond: Cond, dst: Reg, value: i32, label: Label) {
        self.branch_op(Width::W64, cond, dst, Operand::Imm(value), label);
    }
}
