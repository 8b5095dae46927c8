//! Which stack slots may still be read, per call chain.
//!
//! While paths are explored, each (call chain, instruction) gathers the slots that it may read (their
//! union over visits) and those that it always writes whole (their intersection). When a path ends,
//! live variables are computed backwards over the subprogram, and what its entry needs and surely
//! writes is handed to the call in the outer chain. A slot that is not live in a finished state is
//! forgotten there, which lets more states compare equal.

use std::collections::HashMap;

use crate::state::State;
use crate::structure::{Slot, Subprog, find_subprog, successors};

const FRAMES: usize = 8;

#[derive(Clone, Copy, Default)]
struct Masks {
    may_read: u64,
    must_write: u64,
    must_write_acc: u64,
    live_before: u64,
}

/// Call sites from the outermost frame, then the subprogram that runs.
type Chain = Vec<u32>;

struct Instance {
    outer: Option<(usize, usize)>,
    start: usize,
    len: usize,
    frames: Vec<Option<Vec<Masks>>>,
    write_seen: Vec<bool>,
    updated: bool,
    write_dropped: bool,
}

impl Instance {
    fn masks(&self, frame: usize, insn: usize) -> Masks {
        match &self.frames[frame] {
            Some(m) => m[insn - self.start],
            None => Masks::default(),
        }
    }

    fn masks_mut(&mut self, frame: usize, insn: usize) -> &mut Masks {
        let len = self.len;
        &mut self.frames[frame].get_or_insert_with(|| vec![Masks::default(); len])[insn - self.start]
    }

    fn read(&mut self, frame: usize, insn: usize, mask: u64) {
        if self.masks(frame, insn).may_read & mask != mask {
            self.masks_mut(frame, insn).may_read |= mask;
            self.updated = true;
        }
    }

    fn commit(&mut self, insn: usize, written: &[u64; FRAMES]) {
        let seen = self.write_seen[insn - self.start];
        for (frame, mask) in written.iter().enumerate().take(self.frames.len()) {
            let mut mask = *mask;
            if mask == 0 && !seen {
                continue;
            }
            let old = self.masks(frame, insn).must_write;
            if seen {
                mask &= old;
            }
            if old != mask {
                self.masks_mut(frame, insn).must_write = mask;
                self.updated = true;
            }
            self.write_dropped |= old & !mask != 0;
        }
        self.write_seen[insn - self.start] = true;
    }

    /// Recomputes what is live; true if it was out of date.
    fn propagate(&mut self, slots: &[Slot]) {
        let (start, len) = (self.start, self.len);
        let dropped = self.write_dropped;
        for masks in self.frames.iter_mut().flatten() {
            if dropped {
                for m in masks.iter_mut() {
                    m.live_before = 0;
                    m.must_write_acc = 0;
                }
            }
            let mut changed = true;
            while changed {
                changed = false;
                for i in (start..start + len).rev() {
                    let (mut after, mut acc, mut any) = (0, u64::MAX, false);
                    for s in successors(slots, i) {
                        any = true;
                        after |= masks[s - start].live_before;
                        acc &= masks[s - start].must_write_acc;
                    }
                    if !any {
                        continue;
                    }
                    let m = &mut masks[i - start];
                    let before = after & !m.must_write | m.may_read;
                    acc |= m.must_write;
                    changed |= before != m.live_before || acc != m.must_write_acc;
                    m.live_before = before;
                    m.must_write_acc = acc;
                }
            }
        }
        self.updated = false;
        self.write_dropped = false;
    }
}

/// The analysis.
#[derive(Default)]
pub(crate) struct StackLive {
    ids: HashMap<Chain, usize>,
    instances: Vec<Instance>,
    /// Instance of the running chain, until the chain changes.
    current: Option<usize>,
    write_insn: usize,
    written: [u64; FRAMES],
}

impl StackLive {
    /// The chain of the frames `0..=top` of a state.
    fn chain(state: &State, top: usize) -> Chain {
        let mut chain: Chain = state.frames[1..=top].iter().map(|f| f.callsite as u32).collect();
        chain.push(state.frames[top].subprog as u32);
        chain
    }

