//! What an object says, before any machine is asked: programs, maps, types, externs.
//!
//! A Spec can be built by hand as well as read from ELF. Nothing in it is live: maps are named by
//! their index in [`Spec::maps`], and relocations stay symbolic until a backend loads the Spec.

use skep_abi::{AttachType, MapType, ProgType};
use skep_btf::{Btf, TypeId};
use skep_isa::{Endian, Insn};

/// An object: everything that a backend needs to load it.
#[derive(Clone, Debug, Default)]
pub struct Spec {
    /// Byte order of code and data.
    pub endian: Endian,
    /// Text of the `license` section; empty if there is none.
    pub license: String,
    /// `LINUX_VERSION_CODE` of a legacy `version` section.
    pub kernel_version: Option<u32>,
    /// Programs, in file order.
    pub programs: Vec<Program>,
    /// Maps, those made from data sections and from inner definitions included.
    pub maps: Vec<MapSpec>,
    /// Externs that a backend resolves.
    pub externs: Vec<Extern>,
    /// The object's own types.
    pub btf: Option<Btf>,
}

/// One program, whole: the subprograms that it calls are appended to its instructions.
#[derive(Clone, Debug)]
pub struct Program {
    /// Name of the function.
    pub name: String,
    /// ELF section, as written (`xdp`, `classifier/ingress`).
    pub section: String,
    /// Program type, where the section name or the builder tells it.
    pub prog_type: Option<ProgType>,
    /// Expected attach type, where the section name tells it.
    pub attach_type: Option<AttachType>,
    /// What the section name says to attach to (`sched/sched_switch`), if anything.
    pub attach_to: Option<String>,
    /// `prog_flags` of BPF_PROG_LOAD that the section name asks for (sleepable, frags).
    pub flags: u32,
    /// Slots; symbolic places still hold zero or a placeholder.
    pub insns: Vec<Insn>,
    /// Places in `insns` that a backend fills in.
    pub relocs: Vec<Reloc>,
    /// CO-RE places in `insns`, to be solved against a target's BTF.
    pub core_relocs: Vec<CoreReloc>,
    /// Functions in `insns`, by first slot.
    pub func_info: Vec<FuncInfo>,
    /// Source lines, by slot.
    pub line_info: Vec<LineInfo>,
}

/// A place in the code that names something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reloc {
    /// Slot that is patched.
    pub insn: usize,
    /// What it names.
    pub target: RelocTarget,
}

/// What a [`Reloc`] names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelocTarget {
    /// The map itself (`BPF_PSEUDO_MAP_FD`); index into [`Spec::maps`].
    Map(usize),
    /// A byte inside the map's first value (`BPF_PSEUDO_MAP_VALUE`).
    MapValue {
        /// Index into [`Spec::maps`].
        map: usize,
        /// Offset in the value.
        offset: u32,
    },
    /// An extern; index into [`Spec::externs`].
    Extern(usize),
    /// A subprogram's address (`BPF_PSEUDO_FUNC`): its first slot in the same program.
    Func(usize),
}

/// A map's shape and first contents.
#[derive(Clone, Debug)]
pub struct MapSpec {
    /// Name; for data sections the section's name (`.rodata`).
    pub name: String,
    /// Type.
    pub map_type: MapType,
    /// Key size in bytes.
    pub key_size: u32,
    /// Value size in bytes.
    pub value_size: u32,
    /// Capacity; 0 where the loader must choose (one per CPU, page size).
    pub max_entries: u32,
    /// `map_flags`.
    pub flags: u32,
    /// `map_extra`.
    pub map_extra: u64,
    /// `numa_node`, with its flag.
    pub numa_node: Option<u32>,
    /// BTF type of the key.
    pub btf_key: Option<TypeId>,
    /// BTF type of the value (the DATASEC for data sections).
    pub btf_value: Option<TypeId>,
    /// Shape of inner maps, for maps of maps.
    pub inner: Option<Box<MapSpec>>,
    /// First contents: key to map (index into [`Spec::maps`]) or program (index into [`Spec::programs`]).
    pub initial_refs: Vec<(u32, InitialRef)>,
    /// First contents of a data section's only value.
    pub initial_value: Option<Vec<u8>>,
    /// Frozen after the contents are written (`.rodata`, `.kconfig`).
    pub frozen: bool,
    /// Pin by name (`LIBBPF_PIN_BY_NAME`).
    pub pin_by_name: bool,
}

/// What an initial slot of a map of maps or a prog array holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InitialRef {
    /// Index into [`Spec::maps`].
    Map(usize),
    /// Index into [`Spec::programs`].
    Program(usize),
}

/// Something that the object expects its loader to know.
#[derive(Clone, Debug)]
pub struct Extern {
    /// Name (`bpf_dynptr_from_skb`, `CONFIG_HZ`, `LINUX_KERNEL_VERSION`).
    pub name: String,
    /// What it is.
    pub kind: ExternKind,
    /// Weak: absence is not an error.
    pub weak: bool,
    /// Its BTF type, if the object has BTF.
    pub btf_type: Option<TypeId>,
}

/// Kinds of extern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExternKind {
    /// A kernel function that the program calls.
    Kfunc,
    /// A kernel variable, typed by BTF.
    Ksym,
    /// A kernel symbol without a type: only its address.
    KsymAddr,
    /// A configuration value; `offset` is its place in the `.kconfig` map's value.
    Kconfig {
        /// Offset in bytes.
        offset: u32,
        /// Size in bytes.
        size: u32,
    },
}

/// One record of `.BTF.ext` CO-RE information.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoreReloc {
    /// Slot that is patched.
    pub insn: usize,
    /// Root type in the object's BTF.
    pub type_id: TypeId,
    /// Access string (`0:1:2`).
    pub access: String,
    /// `enum bpf_core_relo_kind`, 0 to 12.
    pub kind: u32,
}

/// A function in a program's code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FuncInfo {
    /// First slot.
    pub insn: usize,
    /// Name of the function.
    pub name: String,
    /// BTF id of the FUNC, if the object has BTF.
    pub type_id: Option<TypeId>,
}

/// Where a slot comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineInfo {
    /// First slot of the line.
    pub insn: usize,
    /// File name, as compiled.
    pub file: std::sync::Arc<str>,
    /// The line's text.
    pub text: std::sync::Arc<str>,
    /// Line number, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
}
