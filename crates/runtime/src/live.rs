//! A loaded object that runs: [`Live`], the [`skep_backend::Loaded`] of this world.
//!
//! A run lays the packet and its context into the machine's memory, enters the program, and leaves everything
//! where it is, to be looked at. Nothing is allocated for a packet once buffers have grown to its size.

use std::sync::Arc;
use std::time::Instant;

use skep_abi::ProgType;
use skep_backend::{Each, Error, ErrorKind, Event, Incoming, Map, Outcome, TestOutput, TestRun};
use skep_vm::{Image, Lot, Machine, MemoryError, RegionId, Trap};

use crate::core::Core;
use crate::env::Packet;
use crate::helper::Context;
use crate::hook::{ETH_HLEN, plain, socket, tc, xdp};
use crate::world::{Layer, World};

/// How a program is run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Xdp,
    Tc,
    CgroupSkb,
    Socket(Layer),
    /// On memory or a raw context.
    Plain,
}

impl Kind {
    /// The context that its helpers work on.
    pub(crate) fn context(self) -> Context {
        match self {
            Self::Xdp => Context::Xdp,
            Self::Tc | Self::CgroupSkb | Self::Socket(_) => Context::Skb,
            Self::Plain => Context::Any,
        }
    }
}

/// A program that was loaded.
pub(crate) struct Loaded {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) prog_type: Option<ProgType>,
    pub(crate) image: Arc<Image>,
    /// Many packets may be run in one call of the machine.
    pub(crate) batches: bool,
    /// What CO-RE could not answer, by slot.
    pub(crate) poisoned: Vec<(usize, String)>,
}

/// Regions that runs need besides the packet's.
pub(crate) struct Regions {
    pub(crate) xdp: RegionId,
    pub(crate) skb: RegionId,
    /// Plain memory or a raw context.
    pub(crate) plain: RegionId,
    pub(crate) cell: RegionId,
}

/// A loaded object: its maps hold what its programs put there until it is dropped.
pub struct Live {
    core: Core,
    machine: Machine,
    programs: Vec<Loaded>,
    regions: Regions,
    ifindex: u32,
    rx_queue: u32,
    lots: Vec<Lot>,
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let programs: Vec<_> = self.programs.iter().map(|p| &p.name).collect();
        let maps: Vec<_> = self.core.env.maps.iter().map(|m| &m.name).collect();
        f.debug_struct("Live").field("programs", &programs).field("maps", &maps).finish_non_exhaustive()
    }
}

/// How many packets are laid at once: their bytes stay in the nearest cache.
const LOTS: usize = 64;

/// What r1 and r2 are at entry.
type Entry = [u64; 2];

impl Live {
    pub(crate) fn new(world: &World, core: Core, programs: Vec<Loaded>, regions: Regions) -> Self {
        let mut machine = Machine::new();
        machine.set_budget(world.budget);
        Self {
            core,
            machine,
            programs,
            regions,
            ifindex: world.ifindex,
            rx_queue: world.rx_queue,
            lots: Vec::new(),
        }
    }

