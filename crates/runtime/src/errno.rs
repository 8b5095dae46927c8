//! Error numbers as Linux numbers them: what helpers answer (negated, in `r0`) and what map operations fail with.
//!
//! Source: `include/uapi/asm-generic/errno-base.h`, `errno.h`, and `include/linux/errno.h` for the internal
//! `ENOTSUPP`, which BPF lets out to programs.

use std::fmt;

/// A Linux error number, positive.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Errno(pub i32);

macro_rules! errnos {
    ($($name:ident = $number:literal, $text:literal;)*) => {
        impl Errno {
            $(#[doc = $text] pub const $name: Self = Self($number);)*

            /// Its name (`ENOENT`), if this table has it.
            pub fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some(stringify!($name)),)*
                    _ => None,
                }
            }

            /// What it means, in the words of strerror(3).
            pub fn text(self) -> &'static str {
                match self.0 {
                    $($number => $text,)*
                    _ => "unknown error",
                }
            }
        }
    };
}

errnos! {
    EPERM = 1, "operation not permitted";
    ENOENT = 2, "no such file or directory";
    E2BIG = 7, "argument list too long";
    ENOMEM = 12, "cannot allocate memory";
    EAGAIN = 11, "resource temporarily unavailable";
    EACCES = 13, "permission denied";
    EFAULT = 14, "bad address";
    EBUSY = 16, "device or resource busy";
    EEXIST = 17, "file exists";
    ENODEV = 19, "no such device";
    EINVAL = 22, "invalid argument";
    ENOSPC = 28, "no space left on device";
    ERANGE = 34, "numerical result out of range";
    EPROTO = 71, "protocol error";
    EOVERFLOW = 75, "value too large for defined data type";
    EOPNOTSUPP = 95, "operation not supported";
    ENOTSUPP = 524, "operation is not supported";
}

impl Errno {
    /// As a helper answers it: negated, sign-extended to 64 bits.
    pub const fn ret(self) -> u64 {
        -(self.0 as i64) as u64
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{} ({name})", self.text()),
            None => write!(f, "error {}", self.0),
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

/// The `r0` of a helper: its answer, or the negated error number.
pub(crate) fn answer(result: Result<u64, Errno>) -> u64 {
    result.unwrap_or_else(Errno::ret)
}
