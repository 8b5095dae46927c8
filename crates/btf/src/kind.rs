//! The kinds of type and the small enumerations that go with them; numbers are those of `linux/btf.h`.

use std::fmt;

/// The kind of a type (`BTF_KIND_*`); [`Kind::Void`] is type id 0, which is never stored.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Kind {
    /// No type: id 0.
    Void = 0,
    /// Integer, boolean or character.
    Int = 1,
    /// Pointer.
    Ptr = 2,
    /// Array with a fixed number of elements.
    Array = 3,
    /// Struct.
    Struct = 4,
    /// Union.
    Union = 5,
    /// Enumeration of values of up to 32 bits.
    Enum = 6,
    /// Forward declaration of a struct or union.
    Fwd = 7,
    /// Typedef.
    Typedef = 8,
    /// `volatile`.
    Volatile = 9,
    /// `const`.
    Const = 10,
    /// `restrict`.
    Restrict = 11,
    /// Function: a name for a prototype.
    Func = 12,
    /// Function prototype.
    FuncProto = 13,
    /// Variable.
    Var = 14,
    /// Data section: variables with their places.
    Datasec = 15,
    /// Floating-point number.
    Float = 16,
    /// `btf_decl_tag` attribute on a type, member, variable, function or parameter.
    DeclTag = 17,
    /// `btf_type_tag` attribute, a modifier of the type it names.
    TypeTag = 18,
    /// Enumeration of values of up to 64 bits.
    Enum64 = 19,
}

/// What the extra words of a kind look like: fixed words after the head, words an element.
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) fixed: usize,
    pub(crate) element: usize,
}

/// One row a kind, in the order of the numbers. The name is the one that `bpftool` prints.
static SHAPES: [(Kind, Shape); 20] = {
    const fn row(kind: Kind, name: &'static str, fixed: usize, element: usize) -> (Kind, Shape) {
        (kind, Shape { name, fixed, element })
    }
    [
        row(Kind::Void, "VOID", 0, 0),
        row(Kind::Int, "INT", 1, 0),
        row(Kind::Ptr, "PTR", 0, 0),
        row(Kind::Array, "ARRAY", 3, 0),
        row(Kind::Struct, "STRUCT", 0, 3),
        row(Kind::Union, "UNION", 0, 3),
        row(Kind::Enum, "ENUM", 0, 2),
        row(Kind::Fwd, "FWD", 0, 0),
        row(Kind::Typedef, "TYPEDEF", 0, 0),
        row(Kind::Volatile, "VOLATILE", 0, 0),
        row(Kind::Const, "CONST", 0, 0),
        row(Kind::Restrict, "RESTRICT", 0, 0),
        row(Kind::Func, "FUNC", 0, 0),
        row(Kind::FuncProto, "FUNC_PROTO", 0, 2),
        row(Kind::Var, "VAR", 1, 0),
        row(Kind::Datasec, "DATASEC", 0, 3),
        row(Kind::Float, "FLOAT", 0, 0),
        row(Kind::DeclTag, "DECL_TAG", 1, 0),
        row(Kind::TypeTag, "TYPE_TAG", 0, 0),
        row(Kind::Enum64, "ENUM64", 0, 3),
    ]
};

impl Kind {
    /// The kind with this number, 1 to 19.
    pub(crate) fn from_number(n: u32) -> Option<Self> {
        SHAPES.get(n as usize).map(|row| row.0).filter(|&kind| kind != Self::Void)
    }

    pub(crate) fn shape(self) -> &'static Shape {
        &SHAPES[self as usize].1
    }

    /// The kernel's name in upper case (`FUNC_PROTO`).
    pub fn name(self) -> &'static str {
        self.shape().name
    }

    /// Whether types of this kind only modify the type that they name: `const`, `volatile`, `restrict`,
    /// type tags.
    pub fn is_modifier(self) -> bool {
        matches!(self, Self::Const | Self::Volatile | Self::Restrict | Self::TypeTag)
    }

    /// Struct or union.
    pub fn is_composite(self) -> bool {
        matches!(self, Self::Struct | Self::Union)
    }

    /// Either kind of enumeration.
    pub fn is_enum(self) -> bool {
        matches!(self, Self::Enum | Self::Enum64)
    }

    /// Whether the third word is a type id (else it is a size, or nothing).
    pub(crate) fn has_target(self) -> bool {
        use Kind::*;
        matches!(
            self,
            Ptr | Typedef | Volatile | Const | Restrict | Func | FuncProto | Var | DeclTag | TypeTag
        )
    }

    /// Whether the third word is a size in bytes.
    pub(crate) fn has_size(self) -> bool {
        use Kind::*;
        matches!(self, Int | Struct | Union | Enum | Datasec | Float | Enum64)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How an INT is to be read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct IntEncoding {
    /// Two's complement.
    pub signed: bool,
    /// Meant as a character.
    pub char: bool,
    /// Meant as a truth value.
    pub bool: bool,
}

impl IntEncoding {
    /// From the four bits of the file.
    pub(crate) fn from_bits(bits: u32) -> Self {
        Self { signed: bits & 1 != 0, char: bits & 2 != 0, bool: bits & 4 != 0 }
    }

    pub(crate) fn bits(self) -> u32 {
        u32::from(self.signed) | u32::from(self.char) << 1 | u32::from(self.bool) << 2
    }
}

/// Linkage of a FUNC.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FuncLinkage {
    /// `static`.
    Static,
    /// Global.
    Global,
    /// `extern`: declared, defined elsewhere.
    Extern,
    /// A number that the format does not define.
    Other(u32),
}

impl FuncLinkage {
    pub(crate) fn from_number(n: u32) -> Self {
        match n {
            0 => Self::Static,
            1 => Self::Global,
            2 => Self::Extern,
            n => Self::Other(n),
        }
    }

    pub(crate) fn number(self) -> u32 {
        match self {
            Self::Static => 0,
            Self::Global => 1,
            Self::Extern => 2,
            Self::Other(n) => n,
        }
    }
}

/// Linkage of a VAR.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum VarLinkage {
    /// `static`.
    Static,
    /// Global, with storage in the object.
    Global,
    /// `extern`.
    Extern,
    /// A number that the format does not define.
    Other(u32),
}

impl VarLinkage {
    pub(crate) fn from_number(n: u32) -> Self {
        match n {
            0 => Self::Static,
            1 => Self::Global,
            2 => Self::Extern,
            n => Self::Other(n),
        }
    }

    pub(crate) fn number(self) -> u32 {
        match self {
            Self::Static => 0,
            Self::Global => 1,
            Self::Extern => 2,
            Self::Other(n) => n,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_at_their_numbers() {
        for (n, (kind, _)) in SHAPES.iter().enumerate() {
            assert_eq!(*kind as usize, n);
        }
        assert_eq!(Kind::from_number(0), None);
        assert_eq!(Kind::from_number(19), Some(Kind::Enum64));
        assert_eq!(Kind::from_number(20), None);
    }
}
