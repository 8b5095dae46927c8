//! Programs and what they must answer, an instruction group at a time, from text to r0.
//!
//! The vectors are our own, worked out by hand from RFC 9669; the groups are those of its section 2.4. What is
//! compared is the assembler, the decoder and the interpreter at once.

use skep_isa::Endian;
use skep_isa::asm::{Dialect, assemble};
use skep_vm::{Frame, Host, Image, Imports, Machine, Memory, Options, Protection, Stop};

struct Embedder;

impl Imports for Embedder {
    fn helper(&self, id: i32) -> Option<u32> {
        (id == 5).then_some(5)
    }
}

impl Host for Embedder {
    fn call(&mut self, _: u32, args: [u64; 5], _: &mut Frame<'_>) -> Result<u64, Stop> {
        Ok(args[0])
    }

    fn helper_index(&self, id: u64) -> Option<u32> {
        (id == 5).then_some(5)
    }
}

fn run(text: &str, memory_bytes: &[u8], endian: Endian) -> Result<(u64, Vec<u8>), String> {
    let insns = assemble(text, Dialect::Mnemonic).map_err(|e| e.to_string())?.insns;
    let options = Options { endian, ..Options::default() };
    let image = Image::new(&insns, &Embedder, &options).map_err(|e| e.to_string())?;
    let mut memory = Memory::new(endian);
    let region = memory.add_bytes(memory_bytes, Protection::ReadWrite).map_err(|e| e.to_string())?;
    let args = [region.base(), memory_bytes.len() as u64, 0, 0, 0];
    let r0 = Machine::new().run(&image, &mut memory, &mut Embedder, args).map_err(|e| e.to_string())?;
    Ok((r0, memory.storage(region).unwrap_or_default().to_vec()))
}

/// Text, memory, r0.
type Vector = (&'static str, &'static [u8], u64);

fn check(vectors: &[Vector]) {
    for (text, memory, r0) in vectors {
        let found = run(text, memory, Endian::Little).map(|r| r.0);
        assert_eq!(found, Ok(*r0), "{text}");
    }
}

#[test]
fn arithmetic_of_64_bits() {
    check(&[
        ("mov r0, -7\nadd r0, 3\nexit", &[], -4i64 as u64),
        ("mov r0, 5\nmov r1, 7\nsub r0, r1\nexit", &[], -2i64 as u64),
        ("lddw r0, 0x8000000000000000\nmov r1, 3\nmul r0, r1\nexit", &[], 1 << 63),
        ("mov r0, -8\ndiv r0, 3\nexit", &[], (u64::MAX - 7) / 0x3),
        ("mov r0, 9\nmov r1, 0\ndiv r0, r1\nexit", &[], 0),
        ("mov r0, 9\nmov r1, 0\nmod r0, r1\nexit", &[], 9),
        ("mov r0, -9\nsdiv r0, 2\nexit", &[], -4i64 as u64),
        ("mov r0, -9\nsmod r0, 4\nexit", &[], -1i64 as u64),
        ("lddw r0, 0x8000000000000000\nsdiv r0, -1\nexit", &[], 1 << 63),
        ("lddw r0, 0x8000000000000000\nsmod r0, -1\nexit", &[], 0),
        ("mov r0, 1\nmov r1, 65\nlsh r0, r1\nexit", &[], 2),
        ("mov r0, -16\nrsh r0, 60\nexit", &[], 15),
        ("mov r0, -16\narsh r0, 2\nexit", &[], -4i64 as u64),
        ("mov r0, 6\nneg r0\nexit", &[], -6i64 as u64),
        ("mov r0, 12\nor r0, 3\nand r0, 10\nxor r0, 1\nexit", &[], 11),
    ]);
}

#[test]
fn arithmetic_of_32_bits_clears_the_upper_half() {
    check(&[
        ("mov r0, -1\nadd32 r0, 1\nexit", &[], 0),
        ("mov r0, -1\nadd32 r0, 0\nexit", &[], 0xffff_ffff),
        ("mov32 r0, -1\nexit", &[], 0xffff_ffff),
        ("mov r1, -1\nmov32 r0, r1\nexit", &[], 0xffff_ffff),
        ("lddw r0, 0x100000002\nmul32 r0, 3\nexit", &[], 6),
        ("lddw r1, 0x100000000\nmov r0, 7\ndiv32 r0, r1\nexit", &[], 0),
        ("lddw r0, 0xf00000007\nmov r1, 0\nmod32 r0, r1\nexit", &[], 7),
        ("mov32 r0, 0x80000000\nsdiv32 r0, -1\nexit", &[], 0x8000_0000),
        ("mov32 r0, 1\nmov r1, 33\nlsh32 r0, r1\nexit", &[], 2),
        ("mov32 r0, 0x80000000\narsh32 r0, 4\nexit", &[], 0xf800_0000),
        ("mov r0, 1\nneg32 r0\nexit", &[], 0xffff_ffff),
    ]);
}

#[test]
fn sign_extension_and_byte_order() {
    check(&[
        ("mov r1, 0x80\nmovsx864 r0, r1\nexit", &[], 0xffff_ffff_ffff_ff80),
        ("mov r1, 0x80\nmovsx832 r0, r1\nexit", &[], 0xffff_ff80),
        ("mov r1, 0x17fff\nmovsx1664 r0, r1\nexit", &[], 0x7fff),
        ("mov32 r1, 0x80000000\nmovsx3264 r0, r1\nexit", &[], 0xffff_ffff_8000_0000),
        ("lddw r0, 0x1122334455667788\nbe16 r0\nexit", &[], 0x8877),
        ("lddw r0, 0x1122334455667788\nbe32 r0\nexit", &[], 0x8877_6655),
        ("lddw r0, 0x1122334455667788\nle32 r0\nexit", &[], 0x5566_7788),
        ("lddw r0, 0x1122334455667788\nswap64 r0\nexit", &[], 0x8877_6655_4433_2211),
    ]);
}

