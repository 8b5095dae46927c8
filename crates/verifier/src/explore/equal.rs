//! Whether a state that was found safe covers another.
//!
//! Ids are compared up to renaming: what is linked in the old state has to be linked in the new one.

use crate::state::{ADD_CONST, Byte, Frame, Held, HeldKind, Holds, Kind, Reg, Slot, State};
use crate::structure::Aux;

/// How exactly states have to agree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Exact {
    /// What never mattered may differ.
    No,
    /// All registers count, by range.
    Within,
    /// Nothing may differ: for the detection of endless loops.
    Yes,
}

/// Pairs of ids that stand for each other.
pub(crate) struct IdMap {
    pairs: Vec<(u32, u32)>,
    fresh: u32,
    /// Numbers have to be the very same.
    deep: bool,
}

impl IdMap {
    pub(crate) fn new(next_id: u32, deep: bool) -> Self {
        Self { pairs: Vec::new(), fresh: next_id, deep }
    }

    fn reset(&mut self, next_id: u32) {
        self.pairs.clear();
        self.fresh = next_id;
    }

    fn matches(&mut self, old: u32, new: u32) -> bool {
        if (old == 0) != (new == 0) {
            return false;
        }
        if old == 0 {
            return true;
        }
        for (a, b) in &self.pairs {
            if *a == old {
                return *b == new;
            }
            if *b == new {
                return false;
            }
        }
        self.pairs.push((old, new));
        true
    }

    /// As [`IdMap::matches`], but a number without a link may stand for one with its own.
    fn matches_scalar(&mut self, old: u32, new: u32) -> bool {
        let mut own = |id: u32| {
            if id != 0 {
                return id;
            }
            self.fresh += 1;
            self.fresh
        };
        let (old, new) = (own(old), own(new));
        self.matches(old, new)
    }

    fn refs(&mut self, old: &Reg, new: &Reg) -> bool {
        self.matches(old.id, new.id) && self.matches(old.ref_id, new.ref_id)
    }
}

fn exact(old: &Reg, new: &Reg, ids: &mut IdMap) -> bool {
    old.same_but_ids(new) && ids.refs(old, new)
}

/// Whether `new` is covered by `old`.
fn reg_safe(old: &Reg, new: &Reg, ids: &mut IdMap, how: Exact) -> bool {
    if how == Exact::Yes {
        return exact(old, new, ids);
    }
    if old.kind == Kind::NotInit {
        return true;
    }
    if old.kind != new.kind || old.flags != new.flags {
        return false;
    }
    match old.kind {
        Kind::Scalar if ids.deep => {
            old.off == new.off && old.val == new.val && ids.matches_scalar(old.id, new.id)
        }
        Kind::Scalar => {
            if !old.precise && how == Exact::No {
                return true;
            }
            if !old.val.includes(&new.val) {
                return false;
            }
            // A number that was linked with nothing was safe alone: a link only says more of the new one.
            if old.id == 0 {
                return true;
            }
            let same_distance =
                (old.id ^ new.id) & ADD_CONST == 0 && (old.id & ADD_CONST == 0 || old.off == new.off);
            same_distance && ids.matches_scalar(old.id, new.id)
        }
        Kind::MapKey | Kind::MapValue | Kind::Mem | Kind::Buf | Kind::TpBuffer => {
            old.off == new.off
                && old.aux == new.aux
                && old.map_uid == new.map_uid
                && old.range == new.range
                && old.val.includes(&new.val)
                && ids.refs(old, new)
        }
        Kind::Packet | Kind::PacketMeta => {
            let range =
                if old.range < 0 || new.range < 0 { old.range == new.range } else { old.range <= new.range };
            range && old.off == new.off && ids.matches(old.id, new.id) && old.val.includes(&new.val)
        }
        _ => exact(old, new, ids),
    }
}

/// A register that stands for the slot's eight bytes, if they are one number or plain data.
fn as_scalar(slot: &Slot, allow_uninit: bool) -> Option<Reg> {
    if slot.is_whole_scalar() {
        Some(slot.reg)
    } else if slot.is_all_misc(allow_uninit) {
        Some(Reg::UNKNOWN)
    } else {
        None
    }
}

