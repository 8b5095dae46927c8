//! ELF to [`Spec`], pure and deterministic: the same file gives the same Spec on every machine.
#![forbid(unsafe_code)]

pub mod spec;

pub use spec::{
    CoreReloc, Extern, ExternKind, FuncInfo, InitialRef, LineInfo, MapSpec, Program, Reloc, RelocTarget, Spec,
};
