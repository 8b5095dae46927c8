//! The same random programs in the interpreter, in compiled code, and in compiled code that hides their constants: everything that can be seen must be equal.
//!
//! Programs are made of valid instructions in no sensible order: jumps lead anywhere, calls nest and recurse, helpers
//! call back, tail-call, spend budget and end the run, budgets run out. Compared are the result or the whole trap with its
//! place, the registers, all memory, the budget and what the helpers saw.
//! `SKEP_PROGRAMS` sets how many, `SKEP_FIRST` the first seed.
#![cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), unix, not(skep_portable)))]

mod generate;

use std::sync::Arc;

use generate::Random;
use skep_isa::{Endian, Insn};
use skep_vm::{
    Engine, Frame, Host, Image, Imports, Machine, Memory, Missing, Options, Protection, RegionId, Stop, Trap,
};

/// Helpers 1 to 6; what they do is deterministic.
#[derive(Default)]
struct Embedder {
    next: Vec<Arc<Image>>,
    seen: Vec<(u32, [u64; 5], usize, usize)>,
}

struct Names;

impl Imports for Names {
    fn helper(&self, id: i32) -> Option<u32> {
        u32::try_from(id).ok().filter(|id| (1..=6).contains(id))
    }

    fn is_quick(&self, index: u32) -> bool {
        index == 1
    }
}

/// What the first helper gives.
fn sum(args: [u64; 5]) -> u64 {
    args.iter().fold(0, |sum, n| sum.wrapping_mul(3).wrapping_add(*n))
}

impl Host for Embedder {
    fn call(&mut self, index: u32, args: [u64; 5], frame: &mut Frame<'_>) -> Result<u64, Stop> {
        // The quick form of the first knows of no place.
        let place = if index == 1 { (0, 0) } else { (frame.slot(), frame.depth()) };
        self.seen.push((index, args, place.0, place.1));
        match index {
            1 => Ok(sum(args)),
            2 => {
                let first = frame.callback(self, args[0], [args[1], args[2], 1, 2, 3])?;
                // A host that does not mind a callback that fails.
                Ok(frame.callback(self, args[0], [first; 5]).unwrap_or(7))
            }
            3 => match self.next.get(args[1] as usize % 4) {
                Some(image) => Err(Stop::TailCall(image.clone())),
                None => Ok(-1i64 as u64),
            },
            4 if args[0] & 7 == 0 => Err(Stop::Exit(args[1])),
            4 => Ok(args[0]),
            5 => {
                // Goes on also when there is nothing left.
                let _ = frame.charge(args[0] & 63);
                Ok(frame.tail_calls().into())
            }
            _ => {
                frame.memory.write_u32(args[0], args[1] as u32)?;
                Ok(0)
            }
        }
    }

    fn quick(&mut self, index: u32, args: [u64; 5], memory: &Memory) -> Option<u64> {
        assert!(
            index == 1 && memory.read(RegionId::frame(0).base(), 8).is_ok(),
            "helper {index} has no quick form"
        );
        // Sometimes it leaves it to the other.
        if args[2] & 3 == 1 {
            return None;
        }
        self.seen.push((index, args, 0, 0));
        Some(sum(args))
    }

    fn helper_index(&self, id: u64) -> Option<u32> {
        (1..=6).contains(&id).then_some(id as u32)
    }
}

/// What can be seen of a run.
#[derive(PartialEq, Debug)]
struct Seen {
    result: Result<u64, Trap>,
    registers: [u64; 11],
    charged: u64,
    calls: Vec<(u32, [u64; 5], usize, usize)>,
    memory: Vec<Vec<u8>>,
}

struct Case {
    programs: Vec<Vec<Insn>>,
    endian: Endian,
    budget: u64,
    may_goto: u32,
    arena: bool,
    data: Vec<u8>,
}

fn case(seed: u64) -> Case {
    let mut random = Random::new(seed);
    let count = 1 + random.below(3);
    Case {
        programs: (0..count).map(|_| generate::program(&mut random)).collect(),
        endian: if random.one_in(4) { Endian::Big } else { Endian::Little },
        budget: if random.one_in(3) { random.below(40) } else { random.below(6000) },
        may_goto: random.below(9) as u32,
        arena: random.one_in(2),
        data: (0..96).map(|_| random.next() as u8).collect(),
    }
}

