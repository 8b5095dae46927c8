//! Tables of functions in the kernel: maps of type struct_ops.

use skep_abi::MapType;
use skep_backend::{Error, ErrorKind};
use skep_btf::{Btf, TypeId};
use skep_sys::Cap;

use super::{Access, Kind, Link, Map, Selector, ids};
use crate::linux::attach::{is_of_table, records, unregister};
use crate::linux::error::refused;
use crate::linux::objects::links::Place;

/// What the kernel calls the struct around a table.
const VALUE_PREFIX: &str = "bpf_struct_ops_";

/// What has become of a table (`enum bpf_struct_ops_state`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Made, and nothing is in it.
    Init,
    /// Registered, without a link.
    InUse,
    /// Unregistered, but still used.
    ToBeFreed,
    /// It goes by link: its value is written, and while there is a link it is registered.
    Ready,
}

impl State {
    /// The kernel's word, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::InUse => "inuse",
            Self::ToBeFreed => "tobefree",
            Self::Ready => "ready",
        }
    }
}

/// A table.
#[derive(Debug)]
pub struct Table {
    map: Map,
}

impl Table {
    /// All tables, by the ids of their maps.
    ///
    /// # Errors
    /// Without CAP_SYS_ADMIN.
    pub fn all() -> Result<Vec<Self>, Error> {
        let mut all = Vec::new();
        for id in ids(Kind::Map)? {
            let map = Map::by_id(id, Access::Read)?;
            all.extend(map.filter(|m| m.map_type() == MapType::STRUCT_OPS).map(|map| Self { map }));
        }
        Ok(all)
    }

    /// The tables that answer to a selector; at least one.
    ///
    /// # Errors
    /// If there is none; without CAP_SYS_ADMIN.
    pub fn find(selector: &Selector) -> Result<Vec<Self>, Error> {
        let mut found = Map::find(selector, Access::Write)?;
        found.retain(|m| m.map_type() == MapType::STRUCT_OPS);
        if found.is_empty() {
            let message = format!("no table of functions has {selector}");
            return Err(Error::new(ErrorKind::NotFound, message));
        }
        Ok(found.into_iter().map(|map| Self { map }).collect())
    }

    /// The id of its map.
    pub fn id(&self) -> u32 {
        self.map.info.id
    }

    /// The name of its map.
    pub fn name(&self) -> String {
        self.map.name()
    }

    /// The kernel's struct: `tcp_congestion_ops`.
    pub fn kind<'a>(&self, kernel: &'a Btf) -> Option<&'a str> {
        let ty = kernel.ty(TypeId(self.map.info.btf_vmlinux_value_type_id))?;
        ty.name().strip_prefix(VALUE_PREFIX)
    }

    /// What has become of it; `None` where the kernel does not let it be read.
    pub fn state(&self) -> Option<State> {
        let value = self.map.lookup(&[0; 4]).ok()??;
        // A count of users comes first.
        let state = u32::from_ne_bytes(value.get(4..8)?.try_into().ok()?);
        [State::Init, State::InUse, State::ToBeFreed, State::Ready].get(state as usize).copied()
    }

    /// Unregisters it: takes its value away, or detaches the links by which it is registered. `false` if it was not
    /// registered. What skep had noted of it is forgotten.
    ///
    /// # Errors
    /// If the kernel refuses, as it does before 6.10 for links.
    pub fn unregister(&self) -> Result<bool, Error> {
        const F_LINK: u32 = skep_object::MapSpec::F_LINK;
        let id = self.id();
        if self.map.info.map_flags & F_LINK == 0 {
            let wrong = |e| refused(&format!("unregistering table {id}"), e, &[Cap::BPF, Cap::NET_ADMIN]);
            let was = unregister(&self.map.map).map_err(wrong)?;
            for record in records().iter().filter(|r| is_of_table(r, id)) {
                record.forget()?;
            }
            return Ok(was);
        }
        let mut any = false;
        for link in Link::all()? {
            if link.info.place == (Place::StructOps { map_id: id }) {
                link.detach()?;
                any = true;
            }
        }
        Ok(any)
    }
}
