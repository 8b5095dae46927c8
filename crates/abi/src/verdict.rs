//! Return values that have names, per family of program types.

/// A return value of a program and what the kernel calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The number returned in r0, as a signed 32-bit number.
    pub value: i32,
    /// The constant of the UAPI: `XDP_PASS`.
    pub name: &'static str,
}

const fn verdict(value: i32, name: &'static str) -> Verdict {
    Verdict { value, name }
}

/// `enum xdp_action`.
pub(crate) static XDP: &[Verdict] = &[
    verdict(0, "XDP_ABORTED"),
    verdict(1, "XDP_DROP"),
    verdict(2, "XDP_PASS"),
    verdict(3, "XDP_TX"),
    verdict(4, "XDP_REDIRECT"),
];

/// `TC_ACT_*` of `linux/pkt_cls.h`; tcx and netkit use the same numbers.
pub(crate) static TC: &[Verdict] = &[
    verdict(-1, "TC_ACT_UNSPEC"),
    verdict(0, "TC_ACT_OK"),
    verdict(1, "TC_ACT_RECLASSIFY"),
    verdict(2, "TC_ACT_SHOT"),
    verdict(3, "TC_ACT_PIPE"),
    verdict(4, "TC_ACT_STOLEN"),
    verdict(5, "TC_ACT_QUEUED"),
    verdict(6, "TC_ACT_REPEAT"),
    verdict(7, "TC_ACT_REDIRECT"),
    verdict(8, "TC_ACT_TRAP"),
];

/// `enum sk_action`.
pub(crate) static SK: &[Verdict] = &[verdict(0, "SK_DROP"), verdict(1, "SK_PASS")];

/// `enum bpf_ret_code`, as lightweight tunnels read it.
pub(crate) static LWT: &[Verdict] = &[
    verdict(0, "BPF_OK"),
    verdict(2, "BPF_DROP"),
    verdict(7, "BPF_REDIRECT"),
    verdict(128, "BPF_LWT_REROUTE"),
];

/// `enum bpf_ret_code`, as the flow dissector reads it.
pub(crate) static FLOW_DISSECTOR: &[Verdict] =
    &[verdict(0, "BPF_OK"), verdict(2, "BPF_DROP"), verdict(129, "BPF_FLOW_DISSECTOR_CONTINUE")];

/// Cgroup packet programs: bit 0 says pass, bit 1 (egress only) congestion. The kernel has no names for them.
pub(crate) static CGROUP_SKB: &[Verdict] = &[];

/// Other cgroup programs: 1 allows, 0 denies with `EPERM`. The kernel has no names for them.
pub(crate) static ALLOW: &[Verdict] = &[];

/// `NF_DROP` and `NF_ACCEPT` of `linux/netfilter.h`; the verifier allows no other.
pub(crate) static NETFILTER: &[Verdict] = &[verdict(0, "NF_DROP"), verdict(1, "NF_ACCEPT")];
