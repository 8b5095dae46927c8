//! Probes of user code: entry of a function or any instruction of it, and return. One place each, by a perf event.

use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use skep_backend::{Error, ErrorKind};
use skep_sys::{Errno, probe};

use super::event::{RIGHTS, hang, lacking};
use super::{Attached, Hook, Program, Target};
use crate::linux::binary::{Binary, Wanted, find};
use crate::linux::error::refused;

pub(super) static HOOK: Hook = Hook {
    name: "uprobe",
    sections: &["uprobe", "uprobe.s", "uretprobe", "uretprobe.s"],
    needs: &[],
    attach,
    remove: None,
};

const EXAMPLE: &str = "uprobe//usr/bin/bash:readline";

fn attach(program: &Program<'_>, target: &Target) -> Result<Attached, Error> {
    let written = program.rest(EXAMPLE)?;
    let ret = program.row.name.starts_with("uret");
    let (file, place) = split(program, written, EXAMPLE)?;
    let path = find(file, &target.search)?;
    let (name, add) = offset(program, place)?;
    if ret && add > 0 && !name.is_empty() {
        let message = format!("program `{}`: a function returns as a whole, not at +{add:#x}", program.name);
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    let offset = match name {
        "" => add,
        name => Binary::open(&path, Wanted::Functions)?.function(name, add)?,
    };
    let event = open(program, target, &path, Spot { offset, semaphore: 0, ret })?;
    hang(HOOK.name, program, target, &format!("{}:{place}", path.display()), event, target.cookie)
}

/// `FILE:PLACE`.
pub(super) fn split<'a>(
    program: &Program<'_>,
    written: &'a str,
    example: &str,
) -> Result<(&'a str, &'a str), Error> {
    written.rsplit_once(':').filter(|(file, place)| !file.is_empty() && !place.is_empty()).ok_or_else(|| {
        let message =
            format!("program `{}`: `{written}` does not name a file and a place in it", program.name);
        Error::new(ErrorKind::Invalid, message).with_hint(format!("write it as `{example}`"))
    })
}

/// `function`, `function+0x10`, or an offset in the file alone, which has no name.
fn offset<'a>(program: &Program<'_>, place: &'a str) -> Result<(&'a str, u64), Error> {
    let number = |text: &str| match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    };
    let parsed = match place.split_once('+') {
        Some((name, add)) => number(add).map(|n| (name, n)),
        None => Some(number(place).map_or((place, 0), |n| ("", n))),
    };
    parsed.ok_or_else(|| {
        let message = format!("program `{}`: what follows the `+` of `{place}` is no number", program.name);
        Error::new(ErrorKind::Invalid, message).with_hint("write it as `function+0x10`")
    })
}

/// What is probed, in a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    pub(super) offset: u64,
    pub(super) semaphore: u64,
    pub(super) ret: bool,
}

/// Opens the event.
pub(super) fn open(
    program: &Program<'_>,
    target: &Target,
    path: &Path,
    spot: Spot,
) -> Result<OwnedFd, Error> {
    let name = c_path(path)?;
    let pid = pid(target)?;
    let Spot { offset, semaphore, ret } = spot;
    let wanted = probe::Uprobe { path: &name, offset, semaphore, ret };
    probe::open_uprobe(&wanted, pid).map_err(|e| match e {
        Errno::EOPNOTSUPP if !probe::has_uprobes() => lacking(program, "uprobes", "CONFIG_UPROBE_EVENTS"),
        Errno::EOPNOTSUPP => lacking(program, "semaphores of uprobes", "them, as before 4.20"),
        Errno::ESRCH => no_process(target),
        e => refused(&format!("probing {} at {offset:#x}", path.display()), e, RIGHTS),
    })
}

pub(super) fn c_path(path: &Path) -> Result<CString, Error> {
    CString::new(path.as_os_str().as_bytes())
        .map_err(|_| Error::new(ErrorKind::Invalid, format!("{}: no path", path.display())))
}

/// The process as perf_event_open(2) wants it: -1 is any.
pub(super) fn pid(target: &Target) -> Result<i32, Error> {
    target.pid.map_or(Ok(-1), |pid| i32::try_from(pid).map_err(|_| no_process(target)))
}

pub(super) fn no_process(target: &Target) -> Error {
    let pid = target.pid.map_or("any".to_owned(), |pid| pid.to_string());
    Error::new(ErrorKind::NotFound, format!("there is no process {pid}"))
}
