//! One pass from instructions to machine code.
//!
//! Where things live while compiled code runs:
//!
//! | host | holds |
//! |---|---|
//! | rax rdi rsi rdx rcx r8 | r0 to r5 |
//! | rbx r13 r14 r15 rbp | r6 to r10 |
//! | r12 | the base of the memory's [`Cage`](crate::cage::Cage), with its head below |
//! | r9 | what is left of the budget |
//! | r10 r11 | scratch |
//!
//! The interpreter's cells stay what a position is: budget, saved frames and traps count in cells. Compiled code
//! may leave before any instruction for the cell that stands for it (a *bail*), and the interpreter goes on there. So
//! whatever is rare or ends in a trap has one implementation, the interpreter's, and traps are the same by
//! construction.
//!
//! A call of a subprogram is a call of the host's, on the host's stack; who leaves inside of one writes the open calls into
//! the machine (`run::deopt`). The interpreter's return pays for the way from the function's entry to its exit. Here
//! the exit pays its cell's number, and where it returns to, the entry's is given back: neither needs to know the other.
//!
//! Invariants: every access has passed its region's check, or is through rbp inside the frame; a backward jump (where jumps count), call or
//! return that leaves the budget below zero bails; what a call site pushes is what [`Compiler::frame`] says.

use std::cell::Cell;

use skep_isa::{AluOp, CallTarget, Endian, ImmSource, Op, Operand, Reg, Size, Width};

use super::asm::Asm;
use super::encode::*;
use super::numbers::Value;
use super::reread;
use super::stubs::Again;
use super::thunks::{Out, Shared};
use crate::head::WAYS_OUT;
use crate::host::Plain;
use crate::jit::blind::Masks;
#[cfg(target_os = "linux")]
use crate::jit::gdb::Row;
use crate::jit::layout;
use crate::jit::pages::Draft;
use crate::jit::shape::{FrameShape, NOWHERE, Output, STUB, Shape, Site, Source, Stub, Word};
use crate::memory::function_address;
use crate::proof::Lookup;

/// Host registers of r0 to r10.
pub(crate) const HOST: [Gpr; 11] = [RAX, RDI, RSI, RDX, RCX, R8, RBX, R13, R14, R15, RBP];

pub(crate) const BUDGET: Gpr = R9;

/// The host register of a register.
#[inline(always)]
pub(crate) fn host(reg: Reg) -> Gpr {
    /// As many as fields of registers have values.
    const ALL: [Gpr; 16] = {
        let mut all = [RBP; 16];
        all.split_at_mut(HOST.len()).0.copy_from_slice(&HOST);
        all
    };
    ALL[reg.index() & 15]
}

/// Whether a call site that saves these pushes one more word, for the stack's alignment: it also saves r10 and
/// pushes where to return to.
pub(crate) fn padded(saves: [bool; 4]) -> bool {
    saves.iter().filter(|s| **s).count() % 2 == 1
}

pub(crate) struct Compiler<'a> {
    pub(crate) asm: Asm,
    source: &'a Source<'a>,
    pub(crate) shared: &'static Shared,
    entries: Vec<u32>,
    /// Displacements that lead to the code of a cell.
    jumps: Vec<(u32, u32)>,
    /// What stands before the program, out of the way: the first one last.
    front: Vec<Stub>,
    sites: Vec<Site>,
    saves: [bool; 4],
    uses_may_goto: bool,
    counts: bool,
    pub(super) masks: Option<Masks>,
    /// What the last constant was that r1 was given.
    handle: Option<u64>,
    /// The slot and the cell of the instruction at hand.
    slot: usize,
    cell: u32,
}

/// Buffers that one compilation leaves to the next.
#[derive(Default)]
struct Buffers {
    bytes: Vec<u8>,
    jumps: Vec<(u32, u32)>,
    front: Vec<Stub>,
}

/// A cache line: programs begin at multiples of it.
const LINE: usize = 64;

/// Where loops begin: what processors fetch at once.
const HEADS: usize = 32;

/// No more code than this is kept room for.
const KEPT: usize = 1 << 20;

thread_local! {
    static BUFFERS: Cell<Buffers> = const {
        Cell::new(Buffers { bytes: Vec::new(), jumps: Vec::new(), front: Vec::new() })
    };
}

/// Takes buffers back that were given as part of the output.
pub(crate) fn recycle(bytes: Vec<u8>, front: Vec<Stub>) {
    if bytes.len() > KEPT {
        return;
    }
    BUFFERS.with(|kept| {
        let jumps = kept.take();
        kept.set(Buffers { bytes, front, ..jumps });
    });
}

