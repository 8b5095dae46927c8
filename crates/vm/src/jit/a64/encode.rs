//! AArch64 encodings that the compiler uses, one a line.
//!
//! A row is a word with its operands zero, and the form that says where they go. Names are the manual's (Arm ARM,
//! chapter C6), with the kind of operand behind them: `R` registers, `I` an immediate, `SUM` and `NEAR` the two ways
//! of addressing that programs' accesses take. What one row can be, no other can: a word has one reading, which the
//! tests and debug builds rely on.

/// A general register by its number. 31 is the zero register, or the stack pointer where the form says so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Gpr(pub(crate) u8);

macro_rules! registers {
    ($($name:ident = $n:literal)*) => { $(pub(crate) const $name: Gpr = Gpr($n);)* };
}

registers! {
    X0 = 0 X1 = 1 X2 = 2 X3 = 3 X4 = 4 X5 = 5 X6 = 6 X9 = 9 X10 = 10 X11 = 11 X16 = 16 X17 = 17 X19 = 19 X20 = 20 X21 = 21
    X22 = 22 X23 = 23 X24 = 24 X25 = 25 X26 = 26 X27 = 27 X28 = 28 X29 = 29 X30 = 30 ZR = 31 SP = 31
}

/// Operand size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum W {
    /// 32 bits; the upper half of a result is zero.
    W,
    /// 64 bits.
    X,
}

/// Where a row says which size its operands have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Breadth {
    /// Bit 31.
    Sf,
    /// Bit 30.
    Q,
    /// It has one size.
    Only(W),
}
use Breadth::{Only, Q, Sf};

/// Which operands a row has, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    /// d, n, m.
    Rrr,
    /// d, n, m, a.
    Rrrr,
    /// d, n.
    Rr,
    /// d, n, and the low half of m.
    Uxtw,
    /// d, n, twelve bits that may be shifted by twelve. 31 is the stack pointer but for a d that sets flags.
    Imm12,
    /// d, n, a pattern of bits.
    Logic,
    /// d, sixteen bits, where they go.
    MovW,
    /// d, n, the first bit and the last.
    Bitfield,
    /// d, n, m, condition.
    Select,
    /// t, `[n, #multiple of 2^scale]`.
    Scaled(u8),
    /// t, `[n, #nine bits with sign]`.
    Near,
    /// t, `[n, m]`.
    Sum,
    /// `[n, m]`.
    Prefetch,
    /// t, `[n, #nine bits]!`.
    Pre,
    /// t, `[n], #nine bits`.
    Post,
    /// t, u, `[n, #seven bits times eight]`.
    Pair,
    /// t, u, `[n, #seven bits times eight]!`.
    PairPre,
    /// t, u, `[n], #seven bits times eight`.
    PairPost,
    /// 26 bits of distance.
    Jump,
    /// Condition, 19 bits of distance.
    Branch,
    /// t, 19 bits of distance.
    Zero,
    /// n.
    Reg,
    /// d, 21 bits of distance in bytes.
    Adr,
    /// t, `[n]`.
    Ordered,
    /// s, t, `[n]`, where s is the status and of 32 bits.
    Exclusive,
    /// s, t, `[n]`.
    Atomic,
}

const D: u32 = 0x1f;
const N: u32 = 0x1f << 5;
const A: u32 = 0x1f << 10;
const M: u32 = 0x1f << 16;
const IMM9: u32 = 0x1ff << 12;
const IMM7: u32 = 0x7f << 15;
const IMM12: u32 = 0xfff << 10;
const IMM19: u32 = 0x7ffff << 5;

impl Form {
    /// The bits that operands fill in.
    const fn operands(self) -> u32 {
        match self {
            Self::Rrr | Self::Uxtw | Self::Sum | Self::Exclusive | Self::Atomic => D | N | M,
            Self::Rrrr => D | N | M | A,
            Self::Rr | Self::Ordered => D | N,
            Self::Imm12 => D | N | IMM12 | 1 << 22,
            Self::Logic | Self::Bitfield => D | N | 0x1fff << 10,
            Self::MovW => D | 0x3_ffff << 5,
            Self::Select => D | N | M | 0xf << 12,
            Self::Scaled(_) => D | N | IMM12,
            Self::Near | Self::Pre | Self::Post => D | N | IMM9,
            Self::Prefetch => N | M,
            Self::Pair | Self::PairPre | Self::PairPost => D | N | A | IMM7,
            Self::Jump => 0x3ff_ffff,
            Self::Branch => IMM19 | 0xf,
            Self::Zero => IMM19 | D,
            Self::Reg => N,
            Self::Adr => IMM19 | D | 3 << 29,
        }
    }
}

