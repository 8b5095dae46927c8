//! The shape of random programs: a frame that is set up, statements, and an end that shows every register.
//!
//! Valid by construction: a set of registers that hold numbers is kept while code is written, and both arms of a
//! branch and every round of a loop leave at least what follows may read. In the first function r6 is the context,
//! r7 the packet, r9 the value of `out`; all else are numbers. In the others all registers are.

use skep_abi::ProgType;
use skep_isa::Insn;

use super::memory::{self, Area};
use super::tables::{self, Row, Use};
use super::{OUT, PACKET, Rng, operation as op};

/// Bytes of a frame that programs store into, in words below the frame pointer; below them are the counters of loops.
const DATA: i16 = 96;
const COUNTERS: i16 = 4;
/// Functions at most; each may call those behind it, and four frames fit the stack.
const FUNCTIONS: usize = 4;
/// How deep branches and loops nest.
const DEPTH: usize = 3;
/// Helpers.
const LOOKUP: i32 = 1;
const CSUM_DIFF: i32 = 28;

/// Registers that hold numbers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Live(u16);

impl Live {
    pub(super) fn has(self, r: u8) -> bool {
        self.0 & 1 << r != 0
    }

    pub(super) fn set(&mut self, r: u8) {
        self.0 |= 1 << r;
    }

    /// A call leaves r0 and what the callee saves.
    pub(super) fn called(&mut self) {
        self.0 = self.0 & !0b11_1111 | 1;
    }

    pub(super) fn all(self) -> Vec<u8> {
        (0..10).filter(|r| self.has(*r)).collect()
    }
}

/// What writes a program. What it can say of maps and packets is in [`super::effects`].
pub(super) struct Writer {
    pub(super) rng: Rng,
    code: Vec<Insn>,
    /// The maps that there are: `out`, one with keys, one without.
    pub(super) tables: Vec<Row>,
    maps: Vec<Use>,
    /// Slots of calls, and which function they call.
    calls: Vec<(usize, usize)>,
    /// Slots of jumps to the end of the first function.
    bail: Vec<usize>,
    pub(super) live: Live,
    /// Registers that may hold numbers in this function.
    numbers: Live,
    function: usize,
    functions: usize,
    pub(super) depth: usize,
    /// Whether packets grow at their heads, not at their tails.
    pub(super) heads: bool,
    /// Whether the packet's head was made longer by a lot.
    pub(super) head_grown: bool,
    loops: i16,
    pub(super) prog_type: ProgType,
    /// Statements that may still be written.
    budget: usize,
}

/// The code of a program, its maps, and where it loads which of them.
pub(super) fn program(mut rng: Rng, prog_type: ProgType) -> (Vec<Insn>, Vec<Row>, Vec<Use>) {
    let functions = rng.pick(&[1, 1, 2, 3, FUNCTIONS]);
    let (tables, heads) = (tables::choose(&mut rng), rng.one_in(2));
    let mut w = Writer {
        rng,
        code: Vec::new(),
        tables,
        maps: Vec::new(),
        calls: Vec::new(),
        bail: Vec::new(),
        live: Live(0),
        numbers: Live(0),
        function: 0,
        functions,
        depth: 0,
        heads,
        head_grown: false,
        loops: 0,
        prog_type,
        budget: 0,
    };
    let mut starts = Vec::new();
    for function in 0..functions {
        starts.push(w.code.len());
        w.function = function;
        w.budget = 8 + w.rng.below(30);
        if function == 0 { w.first() } else { w.other() }
    }
    // A function that nothing calls is refused: the one before calls it.
    for (slot, callee) in std::mem::take(&mut w.calls) {
        w.code[slot].imm = starts[callee] as i32 - slot as i32 - 1;
    }
    (w.code, w.tables, w.maps)
}

impl Writer {
    pub(super) fn push(&mut self, insn: Insn) -> usize {
        self.code.push(insn);
        self.code.len() - 1
    }

