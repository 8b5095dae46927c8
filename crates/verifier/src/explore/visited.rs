//! Remembering states, and not exploring again what a remembered one covers.

use std::rc::Rc;

use super::equal::{Comparer, Exact, IdMap, may_loop};
use crate::env::{Env, Saved};
use crate::refusal::{Step, errno};
use crate::state::{FP, Kind, Reg, State, StateId};
use crate::task;

/// What to do at a prune point.
enum Look {
    /// An equal state was found; it is still open or not.
    Hit { id: StateId, open: bool },
    /// None; whether to remember the current one.
    Miss { add: bool },
}

impl Env<'_> {
    /// At a prune point: true if a remembered state covers the current one.
    pub(crate) fn visit_state(&mut self) -> Step<bool> {
        let key = (self.pc, self.cur.top().callsite);
        self.clean_finished(key);
        match self.look(key)? {
            Look::Hit { id, open } => {
                self.saved_mut(id).hits += 1;
                if self.aux[self.pc].jmp_point {
                    self.history_entry();
                }
                let mut cur = std::mem::replace(&mut self.cur, State::hollow());
                let propagated = self.propagate_precision(id, &mut cur);
                self.cur = cur;
                propagated?;
                // Linux 6.18 keeps no back edge where a callback goes round. The verdict follows it; where facts are wanted,
                // what the verdict says has to hold.
                if open && (self.recorder.is_some() || !self.aux[self.pc].calls_callback) {
                    self.add_back_edge(id);
                }
                Ok(true)
            }
            Look::Miss { add } => {
                if add {
                    self.remember(key);
                }
                Ok(false)
            }
        }
    }

    fn look(&mut self, key: (usize, usize)) -> Step<Look> {
        let checkpoint = self.aux[self.pc].force_checkpoint;
        // A history that only grows makes backtracking slow.
        let force =
            self.task.flags & task::F_TEST_STATE_FREQ != 0 || checkpoint || self.cur.history.len() > 40;
        let mut add = force;
        let (jumps, insns) = (self.jumps - self.prev_jumps, self.counts.insns - self.prev_insns);
        if jumps >= 2 && insns >= 8 {
            add = true;
        }
        let Some(list) = self.visited.get(&key) else { return Ok(Look::Miss { add }) };
        let list = list.clone();
        // The newest first.
        for id in list.iter().rev() {
            let open_branches = self.saved(*id).state.branches > 0;
            if open_branches {
                match self.compare_open(*id)? {
                    Some(true) => return Ok(Look::Hit { id: *id, open: true }),
                    // Iterations of a loop differ: too many states of it do not help.
                    Some(false) if !force && jumps < 20 && insns < 100 => add = false,
                    _ => {}
                }
            } else {
                let open = self.marks_incomplete(*id);
                let how = if open { Exact::Within } else { Exact::No };
                if self.covered(*id, how) {
                    return Ok(Look::Hit { id: *id, open });
                }
            }
            self.missed(key, *id, add, checkpoint && open_branches);
        }
        let n = list.len() as u32;
        self.counts.max_states_per_insn = self.counts.max_states_per_insn.max(n);
        if !self.rights.bpf && n > 64 {
            add = false;
        }
        Ok(Look::Miss { add })
    }

    /// The remembered state is an ancestor of the current one. True: covered. False: a loop goes on.
    fn compare_open(&mut self, id: StateId) -> Step<Option<bool>> {
        let (old_async, old_entry) = {
            let f = self.saved(id).state.top();
            (f.in_async, f.async_entry)
        };
        if old_async && old_entry != self.cur.top().async_entry {
            // Another entry of an asynchronous callback is no iteration of the same loop.
            return Ok(Some(false));
        }
        if self.aux[self.pc].calls_callback {
            return Ok(Some(self.covered(id, Exact::Within)));
        }
        let old = &self.saved(id).state;
        if may_loop(old, &self.cur)
            && old.unroll_depth == self.cur.unroll_depth
            && self.covered(id, Exact::Yes)
        {
            if self.log.is_some() {
                let (new, old) = (self.cur.clone(), self.saved(id).state.clone());
                self.log_same(&new, &old);
            }
            let m = format!("infinite loop detected at insn {}", self.pc);
            return Err(self.refuse(errno::EINVAL, "V0107", m));
        }
        Ok(Some(false))
    }

    fn covered(&mut self, id: StateId, how: Exact) -> bool {
        let mut c = Comparer {
            aux: &self.aux,
            uninit: self.rights.uninit_stack,
            next_id: self.next_id,
            ids: IdMap::new(self.next_id, self.deep_numbers),
        };
        match &self.saved[id as usize] {
            Some(s) => c.covers(&s.state, &self.cur, how),
            None => false,
        }
    }

    /// Forgets a state that is looked at often and never covers.
    fn missed(&mut self, key: (usize, usize), id: StateId, add: bool, checkpoint: bool) {
        let n = if checkpoint { 64 } else { 3 };
        let s = self.saved_mut(id);
        if add {
            s.misses += 1;
        }
        if s.misses > s.hits * n + n {
            s.listed = false;
            if let Some(list) = self.visited.get_mut(&key) {
                list.retain(|x| *x != id);
            }
            self.live_states -= 1;
            self.release(id);
        }
    }

    /// Frees a state that nobody can ask for again.
    pub(crate) fn release(&mut self, id: StateId) {
        if let Some(Some(s)) = self.saved.get(id as usize)
            && !s.listed
            && s.state.branches == 0
            && !s.state.in_scc
        {
            self.saved[id as usize] = None;
            self.free.push(id);
        }
    }

    fn remember(&mut self, key: (usize, usize)) {
        self.counts.total_states += 1;
        self.live_states += 1;
        self.counts.peak_states = self.counts.peak_states.max(self.live_states);
        self.prev_jumps = self.jumps;
        self.prev_insns = self.counts.insns;
        if self.rights.bpf {
            self.cur.each_reg(|r| r.precise && r.is_scalar(), |r| r.precise = false);
        }
        self.cur.insn = self.pc;
        let mut state = self.cur.clone();
        state.branches = 1;
        state.in_scc = (0..=state.cur()).any(|f| self.aux[state.insn_of(f)].scc != 0);
        let saved = Some(Saved { state, hits: 0, misses: 0, listed: true });
        let id = match self.free.pop() {
            Some(id) => {
                self.saved[id as usize] = saved;
                id
            }
            None => {
                self.saved.push(saved);
                (self.saved.len() - 1) as StateId
            }
        };
        self.enter_loop(id);
        self.visited.entry(key).or_default().push(id);
        self.cur.parent = Some(id);
        self.cur.first_insn = self.pc;
        self.cur.history.clear();
        self.step = None;
    }

    /// Forgets what can no longer be read in finished states of this place.
    fn clean_finished(&mut self, key: (usize, usize)) {
        let Some(list) = self.visited.get(&key) else { return };
        for id in list.clone() {
            let s = self.saved(id);
            if s.state.branches > 0 || s.state.cleaned || self.marks_incomplete(id) {
                continue;
            }
            let same_sites = s.state.frames.len() == self.cur.frames.len()
                && s.state.frames.iter().zip(&self.cur.frames).all(|(a, b)| a.callsite == b.callsite);
            if same_sites {
                self.clean(id);
            }
        }
    }

    fn clean(&mut self, id: StateId) {
        let Some(Some(saved)) = self.saved.get_mut(id as usize) else { return };
        let state = &mut saved.state;
        state.cleaned = true;
        let aux = &self.aux;
        let alive = self.stack_live.alive(state, &self.subprogs, |i| aux[i].calls_callback);
        for f in 0..state.frames.len() {
            let live = aux[state.insn_of(f)].live;
            let frame = Rc::make_mut(&mut state.frames[f]);
            for (i, r) in frame.regs.iter_mut().enumerate().take(FP) {
                if live >> i & 1 == 0 && r.kind != Kind::NotInit {
                    *r = Reg::NOT_INIT;
                }
            }
            frame.stack.retain(alive[f]);
        }
    }
}
