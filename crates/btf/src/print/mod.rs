//! Values: bytes, read by their type into a tree that prints as C-like text and as JSON.
//!
//! The JSON has the shape of `bpftool map dump --json` where that one uses BTF: a struct is an object, an
//! array a list, an enumeration its name, an array of `char` a string. Members of anonymous structs and
//! unions stand in their parent, as C has them. Two departures: pointers are hexadecimal strings, and what
//! follows the NUL of a string is left out.
//!
//! A tree has at most 65,536 nodes and 16 more for each byte of data: a hostile type can't make more.

mod bpftool;
mod declare;
mod encode;
mod json;
mod read;
mod text;

pub use bpftool::{Form, bpftool};
pub use declare::declaration;
pub use encode::encode;
pub use read::value;

/// A value, with the names that its type gives.
#[derive(Clone, PartialEq, Debug)]
pub enum Value<'a> {
    /// Signed integer of `size` bytes.
    Signed {
        /// The number.
        value: i128,
        /// Size of its type in bytes.
        size: u32,
    },
    /// Unsigned integer of `size` bytes.
    Unsigned {
        /// The number.
        value: u128,
        /// Size of its type in bytes.
        size: u32,
    },
    /// Truth value.
    Bool(bool),
    /// Text from an array of `char`, without its NUL.
    Text(String),
    /// Value of an enumeration, with its name if it has one.
    Enum {
        /// Name of the value.
        name: Option<&'a str>,
        /// The number.
        value: i128,
    },
    /// Pointer.
    Ptr(u64),
    /// Floating-point number of four or eight bytes.
    Float(f64),
    /// Struct, union or data section: members in order.
    Fields(Vec<(&'a str, Value<'a>)>),
    /// Array.
    List(Vec<Value<'a>>),
    /// Bytes whose type says no more (a float of another size, a forward declaration, `void`).
    Bytes(Vec<u8>),
}

impl<'a> Value<'a> {
    /// The member of this name.
    pub fn field(&self, name: &str) -> Option<&Value<'a>> {
        match self {
            Self::Fields(fields) => fields.iter().find(|f| f.0 == name).map(|f| &f.1),
            _ => None,
        }
    }

    /// An integer, enumeration, truth value or pointer as a number, if it fits.
    pub fn as_i128(&self) -> Option<i128> {
        match *self {
            Self::Signed { value, .. } | Self::Enum { value, .. } => Some(value),
            Self::Unsigned { value, .. } => i128::try_from(value).ok(),
            Self::Bool(value) => Some(value.into()),
            Self::Ptr(value) => Some(value.into()),
            _ => None,
        }
    }
}
