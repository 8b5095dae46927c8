//! The classic machine an instruction at a time, for whoever wants to watch it.
//!
//! It does what [`Filter`](super::Filter) does, slower, and to any instructions at all: what the checks refuse ends the
//! filter with 0 when it is come to, and jumps may go back.

use core::ops::Range;

use super::packet::Packet;
use super::run::load_any;
use skep_isa::classic::{Ancillary, Insn, MEM_WORDS, Op, Size, Source};

/// What the machine holds before an instruction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The instruction that is next.
    pub pc: usize,
    /// The accumulator.
    pub a: u32,
    /// The index register.
    pub x: u32,
    /// The memory words.
    pub mem: [u32; MEM_WORDS],
}

/// Why a filter ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It returned.
    Return,
    /// A load reached beyond the bytes that there are.
    Beyond,
    /// It divided by an X of 0.
    DivideByZero,
    /// It asked for the device of a packet that has none; what is in A is the verdict.
    NoDevice,
    /// There is no instruction, or none that the machine has.
    NoInsn,
}

/// What an instruction did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The filter goes on.
    Goes {
        /// From here.
        state: State,
        /// The bytes of the packet that were read.
        read: Option<Range<usize>>,
    },
    /// It is over.
    Ends {
        /// How many bytes of the packet to keep, 0 for none.
        verdict: u32,
        /// Why.
        why: End,
    },
}

impl State {
    /// Runs the instruction that is next.
    ///
    /// ```
    /// use skep_isa::classic::Insn;
    /// use skep_vm::classic::{Packet, State, Step};
    ///
    /// // ldb [1]; ret a
    /// let insns = [Insn::stmt(0x30, 1), Insn::stmt(0x16, 0)];
    /// let packet = Packet::new(&[7, 9]);
    /// let Step::Goes { state, read } = State::default().step(&insns, &packet) else { panic!("it goes on") };
    /// assert_eq!((state.a, read), (9, Some(1..2)));
    /// assert!(matches!(state.step(&insns, &packet), Step::Ends { verdict: 9, .. }));
    /// ```
    pub fn step(&self, insns: &[Insn], packet: &Packet<'_>) -> Step {
        let Some(op) = insns.get(self.pc).and_then(|&insn| Op::decode(insn)) else {
            return Step::Ends { verdict: 0, why: End::NoInsn };
        };
        let mut next = Self { pc: self.pc + 1, ..*self };
        let mut read = None;
        if let Err((verdict, why)) = next.apply(op, packet, &mut read) {
            return Step::Ends { verdict, why };
        }
        Step::Goes { state: next, read }
    }

    fn apply(
        &mut self,
        op: Op,
        packet: &Packet<'_>,
        read: &mut Option<Range<usize>>,
    ) -> Result<(), (u32, End)> {
        let word = |k: u32| k as usize % MEM_WORDS;
        let mut load = |offset, size: Size| {
            let start = usize::try_from(offset).ok().filter(|_| offset < 1 << 31);
            *read = start.map(|at| at..at.saturating_add(size.bytes()));
            load_any(packet, offset, size).ok_or((0, End::Beyond))
        };
        let operand = |src, x| match src {
            Source::K(k) => k,
            Source::X => x,
        };
        match op {
            Op::LoadAbs { k, .. } if let Some(fact) = Ancillary::from_offset(k) => {
                self.a = super::facts::load(packet, fact, self.a, self.x).ok_or((self.a, End::NoDevice))?;
            }
            Op::LoadAbs { size, k } => self.a = load(k, size)?,
            Op::LoadInd { size, k } => self.a = load(self.x.wrapping_add(k), size)?,
            Op::LoadImm { k } => self.a = k,
            Op::LoadMem { k } => self.a = self.mem[word(k)],
            Op::LoadLen => self.a = packet.len,
            Op::LoadxImm { k } => self.x = k,
            Op::LoadxMem { k } => self.x = self.mem[word(k)],
            Op::LoadxLen => self.x = packet.len,
            Op::LoadxMsh { k } => self.x = (load(k, Size::B)? & 15) * 4,
            Op::Store { k } => self.mem[word(k)] = self.a,
            Op::Storex { k } => self.mem[word(k)] = self.x,
            Op::Alu { op, src } => {
                let b = operand(src, self.x);
                self.a = op.apply(self.a, b).ok_or((0, End::DivideByZero))?;
            }
            Op::Neg => self.a = self.a.wrapping_neg(),
            Op::Jump { k } => self.pc = self.pc.wrapping_add_signed(k.cast_signed() as isize),
            Op::Branch { cond, src, jt, jf } => {
                let holds = cond.holds(self.a, operand(src, self.x));
                self.pc += usize::from(if holds { jt } else { jf });
            }
            Op::RetK { k } => return Err((k, End::Return)),
            Op::RetA => return Err((self.a, End::Return)),
            Op::Tax => self.x = self.a,
            Op::Txa => self.a = self.x,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Filter;
    use super::*;

    /// Numbers by chance, the same every time.
    struct Chance(u64);

    impl Chance {
        fn below(&mut self, n: u32) -> u32 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((self.0 >> 33) as u32) % n
        }
    }

    fn verdict(insns: &[Insn], packet: &Packet<'_>) -> u32 {
        let mut state = State::default();
        loop {
            match state.step(insns, packet) {
                Step::Goes { state: next, .. } => state = next,
                Step::Ends { verdict, .. } => return verdict,
            }
        }
    }

    #[test]
    fn steps_lead_to_what_the_filter_returns() {
        let mut chance = Chance(1);
        let rows: Vec<u16> = skep_isa::classic::ROWS.iter().map(|row| row.code).collect();
        let (mut ran, mut taken) = (0, 0);
        while ran < 3000 {
            let length = 2 + chance.below(12) as usize;
            let mut insns: Vec<Insn> = (0..length)
                .map(|_| {
                    let code = rows[chance.below(rows.len() as u32) as usize];
                    let k = if code == 0x05 { chance.below(3) } else { chance.below(16) };
                    Insn { code, jt: chance.below(3) as u8, jf: chance.below(3) as u8, k }
                })
                .collect();
            insns.push(Insn::stmt(0x16, 0));
            let Ok(filter) = Filter::new(&insns) else { continue };
            let bytes: Vec<u8> = (0..12 + chance.below(8)).map(|_| chance.below(256) as u8).collect();
            let packet = Packet::new(&bytes);
            assert_eq!(verdict(&insns, &packet), filter.run(&packet), "{insns:?}");
            ran += 1;
            taken += u32::from(filter.run(&packet) != 0);
        }
        assert!(taken > 300, "{taken}");
    }

    #[test]
    fn jumps_may_go_back_and_leave_the_program() {
        // ja -1
        let insns = [Insn::stmt(0x05, u32::MAX)];
        let packet = Packet::new(&[]);
        let back = State::default().step(&insns, &packet);
        assert_eq!(back, Step::Goes { state: State::default(), read: None });
        let out = State { pc: 7, ..State::default() }.step(&insns, &packet);
        assert_eq!(out, Step::Ends { verdict: 0, why: End::NoInsn });
        let beyond = State::default().step(&[Insn::stmt(0x30, 0)], &packet);
        assert_eq!(beyond, Step::Ends { verdict: 0, why: End::Beyond });
    }
}
