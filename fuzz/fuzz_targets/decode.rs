//! Any bytes as bytecode: the decoder, the encoder, the structural check and the disassemblers take
//! them, and what decodes comes back from its encoding and from text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skep_isa::asm::{Dialect, assemble};
use skep_isa::disasm::{Style, disassemble};
use skep_isa::{Endian, Insn, bytes_from_slots, decode_all, slots_from_bytes, validate};

const STYLES: [(Style, Dialect); 3] =
    [(Style::Kernel, Dialect::Kernel), (Style::Llvm, Dialect::Kernel), (Style::Mnemonic, Dialect::Mnemonic)];

fuzz_target!(|data: &[u8]| {
    let Some((&first, bytes)) = data.split_first() else { return };
    let endian = if first & 1 == 0 { Endian::Little } else { Endian::Big };
    let whole = &bytes[..bytes.len() / Insn::BYTES * Insn::BYTES];
    let insns = slots_from_bytes(whole, endian).expect("the length is a multiple of a slot's");
    assert_eq!(bytes_from_slots(&insns, endian), whole);
    let _ = validate(&insns);
    let decoded = decode_all(&insns);
    for (style, dialect) in STYLES {
        let text = disassemble(&insns, style);
        if decoded.is_ok() {
            let back = assemble(&text, dialect).expect("what we print we read");
            assert_eq!(back.insns, insns, "{text}");
        }
    }
    for (slot, op) in decoded.unwrap_or_default() {
        let encoded = op.encode().expect("what decodes encodes");
        assert_eq!(*encoded, insns[slot..slot + op.slots()]);
    }
});
