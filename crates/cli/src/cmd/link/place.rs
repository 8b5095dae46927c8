//! Where a link is attached, as bpftool says it.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use skep::abi::AttachType;
use skep::kernel::objects::links::{Info, PerfPlace, Place};
use skep::kernel::objects::{Ksyms, Prog, interfaces};

use super::super::live::plain;

/// What names numbers have in this system, asked when first needed.
#[derive(Default)]
pub(in crate::cmd) struct Around {
    interfaces: OnceCell<BTreeMap<u32, String>>,
    symbols: OnceCell<Ksyms>,
}

impl Around {
    fn interface(&self, index: u32) -> Option<&str> {
        self.interfaces.get_or_init(interfaces).get(&index).map(String::as_str)
    }

    /// The function that an address is in: programs on x86-64 may sit behind its first instruction (endbr).
    fn function(&self, address: u64) -> (&str, Option<&str>) {
        let symbols = self.symbols.get_or_init(Ksyms::read);
        let found = symbols.at(address).or_else(|| symbols.at(address.checked_sub(4)?));
        found.map_or(("", None), |s| (s.name, s.module))
    }
}

const RETURN: u32 = 1;
const FAMILIES: &[(u32, &str)] =
    &[(1, "inet"), (2, "ip"), (3, "arp"), (5, "netdev"), (7, "bridge"), (10, "ip6")];
const HOOKS: &[&str] = &["prerouting", "input", "forward", "output", "postrouting"];
const ORDERS: &[&str] = &["order_unspec", "self_only", "descendants_pre", "descendants_post", "ancestors_up"];
const PERF_TYPES: &[&str] = &["hardware", "software", "tracepoint", "hw-cache", "raw", "breakpoint"];
const HARDWARE: &[&str] = &[
    "cpu-cycles",
    "instructions",
    "cache-references",
    "cache-misses",
    "branch-instructions",
    "branch-misses",
    "bus-cycles",
    "stalled-cycles-frontend",
    "stalled-cycles-backend",
    "ref-cycles",
];
const SOFTWARE: &[&str] = &[
    "cpu-clock",
    "task-clock",
    "page-faults",
    "context-switches",
    "cpu-migrations",
    "minor-faults",
    "major-faults",
    "alignment-faults",
    "emulation-faults",
    "dummy",
    "bpf-output",
    "cgroup-switches",
];
const CACHES: &[&str] = &["L1-dcache", "L1-icache", "LLC", "dTLB", "iTLB", "branch", "node"];
const CACHE_OPS: &[&str] = &["load", "store", "prefetch"];
const CACHE_RESULTS: &[&str] = &["refs", "misses"];

