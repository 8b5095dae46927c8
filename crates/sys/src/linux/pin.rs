//! Paths of objects in a BPF file system.

use std::ffi::CString;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use skep_abi::Cmd;

use super::attr::Obj;
use super::call::{bpf, bpf_fd, number};
use crate::Errno;

fn c_path(path: &Path) -> Result<CString, Errno> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)
}

/// BPF_OBJ_PIN: the object lives as long as the path.
///
/// # Errors
/// `EEXIST`; `EINVAL` or `EPERM` outside of a BPF file system.
pub fn pin(path: &Path, object: BorrowedFd<'_>) -> Result<(), Errno> {
    let path = c_path(path)?;
    let mut attr = Obj { pathname: path.as_ptr() as u64, bpf_fd: number(object), ..Obj::default() };
    // SAFETY: the path ends in NUL and lives for the call.
    unsafe { bpf(Cmd::OBJ_PIN, &mut attr) }?;
    Ok(())
}

/// BPF_OBJ_GET: opens what is pinned there, with `BPF_F_RDONLY` or `BPF_F_WRONLY` if asked for.
///
/// # Errors
/// `ENOENT`; `EACCES` if it is no BPF object.
pub fn get(path: &Path, flags: u32) -> Result<OwnedFd, Errno> {
    let path = c_path(path)?;
    let mut attr = Obj { pathname: path.as_ptr() as u64, file_flags: flags, ..Obj::default() };
    // SAFETY: the path ends in NUL and lives for the call; the command gives a descriptor.
    unsafe { bpf_fd(Cmd::OBJ_GET, &mut attr) }
}

/// Whether a path, or the directory that it would be in, is in a BPF file system.
pub fn is_bpffs(path: &Path) -> bool {
    const BPF_FS_MAGIC: i64 = 0xcafe_4a11;
    let of = |path: &Path| -> Option<i64> {
        let path = c_path(path).ok()?;
        // SAFETY: zero is a value of every field of the struct, all of them integers.
        let mut stat: libc::statfs = unsafe { std::mem::zeroed() };
        // SAFETY: the path ends in NUL; the struct lives for the call, which writes it.
        (unsafe { libc::statfs(path.as_ptr(), &raw mut stat) } == 0).then_some(stat.f_type as i64)
    };
    path.ancestors().find_map(of) == Some(BPF_FS_MAGIC)
}
