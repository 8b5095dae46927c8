//! The typed view of one instruction, and the rows of the table.

use super::insn::Insn;
use super::table::for_each_classic;
use crate::op::Size;
use core::fmt;

/// One operation. A is the accumulator, X the index register; there are 16 memory words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// A = bytes at `k` of the packet. Negative offsets are Linux's: see [`Ancillary`](super::Ancillary).
    LoadAbs {
        /// Byte, half or word.
        size: Size,
        /// Offset in bytes.
        k: u32,
    },
    /// A = bytes at X + `k` of the packet.
    LoadInd {
        /// Byte, half or word.
        size: Size,
        /// Offset in bytes, added to X.
        k: u32,
    },
    /// A = `k`.
    LoadImm {
        /// The value.
        k: u32,
    },
    /// A = memory word `k`.
    LoadMem {
        /// Number of the word, below 16.
        k: u32,
    },
    /// A = length of the packet in bytes.
    LoadLen,
    /// X = `k`.
    LoadxImm {
        /// The value.
        k: u32,
    },
    /// X = memory word `k`.
    LoadxMem {
        /// Number of the word, below 16.
        k: u32,
    },
    /// X = length of the packet in bytes.
    LoadxLen,
    /// X = 4 * (byte at `k` & 15).
    LoadxMsh {
        /// Offset in bytes.
        k: u32,
    },
    /// Memory word `k` = A.
    Store {
        /// Number of the word, below 16.
        k: u32,
    },
    /// Memory word `k` = X.
    Storex {
        /// Number of the word, below 16.
        k: u32,
    },
    /// A = A `op` `src`.
    Alu {
        /// Operation.
        op: AluOp,
        /// Right side.
        src: Source,
    },
    /// A = -A.
    Neg,
    /// Goes `k` instructions on.
    Jump {
        /// Distance from the next instruction.
        k: u32,
    },
    /// Goes `jt` on if A `cond` `src`, else `jf`.
    Branch {
        /// Condition.
        cond: Cond,
        /// Right side.
        src: Source,
        /// Distance if it holds.
        jt: u8,
        /// Distance if not.
        jf: u8,
    },
    /// The filter returns `k`.
    RetK {
        /// The value.
        k: u32,
    },
    /// The filter returns A.
    RetA,
    /// X = A.
    Tax,
    /// A = X.
    Txa,
}

/// The right side of arithmetic and branches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The constant.
    K(u32),
    /// The index register.
    X,
}

/// Arithmetic, on 32 bits, unsigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum AluOp {
    Add,
    Sub,
    Mul,
    Div,
    Or,
    And,
    Lsh,
    Rsh,
    Mod,
    Xor,
}

/// Conditions of branches, unsigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cond {
    /// Equal.
    Eq,
    /// Greater.
    Gt,
    /// Greater or equal.
    Ge,
    /// A common bit.
    Set,
}

/// One row of the table.
pub struct Row {
    /// Its name, such as `ldh_abs`.
    pub name: &'static str,
    /// Its code.
    pub code: u16,
    /// The mnemonic, such as `ldh`.
    pub mnemonic: &'static str,
    /// What it does, in a line.
    pub meaning: &'static str,
    /// Its operand as `tcpdump -d` spells it, with placeholders.
    pub tcpdump: &'static str,
    /// Its operand as `bpf_asm` spells it, with placeholders.
    pub asm: &'static str,
    /// The fields that it uses.
    pub fields: &'static [&'static str],
    build: fn(Insn) -> Op,
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

macro_rules! define {
    ($($name:ident = $code:literal ($($field:ident)*) $mnemonic:literal $tcpdump:literal $asm:literal $meaning:literal
        { $($op:tt)* };)*) => {
        /// Every operation, in the order of the table.
        pub static ROWS: &[Row] = {
            use Op::*;
            use Source::*;
            &[$(Row {
                name: stringify!($name),
                code: $code,
                mnemonic: $mnemonic,
                meaning: $meaning,
                tcpdump: $tcpdump,
                asm: $asm,
                fields: &[$(stringify!($field)),*],
                build: |_insn| {
                    $(let $field = _insn.$field;)*
                    $($op)*
                },
            }),*]
        };

        const CODES: &[u16] = &[$($code),*];

        impl Op {
            /// The instruction, with every field that it does not use zero.
            pub const fn encode(self) -> Insn {
                use Op::*;
                use Source::*;
                match self {
                    $($($op)* => {
                        #[allow(unused_mut, reason = "some rows have no field")]
                        let mut insn = Insn::stmt($code, 0);
                        $(insn.$field = $field;)*
                        insn
                    })*
                    // Loads are of bytes, halves and words; of the fourth size the table has none.
                    LoadAbs { k, .. } => Insn::stmt(0x20, k),
                    LoadInd { k, .. } => Insn::stmt(0x40, k),
                }
            }
        }
    };
}
for_each_classic!(define);

/// Number of each code's row, plus one.
static INDEX: [u8; 256] = {
    let mut out = [0; 256];
    let mut i = 0;
    while i < CODES.len() {
        assert!(out[CODES[i] as usize] == 0, "a code has one row");
        out[CODES[i] as usize] = i as u8 + 1;
        i += 1;
    }
    out
};

/// The row of a code; none if there is no such operation.
pub fn row_of(code: u16) -> Option<&'static Row> {
    let n = *INDEX.get(usize::from(code))?;
    ROWS.get(usize::from(n).checked_sub(1)?)
}

impl Op {
    /// The typed view of an instruction, or none for a code that the machine has not. Fields that the operation does
    /// not use are ignored, as every implementation does.
    pub fn decode(insn: Insn) -> Option<Self> {
        row_of(insn.code).map(|row| (row.build)(insn))
    }

    /// Whether it is a return.
    pub const fn is_return(&self) -> bool {
        matches!(self, Self::RetK { .. } | Self::RetA)
    }
}

impl From<Op> for Insn {
    fn from(op: Op) -> Self {
        op.encode()
    }
}

impl AluOp {
    /// The result; none for a division by zero. Distances of shifts are masked to 5 bits.
    pub const fn apply(self, a: u32, b: u32) -> Option<u32> {
        Some(match self {
            Self::Add => a.wrapping_add(b),
            Self::Sub => a.wrapping_sub(b),
            Self::Mul => a.wrapping_mul(b),
            Self::Div => return a.checked_div(b),
            Self::Mod => return a.checked_rem(b),
            Self::Or => a | b,
            Self::And => a & b,
            Self::Xor => a ^ b,
            Self::Lsh => a.wrapping_shl(b),
            Self::Rsh => a.wrapping_shr(b),
        })
    }
}

impl Cond {
    /// Whether it holds.
    pub const fn holds(self, a: u32, b: u32) -> bool {
        match self {
            Self::Eq => a == b,
            Self::Gt => a > b,
            Self::Ge => a >= b,
            Self::Set => a & b != 0,
        }
    }
}
