//! Memory for machine code: nothing can be written where it can be run.
//!
//! On Linux and x86-64 a program's code is a piece of a chunk of the process's [`pool`](super::pool), which is seen through two
//! mappings, one to write and one to run: no system call is made for a program. Elsewhere, and where the system gives no
//! such chunk, a program has a mapping of its own, written before it may be run, with a page at either end that nothing
//! may touch: so too on AArch64, as emulators of it (qemu before 8.1) take no notice of what is written through another
//! mapping.

use std::ptr::NonNull;

use super::host;
use super::shape::{STUB, Stub};

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use super::pool;

/// What is put into memory.
pub(super) struct Draft<'a> {
    /// What stands before the code, the last one first.
    pub(super) front: &'a [Stub],
    /// Bytes for that, at least as many as it has.
    pub(super) room: usize,
    /// The code.
    pub(super) code: &'a [u8],
}

impl Draft<'_> {
    pub(super) fn len(&self) -> usize {
        self.room + self.code.len()
    }

    /// Writes all of it.
    pub(super) fn write(&self, bytes: &mut [u8]) {
        let (front, code) = bytes.split_at_mut(self.room);
        code.copy_from_slice(self.code);
        let (rest, stubs) = front.split_at_mut(self.room - self.front.len() * STUB);
        rest.fill(host::TRAPS);
        for (place, stub) in stubs.as_chunks_mut::<STUB>().0.iter_mut().zip(self.front.iter().rev()) {
            for (place, word) in place.as_chunks_mut().0.iter_mut().zip(stub) {
                *place = word.to_le_bytes();
            }
        }
    }
}

/// Machine code that may be run and read.
pub(crate) struct Pages {
    start: NonNull<u8>,
    len: usize,
    home: Home,
}

/// Whose memory it is.
enum Home {
    /// A mapping of its own: where it begins and how long it is, guards included.
    Own(NonNull<u8>, usize),
    /// A piece of the pool.
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    Pool,
}

// SAFETY: the bytes are never written after `Pages::new`, and the value owns their mapping, or their piece of the pool,
// which has a lock.
unsafe impl Send for Pages {}
// SAFETY: as above: shared references only read.
unsafe impl Sync for Pages {}

/// Makes code run that knows nothing of where it stands.
#[cfg(target_arch = "x86_64")]
pub(crate) fn place(code: &[u8]) -> Option<Pages> {
    Pages::new(&Draft { front: &[], room: 0, code }, false)
}

impl Pages {
    /// Copies code into memory that may be run, into pages of its `own` if that is wanted. `None` if the system gives none.
    pub(super) fn new(draft: &Draft<'_>, own: bool) -> Option<Self> {
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        if !own && let Some(start) = pool::take(draft) {
            return Some(Self { start, len: draft.len(), home: Home::Pool });
        }
        let _ = own;
        Self::own(draft)
    }

    /// The same in fresh pages.
    pub(super) fn own(draft: &Draft<'_>) -> Option<Self> {
        let page = page()?;
        let body = draft.len().max(1).checked_next_multiple_of(page)?;
        let map_len = body.checked_add(page.checked_mul(2)?)?;
        // SAFETY: a new private mapping at an address of the system's choice touches nothing that exists.
        let map = unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            libc::mmap(std::ptr::null_mut(), map_len, libc::PROT_NONE, flags, -1, 0)
        };
        if map == libc::MAP_FAILED {
            return None;
        }
        let map = NonNull::new(map.cast::<u8>())?;
        let first = map.as_ptr().wrapping_add(page);
        let start = NonNull::new(first)?;
        let pages = Self { start, len: draft.len(), home: Home::Own(map, map_len) };
        // SAFETY: the range is the inside of the mapping just made. It is writable between the two calls, where
        // nothing but its bytes are written, and nobody has its address yet.
        let ready = unsafe {
            libc::mprotect(first.cast(), body, libc::PROT_READ | libc::PROT_WRITE) == 0 && {
                draft.write(std::slice::from_raw_parts_mut(first, draft.len()));
                meet(first, body);
                libc::mprotect(first.cast(), body, libc::PROT_READ | libc::PROT_EXEC) == 0
            }
        };
        ready.then_some(pages)
    }

    /// The first byte.
    pub(crate) fn start(&self) -> *mut u8 {
        self.start.as_ptr()
    }

    /// All of it.
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
pub(super) unsafe fn meet(start: *const u8, len: usize) {
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
        match self.home {
            // SAFETY: the mapping is this value's own, and is unmapped once. Whoever runs code in it borrows the value.
            Home::Own(map, len) => unsafe {
                libc::munmap(map.as_ptr().cast(), len);
            },
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Home::Pool => pool::give_back(self.start, self.len),
        }
    }
}

/// Bytes of a page.
pub(super) fn page() -> Option<usize> {
    // SAFETY: asks for a number.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok().filter(|n| *n > 0)
}
