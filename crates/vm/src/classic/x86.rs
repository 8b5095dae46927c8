//! Classic filters as machine code of x86-64.
//!
//! A filter can't loop, has no memory but its 16 words, and reads nothing but the packet; so it needs neither a budget nor
//! regions, and takes packets where they lie. It is a function of the System V ABI that calls nothing:
//!
//! | host | holds |
//! |---|---|
//! | rdi rsi | where the packet begins, how many bytes of it there are |
//! | r11 | its length on the wire |
//! | eax ecx | A and X |
//! | rsp - 64 | the memory words, in the ABI's red zone |
//! | edx r8 r9 r10 | scratch |
//!
//! A load compares its end with rsi, unless every path to it has compared with that end or a later one. What decides by
//! nothing but comparisons of A with constants, between two ends, becomes a look into a set ([`region`](super::region)). The
//! result is the filter's, or [`ASK`]: the interpreter is to say.
//!
//! Invariants: an address is rdi plus what has been compared with rsi, the red zone, or a table with an index that its
//! shift bounds; rsi is below 2^31; upper halves of eax and ecx are 0.

use super::hash::PerfectHash;
use super::region::{self, Choice};
use crate::jit::asm::Asm;
use crate::jit::encode::*;
use skep_isa::classic::{AluOp, Ancillary, Cond, Op, Size, Source};

/// What compiled code returns where it does not do what is asked.
pub(super) const ASK: u64 = 1 << 32;

/// Machine code, and the tables that it holds addresses of.
pub(super) struct Code {
    pub(super) bytes: Vec<u8>,
    pub(super) tables: Vec<PerfectHash>,
}

/// Where a jump leads.
#[derive(Clone, Copy)]
enum Target {
    Insn(usize),
    /// The end of what reads too far or divides by 0.
    Out,
    /// The same, but for offsets that count from headers.
    Indirect,
}

/// Compiles a filter that Linux takes for a socket. None if it asks for more than the packet's bytes and length.
pub(super) fn compile(ops: &[Op]) -> Option<Code> {
    let mut c = Compiler {
        ops,
        asm: Asm::new(Vec::new()),
        known: vec![None; ops.len()],
        starts: vec![0; ops.len()],
        jumps: Vec::new(),
        tables: Vec::new(),
        effort: 4 * ops.len() + 1000,
    };
    c.known[0] = Some(0);
    c.prologue();
    for (at, &op) in ops.iter().enumerate() {
        if let Some(known) = c.known[at] {
            c.starts[at] = c.asm.here();
            c.asm.room();
            c.op(at, op, known)?;
        }
    }
    Some(c.finish())
}

struct Compiler<'a> {
    ops: &'a [Op],
    asm: Asm,
    /// Of each instruction: how many bytes of the packet every path to it has found to be there; none if no path leads to it.
    known: Vec<Option<u32>>,
    /// Where its code begins.
    starts: Vec<usize>,
    /// Displacements to fill in.
    jumps: Vec<(usize, Target)>,
    tables: Vec<PerfectHash>,
    effort: usize,
}

/// Where a memory word is.
fn word(k: u32) -> Rm {
    Rm::Mem(RSP, k as i32 * 4 - 64)
}

