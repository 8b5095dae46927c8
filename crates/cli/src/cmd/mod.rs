//! The commands: one module each, with its arguments, its `run`, and the shape of its JSON.

pub(crate) mod asm;
pub(crate) mod btf;
pub(crate) mod classic;
pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod conformance;
pub(crate) mod disasm;
pub(crate) mod explain;
pub(crate) mod filter;
pub(crate) mod info;
pub(crate) mod man;
pub(crate) mod run;
pub(crate) mod seccomp;
pub(crate) mod verify;
