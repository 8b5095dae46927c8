//! Probes of many functions of one file by one link, on entry, on return, or both as one session.

use skep_backend::Error;
use skep_sys::prog::Target as On;
use skep_sys::{Errno, link};

use super::event::RIGHTS;
use super::uprobe::{c_path, no_process, split};
use super::{Attached, Hook, Program, Target};
use crate::linux::binary::{Binary, Wanted, find};
use crate::linux::error::refused;

pub(super) static HOOK: Hook = Hook {
    name: "uprobe.multi",
    sections: &[
        "uprobe.multi",
        "uprobe.multi.s",
        "uretprobe.multi",
        "uretprobe.multi.s",
        "uprobe.session",
        "uprobe.session.s",
    ],
    needs: &[],
    attach,
    remove: None,
};

const EXAMPLE: &str = "uprobe.multi//usr/bin/bash:read*";

fn attach(program: &Program<'_>, target: &Target) -> Result<Attached, Error> {
    let (file, pattern) = split(program, program.rest(EXAMPLE)?, EXAMPLE)?;
    let path = find(file, &target.search)?;
    let binary = Binary::open(&path, Wanted::Functions)?;
    let offsets: Vec<u64> = match pattern.contains(['*', '?']) {
        true => binary.functions(pattern)?.into_keys().collect(),
        false => vec![binary.function(pattern, 0)?],
    };
    let cookies = if target.cookie == 0 { Vec::new() } else { vec![target.cookie; offsets.len()] };
    let more = link::More::UprobeMulti {
        path: &c_path(&path)?,
        offsets: &offsets,
        semaphores: &[],
        cookies: &cookies,
        flags: if program.row.name.starts_with("uret") { link::F_MULTI_RETURN } else { 0 },
        pid: target.pid.unwrap_or(0),
    };
    let made = link::create(program.fd, On::Ifindex(0), program.attach_type, 0, &more);
    let place = format!("{}:{pattern} ({})", path.display(), count(offsets.len()));
    let link = made.map_err(|e| {
        let error = refused(&format!("attaching `{}` to {place}", program.name), e, RIGHTS);
        match (e, program.attach_type.row()) {
            (Errno::ESRCH, _) => no_process(target),
            (Errno::EINVAL | Errno::EOPNOTSUPP, Some(row)) => {
                error.with_hint(format!("such links are there since Linux {}", row.since))
            }
            _ => error,
        }
    })?;
    Ok(Attached::link(HOOK.name, place, link))
}

pub(super) fn count(n: usize) -> String {
    if n == 1 { "one function".to_owned() } else { format!("{n} functions") }
}
