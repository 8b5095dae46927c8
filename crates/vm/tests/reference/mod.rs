//! A slow and plain evaluator of [`Op`]s, written from RFC 9669 alone: what the interpreter is compared with.
//!
//! Arithmetic goes through 128-bit integers, memory through single bytes, and nothing is shared with the crate.

#![allow(dead_code, reason = "each test binary uses a part")]

use skep_isa::{AluOp, AtomicOp, Cond, Endian, ImmSource, Op, Operand, Size, SwapKind, Width};

/// Where the data region lies.
pub(crate) const DATA: u64 = 9 << 32;
/// Where the first frame ends.
pub(crate) const FRAME: u64 = (1 << 32) + 512;

/// State of the evaluator.
pub(crate) struct Reference {
    pub(crate) regs: [u64; 11],
    pub(crate) data: Vec<u8>,
    pub(crate) stack: Vec<u8>,
    pub(crate) endian: Endian,
}

/// How a run ended.
#[derive(Debug, PartialEq, Eq, Clone)]
pub(crate) enum End {
    Exit(u64),
    /// Slot, address, bytes, whether a write, whether for its alignment.
    Fault(usize, u64, usize, bool, bool),
    Steps,
}

fn mask(width: Width) -> u128 {
    match width {
        Width::W32 => u32::MAX.into(),
        Width::W64 => u64::MAX.into(),
    }
}

fn signed(width: Width, value: u64) -> i128 {
    match width {
        Width::W32 => i128::from(value as u32 as i32),
        Width::W64 => i128::from(value as i64),
    }
}

/// One operation of the table in RFC 9669, section 4.1.
pub(crate) fn alu(op: AluOp, width: Width, dst: u64, src: u64) -> u64 {
    let m = mask(width);
    let (a, b) = (u128::from(dst) & m, u128::from(src) & m);
    let (sa, sb) = (signed(width, dst), signed(width, src));
    let bits = if width == Width::W32 { 32 } else { 64 };
    let shift = (b % bits) as u32;
    let result = match op {
        AluOp::Add => a + b,
        AluOp::Sub => (a + m + 1) - b,
        AluOp::Mul => (a * b) & m,
        AluOp::Div => a.checked_div(b).unwrap_or(0),
        AluOp::Sdiv => {
            if sb == 0 {
                0
            } else {
                (sa / sb) as u128
            }
        }
        AluOp::Or => a | b,
        AluOp::And => a & b,
        AluOp::Lsh => a << shift,
        AluOp::Rsh => a >> shift,
        AluOp::Mod => {
            if b == 0 {
                a
            } else {
                a % b
            }
        }
        AluOp::Smod => {
            if sb == 0 {
                a
            } else {
                (sa % sb) as u128
            }
        }
        AluOp::Xor => a ^ b,
        AluOp::Mov => b,
        AluOp::Arsh => (sa >> shift) as u128,
    };
    (result & m) as u64
}

/// One comparison of the table in RFC 9669, section 4.3.
pub(crate) fn holds(cond: Cond, width: Width, dst: u64, src: u64) -> bool {
    let (a, b) = (u128::from(dst) & mask(width), u128::from(src) & mask(width));
    let (sa, sb) = (signed(width, dst), signed(width, src));
    match cond {
        Cond::Eq => a == b,
        Cond::Ne => a != b,
        Cond::Set => a & b != 0,
        Cond::Gt => a > b,
        Cond::Ge => a >= b,
        Cond::Lt => a < b,
        Cond::Le => a <= b,
        Cond::Sgt => sa > sb,
        Cond::Sge => sa >= sb,
        Cond::Slt => sa < sb,
        Cond::Sle => sa <= sb,
    }
}

fn sign_extend(value: u64, size: Size) -> u64 {
    let bits = size.bytes() * 8;
    let low = u128::from(value) & ((1 << bits) - 1);
    if low >> (bits - 1) == 1 { (low | !((1 << bits) - 1)) as u64 } else { low as u64 }
}

pub(crate) fn swap(kind: SwapKind, size: Size, endian: Endian, value: u64) -> u64 {
    let n = size.bytes();
    let mut bytes: Vec<u8> = (0..n).map(|i| (value >> (8 * i)) as u8).collect();
    let turn = match kind {
        SwapKind::ToLe => endian == Endian::Big,
        SwapKind::ToBe => endian == Endian::Little,
        SwapKind::Swap => true,
    };
    if turn {
        bytes.reverse();
    }
    bytes.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b))
}

impl Reference {
    pub(crate) fn new(data: &[u8], endian: Endian) -> Self {
        let mut regs = [0; 11];
        regs[1] = DATA;
        regs[10] = FRAME;
        Self { regs, data: data.to_vec(), stack: vec![0; 512], endian }
    }

    fn value(&self, src: Operand) -> u64 {
        match src {
            Operand::Reg(r) => self.regs[r.index()],
            Operand::Imm(imm) => i64::from(imm) as u64,
        }
    }

