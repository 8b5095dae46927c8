//! Network namespaces (network_namespaces(7)). A thread is in one; what it starts begins there. One that was made by a
//! thread goes when nothing is left in it and nothing refers to it, so it can't be forgotten.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::Errno;

fn errno(e: &std::io::Error) -> Errno {
    Errno(e.raw_os_error().unwrap_or(Errno::EINVAL.0))
}

/// The file of the calling thread's namespace.
const OWN: &str = "/proc/thread-self/ns/net";

/// Which namespace: the device and inode of its file, the same for every file that stands for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NetnsId {
    /// Device.
    pub dev: u64,
    /// Inode.
    pub ino: u64,
}

impl std::fmt::Display for NetnsId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.dev, self.ino)
    }
}

impl std::str::FromStr for NetnsId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (dev, ino) = text.split_once(':').unwrap_or((text, ""));
        Ok(Self { dev: dev.parse()?, ino: ino.parse()? })
    }
}

/// Which namespace a descriptor stands for.
///
/// # Errors
/// What fstat(2) says.
pub fn id(netns: BorrowedFd<'_>) -> Result<NetnsId, Errno> {
    // The descriptor is asked, not a path, which may stand for another one by now.
    let file = File::from(netns.try_clone_to_owned().map_err(|e| errno(&e))?);
    let meta = file.metadata().map_err(|e| errno(&e))?;
    Ok(NetnsId { dev: meta.dev(), ino: meta.ino() })
}

/// Finds a namespace that some thread is in, or that is kept by a mount (as `ip netns` does); `None` if it is gone, or
/// only a descriptor somewhere keeps it.
pub fn find(wanted: NetnsId) -> Option<OwnedFd> {
    let is = |path: PathBuf| open(&path).ok().filter(|fd| id(fd.as_fd()) == Ok(wanted));
    let numbers = |dir: &Path| {
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path());
        entries.filter(|p| p.file_name().is_some_and(|n| n.as_encoded_bytes().iter().all(u8::is_ascii_digit)))
    };
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let near = std::iter::once(PathBuf::from(OWN)).chain(kept(&mounts)).find_map(is);
    let processes = || numbers(Path::new("/proc"));
    near.or_else(|| processes().map(|p| p.join("ns/net")).find_map(is))
        // A thread may have moved away from its process.
        .or_else(|| processes().flat_map(|p| numbers(&p.join("task"))).map(|t| t.join("ns/net")).find_map(is))
}

/// The mount points of network namespaces, from lines of `/proc/PID/mountinfo` (proc(5)).
fn kept(mounts: &str) -> impl Iterator<Item = PathBuf> {
    mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        // Blanks in it are written as octal numbers; such a path is passed over.
        root.starts_with("net:[").then(|| PathBuf::from(point))
    })
}

/// The namespace that the calling thread is in.
///
/// # Errors
/// `ENOENT` where /proc is not mounted.
pub fn current() -> Result<OwnedFd, Errno> {
    open(Path::new(OWN))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_of_namespaces_are_found() {
        let mounts = "24 1 0:22 / /sys rw - sysfs sysfs rw\n31 24 0:4 net:[4026532177] /run/netns/a rw - nsfs nsfs rw\n31\n";
        assert_eq!(kept(mounts).collect::<Vec<_>>(), [PathBuf::from("/run/netns/a")]);
    }

    #[test]
    fn this_namespace_is_found_by_what_it_says_of_itself() {
        let here = id(current().expect("own namespace").as_fd()).expect("its id");
        assert_eq!(here.to_string().parse(), Ok(here));
        assert!(find(here).is_some());
        assert!(find(NetnsId { ino: 1, ..here }).is_none());
        assert!("7".parse::<NetnsId>().is_err());
    }
}
