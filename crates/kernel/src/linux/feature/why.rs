//! Why something is likely to be absent: the build option that it hangs on, if that is off; else what the errno says.

use skep_abi::{AttachType, MapType, ProgType};
use skep_sys::Errno;

use crate::linux::vmlinux::Vmlinux;

/// Build options of program types.
const PROGRAMS: &[(ProgType, &str)] = &[
    (ProgType::KPROBE, "CONFIG_BPF_EVENTS"),
    (ProgType::TRACEPOINT, "CONFIG_BPF_EVENTS"),
    (ProgType::PERF_EVENT, "CONFIG_BPF_EVENTS"),
    (ProgType::RAW_TRACEPOINT, "CONFIG_BPF_EVENTS"),
    (ProgType::RAW_TRACEPOINT_WRITABLE, "CONFIG_BPF_EVENTS"),
    (ProgType::SCHED_CLS, "CONFIG_NET"),
    (ProgType::SCHED_ACT, "CONFIG_NET"),
    (ProgType::XDP, "CONFIG_NET"),
    (ProgType::CGROUP_SKB, "CONFIG_CGROUP_BPF"),
    (ProgType::CGROUP_SOCK, "CONFIG_CGROUP_BPF"),
    (ProgType::CGROUP_SOCK_ADDR, "CONFIG_CGROUP_BPF"),
    (ProgType::CGROUP_DEVICE, "CONFIG_CGROUP_BPF"),
    (ProgType::CGROUP_SYSCTL, "CONFIG_CGROUP_BPF"),
    (ProgType::CGROUP_SOCKOPT, "CONFIG_CGROUP_BPF"),
    (ProgType::SOCK_OPS, "CONFIG_CGROUP_BPF"),
    (ProgType::LWT_IN, "CONFIG_LWTUNNEL_BPF"),
    (ProgType::LWT_OUT, "CONFIG_LWTUNNEL_BPF"),
    (ProgType::LWT_XMIT, "CONFIG_LWTUNNEL_BPF"),
    (ProgType::LWT_SEG6LOCAL, "CONFIG_IPV6_SEG6_BPF"),
    (ProgType::LIRC_MODE2, "CONFIG_BPF_LIRC_MODE2"),
    (ProgType::SK_REUSEPORT, "CONFIG_INET"),
    (ProgType::SK_LOOKUP, "CONFIG_INET"),
    (ProgType::STRUCT_OPS, "CONFIG_BPF_JIT"),
    (ProgType::EXT, "CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS"),
    (ProgType::LSM, "CONFIG_BPF_LSM"),
    (ProgType::NETFILTER, "CONFIG_NETFILTER_BPF_LINK"),
];

/// Build options of attach types, where the program type's does not tell.
const ATTACHMENTS: &[(AttachType, &str)] = &[
    (AttachType::TRACE_FENTRY, "CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS"),
    (AttachType::TRACE_FEXIT, "CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS"),
    (AttachType::MODIFY_RETURN, "CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS"),
    (AttachType::TRACE_KPROBE_MULTI, "CONFIG_FPROBE"),
    (AttachType::TRACE_KPROBE_SESSION, "CONFIG_FPROBE"),
    (AttachType::TRACE_UPROBE_MULTI, "CONFIG_UPROBES"),
    (AttachType::TRACE_UPROBE_SESSION, "CONFIG_UPROBES"),
    (AttachType::LSM_MAC, "CONFIG_BPF_LSM"),
    (AttachType::LSM_CGROUP, "CONFIG_BPF_LSM"),
    (AttachType::NETKIT_PRIMARY, "CONFIG_NETKIT"),
    (AttachType::NETKIT_PEER, "CONFIG_NETKIT"),
    (AttachType::TCX_INGRESS, "CONFIG_NET_XGRESS"),
    (AttachType::TCX_EGRESS, "CONFIG_NET_XGRESS"),
];

/// Build options of map types.
const MAPS: &[(MapType, &str)] = &[
    (MapType::PERF_EVENT_ARRAY, "CONFIG_PERF_EVENTS"),
    (MapType::STACK_TRACE, "CONFIG_PERF_EVENTS"),
    (MapType::CGROUP_ARRAY, "CONFIG_CGROUPS"),
    (MapType::CGROUP_STORAGE, "CONFIG_CGROUP_BPF"),
    (MapType::PERCPU_CGROUP_STORAGE, "CONFIG_CGROUP_BPF"),
    (MapType::CGRP_STORAGE, "CONFIG_CGROUPS"),
    (MapType::SOCKMAP, "CONFIG_NET_SOCK_MSG"),
    (MapType::SOCKHASH, "CONFIG_NET_SOCK_MSG"),
    (MapType::XSKMAP, "CONFIG_XDP_SOCKETS"),
    (MapType::INODE_STORAGE, "CONFIG_BPF_LSM"),
    (MapType::STRUCT_OPS, "CONFIG_BPF_JIT"),
    (MapType::ARENA, "CONFIG_MMU"),
];

/// The option that programs of a type for an attach type hang on.
pub(super) fn of_program(prog_type: ProgType, attach_type: AttachType) -> Option<&'static str> {
    let attachment = ATTACHMENTS.iter().find(|(a, _)| *a == attach_type).map(|(_, c)| *c);
    attachment.or_else(|| PROGRAMS.iter().find(|(t, _)| *t == prog_type).map(|(_, c)| *c))
}

/// The option that a map type hangs on.
pub(super) fn of_map(map_type: MapType) -> Option<&'static str> {
    MAPS.iter().find(|(t, _)| *t == map_type).map(|(_, c)| *c)
}

/// Words for a refusal.
pub(super) fn likely(vmlinux: &Vmlinux, errno: Errno, config: Option<&str>) -> String {
    if let Some(option) = config
        && vmlinux.has_config()
        && vmlinux.config(option).is_none()
    {
        return format!("{option} is not set");
    }
    match errno {
        Errno::EPERM | Errno::EACCES => {
            "refused although the rights are there: by a policy of this machine, such as lockdown or an LSM"
                .into()
        }
        Errno::EOPNOTSUPP | Errno::ENOTSUPP => "the kernel knows it and was built without it".into(),
        Errno::EINVAL => "not known to this kernel, or not built in".into(),
        Errno::E2BIG => "newer than this kernel".into(),
        Errno::ENOENT => "what it needs is not there".into(),
        _ => "the kernel refuses it".into(),
    }
}
