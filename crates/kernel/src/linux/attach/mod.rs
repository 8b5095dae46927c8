//! Attaching: a loaded program is hung on a hook of the kernel, and [`Attached`] takes it down again.
//!
//! One file a hook. Each gives one [`Hook`] row: which section names are its own, the function that attaches, and, if
//! what it attaches outlives the process by its nature, the function that takes it down from a [`Record`]. [`HOOKS`] is
//! the only list of them: [`Live::attach`], the command line and `skep detach --stale` all go by it. A test holds that
//! every section name that [`skep_abi`] knows belongs to exactly one hook, or to [`ELSEWHERE`] with the reason.
//!
//! How to write a hook: take what you need from the [`Target`] (its getters say which flag is missing), attach by
//! link or perf event wherever the kernel can, for these vanish with the process, and give [`Attached::link`] or
//! [`Attached::held`]. What can't vanish goes in three steps: [`Mark::write`], then attach, then [`Attached::left`];
//! if the second step fails, dropping the mark removes the record.

mod attached;
mod cgroup;
mod detach;
mod event;
mod iface;
mod iter;
mod kprobe;
mod kprobe_multi;
mod lwt;
mod mark;
mod netfilter;
mod netkit;
mod netns;
mod perf_event;
mod raw_tracepoint;
mod socket;
mod sockmap;
mod struct_ops;
mod target;
mod tc;
mod tracepoint;
mod typed;
mod uprobe;
mod uprobe_multi;
mod usdt;
mod xdp;
mod xt_bpf;

use std::os::fd::BorrowedFd;

use skep_abi::{AttachType, ProgType, SectionRow, section};
use skep_backend::{Error, ErrorKind};

use super::live::Live;
use super::pins;

pub use attached::Attached;
pub(super) use attached::update;
pub(super) use attached::{MOUNT, pin_object};
pub use cgroup::{open_cgroup, walk as cgroups};
pub use detach::{Detached, detach_iface, detach_link, detach_pinned, detach_recorded, detach_stale, remove};
pub use iter::Reader;
pub use mark::{Mark, Record, Swap, records};
pub(super) use struct_ops::{is_of_table, unregister};
pub use target::{Direction, Mode, Search, Target};

/// One place of the kernel where programs are hung.
#[derive(Debug)]
pub struct Hook {
    /// What people call it: `xdp`, `tc`, `uprobe`. Records name it, so it is never changed.
    pub name: &'static str,
    /// The section names whose programs it takes.
    pub sections: &'static [&'static str],
    /// Flags without which it has no target, for people: `--iface`. Empty if the section name can say all.
    pub needs: &'static [&'static str],
    /// Hangs a program there.
    pub attach: fn(&Program<'_>, &Target) -> Result<Attached, Error>,
    /// Takes down what a record tells of, if that is still there and still what the record says; `false` if not.
    /// `None` where everything vanishes with its descriptors.
    pub remove: Option<Remove>,
}

/// See [`Hook::remove`].
pub type Remove = fn(&Record) -> Result<bool, Error>;

/// Every hook.
pub static HOOKS: &[&Hook] = &[
    &xdp::HOOK,
    &tc::HOOK,
    &netkit::HOOK,
    &netfilter::HOOK,
    &lwt::HOOK,
    &cgroup::HOOK,
    &socket::FILTER,
    &socket::REUSEPORT,
    &netns::SK_LOOKUP,
    &netns::FLOW_DISSECTOR,
    &sockmap::HOOK,
    &struct_ops::HOOK,
    &xt_bpf::HOOK,
    &tracepoint::HOOK,
    &raw_tracepoint::HOOK,
    &typed::TRACEPOINT,
    &typed::FUNCTION,
    &typed::LSM,
    &typed::REPLACED,
    &uprobe::HOOK,
    &uprobe_multi::HOOK,
    &usdt::HOOK,
    &kprobe::HOOK,
    &kprobe_multi::HOOK,
    &perf_event::HOOK,
    &iter::HOOK,
];

/// Section names of programs that are not hung anywhere by themselves, and what is done with them instead.
pub static ELSEWHERE: &[(&str, &str)] = &[
    ("xdp/devmap", "put it into a devmap's entry"),
    ("xdp.frags/devmap", "put it into a devmap's entry"),
    ("xdp/cpumap", "put it into a cpumap's entry"),
    ("xdp.frags/cpumap", "put it into a cpumap's entry"),
    ("syscall", "run it: `skep prog run`"),
    ("action", "tc's action bpf takes it: pin it, and give the path to tc"),
    ("lwt_seg6local", "a route of `ip -6 route ... encap seg6local action End.BPF` takes it, pinned"),
    ("lirc_mode2", "infrared receivers are not supported"),
];