    fn bytes(&mut self, addr: u64, n: usize) -> Option<&mut [u8]> {
        let (base, bytes) =
            if addr >> 32 == DATA >> 32 { (DATA, &mut self.data) } else { (FRAME - 512, &mut self.stack) };
        let offset = usize::try_from(addr.checked_sub(base)?).ok()?;
        bytes.get_mut(offset..offset.checked_add(n)?)
    }

    fn load(&mut self, addr: u64, size: Size) -> Option<u64> {
        let endian = self.endian;
        let bytes = self.bytes(addr, size.bytes())?;
        let fold = |n: u64, b: &u8| n << 8 | u64::from(*b);
        Some(match endian {
            Endian::Little => bytes.iter().rev().fold(0, fold),
            Endian::Big => bytes.iter().fold(0, fold),
        })
    }

    fn store(&mut self, addr: u64, size: Size, value: u64) -> Option<()> {
        let endian = self.endian;
        let n = size.bytes();
        let bytes = self.bytes(addr, n)?;
        for (i, byte) in bytes.iter_mut().enumerate() {
            let place = if endian == Endian::Little { i } else { n - 1 - i };
            *byte = (value >> (8 * place)) as u8;
        }
        Some(())
    }

    /// Runs a program that has no calls, for at most `steps` instructions.
    pub(crate) fn run(&mut self, ops: &[(usize, Op)], steps: usize) -> End {
        let at = |slot: usize| ops.iter().position(|o| o.0 == slot).expect("a target is an instruction");
        let mut i = 0;
        for _ in 0..steps {
            let (slot, op) = ops[i];
            if op == Op::Exit {
                return End::Exit(self.regs[0]);
            }
            match self.step(slot, op) {
                Ok(None) => i += 1,
                Ok(Some(off)) => i = at((slot as i64 + 1 + off) as usize),
                Err(end) => return end,
            }
        }
        End::Steps
    }

    fn step(&mut self, slot: usize, op: Op) -> Result<Option<i64>, End> {
        match op {
            Op::Alu { width, op, dst, src } => {
                self.regs[dst.index()] = alu(op, width, self.regs[dst.index()], self.value(src));
            }
            Op::Movsx { width, from, dst, src } => {
                let value = sign_extend(self.regs[src.index()], from);
                self.regs[dst.index()] = (u128::from(value) & mask(width)) as u64;
            }
            Op::Neg { width, dst } => {
                self.regs[dst.index()] = alu(AluOp::Sub, width, 0, self.regs[dst.index()]);
            }
            Op::Swap { kind, size, dst } => {
                self.regs[dst.index()] = swap(kind, size, self.endian, self.regs[dst.index()]);
            }
            Op::LoadImm { dst, source: ImmSource::Value, imm } => self.regs[dst.index()] = imm,
            Op::Load { size, signed, dst, src, off } => {
                let addr = self.regs[src.index()].wrapping_add(i64::from(off) as u64);
                let fault = End::Fault(slot, addr, size.bytes(), false, false);
                let value = self.load(addr, size).ok_or(fault)?;
                self.regs[dst.index()] = if signed { sign_extend(value, size) } else { value };
            }
            Op::Store { size, dst, off, src } => {
                let addr = self.regs[dst.index()].wrapping_add(i64::from(off) as u64);
                let value = self.value(src);
                self.store(addr, size, value).ok_or(End::Fault(slot, addr, size.bytes(), true, false))?;
            }
            Op::Atomic { op, size, fetch, dst, src, off } => {
                let addr = self.regs[dst.index()].wrapping_add(i64::from(off) as u64);
                self.atomic(slot, op, size, fetch, addr, src.index())?;
            }
            Op::Jump { off, .. } => return Ok(Some(off.into())),
            Op::Branch { width, cond, dst, src, off } => {
                let taken = holds(cond, width, self.regs[dst.index()], self.value(src));
                return Ok(taken.then_some(off.into()));
            }
            other => panic!("the reference does not know {other:?}"),
        }
        Ok(None)
    }

    fn atomic(
        &mut self,
        slot: usize,
        op: AtomicOp,
        size: Size,
        fetch: bool,
        addr: u64,
        src: usize,
    ) -> Result<(), End> {
        let width = if size == Size::W { Width::W32 } else { Width::W64 };
        let fault = |misaligned| End::Fault(slot, addr, size.bytes(), true, misaligned);
        if !addr.is_multiple_of(size.bytes() as u64) {
            return Err(fault(true));
        }
        let old = self.load(addr, size).ok_or(fault(false))?;
        let operand = self.regs[src];
        let new = match op {
            AtomicOp::Add => alu(AluOp::Add, width, old, operand),
            AtomicOp::Or => old | operand,
            AtomicOp::And => old & operand,
            AtomicOp::Xor => old ^ operand,
            AtomicOp::Xchg => operand,
            AtomicOp::Cmpxchg if holds(Cond::Eq, width, old, self.regs[0]) => operand,
            AtomicOp::Cmpxchg => old,
        };
        self.store(addr, size, new).ok_or(fault(false))?;
        match op {
            AtomicOp::Cmpxchg => self.regs[0] = old,
            _ if fetch => self.regs[src] = old,
            _ => {}
        }
        Ok(())
    }
}
