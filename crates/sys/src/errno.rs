//! Error numbers of Linux, with their names and what they say.

use std::fmt;

/// An error number (errno(3)); unknown ones are kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Errno(pub i32);

macro_rules! errnos {
    ($($name:ident = $number:literal $text:literal;)*) => {
        impl Errno {
            $( #[doc = $text] pub const $name: Self = Self($number); )*
        }
        /// Number, name, text; in the order of numbers.
        static ROWS: &[(i32, &str, &str)] = &[$(($number, stringify!($name), $text)),*];
    };
}

errnos! {
    EPERM = 1 "operation not permitted";
    ENOENT = 2 "no such file or directory";
    ESRCH = 3 "no such process";
    EINTR = 4 "interrupted system call";
    EIO = 5 "input/output error";
    ENXIO = 6 "no such device or address";
    E2BIG = 7 "argument list too long";
    EBADF = 9 "bad file descriptor";
    EAGAIN = 11 "resource temporarily unavailable";
    ENOMEM = 12 "cannot allocate memory";
    EACCES = 13 "permission denied";
    EFAULT = 14 "bad address";
    EBUSY = 16 "device or resource busy";
    EEXIST = 17 "file exists";
    ENODEV = 19 "no such device";
    ENOTDIR = 20 "not a directory";
    EINVAL = 22 "invalid argument";
    EMFILE = 24 "too many open files";
    ENOSPC = 28 "no space left on device";
    EROFS = 30 "read-only file system";
    EDOM = 33 "numerical argument out of domain";
    ERANGE = 34 "numerical result out of range";
    ENOSYS = 38 "function not implemented";
    EMSGSIZE = 90 "message too long";
    EPROTO = 71 "protocol error";
    EOVERFLOW = 75 "value too large for defined data type";
    EPROTONOSUPPORT = 93 "protocol not supported";
    EOPNOTSUPP = 95 "operation not supported";
    EAFNOSUPPORT = 97 "address family not supported";
    EADDRINUSE = 98 "address already in use";
    EADDRNOTAVAIL = 99 "cannot assign requested address";
    ENETUNREACH = 101 "network is unreachable";
    ENOBUFS = 105 "no buffer space available";
    ETIMEDOUT = 110 "connection timed out";
    EINPROGRESS = 115 "operation now in progress";
    ESTALE = 116 "stale file handle";
    ENOTSUPP = 524 "operation is not supported (kernel internal)";
}

impl Errno {
    /// The name: `EINVAL`.
    pub fn name(self) -> Option<&'static str> {
        ROWS.iter().find(|r| r.0 == self.0).map(|r| r.1)
    }

    /// The number of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        ROWS.iter().find(|r| r.1 == name).map(|r| Self(r.0))
    }

    /// What went wrong with the last system call, as the C library keeps it.
    pub fn last() -> Self {
        Self(std::io::Error::last_os_error().raw_os_error().unwrap_or(0))
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match ROWS.iter().find(|r| r.0 == self.0) {
            Some((_, name, text)) => write!(f, "{text} ({name})"),
            None => write!(f, "errno {}", self.0),
        }
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "Errno({})", self.0),
        }
    }
}

impl std::error::Error for Errno {}

#[cfg(test)]
mod tests {
    use super::Errno;

    #[test]
    fn numbers_have_names_and_unknown_ones_stay_numbers() {
        assert_eq!(Errno::EINVAL.to_string(), "invalid argument (EINVAL)");
        assert_eq!(Errno(4095).to_string(), "errno 4095");
        assert_eq!(Errno(4095).name(), None);
    }
}
