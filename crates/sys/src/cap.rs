//! Capabilities (capabilities(7)) that BPF asks for, by name.

use std::fmt;

use skep_abi::ProgType;

/// A capability.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Cap(pub u32);

impl Cap {
    /// Networking: attaching to interfaces, loading network programs.
    pub const NET_ADMIN: Self = Self(12);
    /// Raw and packet sockets.
    pub const NET_RAW: Self = Self(13);
    /// Tracing other users' processes by ptrace(2).
    pub const SYS_PTRACE: Self = Self(19);
    /// Everything that has no capability of its own; stands in for [`Cap::BPF`] and [`Cap::PERFMON`].
    pub const SYS_ADMIN: Self = Self(21);
    /// Raised limits (RLIMIT_MEMLOCK, which kernels before 5.11 charge maps to).
    pub const SYS_RESOURCE: Self = Self(24);
    /// Tracing: kernel memory, perf events.
    pub const PERFMON: Self = Self(38);
    /// bpf(2) itself.
    pub const BPF: Self = Self(39);

    /// As the kernel spells it.
    pub fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::NET_ADMIN => "CAP_NET_ADMIN",
            Self::NET_RAW => "CAP_NET_RAW",
            Self::SYS_PTRACE => "CAP_SYS_PTRACE",
            Self::SYS_ADMIN => "CAP_SYS_ADMIN",
            Self::SYS_RESOURCE => "CAP_SYS_RESOURCE",
            Self::PERFMON => "CAP_PERFMON",
            Self::BPF => "CAP_BPF",
            _ => return None,
        })
    }
}

impl fmt::Display for Cap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "capability {}", self.0),
        }
    }
}

/// What loading a program of a type asks for besides `CAP_BPF` (`bpf_prog_load` in `kernel/bpf/syscall.c`).
pub fn cap_for_prog(prog_type: ProgType) -> Option<Cap> {
    const TRACING: [ProgType; 9] = [
        ProgType::KPROBE,
        ProgType::TRACEPOINT,
        ProgType::PERF_EVENT,
        ProgType::RAW_TRACEPOINT,
        ProgType::RAW_TRACEPOINT_WRITABLE,
        ProgType::TRACING,
        ProgType::LSM,
        ProgType::STRUCT_OPS,
        ProgType::EXT,
    ];
    const PLAIN: [ProgType; 3] = [ProgType::SOCKET_FILTER, ProgType::CGROUP_SKB, ProgType::SYSCALL];
    match prog_type {
        t if TRACING.contains(&t) => Some(Cap::PERFMON),
        t if PLAIN.contains(&t) => None,
        _ => Some(Cap::NET_ADMIN),
    }
}