/// Compiles a program.
pub(crate) fn compile(source: &Source<'_>, shared: &'static Shared) -> Output {
    let Buffers { bytes, mut jumps, mut front } = BUFFERS.take();
    jumps.clear();
    front.clear();
    let mut c = Compiler {
        asm: Asm::new(bytes),
        source,
        shared,
        entries: vec![NOWHERE; source.plan.cells],
        jumps,
        front,
        sites: Vec::new(),
        saves: source.writes(),
        uses_may_goto: source.uses_may_goto(),
        counts: source.counts(),
        masks: source.masks(),
        handle: None,
        slot: 0,
        cell: 0,
    };
    let mut heads = source.plan.heads.iter().copied().peekable();
    for (slot, op) in source.ops {
        c.slot = *slot;
        c.cell = source.plan.cell_of[*slot];
        if heads.peek().is_some_and(|head| *head as usize == *slot) {
            while heads.next_if(|head| *head as usize == *slot).is_some() {}
            c.asm.room();
            c.asm.align(HEADS);
        }
        c.entries[c.cell as usize] = c.asm.here() as u32;
        c.asm.room();
        c.op(*slot, op);
    }
    // What runs past the last instruction stops at the interpreter's last cell.
    c.asm.room();
    c.cell = source.plan.cells.saturating_sub(1) as u32;
    c.bail();
    c.finish()
}

pub(crate) fn w(width: Width) -> W {
    match width {
        Width::W32 => W::D,
        Width::W64 => W::Q,
    }
}

