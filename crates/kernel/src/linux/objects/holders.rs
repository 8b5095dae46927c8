//! Which processes hold an object open. bpftool asks an iterator program over all files; the same is told by
//! `/proc/PID/fd`, without loading anything.

use std::collections::BTreeMap;

use super::Kind;
use super::fdinfo::Fdinfo;

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its id.
    pub pid: u32,
    /// Its name.
    pub comm: String,
}

/// The processes that hold objects of one kind, by the objects' ids.
#[derive(Clone, Debug, Default)]
pub struct Holders(BTreeMap<u32, Vec<Holder>>);

impl Holders {
    /// Looks through the processes that this one may look into, in the order of their ids; itself it leaves out.
    pub fn scan(kind: Kind) -> Self {
        let mut found = Self::default();
        let own = std::process::id();
        for pid in numbers("/proc").into_iter().filter(|p| *p != own) {
            found.process(kind, pid);
        }
        found
    }

    /// Who holds the object of this id.
    pub fn of(&self, id: u32) -> &[Holder] {
        self.0.get(&id).map_or(&[], Vec::as_slice)
    }

    fn process(&mut self, kind: Kind, pid: u32) {
        let key = match kind {
            Kind::Prog => "prog_id",
            Kind::Map => "map_id",
            Kind::Btf => "btf_id",
            Kind::Link => "link_id",
        };
        let mut comm = None;
        for fd in numbers(&format!("/proc/{pid}/fd")) {
            let Ok(target) = std::fs::read_link(format!("/proc/{pid}/fd/{fd}")) else { continue };
            if Kind::of_file(&target.to_string_lossy()) != Some(kind) {
                continue;
            }
            let info = Fdinfo::at(&format!("/proc/{pid}/fdinfo/{fd}"));
            let Some(id) = info.and_then(|i| i.number(key)).and_then(|id| u32::try_from(id).ok()) else {
                continue;
            };
            let holders = self.0.entry(id).or_default();
            if holders.last().is_some_and(|h| h.pid == pid) {
                continue;
            }
            let comm = comm.get_or_insert_with(|| {
                let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
                name.trim_end_matches('\n').to_owned()
            });
            holders.push(Holder { pid, comm: comm.clone() });
        }
    }
}

/// The entries of a folder that are numbers, rising; none if it can't be read.
pub(super) fn numbers(folder: &str) -> Vec<u32> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut all: Vec<u32> = entries.filter_map(|e| e.file_name().to_str()?.parse().ok()).collect();
    all.sort_unstable();
    all
}
