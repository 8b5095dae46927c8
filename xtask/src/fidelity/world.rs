//! What programs find: maps, types and kernel functions, the same for both verifiers.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;

use skep_abi::{AttachType, MapType, ProgType};
use skep_btf::{Btf, Builder, Endian, FuncLinkage, IntEncoding, Kind, TypeId};
use skep_isa::Insn;
use skep_sys::prog::{LOG_STATS, LOG_VERBOSE, LoadAttr, load_logged};
use skep_sys::{Errno, btf, map};
use skep_verifier::{
    LogLevel, MapShape, Outcome, Privilege, SourceLines, Task, special_fields, verify, verify_logged,
};

use super::program::{CALL, KFUNC, MAP, MAP_VALUE, Program, WIDE};

/// A map that programs may use.
pub(super) struct MapDef {
    pub(super) map_type: MapType,
    pub(super) key: u32,
    pub(super) value: u32,
    pub(super) max: u32,
    pub(super) flags: u32,
}

const fn def(map_type: MapType, key: u32, value: u32, max: u32, flags: u32) -> MapDef {
    MapDef { map_type, key, value, max, flags }
}

const NO_PREALLOC: u32 = 1;
const RDONLY_PROG: u32 = 128;
const WRONLY_PROG: u32 = 256;

/// The maps, by index.
pub(super) static MAPS: &[MapDef] = &[
    def(MapType::HASH, 4, 64, 16, NO_PREALLOC),
    def(MapType::ARRAY, 4, 48, 4, 0),
    def(MapType::ARRAY, 4, 128, 1, 0),
    def(MapType::RINGBUF, 0, 0, 4096, 0),
    def(MapType::LPM_TRIE, 8, 16, 8, NO_PREALLOC),
    def(MapType::PROG_ARRAY, 4, 4, 4, 0),
    def(MapType::ARRAY, 4, 48, 1, 0),
    def(MapType::ARRAY, 4, 48, 1, 0),
    def(MapType::ARRAY, 4, 64, 1, RDONLY_PROG),
    def(MapType::PERCPU_ARRAY, 4, 32, 4, 0),
    def(MapType::QUEUE, 0, 16, 8, 0),
    def(MapType::STACK, 0, 16, 8, 0),
    def(MapType::BLOOM_FILTER, 0, 8, 8, 0),
    def(MapType::PERF_EVENT_ARRAY, 4, 4, 4, 0),
    def(MapType::STACK_TRACE, 4, 80, 4, 0),
    def(MapType::CGROUP_ARRAY, 4, 4, 4, 0),
    def(MapType::DEVMAP, 4, 4, 4, 0),
    def(MapType::CPUMAP, 4, 4, 4, 0),
    def(MapType::XSKMAP, 4, 4, 4, 0),
    def(MapType::SOCKMAP, 4, 4, 4, 0),
    def(MapType::SOCKHASH, 4, 4, 4, 0),
    def(MapType::SK_STORAGE, 4, 48, 0, NO_PREALLOC),
    def(MapType::REUSEPORT_SOCKARRAY, 4, 8, 4, 0),
    def(MapType::ARRAY_OF_MAPS, 4, 4, 4, 0),
    def(MapType::HASH_OF_MAPS, 4, 4, 4, 0),
    def(MapType::LRU_HASH, 8, 24, 8, 0),
    def(MapType::PERCPU_HASH, 4, 16, 8, 0),
    def(MapType::HASH, 4, 16, 8, WRONLY_PROG),
    def(MapType::HASH, 4, 16, 8, RDONLY_PROG),
    def(MapType::HASH, 4, 48, 8, NO_PREALLOC),
    def(MapType::DEVMAP_HASH, 4, 4, 4, 0),
];
pub(super) const PROG_ARRAY: usize = 5;
/// Maps that hold programs belong to the first type of program that uses them, so each program gets its own: program
/// arrays, maps of devices and of CPUs.
const OWNED: [i32; 3] = [PROG_ARRAY as i32, 16, 17];
/// A value with a spin lock at its start.
pub(super) const LOCKED: usize = 6;
/// A value with a timer at its start.
pub(super) const TIMED: usize = 7;
/// A frozen value.
pub(super) const FROZEN: usize = 8;
/// The same value as that of [`LOCKED`], by key.
pub(super) const LOCKED_HASH: usize = 29;
const SK_STORAGE: usize = 21;
const INNER: usize = 1;
const TEXT: &[u8] = b"%d %u %lx\0 some text\0";

