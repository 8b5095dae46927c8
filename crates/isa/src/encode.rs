//! [`Op`]s to slots: one match that the table writes, its rows' patterns as arms.

use crate::fields::{Slots, put};
use crate::insn::Insn;
use crate::op::{Op, Operand, Width};
use crate::row::{ROWS, Row};
use crate::table::for_each_op;
use core::fmt;
use core::ops::Deref;

/// The slots of one instruction: one, or two for a wide load. Derefs to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoded {
    slots: [Insn; 2],
    wide: bool,
}

impl Encoded {
    pub(crate) fn new(slots: Slots, wide: bool) -> Self {
        Self { slots: [slots.first, slots.next], wide }
    }
}

impl Deref for Encoded {
    type Target = [Insn];

    fn deref(&self) -> &[Insn] {
        &self.slots[..1 + usize::from(self.wide)]
    }
}

/// The operation is one that the instruction set does not have (an atomic add of two bytes, a
/// sign-extending load of eight, a jump that does not fit its field).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncodeError {
    op: Op,
}

impl EncodeError {
    /// The operation.
    pub const fn op(&self) -> &Op {
        &self.op
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the instruction set has no encoding of {:?}", self.op)
    }
}

impl core::error::Error for EncodeError {}

/// Encodes an operation; also [`Op::encode`].
pub fn encode(op: &Op) -> Result<Encoded, EncodeError> {
    let (row, slots) = split(op).ok_or(EncodeError { op: *op })?;
    Ok(Encoded::new(slots, row.is_wide()))
}

impl Op {
    /// Encodes it.
    pub fn encode(&self) -> Result<Encoded, EncodeError> {
        encode(self)
    }

    /// Its row in the table; none if the instruction set does not have it.
    pub fn row(&self) -> Option<&'static Row> {
        split(self).map(|(row, _)| row)
    }

    /// How many slots it takes: 2 for a wide load, 1 otherwise.
    #[inline]
    pub const fn slots(&self) -> usize {
        match self {
            Self::LoadImm { .. } => 2,
            _ => 1,
        }
    }
}

macro_rules! define_split {
    ($($name:ident = $code:literal [$($sel:tt)*] ($($operand:ident)*) $cpu:ident $linux:tt $rfc:tt $meaning:literal
        { $($op:tt)* } [$($kernel:literal),* $(,)?] [$($mnemonic:literal),* $(,)?];)*) => {
        #[repr(u8)]
        #[expect(non_camel_case_types, reason = "rows are named in lower case")]
        enum Id { $($name),* }

        /// The row of an operation and its slots.
        fn split(op: &Op) -> Option<(&'static Row, Slots)> {
            use Op::*;
            use Operand::*;
            use Width::*;
            use crate::op::{AluOp, AtomicOp, CallTarget, Cond, ImmSource, Size, SwapKind};
            match *op {
                $($($op)* => {
                    let row = &ROWS[Id::$name as usize];
                    let mut _slots = row.template();
                    $(put::$operand(&mut _slots, $operand)?;)*
                    Some((row, _slots))
                })*
                _ => None,
            }
        }
    };
}
for_each_op!(define_split);
