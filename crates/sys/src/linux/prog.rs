//! Programs: loaded, with what the verifier said.

use std::ffi::CString;
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use skep_abi::{AttachType, Cmd, ProgType};
use skep_isa::{Endian, Insn, bytes_from_slots};

use super::attr::{Attach, ProgBindMap, ProgLoad, ProgStreamRead, Query};
use super::call::{address, address_mut, bpf, bpf_fd, length, name, number, text};
use crate::Errno;

/// The verifier's log at every state (`BPF_LOG_LEVEL1`).
pub const LOG_BASIC: u32 = 1;
/// The verifier's log with every instruction's state (`BPF_LOG_LEVEL2`).
pub const LOG_VERBOSE: u32 = 2;
/// Only the figures at the end (`BPF_LOG_STATS`).
pub const LOG_STATS: u32 = 4;

/// How large a log may grow; the kernel takes up to 1 GiB.
const LOG_MAX: usize = 256 << 20;
/// How large it is at first.
const LOG_FIRST: usize = 64 << 10;
/// How often a load that was interrupted (`EAGAIN`) is tried again.
const TRIES: usize = 5;

/// A program to be loaded. Descriptors of maps stand in the instructions (`BPF_PSEUDO_MAP_FD`), or in `fd_array`.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoadAttr<'a> {
    /// Type.
    pub prog_type: ProgType,
    /// Expected attach type; 0 where none is asked for.
    pub attach_type: AttachType,
    /// Name; cut and cleaned to what the kernel takes.
    pub name: &'a str,
    /// Instructions, wide ones as two slots.
    pub insns: &'a [Insn],
    /// Licence (`GPL` opens helpers that are GPL only).
    pub license: &'a str,
    /// `prog_flags`.
    pub flags: u32,
    /// `kern_version`, which old kernels ask of kprobes.
    pub kern_version: u32,
    /// Log level: a sum of [`LOG_BASIC`], [`LOG_VERBOSE`], [`LOG_STATS`]; 0 is no log.
    pub log_level: u32,
    /// BTF of the program.
    pub btf: Option<BorrowedFd<'a>>,
    /// `struct bpf_func_info` records: slot, FUNC.
    pub func_info: &'a [[u32; 2]],
    /// `struct bpf_line_info` records: slot, file, line's text, line << 10 | column.
    pub line_info: &'a [[u32; 4]],
    /// The kernel's type that it attaches to (tracing, LSM, struct_ops).
    pub attach_btf_id: u32,
    /// The program that it attaches to, or the module's BTF object that `attach_btf_id` is in.
    pub attach_to: Option<BorrowedFd<'a>>,
    /// Descriptors that instructions name by index.
    pub fd_array: &'a [i32],
    /// Interface that the program is bound to; 0 is none.
    pub ifindex: u32,
}

/// Why a program was not loaded.
#[derive(Clone, PartialEq, Eq)]
pub struct LoadError {
    /// What the kernel answered.
    pub errno: Errno,
    /// The verifier's log; empty if none was asked for or the kernel never came that far.
    pub log: String,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.errno.fmt(f)
    }
}

impl fmt::Debug for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}\n{}", self.errno, self.log)
    }
}

impl std::error::Error for LoadError {}

/// BPF_PROG_LOAD.
///
/// # Errors
/// The kernel's errno, with the whole log if [`LoadAttr::log_level`] asks for one.
pub fn load(attr: &LoadAttr<'_>) -> Result<OwnedFd, LoadError> {
    let (done, log) = load_logged(attr);
    done.map_err(|errno| LoadError { errno, log })
}

/// As [`load`], with the log of a program that was accepted, too.
pub fn load_logged(attr: &LoadAttr<'_>) -> (Result<OwnedFd, Errno>, String) {
    let mut log = vec![0; if attr.log_level == 0 { 0 } else { LOG_FIRST }];
    loop {
        let (done, true_size) = load_once(attr, &mut log);
        // A log that is too short ends in ENOSPC, also for a program that is accepted.
        let short = done.as_ref().is_err_and(|e| *e == Errno::ENOSPC) || true_size > log.len();
        if !short || log.is_empty() || log.len() >= LOG_MAX {
            return (done, text(&log));
        }
        let wanted = true_size.max(log.len() * 4).min(LOG_MAX);
        log.clear();
        log.resize(wanted, 0);
    }
}

