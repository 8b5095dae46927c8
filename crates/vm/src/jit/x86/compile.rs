//! One pass from instructions to machine code.
//!
//! Where things live while compiled code runs:
//!
//! | host | holds |
//! |---|---|
//! | rax rdi rsi rdx rcx r8 | r0 to r5 |
//! | rbx r13 r14 r15 | r6 to r9 |
//! | rbp | host address one past the current frame's bytes |
//! | r12 | the [`Memory`](crate::Memory) |
//! | r9 | what is left of the budget |
//! | r10 r11 | scratch |
//! | `[rsp]` | the [`Machine`](crate::Machine), which holds r10 |
//!
//! The interpreter's cells stay what a position is: budget, saved frames and traps count in cells. Compiled code
//! may leave before any instruction for the cell that stands for it (a *bail*), and the interpreter goes on there. So
//! whatever is rare or ends in a trap has one implementation, the interpreter's, and traps are the same by
//! construction.
//!
//! Invariants: every access has passed its region's check, or is through rbp inside the frame; a backward jump, call or
//! return that leaves the budget below zero bails.

use skep_isa::{AluOp, CallTarget, ImmSource, Op, Operand, Reg, Size, Width};

use super::encode::*;
use super::layout;
use super::thunks::{self, Thunks};
use crate::code::Code;
use crate::memory::{RegionId, function_address};

/// What compilation reads: a program that the builder has laid out.
pub(crate) struct Source<'a> {
    pub(crate) ops: &'a [(usize, Op)],
    /// First cell of the instruction at each slot.
    pub(crate) cell_of: &'a [u32],
    pub(crate) code: &'a [Code],
    /// Cells that call the embedder, ascending.
    pub(crate) host_calls: &'a [u32],
    pub(crate) big: bool,
    pub(crate) arena: Option<RegionId>,
}

/// Machine code, and where in it each cell begins.
pub(crate) struct Output {
    pub(crate) code: Vec<u8>,
    /// Offset of the code of each cell; [`NOWHERE`] for cells at which no instruction begins.
    pub(crate) entries: Box<[u32]>,
    pub(crate) enter: usize,
}

/// No code begins here.
pub(crate) const NOWHERE: u32 = u32::MAX;

/// Host registers of r0 to r9.
pub(crate) const HOST: [Gpr; 10] = [RAX, RDI, RSI, RDX, RCX, R8, RBX, R13, R14, R15];

pub(crate) const MEMORY: Gpr = R12;
pub(crate) const FRAME: Gpr = RBP;
pub(crate) const BUDGET: Gpr = R9;

/// What stands behind the program, out of the way.
enum Cold {
    /// Look the region up and try again.
    Miss { at: usize, word: u32, retry: usize },
    /// Leave for this cell.
    Bail { at: usize, cell: u32 },
}

pub(crate) struct Compiler<'a> {
    pub(crate) asm: Asm,
    source: &'a Source<'a>,
    thunks: Thunks,
    entries: Vec<u32>,
    /// Displacements that lead to the code of a cell.
    jumps: Vec<(usize, u32)>,
    cold: Vec<Cold>,
    /// The cell of the instruction at hand.
    cell: u32,
}