/// Memory that cases lay their data into, one for each byte order and engine: to reserve its room takes long in emulation.
struct Room {
    memory: Memory,
    data: RegionId,
    fixed: RegionId,
}

impl Room {
    fn new(endian: Endian) -> Self {
        let mut memory = Memory::new(endian);
        let data = memory.add(96, Protection::ReadWrite).expect("memory");
        let fixed = memory.add(24, Protection::ReadOnly).expect("memory");
        Self { memory, data, fixed }
    }

    /// For each byte order.
    fn both() -> [Self; 2] {
        [Endian::Little, Endian::Big].map(Self::new)
    }
}

fn run(case: &Case, (engine, blind): (Engine, Option<u64>), rooms: &mut [Room; 2]) -> Option<Seen> {
    let Room { memory, data, fixed } = &mut rooms[usize::from(case.endian == Endian::Big)];
    let (data, fixed) = (*data, *fixed);
    memory.storage_mut(data).ok()?.copy_from_slice(&case.data);
    memory.storage_mut(fixed).ok()?.copy_from_slice(&case.data[..24]);
    // Frames that no call opens are not cleaned by the run.
    for frame in (0..8).map(RegionId::frame) {
        memory.storage_mut(frame).ok()?.fill(0);
    }
    let packet = memory.set_packet(8, &case.data[..40], 8).ok()?;
    let options = |i: usize| Options {
        endian: case.endian,
        name: format!("p{i}"),
        missing: Missing::Trap,
        arena: case.arena.then_some(data),
        engine,
        blind,
        ..Options::default()
    };
    let images = case.programs.iter().enumerate();
    let images: Result<Vec<_>, _> =
        images.map(|(i, p)| Image::new(p, &Names, &options(i)).map(Arc::new)).collect();
    let images = images.expect("the generator makes valid programs");
    let mut embedder = Embedder { next: images.clone(), ..Embedder::default() };
    let mut machine = Machine::new();
    machine.set_budget(case.budget);
    machine.set_may_goto_limit(case.may_goto);
    let args = [data.base(), packet, fixed.base(), case.data[0].into(), 5];
    let result = machine.run(&images[0], memory, &mut embedder, args);
    let regions = [data, fixed, RegionId::PACKET].into_iter().chain((0..8).map(RegionId::frame));
    Some(Seen {
        result,
        registers: machine.registers(),
        charged: machine.charged(),
        calls: embedder.seen,
        memory: regions.map(|r| memory.storage(r).unwrap_or_default().to_vec()).collect(),
    })
}

#[test]
fn random_programs_end_the_same() {
    let count = std::env::var("SKEP_PROGRAMS").ok().and_then(|n| n.parse().ok()).unwrap_or(3000);
    let (mut exits, mut calls, mut digest) = (0u64, 0, 0xcbf2_9ce4_8422_2325);
    let (mut interpreted, mut compiled) = (Room::both(), Room::both());
    let first = std::env::var("SKEP_FIRST").ok().and_then(|n| n.parse().ok()).unwrap_or(0);
    for seed in first..first + count {
        let case = case(seed);
        let expected = run(&case, (Engine::Interpreter, None), &mut interpreted).expect("memory");
        let found = run(&case, (Engine::Jit, None), &mut compiled).expect("memory");
        assert_eq!(found, expected, "seed {seed}\n{:?}", case.programs);
        let blind = run(&case, (Engine::Jit, Some(seed)), &mut compiled).expect("memory");
        assert_eq!(blind, expected, "seed {seed}, constants hidden\n{:?}", case.programs);
        exits += u64::from(expected.result.is_ok());
        calls += expected.calls.len();
        // FNV-1a over all that was seen: it must be the same on every machine.
        let step = |digest: u64, byte: u8| (digest ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        digest = format!("{found:?}").into_bytes().into_iter().fold(digest, step);
    }
    println!(
        "{count} programs, {exits} of them to their end, {calls} calls of helpers: digest {digest:016x}"
    );
    assert!(exits > count / 10 && calls as u64 > count / 10, "{exits} exits, {calls} calls of {count}");
}
