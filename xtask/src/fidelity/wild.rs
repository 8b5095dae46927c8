//! Programs without sense: known opcodes, random fields. They show what is refused before anything is explored, and that
//! an answer always comes.

use skep_abi::{AttachType, ProgType};
use skep_isa::Insn;

use super::program::{CALL, EXIT, KFUNC, Program, WIDE};
use crate::random::Random;

/// A program of random instructions, some of them cleaned of what would be refused at once.
pub(super) fn wild(random: &mut Random) -> Program {
    let opcodes: Vec<u8> = (0..=u8::MAX).filter(|o| !skep_isa::rows_of(*o).is_empty()).collect();
    let mut insns = Vec::new();
    if random.percent(50) {
        insns.extend([0, 2, 3, 4, 5, 7, 8, 9].map(|dst| insn(0xb7, dst, 0, 0, i32::from(dst) * 3)));
    }
    let clean = random.percent(70);
    for _ in 0..1 + random.below(24) {
        insns.push(one(random, &opcodes, clean));
    }
    insns.push(insn(EXIT, 0, 0, 0, 0));
    let prog_type = ProgType(random.below(34));
    // Where no driver for infrared is built, LIRC_MODE2 is unknown.
    let prog_type = if prog_type == ProgType::LIRC_MODE2 { ProgType::XDP } else { prog_type };
    let attach_type = if random.percent(50) { AttachType(0) } else { AttachType(random.below(60)) };
    let flags = random.of(&[0, 0, 0, 8, 1, 16, 2, 3, 4, 32, 64, 128, 256]);
    if random.percent(10) {
        insns = vec![insn(0xb7, 0, 0, 0, 1), insn(EXIT, 0, 0, 0, 0)];
    }
    Program { prog_type, attach_type, flags, insns, funcs: Vec::new() }
}

fn insn(opcode: u8, dst: u8, src: u8, off: i16, imm: i32) -> Insn {
    Insn { opcode, dst, src, off, imm }
}

fn one(random: &mut Random, opcodes: &[u8], clean: bool) -> Insn {
    let opcode = random.of(opcodes);
    let small = random.percent(80);
    let mut i = insn(opcode, random.below(11) as u8, random.below(11) as u8, 0, 0);
    i.off = if small { (random.within(-8, 8) * random.of(&[1, 8])) as i16 } else { random.next() as i16 };
    i.imm = if small { random.within(-64, 64) } else { random.next() as i32 };
    if opcode == CALL {
        i.src = random.of(&[0, 0, 0, 1]);
        i.imm = random.within(0, 212);
        return i;
    }
    // What names maps and kernel functions by number has to be left out: numbers differ between both sides.
    if opcode == WIDE {
        i.src = 0;
    }
    if !clean {
        return i;
    }
    let register = opcode & 0x08 != 0;
    match opcode & 7 {
        4 | 7 => {
            i.off = 0;
            if register { i.imm = 0 } else { i.src = 0 }
        }
        5 | 6 => {
            if register {
                i.imm = 0
            } else {
                i.src = 0
            }
            i.off = random.within(-4, 6) as i16;
        }
        1 => i.imm = 0,
        3 if opcode & 0xe0 == 0x60 => i.imm = 0,
        _ => {}
    }
    debug_assert!(i.opcode != CALL || i.src != KFUNC);
    i
}