/// Compiles a program.
pub(crate) fn compile(source: &Source<'_>) -> Output {
    let mut asm = Asm::default();
    asm.code.reserve(1024 + source.ops.len() * 24);
    let thunks = thunks::emit(&mut asm, source.code.as_ptr().addr() as u64);
    let mut c = Compiler {
        asm,
        source,
        thunks,
        entries: vec![NOWHERE; source.code.len()],
        jumps: Vec::new(),
        cold: Vec::new(),
        cell: 0,
    };
    for (slot, op) in source.ops {
        c.cell = source.cell_of[*slot];
        c.entries[c.cell as usize] = c.asm.here() as u32;
        c.op(*slot, op);
    }
    // What runs past the last instruction stops at the interpreter's last cell.
    c.cell = source.code.len().saturating_sub(1) as u32;
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
        for cold in std::mem::take(&mut self.cold) {
            let here = self.asm.here();
            match cold {
                Cold::Miss { at, word, retry } => {
                    self.asm.patch(at, here);
                    self.asm.constant(R10, word.into());
                    let call = self.asm.call();
                    self.asm.patch(call, self.thunks.miss);
                    let back = self.asm.jmp();
                    self.asm.patch(back, retry);
                }
                Cold::Bail { at, cell } => {
                    self.asm.patch(at, here);
                    self.bail_to(cell);
                }
            }
        }
        for (at, cell) in &self.jumps {
            self.asm.patch(*at, self.entries[*cell as usize] as usize);
        }
        Output { code: self.asm.code, entries: self.entries.into(), enter: self.thunks.enter }
    }

    pub(crate) fn big(&self) -> bool {
        self.source.big
    }

    /// Leaves for the interpreter at a cell.
    fn bail_to(&mut self, cell: u32) {
        self.asm.constant(R10, cell.into());
        let at = self.asm.jmp();
        self.asm.patch(at, self.thunks.bail);
    }

    /// Leaves for the interpreter at this instruction.
    pub(crate) fn bail(&mut self) {
        self.bail_to(self.cell);
    }

    /// Leaves for the interpreter at this instruction if the condition holds.
    pub(crate) fn bail_if(&mut self, cc: Cc) {
        let at = self.asm.jcc(cc);
        self.cold.push(Cold::Bail { at, cell: self.cell });
    }

    /// Leaves with the budget spent, to go on at a cell.
    fn spent_if(&mut self, cc: Cc, cell: u32) {
        let at = self.asm.jcc(cc);
        self.cold.push(Cold::Bail { at, cell });
    }

    /// Notes that the condition means a region that is not cached. `log2` of the access's bytes.
    pub(crate) fn miss_if(&mut self, cc: Cc, log2: u32, write: bool, retry: usize) {
        let at = self.asm.jcc(cc);
        let word = self.cell | log2 << layout::SIZE_SHIFT | u32::from(write) << layout::WRITE_SHIFT;
        self.cold.push(Cold::Miss { at, word, retry });
    }

    /// The machine's address.
    pub(crate) fn machine(&mut self, to: Gpr) {
        self.asm.rm(MOV_RM, W::Q, to, Rm::Mem(RSP, 0));
    }

    /// The value of r10.
    pub(crate) fn frame_pointer(&mut self, to: Gpr) {
        self.machine(to);
        self.asm.rm(MOV_RM, W::Q, to, Rm::Mem(to, layout::reg(10)));
    }

    /// The host register of a register; r10 is fetched into the scratch register.
    pub(crate) fn read(&mut self, reg: Reg, scratch: Gpr) -> Gpr {
        match HOST.get(reg.index()) {
            Some(host) => *host,
            None => {
                self.frame_pointer(scratch);
                scratch
            }
        }
    }

    fn cell_at(&self, slot: usize, off: i32) -> u32 {
        // Validation found the target inside, at the start of an instruction.
        self.source.cell_of[(slot as i64 + 1 + i64::from(off)) as usize]
    }

    fn cell_address(&self, cell: u32) -> u64 {
        (self.source.code.as_ptr().addr() + cell as usize * size_of::<Code>()) as u64
    }

    fn op(&mut self, slot: usize, op: &Op) {
        match *op {
            Op::Alu { width, op, dst, src } => self.alu(width, op, dst, src),
            Op::Movsx { width, from, dst, src } => self.movsx(width, from, dst, src),
            Op::Neg { width, dst } => match HOST.get(dst.index()) {
                Some(host) => self.asm.m(NEG, w(width), *host),
                None => self.bail(),
            },
            Op::Swap { kind, size, dst } => self.swap(kind, size, dst),
            Op::AddrSpaceCast { dst, src, .. } => self.cast(dst, src),
            Op::Load { size, signed, dst, src, off } => self.load(size, signed, dst, src, off),
            Op::Store { size, dst, off, src } => self.store(size, dst, off, src),
            Op::LoadAcquire { size, dst, src, off } => self.load_acquire(size, dst, src, off),
            Op::StoreRelease { size, dst, src, off } => self.store_release(size, dst, src, off),
            Op::Atomic { op, size, fetch, dst, src, off } => self.atomic(op, size, fetch, dst, src, off),
            Op::LoadImm { dst, source, imm } => self.load_imm(slot, dst, source, imm),
            Op::LoadAbs { .. } | Op::LoadInd { .. } => self.call_out(self.thunks.packet),
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
                let at = self.asm.jmp();
                self.asm.patch(at, self.thunks.pop);
            }
        }
    }

    fn load_imm(&mut self, slot: usize, dst: Reg, source: ImmSource, imm: u64) {
        let value = match source {
            ImmSource::Func => function_address((slot as i64 + 1 + i64::from(imm as i32)) as u32),
            _ => imm,
        };
        match HOST.get(dst.index()) {
            Some(host) => self.asm.constant(*host, value),
            None => self.bail(),
        }
    }

    /// `addr_space_cast`: the low 32 bits, in the arena's region unless they are zero.
    fn cast(&mut self, dst: Reg, src: Reg) {
        let Some(arena) = self.source.arena else {
            return self.alu(Width::W32, AluOp::Mov, dst, Operand::Reg(src));
        };
        let Some(dst) = HOST.get(dst.index()).copied() else { return self.bail() };
        let src = self.read(src, R11);
        self.asm.rm(MOV_MR, W::D, src, R10);
        self.asm.constant(R11, arena.base());
        self.asm.rm(ADD_MR, W::Q, R10, R11);
        self.asm.rm(TEST_MR, W::D, R10, R10);
        let null = self.asm.skip_if(CC_E);
        self.asm.mov(R10, R11);
        self.asm.land(null);
        self.asm.mov(dst, R10);
    }

    /// Goes to a cell. Backward it pays what the interpreter's jump from `from` pays.
    fn jump(&mut self, from: u32, target: u32) {
        if target <= from {
            let cost = (from - target + 1) as i32;
            self.asm.mi(SUB_MI, W::Q, BUDGET, cost);
            self.spent_if(CC_S, target);
        }
        let at = self.asm.jmp();
        self.jumps.push((at, target));
    }

    fn branch(&mut self, cc: Cc, from: u32, target: u32) {
        if target > from {
            let at = self.asm.jcc(cc);
            self.jumps.push((at, target));
            return;
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
    fn call_out(&mut self, thunk: usize) {
        self.asm.constant(R10, self.cell.into());
        let at = self.asm.call();
        self.asm.patch(at, thunk);
    }

    fn call(&mut self, slot: usize, target: CallTarget) {
        match target {
            CallTarget::Subprog(off) => self.subprogram(self.cell_at(slot, off)),
            CallTarget::Helper(_) | CallTarget::Kfunc { .. }
                if self.source.host_calls.binary_search(&self.cell).is_ok() =>
            {
                self.call_out(self.thunks.helper);
            }
            // Through a register, or what the embedder does not have: the interpreter looks, or traps.
            _ => self.bail(),
        }
    }

    fn subprogram(&mut self, target: u32) {
        self.machine(R10);
        self.asm.mi(CMP_MI, W::Q, Rm::Mem(R10, layout::DEPTH), layout::LAST_DEPTH);
        self.bail_if(CC_AE);
        self.asm.constant(R10, self.cell_address(self.cell + 1));
        let back = self.asm.lea_rip(R11);
        let push = self.asm.call();
        self.asm.patch(push, self.thunks.push);
        self.machine(R10);
        self.asm.constant(R11, self.cell_address(target));
        self.asm.rm(MOV_MR, W::Q, R11, Rm::Mem(R10, layout::ENTRY));
        self.asm.mi(SUB_MI, W::Q, BUDGET, 1);
        self.spent_if(CC_S, target);
        let jump = self.asm.jmp();
        self.jumps.push((jump, target));
        let here = self.asm.here();
        self.asm.patch(back, here);
        self.asm.rm(TEST_MR, W::Q, BUDGET, BUDGET);
        self.spent_if(CC_S, self.cell + 1);
    }
}

/// log2 of a size in bytes.
pub(crate) fn log2(size: Size) -> u32 {
    size.bytes().trailing_zeros()
}
