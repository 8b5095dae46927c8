//! Encodings held against LLVM's assembler, and every operation read back.
//!
//! `words.txt` has three words of each row as LLVM 19 assembles their text; so the table is held also where LLVM is not.
//! Where it is, 64 random ones of each row are assembled on the spot. `BLESS=1` writes the file anew, from LLVM's words.

use std::fmt::Write;
use std::process::{Command, Stdio};

use skep_isa::asm::{Dialect, assemble};
use skep_isa::{Endian, Insn, Op, Operand, Reg, Size};

use super::asm::Asm;
use super::encode::*;
use super::text;
use crate::host::Imports;
use crate::image::{Image, Missing, Options};
use crate::jit::{Arch, every};
use crate::memory::RegionId;

const WORDS: &str = include_str!("words.txt");
const WORDS_OF_ROW: usize = 3;

/// xorshift*, from the row's number and the sample's.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) % n
    }

    /// Any register but 31.
    fn reg(&mut self) -> Gpr {
        Gpr(self.below(31) as u8)
    }

    fn around(&mut self, half: i32) -> i32 {
        self.below(2 * half as u64) as i32 - half
    }

    /// A pattern of bits that an immediate can be.
    fn pattern(&mut self, w: W) -> u32 {
        loop {
            if let Some(value) = unpattern(self.below(1 << 13) as u32, w) {
                return pattern(value, w).expect("what came of a pattern is one");
            }
        }
    }
}

/// A word of this row, written by the assembler's own functions.
fn sample(row: Enc, n: u64) -> u32 {
    let r = &mut Random(u64::from(row.bits) << 8 | n | 1 << 40);
    let w = match row.sized {
        Breadth::Only(w) => w,
        _ if r.below(2) == 0 => W::W,
        _ => W::X,
    };
    let bits = if w == W::X { 64 } else { 32 };
    let mut a = Asm::default();
    match row.form {
        Form::Rrr | Form::Uxtw => a.rrr(row, w, r.reg(), r.reg(), r.reg()),
        Form::Rrrr => a.rrrr(row, w, (r.reg(), r.reg(), r.reg(), r.reg())),
        Form::Rr => a.rr(row, w, r.reg(), r.reg()),
        Form::Imm12 => a.imm12(row, w, (r.reg(), r.reg()), 1 + r.below(4095) as u32, r.below(2) == 1),
        Form::Logic => {
            let pattern = r.pattern(w);
            a.logic(row, w, (r.reg(), r.reg()), pattern);
        }
        Form::MovW => a.movw(row, w, r.reg(), r.below(1 << 16) as u16, r.below(bits / 16) as u32),
        Form::Bitfield => {
            let (first, last) = (r.below(bits) as u32, r.below(bits) as u32);
            a.bitfield(row, w, (r.reg(), r.reg()), first, last);
        }
        Form::Select => a.select(w, r.reg(), (r.reg(), r.reg()), Cc(r.below(14) as u8)),
        Form::Scaled(scale) => a.at(row, r.reg(), r.reg(), (r.below(1 << 12) as u32) << scale),
        Form::Near | Form::Pre | Form::Post => {
            // A base that is also the value has no meaning where the base changes.
            let t = r.below(15) as u8;
            a.near(row, Gpr(t), Gpr(t + 1 + r.below(15) as u8), r.around(256));
        }
        Form::Sum => a.sum(row, r.reg(), r.reg(), r.reg()),
        Form::Prefetch => a.sum(row, Gpr(0), r.reg(), r.reg()),
        Form::Pair | Form::PairPre | Form::PairPost => {
            let t = r.below(10) as u8;
            let (u, n) = (t + 1 + r.below(10) as u8, 20 + r.below(11) as u8);
            a.pair(row, (Gpr(t), Gpr(u)), Gpr(n), r.around(64) * 8);
        }
        Form::Jump | Form::Branch | Form::Zero => return jump(row, w, r),
        Form::Reg => a.reg(row, r.reg()),
        Form::Adr => a.adr(r.reg()),
        Form::Ordered => a.ordered(row, w, r.reg(), r.reg()),
        Form::Exclusive | Form::Atomic => {
            let s = r.below(10) as u8;
            let (t, n) = (s + 1 + r.below(10) as u8, 20 + r.below(11) as u8);
            a.atomic(row, w, (Gpr(s), Gpr(t)), Gpr(n));
        }
    }
    last(&a)
}

fn jump(row: Enc, w: W, r: &mut Random) -> u32 {
    let mut a = Asm { code: vec![0; 1 << 20], ..Asm::default() };
    let at = match row {
        B => a.b(),
        BL => a.bl(),
        B_COND => a.b_cond(Cc(r.below(14) as u8)),
        _ => a.b_zero(w, r.reg(), row == CBZ),
    };
    let reach = if row.form == Form::Jump { 1 << 27 } else { 1 << 20 };
    a.patch(at, r.below((1 << 20) + reach) as usize / 4 * 4);
    assert!(!a.overflow);
    last(&a)
}

