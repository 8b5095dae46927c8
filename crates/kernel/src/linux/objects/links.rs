//! Links.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use skep_backend::{Error, ErrorKind};
use skep_sys::{Cap, link, link_info};

use super::select::{Selector, none};
use super::{Kind, ids, open, open_pinned};
use crate::linux::error::refused;

pub use link_info::{Link as Info, PerfPlace, Place};

/// A link in the kernel.
#[derive(Debug)]
pub struct Link {
    fd: OwnedFd,
    /// What the kernel says of it.
    pub info: link_info::Link,
}

impl Link {
    fn new(fd: OwnedFd) -> Result<Self, Error> {
        let info = link_info::link(fd.as_fd()).map_err(|e| refused("link", e, &[]))?;
        Ok(Self { fd, info })
    }

    /// All links, by id.
    ///
    /// # Errors
    /// Without CAP_SYS_ADMIN.
    pub fn all() -> Result<Vec<Self>, Error> {
        let mut all = Vec::new();
        for id in ids(Kind::Link)? {
            if let Some(fd) = open(Kind::Link, id, 0)? {
                all.push(Self::new(fd)?);
            }
        }
        Ok(all)
    }

    /// The link that answers to a selector: an id or a path, since links have no names.
    ///
    /// # Errors
    /// If there is none; without CAP_SYS_ADMIN, but for pinned ones.
    pub fn find(selector: &Selector) -> Result<Self, Error> {
        match selector {
            Selector::Id(id) => {
                Self::new(open(Kind::Link, *id, 0)?.ok_or_else(|| none(Kind::Link, selector))?)
            }
            Selector::Pinned(path) => Self::new(open_pinned(Kind::Link, path, 0)?),
            Selector::Name(_) | Selector::Tag(_) => {
                Err(Error::new(ErrorKind::Invalid, "links are known by id or by the path they are pinned at"))
            }
        }
    }

    /// Takes the program off; the link stays, attached to nothing.
    ///
    /// # Errors
    /// For links that only go when they are closed.
    pub fn detach(&self) -> Result<(), Error> {
        link::detach(self.fd.as_fd()).map_err(|e| match e {
            skep_sys::Errno::EOPNOTSUPP => {
                let (id, kind) = (self.info.id, self.info.link_type);
                let message = format!("link {id}: a {kind} link can't be detached by force");
                Error::new(ErrorKind::Unsupported, message)
                    .with_hint("it goes when its last holder and pin go: skep link list -f")
            }
            e => refused(&format!("link {}: detaching", self.info.id), e, &[Cap::SYS_ADMIN]),
        })
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
