//! Arithmetic, moves and conditions of random programs, from the tables of their opcodes.

use skep_isa::Insn;

use super::Rng;

/// ALU operations that take both operands as they come: add, sub, or, and, mul, xor.
const PLAIN: [u8; 6] = [0x00, 0x10, 0x40, 0x50, 0x20, 0xa0];
/// Divisions: div, mod; signed with offset 1.
const DIVISIONS: [u8; 2] = [0x30, 0x90];
/// Shifts: lsh, rsh, arsh.
const SHIFTS: [u8; 3] = [0x60, 0x70, 0xc0];
/// Conditions of jumps.
const CONDITIONS: [u8; 11] = [0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0xa0, 0xb0, 0xc0, 0xd0];

const ALU32: u8 = 0x04;
const ALU64: u8 = 0x07;
const JMP64: u8 = 0x05;
const JMP32: u8 = 0x06;
/// The second operand is a register.
const X: u8 = 0x08;

/// `dst = imm` of 64 bits, as two slots.
pub(super) fn load_imm(dst: u8, value: u64) -> [Insn; 2] {
    let low = Insn { opcode: 0x18, dst, imm: value as u32 as i32, ..Insn::default() };
    [low, Insn { imm: (value >> 32) as i32, ..Insn::default() }]
}

/// `dst = imm`, sign-extended.
pub(super) fn mov_imm(dst: u8, imm: i32) -> Insn {
    Insn { opcode: 0xb7, dst, imm, ..Insn::default() }
}

/// `dst = src`
pub(super) fn mov(dst: u8, src: u8) -> Insn {
    Insn { opcode: 0xbf, dst, src, ..Insn::default() }
}

/// `dst += imm`
pub(super) fn add_imm(dst: u8, imm: i32) -> Insn {
    Insn { opcode: 0x07, dst, imm, ..Insn::default() }
}

/// `dst += src`
pub(super) fn add(dst: u8, src: u8) -> Insn {
    Insn { opcode: 0x0f, dst, src, ..Insn::default() }
}

/// `dst &= imm`
pub(super) fn and_imm(dst: u8, imm: i32) -> Insn {
    Insn { opcode: 0x57, dst, imm, ..Insn::default() }
}

/// A random operation on a register that holds a number, with another such.
pub(super) fn alu(rng: &mut Rng, dst: u8, src: u8) -> Insn {
    let class = if rng.one_in(2) { ALU64 } else { ALU32 };
    let register = rng.one_in(2);
    let imm = rng.word() as i32;
    let with = |op: u8, off: i16, imm: i32| {
        if register {
            Insn { opcode: class | X | op, dst, src, off, imm: 0 }
        } else {
            Insn { opcode: class | op, dst, off, imm, ..Insn::default() }
        }
    };
    match rng.below(10) {
        0..=3 => with(rng.pick(&PLAIN), 0, imm),
        4 => {
            let off = i16::from(rng.one_in(2));
            with(rng.pick(&DIVISIONS), off, if imm == 0 { -1 } else { imm })
        }
        5 | 6 => {
            let width = if class == ALU64 { 64 } else { 32 };
            with(rng.pick(&SHIFTS), 0, rng.below(width) as i32)
        }
        7 => with(0xb0, 0, imm),
        8 => sign_extending_move(rng, class, dst, src),
        _ => swap_or_negate(rng, class, dst),
    }
}

fn sign_extending_move(rng: &mut Rng, class: u8, dst: u8, src: u8) -> Insn {
    let widths: &[i16] = if class == ALU64 { &[8, 16, 32] } else { &[8, 16] };
    Insn { opcode: class | X | 0xb0, dst, src, off: rng.pick(widths), imm: 0 }
}

fn swap_or_negate(rng: &mut Rng, class: u8, dst: u8) -> Insn {
    let imm = rng.pick(&[16, 32, 64]);
    match rng.below(4) {
        0 => Insn { opcode: class | 0x80, dst, ..Insn::default() },
        1 => Insn { opcode: ALU64 | 0xd0, dst, imm, ..Insn::default() },
        2 => Insn { opcode: ALU32 | 0xd0, dst, imm, ..Insn::default() },
        _ => Insn { opcode: ALU32 | X | 0xd0, dst, imm, ..Insn::default() },
    }
}

/// A random condition on two numbers; where it jumps to is for the caller to say.
pub(super) fn condition(rng: &mut Rng, dst: u8, src: u8) -> Insn {
    let class = if rng.one_in(2) { JMP64 } else { JMP32 };
    let op = rng.pick(&CONDITIONS);
    if rng.one_in(2) {
        Insn { opcode: class | X | op, dst, src, ..Insn::default() }
    } else {
        Insn { opcode: class | op, dst, imm: rng.word() as i32, ..Insn::default() }
    }
}

/// A jump that is always taken, with a distance of 16 or of 32 bits.
pub(super) fn goto(rng: &mut Rng) -> Insn {
    Insn { opcode: if rng.one_in(2) { JMP64 } else { JMP32 }, ..Insn::default() }
}

/// Whether the distance of a jump stands in the immediate.
pub(super) fn is_long(insn: &Insn) -> bool {
    insn.opcode == JMP32
}
