//! The assembler: writes rows of [`super::encode`] with their operands. The only code that knows of prefixes, ModRM and
//! displacements.
//!
//! An instruction is put together in a word and written at once, so there is room behind the last byte for more than is kept.
//! Where what an operand is may be known only when a program is compiled, nothing jumps on it: such jumps are guessed wrong,
//! and cost more than all else.

use super::encode::*;

/// Whether there is a displacement, and whether it needs all four bytes.
#[inline(always)]
fn displacement(disp: i32) -> (u64, u64) {
    (u64::from(disp != 0), u64::from(i32::from(disp as i8) != disp))
}

/// The six bytes of a `jcc` over a distance.
#[inline(always)]
const fn jcc(cc: Cc, distance: i64) -> u64 {
    0x0f | (0x80 | cc.0 as u64) << 8 | (distance as u32 as u64) << 16
}

/// A jump over code that is not written yet; at most 127 bytes.
#[must_use]
pub(crate) struct Skip(usize);

/// Bytes of machine code in the making.
///
/// An instruction is put together in a word and written at once, so there is room behind the last byte for more than is
/// kept: [`Asm::room`] makes it, before each of the program's instructions.
#[derive(Default)]
pub(crate) struct Asm {
    bytes: Vec<u8>,
    at: usize,
}

/// What the code of one of the program's instructions takes at most, and a word more.
const ROOM: usize = 512;

