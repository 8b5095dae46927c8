//! Cgroups: programs that run for what the processes of a cgroup, and of those below it, do with sockets, sysctls and
//! devices.
//!
//! By link where the kernel has them (since 5.7): it lets other programs stand beside it and goes with the process.
//! Else by BPF_PROG_ATTACH, which stays; it is marked with the cgroup's id, since a path may come to mean another.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use skep_abi::AttachType;
use skep_backend::{Error, ErrorKind};
use skep_sys::hooked::{self, F_AFTER, F_BEFORE, F_MULTI, How};
use skep_sys::prog::{self, Target as On};
use skep_sys::{Cap, Errno, cgroup, info, link};

use super::target::missing;
use super::{Attached, Direction, Hook, Mark, Program, Record, Target};
use crate::linux::error::refused;

const NAME: &str = "cgroup";
/// What attaching to a cgroup asks for.
const NEEDED: &[Cap] = &[Cap::BPF, Cap::NET_ADMIN];

pub(super) static HOOK: Hook = Hook {
    name: NAME,
    sections: &[
        "cgroup_skb/ingress",
        "cgroup_skb/egress",
        "cgroup/skb",
        "cgroup/sock_create",
        "cgroup/sock_release",
        "cgroup/sock",
        "cgroup/post_bind4",
        "cgroup/post_bind6",
        "cgroup/bind4",
        "cgroup/bind6",
        "cgroup/connect4",
        "cgroup/connect6",
        "cgroup/connect_unix",
        "cgroup/sendmsg4",
        "cgroup/sendmsg6",
        "cgroup/sendmsg_unix",
        "cgroup/recvmsg4",
        "cgroup/recvmsg6",
        "cgroup/recvmsg_unix",
        "cgroup/getpeername4",
        "cgroup/getpeername6",
        "cgroup/getpeername_unix",
        "cgroup/getsockname4",
        "cgroup/getsockname6",
        "cgroup/getsockname_unix",
        "cgroup/sysctl",
        "cgroup/getsockopt",
        "cgroup/setsockopt",
        "cgroup/dev",
        "sockops",
        "lsm_cgroup",
    ],
    needs: &["--cgroup"],
    attach,
    remove: Some(remove),
};

/// Opens a cgroup, in words where it is none.
///
/// # Errors
/// If there is no such directory, or it is no cgroup of the second version.
pub fn open_cgroup(path: &Path) -> Result<OwnedFd, Error> {
    let what = format!("cgroup {}", path.display());
    cgroup::open(path).map_err(|e| match e {
        Errno::EBADF => {
            let message = format!("{what}: it is no cgroup of the second version");
            Error::new(ErrorKind::Invalid, message).with_hint(match cgroup::mount() {
                Some(mount) => format!("they are below {}", mount.display()),
                None => "mount them: mount -t cgroup2 cgroup2 /sys/fs/cgroup".to_owned(),
            })
        }
        e => refused(&what, e, &[]),
    })
}

fn attach(program: &Program<'_>, target: &Target) -> Result<Attached, Error> {
    let path = target.cgroup(program.name)?;
    let cgroup = open_cgroup(path)?;
    let kind = attach_type(program, target)?;
    let label = format!("{} ({kind})", path.display());
    let wrong = |e: Errno| {
        let error = refused(&format!("attaching `{}` to {}", program.name, path.display()), e, NEEDED);
        match e {
            Errno::EPERM => error.with_hint("a program that allows no other is attached there, or above"),
            _ => error,
        }
    };
    if !target.without_link {
        match by_link(program, cgroup.as_fd(), kind, target.priority) {
            Ok(link) => return Ok(Attached::link(NAME, label, link)),
            // A kernel without links of cgroups; if it is something else, the old way says so too.
            Err(Errno::EINVAL) if target.priority.is_none() => {}
            Err(e) => return Err(wrong(e)),
        }
    }
    let id = cgroup::id(cgroup.as_fd()).map_err(wrong)?;
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let fields = [
        ("cgroup", absolute.display().to_string()),
        ("cgroup_id", id.to_string()),
        ("attach_type", kind.0.to_string()),
    ];
    let mark = Mark::write(NAME, program, &fields)?;
    let how = How { flags: F_MULTI, ..How::default() };
    hooked::attach(On::Fd(cgroup.as_fd()), program.fd, kind, &how).map_err(wrong)?;
    Ok(Attached::left(label, mark.swapped_by(swap)))
}

