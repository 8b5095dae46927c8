//! Two worlds, one program: the same packets through the userspace world and through Linux, and what differs.
//!
//! Some helpers answer with time, chance or the task that runs. What they make of a packet or a map is no difference
//! between the worlds, and it is found rather than guessed: where a program calls such a helper, the userspace
//! world runs twice, with another clock, seed and task, and what the two runs disagree about is not compared. The CPU
//! number is the same in both worlds, since the thread stays on one CPU.

mod record;
mod steps;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use skep_abi::{HelperId, MapType};
use skep_backend::{Backend, Error, LoadOptions, Loaded, Map};
use skep_kernel::Kernel;
use skep_object::Spec;
use skep_runtime::{Clock, Task, World};

pub use steps::{Meaning, Step, Traces, Tracing};

/// The shortest packet that the kernel runs a program on.
const ETH_HLEN: usize = 14;
/// The most entries of a map that are compared.
const ENTRIES: usize = 1 << 20;

/// Names of helpers whose answers differ from run to run.
const VARYING: &[&str] = &[
    "ktime_get_ns",
    "ktime_get_boot_ns",
    "ktime_get_coarse_ns",
    "ktime_get_tai_ns",
    "jiffies64",
    "get_prandom_u32",
    "get_numa_node_id",
    "get_current_pid_tgid",
    "get_current_uid_gid",
    "get_current_comm",
    "get_current_task",
    "get_current_task_btf",
    "get_current_cgroup_id",
    "get_socket_cookie",
    "get_netns_cookie",
    "get_hash_recalc",
];

/// A program in both worlds.
pub struct Comparison {
    user: Box<dyn Loaded>,
    /// The userspace world under other circumstances, where that matters.
    other: Option<Box<dyn Loaded>>,
    kernel: Box<dyn Loaded>,
    program: String,
    index: [usize; 3],
    /// Helpers of the program whose answers vary.
    pub varying: Vec<&'static str>,
}

impl std::fmt::Debug for Comparison {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Comparison").field("program", &self.program).finish_non_exhaustive()
    }
}

/// What became of a packet in one world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fate {
    /// The verdict, or what went wrong.
    pub verdict: Result<u32, String>,
    /// The packet as it was left.
    pub bytes: Vec<u8>,
}

/// What two worlds made of one packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The same.
    Same,
    /// It is shorter than an Ethernet header, and neither world ran it.
    Short,
    /// The kernel does not run programs on it (it fits no page), for this reason.
    Refused(String),
    /// Different things; only with the same circumstances, so a bug of one of them.
    Different {
        /// In userspace.
        user: Fate,
        /// In Linux.
        kernel: Fate,
    },
}

/// Entries of one map that differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MapReport {
    /// The map's name.
    pub name: String,
    /// Entries that both worlds agree about.
    pub same: usize,
    /// Entries that were left out, because they vary by themselves, or because an LRU map chose which to keep.
    pub left_out: usize,
    /// Entries that differ.
    pub different: Vec<DifferentEntry>,
}

/// An entry of a map: the key, and the values in userspace and in Linux, where there are any.
pub type DifferentEntry = (Vec<u8>, Option<Vec<u8>>, Option<Vec<u8>>);

impl Comparison {
    /// Loads a program, with what it may tail-call, into both worlds. The calling thread stays on its CPU from now on.
    ///
    /// # Errors
    /// What either world says against loading it.
    pub fn new(spec: &Spec, program: &str, options: &LoadOptions) -> Result<Self, Error> {
        let (cpu, cpus) = stay()?;
        let world = || World::new().cpus(cpus, cpu);
        let varying = varying(spec, options);
        let user: Box<dyn Loaded> = Box::new(world().load(spec, options)?);
        let other = match varying.is_empty() {
            true => None,
            false => Some(Box::new(other_world(world()).load(spec, options)?) as Box<dyn Loaded>),
        };
        let kernel = Backend::load(&Kernel::new(), spec, options)?;
        let index = |l: &dyn Loaded| l.program_index(program).unwrap_or(usize::MAX);
        let index =
            [index(user.as_ref()), other.as_deref().map_or(usize::MAX, index), index(kernel.as_ref())];
        Ok(Self { user, other, kernel, program: program.to_owned(), index, varying })
    }

