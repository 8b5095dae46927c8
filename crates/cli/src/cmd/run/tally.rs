//! What a run adds up: verdicts, errors, redirects, events. Everything but the counters is bounded.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use skep::abi::ProgType;
use skep::backend::{Event, Outcome, Redirect, TestOutput};

use crate::events::Records;

/// How many errors, trace lines and events are kept word for word; the rest are counted.
const KEPT: usize = 1000;

/// The sums.
#[derive(Default)]
pub(super) struct Tally<'a> {
    /// What records are.
    types: Records<'a>,
    pub(super) packets: u64,
    /// How many packets the capture had cut.
    pub(super) cut: u64,
    pub(super) written: u64,
    verdicts: BTreeMap<i64, u64>,
    /// Message to packet number of the first and how often.
    pub(super) errors: BTreeMap<String, (u64, u64)>,
    /// Packet number to message.
    pub(super) first_errors: Vec<(u64, String)>,
    pub(super) redirects: BTreeMap<String, u64>,
    pub(super) trace: Vec<String>,
    pub(super) traced: u64,
    pub(super) records: Vec<Value>,
    /// Lines of the first few records of each map: packet, CPU, what is in it.
    pub(super) shown: BTreeMap<String, Vec<(u64, u32, Vec<String>)>>,
    pub(super) records_by_map: BTreeMap<String, u64>,
    /// Records that found no room.
    pub(super) lost: u64,
    runs: u128,
    nanoseconds: u128,
}

/// How many records of a map are shown as text.
const SHOWN: usize = 3;

impl<'a> Tally<'a> {
    pub(super) fn new(types: Records<'a>) -> Self {
        Self { types, ..Self::default() }
    }

    /// One packet that got an answer.
    pub(super) fn answer(&mut self, o: &Outcome, repeat: u32) {
        self.packets += 1;
        // Packet programs answer with 32 bits, negative ones (TC_ACT_UNSPEC) included.
        *self.verdicts.entry(i64::from(o.retval as i32)).or_default() += 1;
        self.runs += u128::from(repeat);
        if let Some(r) = &o.redirect {
            *self.redirects.entry(target(r)).or_default() += 1;
        }
    }

    /// What all those runs took.
    pub(super) fn took(&mut self, time: Duration) {
        self.nanoseconds += time.as_nanos();
    }

    /// One run on memory or a context.
    pub(super) fn once(&mut self, o: &TestOutput, repeat: u32) {
        self.nanoseconds += u128::from(o.duration_ns) * u128::from(repeat);
        self.runs += u128::from(repeat);
        if let Some(r) = &o.redirect {
            *self.redirects.entry(target(r)).or_default() += 1;
        }
    }

    /// One packet on which the program went wrong.
    pub(super) fn error(&mut self, message: String) {
        self.packets += 1;
        if self.first_errors.len() < KEPT {
            self.first_errors.push((self.packets, message.clone()));
        }
        // A message may hold an address that differs each time; what is not kept is still counted.
        let key = if self.errors.len() < KEPT || self.errors.contains_key(&message) {
            message
        } else {
            "other errors".into()
        };
        self.errors.entry(key).or_insert((self.packets, 0)).1 += 1;
    }

    pub(super) fn error_count(&self) -> u64 {
        self.errors.values().map(|e| e.1).sum()
    }

    pub(super) fn events(&mut self, events: Vec<Event>) {
        for e in events {
            match e {
                Event::Trace(line) => {
                    self.traced += 1;
                    if self.trace.len() < KEPT {
                        self.trace.push(line.trim_end().to_owned());
                    }
                }
                Event::Lost { count, .. } => self.lost += count,
                Event::Clone { ifindex, .. } => {
                    *self.redirects.entry(format!("interface {ifindex}, a copy")).or_default() += 1;
                }
                Event::Record { map, cpu, data } => {
                    self.record(&map, cpu, &data);
                    *self.records_by_map.entry(map).or_default() += 1;
                }
            }
        }
    }

    fn record(&mut self, map: &str, cpu: u32, data: &[u8]) {
        let few = self.shown.get(map).is_none_or(|s| s.len() < SHOWN);
        if !few && self.records.len() >= KEPT {
            return;
        }
        let shown = self.types.show(map, data);
        if self.records.len() < KEPT {
            let mut record = json!({
                "packet": self.packets,
                "map": map,
                "cpu": cpu,
                "data": super::maps::hex(data),
            });
            if let Some(value) = shown.value {
                record["value"] = value;
            }
            self.records.push(record);
        }
        if few {
            self.shown.entry(map.to_owned()).or_default().push((self.packets, cpu, shown.lines));
        }
    }

    pub(super) fn record_count(&self) -> u64 {
        self.records_by_map.values().sum()
    }

    /// Verdicts by name, the most frequent first; numbers where there is no name.
    pub(super) fn verdicts(&self, prog_type: ProgType) -> Vec<(String, u64)> {
        let name = |v: i64| prog_type.verdict_name(v).map_or_else(|| v.to_string(), str::to_owned);
        let mut all: Vec<_> = self.verdicts.iter().map(|(v, n)| (name(*v), *n)).collect();
        all.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
        all
    }

    /// Mean time of a run, if any was measured.
    pub(super) fn ns_per_packet(&self) -> Option<f64> {
        (self.runs > 0).then(|| (self.nanoseconds as f64 / self.runs as f64 * 10.0).round() / 10.0)
    }
}

fn target(r: &Redirect) -> String {
    match r {
        Redirect::Interface { ifindex, .. } => format!("interface {ifindex}"),
        Redirect::Map { map, key } => format!("{map}[{key}]"),
    }
}
