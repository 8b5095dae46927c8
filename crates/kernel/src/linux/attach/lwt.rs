//! LWT: packets of one route, as they arrive, are sent, or are about to be transmitted. The program is a property of
//! the route, so the route is made for it; it outlives the process.

use std::net::IpAddr;

use skep_abi::ProgType;
use skep_backend::{Error, ErrorKind};
use skep_sys::netlink::{LwtHook, LwtRoute};
use skep_sys::{Cap, Errno};

use super::iface::Iface;
use super::target::missing;
use super::{Attached, Hook, Mark, Program, Record, Target};
use crate::linux::error::refused_by_router;

pub(super) static HOOK: Hook = Hook {
    name: "lwt",
    sections: &["lwt_in", "lwt_out", "lwt_xmit"],
    needs: &["--route", "--iface"],
    attach,
    remove: Some(remove),
};

/// Bytes that an xmit program may put in front of a packet (`LWT_BPF_MAX_HEADROOM`).
const HEADROOM: u32 = 256;

/// `10.0.0.0/24`; bits beyond the prefix are refused, as the kernel does.
fn parse(text: &str) -> Option<(IpAddr, u8)> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.map_or(Some(bits), |p| p.parse().ok())?;
    (prefix <= bits).then_some((address, prefix))
}

fn attach(program: &Program<'_>, target: &Target) -> Result<Attached, Error> {
    let text = target.route.as_deref();
    let text =
        text.ok_or_else(|| missing(program.name, "a route", "--route, such as `--route 10.0.0.0/24`"))?;
    let Some((to, prefix)) = parse(text) else {
        let error = Error::new(ErrorKind::Invalid, format!("`{text}` is no destination"));
        return Err(error.with_hint("write it as 10.0.0.0/24 or fd00::/64"));
    };
    let mut iface = Iface::find(program, target)?;
    let hook = match program.prog_type {
        ProgType::LWT_IN => LwtHook::In,
        ProgType::LWT_OUT => LwtHook::Out,
        _ => LwtHook::Xmit,
    };
    let mut fields = iface.fields();
    let place = format!("{to}/{prefix} dev {}", iface.link.name);
    fields.extend([("to", to.to_string()), ("prefix", prefix.to_string()), ("target", place.clone())]);
    let mark = Mark::write(HOOK.name, program, &fields)?;
    let route = LwtRoute { to, prefix, index: iface.link.index };
    let headroom = if hook == LwtHook::Xmit { HEADROOM } else { 0 };
    let made = iface.socket.add_lwt_route(&route, hook, program.fd, &mark.record().label(), headroom);
    made.map_err(|e| {
        let what = format!("program `{}` can't be attached to route {place}", program.name);
        let error = refused_by_router(&what, &e, &[Cap::NET_ADMIN]);
        match e.errno {
            Errno::EEXIST => {
                error.with_hint("there is such a route: delete it, for the program's takes its place")
            }
            _ => error,
        }
    })?;
    Ok(Attached::left(place, mark))
}

fn remove(record: &Record) -> Result<bool, Error> {
    let Some(mut iface) = Iface::of(record)? else { return Ok(false) };
    let to = record.get("to").and_then(|t| t.parse().ok());
    let to = to.ok_or_else(|| Error::new(ErrorKind::Invalid, "the record does not say its route"))?;
    let prefix = record.number("prefix")?.min(128) as u8;
    let route = LwtRoute { to, prefix, index: iface.link.index };
    let what = format!("route {to}/{prefix}");
    let on_it = iface.socket.lwt_programs(&route).map_err(|e| refused_by_router(&what, &e, &[]))?;
    // The kernel tells a route's program by the name that it was given, not by its id.
    if !on_it.contains(&record.label()) {
        return Ok(false);
    }
    let removed = iface.socket.del_route(&route);
    removed.map(|()| true).map_err(|e| refused_by_router(&what, &e, &[Cap::NET_ADMIN]))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn destinations_are_read() {
        assert_eq!(parse("10.0.0.0/24"), Some(([10, 0, 0, 0].into(), 24)));
        assert_eq!(parse("10.0.0.1"), Some(([10, 0, 0, 1].into(), 32)));
        assert_eq!(parse("fd00::/64").map(|p| p.1), Some(64));
        assert_eq!(parse("10.0.0.0/33"), None);
        assert_eq!(parse("10.0.0/24"), None);
    }
}
