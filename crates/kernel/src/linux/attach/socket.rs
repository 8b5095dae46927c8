//! Sockets: filters of what one receives, and the choice among those that share a port.
//!
//! The socket is the caller's ([`Target::socket`]), and keeps the program until it is detached or closed; or, for a
//! filter, a packet socket that is made here on an interface, to run the program on what passes there.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use skep_backend::Error;
use skep_sys::packet::{ALL, Level, PacketSocket};
use skep_sys::{Cap, Errno, socket};

use super::iface::Iface;
use super::target::missing;
use super::{Attached, Hook, Program, Target};
use crate::linux::error::refused;

pub(super) static FILTER: Hook =
    Hook { name: "socket", sections: &["socket"], needs: &["--iface"], attach: filter, remove: None };

pub(super) static REUSEPORT: Hook = Hook {
    name: "reuseport",
    sections: &["sk_reuseport", "sk_reuseport/migrate"],
    needs: &["a socket"],
    attach: reuseport,
    remove: None,
};

fn filter(program: &Program<'_>, target: &Target) -> Result<Attached, Error> {
    let what = |on: &str| format!("attaching `{}` to {on}", program.name);
    if let Some(on) = &target.socket {
        let wrong = |e| refused(&what("the socket"), e, &[]);
        socket::attach_bpf(on.as_fd(), program.fd).map_err(wrong)?;
        return undone(FILTER.name, on.as_fd(), socket::detach_filter);
    }
    let iface = Iface::find(program, target)?.link;
    // First the filter, then the interface: nothing comes in that it has not seen.
    let made = PacketSocket::open(Level::Link).and_then(|made| {
        socket::attach_bpf(made.as_fd(), program.fd)?;
        made.bind(iface.index, ALL)?;
        Ok(made)
    });
    let made = made.map_err(|e| refused(&what(&iface.name), e, &[Cap::NET_RAW]))?;
    Ok(Attached::held(FILTER.name, iface.name, vec![made.into()]))
}

fn reuseport(program: &Program<'_>, target: &Target) -> Result<Attached, Error> {
    let Some(on) = &target.socket else {
        return Err(missing(
            program.name,
            "a socket that shares its port",
            "it by the library: Target::socket",
        ));
    };
    let wrong = |e| {
        let error = refused(&format!("attaching `{}` to the socket", program.name), e, &[]);
        match e {
            Errno::EINVAL => error.with_hint("set SO_REUSEPORT on the socket, and bind it, first"),
            _ => error,
        }
    };
    socket::attach_reuseport_bpf(on.as_fd(), program.fd).map_err(wrong)?;
    undone(REUSEPORT.name, on.as_fd(), socket::detach_reuseport)
}

/// A guard over a descriptor of its own: it detaches also when the caller has closed the socket elsewhere.
fn undone(
    hook: &'static str,
    socket: BorrowedFd<'_>,
    detach: fn(BorrowedFd<'_>) -> Result<(), Errno>,
) -> Result<Attached, Error> {
    let again = socket.try_clone_to_owned();
    let own: OwnedFd = again.map_err(|e| {
        // The program is on the socket already; without a guard it must not stay.
        let _ = detach(socket);
        let errno = Errno(e.raw_os_error().unwrap_or(Errno::EMFILE.0));
        refused("keeping the socket open", errno, &[])
    })?;
    Ok(Attached::undone(hook, "a socket", move || match detach(own.as_fd()) {
        // Somebody else took it off.
        Ok(()) | Err(Errno::ENOENT) => Ok(()),
        Err(e) => Err(refused("detaching from the socket", e, &[])),
    }))
}
