//! Every recorded fact against what happens: called before each instruction of a run.

use std::sync::Arc;

use skep_abi::{Arg, HelperId, MapType};
use skep_isa::{CallTarget, Op, Reg, Size};
use skep_runtime::Sight;
use skep_verifier::Verified;
use skep_verifier::facts::{Arms, Call, Frame, MapRef, Region, Span, Target, Value};
use skep_vm::{RegionId, map_handle};

/// What has to hold of the next instruction of a frame.
#[derive(Clone, Copy)]
enum Next {
    /// A conditional jump stood at this slot; where it goes if taken.
    Branch { slot: usize, taken: usize, arms: Arms },
    /// A lookup that never misses.
    Found { slot: usize },
}

/// Looks on at the runs of one program.
pub(super) struct Checker {
    verified: Verified,
    ops: Vec<Option<Op>>,
    /// What registers and stack slots hold, by slot.
    values: Vec<Option<Frame>>,
    /// Address of the context.
    ctx: u64,
    next: Option<(usize, Next)>,
    /// Instructions that were looked at.
    pub(super) steps: u64,
    /// The first fact that did not hold.
    pub(super) broken: Option<String>,
}

impl Checker {
    /// A checker for the runs of a program.
    pub(super) fn new(verified: Verified) -> Self {
        let insns = &verified.task().insns;
        let mut ops = vec![None; insns.len()];
        for (slot, op) in skep_isa::decode_all(insns).unwrap_or_default() {
            ops[slot] = Some(op);
        }
        let mut values = vec![None; insns.len()];
        verified.values().each(|slot, frame| values[slot] = Some(frame.clone()));
        let broken =
            verified.values().check().err().map(|slot| format!("values are not kept by the block at {slot}"));
        Self { verified, ops, values, ctx: 0, next: None, steps: 0, broken }
    }

    /// A run begins.
    pub(super) fn begin(&mut self) {
        self.next = None;
        self.ctx = 0;
    }

    /// Holds the facts of one instruction against what is there.
    pub(super) fn look(&mut self, sight: &Sight<'_>) {
        self.steps += 1;
        if self.broken.is_some() {
            return;
        }
        if self.ctx == 0 {
            self.ctx = sight.step.regs[1];
        }
        if let Err(what) = self.one(sight) {
            let (slot, depth) = (sight.step.slot, sight.step.depth);
            self.broken = Some(format!("instruction {slot} at depth {depth}: {what}"));
        }
    }