/// Kernel functions that programs call, by index.
pub(super) static KFUNCS: &[&str] = &[
    "bpf_rcu_read_lock",
    "bpf_rcu_read_unlock",
    "bpf_preempt_disable",
    "bpf_preempt_enable",
    "bpf_local_irq_save",
    "bpf_local_irq_restore",
];

/// A type of function, by what its arguments are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Takes {
    Number,
    /// A pointer to 16 bytes, or null.
    Memory,
    /// A pointer to 16 bytes.
    MemoryNotNull,
    Context,
}

/// Global functions: what they take. The last one returns nothing that is allowed.
pub(super) static GLOBALS: &[&[Takes]] = &[
    &[Takes::Number, Takes::Number],
    &[Takes::Memory, Takes::Number],
    &[Takes::MemoryNotNull],
    &[Takes::Context, Takes::Number],
    &[Takes::Number, Takes::Number],
];
/// Index of the types of functions: the program, a static function, then the global ones.
pub(super) const MAIN: u32 = 0;
pub(super) const STATIC: u32 = 1;
pub(super) const GLOBAL: u32 = 2;

/// The types of the programs and of their maps.
struct Types {
    btf: Btf,
    funcs: Vec<TypeId>,
    int: TypeId,
    locked: TypeId,
    timed: TypeId,
}

impl Types {
    fn new() -> Self {
        let mut b = Builder::new(Endian::Little);
        let int = b.int("int", 4, IntEncoding { signed: true, ..IntEncoding::default() });
        let word = b.int("unsigned int", 4, IntEncoding::default());
        let long = b.int("unsigned long", 8, IntEncoding::default());
        let two = b.array(long, word, 2);
        let lock = b.composite(Kind::Struct, "bpf_spin_lock", 4, &[("val", word, 0, 0)]);
        let timer = b.composite(Kind::Struct, "bpf_timer", 16, &[("opaque", two, 0, 0)]);
        let rest = b.array(long, word, 4);
        let locked = b.composite(
            Kind::Struct,
            "locked",
            48,
            &[("lock", lock, 0, 0), ("a", word, 32, 0), ("b", long, 64, 0), ("rest", rest, 128, 0)],
        );
        let timed = b.composite(Kind::Struct, "timed", 48, &[("timer", timer, 0, 0), ("rest", rest, 128, 0)]);
        let pair = b.composite(Kind::Struct, "pair", 16, &[("a", long, 0, 0), ("b", long, 64, 0)]);
        let (to_pair, to_any) = (b.ptr(pair), b.ptr(TypeId(0)));
        let proto = b.func_proto(int, &[("ctx", to_any)]);
        let main = b.func("prog", proto, FuncLinkage::Global);
        let proto = b.func_proto(long, &[("a", long), ("b", long), ("c", long)]);
        let mut funcs = vec![main, b.func("inner", proto, FuncLinkage::Static)];
        for (n, takes) in GLOBALS.iter().enumerate() {
            let types: Vec<(&str, TypeId)> = takes
                .iter()
                .map(|t| match t {
                    Takes::Number => ("n", long),
                    Takes::Memory | Takes::MemoryNotNull => ("p", to_pair),
                    Takes::Context => ("c", to_any),
                })
                .collect();
            let result = if n + 1 == GLOBALS.len() { to_pair } else { long };
            let proto = b.func_proto(result, &types);
            let func = b.func(&format!("global{n}"), proto, FuncLinkage::Global);
            for (arg, t) in (0..).zip(*takes) {
                match t {
                    Takes::MemoryNotNull => _ = b.decl_tag("arg:nonnull", func, arg),
                    Takes::Context => _ = b.decl_tag("arg:ctx", func, arg),
                    Takes::Number | Takes::Memory => {}
                }
            }
            funcs.push(func);
        }
        // Types that are built here name only each other.
        let btf = b.finish().unwrap_or_default();
        Self { btf, funcs, int, locked, timed }
    }

