//! What programs and maps of this machine are doing: figures, taken again and again. Runs and their time are counted by the
//! kernel only while someone asks for it, which a [`Sampler`] does as long as it lives.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use skep_abi::{MapType, ProgType};
use skep_backend::Error;
use skep_sys::info::{self, Object};
use skep_sys::map::Map;
use skep_sys::{Cap, Errno, stats};

use super::error::refused;

/// How many keys of a map are counted at most, so that a large one does not hold up the others.
pub const COUNTED: u32 = 4096;

/// Figures of a program, since it was loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgFigures {
    /// Id.
    pub id: u32,
    /// Name, as the kernel has it: 15 bytes of it at most.
    pub name: String,
    /// Type.
    pub prog_type: ProgType,
    /// Runs that were counted.
    pub runs: u64,
    /// Nanoseconds that these took.
    pub run_ns: u64,
    /// Runs that did not happen because the program was already running on that CPU.
    pub misses: u64,
    /// Bytes of memory.
    pub memory: u64,
}

/// Figures of a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapFigures {
    /// Id.
    pub id: u32,
    /// Name.
    pub name: String,
    /// Type.
    pub map_type: MapType,
    /// Capacity.
    pub max_entries: u32,
    /// Elements, [`COUNTED`] at most; `None` where they can't be counted or always are all there.
    pub entries: Option<u32>,
    /// Bytes of memory.
    pub memory: u64,
}

/// Figures of one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// When.
    pub at: Instant,
    /// By id.
    pub programs: Vec<ProgFigures>,
    /// By id.
    pub maps: Vec<MapFigures>,
}

/// What a program did between two moments.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rate {
    /// Runs a second.
    pub runs: f64,
    /// Nanoseconds a run.
    pub ns_per_run: f64,
    /// Part of one CPU's time.
    pub cpu: f64,
}

impl Rate {
    /// From figures of the same program, and the time between them.
    pub fn between(before: &ProgFigures, after: &ProgFigures, time: Duration) -> Self {
        let (runs, ns) = (
            after.runs.saturating_sub(before.runs) as f64,
            after.run_ns.saturating_sub(before.run_ns) as f64,
        );
        let seconds = time.as_secs_f64().max(1e-9);
        Self {
            runs: runs / seconds,
            ns_per_run: if runs > 0.0 { ns / runs } else { 0.0 },
            cpu: ns / seconds / 1e9,
        }
    }
}

/// Takes figures.
#[derive(Debug)]
pub struct Sampler {
    /// Counting lasts as long as this is open.
    _counting: OwnedFd,
}

impl Sampler {
    /// Begins to count.
    ///
    /// # Errors
    /// Without CAP_SYS_ADMIN.
    pub fn new() -> Result<Self, Error> {
        let counting = stats::enable_run_time();
        let counting = counting.map_err(|e| refused("counting runs of programs", e, &[Cap::SYS_ADMIN]))?;
        Ok(Self { _counting: counting })
    }

    /// Takes figures of all programs and maps that there are. What goes away meanwhile is left out.
    ///
    /// # Errors
    /// If the kernel lists nothing.
    pub fn take(&self) -> Result<Snapshot, Error> {
        let wrong = |e: Errno| refused("listing programs and maps", e, &[Cap::SYS_ADMIN]);
        let at = Instant::now();
        let programs = info::ids(Object::Prog).map_err(wrong)?.into_iter().filter_map(program).collect();
        let maps = info::ids(Object::Map).map_err(wrong)?.into_iter().filter_map(map).collect();
        Ok(Snapshot { at, programs, maps })
    }
}

fn program(id: u32) -> Option<ProgFigures> {
    let fd = info::fd_by_id(Object::Prog, id).ok()?;
    let info = info::prog(fd.as_fd()).ok()?;
    Some(ProgFigures {
        id,
        name: info::name(&info.name),
        prog_type: ProgType(info.r#type),
        runs: info.run_cnt,
        run_ns: info.run_time_ns,
        misses: info.recursion_misses,
        memory: memory(fd.as_fd()),
    })
}

fn map(id: u32) -> Option<MapFigures> {
    let fd = info::fd_by_id(Object::Map, id).ok()?;
    let memory = memory(fd.as_fd());
    let map = Map::from_fd(fd).ok()?;
    let info = *map.info();
    Some(MapFigures {
        id,
        name: info::name(&info.name),
        map_type: MapType(info.r#type),
        max_entries: info.max_entries,
        entries: entries(&map),
        memory,
    })
}

/// Bytes that the kernel accounts an object with (`memlock` of its fdinfo).
fn memory(fd: BorrowedFd<'_>) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_raw_fd())).unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix("memlock:"));
    line.and_then(|v| v.trim().parse().ok()).unwrap_or(0)
}

/// Elements of maps that come and go.
fn entries(map: &Map) -> Option<u32> {
    const COUNTABLE: [MapType; 7] = [
        MapType::HASH,
        MapType::PERCPU_HASH,
        MapType::LRU_HASH,
        MapType::LRU_PERCPU_HASH,
        MapType::LPM_TRIE,
        MapType::HASH_OF_MAPS,
        MapType::DEVMAP_HASH,
    ];
    if !COUNTABLE.contains(&map.map_type()) {
        return None;
    }
    let (mut count, mut key) = (0, map.next_key(None).ok()?);
    while let Some(k) = key {
        count += 1;
        if count >= COUNTED {
            break;
        }
        key = map.next_key(Some(&k)).ok()?;
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_of_what_lies_between() {
        let figures = |runs, run_ns| ProgFigures {
            id: 1,
            name: "p".into(),
            prog_type: ProgType::XDP,
            runs,
            run_ns,
            misses: 0,
            memory: 0,
        };
        let rate = Rate::between(&figures(10, 1000), &figures(30, 5000), Duration::from_secs(2));
        assert_eq!(rate, Rate { runs: 10.0, ns_per_run: 200.0, cpu: 2e-6 });
        // A program that was replaced by another of the same id would go backwards.
        assert_eq!(Rate::between(&figures(10, 10), &figures(0, 0), Duration::ZERO), Rate::default());
    }
}