    fn one(&mut self, sight: &Sight<'_>) -> Result<(), String> {
        let step = sight.step;
        if let Some((depth, next)) = self.next.take() {
            self.follows(depth, next, sight)?;
        }
        let facts = Arc::clone(self.verified.facts());
        let at = facts.at(step.slot);
        if !at.reached() {
            return Err("was told to be never reached".into());
        }
        let Some(op) = self.ops.get(step.slot).copied().flatten() else {
            return Err("is no instruction".into());
        };
        self.held(sight)?;
        if let (Some(region), Some((base, off, size))) = (at.access(), accessed(&op)) {
            let addr = step.regs[base.index()].wrapping_add(i64::from(off) as u64);
            self.inside(region, addr, size.bytes() as u64, sight)?;
        }
        match op {
            Op::Branch { off, .. } => {
                if let Some(arms) = at.branch() {
                    let taken = (step.slot as i64 + 1 + i64::from(off)) as usize;
                    self.next = Some((step.depth, Next::Branch { slot: step.slot, taken, arms }));
                }
            }
            Op::Call(CallTarget::Helper(id)) => {
                if let Some(call) = at.call() {
                    self.called(id, call, sight)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// What registers and stack slots hold.
    fn held(&self, sight: &Sight<'_>) -> Result<(), String> {
        let step = sight.step;
        let Some(frame) = &self.values[step.slot] else {
            return Err("has no values".into());
        };
        for (i, value) in frame.regs.iter().enumerate() {
            self.holds(value, step.regs[i], sight)
                .map_err(|what| format!("r{i} is {:#x}, which is not {what}", step.regs[i]))?;
        }
        let top = RegionId::frame(step.depth).base() + skep_vm::FRAME_BYTES as u64;
        for offset in (1..=64).map(|i| -8 * i) {
            let value = frame.slot(offset);
            if value.is_unknown() {
                continue;
            }
            let have = step.memory.read_u64(top.wrapping_add(offset as u64)).map_err(|e| e.to_string())?;
            self.holds(&value, have, sight)
                .map_err(|what| format!("the stack at {offset} holds {have:#x}, which is not {what}"))?;
        }
        Ok(())
    }

    /// Whether 64 bits are what a value says; if not, what it says.
    fn holds(&self, value: &Value, have: u64, sight: &Sight<'_>) -> Result<(), String> {
        let pointer = match value {
            Value::Number(n) if n.contains(have) => return Ok(()),
            Value::Number(n) => return Err(format!("{n:?}")),
            Value::Pointer(p) if p.nullable && have == 0 => return Ok(()),
            Value::Pointer(p) => p,
        };
        let base = match pointer.to {
            Target::Ctx => self.ctx,
            Target::Stack(up) => match sight.step.depth.checked_sub(up as usize) {
                Some(depth) => RegionId::frame(depth).base() + skep_vm::FRAME_BYTES as u64,
                None => return Err(format!("a frame {up} calls up")),
            },
            Target::Packet => sight.packet().unwrap_or(0),
            Target::Map(map) => match self.verified.facts().declared(map) {
                Some(i) => map_handle(i as u32),
                None => return Ok(()),
            },
            Target::Function(slot) => skep_vm::function_address(slot),
            Target::MapValue(map) => {
                let index = self.verified.facts().declared(map);
                let region = index.and_then(|i| sight.map_region(i));
                if region.is_some() && RegionId::of(have) != region {
                    return Err(format!("{pointer:?}"));
                }
                return Ok(());
            }
            _ => return Ok(()),
        };
        if pointer.offset.contains(have.wrapping_sub(base)) {
            return Ok(());
        }
        Err(format!("{pointer:?}"))
    }

    fn follows(&self, depth: usize, next: Next, sight: &Sight<'_>) -> Result<(), String> {
        let step = sight.step;
        if step.depth != depth {
            return Ok(());
        }
        match next {
            Next::Branch { slot, taken, arms } => {
                let (through, jumped) = (step.slot == slot + 1, step.slot == taken);
                let fine = arms.taken && jumped || arms.falls && through;
                if fine { Ok(()) } else { Err(format!("was never to come from the branch at {slot}")) }
            }
            Next::Found { slot } if step.slot == slot + 1 && step.regs[0] == 0 => {
                Err(format!("the lookup at {slot} was never to miss"))
            }
            Next::Found { .. } => Ok(()),
        }
    }

    fn called(&mut self, id: i32, call: &Call, sight: &Sight<'_>) -> Result<(), String> {
        let step = sight.step;
        let declared = call.map.and_then(|m| self.verified.facts().declared(m));
        let args = u32::try_from(id).ok().and_then(|id| HelperId(id).row()).map_or(&[][..], |row| row.args);
        if let (Some(map), Some(Arg::Map)) = (declared, args.first())
            && step.regs[1] != map_handle(map as u32)
        {
            return Err(format!("r1 was to be map {map}, and is {:#x}", step.regs[1]));
        }
        if let Some(key) = call.key {
            let have =
                step.memory.read_u32(step.regs[2]).map_err(|e| format!("the key can't be read: {e}"))?;
            if u64::from(have) != key {
                return Err(format!("the key was to be {key}, and is {have}"));
            }
        }
        for (i, passed) in call.args.iter().enumerate() {
            let Some(passed) = passed else { continue };
            let addr = step.regs[i + 1];
            let mut size = u64::from(passed.size);
            if let Some(Arg::Size | Arg::SizeOrZero) = args.get(i + 1) {
                let given = step.regs[i + 2];
                if given > size {
                    return Err(format!("r{} was to be at most {size}, and is {given}", i + 2));
                }
                size = given;
            }
            if addr != 0 {
                self.inside(passed.region, addr, size, sight)?;
            }
        }
        if call.finds {
            self.next = Some((step.depth, Next::Found { slot: step.slot }));
        }
        Ok(())
    }

    /// Whether an access of `size` bytes at `addr` is where a region says.
    fn inside(&self, region: Region, addr: u64, size: u64, sight: &Sight<'_>) -> Result<(), String> {
        let within = |what: &str, base: u64, span: Span| {
            let offset = addr.wrapping_sub(base) as i64;
            if span.contains(offset) {
                return Ok(());
            }
            Err(format!("was to touch {what} at {} to {}, and does at {offset}", span.min, span.max))
        };
        match region {
            Region::Stack { up, offset } => {
                let Some(depth) = sight.step.depth.checked_sub(up as usize) else {
                    return Err(format!("was to touch the stack {up} frames up"));
                };
                let top = RegionId::frame(depth).base() + skep_vm::FRAME_BYTES as u64;
                within("the stack", top, offset)
            }
            Region::Ctx { offset } => within("the context", self.ctx, offset),
            Region::Packet { offset } => within("the packet", sight.packet().unwrap_or(0), offset),
            Region::PacketMeta { .. } if RegionId::of(addr) != Some(RegionId::PACKET) => {
                Err(format!("was to touch the packet, and does {addr:#x}"))
            }
            Region::MapValue { map, offset } => self.in_value(map, offset, addr, size, sight),
            _ => Ok(()),
        }
    }

    /// Whether an access is inside of a value, at these offsets from its start.
    fn in_value(
        &self,
        map: MapRef,
        span: Span,
        addr: u64,
        size: u64,
        sight: &Sight<'_>,
    ) -> Result<(), String> {
        let facts = self.verified.facts();
        let (Some(index), Some(shape)) = (facts.declared(map), facts.maps().get(map.0 as usize)) else {
            return Ok(());
        };
        let region = sight.map_region(index);
        if region.is_none() || RegionId::of(addr) != region {
            return Err(format!("was to touch a value of map {index}, and does {addr:#x}"));
        }
        let round8 = |n: u32| u64::from(n).next_multiple_of(8);
        let value = round8(shape.value_size);
        let (before, element) = match shape.map_type {
            MapType::ARRAY | MapType::PERCPU_ARRAY => (0, value),
            MapType::HASH | MapType::PERCPU_HASH => (round8(shape.key_size), round8(shape.key_size) + value),
            _ => return Ok(()),
        };
        let offset = (addr as u32 as u64 % element).wrapping_sub(before) as i64;
        if span.contains(offset) && offset as u64 + size <= u64::from(shape.value_size) {
            return Ok(());
        }
        Err(format!(
            "was to touch a value of map {index} at {} to {}, and does at {offset}",
            span.min, span.max
        ))
    }
}

/// Base register, offset and size of an access.
fn accessed(op: &Op) -> Option<(Reg, i16, Size)> {
    match *op {
        Op::Load { size, src, off, .. } | Op::LoadAcquire { size, src, off, .. } => Some((src, off, size)),
        Op::Store { size, dst, off, .. }
        | Op::StoreRelease { size, dst, off, .. }
        | Op::Atomic { size, dst, off, .. } => Some((dst, off, size)),
        _ => None,
    }
}
