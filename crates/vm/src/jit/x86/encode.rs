//! x86-64 encodings that the compiler uses, one a line, and the operands that they take. [`Asm`](super::asm::Asm) writes them.
//!
//! Names are the manual's
//! (Intel SDM, volume 2), with the operands' order behind them: `MR` stores or combines into r/m, `RM` into reg,
//! `MI` takes an immediate. Habit from Cranelift's assembler: an encoding is a row, not a function.

/// A general register by its number in encodings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Gpr(pub(crate) u8);

pub(crate) const RAX: Gpr = Gpr(0);
pub(crate) const RCX: Gpr = Gpr(1);
pub(crate) const RDX: Gpr = Gpr(2);
pub(crate) const RBX: Gpr = Gpr(3);
pub(crate) const RSP: Gpr = Gpr(4);
pub(crate) const RBP: Gpr = Gpr(5);
pub(crate) const RSI: Gpr = Gpr(6);
pub(crate) const RDI: Gpr = Gpr(7);
pub(crate) const R8: Gpr = Gpr(8);
pub(crate) const R9: Gpr = Gpr(9);
pub(crate) const R10: Gpr = Gpr(10);
pub(crate) const R11: Gpr = Gpr(11);
pub(crate) const R12: Gpr = Gpr(12);
pub(crate) const R13: Gpr = Gpr(13);
pub(crate) const R14: Gpr = Gpr(14);
pub(crate) const R15: Gpr = Gpr(15);

/// The base of the memory's cage, in all compiled code.
pub(crate) const CAGE: Gpr = R12;

/// Memory in the cage at a register, which is not rsp, plus a displacement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caged(pub(crate) Gpr, pub(crate) i32);

/// Operand size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum W {
    /// 8 bits.
    B,
    /// 16 bits.
    H,
    /// 32 bits.
    D,
    /// 64 bits.
    Q,
}

/// A row: opcode bytes, and the digit that stands in ModRM's reg where the row has one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Enc {
    pub(super) escape: bool,
    pub(super) opcode: u8,
    pub(super) digit: u8,
}

const fn one(opcode: u8) -> Enc {
    Enc { escape: false, opcode, digit: 0 }
}

const fn digit(opcode: u8, digit: u8) -> Enc {
    Enc { escape: false, opcode, digit }
}

const fn two(opcode: u8) -> Enc {
    Enc { escape: true, opcode, digit: 0 }
}

