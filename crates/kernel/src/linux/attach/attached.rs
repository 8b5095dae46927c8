//! The guard of what is attached.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use skep_backend::{Error, ErrorKind};
use skep_sys::{Cap, Errno, info, link, pin};

use super::mark::Mark;
use super::remover;
use crate::linux::error::refused;

/// Something attached; dropping it detaches. [`Attached::detach`] does the same and says what went wrong.
#[derive(Debug)]
#[must_use = "dropping it detaches"]
pub struct Attached {
    hook: &'static str,
    program: String,
    target: String,
    hold: Hold,
    /// The program that is there, where it may be replaced.
    current: Option<OwnedFd>,
}

/// What keeps it attached.
#[derive(Debug)]
enum Hold {
    /// A link: goes with its last descriptor, unless it is pinned.
    Link(OwnedFd),
    /// Perf events, sockets: go with their descriptors, and can't be pinned.
    Fds(Vec<OwnedFd>),
    /// Stays with something else of this process (a socket, a map) until this is done.
    Undo(Undo),
    /// Stays until it is taken down.
    Left(Mark),
    /// Many of those, such as a marker's places in a binary.
    All(Vec<Attached>),
    /// Detached, or left on purpose.
    Nothing,
}

/// Takes something down.
struct Undo(Box<dyn FnOnce() -> Result<(), Error> + Send>);

impl std::fmt::Debug for Undo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Undo")
    }
}

impl Attached {
    fn new(hook: &'static str, target: impl Into<String>, hold: Hold) -> Self {
        Self { hook, program: String::new(), target: target.into(), hold, current: None }
    }

    /// Held by a link. `target` is for people: `eth0 (native)`, `sched/sched_switch`.
    pub fn link(hook: &'static str, target: impl Into<String>, link: OwnedFd) -> Self {
        Self::new(hook, target, Hold::Link(link))
    }

    /// Held by descriptors that are not links: perf events, sockets.
    pub fn held(hook: &'static str, target: impl Into<String>, fds: Vec<OwnedFd>) -> Self {
        Self::new(hook, target, Hold::Fds(fds))
    }

    /// Held by something that goes with the process but not with this guard (the caller's socket, a map): `undo` takes
    /// it off.
    pub fn undone(
        hook: &'static str,
        target: impl Into<String>,
        undo: impl FnOnce() -> Result<(), Error> + Send + 'static,
    ) -> Self {
        Self::new(hook, target, Hold::Undo(Undo(Box::new(undo))))
    }

    /// Goes with the guard of something else: of a table of functions, one guard holds all.
    pub(super) fn with_another(hook: &'static str, target: impl Into<String>) -> Self {
        Self::new(hook, target, Hold::Nothing)
    }

    /// Outlives the process; `mark` was written before it was attached.
    pub fn left(target: impl Into<String>, mark: Mark) -> Self {
        Self::new(mark.hook(), target, Hold::Left(mark))
    }

    /// Several that make one.
    pub fn several(hook: &'static str, target: impl Into<String>, parts: Vec<Attached>) -> Self {
        Self::new(hook, target, Hold::All(parts))
    }

    pub(super) fn of(mut self, name: &str, program: BorrowedFd<'_>) -> Self {
        name.clone_into(&mut self.program);
        // Without it a replacement is not held to what was there.
        self.current = program.try_clone_to_owned().ok();
        self
    }