/// Where the program is for; `cgroup/skb` leaves the direction open.
fn attach_type(program: &Program<'_>, target: &Target) -> Result<AttachType, Error> {
    if program.row.name != "cgroup/skb" {
        return Ok(program.row.attach);
    }
    match target.direction {
        Some(Direction::Ingress) => Ok(AttachType::CGROUP_INET_INGRESS),
        Some(Direction::Egress) => Ok(AttachType::CGROUP_INET_EGRESS),
        None => Err(missing(program.name, "a direction", "--direction ingress|egress")),
    }
}

/// Without a priority behind those that are there; a negative one is before all.
fn by_link(
    program: &Program<'_>,
    cgroup: BorrowedFd<'_>,
    kind: AttachType,
    priority: Option<i32>,
) -> Result<OwnedFd, Errno> {
    let place = link::More::Among { relative: 0, revision: 0 };
    let (flags, more) = match priority {
        None => (0, link::More::Nothing),
        Some(p) if p < 0 => (F_BEFORE, place),
        Some(_) => (F_AFTER, place),
    };
    link::create(program.fd, On::Fd(cgroup), kind, flags, &more)
}

/// What BPF_PROG_ATTACH left, where it is now.
struct Left {
    cgroup: OwnedFd,
    kind: AttachType,
    /// The program that a record tells of.
    prog: OwnedFd,
    /// What it is, for people.
    what: String,
}

impl Left {
    /// Finds it; `None` if the cgroup is gone, or the program is not on it.
    fn find(record: &Record) -> Result<Option<Self>, Error> {
        let kind = AttachType(record.number("attach_type")?);
        let path = record.get("cgroup").unwrap_or_default();
        let what = format!("program {} on {path}", record.prog_id()?);
        let Some(id) = record.get("cgroup_id").and_then(|id| id.parse().ok()) else {
            return Err(Error::new(ErrorKind::Invalid, "the record does not say the cgroup's id"));
        };
        let wrong = |e| refused(&what, e, NEEDED);
        let Some(cgroup) = find(Path::new(path), id) else { return Ok(None) };
        let there = hooked::query(On::Fd(cgroup.as_fd()), kind, false).map_err(wrong)?;
        let Some(found) = there.progs.iter().find(|p| record.holds(p.id)) else { return Ok(None) };
        let prog = info::fd_by_id(info::Object::Prog, found.id).map_err(wrong)?;
        Ok(Some(Self { cgroup, kind, prog, what }))
    }
}

/// Takes down what BPF_PROG_ATTACH left, if the cgroup and the program are still there.
fn remove(record: &Record) -> Result<bool, Error> {
    let Some(left) = Left::find(record)? else { return Ok(false) };
    match prog::detach(On::Fd(left.cgroup.as_fd()), left.prog.as_fd(), left.kind) {
        Ok(()) => Ok(true),
        // Held by a link, then, that is somebody else's.
        Err(Errno::ENOENT) => Ok(false),
        Err(e) => Err(refused(&format!("detaching {}", left.what), e, NEEDED)),
    }
}

/// Puts another program in its place.
fn swap(record: &Record, new: BorrowedFd<'_>) -> Result<(), Error> {
    let Some(left) = Left::find(record)? else {
        return Err(Error::new(
            ErrorKind::NotFound,
            "the program to be replaced is not on the cgroup any more",
        ));
    };
    let how = How { flags: F_MULTI, replace: Some(left.prog.as_fd()), ..How::default() };
    hooked::attach(On::Fd(left.cgroup.as_fd()), new, left.kind, &how)
        .map_err(|e| refused(&format!("replacing {}", left.what), e, NEEDED))
}

/// The cgroup with this id: at the path where it was, or, should it have been renamed, anywhere.
fn find(path: &Path, id: u64) -> Option<OwnedFd> {
    let at = |path: &Path| {
        let fd = cgroup::open(path).ok()?;
        (cgroup::id(fd.as_fd()) == Ok(id)).then_some(fd)
    };
    at(path).or_else(|| walk(&cgroup::mount()?).iter().find_map(|p| at(p)))
}

/// A cgroup and all below it, parents first, in the order of their names. What goes away meanwhile is left out.
pub fn walk(root: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(path) = open.pop() {
        let entries = std::fs::read_dir(&path).into_iter().flatten().flatten();
        let mut below: Vec<PathBuf> =
            entries.filter(|e| e.file_type().is_ok_and(|t| t.is_dir())).map(|e| e.path()).collect();
        below.sort_unstable_by(|a, b| b.cmp(a));
        open.append(&mut below);
        out.push(path);
    }
    out
}
