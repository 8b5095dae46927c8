//! A block of host memory behind a region: zeroed, never moved, owned by one [`Memory`](crate::Memory).
//!
//! Blocks come from the memory's [`Cage`](crate::cage::Cage), or else from the zeroing allocator with an alignment that
//! `calloc` serves: either way a large map costs address space and no pages until a program touches it.
//!
//! Invariant: `ptr` is valid for reads and writes of `len` bytes from creation to drop, is aligned to
//! [`Slab::ALIGN`], and every byte is initialised. What the cage gave is given back by the [`Memory`](crate::Memory) that
//! owns both.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;

/// Owned, zeroed bytes at a stable host address.
pub(crate) struct Slab {
    ptr: NonNull<u8>,
    len: usize,
    /// The allocator's to free; else the cage's.
    heap: bool,
}

// SAFETY: a slab owns its bytes, as a `Box<[u8]>` does, and shares nothing with another thread.
unsafe impl Send for Slab {}

impl Slab {
    /// Alignment of the first byte: enough for every atomic access, small enough for lazily zeroed pages.
    pub(crate) const ALIGN: usize = 16;

    /// Allocates `len` zeroed bytes, or `None` if the host has none left.
    pub(crate) fn zeroed(len: usize) -> Option<Self> {
        let layout = Layout::from_size_align(len.max(1), Self::ALIGN).ok()?;
        // SAFETY: the layout has a size of at least one.
        let ptr = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        Some(Self { ptr, len, heap: true })
    }

    /// Takes over bytes of a cage.
    ///
    /// # Safety
    /// `ptr` is what [`Cage::open`](crate::cage::Cage::open) gave for `len` bytes, no other slab has it, and the cage
    /// keeps it open for as long as the slab lives.
    pub(crate) unsafe fn caged(ptr: *mut u8, len: usize) -> Option<Self> {
        Some(Self { ptr: NonNull::new(ptr)?, len, heap: false })
    }

    /// Whether it lies in a cage.
    pub(crate) fn is_caged(&self) -> bool {
        !self.heap
    }

    /// A copy from the allocator, which ends the process where there is none left.
    pub(crate) fn on_heap(&self) -> Self {
        match Self::zeroed(self.len) {
            Some(mut copy) => {
                copy.bytes_mut().copy_from_slice(self.bytes());
                copy
            }
            None => handle_alloc_error(Layout::new::<u8>()),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn ptr(&self) -> *mut u8 {
        self.ptr.as_ptr()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: `ptr` is valid for `len` initialised bytes, and `&self` keeps writers out: programs write
        // through raw pointers only while the owning `Memory` is borrowed mutably.
        unsafe { std::slice::from_raw_parts(self.ptr.as_ptr(), self.len) }
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`, and `&mut self` makes this the only reference.
        unsafe { std::slice::from_raw_parts_mut(self.ptr.as_ptr(), self.len) }
    }
}

impl Drop for Slab {
    fn drop(&mut self) {
        if !self.heap {
            return;
        }
        if let Ok(layout) = Layout::from_size_align(self.len.max(1), Self::ALIGN) {
            // SAFETY: `ptr` came from `alloc_zeroed` with this very layout, and is freed once.
            unsafe { dealloc(self.ptr.as_ptr(), layout) }
        }
    }
}
