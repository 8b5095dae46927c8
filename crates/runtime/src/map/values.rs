//! How the values of one element lie: a single one, or one for each possible CPU.
//!
//! Per-CPU values lie side by side, CPU 0 first, each rounded up to eight bytes: the very bytes that bpf(2)
//! hands out.

use super::{Shape, Side};
use crate::errno::Errno;

/// The layout of an element's values.
#[derive(Clone, Copy)]
pub(super) struct Values {
    /// From one CPU's value to the next; 0 where all share one.
    step: usize,
    len: usize,
    room: usize,
    cpus: u32,
}

impl Values {
    /// One value for all CPUs.
    pub(super) fn shared(shape: &Shape) -> Self {
        Self { step: 0, len: shape.value_size, room: shape.stride(), cpus: 0 }
    }

    /// A value a CPU.
    pub(super) fn percpu(shape: &Shape) -> Self {
        let step = shape.stride();
        let room = step.saturating_mul(shape.cpus as usize);
        Self { step, len: room, room, cpus: shape.cpus }
    }

    /// Whether each CPU has its own.
    pub(super) fn is_percpu(&self) -> bool {
        self.cpus != 0
    }

    /// Bytes that bpf(2) reads and writes.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Bytes from one element to the next, where elements are nothing but values.
    pub(super) fn room(&self) -> usize {
        self.room
    }

    /// Offset of what a program on `cpu` sees.
    pub(super) fn offset(&self, cpu: u32) -> usize {
        cpu as usize * self.step
    }

    /// As [`Self::offset`], for a CPU that a program names.
    pub(super) fn offset_of(&self, cpu: u32) -> Result<usize, Errno> {
        if cpu < self.cpus { Ok(self.offset(cpu)) } else { Err(Errno::ENOENT) }
    }

    /// Writes what `side` gives into the element at `at`. What other CPUs have in a new element is zero.
    pub(super) fn write(&self, slab: &mut [u8], at: usize, value: &[u8], side: Side, new: bool) {
        let offset = match side {
            Side::Prog(cpu) => self.offset(cpu),
            Side::User => 0,
        };
        let all = &mut slab[at..at + self.len];
        if new && self.is_percpu() {
            all.fill(0);
        }
        all[offset..offset + value.len()].copy_from_slice(value);
    }

    /// Puts the element at `at`, as bpf(2) hands it out, into `out`.
    pub(super) fn read(&self, slab: &[u8], at: usize, out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(&slab[at..at + self.len]);
    }
}