    /// Makes the jump at a slot go to the next instruction that is written.
    pub(super) fn land(&mut self, slot: usize) {
        let distance = self.code.len() as i32 - slot as i32 - 1;
        let insn = &mut self.code[slot];
        if op::is_long(insn) { insn.imm = distance } else { insn.off = distance as i16 }
    }

    pub(super) fn load_map(&mut self, dst: u8, map: usize) {
        let [low, high] = op::load_imm(dst, 0);
        let slot = self.push(Insn { src: 1, ..low });
        self.push(high);
        self.maps.push(Use { slot, map, value: None });
    }

    /// The address of a byte of `out`.
    pub(super) fn load_value(&mut self, dst: u8, offset: u32) {
        let [low, high] = op::load_imm(dst, u64::from(offset) << 32);
        let slot = self.push(Insn { src: 2, ..low });
        self.push(high);
        self.maps.push(Use { slot, map: tables::OUT, value: Some(offset) });
    }

    pub(super) fn number(&mut self, r: u8) {
        let value = self.rng.word();
        if self.rng.one_in(2) {
            for insn in op::load_imm(r, value) {
                self.push(insn);
            }
        } else {
            self.push(op::mov_imm(r, value as i32));
        }
        self.live.set(r);
    }

    /// A register that holds a number.
    pub(super) fn any(&mut self) -> u8 {
        let all = self.live.all();
        self.rng.pick(&all)
    }

    /// A register that may get a number.
    pub(super) fn target(&mut self) -> u8 {
        let all = self.numbers.all();
        self.rng.pick(&all)
    }

    /// Gives every word of the frame and every register a number.
    fn fill(&mut self) {
        for word in 1..=DATA / 8 {
            let value = self.rng.word() as i32;
            self.push(memory::store64_imm(10, -8 * word, value));
        }
        for r in self.numbers.all() {
            if !self.live.has(r) {
                self.number(r);
            }
        }
    }

    fn first(&mut self) {
        self.numbers = Live(0b1_0011_1111);
        self.live = Live(0);
        let (data, end) = self.ends();
        self.push(op::mov(6, 1));
        self.push(Insn { opcode: 0x61, dst: 7, src: 6, off: data, imm: 0 });
        self.push(Insn { opcode: 0x61, dst: 8, src: 6, off: end, imm: 0 });
        self.push(op::mov(0, 7));
        self.push(op::add_imm(0, PACKET as i32));
        self.bail_if(Insn { opcode: 0x2d, dst: 0, src: 8, ..Insn::default() });
        self.push(Insn { opcode: 0x62, dst: 10, off: -4, ..Insn::default() });
        self.push(op::mov(2, 10));
        self.push(op::add_imm(2, -4));
        self.load_map(1, 0);
        self.push(call_helper(LOOKUP));
        self.bail_if(Insn { opcode: 0x15, dst: 0, ..Insn::default() });
        self.push(op::mov(9, 0));
        self.fill();
        self.statements();
        self.call_next();
        for r in self.live.all() {
            self.push(memory::store64(9, 8 * i16::from(r), r));
        }
        let shown = self.any();
        self.push(op::mov(0, shown));
        self.push(EXIT);
        for jump in std::mem::take(&mut self.bail) {
            self.land(jump);
        }
        self.push(op::mov_imm(0, 0));
        self.push(EXIT);
    }

    /// Where the context has the packet's bounds.
    pub(super) fn ends(&self) -> (i16, i16) {
        if self.prog_type == ProgType::XDP { (0, 4) } else { (76, 80) }
    }

    /// A jump to the end of the first function.
    pub(super) fn bail_if(&mut self, condition: Insn) {
        let slot = self.push(condition);
        self.bail.push(slot);
    }

    fn other(&mut self) {
        self.numbers = Live(0b11_1111_1111);
        self.live = Live(0b11_1110);
        self.fill();
        self.statements();
        self.call_next();
        let shown = self.any();
        self.push(op::mov(0, shown));
        self.push(EXIT);
    }

