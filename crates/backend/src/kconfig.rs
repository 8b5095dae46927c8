//! The values of `.kconfig` externs: the kernel's version, its features, and what the world was told of its
//! configuration, in the type that the object declares.
//!
//! The rules are libbpf's: `y`, `n` and `m` for `bool`, `char` and `enum libbpf_tristate`, numbers for
//! integers, quoted text for `char` arrays; a weak extern without a value is zero.

use skep_btf::{Btf, Kind, TypeId};
use skep_isa::Endian;
use skep_object::{Extern, ExternKind, Spec};

use crate::{Error, ErrorKind};

/// What the object declares a value as.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Declared {
    Bool,
    Tristate,
    Text,
    Number,
}

fn declared(btf: Option<&Btf>, var: Option<TypeId>, size: u32) -> Declared {
    let fallback = if size == 1 { Declared::Bool } else { Declared::Number };
    let Some((btf, var)) = btf.zip(var) else { return fallback };
    let target = btf.ty(var).and_then(|t| if t.kind() == Kind::Var { t.target() } else { Some(var) });
    let Some(ty) = target.and_then(|t| btf.skip_modifiers(t).ok()) else { return fallback };
    match ty.kind() {
        Kind::Enum | Kind::Enum64 => Declared::Tristate,
        Kind::Array => Declared::Text,
        Kind::Int if ty.int().is_some_and(|i| i.encoding.bool) => Declared::Bool,
        _ => Declared::Number,
    }
}

/// What a world knows of its kernel.
pub struct Source<'a> {
    /// `LINUX_VERSION_CODE`.
    pub version: u32,
    /// A configuration value as `.config` spells it: `y`, `n`, `m`, a number, a string in quotes.
    pub config: &'a dyn Fn(&str) -> Option<String>,
}

impl std::fmt::Debug for Source<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").field("version", &self.version).finish_non_exhaustive()
    }
}

/// The bytes of the `.kconfig` map of an object, `len` of them.
///
/// # Errors
/// If an extern lies outside of the map, has no value and is not weak, or a value that its type can't hold.
pub fn values(source: &Source<'_>, spec: &Spec, len: usize) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![0; len];
    for ext in &spec.externs {
        let ExternKind::Kconfig { offset, size } = ext.kind else { continue };
        let place =
            (offset as usize).checked_add(size as usize).and_then(|end| bytes.get_mut(offset as usize..end));
        let Some(place) = place else {
            return Err(Error::new(ErrorKind::Invalid, format!("`{}` lies outside of .kconfig", ext.name)));
        };
        fill(source, spec, ext, place)?;
    }
    Ok(bytes)
}

fn fill(source: &Source<'_>, spec: &Spec, ext: &Extern, place: &mut [u8]) -> Result<(), Error> {
    let number = match ext.name.as_str() {
        "LINUX_KERNEL_VERSION" => Some(u64::from(source.version)),
        "LINUX_HAS_BPF_COOKIE" | "LINUX_HAS_SYSCALL_WRAPPER" => Some(1),
        _ => None,
    };
    if let Some(number) = number {
        put(place, number, spec.endian);
        return Ok(());
    }
    let Some(value) = (source.config)(&ext.name) else {
        if ext.weak {
            return Ok(());
        }
        let message = format!("the object needs the value of `{}`, which is not known", ext.name);
        return Err(
            Error::new(ErrorKind::NotFound, message).with_hint("set it, as the kernel's .config would")
        );
    };
    let kind = declared(spec.btf.as_ref(), ext.btf_type, place.len() as u32);
    parse(&value, kind, place, spec.endian).ok_or_else(|| {
        let message = format!("`{value}` is no value for `{}` as the object declares it", ext.name);
        Error::new(ErrorKind::Invalid, message)
    })
}

/// Writes a value as `.config` spells it.
fn parse(value: &str, kind: Declared, place: &mut [u8], endian: Endian) -> Option<()> {
    let number = match (kind, value) {
        (Declared::Text, text) => {
            let text = text.strip_prefix('"')?.strip_suffix('"')?.as_bytes();
            let len = text.len().min(place.len().checked_sub(1)?);
            place[..len].copy_from_slice(&text[..len]);
            return Some(());
        }
        (Declared::Bool | Declared::Tristate, "n") => 0,
        (Declared::Bool | Declared::Tristate, "y") => 1,
        (Declared::Tristate, "m") => 2,
        // A char holds the letter itself.
        (Declared::Number, "y" | "n" | "m") if place.len() == 1 => u64::from(value.as_bytes()[0]),
        (Declared::Number, text) => match text.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16).ok()?,
            None => text.parse::<u64>().ok().or_else(|| text.parse::<i64>().ok().map(|n| n as u64))?,
        },
        _ => return None,
    };
    put(place, number, endian);
    Some(())
}

fn put(place: &mut [u8], number: u64, endian: Endian) {
    let len = place.len().min(8);
    match endian {
        Endian::Little => place[..len].copy_from_slice(&number.to_le_bytes()[..len]),
        Endian::Big => place[..len].copy_from_slice(&number.to_be_bytes()[8 - len..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_take_the_form_that_the_object_declares() {
        let show = |value, kind, len, endian| {
            let mut place = vec![0; len];
            parse(value, kind, &mut place, endian).map(|()| place)
        };
        assert_eq!(show("1000", Declared::Number, 4, Endian::Little), Some(vec![0xe8, 3, 0, 0]));
        assert_eq!(show("1000", Declared::Number, 4, Endian::Big), Some(vec![0, 0, 3, 0xe8]));
        assert_eq!(show("m", Declared::Tristate, 4, Endian::Little), Some(vec![2, 0, 0, 0]));
        assert_eq!(show("y", Declared::Bool, 1, Endian::Little), Some(vec![1]));
        assert_eq!(show("y", Declared::Number, 1, Endian::Little), Some(vec![b'y']));
        assert_eq!(show("\"skep\"", Declared::Text, 4, Endian::Little), Some(b"ske\0".to_vec()));
        assert_eq!(show("m", Declared::Bool, 1, Endian::Little), None);
    }
}
