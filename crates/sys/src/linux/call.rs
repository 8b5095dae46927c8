//! bpf(2) itself.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use skep_abi::Cmd;

use super::attr::Plain;
use crate::Errno;

/// Calls bpf(2). The kernel may write into `attr`.
///
/// # Safety
/// Every pointer in `attr` is zero or points to memory that is live for the call and that the kernel may read or
/// write as the command says, for at least the length that goes with it.
pub(super) unsafe fn bpf<A: Plain>(cmd: Cmd, attr: &mut A) -> Result<i64, Errno> {
    let size = size_of::<A>();
    // SAFETY: `attr` is plain data of `size` bytes and lives for the call; the caller vouches for what it points to.
    let done = unsafe { libc::syscall(libc::SYS_bpf, i64::from(cmd.0), std::ptr::from_mut(attr), size) };
    if done < 0 { Err(Errno::last()) } else { Ok(done) }
}

/// As [`bpf`], for commands that give a file descriptor.
///
/// # Safety
/// As for [`bpf`]; and the command gives a file descriptor.
pub(super) unsafe fn bpf_fd<A: Plain>(cmd: Cmd, attr: &mut A) -> Result<OwnedFd, Errno> {
    // SAFETY: as the caller vouches.
    let fd = unsafe { bpf(cmd, attr) }?;
    // SAFETY: the kernel has just made this descriptor for us, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// The number of a descriptor, as attributes hold it.
pub(super) fn number(fd: BorrowedFd<'_>) -> u32 {
    fd.as_raw_fd() as u32
}

/// The address of a slice's first element; zero for an empty one, as the kernel wants it.
pub(super) fn address<T>(slice: &[T]) -> u64 {
    if slice.is_empty() { 0 } else { slice.as_ptr() as u64 }
}

/// As [`address`], for memory that the kernel writes.
pub(super) fn address_mut<T>(slice: &mut [T]) -> u64 {
    if slice.is_empty() { 0 } else { slice.as_mut_ptr() as u64 }
}

/// A length as attributes hold it.
pub(super) fn length<T>(slice: &[T]) -> Result<u32, Errno> {
    u32::try_from(slice.len()).map_err(|_| Errno::E2BIG)
}

/// A name as the kernel takes it: at most 15 bytes of letters, digits, `_` and `.`; others become `_`.
pub(super) fn name(text: &str) -> [u8; 16] {
    let mut out = [0; 16];
    for (to, from) in out.iter_mut().zip(text.bytes().take(15)) {
        *to = if from.is_ascii_alphanumeric() || from == b'_' || from == b'.' { from } else { b'_' };
    }
    out
}

/// Text that ends at the first NUL.
pub(super) fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// Two 32-bit fields as they lie one after the other in memory.
pub(super) fn pair(first: u32, second: u32) -> u64 {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&first.to_ne_bytes());
    bytes[4..].copy_from_slice(&second.to_ne_bytes());
    u64::from_ne_bytes(bytes)
}

/// The other way: the two 32-bit fields that lie in a word, in the order of memory.
pub(super) fn unpair(word: u64) -> (u32, u32) {
    let bytes = word.to_ne_bytes();
    let [a, b, c, d, e, f, g, h] = bytes;
    (u32::from_ne_bytes([a, b, c, d]), u32::from_ne_bytes([e, f, g, h]))
}

#[cfg(test)]
mod tests {
    use super::{name, pair, text, unpair};

    #[test]
    fn halves_of_words_come_back() {
        assert_eq!(unpair(pair(7, u32::MAX)), (7, u32::MAX));
    }

    #[test]
    fn names_are_cut_and_cleaned() {
        assert_eq!(text(&name("a-b.c")), "a_b.c");
        assert_eq!(text(&name("a_very_long_program_name")), "a_very_long_pro");
    }
}