    /// Every function is called at least once, by the one before it.
    fn call_next(&mut self) {
        if self.function + 1 < self.functions {
            self.call(self.function + 1);
        }
    }

    fn statements(&mut self) {
        let count = 1 + self.rng.below(12);
        for _ in 0..count {
            if self.budget == 0 {
                return;
            }
            self.budget -= 1;
            self.statement();
        }
    }

    fn statement(&mut self) {
        match self.rng.below(26) {
            0..=6 => self.alu(),
            7..=9 => self.memory(),
            10 | 11 => self.atomic(),
            12 | 13 if self.depth < DEPTH => self.branch(),
            14 if self.depth < DEPTH && self.loops < COUNTERS => self.bounded_loop(),
            15 if self.function + 1 < self.functions && self.depth < 2 => {
                let callee = self.function + 1 + self.rng.below(self.functions - self.function - 1);
                self.call(callee);
            }
            16 | 17 => self.map_helper(),
            18 => self.variable_place(),
            19 if self.prog_type == ProgType::SCHED_CLS && self.functions == 1 => self.packet_load(),
            19 => self.checksum(),
            20 => self.queue_or_ring(),
            21 => self.direct_value(),
            22 if self.function == 0 => self.context(),
            23 if self.function == 0 => self.reshape(),
            24 if self.function == 0 => self.copy_packet(),
            _ => {
                let r = self.target();
                self.number(r);
            }
        }
    }

    fn alu(&mut self) {
        let (dst, src) = (self.any(), self.any());
        let insn = op::alu(&mut self.rng, dst, src);
        self.push(insn);
    }

    fn area(&mut self) -> Area {
        let stack = Area { base: 10, from: -DATA, len: DATA, aligned: true, atomic: true };
        if self.function > 0 {
            return stack;
        }
        let packet = Area { base: 7, from: 0, len: PACKET as i16, aligned: false, atomic: false };
        let value = Area { base: 9, from: 0, len: OUT as i16, aligned: false, atomic: true };
        self.rng.pick(&[stack, stack, packet, value])
    }

    fn memory(&mut self) {
        let area = self.area();
        let insn = if self.rng.one_in(2) {
            let dst = self.target();
            self.live.set(dst);
            memory::load(&mut self.rng, area, dst)
        } else {
            let src = self.any();
            memory::store(&mut self.rng, area, src)
        };
        self.push(insn);
    }

    fn atomic(&mut self) {
        let area = self.area();
        if !area.atomic {
            return self.memory();
        }
        let (src, r0) = (self.any(), self.live.has(0));
        let (insn, written) = memory::atomic(&mut self.rng, area, src, r0);
        self.push(insn);
        if let Some(r) = written {
            self.live.set(r);
        }
    }

    /// Two arms, or one; after them only what both leave counts.
    fn branch(&mut self) {
        let (dst, src) = (self.any(), self.any());
        let test = op::condition(&mut self.rng, dst, src);
        let test = self.push(test);
        let before = self.live;
        self.depth += 1;
        self.statements();
        let after_first = self.live;
        let leave = op::goto(&mut self.rng);
        let leave = self.push(leave);
        self.land(test);
        self.live = before;
        if self.rng.one_in(2) {
            self.statements();
        }
        self.land(leave);
        self.depth -= 1;
        self.live = Live(self.live.0 & after_first.0);
    }

