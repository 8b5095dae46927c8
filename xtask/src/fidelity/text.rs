//! Programs from text, as differences are printed: to try what a change of a program changes.

use std::error::Error;

use skep_abi::{AttachType, ProgType};
use skep_isa::asm::{Dialect, assemble};

use super::program::{CALL, KFUNC, Program};
use super::world::KFUNCS;

/// Reads the header (`prog`, `attach`, `flags`), the instructions, and the functions in the last line.
pub(super) fn read(text: &str) -> Result<Program, Box<dyn Error>> {
    let assembly = assemble(text, Dialect::Kernel)?;
    let mut program = Program {
        prog_type: ProgType::XDP,
        attach_type: AttachType(0),
        flags: 0,
        insns: assembly.insns,
        funcs: Vec::new(),
    };
    for r in &assembly.references {
        let known = KFUNCS.iter().position(|k| *k == r.name);
        let n = known.ok_or_else(|| format!("`{}` is not there", r.name))?;
        program.insns[r.slot].imm = n as i32;
        debug_assert_eq!((program.insns[r.slot].opcode, program.insns[r.slot].src), (CALL, KFUNC));
    }
    for line in text.lines() {
        let field = line.strip_prefix("#! ").and_then(|l| l.split_once(" = "));
        match field {
            Some(("prog", value)) => program.prog_type = value.trim().parse()?,
            Some(("attach", value)) => program.attach_type = value.trim().parse()?,
            Some(("flags", value)) => program.flags = value.trim().parse()?,
            _ => {}
        }
        if let Some(pairs) = line.strip_prefix("# functions ") {
            let numbers: Vec<usize> =
                pairs.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect();
            program.funcs = numbers.chunks_exact(2).map(|p| (p[0], p[1] as u32)).collect();
        }
    }
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn what_is_printed_is_read() {
        let p = read(
            "#! prog = tc\n#! flags = 8\n0: r0 = 1\n1: call pc+1\n2: exit\n3: exit\n# functions [(0, 0), (3, 1)]\n",
        );
        let p = p.unwrap();
        assert_eq!((p.flags, p.insns.len(), p.funcs), (8, 4, vec![(0, 0), (3, 1)]));
    }
}