    /// The type of a map's value, where that matters.
    fn value(&self, map: usize) -> Option<TypeId> {
        match map {
            LOCKED | LOCKED_HASH | SK_STORAGE => Some(self.locked),
            TIMED => Some(self.timed),
            _ => None,
        }
    }
}

/// What the kernel said.
pub(super) struct Said {
    /// 0 if it accepts.
    pub(super) errno: i32,
    /// Instructions processed.
    pub(super) insns: Option<u32>,
    /// Why it refuses.
    pub(super) message: String,
    /// Whether it said nothing at all.
    pub(super) silent: bool,
}

/// The maps and types, made in the kernel.
pub(super) struct World {
    maps: Vec<map::Map>,
    shapes: Vec<(i32, Arc<MapShape>)>,
    types: Arc<Btf>,
    types_fd: OwnedFd,
    funcs: Vec<TypeId>,
    kfuncs: Vec<u32>,
    vmlinux: Option<Arc<Btf>>,
    cpus: u32,
}

const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

impl World {
    pub(super) fn new() -> Result<Self, Errno> {
        let types = Types::new();
        let types_fd = btf::load(&types.btf.to_bytes(Endian::Little)).map_err(|e| e.errno)?;
        let mut maps: Vec<map::Map> = Vec::new();
        let mut shapes: Vec<(i32, Arc<MapShape>)> = Vec::new();
        for (n, d) in MAPS.iter().enumerate() {
            let of_maps = matches!(d.map_type, MapType::ARRAY_OF_MAPS | MapType::HASH_OF_MAPS);
            let value = types.value(n);
            let made = map::Map::create(&map::Create {
                inner: maps.get(INNER).filter(|_| of_maps).map(|m| m.as_fd()),
                btf: value.map(|v| (types_fd.as_fd(), types.int.0, v.0)),
                ..create(d)
            })?;
            let mut frozen = None;
            if n == FROZEN {
                let mut bytes = TEXT.to_vec();
                bytes.resize(d.value as usize, 0);
                made.update(&[0; 4], &bytes, 0)?;
                made.freeze()?;
                frozen = Some(bytes.into());
            }
            let mut fields = Vec::new();
            if let Some(v) = value {
                special_fields(&types.btf, v, 0, 0, &mut fields);
            }
            let inner = shapes.get(INNER).filter(|_| of_maps).map(|(_, s)| s.clone());
            shapes.push((n as i32, Arc::new(MapShape { fields, inner, frozen, ..shape(n, d) })));
            maps.push(made);
        }
        let vmlinux = std::fs::read(VMLINUX).ok().and_then(|b| Btf::parse(&b).ok()).map(Arc::new);
        let id = |name: &&str| vmlinux.as_ref()?.find(name, Kind::Func).map(|t| t.0);
        Ok(Self {
            kfuncs: KFUNCS.iter().map(|k| id(k).unwrap_or(0)).collect(),
            funcs: types.funcs,
            types: Arc::new(types.btf),
            cpus: u32::try_from(skep_sys::cpu::possible()?).unwrap_or(u32::MAX),
            maps,
            shapes,
            types_fd,
            vmlinux,
        })
    }

    /// Asks the kernel.
    pub(super) fn load(&self, p: &Program) -> Result<Said, Errno> {
        self.load_as(p, true)
    }

    /// Asks the kernel, with a licence or without.
    pub(super) fn load_as(&self, p: &Program, gpl: bool) -> Result<Said, Errno> {
        let (errno, log) = self.load_logged(p, LOG_STATS, gpl)?;
        let processed = log.lines().rev().find_map(|l| l.strip_prefix("processed "));
        Ok(Said {
            errno,
            insns: processed.and_then(|l| l.split(' ').next()?.parse().ok()),
            message: message(&log),
            silent: log.trim().is_empty(),
        })
    }

