//! Numbers of 32 bits whose bits are functions of a packet, and the machine's arithmetic on them.

use skep_isa::classic::{AluOp, Cond};

use super::bdd::{Bdd, FALSE, Ref, TRUE, TooLarge};

/// A number: its bits, the lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word(pub(super) [Ref; 32]);

type Made<T> = Result<T, TooLarge>;

impl Word {
    pub(super) fn constant(value: u32) -> Self {
        Self(std::array::from_fn(|n| if value >> n & 1 != 0 { TRUE } else { FALSE }))
    }

    /// The number, if it is the same for all packets.
    pub(super) fn value(&self) -> Option<u32> {
        self.0.iter().rev().try_fold(0u32, |sum, &bit| (bit <= TRUE).then_some(sum << 1 | bit))
    }

    fn zip(&self, other: &Self, mut with: impl FnMut(Ref, Ref) -> Made<Ref>) -> Made<Self> {
        let mut out = [FALSE; 32];
        for (n, bit) in out.iter_mut().enumerate() {
            *bit = with(self.0[n], other.0[n])?;
        }
        Ok(Self(out))
    }

    /// Moved up by a distance below 32.
    pub(super) fn up(&self, by: usize) -> Self {
        Self(std::array::from_fn(|n| n.checked_sub(by).map_or(FALSE, |n| self.0[n])))
    }

    fn down(&self, by: usize) -> Self {
        Self(std::array::from_fn(|n| self.0.get(n + by).copied().unwrap_or(FALSE)))
    }
}

impl Bdd {
    /// One number or the other.
    pub(super) fn choose_word(&mut self, cond: Ref, yes: &Word, no: &Word) -> Made<Word> {
        yes.zip(no, |yes, no| self.choose(cond, yes, no))
    }

    /// Whether a comparison holds.
    pub(super) fn compare(&mut self, cond: Cond, a: &Word, b: &Word) -> Made<Ref> {
        let mut out = match cond {
            Cond::Eq | Cond::Ge => TRUE,
            Cond::Gt | Cond::Set => FALSE,
        };
        // From the lowest bit up: what higher bits decide wins.
        for (&a, &b) in a.0.iter().zip(&b.0) {
            out = match cond {
                Cond::Eq => {
                    let differ = self.xor(a, b)?;
                    self.choose(differ, FALSE, out)?
                }
                Cond::Gt | Cond::Ge => {
                    let differ = self.xor(a, b)?;
                    self.choose(differ, a, out)?
                }
                Cond::Set => {
                    let both = self.and(a, b)?;
                    self.or(both, out)?
                }
            };
        }
        Ok(out)
    }

    /// Arithmetic. The right side of a division is not 0: that is asked for beforehand.
    pub(super) fn alu(&mut self, op: AluOp, a: &Word, b: &Word) -> Made<Word> {
        match op {
            AluOp::Add => self.sum(a, b, FALSE),
            AluOp::Sub => {
                let not = b.zip(b, |bit, _| self.not(bit))?;
                self.sum(a, &not, TRUE)
            }
            AluOp::Mul => self.product(a, b),
            AluOp::Div => Ok(self.quotient(a, b)?.0),
            AluOp::Mod => Ok(self.quotient(a, b)?.1),
            AluOp::Or => a.zip(b, |a, b| self.or(a, b)),
            AluOp::And => a.zip(b, |a, b| self.and(a, b)),
            AluOp::Xor => a.zip(b, |a, b| self.xor(a, b)),
            AluOp::Lsh => self.shifted(a, b, Word::up),
            AluOp::Rsh => self.shifted(a, b, Word::down),
        }
    }

    fn sum(&mut self, a: &Word, b: &Word, mut carry: Ref) -> Made<Word> {
        a.zip(b, |a, b| {
            let half = self.xor(a, b)?;
            let bit = self.xor(half, carry)?;
            carry = self.choose(half, carry, a)?;
            Ok(bit)
        })
    }

    fn product(&mut self, a: &Word, b: &Word) -> Made<Word> {
        // The constant side, if there is one, tells how often to add.
        let (a, b) = if a.value().is_some() { (b, a) } else { (a, b) };
        let mut out = Word::constant(0);
        for (n, &bit) in b.0.iter().enumerate() {
            if bit != FALSE {
                let more = self.sum(&out, &a.up(n), FALSE)?;
                out = self.choose_word(bit, &more, &out)?;
            }
        }
        Ok(out)
    }

