//! Network namespaces: the choice of a listening socket, and the dissection of packets into flows. Both by link alone: it
//! goes with the process or with the namespace, whichever is first.

use std::os::fd::AsFd;

use skep_backend::{Error, ErrorKind};
use skep_sys::prog::Target as On;
use skep_sys::{Cap, Errno, link, netns};

use super::{Attached, Hook, Program, Target};
use crate::linux::error::refused;

pub(super) static SK_LOOKUP: Hook =
    Hook { name: "sk_lookup", sections: &["sk_lookup"], needs: &[], attach, remove: None };

pub(super) static FLOW_DISSECTOR: Hook =
    Hook { name: "flow_dissector", sections: &["flow_dissector"], needs: &[], attach, remove: None };

fn attach(program: &Program<'_>, target: &Target) -> Result<Attached, Error> {
    let hook = if program.row.name == SK_LOOKUP.name { SK_LOOKUP.name } else { FLOW_DISSECTOR.name };
    let place = target.netns.as_ref().map_or("this network namespace".into(), |p| p.display().to_string());
    if target.without_link {
        let message = format!("a {hook} program is attached by link alone");
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    let ns = match &target.netns {
        Some(path) => netns::open(path),
        None => netns::current(),
    };
    let ns = ns.map_err(|e| refused(&place, e, &[]))?;
    let made = link::create(program.fd, On::Fd(ns.as_fd()), program.row.attach, 0, &link::More::Nothing);
    let made = made.map_err(|e| {
        let what = format!("attaching `{}` to {place}", program.name);
        let error = refused(&what, e, &[Cap::BPF, Cap::NET_ADMIN]);
        match e {
            Errno::EEXIST | Errno::E2BIG => {
                error.with_hint("one is attached there, or to the first namespace")
            }
            _ => error,
        }
    })?;
    Ok(Attached::link(hook, place, made))
}