fn nth(table: &'static [&str], n: u64) -> Option<&'static str> {
    table.get(usize::try_from(n).ok()?).copied()
}

/// The name of what a perf event counts.
fn perf_config(kind: u32, config: u64) -> Option<String> {
    let part = |table, n: u64| nth(table, n).map_or_else(|| n.to_string(), str::to_owned);
    match kind {
        0 => nth(HARDWARE, config).map(str::to_owned),
        1 => nth(SOFTWARE, config).map(str::to_owned),
        3 => {
            let (op, result) = (part(CACHE_OPS, config >> 8 & 0xff), part(CACHE_RESULTS, config >> 16));
            Some(format!("{}-{op}-{result}", part(CACHES, config & 0xff)))
        }
        _ => None,
    }
}

fn named(attach_type: AttachType) -> Value {
    attach_type.name().map_or_else(|| attach_type.0.into(), Value::from)
}

fn prog_type(id: u32) -> Value {
    let prog = Prog::by_id(id).ok().flatten();
    prog.map_or(Value::Null, |p| p.prog_type().name().map_or_else(|| p.info.r#type.into(), Value::from))
}

/// What an iterator goes over, besides its name.
fn iter_facts(name: &str, map_id: u32, words: [u64; 2]) -> Vec<(&'static str, Value)> {
    let halves = |w: u64| {
        let b = w.to_ne_bytes();
        (u32::from_ne_bytes([b[0], b[1], b[2], b[3]]), u32::from_ne_bytes([b[4], b[5], b[6], b[7]]))
    };
    let (tid, pid) = halves(words[0]);
    match name {
        "bpf_map_elem" | "bpf_sk_storage_map" => vec![("map_id", map_id.into())],
        "task" | "task_file" | "task_vma" if tid != 0 => vec![("tid", tid.into())],
        "task" | "task_file" | "task_vma" if pid != 0 => vec![("pid", pid.into())],
        "cgroup" => {
            let order = nth(ORDERS, halves(words[1]).0.into()).unwrap_or("unknown");
            vec![("cgroup_id", words[0].into()), ("order", order.into())]
        }
        _ => Vec::new(),
    }
}

/// What a link's type adds to its JSON.
pub(super) fn json(info: &Info, around: &Around, o: &mut Map<String, Value>) {
    let mut put = |name: &str, value: Value| _ = o.insert(name.to_owned(), value);
    match &info.place {
        Place::RawTracepoint { tp_name, cookie } => {
            put("tp_name", tp_name.as_str().into());
            put("cookie", (*cookie).into());
        }
        Place::Tracing { attach_type, target_obj_id, target_btf_id, cookie } => {
            put("prog_type", prog_type(info.prog_id));
            put("attach_type", named(*attach_type));
            put("target_obj_id", (*target_obj_id).into());
            put("target_btf_id", (*target_btf_id).into());
            put("cookie", (*cookie).into());
        }
        Place::Cgroup { cgroup_id, attach_type } => {
            put("cgroup_id", (*cgroup_id).into());
            put("attach_type", named(*attach_type));
        }
        Place::Iter { target_name, map_id, words } => {
            put("target_name", target_name.as_str().into());
            iter_facts(target_name, *map_id, *words).into_iter().for_each(|(name, value)| put(name, value));
        }
        Place::Netns { netns_ino, attach_type } => {
            put("netns_ino", (*netns_ino).into());
            put("attach_type", named(*attach_type));
        }
        Place::Netfilter { pf, hooknum, priority, flags } => {
            put("pf", (*pf).into());
            put("hook", (*hooknum).into());
            put("prio", (*priority).into());
            put("flags", (*flags).into());
        }
        Place::Xdp { ifindex } => device(*ifindex, around).into_iter().for_each(|(n, v)| put(n, v)),
        Place::Tcx { ifindex, attach_type } | Place::Netkit { ifindex, attach_type } => {
            device(*ifindex, around).into_iter().for_each(|(n, v)| put(n, v));
            put("attach_type", named(*attach_type));
        }
        Place::Sockmap { map_id, attach_type } => {
            put("map_id", (*map_id).into());
            put("attach_type", named(*attach_type));
        }
        Place::StructOps { map_id } => put("map_id", (*map_id).into()),
        Place::KprobeMulti { .. } | Place::UprobeMulti { .. } => multi_json(&info.place, around, put),
        Place::PerfEvent(place) => perf_json(place, put),
        Place::Other => {}
    }
}

fn device(ifindex: u32, around: &Around) -> [(&'static str, Value); 2] {
    let name = match ifindex {
        0 => "(detached)",
        n => around.interface(n).unwrap_or("(unknown)"),
    };
    [("devname", name.into()), ("ifindex", ifindex.into())]
}

fn multi_json(place: &Place, around: &Around, mut put: impl FnMut(&str, Value)) {
    match place {
        Place::KprobeMulti { flags, missed, addrs, cookies } => {
            put("retprobe", (flags & RETURN != 0).into());
            put("func_cnt", addrs.len().into());
            put("missed", (*missed).into());
            let one = |(addr, cookie): (u64, u64)| {
                let (func, module) = around.function(addr);
                json!({"addr": addr, "func": func, "module": module, "cookie": cookie})
            };
            put("funcs", by_address(addrs, cookies).into_iter().map(one).collect());
        }
        Place::UprobeMulti { path, flags, pid, offsets, ref_ctr_offsets, cookies } => {
            put("retprobe", (flags & RETURN != 0).into());
            put("path", path.as_str().into());
            put("func_cnt", offsets.len().into());
            put("pid", pid.cast_signed().into());
            let all = offsets.iter().zip(ref_ctr_offsets).zip(cookies);
            let one = |((offset, counter), cookie): ((&u64, &u64), &u64)| json!({"offset": offset, "ref_ctr_offset": counter, "cookie": cookie});
            put("funcs", all.map(one).collect());
        }
        _ => {}
    }
}

fn by_address(addrs: &[u64], cookies: &[u64]) -> Vec<(u64, u64)> {
    let mut all: Vec<_> = addrs.iter().copied().zip(cookies.iter().copied()).collect();
    all.sort_unstable();
    all
}

fn perf_json(place: &PerfPlace, mut put: impl FnMut(&str, Value)) {
    match place {
        PerfPlace::Unknown => {}
        PerfPlace::Event { config, r#type, cookie } => {
            let kind = nth(PERF_TYPES, (*r#type).into()).map_or_else(|| (*r#type).into(), Value::from);
            put("event_type", kind);
            put("event_config", perf_config(*r#type, *config).map_or_else(|| (*config).into(), Value::from));
            put("cookie", (*cookie).into());
        }
        PerfPlace::Tracepoint { tp_name, cookie } => {
            put("tracepoint", tp_name.as_str().into());
            put("cookie", (*cookie).into());
        }
        PerfPlace::Kprobe { ret, func_name, offset, addr, missed, cookie } => {
            put("retprobe", (*ret).into());
            put("addr", (*addr).into());
            put("func", func_name.as_str().into());
            put("offset", (*offset).into());
            put("missed", (*missed).into());
            put("cookie", (*cookie).into());
        }
        PerfPlace::Uprobe { ret, file_name, offset, cookie, ref_ctr_offset } => {
            put("retprobe", (*ret).into());
            put("file", file_name.as_str().into());
            put("offset", (*offset).into());
            put("cookie", (*cookie).into());
            put("ref_ctr_offset", (*ref_ctr_offset).into());
        }
    }
}

/// What follows the head of a link's lines.
pub(super) fn text(info: &Info, around: &Around) -> String {
    let attach = |t: &AttachType| format!("attach_type {t}  ");
    let interface = |index: u32| match around.interface(index) {
        _ if index == 0 => "ifindex (detached)  ".to_owned(),
        Some(name) => format!("ifindex {name}({index})  "),
        None => "ifindex (unknown)  ".to_owned(),
    };
    let cookie = |n: u64| if n == 0 { String::new() } else { format!("cookie {n}  ") };
    match &info.place {
        Place::RawTracepoint { tp_name, cookie: n } => format!("\n\ttp '{}'  {}", plain(tp_name), cookie(*n)),
        Place::Tracing { attach_type, target_obj_id, target_btf_id, cookie: n } => {
            let kind = prog_type(info.prog_id);
            let kind = kind.as_str().map_or_else(|| kind.to_string(), str::to_owned);
            let target = match (target_obj_id, target_btf_id) {
                (0, 0) => String::new(),
                (object, id) => format!("\n\ttarget_obj_id {object}  target_btf_id {id}  "),
            };
            let cookie = if *n == 0 { String::new() } else { format!("\n\tcookie {n}  ") };
            format!("\n\tprog_type {kind}  {}{target}{cookie}", attach(attach_type))
        }
        Place::Cgroup { cgroup_id, attach_type } => {
            format!("\n\tcgroup_id {cgroup_id}  {}", attach(attach_type))
        }
        Place::Iter { target_name, map_id, words } => {
            let facts = iter_facts(target_name, *map_id, *words).into_iter();
            let facts: String = facts
                .map(|(n, v)| format!("{n} {}  ", v.as_str().map_or(v.to_string(), str::to_owned)))
                .collect();
            format!("target_name {}  {facts}", plain(target_name))
        }
        Place::Netns { netns_ino, attach_type } => {
            format!("\n\tnetns_ino {netns_ino}  {}", attach(attach_type))
        }
        Place::Netfilter { pf, hooknum, priority, flags } => netfilter(*pf, *hooknum, *priority, *flags),
        Place::Tcx { ifindex, attach_type } | Place::Netkit { ifindex, attach_type } => {
            format!("\n\t{}{}", interface(*ifindex), attach(attach_type))
        }
        Place::Sockmap { map_id, attach_type } => format!("\n\tmap_id {map_id}  {}", attach(attach_type)),
        Place::Xdp { ifindex } => format!("\n\t{}", interface(*ifindex)),
        Place::KprobeMulti { .. } | Place::UprobeMulti { .. } => multi_text(&info.place, around),
        Place::PerfEvent(place) => perf_text(place),
        Place::StructOps { .. } | Place::Other => String::new(),
    }
}

/// `ip prerouting prio -128`, on a line of its own.
pub(in crate::cmd) fn netfilter(pf: u32, hook: u32, priority: i32, flags: u32) -> String {
    let family = FAMILIES.iter().find(|f| f.0 == pf).map_or_else(|| format!("pf: {pf}"), |f| f.1.to_owned());
    let hooks = if pf == 3 { &["input", "output"] } else { HOOKS };
    let hook = nth(hooks, hook.into()).map_or_else(|| format!(", hook {hook},"), |h| format!(" {h}"));
    let flags = if flags == 0 { String::new() } else { format!(" flags {flags:#x}") };
    format!("\n\t{family}{hook} prio {priority}{flags}")
}

fn multi_text(place: &Place, around: &Around) -> String {
    match place {
        Place::KprobeMulti { flags, missed, addrs, cookies } if !addrs.is_empty() => {
            let name = if flags & RETURN != 0 { "kretprobe.multi" } else { "kprobe.multi" };
            let missed = if *missed == 0 { String::new() } else { format!("missed {missed}  ") };
            let mut text = format!("\n\t{name}  func_cnt {}  {missed}", addrs.len());
            text += &format!("\n\t{:<16} {:<16} func [module]", "addr", "cookie");
            for (addr, cookie) in by_address(addrs, cookies) {
                let (func, module) = around.function(addr);
                let module = module.map_or_else(String::new, |m| format!(" [{m}]"));
                text += &format!("\n\t{addr:016x} {cookie:<16x} {func}{module}");
            }
            text
        }
        Place::UprobeMulti { path, flags, pid, offsets, ref_ctr_offsets, cookies } if !offsets.is_empty() => {
            let name = if flags & RETURN != 0 { "uretprobe.multi" } else { "uprobe.multi" };
            let pid = if *pid == 0 { String::new() } else { format!("pid {pid}  ") };
            let mut text = format!("\n\t{name}  path {}  func_cnt {}  {pid}", plain(path), offsets.len());
            text += &format!("\n\t{:<16}   {:<16}   {:<16}", "offset", "ref_ctr_offset", "cookies");
            for ((offset, counter), cookie) in offsets.iter().zip(ref_ctr_offsets).zip(cookies) {
                text += &format!("\n\t0x{offset:<16x} 0x{counter:<16x} 0x{cookie:<16x}");
            }
            text
        }
        _ => String::new(),
    }
}

fn perf_text(place: &PerfPlace) -> String {
    let fact = |name: &str, n: u64| if n == 0 { String::new() } else { format!("{name} {n}  ") };
    match place {
        PerfPlace::Event { config, r#type, cookie } => {
            let kind = nth(PERF_TYPES, (*r#type).into()).map_or_else(|| format!("{type} "), str::to_owned);
            let config = perf_config(*r#type, *config).unwrap_or_else(|| config.to_string());
            format!("\n\tevent {kind}:{config}  {}", fact("cookie", *cookie))
        }
        PerfPlace::Tracepoint { tp_name, cookie } if !tp_name.is_empty() => {
            format!("\n\ttracepoint {}  {}", plain(tp_name), fact("cookie", *cookie))
        }
        PerfPlace::Kprobe { ret, func_name, offset, addr, missed, cookie }
            if !func_name.is_empty() || *addr != 0 =>
        {
            let name = if *ret { "kretprobe" } else { "kprobe" };
            let addr = if *addr == 0 { String::new() } else { format!("{addr:x} ") };
            let offset = if *offset == 0 { String::new() } else { format!("+{offset:#x}") };
            let facts = [("missed", *missed), ("cookie", *cookie)].into_iter().filter(|f| f.1 != 0);
            let facts: String = facts.map(|(name, n)| format!("  {name} {n}")).collect();
            format!("\n\t{name} {addr}{}{offset}{facts}  ", plain(func_name))
        }
        PerfPlace::Uprobe { ret, file_name, offset, cookie, ref_ctr_offset } if !file_name.is_empty() => {
            let name = if *ret { "uretprobe" } else { "uprobe" };
            let counter = if *ref_ctr_offset == 0 {
                String::new()
            } else {
                format!("ref_ctr_offset {ref_ctr_offset:#x}  ")
            };
            format!("\n\t{name} {}+{offset:#x}  {}{counter}", plain(file_name), fact("cookie", *cookie))
        }
        _ => String::new(),
    }
}
