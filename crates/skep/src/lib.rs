//! skep: one import path for all of BPF in userspace.
#![forbid(unsafe_code)]

pub mod capture;

pub use skep_abi as abi;
pub use skep_backend as backend;
pub use skep_btf as btf;
pub use skep_diag as diag;
pub use skep_isa as isa;
pub use skep_object as object;
