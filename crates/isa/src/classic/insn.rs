//! The raw instruction of classic BPF, `struct sock_filter`, and its eight bytes.

use crate::bytes::LengthError;
use crate::insn::Endian;
use alloc::vec::Vec;

/// One instruction (`struct sock_filter`, `struct bpf_insn` of libpcap).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Insn {
    /// Class, size and mode, or operation and source.
    pub code: u16,
    /// How many instructions a branch that holds goes on, counted from the next one.
    pub jt: u8,
    /// How many instructions a branch that does not hold goes on.
    pub jf: u8,
    /// The constant: offset, value, memory word or distance.
    pub k: u32,
}

impl Insn {
    /// Length in bytes.
    pub const BYTES: usize = 8;

    /// An instruction that does not branch (`BPF_STMT`).
    pub const fn stmt(code: u16, k: u32) -> Self {
        Self { code, jt: 0, jf: 0, k }
    }

    /// A branch (`BPF_JUMP`).
    pub const fn jump(code: u16, k: u32, jt: u8, jf: u8) -> Self {
        Self { code, jt, jf, k }
    }

    /// Reads an instruction.
    pub const fn from_bytes(b: [u8; 8], endian: Endian) -> Self {
        let (code, k) = match endian {
            Endian::Little => {
                (u16::from_le_bytes([b[0], b[1]]), u32::from_le_bytes([b[4], b[5], b[6], b[7]]))
            }
            Endian::Big => (u16::from_be_bytes([b[0], b[1]]), u32::from_be_bytes([b[4], b[5], b[6], b[7]])),
        };
        Self { code, jt: b[2], jf: b[3], k }
    }

    /// Writes an instruction.
    pub const fn to_bytes(self, endian: Endian) -> [u8; 8] {
        let (c, k) = match endian {
            Endian::Little => (self.code.to_le_bytes(), self.k.to_le_bytes()),
            Endian::Big => (self.code.to_be_bytes(), self.k.to_be_bytes()),
        };
        [c[0], c[1], self.jt, self.jf, k[0], k[1], k[2], k[3]]
    }
}

/// Reads a program; the length must be a multiple of 8.
pub fn insns_from_bytes(bytes: &[u8], endian: Endian) -> Result<Vec<Insn>, LengthError> {
    let (insns, rest) = bytes.as_chunks::<{ Insn::BYTES }>();
    if rest.is_empty() {
        Ok(insns.iter().map(|&insn| Insn::from_bytes(insn, endian)).collect())
    } else {
        Err(LengthError::new(bytes.len()))
    }
}

/// Writes a program.
pub fn bytes_from_insns(insns: &[Insn], endian: Endian) -> Vec<u8> {
    insns.iter().flat_map(|insn| insn.to_bytes(endian)).collect()
}
