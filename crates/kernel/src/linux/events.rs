//! What programs emit: every ring buffer and perf event array of an object gets a consumer when it is loaded, since
//! without one perf_event_output has nowhere to write. Lines of bpf_trace_printk go to the trace pipe, which all
//! tracers of the machine share; they are left there.

use std::os::fd::{AsFd, BorrowedFd};

use skep_abi::MapType;
use skep_backend::{Error, Event};
use skep_sys::ring::{PerfRecord, PerfRing, RingBuffer};
use skep_sys::{Cap, cpu};

use super::error::refused;
use super::maps::LiveMap;

/// Pages of data in each CPU's ring.
const PAGES: usize = 64;

/// The consumers of an object's maps.
#[derive(Debug, Default)]
pub(super) struct Consumers {
    rings: Vec<(String, RingBuffer)>,
    perf: Vec<(String, u32, PerfRing)>,
    lost: u64,
}

impl Consumers {
    pub(super) fn open(maps: &[LiveMap]) -> Result<Self, Error> {
        let mut out = Self::default();
        for m in maps {
            let name = &m.spec.name;
            let wrong = |e| refused(&format!("map `{name}`: reading it"), e, &[Cap::PERFMON]);
            match m.spec.map_type {
                MapType::RINGBUF => out.rings.push((name.clone(), RingBuffer::new(&m.map).map_err(wrong)?)),
                MapType::PERF_EVENT_ARRAY => {
                    let slots = cpu::online().map_err(wrong)?.into_iter().filter(|c| *c < m.spec.max_entries);
                    for cpu in slots {
                        let ring = PerfRing::open(cpu, PAGES).map_err(wrong)?;
                        m.map.update_fd(&cpu.to_ne_bytes(), ring.as_fd(), 0).map_err(wrong)?;
                        out.perf.push((name.clone(), cpu, ring));
                    }
                }
                _ => {}
            }
        }
        Ok(out)
    }

    /// Takes what is there. A record of a perf buffer is as the kernel pads it: its length plus four is a multiple
    /// of eight. A ring buffer does not say which CPU wrote; that is given as 0.
    pub(super) fn take(&mut self) -> Vec<Event> {
        let mut out = Vec::new();
        for (map, ring) in &mut self.rings {
            ring.drain(|data| out.push(Event::Record { map: map.clone(), cpu: 0, data: data.to_vec() }));
        }
        for (map, cpu, ring) in &mut self.perf {
            ring.drain(|record| match record {
                PerfRecord::Sample(data) => {
                    out.push(Event::Record { map: map.clone(), cpu: *cpu, data: data.to_vec() });
                }
                PerfRecord::Lost(count) => {
                    self.lost += count;
                    out.push(Event::Lost { map: map.clone(), cpu: *cpu, count });
                }
            });
        }
        out
    }

    /// The descriptors of the perf buffers.
    pub(super) fn perf_fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.perf.iter().map(|(_, _, ring)| ring.as_fd())
    }

    /// How many samples perf buffers had no room for.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }
}
