//! What programs send through a perf event array (bpf_perf_event_output), read while this lives: a ring for each CPU is
//! put into the map, in the place of whatever was there.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use skep_abi::MapType;
use skep_backend::{Error, ErrorKind};
use skep_sys::ring::{self, PerfRecord, PerfRing};
use skep_sys::{Cap, cpu};

use super::Map;
use crate::linux::error::refused;

/// Pages of data in each CPU's ring.
const PAGES: usize = 16;
/// How long one wait lasts at most, in milliseconds.
const SLICE: u128 = 200;

/// A reader of a perf event array.
#[derive(Debug)]
pub struct EventPipe {
    /// The array drops its rings when the descriptor goes that put them there.
    _map: Map,
    rings: Vec<(u32, u32, PerfRing)>,
}

/// What came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The CPU that sent it.
    pub cpu: u32,
    /// The element of the array that it came through.
    pub index: u32,
    /// What it is.
    pub what: What,
}

/// See [`Event::what`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// What a program wrote, with zeros behind: its length plus four is a multiple of eight.
    Sample {
        /// Nanoseconds of the perf clock.
        timestamp: u64,
        /// The bytes.
        data: Vec<u8>,
    },
    /// So many samples found no room.
    Lost(u64),
}

impl EventPipe {
    /// Puts a ring into each CPU's element, or one CPU's into an element.
    ///
    /// # Errors
    /// If the map is of another type; without CAP_PERFMON.
    pub fn open(map: Map, only: Option<(u32, u32)>) -> Result<Self, Error> {
        if map.map_type() != MapType::PERF_EVENT_ARRAY {
            let message = format!("map {} is a {}, not a perf_event_array", map.info.id, map.map_type());
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        let wrong = |e| refused(&format!("map {}: reading its events", map.info.id), e, &[Cap::PERFMON]);
        let places = match only {
            Some(place) => vec![place],
            None => {
                let online = cpu::online().map_err(wrong)?;
                online.into_iter().filter(|c| *c < map.info.max_entries).map(|c| (c, c)).collect()
            }
        };
        let mut rings = Vec::new();
        for (cpu, index) in places {
            let ring = PerfRing::open_timed(cpu, PAGES).map_err(wrong)?;
            map.update_fd(&index.to_ne_bytes(), ring.as_fd(), 0)?;
            rings.push((cpu, index, ring));
        }
        Ok(Self { _map: map, rings })
    }

    /// Waits for events, until `deadline` at the longest (for ever, if there is none), and gives all that are there;
    /// none once the time is up. Those of one CPU are in order.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn events(&mut self, deadline: Option<Instant>) -> Result<Vec<Event>, Error> {
        loop {
            let mut all = Vec::new();
            for (cpu, index, ring) in &mut self.rings {
                ring.drain_timed(|timestamp, record| {
                    let what = match record {
                        PerfRecord::Sample(data) => What::Sample { timestamp, data: data.to_vec() },
                        PerfRecord::Lost(count) => What::Lost(count),
                    };
                    all.push(Event { cpu: *cpu, index: *index, what });
                });
            }
            let left = deadline.map(|d| d.saturating_duration_since(Instant::now()));
            if !all.is_empty() || left.is_some_and(|l| l.is_zero()) {
                return Ok(all);
            }
            let slice = left.unwrap_or(Duration::MAX).as_millis().clamp(1, SLICE) as i32;
            let fds: Vec<_> = self.rings.iter().map(|r| r.2.as_fd()).collect();
            ring::wait(&fds, slice).map_err(|e| refused("waiting for events", e, &[]))?;
        }
    }
}
