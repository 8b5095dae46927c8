//! Calls of helpers by their contracts: each argument gets what its row asks for, or, rarely, something else.

use skep_abi::{Arg, HelperId, HelperRow, MapType, Ret};

use super::functions::Callee;
use super::{AND_IMM, Builder, FP, Holds, KEPT, MOV, MOV_IMM};
use crate::fidelity::world::{FROZEN, LOCKED, MAPS, PROG_ARRAY, TIMED};

/// Maps that a helper wants, by index; others take any.
static MAPS_OF: &[(&[HelperId], &[usize])] = &[
    (&[HelperId::TAIL_CALL], &[PROG_ARRAY]),
    (&[HelperId::MAP_LOOKUP_ELEM], &[0, 1, 2, 4, 8, 9, 16, 18, 19, 23, 24, 25, 26]),
    (&[HelperId::MAP_UPDATE_ELEM, HelperId::MAP_DELETE_ELEM], &[0, 1, 2, 4, 9, 25, 26, 27, 28]),
    (&[HelperId::MAP_PUSH_ELEM], &[10, 11, 12]),
    (&[HelperId::MAP_POP_ELEM], &[10, 11]),
    (&[HelperId::MAP_PEEK_ELEM], &[10, 11, 12]),
    (&[HelperId::MAP_LOOKUP_PERCPU_ELEM], &[9, 26]),
    (&[HelperId::FOR_EACH_MAP_ELEM], &[0, 1, 2, 9, 25]),
    (&[HelperId::PERF_EVENT_READ, HelperId::PERF_EVENT_OUTPUT, HelperId::PERF_EVENT_READ_VALUE], &[13]),
    (&[HelperId::SKB_OUTPUT, HelperId::XDP_OUTPUT], &[13]),
    (&[HelperId::GET_STACKID], &[14]),
    (&[HelperId::SKB_UNDER_CGROUP, HelperId::CURRENT_TASK_UNDER_CGROUP], &[15]),
    (&[HelperId::REDIRECT_MAP], &[16, 17, 18, 30]),
    (&[HelperId::SK_REDIRECT_MAP, HelperId::MSG_REDIRECT_MAP, HelperId::SOCK_MAP_UPDATE], &[19]),
    (&[HelperId::SK_REDIRECT_HASH, HelperId::MSG_REDIRECT_HASH, HelperId::SOCK_HASH_UPDATE], &[20]),
    (&[HelperId::SK_STORAGE_GET, HelperId::SK_STORAGE_DELETE], &[21]),
    (&[HelperId::SK_SELECT_REUSEPORT], &[22, 19, 20]),
    (&[HelperId::RINGBUF_OUTPUT, HelperId::RINGBUF_RESERVE, HelperId::RINGBUF_QUERY], &[3]),
];

/// Helpers that open what has to be closed: they have steps of their own.
const PAIRED: [HelperId; 9] = [
    HelperId::RINGBUF_RESERVE,
    HelperId::RINGBUF_SUBMIT,
    HelperId::RINGBUF_DISCARD,
    HelperId::SPIN_LOCK,
    HelperId::SPIN_UNLOCK,
    HelperId::SK_LOOKUP_TCP,
    HelperId::SK_LOOKUP_UDP,
    HelperId::SKC_LOOKUP_TCP,
    HelperId::SK_RELEASE,
];

/// Where arguments live on the stack, in bytes below the frame pointer.
const KEY: i32 = 8;
const VALUE: i32 = 152;
const MEMORY: i32 = 280;

/// What the arguments so far have told.
#[derive(Default)]
struct Call {
    map: usize,
    /// Size of the memory argument before.
    size: i32,
    packet: Option<u8>,
}

fn is_modelled(row: &HelperRow) -> bool {
    let odd = |a: &Arg| {
        matches!(
            a,
            Arg::Btf(_)
                | Arg::BtfOrNull(_)
                | Arg::Dynptr
                | Arg::DynptrOut
                | Arg::KptrField
                | Arg::KptrOrNull
                | Arg::PerCpu
        )
    };
    let result = matches!(row.ret, Ret::Btf(_) | Ret::BtfOrNull(_) | Ret::DynptrMemOrNull);
    !row.args.iter().any(odd) && !result && row.id != HelperId::USER_RINGBUF_DRAIN
}

