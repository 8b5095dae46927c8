//! Any text as assembly: the assemblers take it, point their errors into it, and what they assemble
//! comes back from the disassembler's text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skep_isa::asm::{Dialect, assemble};
use skep_isa::decode_all;
use skep_isa::disasm::{Style, disassemble};

fuzz_target!(|text: &str| {
    for (style, dialect) in [(Style::Kernel, Dialect::Kernel), (Style::Mnemonic, Dialect::Mnemonic)] {
        match assemble(text, dialect) {
            Err(error) => {
                assert!(!error.findings().is_empty());
                for finding in error.findings() {
                    assert!(text.get(finding.span().clone()).is_some(), "{finding}");
                    assert!(!finding.message().is_empty());
                }
            }
            Ok(program) => {
                decode_all(&program.insns).expect("what assembles decodes");
                let printed = disassemble(&program.insns, style);
                let back = assemble(&printed, dialect).expect("what we print we read");
                assert_eq!(back.insns, program.insns, "{printed}");
            }
        }
    }
});
