//! ELF to [`Spec`], pure and deterministic: the same file gives the same Spec on every machine.
#![forbid(unsafe_code)]

pub mod core;
mod elf;
mod error;
mod limits;
mod link;
mod read;
pub mod spec;

pub use error::ObjectError;
pub use limits::Limits;
pub use link::{Input, link};
pub use spec::{
    CoreReloc, Extern, ExternKind, FuncInfo, InitialRef, LineInfo, MapOrigin, MapSpec, Part, Poisoned,
    Problem, Program, Reloc, RelocTarget, Spec,
};
