//! Where a C compiler would put things, and what must be written so that it puts them where the BTF says.

use std::collections::HashMap;

use crate::{Btf, BtfError, Kind, MAX_DEPTH, Member, Type, TypeId};

/// How a struct or union is laid out in C.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Shape {
    /// Alignment that C gives it, in bytes.
    pub(super) align: u32,
    /// Must be declared `packed`.
    pub(super) packed: bool,
    /// Must be declared `aligned` to this: a union that is larger than its members.
    pub(super) aligned: Option<u32>,
}

/// Shapes of structs and unions, each found out once.
pub(super) struct Layouts<'a> {
    btf: &'a Btf,
    known: HashMap<TypeId, Shape>,
}

/// A member as C sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field<'a> {
    pub(super) name: &'a str,
    pub(super) ty: TypeId,
    /// Place in bits.
    pub(super) at: u64,
    /// Width in bits if it is a bitfield.
    pub(super) bits: Option<u32>,
    /// Size of its type in bits.
    pub(super) size: u64,
    /// Alignment of its type in bits.
    pub(super) align: u64,
}

impl Field<'_> {
    /// First bit after it.
    pub(super) fn end(&self) -> u64 {
        self.at + self.bits.map_or(self.size, u64::from)
    }

    /// Where C puts it if the struct is full up to bit `full`.
    pub(super) fn natural_place(&self, full: u64, packed: bool) -> u64 {
        match self.bits {
            Some(_) if packed => full,
            // A bitfield does not cross a boundary of its type.
            Some(bits) if full % self.size.max(1) + u64::from(bits) <= self.size => full,
            Some(_) => full.next_multiple_of(self.size.max(1)),
            None if packed => full.next_multiple_of(8),
            None => full.next_multiple_of(self.align),
        }
    }
}

impl<'a> Layouts<'a> {
    pub(super) fn new(btf: &'a Btf) -> Self {
        Self { btf, known: HashMap::new() }
    }

    /// A member, with what C knows of its type.
    pub(super) fn field(&mut self, m: Member<'a>) -> Result<Field<'a>, BtfError> {
        self.field_within(m, MAX_DEPTH)
    }

    fn field_within(&mut self, m: Member<'a>, depth: usize) -> Result<Field<'a>, BtfError> {
        let size = self.btf.size_of(m.ty).map_or(0, u64::from) * 8;
        let align = u64::from(self.align_within(m.ty, depth)?) * 8;
        let mut field = Field {
            name: m.name,
            ty: m.ty,
            at: m.bit_offset.into(),
            bits: (m.bits != 0).then_some(m.bits.into()),
            size,
            align,
        };
        // The old way to write bitfields: an integer that is narrower than its bytes.
        if let Some(int) = self.btf.resolve(m.ty)?.int()
            && u64::from(int.bits) != size
            && m.bits == 0
            && int.bits != 0
        {
            field.at += u64::from(int.offset);
            field.bits = Some(int.bits.into());
        }
        Ok(field)
    }

    /// The shape of a struct or union.
    pub(super) fn shape(&mut self, t: Type<'a>) -> Result<Shape, BtfError> {
        self.shape_within(t, MAX_DEPTH)
    }

    fn align_within(&mut self, id: TypeId, depth: usize) -> Result<u32, BtfError> {
        let mut t = self.btf.resolve(id)?;
        for _ in 0..MAX_DEPTH {
            match (t.kind(), t.array()) {
                (_, Some(array)) => t = self.btf.resolve(array.element)?,
                (Kind::Struct | Kind::Union, _) => return Ok(self.shape_within(t, depth)?.align),
                (Kind::Ptr, _) => return Ok(8),
                (Kind::Int, _) => return Ok(power(t.size(), 16)),
                _ => return Ok(power(t.size(), 8)),
            }
        }
        Err(BtfError::new("is nested without end").in_type(id))
    }

    fn shape_within(&mut self, t: Type<'a>, depth: usize) -> Result<Shape, BtfError> {
        if let Some(&shape) = self.known.get(&t.id()) {
            return Ok(shape);
        }
        let endless = || BtfError::new("is nested without end").in_type(t.id());
        let depth = depth.checked_sub(1).ok_or_else(endless)?;
        let size = u64::from(t.size().unwrap_or(0)) * 8;
        let (mut align, mut end, mut packed) = (8, 0, false);
        for m in t.members() {
            let field = self.field_within(m, depth)?;
            packed |= match field.bits {
                Some(_) => field.natural_place(field.at, false) != field.at,
                None => !field.at.is_multiple_of(field.align),
            };
            align = align.max(field.align);
            end = end.max(field.end());
        }
        packed |= !size.is_multiple_of(align);
        if packed {
            align = 8;
        }
        let mut aligned = None;
        if t.kind() == Kind::Union && end.next_multiple_of(align) < size {
            // No padding helps a union: alignment must make it as large as it is.
            aligned = (3..32).map(|n| 1u64 << n).find(|n| *n > align && end.next_multiple_of(*n) == size);
            align = aligned.unwrap_or(align);
        }
        let bytes = |bits: u64| (bits / 8) as u32;
        let shape = Shape { align: bytes(align), packed, aligned: aligned.map(bytes) };
        self.known.insert(t.id(), shape);
        Ok(shape)
    }
}

/// The natural alignment of a scalar of this size.
fn power(size: Option<u32>, most: u32) -> u32 {
    match size.unwrap_or(1) {
        n if n.is_power_of_two() => n.min(most),
        _ => 1,
    }
}

/// Unnamed bitfields that fill a struct from bit `from` to bit `to`: type and width of each. None of them
/// crosses a boundary of its type, so that no compiler moves it.
pub(super) fn padding(from: u64, to: u64) -> impl Iterator<Item = (&'static str, u64)> {
    const TYPES: [(&str, u64); 4] = [("char", 8), ("short", 16), ("int", 32), ("long", 64)];
    let mut at = from;
    std::iter::from_fn(move || {
        if at >= to {
            return None;
        }
        let width = (64 - at % 64).min(to - at);
        let fits = TYPES.iter().find(|(_, bits)| at % bits + width <= *bits);
        at += width;
        Some((fits.unwrap_or(&TYPES[3]).0, width))
    })
}

#[cfg(test)]
mod tests {
    use super::padding;

    #[test]
    fn padding_fills_and_never_crosses() {
        let list = |from, to| padding(from, to).collect::<Vec<_>>();
        assert_eq!(list(8, 8), []);
        assert_eq!(list(8, 64), [("long", 56)]);
        assert_eq!(list(32, 64), [("int", 32)]);
        assert_eq!(list(35, 40), [("char", 5)]);
        assert_eq!(list(48, 256), [("short", 16), ("long", 64), ("long", 64), ("long", 64)]);
    }
}
