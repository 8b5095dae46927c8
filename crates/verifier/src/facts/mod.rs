//! What an accepted program was proven to do: for engines that leave checks out, for debuggers, for people.
//!
//! There are two kinds of facts, and they rest on different things.
//!
//! **What safety rests on** is told by exploration: which memory an access touches and that it is inside, which map a
//! helper is given, how much memory it may touch, which way out of a branch is dead, what is never reached. Each is joined
//! over every visit of the instruction. Pruning does not harm them: a path that was cut because a remembered
//! state covers it has, in every live register, the same kind of pointer to the same thing, with offsets inside the
//! remembered ones, and every number that one of these facts was computed from is marked precise at the moment when it is
//! used, so that its range was compared too. A fact of this kind that did not hold for a cut path would make the
//! verdict wrong, not only the fact.
//!
//! **What merely happened to be seen** (the range of a number that decided nothing) is not told, however tempting: a cut
//! path may hold another number there, since pruning does not compare what is not precise.
#![deny(missing_docs)]

mod access;
mod flow;
mod record;

use std::fmt;
use std::sync::{Arc, OnceLock};

use skep_isa::Insn;

pub use access::{Arms, Call, MapRef, Passed, Region, Span};
pub use flow::{Frame, Pointer, Target, Value, Values};
pub(crate) use record::{Note, Recorder, region};

use crate::env::{Counts, Env};
use crate::structure::Subprog;
use crate::task::{MapShape, Task};
use crate::{Kept, Outcome, Verdict};

/// A function of the program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Function {
    /// Its first slot.
    pub start: usize,
    /// One past its last slot.
    pub end: usize,
    /// Bytes of stack that its frame needs, a multiple of eight.
    pub stack: u32,
    /// Its name, where BTF has it.
    pub name: String,
    /// It is verified by itself, and called with whatever its types allow.
    pub global: bool,
    /// It runs later, on a stack of its own.
    pub is_async: bool,
}

/// What was proven of an accepted program, slot by slot.
#[derive(Clone, Debug)]
pub struct Facts {
    seen: Box<[bool]>,
    live: Box<[u16]>,
    notes: Box<[Note]>,
    calls: Box<[Call]>,
    maps: Box<[Arc<MapShape>]>,
    declared: usize,
    functions: Box<[Function]>,
}

impl Facts {
    pub(crate) fn gather(r: Recorder, env: &Env<'_>) -> Self {
        let function = |s: &Subprog| Function {
            start: s.start,
            end: s.end,
            stack: (s.stack_depth as u32).next_multiple_of(8),
            name: s.name.clone(),
            global: s.global,
            is_async: s.is_async,
        };
        Self {
            seen: env.aux.iter().map(|a| a.seen).collect(),
            live: env.aux.iter().map(|a| a.live).collect(),
            notes: r.notes.into(),
            calls: r.calls.into(),
            maps: env.maps.clone().into(),
            declared: env.task.maps.len(),
            functions: env.subprogs.iter().map(function).collect(),
        }
    }

    /// How many slots the program has.
    pub fn len(&self) -> usize {
        self.notes.len()
    }

    /// Whether the program has no slots; accepted ones have.
    pub fn is_empty(&self) -> bool {
        self.notes.is_empty()
    }

    /// What is known at a slot. Outside of the program: that it is never reached.
    #[inline]
    pub fn at(&self, slot: usize) -> FactsAt<'_> {
        FactsAt { facts: self, slot }
    }

    /// The program's functions, by their first slot; the first is the entry.
    pub fn functions(&self) -> &[Function] {
        &self.functions
    }

    /// The maps of the task, in its order, then the shapes of what those of them hold that hold maps.
    pub fn maps(&self) -> &[Arc<MapShape>] {
        &self.maps
    }

    /// The index in [`Task::maps`] of a map that the program names itself; `None` for a shape of inner maps, of which
    /// there may be many.
    pub fn declared(&self, map: MapRef) -> Option<usize> {
        Some(map.0 as usize).filter(|i| *i < self.declared)
    }
}

/// What is known at one slot.
#[derive(Clone, Copy, Debug)]
pub struct FactsAt<'a> {
    facts: &'a Facts,
    slot: usize,
}

impl<'a> FactsAt<'a> {
    #[inline]
    fn note(&self) -> Note {
        self.facts.notes.get(self.slot).copied().unwrap_or_default()
    }

    /// Whether any run can come here. Second halves of wide loads are never reached.
    pub fn reached(&self) -> bool {
        self.facts.seen.get(self.slot).copied().unwrap_or(false)
    }

    /// Registers that may still be read from here on, bit `n` for `rn`. All others hold nothing that matters. Before calls
    /// of functions all five registers for arguments are taken to be read.
    pub fn live(&self) -> u16 {
        self.facts.live.get(self.slot).copied().unwrap_or(0)
    }

    /// Where a load, a store or an atomic operation goes: all its bytes are there, on every path.
    #[inline]
    pub fn access(&self) -> Option<Region> {
        match self.note() {
            Note::Access(region) => Some(region),
            _ => None,
        }
    }

    /// What is known of the call of a helper, or of a global function.
    pub fn call(&self) -> Option<&'a Call> {
        match self.note() {
            Note::Call(at) => self.facts.calls.get(at as usize),
            _ => None,
        }
    }

    /// Which ways a conditional jump goes.
    pub fn branch(&self) -> Option<Arms> {
        match self.note() {
            Note::Branch(arms) => Some(arms),
            _ => None,
        }
    }
}

