//! The text engine: what is assembled, disassembled and assembled again has the same slots, in both
//! dialects and both byte orders.

use skep_isa::asm::{Assembler, Dialect};
use skep_isa::disasm::{Disassembler, Style};
use skep_isa::{Endian, Insn, Names, bytes_from_slots, slots_from_bytes};

use super::{Answer, Engine};
use crate::corpus::case::Case;
use crate::corpus::text::NAMES;

/// See the module.
pub(super) struct Text;

const STYLES: [(Style, Dialect); 3] =
    [(Style::Kernel, Dialect::Kernel), (Style::Llvm, Dialect::Kernel), (Style::Mnemonic, Dialect::Mnemonic)];

impl Engine for Text {
    fn name(&self) -> &'static str {
        "text"
    }

    fn run(&self, case: &Case) -> Result<Answer, String> {
        let insns = &case.program.assembly.insns;
        for (style, dialect) in STYLES {
            for labels in [false, true] {
                through_text(insns, style, dialect, labels, &NAMES)?;
            }
        }
        for endian in [Endian::Little, Endian::Big] {
            let bytes = bytes_from_slots(insns, endian);
            let again = slots_from_bytes(&bytes, endian).map_err(|e| e.to_string())?;
            if again != *insns {
                return Err(format!("{endian:?} bytes give other slots"));
            }
        }
        Ok(Answer::Done)
    }
}

fn through_text(
    insns: &[Insn],
    style: Style,
    dialect: Dialect,
    labels: bool,
    names: &dyn Names,
) -> Result<(), String> {
    let text = Disassembler::new(style).names(names).labels(labels).program(insns);
    let again = Assembler::new(dialect).names(names).assemble(&text);
    let again = again.map_err(|e| format!("what {style:?} prints does not assemble: {e}\n{text}"))?;
    match insns.iter().zip(&again.insns).position(|(a, b)| a != b) {
        Some(slot) => {
            Err(format!("{style:?}: slot {slot} was {:?}, became {:?}", insns[slot], again.insns[slot]))
        }
        None if insns.len() != again.insns.len() => {
            Err(format!("{style:?}: {} slots became {}", insns.len(), again.insns.len()))
        }
        None => Ok(()),
    }
}
