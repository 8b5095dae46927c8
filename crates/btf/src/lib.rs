//! BTF, the BPF type format: parse, write, print, and match across kernels (CO-RE).
//!
//! Bytes in, facts out: nothing here reads files or asks the machine. A [`Btf`] keeps the type section
//! as the words of the file, in the machine's order, with one offset a type, so that the types of a whole
//! kernel (a hundred thousand and more) take little more memory than the file, and a parse is one pass.
//! [`Type`] is a small view into it, free to copy.
//!
//! Invariants, established by the parser and the [`Builder`]:
//! * every type lies inside the type section and its kind is one of the 19 known ones;
//! * every type id that a type names exists, and every name lies inside the string section.
//!
//! *Not* an invariant: that types are sensible. A typedef may name itself, a struct may contain itself,
//! a size may be absurd. Every walk ([`Btf::resolve`], [`Btf::size_of`], printing, matching) has a depth
//! limit or a budget, and says so when it is spent.
//!
//! Sources: `Documentation/bpf/btf.rst` and the UAPI header `linux/btf.h`.
#![forbid(unsafe_code)]

mod builder;
pub mod c;
pub mod core;
mod dedup;
mod error;
pub mod ext;
mod index;
mod kind;
mod layout;
mod parse;
pub mod print;
pub mod raw;
mod strings;
mod types;
mod write;

pub use builder::{Builder, NewMember};
pub use dedup::{Deduped, dedup};
pub use error::BtfError;
pub use kind::{FuncLinkage, IntEncoding, Kind, VarLinkage};
pub use layout::MAX_DEPTH;
pub use skep_isa::Endian;
pub use types::{Array, Btf, Int, Member, Param, Type, TypeId, VarSecInfo, Variant, essential_name};
