//! The second world: Linux itself. The same Spec that runs in userspace is loaded into the kernel, run there by
//! BPF_PROG_TEST_RUN, and taken away again when what was loaded is dropped.
//!
//! This crate has no rules of its own: the kernel decides what may be loaded and what a program does. What it adds
//! is what every loader must: descriptors for maps, types for CO-RE, ids for kernel functions and variables, values
//! for kconfig, BTF in the form that this kernel takes, and the verifier's log in full when it refuses.
//!
//! On other systems, and with `--cfg skep_portable`, [`Kernel`] is there and says that it can't.
#![forbid(unsafe_code)]

#[cfg(all(target_os = "linux", not(skep_portable)))]
mod linux;
#[cfg(all(target_os = "linux", not(skep_portable)))]
pub use linux::*;

#[cfg(not(all(target_os = "linux", not(skep_portable))))]
mod portable;
#[cfg(not(all(target_os = "linux", not(skep_portable))))]
pub use portable::Kernel;
