//! Superinstructions: sequences of cells that one handler runs.

use skep_isa::Op;

use crate::code::Code;

/// Gives cells that begin a popular sequence the handler of the sequence.
pub(crate) fn fuse(_code: &mut [Code], _op_of: &[Option<Op>], _big: bool) {}
