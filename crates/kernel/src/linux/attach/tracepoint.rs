//! Tracepoints, as they are: by category and name, with the fields that tracefs describes as the context.

use skep_backend::{Error, ErrorKind};
use skep_sys::tracefs::Tracefs;
use skep_sys::{Cap, Errno, perf};

use super::event::{RIGHTS, hang, not_for_one_process};
use super::{Attached, Hook, Program, Target};
use crate::linux::error::refused;

pub(super) static HOOK: Hook = Hook {
    name: "tracepoint",
    sections: &["tracepoint", "tp", "tracepoint.s", "tp.s"],
    needs: &[],
    attach,
    remove: None,
};

fn attach(program: &Program<'_>, target: &Target) -> Result<Attached, Error> {
    let place = program.rest("tracepoint/sched/sched_switch")?;
    if target.pid.is_some() {
        return Err(not_for_one_process(program, "tracepoint"));
    }
    let (category, name) = place.split_once('/').unwrap_or(("", place));
    let fs = open(program)?;
    let id = fs.event_id(category, name).map_err(|e| match e {
        Errno::ENOENT | Errno::ENOTDIR => unknown(&fs, category, name),
        e => refused(&format!("tracepoint `{place}`"), e, &[Cap::SYS_ADMIN]),
    })?;
    let event =
        perf::open_tracepoint(id).map_err(|e| refused(&format!("tracepoint `{place}`"), e, RIGHTS))?;
    hang(HOOK.name, program, target, place, event, target.cookie)
}

pub(super) fn open(program: &Program<'_>) -> Result<Tracefs, Error> {
    Tracefs::open().map_err(|e| {
        let error = refused(&format!("program `{}`: opening tracefs", program.name), e, &[Cap::SYS_ADMIN]);
        match e {
            Errno::ENODEV => error.with_hint("this kernel was built without CONFIG_TRACING"),
            _ => error.with_hint("mount it: mount -t tracefs tracefs /sys/kernel/tracing"),
        }
    })
}

fn unknown(fs: &Tracefs, category: &str, name: &str) -> Error {
    let whole = if category.is_empty() { name.to_owned() } else { format!("{category}/{name}") };
    let error = Error::new(ErrorKind::NotFound, format!("this kernel has no tracepoint `{whole}`"));
    match nearest(fs, category, name) {
        Some(near) => error.with_hint(format!("there is `{near}`")),
        None => error.with_hint("it is written CATEGORY/NAME, as the folders of tracefs's `events` are"),
    }
}

/// The tracepoint that was meant: of that name in another category, or of a name like it.
pub(super) fn nearest(fs: &Tracefs, category: &str, name: &str) -> Option<String> {
    let categories = fs.list(None).ok()?;
    if let Ok(names) = fs.list(Some(category)).as_deref()
        && !category.is_empty()
    {
        let near = skep_abi::nearest(name, names.iter().map(String::as_str))?;
        return Some(format!("{category}/{near}"));
    }
    let mut all = Vec::new();
    for c in categories {
        let names = fs.list(Some(&c)).unwrap_or_default();
        if names.iter().any(|n| n == name) {
            return Some(format!("{c}/{name}"));
        }
        all.extend(names.into_iter().map(|n| (c.clone(), n)));
    }
    let near = skep_abi::nearest(name, all.iter().map(|(_, n)| n.as_str()))?;
    all.iter().find(|(_, n)| n == near).map(|(c, n)| format!("{c}/{n}"))
}