    fn instance(&mut self, state: &State, top: usize, subprogs: &[Subprog]) -> usize {
        let chain = Self::chain(state, top);
        if let Some(id) = self.ids.get(&chain) {
            return *id;
        }
        let outer = (top > 0).then(|| (self.instance(state, top - 1, subprogs), state.frames[top].callsite));
        let s = &subprogs[state.frames[top].subprog];
        let id = self.instances.len();
        self.instances.push(Instance {
            outer,
            start: s.start,
            len: s.end - s.start,
            frames: vec![None; top + 1],
            write_seen: vec![false; s.end - s.start],
            updated: false,
            write_dropped: false,
        });
        self.ids.insert(chain, id);
        id
    }

    /// The running chain has changed.
    pub(crate) fn chain_changed(&mut self) {
        self.current = None;
    }

    /// An instruction begins.
    pub(crate) fn begin(&mut self, state: &State, insn: usize, subprogs: &[Subprog]) {
        if self.current.is_none() {
            self.current = Some(self.instance(state, state.cur(), subprogs));
        }
        self.write_insn = insn;
        self.written = [0; FRAMES];
    }

    /// The instruction may read these slots of a frame.
    pub(crate) fn read(&mut self, frame: usize, mask: u64) {
        if let Some(id) = self.current {
            let insn = self.write_insn;
            self.instances[id].read(frame, insn, mask);
        }
    }

    /// The instruction surely writes these slots whole.
    pub(crate) fn write(&mut self, frame: usize, mask: u64) {
        self.written[frame] |= mask;
    }

    /// The instruction is done.
    pub(crate) fn commit(&mut self) {
        if let Some(id) = self.current {
            let (insn, written) = (self.write_insn, self.written);
            self.instances[id].commit(insn, &written);
        }
    }

    /// A path has ended: bring its chain up to date, from the inside out.
    pub(crate) fn path_ended(&mut self, state: &State, slots: &[Slot], subprogs: &[Subprog]) {
        let mut id = Some(self.instance(state, state.cur(), subprogs));
        while let Some(i) = id {
            if self.instances[i].updated {
                self.instances[i].propagate(slots);
                self.hand_out(i);
            }
            id = self.instances[i].outer.map(|(o, _)| o);
        }
        self.current = None;
    }

    fn hand_out(&mut self, i: usize) {
        let Some((outer, callsite)) = self.instances[i].outer else { return };
        let start = self.instances[i].start;
        let mut written = [0; FRAMES];
        for (frame, w) in written.iter_mut().enumerate().take(self.instances[outer].frames.len()) {
            let m = self.instances[i].masks(frame, start);
            *w = m.must_write_acc;
            self.instances[outer].read(frame, callsite, m.live_before);
        }
        self.instances[outer].commit(callsite, &written);
    }

    /// Slots of each frame of a state that may still be read.
    pub(crate) fn alive(
        &mut self,
        state: &State,
        subprogs: &[Subprog],
        calls_callback: impl Fn(usize) -> bool,
    ) -> [u64; FRAMES] {
        let top = state.cur();
        let ids: Vec<usize> = (0..=top).map(|f| self.instance(state, f, subprogs)).collect();
        let mut alive = [0; FRAMES];
        for (frame, slots) in alive.iter_mut().enumerate().take(top + 1) {
            *slots = self.instances[ids[top]].masks(frame, state.insn).live_before;
            for (level, id) in ids.iter().enumerate().take(top).skip(frame) {
                let callsite = state.frames[level + 1].callsite;
                // A callback may run again: what its call reads is still needed.
                let at = if calls_callback(callsite) { callsite } else { callsite + 1 };
                debug_assert_eq!(find_subprog(subprogs, at), state.frames[level].subprog);
                *slots |= self.instances[*id].masks(frame, at).live_before;
            }
        }
        alive
    }
}