    /// Both logs, with every state.
    pub(super) fn logs(&self, p: &Program) -> Result<(String, String), Errno> {
        let (errno, log) = self.load_logged(p, LOG_VERBOSE, true)?;
        let (outcome, ours) = verify_logged(&self.task(p), LogLevel::Full, SourceLines::new());
        Ok((format!("{log}\nerrno {errno}"), format!("{ours}\n{:?}", outcome.verdict)))
    }

    fn load_logged(&self, p: &Program, log_level: u32, gpl: bool) -> Result<(i32, String), Errno> {
        let mut insns = p.insns.clone();
        let halves = p.halves();
        let mut own: Vec<(i32, map::Map)> = Vec::new();
        for (i, _) in insns.iter_mut().zip(&halves).filter(|(_, half)| !**half) {
            match (i.opcode, i.src) {
                (WIDE, MAP | MAP_VALUE) if OWNED.contains(&i.imm) => {
                    let n = i.imm;
                    if !own.iter().any(|(m, _)| *m == n) {
                        own.push((n, map::Map::create(&create(&MAPS[n as usize]))?));
                    }
                    let found = own.iter().find(|(m, _)| *m == n);
                    i.imm = found.map_or(-1, |(_, m)| m.as_fd().as_raw_fd());
                }
                (WIDE, MAP | MAP_VALUE) => {
                    let map = usize::try_from(i.imm).ok().and_then(|n| self.maps.get(n));
                    i.imm = map.map_or(-1, |m| m.as_fd().as_raw_fd());
                }
                (CALL, KFUNC) => i.imm = self.kfunc(i),
                _ => {}
            }
        }
        let funcs: Vec<[u32; 2]> =
            p.funcs.iter().map(|(at, ty)| [*at as u32, self.funcs[*ty as usize].0]).collect();
        let (done, log) = load_logged(&LoadAttr {
            prog_type: p.prog_type,
            attach_type: p.attach_type,
            insns: &insns,
            license: if gpl { "GPL" } else { "none" },
            flags: p.flags,
            log_level,
            btf: (!funcs.is_empty()).then(|| self.types_fd.as_fd()),
            func_info: &funcs,
            ..LoadAttr::default()
        });
        Ok((done.err().map_or(0, |e| e.0), log))
    }

    fn kfunc(&self, i: &Insn) -> i32 {
        let id = usize::try_from(i.imm).ok().and_then(|n| self.kfuncs.get(n));
        id.map_or(-1, |id| *id as i32)
    }

    /// Asks skep.
    pub(super) fn verify(&self, p: &Program) -> Outcome {
        self.verify_as(p, true)
    }

    /// Asks skep, with a licence or without.
    pub(super) fn verify_as(&self, p: &Program, gpl: bool) -> Outcome {
        verify(&Task { gpl, ..self.task(p) })
    }

    /// The program as skep takes it.
    pub(super) fn task(&self, p: &Program) -> Task {
        let mut insns = p.insns.clone();
        let mut kfuncs = Vec::new();
        for i in insns.iter_mut().filter(|i| i.opcode == CALL && i.src == KFUNC) {
            let name = usize::try_from(i.imm).ok().and_then(|n| KFUNCS.get(n));
            i.imm = self.kfunc(i);
            if let Some(name) = name {
                kfuncs.push((i.imm, (*name).to_owned()));
            }
        }
        Task {
            name: String::new(),
            prog_type: p.prog_type,
            attach_type: p.attach_type,
            flags: p.flags,
            gpl: true,
            insns,
            maps: self.shapes.clone(),
            btf: (!p.funcs.is_empty()).then(|| self.types.clone()),
            func_info: p.funcs.iter().map(|(at, ty)| (*at, self.funcs[*ty as usize])).collect(),
            vmlinux: self.vmlinux.clone(),
            attach_func: None,
            privilege: Privilege::Root,
            cpus: self.cpus,
            kfuncs,
        }
    }
}

fn create(d: &MapDef) -> map::Create<'static> {
    map::Create {
        map_type: d.map_type,
        key_size: d.key,
        value_size: d.value,
        max_entries: d.max,
        flags: d.flags,
        ..map::Create::default()
    }
}

