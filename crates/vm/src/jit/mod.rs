//! Native code for any bytes at all: a template compiler behind the interpreter's own model.
//!
//! Compiled code sees the same virtual addresses as the interpreter, checks every access against the same regions, pays
//! the same budget at the same places, and leaves for the interpreter at whatever it does not do itself: every
//! trap, calls through a register, big-endian atomics, the last exit. One pass, one template an instruction, registers
//! mapped one to one.
//!
//! Unix on x86-64 and AArch64 runs it. Elsewhere, and under `--cfg skep_portable`, [`Native`] has no values, and asking
//! for one is an error that says so. The compiler for AArch64 works on every machine, so that its code can be looked at and
//! its encodings tested anywhere. Where a verifier has proved that
//! an access is inside, its check is left out ([`crate::proof`]); nothing else differs.

mod a64;
mod blind;
#[cfg(test)]
mod every;
mod foreign;
#[cfg_attr(
    not(all(any(target_arch = "x86_64", target_arch = "aarch64"), unix, not(skep_portable))),
    allow(dead_code, reason = "partly of use only where compiled code runs")
)]
mod layout;
#[cfg_attr(
    not(all(any(target_arch = "x86_64", target_arch = "aarch64"), unix, not(skep_portable))),
    allow(dead_code, reason = "partly of use only where compiled code runs")
)]
mod shape;

#[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), target_os = "linux", not(skep_portable)))]
mod gdb;
#[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), unix, not(skep_portable)))]
mod native;
#[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), unix, not(skep_portable)))]
mod pages;
#[cfg(all(target_arch = "x86_64", target_os = "linux", not(skep_portable)))]
mod pool;
#[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), unix, not(skep_portable)))]
mod run;
#[cfg(all(target_arch = "x86_64", unix, not(skep_portable)))]
mod x86;
#[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), unix, not(skep_portable)))]
pub(crate) use native::Native;
#[cfg(all(target_arch = "x86_64", unix, not(skep_portable)))]
pub(crate) use pages::{Pages, place};
#[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), unix, not(skep_portable)))]
pub(crate) use run::CALLS;

#[cfg(all(target_arch = "aarch64", unix, not(skep_portable)))]
use a64 as host;
#[cfg(all(target_arch = "x86_64", unix, not(skep_portable)))]
use x86 as host;
#[cfg(all(target_arch = "x86_64", unix, not(skep_portable)))]
pub(crate) use x86::{asm, encode};

#[cfg(not(all(any(target_arch = "x86_64", target_arch = "aarch64"), unix, not(skep_portable))))]
mod none;
#[cfg(not(all(any(target_arch = "x86_64", target_arch = "aarch64"), unix, not(skep_portable))))]
pub(crate) use none::{CALLS, Native};

pub(crate) use foreign::Foreign;
pub use foreign::{Arch, words};
pub(crate) use shape::Source;

/// How many functions of Rust compiled code calls.
pub(crate) const CALL_COUNT: usize = 6;

/// Why there is no native code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NoNative {
    /// There is no compiler for this machine, or it is closed out of the build.
    Machine,
    /// The system gives no memory that may be run.
    #[cfg_attr(
        not(all(any(target_arch = "x86_64", target_arch = "aarch64"), unix, not(skep_portable))),
        expect(dead_code, reason = "said where there is a compiler")
    )]
    Memory,
    /// The code would be longer than its jumps reach.
    TooLong,
}

impl std::fmt::Display for NoNative {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Machine => "there is no jit for this machine, the interpreter serves",
            Self::Memory => "the system gives no memory for machine code, the interpreter serves",
            Self::TooLong => "the program is too long for the jit, the interpreter serves",
        })
    }
}
