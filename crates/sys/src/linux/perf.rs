//! perf_event_open(2): software events, tracepoints, probes, and the buffers that perf_event_output writes into.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::attr::Plain;
use crate::Errno;

super::attr::attrs! {
    /// `struct perf_event_attr` up to `PERF_ATTR_SIZE_VER5`.
    PerfAttr {
        r#type: u32, size: u32, config: u64, sample_period: u64, sample_type: u64, read_format: u64,
        /// Bits: 0 `disabled`, 1 `inherit`, 10 `freq`.
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
/// `PERF_SAMPLE_TIME`.
pub const SAMPLE_TIME: u64 = 1 << 2;
/// `PERF_SAMPLE_RAW`.
pub const SAMPLE_RAW: u64 = 1 << 10;
/// The `inherit` bit of [`PerfAttr::flags`]: threads and children that begin later have the event too.
pub const FLAG_INHERIT: u64 = 1 << 1;
/// The `freq` bit of [`PerfAttr::flags`]: the period is a frequency.
pub const FLAG_FREQ: u64 = 1 << 10;

/// `PERF_EVENT_IOC_ENABLE`.
const IOC_ENABLE: u64 = 0x2400;
/// `PERF_EVENT_IOC_SET_BPF`.
const IOC_SET_BPF: u64 = 0x4004_2408;
/// `PERF_EVENT_IOC_QUERY_BPF`.
const IOC_QUERY_BPF: u64 = 0xc008_240a;
/// `PERF_FLAG_FD_CLOEXEC`.
const FD_CLOEXEC: u64 = 8;

/// Opens an event for a thread (-1 is any) on a CPU (-1 is any).
///
/// # Errors
/// `EACCES` or `EPERM` without CAP_PERFMON, `ENOENT` for an event that this machine does not have.
pub fn open(attr: &PerfAttr, pid: i32, cpu: i32) -> Result<OwnedFd, Errno> {
    let attr = PerfAttr { size: size_of::<PerfAttr>() as u32, ..*attr };
    open_raw(&attr, pid, cpu)
}

/// Opens a tracepoint by its id (see [`Tracefs::event_id`](super::tracefs::Tracefs::event_id)). A program that is put
/// on it runs wherever the tracepoint is hit, on every CPU and for every process.
///
/// # Errors
/// As for [`open`].
pub fn open_tracepoint(id: u64) -> Result<OwnedFd, Errno> {
    let attr = PerfAttr { r#type: TYPE_TRACEPOINT, config: id, sample_period: 1, ..PerfAttr::default() };
    open(&attr, -1, 0)
}

/// How often an event samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// So often a second; the kernel steers towards it.
    Hertz(u64),
    /// Each time that the event has counted so many; nanoseconds, for clocks.
    Period(u64),
}

/// Opens a software event that samples, for a thread (-1 is any; what it starts later counts too) on a CPU (-1 is any).
///
/// # Errors
/// As for [`open`]; `EINVAL` for a frequency above the machine's limit.
pub fn open_software(config: u64, rate: Rate, thread: i32, cpu: i32) -> Result<OwnedFd, Errno> {
    let (sample_period, freq) = match rate {
        Rate::Hertz(n) => (n, FLAG_FREQ),
        Rate::Period(n) => (n, 0),
    };
    let inherit = if thread == -1 { 0 } else { FLAG_INHERIT };
    let flags = freq | inherit;
    let attr = PerfAttr { r#type: TYPE_SOFTWARE, config, sample_period, flags, ..PerfAttr::default() };
    open(&attr, thread, cpu)
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

/// The ids of the programs on the tracepoint of an event: its own and those of every other event there.
///
/// # Errors
/// `EINVAL` if it is no tracepoint, `EPERM` without CAP_PERFMON.
pub fn query_bpf(event: BorrowedFd<'_>) -> Result<Vec<u32>, Errno> {
    /// `BPF_TRACE_MAX_PROGS`.
    const MOST: u32 = 64;
    // struct perf_event_query_bpf: room for ids, how many there are, the ids.
    let mut words = [0_u32; 2 + MOST as usize];
    words[0] = MOST;
    // SAFETY: the kernel reads the first word and writes the second and at most so many ids as the first says, which
    // is how many there is room for.
    let done = unsafe { libc::ioctl(event.as_raw_fd(), IOC_QUERY_BPF as _, words.as_mut_ptr()) };
    if done < 0 {
        return Err(Errno::last());
    }
    let count = words[1].min(MOST) as usize;
    Ok(words[2..2 + count].to_vec())
}
