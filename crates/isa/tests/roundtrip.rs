//! Every row of the table: slots to operation to slots, and through text in every style.

use proptest::prelude::*;
use skep_isa::asm::{Assembler, Assembly, Dialect, assemble};
use skep_isa::disasm::{Disassembler, Style, disassemble};
use skep_isa::{
    Endian, Field, Insn, Op, ROWS, Row, bytes_from_slots, decode, decode_all, encode, row_at, rows_of,
    slots_from_bytes,
};

const STYLES: [(Style, Dialect); 3] =
    [(Style::Kernel, Dialect::Kernel), (Style::Llvm, Dialect::Kernel), (Style::Mnemonic, Dialect::Mnemonic)];

thread_local! {
    /// Made once, not once a line.
    static ASSEMBLERS: [Assembler<'static>; 2] = [Dialect::Kernel, Dialect::Mnemonic].map(Assembler::new);
}

fn read(text: &str, dialect: Dialect) -> Assembly {
    let assembled = ASSEMBLERS.with(|both| both[usize::from(dialect == Dialect::Mnemonic)].assemble(text));
    assembled.unwrap_or_else(|e| panic!("{dialect:?}\n{text}\n{e}"))
}

/// The slots of a row with these operands, where it has them.
fn slots(row: &Row, dst: u8, src: u8, off: i16, imm: i32, next: i32) -> Vec<Insn> {
    let mut insn = Insn { opcode: row.opcode, ..Insn::default() };
    match row.select {
        Some((Field::Src, v)) => insn.src = v as u8,
        Some((Field::Off, v)) => insn.off = v as i16,
        Some((_, v)) => insn.imm = v,
        None => {}
    }
    if row.uses(Field::Dst) {
        insn.dst = dst;
    }
    if row.uses(Field::Src) {
        insn.src = src;
    }
    if row.uses(Field::Off) {
        insn.off = off;
    }
    if row.uses(Field::Imm) {
        insn.imm = imm;
    }
    let next = Insn { imm: if row.uses(Field::NextImm) { next } else { 0 }, ..Insn::default() };
    if row.is_wide() { vec![insn, next] } else { vec![insn] }
}

prop_compose! {
    fn any_instruction()(
        row in 0..ROWS.len(), dst in 0..=10u8, src in 0..=10u8,
        off in prop_oneof![any::<i16>(), -4..4i16],
        imm in prop_oneof![any::<i32>(), -4..4i32],
        next in prop_oneof![any::<i32>(), -4..4i32],
    ) -> (usize, Vec<Insn>) {
        (row, slots(&ROWS[row], dst, src, off, imm, next))
    }
}

fn check(row: &Row, insns: &[Insn]) {
    let op = decode(insns, 0).unwrap_or_else(|e| panic!("{row:?} {insns:?}: {e}"));
    assert_eq!(op.row(), Some(row), "{op:?}");
    assert_eq!(row_at(insns, 0).expect("it has been decoded"), row);
    assert_eq!(&*encode(&op).expect("it has been decoded"), insns, "{op:?}");
    assert_eq!(op.slots(), insns.len());
    for endian in [Endian::Little, Endian::Big] {
        let bytes = bytes_from_slots(insns, endian);
        assert_eq!(slots_from_bytes(&bytes, endian).expect("whole slots"), insns);
    }
    for (style, dialect) in STYLES {
        let text = Disassembler::new(style).insn(insns, 0).expect("it has been decoded");
        assert_eq!(read(&text, dialect).insns, insns, "{style:?} `{text}`");
    }
}

#[test]
fn every_row_comes_back_at_its_limits() {
    for row in ROWS {
        for (dst, src, off, imm, next) in [
            (0, 0, 0, 0, 0),
            (10, 9, i16::MIN, i32::MIN, -1),
            (1, 2, i16::MAX, i32::MAX, i32::MIN),
            (3, 4, -1, -1, 7),
        ] {
            check(row, &slots(row, dst, src, off, imm, next));
        }
    }
}

proptest! {
    #[test]
    fn any_instruction_comes_back((row, insns) in any_instruction()) {
        check(&ROWS[row], &insns);
    }

    /// A program with labels: distances that leave the program stay distances.
    #[test]
    fn any_program_comes_back(parts in prop::collection::vec(any_instruction(), 1..20)) {
        let insns: Vec<Insn> = parts.into_iter().flat_map(|(_, slots)| slots).collect();
        for (style, dialect) in STYLES {
            let text = disassemble(&insns, style);
            prop_assert_eq!(&read(&text, dialect).insns, &insns, "{:?}\n{}", style, text);
        }
    }

    /// What decodes encodes to the same slots: there is one encoding of each operation.
    #[test]
    fn what_decodes_is_canonical(raw in prop::array::uniform2(any::<[u8; 8]>()), opcode: u8, tame: bool) {
        let mut insns = raw.map(|bytes| Insn::from_bytes(bytes, Endian::Little));
        insns[0].opcode = opcode;
        if tame {
            insns[0] = Insn { dst: insns[0].dst % 11, src: 0, off: 0, ..insns[0] };
            insns[1] = Insn { imm: insns[1].imm, ..Insn::default() };
        }
        match decode(&insns, 0) {
            Ok(op) => prop_assert_eq!(&*op.encode().expect("it has been decoded"), &insns[..op.slots()]),
            Err(error) => {
                prop_assert!(error.slot() < 2);
                prop_assert!(!error.to_string().is_empty());
            }
        }
    }

    #[test]
    fn any_bytes_are_taken(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let slots = slots_from_bytes(&bytes, Endian::Big);
        prop_assert_eq!(slots.is_ok(), bytes.len() % 8 == 0);
        if let Ok(insns) = slots {
            let _ = decode_all(&insns);
            let _ = skep_isa::validate(&insns);
            let _ = disassemble(&insns, Style::Kernel);
        }
    }

    #[test]
    fn any_text_is_taken(text in "\\PC{0,60}", lines in prop::collection::vec(r"[a-z0-9 %\[\]()+*=:;#<>.,-]{0,30}", 0..6)) {
        for dialect in [Dialect::Kernel, Dialect::Mnemonic] {
            let _ = assemble(&text, dialect);
            let _ = assemble(&lines.join("\n"), dialect);
        }
    }
}

#[test]
fn all_opcodes_are_in_the_table_or_unknown() {
    let known: usize = (0..=255u8).filter(|&op| !rows_of(op).is_empty()).count();
    let mut opcodes: Vec<u8> = ROWS.iter().map(|row| row.opcode).collect();
    opcodes.dedup();
    assert_eq!(known, opcodes.len());
    for opcode in 0..=255u8 {
        let insns = [Insn { opcode, ..Insn::default() }, Insn::default()];
        if rows_of(opcode).is_empty() {
            let error = decode(&insns, 0).expect_err("the opcode is unknown");
            assert_eq!(error.field(), Some(Field::Opcode));
        }
    }
}

#[test]
fn names_of_rows_are_unique() {
    let mut names: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), ROWS.len());
}

#[test]
fn what_the_set_lacks_has_no_encoding() {
    use skep_isa::{AtomicOp, Reg, Size};
    let reg = Reg::FP;
    let ops = [
        Op::Atomic { op: AtomicOp::Add, size: Size::B, fetch: false, dst: reg, src: reg, off: 0 },
        Op::Load { size: Size::Dw, signed: true, dst: reg, src: reg, off: 0 },
        Op::Jump { off: 1 << 20, long: false },
    ];
    for op in ops {
        assert!(op.encode().is_err(), "{op:?}");
        assert_eq!(op.row(), None);
    }
}
