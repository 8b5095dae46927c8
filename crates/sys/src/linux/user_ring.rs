//! The producer of a user ring buffer map (`kernel/bpf/ringbuf.c`), from which programs take what this process puts in.
//!
//! Layout: a page with the consumer's position, which only the kernel writes; a page with the producer's; then the data,
//! mapped twice in a row so that no record is ever cut. One value is the only producer: `push` takes it alone, writes
//! the record whole and moves the position behind it, so that no record is ever seen half written.

use std::os::fd::AsFd;

use super::map::Map;
use super::mapping::{Mapping, page_size};
use crate::Errno;

const HEADER: usize = 8;

/// See the module.
#[derive(Debug)]
pub struct UserRing {
    consumer: Mapping,
    /// The producer's page and the data.
    producer: Mapping,
    page: usize,
    size: u64,
}

impl UserRing {
    /// Maps the rings of a map of type user_ringbuf.
    ///
    /// # Errors
    /// `EINVAL` for another type; `ENOMEM`.
    pub fn new(map: &Map) -> Result<Self, Errno> {
        let size = map.info().max_entries as usize;
        if map.map_type() != skep_abi::MapType::USER_RINGBUF || !size.is_power_of_two() {
            return Err(Errno::EINVAL);
        }
        let page = page_size();
        Ok(Self {
            consumer: Mapping::new(map.as_fd(), 0, page, false)?,
            producer: Mapping::new(map.as_fd(), page, page + 2 * size, true)?,
            page,
            size: size as u64,
        })
    }

    /// Bytes that programs have not taken yet, headers included.
    pub fn pending(&self) -> u64 {
        self.producer.load(0).wrapping_sub(self.consumer.load(0))
    }

    /// Puts a record in.
    ///
    /// # Errors
    /// `ENOSPC` if there is no room until a program takes some; `E2BIG` for what never fits.
    pub fn push(&mut self, record: &[u8]) -> Result<(), Errno> {
        let len = u32::try_from(record.len()).map_err(|_| Errno::E2BIG)?;
        let total = (record.len() + HEADER).next_multiple_of(8) as u64;
        if total > self.size || len >= 1 << 30 {
            return Err(Errno::E2BIG);
        }
        let at = self.producer.load(0);
        if total > self.size.saturating_sub(self.pending()) {
            return Err(Errno::ENOSPC);
        }
        let place = self.page + (at & (self.size - 1)) as usize;
        self.producer.write(place + HEADER, record);
        // Length, without the bits for busy and discarded, and padding.
        let mut header = [0; HEADER];
        header[..4].copy_from_slice(&len.to_ne_bytes());
        self.producer.write(place, &header);
        self.producer.store(0, at.wrapping_add(total));
        Ok(())
    }
}
