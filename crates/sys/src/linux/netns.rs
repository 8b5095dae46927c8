//! Network namespaces (network_namespaces(7)). A thread is in one; what it starts begins there. One that was made by a
//! thread goes when nothing is left in it and nothing refers to it, so it can't be forgotten.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use crate::Errno;

fn errno(e: &std::io::Error) -> Errno {
    Errno(e.raw_os_error().unwrap_or(Errno::EINVAL.0))
}

/// The namespace that the calling thread is in.
///
/// # Errors
/// `ENOENT` where /proc is not mounted.
pub fn current() -> Result<OwnedFd, Errno> {
    open(Path::new("/proc/thread-self/ns/net"))
}

/// A namespace by a path: `/run/netns/NAME`, `/proc/PID/ns/net`.
///
/// # Errors
/// `ENOENT`, `EACCES`. That it is one shows when it is used.
pub fn open(path: &Path) -> Result<OwnedFd, Errno> {
    File::open(path).map(OwnedFd::from).map_err(|e| errno(&e))
}

/// Moves the calling thread into a namespace.
///
/// # Errors
/// `EINVAL` if it is none, `EPERM` without CAP_SYS_ADMIN.
pub fn enter(netns: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: takes numbers.
    let done = unsafe { libc::setns(netns.as_raw_fd(), libc::CLONE_NEWNET) };
    if done == 0 { Ok(()) } else { Err(Errno::last()) }
}

/// Moves the calling thread into a new namespace, where there is nothing but a loopback interface that is down.
///
/// # Errors
/// `EPERM` without CAP_SYS_ADMIN, `ENOSPC` beyond the limit of namespaces.
pub fn unshare() -> Result<(), Errno> {
    // SAFETY: takes a number; it concerns the calling thread's namespace only.
    let done = unsafe { libc::unshare(libc::CLONE_NEWNET) };
    if done == 0 { Ok(()) } else { Err(Errno::last()) }
}

/// Runs `f` inside a namespace, on the calling thread, and comes back.
///
/// # Errors
/// As for [`enter`]. A thread that can't come back would go on in the wrong place: it panics then.
pub fn inside<T>(netns: BorrowedFd<'_>, f: impl FnOnce() -> T) -> Result<T, Errno> {
    /// Brings the thread home, also when `f` panics.
    struct Home(OwnedFd);
    impl Drop for Home {
        fn drop(&mut self) {
            enter(self.0.as_fd()).expect("a namespace that the thread was in can be entered");
        }
    }
    let home = Home(current()?);
    enter(netns)?;
    let out = f();
    drop(home);
    Ok(out)
}
