//! The abstract state of a program at one instruction: frames, references, locks.
//!
//! Frames, and pieces of their stacks, are shared between states and copied when written, since most of a state survives a
//! branch.

mod reg;
mod stack;

use std::rc::Rc;

pub(crate) use reg::{ADD_CONST, ADD_CONST32, ADD_CONST64, AT_PKT_END, BEYOND_PKT_END};
pub(crate) use reg::{Flags, Kind, Reg};
pub(crate) use stack::{Byte, Slot, Stack};

/// Number of registers that a frame has.
pub(crate) const REGS: usize = skep_isa::Reg::COUNT;
/// Index of the frame pointer.
pub(crate) const FP: usize = 10;

/// One call frame.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) regs: [Reg; REGS],
    pub(crate) stack: Stack,
    /// Call instruction that made it; `usize::MAX` for the entry.
    pub(crate) callsite: usize,
    pub(crate) frameno: u32,
    pub(crate) subprog: usize,
    /// The frame of a function that a helper calls back.
    pub(crate) in_callback: bool,
    /// The frame of a function that runs later (timer).
    pub(crate) in_async: bool,
    /// Values that a callback may return.
    pub(crate) ret_range: (i32, i32),
    /// How many times the callback of this call site has been entered on this path.
    pub(crate) callback_depth: u32,
    /// Tells entries of an asynchronous callback apart.
    pub(crate) async_entry: u32,
}

impl Frame {
    pub(crate) fn new(callsite: usize, frameno: u32, subprog: usize) -> Self {
        let mut regs = [Reg::NOT_INIT; REGS];
        regs[FP] = Reg { aux: frameno, ..Reg::pointer(Kind::Stack, Flags::NONE) };
        Self {
            regs,
            stack: Stack::default(),
            callsite,
            frameno,
            subprog,
            in_callback: false,
            in_async: false,
            ret_range: (0, 0),
            callback_depth: 0,
            async_entry: 0,
        }
    }

    /// Makes room for the byte at `-depth`.
    pub(crate) fn grow(&mut self, depth: usize) {
        self.stack.grow(depth.div_ceil(8));
    }

    /// Bytes of stack that have been touched.
    pub(crate) fn depth(&self) -> usize {
        self.stack.len() * 8
    }
}

/// What kind of thing is held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum HeldKind {
    /// A reference (socket, ring buffer record).
    Ref,
    /// A spin lock; the map (or allocation) that holds it.
    Lock { owner: u32, map: bool },
    /// Interrupts switched off.
    Irq,
}

/// Something that has to be given back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Held {
    pub(crate) kind: HeldKind,
    pub(crate) id: u32,
    /// Instruction that took it.
    pub(crate) insn: usize,
}

/// What is held besides registers and stack.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Holds {
    pub(crate) list: Vec<Held>,
    pub(crate) locks: u32,
    pub(crate) rcu: u32,
    pub(crate) preempt: u32,
}

impl Holds {
    /// The section without interrupts that was opened last.
    pub(crate) fn irq(&self) -> Option<&Held> {
        self.list.iter().rev().find(|h| h.kind == HeldKind::Irq)
    }
}

/// One jump of a path, and what precision has to know of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) insn: u32,
    pub(crate) prev: u32,
    /// The instruction touched the stack of this frame at this slot through some register.
    pub(crate) stack: Option<(u8, u8)>,
    /// The left side of a comparison is an address on the stack, which has no precision.
    pub(crate) dst_is_stack: bool,
    /// So is the right side.
    pub(crate) src_is_stack: bool,
    /// Registers and slots whose ranges were linked here.
    pub(crate) linked: [Option<LinkedSite>; 6],
}

/// A register or slot that shares an id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LinkedSite {
    pub(crate) frame: u8,
    pub(crate) index: u8,
    pub(crate) is_slot: bool,
}

/// Index of a state that was remembered.
pub(crate) type StateId = u32;

