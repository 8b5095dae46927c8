//! What an object says, before any machine is asked: programs, maps, types, externs.
//!
//! A Spec can be built by hand as well as read from ELF. Nothing in it is live: maps are named by
//! their index in [`Spec::maps`], and relocations stay symbolic until a backend loads the Spec.

use skep_abi::Rest;
use skep_abi::{AttachType, MapType, ProgType};
use skep_btf::{Btf, TypeId};
use skep_isa::{Endian, Insn};

use crate::ObjectError;

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
    /// Parts that the file holds but that could not be used, each with its reason. What they name is
    /// in no other field: a program that needs a malformed map is here, not in `programs`.
    pub problems: Vec<Problem>,
}

impl Spec {
    /// The program of this name.
    pub fn program(&self, name: &str) -> Option<&Program> {
        self.programs.iter().find(|p| p.name == name)
    }

    /// The map of this name, and its index.
    pub fn map(&self, name: &str) -> Option<(usize, &MapSpec)> {
        self.maps.iter().enumerate().find(|(_, m)| m.name == name)
    }

    /// Why there is no program or map of this name, if the file holds one that could not be used.
    pub fn problem(&self, name: &str) -> Option<&Problem> {
        self.problems.iter().find(|p| p.name == name)
    }
}

/// A part of the file that could not be used.
#[derive(Clone, Debug)]
pub struct Problem {
    /// What sort of thing it is.
    pub part: Part,
    /// Its name.
    pub name: String,
    /// Why it could not be used.
    pub error: ObjectError,
}

/// What sort of thing a [`Problem`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// A program.
    Program,
    /// A map.
    Map,
    /// A section that is neither.
    Section,
    /// An extern.
    Extern,
}

/// One program, whole: the subprograms that it calls are appended to its instructions.
#[derive(Clone, Debug, Default)]
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
    /// Loaded only when it is asked for by name (the section begins with `?`).
    pub on_demand: bool,
    /// Slots. Calls of subprograms are resolved. A symbolic place has its pseudo source (`BPF_PSEUDO_MAP_FD`,
    /// `BPF_PSEUDO_KFUNC_CALL`, ...) and zero, or an offset, for the rest.
    pub insns: Vec<Insn>,
    /// Places in `insns` that a backend fills in.
    pub relocs: Vec<Reloc>,
    /// CO-RE places in `insns`, to be solved against a target's BTF.
    pub core_relocs: Vec<CoreReloc>,
    /// Functions in `insns`, by first slot.
    pub func_info: Vec<FuncInfo>,
    /// Source lines, by slot.
    pub line_info: Vec<LineInfo>,
    /// CO-RE places that the target could not answer, by slot; see [`crate::core`].
    pub poisoned: Vec<Poisoned>,
}

impl Program {
    /// `BPF_F_SLEEPABLE`, in [`Program::flags`].
    pub const F_SLEEPABLE: u32 = 1 << 4;
    /// `BPF_F_XDP_HAS_FRAGS`, in [`Program::flags`].
    pub const F_XDP_HAS_FRAGS: u32 = 1 << 5;

    /// Takes type, attach type, target and flags from the section's name; an unknown name leaves them as they are.
    pub fn take_section(&mut self, section: &str) {
        self.section = section.to_owned();
        let Some(found) = skep_abi::section(section) else { return };
        let row = found.row;
        self.prog_type = Some(row.prog);
        // Zero is an attach type too, but only where an old kernel may be given none.
        self.attach_type = (row.attach.0 != 0 || row.attach_optional).then_some(row.attach);
        self.attach_to = found.rest.filter(|_| row.rest != Rest::Nothing).map(str::to_owned);
        self.flags |= if row.sleepable { Self::F_SLEEPABLE } else { 0 };
        self.flags |= if row.frags { Self::F_XDP_HAS_FRAGS } else { 0 };
        self.on_demand = !found.autoload;
    }

