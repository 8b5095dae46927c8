//! seccomp(2): filters on system calls, for children that are about to be; what this kernel can do; and, by ptrace(2),
//! the filters that another process has.
//!
//! A filter can't be taken away again, so there is no call here that puts one on the calling process.

use std::os::unix::process::CommandExt;
use std::process::Command;

use skep_isa::classic::Insn;

use super::socket::{classic, fprog};
use crate::Errno;

/// `SECCOMP_FILTER_FLAG_LOG`: what is not allowed is logged, but for `SECCOMP_RET_ALLOW`.
pub const FLAG_LOG: u32 = 1 << 1;
/// `SECCOMP_FILTER_FLAG_SPEC_ALLOW`: mitigations of speculative store bypass stay off.
pub const FLAG_SPEC_ALLOW: u32 = 1 << 2;

const SET_MODE_FILTER: u32 = 1;
const GET_ACTION_AVAIL: u32 = 2;
const GET_NOTIF_SIZES: u32 = 3;
/// `PTRACE_SECCOMP_GET_FILTER`.
const PTRACE_GET_FILTER: libc::c_int = 0x420c;

/// Lets a child take on a filter, with `no_new_privs`, just before it becomes the command's program. The filter sees
/// the execve(2) that follows. What the kernel refuses is the error of spawning.
///
/// # Errors
/// `E2BIG` for more instructions than fit a program.
pub fn filter_child<'a>(
    command: &'a mut Command,
    insns: &[Insn],
    flags: u32,
) -> Result<&'a mut Command, Errno> {
    let insns = classic(insns);
    fprog(&insns)?;
    let install = move || {
        let prog = fprog(&insns).map_err(|e| std::io::Error::from_raw_os_error(e.0))?;
        // SAFETY: takes numbers.
        if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1_u64, 0_u64, 0_u64, 0_u64) } != 0 {
            return Err(std::io::Error::last_os_error());
        }
        // SAFETY: the program and its instructions live for the call and are only read.
        let done = unsafe { libc::syscall(libc::SYS_seccomp, SET_MODE_FILTER, flags, &raw const prog) };
        if done == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
    };
    // SAFETY: between fork and exec the closure makes two system calls over memory that was allocated before; it
    // takes no lock and allocates nothing.
    Ok(unsafe { command.pre_exec(install) })
}

/// SECCOMP_GET_ACTION_AVAIL: whether this kernel knows what a filter may return (`SECCOMP_RET_*`).
///
/// # Errors
/// `ENOSYS`, `EINVAL` before Linux 4.14.
pub fn action_available(action: u32) -> Result<bool, Errno> {
    // SAFETY: the action lives for the call and is only read.
    let done = unsafe { libc::syscall(libc::SYS_seccomp, GET_ACTION_AVAIL, 0, &raw const action) };
    match done {
        0 => Ok(true),
        _ if Errno::last() == Errno::EOPNOTSUPP => Ok(false),
        _ => Err(Errno::last()),
    }
}

/// Bytes of the structs of user notification.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NotifySizes {
    /// `struct seccomp_notif`.
    pub notify: u16,
    /// `struct seccomp_notif_resp`.
    pub response: u16,
    /// `struct seccomp_data`.
    pub data: u16,
}

/// SECCOMP_GET_NOTIF_SIZES.
///
/// # Errors
/// `EINVAL` before Linux 5.0.
pub fn notify_sizes() -> Result<NotifySizes, Errno> {
    let mut sizes = NotifySizes::default();
    // SAFETY: the kernel writes three numbers of 16 bits, for which `sizes` has room.
    let done = unsafe { libc::syscall(libc::SYS_seccomp, GET_NOTIF_SIZES, 0, &raw mut sizes) };
    if done == 0 { Ok(sizes) } else { Err(Errno::last()) }
}

/// A process that is stopped and traced; it goes on when this is dropped. Tied to the thread that traces.
struct Traced {
    pid: libc::pid_t,
    thread: std::marker::PhantomData<*const ()>,
}

impl Traced {
    fn seize(pid: u32) -> Result<Self, Errno> {
        let pid = libc::pid_t::try_from(pid).map_err(|_| Errno::ESRCH)?;
        // SAFETY: the request takes numbers.
        if unsafe { libc::ptrace(libc::PTRACE_SEIZE, pid, 0_usize, 0_usize) } != 0 {
            return Err(Errno::last());
        }
        let traced = Self { pid, thread: std::marker::PhantomData };
        // SAFETY: the request takes numbers.
        if unsafe { libc::ptrace(libc::PTRACE_INTERRUPT, pid, 0_usize, 0_usize) } != 0 {
            return Err(Errno::last());
        }
        let mut status = 0;
        loop {
            // SAFETY: `status` lives for the call.
            let done = unsafe { libc::waitpid(pid, &raw mut status, libc::__WALL) };
            match done {
                n if n == pid && libc::WIFSTOPPED(status) => return Ok(traced),
                n if n == pid => return Err(Errno::ESRCH),
                _ if Errno::last() == Errno::EINTR => {}
                _ => return Err(Errno::last()),
            }
        }
    }

    /// The filter that was put on so many filters ago; 0 is the last one.
    fn filter(&self, index: usize) -> Result<Vec<Insn>, Errno> {
        let get = |at: *mut libc::sock_filter| {
            // SAFETY: with null, the kernel only answers the length; else it writes so many instructions as it answered.
            let done = unsafe { libc::ptrace(PTRACE_GET_FILTER as _, self.pid, index, at) };
            usize::try_from(done).map_err(|_| Errno::last())
        };
        let len = get(std::ptr::null_mut())?;
        // A filter never changes, and the process is stopped: the length stays.
        let mut raw = vec![libc::sock_filter { code: 0, jt: 0, jf: 0, k: 0 }; len];
        get(raw.as_mut_ptr())?;
        Ok(raw.iter().map(|i| Insn { code: i.code, jt: i.jt, jf: i.jf, k: i.k }).collect())
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        // SAFETY: the request takes numbers. A process that is gone can't be let go, and need not be.
        unsafe { libc::ptrace(libc::PTRACE_DETACH, self.pid, 0_usize, 0_usize) };
    }
}

/// The filters of a process (of the thread with this id), the last one that it put on first. It is stopped for the moment.
///
/// # Errors
/// `ESRCH` if there is none; `EPERM` where it may not be traced, `EACCES` without CAP_SYS_ADMIN or where the caller
/// itself is filtered; `EIO` for a kernel without CONFIG_CHECKPOINT_RESTORE.
pub fn filters_of(pid: u32) -> Result<Vec<Vec<Insn>>, Errno> {
    let traced = Traced::seize(pid)?;
    let mut out = Vec::new();
    loop {
        match traced.filter(out.len()) {
            Ok(filter) => out.push(filter),
            // Behind the last one; and of a process that has none.
            Err(Errno::ENOENT) => return Ok(out),
            Err(Errno::EINVAL) if out.is_empty() => return Ok(out),
            Err(e) => return Err(e),
        }
    }
}
