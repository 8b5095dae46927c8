//! The instruction set of BPF: one table of operations, and everything that is read off it.
//!
//! [`Insn`] is the raw eight-byte slot, the form in which programs travel between crates: jump offsets
//! and relocations count slots, and a wide load takes two. [`Op`] is the typed view of one instruction.
//! [`decode()`] and [`encode()`] go between them, [`validate()`] checks a whole program's structure,
//! [`asm`] and [`disasm`] go between slots and text, [`reference()`] is the table as documentation.
//!
//! Source: RFC 9669 and the Linux UAPI header `linux/bpf.h`.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod asm;
pub mod bytes;
pub mod classic;
pub mod decode;
pub mod disasm;
pub mod encode;
mod fields;
pub mod insn;
pub mod op;
pub mod reference;
pub mod row;
mod table;
pub mod text;
pub mod validate;

pub use bytes::{LengthError, bytes_from_slots, slots_from_bytes};
pub use decode::{DecodeError, decode, decode_all, decode_into, row_at};
pub use encode::{EncodeError, Encoded, encode};
pub use insn::{Endian, Insn};
pub use op::{AluOp, AtomicOp, CallTarget, Cond, ImmSource, Op, Operand, Reg, Size, SwapKind, Width};
pub use reference::{find_rows, nearest_row, reference};
pub use row::{Cpu, Family, Field, ROWS, Row, rows_of};
pub use text::{Names, NoNames};
pub use validate::{ValidateError, validate, validate_into, validated};
