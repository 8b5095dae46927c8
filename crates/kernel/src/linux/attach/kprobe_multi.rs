//! Probes of many kernel functions by one link, on entry, on return, or both as one session.

use skep_backend::{Error, ErrorKind};
use skep_sys::prog::Target as On;
use skep_sys::{Cap, Errno, link};

use super::event::{RIGHTS, lacking, not_for_one_process};
use super::uprobe_multi::count;
use super::{Attached, Hook, Program, Target, tracepoint};
use crate::linux::binary::matches;
use crate::linux::error::refused;

pub(super) static HOOK: Hook = Hook {
    name: "kprobe.multi",
    sections: &["kprobe.multi", "kretprobe.multi", "kprobe.session"],
    needs: &[],
    attach,
    remove: None,
};

fn attach(program: &Program<'_>, target: &Target) -> Result<Attached, Error> {
    let pattern = program.rest("kprobe.multi/tcp_*")?;
    if target.pid.is_some() {
        return Err(not_for_one_process(program, "kprobe"));
    }
    if program.live.built_with("CONFIG_FPROBE") == Some(false) {
        return Err(without(program));
    }
    let addrs = addresses(program, pattern)?;
    let cookies = if target.cookie == 0 { Vec::new() } else { vec![target.cookie; addrs.len()] };
    let more = link::More::KprobeMulti {
        addrs: &addrs,
        cookies: &cookies,
        flags: if program.row.name.starts_with("kret") { link::F_MULTI_RETURN } else { 0 },
    };
    let place = format!("{pattern} ({})", count(addrs.len()));
    let link =
        link::create(program.fd, On::Ifindex(0), program.attach_type, 0, &more).map_err(|e| match e {
            Errno::EOPNOTSUPP => without(program),
            e => refused(&format!("attaching `{}` to {place}", program.name), e, RIGHTS),
        })?;
    Ok(Attached::link(HOOK.name, place, link))
}

fn without(program: &Program<'_>) -> Error {
    lacking(program, "probes of many functions", "CONFIG_FPROBE")
}

/// The addresses of the functions that may be traced and fit.
fn addresses(program: &Program<'_>, pattern: &str) -> Result<Vec<u64>, Error> {
    let none = |what: String| Error::new(ErrorKind::NotFound, what);
    if !pattern.contains(['*', '?']) {
        let found = program.live.symbol(pattern);
        return found
            .map(|a| vec![a])
            .ok_or_else(|| none(format!("this kernel has no function `{pattern}`")));
    }
    let fs = tracepoint::open(program)?;
    let names = fs.traceable().map_err(|e| match e {
        Errno::ENOENT => lacking(program, "functions that may be traced", "CONFIG_DYNAMIC_FTRACE"),
        e => refused("reading available_filter_functions", e, &[Cap::SYS_ADMIN]),
    })?;
    let fit = names.iter().filter(|n| matches(pattern.as_bytes(), n.as_bytes()));
    let mut addrs: Vec<u64> = fit.filter_map(|n| program.live.symbol(n)).collect();
    addrs.sort_unstable();
    addrs.dedup();
    if addrs.is_empty() {
        return Err(none(format!("no function of this kernel that may be traced fits `{pattern}`")));
    }
    Ok(addrs)
}
