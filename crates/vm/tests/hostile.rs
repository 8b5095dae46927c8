//! Programs that mean harm, in both engines: none reads or writes what it was not given, none outruns its budget, and the
//! process that runs them is there afterwards.
//!
//! They run in a child process, so that one that gets out shows as a signal and not as the end of the tests. Beside what they
//! are given lie a secret and canaries; programs are told where, as if they had found out.

mod generate;

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use generate::Random;
use skep_isa::asm::{Dialect, assemble};
use skep_isa::{Endian, Insn};
use skep_vm::{
    Engine, Frame, Host, Image, Imports, Machine, Memory, Missing, Options, Protection, RegionId, Stop,
};

const CHILD: &str = "SKEP_HOSTILE_CHILD";
const SECRET: u64 = 0x5ec2_e75e_c2e7_5ec2;
const BUDGET: u64 = 200_000;
/// What may be paid beyond the budget: the length of a function, and what is charged in one go.
const SLACK: u64 = 5_000;

/// A helper that reads and writes where it is told, through the memory's checks, and one that calls back.
struct Helpers;

impl Imports for Helpers {
    fn helper(&self, id: i32) -> Option<u32> {
        u32::try_from(id).ok().filter(|id| (1..=3).contains(id))
    }
}

impl Host for Helpers {
    fn call(&mut self, index: u32, args: [u64; 5], frame: &mut Frame<'_>) -> Result<u64, Stop> {
        match index {
            1 => Ok(frame.memory.read(args[0], args[1] as usize)?.first().copied().unwrap_or(0).into()),
            2 => {
                frame.memory.write_u64(args[0], args[1])?;
                Ok(0)
            }
            _ => frame.callback(self, args[0], [args[1], args[0], 0, 0, 0]),
        }
    }
}

/// What lies around what a program is given.
struct World {
    memory: Memory,
    data: RegionId,
    fixed: RegionId,
    kept: RegionId,
    packet: u64,
    secret: Box<[u64; 64]>,
}

impl World {
    fn new() -> Self {
        let mut memory = Memory::new(Endian::Little);
        let add = |memory: &mut Memory, protection| {
            let id = memory.add(256, protection).expect("memory");
            memory.storage_mut(id).expect("a region").fill(0x5e);
            id
        };
        // What is out of the window of a region, and a region that is gone, are nobody's.
        let kept = add(&mut memory, Protection::ReadWrite);
        memory.set_window(kept, 64..128).expect("a window");
        let data = add(&mut memory, Protection::ReadWrite);
        let fixed = add(&mut memory, Protection::ReadOnly);
        let gone = add(&mut memory, Protection::ReadWrite);
        memory.remove(gone).expect("a region");
        let packet = memory.set_packet(64, &[1; 64], 64).expect("a packet");
        Self { memory, data, fixed, kept, packet, secret: Box::new([SECRET; 64]) }
    }

    fn args(&self) -> [u64; 5] {
        let secret = std::ptr::from_ref(&*self.secret).expose_provenance() as u64;
        [self.data.base(), secret, self.fixed.base(), self.packet, self.kept.base()]
    }

