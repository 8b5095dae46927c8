//! Memory for machine code: written while nobody can run it, run while nobody can write it.
//!
//! A block is a mapping of its own with a page at either end that nothing may touch, so that running off an end
//! stops at once. Dropping it gives everything back.

use std::ptr::NonNull;

/// Machine code that may be run and read.
pub(crate) struct Pages {
    /// The whole mapping, guards included.
    map: NonNull<u8>,
    map_len: usize,
    guard: usize,
    len: usize,
}

// SAFETY: the bytes are never written after `Pages::new`, and the value owns their mapping.
unsafe impl Send for Pages {}
// SAFETY: as above: shared references only read.
unsafe impl Sync for Pages {}

impl Pages {
    /// Copies code into fresh pages and makes them executable. `None` if the system gives no memory, or none that
    /// may be run.
    pub(crate) fn new(code: &[u8]) -> Option<Self> {
        // SAFETY: asks for a number.
        let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok().filter(|n| *n > 0)?;
        let body = code.len().max(1).checked_next_multiple_of(page)?;
        let map_len = body.checked_add(page.checked_mul(2)?)?;
        // SAFETY: a new private mapping at an address of the system's choice touches nothing that exists.
        let map = unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            libc::mmap(std::ptr::null_mut(), map_len, libc::PROT_NONE, flags, -1, 0)
        };
        if map == libc::MAP_FAILED {
            return None;
        }
        let pages = Self { map: NonNull::new(map.cast())?, map_len, guard: page, len: code.len() };
        // SAFETY: the range is the inside of the mapping just made. It is writable between the two calls, where
        // exactly `code.len()` bytes of it are written, and nobody has its address yet.
        let ready = unsafe {
            let start = pages.start();
            libc::mprotect(start.cast(), body, libc::PROT_READ | libc::PROT_WRITE) == 0 && {
                std::ptr::copy_nonoverlapping(code.as_ptr(), start, code.len());
                meet(start, code.len());
                libc::mprotect(start.cast(), body, libc::PROT_READ | libc::PROT_EXEC) == 0
            }
        };
        ready.then_some(pages)
    }

    /// The first byte of code.
    pub(crate) fn start(&self) -> *mut u8 {
        self.map.as_ptr().wrapping_add(self.guard)
    }

    /// The code.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: `len` bytes from `start` are readable from `new` to `drop`, and never written in between.
        unsafe { std::slice::from_raw_parts(self.start(), self.len) }
    }
}

/// Makes the instructions that processors fetch be the bytes that were written: on AArch64 they have caches of their own
/// (Arm ARM, B2.4.4).
///
/// # Safety
/// The bytes are mapped and readable.
unsafe fn meet(start: *const u8, len: usize) {
    #[cfg(target_arch = "aarch64")]
    {
        use std::arch::asm;
        let types: usize;
        // SAFETY: reads a register that every process may read.
        unsafe { asm!("mrs {}, ctr_el0", out(reg) types, options(nomem, nostack, preserves_flags)) };
        // Lines are so many words of four bytes, as a power of two.
        let (data, fetched) = (4usize << (types >> 16 & 15), 4usize << (types & 15));
        let end = start.addr() + len;
        // SAFETY: writing lines back and forgetting fetched ones changes no memory; the lines hold mapped bytes.
        unsafe {
            for line in (start.addr() & !(data - 1)..end).step_by(data) {
                asm!("dc cvau, {}", in(reg) line, options(nostack, preserves_flags));
            }
            asm!("dsb ish", options(nostack, preserves_flags));
            for line in (start.addr() & !(fetched - 1)..end).step_by(fetched) {
                asm!("ic ivau, {}", in(reg) line, options(nostack, preserves_flags));
            }
            asm!("dsb ish", "isb", options(nostack, preserves_flags));
        }
    }
    #[cfg(not(target_arch = "aarch64"))]
    let _ = (start, len);
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own, and is unmapped once. Whoever runs code in it borrows the value.
        unsafe { libc::munmap(self.map.as_ptr().cast(), self.map_len) };
    }
}
