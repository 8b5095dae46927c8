//! What is attached to a target without being a link of ours: BPF_PROG_ATTACH, BPF_PROG_DETACH and BPF_PROG_QUERY in
//! full, for cgroups, sockmaps, network namespaces and devices. [`super::prog`] has the short forms.

use std::os::fd::BorrowedFd;

use skep_abi::{AttachType, Cmd};

use super::attr::{Attach, Query};
use super::call::{address_mut, bpf, length, number};
use super::prog::Target;
use crate::Errno;

/// `BPF_F_ALLOW_OVERRIDE`: a cgroup below may put its own program in place of this one.
pub const F_OVERRIDE: u32 = 1 << 0;
/// `BPF_F_ALLOW_MULTI`: a cgroup may have several programs, and those of cgroups below run too.
pub const F_MULTI: u32 = 1 << 1;
/// `BPF_F_REPLACE`: in the place of another program.
pub const F_REPLACE: u32 = 1 << 2;
/// `BPF_F_BEFORE`: before another program or link, or before all.
pub const F_BEFORE: u32 = 1 << 3;
/// `BPF_F_AFTER`: behind another program or link, or behind all.
pub const F_AFTER: u32 = 1 << 4;
/// `BPF_F_ID`: what is named is named by id, not by descriptor.
pub const F_ID: u32 = 1 << 5;
/// `BPF_F_PREORDER`: a cgroup's program runs before those of cgroups below.
pub const F_PREORDER: u32 = 1 << 6;
/// `BPF_F_LINK`: the one named is a link.
pub const F_LINK: u32 = 1 << 13;

/// `BPF_F_QUERY_EFFECTIVE`: with what cgroups above have.
const QUERY_EFFECTIVE: u32 = 1;
/// The most programs that are asked for.
const MOST: usize = 1 << 16;

/// How a program is attached.
#[derive(Clone, Copy, Debug, Default)]
pub struct How<'a> {
    /// `BPF_F_*` of this module, but [`F_REPLACE`], which `replace` sets.
    pub flags: u32,
    /// The program whose place it takes.
    pub replace: Option<BorrowedFd<'a>>,
    /// The program or link beside which it stands: its descriptor's number, or with [`F_ID`] its id.
    pub relative: u32,
    /// What [`Hooked::revision`] must still be; 0 is anything.
    pub revision: u64,
}

fn attr(target: Target<'_>, prog: BorrowedFd<'_>, attach_type: AttachType, how: &How<'_>) -> Attach {
    Attach {
        target_fd: target.number(),
        attach_bpf_fd: number(prog),
        attach_type: attach_type.0,
        attach_flags: how.flags | if how.replace.is_some() { F_REPLACE } else { 0 },
        replace_bpf_fd: how.replace.map_or(0, number),
        relative_fd: how.relative,
        expected_revision: how.revision,
    }
}

/// BPF_PROG_ATTACH: stays until it is detached or the target goes.
///
/// # Errors
/// `EPERM` where a program is there already and neither it nor this one allows others, or one above allows none;
/// `EEXIST` if it is there; `ENOENT` if what it shall replace is not; `ESTALE` if the revision is another by now.
pub fn attach(
    target: Target<'_>,
    prog: BorrowedFd<'_>,
    attach_type: AttachType,
    how: &How<'_>,
) -> Result<(), Errno> {
    // SAFETY: the attribute holds no pointer.
    unsafe { bpf(Cmd::PROG_ATTACH, &mut attr(target, prog, attach_type, how)) }?;
    Ok(())
}

/// What is attached to a target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hooked {
    /// The flags that the target has for this attach type ([`F_OVERRIDE`], [`F_MULTI`]).
    pub flags: u32,
    /// The programs, in the order in which they run.
    pub progs: Vec<Entry>,
    /// Counts the changes; 0 where the kernel does not count them.
    pub revision: u64,
}

/// A program that is attached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: u32,
    /// The flags that it was attached with, where the kernel tells (LSM programs of cgroups).
    pub flags: u32,
    /// The id of the link that holds it, where the kernel tells (devices); 0 is none.
    pub link: u32,
}

/// BPF_PROG_QUERY. With `effective`, for a cgroup, all that runs for it: those of the cgroups above too.
///
/// # Errors
/// `EINVAL` where the attach type cannot be asked for; `EPERM` without CAP_NET_ADMIN.
pub fn query(target: Target<'_>, attach_type: AttachType, effective: bool) -> Result<Hooked, Errno> {
    let mut room = 64;
    loop {
        let mut columns = [vec![0_u32; room], vec![0; room], vec![0; room]];
        let [ids, flags, links] = &mut columns;
        let mut attr = Query {
            target_fd: target.number(),
            attach_type: attach_type.0,
            query_flags: if effective { QUERY_EFFECTIVE } else { 0 },
            prog_ids: address_mut(ids),
            prog_cnt: length(ids)?,
            // Flags of what cgroups above have are not given out.
            prog_attach_flags: if effective { 0 } else { address_mut(flags) },
            link_ids: if on_device(attach_type) { address_mut(links) } else { 0 },
            ..Query::default()
        };
        // SAFETY: each column has room for `prog_cnt` numbers.
        let mut done = unsafe { bpf(Cmd::PROG_QUERY, &mut attr) };
        if done == Err(Errno::EINVAL) && attr.prog_attach_flags != 0 {
            // Not for this kind of target, or not on this kernel.
            (attr.prog_attach_flags, attr.prog_cnt) = (0, length(ids)?);
            // SAFETY: as above.
            done = unsafe { bpf(Cmd::PROG_QUERY, &mut attr) };
        }
        let count = attr.prog_cnt as usize;
        match done {
            Err(Errno::ENOSPC) if room < MOST => room = count.max(room * 2).min(MOST),
            Err(e) => return Err(e),
            Ok(_) => {
                let entry = |n| Entry { id: ids[n], flags: flags[n], link: links[n] };
                let progs = (0..count.min(room)).map(entry).collect();
                return Ok(Hooked { flags: attr.attach_flags, progs, revision: attr.revision });
            }
        }
    }
}

/// Attach types of devices, whose query takes a column of links.
fn on_device(attach_type: AttachType) -> bool {
    const ALL: [AttachType; 4] = [
        AttachType::TCX_INGRESS,
        AttachType::TCX_EGRESS,
        AttachType::NETKIT_PRIMARY,
        AttachType::NETKIT_PEER,
    ];
    ALL.contains(&attach_type)
}
