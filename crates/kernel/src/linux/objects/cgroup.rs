//! What is attached to cgroups: each one's own programs, or all that run for it.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use skep_abi::{AttachType, attach_types};
use skep_backend::{Error, ErrorKind};
use skep_sys::hooked::{self, F_MULTI, F_OVERRIDE, How};
use skep_sys::prog::{self, Target};
use skep_sys::{Cap, Errno, cgroup};

use super::{Prog, btf};
use crate::linux::attach::{cgroups, open_cgroup};
use crate::linux::error::refused;

const NEEDED: &[Cap] = &[Cap::BPF, Cap::NET_ADMIN];

/// A program on a cgroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The program's id.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// What it is called for.
    pub attach_type: AttachType,
    /// Whether cgroups below may have programs beside it or in its place: [`F_MULTI`], [`F_OVERRIDE`]. Not known of
    /// those that a cgroup has from above.
    pub flags: Option<u32>,
    /// For LSM programs, the hook: the BTF object, the function's type in it, and its name if that can be read.
    pub function: Option<(u32, u32, Option<String>)>,
}

impl Attachment {
    /// The flags, as bpftool spells them.
    pub fn flags_text(&self) -> Option<String> {
        self.flags.map(|flags| match flags {
            0 => String::new(),
            F_MULTI => "multi".to_owned(),
            F_OVERRIDE => "override".to_owned(),
            other => format!("unknown({other:x})"),
        })
    }
}

/// The attach types of cgroups.
pub fn kinds() -> impl Iterator<Item = AttachType> {
    let ours = |name: &str| name.starts_with("cgroup_") || name == "lsm_cgroup";
    attach_types().iter().filter(move |row| ours(row.name)).map(|row| row.id)
}

/// What is attached to a cgroup; with `effective`, all that runs for it, those of the cgroups above it too.
///
/// # Errors
/// If it is no cgroup; without CAP_NET_ADMIN, and CAP_SYS_ADMIN for the programs' names.
pub fn attachments(path: &Path, effective: bool) -> Result<Vec<Attachment>, Error> {
    let fd = open_cgroup(path)?;
    let mut all = Vec::new();
    for kind in kinds() {
        let found = match hooked::query(Target::Fd(fd.as_fd()), kind, effective) {
            Ok(found) => found,
            // A kind that this kernel does not have, or (LSM) was built without.
            Err(Errno::EINVAL | Errno::EOPNOTSUPP | Errno::ENOTSUPP) => continue,
            Err(e) => return Err(refused(&format!("cgroup {}", path.display()), e, &[Cap::NET_ADMIN])),
        };
        for entry in found.progs {
            let Some(prog) = Prog::by_id(entry.id)? else { continue };
            let flags = if kind == AttachType::LSM_CGROUP { entry.flags } else { found.flags };
            all.push(Attachment {
                id: entry.id,
                name: prog.name().to_owned(),
                attach_type: kind,
                flags: (!effective).then_some(flags),
                function: function(&prog),
            });
        }
    }
    Ok(all)
}

fn function(prog: &Prog) -> Option<(u32, u32, Option<String>)> {
    let (object, id) = (prog.info.attach_btf_obj_id, prog.info.attach_btf_id);
    if object == 0 || id == 0 {
        return None;
    }
    let types = btf::types(object).ok();
    let name = types.and_then(|t| t.ty(skep_btf::TypeId(id)).map(|t| t.name().to_owned()));
    Some((object, id, name))
}

/// The cgroups that have programs, and what they have, from `root` on or from where the hierarchy is mounted.
///
/// # Errors
/// If no hierarchy is mounted, or `root` is no cgroup; as for [`attachments`].
pub fn tree(root: Option<&Path>, effective: bool) -> Result<Vec<(PathBuf, Vec<Attachment>)>, Error> {
    let root = match root {
        Some(root) => root.to_owned(),
        None => cgroup::mount().ok_or_else(|| {
            let error =
                Error::new(ErrorKind::NotFound, "no cgroup hierarchy of the second version is mounted");
            error.with_hint("mount one: mount -t cgroup2 cgroup2 /sys/fs/cgroup")
        })?,
    };
    open_cgroup(&root)?;
    let mut all = Vec::new();
    for path in cgroups(&root) {
        match attachments(&path, effective) {
            Ok(found) if found.is_empty() => {}
            Ok(found) => all.push((path, found)),
            // It went away meanwhile.
            Err(e) if e.kind() == ErrorKind::Os(Errno::ENOENT.0) && !path.exists() => {}
            Err(e) => return Err(e),
        }
    }
    Ok(all)
}

/// Attaches a program so that it stays until it is detached; `flags` are [`F_MULTI`], [`F_OVERRIDE`], or none.
///
/// # Errors
/// If it is no cgroup, or the kernel refuses: a program of another kind, or one is there that allows no other.
pub fn attach(path: &Path, kind: AttachType, prog: &Prog, flags: u32) -> Result<(), Error> {
    let fd = open_cgroup(path)?;
    let how = How { flags, ..How::default() };
    hooked::attach(Target::Fd(fd.as_fd()), prog.as_fd(), kind, &how).map_err(|e| {
        let what = format!("attaching program {} to {} ({kind})", prog.info.id, path.display());
        let error = refused(&what, e, NEEDED);
        match e {
            Errno::EINVAL => error.with_hint(format!("a {} program is for another hook?", prog.prog_type())),
            Errno::EPERM => {
                error.with_hint("a program that allows no other, or other flags, is there or above")
            }
            _ => error,
        }
    })
}

/// Takes a program off that was attached without a link.
///
/// # Errors
/// If it is no cgroup, or the program is not attached there, or by link.
pub fn detach(path: &Path, kind: AttachType, prog: &Prog) -> Result<(), Error> {
    let fd = open_cgroup(path)?;
    let target = Target::Fd(fd.as_fd());
    prog::detach(target, prog.as_fd(), kind).map_err(|e| {
        let what = format!("detaching program {} from {} ({kind})", prog.info.id, path.display());
        let error = refused(&what, e, NEEDED);
        let there =
            || hooked::query(target, kind, false).is_ok_and(|h| h.progs.iter().any(|p| p.id == prog.info.id));
        match e {
            Errno::ENOENT if there() => error.with_hint("a link holds it: find it with `skep link list`"),
            Errno::ENOENT => error.with_hint("it is not attached there"),
            _ => error,
        }
    })
}
