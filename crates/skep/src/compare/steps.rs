//! The steps of one packet's run in both worlds, side by side.

use std::collections::HashMap;
use std::sync::Arc;

use skep_backend::{Error, ErrorKind, LoadOptions, Loaded};
use skep_btf::Btf;
use skep_object::Spec;
use skep_verifier::facts::Value;

use super::record::{self, HAS_VALUE, HEAD, KEPT, MAP, RECORD, Recording};
use super::{Comparison, Outcome};

/// Nothing of the userspace world is below this address.
const LOWEST: u64 = 0x1_0000;

/// A step that a program took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The program's index in the Spec: a tail call changes it.
    pub program: usize,
    /// The instruction's first slot.
    pub slot: usize,
    /// What the instruction left in the register that it sets; `None` if it sets none, and for the step into a call.
    pub value: Option<u64>,
    /// What the value is.
    pub meaning: Meaning,
}

/// What a register holds, as far as the verifier knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Meaning {
    /// A number: the same in both worlds.
    Number,
    /// An address, which means something in its own world only.
    Address,
    /// Either: it may be an address that was read back from memory.
    Unknown,
}

/// Both worlds' steps on one packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traces {
    /// Number of the first step that is told, from 0: of long runs only the end is kept.
    pub first: u64,
    /// In userspace.
    pub user: Vec<Step>,
    /// In Linux.
    pub kernel: Vec<Step>,
    /// Where in these lists the worlds part: another instruction, another number, or the end of one of them.
    pub parted: Option<usize>,
}

/// A [`Comparison`] of programs that write down their steps.
///
/// They are verified first, and rewritten: what they do to packets and maps is the same, but they are longer.
pub struct Tracing {
    worlds: Comparison,
    recording: Recording,
}

impl std::fmt::Debug for Tracing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.worlds.fmt(f)
    }
}

impl Tracing {
    /// Loads a program, with what it may tail-call, into both worlds so that it records its steps. `vmlinux` are the types
    /// that a program with CO-RE is verified against.
    ///
    /// # Errors
    /// Why it can't be rewritten: it is not accepted or not modelled, uses all of the stack, or is too long; or what
    /// either world says against loading it.
    pub fn new(
        spec: &Spec,
        program: &str,
        options: &LoadOptions,
        vmlinux: Option<&Arc<Btf>>,
    ) -> Result<Self, Error> {
        let recording = record::rewrite(spec, options, vmlinux)?;
        let worlds = Comparison::new(&recording.spec, program, options)?;
        Ok(Self { worlds, recording })
    }

    /// The two worlds, to be fed with what came before.
    pub fn worlds(&mut self) -> &mut Comparison {
        &mut self.worlds
    }

    /// Runs one packet in both worlds, and tells the steps.
    ///
    /// # Errors
    /// What a world says against reading the records.
    pub fn packet(&mut self, packet: &[u8], timestamp_ns: Option<u64>) -> Result<(Outcome, Traces), Error> {
        let before = self.worlds.both(count)?;
        let outcome = self.worlds.packet(packet, timestamp_ns);
        let [user, kernel] = self.worlds.both(value)?;
        let user = records(&user, before[0]);
        let kernel = records(&kernel, before[1]);
        let first = user.0.max(kernel.0);
        let cut = |(from, steps): (u64, Vec<Step>)| {
            steps.into_iter().skip(usize::try_from(first - from).unwrap_or(usize::MAX)).collect::<Vec<_>>()
        };
        let (user, kernel) = (self.told(cut(user)), self.told(cut(kernel)));
        let parted = part(&user, &kernel, !self.worlds.varying.is_empty());
        Ok((outcome, Traces { first, user, kernel, parted }))
    }

    /// Says what the values are.
    fn told(&self, mut steps: Vec<Step>) -> Vec<Step> {
        let mut known = HashMap::new();
        for step in steps.iter_mut().filter(|s| s.value.is_some()) {
            let place = (step.program, step.slot);
            step.meaning =
                *known.entry(place).or_insert_with(|| self.meaning(place).unwrap_or(Meaning::Unknown));
        }
        steps
    }

    fn meaning(&self, (program, slot): (usize, usize)) -> Option<Meaning> {
        let verified = self.recording.verified.get(&program)?;
        let op = skep_isa::decode(&verified.task().insns, slot).ok()?;
        let frame = verified.values().at(slot + op.slots())?;
        Some(match &frame.regs[record::set(&op)?.index()] {
            Value::Pointer(_) => Meaning::Address,
            value if value.is_unknown() => Meaning::Unknown,
            Value::Number(_) => Meaning::Number,
        })
    }
}

