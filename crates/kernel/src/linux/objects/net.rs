//! What programs are attached to the devices of this network namespace, and to the namespace itself.

use std::fs::File;
use std::os::fd::AsFd;

use skep_abi::AttachType;
use skep_backend::{Error, ErrorKind};
use skep_sys::netlink::{self, CLSACT, EGRESS, INGRESS, Refused};
use skep_sys::prog::Target;
use skep_sys::{Cap, Errno, hooked};

use super::{Link, Prog};
use crate::linux::error::refused;

pub use skep_sys::netlink::{XdpMode, XdpProgram};

/// XDP programs of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Xdp {
    /// Its name.
    pub devname: String,
    /// Its number.
    pub ifindex: u32,
    /// One a mode at most.
    pub programs: Vec<XdpProgram>,
}

/// A program on a device's way in or out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tc {
    /// The device's name.
    pub devname: String,
    /// Its number.
    pub ifindex: u32,
    /// `tcx/ingress`, `clsact/egress`, or the kind of the qdisc that a filter hangs on.
    pub kind: &'static str,
    /// The program's name, or what the filter's maker called it; may be empty.
    pub name: String,
    /// The program's id.
    pub prog_id: u32,
    /// What tcx and netkit know besides: flags, and the link, 0 for none. `None` for filters.
    pub hook: Option<(u32, u32)>,
}

/// All that is attached.
#[derive(Debug)]
pub struct Attached {
    /// XDP, by device.
    pub xdp: Vec<Xdp>,
    /// tcx, netkit and filters, by device.
    pub tc: Vec<Tc>,
    /// The namespace's flow dissector.
    pub flow_dissector: Option<u32>,
    /// Netfilter links, in the order of their hooks and priorities.
    pub netfilter: Vec<Link>,
}

const HOOKS: &[(AttachType, &str)] = &[
    (AttachType::TCX_INGRESS, "tcx/ingress"),
    (AttachType::TCX_EGRESS, "tcx/egress"),
    (AttachType::NETKIT_PRIMARY, "netkit/primary"),
    (AttachType::NETKIT_PEER, "netkit/peer"),
];

/// Kinds of qdisc that filters are told by.
const QDISCS: &[&str] =
    &["ingress", "htb", "prio", "hfsc", "drr", "qfq", "fq_codel", "mq", "multiq", "sfq", "cake"];

/// Looks, at one device or at all.
///
/// # Errors
/// If there is no such device; without CAP_NET_ADMIN, and, for netfilter, CAP_SYS_ADMIN.
pub fn attached(dev: Option<&str>) -> Result<Attached, Error> {
    let wrong = |e: Refused| refused("netlink", e.errno, &[Cap::NET_ADMIN]);
    let mut socket = netlink::Socket::open().map_err(|e| refused("netlink", e, &[]))?;
    let mut devices = socket.links().map_err(wrong)?;
    if let Some(name) = dev {
        devices.retain(|d| d.name == name);
        if devices.is_empty() {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("no interface `{name}` in this network namespace"),
            ));
        }
    }
    let flow_dissector = flow_dissector()?;
    let (mut xdp, mut tc) = (Vec::new(), Vec::new());
    for device in &devices {
        let (devname, ifindex) = (&device.name, device.index);
        if !device.xdp.is_empty() {
            xdp.push(Xdp { devname: devname.clone(), ifindex, programs: device.xdp.clone() });
        }
        hooks(devname, ifindex, &mut tc)?;
        filters(&mut socket, devname, ifindex, &mut tc).map_err(wrong)?;
    }
    Ok(Attached { xdp, tc, flow_dissector, netfilter: netfilter()? })
}

fn hooks(devname: &str, ifindex: u32, tc: &mut Vec<Tc>) -> Result<(), Error> {
    for (attach_type, kind) in HOOKS {
        let found = match hooked::query(Target::Ifindex(ifindex), *attach_type, false) {
            Ok(found) => found,
            Err(Errno::EPERM) => {
                return Err(refused(&format!("interface {devname}"), Errno::EPERM, &[Cap::NET_ADMIN]));
            }
            // Another kind of device, or an older kernel.
            Err(_) => continue,
        };
        for program in found.progs {
            let name =
                Prog::by_id(program.id).ok().flatten().map(|p| p.name().to_owned()).unwrap_or_default();
            let (devname, hook) = (devname.to_owned(), Some((program.flags, program.link)));
            tc.push(Tc { devname, ifindex, kind, name, prog_id: program.id, hook });
        }
    }
    Ok(())
}

fn filters(
    socket: &mut netlink::Socket,
    devname: &str,
    ifindex: u32,
    tc: &mut Vec<Tc>,
) -> Result<(), Refused> {
    let mut parents = Vec::new();
    for qdisc in socket.qdiscs(ifindex)? {
        if qdisc.parent == CLSACT && qdisc.kind == "clsact" {
            parents.extend([(INGRESS, "clsact/ingress"), (EGRESS, "clsact/egress")]);
        } else if qdisc.handle != 0 {
            let kind = QDISCS.iter().find(|k| **k == qdisc.kind).copied().unwrap_or("qdisc");
            parents.push((qdisc.handle, kind));
        }
    }
    for (parent, kind) in parents {
        for filter in socket.filters(ifindex, parent)? {
            let Some(bpf) = filter.bpf else { continue };
            let devname = devname.to_owned();
            tc.push(Tc { devname, ifindex, kind, name: bpf.name, prog_id: bpf.prog_id, hook: None });
        }
    }
    Ok(())
}

fn flow_dissector() -> Result<Option<u32>, Error> {
    let Ok(netns) = File::open("/proc/self/ns/net") else { return Ok(None) };
    match hooked::query(Target::Fd(netns.as_fd()), AttachType::FLOW_DISSECTOR, false) {
        Ok(found) => Ok(found.progs.first().map(|p| p.id)),
        Err(Errno::EPERM) => Err(refused("the flow dissector", Errno::EPERM, &[Cap::NET_ADMIN])),
        Err(_) => Ok(None),
    }
}

fn netfilter() -> Result<Vec<Link>, Error> {
    use super::links::Place;
    let mut all = Link::all()?;
    let order = |l: &Link| match l.info.place {
        Place::Netfilter { pf, hooknum, priority, flags } => Some((pf, hooknum, priority, flags)),
        _ => None,
    };
    all.retain(|l| order(l).is_some());
    all.sort_by_key(order);
    Ok(all)
}