    /// Runs a program. What it got to see is in its registers, in what it may write, and in r0.
    fn run(&mut self, insns: &[Insn], engine: Engine, blind: Option<u64>, what: &str) {
        let options = Options { engine, blind, missing: Missing::Trap, ..Options::default() };
        let Ok(image) = Image::new(insns, &Helpers, &options) else { return };
        let mut machine = Machine::new();
        machine.set_budget(BUDGET);
        let (start, args) = (Instant::now(), self.args());
        let result = machine.run(&image, &mut self.memory, &mut Helpers, args);
        let took = start.elapsed();
        let tell = || format!("{what} in the {engine:?}: {result:?}");
        assert!(machine.charged() <= BUDGET + SLACK, "{}: paid {}", tell(), machine.charged());
        assert!(took < Duration::from_secs(20), "{}: took {took:?}", tell());
        assert!(machine.registers().iter().all(|r| *r != SECRET), "{}: knows the secret", tell());
        assert!(self.secret.iter().all(|word| *word == SECRET), "{}: wrote the secret", tell());
        let bytes = |id| self.memory.storage(id).expect("a region");
        assert!(bytes(self.fixed).iter().all(|b| *b == 0x5e), "{}: wrote what is read-only", tell());
        let kept = bytes(self.kept);
        let outside = kept[..64].iter().chain(&kept[128..]);
        assert!(outside.into_iter().all(|b| *b == 0x5e), "{}: wrote outside of the window", tell());
        let packet = bytes(RegionId::PACKET);
        let room = packet[..64].iter().chain(&packet[128..]);
        assert!(room.into_iter().all(|b| *b == 0), "{}: wrote beside the packet", tell());
        for bytes in [bytes(self.data), kept, packet] {
            let seen = bytes.windows(8).any(|w| w == SECRET.to_le_bytes());
            assert!(!seen, "{}: copied the secret", tell());
        }
    }

    fn text(&mut self, text: &str) {
        let insns = assemble(text, Dialect::Kernel).unwrap_or_else(|e| panic!("{text}: {e}")).insns;
        for engine in [Engine::Interpreter, Engine::Jit] {
            self.run(&insns, engine, None, text);
        }
    }
}

/// Distances that lead out: of regions, of 32 bits, of a cage, round the end.
const FAR: [i64; 30] = [
    0,
    -1,
    1,
    8,
    -8,
    64,
    127,
    128,
    191,
    192,
    248,
    249,
    252,
    255,
    256,
    257,
    512,
    4096,
    -4096,
    -8192,
    1 << 20,
    -(1 << 20),
    1 << 31,
    (1 << 32) - 4,
    1 << 32,
    -(1 << 32),
    1 << 36,
    1 << 47,
    i64::MAX,
    i64::MIN,
];

/// What is done at an address in r6 with an offset: reads of the secret, writes of a constant.
const ACCESSES: [&str; 10] = [
    "r0 = *(u8 *)(r6 + OFF)",
    "r0 = *(u16 *)(r6 + OFF)",
    "r0 = *(s32 *)(r6 + OFF)",
    "r0 = *(u64 *)(r6 + OFF)",
    "*(u8 *)(r6 + OFF) = 17",
    "*(u32 *)(r6 + OFF) = w9",
    "*(u64 *)(r6 + OFF) = r9",
    "lock *(u64 *)(r6 + OFF) += r9",
    "r9 = atomic64_xchg((u64 *)(r6 + OFF), r9)",
    "r0 = load_acquire((u64 *)(r6 + OFF))",
];

/// Everywhere from each pointer, with a region in the cache for the register and without.
fn addresses(world: &mut World) {
    let bases = (1..=5).map(|r| format!("r{r}")).chain(["r10".to_owned()]);
    let mut offs = [0, -8, 32767, -32768].into_iter().cycle();
    for (base, far) in bases.flat_map(|base| FAR.map(|far| (base.clone(), far))) {
        for (access, first) in ACCESSES.iter().flat_map(|a| [(a, ""), (a, "r7 = *(u8 *)(r6 + 0)\n")]) {
            let off = offs.next().unwrap_or(0);
            let sign = if off < 0 { '-' } else { '+' };
            let access = access.replace("+ OFF", &format!("{sign} {}", i32::abs(off)));
            world.text(&format!(
                "r9 = 3\nr6 = {base}\n{first}r8 = {far} ll\nr6 += r8\n{access}\nr0 = 0\nexit"
            ));
        }
        // So that another offset comes first next time.
        offs.next();
    }
}

