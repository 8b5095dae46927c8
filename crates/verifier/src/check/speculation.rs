//! What a processor may do on a guess, for programs of loaders without CAP_PERFMON.
//!
//! Such a program must not learn kernel memory from what a mispredicted branch touches (Spectre variants 1 and 4). Linux
//! follows the arm that a decided comparison rules out, too, and masks what is added to pointers so that it stays inside the
//! object even on a guess; where it can't, the program is refused. A path that only a guess takes is never refused itself:
//! it ends at a barrier, which Linux puts before the instruction at fault.

use skep_isa::{AluOp, Op, Operand};

use super::show_tnum;
use crate::env::Env;
use crate::refusal::{Step, Stop, errno};
use crate::state::{Kind, Reg};

const MAX_STACK: i64 = 512;

/// How an addition is masked: it must be the same on every path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mask {
    /// Both sides are numbers: not at all.
    Number,
    /// A pointer and a number.
    Pointer {
        /// The number is negative.
        negative: bool,
        /// It is a constant.
        constant: bool,
        /// The pointer is in the destination.
        in_dst: bool,
        /// How far it may go.
        limit: i64,
    },
}

/// What the look before an addition hands to the one after it.
pub(crate) struct Before {
    left: bool,
    mask: Mask,
}

/// Why an addition can't be masked.
#[derive(Clone, Copy)]
enum Why {
    MixedSigns,
    Type,
    Paths,
    Beyond,
}

