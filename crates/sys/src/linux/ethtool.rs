//! What an interface's driver does with packets on its own (ethtool(8)), as far as BPF cares.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::Errno;

/// `SIOCETHTOOL`
const SIOCETHTOOL: libc::Ioctl = 0x8946;
/// `ETHTOOL_GGRO`
const GET_GRO: u32 = 0x2b;

/// `struct ethtool_value`
#[repr(C)]
struct Value {
    cmd: u32,
    data: u32,
}

/// `struct ifreq` with its pointer.
#[repr(C)]
struct Request {
    name: [u8; libc::IFNAMSIZ],
    data: *mut Value,
    rest: [u8; 16],
}

/// Whether an interface of this thread's network namespace puts received packets together (GRO). A veth takes frames of an
/// XDP program on its peer only with that, or with an XDP program of its own.
///
/// # Errors
/// `ENODEV` if there is no such interface, `EINVAL` for a name that none can have, `EOPNOTSUPP` for drivers that do not say.
pub fn gro(iface: &str) -> Result<bool, Errno> {
    let mut name = [0; libc::IFNAMSIZ];
    if iface.len() >= name.len() || iface.contains('\0') {
        return Err(Errno::EINVAL);
    }
    name[..iface.len()].copy_from_slice(iface.as_bytes());
    // SAFETY: no pointer is given.
    let fd = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    if fd < 0 {
        return Err(Errno::last());
    }
    // SAFETY: the kernel has just made this descriptor for us.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    let mut value = Value { cmd: GET_GRO, data: 0 };
    let mut request = Request { name, data: &raw mut value, rest: [0; 16] };
    // SAFETY: the request has the layout and size of struct ifreq, its name ends in NUL, and its pointer goes to a value that
    // lives for the call and has room for what this command writes.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL, &raw mut request) };
    if done < 0 { Err(Errno::last()) } else { Ok(value.data != 0) }
}
