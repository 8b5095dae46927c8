//! Values of maps, the packet, the context.

use skep_abi::{FieldKind, ProgType};

use super::{ADD, ADD_IMM, AND_IMM, Builder, EXIT, FP, Holds, KEPT, MOV, MOV_IMM, SIZES};
use crate::fidelity::world::{LOCKED_HASH, MAPS};

const MAP_LOOKUP_ELEM: i32 = 1;
/// Maps that are looked up in.
const LOOKED_UP: [usize; 14] = [0, 1, 2, 0, 1, 2, 4, 8, 9, 23, 25, 26, 27, LOCKED_HASH];

impl Builder<'_> {
    /// A lookup, and mostly a test for null and an access to what it found.
    pub(super) fn lookup(&mut self) {
        let map = self.random.of(&LOOKED_UP);
        let def = &MAPS[map];
        if self.random.percent(70) || def.key > 4 {
            let key = self.random.below(4) as i32;
            self.emit(0x7a, FP, 0, -8, key);
        } else {
            let key = self.number();
            self.emit(0x63, FP, key, -8, 0);
        }
        self.load_stack(2, 8);
        self.load_map(1, map);
        self.called(MAP_LOOKUP_ELEM);
        let value = if def.map_type == skep_abi::MapType::ARRAY_OF_MAPS { 48 } else { def.value };
        let checked = self.random.percent(95);
        if checked && self.random.percent(80) {
            self.emit(0x55, 0, 0, 2, 0);
            let r0 = self.random.below(2) as i32;
            self.emit(MOV_IMM, 0, 0, 0, r0);
            self.emit(EXIT, 0, 0, 0, 0);
            self.set(0, Holds::Value(value));
            if self.random.percent(70) {
                let keep = self.random.of(&[7, 8, 9]);
                self.emit(MOV, keep, 0, 0, 0);
                self.set(keep, Holds::Value(value));
            }
            self.value_access();
        } else {
            let at = self.insns.len();
            if checked {
                self.emit(0x15, 0, 0, 0, 0);
            }
            self.set(0, Holds::Value(value));
            self.value_access();
            if checked {
                self.land(at);
            }
            self.set(0, Holds::Nothing);
        }
    }

    /// An access to a value at a constant offset, a masked one, or one that a comparison bounds.
    pub(super) fn value_access(&mut self) {
        let Some(base) = self.reg_with(|h| matches!(h, Holds::Value(_))) else { return };
        let Holds::Value(size) = self.holds(base) else { return };
        let (code, bytes) = self.random.of(&SIZES);
        if self.random.percent(40) {
            let Some(by) = self.reg_with(|h| h == Holds::Number) else { return };
            if self.random.percent(50) {
                let mask = self.random.of(&[7, 15, 31, 63]);
                self.emit(AND_IMM, by, 0, 0, mask);
            } else {
                let most = self.random.below(size + 4) as i32;
                self.emit(0x25, by, 0, 2, most);
            }
            self.emit(ADD, base, by, 0, 0);
            self.emit(0x61 | code, by, base, 0, 0);
            self.set(base, Holds::Nothing);
            return;
        }
        let slack = if self.random.percent(5) { 8 } else { 0 };
        let off = self.random.within(0, (size as i32 - i32::from(bytes) + slack + 1).max(1)) as i16;
        let reg = self.number();
        match self.random.below(5) {
            0 => self.emit(0x63 | code, base, reg, off, 0),
            1 => {
                let imm = self.random.imm();
                self.emit(0x62 | code, base, 0, off, imm);
            }
            2 if bytes >= 4 => {
                let op = self.random.of(&[0, 1, 0xf1, 0xe1, 0x100, 0x110]);
                self.emit(0xc3 | code, base, reg, off & !7, op);
            }
            _ => {
                self.emit(0x61 | code, reg, base, off, 0);
                self.set(reg, Holds::Number);
            }
        }
    }

    /// The value of an array, by its address.
    pub(super) fn direct_value(&mut self) {
        let (reg, map) = (self.random.of(&[7, 8, 9]), self.random.of(&[1, 2, 8, 0, 6, 7]));
        let off = if self.random.percent(80) { 0 } else { self.random.within(0, 60) };
        self.load_value(reg, map, off);
        self.set(reg, Holds::Value(MAPS[map].value.saturating_sub(off as u32)));
        self.value_access();
    }

    /// Numbers are added to pointers and taken from them; pointers are compared and subtracted.
    pub(super) fn pointer_arithmetic(&mut self) {
        let Some(p) = self.reg_with(|h| !matches!(h, Holds::Nothing | Holds::Number)) else { return };
        let n = self.number();
        match self.random.below(6) {
            0 => {
                let imm = self.random.imm();
                self.emit(ADD_IMM, p, 0, 0, imm);
            }
            1 => self.emit(ADD, p, n, 0, 0),
            2 => self.emit(0x1f, p, n, 0, 0),
            3 => {
                self.emit(0x1f, n, p, 0, 0);
                self.set(n, Holds::Nothing);
            }
            4 => {
                let op = self.random.of(&[0x1d, 0x5d, 0x2d, 0xad, 0x6d]);
                self.emit(op, p, n, 0, 0);
            }
            _ => {
                let op = self.random.of(&[0x47, 0x57, 0x67, 0x77, 0x97, 0xa7, 0x04, 0x24]);
                self.emit(op, p, 0, 0, 3);
            }
        }
        self.set(p, Holds::Nothing);
    }

    /// Bytes of the packet behind a comparison with its end.
    pub(super) fn packet(&mut self) {
        let (data, end, wide) = match self.prog_type {
            ProgType::XDP => (0, 4, false),
            ProgType::SCHED_CLS | ProgType::SCHED_ACT | ProgType::SK_SKB | ProgType::CGROUP_SKB => {
                (76, 80, false)
            }
            ProgType::LWT_IN | ProgType::LWT_OUT | ProgType::LWT_XMIT | ProgType::FLOW_DISSECTOR => {
                (76, 80, false)
            }
            ProgType::SK_MSG => (0, 8, true),
            ProgType::SK_REUSEPORT => (0, 8, true),
            _ => return self.context(),
        };
        if self.holds(KEPT) != Holds::Context {
            return;
        }
        let load = if wide { 0x79 } else { 0x61 };
        let keep = self.random.of(&[2, 7, 8]);
        self.emit(load, keep, KEPT, data, 0);
        self.emit(load, 3, KEPT, end, 0);
        if self.random.percent(30) {
            let by = self.number();
            if by != keep && by != 3 {
                let mask = self.random.of(&[15, 63, 255]);
                self.emit(AND_IMM, by, 0, 0, mask);
                self.emit(ADD, keep, by, 0, 0);
            }
        }
        self.emit(MOV, 4, keep, 0, 0);
        let length = 1 + self.random.below(40) as i32;
        self.emit(ADD_IMM, 4, 0, 0, length);
        let at = self.insns.len();
        let (op, x, y) = self.random.of(&[(0x2d, 4, 3), (0x3d, 4, 3), (0xad, 3, 4), (0xbd, 3, 4)]);
        self.emit(op, x, y, 0, 0);
        self.set(4, Holds::Nothing);
        self.set(3, Holds::Nothing);
        self.set(keep, Holds::Other);
        for _ in 0..1 + self.random.below(3) {
            let (size, bytes) = self.random.of(&SIZES);
            let slack = if self.random.percent(10) { 2 } else { 1 };
            let off = self.random.within(0, length - i32::from(bytes) + slack) as i16;
            let Some(reg) = self.reg_with(|h| h == Holds::Number) else { break };
            if self.random.percent(75) {
                self.emit(0x61 | size, reg, keep, off, 0);
            } else {
                self.emit(0x63 | size, keep, reg, off, 0);
            }
        }
        if self.random.percent(20) {
            self.helper_with(keep);
        }
        self.land(at);
        self.regs[1..5].fill(Holds::Nothing);
        self.set(keep, Holds::Nothing);
    }

    /// A field of the context by its row; rarely anything.
    pub(super) fn context(&mut self) {
        let reg = self.number();
        if reg == KEPT || self.holds(KEPT) != Holds::Context {
            return;
        }
        let write = self.random.percent(12);
        let Some((size, off)) = self.field(write) else { return };
        if !write {
            self.emit(0x61 | size, reg, KEPT, off, 0);
            self.set(reg, Holds::Number);
        } else if self.random.percent(70) {
            self.emit(0x63 | size, KEPT, reg, off, 0);
        } else {
            self.emit(0x62 | size, KEPT, 0, off, 1);
        }
    }

    /// Size and offset of an access to the context that is mostly allowed, and mostly to a number.
    pub(super) fn field(&mut self, write: bool) -> Option<(u8, i16)> {
        if self.random.percent(3) {
            return Some((self.random.of(&SIZES).0, 4 * self.random.below(50) as i16));
        }
        let (context, prog, attach) = (self.prog_type.context()?, self.prog_type, self.attach_type);
        for _ in 0..8 {
            let field = context.fields.get(self.random.below(context.fields.len() as u32) as usize)?;
            let (size, bytes) = self.random.of(&SIZES);
            let piece = bytes as u32;
            let at = field.offset + piece * self.random.below(field.size / piece);
            let found = if write {
                context.store(prog, attach, at, piece)
            } else {
                context.load(prog, attach, at, piece)
            };
            if found.is_some_and(|f| f.kind == FieldKind::Scalar || self.random.percent(5)) {
                return Some((size, at as i16));
            }
        }
        None
    }

    /// Legacy loads of packet bytes.
    pub(super) fn load_bytes(&mut self) {
        let socket = matches!(self.prog_type, ProgType::SOCKET_FILTER | ProgType::SCHED_CLS);
        if self.holds(KEPT) != Holds::Context || !socket && self.random.percent(95) {
            return;
        }
        let size = self.random.of(&[0x00, 0x08, 0x10]);
        let at = self.random.below(64) as i32;
        if self.random.percent(50) {
            self.emit(0x20 | size, 0, 0, 0, at);
        } else {
            let by = self.number();
            self.emit(0x40 | size, 0, by, 0, at);
        }
        self.regs[1..6].fill(Holds::Nothing);
        self.set(0, Holds::Number);
    }
}
