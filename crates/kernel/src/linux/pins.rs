//! Pins: maps that the object wants to be found by name (`LIBBPF_PIN_BY_NAME`), and all of a loaded object on demand.
//!
//! A path that was made here goes when its guard is dropped, unless it is kept; it has a [`Mark`], so that a killed
//! process's pins are found, too.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use skep_backend::{Error, ErrorKind};
use skep_object::MapSpec;
use skep_sys::map::Map;
use skep_sys::{Cap, Errno, info, pin};

use super::attach::{Mark, Record, pin_object};
use super::error::refused;
use super::maps::{self, LiveMap};

/// What records of pins say in place of a hook.
pub(super) const NAME: &str = "pin";

/// Paths that were pinned. Dropping it unpins them.
#[derive(Debug, Default)]
#[must_use = "dropping it unpins"]
pub struct Pins {
    made: Vec<(PathBuf, Option<Mark>)>,
    directories: Vec<PathBuf>,
}

impl Pins {
    /// The paths.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.made.iter().map(|(path, _)| path.as_path())
    }

    /// Lets them stay.
    pub fn keep(mut self) {
        self.made.clear();
        self.directories.clear();
    }

    /// Makes a directory, with those above it.
    pub(super) fn directory(&mut self, path: &Path) -> Result<(), Error> {
        if path.is_dir() {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            self.directory(parent)?;
        }
        fs::create_dir(path).map_err(|e| {
            let errno = Errno(e.raw_os_error().unwrap_or(0));
            let error = refused(&format!("making {}", path.display()), errno, &[Cap::BPF]);
            if pin::is_bpffs(path) { error } else { error.with_hint(super::attach::MOUNT) }
        })?;
        self.directories.push(path.to_owned());
        Ok(())
    }

    /// Pins an object.
    pub(super) fn add(&mut self, path: &Path, object: BorrowedFd<'_>) -> Result<(), Error> {
        pin_object(path, object)?;
        self.made.push((path.to_owned(), None));
        Ok(())
    }

    /// Pins a map that was made under its name, with a mark.
    pub(super) fn add_by_name(&mut self, dir: &Path, made: &LiveMap) -> Result<(), Error> {
        let (name, path) = (&made.spec.name, dir.join(&made.spec.name));
        let shown = path.display().to_string();
        let fields = [("path", shown.clone()), ("target", shown)];
        let mark = Mark::write_for(NAME, name, made.map.info().id, &fields)?;
        pin_object(&path, made.map.as_fd())?;
        self.made.push((path, Some(mark)));
        Ok(())
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        for (path, _) in &self.made {
            // Somebody else may have removed it, which is as well.
            let _ = fs::remove_file(path);
        }
        for directory in self.directories.iter().rev() {
            // What others put there stays, with its directory.
            let _ = fs::remove_dir(directory);
        }
    }
}

/// The map that is pinned under its name, if there is one. One of another shape is an error, as for libbpf.
pub(super) fn find(dir: &Path, spec: &MapSpec) -> Result<Option<LiveMap>, Error> {
    let path = dir.join(&spec.name);
    let what = format!("map `{}`, pinned as {}", spec.name, path.display());
    let wrong = |e: Errno| refused(&what, e, &[Cap::BPF]);
    let map = match pin::get(&path, 0) {
        Ok(fd) => Map::from_fd(fd).map_err(wrong)?,
        Err(Errno::ENOENT) => return Ok(None),
        Err(e) => return Err(wrong(e)),
    };
    let spec = maps::complete(spec).map_err(wrong)?;
    let info = map.info();
    let facts = [
        ("type", info.r#type, spec.map_type.0),
        ("key size", info.key_size, spec.key_size),
        ("value size", info.value_size, spec.value_size),
        ("number of entries", info.max_entries, spec.max_entries),
        ("flags", info.map_flags, spec.flags),
    ];
    let Some((fact, is, wanted)) = facts.iter().find(|(_, is, wanted)| is != wanted) else {
        return Ok(Some(LiveMap { spec, map }));
    };
    let message = format!("{what}: its {fact} is {is}, and the object wants {wanted}");
    let hint = format!("remove {} if nobody needs that map any more", path.display());
    Err(Error::new(ErrorKind::Invalid, message).with_hint(hint))
}

/// Removes the path of a record, if the same map is still pinned there.
pub(super) fn remove(record: &Record) -> Result<bool, Error> {
    let Some(path) = record.get("path").map(Path::new) else {
        return Err(Error::new(ErrorKind::Invalid, "the record does not say its path"));
    };
    let what = format!("the pin {}", path.display());
    let fd = match pin::get(path, 0) {
        Ok(fd) => fd,
        Err(Errno::ENOENT) => return Ok(false),
        Err(e) => return Err(refused(&what, e, &[Cap::BPF])),
    };
    if !info::map(fd.as_fd()).is_ok_and(|i| record.holds(i.id)) {
        return Ok(false);
    }
    let removed = fs::remove_file(path);
    removed.map(|()| true).map_err(|e| refused(&what, Errno(e.raw_os_error().unwrap_or(0)), &[Cap::BPF]))
}
