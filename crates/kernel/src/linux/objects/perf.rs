//! Perf events and raw tracepoints that processes hold open with a program on them.

use skep_backend::Error;
use skep_sys::{Cap, Errno, task_fd};

use crate::linux::error::refused;

pub use skep_sys::task_fd::{FdType, TaskFd};

/// The descriptors of all processes that have a program on them.
///
/// # Errors
/// Without CAP_SYS_ADMIN.
pub fn all() -> Result<Vec<TaskFd>, Error> {
    let wrong = |e| refused("asking what descriptors watch", e, &[Cap::SYS_ADMIN]);
    // Where nobody's descriptors may be looked at there is nothing to ask for, and so no refusal: one is provoked.
    if let Err(e @ Errno::EPERM) = task_fd::query(std::process::id(), 0) {
        return Err(wrong(e));
    }
    task_fd::all().map_err(wrong)
}
