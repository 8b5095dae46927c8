//! What random programs do outside of their registers and frames: map helpers, values reached directly, the context,
//! and packets that change their size under the program.

use skep_abi::{MapType, ProgType};
use skep_isa::Insn;

use super::body::{Writer, call_helper};
use super::memory::{self, Area};
use super::{OUT, PACKET, operation as op, tables};

/// Helpers.
const LOOKUP: i32 = 1;
const UPDATE: i32 = 2;
const DELETE: i32 = 3;
const SKB_STORE_BYTES: i32 = 9;
const VLAN_PUSH: i32 = 18;
const VLAN_POP: i32 = 19;
const SKB_LOAD_BYTES: i32 = 26;
const SKB_CHANGE_TAIL: i32 = 38;
const SKB_PULL_DATA: i32 = 39;
const SKB_CHANGE_HEAD: i32 = 43;
const XDP_ADJUST_HEAD: i32 = 44;
const XDP_ADJUST_META: i32 = 54;
const XDP_ADJUST_TAIL: i32 = 65;
const MAP_PUSH: i32 = 87;
const MAP_POP: i32 = 88;
const MAP_PEEK: i32 = 89;
const RINGBUF_OUTPUT: i32 = 130;
const XDP_LOAD_BYTES: i32 = 189;
const XDP_STORE_BYTES: i32 = 190;

/// Fields of `xdp_md` and `__sk_buff` that both worlds fill alike, and those that may be written.
const XDP_FIELDS: [i16; 2] = [12, 16];
const SKB_FIELDS: [i16; 18] = [0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60, 64, 164];
const SKB_TC_INDEX: i16 = 44;
const SKB_WRITABLE: [i16; 8] = [8, 32, 44, 48, 52, 56, 60, 64];

impl Writer {
    /// Lookup, update or deletion of one of eight keys.
    pub(super) fn map_helper(&mut self) {
        let (key, value) = (8 * (1 + self.rng.below(6) as i16), 8 * (7 + self.rng.below(6) as i16));
        self.key(key);
        self.load_map(1, tables::KEYED);
        self.frame_address(2, key);
        match self.rng.below(3) {
            0 => {
                self.frame_address(3, value);
                let flags = self.rng.below(3) as i32;
                self.push(op::mov_imm(4, flags));
                self.push(call_helper(UPDATE));
                self.live.called();
            }
            1 => {
                self.push(call_helper(DELETE));
                self.live.called();
            }
            _ => self.looked_up(),
        }
    }

    /// Writes a key into the frame: for a trie, a length and four bytes of which some are behind it.
    fn key(&mut self, below: i16) {
        let number = self.rng.below(8) as i32;
        if self.tables[tables::KEYED].map_type != MapType::LPM_TRIE {
            self.push(Insn { opcode: 0x62, dst: 10, off: -below, imm: number, ..Insn::default() });
            return;
        }
        let length = self.rng.pick(&[0, 3, 8, 9, 16, 31, 32, 33]);
        let address = self.rng.pick(&[0, 0x0a, 0x80, 0x0101_010a, -1]) ^ number << 24;
        self.push(Insn { opcode: 0x62, dst: 10, off: -below, imm: length, ..Insn::default() });
        self.push(Insn { opcode: 0x62, dst: 10, off: 4 - below, imm: address, ..Insn::default() });
    }

    /// A call of lookup, and something done with what it finds.
    fn looked_up(&mut self) {
        self.push(call_helper(LOOKUP));
        let saved = self.live;
        self.live.called();
        let absent = self.push(Insn { opcode: 0x15, dst: 0, ..Insn::default() });
        let area = Area { base: 0, from: 0, len: 8, aligned: false, atomic: true };
        // What is kept over the call; the callee saved at least one number.
        if let Some(r) = saved.all().into_iter().find(|r| *r > 5) {
            let insn = memory::store(&mut self.rng, area, r);
            self.push(insn);
            if self.rng.one_in(2) {
                let (insn, _) = memory::atomic(&mut self.rng, area, r, false);
                self.push(insn);
            }
            let insn = memory::load(&mut self.rng, area, r);
            self.push(insn);
        }
        self.land(absent);
        self.number(0);
    }

    /// Push, pop or peek; or a record for the ring buffer.
    pub(super) fn queue_or_ring(&mut self) {
        let word = 8 * (1 + self.rng.below(12) as i16);
        self.load_map(1, tables::KEYLESS);
        self.frame_address(2, word);
        if self.tables[tables::KEYLESS].map_type == MapType::RINGBUF {
            let len = 1 + self.rng.below(8) as i32;
            self.push(op::mov_imm(3, len));
            self.push(op::mov_imm(4, 0));
            self.push(call_helper(RINGBUF_OUTPUT));
        } else {
            let helper = self.rng.pick(&[MAP_PUSH, MAP_PUSH, MAP_POP, MAP_PEEK]);
            if helper == MAP_PUSH {
                // BPF_EXIST: the oldest makes room.
                let flags = self.rng.pick(&[0, 0, 2]);
                self.push(op::mov_imm(3, flags));
            }
            self.push(call_helper(helper));
        }
        self.live.called();
    }