#[test]
fn jumps_of_both_widths() {
    check(&[
        ("mov r0, 1\nja +1\nmov r0, 2\nexit", &[], 1),
        ("mov r0, 1\nja32 +1\nmov r0, 2\nexit", &[], 1),
        ("mov r0, 1\nmov r1, -1\njgt r1, 5, +1\nmov r0, 2\nexit", &[], 1),
        ("mov r0, 1\nmov r1, -1\njsgt r1, 5, +1\nmov r0, 2\nexit", &[], 2),
        ("mov r0, 1\nlddw r1, 0x500000003\njeq32 r1, 3, +1\nmov r0, 2\nexit", &[], 1),
        ("mov r0, 1\nlddw r1, 0x500000003\njeq r1, 3, +1\nmov r0, 2\nexit", &[], 2),
        ("mov r0, 1\nmov32 r1, 0x80000000\njslt32 r1, 0, +1\nmov r0, 2\nexit", &[], 1),
        ("mov r0, 1\nmov r1, 6\njset r1, 9, +1\nmov r0, 2\nexit", &[], 2),
        ("mov r0, 0\nmov r1, 5\nadd r0, r1\nsub r1, 1\njne r1, 0, -3\nexit", &[], 15),
    ]);
}

#[test]
fn loads_and_stores() {
    let bytes: &[u8] = &[0x01, 0x82, 0x03, 0x84, 0x05, 0x86, 0x07, 0x88];
    check(&[
        ("ldxb r0, [r1+1]\nexit", bytes, 0x82),
        ("ldxh r0, [r1+1]\nexit", bytes, 0x0382),
        ("ldxw r0, [r1+3]\nexit", bytes, 0x0786_0584),
        ("ldxdw r0, [r1]\nexit", bytes, 0x8807_8605_8403_8201),
        ("ldxsb r0, [r1+1]\nexit", bytes, 0xffff_ffff_ffff_ff82),
        ("ldxsh r0, [r1+2]\nexit", bytes, 0xffff_ffff_ffff_8403),
        ("ldxsw r0, [r1+4]\nexit", bytes, 0xffff_ffff_8807_8605),
        ("stw [r1+2], -2\nldxdw r0, [r1]\nexit", bytes, 0x8807_ffff_fffe_8201),
        ("mov r2, 0x1234\nstxb [r10-1], r2\nldxb r0, [r10-1]\nexit", bytes, 0x34),
        ("stdw [r10-8], -5\nldxdw r0, [r10-8]\nexit", bytes, -5i64 as u64),
        ("ldxdw r0, [r10-512]\nexit", bytes, 0),
    ]);
}

#[test]
fn atomics() {
    let bytes: &[u8] = &[5, 0, 0, 0, 0xff, 0xff, 0xff, 0xff];
    check(&[
        ("mov r2, 3\nlock add [r1], r2\nldxdw r0, [r1]\nexit", bytes, 0xffff_ffff_0000_0008),
        ("mov r2, 1\nlock fetch add32 [r1+4], r2\nldxw r0, [r1+4]\nadd r0, r2\nexit", bytes, 0xffff_ffff),
        ("mov r2, 9\nlock xchg32 [r1], r2\nldxw r0, [r1]\nlsh r0, 8\nor r0, r2\nexit", bytes, 0x905),
        ("mov r0, 5\nmov r2, 6\nlock cmpxchg32 [r1], r2\nldxw r0, [r1]\nexit", bytes, 6),
        ("mov r0, 4\nmov r2, 6\nlock cmpxchg32 [r1], r2\nexit", bytes, 5),
    ]);
}

#[test]
fn calls() {
    check(&[
        ("mov r1, 11\ncall 5\nexit", &[], 11),
        ("mov r1, 12\nmov r7, 5\ncall r7\nexit", &[], 12),
        (
            "mov r6, 1\ncall local twice\nadd r0, r6\nexit\ntwice:\nmov r6, 20\nmov r0, r6\nadd r0, r6\nexit",
            &[],
            41,
        ),
    ]);
}

#[test]
fn big_endian_programs_see_big_endian_memory() {
    let bytes = [0x11, 0x22, 0x33, 0x44];
    let (r0, after) =
        run("ldxh r0, [r1+1]\nstw [r1], 0x01020304\nexit", &bytes, Endian::Big).expect("it runs");
    assert_eq!((r0, after.as_slice()), (0x2233, &[1, 2, 3, 4][..]));
    let swapped = run("lddw r0, 0x1122334455667788\nle16 r0\nexit", &[0], Endian::Big).map(|r| r.0);
    assert_eq!(swapped, Ok(0x8877));
    let kept = run("lddw r0, 0x1122334455667788\nbe16 r0\nexit", &[0], Endian::Big).map(|r| r.0);
    assert_eq!(kept, Ok(0x7788));
}

#[test]
fn what_is_refused_or_trapped_says_so() {
    let error = |text| run(text, &[1, 2, 3, 4], Endian::Little).expect_err("it must fail");
    assert!(error("mov r10, 1\nexit").contains("r10"));
    assert!(error("mov r0, 1").contains("run off"));
    assert!(error("ja +5\nexit").contains("slot"));
    assert!(error("call 6\nexit").contains("helper 6"));
    assert!(error("ldxw r0, [r1+1]\nexit").contains("out of bounds"));
    assert!(error("mov r1, 0\nldxb r0, [r1]\nexit").contains("null pointer"));
    assert!(error("stxdw [r10], r0\nexit").contains("the stack of frame 0"));
}
