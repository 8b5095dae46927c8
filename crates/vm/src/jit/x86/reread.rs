//! Reads back what was emitted, in builds with debug assertions: a decoder of lengths and jumps that knows the rows of the
//! table by their opcodes and shares nothing else with the assembler.
//!
//! What holds afterwards: instructions fill the code, each of them is one that the compiler has; jumps lead to the start of
//! an instruction, or through the head into the code that programs share; the code of every cell begins at an instruction.
//! (Tests hold the same code against another's decoder.)

/// What follows an opcode.
#[derive(Clone, Copy, PartialEq)]
enum Tail {
    /// Nothing.
    Bare,
    /// An operand, with so many bytes of an immediate.
    Operand(usize),
    /// An operand with an immediate as wide as the operation, up to 32 bits.
    Wide,
    /// Opcode f7: the same for `test`, which has the digit 0, none for the others.
    Group,
    /// A constant of 32 bits, or of 64 with a wide prefix.
    Constant,
    /// A displacement of so many bytes.
    Jump(usize),
}

fn one(opcode: u8) -> Option<Tail> {
    Some(match opcode {
        0x01 | 0x03 | 0x09 | 0x21 | 0x29 | 0x2b | 0x31 | 0x39 | 0x3b | 0x63 | 0x85 | 0x88 | 0x89 | 0x8b
        | 0x8d | 0x8f | 0xd3 | 0xff => Tail::Operand(0),
        0x83 | 0xc1 | 0xc6 => Tail::Operand(1),
        0x69 => Tail::Operand(4),
        0x81 | 0xc7 => Tail::Wide,
        0xf7 => Tail::Group,
        0x50..=0x5f | 0x90 | 0x99 | 0xc3 | 0xcc => Tail::Bare,
        0x70..=0x7f | 0xeb => Tail::Jump(1),
        0xe8 | 0xe9 => Tail::Jump(4),
        0xb8..=0xbf => Tail::Constant,
        _ => return None,
    })
}

fn two(opcode: u8) -> Option<Tail> {
    Some(match opcode {
        0x11 | 0x18 | 0x1f | 0x43 | 0x57 | 0xaf | 0xb6 | 0xb7 | 0xbe | 0xbf => Tail::Operand(0),
        0x80..=0x8f => Tail::Jump(4),
        0xc8..=0xcf => Tail::Bare,
        _ => return None,
    })
}

/// An instruction: where the next one begins, and where it jumps to.
struct Read {
    end: usize,
    target: Option<i64>,
    /// The displacement of the memory that holds where it jumps to.
    through: Option<i32>,
}

fn read(code: &[u8], start: usize) -> Option<Read> {
    let mut at = start;
    let byte = |at: usize| code.get(at).copied();
    let half = byte(at)? == 0x66;
    at += usize::from(half);
    let rex = byte(at).filter(|b| b & 0xf0 == 0x40).unwrap_or(0);
    at += usize::from(rex != 0);
    let (opcode, tail) = match byte(at)? {
        0x0f => {
            at += 1;
            (byte(at)?, two(byte(at)?)?)
        }
        opcode => (opcode, one(opcode)?),
    };
    at += 1;
    let (mut target, mut through) = (None, None);
    match tail {
        Tail::Bare => {}
        Tail::Constant => at += if rex & 8 != 0 { 8 } else { 4 },
        Tail::Jump(len) => {
            let bytes = code.get(at..at + len)?;
            let distance = match *bytes {
                [short] => i64::from(short as i8),
                _ => i64::from(i32::from_le_bytes(bytes.try_into().ok()?)),
            };
            at += len;
            target = Some(at as i64 + distance);
        }
        Tail::Operand(_) | Tail::Wide | Tail::Group => {
            let modrm = byte(at)?;
            let digit = modrm >> 3 & 7;
            let (len, relative) = operand(code, at)?;
            at += len;
            // Calls and jumps by a register go to the embedder's functions.
            if opcode == 0xff && matches!(digit, 2 | 4) && modrm >> 6 != 3 {
                through = Some(i32::from_le_bytes(code.get(at - 4..at)?.try_into().ok()?));
            }
            // Only `lea` speaks of the code itself.
            if relative {
                (opcode == 0x8d).then_some(())?;
                let distance = i32::from_le_bytes(code.get(at - 4..at)?.try_into().ok()?);
                target = Some(at as i64 + i64::from(distance));
            }
            at += match tail {
                Tail::Operand(imm) => imm,
                Tail::Group if digit != 0 => 0,
                _ if half => 2,
                _ => 4,
            };
        }
    }
    (at <= code.len()).then_some(Read { end: at, target, through })
}