fn shape(n: usize, d: &MapDef) -> MapShape {
    MapShape {
        name: format!("m{n}"),
        map_type: d.map_type,
        key_size: d.key,
        value_size: d.value,
        max_entries: d.max,
        flags: d.flags,
        fields: Vec::new(),
        inner: None,
        frozen: None,
    }
}

/// The lines of a log that are no figures.
fn message(log: &str) -> String {
    let figures = ["processed ", "verification time ", "stack depth "];
    let lines: Vec<&str> = log.lines().filter(|l| !figures.iter().any(|f| l.starts_with(f))).collect();
    lines.join("\n")
}

/// Types of program that can be loaded without naming what they attach to, with their attach types.
pub(super) static PROG_TYPES: &[(ProgType, AttachType)] = &[
    (ProgType::XDP, AttachType::XDP),
    (ProgType::XDP, AttachType(0)),
    (ProgType::SCHED_CLS, AttachType(0)),
    (ProgType::SCHED_CLS, AttachType(0)),
    (ProgType::SCHED_ACT, AttachType(0)),
    (ProgType::SOCKET_FILTER, AttachType(0)),
    (ProgType::TRACEPOINT, AttachType(0)),
    (ProgType::KPROBE, AttachType(0)),
    (ProgType::PERF_EVENT, AttachType(0)),
    (ProgType::RAW_TRACEPOINT, AttachType(0)),
    (ProgType::CGROUP_SKB, AttachType::CGROUP_INET_EGRESS),
    (ProgType::CGROUP_SKB, AttachType::CGROUP_INET_INGRESS),
    (ProgType::CGROUP_SOCK, AttachType::CGROUP_INET_SOCK_CREATE),
    (ProgType::CGROUP_SOCK, AttachType::CGROUP_INET4_POST_BIND),
    (ProgType::CGROUP_DEVICE, AttachType::CGROUP_DEVICE),
    (ProgType::CGROUP_SYSCTL, AttachType::CGROUP_SYSCTL),
    (ProgType::CGROUP_SOCKOPT, AttachType::CGROUP_SETSOCKOPT),
    (ProgType::CGROUP_SOCKOPT, AttachType::CGROUP_GETSOCKOPT),
    (ProgType::CGROUP_SOCK_ADDR, AttachType::CGROUP_INET4_BIND),
    (ProgType::CGROUP_SOCK_ADDR, AttachType::CGROUP_INET6_CONNECT),
    (ProgType::CGROUP_SOCK_ADDR, AttachType::CGROUP_UDP4_SENDMSG),
    (ProgType::LWT_IN, AttachType(0)),
    (ProgType::LWT_OUT, AttachType(0)),
    (ProgType::LWT_XMIT, AttachType(0)),
    (ProgType::LWT_SEG6LOCAL, AttachType(0)),
    (ProgType::SOCK_OPS, AttachType::CGROUP_SOCK_OPS),
    (ProgType::SK_SKB, AttachType::SK_SKB_STREAM_VERDICT),
    (ProgType::SK_MSG, AttachType::SK_MSG_VERDICT),
    (ProgType::SK_REUSEPORT, AttachType::SK_REUSEPORT_SELECT),
    (ProgType::SK_LOOKUP, AttachType::SK_LOOKUP),
    (ProgType::FLOW_DISSECTOR, AttachType::FLOW_DISSECTOR),
    (ProgType::NETFILTER, AttachType::NETFILTER),
    (ProgType::SYSCALL, AttachType(0)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_the_fields_that_the_kernel_manages() {
        let types = Types::new();
        assert_eq!(types.funcs.len(), GLOBALS.len() + GLOBAL as usize);
        let mut fields = Vec::new();
        special_fields(&types.btf, types.locked, 0, 0, &mut fields);
        special_fields(&types.btf, types.timed, 0, 0, &mut fields);
        assert_eq!(fields.len(), 2, "{fields:?}");
    }

    #[test]
    fn figures_are_no_message() {
        assert_eq!(message("R0 !read_ok\nprocessed 1 insns (limit 1000000)\n"), "R0 !read_ok");
    }
}
