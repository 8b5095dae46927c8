//! ELF to [`Spec`], pure and deterministic: the same file gives the same Spec on every machine.
//!
//! * [`Spec::from_elf`] reads an object: programs with the subprograms that they call, maps of every age, data
//!   sections, externs, `.BTF.ext` records. What can't be used is kept apart, in [`Spec::problems`].
//! * [`core`] applies CO-RE records against a target's types.
//! * [`link()`] makes one object of several.
//! * [`mod@write`] makes an object of a program that was made elsewhere, from a filter for one.
//!
//! Invariants: nothing here asks the machine; a Spec's indices are valid (a [`Reloc`] lies in its program and names a
//! map or extern that is there); what a file may make us allocate is bounded by [`Limits`] and a multiple of the
//! file's size.
//!
//! Prior art: libbpf, whose behaviour decides where objects are concerned that it opens; iproute2 and the kernel's samples
//! for older ones; cilium/ebpf for keeping the Spec pure.
#![forbid(unsafe_code)]

pub mod core;
mod elf;
mod error;
mod limits;
mod link;
mod read;
pub mod spec;
pub mod write;

pub use error::ObjectError;
pub use limits::Limits;
pub use link::{Input, link};
pub use spec::{
    CoreReloc, Extern, ExternKind, FuncInfo, InitialRef, LineInfo, MapOrigin, MapSpec, Part, Poisoned,
    Problem, Program, Reloc, RelocTarget, Spec,
};
