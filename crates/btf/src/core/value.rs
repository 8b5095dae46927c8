//! What an access comes to on one set of types: offsets, sizes, shifts, ids, values.

use super::spec::{Spec, Step};
use super::{CoreError, RelocKind};
use crate::{Endian, Kind, TypeId};

/// The answer for one set of types.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    pub(super) value: u64,
    /// Whether a compiler must have seen the same.
    pub(super) certain: bool,
    /// Size of the access and type of the field, for byte offsets of whole fields.
    pub(super) access: Option<(u32, TypeId)>,
}

impl Answer {
    fn certain(value: impl Into<u64>) -> Self {
        Self { value: value.into(), certain: true, access: None }
    }
}

/// The answer when nothing in the target matches; `None` if there can be none.
pub(super) fn absent(kind: RelocKind) -> Option<u64> {
    let answers = kind.is_type() || matches!(kind, RelocKind::FieldExists | RelocKind::EnumvalExists);
    answers.then_some(0)
}

/// The answer on the types of `spec`.
pub(super) fn evaluate(spec: &Spec<'_>, kind: RelocKind) -> Result<Answer, CoreError> {
    match kind {
        RelocKind::FieldExists
        | RelocKind::EnumvalExists
        | RelocKind::TypeExists
        | RelocKind::TypeMatches => Ok(Answer::certain(1u64)),
        RelocKind::TypeIdLocal | RelocKind::TypeIdTarget => {
            Ok(Answer { certain: false, ..Answer::certain(spec.root.0) })
        }
        RelocKind::TypeSize => Ok(Answer::certain(spec.btf.size_of(spec.root)?)),
        RelocKind::EnumvalValue => enumval(spec),
        _ => field(spec, kind),
    }
}

fn last<'a>(spec: &Spec<'a>) -> Result<Step<'a>, CoreError> {
    spec.steps.last().copied().ok_or_else(|| CoreError::new("the access is empty"))
}

fn enumval(spec: &Spec<'_>) -> Result<Answer, CoreError> {
    let step = last(spec)?;
    let t = spec.btf.existing(step.ty)?;
    let variant = t.variants().nth(step.index as usize);
    let bits = variant.ok_or_else(|| CoreError::new("the enumeration has no such value"))?.bits;
    // As libbpf has it, 32-bit values are sign-extended even when the enumeration is unsigned.
    let bits = if t.kind() == Kind::Enum { bits as u32 as i32 as u64 } else { bits };
    Ok(Answer::certain(bits))
}

fn field(spec: &Spec<'_>, kind: RelocKind) -> Result<Answer, CoreError> {
    let step = last(spec)?;
    if step.name.is_none() {
        return element(spec, step, kind);
    }
    let member = spec.btf.existing(step.ty)?.member(step.index as usize);
    let member = member.ok_or_else(|| CoreError::new("the struct has no such member"))?;
    let t = spec.btf.resolve(member.ty)?;
    let bits = spec.bit_offset as u32;
    let place = if member.bits == 0 {
        let size = spec.btf.size_of(t.id())?;
        Place { byte: bits / 8, size, bit: bits, width: size.wrapping_mul(8) }
    } else {
        bitfield(bits, member.bits.into(), t.size().unwrap_or(0))?
    };
    let whole = member.bits == 0;
    let uncertain = |value: u64| Answer { certain: whole, ..Answer::certain(value) };
    Ok(match kind {
        RelocKind::FieldByteOffset => {
            let access = if whole { Some((access_size(spec, t.id())?, t.id())) } else { None };
            Answer { access, ..uncertain(place.byte.into()) }
        }
        RelocKind::FieldByteSize => uncertain(place.size.into()),
        RelocKind::FieldSigned => {
            let signed =
                t.kind().is_enum() && t.kind_flag() || t.int().is_some_and(|int| int.encoding.signed);
            Answer::certain(u64::from(signed))
        }
        RelocKind::FieldLshiftU64 => uncertain(place.left_shift(spec.btf.endian()).into()),
        _ => Answer::certain(64u32.wrapping_sub(place.width)),
    })
}

/// An access that ends in an array index.
fn element(spec: &Spec<'_>, step: Step<'_>, kind: RelocKind) -> Result<Answer, CoreError> {
    match kind {
        RelocKind::FieldByteOffset => {
            let access = Some((access_size(spec, step.ty)?, step.ty));
            Ok(Answer { access, ..Answer::certain(spec.bit_offset / 8) })
        }
        RelocKind::FieldByteSize => Ok(Answer::certain(spec.btf.size_of(step.ty)?)),
        _ => Err(CoreError::new(format!("{} can't be asked of an array element", kind.name()))),
    }
}

/// Size of a load of a type: for arrays that of their innermost elements.
fn access_size(spec: &Spec<'_>, id: TypeId) -> Result<u32, CoreError> {
    let mut t = spec.btf.resolve(id)?;
    for _ in 0..crate::MAX_DEPTH {
        match t.array() {
            Some(array) => t = spec.btf.resolve(array.element)?,
            None => return Ok(spec.btf.size_of(t.id())?),
        }
    }
    Err(super::compat::too_deep())
}

/// Where a field's value lies: the bytes to load, and the bits in them.
struct Place {
    byte: u32,
    size: u32,
    bit: u32,
    width: u32,
}

impl Place {
    /// How far left, so that the value's highest bit becomes bit 63. Nonsense for fields of more than 64
    /// bits, about which nobody asks.
    fn left_shift(&self, endian: Endian) -> u32 {
        let from_start = self.bit.wrapping_sub(self.byte.wrapping_mul(8));
        match endian {
            Endian::Little => 64u32.wrapping_sub(from_start.wrapping_add(self.width)),
            Endian::Big => 8u32.wrapping_sub(self.size).wrapping_mul(8).wrapping_add(from_start),
        }
    }
}

/// The smallest aligned load that holds a bitfield, from the size of its declared type up.
fn bitfield(bit: u32, width: u32, size: u32) -> Result<Place, CoreError> {
    let mut size = size;
    while (1..=8).contains(&size) {
        let byte = bit / 8 / size * size;
        if u64::from(bit) + u64::from(width) - u64::from(byte) * 8 <= u64::from(size) * 8 {
            return Ok(Place { byte, size, bit, width });
        }
        size *= 2;
    }
    Err(CoreError::new(format!("no load of up to 8 bytes holds the bitfield ({width} bits at bit {bit})")))
}