    /// The source line of a slot.
    pub fn line_at(&self, insn: usize) -> Option<&LineInfo> {
        let next = self.line_info.partition_point(|l| l.insn <= insn);
        self.line_info.get(next.checked_sub(1)?)
    }

    /// The function that a slot is in.
    pub fn function_at(&self, insn: usize) -> Option<&FuncInfo> {
        let inside = self.func_info.iter().filter(|f| f.insn <= insn);
        inside.max_by_key(|f| f.insn)
    }
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
        /// Offset in the value; also in the second slot's immediate.
        offset: u32,
    },
    /// An extern; index into [`Spec::externs`].
    Extern(usize),
    /// A subprogram's address (`BPF_PSEUDO_FUNC`): its first slot in the same program. The slot's
    /// immediate already holds the distance, as the kernel wants it.
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
    /// For struct_ops the "key" is the offset of the function pointer in the value.
    pub initial_refs: Vec<(u32, InitialRef)>,
    /// First contents of a data section's only value, of a struct_ops table, or of an arena's variables; `None`
    /// is all zero, so that `.bss` costs nothing.
    pub initial_value: Option<Vec<u8>>,
    /// Frozen after the contents are written (`.rodata`, `.kconfig`).
    pub frozen: bool,
    /// Pin by name (`LIBBPF_PIN_BY_NAME`).
    pub pin_by_name: bool,
    /// What in the file it was made from.
    pub origin: MapOrigin,
}

impl MapSpec {
    /// `BPF_F_RDONLY_PROG`: programs only read it.
    pub const F_RDONLY_PROG: u32 = 1 << 7;
    /// `BPF_F_MMAPABLE`: userspace may map its memory.
    pub const F_MMAPABLE: u32 = 1 << 10;
    /// `BPF_F_NUMA_NODE`: the node given counts.
    pub const F_NUMA_NODE: u32 = 1 << 2;
    /// `BPF_F_LINK`: a struct_ops map is registered through a link.
    pub const F_LINK: u32 = 1 << 13;
}

impl Default for MapSpec {
    fn default() -> Self {
        Self {
            name: String::new(),
            map_type: MapType(0),
            key_size: 0,
            value_size: 0,
            max_entries: 0,
            flags: 0,
            map_extra: 0,
            numa_node: None,
            btf_key: None,
            btf_value: None,
            inner: None,
            initial_refs: Vec::new(),
            initial_value: None,
            frozen: false,
            pin_by_name: false,
            origin: MapOrigin::Built,
        }
    }
}

/// What a [`MapSpec`] was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum MapOrigin {
    /// No file: a caller built it.
    #[default]
    Built,
    /// A BTF definition in `.maps`, or the inner definition of one.
    Btf,
    /// A `struct bpf_map_def` in a `maps` section.
    Legacy,
    /// A `struct bpf_elf_map` of iproute2.
    Iproute2,
    /// `.data` and its like.
    Data,
    /// `.rodata` and its like, merged strings included.
    Rodata,
    /// `.bss` and its like.
    Bss,
    /// Made to hold `.kconfig` externs.
    Kconfig,
    /// A variable in `.struct_ops` or `.struct_ops.link`.
    StructOps,
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
    /// The VAR or FUNC that declares it, if the object has BTF.
    pub btf_type: Option<TypeId>,
}

/// Kinds of extern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExternKind {
    /// A kernel function that the program calls.
    Kfunc,
    /// A function that neither this object nor the kernel is said to have: another object (see
    /// linking) or an embedder provides it.
    Func,
    /// A variable that another object provides.
    Var,
    /// A kernel variable, typed by BTF.
    Ksym,
    /// A kernel symbol without a type: only its address.
    KsymAddr,
    /// A configuration value; `offset` is its place in the `.kconfig` map's value, which the loader fills.
    /// Code refers to that map with [`RelocTarget::MapValue`].
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

/// A slot that was replaced by a call that can't run, because the target's types do not answer its CO-RE record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poisoned {
    /// The slot.
    pub insn: usize,
    /// Why: names the field and the type.
    pub why: String,
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
