//! Maps.

use std::os::fd::{AsFd, BorrowedFd};

use skep_abi::{MapType, ProgType};
use skep_backend::{Error, ErrorKind};
use skep_sys::attr::MapInfo;
use skep_sys::map::Create;
use skep_sys::{Cap, Errno, info, map};

use super::fdinfo::Fdinfo;
use super::select::{Selector, none};
use super::{Kind, RDONLY, ids, open, open_pinned};
use crate::linux::error::refused;

/// What a map is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading.
    Read,
    /// Reading and writing.
    Write,
}

impl Access {
    fn flags(self) -> u32 {
        if self == Self::Read { RDONLY } else { 0 }
    }
}

/// A map in the kernel.
#[derive(Debug)]
pub struct Map {
    pub(super) map: map::Map,
    /// What the kernel says of it.
    pub info: MapInfo,
    fdinfo: Fdinfo,
}

/// A map that is to be made.
#[derive(Clone, Debug, Default)]
pub struct CreateMap {
    /// Its type.
    pub map_type: MapType,
    /// Its name.
    pub name: String,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value.
    pub value_size: u32,
    /// How many entries it has room for.
    pub max_entries: u32,
    /// `map_flags`.
    pub flags: u32,
    /// The device that is to hold it; 0 is none.
    pub ifindex: u32,
}

impl Map {
    fn new(fd: std::os::fd::OwnedFd) -> Result<Self, Error> {
        let map = map::Map::from_fd(fd).map_err(|e| refused("map", e, &[]))?;
        let (info, fdinfo) = (*map.info(), Fdinfo::of(map.as_fd()));
        Ok(Self { map, info, fdinfo })
    }

    /// Makes a map. It is gone when this value is dropped, unless it is pinned.
    ///
    /// # Errors
    /// As the type sees it; without CAP_BPF.
    pub fn create(spec: &CreateMap, inner: Option<&Self>) -> Result<Self, Error> {
        let create = Create {
            map_type: spec.map_type,
            name: &spec.name,
            key_size: spec.key_size,
            value_size: spec.value_size,
            max_entries: spec.max_entries,
            flags: spec.flags,
            ifindex: spec.ifindex,
            inner: inner.map(|m| m.map.as_fd()),
            ..Create::default()
        };
        let wrong = |e| refused(&format!("map `{}` of type {}", spec.name, spec.map_type), e, &[Cap::BPF]);
        let map = map::Map::create(&create).map_err(wrong)?;
        let (info, fdinfo) = (*map.info(), Fdinfo::of(map.as_fd()));
        Ok(Self { map, info, fdinfo })
    }

    /// All maps, by id, for reading.
    ///
    /// # Errors
    /// Without CAP_SYS_ADMIN.
    pub fn all() -> Result<Vec<Self>, Error> {
        Self::all_for(Access::Read)
    }

    fn all_for(access: Access) -> Result<Vec<Self>, Error> {
        let mut all = Vec::new();
        for id in ids(Kind::Map)? {
            if let Some(map) = Self::by_id(id, access)? {
                all.push(map);
            }
        }
        Ok(all)
    }

    /// The map of this id, if there is one.
    ///
    /// # Errors
    /// Without CAP_SYS_ADMIN.
    pub fn by_id(id: u32, access: Access) -> Result<Option<Self>, Error> {
        open(Kind::Map, id, access.flags())?.map(Self::new).transpose()
    }

    /// The maps that answer to a selector; at least one.
    ///
    /// # Errors
    /// If there is none; without CAP_SYS_ADMIN, but for pinned ones.
    pub fn find(selector: &Selector, access: Access) -> Result<Vec<Self>, Error> {
        let found = match selector {
            Selector::Id(id) => Self::by_id(*id, access)?.into_iter().collect(),
            Selector::Pinned(path) => vec![Self::new(open_pinned(Kind::Map, path, access.flags())?)?],
            Selector::Name(name) => {
                let mut all = Self::all_for(access)?;
                all.retain(|m| m.name() == *name);
                all
            }
            Selector::Tag(_) => return Err(Error::new(ErrorKind::Invalid, "maps have no tags")),
        };
        if found.is_empty() { Err(none(Kind::Map, selector)) } else { Ok(found) }
    }

    /// Its name, of at most 15 bytes; may be empty.
    pub fn name(&self) -> String {
        info::name(&self.info.name)
    }

    /// Its type.
    pub fn map_type(&self) -> MapType {
        MapType(self.info.r#type)
    }

    /// Whether it has a value for each CPU.
    pub fn per_cpu(&self) -> bool {
        self.map_type().row().is_some_and(|row| row.per_cpu)
    }

    /// Whether its values are maps.
    pub fn of_maps(&self) -> bool {
        matches!(self.map_type(), MapType::ARRAY_OF_MAPS | MapType::HASH_OF_MAPS)
    }

    /// Bytes of a value as bpf(2) moves it: of all CPUs for per-CPU maps, each rounded up to eight.
    pub fn value_len(&self) -> usize {
        self.map.value_len()
    }

    /// Bytes of kernel memory that it takes.
    pub fn memlock(&self) -> Option<u64> {
        self.fdinfo.number("memlock")
    }

    /// Whether user space can no longer write it.
    pub fn frozen(&self) -> bool {
        self.fdinfo.number("frozen").is_some_and(|n| n != 0)
    }

    /// Of prog arrays that a program uses: the type of program that they are for.
    pub fn owner_prog_type(&self) -> Option<ProgType> {
        self.fdinfo.number("owner_prog_type").and_then(|n| u32::try_from(n).ok()).map(ProgType)
    }

    /// Of prog arrays that a program uses: whether their programs are compiled.
    pub fn owner_jited(&self) -> Option<bool> {
        self.fdinfo.number("owner_jited").map(|n| n != 0)
    }

    /// Keeps user space from writing it from now on.
    ///
    /// # Errors
    /// If it is frozen already, or mapped for writing.
    pub fn freeze(&self) -> Result<(), Error> {
        self.map.freeze().map_err(|e| self.wrong("freezing", e))
    }

    /// What the kernel said to something that was done to it.
    pub(super) fn wrong(&self, what: &str, e: Errno) -> Error {
        refused(&format!("map {}: {what}", self.info.id), e, &[Cap::BPF])
    }
}

impl AsFd for Map {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.map.as_fd()
    }
}
