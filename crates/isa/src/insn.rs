//! The raw instruction slot: eight bytes, in the byte order of the machine that will run it.

/// The byte order of bytecode (`bpfel` or `bpfeb`): it orders the fields of a slot, and memory at run time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Endian {
    /// Little-endian, `bpfel`.
    #[default]
    Little,
    /// Big-endian, `bpfeb`.
    Big,
}

/// One eight-byte slot (`struct bpf_insn`). A wide instruction takes two of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Insn {
    /// Class, operation or mode, source or size bits.
    pub opcode: u8,
    /// Destination register field, 0 to 15 as encoded.
    pub dst: u8,
    /// Source register field, 0 to 15 as encoded; also the pseudo source of wide loads and calls.
    pub src: u8,
    /// Signed offset, in bytes for memory and in slots for jumps.
    pub off: i16,
    /// Signed immediate.
    pub imm: i32,
}

impl Insn {
    /// Length of a slot in bytes.
    pub const BYTES: usize = 8;

    /// Reads a slot.
    #[inline]
    pub const fn from_bytes(b: [u8; 8], endian: Endian) -> Self {
        let (dst, src) = match endian {
            Endian::Little => (b[1] & 15, b[1] >> 4),
            Endian::Big => (b[1] >> 4, b[1] & 15),
        };
        let (off, imm) = match endian {
            Endian::Little => {
                (i16::from_le_bytes([b[2], b[3]]), i32::from_le_bytes([b[4], b[5], b[6], b[7]]))
            }
            Endian::Big => (i16::from_be_bytes([b[2], b[3]]), i32::from_be_bytes([b[4], b[5], b[6], b[7]])),
        };
        Self { opcode: b[0], dst, src, off, imm }
    }

    /// Writes a slot; fields of registers are cut to four bits.
    #[inline]
    pub const fn to_bytes(self, endian: Endian) -> [u8; 8] {
        let (regs, off, imm) = match endian {
            Endian::Little => (self.src << 4 | self.dst & 15, self.off.to_le_bytes(), self.imm.to_le_bytes()),
            Endian::Big => (self.dst << 4 | self.src & 15, self.off.to_be_bytes(), self.imm.to_be_bytes()),
        };
        [self.opcode, regs, off[0], off[1], imm[0], imm[1], imm[2], imm[3]]
    }

    /// Whether this slot opens a wide (two-slot) instruction.
    #[inline]
    pub const fn is_wide(self) -> bool {
        self.opcode == 0x18
    }
}
