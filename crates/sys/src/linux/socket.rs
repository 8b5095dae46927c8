//! Filters on sockets, and the choice of a socket in a reuseport group: setsockopt(2) at level SOL_SOCKET.
//!
//! What is attached lives as long as the socket, so there is nothing to clean up behind a process.

use std::os::fd::{AsRawFd, BorrowedFd};

use skep_isa::classic::Insn;

use crate::Errno;

/// Classic instructions as the kernel takes them. [`Insn`] has the same fields but promises no layout.
pub(super) fn classic(insns: &[Insn]) -> Vec<libc::sock_filter> {
    insns.iter().map(|i| libc::sock_filter { code: i.code, jt: i.jt, jf: i.jf, k: i.k }).collect()
}

/// `struct sock_fprog` over instructions that outlive it.
///
/// # Errors
/// `E2BIG` for more than its length can say.
pub(super) fn fprog(insns: &[libc::sock_filter]) -> Result<libc::sock_fprog, Errno> {
    let len = u16::try_from(insns.len()).map_err(|_| Errno::E2BIG)?;
    Ok(libc::sock_fprog { len, filter: insns.as_ptr().cast_mut() })
}

/// Sets an option to a value that the kernel reads.
///
/// # Safety
/// `value` is what the option reads, and pointers in it are to live memory of the length that goes with them.
unsafe fn set<T>(socket: BorrowedFd<'_>, option: i32, value: &T) -> Result<(), Errno> {
    let size = size_of::<T>() as libc::socklen_t;
    let at = std::ptr::from_ref(value).cast();
    // SAFETY: `value` lives for the call and has the length given; the caller vouches for what it points to.
    let done = unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, at, size) };
    if done == 0 { Ok(()) } else { Err(Errno::last()) }
}

fn set_number(socket: BorrowedFd<'_>, option: i32, value: i32) -> Result<(), Errno> {
    // SAFETY: the options that are given here read an integer.
    unsafe { set(socket, option, &value) }
}

fn set_filter(socket: BorrowedFd<'_>, option: i32, insns: &[Insn]) -> Result<(), Errno> {
    let insns = classic(insns);
    let prog = fprog(&insns)?;
    // SAFETY: the options that are given here read a `sock_fprog`, whose instructions live for the call.
    unsafe { set(socket, option, &prog) }
}

/// SO_ATTACH_FILTER: a classic program decides how much of each packet the socket gets.
///
/// # Errors
/// `EINVAL` for a program that the kernel refuses, `EPERM` on a locked socket, `ENOMEM` beyond `optmem_max`.
pub fn attach_filter(socket: BorrowedFd<'_>, insns: &[Insn]) -> Result<(), Errno> {
    set_filter(socket, libc::SO_ATTACH_FILTER, insns)
}

/// SO_ATTACH_BPF: the same by an extended program of type `socket_filter`.
///
/// # Errors
/// `EINVAL` for a program of another type, `EPERM` on a locked socket.
pub fn attach_bpf(socket: BorrowedFd<'_>, prog: BorrowedFd<'_>) -> Result<(), Errno> {
    set_number(socket, libc::SO_ATTACH_BPF, prog.as_raw_fd())
}

/// SO_DETACH_FILTER: takes either away.
///
/// # Errors
/// `ENOENT` if there is none, `EPERM` on a locked socket.
pub fn detach_filter(socket: BorrowedFd<'_>) -> Result<(), Errno> {
    set_number(socket, libc::SO_DETACH_FILTER, 0)
}

/// SO_LOCK_FILTER: the filter can't be changed or taken away any more, and the lock not undone.
///
/// # Errors
/// `EBADF` if it is no socket.
pub fn lock_filter(socket: BorrowedFd<'_>) -> Result<(), Errno> {
    set_number(socket, libc::SO_LOCK_FILTER, 1)
}

/// SO_GET_FILTER: the classic program that a socket has; empty if it has none.
///
/// # Errors
/// `EACCES` if what it has is an extended program.
pub fn get_filter(socket: BorrowedFd<'_>) -> Result<Vec<Insn>, Errno> {
    let zero = libc::sock_filter { code: 0, jt: 0, jf: 0, k: 0 };
    let mut raw: Vec<libc::sock_filter> = Vec::new();
    // First how many, then they; in between, the filter may have become another.
    for _ in 0..4 {
        // The length counts instructions here, not bytes.
        let mut len = libc::socklen_t::try_from(raw.len()).map_err(|_| Errno::E2BIG)?;
        // SAFETY: the kernel writes at most `len` instructions, for which `raw` has room, and `len`.
        let done = unsafe {
            let at = raw.as_mut_ptr();
            libc::getsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_GET_FILTER,
                at.cast(),
                &raw mut len,
            )
        };
        match (done, len as usize) {
            (0, n) if n <= raw.len() => {
                raw.truncate(n);
                return Ok(raw.iter().map(|i| Insn { code: i.code, jt: i.jt, jf: i.jf, k: i.k }).collect());
            }
            (0, n) => raw.resize(n, zero),
            _ if Errno::last() == Errno::EINVAL && !raw.is_empty() => raw.clear(),
            _ => return Err(Errno::last()),
        }
    }
    Err(Errno::EAGAIN)
}

/// SO_ATTACH_REUSEPORT_CBPF: a classic program chooses by index which socket of the group gets a packet.
///
/// # Errors
/// `EINVAL` for a socket that is in no group, or a program that the kernel refuses.
pub fn attach_reuseport_filter(socket: BorrowedFd<'_>, insns: &[Insn]) -> Result<(), Errno> {
    set_filter(socket, libc::SO_ATTACH_REUSEPORT_CBPF, insns)
}

/// SO_ATTACH_REUSEPORT_EBPF: the same by a program of type `socket_filter` (by index) or `sk_reuseport`.
///
/// # Errors
/// `EINVAL` for a socket that is in no group, or a program of another type.
pub fn attach_reuseport_bpf(socket: BorrowedFd<'_>, prog: BorrowedFd<'_>) -> Result<(), Errno> {
    set_number(socket, libc::SO_ATTACH_REUSEPORT_EBPF, prog.as_raw_fd())
}

/// SO_DETACH_REUSEPORT_BPF: the group chooses by hash again.
///
/// # Errors
/// `ENOENT` if there is none, `EINVAL` outside of a group.
pub fn detach_reuseport(socket: BorrowedFd<'_>) -> Result<(), Errno> {
    const SO_DETACH_REUSEPORT_BPF: i32 = 68;
    set_number(socket, SO_DETACH_REUSEPORT_BPF, 0)
}
