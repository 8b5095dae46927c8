//! One pass from instructions to machine code.
//!
//! Where things live while compiled code runs:
//!
//! | host | holds |
//! |---|---|
//! | x5 x0 x1 x2 x3 x4 | r0 to r5: the arguments where the procedure call standard has them |
//! | x19 to x23 | r6 to r10 |
//! | x24 | the base of the memory's [`Cage`](crate::cage::Cage) |
//! | x25 | what is left of the budget |
//! | x26 | the cage's [`Head`](crate::head::Head) |
//! | x27 | x24 plus r10: the frame's end in the host's memory |
//! | x28 | the machine |
//! | x9 x10 x11 x16 x17 x30 | scratch |
//!
//! What stands in the x86-64 compiler's documentation about cells, bails and budgets holds here word for word. What differs is
//! the call: `bl` puts the return into x30, and a function that is called stores it where the call site has made room. So
//! each function has one word before its first instruction, which only calls pass; x30 is free elsewhere.
//!
//! Invariants: every access has passed its region's check, or is through x27 inside the frame, or is proved; a backward jump, call
//! or return that leaves the budget below zero bails; what a call site lays on the stack is what [`Compiler::frame`] says;
//! x24, x26 and x27 follow the memory after every call of Rust code.

use skep_isa::{AluOp, CallTarget, Endian, ImmSource, Op, Operand, Reg, Size, Width};

use super::access::At;
use super::alu::Test;
use super::asm::Asm;
use super::encode::*;
use super::thunks::{self, Thunks, head};
use crate::jit::blind::Masks;
use crate::jit::layout;
use crate::jit::shape::{FrameShape, NOWHERE, Output, Shape, Site, Source, Word};
use crate::memory::function_address;
use crate::proof::{Binding, Lookup};

/// What the machine that code is for has.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Options {
    /// Atomic instructions (FEAT_LSE, Armv8.1); without them atomics are loops.
    pub(crate) lse: bool,
}

/// A constant to be filled in: the address of a plain function of the embedder's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Reloc {
    /// Offset of four words that load it into x16, sixteen bits each, the lowest first.
    pub(crate) at: u32,
    /// Its index.
    pub(crate) index: u32,
}

/// Host registers of r0 to r10.
pub(crate) const HOST: [Gpr; 11] = [X5, X0, X1, X2, X3, X4, X19, X20, X21, X22, X23];

pub(crate) const FP: Gpr = X23;
pub(crate) const CAGE: Gpr = X24;
pub(crate) const BUDGET: Gpr = X25;
pub(crate) const HEAD: Gpr = X26;
pub(crate) const FRAME: Gpr = X27;
pub(crate) const MACHINE: Gpr = X28;

/// The host register of a register.
pub(crate) fn host(reg: Reg) -> Gpr {
    HOST[reg.index() % HOST.len()]
}

/// Words of a call site's room: where it returns to, and r10 before.
const FIXED: u8 = 2;

/// What stands behind the program, out of the way.
enum Cold {
    /// Look the region up and try again.
    Miss { at: usize, word: Word, retry: usize },
    /// Open a frame for the first time and try again.
    Open { at: usize, cell: u32, retry: usize },
    /// Leave for this cell.
    Bail { at: usize, cell: u32 },
    /// Leave for this cell inside of a call that is to return there.
    Called { at: usize, cell: u32, back: usize },
    /// Call a helper.
    Helper { at: usize, word: u64, back: usize },
}

pub(crate) struct Compiler<'a> {
    pub(crate) asm: Asm,
    pub(crate) options: Options,
    source: &'a Source<'a>,
    thunks: Thunks,
    entries: Vec<u32>,
    /// Where calls enter functions: a cell and an offset, ascending.
    functions: Vec<(u32, usize)>,
    /// Jumps that lead to the code of a cell.
    jumps: Vec<(usize, u32)>,
    /// Calls that lead to the function at a cell.
    calls: Vec<(usize, u32)>,
    cold: Vec<Cold>,
    sites: Vec<Site>,
    relocs: Vec<Reloc>,
    saves: [bool; 4],
    uses_may_goto: bool,
    counts: bool,
    pub(crate) masks: Option<Masks>,
    /// What the last constant was that r1 was given.
    handle: Option<u64>,
    /// The slot and the cell of the instruction at hand.
    slot: usize,
    cell: u32,
}

