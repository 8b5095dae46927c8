//! The CPU that programs run on: that of the thread which asks for the run.

use skep_backend::Error;
use skep_sys::{Errno, cpu};

use super::error::refused;

/// Keeps the calling thread on the CPU where it is, so that per-CPU values and CPU numbers are always that one's.
/// Gives its number, and how many CPUs values of per-CPU maps are for.
///
/// # Errors
/// If sysfs does not say how many there are.
pub fn stay() -> Result<(u32, u32), Error> {
    let wrong = |e: Errno| refused("staying on one CPU", e, &[]);
    let here = cpu::current();
    cpu::pin(here).map_err(wrong)?;
    Ok((here, cpu::possible().map_err(wrong)? as u32))
}
