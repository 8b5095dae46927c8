//! The kernel's BPF ABI as rows of data: no behaviour.
#![forbid(unsafe_code)]

/// A program type (`enum bpf_prog_type`); unknown numbers are kept.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ProgType(pub u32);

/// A map type (`enum bpf_map_type`); unknown numbers are kept.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MapType(pub u32);

/// An attach type (`enum bpf_attach_type`); unknown numbers are kept.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AttachType(pub u32);