/// One try: the answer, and the length that the log would have had (0 on kernels before 6.4).
fn load_once(load: &LoadAttr<'_>, log: &mut [u8]) -> (Result<OwnedFd, Errno>, usize) {
    let (Ok(insn_cnt), Ok(func_cnt), Ok(line_cnt), Ok(license)) = (
        length(load.insns),
        length(load.func_info),
        length(load.line_info),
        CString::new(load.license.split('\0').next().unwrap_or("")),
    ) else {
        return (Err(Errno::E2BIG), 0);
    };
    let endian = if cfg!(target_endian = "big") { Endian::Big } else { Endian::Little };
    let insns = bytes_from_slots(load.insns, endian);
    let mut attr = ProgLoad {
        prog_type: load.prog_type.0,
        insn_cnt,
        insns: address(&insns),
        license: license.as_ptr() as u64,
        log_level: load.log_level,
        log_size: log.len() as u32,
        log_buf: address_mut(log),
        kern_version: load.kern_version,
        prog_flags: load.flags,
        prog_name: name(load.name),
        prog_ifindex: load.ifindex,
        expected_attach_type: load.attach_type.0,
        prog_btf_fd: load.btf.map_or(0, number),
        attach_btf_id: load.attach_btf_id,
        attach_prog_fd: load.attach_to.map_or(0, number),
        fd_array: address(load.fd_array),
        ..ProgLoad::default()
    };
    if !load.func_info.is_empty() {
        (attr.func_info_rec_size, attr.func_info, attr.func_info_cnt) =
            (8, address(load.func_info), func_cnt);
    }
    if !load.line_info.is_empty() {
        (attr.line_info_rec_size, attr.line_info, attr.line_info_cnt) =
            (16, address(load.line_info), line_cnt);
    }
    let mut done = Err(Errno::EAGAIN);
    for _ in 0..TRIES {
        // SAFETY: instructions, licence, records and log live for the call and have the lengths given; the kernel
        // bounds its reads of `fd_array` by the instructions, which it may follow beyond the slice: it copies from
        // user memory with faults handled, so a stray index is an error (EFAULT or EBADF), and only reads.
        done = unsafe { bpf_fd(Cmd::PROG_LOAD, &mut attr) };
        if !matches!(done, Err(Errno::EAGAIN)) {
            break;
        }
    }
    (done, attr.log_true_size as usize)
}

/// BPF_PROG_BIND_MAP: the map lives as long as the program.
///
/// # Errors
/// `EPERM`, `ENOMEM`.
pub fn bind_map(prog: BorrowedFd<'_>, map: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut attr = ProgBindMap { prog_fd: number(prog), map_fd: number(map), flags: 0 };
    // SAFETY: the attribute holds no pointer.
    unsafe { bpf(Cmd::PROG_BIND_MAP, &mut attr) }?;
    Ok(())
}

/// What a program is attached to without a link.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// A cgroup, a sockmap, a network namespace.
    Fd(BorrowedFd<'a>),
    /// An interface.
    Ifindex(u32),
}

impl Target<'_> {
    pub(super) fn number(self) -> u32 {
        match self {
            Self::Fd(fd) => number(fd),
            Self::Ifindex(index) => index,
        }
    }
}

/// BPF_PROG_ATTACH: stays until it is detached or the target goes.
///
/// # Errors
/// `EPERM`, `EINVAL`, `EBADF`, as the target sees it.
pub fn attach(
    target: Target<'_>,
    prog: BorrowedFd<'_>,
    attach_type: AttachType,
    flags: u32,
) -> Result<(), Errno> {
    let mut attr = Attach {
        target_fd: target.number(),
        attach_bpf_fd: number(prog),
        attach_type: attach_type.0,
        attach_flags: flags,
        ..Attach::default()
    };
    // SAFETY: the attribute holds no pointer.
    unsafe { bpf(Cmd::PROG_ATTACH, &mut attr) }?;
    Ok(())
}