/// A program that was accepted, and what it was accepted against. Only this crate makes one.
#[derive(Clone, Debug)]
pub struct Verified {
    task: Arc<Task>,
    facts: Arc<Facts>,
    values: Arc<OnceLock<Values>>,
    counts: Counts,
}

impl Verified {
    /// Verifies a program and keeps what was proven.
    ///
    /// # Errors
    /// The outcome, if it is not that the program is accepted.
    pub fn new(task: Task) -> Result<Self, Outcome> {
        let mut kept = Kept { record: true, ..Kept::default() };
        let outcome = crate::decide(&task, &mut kept);
        match (outcome.verdict, kept.facts) {
            (Verdict::Accept, Some(facts)) => Ok(Self {
                task: Arc::new(task),
                facts: Arc::new(facts),
                values: Arc::default(),
                counts: outcome.counts,
            }),
            (verdict, _) => Err(Outcome { verdict, counts: outcome.counts }),
        }
    }

    /// The program, and all that it was verified against.
    pub fn task(&self) -> &Arc<Task> {
        &self.task
    }

    /// What was proven.
    pub fn facts(&self) -> &Arc<Facts> {
        &self.facts
    }

    /// What its registers and stack slots hold, instruction by instruction: worked out when first asked for.
    pub fn values(&self) -> &Values {
        self.values.get_or_init(|| Values::new(&self.task, &self.facts))
    }

    /// What verifying it cost.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Whether a loaded form of the program is the one that was verified: the same instructions, but that wide loads
    /// that name something have become loads of the address that `address` gives for the name, and calls of kernel
    /// functions carry the number that it gives.
    ///
    /// # Errors
    /// The first slot that differs.
    pub fn binds(&self, loaded: &[Insn], address: &dyn Fn(Name) -> Option<u64>) -> Result<(), BindError> {
        let own = &self.task.insns;
        if own.len() != loaded.len() {
            return Err(BindError(Differs::Length));
        }
        let mut slot = 0;
        while slot < own.len() {
            let (slots, same) = match self.name_at(slot) {
                Some(name) => {
                    (if own[slot].is_wide() { 2 } else { 1 }, address(name) == bound_to(&loaded[slot..]))
                }
                None => (1, own[slot] == loaded[slot]),
            };
            if !same || own[slot].dst != loaded[slot].dst {
                return Err(BindError(Differs::Insn(slot)));
            }
            slot += slots;
        }
        Ok(())
    }

    /// What the instruction at a slot names that only a loader knows.
    fn name_at(&self, slot: usize) -> Option<Name> {
        const KFUNC: u8 = 2;
        let insn = self.task.insns[slot];
        if insn.opcode == 0x85 && insn.src == KFUNC {
            return Some(Name::Kfunc(insn.imm));
        }
        let high = self.task.insns.get(slot + 1).filter(|_| insn.is_wide())?;
        let map = |n: i32| self.task.map(n).map(|i| MapRef(i as u32));
        match insn.src {
            1 => map(insn.imm).map(Name::Map),
            2 => map(insn.imm).map(|m| Name::Value(m, high.imm as u32)),
            3 => Some(Name::Symbol(insn.imm)),
            _ => None,
        }
    }

    /// Whether a map that takes the place of a declared one has the shape that was verified.
    ///
    /// # Errors
    /// What differs.
    pub fn binds_map(&self, map: MapRef, live: &MapShape) -> Result<(), BindError> {
        let Some(own) = self.facts.maps.get(map.0 as usize) else {
            return Err(BindError(Differs::NoMap(map)));
        };
        let what = if own.map_type != live.map_type {
            "type"
        } else if own.key_size != live.key_size {
            "key size"
        } else if own.value_size != live.value_size {
            "value size"
        } else if own.max_entries != live.max_entries {
            "capacity"
        } else if own.flags != live.flags {
            "flags"
        } else if own.fields != live.fields {
            "special fields"
        } else if own.frozen != live.frozen {
            "constant contents"
        } else {
            return Ok(());
        };
        Err(BindError(Differs::Map(own.name.clone(), what)))
    }
}

/// What a wide load or a call names.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Name {
    /// A map.
    Map(MapRef),
    /// A byte of the only value of a map.
    Value(MapRef, u32),
    /// A symbol of the kernel's, by the number in the program.
    Symbol(i32),
    /// A function of the kernel's, by the number in the program.
    Kfunc(i32),
}

/// The address that a plain wide load holds, or the number that a call of a kernel function holds.
fn bound_to(insns: &[Insn]) -> Option<u64> {
    match insns {
        [low, high, ..] if low.is_wide() && low.src == 0 => {
            Some(u64::from(low.imm as u32) | u64::from(high.imm as u32) << 32)
        }
        [call, ..] if call.opcode == 0x85 && call.src == 2 => Some(u64::from(call.imm as u32)),
        _ => None,
    }
}

/// Why a proof is not about what it is to be bound to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BindError(Differs);

#[derive(Clone, PartialEq, Eq, Debug)]
enum Differs {
    Length,
    Insn(usize),
    NoMap(MapRef),
    Map(String, &'static str),
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Differs::Length => f.write_str("the program that was verified has another length"),
            Differs::Insn(slot) => write!(f, "the program that was verified has another instruction {slot}"),
            Differs::NoMap(map) => write!(f, "the program that was verified has no map {}", map.0),
            Differs::Map(name, what) => write!(f, "map `{name}` was verified with another {what}"),
        }
    }
}

impl std::error::Error for BindError {}