    /// A few rounds, counted in the frame.
    fn bounded_loop(&mut self) {
        let counter = -DATA - 8 * (self.loops + 1);
        let rounds = 1 + self.rng.below(5) as i32;
        self.loops += 1;
        self.depth += 1;
        self.push(memory::store64_imm(10, counter, rounds));
        let (top, before) = (self.code.len(), self.live);
        self.statements();
        for r in before.all() {
            if !self.live.has(r) {
                self.number(r);
            }
        }
        // Leaving early is possible after too many rounds, which these are not.
        let early = (self.functions == 1 && self.rng.one_in(3))
            .then(|| self.push(Insn { opcode: 0xe5, ..Insn::default() }));
        let r = self.target();
        self.live.set(r);
        self.push(memory::load64(r, 10, counter));
        self.push(op::add_imm(r, -1));
        self.push(memory::store64(10, counter, r));
        let back = self.push(Insn { opcode: 0x55, dst: r, ..Insn::default() });
        self.code[back].off = (top as i32 - back as i32 - 1) as i16;
        if let Some(early) = early {
            self.land(early);
            self.live = before;
        }
        self.depth -= 1;
        self.loops -= 1;
    }

    fn call(&mut self, callee: usize) {
        for r in 1..=5 {
            if !self.live.has(r) {
                self.number(r);
            }
        }
        let slot = self.push(Insn { opcode: 0x85, src: 1, ..Insn::default() });
        self.calls.push((slot, callee));
        self.live.called();
    }

    /// `r = r10 - below`
    pub(super) fn frame_address(&mut self, r: u8, below: i16) {
        self.push(op::mov(r, 10));
        self.push(op::add_imm(r, -i32::from(below)));
    }

    /// A place that is a number at run time, within bounds that the verifier sees. The number is added to the pointer, not
    /// the pointer to the number: for the latter Linux takes the wrong frame (docs/differences.md).
    fn variable_place(&mut self) {
        let (from, r) = (self.any(), self.target());
        let others: Vec<u8> = self.numbers.all().into_iter().filter(|n| *n != r).collect();
        let pointer = self.rng.pick(&others);
        let value = self.function == 0 && self.rng.one_in(2);
        let (base, mask, shift) = if value { (9, OUT as i32 - 8, 0) } else { (10, 0x38, -i32::from(DATA)) };
        self.push(op::mov(r, from));
        self.push(op::and_imm(r, mask & !7));
        self.live.set(r);
        self.push(op::mov(pointer, base));
        if shift != 0 {
            self.push(op::add_imm(pointer, shift));
        }
        self.push(op::add(pointer, r));
        let area = Area { base: pointer, from: 0, len: 8, aligned: true, atomic: false };
        if value && self.rng.one_in(2) {
            let insn = memory::store(&mut self.rng, area, r);
            self.push(insn);
            self.number(pointer);
        } else {
            let insn = memory::load(&mut self.rng, area, pointer);
            self.push(insn);
            self.live.set(pointer);
        }
    }

    /// The old way to read a packet, in network order; only where there is one function.
    fn packet_load(&mut self) {
        let (bytes, size) = self.rng.pick(&[(1, 0x10), (2, 0x08), (4, 0x00)]);
        if self.rng.one_in(2) {
            let imm = self.rng.below(PACKET - bytes + 1) as i32;
            self.push(Insn { opcode: 0x20 | size, imm, ..Insn::default() });
        } else {
            let r = self.any();
            self.push(op::and_imm(r, 0x1f));
            let imm = self.rng.below(PACKET - 0x20 - bytes) as i32;
            self.push(Insn { opcode: 0x40 | size, src: r, imm, ..Insn::default() });
        }
        self.live.called();
    }

    fn checksum(&mut self) {
        let from = 8 * (1 + self.rng.below(6) as i16);
        let to = 8 * (7 + self.rng.below(6) as i16);
        self.frame_address(1, from);
        self.push(op::mov_imm(2, 8));
        self.frame_address(3, to);
        self.push(op::mov_imm(4, 8));
        let seed = self.rng.word() as i32;
        self.push(op::mov_imm(5, seed));
        self.push(call_helper(CSUM_DIFF));
        self.live.called();
    }
}

const EXIT: Insn = Insn { opcode: 0x95, dst: 0, src: 0, off: 0, imm: 0 };

pub(super) fn call_helper(imm: i32) -> Insn {
    Insn { opcode: 0x85, imm, ..Insn::default() }
}