/// Compiles a program. `None` if the code would be longer than a jump reaches.
pub(crate) fn compile(source: &Source<'_>, options: Options) -> Option<(Output, Vec<Reloc>)> {
    let done = attempt(source, options, false).or_else(|| attempt(source, options, true))?;
    if cfg!(debug_assertions) {
        check(&done.0.code);
    }
    Some(done)
}

fn attempt(source: &Source<'_>, options: Options, far: bool) -> Option<(Output, Vec<Reloc>)> {
    let mut asm = Asm { far, ..Asm::default() };
    asm.code.reserve(1024 + source.ops.len() * 32);
    let thunks = thunks::emit(&mut asm, source.binding.and_then(Binding::batch).unwrap_or(0));
    let mut c = Compiler {
        asm,
        options,
        source,
        thunks,
        entries: vec![NOWHERE; source.plan.cells],
        functions: Vec::new(),
        jumps: Vec::new(),
        calls: Vec::new(),
        cold: Vec::new(),
        sites: Vec::new(),
        relocs: Vec::new(),
        saves: source.writes(),
        uses_may_goto: source.uses_may_goto(),
        counts: source.counts(),
        masks: source.masks(),
        handle: None,
        slot: 0,
        cell: 0,
    };
    let mut falls_through = false;
    for (slot, op) in source.ops {
        c.slot = *slot;
        c.cell = source.plan.cell_of[*slot];
        c.function(falls_through);
        c.entries[c.cell as usize] = c.asm.here() as u32;
        c.op(*slot, op);
        falls_through = !matches!(op, Op::Exit | Op::Jump { .. });
    }
    // What runs past the last instruction stops at the interpreter's last cell.
    c.cell = source.plan.cells.saturating_sub(1) as u32;
    c.bail();
    c.finish()
}

/// Reads back what was written: each word is a row, and jumps stay inside.
pub(super) fn check(code: &[u8]) {
    for (i, bytes) in code.chunks_exact(4).enumerate() {
        let word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let Some(row) = row(word) else { panic!("word {i}, {word:#010x}, is no row") };
        assert!(row.allows(word), "word {i}, {word:#010x}, has operands that {} has not", row.name);
        let distance = match row.form {
            Form::Jump => i64::from(((word << 6) as i32) >> 6),
            Form::Branch | Form::Zero => i64::from(((word << 8) as i32) >> 13),
            _ => continue,
        };
        let target = i as i64 + distance;
        assert!(distance != 0 && (0..code.len() as i64 / 4).contains(&target), "word {i} jumps to {target}");
    }
}

pub(crate) fn w(width: Width) -> W {
    match width {
        Width::W32 => W::W,
        Width::W64 => W::X,
    }
}

