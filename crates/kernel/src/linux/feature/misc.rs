//! What is neither a type nor a helper: instruction sets, loops, sizes, kinds of BTF, commands; and the settings of the
//! machine.

use std::os::fd::AsFd;

use skep_abi::{AttachType, Cmd, MapType, ProgType};
use skep_btf::{Builder, FuncLinkage, IntEncoding, TypeId, VarLinkage};
use skep_isa::Insn;
use skep_sys::map::{Create, Cursor, Map};
use skep_sys::{Errno, commands};

use super::prog::{EXIT, answer};
use super::{Feature, Prober, State, why};
use crate::linux::types::HERE;

/// How something is tried.
enum Try {
    /// A socket filter of this code.
    Code(fn() -> Vec<Insn>),
    /// A map.
    Map(fn() -> Create<'static>),
    /// A kind of BTF.
    Btf(fn(&mut Builder, TypeId)),
    /// A command of bpf(2).
    Command(Cmd),
    /// Something of its own.
    Own(fn(&Prober) -> Result<(), Errno>),
}

struct Row(&'static str, &'static str, Try);

const fn insn(opcode: u8, dst: u8, src: u8, off: i16, imm: i32) -> Insn {
    Insn { opcode, dst, src, off, imm }
}

const ROWS: &[Row] = &[
    Row("large_insn_limit", "programs of more than 4,096 instructions", Try::Code(large)),
    Row("bounded_loops", "loops that the verifier can count", Try::Code(bounded_loop)),
    Row("isa_v2", "cpu v2: jumps if less", Try::Code(|| code(&[insn(0xa5, 0, 0, 0, 1)]))),
    Row("isa_v3", "cpu v3: jumps on 32 bits", Try::Code(|| code(&[insn(0x16, 0, 0, 0, 1)]))),
    Row("isa_v4", "cpu v4: signed division, sign extension, byte swaps, long jumps", Try::Code(v4)),
    Row("atomics", "atomic operations that fetch, exchange, compare", Try::Code(atomics)),
    Row("load_acquire", "load-acquire and store-release", Try::Code(load_acquire)),
    Row("may_goto", "loops that the kernel ends when they take too long", Try::Code(may_goto)),
    Row("bpf_to_bpf_calls", "functions within programs", Try::Code(subprogram)),
    Row("global_data", "addresses of map values in code", Try::Own(global_data)),
    Row("mmapable_arrays", "arrays that userspace maps into memory", Try::Map(mmapable)),
    Row("map_batch", "many elements in one call", Try::Own(batch)),
    Row("btf_vmlinux", "the kernel's own types", Try::Own(btf_of_kernel)),
    Row("btf_datasec", "BTF: variables and sections", Try::Btf(datasec)),
    Row("btf_func_global", "BTF: linkage of functions", Try::Btf(global_func)),
    Row("btf_float", "BTF: floating point", Try::Btf(|b, _| _ = b.float("float", 4))),
    Row("btf_decl_tag", "BTF: tags of declarations", Try::Btf(decl_tag)),
    Row("btf_type_tag", "BTF: tags of types", Try::Btf(type_tag)),
    Row(
        "btf_enum64",
        "BTF: enums of 64 bits",
        Try::Btf(|b, _| _ = b.enum64("e", 8, false, &[("A", 1 << 40)])),
    ),
    Row("map_freeze", "maps that userspace may write no more", Try::Command(Cmd::MAP_FREEZE)),
    Row("test_run", "programs run on given input", Try::Command(Cmd::PROG_TEST_RUN)),
    Row("links", "attachments that go with their descriptor", Try::Command(Cmd::LINK_CREATE)),
    Row("link_update", "programs replaced without a gap", Try::Command(Cmd::LINK_UPDATE)),
    Row("link_detach", "links detached by force", Try::Command(Cmd::LINK_DETACH)),
    Row("iterators", "iterators over objects of the kernel", Try::Command(Cmd::ITER_CREATE)),
    Row("prog_bind_map", "maps that live as long as a program", Try::Command(Cmd::PROG_BIND_MAP)),
    Row("tokens", "rights handed out by a BPF file system", Try::Command(Cmd::TOKEN_CREATE)),
    Row("streams", "standard output and errors of programs", Try::Command(Cmd::PROG_STREAM_READ_BY_FD)),
    Row("ring_buffer", "the ring buffer", Try::Own(|p| map_there(p, MapType::RINGBUF))),
    Row(
        "user_ring_buffer",
        "a ring buffer that userspace writes",
        Try::Own(|p| map_there(p, MapType::USER_RINGBUF)),
    ),
    Row("arena", "memory shared with userspace, with pointers", Try::Own(|p| map_there(p, MapType::ARENA))),
    Row("tcx", "tc programs by link", Try::Own(|p| attach_there(p, AttachType::TCX_INGRESS))),
    Row("netkit", "programs of netkit devices", Try::Own(|p| attach_there(p, AttachType::NETKIT_PRIMARY))),
    Row("netfilter", "programs at netfilter hooks", Try::Own(|p| attach_there(p, AttachType::NETFILTER))),
    Row(
        "uprobe_multi",
        "many user functions by one link",
        Try::Own(|p| attach_there(p, AttachType::TRACE_UPROBE_MULTI)),
    ),
    Row(
        "kprobe_multi",
        "many kernel functions by one link",
        Try::Own(|p| attach_there(p, AttachType::TRACE_KPROBE_MULTI)),
    ),
    Row(
        "run_time_stats",
        "counting runs and their time",
        Try::Own(|_| skep_sys::stats::enable_run_time().map(drop)),
    ),
];

impl Prober {
    /// Everything else that can be tried.
    pub fn misc(&self) -> Vec<Feature> {
        let feature = |row: &Row| Feature { name: row.0, about: row.1, state: self.attempt(&row.2) };
        ROWS.iter().map(feature).collect()
    }

