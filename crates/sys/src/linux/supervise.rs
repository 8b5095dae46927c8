//! A child under a filter that asks (`SECCOMP_RET_USER_NOTIF`, seccomp_unotify(2)): each such call waits until this
//! process has answered.

use std::io::{Read, Write};
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::Duration;

use skep_isa::classic::Insn;

use super::mapping::Mapping;
use super::socket::{classic, fprog};
use crate::Errno;

const SET_MODE_FILTER: u32 = 1;
/// `SECCOMP_FILTER_FLAG_NEW_LISTENER`.
const NEW_LISTENER: u32 = 1 << 3;
/// `SECCOMP_IOCTL_NOTIF_RECV` and `SECCOMP_IOCTL_NOTIF_SEND`, for structs of 80 and 24 bytes.
const RECEIVE: libc::Ioctl = 0xc050_2100_u32 as libc::Ioctl;
const SEND: libc::Ioctl = 0xc018_2101_u32 as libc::Ioctl;
/// `SECCOMP_USER_NOTIF_FLAG_CONTINUE`.
const CONTINUE: u32 = 1;
/// How long the wait for the child's filter sleeps between looks.
const PAUSE: Duration = Duration::from_micros(200);

/// `struct seccomp_notif`: a call that waits for an answer.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notification {
    id: u64,
    /// The thread that waits, 0 if it is in another pid namespace.
    pub pid: u32,
    flags: u32,
    /// Number of the call.
    pub number: i32,
    /// `AUDIT_ARCH_*`.
    pub arch: u32,
    /// Where it was made.
    pub instruction_pointer: u64,
    /// Its arguments.
    pub args: [u64; 6],
}

/// `struct seccomp_notif_resp`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Response {
    id: u64,
    val: i64,
    error: i32,
    flags: u32,
}

/// What happens to a call that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is done.
    Continue,
    /// It fails.
    Fail(Errno),
    /// The process that made it is killed.
    Kill,
}

/// A child, and the thread that answers for it.
#[derive(Debug)]
pub struct Supervised {
    /// The child.
    pub child: Child,
    answers: std::thread::JoinHandle<Result<(), Errno>>,
}

impl Supervised {
    /// Waits until no process is left under the filter.
    ///
    /// # Errors
    /// What ended the answering before that.
    pub fn finish(self) -> Result<(), Errno> {
        self.answers.join().unwrap_or(Err(Errno::EIO))
    }
}

/// What tells the child that its listener was fetched. It waits without a system call, which the filter might deny.
struct Fetched(Mapping);

// SAFETY: the memory is only looked at and set by the atomic accesses of `load32` and `store32`.
unsafe impl Sync for Fetched {}

impl Fetched {
    fn new() -> Result<Self, Errno> {
        Mapping::with_children(4096).map(Self)
    }

    fn tell(&self) {
        self.0.store32(0, 1);
    }

    fn wait(&self) {
        while self.0.load32(0) == 0 {
            std::hint::spin_loop();
        }
    }
}

