//! Loads, stores and atomic operations of random programs.

use skep_isa::Insn;

use super::Rng;

/// Bytes, and the size bits.
const SIZES: [(i16, u8); 4] = [(1, 0x10), (2, 0x08), (4, 0x00), (8, 0x18)];

/// Atomic operations on words, with and without the old value: add, or, and, xor; exchange.
const ATOMICS: [i32; 9] = [0x00, 0x01, 0x40, 0x41, 0x50, 0x51, 0xa0, 0xa1, 0xe1];
const CMPXCHG: i32 = 0xf1;
const LOAD_ACQUIRE: i32 = 0x100;
const STORE_RELEASE: i32 = 0x110;
/// The bit that asks for the old value.
const FETCH: i32 = 1;

/// Memory that may be reached: from `base + from`, so many bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Area {
    pub(super) base: u8,
    pub(super) from: i16,
    pub(super) len: i16,
    /// Whether places must be multiples of the size (the stack), and whether atomic operations work there.
    pub(super) aligned: bool,
    pub(super) atomic: bool,
}

impl Area {
    fn place(self, rng: &mut Rng, bytes: i16, aligned: bool) -> i16 {
        let step = if aligned { bytes } else { 1 };
        let places = (self.len - bytes) / step + 1;
        self.from + step * rng.below(places as usize) as i16
    }
}

/// `dst = *(u64 *)(base + off)`
pub(super) fn load64(dst: u8, base: u8, off: i16) -> Insn {
    Insn { opcode: 0x79, dst, src: base, off, imm: 0 }
}

/// `*(u64 *)(base + off) = src`
pub(super) fn store64(base: u8, off: i16, src: u8) -> Insn {
    Insn { opcode: 0x7b, dst: base, src, off, imm: 0 }
}

/// `*(u64 *)(base + off) = imm`
pub(super) fn store64_imm(base: u8, off: i16, imm: i32) -> Insn {
    Insn { opcode: 0x7a, dst: base, off, imm, ..Insn::default() }
}

/// A random load into `dst`.
pub(super) fn load(rng: &mut Rng, area: Area, dst: u8) -> Insn {
    let (bytes, size) = rng.pick(&SIZES);
    let off = area.place(rng, bytes, area.aligned);
    let mode = if bytes < 8 && rng.one_in(3) { 0x80 } else { 0x60 };
    Insn { opcode: 0x01 | size | mode, dst, src: area.base, off, imm: 0 }
}

/// A random store of a register or a number.
pub(super) fn store(rng: &mut Rng, area: Area, src: u8) -> Insn {
    let (bytes, size) = rng.pick(&SIZES);
    let off = area.place(rng, bytes, area.aligned);
    if rng.one_in(3) {
        return Insn { opcode: 0x62 | size, dst: area.base, off, imm: rng.word() as i32, src: 0 };
    }
    Insn { opcode: 0x63 | size, dst: area.base, src, off, imm: 0 }
}

/// A random atomic operation with `src`; `r0` says whether r0 holds a number. Gives the instruction, and the register that
/// it writes, if it does.
pub(super) fn atomic(rng: &mut Rng, area: Area, src: u8, r0: bool) -> (Insn, Option<u8>) {
    let at = |rng: &mut Rng, bytes, size, imm| {
        let off = area.place(rng, bytes, true);
        Insn { opcode: 0xc3 | size, dst: area.base, src, off, imm }
    };
    match rng.below(6) {
        0 => {
            let (bytes, size) = rng.pick(&SIZES);
            let insn = at(rng, bytes, size, LOAD_ACQUIRE);
            (Insn { dst: src, src: area.base, ..insn }, Some(src))
        }
        1 => {
            let (bytes, size) = rng.pick(&SIZES);
            (at(rng, bytes, size, STORE_RELEASE), None)
        }
        2 if r0 => {
            let (bytes, size) = rng.pick(&SIZES[2..]);
            (at(rng, bytes, size, CMPXCHG), Some(0))
        }
        _ => {
            let (bytes, size) = rng.pick(&SIZES[2..]);
            let op = rng.pick(&ATOMICS);
            (at(rng, bytes, size, op), (op & FETCH != 0).then_some(src))
        }
    }
}
