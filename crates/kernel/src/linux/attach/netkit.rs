//! netkit: programs in place of a device's transmit path, on its own end and on its peer's. By link only.

use skep_abi::AttachType;
use skep_backend::Error;
use skep_sys::prog::Target as On;
use skep_sys::{Cap, Errno, link};

use super::iface::Iface;
use super::{Attached, Hook, Program, Target};
use crate::linux::error::refused;

pub(super) static HOOK: Hook = Hook {
    name: "netkit",
    sections: &["netkit/primary", "netkit/peer"],
    needs: &["--iface"],
    attach,
    remove: None,
};

fn attach(program: &Program<'_>, target: &Target) -> Result<Attached, Error> {
    let iface = Iface::find(program, target)?;
    let end = if program.row.attach == AttachType::NETKIT_PEER { "peer" } else { "primary" };
    let place = format!("{} {end}", iface.link.name);
    let on = On::Ifindex(iface.link.index);
    let link = link::create(program.fd, on, program.row.attach, 0, &link::More::Nothing).map_err(|e| {
        let error = refused(
            &format!("program `{}` can't be attached to {place}", program.name),
            e,
            &[Cap::NET_ADMIN],
        );
        match e {
            // The kernel tells a device of another kind from a missing right by the errno only.
            Errno::EINVAL | Errno::ENXIO | Errno::EACCES if iface.link.kind != "netkit" => {
                error.with_hint(format!("{} is no netkit device", iface.link.name))
            }
            _ => error,
        }
    })?;
    Ok(Attached::link(HOOK.name, place, link))
}
