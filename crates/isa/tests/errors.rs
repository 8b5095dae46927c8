//! What is wrong with texts, slots and programs is said in these words, and points to these places.

use skep_isa::asm::{Dialect, assemble};
use skep_isa::{Endian, Field, Insn, decode, slots_from_bytes, validate};

fn asm_errors(text: &str, dialect: Dialect) -> String {
    assemble(text, dialect).expect_err("the text is wrong").to_string()
}

#[test]
fn the_kernels_dialect_points_to_the_column() {
    let cases = [
        ("r0 = *(u32 *)(r11 + 4)", "1:15: there is no register `r11` (hint: registers are r0 to r10)"),
        (
            "r1 = 4294967296",
            "1:6: 4294967296 does not fit an immediate of 32 bits (-2147483648 to 2147483647) \
             (hint: a wide load takes 64 bits: `r1 = N ll`, `lddw r1, N`)",
        ),
        ("  goto nowhere", "1:8: no label is called `nowhere`"),
        ("loop: r0 = 0\ngoto lop", "2:6: no label is called `lop` (hint: did you mean `loop`?)"),
        ("cal 5", "1:1: expected an instruction, found `cal` (hint: did you mean `call`?)"),
        ("r1 = -r2", "1:7: expected `r1` again"),
        ("x: r0 = 0\nx: exit", "2:1: label `x` is already defined on line 1"),
        ("*(u32 *)(r1 + 40000) = 5", "1:15: 40000 does not fit an offset of 16 bits (-32768 to 32767)"),
        ("w1 += r2", "1:7: expected a number or a register w0 to w10, found `r2`"),
        ("r1 +=", "1:6: expected a number or a register r0 to r10, found the end of the line"),
        ("exit now", "1:6: expected the end of the line, found `now`"),
        ("call foo", "1:6: no helper and no label is called `foo`"),
        ("r0 = *(u32 *)(é + 4)", "1:15: expected a register r0 to r10, found `é`"),
        (
            "goto 3",
            "1:6: a jump's target is no absolute number \
             (hint: write the distance with its sign, as in `+3`, or a label)",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(asm_errors(text, Dialect::Kernel), expected, "`{text}`");
    }
}

#[test]
fn words_within_an_instruction_have_hints() {
    let error =
        assemble("r0 = atomic_fetch_ad((u64 *)(r1 + 0), r0)", Dialect::Kernel).expect_err("a misspelling");
    let finding = &error.findings()[0];
    assert_eq!(finding.hint(), Some("did you mean `atomic_fetch_add`?"));
    assert_eq!((finding.line(), finding.columns().clone(), finding.span().clone()), (1, 6..21, 5..20));
}

#[test]
fn the_mnemonic_dialect_points_to_the_column() {
    let cases = [
        (
            "mov %r0, 1\nldxq %r0, %r1",
            "2:1: expected an instruction, found `ldxq` (hint: did you mean `ldxb`?)",
        ),
        ("ldxb %r0, %r1", "1:12: expected `[`, found `r1`"),
        ("ldxb %r0, [%r1+0x10000]", "1:16: 65536 does not fit an offset of 16 bits (-32768 to 32767)"),
        ("lddw %r0", "1:9: expected `,`, found the end of the line"),
        ("or %r0, %r50", "1:10: there is no register `r50` (hint: registers are r0 to r10)"),
        ("ja NOT_A_LABEL", "1:4: no label is called `NOT_A_LABEL`"),
        (
            "mov32 %r0, 2147483648",
            "1:12: 2147483648 does not fit an immediate of 32 bits (-2147483648 to 2147483647) \
             (hint: a hexadecimal number is taken as the bit pattern)",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(asm_errors(text, Dialect::Mnemonic), expected, "`{text}`");
    }
}

#[test]
fn all_errors_of_a_text_are_collected_in_order() {
    let text = "goto a\nbogus\nr0 = 1\ngoto b\n";
    let error = assemble(text, Dialect::Kernel).expect_err("three things are wrong");
    let lines: Vec<usize> = error.findings().iter().map(|f| f.line()).collect();
    assert_eq!(lines, [1, 2, 4]);
    let many = "bogus\n".repeat(1000);
    let error = assemble(&many, Dialect::Kernel).expect_err("everything is wrong");
    assert_eq!(error.findings().len(), skep_isa::asm::AsmError::MAX_FINDINGS);
}

#[test]
fn a_jump_that_is_too_far_says_so() {
    let text = format!("goto end\n{}end: exit", "r0 = 0\n".repeat(40_000));
    let error = asm_errors(&text, Dialect::Kernel);
    let hint = "(hint: `gotol` (`ja32`) reaches farther)";
    assert_eq!(error, format!("1:6: label `end` is 40000 slots away, too far for this jump {hint}"));
    assert!(assemble(&text.replacen("goto", "gotol", 1), Dialect::Kernel).is_ok());
}

#[test]
fn comments_and_labels_stand_where_they_may() {
    let text = "# all\n// of\n; these\na: b: r0 = 1 # x\nr1 = 2 // y\nc: ;z\n\texit\r\n#~ V0301: text\nend:";
    let program = assemble(text, Dialect::Kernel).expect("it is right");
    assert_eq!(program.insns.len(), 3);
    let labels: Vec<(&str, usize)> = program.labels.iter().map(|l| (l.name.as_str(), l.slot)).collect();
    assert_eq!(labels, [("a", 0), ("b", 0), ("c", 2), ("end", 3)]);
}

#[test]
fn the_mnemonic_dialect_knows_the_first_exit() {
    let text = "jeq r1, 2, exit\nja +1\nexit\nmov r0, 1\nexit";
    let program = assemble(text, Dialect::Mnemonic).expect("it is right");
    assert_eq!(program.insns[0].off, 1);
    let named = "ja exit\nexit\nexit: mov r0, 1\nexit";
    assert_eq!(assemble(named, Dialect::Mnemonic).expect("it is right").insns[0].off, 1);
    assert!(assemble("goto exit\nexit", Dialect::Kernel).is_err());
}

#[test]
fn decode_errors_name_slot_field_and_expectation() {
    let slot = |opcode, dst, src, off, imm| Insn { opcode, dst, src, off, imm };
    let cases = [
        (vec![], None, "slot 0: expected an instruction, the program ends here"),
        (vec![slot(0xff, 0, 0, 0, 0)], Some(Field::Opcode), "slot 0: unknown opcode 0xff"),
        (
            vec![slot(0x07, 0, 1, 0, 1)],
            Some(Field::Src),
            "slot 0: src is 1, add64_imm reserves it: expected 0",
        ),
        (vec![slot(0xb7, 11, 0, 0, 1)], Some(Field::Dst), "slot 0: dst is register 11, expected 0 to 10"),
        (
            vec![slot(0x37, 0, 0, 2, 1)],
            Some(Field::Off),
            "slot 0: off is 2, opcode 0x37 takes 1 (sdiv64_imm), 0 (div64_imm)",
        ),
        (
            vec![slot(0xdc, 0, 0, 0, 8)],
            Some(Field::Imm),
            "slot 0: imm is 0x8, opcode 0xdc takes 0x10 (be16), 0x20 (be32), 0x40 (be64)",
        ),
        (
            vec![slot(0x18, 0, 0, 0, 8)],
            None,
            "slot 0: a wide load needs a second slot, the program ends here",
        ),
        (
            vec![slot(0x18, 0, 0, 0, 8), slot(0, 1, 0, 0, 0)],
            Some(Field::Dst),
            "slot 1: dst of the second slot of a wide load is 0x1, expected 0",
        ),
        (
            vec![slot(0x18, 0, 1, 0, 8), slot(0, 0, 0, 0, 3)],
            Some(Field::NextImm),
            "slot 0: imm of the second slot is 3, lddw_map_fd reserves it: expected 0",
        ),
    ];
    for (insns, field, expected) in cases {
        let error = decode(&insns, 0).expect_err(expected);
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.field(), field, "{expected}");
    }
    let error = slots_from_bytes(&[0; 9], Endian::Little).expect_err("one byte too many");
    assert_eq!(error.to_string(), "9 bytes are not a whole number of 8-byte slots");
}

#[test]
fn programs_that_would_leave_themselves_are_rejected() {
    let cases = [
        ("", "the program has no instructions"),
        ("r0 = 1", "slot 0: the last instruction is no exit or jump, control would run off the end"),
        ("goto +1\nexit", "slot 0: jumps to slot 2, the program has slots 0 to 1"),
        ("goto -2\nexit", "slot 0: jumps to slot -1, the program has slots 0 to 1"),
        ("goto +1\nr1 = 1 ll\nexit", "slot 0: jumps to slot 2, the second half of a wide load"),
        ("call pc+7\nexit", "slot 0: calls slot 8, the program has slots 0 to 1"),
        ("r10 = 1\nexit", "slot 0: writes to r10, the frame pointer is read-only"),
        (
            "r10 = atomic_fetch_add((u64 *)(r1 + 0), r10)\nexit",
            "slot 0: writes to r10, the frame pointer is read-only",
        ),
        (
            "r0 = addr_space_cast(r1, 0, 0)\nexit",
            "slot 0: casts from address space 0 to 0, expected 0 to 1 or 1 to 0",
        ),
        ("r1 = subprog[+9]\nexit", "slot 0: takes the address of slot 10, the program has slots 0 to 2"),
    ];
    for (text, expected) in cases {
        let insns = assemble(text, Dialect::Kernel).expect("the text is right").insns;
        assert_eq!(validate(&insns).expect_err(expected).to_string(), expected);
    }
}
