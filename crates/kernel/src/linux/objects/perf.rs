//! Perf events and raw tracepoints that processes hold open with a program on them.

use skep_backend::Error;
use skep_sys::{Cap, task_fd};

use crate::linux::error::refused;

pub use skep_sys::task_fd::{FdType, TaskFd};

/// The descriptors of all processes that have a program on them.
///
/// # Errors
/// Without CAP_SYS_ADMIN.
pub fn all() -> Result<Vec<TaskFd>, Error> {
    task_fd::all().map_err(|e| refused("asking what descriptors watch", e, &[Cap::SYS_ADMIN]))
}
