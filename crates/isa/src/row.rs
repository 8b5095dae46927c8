//! The rows of the table of operations as data, and the index from opcodes to them.
//!
//! Everything that reads the table at run time reads [`ROWS`]. Rows of one opcode stand together
//! (an index of opcodes says where); building the index at compile time fails if they do not.

use crate::fields::{self, Slots};
use crate::op::{Op, Operand, Width};
use crate::table::for_each_op;
use core::fmt;

/// Versions of the instruction set, as compilers number them (LLVM's `-mcpu=v1` to `v4`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cpu {
    /// The first eBPF.
    V1,
    /// Adds `<`, `<=`, `s<` and `s<=` jumps.
    V2,
    /// Adds 32-bit jumps and the fetching atomics.
    V3,
    /// Adds signed division, sign extension, byte swaps, `gotol`, acquire and release.
    V4,
}

impl fmt::Display for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
            Self::V3 => "v3",
            Self::V4 => "v4",
        })
    }
}

/// A field of the slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// The opcode byte.
    Opcode,
    /// The destination register.
    Dst,
    /// The source register.
    Src,
    /// The offset.
    Off,
    /// The immediate.
    Imm,
    /// The immediate of the second slot of a wide instruction.
    NextImm,
}

impl Field {
    /// The fields besides the opcode, in the order of the slot.
    pub const OPERANDS: [Self; 5] = [Self::Dst, Self::Src, Self::Off, Self::Imm, Self::NextImm];

    pub(crate) const fn bit(self) -> u8 {
        1 << self as u8
    }

    /// Its name in `struct bpf_insn`'s documentation.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Opcode => "opcode",
            Self::Dst => "dst",
            Self::Src => "src",
            Self::Off => "off",
            Self::Imm => "imm",
            Self::NextImm => "imm of the second slot",
        }
    }
}

/// The chapter of the set that a row belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// Arithmetic and moves on 32 bits.
    Alu32,
    /// Arithmetic and moves on 64 bits.
    Alu64,
    /// Byte order.
    Swap,
    /// Jumps, calls and return.
    Jump,
    /// Comparisons of 32 bits.
    Jump32,
    /// Loads and stores.
    Memory,
    /// Atomic read-modify-write, acquire, release.
    Atomic,
    /// 64-bit immediates.
    Wide,
    /// Packet access of classic BPF.
    Packet,
}

impl Family {
    /// All, in the order of the reference.
    pub const ALL: [Self; 9] = [
        Self::Alu64,
        Self::Alu32,
        Self::Swap,
        Self::Jump,
        Self::Jump32,
        Self::Memory,
        Self::Atomic,
        Self::Wide,
        Self::Packet,
    ];

    /// A heading.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Alu64 => "64-bit arithmetic",
            Self::Alu32 => "32-bit arithmetic",
            Self::Swap => "Byte order",
            Self::Jump => "Jumps, calls and return",
            Self::Jump32 => "32-bit comparisons",
            Self::Memory => "Loads and stores",
            Self::Atomic => "Atomics",
            Self::Wide => "Wide loads",
            Self::Packet => "Packet access",
        }
    }
}

/// One operation.
pub struct Row {
    /// Unique name, such as `add64_imm`.
    pub name: &'static str,
    /// First byte of the slot.
    pub opcode: u8,
    /// The field, and its value, that tells this row from others of the same opcode.
    pub select: Option<(Field, i32)>,
    /// Operands, by the names of the table.
    pub operands: &'static [&'static str],
    /// First cpu version that has it.
    pub cpu: Cpu,
    /// First Linux version that takes it; none if Linux does not.
    pub linux: Option<&'static str>,
    /// Section of RFC 9669, if it is there.
    pub rfc: Option<&'static str>,
    /// What it does, in a line.
    pub meaning: &'static str,
    /// Spellings in the kernel's dialect: the kernel's, LLVM's if it differs, then others.
    pub kernel: &'static [&'static str],
    /// Spellings in the mnemonic dialect, the printed one first.
    pub mnemonic: &'static [&'static str],
    /// Bits of the [`Field`]s that operands use.
    pub(crate) used: u8,
    /// Builds the operation from slots that have been checked.
    pub(crate) build: fn(&Slots) -> Op,
}