/// A row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Enc {
    /// The mnemonic.
    pub(crate) name: &'static str,
    pub(crate) bits: u32,
    pub(crate) form: Form,
    pub(crate) sized: Breadth,
}

impl Enc {
    /// Whether a word is this row with some operands.
    pub(crate) const fn is(&self, word: u32) -> bool {
        let size = match self.sized {
            Sf => 1 << 31,
            Q => 1 << 30,
            Only(_) => 0,
        };
        word & !(self.form.operands() | size) == self.bits
    }

    /// Whether the operands of a word of this row are such as the row can have.
    pub(crate) fn allows(&self, word: u32) -> bool {
        let (wide, first, last) = (self.size(word) == W::X, word >> 16 & 63, word >> 10 & 63);
        match self.form {
            Form::Logic => unpattern(word >> 10 & 0x1fff, self.size(word)).is_some(),
            Form::Bitfield => (word >> 22 & 1 == 1) == wide && (wide || first.max(last) < 32),
            Form::MovW => wide || word >> 22 & 1 == 0,
            _ => true,
        }
    }

    /// The size of a word's operands.
    pub(crate) const fn size(&self, word: u32) -> W {
        let wide = match self.sized {
            Sf => word >> 31 == 1,
            Q => word >> 30 & 1 == 1,
            Only(w) => return w,
        };
        if wide { W::X } else { W::W }
    }

    /// The row with its operands' size.
    pub(crate) const fn of(&self, w: W) -> u32 {
        match (self.sized, w) {
            (Sf, W::X) => self.bits | 1 << 31,
            (Q, W::X) => self.bits | 1 << 30,
            _ => self.bits,
        }
    }
}

macro_rules! encodings {
    ($($name:ident = $bits:literal $sized:expr, $form:expr; $text:literal)*) => {
        $(pub(crate) const $name: Enc = Enc { name: $text, bits: $bits, form: $form, sized: $sized };)*
        /// All rows.
        pub(crate) const ROWS: &[(&str, Enc)] = &[$((stringify!($name), $name)),*];
    };
}

