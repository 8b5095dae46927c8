//! skep: one import path for all of BPF in userspace, and the embedder's API.
//!
//! * [`Vm`] runs one program: bytes, assembler text or an ELF function; helpers are Rust closures; memory in, r0 out.
//! * [`Xdp`] and [`Tc`] run a program over packets, with its maps and the kernel's helpers.
//! * [`capture`] reads and writes pcap and pcapng.
//! * [`compare`] runs a program in userspace and in Linux, and says what differs.
//! * The parts, each of which stands alone: [`isa`], [`abi`], [`btf`], [`object`], [`verifier`], [`vm`], [`runtime`],
//!   [`kernel`], [`backend`], [`sys`], [`diag`].
//!
//! ```
//! let mut vm = skep::Vm::from_asm("r0 = 42\n exit")?;
//! assert_eq!(vm.run([0; 5])?, 42);
//! # Ok::<(), skep::Error>(())
//! ```
#![forbid(unsafe_code)]

pub mod asm;
pub mod capture;
pub mod compare;
mod error;
mod helper;
mod machine;
mod packet;

pub use error::Error;
pub use helper::{Answer, Argument, HelperFn, WithMemory};
pub use machine::Vm;
pub use packet::{Action, PacketProgram, Tc, TcAction, Verdict, Xdp, XdpAction};

pub use skep_abi as abi;
pub use skep_backend as backend;
pub use skep_btf as btf;
pub use skep_diag as diag;
pub use skep_filter as filter;
pub use skep_isa as isa;
pub use skep_kernel as kernel;
pub use skep_object as object;
pub use skep_runtime as runtime;
pub use skep_sys as sys;
pub use skep_verifier as verifier;
pub use skep_vm as vm;