    fn attempt(&self, what: &Try) -> State {
        let done = match what {
            Try::Code(make) => match self.try_load(ProgType::SOCKET_FILTER, AttachType(0), &make(), 0) {
                Ok(done) => done.map(drop).map_err(|e| e.errno),
                Err(why) => return State::Unknown(why),
            },
            Try::Map(make) => Map::create(&make()).map(drop),
            Try::Btf(add) => load_btf(*add),
            Try::Command(cmd) => match commands::answer(*cmd) {
                Some(Errno::EBADF) | None => Ok(()),
                Some(errno) => Err(errno),
            },
            Try::Own(run) => run(self),
        };
        match done {
            Ok(()) => State::Available,
            Err(errno) => State::Absent { errno, why: why::likely(&self.vmlinux, errno, None) },
        }
    }
}

/// `r0 = 0`, these instructions, and two ways to end.
fn code(middle: &[Insn]) -> Vec<Insn> {
    let mut out = vec![answer(0)];
    out.extend_from_slice(middle);
    out.extend([answer(1), EXIT]);
    out
}

fn large() -> Vec<Insn> {
    code(&[answer(0); 4096])
}

fn bounded_loop() -> Vec<Insn> {
    code(&[insn(0x07, 0, 0, 0, 1), insn(0xa5, 0, 0, -2, 10)])
}

fn v4() -> Vec<Insn> {
    code(&[
        insn(0x37, 0, 0, 1, 3),
        insn(0xbf, 0, 0, 8, 0),
        insn(0xd7, 0, 0, 0, 16),
        insn(0x7a, 10, 0, -8, 0),
        insn(0x91, 0, 10, -8, 0),
        insn(0x06, 0, 0, 0, 0),
    ])
}

fn atomics() -> Vec<Insn> {
    code(&[insn(0x7a, 10, 0, -8, 0), insn(0xdb, 10, 0, -8, 0xe1), insn(0xdb, 10, 0, -8, 0x01)])
}

fn load_acquire() -> Vec<Insn> {
    code(&[insn(0x7a, 10, 0, -8, 0), insn(0xdb, 0, 10, -8, 0x100), insn(0xdb, 10, 0, -8, 0x110)])
}

fn may_goto() -> Vec<Insn> {
    code(&[insn(0xe5, 0, 0, 1, 0), insn(0x05, 0, 0, -2, 0)])
}

fn subprogram() -> Vec<Insn> {
    vec![insn(0x85, 0, 1, 0, 1), EXIT, answer(1), EXIT]
}

fn mmapable() -> Create<'static> {
    const MMAPABLE: u32 = 1 << 10;
    Create { flags: MMAPABLE, ..word() }
}