    /// Gives all worlds an entry of a map before the first packet.
    ///
    /// # Errors
    /// What a world says against it.
    pub fn put(&mut self, map: &str, key: &[u8], value: &[u8]) -> Result<(), Error> {
        let worlds = [Some(&mut self.user), self.other.as_mut(), Some(&mut self.kernel)];
        for world in worlds.into_iter().flatten() {
            if let Some(map) = world.map(map) {
                map.update(key, value, 0)?;
            }
        }
        Ok(())
    }

    /// Runs one packet in both worlds.
    pub fn packet(&mut self, packet: &[u8], timestamp_ns: Option<u64>) -> Outcome {
        if packet.len() < ETH_HLEN {
            return Outcome::Short;
        }
        let kernel = fate(self.kernel.as_mut(), self.index[2], packet, timestamp_ns);
        if let Err(why) = &kernel.verdict {
            return Outcome::Refused(why.clone());
        }
        let user = fate(self.user.as_mut(), self.index[0], packet, timestamp_ns);
        let other = self.other.as_mut().map(|o| fate(o.as_mut(), self.index[1], packet, timestamp_ns));
        for world in [Some(&mut self.user), self.other.as_mut(), Some(&mut self.kernel)].into_iter().flatten()
        {
            world.take_events();
        }
        let varies = other.as_ref().is_some_and(|o| o.verdict != user.verdict);
        let same_verdict = varies || user.verdict == kernel.verdict;
        let same_bytes = equal(&user.bytes, &kernel.bytes, other.as_ref().map(|o| o.bytes.as_slice()));
        if same_verdict && same_bytes { Outcome::Same } else { Outcome::Different { user, kernel } }
    }

    /// Asks both worlds the same: userspace, Linux.
    fn both<T>(&mut self, ask: impl Fn(&mut dyn Loaded) -> Result<T, Error>) -> Result<[T; 2], Error> {
        Ok([ask(self.user.as_mut())?, ask(self.kernel.as_mut())?])
    }

    /// Compares all maps that can be walked, as sets.
    ///
    /// # Errors
    /// What a world says against reading one.
    pub fn maps(&mut self) -> Result<Vec<MapReport>, Error> {
        let mut reports = Vec::new();
        for name in self.user.maps().into_iter().filter(|name| name != record::MAP) {
            let (Some(user), Some(kernel)) =
                (entries(self.user.as_mut(), &name), entries(self.kernel.as_mut(), &name))
            else {
                continue;
            };
            let other = self.other.as_mut().and_then(|o| entries(o.as_mut(), &name));
            let evicts = self.user.map(&name).is_some_and(|m| is_lru(m.spec().map_type));
            reports.push(compare(name, &user, &kernel, other.as_ref(), evicts));
        }
        Ok(reports)
    }
}

#[cfg(all(target_os = "linux", not(skep_portable)))]
fn stay() -> Result<(u32, u32), Error> {
    skep_kernel::cpus::stay()
}

#[cfg(not(all(target_os = "linux", not(skep_portable))))]
fn stay() -> Result<(u32, u32), Error> {
    Ok((0, 1))
}

/// Other time, chance and task.
fn other_world(world: World) -> World {
    let ticks = AtomicU64::new(1 << 40);
    let clock = Clock::Source(Arc::new(move || ticks.fetch_add(0x1_2345_6789, Ordering::Relaxed)));
    let task = Task { pid: 0x0fff_0001, tgid: 0x0fff_0002, uid: 77, gid: 78, comm: "other".to_owned() };
    world.clock(clock).seed(0x0123_4567_89ab_cdef).task(task)
}

/// Which helpers of the programs that are loaded answer differently from run to run.
fn varying(spec: &Spec, options: &LoadOptions) -> Vec<&'static str> {
    const CALL: u8 = 0x85;
    let chosen =
        spec.programs.iter().filter(|p| options.programs.is_empty() || options.programs.contains(&p.name));
    let calls = chosen.flat_map(|p| &p.insns).filter(|i| i.opcode == CALL && i.src == 0);
    let names: Vec<_> = calls.filter_map(|i| HelperId(i.imm as u32).name()).collect();
    VARYING.iter().copied().filter(|v| names.contains(v)).collect()
}

