//! Live objects: which programs, maps, links and types are in the kernel at this moment, whoever loaded them; what they
//! are, which processes hold them, and where they are pinned. The words are bpftool's.
//!
//! An object is opened by its id (which takes CAP_SYS_ADMIN) or by the path it is pinned at, and closed when the value
//! that stands for it is dropped. Ids are given out by the kernel and others make and drop objects at the same time,
//! so one that is gone by the time it is opened is passed over in lists, and is an error only where it was asked for.

pub mod btf;
pub mod cgroup;
pub mod elements;
mod fdinfo;
mod holders;
pub mod jited;
mod ksyms;
pub mod links;
mod map;
pub mod net;
pub mod perf;
mod pins;
pub mod pipe;
mod prog;
pub mod run;
mod select;
pub mod stats;
pub mod struct_ops;
pub mod tracelog;
pub mod visual;
pub mod xlated;

use std::collections::BTreeMap;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

use skep_backend::Error;
use skep_sys::info::{self, Object};
use skep_sys::{Cap, Errno, netlink, pin};

use super::error::refused;

pub use holders::{Holder, Holders};
pub use ksyms::{Ksyms, Symbol};
pub use links::Link;
pub use map::{Access, CreateMap, Map};
pub use pins::Pins;
pub use prog::Prog;
pub use select::{Selector, parse_tag};
pub use skep_sys::info::Object as Kind;

/// `BPF_F_RDONLY`, as opening flag.
const RDONLY: u32 = 1 << 3;

/// What a kind is called, one of it.
fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Prog => "program",
        Kind::Map => "map",
        Kind::Btf => "BTF object",
        Kind::Link => "link",
    }
}

/// All ids of a kind, as they are now, rising.
///
/// # Errors
/// Without CAP_SYS_ADMIN.
pub fn ids(kind: Kind) -> Result<Vec<u32>, Error> {
    info::ids(kind).map_err(|e| refused(&format!("listing {}s", word(kind)), e, &[Cap::SYS_ADMIN]))
}

/// Whether this process may look for objects that are not its own.
pub fn may_list() -> bool {
    info::ids(Kind::Btf).is_ok()
}

/// Opens an object by its id; `None` if there is none.
fn open(kind: Kind, id: u32, flags: u32) -> Result<Option<OwnedFd>, Error> {
    match info::fd_by_id_with(kind, id, if kind == Kind::Map { flags } else { 0 }) {
        Ok(fd) => Ok(Some(fd)),
        Err(Errno::ENOENT) => Ok(None),
        Err(e) => Err(refused(&format!("{} {id}", word(kind)), e, &[Cap::SYS_ADMIN])),
    }
}

/// Opens what is pinned at a path, which has to be of this kind.
fn open_pinned(kind: Kind, path: &Path, flags: u32) -> Result<OwnedFd, Error> {
    use skep_backend::ErrorKind::{Invalid, NotFound};
    let shown = path.display();
    let fd = pin::get(path, flags).map_err(|e| match e {
        Errno::ENOENT => Error::new(NotFound, format!("{shown}: nothing is pinned there")),
        Errno::EACCES | Errno::EINVAL if path.exists() && !path.parent().is_some_and(pin::is_bpffs) => {
            Error::new(Invalid, format!("{shown}: not in a BPF file system"))
                .with_hint("pins live where bpffs is mounted, as a rule under /sys/fs/bpf")
        }
        e => refused(&shown.to_string(), e, &[Cap::SYS_ADMIN]),
    })?;
    use std::os::fd::AsFd;
    match info::kind(fd.as_fd()) {
        Ok(Some(found)) if found == kind => Ok(fd),
        Ok(Some(other)) => {
            Err(Error::new(Invalid, format!("{shown}: is a {}, not a {}", word(other), word(kind))))
        }
        Ok(None) => Err(Error::new(Invalid, format!("{shown}: is no {}", word(kind)))),
        Err(e) => Err(refused(&shown.to_string(), e, &[])),
    }
}

/// Pins an object at a path of a BPF file system.
///
/// # Errors
/// If something is there, or it is no BPF file system.
pub fn pin_object(object: BorrowedFd<'_>, path: &Path) -> Result<(), Error> {
    use skep_backend::ErrorKind::Invalid;
    let shown = path.display();
    pin::pin(path, object).map_err(|e| match e {
        Errno::EEXIST => Error::new(Invalid, format!("{shown}: is there already")),
        Errno::ENOENT => Error::new(Invalid, format!("{shown}: no such directory")),
        Errno::EPERM | Errno::EINVAL if !path.parent().is_some_and(pin::is_bpffs) => {
            Error::new(Invalid, format!("{shown}: not in a BPF file system"))
                .with_hint("mount one: mount -t bpf bpf /sys/fs/bpf")
        }
        e => refused(&format!("{shown}: pinning"), e, &[Cap::BPF]),
    })
}

/// The names of the interfaces of this process's network namespace, by number; none where netlink is closed.
pub fn interfaces() -> BTreeMap<u32, String> {
    let links = netlink::Socket::open().ok().and_then(|mut s| s.links().ok()).unwrap_or_default();
    links.into_iter().map(|link| (link.index, link.name)).collect()
}

/// The kind of object behind a descriptor.
fn kind_of(fd: BorrowedFd<'_>) -> Option<Object> {
    info::kind(fd).ok().flatten()
}