macro_rules! encodings {
    ($($name:ident = $enc:expr; $doc:literal)*) => {
        $(#[doc = $doc] pub(crate) const $name: Enc = $enc;)*
    };
}

encodings! {
    ADD_MR   = one(0x01);      "add r/m, r"
    ADD_RM   = one(0x03);      "add r, r/m"
    ADD_MI   = digit(0x81, 0); "add r/m, imm"
    OR_MR    = one(0x09);      "or r/m, r"
    OR_MI    = digit(0x81, 1); "or r/m, imm"
    AND_MR   = one(0x21);      "and r/m, r"
    AND_MI   = digit(0x81, 4); "and r/m, imm"
    SUB_MR   = one(0x29);      "sub r/m, r"
    SUB_RM   = one(0x2b);      "sub r, r/m"
    SUB_MI   = digit(0x81, 5); "sub r/m, imm"
    XOR_MR   = one(0x31);      "xor r/m, r"
    XOR_MI   = digit(0x81, 6); "xor r/m, imm"
    CMP_MR   = one(0x39);      "cmp r/m, r"
    CMP_RM   = one(0x3b);      "cmp r, r/m"
    CMP_MI   = digit(0x81, 7); "cmp r/m, imm"
    TEST_MR  = one(0x85);      "test r/m, r"
    TEST_MI  = digit(0xf7, 0); "test r/m, imm"
    MOV_MR   = one(0x89);      "mov r/m, r"
    MOV_MR8  = one(0x88);      "mov r/m8, r8"
    MOV_RM   = one(0x8b);      "mov r, r/m"
    MOV_MI   = digit(0xc7, 0); "mov r/m, imm"
    MOV_MI8  = digit(0xc6, 0); "mov r/m8, imm8"
    LEA      = one(0x8d);      "lea r, m"
    MOVSXD   = one(0x63);      "movsxd r64, r/m32"
    MOVZX_8  = two(0xb6);      "movzx r32, r/m8"
    MOVZX_16 = two(0xb7);      "movzx r32, r/m16"
    MOVSX_8  = two(0xbe);      "movsx r, r/m8"
    MOVSX_16 = two(0xbf);      "movsx r, r/m16"
    IMUL_RM  = two(0xaf);      "imul r, r/m"
    IMUL_RMI = one(0x69);      "imul r, r/m, imm32"
    NEG      = digit(0xf7, 3); "neg r/m"
    DIV      = digit(0xf7, 6); "div r/m"
    IDIV     = digit(0xf7, 7); "idiv r/m"
    SHL_CL   = digit(0xd3, 4); "shl r/m, cl"
    SHR_CL   = digit(0xd3, 5); "shr r/m, cl"
    SAR_CL   = digit(0xd3, 7); "sar r/m, cl"
    ROL_I    = digit(0xc1, 0); "rol r/m, imm8"
    SHL_I    = digit(0xc1, 4); "shl r/m, imm8"
    SHR_I    = digit(0xc1, 5); "shr r/m, imm8"
    SAR_I    = digit(0xc1, 7); "sar r/m, imm8"
    CALL_M   = digit(0xff, 2); "call r/m64"
    JMP_M    = digit(0xff, 4); "jmp r/m64"
    CMOVAE   = two(0x43);      "cmovae r, r/m"
    PREFETCH = Enc { escape: true, opcode: 0x18, digit: 1 }; "prefetcht0 m"
    XORPS    = two(0x57);      "xorps xmm, xmm/m128"
    MOVUPS   = two(0x11);      "movups m128, xmm"
    PUSH_M   = digit(0xff, 6); "push r/m64"
    POP_M    = digit(0x8f, 0); "pop r/m64"
}

/// A row for memory in the cage, as far as it is known before operands are.
#[derive(Clone, Copy)]
pub(crate) struct CagedRow {
    pub(super) bits: u64,
    /// Where the prefix for registers begins.
    pub(super) rex_at: u32,
    /// Bytes up to ModRM.
    pub(super) len: u32,
}

impl CagedRow {
    pub(crate) const fn new(enc: Enc, w: W) -> Self {
        // The base needs the prefix, so there always is one, and a byte register is never ah to bh.
        let rex = 0x40 | ((matches!(w, W::Q) as u64) << 3) | CAGE.0 as u64 >> 3;
        let (opcode, len) =
            if enc.escape { (0x0f | (enc.opcode as u64) << 8, 3) } else { (enc.opcode as u64, 2) };
        let bits = rex | opcode << 8;
        if matches!(w, W::H) {
            return Self { bits: bits << 8 | 0x66, rex_at: 8, len: len + 1 };
        }
        Self { bits, rex_at: 0, len }
    }
}

/// A condition code, as in `jcc` (SDM, appendix B.1.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Cc(pub(crate) u8);

pub(crate) const CC_B: Cc = Cc(2);
pub(crate) const CC_AE: Cc = Cc(3);
pub(crate) const CC_E: Cc = Cc(4);
pub(crate) const CC_NE: Cc = Cc(5);
pub(crate) const CC_BE: Cc = Cc(6);
pub(crate) const CC_A: Cc = Cc(7);
pub(crate) const CC_S: Cc = Cc(8);
pub(crate) const CC_NS: Cc = Cc(9);
pub(crate) const CC_L: Cc = Cc(12);
pub(crate) const CC_GE: Cc = Cc(13);
pub(crate) const CC_LE: Cc = Cc(14);
pub(crate) const CC_G: Cc = Cc(15);

impl Cc {
    /// The condition that holds when this one does not.
    pub(crate) const fn inverse(self) -> Self {
        Self(self.0 ^ 1)
    }
}

/// The r/m operand.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rm {
    /// A register.
    Reg(Gpr),
    /// Memory at a register plus a displacement.
    Mem(Gpr, i32),
    /// Memory at the sum of two registers, plus a displacement. The second is not rsp.
    Sum(Gpr, Gpr, i32),
    /// The same with four times the second.
    Words(Gpr, Gpr, i32),
}

impl From<Gpr> for Rm {
    #[inline(always)]
    fn from(reg: Gpr) -> Self {
        Self::Reg(reg)
    }
}
