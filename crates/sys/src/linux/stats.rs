//! Counting runs and their time.

use std::os::fd::OwnedFd;

use skep_abi::Cmd;

use super::attr::EnableStats;
use super::call::bpf_fd;
use crate::Errno;

/// BPF_ENABLE_STATS for run counts and run times: counted while the descriptor is open.
///
/// # Errors
/// `EPERM` without CAP_SYS_ADMIN.
pub fn enable_run_time() -> Result<OwnedFd, Errno> {
    let mut attr = EnableStats { r#type: 0 };
    // SAFETY: the attribute holds no pointer; the command gives a descriptor.
    unsafe { bpf_fd(Cmd::ENABLE_STATS, &mut attr) }
}
