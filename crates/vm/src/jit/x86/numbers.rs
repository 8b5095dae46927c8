//! Constants that a program chooses, behind masks where that is wanted ([`crate::jit::blind`]).

use skep_isa::Operand;

use super::asm::Asm;
use super::compile::{Compiler, host};
use super::encode::*;

impl Compiler<'_> {
    /// Loads a number of the program's. Flags do not stay, nor does the other scratch register.
    #[inline]
    pub(crate) fn number(&mut self, to: Gpr, value: u64) {
        match &mut self.masks {
            None => self.asm.constant(to, value),
            Some(masks) => hidden(&mut self.asm, to, value, masks.next()),
        }
    }

    /// An operand as instructions have it: a hidden constant is put into r11.
    #[inline(always)]
    pub(crate) fn value(&mut self, operand: Operand) -> Value {
        match operand {
            Operand::Reg(reg) => Value::Reg(host(reg)),
            Operand::Imm(imm) if self.masks.is_some() && imm != 0 => {
                self.number(R11, i64::from(imm) as u64);
                Value::Reg(R11)
            }
            Operand::Imm(imm) => Value::Imm(imm),
        }
    }
}

/// Loads a number behind a mask.
fn hidden(a: &mut Asm, to: Gpr, value: u64, mask: u64) {
    if i64::from(value as i32) as u64 == value {
        let mask = mask as i32;
        a.constant(to, value ^ i64::from(mask) as u64);
        a.ri(XOR_MI, W::Q, to, mask);
    } else {
        let scratch = if to == R11 { R10 } else { R11 };
        a.long_constant(scratch, mask);
        a.long_constant(to, value ^ mask);
        a.rr(XOR_MR, W::Q, scratch, to);
    }
}

/// An operand, as instructions of the machine have it.
#[derive(Clone, Copy)]
pub(crate) enum Value {
    Reg(Gpr),
    Imm(i32),
}
