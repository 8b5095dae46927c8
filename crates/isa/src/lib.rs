//! The instruction set of BPF: one table of operations, and everything that is read off it.
//!
//! [`Insn`] is the raw eight-byte slot, the form in which programs travel between crates: jump offsets
//! and relocations count slots, and a wide load takes two. [`Op`] is the typed view of one instruction.
//!
//! Source: RFC 9669 and the Linux UAPI header `linux/bpf.h`.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod insn;
pub mod op;

pub use insn::{Endian, Insn};
pub use op::{AluOp, AtomicOp, CallTarget, Cond, ImmSource, Op, Operand, Reg, Size, SwapKind, Width};
