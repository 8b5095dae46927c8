//! What exploration tells of each instruction as it goes.
//!
//! One note a slot, joined over every visit. Nothing is noted unless somebody asks for facts.

use super::access::{Arms, Call, MapRef, Passed, Region, Span};
use super::flow::Value;
use crate::state::{Flags, Kind, Reg};

/// What was seen of one slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Note {
    /// Nothing that is noted here.
    #[default]
    Nothing,
    /// A load, a store or an atomic operation.
    Access(Region),
    /// A call of a helper: an index into the calls.
    Call(u32),
    /// A conditional jump.
    Branch(Arms),
}

/// The notes of a verification.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    pub(crate) notes: Vec<Note>,
    pub(crate) calls: Vec<Call>,
}

/// Where a pointer points, `off` bytes on, as the frame `cur` sees it.
pub(crate) fn region(r: &Reg, off: i64, cur: usize) -> Region {
    let base = i64::from(r.off) + off;
    let offset = Span { min: r.val.smin.saturating_add(base), max: r.val.smax.saturating_add(base) };
    match r.kind {
        Kind::Stack => Region::Stack { up: (cur as u32).wrapping_sub(r.aux), offset },
        Kind::Ctx => Region::Ctx { offset },
        Kind::Packet => Region::Packet { offset },
        Kind::PacketMeta => Region::PacketMeta { offset },
        Kind::MapValue => Region::MapValue { map: MapRef(r.aux), offset },
        Kind::MapKey => Region::MapKey { map: MapRef(r.aux), offset },
        Kind::Mem => Region::Mem { size: Some(r.aux), offset, record: r.flags.has(Flags::RINGBUF) },
        Kind::FlowKeys | Kind::Socket | Kind::SockCommon | Kind::TcpSock | Kind::XdpSock => {
            Region::Object { offset }
        }
        Kind::TpBuffer => Region::TracepointBuffer { offset },
        _ => Region::Mixed,
    }
}

impl Recorder {
    pub(crate) fn new(slots: usize) -> Self {
        Self { notes: vec![Note::Nothing; slots], calls: Vec::new() }
    }

    /// The call at `pc`, made when first asked for.
    fn call(&mut self, pc: usize) -> &mut Call {
        let at = match self.notes[pc] {
            Note::Call(at) => at,
            _ => {
                self.calls.push(Call::default());
                let at = self.calls.len() as u32 - 1;
                self.notes[pc] = Note::Call(at);
                at
            }
        };
        &mut self.calls[at as usize]
    }

    /// An access through `r`, before its destination is written.
    pub(crate) fn access(&mut self, pc: usize, at: Region) {
        let note = &mut self.notes[pc];
        *note = match *note {
            Note::Nothing => Note::Access(at),
            Note::Access(before) => Note::Access(before.join(at)),
            // What a call fills is told as its argument.
            other => other,
        };
    }

    /// Memory that is passed in register `reg`.
    pub(crate) fn passed(&mut self, pc: usize, reg: usize, region: Region, size: i64) {
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        let arg = &mut self.call(pc).args[reg - 1];
        *arg = Some(match *arg {
            None => Passed { region, size },
            Some(p) => Passed { region: p.region.join(region), size: p.size.max(size) },
        });
    }

    /// A helper was called, with this map and this constant key.
    pub(crate) fn called(
        &mut self,
        pc: usize,
        map: Option<u32>,
        key: Option<u64>,
        finds: bool,
        result: Value,
    ) {
        let c = self.call(pc);
        let map = map.map(MapRef);
        if !c.seen {
            (c.map, c.key, c.finds, c.result, c.seen) = (map, key, finds, Some(result), true);
            return;
        }
        c.map = c.map.filter(|_| c.map == map);
        c.key = c.key.filter(|_| c.key == key);
        c.finds &= finds;
        c.result = c.result.map(|r| r.join(&result));
    }

    /// A conditional jump goes these ways.
    pub(crate) fn branch(&mut self, pc: usize, taken: bool, falls: bool) {
        let mut arms = match self.notes[pc] {
            Note::Branch(arms) => arms,
            _ => Arms::default(),
        };
        arms.taken |= taken;
        arms.falls |= falls;
        self.notes[pc] = Note::Branch(arms);
    }
}