encodings! {
    ADD_R     = 0x0b00_0000 Sf, Form::Rrr;               "add"
    ADDS_R    = 0x2b00_0000 Sf, Form::Rrr;               "adds"
    SUB_R     = 0x4b00_0000 Sf, Form::Rrr;               "sub"
    SUBS_R    = 0x6b00_0000 Sf, Form::Rrr;               "subs"
    AND_R     = 0x0a00_0000 Sf, Form::Rrr;               "and"
    ORR_R     = 0x2a00_0000 Sf, Form::Rrr;               "orr"
    ORN_R     = 0x2a20_0000 Sf, Form::Rrr;               "orn"
    EOR_R     = 0x4a00_0000 Sf, Form::Rrr;               "eor"
    ANDS_R    = 0x6a00_0000 Sf, Form::Rrr;               "ands"
    UDIV      = 0x1ac0_0800 Sf, Form::Rrr;               "udiv"
    SDIV      = 0x1ac0_0c00 Sf, Form::Rrr;               "sdiv"
    LSLV      = 0x1ac0_2000 Sf, Form::Rrr;               "lsl"
    LSRV      = 0x1ac0_2400 Sf, Form::Rrr;               "lsr"
    ASRV      = 0x1ac0_2800 Sf, Form::Rrr;               "asr"
    MADD      = 0x1b00_0000 Sf, Form::Rrrr;              "madd"
    MSUB      = 0x1b00_8000 Sf, Form::Rrrr;              "msub"
    REV16     = 0x5ac0_0400 Only(W::W), Form::Rr;        "rev16"
    REV_W     = 0x5ac0_0800 Only(W::W), Form::Rr;        "rev"
    REV_X     = 0xdac0_0c00 Only(W::X), Form::Rr;        "rev"
    ADD_UXTW  = 0x8b20_4000 Only(W::X), Form::Uxtw;      "add"
    ADD_I     = 0x1100_0000 Sf, Form::Imm12;             "add"
    ADDS_I    = 0x3100_0000 Sf, Form::Imm12;             "adds"
    SUB_I     = 0x5100_0000 Sf, Form::Imm12;             "sub"
    SUBS_I    = 0x7100_0000 Sf, Form::Imm12;             "subs"
    AND_I     = 0x1200_0000 Sf, Form::Logic;             "and"
    ORR_I     = 0x3200_0000 Sf, Form::Logic;             "orr"
    EOR_I     = 0x5200_0000 Sf, Form::Logic;             "eor"
    ANDS_I    = 0x7200_0000 Sf, Form::Logic;             "ands"
    MOVN      = 0x1280_0000 Sf, Form::MovW;              "movn"
    MOVZ      = 0x5280_0000 Sf, Form::MovW;              "movz"
    MOVK      = 0x7280_0000 Sf, Form::MovW;              "movk"
    SBFM      = 0x1300_0000 Sf, Form::Bitfield;          "sbfm"
    UBFM      = 0x5300_0000 Sf, Form::Bitfield;          "ubfm"
    CSEL      = 0x1a80_0000 Sf, Form::Select;            "csel"
    LDRB_SUM  = 0x3860_6800 Only(W::W), Form::Sum;       "ldrb"
    LDRH_SUM  = 0x7860_6800 Only(W::W), Form::Sum;       "ldrh"
    LDRW_SUM  = 0xb860_6800 Only(W::W), Form::Sum;       "ldr"
    LDRX_SUM  = 0xf860_6800 Only(W::X), Form::Sum;       "ldr"
    LDRSB_SUM = 0x38a0_6800 Only(W::X), Form::Sum;       "ldrsb"
    LDRSH_SUM = 0x78a0_6800 Only(W::X), Form::Sum;       "ldrsh"
    LDRSW_SUM = 0xb8a0_6800 Only(W::X), Form::Sum;       "ldrsw"
    STRB_SUM  = 0x3820_6800 Only(W::W), Form::Sum;       "strb"
    STRH_SUM  = 0x7820_6800 Only(W::W), Form::Sum;       "strh"
    STRW_SUM  = 0xb820_6800 Only(W::W), Form::Sum;       "str"
    STRX_SUM  = 0xf820_6800 Only(W::X), Form::Sum;       "str"
    PRFM_SUM  = 0xf8a0_6800 Only(W::X), Form::Prefetch;  "prfm"
    LDURB     = 0x3840_0000 Only(W::W), Form::Near;      "ldurb"
    LDURH     = 0x7840_0000 Only(W::W), Form::Near;      "ldurh"
    LDUR_W    = 0xb840_0000 Only(W::W), Form::Near;      "ldur"
    LDUR_X    = 0xf840_0000 Only(W::X), Form::Near;      "ldur"
    LDURSB    = 0x3880_0000 Only(W::X), Form::Near;      "ldursb"
    LDURSH    = 0x7880_0000 Only(W::X), Form::Near;      "ldursh"
    LDURSW    = 0xb880_0000 Only(W::X), Form::Near;      "ldursw"
    STURB     = 0x3800_0000 Only(W::W), Form::Near;      "sturb"
    STURH     = 0x7800_0000 Only(W::W), Form::Near;      "sturh"
    STUR_W    = 0xb800_0000 Only(W::W), Form::Near;      "stur"
    STUR_X    = 0xf800_0000 Only(W::X), Form::Near;      "stur"
    LDR_W     = 0xb940_0000 Only(W::W), Form::Scaled(2); "ldr"
    LDR_X     = 0xf940_0000 Only(W::X), Form::Scaled(3); "ldr"
    STR_W     = 0xb900_0000 Only(W::W), Form::Scaled(2); "str"
    STR_X     = 0xf900_0000 Only(W::X), Form::Scaled(3); "str"
    STR_PRE   = 0xf800_0c00 Only(W::X), Form::Pre;       "str"
    LDR_POST  = 0xf840_0400 Only(W::X), Form::Post;      "ldr"
    STP       = 0xa900_0000 Only(W::X), Form::Pair;      "stp"
    LDP       = 0xa940_0000 Only(W::X), Form::Pair;      "ldp"
    STP_PRE   = 0xa980_0000 Only(W::X), Form::PairPre;   "stp"
    LDP_POST  = 0xa8c0_0000 Only(W::X), Form::PairPost;  "ldp"
    B         = 0x1400_0000 Only(W::X), Form::Jump;      "b"
    BL        = 0x9400_0000 Only(W::X), Form::Jump;      "bl"
    B_COND    = 0x5400_0000 Only(W::X), Form::Branch;    "b"
    CBZ       = 0x3400_0000 Sf, Form::Zero;              "cbz"
    CBNZ      = 0x3500_0000 Sf, Form::Zero;              "cbnz"
    BR        = 0xd61f_0000 Only(W::X), Form::Reg;       "br"
    BLR       = 0xd63f_0000 Only(W::X), Form::Reg;       "blr"
    RET       = 0xd65f_0000 Only(W::X), Form::Reg;       "ret"
    ADR       = 0x1000_0000 Only(W::X), Form::Adr;       "adr"
    LDARB     = 0x08df_fc00 Only(W::W), Form::Ordered;   "ldarb"
    LDARH     = 0x48df_fc00 Only(W::W), Form::Ordered;   "ldarh"
    LDAR      = 0x88df_fc00 Q, Form::Ordered;            "ldar"
    STLRB     = 0x089f_fc00 Only(W::W), Form::Ordered;   "stlrb"
    STLRH     = 0x489f_fc00 Only(W::W), Form::Ordered;   "stlrh"
    STLR      = 0x889f_fc00 Q, Form::Ordered;            "stlr"
    LDAXR     = 0x885f_fc00 Q, Form::Ordered;            "ldaxr"
    STLXR     = 0x8800_fc00 Q, Form::Exclusive;          "stlxr"
    LDADDAL   = 0xb8e0_0000 Q, Form::Atomic;             "ldaddal"
    LDCLRAL   = 0xb8e0_1000 Q, Form::Atomic;             "ldclral"
    LDEORAL   = 0xb8e0_2000 Q, Form::Atomic;             "ldeoral"
    LDSETAL   = 0xb8e0_3000 Q, Form::Atomic;             "ldsetal"
    SWPAL     = 0xb8e0_8000 Q, Form::Atomic;             "swpal"
    CASAL     = 0x88e0_fc00 Q, Form::Atomic;             "casal"
}

