//! What a running program's calls work on: maps, time, chance, the packet, what was emitted.
//!
//! [`Env`] is the vm's [`Host`]. Everything that programs reach by address is in [`Memory`], which every call
//! is handed beside it; a helper is a function of both (see [`crate::helper`]).

use std::sync::Arc;

use skep_backend::Redirect;
use skep_isa::Size;
use skep_object::MapSpec;
use skep_vm::{Frame, Host, Image, Memory, RegionId, Step, Stop, Trap, map_handle, map_index};

use crate::errno::Errno;
use crate::events::Events;
use crate::helper;
use crate::hook::{skb::Skb, xdp::Buff};
use crate::map::MapOps;
use crate::observe::{Observer, Sight};
use crate::world::{Clock, Task};

/// A map of the loaded object.
pub(crate) struct LiveMap {
    pub(crate) name: Arc<str>,
    pub(crate) spec: MapSpec,
    pub(crate) ops: Box<dyn MapOps>,
    /// Its values.
    pub(crate) region: RegionId,
    /// A map of maps: lookups give handles.
    pub(crate) outer: bool,
    /// Closed to writes through bpf(2).
    pub(crate) frozen: bool,
    /// It could not be made, and no program needs it.
    pub(crate) absent: bool,
}

/// The packet of the current run.
pub(crate) enum Packet {
    /// There is none: plain memory or a raw context.
    None,
    Xdp(Buff),
    Skb(Skb),
}

/// The state that helpers share.
pub(crate) struct Env {
    pub(crate) maps: Vec<LiveMap>,
    /// Programs by their index in the Spec; a prog array holds this plus one.
    pub(crate) programs: Vec<Option<Arc<Image>>>,
    pub(crate) clock: Clock,
    /// Time of capture of the current packet.
    pub(crate) timestamp: u64,
    pub(crate) rng: Rng,
    pub(crate) cpu: u32,
    pub(crate) cpus: u32,
    pub(crate) task: Task,
    pub(crate) events: Events,
    pub(crate) packet: Packet,
    /// Eight bytes for what a callback is pointed to.
    pub(crate) cell: RegionId,
    pub(crate) redirect: Option<Redirect>,
    /// Where keys and values are copied to while a map changes.
    pub(crate) scratch: Vec<u8>,
    /// Names of what is missing, for traps.
    pub(crate) missing: Vec<String>,
    /// Who looks on.
    pub(crate) observer: Option<Observer>,
}

impl Env {
    /// The time in nanoseconds.
    pub(crate) fn now(&self) -> u64 {
        match &self.clock {
            Clock::Capture => self.timestamp,
            Clock::Fixed(ns) => *ns,
            Clock::Source(source) => source(),
        }
    }

    /// The map that a program names by its handle.
    #[inline]
    pub(crate) fn map(&mut self, handle: u64) -> Result<&mut LiveMap, Stop> {
        match map_index(handle).and_then(|i| self.maps.get_mut(i as usize)) {
            Some(map) => Ok(map),
            None => Err(Trap::host(format!("{handle:#x} is not a map")).into()),
        }
    }

    /// The packet as XDP has it.
    pub(crate) fn xdp(&mut self) -> Result<&mut Buff, Stop> {
        match &mut self.packet {
            Packet::Xdp(buff) => Ok(buff),
            _ => Err(Trap::host("the helper needs an xdp context").into()),
        }
    }

    /// The packet as a socket buffer.
    pub(crate) fn skb(&mut self) -> Result<&mut Skb, Stop> {
        match &mut self.packet {
            Packet::Skb(skb) => Ok(skb),
            _ => Err(Trap::host("the helper needs a __sk_buff context").into()),
        }
    }
}

impl LiveMap {
    /// The handle under which programs know the map with this id, its index plus one.
    pub(crate) fn handle_of_id(id: u32) -> u64 {
        id.checked_sub(1).map_or(0, map_handle)
    }

    /// Address of what a program's lookup finds, 0 if nothing.
    #[inline]
    pub(crate) fn lookup(&mut self, memory: &Memory, key: &[u8], cpu: u32) -> u64 {
        let Some(slab) = memory.storage(self.region) else { return 0 };
        if self.outer {
            return self.ops.target(slab, key).map_or(0, Self::handle_of_id);
        }
        match self.ops.lookup(slab, key, cpu) {
            Ok(offset) => self.region.base() + offset as u64,
            Err(_) => 0,
        }
    }

    /// The map's value memory, whoever may write to it.
    pub(crate) fn slab<'m>(&self, memory: &'m mut Memory) -> Result<&'m mut [u8], Errno> {
        memory.storage_mut(self.region).map_err(|_| Errno::EFAULT)
    }
}

impl Host for Env {
    #[inline]
    fn call(&mut self, index: u32, args: [u64; 5], frame: &mut Frame<'_>) -> Result<u64, Stop> {
        match helper::ROWS.get(index as usize) {
            Some(row) => (row.run)(self, frame, args),
            None => match helper::kfunc::get(index) {
                Some(run) => run(self, frame, args),
                None => Err(self.missing(index)),
            },
        }
    }

    #[inline]
    fn quick(&mut self, index: u32, args: [u64; 5], memory: &Memory) -> Option<u64> {
        (helper::ROWS.get(index as usize)?.quick?)(self, memory, args)
    }

    fn helper_index(&self, id: u64) -> Option<u32> {
        let kind = match self.packet {
            Packet::None => helper::Context::Any,
            Packet::Xdp(_) => helper::Context::Xdp,
            Packet::Skb(_) => helper::Context::Skb,
        };
        helper::find(u32::try_from(id).ok()?, kind)
    }

    fn observe(&mut self, step: &Step<'_>) {
        if let Some(observer) = &self.observer {
            observer.look(&Sight { step, env: self });
        }
    }

    fn load_packet(&mut self, memory: &Memory, offset: i32, size: Size) -> Option<u64> {
        match &self.packet {
            Packet::Skb(skb) => skb.load(memory, offset, size),
            _ => None,
        }
    }
}

impl Env {
    #[cold]
    fn missing(&self, index: u32) -> Stop {
        let at = index.wrapping_sub(helper::MISSING) as usize;
        let what = self.missing.get(at).map_or("the function called is not available", |s| s);
        Trap::host(what).into()
    }
}

/// A small generator (splitmix64, Steele, Lea and Flood 2014): seeded, so that runs repeat.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next_u32(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) as u32
    }
}
