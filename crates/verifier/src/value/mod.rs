//! The value domain: what is known of a number.
//!
//! A [`Scalar`] is the product of four intervals (64 and 32 bits, unsigned and signed) and a [`Tnum`];
//! each part stands for a set of 64-bit values, and the whole for their intersection. Operations are
//! in `arith`, what branches teach in `refine`, and the deduction between the parts in `scalar`.
//! Every operation is sound (the result holds each concrete result) and, where Linux 6.18 gives a
//! looser answer than could be had, deliberately as loose: the verdict has to be the kernel's.

mod arith;
mod refine;
mod scalar;
mod tnum;

pub(crate) use refine::{branch_taken, refine, refine_self};
pub use scalar::Scalar;
pub use tnum::Tnum;
