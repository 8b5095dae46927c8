//! Consumers: of BPF ring buffers, and of perf buffers (one ring a CPU).

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use super::map::Map;
use super::mapping::{Mapping, page_size};
use super::perf::{self, PerfAttr};
use crate::Errno;

/// The consumer of a ring buffer map (`kernel/bpf/ringbuf.c`).
///
/// Layout: a page with the consumer's position, a page with the producer's, then the data, mapped twice in a row
/// so that no record is ever cut.
#[derive(Debug)]
pub struct RingBuffer {
    consumer: Mapping,
    /// The producer's page and the data.
    producer: Mapping,
    page: usize,
    mask: u64,
}

const BUSY: u32 = 1 << 31;
const DISCARD: u32 = 1 << 30;
const HEADER: u64 = 8;

impl RingBuffer {
    /// Maps the rings of a map of type ringbuf.
    ///
    /// # Errors
    /// `EINVAL` for another type; `ENOMEM`.
    pub fn new(map: &Map) -> Result<Self, Errno> {
        let size = map.info().max_entries as usize;
        if map.map_type() != skep_abi::MapType::RINGBUF || !size.is_power_of_two() {
            return Err(Errno::EINVAL);
        }
        let page = page_size();
        Ok(Self {
            consumer: Mapping::new(map.as_fd(), 0, page, true)?,
            producer: Mapping::new(map.as_fd(), page, page + 2 * size, false)?,
            page,
            mask: size as u64 - 1,
        })
    }

    /// Takes the records that are there when it is called, in order; one that is reserved and not yet committed ends it.
    /// Gives how many there were. What comes meanwhile is for the next call, so that a busy producer holds nobody here.
    pub fn drain(&mut self, mut record: impl FnMut(&[u8])) -> usize {
        let (mut at, mut count, mut bytes) = (self.consumer.load(0), 0, Vec::new());
        let end = self.producer.load(0);
        while at < end {
            let place = self.page + (at & self.mask) as usize;
            let header = (self.producer.load(place) & u64::from(u32::MAX)) as u32;
            if header & BUSY != 0 {
                break;
            }
            let len = u64::from(header & !(BUSY | DISCARD));
            if len > self.mask {
                break;
            }
            if header & DISCARD == 0 {
                bytes.clear();
                self.producer.copy(place + HEADER as usize, len as usize, &mut bytes);
                record(&bytes);
                count += 1;
            }
            at += (len + HEADER).next_multiple_of(8);
            self.consumer.store(0, at);
        }
        count
    }

    /// Bytes that were not taken yet, headers included.
    pub fn pending(&self) -> u64 {
        self.producer.load(0).saturating_sub(self.consumer.load(0))
    }
}

/// What a perf buffer gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PerfRecord<'a> {
    /// What a program wrote, rounded up: the length plus four is a multiple of eight.
    Sample(&'a [u8]),
    /// So many samples found no room.
    Lost(u64),
}

/// One CPU's ring of a perf buffer.
#[derive(Debug)]
pub struct PerfRing {
    event: OwnedFd,
    ring: Mapping,
    page: usize,
    /// Samples have their time in front.
    timed: bool,
}

/// Places in `struct perf_event_mmap_page`.
const DATA_HEAD: usize = 1024;
const DATA_TAIL: usize = 1032;
/// `PERF_RECORD_LOST` and `PERF_RECORD_SAMPLE`.
const LOST: u32 = 2;
const SAMPLE: u32 = 9;

impl PerfRing {
    /// Opens the ring of a CPU, of `pages` pages of data (a power of two), and starts it.
    ///
    /// # Errors
    /// `EPERM`, `EACCES` without CAP_PERFMON; `ENODEV` for a CPU that is not online; `EINVAL` for such a number of pages.
    pub fn open(cpu: u32, pages: usize) -> Result<Self, Errno> {
        Self::open_with(cpu, pages, perf::SAMPLE_RAW)
    }

    /// As [`PerfRing::open`], with the time of each sample, which [`PerfRing::drain_timed`] gives.
    ///
    /// # Errors
    /// As for [`PerfRing::open`].
    pub fn open_timed(cpu: u32, pages: usize) -> Result<Self, Errno> {
        Self::open_with(cpu, pages, perf::SAMPLE_RAW | perf::SAMPLE_TIME)
    }

