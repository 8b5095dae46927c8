//! `BPF_MAP_TYPE_RINGBUF`: records that programs reserve, fill and submit, taken in order of reservation.
//!
//! Positions and accounting are the kernel's: a record costs its size and an eight-byte header, rounded up to
//! eight; a ring never holds more than its size less one byte; one that is still being filled holds up those
//! behind it. Where the kernel maps its pages twice so that no record is cut at the end, the slab here is
//! twice the ring's size. Headers are kept apart from the bytes that programs can reach.

use std::collections::VecDeque;

use super::{MapOps, Shape, Side};
use crate::errno::Errno;

const HEADER: u64 = 8;
/// `RINGBUF_MAX_RECORD_SZ`.
const MAX_RECORD: u64 = u32::MAX as u64 / 4;

/// What `bpf_ringbuf_query` answers for.
const AVAIL_DATA: u64 = 0;
const RING_SIZE: u64 = 1;
const CONS_POS: u64 = 2;
const PROD_POS: u64 = 3;

/// The records of a ring.
pub(crate) struct Ring {
    size: u64,
    producer: u64,
    consumer: u64,
    records: VecDeque<Record>,
}

struct Record {
    /// Offset of its data in the slab.
    at: usize,
    len: usize,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Busy,
    Submitted,
    Discarded,
}

fn cost(len: u64) -> u64 {
    (len + HEADER).next_multiple_of(8)
}

impl Ring {
    fn new(size: u32) -> Self {
        Self { size: u64::from(size), producer: 0, consumer: 0, records: VecDeque::new() }
    }

    /// Reserves room for `len` bytes; gives the offset of the data in the slab.
    pub(crate) fn reserve(&mut self, len: u64) -> Option<usize> {
        if len > MAX_RECORD || cost(len) > self.size {
            return None;
        }
        let producer = self.producer + cost(len);
        if producer - self.consumer > self.size - 1 {
            return None;
        }
        let at = (self.producer & (self.size - 1)) as usize + HEADER as usize;
        self.records.push_back(Record { at, len: len as usize, state: State::Busy });
        self.producer = producer;
        Some(at)
    }

    /// Submits or discards the reserved record whose data begins at `at`; false if there is none.
    pub(crate) fn commit(&mut self, at: usize, discard: bool) -> bool {
        let found = self.records.iter_mut().rev().find(|r| r.at == at && r.state == State::Busy);
        let Some(record) = found else { return false };
        record.state = if discard { State::Discarded } else { State::Submitted };
        true
    }

    /// Takes the records that are ready, oldest first.
    pub(crate) fn take(&mut self, slab: &[u8], mut each: impl FnMut(&[u8])) {
        while let Some(record) = self.records.pop_front_if(|r| r.state != State::Busy) {
            self.consumer += cost(record.len as u64);
            if record.state == State::Submitted {
                each(&slab[record.at..record.at + record.len]);
            }
        }
    }

    /// `bpf_ringbuf_query`; unknown questions give 0.
    pub(crate) fn query(&self, what: u64) -> u64 {
        match what {
            AVAIL_DATA => self.producer - self.consumer,
            RING_SIZE => self.size,
            CONS_POS => self.consumer,
            PROD_POS => self.producer,
            _ => 0,
        }
    }
}

/// A ring buffer.
pub(super) struct Ringbuf {
    ring: Ring,
}

impl Ringbuf {
    pub(super) fn new(shape: Shape) -> Self {
        Self { ring: Ring::new(shape.max_entries) }
    }
}

impl MapOps for Ringbuf {
    fn slab_len(&self) -> usize {
        self.ring.size as usize * 2
    }

    fn lookup(&mut self, _: &[u8], _: &[u8], _: u32) -> Result<usize, Errno> {
        Err(Errno::ENOTSUPP)
    }

    fn update(&mut self, _: &mut [u8], _: &[u8], _: &[u8], _: u64, _: Side) -> Result<(), Errno> {
        Err(Errno::ENOTSUPP)
    }

    fn delete(&mut self, _: &mut [u8], _: &[u8]) -> Result<(), Errno> {
        Err(Errno::ENOTSUPP)
    }

    fn next_key(&self, _: &[u8], _: Option<&[u8]>, _: &mut Vec<u8>) -> Result<(), Errno> {
        Err(Errno::ENOTSUPP)
    }

    fn read(&self, _: &[u8], _: &[u8], _: &mut Vec<u8>) -> Result<(), Errno> {
        Err(Errno::ENOTSUPP)
    }

    fn ring(&mut self) -> Option<&mut Ring> {
        Some(&mut self.ring)
    }
}
