//! The cage: one reserved range of host addresses in which every region lies at a fixed distance from its virtual
//! address.
//!
//! Compiled code reaches the bytes at virtual address `a` at `base + a`: no translation, and no address of the host in
//! anything that a program can see. What is no region's storage can't be touched at all: the range is reserved
//! without rights, and pages get them as regions are made. Before the base lies the [`Head`], a page of what compiled
//! code wants at hand.
//!
//! Unix on x86-64 and AArch64 has cages. Elsewhere, and where the system refuses the reservation, regions lie on the heap and
//! the interpreter serves.
//!
//! Invariants: `base` is page-aligned, `regions << 32` bytes from it and [`HEAD`] bytes before it are this value's own
//! mapping until it is dropped; pages outside of what [`Cage::open`] gave and the head have no rights.

use std::ptr::{NonNull, null_mut};

use crate::head::{HEAD, Head};

/// Regions that a new cage has room for. AArch64 may be set up for addresses of 39 bits, an eighth of which these are.
pub(crate) const FIRST_REGIONS: usize = if cfg!(target_arch = "aarch64") { 16 } else { 64 };
/// The most that it may grow to: an eighth of the address space.
pub(crate) const MOST_REGIONS: usize = 4096;

/// Pages that nothing may touch before the head, so that no base plus a displacement meets another mapping.
const BEFORE: usize = 1 << 20;
/// The same after the last region.
const AFTER: usize = 1 << 20;

fn span(regions: usize) -> usize {
    BEFORE + (regions << 32) + AFTER
}

/// A reserved range of addresses.
pub(crate) struct Cage {
    base: NonNull<u8>,
    regions: usize,
    page: usize,
}

// SAFETY: a cage owns its mapping, as a `Box<[u8]>` does, and shares nothing with another thread.
unsafe impl Send for Cage {}

impl Cage {
    /// The base: virtual address 0.
    pub(crate) fn base(&self) -> *mut u8 {
        self.base.as_ptr()
    }

    /// How many regions have room.
    pub(crate) fn regions(&self) -> usize {
        self.regions
    }

    /// What compiled code has at hand.
    pub(crate) fn head(&self) -> *mut Head {
        self.base().wrapping_sub(HEAD).cast()
    }

    /// The host address of a virtual one.
    pub(crate) fn at(&self, address: u64) -> *mut u8 {
        self.base().wrapping_add(address as usize)
    }

    fn rounded(&self, len: usize) -> usize {
        len.max(1).next_multiple_of(self.page)
    }

    /// Reserves room. `None` if the system gives none.
    pub(crate) fn new(regions: usize) -> Option<Self> {
        // SAFETY: asks for a number.
        let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok()?;
        if page == 0 || page > HEAD {
            return None;
        }
        // SAFETY: a new private mapping at an address of the system's choice touches nothing that exists.
        let map = unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
            libc::mmap(null_mut(), span(regions), libc::PROT_NONE, flags, -1, 0)
        };
        if map == libc::MAP_FAILED {
            return None;
        }
        let cage = Self { base: NonNull::new(map.cast::<u8>().wrapping_add(BEFORE))?, regions, page };
        if !cage.allow(cage.head().cast(), HEAD, libc::PROT_READ | libc::PROT_WRITE) {
            return None;
        }
        // SAFETY: the page was just made writable, is page-aligned, and nobody else has its address.
        unsafe { cage.head().write(Head::EMPTY) };
        Some(cage)
    }

    fn allow(&self, at: *mut u8, len: usize, rights: i32) -> bool {
        // SAFETY: callers pass pages of this mapping to which no reference lives.
        unsafe { libc::mprotect(at.cast(), len, rights) == 0 }
    }

    /// Gives `len` zeroed bytes at a virtual address, of which nothing is open.
    pub(crate) fn open(&self, address: u64, len: usize) -> Option<*mut u8> {
        let at = self.at(address);
        self.allow(at, self.rounded(len), libc::PROT_READ | libc::PROT_WRITE).then_some(at)
    }

    /// Takes back what [`Cage::open`] gave.
    pub(crate) fn close(&self, address: u64, len: usize) {
        // SAFETY: the pages are this mapping's, and the region that they belonged to is gone. Mapping over them gives
        // their memory back and leaves pages without rights.
        unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED;
            libc::mmap(self.at(address).cast(), self.rounded(len), libc::PROT_NONE, flags, -1, 0);
        }
    }

    /// Takes back the pages of `old_len` bytes that `len` do not need.
    pub(crate) fn shorten(&self, address: u64, old_len: usize, len: usize) {
        let (old, new) = (self.rounded(old_len), self.rounded(len));
        if new < old {
            self.close(address + new as u64, old - new);
        }
    }

    /// Moves what [`Cage::open`] gave to the same virtual address of another cage.
    #[cfg(target_os = "linux")]
    pub(crate) fn move_to(&self, other: &Self, address: u64, len: usize) -> bool {
        let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
        let (from, to, len) = (self.at(address), other.at(address), self.rounded(len));
        // SAFETY: both ranges are pages of the two mappings; what moves is this cage's alone, and where it goes
        // nothing is open.
        unsafe { libc::mremap(from.cast(), len, len, flags, to) != libc::MAP_FAILED }
    }

    /// Moving pages is Linux's.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn move_to(&self, _: &Self, _: u64, _: usize) -> bool {
        false
    }
}

impl Drop for Cage {
    fn drop(&mut self) {
        // SAFETY: the mapping made in `new`, once; slabs in it are the owner's, and are gone or never touched again.
        unsafe { libc::munmap(self.base().wrapping_sub(BEFORE).cast(), span(self.regions)) };
    }
}