fn word() -> Create<'static> {
    Create {
        map_type: MapType::ARRAY,
        name: "skep_probe",
        key_size: 4,
        value_size: 8,
        max_entries: 1,
        ..Create::default()
    }
}

fn global_data(prober: &Prober) -> Result<(), Errno> {
    use std::os::fd::AsRawFd;
    let map = Map::create(&word())?;
    let code = [insn(0x18, 1, 2, 0, map.as_fd().as_raw_fd()), insn(0, 0, 0, 0, 0), answer(0), EXIT];
    let done = prober.try_load(ProgType::SOCKET_FILTER, AttachType(0), &code, 0);
    done.map_or(Err(Errno::EINVAL), |done| done.map(drop).map_err(|e| e.errno))
}

fn batch(_: &Prober) -> Result<(), Errno> {
    let map = Map::create(&word())?;
    map.lookup_batch(&mut Cursor::default(), 1).map(drop)
}

fn btf_of_kernel(prober: &Prober) -> Result<(), Errno> {
    prober.vmlinux.btf().map(drop).map_err(|_| Errno::ENOENT)
}

fn map_there(prober: &Prober, map_type: MapType) -> Result<(), Errno> {
    there(&prober.map_type(map_type))
}

fn attach_there(prober: &Prober, attach_type: AttachType) -> Result<(), Errno> {
    prober.attach_type(attach_type).map_or(Err(Errno::EINVAL), |found| there(&found.state))
}

fn there(state: &State) -> Result<(), Errno> {
    match state {
        State::Available => Ok(()),
        State::Absent { errno, .. } => Err(*errno),
        State::Unknown(_) => Err(Errno::EPERM),
    }
}

fn load_btf(add: fn(&mut Builder, TypeId)) -> Result<(), Errno> {
    let mut b = Builder::new(HERE);
    let int = b.int("int", 4, IntEncoding { signed: true, ..IntEncoding::default() });
    add(&mut b, int);
    let btf = b.finish().map_err(|_| Errno::EINVAL)?;
    skep_sys::btf::load(&btf.to_bytes(HERE)).map(drop).map_err(|e| e.errno)
}

fn datasec(b: &mut Builder, int: TypeId) {
    let ty = b.var("x", int, VarLinkage::Static);
    b.datasec(".data", 4, &[skep_btf::VarSecInfo { ty, offset: 0, size: 4 }]);
}

fn global_func(b: &mut Builder, int: TypeId) {
    let proto = b.func_proto(int, &[("x", int)]);
    b.func("f", proto, FuncLinkage::Global);
}

fn decl_tag(b: &mut Builder, int: TypeId) {
    let var = b.var("x", int, VarLinkage::Static);
    b.decl_tag("t", var, -1);
}

fn type_tag(b: &mut Builder, int: TypeId) {
    let tag = b.type_tag("t", int);
    b.ptr(tag);
}

/// A setting of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name: of the sysctl, or of the build option.
    pub name: &'static str,
    /// Its value; `None` if it cannot be read or is not set.
    pub value: Option<String>,
    /// What the value means.
    pub about: &'static str,
}

