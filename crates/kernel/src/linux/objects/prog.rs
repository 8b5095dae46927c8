//! Programs.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use skep_abi::ProgType;
use skep_backend::Error;
use skep_btf::{Btf, Kind as TypeKind, TypeId};
use skep_sys::attr::ProgInfo;
use skep_sys::info::{self, ProgDetails};
use skep_sys::{Errno, clock};

use super::fdinfo::Fdinfo;
use super::select::{Selector, none};
use super::{Kind, btf, ids, open, open_pinned};
use crate::linux::error::refused;

/// The kernel keeps so many bytes of a name.
const NAME: usize = 15;

/// A program in the kernel.
#[derive(Debug)]
pub struct Prog {
    fd: OwnedFd,
    /// What the kernel says of it; pointers are zero.
    pub info: ProgInfo,
    /// The device that it was loaded onto is gone.
    pub orphaned: bool,
    name: String,
}

impl Prog {
    fn new(fd: OwnedFd, id: u32) -> Result<Self, Error> {
        let (info, orphaned) = match info::prog(fd.as_fd()) {
            Ok(info) => (info, false),
            Err(Errno::ENODEV) => (ProgInfo { id, ..ProgInfo::default() }, true),
            Err(e) => return Err(refused(&format!("program {id}"), e, &[])),
        };
        let name = full_name(fd.as_fd(), &info);
        Ok(Self { fd, info, orphaned, name })
    }

    /// All programs, by id.
    ///
    /// # Errors
    /// Without CAP_SYS_ADMIN.
    pub fn all() -> Result<Vec<Self>, Error> {
        let mut all = Vec::new();
        for id in ids(Kind::Prog)? {
            if let Some(fd) = open(Kind::Prog, id, 0)? {
                all.push(Self::new(fd, id)?);
            }
        }
        Ok(all)
    }

    /// The program of this id, if there is one.
    ///
    /// # Errors
    /// Without CAP_SYS_ADMIN.
    pub fn by_id(id: u32) -> Result<Option<Self>, Error> {
        open(Kind::Prog, id, 0)?.map(|fd| Self::new(fd, id)).transpose()
    }

    /// The programs that answer to a selector; at least one.
    ///
    /// # Errors
    /// If there is none; without CAP_SYS_ADMIN, but for pinned ones.
    pub fn find(selector: &Selector) -> Result<Vec<Self>, Error> {
        let found = match selector {
            Selector::Id(id) => Self::by_id(*id)?.into_iter().collect(),
            Selector::Pinned(path) => vec![Self::new(open_pinned(Kind::Prog, path, 0)?, 0)?],
            Selector::Name(name) => {
                let mut all = Self::all()?;
                all.retain(|p| p.name == *name || info::name(&p.info.name) == *name);
                all
            }
            Selector::Tag(tag) => {
                let mut all = Self::all()?;
                all.retain(|p| p.info.tag == *tag);
                all
            }
        };
        if found.is_empty() { Err(none(Kind::Prog, selector)) } else { Ok(found) }
    }

    /// Its name: whole where its types tell it, else the 15 bytes that the kernel keeps; may be empty.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its type.
    pub fn prog_type(&self) -> ProgType {
        ProgType(self.info.r#type)
    }

    /// The digest of its instructions, in hex.
    pub fn tag(&self) -> String {
        self.info.tag.iter().map(|b| format!("{b:02x}")).collect()
    }

    /// Whether it may call helpers that are GPL only.
    pub fn gpl_compatible(&self) -> bool {
        // A bit field: the first bit, which is the lowest one only on little-endian machines.
        let bit = if cfg!(target_endian = "big") { 1 << 31 } else { 1 };
        self.info.flags & bit != 0
    }

    /// When it was loaded, in nanoseconds since 1970; `None` on kernels before 4.15.
    pub fn loaded_at_ns(&self) -> Option<i128> {
        (self.info.load_time != 0).then(|| clock::boot_to_wall(self.info.load_time))
    }

    /// The same in this process's time zone: `2026-11-22T17:30:14+0000`.
    pub fn loaded_at(&self) -> Option<String> {
        let seconds = self.loaded_at_ns()?.div_euclid(1_000_000_000);
        Some(clock::local(i64::try_from(seconds).ok()?)?.to_string())
    }

    /// Bytes of kernel memory that it takes.
    pub fn memlock(&self) -> Option<u64> {
        Fdinfo::of(self.fd.as_fd()).number("memlock")
    }

    /// Ids of its maps.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn map_ids(&self) -> Result<Vec<u32>, Error> {
        info::prog_map_ids(self.fd.as_fd()).map_err(|e| self.wrong(e))
    }

    /// All that it refers to: instructions, machine code, lines.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn details(&self) -> Result<ProgDetails, Error> {
        info::prog_details(self.fd.as_fd()).map_err(|e| self.wrong(e))
    }

    /// Its types, if it was loaded with any.
    ///
    /// # Errors
    /// If they can't be opened or read.
    pub fn types(&self) -> Result<Option<Arc<Btf>>, Error> {
        match self.info.btf_id {
            0 => Ok(None),
            id => btf::types(id).map(Some),
        }
    }

    fn wrong(&self, e: Errno) -> Error {
        refused(&format!("program {}", self.info.id), e, &[])
    }
}

impl AsFd for Prog {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The name of a program; one that fills the kernel's room may have been cut, and its first function has it whole.
fn full_name(fd: BorrowedFd<'_>, info: &ProgInfo) -> String {
    let name = info::name(&info.name);
    if name.len() < NAME || info.btf_id == 0 || info.nr_func_info == 0 {
        return name;
    }
    let whole = || {
        let function = info::first_func(fd).ok()??;
        let types = btf::types(info.btf_id).ok()?;
        let t = types.ty(TypeId(function))?;
        (t.kind() == TypeKind::Func).then(|| t.name().to_owned())
    };
    whole().unwrap_or(name)
}
