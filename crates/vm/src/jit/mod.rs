//! Native code for any bytes at all: a template compiler behind the interpreter's own model.
//!
//! Compiled code sees the same virtual addresses as the interpreter, checks every access against the same regions, pays
//! the same budget at the same places, and leaves for the interpreter at whatever it does not do itself: every
//! trap, calls through a register, big-endian atomics, the last exit. One pass, one template an instruction, registers
//! mapped one to one.
//!
//! Only Unix on x86-64 has it. Elsewhere, and under `--cfg skep_portable`, [`Native`] has no values, and asking for
//! one is an error that says so. Where a verifier has proved that
//! an access is inside, its check is left out ([`crate::proof`]); nothing else differs.

mod layout;
mod shape;

#[cfg(all(target_arch = "x86_64", unix, not(skep_portable)))]
mod native;
#[cfg(all(target_arch = "x86_64", unix, not(skep_portable)))]
mod pages;
#[cfg(all(target_arch = "x86_64", unix, not(skep_portable)))]
mod run;
#[cfg(all(target_arch = "x86_64", unix, not(skep_portable)))]
mod x86;
#[cfg(all(target_arch = "x86_64", unix, not(skep_portable)))]
pub(crate) use native::Native;
#[cfg(all(target_arch = "x86_64", unix, not(skep_portable)))]
use x86 as host;

#[cfg(not(all(target_arch = "x86_64", unix, not(skep_portable))))]
mod none;
#[cfg(not(all(target_arch = "x86_64", unix, not(skep_portable))))]
pub(crate) use none::Native;

pub(crate) use shape::Source;

/// Why there is no native code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NoNative {
    /// There is no compiler for this machine, or it is closed out of the build.
    #[cfg_attr(
        all(target_arch = "x86_64", unix, not(skep_portable)),
        expect(dead_code, reason = "said on other machines")
    )]
    Machine,
    /// The system gives no memory that may be run.
    #[cfg_attr(
        not(all(target_arch = "x86_64", unix, not(skep_portable))),
        expect(dead_code, reason = "said where there is a compiler")
    )]
    Memory,
}

impl std::fmt::Display for NoNative {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Machine => "there is no jit for this machine, the interpreter serves",
            Self::Memory => "the system gives no memory for machine code, the interpreter serves",
        })
    }
}