impl Row {
    /// Whether an operand lives in this field.
    pub const fn uses(&self, field: Field) -> bool {
        self.used & field.bit() != 0
    }

    /// Whether it takes two slots.
    pub const fn is_wide(&self) -> bool {
        self.opcode == 0x18
    }

    /// The mnemonic, such as `ldxw` or `lock fetch add`.
    pub fn mnemonic_name(&self) -> &'static str {
        let text = self.mnemonic.first().copied().unwrap_or(self.name);
        let end = text.find(['|', '%', '$']).unwrap_or(text.len());
        text[..end].trim_end()
    }

    /// The chapter it belongs to.
    pub fn family(&self) -> Family {
        match (self.opcode & 7, self.opcode) {
            (_, 0xd4 | 0xdc | 0xd7) => Family::Swap,
            (4, _) => Family::Alu32,
            (7, _) => Family::Alu64,
            (_, 0x06) | (5, _) => Family::Jump,
            (6, _) => Family::Jump32,
            (_, 0x18) => Family::Wide,
            (0, _) => Family::Packet,
            (3, op) if op >= 0xc0 => Family::Atomic,
            _ => Family::Memory,
        }
    }

    /// The slots of this row with every operand zero.
    pub(crate) fn template(&self) -> Slots {
        let mut slots = Slots::default();
        slots.first.opcode = self.opcode;
        if let Some((field, value)) = self.select {
            slots.set(field, value);
        }
        slots
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Row {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Row {}

macro_rules! select {
    () => {
        None
    };
    (off $v:literal) => {
        Some((Field::Off, $v))
    };
    (imm $v:literal) => {
        Some((Field::Imm, $v))
    };
    (src $v:literal) => {
        Some((Field::Src, $v))
    };
}
pub(crate) use select;

macro_rules! version {
    (-) => {
        None
    };
    ($v:literal) => {
        Some($v)
    };
}

macro_rules! define_rows {
    ($($name:ident = $code:literal [$($sel:tt)*] ($($operand:ident)*) $cpu:ident $linux:tt $rfc:tt $meaning:literal
        { $($op:tt)* } [$($kernel:literal),* $(,)?] [$($mnemonic:literal),* $(,)?];)*) => {
        /// Every operation, in the order of the table.
        pub static ROWS: &[Row] = {
            use Op::*;
            use Operand::*;
            use Width::*;
            use crate::op::{AluOp, AtomicOp, CallTarget, Cond, ImmSource, Size, SwapKind};
            &[$(Row {
                name: stringify!($name),
                opcode: $code,
                select: select!($($sel)*),
                operands: &[$(stringify!($operand)),*],
                cpu: Cpu::$cpu,
                linux: version!($linux),
                rfc: version!($rfc),
                meaning: $meaning,
                kernel: &[$($kernel),*],
                mnemonic: &[$($mnemonic),*],
                used: 0 $(| fields::mask::$operand())*,
                build: |_slots| {
                    $(let $operand = fields::get::$operand(_slots);)*
                    $($op)*
                },
            }),*]
        };

        const OPCODES: &[u8] = &[$($code),*];
    };
}
for_each_op!(define_rows);

/// Where the rows of each opcode begin, and how many there are (0 if the opcode is unknown).
static INDEX: [(u8, u8); 256] = index();

const fn index() -> [(u8, u8); 256] {
    assert!(OPCODES.len() <= 256, "row numbers must fit in a byte");
    let mut out = [(0, 0); 256];
    let mut i = 0;
    while i < OPCODES.len() {
        let (start, count) = out[OPCODES[i] as usize];
        assert!(count == 0 || start as usize + count as usize == i, "rows of one opcode must stand together");
        out[OPCODES[i] as usize] = if count == 0 { (i as u8, 1) } else { (start, count + 1) };
        i += 1;
    }
    out
}

/// The rows of an opcode; empty if it is unknown.
pub fn rows_of(opcode: u8) -> &'static [Row] {
    let (start, count) = INDEX[usize::from(opcode)];
    &ROWS[usize::from(start)..][..usize::from(count)]
}
