//! Raw tracepoints: the same places as tracepoints, by name alone, with the kernel's own arguments as the context.

use skep_backend::{Error, ErrorKind};
use skep_sys::tracefs::Tracefs;
use skep_sys::{Errno, link};

use super::event::{RIGHTS, not_for_one_process};
use super::{Attached, Hook, Program, Target, tracepoint};
use crate::linux::error::refused;

pub(super) static HOOK: Hook = Hook {
    name: "raw_tracepoint",
    sections: &["raw_tracepoint", "raw_tp", "raw_tracepoint.s", "raw_tp.s", "raw_tracepoint.w", "raw_tp.w"],
    needs: &[],
    attach,
    remove: None,
};

fn attach(program: &Program<'_>, target: &Target) -> Result<Attached, Error> {
    let name = program.rest("raw_tp/sched_switch")?;
    if target.pid.is_some() {
        return Err(not_for_one_process(program, "raw tracepoint"));
    }
    let link = link::raw_tracepoint(program.fd, Some(name), target.cookie).map_err(|e| match e {
        Errno::ENOENT => unknown(name),
        e => refused(&format!("attaching `{}` to {name}", program.name), e, RIGHTS),
    })?;
    Ok(Attached::link(HOOK.name, name, link))
}

fn unknown(name: &str) -> Error {
    let error = Error::new(ErrorKind::NotFound, format!("this kernel has no raw tracepoint `{name}`"));
    // A category is no part of the name here, but people write one.
    let bare = name.rsplit('/').next().unwrap_or(name);
    let near = Tracefs::open().ok().and_then(|fs| tracepoint::nearest(&fs, "", bare));
    match near.as_deref().and_then(|n| n.rsplit('/').next()) {
        Some(near) => error.with_hint(format!("there is `{near}`")),
        None => error,
    }
}
