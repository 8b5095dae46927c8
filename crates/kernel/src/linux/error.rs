//! What the kernel refused, in words: which right is missing comes before the errno.

use skep_backend::{Error, ErrorKind};
use skep_sys::caps::Caps;
use skep_sys::netlink::Refused;
use skep_sys::{Cap, Errno};

/// `needs CAP_BPF`, if one of these is missing.
pub(super) fn rights(needed: &[Cap]) -> Option<String> {
    let lacks = Caps::current().ok()?.lacks(needed)?;
    Some(format!("needs {lacks}"))
}

/// A refusal of bpf(2).
pub(super) fn refused(what: &str, errno: Errno, needed: &[Cap]) -> Error {
    if matches!(errno, Errno::EPERM | Errno::EACCES)
        && let Some(lacks) = rights(needed)
    {
        return Error::new(ErrorKind::Denied, format!("{what}: {lacks}"))
            .with_hint("run it as root, or give the process the capability");
    }
    Error::new(ErrorKind::Os(errno.0), format!("{what}: {errno}"))
}

/// A refusal of netlink, with the kernel's own words.
pub(super) fn refused_by_router(what: &str, e: &Refused, needed: &[Cap]) -> Error {
    let what = if e.words.is_empty() { what.to_owned() } else { format!("{what}: {}", e.words) };
    refused(&what, e.errno, needed)
}