    fn find(&self, name: &str) -> Result<usize, Error> {
        let found = self.programs.iter().position(|p| p.name == name);
        found.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("no program `{name}` is loaded")))
    }

    /// A program as it was compiled.
    pub fn image(&self, prog: &str) -> Option<&Image> {
        self.programs.iter().find(|p| p.name == prog).map(|p| &*p.image)
    }

    /// Whether a program was compiled without the checks that the verifier proved to be needless.
    pub fn is_proved(&self, prog: &str) -> bool {
        self.programs.iter().any(|p| p.name == prog && p.image.is_proved())
    }

    /// Runs an XDP program over a few packets in one call of the machine. Whether it was done.
    fn run_batch(
        &mut self,
        program: usize,
        packets: &[Incoming<'_>],
        first: usize,
        each: &mut Each<'_>,
    ) -> bool {
        let context = self.regions.xdp;
        let given = xdp::Given { ifindex: self.ifindex, rx_queue: self.rx_queue, meta: 0 };
        let core = &mut self.core;
        if xdp::lay_batch(&mut core.memory, context, packets, given, &mut self.lots).is_err() {
            return false;
        }
        (core.env.packet, core.env.redirect) = (Packet::None, None);
        let image = &self.programs[program].image;
        let mut traps: Vec<(usize, Trap)> = Vec::new();
        let mut failed = |i, trap| traps.push((i, trap));
        let (memory, env) = (&mut core.memory, &mut core.env);
        if self.machine.run_batch(image, memory, env, context, &mut self.lots, &mut failed).is_err() {
            return false;
        }
        let storage = self.core.memory.storage(RegionId::PACKET).unwrap_or(&[]);
        let mut traps = traps.into_iter().peekable();
        for (i, lot) in self.lots.iter().enumerate() {
            let outcome = match traps.peek() {
                Some((at, trap)) if *at == i => Err(self.trapped(program, trap)),
                _ => Ok(Outcome { retval: lot.retval.into(), redirect: None }),
            };
            if outcome.is_err() {
                traps.next();
            }
            each(first + i, outcome, xdp::lot_in(storage, lot));
        }
        true
    }

    /// Runs a program on what has been laid.
    fn enter(&mut self, program: usize, entry: Entry) -> Result<u64, Error> {
        let loaded = &self.programs[program];
        let core = &mut self.core;
        let args = [entry[0], entry[1], 0, 0, 0];
        let run = self.machine.run(&loaded.image, &mut core.memory, &mut core.env, args);
        run.map_err(|trap| self.trapped(program, &trap))
    }

    #[cold]
    fn trapped(&self, program: usize, trap: &Trap) -> Error {
        let name = &self.programs[program].name;
        let Some(place) = trap.place() else {
            return Error::new(ErrorKind::Trapped, format!("program `{name}`: {}", trap.kind()));
        };
        let stopped = self.programs.iter().find(|p| p.name == *place.image);
        let poison = stopped.and_then(|p| p.poisoned.iter().find(|(slot, _)| *slot == place.slot));
        let why = match poison {
            Some((_, why)) => format!("the types of this world do not have what CO-RE asks for: {why}"),
            None => trap.kind().to_string(),
        };
        let message = format!("program `{}`: {why} (instruction {})", place.image, place.slot);
        Error::new(ErrorKind::Trapped, message).at(&*place.image, place.slot)
    }

    /// Lays a packet for a program.
    fn lay_packet(&mut self, kind: Kind, packet: &[u8], ctx: Option<&[u8]>) -> Result<Entry, Error> {
        if packet.len() < ETH_HLEN {
            let message = format!("a packet of {} bytes is shorter than an Ethernet header", packet.len());
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        let core = &mut self.core;
        let endian = core.memory.endian();
        let wrong = |why: &str| Error::new(ErrorKind::Invalid, format!("context: {why}"));
        let region = if kind == Kind::Xdp { self.regions.xdp } else { self.regions.skb };
        let laid = if kind == Kind::Xdp {
            let given = match ctx {
                Some(ctx) => xdp::Given::from_ctx(ctx, packet.len(), endian).map_err(wrong)?,
                None => xdp::Given { ifindex: self.ifindex, rx_queue: self.rx_queue, meta: 0 },
            };
            xdp::Buff::lay(&mut core.memory, region, packet, given).map(Packet::Xdp)
        } else {
            let start = match kind {
                Kind::Socket(layer) => socket::start(layer),
                Kind::CgroupSkb => ETH_HLEN,
                _ => 0,
            };
            let fields =
                tc::context(ctx, packet, packet.len() - start, self.ifindex, endian).map_err(wrong)?;
            let laid = match kind {
                Kind::Socket(layer) => socket::lay(&mut core.memory, region, packet, &fields, layer),
                _ => tc::lay(&mut core.memory, region, packet, &fields, start),
            };
            laid.map(Packet::Skb)
        };
        core.env.packet = laid.map_err(no_room)?;
        Ok([region.base(), 0])
    }

    /// Lays whatever an input holds for a program.
    fn lay(&mut self, program: usize, input: &TestRun<'_>) -> Result<Entry, Error> {
        let kind = self.programs[program].kind;
        let core = &mut self.core;
        core.env.timestamp = input.timestamp_ns.unwrap_or(0);
        core.env.redirect = None;
        if let Some(mem) = input.mem {
            core.env.packet = Packet::None;
            plain::lay(&mut core.memory, self.regions.plain, mem).map_err(no_room)?;
            let base = if mem.is_empty() { 0 } else { self.regions.plain.base() };
            return Ok([base, mem.len() as u64]);
        }
        if kind != Kind::Plain {
            return self.lay_packet(kind, input.packet, input.ctx);
        }
        if !input.packet.is_empty() {
            return Err(self.takes_no_packet(program));
        }
        core.env.packet = Packet::None;
        let ctx = input.ctx.unwrap_or(&[]);
        plain::lay(&mut core.memory, self.regions.plain, ctx).map_err(no_room)?;
        Ok([if ctx.is_empty() { 0 } else { self.regions.plain.base() }, 0])
    }

    #[cold]
    fn takes_no_packet(&self, program: usize) -> Error {
        let loaded = &self.programs[program];
        let message = match loaded.prog_type {
            Some(t) => format!("program `{}`: programs of type {t} take no packets here", loaded.name),
            None => format!("program `{}` has no type, so there is no telling what it takes", loaded.name),
        };
        let hint = "give it a context or memory, or the type of a packet program";
        Error::new(ErrorKind::Unsupported, message).with_hint(hint)
    }

    fn output(&self, retval: u64, input: &TestRun<'_>, duration_ns: u64) -> TestOutput {
        let memory = &self.core.memory;
        let plain = || memory.storage(self.regions.plain).map(<[u8]>::to_vec);
        let redirect = self.core.env.redirect.clone();
        let mut out = TestOutput { retval, duration_ns, redirect, ..TestOutput::default() };
        match &self.core.env.packet {
            Packet::Xdp(buff) => {
                out.retval = u64::from(retval as u32);
                out.packet = buff.bytes(memory).to_vec();
                out.meta = buff.meta(memory).to_vec();
                out.ctx = Some(buff.ctx_out(memory));
            }
            Packet::Skb(skb) => {
                out.retval = u64::from(retval as u32);
                out.packet = skb.frame(memory).to_vec();
                out.ctx = memory.storage(self.regions.skb).map(<[u8]>::to_vec);
            }
            Packet::None if input.mem.is_some() => out.mem = plain(),
            Packet::None => out.ctx = plain(),
        }
        out
    }
}

fn no_room(error: MemoryError) -> Error {
    Error::new(ErrorKind::Os(12), format!("the input finds no room: {error}"))
}

impl skep_backend::Loaded for Live {
    fn programs(&self) -> Vec<String> {
        self.programs.iter().map(|p| p.name.clone()).collect()
    }

    fn maps(&self) -> Vec<String> {
        self.core.env.maps.iter().filter(|m| !m.absent).map(|m| m.name.to_string()).collect()
    }

    fn map(&mut self, name: &str) -> Option<&mut dyn Map> {
        self.core.map(name)
    }

    fn test_run(&mut self, prog: &str, input: &TestRun<'_>) -> Result<TestOutput, Error> {
        let program = self.find(prog)?;
        let times = input.repeat.max(1);
        let mut retval = 0;
        let start = Instant::now();
        for _ in 0..times {
            let entry = self.lay(program, input)?;
            retval = self.enter(program, entry)?;
        }
        let duration = start.elapsed().as_nanos() / u128::from(times);
        Ok(self.output(retval, input, duration as u64))
    }

    fn run_packet(
        &mut self,
        program: usize,
        packet: &[u8],
        timestamp_ns: Option<u64>,
    ) -> Result<Outcome, Error> {
        let Some(loaded) = self.programs.get(program) else {
            return Err(Error::new(ErrorKind::NotFound, format!("no program has the number {program}")));
        };
        if loaded.kind == Kind::Plain {
            return Err(self.takes_no_packet(program));
        }
        let kind = loaded.kind;
        self.core.env.timestamp = timestamp_ns.unwrap_or(0);
        self.core.env.redirect = None;
        let entry = self.lay_packet(kind, packet, None)?;
        let retval = self.enter(program, entry)?;
        Ok(Outcome { retval: u64::from(retval as u32), redirect: self.core.env.redirect.take() })
    }

    fn run_packets(&mut self, program: usize, packets: &[Incoming<'_>], each: &mut Each<'_>) {
        let batches = self.programs.get(program).is_some_and(|p| p.batches);
        for (n, some) in packets.chunks(LOTS).enumerate() {
            let whole = some.iter().all(|p| p.data.len() >= ETH_HLEN);
            if batches && whole && self.run_batch(program, some, n * LOTS, each) {
                continue;
            }
            for (i, packet) in some.iter().enumerate() {
                let outcome = self.run_packet(program, packet.data, packet.timestamp_ns);
                each(n * LOTS + i, outcome, self.packet());
            }
        }
    }

    fn packet(&self) -> &[u8] {
        let memory = &self.core.memory;
        match &self.core.env.packet {
            Packet::None => &[],
            Packet::Xdp(buff) => buff.bytes(memory),
            Packet::Skb(skb) => skb.frame(memory),
        }
    }

    fn take_events(&mut self) -> Vec<Event> {
        self.core.take_events()
    }
}