impl Compiler<'_> {
    fn finish(mut self) -> Option<(Output, Vec<Reloc>)> {
        for cold in std::mem::take(&mut self.cold) {
            let here = self.asm.here();
            match cold {
                Cold::Miss { at, word, retry } => {
                    self.asm.patch(at, here);
                    self.out_of_line(word.bits(), self.thunks.miss, retry);
                }
                Cold::Open { at, cell, retry } => {
                    self.asm.patch(at, here);
                    self.out_of_line(cell.into(), self.thunks.open, retry);
                }
                Cold::Called { at, cell, back } => {
                    self.asm.patch(at, here);
                    self.asm.adr(X16);
                    self.asm.add(W::X, X30, X16, back as i64 - here as i64);
                    self.asm.near(STUR_X, X30, SP, 0);
                    self.bail_to(cell);
                }
                Cold::Bail { at, cell } => {
                    self.asm.patch(at, here);
                    self.bail_to(cell);
                }
                Cold::Helper { at, word, back } => {
                    self.asm.patch(at, here);
                    self.out_of_line(word, self.thunks.helper, back);
                }
            }
        }
        for (at, cell) in &self.jumps {
            self.asm.patch(*at, self.entries[*cell as usize] as usize);
        }
        for (at, cell) in &self.calls {
            // Whatever a call names is a function of the plan.
            let i = self.functions.binary_search_by_key(cell, |f| f.0).ok()?;
            self.asm.patch(*at, self.functions[i].1);
        }
        if self.asm.overflow {
            return None;
        }
        let shape = Shape {
            frame: self.frame(),
            entries: self.entries.into(),
            sites: self.sites.into(),
            front: 0,
            enter: self.thunks.enter,
            batch: self.thunks.batch,
        };
        Some((Output { code: self.asm.code, front: Vec::new(), shape }, self.relocs))
    }

    /// What a call site lays on the stack, seen from the return behind it.
    fn frame(&self) -> FrameShape {
        let mut frame = FrameShape { words: FIXED, ..FrameShape::default() };
        for i in (0..4).filter(|i| self.saves[*i]) {
            frame.saved[i] = Some(frame.words);
            frame.words += 1;
        }
        if self.uses_may_goto {
            frame.may_goto = Some(frame.words);
            frame.words += 1;
        }
        frame.words = frame.words.next_multiple_of(2);
        frame
    }

    /// Where a function begins, calls come in one word before it.
    fn function(&mut self, falls_through: bool) {
        let functions = &self.source.plan.functions;
        if functions.binary_search_by_key(&self.cell, |f| f.1).is_err() {
            return;
        }
        let over = falls_through.then(|| self.asm.skip());
        self.functions.push((self.cell, self.asm.here()));
        self.asm.near(STUR_X, X30, SP, 0);
        if let Some(over) = over {
            self.asm.land(over);
        }
    }

    fn out_of_line(&mut self, word: u64, thunk: usize, retry: usize) {
        self.asm.constant(X16, word);
        let call = self.asm.bl();
        self.asm.patch(call, thunk);
        let back = self.asm.b();
        self.asm.patch(back, retry);
    }

    pub(crate) fn big(&self) -> bool {
        self.source.plan.endian == Endian::Big
    }

    /// Leaves for the interpreter at a cell.
    fn bail_to(&mut self, cell: u32) {
        self.asm.constant(X16, cell.into());
        let at = self.asm.b();
        self.asm.patch(at, self.thunks.bail);
    }

    /// Leaves for the interpreter at this instruction.
    pub(crate) fn bail(&mut self) {
        self.bail_to(self.cell);
    }

    /// Leaves for the interpreter at this instruction if the condition holds.
    pub(crate) fn bail_if(&mut self, cc: Cc) {
        let at = self.asm.b_cond(cc);
        self.cold.push(Cold::Bail { at, cell: self.cell });
    }

    /// Leaves if the budget is spent, to go on at a cell.
    fn spent(&mut self, cell: u32) {
        let at = self.asm.b_cond(CC_MI);
        self.cold.push(Cold::Bail { at, cell });
    }

    /// Notes that the condition means a region that is not cached. `log2` of the access's bytes.
    pub(crate) fn miss_if(&mut self, cc: Cc, (base, off): (Reg, i16), log2: u32, write: bool, retry: usize) {
        let at = self.asm.b_cond(cc);
        let word = Word { cell: self.cell, base: base.index(), off, log2, write };
        self.cold.push(Cold::Miss { at, word, retry });
    }

    fn cell_at(&self, slot: usize, off: i32) -> u32 {
        // Validation found the target inside, at the start of an instruction.
        self.source.plan.cell_of[(slot as i64 + 1 + i64::from(off)) as usize]
    }

    fn op(&mut self, slot: usize, op: &Op) {
        match *op {
            Op::Alu { width, op, dst, src } => self.alu(width, op, dst, src),
            Op::Movsx { width, from, dst, src } => self.movsx(width, from, dst, src),
            Op::Neg { width, dst } => self.asm.rrr(SUB_R, w(width), host(dst), ZR, host(dst)),
            Op::Swap { kind, size, dst } => self.swap(kind, size, dst),
            Op::AddrSpaceCast { dst, src, .. } => self.cast(dst, src),
            Op::Load { size, signed, dst, src, off } => self.load(size, signed, dst, src, off),
            Op::Store { size, dst, off, src } => self.store(size, dst, off, src),
            Op::LoadAcquire { size, dst, src, off } => self.load_acquire(size, dst, src, off),
            Op::StoreRelease { size, dst, src, off } => self.store_release(size, dst, src, off),
            Op::Atomic { op, size, fetch, dst, src, off } => self.atomic((op, fetch), size, dst, src, off),
            Op::LoadImm { dst, source, imm } => self.load_imm(slot, dst, source, imm),
            Op::LoadAbs { .. } | Op::LoadInd { .. } => self.call_out(self.cell.into(), self.thunks.packet),
            Op::Jump { off, .. } => self.jump(self.cell, self.cell_at(slot, off)),
            Op::Branch { width, cond, dst, src, off } => {
                let test = self.compare(width, cond, dst, src);
                let far = crate::build::is_far(off);
                self.branch(test, self.cell + u32::from(far), self.cell_at(slot, off.into()));
            }
            Op::MayGoto { off } => self.may_goto(slot, off),
            Op::Call(target) => self.call(slot, target),
            Op::Exit => {
                self.asm.constant(X16, self.cell.into());
                self.asm.add(W::X, BUDGET, BUDGET, -(i64::from(self.cell) + 1));
                self.asm.near(LDUR_X, X30, SP, 0);
                self.asm.reg(RET, X30);
            }
        }
    }

    fn load_imm(&mut self, slot: usize, dst: Reg, source: ImmSource, imm: u64) {
        let value = match source {
            ImmSource::Func => function_address((slot as i64 + 1 + i64::from(imm as i32)) as u32),
            _ => imm,
        };
        self.number(host(dst), value);
        if dst.index() == 1 {
            self.handle = Some(value);
        }
    }

    /// Loads a number of the program's, behind a mask if that is wanted. x9 does not stay, flags do.
    pub(crate) fn number(&mut self, to: Gpr, value: u64) {
        let Some(masks) = &mut self.masks else { return self.asm.constant(to, value) };
        let mask = masks.next() & if value <= u64::from(u32::MAX) { u64::from(u32::MAX) } else { u64::MAX };
        self.asm.constant(X9, mask);
        self.asm.constant(to, value ^ mask);
        self.asm.rrr(EOR_R, W::X, to, to, X9);
    }

    /// `addr_space_cast`: the low 32 bits, in the arena's region unless they are zero.
    fn cast(&mut self, dst: Reg, src: Reg) {
        let Some(arena) = self.source.plan.arena else {
            return self.alu(Width::W32, AluOp::Mov, dst, Operand::Reg(src));
        };
        let (dst, src) = (host(dst), host(src));
        self.asm.mov_w(X16, src);
        self.asm.constant(X17, arena.base() >> 32 << 32);
        self.asm.rrr(ORR_R, W::X, X17, X17, X16);
        self.asm.compare(W::X, X16, 0);
        self.asm.select(W::X, dst, (X17, X16), CC_NE);
    }

    /// Goes to a cell. Backward it pays what the interpreter's jump from `from` pays.
    fn jump(&mut self, from: u32, target: u32) {
        if self.counts && target <= from {
            self.asm.adds(W::X, BUDGET, BUDGET, -i64::from(from - target + 1));
            self.spent(target);
        }
        let at = self.asm.b();
        self.jumps.push((at, target));
    }

    fn branch(&mut self, test: Test, from: u32, target: u32) {
        if target > from || !self.counts {
            let at = match test {
                Test::Flags(cc) => self.asm.b_cond(cc),
                Test::Zero(w, reg, zero) => self.asm.b_zero(w, reg, zero),
            };
            self.jumps.push((at, target));
            return;
        }
        let not_taken = match test {
            Test::Flags(cc) => self.asm.skip_if(cc.inverse()),
            Test::Zero(w, reg, zero) => self.asm.skip_zero(w, reg, !zero),
        };
        self.jump(from, target);
        self.asm.land(not_taken);
    }

    fn may_goto(&mut self, slot: usize, off: i16) {
        // The interpreter's far form has its jump two cells on.
        let from = self.cell + if crate::build::is_far(off) { 2 } else { 0 };
        self.asm.at(LDR_W, X16, MACHINE, layout::MAY_GOTO as u32);
        self.branch(Test::Zero(W::W, X16, true), from, self.cell_at(slot, off.into()));
        self.asm.add(W::W, X16, X16, -1);
        self.asm.at(STR_W, X16, MACHINE, layout::MAY_GOTO as u32);
    }

    /// Calls Rust code that works on the machine: all registers are there, and come back.
    fn call_out(&mut self, word: u64, thunk: usize) {
        self.asm.constant(X16, word);
        let at = self.asm.bl();
        self.asm.patch(at, thunk);
    }

    fn call(&mut self, slot: usize, target: CallTarget) {
        if let CallTarget::Subprog(off) = target {
            return self.subprogram(self.cell_at(slot, off));
        }
        if let CallTarget::Helper(id) = target
            && let Some(lookup) = self.source.binding.and_then(|b| b.lookup(slot, id))
        {
            return self.lookup(lookup, At::Sum(X1));
        }
        if self.guessed(target) {
            return;
        }
        match self.source.plan.host_call(self.cell) {
            Some(index) if self.source.imports.plain(index).is_some() => self.call_plain(index),
            Some(index) => {
                // The verifier lets nobody read r1 to r5 after a call.
                let proved = self.source.binding.is_some();
                let thunk = match proved {
                    _ if self.source.imports.is_quick(index) => self.thunks.quick,
                    true => self.thunks.proved_helper,
                    false => self.thunks.helper,
                };
                self.call_out(u64::from(self.cell) | u64::from(index) << 32, thunk);
            }
            // Through a register, or what the embedder does not have: the interpreter looks, or traps.
            None => self.bail(),
        }
    }

    /// Calls a function of the embedder's that needs nothing but its arguments, which are where it wants them.
    fn call_plain(&mut self, index: u32) {
        let kept = if self.source.binding.is_some() { 0 } else { 48 };
        if kept > 0 {
            self.asm.pair(STP_PRE, (X0, X1), SP, -kept);
            self.asm.pair(STP, (X2, X3), SP, 16);
            self.asm.near(STUR_X, X4, SP, 32);
        }
        self.relocs.push(Reloc { at: self.asm.here() as u32, index });
        self.asm.movw(MOVZ, W::X, X16, 0, 0);
        (1..4).for_each(|quarter| self.asm.movw(MOVK, W::X, X16, 0, quarter));
        self.asm.reg(BLR, X16);
        self.asm.mov(X5, X0);
        if kept > 0 {
            self.asm.near(LDUR_X, X4, SP, 32);
            self.asm.pair(LDP, (X2, X3), SP, 16);
            self.asm.pair(LDP_POST, (X0, X1), SP, kept);
        }
    }

    /// A lookup in the map whose handle was last put into r1, if that is an array. Nobody has proved that r1 still holds
    /// it, so that is asked first; nor that r2 leads to a key, so that is an access like any other. Whether it was done.
    fn guessed(&mut self, target: CallTarget) -> bool {
        let (CallTarget::Helper(id), Some(handle), false) = (target, self.handle, self.big()) else {
            return false;
        };
        let array = self.source.imports.array(id, handle);
        let lookup = array.and_then(|(region, elements)| elements.lookup(region));
        let (Some(lookup), Some(index)) = (lookup, self.source.plan.host_call(self.cell)) else {
            return false;
        };
        self.number(X16, handle);
        self.asm.rrr(SUBS_R, W::X, ZR, X16, X0);
        let at = self.asm.b_cond(CC_NE);
        let key = self.key();
        self.lookup(lookup, key);
        let word = u64::from(self.cell) | u64::from(index) << 32;
        self.cold.push(Cold::Helper { at, word, back: self.asm.here() });
        true
    }

    /// `bpf_map_lookup_elem` of an array.
    fn lookup(&mut self, lookup: Lookup, key: At) {
        match lookup {
            Lookup::Known(address) => self.asm.constant(X5, address),
            Lookup::At { first, count, room } => {
                self.read_key(X16, key);
                self.asm.constant(X5, 0);
                match self.masks {
                    None => self.asm.compare(W::W, X16, count.into()),
                    Some(_) => {
                        self.number(X17, count as u64);
                        self.asm.rrr(SUBS_R, W::W, ZR, X16, X17);
                    }
                }
                let outside = self.asm.skip_if(CC_HS);
                self.asm.constant(X5, first);
                if room > 0 && room & (room - 1) == 0 {
                    self.asm.shift_left(W::X, X16, X16, room.trailing_zeros());
                } else {
                    self.number(X17, room as u64);
                    self.asm.rrrr(MADD, W::X, (X16, X16, X17, ZR));
                }
                self.asm.rrr(ADD_R, W::X, X5, X5, X16);
                self.asm.land(outside);
            }
        }
    }

    /// Whether the verifier has proved that an access of this instruction is inside.
    pub(crate) fn is_proved(&self, size: Size) -> bool {
        self.source.binding.is_some_and(|b| b.allows(self.slot, size.bytes()))
    }

    fn subprogram(&mut self, target: u32) {
        let retry = self.asm.here();
        self.asm.at(LDR_X, X16, HEAD, head(layout::FRAME_STEP));
        self.asm.at(LDR_X, X17, HEAD, head(layout::OPENED));
        self.asm.rrr(ADD_R, W::X, X16, X16, FP);
        self.asm.rrr(SUBS_R, W::X, ZR, X16, X17);
        let at = self.asm.b_cond(CC_HI);
        self.cold.push(Cold::Open { at, cell: self.cell, retry });
        let frame = self.frame();
        let bytes = i64::from(frame.words) * 8;
        self.asm.add(W::X, SP, SP, -bytes);
        self.each_saved(STR_X, frame);
        if let Some(at) = frame.may_goto {
            self.asm.at(LDR_W, X17, MACHINE, layout::MAY_GOTO as u32);
            self.asm.at(STR_X, X17, SP, u32::from(at) * 8);
            self.asm.at(LDR_W, X17, MACHINE, layout::MAY_GOTO_LIMIT as u32);
            self.asm.at(STR_W, X17, MACHINE, layout::MAY_GOTO as u32);
        }
        self.asm.mov(FP, X16);
        self.asm.rrr(ADD_R, W::X, FRAME, CAGE, FP);
        self.asm.adds(W::X, BUDGET, BUDGET, -1);
        let spent = self.asm.b_cond(CC_MI);
        let call = self.asm.bl();
        self.calls.push((call, target));
        let back = self.asm.here();
        self.cold.push(Cold::Called { at: spent, cell: target, back });
        self.sites.push(Site { back: back as u32, cell: self.cell, target });
        self.each_saved(LDR_X, frame);
        if let Some(at) = frame.may_goto {
            self.asm.at(LDR_W, X17, SP, u32::from(at) * 8);
            self.asm.at(STR_W, X17, MACHINE, layout::MAY_GOTO as u32);
        }
        self.asm.add(W::X, SP, SP, bytes);
        self.asm.rrr(ADD_R, W::X, FRAME, CAGE, FP);
        self.asm.adds(W::X, BUDGET, BUDGET, target.into());
        self.spent(self.cell + 1);
    }

    /// Stores or loads r10 and what is saved of r6 to r9.
    fn each_saved(&mut self, enc: Enc, frame: FrameShape) {
        self.asm.at(enc, FP, SP, u32::from(FIXED - 1) * 8);
        for (reg, at) in HOST[6..10].iter().zip(frame.saved) {
            if let Some(at) = at {
                self.asm.at(enc, *reg, SP, u32::from(at) * 8);
            }
        }
    }
}

/// log2 of a size in bytes.
pub(crate) fn log2(size: Size) -> u32 {
    size.bytes().trailing_zeros()
}
