//! BTF, loaded.

use std::os::fd::OwnedFd;

use skep_abi::Cmd;

use super::attr::BtfLoad;
use super::call::{address, address_mut, bpf_fd, length, text};
use super::prog::LoadError;
use crate::Errno;

/// How large the log may grow.
const LOG_MAX: usize = 16 << 20;

/// BPF_BTF_LOAD; the log is made only when the kernel refuses.
///
/// # Errors
/// The kernel's errno, with the log.
pub fn load(btf: &[u8]) -> Result<OwnedFd, LoadError> {
    let first = load_once(btf, &mut []);
    let Err(errno) = first else { return first.map_err(|errno| LoadError { errno, log: String::new() }) };
    let mut log = vec![0; 64 << 10];
    loop {
        match load_once(btf, &mut log) {
            Ok(fd) => return Ok(fd),
            Err(Errno::ENOSPC) if log.len() < LOG_MAX => log.resize(log.len() * 4, 0),
            Err(_) => return Err(LoadError { errno, log: text(&log) }),
        }
    }
}

fn load_once(btf: &[u8], log: &mut [u8]) -> Result<OwnedFd, Errno> {
    let mut attr = BtfLoad {
        btf: address(btf),
        btf_size: length(btf)?,
        btf_log_size: length(log)?,
        btf_log_level: u32::from(!log.is_empty()),
        btf_log_buf: address_mut(log),
        ..BtfLoad::default()
    };
    // SAFETY: `btf` is read and `log` written, both with the lengths given.
    unsafe { bpf_fd(Cmd::BTF_LOAD, &mut attr) }
}
