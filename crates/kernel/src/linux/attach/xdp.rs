//! XDP: packets as the driver, or the stack's entrance, sees them.

use skep_abi::AttachType;
use skep_backend::Error;
use skep_sys::prog::Target as On;
use skep_sys::{Cap, Errno, link};

use super::{Attached, Hook, Mode, Program, Target};
use crate::linux::error::refused;

pub(super) static HOOK: Hook =
    Hook { name: "xdp", sections: &["xdp", "xdp.frags"], needs: &["--iface"], attach, remove: None };

/// `XDP_FLAGS_SKB_MODE`, `XDP_FLAGS_DRV_MODE`, `XDP_FLAGS_HW_MODE`.
fn flags(mode: Option<Mode>) -> u32 {
    match mode {
        None => 0,
        Some(Mode::Generic) => 1 << 1,
        Some(Mode::Native) => 1 << 2,
        Some(Mode::Offload) => 1 << 3,
    }
}

fn attach(program: &Program<'_>, target: &Target) -> Result<Attached, Error> {
    let iface = target.iface(program.name)?;
    let index = skep_sys::net::index(iface).map_err(|e| refused(&format!("interface `{iface}`"), e, &[]))?;
    let made = link::create(
        program.fd,
        On::Ifindex(index),
        AttachType::XDP,
        flags(target.mode),
        &link::More::Nothing,
    );
    let link = made.map_err(|e: Errno| {
        refused(&format!("attaching `{}` to {iface}", program.name), e, &[Cap::NET_ADMIN])
    })?;
    Ok(Attached::link("xdp", iface, link))
}