    /// Long division: quotient and remainder.
    fn quotient(&mut self, a: &Word, b: &Word) -> Made<(Word, Word)> {
        if let Some(by) = b.value().filter(|k| k.is_power_of_two()) {
            return Ok((
                a.down(by.trailing_zeros() as usize),
                self.alu(AluOp::And, a, &Word::constant(by - 1))?,
            ));
        }
        let (mut quotient, mut rest) = (Word::constant(0), Word::constant(0));
        for n in (0..32).rev() {
            // The remainder is below the divisor, but twice of it may not fit in 32 bits.
            let over = rest.0[31];
            rest = rest.up(1);
            rest.0[0] = a.0[n];
            let fits = self.compare(Cond::Ge, &rest, b)?;
            let fits = self.or(over, fits)?;
            let less = self.alu(AluOp::Sub, &rest, b)?;
            rest = self.choose_word(fits, &less, &rest)?;
            quotient.0[n] = fits;
        }
        Ok((quotient, rest))
    }

    fn shifted(&mut self, a: &Word, by: &Word, shift: fn(&Word, usize) -> Word) -> Made<Word> {
        let mut out = *a;
        for n in 0..5 {
            out = self.choose_word(by.0[n], &shift(&out, 1 << n), &out)?;
        }
        Ok(out)
    }

    /// The values that a number has, each with when it has it; none if there are more than `most`.
    pub(super) fn cases(&mut self, word: &Word, most: usize) -> Made<Option<Vec<(u32, Ref)>>> {
        let mut all = vec![(0, TRUE)];
        for (n, &bit) in word.0.iter().enumerate() {
            let mut next = Vec::with_capacity(all.len());
            for (value, when) in all {
                let (zero, one) = (self.choose(bit, FALSE, when)?, self.and(bit, when)?);
                next.extend((zero != FALSE).then_some((value, zero)));
                next.extend((one != FALSE).then_some((value | 1 << n, one)));
            }
            if next.len() > most {
                return Ok(None);
            }
            all = next;
        }
        Ok(Some(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Arithmetic on two numbers of four free bits each (and others fixed), for all their values.
    #[test]
    fn arithmetic_is_the_machines() -> Result<(), TooLarge> {
        const OPS: [AluOp; 10] = [
            AluOp::Add,
            AluOp::Sub,
            AluOp::Mul,
            AluOp::Div,
            AluOp::Mod,
            AluOp::Or,
            AluOp::And,
            AluOp::Xor,
            AluOp::Lsh,
            AluOp::Rsh,
        ];
        let places = |word: &mut Word, from: u32, bdd: &mut Bdd| -> Result<(), TooLarge> {
            for (n, place) in [0, 1, 4, 31].into_iter().enumerate() {
                word.0[place] = bdd.variable(from + n as u32)?;
            }
            Ok(())
        };
        let number = |bits: u32, base: u32| {
            [0, 1, 4, 31]
                .into_iter()
                .enumerate()
                .fold(base, |v, (n, place)| v & !(1 << place) | (bits >> n & 1) << place)
        };
        let mut bdd = Bdd::new();
        let (base_a, base_b) = (0x0000_1240, 0x0000_0104);
        let (mut a, mut b) = (Word::constant(base_a), Word::constant(base_b));
        places(&mut a, 0, &mut bdd)?;
        places(&mut b, 4, &mut bdd)?;
        let at = |bdd: &Bdd, mut at: Ref, bits: u32| {
            while at > TRUE {
                let node = bdd.get(at);
                at = if bits >> node.level & 1 != 0 { node.high } else { node.low };
            }
            at == TRUE
        };
        for op in OPS {
            let made = bdd.alu(op, &a, &b)?;
            for bits in 0..256 {
                let (x, y) = (number(bits & 15, base_a), number(bits >> 4, base_b));
                let value = (0..32).fold(0, |v, n| v | u32::from(at(&bdd, made.0[n], bits)) << n);
                assert_eq!(op.apply(x, y), Some(value), "{op:?} {x:#x} {y:#x}");
            }
        }
        for cond in [Cond::Eq, Cond::Gt, Cond::Ge, Cond::Set] {
            let made = bdd.compare(cond, &a, &b)?;
            for bits in 0..256 {
                let (x, y) = (number(bits & 15, base_a), number(bits >> 4, base_b));
                assert_eq!(cond.holds(x, y), at(&bdd, made, bits), "{cond:?} {x:#x} {y:#x}");
            }
        }
        assert_eq!(bdd.cases(&a, 16)?.map(|c| c.len()), Some(16));
        assert_eq!(bdd.cases(&a, 15)?, None);
        Ok(())
    }
}