/// A loaded program, as a hook sees it.
#[derive(Clone, Copy, Debug)]
pub struct Program<'a> {
    /// Name of the function.
    pub name: &'a str,
    /// Its descriptor.
    pub fd: BorrowedFd<'a>,
    /// Its type.
    pub prog_type: ProgType,
    /// The attach type it was loaded with (`expected_attach_type`).
    pub attach_type: AttachType,
    /// What its section name means; for a section that says nothing, the plainest of its type.
    pub row: &'static SectionRow,
    /// What follows the section's name: `sched/sched_switch`, `/bin/x:symbol`.
    pub rest: Option<&'a str>,
    /// What it was loaded with: maps, other programs.
    pub live: &'a Live,
}

impl Program<'_> {
    /// Its id.
    ///
    /// # Errors
    /// If the kernel does not say.
    pub fn id(&self) -> Result<u32, Error> {
        let info = skep_sys::info::prog(self.fd);
        info.map(|i| i.id).map_err(|e| super::error::refused("asking for a program's id", e, &[]))
    }

    /// What follows the section's name, for a hook that can't do without.
    ///
    /// # Errors
    /// If nothing does; the hint shows how it is written.
    pub fn rest(&self, example: &str) -> Result<&str, Error> {
        self.rest.filter(|r| !r.is_empty()).ok_or_else(|| {
            let message = format!("program `{}`: its section does not say what to attach to", self.name);
            Error::new(ErrorKind::Invalid, message).with_hint(format!("name a target, such as `{example}`"))
        })
    }
}

/// The hook for a section name of [`skep_abi::sections`].
pub fn hook_of(section: &str) -> Option<&'static Hook> {
    HOOKS.iter().copied().find(|h| h.sections.contains(&section))
}

/// The hook for a program of a section. Socket filters also match packets for iptables, if the target says so.
fn hook_for(row: &SectionRow, target: &Target) -> Option<&'static Hook> {
    match target.iptables {
        Some(_) if row.prog == ProgType::SOCKET_FILTER => Some(&xt_bpf::HOOK),
        _ => hook_of(row.name),
    }
}

/// How what records of this hook tell of is taken down. Pins have records, too.
fn remover(hook: &str) -> Option<Remove> {
    if hook == pins::NAME {
        return Some(pins::remove);
    }
    HOOKS.iter().find(|h| h.name == hook)?.remove
}

impl Live {
    /// Hangs a program where its section name and `target` say; what `target` says comes first.
    ///
    /// # Errors
    /// If there is no such program, the target lacks something, or the kernel refuses.
    pub fn attach(&self, prog: &str, target: &Target) -> Result<Attached, Error> {
        let loaded = self.find(prog)?;
        let written = target.section.as_deref().unwrap_or(&loaded.section);
        let found = section(written).filter(|s| s.row.prog == loaded.prog_type);
        if found.is_none() && target.section.is_some() {
            let message =
                format!("`{written}` is no place for program `{prog}`, which is {}", loaded.prog_type);
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        let plainest = || loaded.prog_type.sections().find(|r| r.attach == loaded.attach_type);
        let row = found.map(|s| s.row).or_else(plainest).or_else(|| loaded.prog_type.sections().next());
        let Some(row) = row else {
            let message = format!("program `{prog}`: nothing is known of where {} goes", loaded.prog_type);
            return Err(Error::new(ErrorKind::Unsupported, message));
        };
        let program = Program {
            name: &loaded.name,
            fd: self.program(prog)?,
            prog_type: loaded.prog_type,
            attach_type: loaded.attach_type,
            row,
            rest: found.and_then(|s| s.rest),
            live: self,
        };
        let Some(hook) = hook_for(row, target) else { return Err(nowhere(prog, row)) };
        (hook.attach)(&program, target).map(|a| a.of(prog, program.fd))
    }

    /// The hook that a program would be hung on; `None` for one that is not hung anywhere by itself.
    pub fn hook(&self, prog: &str, target: &Target) -> Option<&'static Hook> {
        let loaded = self.find(prog).ok()?;
        let row = section(&loaded.section).map(|s| s.row).filter(|r| r.prog == loaded.prog_type);
        hook_for(row.or_else(|| loaded.prog_type.sections().next())?, target)
    }
}

/// Why a program of this kind is not attached.
fn nowhere(prog: &str, row: &SectionRow) -> Error {
    let message = format!("program `{prog}`: a `{}` program is not attached by itself", row.name);
    let error = Error::new(ErrorKind::Unsupported, message);
    match ELSEWHERE.iter().find(|(name, _)| *name == row.name) {
        Some((_, instead)) => error.with_hint(*instead),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_belongs_to_one_hook() {
        for row in skep_abi::sections() {
            let hooks = HOOKS.iter().filter(|h| h.sections.contains(&row.name)).count();
            let elsewhere = ELSEWHERE.iter().filter(|(name, _)| *name == row.name).count();
            assert_eq!(hooks + elsewhere, 1, "{}", row.name);
        }
    }

    #[test]
    fn hooks_claim_sections_that_there_are() {
        let known = |name: &str| skep_abi::sections().iter().any(|row| row.name == name);
        for name in HOOKS.iter().flat_map(|h| h.sections).chain(ELSEWHERE.iter().map(|(name, _)| name)) {
            assert!(known(name), "{name}");
        }
    }
}
