//! Which way exploration went, noted when a refusal has to be told from its beginning.
//!
//! Nothing of this is done while a verdict is sought. A refused program is explored twice more: once to note the
//! instructions of every path as a tree (two words each) and to go on behind each refusal, and once, the walk being
//! deterministic, to keep the states that stand on the paths that ended in a refusal.

use std::collections::HashMap;
use std::rc::Rc;

use crate::refusal::Refusal;
use crate::state::{Frame, Holds, State};

/// No instruction before.
const NONE: u32 = u32::MAX;
/// Moments of a path that are kept, counted from its end.
const MAX_KEPT: usize = 4096;

/// The state before one instruction of a path.
#[derive(Clone, Debug)]
pub(crate) struct Moment {
    pub(crate) pc: usize,
    pub(crate) frames: Vec<Rc<Frame>>,
    pub(crate) holds: Holds,
}

/// A refusal, and the end of the path that led there.
pub(crate) struct Failure {
    pub(crate) refusal: Box<Refusal>,
    node: u32,
}

/// The record.
pub(crate) struct Trace {
    nodes: Vec<(u32, u32)>,
    tip: u32,
    wanted: Vec<u32>,
    kept: HashMap<u32, Moment>,
    pub(crate) failures: Vec<Failure>,
    limit: usize,
}

impl Trace {
    /// A record that goes on until it has so many distinct refusals.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            nodes: Vec::new(),
            tip: NONE,
            wanted: Vec::new(),
            kept: HashMap::new(),
            failures: Vec::new(),
            limit,
        }
    }

    /// A record of the same walk that keeps the states of the paths that `self` has found.
    pub(crate) fn again(&self) -> Self {
        let mut wanted: Vec<u32> = self.failures.iter().flat_map(|f| self.way(f)).collect();
        wanted.sort_unstable();
        wanted.dedup();
        Self { wanted, ..Self::new(self.limit) }
    }

    /// The nodes of a path, from its end.
    fn way(&self, f: &Failure) -> impl Iterator<Item = u32> {
        let known = |n: u32| self.nodes.get(n as usize).map(|_| n);
        std::iter::successors(known(f.node), move |n| known(self.nodes[*n as usize].1)).take(MAX_KEPT)
    }

    /// The moments that led to a refusal, in order; the last stands before the refused instruction.
    pub(crate) fn path(&self, f: &Failure) -> Vec<Moment> {
        let mut path: Vec<Moment> = self.way(f).filter_map(|n| self.kept.get(&n).cloned()).collect();
        path.reverse();
        path
    }

    /// An instruction is about to be checked.
    pub(crate) fn step(&mut self, pc: usize, state: &State) {
        let node = self.nodes.len() as u32;
        self.nodes.push((pc as u32, self.tip));
        self.tip = node;
        if self.wanted.binary_search(&node).is_ok() {
            let moment = Moment { pc, frames: state.frames.clone(), holds: state.holds.clone() };
            self.kept.insert(node, moment);
        }
    }

    /// A function is about to be explored from its entry.
    pub(crate) fn begin(&mut self) {
        self.tip = NONE;
    }

    pub(crate) fn tip(&self) -> u32 {
        self.tip
    }

    /// Exploration takes up a branch that was put aside when `tip` was the last instruction.
    pub(crate) fn resume(&mut self, tip: u32) {
        self.tip = tip;
    }

    /// Notes a refusal; false if that is enough of them, or if nothing can be explored behind it.
    pub(crate) fn note(&mut self, refusal: Box<Refusal>) -> bool {
        let goes_on = refusal.ends_path();
        let known = |f: &Failure| f.refusal.insn == refusal.insn && f.refusal.code == refusal.code;
        // That a limit was met behind the first refusal says nothing of the program.
        if !self.failures.iter().any(known) && (goes_on || self.failures.is_empty()) {
            self.failures.push(Failure { refusal, node: self.tip });
        }
        goes_on && self.failures.len() < self.limit
    }
}