impl Compiler<'_> {
    fn prologue(&mut self) {
        self.asm.rr(XOR_MR, W::D, RAX, RAX);
        self.asm.rr(XOR_MR, W::D, RCX, RCX);
        if self.ops.iter().any(|op| matches!(op, Op::LoadLen | Op::LoadxLen)) {
            self.asm.rr(MOV_MR, W::D, RDX, R11);
        }
    }

    fn finish(mut self) -> Code {
        self.asm.room();
        // Offsets of 2^31 and more count from headers: the interpreter knows where those are.
        let indirect = self.asm.here();
        self.asm.rr(TEST_MR, W::D, R8, R8);
        let ask = self.asm.skip_if(CC_S);
        let out = self.asm.here();
        self.asm.rr(XOR_MR, W::D, RAX, RAX);
        self.asm.ret();
        self.asm.land(ask);
        self.asm.constant(RAX, ASK);
        self.asm.ret();
        for (at, target) in self.jumps {
            let target = match target {
                Target::Insn(insn) => self.starts[insn],
                Target::Out => out,
                Target::Indirect => indirect,
            };
            self.asm.patch(at, target);
        }
        Code { bytes: self.asm.finish(), tables: self.tables }
    }

    /// The instruction that is run first where one is jumped to, which is told what is known on the way there.
    fn reach(&mut self, mut target: usize, known: u32) -> usize {
        while let Op::Jump { k } = self.ops[target] {
            target += 1 + k as usize;
        }
        let entry = &mut self.known[target];
        *entry = Some(entry.map_or(known, |old| old.min(known)));
        target
    }

    /// Whether the code of `target` is what comes behind that of `at`.
    fn is_next(&self, at: usize, target: usize) -> bool {
        self.known[at + 1..target].iter().all(Option::is_none)
    }

    fn jump_if(&mut self, cc: Cc, target: Target) {
        let place = self.asm.jcc(cc);
        self.jumps.push((place, target));
    }

    fn goto(&mut self, at: usize, target: usize) {
        if !self.is_next(at, target) {
            let place = self.asm.jmp();
            self.jumps.push((place, Target::Insn(target)));
        }
    }

    fn op(&mut self, at: usize, op: Op, mut known: u32) -> Option<()> {
        let asm = &mut self.asm;
        match op {
            Op::LoadAbs { size, k } => match Ancillary::from_offset(k) {
                Some(Ancillary::XorX) => asm.rr(XOR_MR, W::D, RCX, RAX),
                Some(_) => return None,
                None => {
                    let disp = self.guard(k, size.bytes() as u32, &mut known)?;
                    self.load(size, Rm::Mem(RDI, disp));
                }
            },
            Op::LoadInd { size, k } => {
                asm.rm(LEA, W::D, R8, Rm::Mem(RCX, k.cast_signed()));
                asm.rm(LEA, W::Q, R9, Rm::Mem(R8, size.bytes() as i32));
                asm.rr(CMP_MR, W::Q, RSI, R9);
                self.jump_if(CC_A, Target::Indirect);
                self.load(size, Rm::Sum(RDI, R8, 0));
            }
            Op::LoadxMsh { k } => {
                let disp = self.guard(k, 1, &mut known)?;
                self.asm.rm(MOVZX_8, W::D, RCX, Rm::Mem(RDI, disp));
                self.asm.ri(AND_MI, W::D, RCX, 15);
                self.asm.mi8(SHL_I, W::D, RCX, 2);
            }
            Op::LoadImm { k } => asm.constant(RAX, k.into()),
            Op::LoadxImm { k } => asm.constant(RCX, k.into()),
            Op::LoadMem { k } => asm.rm(MOV_RM, W::D, RAX, word(k)),
            Op::LoadxMem { k } => asm.rm(MOV_RM, W::D, RCX, word(k)),
            Op::Store { k } => asm.rm(MOV_MR, W::D, RAX, word(k)),
            Op::Storex { k } => asm.rm(MOV_MR, W::D, RCX, word(k)),
            Op::LoadLen => asm.rr(MOV_MR, W::D, R11, RAX),
            Op::LoadxLen => asm.rr(MOV_MR, W::D, R11, RCX),
            Op::Alu { op, src } => self.alu(op, src),
            Op::Neg => asm.m(NEG, W::D, RAX),
            Op::Tax => asm.rr(MOV_MR, W::D, RAX, RCX),
            Op::Txa => asm.rr(MOV_MR, W::D, RCX, RAX),
            Op::Jump { k } => {
                let target = self.reach(at + 1 + k as usize, known);
                self.goto(at, target);
                return Some(());
            }
            Op::Branch { cond, src, jt, jf } => {
                self.branch(at, (cond, src), [jt.into(), jf.into()], known);
                return Some(());
            }
            Op::RetK { k } => {
                asm.constant(RAX, k.into());
                asm.ret();
                return Some(());
            }
            Op::RetA => {
                asm.ret();
                return Some(());
            }
        }
        let next = self.reach(at + 1, known);
        self.goto(at, next);
        Some(())
    }

    /// Sees to it that there are `bytes` bytes at `k`, which is given back as a displacement. None if it counts from
    /// headers.
    fn guard(&mut self, k: u32, bytes: u32, known: &mut u32) -> Option<i32> {
        let end = k.checked_add(bytes)?;
        let last = i32::try_from(end).ok()?;
        if end > *known {
            *known = end;
            self.asm.ri(CMP_MI, W::Q, RSI, last);
            self.jump_if(CC_B, Target::Out);
        }
        Some(k.cast_signed())
    }

    /// Loads into A, from network order.
    fn load(&mut self, size: Size, from: Rm) {
        match size {
            Size::B => self.asm.rm(MOVZX_8, W::D, RAX, from),
            Size::H => {
                self.asm.rm(MOVZX_16, W::D, RAX, from);
                self.asm.mi8(ROL_I, W::H, RAX, 8);
            }
            _ => {
                self.asm.rm(MOV_RM, W::D, RAX, from);
                self.asm.bswap(W::D, RAX);
            }
        }
    }

    fn alu(&mut self, op: AluOp, src: Source) {
        let asm = &mut self.asm;
        let (combine, with) = match op {
            AluOp::Add => (ADD_MR, ADD_MI),
            AluOp::Sub => (SUB_MR, SUB_MI),
            AluOp::And => (AND_MR, AND_MI),
            AluOp::Or => (OR_MR, OR_MI),
            AluOp::Xor => (XOR_MR, XOR_MI),
            AluOp::Mul => {
                return match src {
                    Source::K(k) => asm.imul_imm(W::D, RAX, RAX, k.cast_signed()),
                    Source::X => asm.rm(IMUL_RM, W::D, RAX, RCX),
                };
            }
            // Distances are masked to 5 bits, here as there.
            AluOp::Lsh | AluOp::Rsh => {
                let left = op == AluOp::Lsh;
                return match src {
                    Source::K(k) => asm.mi8(if left { SHL_I } else { SHR_I }, W::D, RAX, (k & 31) as u8),
                    Source::X => asm.m(if left { SHL_CL } else { SHR_CL }, W::D, RAX),
                };
            }
            AluOp::Div | AluOp::Mod => return self.divide(op == AluOp::Mod, src),
        };
        match src {
            Source::K(k) => asm.ri(with, W::D, RAX, k.cast_signed()),
            Source::X => asm.rr(combine, W::D, RCX, RAX),
        }
    }

    fn divide(&mut self, remainder: bool, src: Source) {
        let by = match src {
            Source::K(k) => {
                self.asm.constant(R8, k.into());
                R8
            }
            Source::X => {
                self.asm.rr(TEST_MR, W::D, RCX, RCX);
                self.jump_if(CC_E, Target::Out);
                RCX
            }
        };
        self.asm.rr(XOR_MR, W::D, RDX, RDX);
        self.asm.m(DIV, W::D, by);
        if remainder {
            self.asm.rr(MOV_MR, W::D, RDX, RAX);
        }
    }

    fn branch(&mut self, at: usize, (cond, src): (Cond, Source), [jt, jf]: [usize; 2], known: u32) {
        if matches!(src, Source::K(_))
            && cond != Cond::Set
            && let Some(choice) = region::choice(self.ops, at, &mut self.effort)
            && let Some(hash) = PerfectHash::new(&choice.singles)
        {
            return self.choose(at, &choice, hash, known);
        }
        let (holds, fails) = (self.reach(at + 1 + jt, known), self.reach(at + 1 + jf, known));
        if holds == fails {
            return self.goto(at, holds);
        }
        let cc = match cond {
            Cond::Eq => CC_E,
            Cond::Gt => CC_A,
            Cond::Ge => CC_AE,
            Cond::Set => CC_NE,
        };
        match (cond, src) {
            (Cond::Set, Source::K(k)) => self.asm.ri(TEST_MI, W::D, RAX, k.cast_signed()),
            (Cond::Set, Source::X) => self.asm.rr(TEST_MR, W::D, RCX, RAX),
            (_, Source::K(k)) => self.asm.ri(CMP_MI, W::D, RAX, k.cast_signed()),
            (_, Source::X) => self.asm.rr(CMP_MR, W::D, RCX, RAX),
        }
        if self.is_next(at, holds) {
            return self.jump_if(cc.inverse(), Target::Insn(fails));
        }
        self.jump_if(cc, Target::Insn(holds));
        self.goto(at, fails);
    }

    /// A choice by a set.
    fn choose(&mut self, at: usize, choice: &Choice, hash: PerfectHash, known: u32) {
        let [hit, miss] = [choice.hit, choice.miss].map(|target| self.reach(target, known));
        for &[first, last] in &choice.ranges {
            self.asm.rm(LEA, W::D, R8, Rm::Mem(RAX, first.wrapping_neg().cast_signed()));
            self.asm.ri(CMP_MI, W::D, R8, (last - first).cast_signed());
            self.jump_if(CC_BE, Target::Insn(hit));
        }
        let slots = hash.buckets() as i32 * 4;
        // The table is kept together with the code.
        self.asm.constant(R10, hash.table.as_ptr().addr() as u64);
        self.asm.imul_imm(W::D, R8, RAX, hash.multiplier.cast_signed());
        self.asm.mi8(SHR_I, W::D, R8, hash.shifts[0]);
        self.asm.rm(MOV_RM, W::D, R8, Rm::Words(R10, R8, 0));
        self.asm.rm(IMUL_RM, W::D, R8, RAX);
        self.asm.mi8(SHR_I, W::D, R8, hash.shifts[1]);
        self.asm.rm(CMP_MR, W::D, RAX, Rm::Words(R10, R8, slots));
        self.tables.push(hash);
        if self.is_next(at, hit) {
            return self.jump_if(CC_NE, Target::Insn(miss));
        }
        self.jump_if(CC_E, Target::Insn(hit));
        self.goto(at, miss);
    }
}