/// Bytes of ModRM, SIB and displacement at `at`, and whether the operand is relative to the next instruction.
fn operand(code: &[u8], at: usize) -> Option<(usize, bool)> {
    let modrm = *code.get(at)?;
    let (mode, rm) = (modrm >> 6, modrm & 7);
    let sib = usize::from(mode != 3 && rm == 4);
    let base = if sib == 1 { code.get(at + 1)? & 7 } else { rm };
    let relative = mode == 0 && sib == 0 && rm == 5;
    let disp = match mode {
        0 if base == 5 => 4,
        1 => 1,
        2 => 4,
        _ => 0,
    };
    Some((1 + sib + disp, relative))
}

/// Holds code to what the module says. Entries count from `first`; `outs` are where in the head it may jump through.
///
/// # Panics
/// If it is not so: the compiler is wrong.
pub(super) fn check(code: &[u8], first: usize, entries: &[u32], outs: &[i32]) {
    let mut starts = vec![false; code.len() + 1];
    let mut jumps = Vec::new();
    let mut at = 0;
    while at < code.len() {
        let Some(insn) = read(code, at) else {
            panic!(
                "offset {at:#x}: {:x?} is no instruction of the compiler's",
                &code[at..code.len().min(at + 15)]
            );
        };
        starts[at] = true;
        jumps.extend(insn.target.map(|target| (insn.end, target)));
        let leaves = insn.through.is_none_or(|place| outs.contains(&place));
        assert!(leaves, "the jump at {at:#x} goes through {:?}", insn.through);
        at = insn.end;
    }
    for (end, target) in jumps {
        let right = usize::try_from(target).ok().and_then(|t| starts.get(t)).is_some_and(|start| *start);
        assert!(right, "the jump that ends at {end:#x} leads to {target:#x}");
    }
    for entry in entries.iter().filter(|e| **e != super::super::shape::NOWHERE) {
        assert!(
            starts[first + *entry as usize],
            "a cell's code begins at {entry:#x}, inside of an instruction"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "no instruction")]
    fn what_the_compiler_does_not_have_is_told() {
        check(&[0x0f, 0x05], 0, &[], &[]);
    }

    #[test]
    #[should_panic(expected = "leads to 0x1")]
    fn a_jump_into_an_instruction_is_told() {
        // mov eax, 0; jmp to its second byte
        check(&[0xb8, 0, 0, 0, 0, 0xeb, 0xfa], 0, &[], &[]);
    }

    #[test]
    #[should_panic(expected = "begins at 0x2")]
    fn an_entry_inside_of_an_instruction_is_told() {
        check(&[0xb8, 0, 0, 0, 0, 0xc3], 0, &[2], &[]);
    }

    #[test]
    #[should_panic(expected = "goes through Some(-8)")]
    fn a_jump_through_other_memory_is_told() {
        // jmp [r12 - 8], with a displacement of 32 bits
        check(&[0x41, 0xff, 0xa4, 0x24, 0xf8, 0xff, 0xff, 0xff], 0, &[], &[-16]);
    }

    #[test]
    fn all_forms_of_operands_have_their_lengths() {
        for (code, len) in [
            (&[0x48u8, 0x8b, 0x04, 0x25, 1, 2, 3, 4][..], 8),
            (&[0x41, 0x8b, 0x44, 0x24, 8], 5),
            (&[0x48, 0x8d, 0x05, 0, 0, 0, 0], 7),
            (&[0x66, 0x41, 0xc7, 0x04, 0x1c, 1, 2], 7),
            (&[0xf7, 0xd8], 2),
            (&[0xf7, 0xc0, 1, 0, 0, 0], 6),
            (&[0x49, 0xba, 1, 2, 3, 4, 5, 6, 7, 8], 10),
        ] {
            assert_eq!(read(code, 0).map(|r| r.end), Some(len), "{code:x?}");
        }
    }
}
