//! Which descriptors of which processes hold programs on tracepoints and probes: attachments that are no links have no
//! ids, and this is the only way to see them.

use std::fs;

use skep_abi::Cmd;

use super::attr::TaskFdQuery;
use super::call::{address_mut, bpf, text};
use crate::Errno;

/// What a descriptor holds a program on (`enum bpf_task_fd_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FdType {
    /// A raw tracepoint.
    RawTracepoint,
    /// A tracepoint.
    Tracepoint,
    /// Entry of a kernel function.
    Kprobe,
    /// Return of a kernel function.
    Kretprobe,
    /// A place in user code.
    Uprobe,
    /// Return of a user function.
    Uretprobe,
    /// Something newer.
    Other(u32),
}

impl FdType {
    fn of(number: u32) -> Self {
        use FdType::{Kprobe, Kretprobe, RawTracepoint, Tracepoint, Uprobe, Uretprobe};
        const ALL: [FdType; 6] = [RawTracepoint, Tracepoint, Kprobe, Kretprobe, Uprobe, Uretprobe];
        ALL.get(number as usize).copied().unwrap_or(Self::Other(number))
    }

    /// The kernel's name in lower case.
    pub fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::RawTracepoint => "raw_tracepoint",
            Self::Tracepoint => "tracepoint",
            Self::Kprobe => "kprobe",
            Self::Kretprobe => "kretprobe",
            Self::Uprobe => "uprobe",
            Self::Uretprobe => "uretprobe",
            Self::Other(_) => return None,
        })
    }
}

/// A program that a descriptor holds in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskFd {
    /// The process.
    pub pid: u32,
    /// Its descriptor.
    pub fd: u32,
    /// The program.
    pub prog_id: u32,
    /// What the program is on.
    pub fd_type: FdType,
    /// Tracepoint, kernel function, or file of a user probe; empty for a kernel probe by address.
    pub name: String,
    /// Bytes behind the begin of the kernel function, or of the file.
    pub probe_offset: u64,
    /// The kernel address of a probe without a name; 0 where addresses are hidden.
    pub probe_addr: u64,
}

/// BPF_TASK_FD_QUERY.
///
/// # Errors
/// `ENOENT` if the process is gone, `EBADF` for the descriptor, `EINVAL` or `EOPNOTSUPP` for one that holds no program,
/// `EPERM` without CAP_SYS_ADMIN.
pub fn query(pid: u32, fd: u32) -> Result<TaskFd, Errno> {
    // Paths are the longest names.
    let mut name = [0_u8; 4096];
    let mut attr = TaskFdQuery {
        pid,
        fd,
        buf_len: name.len() as u32,
        buf: address_mut(&mut name),
        ..TaskFdQuery::default()
    };
    // SAFETY: the buffer has the length given and lives for the call.
    match unsafe { bpf(Cmd::TASK_FD_QUERY, &mut attr) } {
        // ENOSPC: the name was cut.
        Ok(_) | Err(Errno::ENOSPC) => {}
        Err(e) => return Err(e),
    }
    Ok(TaskFd {
        pid,
        fd,
        prog_id: attr.prog_id,
        fd_type: FdType::of(attr.fd_type),
        name: text(&name),
        probe_offset: attr.probe_offset,
        probe_addr: attr.probe_addr,
    })
}

/// Every descriptor of every process that holds a program, by process and descriptor. What may not be looked at is left
/// out.
///
/// # Errors
/// `EPERM` without CAP_SYS_ADMIN; what `/proc` says if it can't be read.
pub fn all() -> Result<Vec<TaskFd>, Errno> {
    let mut out = Vec::new();
    for pid in numbers("/proc")? {
        // Processes end while they are looked at.
        for fd in numbers(&format!("/proc/{pid}/fd")).unwrap_or_default() {
            let Ok(target) = fs::read_link(format!("/proc/{pid}/fd/{fd}")) else { continue };
            let target = target.to_string_lossy();
            if !target.starts_with("anon_inode:") || !(target.contains("bpf") || target.contains("perf")) {
                continue;
            }
            match query(pid, fd) {
                Ok(found) => out.push(found),
                Err(Errno::EPERM) => return Err(Errno::EPERM),
                Err(_) => {}
            }
        }
    }
    Ok(out)
}

/// The entries of a folder that are numbers, in order.
fn numbers(dir: &str) -> Result<Vec<u32>, Errno> {
    let entries = fs::read_dir(dir).map_err(|e| Errno(e.raw_os_error().unwrap_or(Errno::EIO.0)))?;
    let mut out: Vec<u32> = entries.flatten().filter_map(|e| e.file_name().to_str()?.parse().ok()).collect();
    out.sort_unstable();
    Ok(out)
}
