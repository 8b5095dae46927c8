//! What is to be verified: the program as bpf(2) would get it, and the shapes of what it names.

use std::sync::Arc;

use skep_abi::{AttachType, MapType, ProgType};
use skep_btf::{Btf, TypeId};
use skep_isa::Insn;

/// With what rights the program would be loaded.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Privilege {
    /// CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN, CAP_SYS_ADMIN.
    #[default]
    Root,
    /// CAP_BPF and CAP_NET_ADMIN, but no CAP_PERFMON: pointers must not leak.
    BpfNet,
    /// None.
    Unprivileged,
}

/// A field of a map's value that the kernel manages.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SpecialField {
    /// `struct bpf_spin_lock`, 4 bytes.
    SpinLock,
    /// `struct bpf_timer`, 16 bytes.
    Timer,
    /// A field that is not modelled, by its type's name.
    Other(&'static str),
}

/// The shape of a map.
#[derive(Clone, Debug)]
pub struct MapShape {
    /// Name, for messages.
    pub name: String,
    /// Type.
    pub map_type: MapType,
    /// Key size in bytes.
    pub key_size: u32,
    /// Value size in bytes.
    pub value_size: u32,
    /// Capacity.
    pub max_entries: u32,
    /// `map_flags`.
    pub flags: u32,
    /// Fields of the value that the kernel manages: offset in bytes and kind.
    pub fields: Vec<(u32, SpecialField)>,
    /// Shape of inner maps.
    pub inner: Option<Arc<MapShape>>,
    /// The only value, where the map is frozen and read-only for programs.
    pub frozen: Option<Arc<[u8]>>,
}

/// A program to be verified.
#[derive(Clone, Debug)]
pub struct Task {
    /// Name, for messages.
    pub name: String,
    /// Program type.
    pub prog_type: ProgType,
    /// Expected attach type.
    pub attach_type: AttachType,
    /// `prog_flags`.
    pub flags: u32,
    /// Whether the licence is compatible with the GPL.
    pub gpl: bool,
    /// Slots, pseudo sources kept.
    pub insns: Vec<Insn>,
    /// Maps by the number that stands in a wide load.
    pub maps: Vec<(i32, Arc<MapShape>)>,
    /// Types of the program.
    pub btf: Option<Arc<Btf>>,
    /// First slot and FUNC of each function.
    pub func_info: Vec<(usize, TypeId)>,
    /// Types of the kernel.
    pub vmlinux: Option<Arc<Btf>>,
    /// What a tracing program attaches to.
    pub attach_func: Option<String>,
    /// With what rights.
    pub privilege: Privilege,
    /// Processors that the kernel counts (`nr_cpu_ids`): the bound of bpf_get_smp_processor_id.
    pub cpus: u32,
    /// Names of the kernel functions that calls name by number.
    pub kfuncs: Vec<(i32, String)>,
}

/// BPF_F_STRICT_ALIGNMENT.
pub(crate) const F_STRICT_ALIGNMENT: u32 = 1;
/// BPF_F_ANY_ALIGNMENT.
pub(crate) const F_ANY_ALIGNMENT: u32 = 2;
/// BPF_F_TEST_STATE_FREQ.
pub(crate) const F_TEST_STATE_FREQ: u32 = 8;
/// BPF_F_SLEEPABLE.
pub(crate) const F_SLEEPABLE: u32 = 16;

/// BPF_F_RDONLY_PROG, of a map.
pub(crate) const F_RDONLY_PROG: u32 = 128;

impl Task {
    pub(crate) fn map(&self, number: i32) -> Option<usize> {
        self.maps.iter().position(|(n, _)| *n == number)
    }

    pub(crate) fn is_sleepable(&self) -> bool {
        self.flags & F_SLEEPABLE != 0
    }
}

impl SpecialField {
    /// Its name in C, and its size in bytes.
    pub(crate) fn layout(self) -> (&'static str, i64) {
        match self {
            Self::SpinLock => ("bpf_spin_lock", 4),
            Self::Timer => ("bpf_timer", 16),
            Self::Other(name) => (name, 8),
        }
    }
}
