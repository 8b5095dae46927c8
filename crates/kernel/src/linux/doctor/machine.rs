//! Rights, settings and mounts.

use std::path::Path;

use skep_abi::{MapType, ProgType};
use skep_sys::{Cap, caps, caps::Caps, cgroup, memlock, pin, tracefs};

use super::{Finding, Patient, Severity};

/// Program types that trace.
const TRACING: &[ProgType] = &[
    ProgType::KPROBE,
    ProgType::TRACEPOINT,
    ProgType::PERF_EVENT,
    ProgType::RAW_TRACEPOINT,
    ProgType::RAW_TRACEPOINT_WRITABLE,
    ProgType::TRACING,
    ProgType::LSM,
];
/// Program types that attach to cgroups.
const CGROUP: &[ProgType] = &[
    ProgType::CGROUP_SKB,
    ProgType::CGROUP_SOCK,
    ProgType::CGROUP_SOCK_ADDR,
    ProgType::CGROUP_DEVICE,
    ProgType::CGROUP_SYSCTL,
    ProgType::CGROUP_SOCKOPT,
    ProgType::SOCK_OPS,
];

/// A file of /proc/sys, trimmed.
fn sysctl(name: &str) -> Option<String> {
    let path = format!("/proc/sys/{}", name.replace('.', "/"));
    std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

pub(super) fn rights(patient: &Patient<'_>) -> Vec<Finding> {
    let Ok(caps) = Caps::current() else { return Vec::new() };
    let mut out: Vec<Finding> = Vec::new();
    for (cap, what) in patient.capabilities() {
        if caps.has(cap) || out.iter().any(|f| f.title.contains(&cap.to_string())) {
            continue;
        }
        let severity = if cap == Cap::SYS_ADMIN && patient.object.is_none() {
            Severity::Warning
        } else {
            Severity::Error
        };
        out.push(Finding::new(
            "D01",
            severity,
            format!("{cap} is missing: {what}"),
            "it is not among the effective capabilities of this process",
            format!(
                "run it as root, or: capsh --keep=1 --addamb={} -- -c ...",
                cap.to_string().to_lowercase()
            ),
        ));
    }
    out
}

pub(super) fn unprivileged(patient: &Patient<'_>) -> Vec<Finding> {
    let Some(level) = caps::unprivileged_disabled() else { return Vec::new() };
    let bpf = Caps::current().is_ok_and(|c| c.has(Cap::BPF));
    let evidence = format!("kernel.unprivileged_bpf_disabled is {level}");
    match (level, bpf) {
        (0, _) if patient.object.is_none() => vec![Finding::new(
            "D02",
            Severity::Note,
            "any process may use bpf(2) for socket filters and cgroup_skb programs",
            evidence,
            "sysctl kernel.unprivileged_bpf_disabled=2 forbids it",
        )],
        (1 | 2, false) => vec![Finding::new(
            "D02",
            Severity::Error,
            "bpf(2) is closed to processes without rights",
            evidence,
            if level == 1 {
                "use CAP_BPF; the setting holds until the next boot"
            } else {
                "use CAP_BPF; an administrator could set it to 0, which is not advised"
            },
        )],
        _ => Vec::new(),
    }
}

pub(super) fn memlock(_: &Patient<'_>) -> Vec<Finding> {
    const ENOUGH: u64 = 64 << 20;
    let Ok(limit) = memlock::limit() else { return Vec::new() };
    if limit.current >= ENOUGH || !memlock::counts() {
        return Vec::new();
    }
    vec![Finding::new(
        "D03",
        Severity::Warning,
        "this kernel charges maps to the limit of locked memory, which is low",
        format!("{} bytes; kernels before 5.11 count maps and programs there", limit.current),
        "ulimit -l unlimited, or LimitMEMLOCK=infinity in a unit; skep raises it itself where it may",
    )]
}

pub(super) fn types(patient: &Patient<'_>) -> Vec<Finding> {
    if !patient.wants_types() || patient.kernel.vmlinux.btf().is_ok() {
        return Vec::new();
    }
    let evidence = patient.kernel.vmlinux.btf().err().unwrap_or_default();
    vec![Finding::new(
        "D04",
        Severity::Error,
        "the kernel has no types: CO-RE, tracing programs, kernel functions and struct_ops do not work",
        evidence,
        "a kernel with CONFIG_DEBUG_INFO_BTF=y; for CO-RE alone, BTF of this kernel from elsewhere",
    )]
}

pub(super) fn jit(_: &Patient<'_>) -> Vec<Finding> {
    let value = sysctl("net.core.bpf_jit_enable");
    if value.as_deref() != Some("0") {
        return Vec::new();
    }
    vec![Finding::new(
        "D05",
        Severity::Warning,
        "the JIT is off: programs are interpreted, many times slower, and kernel functions are refused",
        "net.core.bpf_jit_enable is 0",
        "sysctl net.core.bpf_jit_enable=1",
    )]
}

pub(super) fn harden(patient: &Patient<'_>) -> Vec<Finding> {
    let Some(value) = sysctl("net.core.bpf_jit_harden").filter(|v| v == "2") else { return Vec::new() };
    if patient.object.is_some() {
        return Vec::new();
    }
    vec![Finding::new(
        "D06",
        Severity::Note,
        "constants of all programs are blinded: they are slower, and machine code shows other numbers",
        format!("net.core.bpf_jit_harden is {value}"),
        "sysctl net.core.bpf_jit_harden=1 leaves out programs of root",
    )]
}

pub(super) fn bpffs(patient: &Patient<'_>) -> Vec<Finding> {
    const PLACE: &str = "/sys/fs/bpf";
    let pinned = patient.object.is_none_or(|o| o.maps.iter().any(|m| m.pin_by_name));
    if !pinned || pin::is_bpffs(Path::new(PLACE)) {
        return Vec::new();
    }
    let severity = if patient.object.is_some() { Severity::Error } else { Severity::Warning };
    vec![Finding::new(
        "D07",
        severity,
        "no BPF file system is mounted where it is expected: nothing can be pinned",
        format!("{PLACE} is none"),
        format!("mount -t bpf bpf {PLACE}"),
    )]
}

pub(super) fn tracefs(patient: &Patient<'_>) -> Vec<Finding> {
    if !patient.cares(TRACING) || tracefs::mounted().is_some() {
        return Vec::new();
    }
    let own = tracefs::Tracefs::open().is_ok();
    vec![Finding::new(
        "D08",
        if own { Severity::Note } else { Severity::Error },
        "tracefs is not mounted: tracepoints have no numbers, and bpf_trace_printk can't be read",
        if own {
            "an instance that is mounted nowhere can be had, which skep does"
        } else {
            "/proc/self/mounts has none"
        },
        "mount -t tracefs tracefs /sys/kernel/tracing",
    )]
}

pub(super) fn cgroup2(patient: &Patient<'_>) -> Vec<Finding> {
    if !patient.cares(CGROUP) || cgroup::mount().is_some() {
        return Vec::new();
    }
    let first = std::fs::read_to_string("/proc/mounts").unwrap_or_default().contains(" cgroup ");
    vec![Finding::new(
        "D09",
        Severity::Error,
        "no cgroup2 hierarchy is mounted: cgroup programs have nothing to attach to",
        if first { "only cgroups of the first version are mounted" } else { "no cgroups are mounted" },
        "mount -t cgroup2 none /sys/fs/cgroup/unified, or boot with systemd.unified_cgroup_hierarchy=1",
    )]
}

pub(super) fn perf_events(patient: &Patient<'_>) -> Vec<Finding> {
    let maps = patient.cares_for_map(&[MapType::PERF_EVENT_ARRAY]);
    if !patient.cares(&[ProgType::PERF_EVENT, ProgType::KPROBE, ProgType::TRACEPOINT]) && !maps {
        return Vec::new();
    }
    let level: Option<i32> = sysctl("kernel.perf_event_paranoid").and_then(|v| v.parse().ok());
    let perfmon = Caps::current().is_ok_and(|c| c.has(Cap::PERFMON));
    let Some(level) = level else {
        return vec![Finding::new(
            "D10",
            Severity::Error,
            "this kernel has no perf events: kprobes, uprobes, tracepoints and perf buffers do not work",
            "there is no kernel.perf_event_paranoid",
            "a kernel with CONFIG_PERF_EVENTS=y",
        )];
    };
    if perfmon || level < 1 {
        return Vec::new();
    }
    vec![Finding::new(
        "D10",
        Severity::Error,
        "perf events of whole CPUs are closed to this process",
        format!("kernel.perf_event_paranoid is {level}, and CAP_PERFMON is missing"),
        "give the process CAP_PERFMON, or: sysctl kernel.perf_event_paranoid=0",
    )]
}

pub(super) fn symbols(patient: &Patient<'_>) -> Vec<Finding> {
    if !patient.wants_symbols() || patient.kernel.vmlinux.symbol("bpf_prog_put").is_some() {
        return Vec::new();
    }
    let restrict = sysctl("kernel.kptr_restrict").unwrap_or_else(|| "not to be read".into());
    vec![Finding::new(
        "D11",
        if patient.object.is_some() { Severity::Error } else { Severity::Warning },
        "addresses of the kernel's symbols are hidden: untyped ksyms and kprobe.multi do not work",
        format!("/proc/kallsyms has none; kernel.kptr_restrict is {restrict}"),
        "run it as root with CAP_SYSLOG, and: sysctl kernel.kptr_restrict=1",
    )]
}

pub(super) fn lockdown(_: &Patient<'_>) -> Vec<Finding> {
    let text = std::fs::read_to_string("/sys/kernel/security/lockdown").unwrap_or_default();
    let level = text.split_whitespace().find_map(|w| w.strip_prefix('[')?.strip_suffix(']'));
    let Some(level) = level.filter(|l| *l != "none") else { return Vec::new() };
    let (severity, title) = if level == "confidentiality" {
        (Severity::Error, "the kernel is locked down: programs may not read its memory")
    } else {
        (Severity::Warning, "the kernel is locked down: programs may not write user memory")
    };
    vec![Finding::new(
        "D12",
        severity,
        title,
        format!("/sys/kernel/security/lockdown says {level}"),
        "boot without lockdown= and, on many machines, without Secure Boot",
    )]
}

pub(super) fn config(patient: &Patient<'_>) -> Vec<Finding> {
    if !patient.wants_config() || patient.kernel.vmlinux.has_config() {
        return Vec::new();
    }
    vec![Finding::new(
        "D13",
        Severity::Error,
        "the object asks for the kernel's configuration, which is not to be had",
        "neither /proc/config.gz nor /boot/config-$(uname -r) can be read",
        "modprobe configs, or a kernel with CONFIG_IKCONFIG_PROC=y",
    )]
}
