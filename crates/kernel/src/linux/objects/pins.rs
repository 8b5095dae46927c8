//! Where objects are pinned: a walk through every BPF file system that is mounted.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use skep_sys::{info, pin};

use super::{Kind, kind_of};

/// The most files and folders that are looked at.
const MOST: usize = 1 << 16;

/// The paths of objects of one kind, by id.
#[derive(Clone, Debug, Default)]
pub struct Pins(BTreeMap<u32, Vec<PathBuf>>);

impl Pins {
    /// Walks through the file systems.
    pub fn scan(kind: Kind) -> Self {
        let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
        let mut found = Self::default();
        let mut budget = MOST;
        for root in bpffs(&mounts) {
            found.walk(kind, &root, &mut budget);
        }
        found
    }

    /// Where the object of this id is pinned.
    pub fn of(&self, id: u32) -> &[PathBuf] {
        self.0.get(&id).map_or(&[], Vec::as_slice)
    }

    fn walk(&mut self, kind: Kind, folder: &Path, budget: &mut usize) {
        let mut entries: Vec<_> = std::fs::read_dir(folder).into_iter().flatten().flatten().collect();
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let Some(left) = budget.checked_sub(1) else { return };
            *budget = left;
            let path = entry.path();
            match entry.file_type() {
                Ok(t) if t.is_dir() => self.walk(kind, &path, budget),
                Ok(t) if t.is_file() => {
                    let Some(id) = id_at(kind, &path) else { continue };
                    let paths = self.0.entry(id).or_default();
                    if !paths.contains(&path) {
                        paths.push(path);
                    }
                }
                _ => {}
            }
        }
    }
}

/// The id of the object of a kind that is pinned at a path.
fn id_at(kind: Kind, path: &Path) -> Option<u32> {
    let fd = pin::get(path, 0).ok()?;
    if kind_of(fd.as_fd()) != Some(kind) {
        return None;
    }
    match kind {
        Kind::Prog => info::prog(fd.as_fd()).ok().map(|i| i.id),
        Kind::Map => info::map(fd.as_fd()).ok().map(|i| i.id),
        Kind::Link => info::link(fd.as_fd()).ok().map(|i| i.id),
        Kind::Btf => None,
    }
}

/// The mount points of type bpf, in `/proc/mounts`, whose spaces are written `\040`.
fn bpffs(mounts: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for line in mounts.lines() {
        let mut words = line.split(' ').skip(1);
        if let (Some(place), Some("bpf")) = (words.next(), words.next()) {
            let place = PathBuf::from(place.replace("\\040", " ").replace("\\011", "\t"));
            if !found.contains(&place) {
                found.push(place);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_of_bpf_are_found() {
        let mounts = "proc /proc proc rw 0 0\nnone /sys/fs/bpf bpf rw 0 0\nbpf /my\\040fs bpf rw 0 0\n";
        assert_eq!(bpffs(mounts), [PathBuf::from("/sys/fs/bpf"), PathBuf::from("/my fs")]);
    }
}