/// The state on one path.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) frames: Vec<Rc<Frame>>,
    pub(crate) holds: Holds,
    /// Paths that start here and have not ended.
    pub(crate) branches: u32,
    pub(crate) insn: usize,
    /// First instruction after the parent's.
    pub(crate) first_insn: usize,
    /// Last instruction that this state executed.
    pub(crate) last_insn: usize,
    pub(crate) parent: Option<StateId>,
    pub(crate) history: Vec<Step>,
    /// Callback frames entered on this path.
    pub(crate) unroll_depth: u32,
    pub(crate) sleepable: bool,
    pub(crate) cleaned: bool,
    pub(crate) in_scc: bool,
    /// A copy that was put aside when a loop was pruned: its instruction is its own.
    pub(crate) is_stored: bool,
    /// Only a processor that guesses comes here.
    pub(crate) speculative: bool,
}

impl State {
    pub(crate) fn new(frame: Frame, sleepable: bool) -> Self {
        Self {
            frames: vec![Rc::new(frame)],
            holds: Holds::default(),
            branches: 1,
            insn: 0,
            first_insn: 0,
            last_insn: 0,
            parent: None,
            history: Vec::new(),
            unroll_depth: 0,
            sleepable,
            cleaned: false,
            in_scc: false,
            is_stored: false,
            speculative: false,
        }
    }

    /// The frame that runs.
    pub(crate) fn top(&self) -> &Frame {
        let last = self.frames.len() - 1;
        &self.frames[last]
    }

    /// The frame that runs, to be written.
    pub(crate) fn top_mut(&mut self) -> &mut Frame {
        let last = self.frames.len() - 1;
        Rc::make_mut(&mut self.frames[last])
    }

    pub(crate) fn frame_mut(&mut self, n: usize) -> &mut Frame {
        Rc::make_mut(&mut self.frames[n])
    }

    pub(crate) fn cur(&self) -> usize {
        self.frames.len() - 1
    }

    /// A register of the running frame.
    pub(crate) fn reg(&self, r: usize) -> &Reg {
        &self.top().regs[r]
    }

    /// A register of the running frame, to be written.
    pub(crate) fn reg_mut(&mut self, r: usize) -> &mut Reg {
        &mut self.top_mut().regs[r]
    }

    /// Calls `f` on every register and spilled register of every frame; frames in which `pick`
    /// finds none are left shared.
    pub(crate) fn each_reg(&mut self, pick: impl Fn(&Reg) -> bool, mut f: impl FnMut(&mut Reg)) {
        for frame in &mut self.frames {
            if !frame.regs.iter().any(&pick) && !frame.stack.spilled().any(|(_, s)| pick(&s.reg)) {
                continue;
            }
            let frame = Rc::make_mut(frame);
            for r in frame.regs.iter_mut().filter(|r| pick(r)) {
                f(r);
            }
            frame.stack.each_spilled(&pick, |_, r| f(r));
        }
    }

    /// Whether a reference with this id is held.
    pub(crate) fn holds_ref(&self, id: u32) -> bool {
        self.holds.list.iter().any(|h| h.kind == HeldKind::Ref && h.id == id)
    }
}

impl State {
    /// The instruction at which a frame stands: its own, or the call that it waits in.
    pub(crate) fn insn_of(&self, frame: usize) -> usize {
        if frame == self.cur() { self.insn } else { self.frames[frame + 1].callsite }
    }
}

impl State {
    /// A placeholder while the real state is borrowed elsewhere.
    pub(crate) fn hollow() -> Self {
        Self {
            frames: Vec::new(),
            holds: Holds::default(),
            branches: 0,
            insn: 0,
            first_insn: 0,
            last_insn: 0,
            parent: None,
            history: Vec::new(),
            unroll_depth: 0,
            sleepable: false,
            cleaned: false,
            in_scc: false,
            is_stored: false,
            speculative: false,
        }
    }
}

impl State {
    /// Makes room on a frame's stack, without copying a shared frame that has it.
    pub(crate) fn frame_grow(&mut self, frame: usize, depth: usize) {
        if self.frames[frame].depth() < depth {
            self.frame_mut(frame).grow(depth);
        }
    }
}
