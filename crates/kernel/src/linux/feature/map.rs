//! Map types: the smallest map of each.

use std::os::fd::AsFd;

use skep_abi::{Entries, KeySize, MapType, ValueSize, map_types};
use skep_btf::Kind;
use skep_sys::map::{Create, Map};
use skep_sys::{Cap, Errno};

use super::{Feature, Prober, State, why};

/// Maps whose values belong to objects of the kernel, and which are made with BTF only.
const STORAGES: [MapType; 4] =
    [MapType::SK_STORAGE, MapType::INODE_STORAGE, MapType::TASK_STORAGE, MapType::CGRP_STORAGE];
/// The table that a struct_ops map is tried with.
const TABLE: &str = "bpf_struct_ops_tcp_congestion_ops";

impl Prober {
    /// Each map type.
    pub fn map_types(&self) -> Vec<Feature> {
        let rows = map_types().iter().filter(|row| row.id != MapType::UNSPEC);
        rows.map(|row| Feature { name: row.name, about: row.about, state: self.map_type(row.id) }).collect()
    }

    /// Whether maps of a type can be made.
    pub fn map_type(&self, map_type: MapType) -> State {
        let done = match self.make(map_type) {
            Ok(done) => done,
            Err(why) => return State::Unknown(why),
        };
        match done {
            Ok(_) => State::Available,
            Err(Errno::EPERM)
                if self.caps.is_some_and(|c| c.lacks(&[Cap::BPF, Cap::NET_ADMIN]).is_some()) =>
            {
                let lacks = self.caps.and_then(|c| c.lacks(&[Cap::BPF, Cap::NET_ADMIN]));
                State::Unknown(lacks.map_or_else(String::new, |cap| format!("needs {cap}")))
            }
            Err(errno) => {
                State::Absent { errno, why: why::likely(&self.vmlinux, errno, why::of_map(map_type)) }
            }
        }
    }

    fn make(&self, map_type: MapType) -> Result<Result<Map, Errno>, String> {
        let mut create = smallest(map_type).ok_or("its shape is not known")?;
        create.ifindex = self.ifindex;
        let inner;
        match map_type {
            MapType::ARRAY_OF_MAPS | MapType::HASH_OF_MAPS => {
                let model = smallest(MapType::ARRAY).map(|model| Map::create(&model));
                inner = model.and_then(Result::ok).ok_or("the inner map can't be made")?;
                create.inner = Some(inner.as_fd());
            }
            MapType::STRUCT_OPS => {
                let table = self.kernel_type(TABLE, Kind::Struct)?;
                create.vmlinux_value_type = table.0;
                let size = self.vmlinux.btf()?.ty(table).and_then(|t| t.size());
                create.value_size = size.ok_or("the table has no size")?;
                let types = self.types.as_ref().ok_or("the kernel takes no BTF")?;
                create.btf = Some((types.fd.as_fd(), 0, 0));
            }
            t if STORAGES.contains(&t) => {
                let types = self.types.as_ref().ok_or("the kernel takes no BTF")?;
                create.btf = Some((types.fd.as_fd(), types.int.0, types.int.0));
            }
            _ => {}
        }
        Ok(Map::create(&create))
    }
}

/// The smallest map that the rules of its type allow.
fn smallest(map_type: MapType) -> Option<Create<'static>> {
    const PAGE: u32 = 4096;
    let row = map_type.row()?;
    Some(Create {
        map_type,
        name: "skep_probe",
        key_size: match row.key {
            KeySize::None => 0,
            KeySize::Exactly(n) => n,
            KeySize::Between(least, _) => least.next_multiple_of(4),
            KeySize::Any => 4,
        },
        value_size: match row.value {
            ValueSize::None => 0,
            ValueSize::OneOf(sizes) => sizes.first().copied().unwrap_or(4),
            ValueSize::Any => 4,
            ValueSize::MultipleOf(n) => n,
        },
        max_entries: match row.entries {
            Entries::Zero => 0,
            Entries::One | Entries::Any | Entries::Pages => 1,
            Entries::PowerOfTwoPages => PAGE,
        },
        flags: row.needed_flags.0,
        ..Create::default()
    })
}
