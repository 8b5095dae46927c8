//! Interfaces: found for attaching, and found again from a record, in whichever namespace they are.

use std::os::fd::AsFd;

use skep_backend::{Error, ErrorKind};
use skep_sys::netlink::{Link, Socket};
use skep_sys::netns::{self, NetnsId};
use skep_sys::{Cap, Errno};

use super::{Program, Record, Target};
use crate::linux::error::{refused, refused_by_router};

/// An interface, with the socket that speaks for its namespace.
#[derive(Debug)]
pub(super) struct Iface {
    pub(super) socket: Socket,
    pub(super) link: Link,
    netns: NetnsId,
}

impl Iface {
    /// The interface of a target.
    pub(super) fn find(program: &Program<'_>, target: &Target) -> Result<Self, Error> {
        Self::named(target.iface(program.name)?)
    }

    /// The interface of this name or number, in this thread's network namespace.
    pub(super) fn named(name: &str) -> Result<Self, Error> {
        let wrong = |e: Errno| refused("netlink", e, &[]);
        let mut socket = Socket::open().map_err(wrong)?;
        let netns = here().map_err(wrong)?;
        match socket.link(name) {
            Ok(link) => Ok(Self { socket, link, netns }),
            Err(e) if e.errno == Errno::ENODEV => {
                let error = Error::new(ErrorKind::NotFound, format!("there is no interface `{name}`"));
                Err(match nearest(&mut socket, name) {
                    Some(other) => error.with_hint(format!("did you mean `{other}`?")),
                    None => error,
                })
            }
            Err(e) => Err(refused_by_router(&format!("interface `{name}`"), &e, &[])),
        }
    }

    /// What a record says of the interface, for [`Iface::of`].
    pub(super) fn fields(&self) -> Vec<(&'static str, String)> {
        vec![
            ("netns", self.netns.to_string()),
            ("ifindex", self.link.index.to_string()),
            ("target", self.link.name.clone()),
        ]
    }

    /// The interface of a record; `None` if it or its namespace is gone, and with it all that was attached.
    pub(super) fn of(record: &Record) -> Result<Option<Self>, Error> {
        let index = record.number("ifindex")?;
        let Some(netns) = record.get("netns").and_then(|n| n.parse::<NetnsId>().ok()) else {
            return Err(Error::new(ErrorKind::Invalid, "the record does not say its network namespace"));
        };
        let Some(fd) = netns::find(netns) else { return Ok(None) };
        let opened = if here() == Ok(netns) { Socket::open() } else { Socket::open_in(fd.as_fd()) };
        let mut socket = opened.map_err(|e| refused("entering a network namespace", e, &[Cap::SYS_ADMIN]))?;
        match socket.link(&index.to_string()) {
            Ok(link) => Ok(Some(Self { socket, link, netns })),
            Err(e) if e.errno == Errno::ENODEV => Ok(None),
            Err(e) => Err(refused_by_router(&format!("interface {index}"), &e, &[])),
        }
    }

    /// Whether a record is about this interface.
    pub(super) fn is_of(&self, record: &Record) -> bool {
        record.get("netns") == Some(&self.netns.to_string())
            && record.number("ifindex").is_ok_and(|n| n == self.link.index)
    }
}

/// This thread's network namespace.
fn here() -> Result<NetnsId, Errno> {
    netns::id(netns::current()?.as_fd())
}

fn nearest(socket: &mut Socket, name: &str) -> Option<String> {
    let links = socket.links().ok()?;
    skep_abi::nearest(name, links.iter().map(|l| l.name.as_str())).map(str::to_owned)
}
