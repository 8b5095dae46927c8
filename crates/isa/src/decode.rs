//! Slots to [`Op`]s: the table's row is found by opcode and fixed field, then every field that the row
//! does not use must be zero and every register must exist.
//!
//! RFC 9669, section 3: reserved fields "should be set to zero"; Linux and the bpf_conformance suite
//! reject programs that do otherwise, and so does this.

use crate::fields::{self, Slots};
use crate::insn::Insn;
use crate::op::Op;
use crate::row::{Field, Row, rows_of, select};
use crate::table::for_each_op;
use alloc::vec::Vec;
use core::fmt;

/// Why slots are no instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    slot: usize,
    insn: Insn,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// `pc` is past the end.
    End,
    /// No row has this opcode.
    Opcode,
    /// No row of the opcode has this value in its fixed field.
    Select(Field, i32),
    /// A field that this row does not use is not zero.
    Reserved(&'static Row, Field, i32),
    /// Registers go up to r10.
    Register(Field, u8),
    /// The second slot of a wide instruction is past the end.
    LoneHalf,
    /// The second slot of a wide instruction has more than an immediate.
    SecondHalf(Field, i32),
}

impl DecodeError {
    fn new(slot: usize, insn: Insn, kind: Kind) -> Self {
        Self { slot, insn, kind }
    }

    /// Index of the slot.
    pub const fn slot(&self) -> usize {
        self.slot
    }

    /// The slot; all zero if it is past the end.
    pub const fn insn(&self) -> Insn {
        self.insn
    }