    /// The hook's name: `xdp`.
    pub fn hook(&self) -> &'static str {
        self.hook
    }

    /// The program's name.
    pub fn program(&self) -> &str {
        &self.program
    }

    /// What it is attached to, for people.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The link, where there is one: to read an iterator, to ask what it is.
    pub fn link_fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.hold {
            Hold::Link(fd) => Some(fd.as_fd()),
            _ => None,
        }
    }

    /// The descriptors that hold it and are no link: perf events whose counts may be read.
    pub fn fds(&self) -> &[OwnedFd] {
        match &self.hold {
            Hold::Fds(fds) => fds,
            _ => &[],
        }
    }

    /// The link's id.
    pub fn link_id(&self) -> Option<u32> {
        info::link(self.link_fd()?).ok().map(|i| i.id)
    }

    /// Whether it stays when the process is killed.
    pub fn outlives(&self) -> bool {
        match &self.hold {
            Hold::Left(_) => true,
            Hold::All(parts) => parts.iter().any(Self::outlives),
            _ => false,
        }
    }

    /// Puts another program in its place; no packet passes between the two.
    ///
    /// # Errors
    /// Where the hook knows no replacing, another program came in between, or the kernel refuses.
    pub fn replace(&mut self, new: BorrowedFd<'_>) -> Result<(), Error> {
        match &mut self.hold {
            Hold::Link(fd) => {
                update(fd.as_fd(), new, self.current.as_ref().map(AsFd::as_fd), &self.target)?;
                self.current = new.try_clone_to_owned().ok();
                Ok(())
            }
            Hold::Left(mark) => mark.replace(new),
            _ => {
                let message = format!("what is attached to {} can't be replaced", self.target);
                Err(Error::new(ErrorKind::Unsupported, message))
            }
        }
    }

    /// Detaches.
    ///
    /// # Errors
    /// If what outlives the process could not be taken down: its record stays, for `skep detach --stale`.
    pub fn detach(mut self) -> Result<(), Error> {
        self.take_down()
    }

    fn take_down(&mut self) -> Result<(), Error> {
        match std::mem::replace(&mut self.hold, Hold::Nothing) {
            Hold::Left(mut mark) => {
                let Some(remove) = remover(mark.hook()) else {
                    mark.leave();
                    let message = format!("`{}` has no way to be taken down", mark.hook());
                    return Err(Error::new(ErrorKind::Unsupported, message));
                };
                // The record goes with the mark, unless this fails.
                remove(mark.record()).map(drop).inspect_err(|_| mark.leave())
            }
            Hold::Undo(undo) => (undo.0)(),
            Hold::All(parts) => parts.into_iter().map(Self::detach).fold(Ok(()), Result::and),
            Hold::Link(_) | Hold::Fds(_) | Hold::Nothing => Ok(()),
        }
    }

    /// Lets it stay when this process ends. A link is pinned to `pin`, which it needs; what stays by itself stays,
    /// with its record, which says from now on that it is meant to.
    ///
    /// # Errors
    /// For a link without a path, for what can't be pinned, and if pinning fails; then it is detached.
    pub fn keep(mut self, pin: Option<&Path>) -> Result<(), Error> {
        match &mut self.hold {
            Hold::Left(mark) => {
                mark.keep()?;
                self.hold = Hold::Nothing;
            }
            Hold::Link(fd) => {
                let Some(path) = pin else {
                    let message =
                        format!("the link to {} goes with this process unless it is pinned", self.target);
                    return Err(Error::new(ErrorKind::Invalid, message).with_hint("give --pin PATH"));
                };
                pin_object(path, fd.as_fd())?;
            }
            Hold::Fds(_) | Hold::Undo(_) => {
                let message = format!("what is attached to {} can't be kept: it is no link", self.target);
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
            Hold::All(parts) => {
                for (n, part) in std::mem::take(parts).into_iter().enumerate() {
                    let path = pin.map(|p| if n == 0 { p.to_owned() } else { suffixed(p, n) });
                    part.keep(path.as_deref())?;
                }
            }
            Hold::Nothing => {}
        }
        Ok(())
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        // Nobody is left to be told; the record stays if it failed.
        let _ = self.take_down();
    }
}

fn suffixed(path: &Path, n: usize) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!("_{n}"));
    name.into()
}

/// What to do where there is no BPF file system.
pub(in crate::linux) const MOUNT: &str = "mount one: mount -t bpf bpf /sys/fs/bpf, and give a path below it";

/// Pins an object, in words where that can't be done: most often nothing is mounted there.
pub(in crate::linux) fn pin_object(path: &Path, object: BorrowedFd<'_>) -> Result<(), Error> {
    let what = format!("pinning to {}", path.display());
    pin::pin(path, object).map_err(|e| match e {
        Errno::EINVAL | Errno::EPERM | Errno::ENOENT if !skep_sys::pin::is_bpffs(path) => {
            let message = format!("{what}: it is in no BPF file system");
            let error = Error::new(ErrorKind::Os(e.0), message);
            error.with_hint(MOUNT)
        }
        e => refused(&what, e, &[Cap::BPF]),
    })
}

/// Puts a program into a link, in the place of `old` if that is known: what another process put there stays.
pub(in crate::linux) fn update(
    link: BorrowedFd<'_>,
    new: BorrowedFd<'_>,
    old: Option<BorrowedFd<'_>>,
    target: &str,
) -> Result<(), Error> {
    link::update(link, new, old).map_err(|e| {
        let error =
            refused(&format!("replacing what is attached to {target}"), e, &[Cap::BPF, Cap::NET_ADMIN]);
        match e {
            // The kernel's answer if the link holds another program than the old one.
            Errno::EPERM if error.kind() != ErrorKind::Denied && old.is_some() => error.with_hint(
                "another program was put there in the meantime: look (skep link list), and try again",
            ),
            _ => error,
        }
    })
}
