//! Loops whose body was pruned against a state that is still being explored.
//!
//! Such a state's precision is not final: what it learns later has to reach the states that were
//! found equal to it. Each visit of a loop (per call chain) gathers these back edges, and when the
//! state that entered the loop is finished, precision is handed along them until nothing changes.

use std::collections::HashMap;

use crate::env::Env;
use crate::refusal::Step;
use crate::state::{State, StateId};
use crate::structure::Aux;

/// Call sites outside of the loop, then the loop's number.
type Key = Vec<u32>;

/// A pruned state, and the one that it was found equal to.
pub(crate) struct BackEdge {
    state: State,
    equal: StateId,
}

#[derive(Default)]
struct Visit {
    entry: Option<StateId>,
    edges: Vec<BackEdge>,
}

/// Visits of loops that are open.
#[derive(Default)]
pub(crate) struct Loops {
    visits: HashMap<Key, Visit>,
}

const MAX_ROUNDS: usize = 64;

fn key(aux: &[Aux], state: &State) -> Option<Key> {
    let mut key = Vec::new();
    for f in 0..=state.cur() {
        let insn = state.insn_of(f);
        let scc = aux[insn].scc;
        if scc != 0 {
            key.push(scc);
            return Some(key);
        }
        key.push(u32::MAX - insn as u32);
    }
    None
}

impl Env<'_> {
    /// A state was remembered: it may be the first in its loop.
    pub(crate) fn enter_loop(&mut self, id: StateId) {
        let Some(Some(saved)) = self.saved.get(id as usize) else { return };
        let Some(key) = key(&self.aux, &saved.state) else { return };
        let visit = self.loops.visits.entry(key.clone()).or_default();
        if visit.entry.is_none() {
            visit.entry = Some(id);
            self.log_loop("enter", &key);
        }
    }

    /// Whether states were pruned against a loop that this state is in, and its marks may grow yet.
    pub(crate) fn marks_incomplete(&self, id: StateId) -> bool {
        let Some(key) = key(&self.aux, &self.saved(id).state) else { return false };
        self.loops.visits.get(&key).is_some_and(|v| !v.edges.is_empty())
    }

    /// The current state was pruned against an unfinished one.
    pub(crate) fn add_back_edge(&mut self, equal: StateId) {
        let Some(key) = key(&self.aux, &self.saved(equal).state) else { return };
        let mut state = self.cur.clone();
        state.insn = self.pc;
        state.is_stored = true;
        if let Some(v) = self.loops.visits.get_mut(&key) {
            v.edges.push(BackEdge { state, equal });
            self.log_loop("backedge", &key);
        }
    }

    fn log_loop(&mut self, what: &str, key: &Key) {
        if !self.logs_all() {
            return;
        }
        let (scc, sites) = key.split_last().unwrap_or((&0, &[]));
        let sites = sites.iter().map(|s| format!("{},", u32::MAX - s));
        self.log_line(format_args!("SCC {what} ({}{scc})", sites.collect::<String>()));
    }

    /// A state is finished: if it entered a loop, precision goes along the loop's back edges.
    pub(crate) fn exit_loop(&mut self, id: StateId) -> Step {
        let Some(key) = key(&self.aux, &self.saved(id).state) else { return Ok(()) };
        let Some(v) = self.loops.visits.get_mut(&key) else { return Ok(()) };
        if v.entry != Some(id) {
            return Ok(());
        }
        v.entry = None;
        let mut edges = std::mem::take(&mut v.edges);
        self.log_loop("exit", &key);
        for round in 0.. {
            if round == MAX_ROUNDS {
                for e in &edges {
                    self.all_scalars_precise(e.state.parent);
                }
                break;
            }
            let mut changed = false;
            for e in &mut edges {
                changed |= self.propagate_precision(e.equal, &mut e.state)?;
            }
            if !changed {
                break;
            }
        }
        Ok(())
    }
}
