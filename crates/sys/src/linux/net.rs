//! Interfaces by name.

use std::ffi::CString;

use crate::Errno;

/// The number of an interface, given its name or the number itself, in this thread's network namespace.
///
/// # Errors
/// `ENODEV` if there is none of that name.
pub fn index(iface: &str) -> Result<u32, Errno> {
    if let Ok(number @ 1..) = iface.parse() {
        return Ok(number);
    }
    let name = CString::new(iface).map_err(|_| Errno::EINVAL)?;
    // SAFETY: the name ends in NUL and lives for the call.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(Errno::last()),
        number => Ok(number),
    }
}
