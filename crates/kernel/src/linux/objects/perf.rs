//! Perf events and raw tracepoints that processes hold open with a program on them (BPF_TASK_FD_QUERY).

use skep_backend::Error;
use skep_sys::perf::task_fd_query;
use skep_sys::{Cap, Errno};

use super::holders::numbers;
use crate::linux::error::refused;

pub use skep_sys::perf::Watch;

/// A descriptor of a process with a program on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The process.
    pub pid: u32,
    /// Its descriptor.
    pub fd: u32,
    /// What is behind it.
    pub watch: Watch,
}

/// Looks through the descriptors of all processes.
///
/// # Errors
/// Without CAP_SYS_ADMIN.
pub fn all() -> Result<Vec<Held>, Error> {
    let mut found = Vec::new();
    for pid in numbers("/proc") {
        for fd in numbers(&format!("/proc/{pid}/fd")) {
            match task_fd_query(pid, fd) {
                Ok(watch) => found.push(Held { pid, fd, watch }),
                Err(Errno::EPERM) => {
                    return Err(refused("asking what descriptors watch", Errno::EPERM, &[Cap::SYS_ADMIN]));
                }
                // No program there, or the process or descriptor is gone.
                Err(_) => {}
            }
        }
    }
    Ok(found)
}
