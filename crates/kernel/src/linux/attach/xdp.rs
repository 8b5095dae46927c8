//! XDP: packets as the driver, or the stack's entrance, sees them. By link, or by netlink, which outlives the process.

use std::os::fd::{AsFd, BorrowedFd};

use skep_abi::AttachType;
use skep_backend::{Error, ErrorKind};
use skep_sys::info::{self, Object};
use skep_sys::netlink::{XDP_UPDATE_IF_NOEXIST, XdpMode, XdpProgram};
use skep_sys::prog::Target as On;
use skep_sys::{Cap, Errno, link};

use super::iface::Iface;
use super::{Attached, Hook, Mark, Mode, Program, Record, Target};
use crate::linux::error::{refused, refused_by_router};

pub(super) static HOOK: Hook =
    Hook { name: "xdp", sections: &["xdp", "xdp.frags"], needs: &["--iface"], attach, remove: Some(remove) };

impl Mode {
    fn of_xdp(self) -> XdpMode {
        match self {
            Self::Native => XdpMode::Native,
            Self::Generic => XdpMode::Generic,
            Self::Offload => XdpMode::Offload,
        }
    }
}

fn attach(program: &Program<'_>, target: &Target) -> Result<Attached, Error> {
    let mut iface = Iface::find(program, target)?;
    let flags = target.mode.map_or(0, |m| m.of_xdp().flag());
    if target.without_link {
        return by_netlink(program, iface, flags);
    }
    let on = On::Ifindex(iface.link.index);
    let link = link::create(program.fd, on, AttachType::XDP, flags, &link::More::Nothing)
        .map_err(|e| explain(refused(&what(program, &iface), e, &[Cap::NET_ADMIN]), e, &iface))?;
    Ok(Attached::link(HOOK.name, placed(&mut iface, program.id()?), link))
}

fn by_netlink(program: &Program<'_>, mut iface: Iface, flags: u32) -> Result<Attached, Error> {
    let mark = Mark::write(HOOK.name, program, &iface.fields())?;
    let flags = flags | XDP_UPDATE_IF_NOEXIST;
    let done = iface.socket.set_xdp(iface.link.index, Some(program.fd), flags, None);
    done.map_err(|e| {
        explain(refused_by_router(&what(program, &iface), &e, &[Cap::NET_ADMIN]), e.errno, &iface)
    })?;
    Ok(Attached::left(placed(&mut iface, program.id()?), mark.swapped_by(swap)))
}

fn what(program: &Program<'_>, iface: &Iface) -> String {
    format!("program `{}` can't be attached to {}", program.name, iface.link.name)
}

/// What most often stands behind a refusal.
fn explain(error: Error, errno: Errno, iface: &Iface) -> Error {
    let there = iface.link.xdp.first();
    match (errno, there) {
        (Errno::EBUSY | Errno::EEXIST, Some(XdpProgram { mode, prog_id })) => {
            error.with_hint(format!("program {prog_id} is there ({}); detach it, or replace it", mode.name()))
        }
        (Errno::EOPNOTSUPP | Errno::ERANGE, _) => {
            error.with_hint("the driver does not take it; `--mode generic` works on every interface")
        }
        _ => error,
    }
}

/// `veth0 (native)`.
fn placed(iface: &mut Iface, prog_id: u32) -> String {
    let name = iface.link.name.clone();
    let now = iface.socket.link(&iface.link.index.to_string());
    let mode = now.ok().and_then(|l| l.xdp.into_iter().find(|x| x.prog_id == prog_id));
    mode.map_or(name.clone(), |m| format!("{name} ({})", m.mode.name()))
}

/// Where a record's program sits now.
fn there(record: &Record) -> Result<Option<(Iface, XdpProgram)>, Error> {
    let Some(iface) = Iface::of(record)? else { return Ok(None) };
    let found = iface.link.xdp.iter().copied().find(|x| record.holds(x.prog_id));
    Ok(found.map(|x| (iface, x)))
}

/// Puts `new` in place of the record's program, or nothing.
fn put(mut iface: Iface, old: XdpProgram, new: Option<BorrowedFd<'_>>) -> Result<(), Error> {
    let what = format!("interface {}: its XDP program {}", iface.link.name, old.prog_id);
    let expected =
        info::fd_by_id(Object::Prog, old.prog_id).map_err(|e| refused(&what, e, &[Cap::SYS_ADMIN]))?;
    iface
        .socket
        .set_xdp(iface.link.index, new, old.mode.flag(), Some(expected.as_fd()))
        .map_err(|e| refused_by_router(&what, &e, &[Cap::NET_ADMIN]))
}

fn remove(record: &Record) -> Result<bool, Error> {
    match there(record)? {
        Some((iface, old)) => put(iface, old, None).map(|()| true),
        None => Ok(false),
    }
}

fn swap(record: &Record, new: BorrowedFd<'_>) -> Result<(), Error> {
    match there(record)? {
        Some((iface, old)) => put(iface, old, Some(new)),
        None => Err(Error::new(ErrorKind::NotFound, "the XDP program to be replaced is not there any more")),
    }
}