/// A condition (Arm ARM, C1.2.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Cc(pub(crate) u8);

pub(crate) const CC_EQ: Cc = Cc(0);
pub(crate) const CC_NE: Cc = Cc(1);
pub(crate) const CC_HS: Cc = Cc(2);
pub(crate) const CC_LO: Cc = Cc(3);
pub(crate) const CC_MI: Cc = Cc(4);
pub(crate) const CC_HI: Cc = Cc(8);
pub(crate) const CC_LS: Cc = Cc(9);
pub(crate) const CC_GE: Cc = Cc(10);
pub(crate) const CC_LT: Cc = Cc(11);
pub(crate) const CC_GT: Cc = Cc(12);
pub(crate) const CC_LE: Cc = Cc(13);

impl Cc {
    /// The condition that holds when this one does not.
    pub(crate) const fn inverse(self) -> Self {
        Self(self.0 ^ 1)
    }
}

/// The row that a word is, if it is one.
pub(crate) fn row(word: u32) -> Option<&'static Enc> {
    ROWS.iter().map(|(_, row)| row).find(|row| row.is(word))
}

/// The thirteen bits that stand for a pattern: ones in a row, turned, and repeated over 2, 4, 8, 16, 32 or 64 bits
/// (Arm ARM, `DecodeBitMasks`). `None` for what is no such pattern; nothing and all are none.
pub(crate) fn pattern(value: u64, w: W) -> Option<u32> {
    let value = match w {
        W::W => u64::from(value as u32) | value << 32,
        W::X => value,
    };
    if value == 0 || value == u64::MAX {
        return None;
    }
    let mut size = 64;
    while size > 2 && low(size / 2) & (value ^ value >> (size / 2)) == 0 {
        size /= 2;
    }
    let element = value & low(size);
    let ones = element.count_ones();
    let turned =
        if element & 1 == 0 { size - element.trailing_zeros() } else { ones - element.trailing_ones() };
    if turn(low(ones), turned, size) != element {
        return None;
    }
    let last = !(2 * size - 1) & 0x3f | (ones - 1);
    Some(u32::from(size == 64) << 12 | turned << 6 | last)
}

/// What [`pattern`] stands for.
pub(crate) fn unpattern(bits: u32, w: W) -> Option<u64> {
    let (wide, turned, last) = (bits >> 12 & 1, bits >> 6 & 0x3f, bits & 0x3f);
    let length = (wide << 6 | !last & 0x3f).checked_ilog2()?;
    let size = 1 << length;
    let ones = (last & (size - 1)) + 1;
    if length == 0 || ones == size || (w == W::W && wide == 1) {
        return None;
    }
    let mut value = turn(low(ones), turned & (size - 1), size);
    let mut filled = size;
    while filled < 64 {
        value |= value << filled;
        filled *= 2;
    }
    Some(if w == W::W { value & low(32) } else { value })
}

fn low(bits: u32) -> u64 {
    u64::MAX.checked_shr(64 - bits).unwrap_or(0)
}

/// Turns `size` bits right.
fn turn(value: u64, by: u32, size: u32) -> u64 {
    if by == 0 || by == size {
        return value;
    }
    (value >> by | value << (size - by)) & low(size)
}
