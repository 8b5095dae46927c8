//! How the operands that the table names lie in slots.
//!
//! [`mask`], [`get`] and [`put`] have one function an operand name; the table's callbacks pick them
//! by that name. `get` expects checked slots (registers up to 10) and never fails; `put` says
//! no when a value does not fit its field.

use crate::insn::Insn;
use crate::row::Field;

/// An instruction as it stands in memory: one slot, or two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Slots {
    /// The slot with the opcode.
    pub(crate) first: Insn,
    /// The second slot of a wide instruction, zero otherwise.
    pub(crate) next: Insn,
}

impl Slots {
    /// The value of a field, widened.
    #[inline]
    pub(crate) const fn get(&self, field: Field) -> i32 {
        match field {
            Field::Opcode => self.first.opcode as i32,
            Field::Dst => self.first.dst as i32,
            Field::Src => self.first.src as i32,
            Field::Off => self.first.off as i32,
            Field::Imm => self.first.imm,
            Field::NextImm => self.next.imm,
        }
    }

    /// Sets a field, cutting the value to its width.
    pub(crate) fn set(&mut self, field: Field, value: i32) {
        match field {
            Field::Opcode => self.first.opcode = value as u8,
            Field::Dst => self.first.dst = value as u8 & 15,
            Field::Src => self.first.src = value as u8 & 15,
            Field::Off => self.first.off = value as i16,
            Field::Imm => self.first.imm = value,
            Field::NextImm => self.next.imm = value,
        }
    }
}

/// Which fields an operand uses.
pub(crate) mod mask {
    use super::Field;

    macro_rules! masks {
        ($($name:ident: $($field:ident)*;)*) => {
            $(pub(crate) const fn $name() -> u8 { 0 $(| Field::$field.bit())* })*
        };
    }
    masks! {
        dst: Dst;
        src: Src;
        off: Off;
        near: Off;
        imm: Imm;
        far: Imm;
        to: Imm;
        from: Imm;
        low: Imm;
        imm64: Imm NextImm;
    }
}

/// Operands out of checked slots.
pub(crate) mod get {
    use super::Slots;
    use crate::op::Reg;

    #[inline]
    pub(crate) fn dst(s: &Slots) -> Reg {
        Reg::from_checked(s.first.dst)
    }
    #[inline]
    pub(crate) fn src(s: &Slots) -> Reg {
        Reg::from_checked(s.first.src)
    }
    #[inline]
    pub(crate) fn off(s: &Slots) -> i16 {
        s.first.off
    }
    #[inline]
    pub(crate) fn near(s: &Slots) -> i32 {
        i32::from(s.first.off)
    }
    #[inline]
    pub(crate) fn imm(s: &Slots) -> i32 {
        s.first.imm
    }
    #[inline]
    pub(crate) fn far(s: &Slots) -> i32 {
        s.first.imm
    }
    #[inline]
    pub(crate) fn to(s: &Slots) -> u16 {
        (s.first.imm as u32 >> 16) as u16
    }
    #[inline]
    pub(crate) fn from(s: &Slots) -> u16 {
        s.first.imm as u16
    }
    #[inline]
    pub(crate) fn low(s: &Slots) -> u64 {
        u64::from(s.first.imm as u32)
    }
    #[inline]
    pub(crate) fn imm64(s: &Slots) -> u64 {
        low(s) | u64::from(s.next.imm as u32) << 32
    }
}

/// Operands into slots; none if the value has no place there.
pub(crate) mod put {
    use super::Slots;
    use crate::op::Reg;

    pub(crate) fn dst(s: &mut Slots, v: Reg) -> Option<()> {
        s.first.dst = v.index() as u8;
        Some(())
    }
    pub(crate) fn src(s: &mut Slots, v: Reg) -> Option<()> {
        s.first.src = v.index() as u8;
        Some(())
    }
    pub(crate) fn off(s: &mut Slots, v: i16) -> Option<()> {
        s.first.off = v;
        Some(())
    }
    pub(crate) fn near(s: &mut Slots, v: i32) -> Option<()> {
        s.first.off = i16::try_from(v).ok()?;
        Some(())
    }
    pub(crate) fn imm(s: &mut Slots, v: i32) -> Option<()> {
        s.first.imm = v;
        Some(())
    }
    pub(crate) fn far(s: &mut Slots, v: i32) -> Option<()> {
        imm(s, v)
    }
    pub(crate) fn to(s: &mut Slots, v: u16) -> Option<()> {
        s.first.imm = s.first.imm & 0xffff | i32::from(v) << 16;
        Some(())
    }
    pub(crate) fn from(s: &mut Slots, v: u16) -> Option<()> {
        s.first.imm = s.first.imm & !0xffff | i32::from(v);
        Some(())
    }
    pub(crate) fn low(s: &mut Slots, v: u64) -> Option<()> {
        s.first.imm = u32::try_from(v).ok()? as i32;
        Some(())
    }
    pub(crate) fn imm64(s: &mut Slots, v: u64) -> Option<()> {
        s.first.imm = v as i32;
        s.next.imm = (v >> 32) as i32;
        Some(())
    }
}