    /// The field that is wrong; none if slots are missing.
    pub const fn field(&self) -> Option<Field> {
        match self.kind {
            Kind::End | Kind::LoneHalf => None,
            Kind::Opcode => Some(Field::Opcode),
            Kind::Select(f, _) | Kind::Reserved(_, f, _) | Kind::Register(f, _) | Kind::SecondHalf(f, _) => {
                Some(f)
            }
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let op = self.insn.opcode;
        write!(f, "slot {}: ", self.slot)?;
        match &self.kind {
            Kind::End => f.write_str("expected an instruction, the program ends here"),
            Kind::Opcode => write!(f, "unknown opcode {op:#04x}"),
            Kind::Select(field, found) => {
                // An offset is signed, pseudo sources and atomic operations are known in hexadecimal.
                match field {
                    Field::Off => write!(f, "off is {found}")?,
                    _ => write!(f, "{} is {found:#x}", field.name())?,
                }
                write!(f, ", opcode {op:#04x} takes ")?;
                write_choices(f, op, *field)
            }
            Kind::Reserved(row, field, found) => {
                write!(f, "{} is {found}, {} reserves it: expected 0", field.name(), row.name)
            }
            Kind::Register(field, n) => {
                write!(f, "{} is register {n}, expected 0 to 10", field.name())
            }
            Kind::LoneHalf => f.write_str("a wide load needs a second slot, the program ends here"),
            Kind::SecondHalf(field, found) => {
                write!(f, "{} of the second slot of a wide load is {found:#x}, expected 0", field.name())
            }
        }
    }
}

fn write_choices(f: &mut fmt::Formatter<'_>, opcode: u8, field: Field) -> fmt::Result {
    let mut first = true;
    for row in rows_of(opcode) {
        let value = row.select.map_or(0, |(_, value)| value);
        if row.select.is_some_and(|(other, _)| other != field) {
            continue;
        }
        f.write_str(if first { "" } else { ", " })?;
        match field {
            Field::Off => write!(f, "{value} ({})", row.name)?,
            _ => write!(f, "{value:#x} ({})", row.name)?,
        }
        first = false;
    }
    Ok(())
}

impl core::error::Error for DecodeError {}

/// Decodes the instruction at slot `pc`. A wide load takes two slots: see [`Op::slots`].
#[inline]
pub fn decode(insns: &[Insn], pc: usize) -> Result<Op, DecodeError> {
    let mut out = (pc, Op::Exit);
    if quick(insns, pc, &mut out) { Ok(out.1) } else { slow(insns, pc) }
}

/// By the rows as data, which tell what is wrong.
#[cold]
fn slow(insns: &[Insn], pc: usize) -> Result<Op, DecodeError> {
    let (row, slots) = locate(insns, pc)?;
    Ok((row.build)(&slots))
}

/// The fields of a slot but the opcode, in a word.
#[inline(always)]
fn packed(insn: &Insn) -> u64 {
    u64::from(insn.dst)
        | u64::from(insn.src) << 8
        | u64::from(insn.off as u16) << 16
        | u64::from(insn.imm as u32) << 32
}

#[inline(always)]
fn has_any(fields: u64, mask: u64) -> bool {
    fields & mask != 0
}

const fn uses(used: u8, field: Field) -> bool {
    used & field.bit() != 0
}

/// The bits of [`packed`] that a row wants to be zero: `used` has a bit for each field that it uses.
const fn reserved(used: u8, fixed: Option<(Field, i32)>) -> u64 {
    let used = match fixed {
        Some((field, _)) => used | field.bit(),
        None => used,
    };
    let mut mask = 0;
    if !uses(used, Field::Dst) {
        mask |= 0xff;
    }
    if !uses(used, Field::Src) {
        mask |= 0xff00;
    }
    if !uses(used, Field::Off) {
        mask |= 0xffff_0000;
    }
    if !uses(used, Field::Imm) {
        mask |= 0xffff_ffff_0000_0000;
    }
    mask
}

macro_rules! is_selected {
    ($insn:ident) => {
        true
    };
    ($insn:ident $field:ident $value:literal) => {
        i32::from($insn.$field) == $value
    };
}

macro_rules! define_quick {
    ($($name:ident = $code:literal [$($sel:tt)*] ($($operand:ident)*) $cpu:ident $linux:tt $rfc:tt $meaning:literal
        { $($op:tt)* } [$($kernel:literal),* $(,)?] [$($mnemonic:literal),* $(,)?];)*) => {
        /// The same by a jump on the opcode, for what is right, written where it is to stand: moving an [`Op`] from place
        /// to place takes longer than making it. False if a field is not as its row wants it.
        #[inline(always)]
        fn quick(insns: &[Insn], pc: usize, out: &mut (usize, Op)) -> bool {
            use Op::*;
            use crate::op::{AluOp, AtomicOp, CallTarget, Cond, ImmSource, Operand::*, Size, SwapKind, Width::*};
            let Some(insn) = insns.get(pc) else { return false };
            let mut slots = Slots { first: *insn, next: Insn::default() };
            if insn.is_wide() {
                match insns.get(pc + 1) {
                    Some(next) if (next.opcode, next.dst, next.src, next.off) == (0, 0, 0, 0) => slots.next = *next,
                    _ => return false,
                }
            }
            if insn.dst > 10 || insn.src > 10 {
                return false;
            }
            let fields = packed(insn);
            match insn.opcode {
                $($code if is_selected!(insn $($sel)*) => {
                    const USED: u8 = 0 $(| fields::mask::$operand())*;
                    const RESERVED: u64 = reserved(USED, select!($($sel)*));
                    const LOW: bool = $code == 0x18 && !uses(USED, Field::NextImm);
                    if has_any(fields, RESERVED) || LOW && slots.next.imm != 0 {
                        return false;
                    }
                    $(let $operand = fields::get::$operand(&slots);)*
                    *out = (pc, $($op)*);
                    true
                })*
                _ => false,
            }
        }
    };
}
for_each_op!(define_quick);

/// The row of the instruction at slot `pc`, checked as [`decode`] checks.
pub fn row_at(insns: &[Insn], pc: usize) -> Result<&'static Row, DecodeError> {
    locate(insns, pc).map(|(row, _)| row)
}

/// Decodes a whole program into pairs of slot and operation. It stops at the first error.
pub fn decode_all(insns: &[Insn]) -> Result<Vec<(usize, Op)>, DecodeError> {
    let mut out = Vec::new();
    decode_into(insns, &mut out)?;
    Ok(out)
}

/// As [`decode_all`], into a vector that may have been used before.
pub fn decode_into(insns: &[Insn], out: &mut Vec<(usize, Op)>) -> Result<(), DecodeError> {
    if out.len() < insns.len() {
        out.resize(insns.len(), (0, Op::Exit));
    }
    let (mut pc, mut count) = (0, 0);
    while let Some(place) = out.get_mut(count).filter(|_| pc < insns.len()) {
        if !quick(insns, pc, place) {
            *place = (pc, slow(insns, pc)?);
        }
        pc += 1 + usize::from(insns[pc].is_wide());
        count += 1;
    }
    out.truncate(count);
    Ok(())
}

