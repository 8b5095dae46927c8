//! Cgroups of the second version: where they are mounted, a descriptor of one, its id.
//!
//! Programs attach to these alone. A machine may mount the first version too, with the second beside it
//! (`/sys/fs/cgroup/unified`), so the mount is looked up, not guessed.

use std::ffi::CString;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::Errno;

/// `CGROUP2_SUPER_MAGIC`.
const MAGIC: i64 = 0x6367_7270;

/// Where the cgroup2 hierarchy is mounted: the first such mount that this process sees.
pub fn mount() -> Option<PathBuf> {
    mount_in(&std::fs::read("/proc/mounts").ok()?)
}

/// Lines of `DEVICE PATH TYPE OPTIONS ...`; spaces and the like in paths are written in octal.
fn mount_in(mounts: &[u8]) -> Option<PathBuf> {
    mounts.split(|b| *b == b'\n').find_map(|line| {
        let mut words = line.split(|b| *b == b' ');
        let (_, path, kind) = (words.next()?, words.next()?, words.next()?);
        (kind == b"cgroup2").then(|| PathBuf::from(std::ffi::OsString::from_vec(unescape(path))))
    })
}

fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        let digits = tail.get(..3).filter(|d| first == b'\\' && d.iter().all(|b| (b'0'..=b'7').contains(b)));
        rest = match digits {
            Some(d) => {
                out.push(d.iter().fold(0, |n: u8, b| n.wrapping_mul(8).wrapping_add(b - b'0')));
                &tail[3..]
            }
            None => {
                out.push(first);
                tail
            }
        };
    }
    out
}

/// Opens a cgroup by its directory.
///
/// # Errors
/// `ENOENT`, `ENOTDIR`; `EBADF` for a directory that is no cgroup of the second version, which is what the kernel
/// would say of it later.
pub fn open(path: &Path) -> Result<OwnedFd, Errno> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    options.read(true).custom_flags(libc::O_DIRECTORY | libc::O_CLOEXEC);
    let dir = options.open(path).map_err(|e| Errno(e.raw_os_error().unwrap_or(Errno::ENOENT.0)))?;
    // SAFETY: zero is a value of every field of the struct, all of them integers.
    let mut stat: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: the descriptor is open; the struct lives for the call, which writes it.
    if unsafe { libc::fstatfs(dir.as_raw_fd(), &raw mut stat) } != 0 {
        return Err(Errno::last());
    }
    if stat.f_type as i64 == MAGIC { Ok(dir.into()) } else { Err(Errno::EBADF) }
}

/// The id of a cgroup, as `bpf_get_current_cgroup_id` and links tell it: its file handle (name_to_handle_at(2)).
///
/// # Errors
/// `EOPNOTSUPP`, `EOVERFLOW` for a descriptor that is none of a cgroup.
pub fn id(cgroup: BorrowedFd<'_>) -> Result<u64, Errno> {
    /// `struct file_handle` with room for eight bytes.
    #[repr(C)]
    struct Handle {
        bytes: u32,
        kind: i32,
        id: [u8; 8],
    }
    let mut handle = Handle { bytes: 8, kind: 0, id: [0; 8] };
    let mut mount = 0_i32;
    let empty = CString::default();
    // SAFETY: the path ends in NUL; the handle says how much room it has; all live for the call.
    let done = unsafe {
        libc::syscall(
            libc::SYS_name_to_handle_at,
            cgroup.as_raw_fd(),
            empty.as_ptr(),
            &raw mut handle,
            &raw mut mount,
            libc::AT_EMPTY_PATH,
        )
    };
    match done {
        0 if handle.bytes == 8 => Ok(u64::from_ne_bytes(handle.id)),
        0 => Err(Errno::EOVERFLOW),
        _ => Err(Errno::last()),
    }
}

#[cfg(test)]
mod tests {
    use super::mount_in;
    use std::path::PathBuf;

    #[test]
    fn the_mount_is_found_by_its_type() {
        let text = b"cgroup /sys/fs/cgroup/cpu cgroup rw 0 0\ncgroup2 /mnt/a\\040b cgroup2 rw,relatime 0 0\n";
        assert_eq!(mount_in(text), Some(PathBuf::from("/mnt/a b")));
        assert_eq!(mount_in(b"proc /proc proc rw 0 0\n"), None);
        assert_eq!(mount_in(b"cgroup2\n"), None);
    }
}