fn fate(world: &mut dyn Loaded, index: usize, packet: &[u8], timestamp_ns: Option<u64>) -> Fate {
    match world.run_packet(index, packet, timestamp_ns) {
        Ok(outcome) => Fate { verdict: Ok(outcome.retval as u32), bytes: world.packet().to_vec() },
        Err(e) => Fate { verdict: Err(e.to_string()), bytes: Vec::new() },
    }
}

/// Whether two strings of bytes are the same, but for places where `other` says that the first varies.
fn equal(user: &[u8], kernel: &[u8], other: Option<&[u8]>) -> bool {
    let varies = |i: usize| other.is_some_and(|o| o.len() != user.len() || o[i] != user[i]);
    if user.len() != kernel.len() {
        return other.is_some_and(|o| o.len() != user.len());
    }
    (0..user.len()).all(|i| user[i] == kernel[i] || varies(i))
}

fn is_lru(map_type: MapType) -> bool {
    matches!(map_type, MapType::LRU_HASH | MapType::LRU_PERCPU_HASH)
}

type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

/// All entries of a map; `None` if it has none that can be walked.
fn entries(world: &mut dyn Loaded, name: &str) -> Option<Entries> {
    const HANDLES: [MapType; 9] = [
        MapType::PROG_ARRAY,
        MapType::PERF_EVENT_ARRAY,
        MapType::ARRAY_OF_MAPS,
        MapType::HASH_OF_MAPS,
        MapType::CGROUP_ARRAY,
        MapType::RINGBUF,
        MapType::USER_RINGBUF,
        MapType::QUEUE,
        MapType::STACK,
    ];
    let map: &dyn Map = world.map(name)?;
    if HANDLES.contains(&map.spec().map_type) {
        return None;
    }
    let mut out = Entries::new();
    let mut visit = |key: &[u8], value: &[u8]| {
        out.insert(key.to_vec(), value.to_vec());
        if out.len() >= ENTRIES { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    map.walk(&mut visit).ok()?;
    Some(out)
}

fn compare(
    name: String,
    user: &Entries,
    kernel: &Entries,
    other: Option<&Entries>,
    evicts: bool,
) -> MapReport {
    let mut report = MapReport { name, ..MapReport::default() };
    let mut keys: Vec<&Vec<u8>> = user.keys().chain(kernel.keys()).collect();
    keys.sort();
    keys.dedup();
    // Where keys themselves vary, those that are in one world only can't be held against the other.
    let keys_vary = other.is_some_and(|o| !o.keys().eq(user.keys()));
    for key in keys {
        match (user.get(key), kernel.get(key)) {
            (Some(u), Some(k)) => {
                let o = other.and_then(|o| o.get(key)).map(Vec::as_slice);
                if u == k {
                    report.same += 1;
                } else if equal(u, k, o) {
                    report.left_out += 1;
                } else {
                    report.different.push((key.clone(), Some(u.clone()), Some(k.clone())));
                }
            }
            _ if evicts || keys_vary => report.left_out += 1,
            (u, k) => report.different.push((key.clone(), u.cloned(), k.cloned())),
        }
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_varies_by_itself_is_not_compared() {
        assert!(equal(b"abc", b"abc", None));
        assert!(!equal(b"abc", b"abd", None));
        assert!(equal(b"abc", b"abd", Some(b"abx")));
        assert!(!equal(b"abc", b"xbc", Some(b"abx")), "only where it varies");
        assert!(!equal(b"abc", b"ab", Some(b"abx")));
    }

    #[test]
    fn maps_are_compared_as_sets() {
        let map =
            |entries: &[(u8, u8)]| entries.iter().map(|(k, v)| (vec![*k], vec![*v])).collect::<Entries>();
        let (user, kernel) = (map(&[(1, 1), (2, 2), (3, 3)]), map(&[(1, 1), (2, 9), (4, 4)]));
        let report = compare("m".into(), &user, &kernel, None, false);
        assert_eq!((report.same, report.different.len()), (1, 3));
        let report = compare("m".into(), &user, &kernel, None, true);
        assert_eq!((report.same, report.left_out, report.different.len()), (1, 2, 1));
        let other = map(&[(1, 1), (2, 7), (3, 3)]);
        let report = compare("m".into(), &user, &kernel, Some(&other), false);
        assert_eq!((report.left_out, report.different.len()), (1, 2));
    }
}
