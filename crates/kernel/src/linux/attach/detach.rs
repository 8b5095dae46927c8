//! Taking down what this process does not hold: what dead owners left, what was kept, links of anybody.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use skep_abi::{AttachType, LinkType};
use skep_backend::{Error, ErrorKind};
use skep_sys::info::{self, Object};
use skep_sys::netlink::{Link, Socket, XdpProgram};
use skep_sys::prog::{Target as On, query_links};
use skep_sys::{Cap, Errno, link, pin};

use super::iface::Iface;
use super::{Record, records, remover};
use crate::linux::error::{refused, refused_by_router};

/// What became of one thing that was to be detached.
#[derive(Debug)]
pub struct Detached {
    /// What it is, for people.
    pub what: String,
    /// The hook, where it is known.
    pub hook: Option<String>,
    /// The program, where it is known.
    pub program: Option<String>,
    /// The process that attached it, where it is known.
    pub owner: Option<u32>,
    /// Whether it was there; or why it could not be taken down.
    pub outcome: Result<bool, Error>,
}

impl Detached {
    /// It stays because somebody uses it, which is no failure.
    pub fn in_use(&self) -> bool {
        self.outcome.as_ref().is_err_and(|e| e.kind() == ErrorKind::Os(Errno::EBUSY.0))
    }

    fn new(what: impl Into<String>, outcome: Result<bool, Error>) -> Self {
        Self { what: what.into(), hook: None, program: None, owner: None, outcome }
    }

    fn of(record: &Record) -> Self {
        // It may have gone with the one before, as a qdisc does with its last filter.
        let outcome = if record.exists() { remove(record) } else { Ok(true) };
        Self {
            what: record.describe(),
            hook: Some(record.hook().to_owned()),
            program: record.get("program").map(str::to_owned),
            owner: Some(record.pid()),
            outcome,
        }
    }
}

/// Takes down what a record tells of, and removes the record; `false` if it was gone.
///
/// # Errors
/// If it could not be taken down; the record stays then.
pub fn remove(record: &Record) -> Result<bool, Error> {
    let there = match remover(record.hook()) {
        // Nothing that was attached outlives a boot.
        _ if record.of_another_boot() => false,
        Some(take_down) => take_down(record)?,
        None => return Err(Error::new(ErrorKind::Invalid, format!("no hook is called `{}`", record.hook()))),
    };
    record.forget()?;
    Ok(there)
}

/// Takes down what dead owners left, and only that. The last comes first: a qdisc after its filters.
pub fn detach_stale() -> Vec<Detached> {
    detach_recorded(Record::stale)
}

/// Takes down what is recorded and wanted.
pub fn detach_recorded(wanted: impl Fn(&Record) -> bool) -> Vec<Detached> {
    let mut found: Vec<Record> = records().into_iter().filter(|r| wanted(r)).collect();
    // What carries others comes last.
    found.sort_by_key(|r| (r.get("what") == Some("qdisc"), std::cmp::Reverse(r.start())));
    found.iter().map(Detached::of).collect()
}

/// Detaches a link, by its id.
pub fn detach_link(id: u32) -> Detached {
    let what = format!("link {id}");
    let opened = info::fd_by_id(Object::Link, id);
    let outcome = match opened {
        Ok(fd) => cut(fd.as_fd(), &what),
        Err(Errno::ENOENT) => Ok(false),
        Err(e) => Err(refused(&what, e, &[Cap::SYS_ADMIN])),
    };
    Detached::new(what, outcome)
}

/// Detaches a link that is pinned, and removes the pin. Other objects are only unpinned.
pub fn detach_pinned(path: &Path) -> Detached {
    let what = format!("the pin {}", path.display());
    let unpin = || {
        let removed = std::fs::remove_file(path).map(|()| true);
        removed.map_err(|e| refused(&what, Errno(e.raw_os_error().unwrap_or(0)), &[Cap::BPF]))
    };
    let outcome = match pin::get(path, 0) {
        Err(Errno::ENOENT) => Ok(false),
        Err(e) => Err(refused(&what, e, &[Cap::BPF])),
        Ok(fd) if info::link(fd.as_fd()).is_err() => unpin(),
        Ok(fd) => match cut(fd.as_fd(), &what) {
            // A link that knows no detaching goes with its last reference.
            Err(e) if e.kind() != ErrorKind::Unsupported => Err(e),
            _ => unpin(),
        },
    };
    Detached::new(what, outcome)
}

