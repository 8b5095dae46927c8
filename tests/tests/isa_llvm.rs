//! The table beside LLVM's own assembler and disassembler, for every operation that LLVM 19 knows, in
//! both byte orders. Skipped where `llvm-mc-19` is absent.

use skep_isa::asm::{Dialect, assemble};
use skep_isa::disasm::{Disassembler, Style};
use skep_isa::{Endian, Field, Insn, ROWS, Row, bytes_from_slots, slots_from_bytes};
use std::io::Write as _;
use std::process::{Command, Stdio};

const ARCHES: [(&str, Endian); 2] = [("-arch=bpfel", Endian::Little), ("-arch=bpfeb", Endian::Big)];

/// Rows that LLVM 19 does not have, or whose text it does not tell apart from another row's.
fn unknown_to_llvm(row: &Row) -> bool {
    row.name.starts_with("load_acquire") // since LLVM 20
        || row.name.starts_with("store_release") // since LLVM 20
        || row.name.starts_with("lddw_") // the pseudo source is a relocation's business
        || matches!(row.name, "call_local" | "call_kfunc") // so is that of calls
}

/// Operands for a row; LLVM has no immediate in indexed packet loads.
fn samples(row: &Row) -> Vec<Vec<Insn>> {
    let values =
        [(0, 1, 0, 0, 0), (10, 9, -8, -1, -1), (3, 4, 0x7fff, i32::MAX, 1), (5, 5, i16::MIN, i32::MIN, 2)];
    values.map(|(dst, src, off, imm, next)| sample(row, [dst, src, off.into(), imm], next)).to_vec()
}

fn sample(row: &Row, operands: [i32; 4], next: i32) -> Vec<Insn> {
    let fields = [Field::Dst, Field::Src, Field::Off, Field::Imm];
    let [dst, src, off, imm] = std::array::from_fn(|i| match row.select {
        Some((field, value)) if field == fields[i] => value,
        _ if fields[i] == Field::Imm && row.name.starts_with("ldind") => 0,
        // llvm-mc reads no distance of more than 16 bits.
        _ if row.name == "ja32" && fields[i] == Field::Imm => operands[2],
        _ if row.name == "ja32" => 0,
        _ if row.uses(fields[i]) => operands[i],
        _ => 0,
    });
    let first = Insn { opcode: row.opcode, dst: dst as u8, src: src as u8, off: off as i16, imm };
    let second = Insn { imm: next, ..Insn::default() };
    if row.is_wide() { vec![first, second] } else { vec![first] }
}

fn all_samples() -> Vec<(&'static Row, Vec<Insn>)> {
    let rows = ROWS.iter().filter(|row| !unknown_to_llvm(row));
    rows.flat_map(|row| samples(row).into_iter().map(move |insns| (row, insns))).collect()
}

/// Runs llvm-mc; none if there is none.
fn llvm_mc(args: &[&str], input: &str) -> Option<String> {
    let mut command = Command::new("llvm-mc-19");
    command.args(["-mcpu=v4", "-mattr=+alu32", "--print-imm-hex"]).args(args);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().ok()?;
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let text = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = child.wait_with_output().expect("llvm-mc runs to its end");
    writer.join().expect("the writer does not panic").expect("llvm-mc reads its input");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.trim().is_empty(), "llvm-mc complains:\n{errors}");
    Some(String::from_utf8(output.stdout).expect("llvm-mc writes text"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:#04x} ")).collect()
}

#[test]
fn our_disassembly_is_llvms() {
    for (arch, endian) in ARCHES {
        let samples = all_samples();
        let input: String = samples.iter().map(|(_, i)| hex(&bytes_from_slots(i, endian)) + "\n").collect();
        let Some(output) = llvm_mc(&["-disassemble", arch], &input) else {
            return println!("skipped: llvm-mc-19 is not installed");
        };
        let lines: Vec<&str> = output.lines().map(str::trim).filter(|line| *line != ".text").collect();
        assert_eq!(lines.len(), samples.len(), "llvm-mc must know every sample:\n{output}");
        let printer = Disassembler::new(Style::Llvm);
        for ((row, insns), theirs) in samples.iter().zip(lines) {
            let ours = printer.insn(insns, 0).expect("samples decode");
            assert_eq!(ours, theirs, "{row:?} {arch}");
            let back = assemble(theirs, Dialect::Kernel).unwrap_or_else(|e| panic!("`{theirs}`: {e}"));
            assert_eq!(back.insns, *insns, "`{theirs}`");
        }
    }
}

#[test]
fn our_encoding_is_llvms() {
    for (arch, endian) in ARCHES {
        let samples = all_samples();
        let printer = Disassembler::new(Style::Llvm);
        let text = |insns: &Vec<Insn>| printer.insn(insns, 0).expect("samples decode") + "\n";
        let input: String = samples.iter().map(|(_, insns)| text(insns)).collect();
        let Some(output) = llvm_mc(&["-show-encoding", arch], &input) else {
            return println!("skipped: llvm-mc-19 is not installed");
        };
        let encodings: Vec<Vec<u8>> = output.lines().filter_map(encoding).collect();
        assert_eq!(encodings.len(), samples.len(), "llvm-mc must take every line:\n{output}");
        for ((row, insns), bytes) in samples.iter().zip(encodings) {
            let theirs = slots_from_bytes(&bytes, endian).expect("whole slots");
            assert_eq!(theirs, *insns, "{row:?} {arch} `{}`", text(insns).trim());
        }
    }
}

/// The bytes in `... # encoding: [0xb7,0x00]`.
fn encoding(line: &str) -> Option<Vec<u8>> {
    let (_, rest) = line.split_once("encoding: [")?;
    let byte = |text: &str| u8::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok();
    rest.split_once(']')?.0.split(',').map(byte).collect()
}