    fn open_with(cpu: u32, pages: usize, sample_type: u64) -> Result<Self, Errno> {
        if !pages.is_power_of_two() {
            return Err(Errno::EINVAL);
        }
        let attr = PerfAttr {
            r#type: perf::TYPE_SOFTWARE,
            config: perf::SW_BPF_OUTPUT,
            sample_period: 1,
            sample_type,
            wakeup_events: 1,
            ..PerfAttr::default()
        };
        let event = perf::open(&attr, -1, cpu as i32)?;
        let page = page_size();
        let ring = Mapping::new(event.as_fd(), 0, (1 + pages) * page, true)?;
        perf::enable(event.as_fd())?;
        Ok(Self { event, ring, page, timed: sample_type & perf::SAMPLE_TIME != 0 })
    }

    /// Takes all records that are there, in order.
    pub fn drain(&mut self, mut record: impl FnMut(PerfRecord<'_>)) {
        self.drain_timed(|_, r| record(r));
    }

    /// As [`PerfRing::drain`], with the time of each sample in nanoseconds of the perf clock, 0 where it was not asked for.
    pub fn drain_timed(&mut self, mut record: impl FnMut(u64, PerfRecord<'_>)) {
        let (head, mut tail) = (self.ring.load(DATA_HEAD), self.ring.load(DATA_TAIL));
        let mut bytes = Vec::new();
        while tail + 8 <= head {
            self.copy(tail, 8, &mut bytes);
            let header = bytes.first_chunk::<8>().map_or(0, |b| u64::from_ne_bytes(*b));
            let [kind, rest] = halves(header);
            let size = if cfg!(target_endian = "big") { rest & 0xffff } else { rest >> 16 };
            if size < 8 || u64::from(size) > head - tail {
                break;
            }
            self.copy(tail + 8, size as usize - 8, &mut bytes);
            match kind {
                SAMPLE => {
                    let (time, raw) = match bytes.split_first_chunk::<8>() {
                        Some((time, raw)) if self.timed => (u64::from_ne_bytes(*time), raw),
                        _ => (0, bytes.as_slice()),
                    };
                    let len = raw.first_chunk::<4>().map_or(0, |b| u32::from_ne_bytes(*b)) as usize;
                    let end = raw.len().min(len.saturating_add(4));
                    record(time, PerfRecord::Sample(raw.get(4..end).unwrap_or_default()));
                }
                LOST => {
                    let count = bytes.get(8..).and_then(<[u8]>::first_chunk::<8>);
                    record(0, PerfRecord::Lost(count.map_or(0, |b| u64::from_ne_bytes(*b))));
                }
                _ => {}
            }
            tail += u64::from(size);
        }
        self.ring.store(DATA_TAIL, tail);
    }

    /// Copies bytes of the ring, which may go round its end, over what `to` holds.
    fn copy(&self, at: u64, len: usize, to: &mut Vec<u8>) {
        let size = self.ring.len() - self.page;
        let at = at as usize & (size - 1);
        let first = len.min(size - at);
        to.clear();
        self.ring.copy(self.page + at, first, to);
        self.ring.copy(self.page, len - first, to);
    }
}

/// The two 32-bit fields of a word, in the order of memory.
fn halves(word: u64) -> [u32; 2] {
    let (low, high) = (word as u32, (word >> 32) as u32);
    if cfg!(target_endian = "big") { [high, low] } else { [low, high] }
}

impl AsFd for PerfRing {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}

/// Waits until one of these has something, at most so many milliseconds (-1: for ever); whether any has.
///
/// # Errors
/// What poll(2) says; an interruption is no error and nothing.
pub fn wait(fds: &[BorrowedFd<'_>], timeout_ms: i32) -> Result<bool, Errno> {
    let poll = |fd: &BorrowedFd<'_>| libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let mut fds: Vec<_> = fds.iter().map(poll).collect();
    // SAFETY: the array lives for the call and has the length given.
    let ready = unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, timeout_ms) };
    match ready {
        0.. => Ok(ready > 0),
        _ => match Errno::last() {
            Errno::EINTR => Ok(false),
            e => Err(e),
        },
    }
}