/// What never ends, and what goes too deep.
const ENDLESS: [&str; 12] = [
    "here: goto here",
    "here: if r0 == r0 goto here\nexit",
    "r0 = 0\nhere: r0 += 1\nif r0 != 0 goto here\nexit",
    "r0 = 1\na: goto b\nc: goto a\nb: goto c",
    "here: call here\nexit",
    "call f\nexit\nf: call g\nexit\ng: call f\nexit",
    "r6 = 0\nhere: call f\nr6 += 1\ngoto here\nf: r0 = 1\nexit",
    "here: may_goto out\ngoto here\nout: exit",
    "r6 = r1\nhere: r0 = *(u64 *)(r6 + 0)\n*(u64 *)(r6 + 8) = r0\ngoto here",
    "here: r1 = r10\nr1 += -8\nr2 = 8\ncall 1\ngoto here",
    "r2 = 5\nr1 = subprog[f]\ncall 3\nexit\nf: goto f",
    "r1 = subprog[f]\ncall 3\nexit\nf: r1 = r2\ncall 3\nexit",
];

/// Frames, functions and helpers that are not there.
const CROOKED: [&str; 14] = [
    "r0 = *(u64 *)(r10 + 0)\nexit",
    "r0 = *(u64 *)(r10 - 520)\nexit",
    "*(u64 *)(r10 + 504) = 1\nexit",
    "r1 = r10\nr2 = 0x100000000 ll\nr1 += r2\n*(u64 *)(r1 - 8) = 1\nexit",
    "r1 = r10\ncall f\nexit\nf: r2 = r10\nr3 = 0x100000000 ll\nr2 += r3\nr0 = *(u64 *)(r2 - 8)\nexit",
    "call f\nr0 = *(u64 *)(r0 - 8)\nexit\nf: r0 = r10\nexit",
    "callx r2\nexit",
    "r2 = 0xffff900000000008 ll\ncallx r2\nexit",
    "r2 = -1\ncallx r2\nexit",
    "r1 = r2\nr2 = 8\ncall 1\nexit",
    "r2 = 0x7fffffffffffffff ll\ncall 1\nexit",
    "r1 = 0xffff800000000000 ll\nr2 = 64\ncall 1\nexit",
    "r1 = r2\nr2 = 9\ncall 2\nexit",
    "r1 = 0xffff900000000100 ll\ncall 3\nexit",
];

fn all() {
    let mut world = World::new();
    addresses(&mut world);
    ENDLESS.iter().chain(&CROOKED).for_each(|text| world.text(text));
    for seed in 0..2_000 {
        let insns = generate::program(&mut Random::new(seed));
        for (engine, blind) in [(Engine::Interpreter, None), (Engine::Jit, None), (Engine::Jit, Some(seed))] {
            world.run(&insns, engine, blind, &format!("random program {seed}"));
        }
    }
}

/// Does nothing unless [`hostile_programs_stay_inside`] has called it.
#[test]
fn in_a_child() {
    if std::env::var_os(CHILD).is_some() {
        all();
    }
}

/// This program once more, by way of another perhaps, to run what may not come back.
fn child(by: Option<&str>) -> std::io::Result<Output> {
    let own = std::env::current_exe()?;
    let mut child = match by {
        Some(by) => Command::new(by),
        None => Command::new(&own),
    };
    child.args(by.map(|_| own)).args(["in_a_child", "--exact", "--nocapture"]).env(CHILD, "1").output()
}

#[test]
fn hostile_programs_stay_inside() {
    let jit = Image::new(
        &assemble("exit", Dialect::Kernel).expect("text").insns,
        &(),
        &Options { engine: Engine::Jit, ..Options::default() },
    );
    if jit.is_err_and(|e| e.no_jit()) {
        return println!("skipped: there is no jit for this machine");
    }
    // No system runs programs of a machine that is only emulated; what emulates it does.
    let output = child(None).or_else(|_| child(Some(&format!("qemu-{}", std::env::consts::ARCH))));
    let output = output.expect("a child");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{}: {}",
        output.status,
        text.lines().take(20).collect::<Vec<_>>().join("\n")
    );
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("1 passed"), "the child ran nothing: {told}");
}