impl Compiler<'_> {
    fn finish(mut self) -> Output {
        for (at, cell) in &self.jumps {
            self.asm.patch(*at as usize, self.entries[*cell as usize] as usize);
        }
        let shape = Shape {
            frame: self.frame(),
            entries: self.entries.into(),
            sites: self.sites.into(),
            front: (self.front.len() * STUB).next_multiple_of(LINE),
            enter: self.shared.enter,
            batch: self.shared.batch,
        };
        // The others go back here, these two after they were used.
        BUFFERS.set(Buffers { jumps: self.jumps, ..Buffers::default() });
        let (code, front) = (self.asm.finish(), self.front);
        if cfg!(debug_assertions) {
            let draft = Draft { front: &front, room: shape.front, code: &code };
            let mut all = vec![0; draft.len()];
            draft.write(&mut all);
            let outs: [i32; WAYS_OUT] = std::array::from_fn(layout::way_out);
            reread::check(&all, shape.front, &shape.entries, &outs);
        }
        Output { code, front, shape }
    }

    /// What a call site pushes, seen from the return behind it.
    fn frame(&self) -> FrameShape {
        let mut frame = FrameShape { words: 1, ..FrameShape::default() };
        for i in (0..4).rev().filter(|i| self.saves[*i]) {
            frame.saved[i] = Some(frame.words);
            frame.words += 1;
        }
        // r10, and what keeps the stack aligned.
        frame.words += 1 + u8::from(padded(self.saves));
        if self.uses_may_goto {
            frame.may_goto = Some(frame.words);
            frame.words += 2;
        }
        frame
    }

    pub(crate) fn big(&self) -> bool {
        self.source.plan.endian == Endian::Big
    }

    /// Makes a displacement lead to the code of a cell.
    fn lead(&mut self, at: usize, cell: u32) {
        self.jumps.push((at as u32, cell));
    }

    /// Leaves for the interpreter at this instruction.
    pub(crate) fn bail(&mut self) {
        self.asm.constant(R10, self.cell.into());
        self.asm.m(JMP_M, W::D, Out::Bail.place());
    }

    /// Leaves for the interpreter at this instruction if the condition holds.
    pub(crate) fn bail_if(&mut self, cc: Cc) {
        self.leave_if(cc, self.cell);
    }

    /// Leaves, to go on at a cell, if the condition holds.
    fn leave_if(&mut self, cc: Cc, cell: u32) {
        self.asm.jcc_to(cc, self.next_stub());
        self.front.push(self.shared.stubs.bail(cell));
    }

    /// Does something in between if the condition holds, and goes to `back` then.
    fn again_if(&mut self, cc: Cc, what: Again, word: u64, back: usize) {
        let at = self.next_stub();
        self.asm.jcc_to(cc, at);
        self.front.push(self.shared.stubs.again(what, word, at, back));
    }

    /// Goes to a stub that is yet to be made, if the condition holds: its index, and where it begins.
    fn later_if(&mut self, cc: Cc) -> (usize, i64) {
        let (index, at) = (self.front.len(), self.next_stub());
        self.asm.jcc_to(cc, at);
        self.front.push([0; STUB / 8]);
        (index, at)
    }

    /// Where the next piece of code before the program is going to begin.
    #[inline(always)]
    fn next_stub(&self) -> i64 {
        -((self.front.len() as i64 + 1) * STUB as i64)
    }

    /// The end of an access's check: the distance that is in r10 is held against the region that is cached for the base. If
    /// it is not in there, that is looked up, and the check begins again at `retry`.
    #[inline(always)]
    pub(crate) fn check(&mut self, (base, off): (Reg, i16), log2: u32, write: bool, retry: usize) {
        let at = self.next_stub();
        let stubs = &self.shared.stubs;
        self.asm.words_and_jcc(stubs.check(base.index(), log2, write), CC_AE, at);
        let word = Word { cell: self.cell, base: base.index(), off, log2, write };
        self.front.push(stubs.again(Again::Miss, word.bits(), at, retry));
    }

    /// The machine's address.
    pub(crate) fn machine(&mut self, to: Gpr) {
        self.asm.rm(MOV_RM, W::Q, to, Rm::Mem(CAGE, layout::MACHINE));
    }

    fn cell_at(&self, slot: usize, off: i32) -> u32 {
        // Validation found the target inside, at the start of an instruction.
        self.source.plan.cell_of[(slot as i64 + 1 + i64::from(off)) as usize]
    }

    #[inline(always)]
    fn op(&mut self, slot: usize, op: &Op) {
        match *op {
            Op::Alu { width, op, dst, src } => self.alu(width, op, dst, src),
            Op::Movsx { width, from, dst, src } => self.movsx(width, from, dst, src),
            Op::Neg { width, dst } => self.asm.m(NEG, w(width), host(dst)),
            Op::Swap { kind, size, dst } => self.swap(kind, size, dst),
            Op::AddrSpaceCast { dst, src, .. } => self.cast(dst, src),
            Op::Load { size, signed, dst, src, off } => self.load(size, signed, dst, src, off),
            Op::Store { size, dst, off, src } => self.store(size, dst, off, src),
            Op::LoadAcquire { size, dst, src, off } => self.load_acquire(size, dst, src, off),
            Op::StoreRelease { size, dst, src, off } => self.store_release(size, dst, src, off),
            Op::Atomic { op, size, fetch, dst, src, off } => self.atomic(op, size, fetch, dst, src, off),
            Op::LoadImm { dst, source, imm } => self.load_imm(slot, dst, source, imm),
            Op::LoadAbs { .. } | Op::LoadInd { .. } => self.call_out(self.cell.into(), Out::Packet),
            Op::Jump { off, .. } => self.jump(self.cell, self.cell_at(slot, off)),
            Op::Branch { width, cond, dst, src, off } => {
                let cc = self.compare(width, cond, dst, src);
                let far = crate::build::is_far(off);
                self.branch(cc, self.cell + u32::from(far), self.cell_at(slot, off.into()));
            }
            Op::MayGoto { off } => self.may_goto(slot, off),
            Op::Call(target) => self.call(slot, target),
            Op::Exit => {
                self.asm.constant(R10, self.cell.into());
                self.asm.mi(SUB_MI, W::Q, BUDGET, self.cell as i32 + 1);
                self.asm.ret();
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

    /// `addr_space_cast`: the low 32 bits, in the arena's region unless they are zero.
    fn cast(&mut self, dst: Reg, src: Reg) {
        let Some(arena) = self.source.plan.arena else {
            return self.alu(Width::W32, AluOp::Mov, dst, Operand::Reg(src));
        };
        let (dst, src) = (host(dst), host(src));
        self.asm.rm(MOV_MR, W::D, src, R10);
        self.asm.constant(R11, arena.base() >> 32 << 32);
        self.asm.rm(ADD_MR, W::Q, R10, R11);
        self.asm.rm(TEST_MR, W::D, R10, R10);
        let null = self.asm.skip_if(CC_E);
        self.asm.mov(R10, R11);
        self.asm.land(null);
        self.asm.mov(dst, R10);
    }

    /// Goes to a cell. Backward it pays what the interpreter's jump from `from` pays, and the jump is taken as long as something
    /// is left: a round costs no more than that one.
    fn jump(&mut self, from: u32, target: u32) {
        if !(self.counts && target <= from) {
            return match self.back(from, target) {
                Some(entry) if self.asm.is_near(entry) => self.asm.jmp_near(entry),
                _ => {
                    let at = self.asm.jmp();
                    self.lead(at, target);
                }
            };
        }
        let cost = (from - target + 1) as i32;
        self.asm.mi(SUB_MI, W::Q, BUDGET, cost);
        match self.back(from, target) {
            Some(entry) if self.asm.is_near(entry) => self.asm.jcc_near(CC_NS, entry),
            _ => {
                let at = self.asm.jcc(CC_NS);
                self.lead(at, target);
            }
        }
        self.asm.jmp_to(self.next_stub());
        self.front.push(self.shared.stubs.bail(target));
    }

    /// Where the code of a cell is that lies behind.
    fn back(&self, from: u32, target: u32) -> Option<u32> {
        (target <= from).then(|| self.entries[target as usize])
    }

    fn branch(&mut self, cc: Cc, from: u32, target: u32) {
        if target > from || !self.counts {
            return match self.back(from, target) {
                Some(entry) if self.asm.is_near(entry) => self.asm.jcc_near(cc, entry),
                _ => {
                    let at = self.asm.jcc(cc);
                    self.lead(at, target);
                }
            };
        }
        let not_taken = self.asm.skip_if(cc.inverse());
        self.jump(from, target);
        self.asm.land(not_taken);
    }

    fn may_goto(&mut self, slot: usize, off: i16) {
        // The interpreter's far form has its jump two cells on.
        let from = self.cell + if crate::build::is_far(off) { 2 } else { 0 };
        self.machine(R10);
        let left = Rm::Mem(R10, layout::MAY_GOTO);
        self.asm.mi(CMP_MI, W::D, left, 0);
        self.branch(CC_E, from, self.cell_at(slot, off.into()));
        self.asm.mi(SUB_MI, W::D, left, 1);
    }

    /// Calls Rust code that works on the machine: all registers are there, and come back.
    fn call_out(&mut self, word: u64, out: Out) {
        self.asm.constant(R10, word);
        self.asm.m(CALL_M, W::D, out.place());
    }

    fn call(&mut self, slot: usize, target: CallTarget) {
        if let CallTarget::Subprog(off) = target {
            return self.subprogram(self.cell_at(slot, off));
        }
        if let CallTarget::Helper(id) = target
            && let Some(lookup) = self.source.binding.and_then(|b| b.lookup(slot, id))
        {
            return self.lookup(lookup, Caged(RSI, 0));
        }
        if self.guessed(target) {
            return;
        }
        match self.source.plan.host_call(self.cell) {
            Some(index) => match self.source.imports.plain(index) {
                Some(function) => self.call_plain(function),
                None => {
                    // The verifier lets nobody read r1 to r5 after a call.
                    let proved = self.source.binding.is_some();
                    let out = match proved {
                        _ if self.source.imports.is_quick(index) => Out::Quick,
                        true => Out::ProvedHelper,
                        false => Out::Helper,
                    };
                    self.call_out(u64::from(self.cell) | u64::from(index) << 32, out);
                }
            },
            // Through a register, or what the embedder does not have: the interpreter looks, or traps.
            None => self.bail(),
        }
    }

    /// Calls a function of the embedder's that needs nothing but its arguments, which are where it wants them.
    fn call_plain(&mut self, function: Plain) {
        let proved = self.source.binding.is_some();
        let kept: &[Gpr] = if proved { &[BUDGET] } else { &[RDI, RSI, RDX, RCX, R8, BUDGET, R11] };
        kept.iter().for_each(|reg| self.asm.push(*reg));
        self.asm.constant(R11, function as usize as u64);
        self.asm.m(CALL_M, W::D, R11);
        kept.iter().rev().for_each(|reg| self.asm.pop(*reg));
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
        self.number(R10, handle);
        self.asm.rr(CMP_MR, W::Q, R10, RDI);
        let (other, at) = self.later_if(CC_NE);
        let key = self.key();
        self.lookup(lookup, key);
        let back = self.asm.here();
        let word = u64::from(self.cell) | u64::from(index) << 32;
        self.front[other] = self.shared.stubs.again(Again::Helper, word, at, back);
        true
    }

    /// `bpf_map_lookup_elem` of an array.
    fn lookup(&mut self, lookup: Lookup, key: Caged) {
        match lookup {
            Lookup::Known(address) => self.asm.constant(RAX, address),
            Lookup::At { first, count, room } => {
                self.asm.caged(const { CagedRow::new(MOV_RM, W::D) }, R10, key);
                self.asm.constant(RAX, 0);
                match self.value(Operand::Imm(count)) {
                    Value::Imm(count) => self.asm.mi(CMP_MI, W::D, R10, count),
                    Value::Reg(count) => self.asm.rr(CMP_MR, W::D, count, R10),
                }
                let outside = self.asm.skip_if(CC_AE);
                self.asm.constant(RAX, first);
                if room & (room - 1) == 0 {
                    self.asm.mi8(SHL_I, W::Q, R10, room.trailing_zeros() as u8);
                } else {
                    match self.value(Operand::Imm(room)) {
                        Value::Imm(room) => self.asm.imul_imm(W::Q, R10, R10, room),
                        Value::Reg(room) => self.asm.rm(IMUL_RM, W::Q, R10, room),
                    }
                }
                self.asm.rm(ADD_MR, W::Q, R10, RAX);
                self.asm.land(outside);
            }
        }
    }

    /// Whether there is a proof.
    #[inline(always)]
    pub(crate) fn has_proof(&self) -> bool {
        self.source.binding.is_some()
    }

    /// Whether the verifier has proved that an access of this instruction is inside.
    pub(crate) fn is_proved(&self, size: Size) -> bool {
        self.source.binding.is_some_and(|b| b.allows(self.slot, size.bytes()))
    }

    fn subprogram(&mut self, target: u32) {
        let retry = self.asm.here();
        self.asm.mov(R10, RBP);
        self.asm.rm(ADD_RM, W::Q, R10, Rm::Mem(CAGE, layout::FRAME_STEP));
        self.asm.rm(CMP_RM, W::Q, R10, Rm::Mem(CAGE, layout::OPENED));
        self.again_if(CC_A, Again::Open, self.cell.into(), retry);
        let saved: Vec<Gpr> = HOST[6..10].iter().zip(self.saves).filter(|s| s.1).map(|s| *s.0).collect();
        let padded = padded(self.saves);
        if self.uses_may_goto {
            self.machine(R11);
            self.asm.mi(SUB_MI, W::Q, RSP, 8);
            self.asm.m(PUSH_M, W::D, Rm::Mem(R11, layout::MAY_GOTO));
        }
        if padded {
            self.asm.mi(SUB_MI, W::Q, RSP, 8);
        }
        self.asm.push(RBP);
        self.asm.mov(RBP, R10);
        saved.iter().for_each(|reg| self.asm.push(*reg));
        if self.uses_may_goto {
            self.asm.rm(MOV_RM, W::D, R10, Rm::Mem(R11, layout::MAY_GOTO_LIMIT));
            self.asm.rm(MOV_MR, W::D, R10, Rm::Mem(R11, layout::MAY_GOTO));
        }
        self.asm.mi(SUB_MI, W::Q, BUDGET, 1);
        let (spent, at) = self.later_if(CC_S);
        let call = self.asm.call();
        self.lead(call, target);
        let back = self.asm.here();
        self.front[spent] = self.shared.stubs.called(target, at, back);
        self.sites.push(Site { back: back as u32, cell: self.cell, target });
        saved.iter().rev().for_each(|reg| self.asm.pop(*reg));
        self.asm.pop(RBP);
        if padded {
            self.asm.mi(ADD_MI, W::Q, RSP, 8);
        }
        if self.uses_may_goto {
            self.machine(R11);
            self.asm.m(POP_M, W::D, Rm::Mem(R11, layout::MAY_GOTO));
            self.asm.mi(ADD_MI, W::Q, RSP, 8);
        }
        self.asm.mi(ADD_MI, W::Q, BUDGET, target as i32);
        self.leave_if(CC_S, self.cell + 1);
    }
}

/// Where the caller's frame is in a program's code: eight bytes up, and at a call what its site has pushed.
#[cfg(target_os = "linux")]
pub(crate) fn frames(shape: &Shape) -> Vec<Row> {
    /// Bytes of `call`.
    const CALL: u64 = 5;
    let row = |at, words: u8| Row { at, bytes: u64::from(words) * 8, kept: &[] };
    let site = |site: &Site| {
        let back = shape.front as u64 + u64::from(site.back);
        [row(back - CALL, shape.frame.words), row(back, 1)]
    };
    [row(0, 1)].into_iter().chain(shape.sites.iter().flat_map(site)).collect()
}

/// log2 of a size in bytes.
#[inline(always)]
pub(crate) fn log2(size: Size) -> u32 {
    size as u32
}
