//! BTF, the BPF type format: parse, write, print, and match across kernels (CO-RE).
#![forbid(unsafe_code)]

/// The types of one object or kernel.
#[derive(Clone, Debug, Default)]
pub struct Btf {}

/// A type's number in its [`Btf`]; 0 is `void`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct TypeId(pub u32);
