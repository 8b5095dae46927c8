//! Probes of functions, user and kernel, through the event sources that the kernel gives out dynamically. Such a probe is
//! a perf event: it goes with its descriptor, and needs no name in tracefs.

use std::ffi::CStr;
use std::os::fd::OwnedFd;

use super::perf::{self, PerfAttr};
use crate::Errno;

/// An event source: `uprobe` or `kprobe`.
#[derive(Clone, Copy, Debug)]
struct Source {
    /// `perf_event_attr.type`.
    kind: u32,
    /// The bit of `config` that asks for the return.
    ret: u64,
    /// Where in `config` the place of a semaphore begins, if this kernel can count one up.
    semaphore: Option<u32>,
}

impl Source {
    fn find(name: &str) -> Option<Self> {
        let read =
            |file: &str| std::fs::read_to_string(format!("/sys/bus/event_source/devices/{name}/{file}")).ok();
        let first_bit = |text: String| text.trim().strip_prefix("config:")?.split('-').next()?.parse().ok();
        let kind = read("type")?.trim().parse().ok()?;
        let ret: u32 = read("format/retprobe").and_then(first_bit).unwrap_or(0);
        let semaphore = read("format/ref_ctr_offset").and_then(first_bit);
        Some(Self { kind, ret: 1_u64.checked_shl(ret)?, semaphore })
    }
}

/// Whether this kernel has uprobes as an event source.
pub fn has_uprobes() -> bool {
    Source::find("uprobe").is_some()
}

/// Whether this kernel has kprobes as an event source.
pub fn has_kprobes() -> bool {
    Source::find("kprobe").is_some()
}

/// A place in a file that is executed.
#[derive(Clone, Copy, Debug)]
pub struct Uprobe<'a> {
    /// The file.
    pub path: &'a CStr,
    /// Offset in the file, in bytes.
    pub offset: u64,
    /// Offset in the file of the 16-bit counter that is raised while the probe is there (a USDT semaphore); 0 is none.
    pub semaphore: u64,
    /// When the function returns, instead of when it is entered.
    pub ret: bool,
}

/// Opens a probe of user code, in one process or (-1) in all.
///
/// # Errors
/// `EOPNOTSUPP` for a kernel without them, or without semaphores if one is wanted; `ENOENT` if the file is not there;
/// `EINVAL` for an offset beyond the file; `EPERM`, `EACCES` without CAP_PERFMON.
pub fn open_uprobe(probe: &Uprobe<'_>, pid: i32) -> Result<OwnedFd, Errno> {
    let source = Source::find("uprobe").ok_or(Errno::EOPNOTSUPP)?;
    let semaphore = match (probe.semaphore, source.semaphore) {
        (0, _) => 0,
        // The field has 32 bits.
        (place, Some(bit)) => u64::from(u32::try_from(place).map_err(|_| Errno::E2BIG)?) << (bit & 63),
        (_, None) => return Err(Errno::EOPNOTSUPP),
    };
    let attr = PerfAttr {
        r#type: source.kind,
        config: semaphore | if probe.ret { source.ret } else { 0 },
        config1: probe.path.as_ptr() as u64,
        config2: probe.offset,
        ..PerfAttr::default()
    };
    perf::open(&attr, pid, if pid == -1 { 0 } else { -1 })
}

/// Opens a probe of a kernel function, so many bytes behind its begin.
///
/// # Errors
/// `EOPNOTSUPP` for a kernel without kprobes; `ENOENT` if there is no such symbol; `EINVAL` for a place that may not be
/// probed.
pub fn open_kprobe(function: &CStr, offset: u64, ret: bool) -> Result<OwnedFd, Errno> {
    let source = Source::find("kprobe").ok_or(Errno::EOPNOTSUPP)?;
    let attr = PerfAttr {
        r#type: source.kind,
        config: if ret { source.ret } else { 0 },
        config1: function.as_ptr() as u64,
        config2: offset,
        ..PerfAttr::default()
    };
    perf::open(&attr, -1, 0)
}
