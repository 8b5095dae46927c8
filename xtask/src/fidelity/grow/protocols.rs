//! What is opened and has to be closed: records, locks, sections, sockets.

use skep_abi::{HelperId, ProgType};

use super::{ADD, AND_IMM, Builder, CALL, EXIT, FP, Holds, KEPT, MAX_DEPTH, MOV, MOV_IMM, SIZES};
use crate::fidelity::program::KFUNC;
use crate::fidelity::world::{LOCKED, LOCKED_HASH};

const RINGBUF: usize = 3;
const RCU: (i32, i32) = (0, 1);
const PREEMPT: (i32, i32) = (2, 3);
const IRQ: (i32, i32) = (4, 5);

impl Builder<'_> {
    pub(super) fn protocol(&mut self, steps: u32) {
        match self.random.below(8) {
            0..3 => self.record(steps),
            3..5 => self.lock(steps),
            5 => self.section(RCU, steps),
            6 => self.section(PREEMPT, steps),
            _ => self.interrupts(steps),
        }
    }

    fn helper_call(&mut self, id: HelperId) {
        self.called(id.0 as i32);
    }

    /// A record of a ring buffer: reserved, written, and submitted or discarded.
    fn record(&mut self, steps: u32) {
        if self.holds(9) == Holds::Other {
            return;
        }
        let size = 1 + self.random.below(64) as i32;
        self.load_map(1, RINGBUF);
        self.emit(MOV_IMM, 2, 0, 0, size);
        self.emit(MOV_IMM, 3, 0, 0, 0);
        self.helper_call(HelperId::RINGBUF_RESERVE);
        let at = self.insns.len();
        self.emit(0x15, 0, 0, 0, 0);
        self.emit(MOV, 9, 0, 0, 0);
        self.set(9, Holds::Other);
        let off = self.random.within(0, size + 1) as i16;
        let inside = i16::from(self.random.percent(95));
        self.emit(0x72, 9, 0, off.min(size as i16 - inside), 1);
        let before = self.regs;
        if self.random.percent(40) {
            self.block(steps);
        }
        if self.random.percent(94) {
            self.emit(MOV, 1, 9, 0, 0);
            self.emit(MOV_IMM, 2, 0, 0, 0);
            let id = self.random.of(&[HelperId::RINGBUF_SUBMIT, HelperId::RINGBUF_DISCARD]);
            self.helper_call(id);
        }
        self.land(at);
        self.merge(before);
        self.regs[0..6].fill(Holds::Nothing);
        self.set(9, Holds::Nothing);
        self.emit(MOV_IMM, 0, 0, 0, 0);
        self.set(0, Holds::Number);
    }

    /// A lock is taken, something is done, it is given back.
    fn lock(&mut self, steps: u32) {
        let by_key = self.random.percent(40);
        let at = self.insns.len() + 5;
        if by_key {
            self.emit(0x7a, FP, 0, -8, 1);
            self.load_stack(2, 8);
            self.load_map(1, LOCKED_HASH);
            self.helper_call(HelperId::MAP_LOOKUP_ELEM);
            self.emit(0x15, 0, 0, 0, 0);
            self.emit(MOV, 8, 0, 0, 0);
        } else {
            self.load_value(8, LOCKED, 0);
        }
        self.set(8, Holds::Value(48));
        self.emit(MOV, 1, 8, 0, 0);
        self.helper_call(HelperId::SPIN_LOCK);
        if self.random.percent(30) {
            self.block(steps);
        } else {
            self.value_access();
            self.alu();
        }
        if self.random.percent(95) {
            self.emit(MOV, 1, 8, 0, 0);
            self.helper_call(HelperId::SPIN_UNLOCK);
        }
        if by_key {
            self.land(at + 1);
            self.regs[0..6].fill(Holds::Nothing);
            self.set(8, Holds::Nothing);
        }
        self.regs[0..6].fill(Holds::Nothing);
        self.emit(MOV_IMM, 0, 0, 0, 0);
        self.set(0, Holds::Number);
    }

    fn kfunc(&mut self, index: i32) {
        self.emit(CALL, 0, KFUNC, 0, index);
        self.regs[0..6].fill(Holds::Nothing);
    }

    fn section(&mut self, (open, close): (i32, i32), steps: u32) {
        self.kfunc(open);
        self.block(steps);
        if self.random.percent(93) {
            self.kfunc(close);
        }
    }

    /// Interrupts are switched off, something is done, they are restored: mostly from where their flags are.
    fn interrupts(&mut self, steps: u32) {
        let at = self.random.of(&[96, 104, 112, 120]);
        self.flag(at);
        self.kfunc(IRQ.0);
        match self.random.below(12) {
            0..5 => self.block(steps),
            5..8 if self.depth < MAX_DEPTH => {
                self.depth += 1;
                self.interrupts(steps);
                self.depth -= 1;
            }
            8 => self.touch(at),
            _ => {}
        }
        if self.random.percent(93) {
            self.flag(at);
            self.kfunc(IRQ.1);
        }
    }

    /// The address of the flags, in r1: rarely it is another.
    fn flag(&mut self, at: i32) {
        let number = self.reg_with(|h| h == Holds::Number).filter(|r| *r != 1);
        match (self.random.below(60), number) {
            (0, _) => self.load_stack(1, at - 4),
            (1, _) => self.load_stack(1, 0),
            (2, Some(n)) => {
                self.emit(AND_IMM, n, 0, 0, 8);
                self.load_stack(1, at);
                self.emit(ADD, 1, n, 0, 0);
            }
            (3, _) => {
                let from = self.random.below(10) as u8;
                self.emit(MOV, 1, from, 0, 0);
            }
            _ => self.load_stack(1, at),
        }
    }

    /// The bytes where the flags are kept are read, or written to.
    fn touch(&mut self, at: i32) {
        let (size, bytes) = self.random.of(&SIZES);
        let off = self.random.within(0, 8 - i32::from(bytes)) as i16;
        let off = off / bytes * bytes - at as i16;
        match self.random.below(3) {
            0 => {
                self.emit(0x61 & !0x18 | size, 0, FP, off, 0);
                self.set(0, Holds::Number);
            }
            1 => self.emit(0x62 & !0x18 | size, FP, 0, off, 1),
            _ => {
                self.load_stack(1, at);
                self.emit(MOV_IMM, 2, 0, 0, 8);
                self.emit(MOV_IMM, 3, 0, 0, 0);
                self.helper_call(HelperId::PROBE_READ_KERNEL);
            }
        }
    }

    /// A socket: the packet's own, or one that is looked up and released.
    pub(super) fn socket(&mut self, steps: u32) {
        let own = match self.prog_type {
            ProgType::SCHED_CLS | ProgType::SCHED_ACT | ProgType::CGROUP_SKB => Some(168),
            ProgType::SOCK_OPS => Some(184),
            ProgType::CGROUP_SOCK_ADDR => Some(64),
            ProgType::CGROUP_SOCKOPT | ProgType::SK_LOOKUP => Some(0),
            ProgType::SK_MSG => Some(72),
            _ => None,
        };
        let ids = [HelperId::SK_LOOKUP_TCP, HelperId::SK_LOOKUP_UDP, HelperId::SKC_LOOKUP_TCP];
        let looked = ids[0].allowed(self.prog_type, self.attach_type);
        if self.holds(KEPT) != Holds::Context || own.is_none() && !looked {
            return;
        }
        let lookup = looked && (own.is_none() || self.random.percent(50));
        if lookup {
            self.fill(48, 40);
            self.emit(MOV, 1, KEPT, 0, 0);
            self.load_stack(2, 48);
            let size = self.random.of(&[12, 36]);
            self.emit(MOV_IMM, 3, 0, 0, size);
            self.emit(MOV_IMM, 4, 0, 0, -1);
            self.emit(MOV_IMM, 5, 0, 0, 0);
            let id = self.random.of(&ids);
            self.helper_call(id);
        } else {
            self.emit(0x79, 0, KEPT, own.unwrap_or(0), 0);
        }
        let at = self.insns.len();
        let tested = self.random.percent(96);
        if tested {
            self.emit(0x15, 0, 0, 0, 0);
        }
        self.emit(MOV, 7, 0, 0, 0);
        self.set(7, Holds::Socket);
        let off = 4 * self.random.below(22) as i16;
        self.emit(0x61, 2, 7, off, 0);
        self.set(2, Holds::Number);
        if self.random.percent(50) {
            self.block(steps);
        }
        if lookup && self.random.percent(94) {
            self.emit(MOV, 1, 7, 0, 0);
            self.helper_call(HelperId::SK_RELEASE);
        }
        if tested {
            self.land(at);
        }
        self.regs[0..6].fill(Holds::Nothing);
        self.set(7, Holds::Nothing);
        self.emit(MOV_IMM, 0, 0, 0, 0);
        if self.random.percent(5) {
            self.emit(EXIT, 0, 0, 0, 0);
        }
        self.set(0, Holds::Number);
    }
}