/// A sysctl, the values that have a meaning, and the meanings.
struct Sysctl(&'static str, &'static [(&'static str, &'static str)]);

const SYSCTLS: &[Sysctl] = &[
    Sysctl(
        "kernel.unprivileged_bpf_disabled",
        &[
            ("0", "anyone may load socket filters and cgroup_skb programs"),
            ("1", "bpf(2) needs CAP_BPF, until the next boot"),
            ("2", "bpf(2) needs CAP_BPF"),
        ],
    ),
    Sysctl(
        "net.core.bpf_jit_enable",
        &[
            ("0", "programs are interpreted"),
            ("1", "programs are compiled"),
            ("2", "compiled code goes to the log"),
        ],
    ),
    Sysctl(
        "net.core.bpf_jit_harden",
        &[
            ("0", "no constant blinding"),
            ("1", "constants of unprivileged programs are blinded"),
            ("2", "constants of all programs are blinded, and addresses hidden"),
        ],
    ),
    Sysctl(
        "net.core.bpf_jit_kallsyms",
        &[("0", "compiled programs are not in kallsyms"), ("1", "root sees them")],
    ),
    Sysctl("net.core.bpf_jit_limit", &[]),
    Sysctl(
        "kernel.bpf_stats_enabled",
        &[("0", "runs are not counted"), ("1", "runs and their time are counted")],
    ),
    Sysctl("kernel.perf_event_paranoid", &[]),
    Sysctl("kernel.kptr_restrict", &[("0", "addresses are shown"), ("2", "addresses are hidden from all")]),
];

const OPTIONS: &[&str] = &[
    "CONFIG_BPF_SYSCALL",
    "CONFIG_BPF_JIT",
    "CONFIG_BPF_JIT_ALWAYS_ON",
    "CONFIG_DEBUG_INFO_BTF",
    "CONFIG_CGROUP_BPF",
    "CONFIG_BPF_EVENTS",
    "CONFIG_KPROBE_EVENTS",
    "CONFIG_UPROBE_EVENTS",
    "CONFIG_FTRACE_SYSCALLS",
    "CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS",
    "CONFIG_FPROBE",
    "CONFIG_BPF_LSM",
    "CONFIG_BPF_KPROBE_OVERRIDE",
    "CONFIG_NET_CLS_BPF",
    "CONFIG_NET_ACT_BPF",
    "CONFIG_NET_CLS_ACT",
    "CONFIG_NET_SCH_INGRESS",
    "CONFIG_XDP_SOCKETS",
    "CONFIG_LWTUNNEL_BPF",
    "CONFIG_NETFILTER_XT_MATCH_BPF",
    "CONFIG_NETFILTER_BPF_LINK",
    "CONFIG_NETKIT",
    "CONFIG_SCHED_CLASS_EXT",
    "CONFIG_IPV6_SEG6_BPF",
    "CONFIG_BPF_STREAM_PARSER",
    "CONFIG_BPF_LIRC_MODE2",
];

/// What sysctls say, and build options where the configuration can be read.
pub fn settings(kernel: &crate::Kernel) -> Vec<Setting> {
    let sysctl = |row: &Sysctl| {
        let path = format!("/proc/sys/{}", row.0.replace('.', "/"));
        let value = std::fs::read_to_string(path).ok().map(|v| v.trim().to_owned());
        let about = row.1.iter().find(|(v, _)| value.as_deref() == Some(*v)).map_or("", |(_, about)| *about);
        Setting { name: row.0, value, about }
    };
    let mut out: Vec<Setting> = SYSCTLS.iter().map(sysctl).collect();
    if kernel.vmlinux.has_config() {
        out.extend(OPTIONS.iter().map(|name| {
            let value = kernel.vmlinux.config(name).map(str::to_owned);
            Setting { name, value, about: "" }
        }));
    }
    out
}