/// Starts a command under a filter, with `no_new_privs`; `answer` is asked for each call that the filter wants to ask
/// about, from another thread. The filter sees the execve(2) that starts the command. Should the calling thread end, the command is
/// killed: nobody would answer for it.
///
/// # Errors
/// What spawning says: `EBUSY` where a supervisor watches this process already, `EINVAL` before Linux 5.0.
pub fn spawn(
    command: &mut Command,
    insns: &[Insn],
    mut answer: impl FnMut(&Notification) -> Answer + Send + 'static,
) -> std::io::Result<Supervised> {
    let insns = classic(insns);
    fprog(&insns).map_err(|e| std::io::Error::from_raw_os_error(e.0))?;
    let (mut reader, writer) = std::io::pipe()?;
    let pipe = writer.as_raw_fd();
    let fetched = Arc::new(Fetched::new().map_err(|e| std::io::Error::from_raw_os_error(e.0))?);
    let there = Arc::clone(&fetched);
    let install = move || {
        let prog = fprog(&insns).map_err(|e| std::io::Error::from_raw_os_error(e.0))?;
        let failed = |n: libc::c_long| if n < 0 { Err(std::io::Error::last_os_error()) } else { Ok(n) };
        // SAFETY: takes numbers.
        failed(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) }.into())?;
        // SAFETY: takes numbers.
        failed(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1_u64, 0_u64, 0_u64, 0_u64) }.into())?;
        // The listener will have the lowest number that is free, which is the one that a copy gets now. It has to be told
        // before: afterwards the filter may ask about any call, this process' write(2) among them.
        // SAFETY: the pipe was open when the child was forked, and takes numbers.
        let lowest = failed(unsafe { libc::fcntl(pipe, libc::F_DUPFD, 0) }.into())?;
        // SAFETY: the copy was made above and is used nowhere else.
        unsafe { libc::close(lowest as RawFd) };
        // SAFETY: takes nothing.
        let pid = unsafe { libc::getpid() };
        let message = (u64::from(pid.cast_unsigned()) << 32 | lowest.cast_unsigned() as u64).to_ne_bytes();
        // SAFETY: the pipe stays open in this process until it is replaced; `ManuallyDrop` keeps it so.
        let mut writer = ManuallyDrop::new(unsafe { std::io::PipeWriter::from_raw_fd(pipe) });
        writer.write_all(&message)?;
        // SAFETY: the program and its instructions live for the call and are only read.
        failed(unsafe { libc::syscall(libc::SYS_seccomp, SET_MODE_FILTER, NEW_LISTENER, &raw const prog) })?;
        // The listener closes with execve(2), so that has to wait.
        there.wait();
        Ok(())
    };
    // SAFETY: between fork and exec the closure makes system calls over memory that was allocated before; it takes no
    // lock and allocates nothing.
    unsafe { command.pre_exec(install) };
    let answers = std::thread::spawn(move || {
        let mut message = [0; 8];
        if reader.read_exact(&mut message).is_err() {
            // The child never came so far; spawning says why.
            return Ok(());
        }
        let message = u64::from_ne_bytes(message);
        let listener = listener((message >> 32) as u32, message as RawFd);
        fetched.tell();
        match listener? {
            Some(listener) => serve(&listener, &mut answer),
            None => Ok(()),
        }
    });
    let child = command.spawn();
    // With this end closed, a child that died early ends the thread's wait.
    drop(writer);
    Ok(Supervised { child: child?, answers })
}

/// The child's listener, once it is there; none if the child is gone.
fn listener(pid: u32, number: RawFd) -> Result<Option<OwnedFd>, Errno> {
    // SAFETY: takes numbers.
    let pidfd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let Ok(pidfd) = owned(pidfd) else { return Ok(None) };
    loop {
        // SAFETY: takes numbers; the pidfd is open.
        match owned(unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), number, 0) }) {
            Ok(fd) => return Ok(Some(fd)),
            // Not there yet.
            Err(Errno::EBADF) => std::thread::sleep(PAUSE),
            Err(Errno::ESRCH) => return Ok(None),
            Err(e) => return Err(e),
        }
    }
}

fn owned(fd: libc::c_long) -> Result<OwnedFd, Errno> {
    let fd = RawFd::try_from(fd).ok().filter(|&fd| fd >= 0).ok_or_else(Errno::last)?;
    // SAFETY: the kernel has just given this descriptor to this process, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Answers until nobody is left to ask.
fn serve(listener: &OwnedFd, answer: &mut impl FnMut(&Notification) -> Answer) -> Result<(), Errno> {
    loop {
        let mut poll = libc::pollfd { fd: listener.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one struct, which lives for the call.
        if unsafe { libc::poll(&raw mut poll, 1, -1) } < 0 {
            match Errno::last() {
                Errno::EINTR => continue,
                e => return Err(e),
            }
        }
        if poll.revents & libc::POLLIN == 0 {
            return Ok(());
        }
        // The kernel wants it zeroed.
        let mut asked = Notification::default();
        // SAFETY: the kernel writes a struct of this size, which is part of the request's number.
        if unsafe { libc::ioctl(listener.as_raw_fd(), RECEIVE, &raw mut asked) } != 0 {
            match Errno::last() {
                // Who asked was killed meanwhile.
                Errno::ENOENT | Errno::EINTR => continue,
                e => return Err(e),
            }
        }
        let (error, flags) = match answer(&asked) {
            Answer::Continue => (0, CONTINUE),
            Answer::Fail(errno) => (-errno.0, 0),
            Answer::Kill => {
                // Who asked waits for the answer, so the number is still its own.
                // SAFETY: takes numbers.
                unsafe { libc::kill(asked.pid.cast_signed(), libc::SIGKILL) };
                (-Errno::EPERM.0, 0)
            }
        };
        let response = Response { id: asked.id, val: 0, error, flags };
        // SAFETY: the kernel reads a struct of this size, which is part of the request's number. That who asked is gone
        // is no failure.
        unsafe { libc::ioctl(listener.as_raw_fd(), SEND, &raw const response) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structs_are_as_long_as_the_requests_say() {
        assert_eq!((size_of::<Notification>(), size_of::<Response>()), (80, 24));
        assert_eq!((RECEIVE as u32 >> 16 & 0x3fff, SEND as u32 >> 16 & 0x3fff), (80, 24));
    }
}