fn last(a: &Asm) -> u32 {
    let bytes = a.code.last_chunk().expect("a word");
    u32::from_le_bytes(*bytes)
}

/// What LLVM makes of lines of assembly. `None`, and a word about it, where there is no LLVM.
fn llvm(lines: &[String]) -> Option<Vec<u32>> {
    let tools = ["llvm-mc-19", "llvm-mc"];
    let start = |tool: &&str| {
        Command::new(tool)
            .args(["-triple=aarch64", "-mattr=+lse", "-show-encoding"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()
    };
    let Some(mut child) = tools.iter().find_map(start) else {
        println!("skipped: there is no llvm-mc");
        return None;
    };
    let input = lines.join("\n") + "\n";
    let mut stdin = child.stdin.take().expect("a pipe");
    let writer = std::thread::spawn(move || std::io::Write::write_all(&mut stdin, input.as_bytes()));
    let output = child.wait_with_output().expect("llvm-mc ends");
    writer.join().expect("a thread").expect("llvm-mc reads");
    assert!(output.status.success(), "llvm-mc takes all of it");
    let text = String::from_utf8(output.stdout).expect("text");
    let encodings = text.lines().filter_map(|line| line.split_once("encoding: [")?.1.strip_suffix(']'));
    let word = |bytes: &str| {
        let parse = |b: &str| u32::from_str_radix(b.trim_start_matches("0x"), 16).expect("a byte");
        bytes.split(',').map(parse).enumerate().fold(0, |word, (i, byte)| word | byte << (8 * i))
    };
    Some(encodings.map(word).collect())
}

fn samples(each: usize) -> Vec<(&'static str, u32, String)> {
    let mut all = Vec::new();
    for (name, row) in ROWS {
        for n in 0..each {
            let word = sample(*row, n as u64);
            assert!(row.is(word), "{name}: {word:#010x}");
            let text = text(word, None);
            all.push((*name, word, text.unwrap_or_else(|| panic!("{name}: {word:#010x} has no text"))));
        }
    }
    all
}

#[test]
fn words_are_llvms() {
    let all = samples(64);
    let lines: Vec<_> = all.iter().map(|s| s.2.clone()).collect();
    let Some(words) = llvm(&lines) else { return };
    assert_eq!(words.len(), all.len());
    for ((name, word, text), llvms) in all.iter().zip(words) {
        assert_eq!(*word, llvms, "{name}: `{text}` is {word:#010x} here, {llvms:#010x} of LLVM");
    }
    println!("{} words are LLVM's", all.len());
}

#[test]
fn words_are_the_committed_ones() {
    let all = samples(WORDS_OF_ROW);
    if std::env::var_os("BLESS").is_some() {
        let lines: Vec<_> = all.iter().map(|s| s.2.clone()).collect();
        let words = llvm(&lines).expect("words come from LLVM");
        let mut file = String::new();
        for ((name, _, text), word) in all.iter().zip(words) {
            writeln!(file, "{word:08x} {name:9} {text}").expect("writes");
        }
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/jit/a64/words.txt");
        return std::fs::write(path, file).expect("writes");
    }
    assert_eq!(WORDS.lines().count(), all.len());
    for ((name, word, text), line) in all.iter().zip(WORDS.lines()) {
        assert_eq!(format!("{word:08x} {name:9} {text}"), line);
    }
}

#[test]
fn a_word_is_at_most_one_row() {
    for (name, word, _) in samples(16) {
        let rows: Vec<_> = ROWS.iter().filter(|(_, row)| row.is(word)).map(|(name, _)| *name).collect();
        assert_eq!(rows, [name]);
    }
}

#[test]
fn patterns_are_what_they_stand_for() {
    let mut values = std::collections::HashSet::new();
    for bits in 0..1 << 13 {
        for w in [W::W, W::X] {
            let Some(value) = unpattern(bits, w) else { continue };
            let again = pattern(value, w).unwrap_or_else(|| panic!("{value:#x} is a pattern"));
            assert_eq!(unpattern(again, w), Some(value));
            values.insert((w == W::X, value));
        }
    }
    // As many as the manual's algorithm gives.
    assert_eq!(values.iter().filter(|v| v.0).count(), 5334);
    assert_eq!(values.iter().filter(|v| !v.0).count(), 1302);
    for value in [0, u64::MAX, 5, 0x1234_5678, 0xffff_0000_ffff_0001] {
        assert_eq!(pattern(value, W::X), None, "{value:#x}");
    }
}

/// What a sequence of constant loads leaves in the register.
fn loaded(code: &[u8]) -> u64 {
    let mut value = 0u64;
    for bytes in code.chunks_exact(4) {
        let word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let found = row(word).expect("a row");
        let (w, shift) = (found.size(word), word >> 21 & 3);
        let imm = u64::from(word >> 5 & 0xffff) << (16 * shift);
        value = match *found {
            MOVZ => imm,
            MOVN => !imm,
            MOVK => value & !(0xffff << (16 * shift)) | imm,
            ORR_I => unpattern(word >> 10 & 0x1fff, w).expect("a pattern"),
            other => panic!("{other:?} loads no constant"),
        };
        if w == W::W {
            value = u64::from(value as u32);
        }
    }
    value
}

#[test]
fn constants_are_loaded_in_few_words() {
    let quarters = [0u64, 1, 0x8000, 0xffff, 0x5555];
    let quarter = |n: usize| quarters[n % 5];
    let all =
        (0..625).map(|n| quarter(n) | quarter(n / 5) << 16 | quarter(n / 25) << 32 | quarter(n / 125) << 48);
    for value in all {
        let mut a = Asm::default();
        a.constant(X16, value);
        assert_eq!(loaded(&a.code), value, "{value:#x}");
        let mut quarters = (0..4).map(|n| (value >> (16 * n)) as u16);
        let zeros = quarters.clone().filter(|q| *q == 0).count();
        let ones = quarters.by_ref().filter(|q| *q == u16::MAX).count();
        assert!(a.code.len() / 4 <= (4 - zeros.max(ones)).max(1), "{value:#x}");
    }
}

struct All;

impl Imports for All {
    fn helper(&self, id: i32) -> Option<u32> {
        u32::try_from(id).ok()
    }

    fn plain(&self, index: u32) -> Option<crate::host::Plain> {
        extern "C" fn five(_: u64, _: u64, _: u64, _: u64, _: u64) -> u64 {
            5
        }
        (index == 7).then_some(five)
    }
}

fn image(insns: &[Insn], endian: Endian, arch: Arch) -> Image {
    let options = Options {
        endian,
        arena: Some(RegionId::PACKET),
        arch: Some(arch),
        missing: Missing::Trap,
        ..Options::default()
    };
    Image::new(insns, &All, &options).expect("an image")
}

/// Compiles, which in a debug build reads everything back.
fn check(ops: &[Op]) {
    let mut insns: Vec<Insn> =
        ops.iter().flat_map(|op| op.encode().expect("an operation of the table").to_vec()).collect();
    insns.extend(Op::Exit.encode().expect("exit").to_vec());
    for endian in [Endian::Little, Endian::Big] {
        for arch in [Arch::Aarch64, Arch::Aarch64Lse] {
            let image = image(&insns, endian, arch);
            let code = image.machine_code().expect("machine code");
            if !cfg!(debug_assertions) {
                super::compile::check(code);
            }
            assert_eq!(image.native_offsets().len(), insns.len());
        }
    }
}

#[test]
fn every_operation_reads_back() {
    every::arithmetic().for_each(|ops| check(&ops));
    every::accesses().for_each(|ops| check(&ops));
    check(&every::moves_and_byte_order());
    check(&every::atomics());
    check(&every::branches());
    let calls = assemble(&format!("call 7\n{}", every::CALLS), Dialect::Kernel).expect("assembles");
    let image = image(&calls.insns, Endian::Little, Arch::Aarch64);
    super::compile::check(image.machine_code().expect("machine code"));
}

#[test]
fn long_programs_take_the_long_way() {
    let r2 = Reg::new(2).expect("r2");
    let load = Op::Load { size: Size::W, signed: false, dst: r2, src: Reg::FP, off: 8 };
    let mut ops = vec![load; 60_000];
    ops[0] = Op::Branch {
        width: skep_isa::Width::W64,
        cond: skep_isa::Cond::Gt,
        dst: r2,
        src: Operand::Imm(3),
        off: 30_000,
    };
    ops.push(Op::Exit);
    let insns: Vec<Insn> = ops.iter().flat_map(|op| op.encode().expect("encodes").to_vec()).collect();
    let image = image(&insns, Endian::Little, Arch::Aarch64);
    let code = image.machine_code().expect("machine code");
    assert!(code.len() > 1 << 20);
    super::compile::check(code);
    let start = image.native_offsets()[0].1;
    let words: Vec<_> = crate::jit::words(&code[start..], start).take(3).map(|w| w.2).collect();
    assert_eq!(words[..2], ["cmp x1, #3".to_string(), format!("b.ls {:#x}", start + 12)]);
    assert!(words[2].starts_with("b 0x"), "{words:?}");
}