/// BPF_LINK_DETACH.
fn cut(fd: BorrowedFd<'_>, what: &str) -> Result<bool, Error> {
    match link::detach(fd) {
        Ok(()) => Ok(true),
        Err(Errno::EOPNOTSUPP) => {
            let message = format!("{what} goes only with its last holder: a process or a pin");
            Err(Error::new(ErrorKind::Unsupported, message))
        }
        Err(e) => Err(refused(what, e, &[Cap::NET_ADMIN])),
    }
}

/// Takes down what is on an interface of this thread's network namespace: links of anybody, an XDP program without a
/// link, and what skep left there and no living process owns. Filters of others are left alone.
///
/// # Errors
/// If there is no such interface. What could not be taken down is in the list.
pub fn detach_iface(iface: &str, hook: Option<&str>) -> Result<Vec<Detached>, Error> {
    let found = Iface::named(iface)?;
    let of = |name: &str| hook.is_none_or(|h| h == name);
    let mut done = Vec::new();
    for (name, types) in [
        ("tc", [AttachType::TCX_INGRESS, AttachType::TCX_EGRESS]),
        ("netkit", [AttachType::NETKIT_PRIMARY, AttachType::NETKIT_PEER]),
    ] {
        for attach_type in types.into_iter().filter(|_| of(name)) {
            // Where the interface knows no such hook there is nothing on it.
            let links = query_links(On::Ifindex(found.link.index), attach_type).unwrap_or_default();
            let links = links.into_iter().filter(|(_, link)| *link != 0);
            done.extend(links.map(|(_, link)| Detached { hook: Some(name.into()), ..detach_link(link) }));
        }
    }
    done.extend(detach_recorded(|r| of(r.hook()) && found.is_of(r) && (r.kept() || r.stale())));
    if of("xdp") {
        let Iface { mut socket, link, .. } = Iface::named(iface)?;
        let each = link.xdp.clone();
        done.extend(each.into_iter().map(|program| detach_xdp(&mut socket, &link, program)));
    }
    Ok(done)
}

/// Takes an XDP program off an interface, whether a link holds it there or not.
fn detach_xdp(socket: &mut Socket, link: &Link, program: XdpProgram) -> Detached {
    let what = format!("xdp program {} on {} ({})", program.prog_id, link.name, program.mode.name());
    let by_netlink = |socket: &mut Socket| -> Result<bool, Error> {
        let expected = info::fd_by_id(Object::Prog, program.prog_id)
            .map_err(|e| refused(&what, e, &[Cap::SYS_ADMIN]))?;
        match socket.set_xdp(link.index, None, program.mode.flag(), Some(expected.as_fd())) {
            Ok(()) => Ok(true),
            Err(e) if e.errno == Errno::EBUSY => cut_xdp(link.index, program.prog_id, &what),
            Err(e) => Err(refused_by_router(&what, &e, &[Cap::NET_ADMIN])),
        }
    };
    let outcome = by_netlink(socket);
    Detached { hook: Some("xdp".into()), ..Detached::new(what, outcome) }
}

/// Detaches the link that holds an XDP program. A link says the number of its interface, not in which namespace.
fn cut_xdp(index: u32, prog_id: u32, what: &str) -> Result<bool, Error> {
    let ids = info::ids(Object::Link).map_err(|e| refused(what, e, &[Cap::SYS_ADMIN]))?;
    let holds = |fd: &std::os::fd::OwnedFd| {
        info::link(fd.as_fd())
            .is_ok_and(|i| i.r#type == LinkType::XDP.0 && i.prog_id == prog_id && i.tail[0] as u32 == index)
    };
    let found: Vec<_> =
        ids.into_iter().filter_map(|id| info::fd_by_id(Object::Link, id).ok()).filter(holds).collect();
    match found.as_slice() {
        [one] => cut(one.as_fd(), what),
        [] => Ok(false),
        _ => {
            let message = format!("{what}: several links of that number in several network namespaces");
            Err(Error::new(ErrorKind::Invalid, message).with_hint("detach one by its id: --link ID"))
        }
    }
}
