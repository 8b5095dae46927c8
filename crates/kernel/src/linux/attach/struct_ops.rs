//! Tables of functions (struct_ops): a kernel subsystem takes the whole table, so attaching one of its programs
//! registers the table.
//!
//! A table of `.struct_ops.link` goes by link. One of `.struct_ops` is registered by the write of its value and outlives the
//! process; it is marked with its map's id, and unregistered by the removal of its value.

use std::os::fd::AsFd;

use skep_abi::{AttachType, MapType};
use skep_backend::{Error, ErrorKind};
use skep_sys::prog::Target as On;
use skep_sys::{Cap, Errno, info, link, map::Map};

use super::{Attached, Hook, Mark, Program, Record, Target};
use crate::linux::Live;
use crate::linux::error::refused;
use crate::linux::struct_ops::Ready;

const NAME: &str = "struct_ops";
const NEEDED: &[Cap] = &[Cap::BPF, Cap::NET_ADMIN];
/// The only key of a table.
const KEY: [u8; 4] = [0; 4];

pub(super) static HOOK: Hook =
    Hook { name: NAME, sections: &["struct_ops", "struct_ops.s"], needs: &[], attach, remove: Some(remove) };

/// Registers the tables whose first function this program is, or the one that `target` names. A program further on in
/// its table is registered with the first, and the guard for it holds nothing.
fn attach(program: &Program<'_>, target: &Target) -> Result<Attached, Error> {
    let holds = |t: &&Ready| t.programs.iter().any(|p| p == program.name);
    let named = |t: &&Ready| target.map.as_ref().is_none_or(|name| t.map == *name);
    let tables: Vec<&Ready> = program.live.tables().iter().filter(holds).filter(named).collect();
    let Some(any) = tables.first() else {
        let message = match &target.map {
            Some(name) => format!("program `{}` is in no table `{name}`", program.name),
            None => format!("program `{}` is in no table of functions", program.name),
        };
        return Err(Error::new(ErrorKind::Invalid, message));
    };
    let first = |t: &&&Ready| t.programs.first().is_some_and(|p| p == program.name);
    let mut parts =
        tables.iter().filter(first).map(|t| register(program, t)).collect::<Result<Vec<_>, _>>()?;
    match (parts.len(), parts.pop()) {
        (1, Some(only)) => Ok(only),
        (_, Some(last)) => {
            parts.push(last);
            let all: Vec<&str> = parts.iter().map(Attached::target).collect();
            let label = all.join(", ");
            Ok(Attached::several(NAME, label, parts))
        }
        (_, None) => Ok(Attached::with_another(NAME, format!("{} (with its first function)", any.map))),
    }
}

impl Live {
    /// The names of the tables of functions that are loaded and may be registered.
    pub fn table_names(&self) -> impl Iterator<Item = &str> {
        self.tables().iter().map(|t| t.map.as_str())
    }

    /// Registers a table of functions, as attaching its first program does.
    ///
    /// # Errors
    /// If there is no such table, or its subsystem does not take it.
    pub fn register(&self, table: &str) -> Result<Attached, Error> {
        let found = self.tables().iter().find(|t| t.map == table);
        let Some(first) = found.and_then(|t| t.programs.first()) else {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("no table of functions `{table}` is loaded"),
            ));
        };
        self.attach(first, &Target { map: Some(table.to_owned()), ..Target::default() })
    }
}

fn register(program: &Program<'_>, table: &Ready) -> Result<Attached, Error> {
    let label = format!("{} ({})", table.map, table.kind);
    let wrong = |e: Errno| {
        let error = refused(&format!("registering `{}` as {}", table.map, table.kind), e, NEEDED);
        match e {
            Errno::EINVAL => {
                error.with_hint("the subsystem does not take it: a function that it needs is missing?")
            }
            Errno::EEXIST => error.with_hint("one of that name is registered"),
            _ => error,
        }
    };
    let Some(map) = program.live.live_maps().iter().find(|m| m.spec.name == table.map) else {
        return Err(Error::new(ErrorKind::NotFound, format!("no table `{}` is loaded", table.map)));
    };
    let write = || match map.map.update(&KEY, &table.value, 0) {
        // The value of a table that goes by link may have been written for an earlier one.
        Err(Errno::EBUSY) if table.link => Ok(()),
        done => done,
    };
    if table.link {
        write().map_err(wrong)?;
        let none = On::Ifindex(0);
        let made = link::create(map.map.as_fd(), none, AttachType::STRUCT_OPS, 0, &link::More::Nothing);
        return Ok(Attached::link(NAME, label, made.map_err(wrong)?));
    }
    let fields = [("map_id", map.map.info().id.to_string()), ("table", table.map.clone())];
    let mark = Mark::write(NAME, program, &fields)?;
    write().map_err(wrong)?;
    Ok(Attached::left(label, mark))
}

fn remove(record: &Record) -> Result<bool, Error> {
    let id = record.number("map_id")?;
    let wrong = |e| refused(&format!("unregistering the table of map {id}"), e, NEEDED);
    let map = match Map::by_id(id) {
        Ok(map) => map,
        Err(Errno::ENOENT) => return Ok(false),
        Err(e) => return Err(wrong(e)),
    };
    // The number may have been given out again.
    let same = record
        .get("table")
        .is_some_and(|t| info::name(&map.info().name) == t.chars().take(15).collect::<String>());
    if map.map_type() != MapType::STRUCT_OPS || !same {
        return Ok(false);
    }
    unregister(&map).map_err(wrong)
}

/// Whether a record tells of the table with this map.
pub(in crate::linux) fn is_of_table(record: &Record, map: u32) -> bool {
    record.hook() == NAME && record.number("map_id").ok() == Some(map)
}

/// Unregisters a table that is registered without a link; `false` if it is not.
///
/// # Errors
/// `EOPNOTSUPP` for one that goes by link.
pub(in crate::linux) fn unregister(map: &Map) -> Result<bool, Errno> {
    match map.delete(&KEY) {
        Ok(()) => Ok(true),
        // Never registered; or on its way out.
        Err(Errno::ENOENT | Errno::EINPROGRESS) => Ok(false),
        Err(e) => Err(e),
    }
}