/// Finds the row and checks every field against it.
pub(crate) fn locate(insns: &[Insn], pc: usize) -> Result<(&'static Row, Slots), DecodeError> {
    let (row, slots) = find(insns, pc)?;
    check_fields(row, &slots).map_err(|kind| DecodeError::new(pc, slots.first, kind))?;
    Ok((row, slots))
}

/// Finds the row, whatever stands in the fields that do not choose it.
pub(crate) fn find(insns: &[Insn], pc: usize) -> Result<(&'static Row, Slots), DecodeError> {
    let Some(&first) = insns.get(pc) else {
        return Err(DecodeError::new(pc, Insn::default(), Kind::End));
    };
    let fail = |kind| DecodeError::new(pc, first, kind);
    let mut slots = Slots { first, next: Insn::default() };
    let row = select(&slots).map_err(fail)?;
    if row.is_wide() {
        slots.next = *insns.get(pc + 1).ok_or_else(|| fail(Kind::LoneHalf))?;
        check_second(slots.next).map_err(|kind| DecodeError::new(pc + 1, slots.next, kind))?;
    }
    Ok((row, slots))
}

fn select(slots: &Slots) -> Result<&'static Row, Kind> {
    let rows = rows_of(slots.first.opcode);
    let fits = |row: &&Row| row.select.is_none_or(|(field, value)| slots.get(field) == value);
    if let Some(row) = rows.iter().find(fits) {
        let others = rows.iter().find_map(|other| other.select);
        return match (row.select, others) {
            // The row without a fixed field, where others have one: zero is its value.
            (None, Some((field, _))) if slots.get(field) != 0 => Err(Kind::Select(field, slots.get(field))),
            _ => Ok(row),
        };
    }
    match rows.iter().find_map(|row| row.select) {
        Some((field, _)) => Err(Kind::Select(field, slots.get(field))),
        None => Err(Kind::Opcode),
    }
}

fn check_second(next: Insn) -> Result<(), Kind> {
    let fields = [
        (Field::Opcode, i32::from(next.opcode)),
        (Field::Dst, i32::from(next.dst)),
        (Field::Src, i32::from(next.src)),
        (Field::Off, i32::from(next.off)),
    ];
    match fields.into_iter().find(|&(_, value)| value != 0) {
        Some((field, value)) => Err(Kind::SecondHalf(field, value)),
        None => Ok(()),
    }
}

fn check_fields(row: &'static Row, slots: &Slots) -> Result<(), Kind> {
    for field in Field::OPERANDS {
        let value = slots.get(field);
        if row.uses(field) {
            if matches!(field, Field::Dst | Field::Src) && value > 10 {
                return Err(Kind::Register(field, value as u8));
            }
        } else if value != 0 && row.select.is_none_or(|(fixed, _)| fixed != field) {
            return Err(Kind::Reserved(row, field, value));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The two ways of decoding agree on every opcode, with fields as they are and are not to be.
    #[test]
    fn the_quick_way_is_the_slow_way() {
        const VALUES: [i32; 8] = [0, 1, 2, 10, 11, 16, -1, 0xe1];
        let both = |insns: &[Insn]| {
            let mut out = (1, Op::Exit);
            let quick = quick(insns, 0, &mut out).then_some(out.1);
            assert_eq!(quick, slow(insns, 0).ok(), "{insns:?}");
        };
        for (opcode, first) in (0..=255).flat_map(|op| VALUES.map(|v| (op, v))) {
            for second in VALUES {
                let small = |v: i32| v as u8 & 15;
                for (dst, src) in [(0, small(first)), (small(first), 0), (small(first), small(second))] {
                    for (off, imm) in [(0, 0), (second, 0), (0, second), (second, first)] {
                        let insn = Insn { opcode, dst, src, off: off as i16, imm };
                        both(&[insn]);
                        both(&[insn, Insn::default()]);
                        both(&[insn, Insn { imm: second, ..Insn::default() }]);
                        both(&[insn, Insn { off: second as i16, ..Insn::default() }]);
                    }
                }
            }
        }
    }
}
