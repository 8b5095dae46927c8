//! Where to attach, as far as the section name does not say it.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use skep_backend::{Error, ErrorKind};

pub use crate::linux::binary::Search;

/// How an XDP program sits on its interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// In the driver.
    Native,
    /// In the stack, after a packet has become an skb; works everywhere.
    Generic,
    /// In the card.
    Offload,
}

/// Which way packets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// In.
    Ingress,
    /// Out.
    Egress,
}

/// What to attach to. Everything is optional: each hook takes what it needs, and says what is missing.
#[derive(Clone, Debug, Default)]
pub struct Target {
    /// A section name that stands in for the object's: `tracepoint/sched/sched_switch`, `uprobe//bin/x:symbol`.
    pub section: Option<String>,
    /// An interface, by name or number, in this thread's network namespace.
    pub iface: Option<String>,
    /// A cgroup's directory.
    pub cgroup: Option<PathBuf>,
    /// A process: the only one whose probes and events count.
    pub pid: Option<u32>,
    /// A network namespace's file, for hooks of whole namespaces; without it this thread's own.
    pub netns: Option<PathBuf>,
    /// A socket, for programs that belong to one: filters, and the choice among those that share a port.
    pub socket: Option<Arc<OwnedFd>>,
    /// A map of the object, for programs that belong to one: a sockmap or sockhash, or a table of functions.
    pub map: Option<String>,
    /// A CPU, for perf events; all of them without it.
    pub cpu: Option<u32>,
    /// How often a perf event samples, in Hz.
    pub frequency: Option<u64>,
    /// How an XDP program sits; the driver is asked first and the stack second without it.
    pub mode: Option<Mode>,
    /// For `tc` sections that do not say it.
    pub direction: Option<Direction>,
    /// For netfilter: `ipv4/local_in`, `ipv6/forward`.
    pub hook: Option<String>,
    /// For socket filters as matches of iptables: `INPUT:DROP`, `mangle/PREROUTING`.
    pub iptables: Option<String>,
    /// For programs on routes: the destination, `10.0.0.0/24`.
    pub route: Option<String>,
    /// Order among the programs of a hook (netfilter's, tc's); the hook's default without it.
    pub priority: Option<i32>,
    /// Attach the old way, which outlives this process: netlink XDP, clsact filters, cgroups without a link.
    pub without_link: bool,
    /// What `bpf_get_attach_cookie` answers; `bpf_usdt_cookie`, for markers.
    pub cookie: u64,
    /// Where programs and libraries are looked for that are named without a folder.
    pub search: Search,
}

impl Target {
    /// The interface.
    ///
    /// # Errors
    /// If none was given.
    pub fn iface(&self, program: &str) -> Result<&str, Error> {
        self.iface.as_deref().ok_or_else(|| missing(program, "an interface", "--iface NAME"))
    }

    /// The cgroup's directory.
    ///
    /// # Errors
    /// If none was given.
    pub fn cgroup(&self, program: &str) -> Result<&Path, Error> {
        self.cgroup.as_deref().ok_or_else(|| missing(program, "a cgroup", "--cgroup PATH"))
    }
}

/// Something that a hook can't do without was not said.
pub(super) fn missing(program: &str, what: &str, flag: &str) -> Error {
    let message = format!("program `{program}` needs {what} to be attached to");
    Error::new(ErrorKind::Invalid, message).with_hint(format!("give {flag}"))
}