    /// A byte of `out` by its address, as global data is reached.
    pub(super) fn direct_value(&mut self) {
        let (pointer, other) = (self.target(), self.any());
        let offset = 8 * self.rng.below(OUT / 8) as u32;
        self.load_value(pointer, offset);
        let area = Area { base: pointer, from: 0, len: 8, aligned: false, atomic: true };
        if other != pointer && self.rng.one_in(2) {
            let insn = memory::store(&mut self.rng, area, other);
            self.push(insn);
            self.number(pointer);
        } else {
            let insn = memory::load(&mut self.rng, area, pointer);
            self.push(insn);
            self.live.set(pointer);
        }
    }

    /// A field of the context, read whole or in part, or written.
    pub(super) fn context(&mut self) {
        let skb = self.prog_type == ProgType::SCHED_CLS;
        if skb && self.rng.one_in(3) {
            let (off, src) = (self.rng.pick(&SKB_WRITABLE), self.any());
            if off == SKB_TC_INDEX {
                // Of which Linux keeps 16 bits: docs/differences.md.
                self.push(op::and_imm(src, 0xffff));
            }
            self.push(Insn { opcode: 0x63, dst: 6, src, off, imm: 0 });
            return;
        }
        let off = if skb { self.rng.pick(&SKB_FIELDS) } else { self.rng.pick(&XDP_FIELDS) };
        let parts = if skb { &[(4, 0x00), (4, 0x00), (1, 0x10), (2, 0x08)] } else { &[(4, 0x00)][..] };
        let (bytes, size) = self.rng.pick(parts);
        let within = bytes * self.rng.below(4 / bytes as usize) as i16;
        let dst = self.target();
        self.push(Insn { opcode: 0x61 | size, dst, src: 6, off: off + within, imm: 0 });
        self.live.set(dst);
    }

    /// A helper after which the packet is elsewhere: it is found again, or the program ends.
    pub(super) fn reshape(&mut self) {
        self.push(op::mov(1, 6));
        let args: (i32, Vec<i32>) = if self.prog_type == ProgType::XDP {
            match self.rng.below(3) {
                0 => (XDP_ADJUST_HEAD, vec![self.rng.pick(&[-64, -14, -8, -1, 0, 4])]),
                1 => (XDP_ADJUST_META, vec![self.rng.pick(&[-32, -8, -4, -3, 0, 4])]),
                _ => (XDP_ADJUST_TAIL, vec![self.rng.pick(&[-4, 0, 1, 8, 100])]),
            }
        } else {
            // See docs/differences.md for what Linux does with tails once a head has grown, and with heads that grow often.
            match self.rng.below(5) {
                0 if !self.heads => (SKB_CHANGE_TAIL, vec![self.rng.pick(&[60, 64, 65, 128, 300]), 0]),
                1 if self.may_grow_head() => (SKB_CHANGE_HEAD, vec![self.rng.pick(&[0, 1, 14, 64]), 0]),
                2 => (SKB_PULL_DATA, vec![self.rng.pick(&[0, 14, 64, 65, 4000])]),
                3 if self.heads => {
                    (VLAN_PUSH, vec![self.rng.pick(&[0x0081, 0xa888, 0]), self.rng.below(4096) as i32])
                }
                _ => (VLAN_POP, vec![]),
            }
        };
        self.call_and_find(args.0, &args.1);
    }

    /// Whether the head of the packet may grow here, which it then has.
    fn may_grow_head(&mut self) -> bool {
        let may = self.heads && self.depth == 0 && !self.head_grown;
        self.head_grown |= may;
        may
    }

    /// A call with numbers from r2 on, its result stored, and the packet found again.
    fn call_and_find(&mut self, helper: i32, args: &[i32]) {
        for (register, arg) in (2..).zip(args) {
            self.push(op::mov_imm(register, *arg));
        }
        self.push(call_helper(helper));
        self.find_packet();
    }

    fn find_packet(&mut self) {
        let (data, end) = self.ends();
        self.live.called();
        self.push(Insn { opcode: 0x61, dst: 7, src: 6, off: data, imm: 0 });
        self.push(Insn { opcode: 0x61, dst: 1, src: 6, off: end, imm: 0 });
        self.push(op::mov(2, 7));
        self.push(op::add_imm(2, PACKET as i32));
        self.bail_if(Insn { opcode: 0x2d, dst: 2, src: 1, ..Insn::default() });
    }

    /// Bytes from the packet into the frame, or the other way, by helper.
    pub(super) fn copy_packet(&mut self) {
        let (len, word) = (1 + self.rng.below(8), 8 * (1 + self.rng.below(12) as i16));
        let from = self.rng.below(PACKET + 4) as i32;
        let (xdp, store) = (self.prog_type == ProgType::XDP, self.rng.one_in(2));
        self.push(op::mov(1, 6));
        self.push(op::mov_imm(2, from));
        self.frame_address(3, word);
        self.push(op::mov_imm(4, len as i32));
        match (xdp, store) {
            (true, true) => _ = self.push(call_helper(XDP_STORE_BYTES)),
            (true, false) => _ = self.push(call_helper(XDP_LOAD_BYTES)),
            (false, true) => {
                let flags = self.rng.below(4) as i32;
                self.push(op::mov_imm(5, flags));
                self.push(call_helper(SKB_STORE_BYTES));
                return self.find_packet();
            }
            (false, false) => _ = self.push(call_helper(SKB_LOAD_BYTES)),
        }
        self.live.called();
    }
}
