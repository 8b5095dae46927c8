//! Link types: what a link ties a program to.

use crate::table::{KernelVersion, numbers, v};

/// What is known of one link type.
#[derive(Debug)]
pub struct LinkTypeRow {
    /// The number.
    pub id: LinkType,
    /// The kernel's name in lower case, without `BPF_LINK_TYPE_`.
    pub name: &'static str,
    /// The release it arrived in.
    pub since: KernelVersion,
    /// What it is, in one sentence.
    pub about: &'static str,
}

numbers! {
    /// A link type (`enum bpf_link_type`); unknown numbers are kept.
    LinkType, LinkTypeRow, LINK_TYPES, link_types, "link type", "bpf_link_type_", &[];

    UNSPEC = 0 "unspec" v(5, 7), "No type: the zero of the numbering.";
    RAW_TRACEPOINT = 1 "raw_tracepoint" v(5, 7), "A raw tracepoint.";
    TRACING = 2 "tracing" v(5, 7), "A trampoline: fentry, fexit, fmod_ret, LSM, freplace or a typed tracepoint.";
    CGROUP = 3 "cgroup" v(5, 7), "A cgroup.";
    ITER = 4 "iter" v(5, 8), "An iterator.";
    NETNS = 5 "netns" v(5, 8), "A network namespace: flow dissector or socket lookup.";
    XDP = 6 "xdp" v(5, 9), "A network device's XDP hook.";
    PERF_EVENT = 7 "perf_event" v(5, 15), "A perf event: kprobe, uprobe, tracepoint or sampling.";
    KPROBE_MULTI = 8 "kprobe_multi" v(5, 18), "Many kernel functions.";
    STRUCT_OPS = 9 "struct_ops" v(6, 4), "A kernel table of functions.";
    NETFILTER = 10 "netfilter" v(6, 4), "A netfilter hook.";
    TCX = 11 "tcx" v(6, 6), "A network device's tcx hook.";
    UPROBE_MULTI = 12 "uprobe_multi" v(6, 6), "Many places of a user program.";
    NETKIT = 13 "netkit" v(6, 7), "A netkit device.";
    SOCKMAP = 14 "sockmap" v(6, 10), "A sockmap or sockhash.";
}
