//! Everything that a verification carries along.

use std::collections::HashMap;
use std::sync::Arc;

use skep_abi::MapType;
use skep_isa::Op;

use crate::explore::{Loops, StackLive};
use crate::facts::Recorder;
use crate::refusal::{Refusal, Step, Stop, errno};
use crate::state::{Frame, State, StateId, Step as PathStep};
use crate::structure::{Aux, Slot, Subprog};
use crate::task::{self, MapShape, Privilege, Task};
use crate::trace::Trace;
use crate::walk_log::WalkLog;

/// What the rights of the loader allow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rights {
    /// Loops, subprograms, precision.
    pub(crate) bpf: bool,
    /// Pointers may become numbers.
    pub(crate) ptr_leaks: bool,
    /// Bytes of stack that were never written may be read.
    pub(crate) uninit_stack: bool,
    /// What a processor does on a guess is no matter.
    pub(crate) speculation: bool,
}

/// A branch that waits to be explored.
pub(crate) struct Pending {
    pub(crate) state: State,
    pub(crate) insn: usize,
    pub(crate) prev: usize,
    /// Last instruction of the path in the trace, where one is kept.
    pub(crate) tip: u32,
    /// Where the log ended, if there is one.
    pub(crate) log_end: usize,
}

/// Figures of a verification, as the kernel's log gives them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Instructions processed over all paths.
    pub insns: u32,
    /// Most states remembered for one instruction.
    pub max_states_per_insn: u32,
    /// States remembered in all.
    pub total_states: u32,
    /// Most states remembered at one time.
    pub peak_states: u32,
}

/// A state that is remembered.
pub(crate) struct Saved {
    pub(crate) state: State,
    pub(crate) hits: u32,
    pub(crate) misses: u32,
    pub(crate) listed: bool,
}

pub(crate) struct Env<'t> {
    pub(crate) task: &'t Task,
    pub(crate) rights: Rights,
    pub(crate) strict_alignment: bool,
    pub(crate) slots: Vec<Slot>,
    pub(crate) aux: Vec<Aux>,
    pub(crate) subprogs: Vec<Subprog>,
    pub(crate) cur: State,
    pub(crate) pc: usize,
    pub(crate) prev_pc: usize,
    /// Index in the current history of the entry for this instruction.
    pub(crate) step: Option<usize>,
    pub(crate) pending: Vec<Pending>,
    pub(crate) saved: Vec<Option<Saved>>,
    pub(crate) free: Vec<StateId>,
    pub(crate) visited: HashMap<(usize, usize), Vec<StateId>>,
    pub(crate) live_states: u32,
    pub(crate) stack_live: StackLive,
    pub(crate) loops: Loops,
    pub(crate) next_id: u32,
    /// Numbers that differ at all are followed apart: a mask may depend on them.
    pub(crate) deep_numbers: bool,
    pub(crate) jumps: u32,
    pub(crate) prev_jumps: u32,
    pub(crate) prev_insns: u32,
    pub(crate) counts: Counts,
    /// The instruction moved to another frame.
    pub(crate) leaves_chain: bool,
    /// What is logged, if anything is.
    pub(crate) log: Option<Box<WalkLog>>,
    /// Which way exploration went, if that is noted.
    pub(crate) trace: Option<Box<Trace>>,
    /// What is noted of each instruction, if facts are wanted.
    pub(crate) recorder: Option<Box<Recorder>>,
    /// Maps of the task, then the shapes of their inner maps.
    pub(crate) maps: Vec<Arc<MapShape>>,
    /// For each map, where its inner shape is.
    pub(crate) inner: Vec<Option<u32>>,
}

/// Longest a path of jumps may get.
const MAX_PENDING: usize = 8192;

