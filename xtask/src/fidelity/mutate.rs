//! Small changes to programs: most verdicts hang on a single number or register.

use skep_isa::Insn;

use super::program::{CALL, EXIT, FUNCTION, KFUNC, MAP, MAP_VALUE, Program, SUBPROG, WIDE};
use crate::random::Random;

/// Changes a program in a few places.
pub(super) fn mutate(program: &mut Program, random: &mut Random) {
    for _ in 0..1 + random.below(3) {
        let at = random.below(program.insns.len() as u32) as usize;
        match random.below(16) {
            0 | 1 => drop_one(program, at),
            2 => twice(program, at),
            3 => exchange(program, at),
            4 | 5 => other_operation(&mut program.insns[at], random),
            6 | 7 => program.insns[at].dst = random.below(11) as u8,
            8 | 9 => other_source(&mut program.insns[at], random),
            10 | 11 => other_offset(&mut program.insns[at], random),
            12 | 13 => other_constant(&mut program.insns[at], random),
            14 => {
                let from = random.below(program.insns.len() as u32) as usize;
                let copied = program.insns[from];
                if copied.opcode != WIDE && !program.halves()[from] && !program.halves()[at] {
                    program.splice(at, 0, &[copied]);
                }
            }
            _ => program.flags ^= random.of(&[1, 8, 8, 8, 2]),
        }
    }
}

fn drop_one(program: &mut Program, at: usize) {
    let halves = program.halves();
    if program.insns.len() > 2 && !halves[at] {
        let count = if halves.get(at + 1) == Some(&true) { 2 } else { 1 };
        program.splice(at, count, &[]);
    }
}

fn twice(program: &mut Program, at: usize) {
    let i = program.insns[at];
    if i.opcode != WIDE && !program.halves()[at] {
        program.splice(at, 0, &[i]);
    }
}

fn exchange(program: &mut Program, at: usize) {
    let halves = program.halves();
    let plain = |n: usize| halves.get(n) == Some(&false) && program.insns[n].opcode & 7 != 5;
    if plain(at) && plain(at + 1) && program.insns[at].opcode != WIDE && program.insns[at + 1].opcode != WIDE
    {
        program.insns.swap(at, at + 1);
    }
}

/// Another operation or width of the same class.
fn other_operation(i: &mut Insn, random: &mut Random) {
    let class = i.opcode & 7;
    i.opcode = match class {
        4 | 7 if random.percent(30) => i.opcode ^ 3,
        5 | 6 if i.opcode != CALL && i.opcode != EXIT && random.percent(30) => i.opcode ^ 3,
        4 | 7 => i.opcode & 0x0f | random.of(&[0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12]) << 4,
        5 | 6 if i.opcode != CALL && i.opcode != EXIT => {
            i.opcode & 0x0f | random.of(&[1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13]) << 4
        }
        1..4 => i.opcode & !0x18 | random.of(&[0, 0x08, 0x10, 0x18]),
        _ => i.opcode,
    };
}

fn other_source(i: &mut Insn, random: &mut Random) {
    let named = i.opcode == WIDE || i.opcode == CALL && matches!(i.src, SUBPROG | KFUNC);
    if !named || random.percent(2) {
        i.src = random.below(11) as u8;
    }
}

fn other_offset(i: &mut Insn, random: &mut Random) {
    i.off = match random.below(6) {
        0 => i.off.wrapping_add(1),
        1 => i.off.wrapping_sub(1),
        2 => i.off.wrapping_add(8),
        3 => i.off.wrapping_sub(8),
        4 => random.within(-600, 600) as i16,
        _ => random.next() as i16,
    };
}

fn other_constant(i: &mut Insn, random: &mut Random) {
    i.imm = match (i.opcode, i.src) {
        // A kernel function or map by number: there is no other.
        (CALL, KFUNC) | (WIDE, MAP | MAP_VALUE | FUNCTION) => return,
        (CALL, SUBPROG) => i.imm.wrapping_add(random.within(-3, 4)),
        (CALL, _) => random.within(0, 213),
        _ => match random.below(4) {
            0 => i.imm.wrapping_add(random.within(-4, 5)),
            1 => i.imm.wrapping_neg(),
            2 => i.imm ^ 1 << random.below(32),
            _ => random.imm(),
        },
    };
}
