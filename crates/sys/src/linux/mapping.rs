//! Memory that is shared with the kernel: mapped, unmapped when dropped, and not referred to by a Rust reference,
//! since the kernel writes it at any time, but for bytes that it has handed over.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::Errno;

/// A mapping.
#[derive(Debug)]
pub(super) struct Mapping {
    start: *mut u8,
    len: usize,
    writable: bool,
}

// SAFETY: the mapping is owned by this value alone and is not tied to a thread.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Maps `len` bytes of a descriptor from `offset` on, shared.
    pub(super) fn new(fd: BorrowedFd<'_>, offset: usize, len: usize, writable: bool) -> Result<Self, Errno> {
        Self::map(fd.as_raw_fd(), offset, len, writable, libc::MAP_SHARED)
    }

    /// Zeroed memory that is shared with children.
    pub(super) fn with_children(len: usize) -> Result<Self, Errno> {
        Self::map(-1, 0, len, true, libc::MAP_SHARED | libc::MAP_ANONYMOUS)
    }

    fn map(fd: i32, offset: usize, len: usize, writable: bool, flags: i32) -> Result<Self, Errno> {
        let protection = libc::PROT_READ | if writable { libc::PROT_WRITE } else { 0 };
        let offset = libc::off_t::try_from(offset).map_err(|_| Errno::E2BIG)?;
        // SAFETY: a new mapping at a place of the kernel's choice disturbs nothing.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), len, protection, flags, fd, offset) };
        if start == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        Ok(Self { start: start.cast(), len, writable })
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    fn word(&self, at: usize) -> &AtomicU64 {
        assert!(at.is_multiple_of(8) && at + 8 <= self.len, "inside the mapping");
        // SAFETY: the place is inside the mapping and aligned, as checked; it lives as long as `self`; all access, the
        // kernel's too, is atomic.
        unsafe { AtomicU64::from_ptr(self.start.add(at).cast()) }
    }

    /// Loads a word; what the kernel wrote before it can be read after.
    pub(super) fn load(&self, at: usize) -> u64 {
        self.word(at).load(Ordering::Acquire)
    }

    /// Stores a word; what was read before it may be written over after.
    pub(super) fn store(&self, at: usize, value: u64) {
        assert!(self.writable, "mapped for writing");
        self.word(at).store(value, Ordering::Release);
    }

    /// Copies bytes in; the kernel may look at them once a position behind them is stored.
    pub(super) fn write(&mut self, at: usize, bytes: &[u8]) {
        assert!(self.writable, "mapped for writing");
        assert!(at <= self.len && bytes.len() <= self.len - at, "inside the mapping");
        // SAFETY: the destination has room for the bytes, as checked, and is mapped for writing; `bytes` is not in it, since
        // a reference into the mapping would borrow `self`. The kernel reads it only behind a position that is stored later.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.start.add(at), bytes.len()) };
    }

    fn half(&self, at: usize) -> &AtomicU32 {
        assert!(at.is_multiple_of(4) && at < self.len && 4 <= self.len - at, "inside the mapping");
        // SAFETY: as for `word`, with four bytes.
        unsafe { AtomicU32::from_ptr(self.start.add(at).cast()) }
    }

    /// As [`Mapping::load`], of 32 bits.
    pub(super) fn load32(&self, at: usize) -> u32 {
        self.half(at).load(Ordering::Acquire)
    }

    /// As [`Mapping::store`], of 32 bits.
    pub(super) fn store32(&self, at: usize, value: u32) {
        assert!(self.writable, "mapped for writing");
        self.half(at).store(value, Ordering::Release);
    }

    /// Bytes of the mapping, by reference.
    ///
    /// # Safety
    /// Nobody writes them while the reference lives, the kernel least of all.
    pub(super) unsafe fn bytes(&self, at: usize, len: usize) -> &[u8] {
        assert!(at <= self.len && len <= self.len - at, "inside the mapping");
        // SAFETY: the bytes are inside the mapping, as checked, which lives as long as `self`; the caller vouches that they
        // stay as they are.
        unsafe { std::slice::from_raw_parts(self.start.add(at), len) }
    }

    /// Copies bytes out to the end of `to`.
    pub(super) fn copy(&self, at: usize, len: usize, to: &mut Vec<u8>) {
        assert!(at <= self.len && len <= self.len - at, "inside the mapping");
        to.reserve(len);
        // SAFETY: source and destination have `len` bytes, as checked and reserved, and do not overlap, since `to` is heap
        // memory. The kernel does not write these bytes until the position behind them is stored; if another consumer
        // breaks that, the bytes are stale or mixed, which is all that plain bytes can be.
        unsafe {
            std::ptr::copy_nonoverlapping(self.start.add(at), to.as_mut_ptr().add(to.len()), len);
            to.set_len(to.len() + len);
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping was made with this start and length, and nothing refers to it any more.
        unsafe { libc::munmap(self.start.cast(), self.len) };
    }
}

/// Bytes of a page.
pub(super) fn page_size() -> usize {
    // SAFETY: takes and gives numbers.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(4096)
}
