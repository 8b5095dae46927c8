//! The structural check of a whole program, for engines that run bytes no verifier has seen.
//!
//! What holds afterwards: every slot belongs to an instruction that decodes; jumps, local calls and
//! addresses of subprograms land on the first slot of an instruction of the program; nothing writes
//! to r10; casts are between address spaces 0 and 1; control can't run off the end.
//!
//! What does not: subprograms may share code, code may be unreachable, memory accesses are anybody's
//! guess. Those are a verifier's business, or the engine's at run time.

use crate::decode::{DecodeError, decode_into};
use crate::insn::Insn;
use crate::op::{AtomicOp, CallTarget, ImmSource, Op, Reg};
use alloc::vec::Vec;
use core::fmt;

/// Why a program must not be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidateError {
    slot: usize,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Empty,
    Decode(DecodeError),
    OutOfRange { what: &'static str, target: i64, len: usize },
    IntoWide { what: &'static str, target: i64 },
    FramePointer,
    AddressSpaces { to: u16, from: u16 },
    RunsOff,
}

impl ValidateError {
    /// Index of the slot.
    pub const fn slot(&self) -> usize {
        self.slot
    }

    /// The decoder's error, if that is what it is.
    pub const fn decode_error(&self) -> Option<&DecodeError> {
        match &self.kind {
            Kind::Decode(e) => Some(e),
            _ => None,
        }
    }
}

impl fmt::Display for ValidateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Decode(e) => return e.fmt(f),
            Kind::Empty => return f.write_str("the program has no instructions"),
            _ => write!(f, "slot {}: ", self.slot)?,
        }
        match &self.kind {
            Kind::OutOfRange { what, target, len } => {
                write!(f, "{what} slot {target}, the program has slots 0 to {}", len.saturating_sub(1))
            }
            Kind::IntoWide { what, target } => {
                write!(f, "{what} slot {target}, the second half of a wide load")
            }
            Kind::AddressSpaces { to, from } => {
                write!(f, "casts from address space {from} to {to}, expected 0 to 1 or 1 to 0")
            }
            Kind::FramePointer => f.write_str("writes to r10, the frame pointer is read-only"),
            _ => f.write_str("the last instruction is no exit or jump, control would run off the end"),
        }
    }
}

impl core::error::Error for ValidateError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        self.decode_error().map(|e| e as _)
    }
}

/// Checks a whole program; the first violation is returned.
pub fn validate(insns: &[Insn]) -> Result<(), ValidateError> {
    validated(insns).map(|_| ())
}

/// As [`validate`], and gives the instructions with the slots at which they begin.
pub fn validated(insns: &[Insn]) -> Result<Vec<(usize, Op)>, ValidateError> {
    let mut ops = Vec::new();
    validate_into(insns, &mut ops)?;
    Ok(ops)
}

/// As [`validated`], into a vector that may have been used before.
pub fn validate_into(insns: &[Insn], ops: &mut Vec<(usize, Op)>) -> Result<(), ValidateError> {
    decode_into(insns, ops).map_err(|e| ValidateError { slot: e.slot(), kind: Kind::Decode(e) })?;
    let Some(&(last, last_op)) = ops.last() else {
        return Err(ValidateError { slot: 0, kind: Kind::Empty });
    };
    for (slot, op) in &*ops {
        if op.writes() == Some(Reg::FP) {
            return Err(ValidateError { slot: *slot, kind: Kind::FramePointer });
        }
        if let Op::AddrSpaceCast { to, from, .. } = *op
            && !matches!((to, from), (0, 1) | (1, 0))
        {
            return Err(ValidateError { slot: *slot, kind: Kind::AddressSpaces { to, from } });
        }
        if let Some((what, distance)) = target(op) {
            check_target(*slot, what, distance, insns)?;
        }
    }
    match last_op {
        Op::Exit | Op::Jump { .. } => Ok(()),
        _ => Err(ValidateError { slot: last, kind: Kind::RunsOff }),
    }
}

#[inline]
pub(crate) fn target(op: &Op) -> Option<(&'static str, i32)> {
    match *op {
        Op::Call(CallTarget::Subprog(distance)) => Some(("calls", distance)),
        // The distance of an address counts from the slot after the first one, as that of a call.
        Op::LoadImm { source: ImmSource::Func, imm, .. } => Some(("takes the address of", imm as i32)),
        _ => op.jump_distance().map(|distance| ("jumps to", distance)),
    }
}

/// Whether a jump leads to the first slot of an instruction; all slots are known to decode.
#[inline]
fn check_target(slot: usize, what: &'static str, distance: i32, insns: &[Insn]) -> Result<(), ValidateError> {
    let target = slot as i64 + 1 + i64::from(distance);
    let Some(at) = usize::try_from(target).ok().filter(|t| *t < insns.len()) else {
        return Err(ValidateError { slot, kind: Kind::OutOfRange { what, target, len: insns.len() } });
    };
    // No instruction but the second half of a wide one has the opcode 0.
    if insns[at].opcode == 0 {
        return Err(ValidateError { slot, kind: Kind::IntoWide { what, target } });
    }
    Ok(())
}

impl Op {
    /// The distance of a jump that this instruction may take, in slots from the following one.
    #[inline]
    pub const fn jump_distance(&self) -> Option<i32> {
        match *self {
            Self::Jump { off, .. } => Some(off),
            Self::Branch { off, .. } | Self::MayGoto { off } => Some(off as i32),
            _ => None,
        }
    }

    /// The register that this instruction writes by name; what calls and packet loads do to r0 to
    /// r5 is left out.
    #[inline]
    pub const fn writes(&self) -> Option<Reg> {
        match *self {
            Self::Alu { dst, .. }
            | Self::Movsx { dst, .. }
            | Self::AddrSpaceCast { dst, .. }
            | Self::Neg { dst, .. }
            | Self::Swap { dst, .. }
            | Self::Load { dst, .. }
            | Self::LoadAcquire { dst, .. }
            | Self::LoadImm { dst, .. } => Some(dst),
            Self::Atomic { op: AtomicOp::Cmpxchg, .. } => Reg::new(0),
            Self::Atomic { fetch: true, src, .. } => Some(src),
            _ => None,
        }
    }
}
