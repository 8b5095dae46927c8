//! Differences whose cause is known to be Linux, by the names that `docs/differences.md` has for them.
//!
//! Nothing is excused by how it looks. A row says how to write the construct that Linux gets wrong in another way that
//! means the same. A difference has its name if the program that is written so does the same in all worlds, and that
//! is what userspace made of the program as it was.

use skep_isa::Insn;

use super::{Found, Generated, Verdict, Worlds, memory, operation as op};

/// A known error of Linux.
struct Row {
    name: &'static str,
    respell: fn(&Insn) -> Option<Vec<Insn>>,
}

const ROWS: [Row; 2] = [
    Row { name: "what an atomic operation fetches from the stack", respell: fetch },
    Row { name: "the upper part of a context's field that Linux keeps in fewer bytes", respell: upper_part },
];

/// The name of what explains a difference, if something does.
pub(super) fn explain(found: &Found, worlds: &Worlds) -> Result<Option<&'static str>, String> {
    for row in &ROWS {
        let program: Generated = found.program.rebuilt(|_, insn| (row.respell)(insn));
        if program.insns == found.program.insns {
            continue;
        }
        let user = worlds.outcome(found.engine, &program)?;
        if user == found.user && matches!(worlds.compare_program(found.seed, program)?, Verdict::Same) {
            return Ok(Some(row.name));
        }
    }
    Ok(None)
}

/// A load of a part of a field of the context that is not its beginning, as a load of all of it, shifted.
fn upper_part(insn: &Insn) -> Option<Vec<Insn>> {
    const LOAD_HALF: u8 = 0x69;
    const LOAD_BYTE: u8 = 0x71;
    const CONTEXT: u8 = 6;
    let mask = match insn.opcode {
        LOAD_BYTE => 0xff,
        LOAD_HALF => 0xffff,
        _ => return None,
    };
    let within = insn.off & 3;
    if insn.src != CONTEXT || within == 0 {
        return None;
    }
    let whole = Insn { opcode: 0x61, off: insn.off - within, ..*insn };
    let shift = Insn { opcode: 0x77, dst: insn.dst, src: 0, off: 0, imm: 8 * i32::from(within) };
    Some(vec![whole, shift, op::and_imm(insn.dst, mask)])
}

/// Words of the frame that no random program uses.
const SOURCE: i16 = -136;
const OLD: i16 = -144;
const FRAME: u8 = 10;

/// Fetching atomic operations as loads, stores, and operations that do not fetch. Programs run alone, so nothing
/// comes in between.
fn fetch(insn: &Insn) -> Option<Vec<Insn>> {
    const FETCH: i32 = 0x01;
    const XCHG: i32 = 0xe1;
    const CMPXCHG: i32 = 0xf1;
    const ATOMIC: u8 = 0xc3;
    const DOUBLE: u8 = 0x18;
    let size = insn.opcode & DOUBLE;
    if insn.opcode & !DOUBLE != ATOMIC || insn.imm & FETCH == 0 || insn.imm >= 0x100 {
        return None;
    }
    let (base, value, off) = (insn.dst, insn.src, insn.off);
    let old = Insn { opcode: 0x61 | size, dst: value, src: base, off, imm: 0 };
    let store = Insn { opcode: 0x63 | size, ..*insn };
    let mut out = vec![memory::store64(FRAME, SOURCE, value), old, memory::store64(FRAME, OLD, value)];
    match insn.imm {
        CMPXCHG => {
            let differs = if size == DOUBLE { 0x5d } else { 0x5e };
            out.push(Insn { opcode: differs, dst: value, src: 0, off: 2, imm: 0 });
            out.push(memory::load64(value, FRAME, SOURCE));
            out.push(Insn { imm: 0, ..store });
            out.push(memory::load64(value, FRAME, SOURCE));
            out.push(memory::load64(0, FRAME, OLD));
        }
        imm => {
            out.push(memory::load64(value, FRAME, SOURCE));
            out.push(if imm == XCHG {
                Insn { imm: 0, ..store }
            } else {
                Insn { imm: imm & !FETCH, ..*insn }
            });
            out.push(memory::load64(value, FRAME, OLD));
        }
    }
    Some(out)
}
