//! Classic BPF: the machine of 1992, with an accumulator, an index register and 16 memory words, which tcpdump,
//! SO_ATTACH_FILTER, xt_bpf and seccomp still speak.
//!
//! [`Insn`] is the raw instruction (`struct sock_filter`), [`Op`] its typed view, [`ROWS`] the table that both are
//! read off. [`Ancillary`] names what Linux keeps at negative offsets.

mod ancillary;
mod check;
mod insn;
mod op;
mod table;
pub mod text;

pub use crate::op::Size;
pub use ancillary::{AD_OFF, Ancillary, LL_OFF, NET_OFF};
pub use check::{CheckError, SECCOMP_DATA_BYTES, check_seccomp, check_socket};
pub use insn::{Insn, bytes_from_insns, insns_from_bytes};
pub use op::{AluOp, Cond, Op, ROWS, Row, Source, row_of};

/// No program is longer, in instructions (`BPF_MAXINSNS`).
pub const MAX_INSNS: usize = 4096;

/// Number of memory words (`BPF_MEMWORDS`).
pub const MEM_WORDS: usize = 16;
