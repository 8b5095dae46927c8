//! Signals as something to wait for (signalfd(2)), and waiting for several descriptors at once (poll(2)).

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use crate::Errno;

/// `SIGHUP`: the terminal went away.
pub const HUP: i32 = libc::SIGHUP;
/// `SIGINT`: Ctrl-C.
pub const INT: i32 = libc::SIGINT;
/// `SIGTERM`: please end.
pub const TERM: i32 = libc::SIGTERM;

/// Signals that do not end the process as long as this lives, but can be taken from here.
#[derive(Debug)]
pub struct Signals {
    fd: OwnedFd,
    before: Mask,
}

struct Mask(libc::sigset_t);

impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mask")
    }
}

impl Signals {
    /// Holds signals back from the calling thread, and from threads that it starts from now on.
    ///
    /// # Errors
    /// `EINVAL` for what is no signal.
    pub fn hold(signals: &[i32]) -> Result<Self, Errno> {
        // SAFETY: zero is a value of a set of signals, which is made of integers.
        let (mut set, mut before): (libc::sigset_t, libc::sigset_t) = unsafe { std::mem::zeroed() };
        // SAFETY: the set lives for the call, which initialises it.
        unsafe { libc::sigemptyset(&raw mut set) };
        for &signal in signals {
            // SAFETY: the set is initialised and lives for the call.
            if unsafe { libc::sigaddset(&raw mut set, signal) } != 0 {
                return Err(Errno::last());
            }
        }
        // SAFETY: both sets live for the call, which reads the one and writes the other.
        let done = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, &raw mut before) };
        if done != 0 {
            return Err(Errno(done));
        }
        // SAFETY: the set lives for the call.
        let fd = unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
        if fd < 0 {
            let e = Errno::last();
            restore(&before);
            return Err(e);
        }
        // SAFETY: the kernel has just made this descriptor for us.
        Ok(Self { fd: unsafe { OwnedFd::from_raw_fd(fd) }, before: Mask(before) })
    }

    /// A signal that came, if one did.
    pub fn take(&self) -> Option<i32> {
        // SAFETY: zero is a value of the struct, which is made of integers.
        let mut info: libc::signalfd_siginfo = unsafe { std::mem::zeroed() };
        let size = size_of::<libc::signalfd_siginfo>();
        // SAFETY: the struct lives for the call, which writes no more than its size.
        let got = unsafe { libc::read(self.fd.as_raw_fd(), (&raw mut info).cast(), size) };
        (usize::try_from(got) == Ok(size)).then_some(info.ssi_signo as i32)
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        // What came was meant for what is over now; it would end the process.
        while self.take().is_some() {}
        restore(&self.before.0);
    }
}

fn restore(mask: &libc::sigset_t) {
    // SAFETY: the mask is one that the kernel gave and lives for the call; the old one is not asked for.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, mask, std::ptr::null_mut()) };
}

/// Waits until there is something to read from one of these, or so long. `true` if there is.
///
/// # Errors
/// What poll(2) says; an interruption counts as the end of the wait.
pub fn wait(fds: &[BorrowedFd<'_>], timeout: Duration) -> Result<bool, Errno> {
    let mut polled: Vec<libc::pollfd> =
        fds.iter().map(|fd| libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 }).collect();
    let millis = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: the array lives for the call and has as many elements as are said.
    let ready = unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, millis) };
    match ready {
        0.. => Ok(ready > 0),
        _ if Errno::last() == Errno::EINTR => Ok(false),
        _ => Err(Errno::last()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_that_is_held_can_be_taken() {
        let signals = Signals::hold(&[libc::SIGUSR1]).expect("a signal");
        assert_eq!(signals.take(), None);
        assert_eq!(wait(&[signals.as_fd()], Duration::from_millis(1)), Ok(false));
        // SAFETY: the signal is held back from this thread, to which it is sent.
        unsafe { libc::raise(libc::SIGUSR1) };
        assert_eq!(wait(&[signals.as_fd()], Duration::from_secs(5)), Ok(true));
        assert_eq!(signals.take(), Some(libc::SIGUSR1));
        assert!(Signals::hold(&[-1]).is_err());
    }
}