/// BPF_PROG_DETACH.
///
/// # Errors
/// `ENOENT` if it is not attached there.
pub fn detach(target: Target<'_>, prog: BorrowedFd<'_>, attach_type: AttachType) -> Result<(), Errno> {
    let mut attr = Attach {
        target_fd: target.number(),
        attach_bpf_fd: number(prog),
        attach_type: attach_type.0,
        ..Attach::default()
    };
    // SAFETY: the attribute holds no pointer.
    unsafe { bpf(Cmd::PROG_DETACH, &mut attr) }?;
    Ok(())
}

/// BPF_PROG_QUERY: ids of the programs attached to a target, in the order in which they run.
///
/// # Errors
/// `EINVAL` where the attach type cannot be asked for.
pub fn query(target: Target<'_>, attach_type: AttachType) -> Result<Vec<u32>, Errno> {
    let mut ids = vec![0_u32; 64];
    loop {
        let mut attr = Query {
            target_fd: target.number(),
            attach_type: attach_type.0,
            prog_ids: address_mut(&mut ids),
            prog_cnt: length(&ids)?,
            ..Query::default()
        };
        // SAFETY: `ids` has room for `prog_cnt` ids.
        let done = unsafe { bpf(Cmd::PROG_QUERY, &mut attr) };
        match done {
            Err(Errno::ENOSPC) if ids.len() < 1 << 16 => ids.resize(ids.len() * 4, 0),
            Err(e) => return Err(e),
            Ok(_) => {
                ids.truncate(attr.prog_cnt as usize);
                return Ok(ids);
            }
        }
    }
}

/// As [`query`], with the id of each one's link; 0 for one that has none.
///
/// # Errors
/// As for [`query`]; where links can't be asked for they are all 0.
pub fn query_links(target: Target<'_>, attach_type: AttachType) -> Result<Vec<(u32, u32)>, Errno> {
    const MANY: usize = 256;
    let (mut ids, mut links) = (vec![0_u32; MANY], vec![0_u32; MANY]);
    let mut attr = Query {
        target_fd: target.number(),
        attach_type: attach_type.0,
        prog_ids: address_mut(&mut ids),
        prog_cnt: length(&ids)?,
        link_ids: address_mut(&mut links),
        ..Query::default()
    };
    // SAFETY: both arrays have room for `prog_cnt` ids.
    unsafe { bpf(Cmd::PROG_QUERY, &mut attr) }?;
    let count = (attr.prog_cnt as usize).min(MANY);
    Ok(ids.into_iter().zip(links).take(count).collect())
}

/// The id of a program.
///
/// # Errors
/// `EINVAL` if it is no program.
pub fn id(prog: &OwnedFd) -> Result<u32, Errno> {
    super::info::prog(prog.as_fd()).map(|i| i.id)
}

/// What a program writes by itself (BPF_PROG_STREAM_READ_BY_FD).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// `bpf_stream_printk` to the first.
    Stdout = 1,
    /// To the second; what went wrong in it is there, too.
    Stderr = 2,
}

/// Takes what a program has written to one of its streams; gives how many bytes, 0 if there is no more.
///
/// # Errors
/// `EINVAL` on kernels before 6.17.
pub fn read_stream(prog: BorrowedFd<'_>, stream: Stream, to: &mut [u8]) -> Result<usize, Errno> {
    let mut attr = ProgStreamRead {
        stream_buf: address_mut(to),
        stream_buf_len: length(to)?,
        stream_id: stream as u32,
        prog_fd: number(prog),
        ..ProgStreamRead::default()
    };
    // SAFETY: the buffer lives for the call and has the length given.
    let read = unsafe { bpf(Cmd::PROG_STREAM_READ_BY_FD, &mut attr) }?;
    Ok(usize::try_from(read).unwrap_or(0).min(to.len()))
}
