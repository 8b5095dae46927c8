//! Iterators: a program that the kernel runs for each object of a kind, whenever somebody reads; what it writes is what is
//! read. The link says which objects: all, the entries of a map, the threads of a process, the cgroups below one.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use skep_abi::AttachType;
use skep_backend::{Error, ErrorKind};
use skep_sys::prog::Target as On;
use skep_sys::{Cap, Errno, info, link, pin};

use super::event::RIGHTS;
use super::{Attached, Hook, Program, Target};
use crate::linux::error::refused;

pub(super) static HOOK: Hook =
    Hook { name: "iter", sections: &["iter", "iter.s"], needs: &[], attach, remove: None };

/// Kinds of iterator that walk one map, which must be named.
const OF_A_MAP: &[&str] = &["bpf_map_elem", "bpf_sk_storage_map", "sockmap"];

fn attach(program: &Program<'_>, target: &Target) -> Result<Attached, Error> {
    let kind = program.rest("iter/task")?;
    let (map, cgroup);
    let walk = if OF_A_MAP.contains(&kind) {
        map = map_of(program, target, kind)?;
        link::Walk::Map(map.as_fd())
    } else if let (Some(path), "cgroup") = (&target.cgroup, kind) {
        cgroup = File::open(path).map_err(|e| {
            let errno = Errno(e.raw_os_error().unwrap_or(0));
            Error::new(ErrorKind::Os(errno.0), format!("cgroup {}: {errno}", path.display()))
        })?;
        link::Walk::Cgroup(link::CgroupOrder::DescendantsPre, cgroup.as_fd())
    } else if let Some(pid) = target.pid {
        if !kind.starts_with("task") {
            let message = format!("program `{}`: an iterator of {kind} knows no --pid", program.name);
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        link::Walk::Process(pid)
    } else {
        link::Walk::All
    };
    let more = link::More::Iter(walk);
    let made = link::create(program.fd, On::Ifindex(0), AttachType::TRACE_ITER, 0, &more);
    let link = made.map_err(|e| {
        let error = refused(&format!("attaching `{}` to {kind}", program.name), e, RIGHTS);
        match e {
            Errno::EINVAL if OF_A_MAP.contains(&kind) => {
                error.with_hint("the map may be of a type that it does not walk")
            }
            Errno::EACCES if OF_A_MAP.contains(&kind) => {
                error.with_hint("the program reads or writes beyond the map's keys or values")
            }
            Errno::ESRCH | Errno::EINVAL if target.pid.is_some() => {
                error.with_hint("the process may be gone")
            }
            _ => error,
        }
    })?;
    Ok(Attached::link(HOOK.name, kind, link))
}

/// The map that was named: one of the object's, an id, a pin's path.
fn map_of(program: &Program<'_>, target: &Target, kind: &str) -> Result<OwnedFd, Error> {
    let Some(name) = &target.map else {
        return Err(super::target::missing(program.name, &format!("a map for {kind}"), "--map NAME|ID|PATH"));
    };
    if let Some(own) = program.live.map_fd(name) {
        return own.try_clone_to_owned().map_err(|e| {
            let errno = Errno(e.raw_os_error().unwrap_or(0));
            refused(&format!("map `{name}`"), errno, &[])
        });
    }
    let opened = match name.parse::<u32>() {
        Ok(id) => info::fd_by_id(info::Object::Map, id),
        Err(_) if name.contains('/') => pin::get(Path::new(name), 0),
        Err(_) => Err(Errno::ENOENT),
    };
    opened.map_err(|e| match e {
        Errno::ENOENT => Error::new(ErrorKind::NotFound, format!("no map `{name}`"))
            .with_hint("name one of the object's maps, an id, or the path of a pin"),
        e => refused(&format!("map `{name}`"), e, &[Cap::SYS_ADMIN]),
    })
}

/// What an iterator writes, read once from its begin. Each read of the kernel's runs the program for some more objects.
#[derive(Debug)]
pub struct Reader(File);

impl Attached {
    /// Runs an iterator, to be read to its end.
    ///
    /// # Errors
    /// If what is attached is no iterator.
    pub fn read(&self) -> Result<Reader, Error> {
        let wrong = |e| refused(&format!("reading the iterator `{}`", self.program()), e, RIGHTS);
        let link = self.link_fd().ok_or_else(|| wrong(Errno::EINVAL))?;
        link::iter(link).map(|fd| Reader(File::from(fd))).map_err(wrong)
    }
}

impl Read for Reader {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        loop {
            match self.0.read(buf) {
                // The kernel gives other tasks a turn between two objects.
                Err(e) if e.raw_os_error() == Some(Errno::EAGAIN.0) => {}
                done => return done,
            }
        }
    }
}
