//! Traps in what is attached to interfaces of this network namespace. Only looked at, over netlink.

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use skep_abi::ProgType;
use skep_isa::{Endian, slots_from_bytes};
use skep_sys::info::{self, Object};
use skep_sys::netlink::{EGRESS, INGRESS, Link, Socket, XdpMode};
use skep_sys::{ethtool, netns};

use super::answers::{constants, spell};
use super::{Finding, Patient, Severity};
use crate::linux::types::HERE;

/// The constants that a loaded program may answer; nothing without the right to see its code.
fn answers(prog_id: u32) -> std::collections::BTreeSet<i32> {
    let endian = if HERE == Endian::Big { Endian::Big } else { Endian::Little };
    let read = || {
        let fd = info::fd_by_id(Object::Prog, prog_id).ok()?;
        let details = info::prog_details(fd.as_fd()).ok()?;
        slots_from_bytes(&details.xlated, endian).ok()
    };
    read().map(|insns| constants(&insns)).unwrap_or_default()
}

/// Filters that are BPF programs without direct action, and whose programs answer actions.
pub(super) fn filters(patient: &Patient<'_>) -> Vec<Finding> {
    if !patient.cares(&[ProgType::SCHED_CLS]) {
        return Vec::new();
    }
    let Ok(mut socket) = Socket::open() else { return Vec::new() };
    let mut out = Vec::new();
    for link in socket.links().unwrap_or_default() {
        for parent in [INGRESS, EGRESS] {
            for filter in socket.filters(link.index, parent).unwrap_or_default() {
                let Some(bpf) = filter.bpf.as_ref().filter(|b| !b.direct_action) else { continue };
                let answers = answers(bpf.prog_id);
                let acts = answers.iter().any(|a| (1..=8).contains(a));
                out.push(Finding::new(
                    "D31",
                    if acts { Severity::Error } else { Severity::Note },
                    format!(
                        "a BPF filter on {} is attached without direct action: what it answers is taken for a class",
                        link.name
                    ),
                    format!(
                        "priority {}, program {} `{}`{}",
                        filter.priority,
                        bpf.prog_id,
                        bpf.name,
                        if acts { format!(", which may answer {}", spell(&answers)) } else { String::new() }
                    ),
                    "tc filter replace ... bpf direct-action ..., or attach it with skep",
                ));
            }
        }
    }
    out
}

/// Loaded actions where no interface has a filter that could lead to them.
pub(super) fn actions(patient: &Patient<'_>) -> Vec<Finding> {
    if patient.object.is_some() {
        return Vec::new();
    }
    let loaded = info::ids(Object::Prog).unwrap_or_default().into_iter().filter_map(|id| {
        let fd = info::fd_by_id(Object::Prog, id).ok()?;
        let prog = info::prog(fd.as_fd()).ok()?;
        (prog.r#type == ProgType::SCHED_ACT.0).then(|| format!("{id} `{}`", info::name(&prog.name)))
    });
    let loaded: Vec<String> = loaded.collect();
    if loaded.is_empty() {
        return Vec::new();
    }
    let Ok(mut socket) = Socket::open() else { return Vec::new() };
    let links = socket.links().unwrap_or_default();
    let filtered = links
        .iter()
        .any(|l| [INGRESS, EGRESS].iter().any(|p| socket.filters(l.index, *p).is_ok_and(|f| !f.is_empty())));
    if filtered {
        return Vec::new();
    }
    vec![Finding::new(
        "D32",
        Severity::Warning,
        "an action is loaded, and no filter of this network namespace leads to one",
        format!("programs {}", loaded.join(", ")),
        "tc filter add dev IF ... action bpf object-pinned PATH",
    )]
}

/// XDP programs on a veth that send packets back, or on, to a peer that takes none.
pub(super) fn peers(patient: &Patient<'_>) -> Vec<Finding> {
    if !patient.cares(&[ProgType::XDP]) {
        return Vec::new();
    }
    let Ok(mut socket) = Socket::open() else { return Vec::new() };
    let links = socket.links().unwrap_or_default();
    let veths = links.iter().filter(|l| l.kind == "veth" && l.xdp_in(XdpMode::Native).is_some());
    veths.filter_map(|link| peer_drops(link, &links)).collect()
}

fn peer_drops(link: &Link, links: &[Link]) -> Option<Finding> {
    const XDP_TX: i32 = 3;
    let sends = answers(link.xdp_in(XdpMode::Native)?).contains(&XDP_TX);
    let other = link.other?;
    let (peer, gro) = match link.other_netns {
        None => {
            let peer = links.iter().find(|l| l.index == other)?.clone();
            let gro = ethtool::gro(&peer.name);
            (peer, gro)
        }
        Some(_) => elsewhere(link, other)?,
    };
    if peer.xdp_in(XdpMode::Native).is_some() || gro != Ok(false) {
        return None;
    }
    Some(Finding::new(
        "D33",
        if sends { Severity::Error } else { Severity::Note },
        format!("the peer of {} drops what an XDP program sends to it, and nothing counts it", link.name),
        format!(
            "{} has an XDP program{}; {} at its other end has neither one nor GRO",
            link.name,
            if sends { " that may answer XDP_TX" } else { "" },
            peer.name
        ),
        format!("an XDP program that passes all on {0}, or: ethtool -K {0} gro on", peer.name),
    ))
}

/// The peer in another namespace: the interface of that number that says that its peer is ours.
fn elsewhere(link: &Link, other: u32) -> Option<(Link, Result<bool, skep_sys::Errno>)> {
    let own = netns::current().ok().and_then(|n| netns::id(n.as_fd()).ok())?;
    for namespace in namespaces() {
        if netns::id(namespace.as_fd()).is_ok_and(|id| id == own) {
            continue;
        }
        let look = || {
            let mut socket = Socket::open().ok()?;
            let peer = socket.links().ok()?.into_iter().find(|l| l.index == other)?;
            let ours = peer.kind == "veth" && peer.other == Some(link.index) && peer.other_netns.is_some();
            let gro = ethtool::gro(&peer.name);
            ours.then_some((peer, gro))
        };
        if let Ok(Some(found)) = netns::inside(namespace.as_fd(), look) {
            return Some(found);
        }
    }
    None
}

/// Namespaces that have a name, or a process in them; each once.
fn namespaces() -> Vec<OwnedFd> {
    let listed = |dir: &str| std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path());
    let named: Vec<PathBuf> = listed("/run/netns").collect();
    let numeric =
        |p: &PathBuf| p.file_name().is_some_and(|n| n.as_encoded_bytes().iter().all(u8::is_ascii_digit));
    let processes = listed("/proc").filter(numeric).map(|p| p.join("ns/net"));
    let mut seen = std::collections::HashSet::new();
    let all = named.into_iter().chain(processes);
    all.filter_map(|path| netns::open(&path).ok())
        .filter(|fd| netns::id(fd.as_fd()).is_ok_and(|id| seen.insert(id)))
        .collect()
}