impl Env<'_> {
    /// Follows the arm that is not taken, as a processor may on a guess: what was compared may be anything there.
    pub(crate) fn guess_arm(&mut self, insn: usize, dst: usize, src: Operand) -> Step {
        if self.rights.speculation {
            return Ok(());
        }
        let precise = !self.rights.bpf;
        let state = self.push_branch(insn)?;
        state.speculative = true;
        *state.reg_mut(dst) = Reg { precise, ..Reg::UNKNOWN };
        if let Operand::Reg(r) = src {
            *state.reg_mut(r.index()) = Reg { precise, ..Reg::UNKNOWN };
        }
        Ok(())
    }

    /// Whether the path is over because a guess that came here meets a barrier before this instruction.
    pub(crate) fn guess_ends_before(&self) -> bool {
        self.cur.speculative && self.aux[self.pc].barrier
    }

    /// The same for a barrier behind the instruction at `at`.
    pub(crate) fn guess_ends_behind(&self, at: usize) -> bool {
        self.cur.speculative && self.aux[at].barrier_behind
    }

    /// A refusal on a path that only a guess takes becomes a barrier; true if it was one.
    pub(crate) fn barred(&mut self, stop: &Stop) -> bool {
        let Stop::Refused(r) = stop else { return false };
        if !self.cur.speculative || !matches!(r.errno, errno::EPERM | errno::EACCES | errno::EINVAL) {
            return false;
        }
        let aux = &mut self.aux[self.pc];
        aux.barrier = true;
        aux.mask = None;
        true
    }

    fn masks(&self) -> bool {
        let by_register = matches!(self.op(self.pc), Some(Op::Alu { src: Operand::Reg(_), .. }));
        !self.rights.speculation && by_register && !self.aux[self.pc].barrier
    }

    fn unmaskable(&self, op: AluOp, dst: usize, off_in_dst: bool, why: Why) -> Stop {
        let src = match self.op(self.pc) {
            Some(Op::Alu { src: Operand::Reg(s), .. }) => s.index(),
            _ => dst,
        };
        let word = if op == AluOp::Add { "add" } else { "sub" };
        let (reg, what) = match why {
            Why::MixedSigns => {
                (if off_in_dst { dst } else { src }, "has unknown scalar with mixed signed bounds".to_owned())
            }
            Why::Type => {
                (if off_in_dst { src } else { dst }, "has pointer with unsupported alu operation".to_owned())
            }
            Why::Paths => (dst, format!("tried to {word} from different maps, paths or scalars")),
            Why::Beyond => (dst, format!("tried to {word} beyond pointer bounds")),
        };
        let m = format!("R{reg} {what}, pointer arithmetic with it prohibited for !root");
        self.deny(reg, "V0806", m)
    }

    /// How far a pointer may move one way.
    fn room(&self, ptr: &Reg, left: bool) -> Result<i64, Why> {
        let (max, limit) = match ptr.kind {
            Kind::Stack => {
                let at = (ptr.val.var.value as i64).wrapping_add(ptr.off.into());
                (MAX_STACK + i64::from(left), at.wrapping_neg())
            }
            Kind::MapValue => {
                let at = if left { ptr.val.smin } else { ptr.val.umax as i64 };
                (self.maps[ptr.aux as usize].value_size.into(), at.wrapping_add(ptr.off.into()))
            }
            _ => return Err(Why::Type),
        };
        // As the kernel has it, in 32 bits without a sign.
        let limit = i64::from(limit as u32);
        if limit >= max { Err(Why::Beyond) } else { Ok(limit) }
    }

    fn note_mask(&mut self, mask: Mask) -> Result<(), Why> {
        let aux = &mut self.aux[self.pc];
        match aux.mask {
            Some(old) if old != mask => Err(Why::Paths),
            _ => {
                aux.mask = Some(mask);
                Ok(())
            }
        }
    }

    /// Two numbers are added: no other path may have added to a pointer here.
    pub(crate) fn guess_numbers(&mut self, op: AluOp, dst: usize) -> Step {
        if !matches!(op, AluOp::Add | AluOp::Sub) || !self.masks() {
            return Ok(());
        }
        self.note_mask(Mask::Number).map_err(|why| self.unmaskable(op, dst, false, why))
    }

    /// Before `ptr op off`: can it be masked? What a mask makes of it on a guess is followed.
    pub(crate) fn guess_before(
        &mut self,
        op: AluOp,
        dst: usize,
        ptr: &Reg,
        off: &Reg,
    ) -> Step<Option<Before>> {
        if !matches!(op, AluOp::Add | AluOp::Sub) || !self.masks() {
            return Ok(None);
        }
        let in_dst = !self.cur.reg(dst).is_scalar();
        let constant = off.val.is_const();
        let negative = off.val.smin < 0;
        let mut before = None;
        if !self.cur.speculative {
            let refuse = |env: &Self, why| env.unmaskable(op, dst, !in_dst, why);
            if !constant && negative != (off.val.smax < 0) {
                return Err(refuse(self, Why::MixedSigns));
            }
            let left = (op == AluOp::Add) == negative;
            let limit = self.room(ptr, left).map_err(|why| refuse(self, why))?;
            self.deep_numbers |= !constant;
            let mask = Mask::Pointer { negative, constant, in_dst, limit };
            // Noted on behalf of the look after it, which narrows it to what was moved.
            before = Some(Before { left, mask });
        }
        if !constant {
            // Masked to nothing, the pointer stays where it is.
            let next = self.pc + 1;
            let there = *ptr;
            let state = self.push_branch(next)?;
            state.speculative = true;
            *state.reg_mut(dst) = there;
        }
        Ok(before)
    }

    /// After it: the result lies in the object, and the mask is the same as on other paths.
    pub(crate) fn guess_after(&mut self, op: AluOp, dst: usize, before: Option<Before>) -> Step {
        if self.rights.speculation || !matches!(op, AluOp::Add | AluOp::Sub) {
            return Ok(());
        }
        let r = *self.cur.reg(dst);
        match r.kind {
            Kind::Stack => self.stack_stays(dst, &r)?,
            Kind::MapValue => self.value_stays(dst, &r)?,
            _ => {}
        }
        let Some(Before { left, mask: Mask::Pointer { negative, constant, in_dst, limit } }) = before else {
            return Ok(());
        };
        let moved = self.room(&r, left).map_err(|why| self.unmaskable(op, dst, !in_dst, why))?;
        let limit = (limit - moved).abs();
        self.note_mask(Mask::Pointer { negative, constant, in_dst, limit })
            .map_err(|why| self.unmaskable(op, dst, !in_dst, why))
    }

    fn stack_stays(&self, dst: usize, r: &Reg) -> Step {
        if !r.val.is_const() {
            let m = format!(
                "R{dst} variable stack access prohibited for !root, var_off={} off={}",
                show_tnum(r.val.var),
                i64::from(r.off).wrapping_add(r.val.var.value as i64)
            );
            return Err(self.deny(dst, "V0806", m));
        }
        let off = i64::from(r.off).wrapping_add(r.val.var.value as i64);
        if (-MAX_STACK..0).contains(&off) {
            return Ok(());
        }
        let m = format!("R{dst} stack pointer arithmetic goes out of range, prohibited for !root; off={off}");
        Err(self.deny(dst, "V0806", m))
    }

    fn value_stays(&mut self, dst: usize, r: &Reg) -> Step {
        match self.map_value_part(dst, r.off, 1, false) {
            Err(Stop::Refused(inner)) => {
                let m = format!(
                    "{}\nR{dst} pointer arithmetic of map value goes out of range, prohibited for !root",
                    inner.message
                );
                Err(self.deny(dst, "V0806", m))
            }
            done => done,
        }
    }
}
