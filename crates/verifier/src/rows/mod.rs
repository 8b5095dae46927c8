//! What the verifier has to know of single helpers, as rows; the contracts themselves are abi's.

pub(crate) mod calls;
pub(crate) mod maps;