impl Builder<'_> {
    /// A helper that this type of program may call, or rarely any.
    pub(super) fn helper(&mut self) {
        if let Some(row) = self.pick() {
            self.call_row(row, None);
        }
    }

    /// A helper that is given this register where it takes memory.
    pub(super) fn helper_with(&mut self, memory: u8) {
        let Some(row) = self.pick() else { return };
        if row.args.iter().any(|a| matches!(a, Arg::Mem | Arg::Key | Arg::Value | Arg::Fixed(_))) {
            self.call_row(row, Some(memory));
        }
    }

    fn pick(&mut self) -> Option<&'static HelperRow> {
        let any = self.random.percent(2);
        let (prog, attach) = (self.prog_type, self.attach_type);
        let fits = |r: &&HelperRow| {
            r.id.0 != 0 && (any || r.id.allowed(prog, attach) && is_modelled(r) && !PAIRED.contains(&r.id))
        };
        let rows: Vec<&'static HelperRow> = skep_abi::helpers().iter().filter(fits).collect();
        (!rows.is_empty()).then(|| self.random.of(&rows))
    }

    fn call_row(&mut self, row: &'static HelperRow, packet: Option<u8>) {
        let mut call = Call { packet, ..Call::default() };
        let wrong = if self.random.percent(5) { 1 + self.random.below(5) as u8 } else { 0 };
        for (reg, arg) in (1..).zip(row.args) {
            if reg == wrong {
                self.anything(reg);
            } else {
                self.give(reg, *arg, row, &mut call);
            }
        }
        self.called(row.id.0 as i32);
        self.take(row.ret, call.map);
    }

    /// Whatever is at hand.
    fn anything(&mut self, reg: u8) {
        match self.random.below(4) {
            0 => self.emit(MOV_IMM, reg, 0, 0, 0),
            1 => self.load_stack(reg, 64),
            _ => {
                let from = self.random.below(11) as u8;
                self.emit(MOV, reg, from, 0, 0);
            }
        }
    }

    fn copy(&mut self, reg: u8, wanted: impl Fn(Holds) -> bool) -> bool {
        let found = (6..10).filter(|r| wanted(self.holds(*r))).collect::<Vec<u8>>();
        if found.is_empty() {
            self.emit(MOV_IMM, reg, 0, 0, 0);
            return false;
        }
        let from = self.random.of(&found);
        self.emit(MOV, reg, from, 0, 0);
        true
    }

    fn give(&mut self, reg: u8, arg: Arg, row: &HelperRow, call: &mut Call) {
        match arg {
            Arg::Num => {
                if self.random.percent(40) && self.copy(reg, |h| h == Holds::Number) {
                    return;
                }
                let imm =
                    if self.random.percent(70) { self.random.below(4) as i32 } else { self.random.imm() };
                self.emit(MOV_IMM, reg, 0, 0, imm);
            }
            Arg::Ctx => _ = self.copy(reg, |h| h == Holds::Context),
            Arg::CtxOrNull | Arg::StackOrNull if self.random.percent(50) => self.emit(MOV_IMM, reg, 0, 0, 0),
            Arg::CtxOrNull => _ = self.copy(reg, |h| h == Holds::Context),
            Arg::StackOrNull => self.load_stack(reg, 16),
            Arg::Map => {
                let fit = MAPS_OF.iter().find(|(ids, _)| ids.contains(&row.id)).map(|(_, maps)| *maps);
                call.map = match fit {
                    Some(maps) if self.random.percent(97) => self.random.of(maps),
                    _ => self.random.below(MAPS.len() as u32) as usize,
                };
                self.load_map(reg, call.map);
            }
            Arg::Key => {
                self.fill(KEY, 8);
                self.memory(reg, KEY, call);
            }
            Arg::ValueOrNull if self.random.percent(50) => self.emit(MOV_IMM, reg, 0, 0, 0),
            Arg::Value | Arg::ValueOrNull => {
                self.fill(VALUE, MAPS[call.map].value as i32);
                self.memory(reg, VALUE, call);
            }
            Arg::ValueOut => self.memory(reg, VALUE, call),
            Arg::MemOrNull | Arg::MemOutOrNull if self.random.percent(30) => {
                call.size = 0;
                self.emit(MOV_IMM, reg, 0, 0, 0);
            }
            Arg::Mem | Arg::MemOrNull | Arg::MemInOut => {
                call.size = self.random.of(&[4, 8, 12, 16, 24, 28, 36, 40, 48, 64]);
                self.fill(MEMORY, call.size);
                self.memory(reg, MEMORY, call);
            }
            Arg::MemOut | Arg::MemOutOrNull => {
                call.size = self.random.of(&[4, 8, 12, 16, 24, 28, 36, 40, 48, 64]);
                self.memory(reg, MEMORY, call);
            }
            Arg::Fixed(n) | Arg::FixedInOut(n) => {
                self.fill(MEMORY, (n as i32).min(128));
                self.memory(reg, MEMORY, call);
            }
            Arg::FixedOut(_) => self.memory(reg, MEMORY, call),
            Arg::Size | Arg::SizeOrZero => self.size(reg, arg, call),
            _ => self.give_rest(reg, arg),
        }
    }

    fn give_rest(&mut self, reg: u8, arg: Arg) {
        match arg {
            Arg::ReturnedSize => {
                let size = 1 + self.random.below(64) as i32;
                self.emit(MOV_IMM, reg, 0, 0, size);
            }
            Arg::Str => self.load_value(reg, FROZEN, 0),
            Arg::SockCommonOrNull | Arg::SockCommon => _ = self.copy(reg, |h| h == Holds::Socket),
            Arg::SpinLock => self.load_value(reg, LOCKED, 0),
            Arg::Timer => self.load_value(reg, TIMED, 0),
            Arg::Callback => self.take_address(reg, Callee::Callback),
            Arg::StackOrNull => self.load_stack(reg, 16),
            _ => self.anything(reg),
        }
    }

    /// Memory: mostly on the stack, else a map's value or the packet.
    fn memory(&mut self, reg: u8, at: i32, call: &Call) {
        if let Some(packet) = call.packet {
            self.emit(MOV, reg, packet, 0, 0);
        } else if !(self.random.percent(15) && self.copy(reg, |h| matches!(h, Holds::Value(_)))) {
            self.load_stack(reg, at);
        }
    }

    fn size(&mut self, reg: u8, arg: Arg, call: &Call) {
        let most = if call.packet.is_some() { call.size.min(8) } else { call.size };
        if self.random.percent(15) && self.copy(reg, |h| h == Holds::Number) {
            let mask = self.random.of(&[3, 7, 15, 31, 63]);
            self.emit(AND_IMM, reg, 0, 0, mask);
            if arg == Arg::Size && self.random.percent(80) {
                self.emit(0x07, reg, 0, 0, 1);
            }
            return;
        }
        let slack = if self.random.percent(3) { self.random.within(-2, 40) } else { 0 };
        self.emit(MOV_IMM, reg, 0, 0, most + slack);
    }

    /// What a call gave is tested, and used.
    fn take(&mut self, ret: Ret, map: usize) {
        let holds = match ret {
            Ret::Void => Holds::Nothing,
            Ret::Value => Holds::Value(MAPS[map].value),
            Ret::ValueOrNull => {
                let inner = matches!(MAPS[map].map_type, MapType::ARRAY_OF_MAPS | MapType::HASH_OF_MAPS);
                if inner { Holds::Other } else { Holds::Value(MAPS[map].value) }
            }
            Ret::SockOrNull | Ret::SockCommonOrNull | Ret::TcpSockOrNull => Holds::Socket,
            Ret::RecordOrNull | Ret::BtfMem | Ret::BtfMemOrNull | Ret::KptrOrNull => Holds::Other,
            _ => return,
        };
        self.set(0, holds);
        let may_be_null = !matches!(ret, Ret::Void | Ret::Value);
        if may_be_null && self.random.percent(95) {
            self.emit(0x55, 0, 0, 2, 0);
            self.emit(MOV_IMM, 0, 0, 0, 0);
            self.emit(0x95, 0, 0, 0, 0);
        }
        match holds {
            Holds::Value(_) => self.value_access(),
            Holds::Socket => {
                let (to, off) = (self.random.of(&[1, 2, 7]), 4 * self.random.below(24) as i16);
                self.emit(0x61, to, 0, off, 0);
                self.set(to, Holds::Number);
            }
            _ => {}
        }
        if self.random.percent(30) && holds != Holds::Nothing {
            let keep = self.random.of(&[7, 8, 9]);
            self.emit(MOV, keep, 0, 0, 0);
            self.set(keep, holds);
        }
        if self.random.percent(5) {
            self.emit(0x7b, FP, 0, -16, 0);
        }
        debug_assert_ne!(KEPT, 0);
    }
}