impl Asm {
    /// An assembler that writes into a buffer.
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        let mut asm = Self { bytes, at: 0 };
        asm.room();
        asm
    }

    /// Makes room for the next of the program's instructions.
    #[inline(always)]
    pub(crate) fn room(&mut self) {
        if self.bytes.len() - self.at < ROOM {
            self.grow();
        }
    }

    #[cold]
    fn grow(&mut self) {
        let len = (self.bytes.len() * 2).max(2 * ROOM);
        self.bytes.resize(len, 0);
    }

    #[inline]
    pub(crate) fn here(&self) -> usize {
        self.at
    }

    /// The code.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.bytes.truncate(self.at);
        self.bytes
    }

    /// Writes the low `len` bytes of a word.
    #[inline(always)]
    fn put(&mut self, word: u64, len: usize) {
        // There is room, so this is always so.
        if let Some(place) = self.bytes[self.at..].first_chunk_mut() {
            *place = word.to_le_bytes();
        }
        self.at += len;
    }

    #[inline(always)]
    fn byte(&mut self, byte: u8) {
        self.put(byte.into(), 1);
    }

    #[inline(always)]
    pub(crate) fn word(&mut self, word: i32) {
        self.put(u64::from(word as u32), 4);
    }

    /// Prefixes, opcode and operands. `trailing` bytes of an immediate are the caller's to write.
    #[inline(always)]
    fn op(&mut self, enc: Enc, w: W, reg: u8, rm: Rm, byte_reg: bool) {
        let (base, index) = match rm {
            Rm::Reg(r) | Rm::Mem(r, _) => (r.0, 0),
            Rm::Sum(r, i, _) | Rm::Words(r, i, _) => (r.0, i.0),
        };
        let rex = u8::from(w == W::Q) << 3 | (reg >> 3) << 2 | (index >> 3) << 1 | base >> 3;
        let (mut word, mut len) = (0u64, 0);
        let mut byte = |byte: u8| {
            word |= u64::from(byte) << (8 * len);
            len += 1;
        };
        if w == W::H {
            byte(0x66);
        }
        // Without a prefix the numbers 4 to 7 name ah to bh where a byte register is meant.
        if rex != 0 || byte_reg {
            byte(0x40 | rex);
        }
        if enc.escape {
            byte(0x0f);
        }
        byte(enc.opcode);
        let reg = (reg & 7) << 3;
        let (base, index, disp) = match rm {
            Rm::Reg(r) => {
                byte(0xc0 | reg | r.0 & 7);
                return self.put(word, len);
            }
            Rm::Mem(base, disp) => (base.0 & 7, None, disp),
            Rm::Sum(base, index, disp) => (base.0 & 7, Some(index.0 & 7), disp),
            Rm::Words(base, index, disp) => (base.0 & 7, Some(0x10 | index.0 & 7), disp),
        };
        // rbp and r13 as a base have no form without a displacement; rsp and r12 need the SIB byte.
        let (mode, bytes) = match i8::try_from(disp) {
            Ok(0) if base != 5 => (0x00, 0),
            Ok(_) => (0x40, 1),
            Err(_) => (0x80, 4),
        };
        match index {
            Some(index) => {
                byte(mode | reg | 4);
                byte(index << 3 | base);
            }
            None if base == 4 => {
                byte(mode | reg | 4);
                byte(0x24);
            }
            None => byte(mode | reg | base),
        }
        self.put(word, len);
        self.put(u64::from(disp as u32), bytes);
    }

    /// A row with a register and memory in the cage. What it is may be known only here, so nothing jumps on it.
    #[inline]
    pub(crate) fn caged(&mut self, row: CagedRow, reg: Gpr, Caged(index, disp): Caged) {
        let rex = u64::from((reg.0 >> 3) << 2 | (index.0 >> 3) << 1);
        let (some, far) = displacement(disp);
        let modrm = (some + far) << 6 | u64::from((reg.0 & 7) << 3 | 4);
        let sib = u64::from((index.0 & 7) << 3 | CAGE.0 & 7);
        let word = row.bits | rex << row.rex_at | (modrm | sib << 8) << (8 * row.len);
        let len = row.len as usize + 2;
        // There is room, so this is always so; the length is at most 6.
        if let Some(place) = self.bytes[self.at..].first_chunk_mut::<16>() {
            place[..8].copy_from_slice(&word.to_le_bytes());
            let len = len & 7;
            place[len..len + 4].copy_from_slice(&disp.to_le_bytes());
        }
        self.at += len + (some + 3 * far) as usize;
    }

    /// A row with two registers. As [`Asm::caged`].
    #[inline]
    pub(crate) fn rr(&mut self, enc: Enc, w: W, reg: Gpr, rm: Gpr) {
        let rex = u8::from(w == W::Q) << 3 | (reg.0 >> 3) << 2 | rm.0 >> 3;
        let modrm = 0xc0 | (reg.0 & 7) << 3 | rm.0 & 7;
        let mut word = u64::from(enc.opcode) | u64::from(modrm) << 8;
        let mut len = 2;
        if rex != 0 {
            word = word << 8 | 0x40 | u64::from(rex);
            len = 3;
        }
        self.put(word, len);
    }

    /// A row with a register and an r/m operand.
    #[inline(always)]
    pub(crate) fn rm(&mut self, enc: Enc, w: W, reg: Gpr, rm: impl Into<Rm>) {
        self.op(enc, w, reg.0, rm.into(), false);
    }

    /// As [`Asm::rm`] where the register operand, or an r/m register, is a byte.
    #[inline(always)]
    pub(crate) fn rm8(&mut self, enc: Enc, w: W, reg: Gpr, rm: impl Into<Rm>) {
        self.op(enc, w, reg.0, rm.into(), true);
    }

    /// A row with an r/m operand alone.
    #[inline(always)]
    pub(crate) fn m(&mut self, enc: Enc, w: W, rm: impl Into<Rm>) {
        self.op(enc, w, enc.digit, rm.into(), false);
    }

    /// An arithmetic row of opcode 81 with an immediate, in its short form where that fits.
    #[inline(always)]
    pub(crate) fn mi(&mut self, enc: Enc, w: W, rm: impl Into<Rm>, imm: i32) {
        match i8::try_from(imm) {
            Ok(short) if enc.opcode == 0x81 => {
                self.op(Enc { opcode: 0x83, ..enc }, w, enc.digit, rm.into(), false);
                self.byte(short as u8);
            }
            _ => {
                self.op(enc, w, enc.digit, rm.into(), false);
                self.imm(w, imm);
            }
        }
    }

    /// The same for a register. As [`Asm::caged`].
    #[inline]
    pub(crate) fn ri(&mut self, enc: Enc, w: W, rm: Gpr, imm: i32) {
        let rex = u8::from(w == W::Q) << 3 | rm.0 >> 3;
        let short = enc.opcode == 0x81 && (-128..128).contains(&imm);
        let opcode = if short { 0x83 } else { enc.opcode };
        let modrm = 0xc0 | enc.digit << 3 | rm.0 & 7;
        let mut word = u64::from(opcode) | u64::from(modrm) << 8;
        let mut len = 2;
        if rex != 0 {
            word = word << 8 | 0x40 | u64::from(rex);
            len = 3;
        }
        self.put(word | u64::from(imm as u32) << (8 * len), len + if short { 1 } else { 4 });
    }

    #[inline(always)]
    fn imm(&mut self, w: W, imm: i32) {
        match w {
            W::B => self.byte(imm as u8),
            W::H => self.put(u64::from(imm as u16), 2),
            W::D | W::Q => self.word(imm),
        }
    }

    /// A row with an r/m operand and a byte, as shifts have.
    #[inline(always)]
    pub(crate) fn mi8(&mut self, enc: Enc, w: W, rm: impl Into<Rm>, imm: u8) {
        self.op(enc, w, enc.digit, rm.into(), false);
        self.byte(imm);
    }

    /// `imul reg, rm, imm`.
    #[inline]
    pub(crate) fn imul_imm(&mut self, w: W, reg: Gpr, rm: impl Into<Rm>, imm: i32) {
        self.op(IMUL_RMI, w, reg.0, rm.into(), false);
        self.word(imm);
    }

    /// `bswap reg`, of 32 or 64 bits.
    #[inline]
    pub(crate) fn bswap(&mut self, w: W, reg: Gpr) {
        let rex = u8::from(w == W::Q) << 3 | reg.0 >> 3;
        if rex != 0 {
            self.byte(0x40 | rex);
        }
        self.byte(0x0f);
        self.byte(0xc8 | reg.0 & 7);
    }

    /// Sign-extends (r/e)ax into (r/e)dx: `cdq`, `cqo`.
    #[inline]
    pub(crate) fn cqo(&mut self, w: W) {
        if w == W::Q {
            self.byte(0x48);
        }
        self.byte(0x99);
    }

    /// Loads a constant in its shortest form. Flags stay.
    #[inline]
    pub(crate) fn constant(&mut self, reg: Gpr, value: u64) {
        if let Ok(low) = u32::try_from(value) {
            if reg.0 > 7 {
                self.byte(0x41);
            }
            self.byte(0xb8 | reg.0 & 7);
            self.word(low as i32);
        } else if i64::from(value as i32) as u64 == value {
            self.mi(MOV_MI, W::Q, reg, value as i32);
        } else {
            self.byte(0x48 | reg.0 >> 3);
            self.byte(0xb8 | reg.0 & 7);
            self.put(value, 8);
        }
    }

    /// Loads a constant in its longest form.
    pub(crate) fn long_constant(&mut self, reg: Gpr, value: u64) {
        self.byte(0x48 | reg.0 >> 3);
        self.byte(0xb8 | reg.0 & 7);
        self.put(value, 8);
    }

    /// `int3`.
    pub(crate) fn trap(&mut self) {
        self.byte(0xcc);
    }

    /// `lea to, [base + disp]`, or a move where that does it. The base is neither rsp nor r12. As [`Asm::caged`].
    #[inline]
    pub(crate) fn sum(&mut self, to: Gpr, base: Gpr, disp: i32) {
        let rex = 0x48 | (to.0 >> 3) << 2 | base.0 >> 3;
        let (some, far) = displacement(disp);
        let (enc, mode) = if disp == 0 { (MOV_RM, 3) } else { (LEA, some + far) };
        let modrm = mode << 6 | u64::from((to.0 & 7) << 3 | base.0 & 7);
        let word = u64::from(rex) | u64::from(enc.opcode) << 8 | modrm << 16;
        self.put(word | u64::from(disp as u32) << 24, 3 + (some + 3 * far) as usize);
    }

    /// Two words, and a `jcc` to an offset.
    #[inline]
    pub(crate) fn words_and_jcc(&mut self, words: [u64; 2], cc: Cc, target: i64) {
        let distance = target - (self.at as i64 + 22);
        // There is room, so this is always so.
        if let Some(place) = self.bytes[self.at..].first_chunk_mut::<24>() {
            let (place, _) = place.as_chunks_mut::<8>();
            place[0] = words[0].to_le_bytes();
            place[1] = words[1].to_le_bytes();
            place[2] = jcc(cc, distance).to_le_bytes();
        }
        self.at += 22;
    }

    /// `mov to, from` of 64 bits; nothing if they are the same.
    #[inline]
    pub(crate) fn mov(&mut self, to: Gpr, from: Gpr) {
        if to != from {
            self.rr(MOV_MR, W::Q, from, to);
        }
    }

    #[inline]
    pub(crate) fn push(&mut self, reg: Gpr) {
        if reg.0 > 7 {
            self.byte(0x41);
        }
        self.byte(0x50 | reg.0 & 7);
    }

    #[inline]
    pub(crate) fn pop(&mut self, reg: Gpr) {
        if reg.0 > 7 {
            self.byte(0x41);
        }
        self.byte(0x58 | reg.0 & 7);
    }

    #[inline]
    pub(crate) fn ret(&mut self) {
        self.byte(0xc3);
    }

    /// `jcc` to a place that [`Asm::patch`] fills in; gives where.
    #[inline]
    pub(crate) fn jcc(&mut self, cc: Cc) -> usize {
        self.put(jcc(cc, 0), 6);
        self.here() - 4
    }

    /// `jcc` to an offset.
    #[inline]
    pub(crate) fn jcc_to(&mut self, cc: Cc, target: i64) {
        self.put(jcc(cc, target - (self.at as i64 + 6)), 6);
    }

    /// `jmp` to a place that [`Asm::patch`] fills in.
    #[inline]
    pub(crate) fn jmp(&mut self) -> usize {
        self.byte(0xe9);
        self.word(0);
        self.here() - 4
    }

    /// `jmp` to an offset.
    #[inline]
    pub(crate) fn jmp_to(&mut self, target: i64) {
        let distance = target - (self.at as i64 + 5);
        self.put(0xe9 | (distance as u32 as u64) << 8, 5);
    }

    /// Whether a short jump from here leads back to an offset.
    #[inline]
    pub(crate) fn is_near(&self, target: u32) -> bool {
        self.at + 2 - target as usize <= 128
    }

    /// A short `jcc` back to an offset that [`Asm::is_near`].
    #[inline]
    pub(crate) fn jcc_near(&mut self, cc: Cc, target: u32) {
        let distance = target as i64 - (self.at as i64 + 2);
        self.put(u64::from(0x70 | cc.0) | u64::from(distance as u8) << 8, 2);
    }

    /// The same, always.
    #[inline]
    pub(crate) fn jmp_near(&mut self, target: u32) {
        let distance = target as i64 - (self.at as i64 + 2);
        self.put(0xeb | u64::from(distance as u8) << 8, 2);
    }

    /// Does nothing up to a multiple of a power of two (SDM, volume 2, `nop`: the forms that it recommends).
    pub(crate) fn align(&mut self, to: usize) {
        const NOPS: [u64; 9] = [
            0,
            0x90,
            0x9066,
            0x001f0f,
            0x0040_1f0f,
            0x0000_0044_1f0f,
            0x0000_441f_0f66,
            0x0000_0000_0080_1f0f,
            0x0000_0000_0084_1f0f,
        ];
        let mut left = self.at.next_multiple_of(to) - self.at;
        while left > 0 {
            let len = left.min(8);
            self.put(NOPS[len], len);
            left -= len;
        }
    }

    /// `call` of a place that [`Asm::patch`] fills in.
    #[inline]
    pub(crate) fn call(&mut self) -> usize {
        self.byte(0xe8);
        self.word(0);
        self.here() - 4
    }

    /// `lea reg, [rip + ..]` of a place that [`Asm::patch`] fills in.
    #[inline]
    pub(crate) fn lea_rip(&mut self, reg: Gpr) -> usize {
        self.byte(0x48 | (reg.0 >> 3) << 2);
        self.byte(0x8d);
        self.byte((reg.0 & 7) << 3 | 5);
        self.word(0);
        self.here() - 4
    }

    /// Makes the displacement that ends at `at + 4` lead to `target`.
    #[inline]
    pub(crate) fn patch(&mut self, at: usize, target: usize) {
        let distance = target as i64 - (at as i64 + 4);
        if let Some(place) = self.bytes[at..].first_chunk_mut() {
            *place = (distance as i32).to_le_bytes();
        }
    }

    /// A short jump forward.
    #[inline]
    pub(crate) fn skip_if(&mut self, cc: Cc) -> Skip {
        self.byte(0x70 | cc.0);
        self.byte(0);
        Skip(self.here())
    }

    /// A short jump forward, always.
    #[inline]
    pub(crate) fn skip(&mut self) -> Skip {
        self.byte(0xeb);
        self.byte(0);
        Skip(self.here())
    }

    /// Where a short jump leads.
    #[inline]
    pub(crate) fn land(&mut self, skip: Skip) {
        let distance = self.here() - skip.0;
        debug_assert!(distance < 128, "a short jump over {distance} bytes");
        self.bytes[skip.0 - 1] = distance as u8;
    }
}
