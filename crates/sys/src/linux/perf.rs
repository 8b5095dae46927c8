//! perf_event_open(2): software events, tracepoints, probes, and the buffers that perf_event_output writes into.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::attr::Plain;
use crate::Errno;

super::attr::attrs! {
    /// `struct perf_event_attr` up to `PERF_ATTR_SIZE_VER5`.
    PerfAttr {
        r#type: u32, size: u32, config: u64, sample_period: u64, sample_type: u64, read_format: u64,
        /// Bits: 0 `disabled`, 10 `freq`.
        flags: u64,
        wakeup_events: u32, bp_type: u32, config1: u64, config2: u64, branch_sample_type: u64,
        sample_regs_user: u64, sample_stack_user: u32, clockid: i32, sample_regs_intr: u64, aux_watermark: u32,
        sample_max_stack: u16, _reserved: u16,
    }
}

/// `PERF_TYPE_SOFTWARE`.
pub const TYPE_SOFTWARE: u32 = 1;
/// `PERF_TYPE_TRACEPOINT`.
pub const TYPE_TRACEPOINT: u32 = 2;
/// `PERF_COUNT_SW_CPU_CLOCK`.
pub const SW_CPU_CLOCK: u64 = 0;
/// `PERF_COUNT_SW_BPF_OUTPUT`.
pub const SW_BPF_OUTPUT: u64 = 10;
/// `PERF_SAMPLE_RAW`.
pub const SAMPLE_RAW: u64 = 1 << 10;
/// The `freq` bit of [`PerfAttr::flags`]: the period is a frequency.
pub const FLAG_FREQ: u64 = 1 << 10;

/// `PERF_EVENT_IOC_ENABLE`.
const IOC_ENABLE: u64 = 0x2400;
/// `PERF_EVENT_IOC_SET_BPF`.
const IOC_SET_BPF: u64 = 0x4004_2408;
/// `PERF_FLAG_FD_CLOEXEC`.
const FD_CLOEXEC: u64 = 8;

/// Opens an event for a process (-1 is any) on a CPU (-1 is any).
///
/// # Errors
/// `EACCES` or `EPERM` without CAP_PERFMON, `ENOENT` for an event that this machine does not have.
pub fn open(attr: &PerfAttr, pid: i32, cpu: i32) -> Result<OwnedFd, Errno> {
    let attr = PerfAttr { size: size_of::<PerfAttr>() as u32, ..*attr };
    open_raw(&attr, pid, cpu)
}

fn open_raw<A: Plain>(attr: &A, pid: i32, cpu: i32) -> Result<OwnedFd, Errno> {
    // SAFETY: the attribute says its own size, lives for the call and is only read; pointers in it (paths of probes) are
    // read by the kernel with faults handled, and callers in this crate give live strings.
    let fd = unsafe {
        libc::syscall(libc::SYS_perf_event_open, std::ptr::from_ref(attr), pid, cpu, -1, FD_CLOEXEC)
    };
    if fd < 0 {
        return Err(Errno::last());
    }
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Opens a uprobe, or a uretprobe, at an offset of a file, by the probe type that the kernel gives out dynamically.
///
/// # Errors
/// `ENOENT` if the file is not there, `EINVAL` for an offset that is no instruction.
pub fn open_uprobe(path: &std::ffi::CStr, offset: u64, ret: bool, pid: i32) -> Result<OwnedFd, Errno> {
    const DIR: &str = "/sys/bus/event_source/devices/uprobe";
    let number = |name: &str| -> Option<u64> {
        let text = std::fs::read_to_string(format!("{DIR}/{name}")).ok()?;
        text.trim().rsplit(':').next()?.parse().ok()
    };
    let Some(kind) = number("type") else { return Err(Errno::EOPNOTSUPP) };
    let ret_bit = 1 << number("format/retprobe").unwrap_or(0);
    let attr = PerfAttr {
        r#type: kind as u32,
        config: if ret { ret_bit } else { 0 },
        config1: path.as_ptr() as u64,
        config2: offset,
        ..PerfAttr::default()
    };
    open(&attr, pid, if pid == -1 { 0 } else { -1 })
}

/// Starts an event.
///
/// # Errors
/// `EBADF` if it is no perf event.
pub fn enable(event: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: the request takes no pointer.
    let done = unsafe { libc::ioctl(event.as_raw_fd(), IOC_ENABLE as _, 0) };
    if done < 0 { Err(Errno::last()) } else { Ok(()) }
}

/// Runs a program at each of an event's samples, until the event is closed.
///
/// # Errors
/// `EINVAL` for a program of another type, `EEXIST` if there is one.
pub fn set_bpf(event: BorrowedFd<'_>, prog: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: the request takes a descriptor by value.
    let done = unsafe { libc::ioctl(event.as_raw_fd(), IOC_SET_BPF as _, prog.as_raw_fd()) };
    if done < 0 { Err(Errno::last()) } else { Ok(()) }
}
