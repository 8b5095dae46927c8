//! A region as an access wants it: where it begins, and how far an access of each size may reach.
//!
//! The interpreter and compiled code each keep one for every base register; see [`Memory`](crate::Memory).

/// Registers that can be a base, rounded up so that any encoded register indexes it.
pub(crate) const WAYS: usize = 16;

/// A region as the interpreter's accesses want it. Empty: both limits are zero, and nothing passes.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Way {
    /// Address of the first visible byte.
    pub(crate) start: u64,
    /// What turns an address into a host address, wrapping.
    pub(crate) delta: u64,
    /// For a read of 1, 2, 4, 8 bytes: first distance from `start` that is out of bounds.
    pub(crate) read: [u32; 4],
    /// The same for writes.
    pub(crate) write: [u32; 4],
}

/// A scaled register number times eight finds its way.
const _: () = assert!(size_of::<Way>() == 64);

impl Way {
    pub(crate) const EMPTY: Self = Self { start: 0, delta: 0, read: [0; 4], write: [0; 4] };

    /// Of `len` bytes at `start`, which are at `host` in reality.
    pub(crate) fn of(start: u64, host: u64, len: usize, writable: bool) -> Self {
        let limit = |size: usize| (len + 1).saturating_sub(size) as u32;
        let read = [limit(1), limit(2), limit(4), limit(8)];
        let write = if writable { read } else { [0; 4] };
        Self { start, delta: host.wrapping_sub(start), read, write }
    }
}

/// The same as compiled code's accesses want it: limits that compare with 64 bits.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
pub(crate) struct Gate {
    /// Address of the first visible byte.
    pub(crate) start: u64,
    /// For a read of 1, 2, 4, 8 bytes: first distance from `start` that is out of bounds.
    pub(crate) read: [u64; 4],
    /// The same for writes.
    pub(crate) write: [u64; 4],
}

impl Gate {
    pub(crate) const EMPTY: Self = Self { start: 0, read: [0; 4], write: [0; 4] };

    pub(crate) fn of(way: &Way) -> Self {
        Self { start: way.start, read: way.read.map(u64::from), write: way.write.map(u64::from) }
    }
}