fn slot_safe(old: &Slot, new: Option<&Slot>, ids: &mut IdMap, how: Exact, uninit: bool) -> bool {
    if how != Exact::No && new.is_none_or(|n| n.bytes != old.bytes) {
        return false;
    }
    let ignored = |b: Byte| b == Byte::Invalid || uninit && b == Byte::Misc;
    if old.bytes.iter().all(|b| ignored(*b)) {
        return true;
    }
    let Some(new) = new else { return false };
    for i in 0..8 {
        let (a, b) = (old.bytes[i], new.bytes[i]);
        if ignored(a) {
            continue;
        }
        // Before bytes are looked at: one number against plain data.
        if let (Some(x), Some(y)) = (as_scalar(old, uninit), as_scalar(new, uninit)) {
            return reg_safe(&x, &y, ids, how);
        }
        if a == Byte::Misc && b == Byte::Zero {
            continue;
        }
        if a != b {
            return false;
        }
        match (i, a) {
            (7, Byte::Spill) => return reg_safe(&old.reg, &new.reg, ids, how),
            (7, Byte::IrqFlag) => return ids.matches(old.reg.ref_id, new.reg.ref_id),
            _ => {}
        }
    }
    true
}

fn frame_safe(old: &Frame, new: &Frame, live: u16, ids: &mut IdMap, how: Exact, uninit: bool) -> bool {
    if old.callback_depth > new.callback_depth {
        return false;
    }
    for (i, (a, b)) in old.regs.iter().zip(&new.regs).enumerate() {
        if live >> i & 1 == 1 && !reg_safe(a, b, ids, how) {
            return false;
        }
    }
    let same = |i: usize| old.stack.shares(&new.stack, i);
    let mut safe = |i: usize, s: &Slot| same(i) || slot_safe(s, new.stack.get(i), ids, how, uninit);
    match how {
        Exact::No => old.stack.written().all(|(i, s)| safe(i, s)),
        _ => old.stack.iter().enumerate().all(|(i, s)| safe(i, s)),
    }
}

fn holds_safe(old: &Holds, new: &Holds, ids: &mut IdMap) -> bool {
    if old.list.len() != new.list.len()
        || (old.locks, old.rcu, old.preempt) != (new.locks, new.rcu, new.preempt)
    {
        return false;
    }
    old.list.iter().zip(&new.list).all(|(a, b): (&Held, &Held)| match (a.kind, b.kind) {
        (HeldKind::Lock { owner: x, map: m }, HeldKind::Lock { owner: y, map: n }) => {
            x == y && m == n && ids.matches(a.id, b.id)
        }
        (x, y) => x == y && ids.matches(a.id, b.id),
    })
}

/// Compares whole states; `old` was found safe from its instruction on.
pub(crate) struct Comparer<'a> {
    pub(crate) aux: &'a [Aux],
    pub(crate) uninit: bool,
    pub(crate) next_id: u32,
    pub(crate) ids: IdMap,
}

impl Comparer<'_> {
    pub(crate) fn covers(&mut self, old: &State, new: &State, how: Exact) -> bool {
        if old.frames.len() != new.frames.len() || old.sleepable != new.sleepable {
            return false;
        }
        // What a guess was let do says nothing of what is really done.
        if old.speculative && !new.speculative {
            return false;
        }
        self.ids.reset(self.next_id);
        if !holds_safe(&old.holds, &new.holds, &mut self.ids) {
            return false;
        }
        for (i, (a, b)) in old.frames.iter().zip(&new.frames).enumerate() {
            if a.callsite != b.callsite {
                return false;
            }
            let live = self.aux[old.insn_of(i)].live;
            if !frame_safe(a, b, live, &mut self.ids, how, self.uninit) {
                return false;
            }
        }
        true
    }
}

/// Whether the running frames' registers are the very same: a loop that makes no progress looks so.
pub(crate) fn may_loop(old: &State, new: &State) -> bool {
    let same = |a: &Reg, b: &Reg| a.same_but_ids(b) && a.id == b.id && a.ref_id == b.ref_id;
    old.frames.len() == new.frames.len()
        && old.top().regs.iter().zip(&new.top().regs).all(|(a, b)| same(a, b))
}
