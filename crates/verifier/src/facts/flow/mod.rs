//! Values: what registers and stack slots hold before each instruction, for every run.
//!
//! Exploration has seen values, but not all: a path that it cut may hold other numbers (see [`facts`](super)). So the
//! values are worked out anew, by a pass over the program that stands for itself: it begins with what is known at the
//! entry, carries every instruction out on what is known, joins where ways meet, and goes on until nothing changes. What
//! it ends with is an inductive invariant: it holds at the entry, and if it holds before an instruction, then it
//! holds before whichever comes next. [`Values::check`] proves just that, instruction by instruction.
//!
//! From exploration it takes only what safety rests on and what is therefore sure: where an access goes, which arms of a
//! branch are dead, what is never reached, what a helper gives. Nothing else of the two is shared but the operations on
//! numbers. It knows less of how values hang together (no links between numbers), and more of some (divisions).
//!
//! Functions are looked at once for all their callers: what comes in is joined over the calls, what goes out over the
//! exits. A call leaves the caller's stack alone unless a function below writes to a frame above its own. Bounds that
//! grow in loops go on to the next constant of the program (see `widen`), so that the pass ends.

mod frame;
mod pass;
mod step;
mod value;
mod widen;

use std::collections::BTreeMap;
use std::sync::Arc;

use skep_abi::AttachType;

pub use frame::Frame;
pub use value::{Pointer, Target, Value};

use super::Facts;
use crate::structure::Slot;
use crate::task::Task;

/// The program, as the pass reads it.
#[derive(Debug)]
struct Pass {
    task: Arc<Task>,
    facts: Arc<Facts>,
    slots: Vec<Slot>,
    attach_type: AttachType,
    /// By slot: ways may meet here.
    leaders: Vec<bool>,
    /// By function: it, or one below it, writes to a frame above its own.
    writes_up: Vec<bool>,
    /// By function: it, or one below it, makes pointers into the packet stale.
    moves_packet: Vec<bool>,
    /// So does a function whose address is taken.
    callbacks_write_up: bool,
    callbacks_move_packet: bool,
}

/// What registers and stack slots hold, by instruction.
#[derive(Debug)]
pub struct Values {
    pass: Pass,
    /// Where ways meet, and after calls: what is known there.
    heads: BTreeMap<usize, Frame>,
    returns: Vec<Option<Value>>,
}

impl Values {
    /// What is known before the instruction in a slot; `None` if it is never reached.
    pub fn at(&self, slot: usize) -> Option<Frame> {
        let (head, frame) = self.heads.range(..=slot).next_back()?;
        let mut frame = frame.clone();
        let mut pc = *head;
        while pc < slot {
            let Some(Slot::Op(op)) = self.pass.slots.get(pc) else { return None };
            if pass::ends_block(op) {
                return None;
            }
            self.pass.step(pc, op, &mut frame);
            pc += op.slots();
            if self.pass.leaders[pc] {
                // It would be a head, if any way came here.
                return None;
            }
        }
        (pc == slot && self.pass.facts.at(slot).reached()).then_some(frame)
    }

    /// Calls `f` with every instruction that may be reached and what is known before it, in the order of the program:
    /// cheaper than asking for each.
    pub fn each(&self, mut f: impl FnMut(usize, &Frame)) {
        for (head, frame) in &self.heads {
            let (mut pc, mut frame) = (*head, frame.clone());
            while let Some(Slot::Op(op)) = self.pass.slots.get(pc) {
                if !self.pass.facts.at(pc).reached() {
                    break;
                }
                f(pc, &frame);
                if pass::ends_block(op) {
                    break;
                }
                self.pass.step(pc, op, &mut frame);
                pc += op.slots();
                if self.pass.leaders[pc] {
                    break;
                }
            }
        }
    }

    /// What a function returns, by its index in [`Facts::functions`]; `None` if it never does.
    pub fn returned(&self, function: usize) -> Option<Value> {
        self.returns.get(function).copied().flatten()
    }
}
