//! The file system that describes tracepoints: their ids, their fields, and which there are.
//!
//! Where nobody mounted it, an instance of it is made that is mounted nowhere (fsopen(2), fsmount(2)) and read through
//! its descriptor: nothing is left behind, and no other process sees it.

use std::ffi::CStr;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::PathBuf;

use crate::Errno;

/// A way into tracefs.
#[derive(Debug)]
pub struct Tracefs {
    root: PathBuf,
    /// The mount that `root` goes through, if it is our own.
    own: Option<OwnedFd>,
}

impl Tracefs {
    /// Where it is mounted, or an instance of our own.
    ///
    /// # Errors
    /// `EPERM` if it is not mounted and CAP_SYS_ADMIN is missing; `ENODEV` for a kernel without it.
    pub fn open() -> Result<Self, Errno> {
        if let Some(root) = mounted() {
            return Ok(Self { root, own: None });
        }
        let mount = detached(c"tracefs")?;
        Ok(Self { root: format!("/proc/self/fd/{}", mount.as_raw_fd()).into(), own: Some(mount) })
    }

    /// Whether nobody mounted it.
    pub fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// The pipe of what is traced, `bpf_trace_printk` among it: who reads a line takes it away from all others.
    ///
    /// # Errors
    /// `EACCES` without the right to read it, `EBUSY` while somebody else reads it.
    pub fn open_pipe(&self) -> Result<fs::File, Errno> {
        fs::File::open(self.root.join("trace_pipe")).map_err(|e| errno(&e))
    }

    /// The id of a tracepoint, as perf_event_open(2) wants it.
    ///
    /// # Errors
    /// `ENOENT` if there is no such tracepoint, `EACCES` without the right to look.
    pub fn event_id(&self, category: &str, name: &str) -> Result<u64, Errno> {
        self.event_file(category, name, "id")?.trim().parse().map_err(|_| Errno::EINVAL)
    }

    /// The fields of a tracepoint, as the kernel words them.
    ///
    /// # Errors
    /// As for [`Tracefs::event_id`].
    pub fn format(&self, category: &str, name: &str) -> Result<String, Errno> {
        self.event_file(category, name, "format")
    }

    fn event_file(&self, category: &str, name: &str, file: &str) -> Result<String, Errno> {
        if !is_name(category) || !is_name(name) {
            return Err(Errno::ENOENT);
        }
        let path = self.root.join("events").join(category).join(name).join(file);
        fs::read_to_string(path).map_err(|e| errno(&e))
    }

    /// The names of the kernel functions that may be traced.
    ///
    /// # Errors
    /// `ENOENT` for a kernel that can't trace functions.
    pub fn traceable(&self) -> Result<Vec<String>, Errno> {
        let text = fs::read_to_string(self.root.join("available_filter_functions")).map_err(|e| errno(&e))?;
        // Functions of modules have the module's name behind theirs.
        Ok(text.lines().filter_map(|l| l.split_whitespace().next()).map(str::to_owned).collect())
    }

    /// Every category, or every tracepoint of one, in order.
    ///
    /// # Errors
    /// `ENOENT` if there is no such category.
    pub fn list(&self, category: Option<&str>) -> Result<Vec<String>, Errno> {
        if category.is_some_and(|c| !is_name(c)) {
            return Err(Errno::ENOENT);
        }
        let dir = self.root.join("events").join(category.unwrap_or_default());
        let entries = fs::read_dir(dir).map_err(|e| errno(&e))?.flatten();
        let folders = entries.filter(|e| e.file_type().is_ok_and(|t| t.is_dir()));
        let mut names: Vec<_> = folders.filter_map(|e| e.file_name().to_str().map(str::to_owned)).collect();
        names.sort_unstable();
        Ok(names)
    }
}

/// A part of a path that stays where it is.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b':'))
}

fn errno(e: &io::Error) -> Errno {
    Errno(e.raw_os_error().unwrap_or(Errno::EIO.0))
}

/// The first place where it is mounted, by itself or as a part of debugfs.
pub fn mounted() -> Option<PathBuf> {
    let mounts = fs::read("/proc/self/mounts").ok()?;
    let places = find_mounts(&mounts).into_iter();
    places.map(PathBuf::from).find(|root| root.join("events").is_dir())
}

/// Lines of `SOURCE PLACE TYPE OPTIONS ..`; spaces and the like in a place are written `\040`.
fn find_mounts(mounts: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(mounts);
    let mut found = Vec::new();
    for line in text.lines() {
        let mut words = line.split(' ').skip(1);
        let (Some(place), Some(kind)) = (words.next(), words.next()) else { continue };
        match kind {
            "tracefs" => found.push(unescape(place)),
            "debugfs" => found.push(unescape(place) + "/tracing"),
            _ => {}
        }
    }
    found
}

fn unescape(place: &str) -> String {
    let mut parts = place.split('\\');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code {
            Some(code) => {
                out.push(char::from(code));
                out += &part[3..];
            }
            None => out = out + "\\" + part,
        }
    }
    out
}

/// A mount of a file system that hangs nowhere, and goes with its descriptor.
fn detached(kind: &CStr) -> Result<OwnedFd, Errno> {
    const FSOPEN_CLOEXEC: u32 = 1;
    const FSCONFIG_CMD_CREATE: u32 = 6;
    const FSMOUNT_CLOEXEC: u32 = 1;
    let own = |fd: libc::c_long| match i32::try_from(fd) {
        // SAFETY: the kernel has just made this descriptor for us.
        Ok(fd @ 0..) => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(Errno::last()),
    };
    // SAFETY: the name ends in NUL and lives for the call.
    let context = own(unsafe { libc::syscall(libc::SYS_fsopen, kind.as_ptr(), FSOPEN_CLOEXEC) })?;
    let null = std::ptr::null::<u8>();
    // SAFETY: this command takes neither key nor value.
    let made =
        unsafe { libc::syscall(libc::SYS_fsconfig, context.as_raw_fd(), FSCONFIG_CMD_CREATE, null, null, 0) };
    if made < 0 {
        return Err(Errno::last());
    }
    // SAFETY: takes a descriptor and numbers.
    own(unsafe { libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), FSMOUNT_CLOEXEC, 0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_found() {
        let text =
            b"proc /proc proc rw 0 0\nx /sys/kernel/de\\040bug debugfs rw 0 0\ny /t tracefs rw 0 0\nz\n";
        assert_eq!(find_mounts(text), ["/sys/kernel/de bug/tracing", "/t"]);
        assert_eq!(unescape("a\\0b\\134c"), "a\\0b\\c");
    }

    #[test]
    fn names_do_not_leave_their_folder() {
        assert!(is_name("sched_switch") && is_name("xhci-hcd"));
        assert!(!is_name("..") && !is_name("a/b") && !is_name(""));
    }

    #[test]
    fn an_id_is_found_whether_or_not_it_is_mounted() {
        match Tracefs::open() {
            Ok(fs) => {
                let id = fs.event_id("sched", "sched_switch").expect("every kernel has it");
                assert!(
                    fs.format("sched", "sched_switch").expect("likewise").contains(&format!("ID: {id}\n"))
                );
                assert!(fs.list(None).expect("a list").contains(&"sched".to_owned()));
                assert!(fs.list(Some("sched")).expect("a list").contains(&"sched_switch".to_owned()));
                assert_eq!(fs.event_id("sched", "no_such_event"), Err(Errno::ENOENT));
            }
            Err(e) => println!("skipped: tracefs: {e}"),
        }
    }
}