/// The value of the map of records.
fn value(world: &mut dyn Loaded) -> Result<Vec<u8>, Error> {
    let gone = || Error::new(ErrorKind::NotFound, format!("no map `{MAP}`"));
    world.map(MAP).ok_or_else(gone)?.lookup(&0u32.to_ne_bytes())?.ok_or_else(gone)
}

fn word(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_ne_bytes)
}

/// How many records a world has written.
fn count(world: &mut dyn Loaded) -> Result<u64, Error> {
    Ok(word(&value(world)?, 0))
}

/// The records that were written since there were `before`, of those that are still there; and how many are not.
fn records(bytes: &[u8], before: u64) -> (u64, Vec<Step>) {
    let count = word(bytes, 0);
    let first = before.max(count.saturating_sub(KEPT as u64));
    let step = |n: u64| {
        // The first record has number 1.
        let at = HEAD + (n + 1) as usize % KEPT * RECORD;
        let place = word(bytes, at);
        let mark = (place >> 32) as u32;
        Step {
            program: (mark & !HAS_VALUE) as usize,
            slot: place as u32 as usize,
            value: (mark & HAS_VALUE != 0).then(|| word(bytes, at + 8)),
            meaning: Meaning::Unknown,
        }
    };
    (first - before, (first..count).map(step).collect())
}

/// Where two runs part. What helpers answer may vary by itself: then only the way that was taken counts.
fn part(user: &[Step], kernel: &[Step], varying: bool) -> Option<usize> {
    let differ =
        |(u, k): (&Step, &Step)| (u.program, u.slot) != (k.program, k.slot) || !varying && !same(u, k);
    let found = user.iter().zip(kernel).position(differ);
    let end = user.len().min(kernel.len());
    found.or_else(|| (user.len() != kernel.len()).then_some(end))
}

/// Whether two worlds' values of one step are the same, as far as addresses can be.
fn same(user: &Step, kernel: &Step) -> bool {
    let (Some(u), Some(k)) = (user.value, kernel.value) else { return user.value == kernel.value };
    // Addresses of Linux are in the upper half, but for the page at the end, which are errors; ours name a region.
    let (upper_half, an_error) = (k >> 47 == 0x1_ffff, k as i64 > -4096);
    match user.meaning {
        Meaning::Address => (u == 0) == (k == 0),
        Meaning::Unknown if upper_half && !an_error && u >= LOWEST => true,
        Meaning::Number | Meaning::Unknown => u == k,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(slot: usize, value: u64) -> Step {
        Step { program: 0, slot, value: Some(value), meaning: Meaning::Unknown }
    }

    fn written(count: u64) -> Vec<u8> {
        let mut bytes = vec![0; HEAD + KEPT * RECORD];
        bytes[..8].copy_from_slice(&count.to_ne_bytes());
        for n in 1..=count {
            let at = HEAD + n as usize % KEPT * RECORD;
            bytes[at..at + 4].copy_from_slice(&(n as u32).to_ne_bytes());
            bytes[at + 4..at + 8].copy_from_slice(&HAS_VALUE.to_ne_bytes());
            bytes[at + 8..at + 16].copy_from_slice(&(n * 10).to_ne_bytes());
        }
        bytes
    }

    #[test]
    fn records_are_read_from_where_the_packet_began() {
        assert_eq!(records(&written(5), 3), (0, vec![step(4, 40), step(5, 50)]));
        let (gone, steps) = records(&written(KEPT as u64 + 9), 2);
        assert_eq!((gone, steps.len()), (7, KEPT));
        assert_eq!(steps[0], step(10, 100));
        assert_eq!(steps.last(), Some(&step(KEPT + 9, 10 * (KEPT as u64 + 9))));
    }

    #[test]
    fn runs_part_where_way_or_number_differs() {
        let run = [step(0, 1), step(1, 2), step(2, 3)];
        assert_eq!(part(&run, &run, false), None);
        assert_eq!(part(&run, &run[..2], false), Some(2));
        assert_eq!(part(&run, &[step(0, 1), step(1, 9), step(3, 3)], false), Some(1));
        assert_eq!(part(&run, &[step(0, 1), step(1, 9), step(3, 3)], true), Some(2));
        let at = |value| Step { meaning: Meaning::Address, ..step(0, value) };
        assert_eq!(part(&[at(1 << 32)], &[step(0, 0xffff_8881_0000_0000)], false), None);
        assert_eq!(part(&[at(1 << 32)], &[step(0, 0)], false), Some(0));
    }
}