impl<'t> Env<'t> {
    pub(crate) fn new(task: &'t Task, slots: Vec<Slot>, subprogs: Vec<Subprog>) -> Self {
        let rights = Rights {
            bpf: task.privilege != Privilege::Unprivileged,
            ptr_leaks: task.privilege == Privilege::Root,
            uninit_stack: task.privilege == Privilege::Root,
            speculation: task.privilege == Privilege::Root,
        };
        let aux = vec![Aux::default(); slots.len()];
        let mut maps: Vec<Arc<MapShape>> = task.maps.iter().map(|(_, m)| m.clone()).collect();
        let mut inner = Vec::new();
        for i in 0.. {
            let Some(map) = maps.get_mut(i) else { break };
            // A value there is the kernel's own record of an interface.
            if matches!(map.map_type, MapType::DEVMAP | MapType::DEVMAP_HASH) {
                Arc::make_mut(map).flags |= task::F_RDONLY_PROG;
            }
            let shape = map.inner.clone();
            inner.push(shape.as_ref().map(|_| maps.len() as u32));
            maps.extend(shape);
        }
        Self {
            task,
            rights,
            strict_alignment: task.flags & task::F_STRICT_ALIGNMENT != 0
                && task.flags & task::F_ANY_ALIGNMENT == 0,
            slots,
            aux,
            subprogs,
            cur: State::new(Frame::new(usize::MAX, 0, 0), task.flags & task::F_SLEEPABLE != 0),
            pc: 0,
            prev_pc: usize::MAX,
            step: None,
            pending: Vec::new(),
            saved: Vec::new(),
            free: Vec::new(),
            visited: HashMap::new(),
            live_states: 0,
            stack_live: StackLive::default(),
            loops: Loops::default(),
            next_id: 0,
            deep_numbers: false,
            jumps: 0,
            prev_jumps: 0,
            prev_insns: 0,
            counts: Counts::default(),
            leaves_chain: false,
            log: None,
            trace: None,
            recorder: None,
            maps,
            inner,
        }
    }

    /// A refusal at the current instruction.
    pub(crate) fn refuse(&self, errno: i32, code: &'static str, message: impl Into<String>) -> Stop {
        Stop::Refused(Box::new(Refusal { errno, code, insn: self.pc, message: message.into(), reg: None }))
    }

    /// A refusal with EACCES that is about a register.
    pub(crate) fn deny(&self, reg: usize, code: &'static str, message: impl Into<String>) -> Stop {
        let reg = u8::try_from(reg).ok();
        Stop::Refused(Box::new(Refusal {
            errno: errno::EACCES,
            code,
            insn: self.pc,
            message: message.into(),
            reg,
        }))
    }

    pub(crate) fn new_id(&mut self) -> u32 {
        self.next_id += 1;
        self.next_id
    }

    /// The instruction in a slot, if there is one.
    pub(crate) fn op(&self, at: usize) -> Option<&Op> {
        match self.slots.get(at) {
            Some(Slot::Op(op)) => Some(op),
            _ => None,
        }
    }

    /// Puts a copy of the current state aside, to be explored from `insn`.
    pub(crate) fn push_branch(&mut self, insn: usize) -> Step<&mut State> {
        let prev = self.pc;
        self.push_branch_from(insn, prev)
    }

    pub(crate) fn push_branch_from(&mut self, insn: usize, prev: usize) -> Step<&mut State> {
        self.room_for_branch(errno::EFAULT, ".")?;
        if let Some(p) = self.cur.parent {
            self.saved_mut(p).state.branches += 1;
        }
        let state = self.cur.clone();
        let tip = self.tip();
        let log_end = self.log_end();
        self.pending.push(Pending { state, insn, prev, tip, log_end });
        let last = self.pending.len() - 1;
        Ok(&mut self.pending[last].state)
    }

    /// Whether one more branch may wait; if not, with what error and which end of the message it is refused.
    pub(crate) fn room_for_branch(&self, errno: i32, end: &str) -> Step {
        if self.pending.len() < MAX_PENDING {
            return Ok(());
        }
        let m = format!("The sequence of {} jumps is too complex{end}", self.pending.len() + 1);
        Err(self.refuse(errno, "V0108", m))
    }

    /// The last instruction of the current path in the trace.
    pub(crate) fn tip(&self) -> u32 {
        self.trace.as_ref().map_or(0, |t| t.tip())
    }

    pub(crate) fn saved_mut(&mut self, id: StateId) -> &mut Saved {
        match &mut self.saved[id as usize] {
            Some(s) => s,
            None => unreachable!("a state with open branches is kept"),
        }
    }

    pub(crate) fn saved(&self, id: StateId) -> &Saved {
        match &self.saved[id as usize] {
            Some(s) => s,
            None => unreachable!("a listed state is kept"),
        }
    }

    /// The history entry of the current instruction, made when first asked for.
    pub(crate) fn history_entry(&mut self) -> &mut PathStep {
        let at = match self.step {
            Some(at) => at,
            None => {
                self.cur.history.push(PathStep {
                    insn: self.pc as u32,
                    prev: self.prev_pc as u32,
                    stack: None,
                    dst_is_stack: false,
                    src_is_stack: false,
                    linked: [None; 6],
                });
                let at = self.cur.history.len() - 1;
                self.step = Some(at);
                at
            }
        };
        &mut self.cur.history[at]
    }
}
