//! BTF objects.

use std::os::fd::AsFd;
use std::sync::Arc;

use skep_backend::{Error, ErrorKind};
use skep_btf::Btf;
use skep_sys::info;

use super::select::{Selector, none};
use super::{Kind, ids, open};
use crate::linux::error::refused;

/// What the kernel says of a BTF object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Id.
    pub id: u32,
    /// `vmlinux`, a module's name, or empty.
    pub name: String,
    /// It belongs to the kernel or to a module.
    pub kernel: bool,
    /// Bytes.
    pub size: u32,
}

impl Object {
    /// All of them, by id.
    ///
    /// # Errors
    /// Without CAP_SYS_ADMIN.
    pub fn all() -> Result<Vec<Self>, Error> {
        let mut all = Vec::new();
        for id in ids(Kind::Btf)? {
            all.extend(Self::by_id(id)?);
        }
        Ok(all)
    }

    /// The one of this id, if there is one.
    ///
    /// # Errors
    /// Without CAP_SYS_ADMIN.
    pub fn by_id(id: u32) -> Result<Option<Self>, Error> {
        let Some(fd) = open(Kind::Btf, id, 0)? else { return Ok(None) };
        let wrong = |e| refused(&format!("BTF object {id}"), e, &[]);
        let head = info::btf(fd.as_fd(), false).map_err(wrong)?;
        let size = info::btf_size(fd.as_fd()).map_err(wrong)?;
        Ok(Some(Self { id, name: head.name, kernel: head.kernel, size }))
    }
}

/// The types of a BTF object. Those of a module stand on the kernel's.
///
/// # Errors
/// If there is none of this id, or it can't be read; without CAP_SYS_ADMIN.
pub fn types(id: u32) -> Result<Arc<Btf>, Error> {
    let fd = open(Kind::Btf, id, 0)?.ok_or_else(|| none(Kind::Btf, &Selector::Id(id)))?;
    let object = info::btf(fd.as_fd(), true).map_err(|e| refused(&format!("BTF object {id}"), e, &[]))?;
    let read = if object.kernel && object.name != "vmlinux" {
        Btf::parse_split(&object.bytes, kernel_types()?)
    } else {
        Btf::parse(&object.bytes)
    };
    read.map(Arc::new).map_err(|e| Error::new(ErrorKind::Invalid, format!("BTF object {id}: {e}")))
}

/// The types of the kernel itself.
///
/// # Errors
/// Where the kernel was built without them.
pub fn kernel_types() -> Result<Arc<Btf>, Error> {
    const PATH: &str = "/sys/kernel/btf/vmlinux";
    let bytes = std::fs::read(PATH)
        .map_err(|e| Error::new(ErrorKind::NotFound, format!("{PATH}: {}", e.to_string().to_lowercase())))?;
    let read = Btf::parse(&bytes).map(Arc::new);
    read.map_err(|e| Error::new(ErrorKind::Invalid, format!("{PATH}: {e}")))
}
