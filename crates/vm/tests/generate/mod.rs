//! Random programs of valid instructions.

use skep_isa::{AluOp, AtomicOp, CallTarget, Cond, ImmSource, Insn, Op, Operand, Reg, Size, SwapKind, Width};

/// A small generator (xorshift*), so that a seed names a program for ever.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678_9abc_def1 | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 11) % n.max(1)
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }

    /// Any register but r10.
    fn dst(&mut self) -> Reg {
        Reg::new(self.below(10) as u8).expect("a register")
    }

    fn reg(&mut self) -> Reg {
        Reg::new(self.below(11) as u8).expect("a register")
    }

    fn imm(&mut self) -> i32 {
        match self.below(4) {
            0 => self.next() as i32,
            1 => self.of(&[0, 1, -1, 31, 32, 63, 64, i32::MIN, i32::MAX]),
            _ => self.below(16) as i32 - 4,
        }
    }

    fn operand(&mut self) -> Operand {
        if self.one_in(2) { Operand::Reg(self.reg()) } else { Operand::Imm(self.imm()) }
    }

    /// A base that is often good: r10, or r7 and r8, where programs keep the addresses that they were given.
    fn base(&mut self) -> (Reg, i16) {
        let at = |n| Reg::new(n).expect("a register");
        match self.below(12) {
            0..=3 => (Reg::FP, -(self.below(65) as i16 * 8)),
            4..=6 => (at(7), self.below(100) as i16),
            7 => (at(8), self.below(44) as i16 - 2),
            8 => (at(6), self.below(25) as i16),
            9 => (Reg::FP, self.below(600) as i16 - 580),
            10 => (at(7), self.below(12) as i16 * 8),
            _ => (self.reg(), self.of(&[0, -8, 8, 1, i16::MIN, i16::MAX])),
        }
    }
}

/// A program: it keeps r1 to r3 in r7, r8 and r6, does anything, and ends with an exit.
pub(crate) fn program(random: &mut Random) -> Vec<Insn> {
    let keep = |dst, src| Op::Alu {
        width: Width::W64,
        op: AluOp::Mov,
        dst: Reg::new(dst).expect("a register"),
        src: Operand::Reg(Reg::new(src).expect("a register")),
    };
    let mut ops = vec![keep(7, 1), keep(8, 2), keep(6, 3)];
    for _ in 0..random.below(60) {
        let op = any(random);
        // Valid by the types, but a few have no encoding, and r10 is not to be written.
        if op.encode().is_ok() && op.writes() != Some(Reg::FP) {
            ops.push(op);
        }
        if random.one_in(12) {
            ops.push(Op::Exit);
        }
    }
    ops.push(Op::Exit);
    aim(random, &mut ops);
    ops.iter().flat_map(|op| op.encode().expect("encodes").to_vec()).collect()
}

/// Gives jumps, calls and function addresses targets: any instruction, near ones more often.
fn aim(random: &mut Random, ops: &mut [Op]) {
    let mut starts = Vec::new();
    let mut slot = 0i32;
    for op in ops.iter() {
        starts.push(slot);
        slot += if matches!(op, Op::LoadImm { .. }) { 2 } else { 1 };
    }
    for i in 0..ops.len() {
        let near = (i as i64 + random.below(12) as i64 - 4).clamp(0, ops.len() as i64 - 1) as usize;
        let target = if random.one_in(3) { random.below(ops.len() as u64) as usize } else { near };
        let distance = starts[target] - starts[i] - 1;
        match &mut ops[i] {
            Op::Jump { off, .. } | Op::Call(CallTarget::Subprog(off)) => *off = distance,
            Op::Branch { off, .. } | Op::MayGoto { off } => *off = distance as i16,
            Op::LoadImm { source: ImmSource::Func, imm, .. } => *imm = u64::from(distance as u32),
            _ => {}
        }
    }
}

fn any(random: &mut Random) -> Op {
    match random.below(40) {
        0..=9 => Op::Alu {
            width: random.of(&Width::ALL),
            op: random.of(&AluOp::ALL),
            dst: random.dst(),
            src: random.operand(),
        },
        10..=20 => access(random),
        21..=24 => Op::Branch {
            width: random.of(&Width::ALL),
            cond: random.of(&Cond::ALL),
            dst: random.reg(),
            src: random.operand(),
            off: 0,
        },
        25..=35 => plain(random),
        _ => call(random),
    }
}

fn access(random: &mut Random) -> Op {
    let (base, off) = random.base();
    let size = random.of(&Size::ALL);
    match random.below(8) {
        0..=2 => Op::Load { size, signed: random.one_in(3), dst: random.dst(), src: base, off },
        3 | 4 => Op::Store { size, dst: base, off, src: random.operand() },
        5 | 6 => {
            let op = random.of(&AtomicOp::ALL);
            let fetch = random.one_in(2) || matches!(op, AtomicOp::Xchg | AtomicOp::Cmpxchg);
            let size = random.of(&[Size::W, Size::Dw]);
            Op::Atomic { op, size, fetch, dst: base, src: random.reg(), off }
        }
        _ if random.one_in(2) => Op::LoadAcquire { size, dst: random.dst(), src: base, off },
        _ => Op::StoreRelease { size, dst: base, src: random.reg(), off },
    }
}

fn plain(random: &mut Random) -> Op {
    let (dst, src) = (random.dst(), random.reg());
    let narrow = random.of(&[Size::H, Size::W, Size::Dw]);
    match random.below(12) {
        0 => Op::Neg { width: random.of(&Width::ALL), dst },
        1 => Op::Movsx { width: random.of(&Width::ALL), from: random.of(&Size::ALL[..3]), dst, src },
        2 => {
            Op::Swap { kind: random.of(&[SwapKind::ToLe, SwapKind::ToBe, SwapKind::Swap]), size: narrow, dst }
        }
        3 => Op::AddrSpaceCast { dst, src, to: 0, from: 1 },
        4 => Op::LoadImm { dst, source: ImmSource::Value, imm: random.next() >> random.below(64) },
        5 | 6 => Op::LoadImm { dst: Reg::new(1).expect("r1"), source: ImmSource::Func, imm: 0 },
        7 => Op::Jump { off: 0, long: random.one_in(2) },
        8 => Op::MayGoto { off: 0 },
        9 => Op::LoadAbs { size: random.of(&Size::ALL[..3]), imm: random.below(40) as i32 },
        10 => Op::LoadInd { size: random.of(&Size::ALL[..3]), src, imm: random.below(40) as i32 },
        _ => Op::Alu {
            width: Width::W64,
            op: AluOp::Mov,
            dst: Reg::new(1 + random.below(3) as u8).expect("an argument"),
            src: Operand::Imm(random.imm()),
        },
    }
}

fn call(random: &mut Random) -> Op {
    Op::Call(match random.below(8) {
        0..=2 => CallTarget::Subprog(0),
        3..=5 => CallTarget::Helper(random.below(8) as i32),
        6 => CallTarget::Kfunc { btf_id: 1, module: 0 },
        _ => CallTarget::Register(Reg::new(1 + random.below(2) as u8).expect("a register")),
    })
}
