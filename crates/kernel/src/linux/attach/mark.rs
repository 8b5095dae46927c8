//! Marks: who attached what outlives its process.
//!
//! A record is a file under `/run/skep`, written before the attaching and removed after the detaching. It names its
//! owner by process id, that process's start time and the boot, so that a number that was given out again is not
//! taken for the owner. What is left of an owner that is dead is stale.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use skep_backend::{Error, ErrorKind};

use super::Program;
use crate::linux::error::refused;

/// Where records lie.
const DIR: &str = "/run/skep";
/// The most that is read of a record.
const RECORD_MAX: u64 = 16 << 10;

/// What a record says. Lines of `key=value`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    hook: String,
    pid: u32,
    start: u64,
    boot: String,
    kept: bool,
    fields: BTreeMap<String, String>,
    path: PathBuf,
}

impl Record {
    /// The hook's name.
    pub fn hook(&self) -> &str {
        &self.hook
    }

    /// The owner.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// It is meant to stay.
    pub fn kept(&self) -> bool {
        self.kept
    }

    /// A field that the hook wrote.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.fields.get(key).map(String::as_str)
    }

    /// A field that is a number.
    ///
    /// # Errors
    /// If there is none, or it is no number.
    pub fn number(&self, key: &str) -> Result<u32, Error> {
        self.get(key).and_then(|v| v.parse().ok()).ok_or_else(|| {
            let message = format!("{}: the record does not say its {key}", self.path.display());
            Error::new(ErrorKind::Invalid, message)
        })
    }

    /// The id of the program that was attached.
    ///
    /// # Errors
    /// If it is not there.
    pub fn prog_id(&self) -> Result<u32, Error> {
        self.number("prog_id")
    }

    /// Whether it is about this program. While one is replaced by another it is about both.
    pub fn holds(&self, prog_id: u32) -> bool {
        ["prog_id", "next_prog_id"].iter().any(|key| self.number(key).is_ok_and(|id| id == prog_id))
    }

    /// The text for places of the kernel that hold one: `skep:PID:PROGRAM`.
    pub fn label(&self) -> String {
        format!("skep:{}:{}", self.pid, self.get("program").unwrap_or_default())
    }

    /// Its owner is gone, and it was not meant to stay.
    pub fn stale(&self) -> bool {
        !self.kept && (self.of_another_boot() || start_time(self.pid) != Some(self.start))
    }

    /// Another boot wrote it.
    pub(super) fn of_another_boot(&self) -> bool {
        self.boot != boot()
    }

    /// Nobody has removed it meanwhile.
    pub(super) fn exists(&self) -> bool {
        self.path.exists()
    }

    /// When its owner began, in ticks since the boot.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// What it tells of, for people: the hook and its `target`.
    pub fn describe(&self) -> String {
        let what = self.get("what").map(|w| format!(" {w}")).unwrap_or_default();
        match self.get("target") {
            Some(target) => format!("{}{what} {target}", self.hook),
            None => format!("{}{what}", self.hook),
        }
    }

    /// Removes the record itself, for whoever took down what it tells of.
    ///
    /// # Errors
    /// If it can't be removed.
    pub fn forget(&self) -> Result<(), Error> {
        match fs::remove_file(&self.path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(file(&self.path, &e)),
            _ => Ok(()),
        }
    }

    fn text(&self) -> String {
        let Self { hook, pid, start, boot, kept, fields, .. } = self;
        let mut out =
            format!("hook={hook}\npid={pid}\nstart={start}\nboot={boot}\nkept={}\n", u8::from(*kept));
        for (key, value) in fields {
            out.push_str(&format!("{key}={}\n", value.replace('\n', "?")));
        }
        out
    }

    fn parse(text: &str, path: &Path) -> Option<Self> {
        let lines = text.lines().filter_map(|l| l.split_once('='));
        let mut fields: BTreeMap<String, String> = lines.map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        Some(Self {
            hook: fields.remove("hook")?,
            pid: fields.remove("pid")?.parse().ok()?,
            start: fields.remove("start")?.parse().ok()?,
            boot: fields.remove("boot")?,
            kept: fields.remove("kept")? == "1",
            fields,
            path: path.to_owned(),
        })
    }

    /// Writes it whole or not at all.
    fn store(&self) -> Result<(), Error> {
        let new = self.path.with_extension("new");
        let write = || -> std::io::Result<()> {
            let mut options = fs::OpenOptions::new();
            let mut f = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
            f.write_all(self.text().as_bytes())?;
            fs::rename(&new, &self.path)
        };
        write().map_err(|e| file(&self.path, &e))
    }
}

/// The mark of something attached that outlives its process. Dropping it removes the record.
#[derive(Debug)]
pub struct Mark {
    record: Record,
    hook: &'static str,
    stays: bool,
    swap: Option<Swap>,
}

/// Puts another program where a record says that one is.
pub type Swap = fn(&Record, BorrowedFd<'_>) -> Result<(), Error>;

impl Mark {
    /// Writes the record, before anything is attached. The program's name and id are added to `fields`.
    ///
    /// # Errors
    /// If it can't be written; then nothing should be attached.
    pub fn write(
        hook: &'static str,
        program: &Program<'_>,
        fields: &[(&str, String)],
    ) -> Result<Self, Error> {
        Self::write_in(Path::new(DIR), hook, program.name, program.id()?, fields)
    }

    /// As [`Mark::write`], for what is no program: a struct_ops map, with its id.
    ///
    /// # Errors
    /// As for [`Mark::write`].
    pub fn write_for(
        hook: &'static str,
        name: &str,
        id: u32,
        fields: &[(&str, String)],
    ) -> Result<Self, Error> {
        Self::write_in(Path::new(DIR), hook, name, id, fields)
    }

    fn write_in(
        dir: &Path,
        hook: &'static str,
        program: &str,
        prog_id: u32,
        fields: &[(&str, String)],
    ) -> Result<Self, Error> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        fs::DirBuilder::new().recursive(true).mode(0o755).create(dir).map_err(|e| file(dir, &e))?;
        let pid = std::process::id();
        let start = start_time(pid).unwrap_or(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let mut all: BTreeMap<String, String> =
            fields.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
        all.insert("program".into(), program.into());
        all.insert("prog_id".into(), prog_id.to_string());
        let path = dir.join(format!("{pid}-{start}-{n}.attached"));
        let record = Record { hook: hook.into(), pid, start, boot: boot(), kept: false, fields: all, path };
        record.store()?;
        Ok(Self { record, hook, stays: false, swap: None })
    }

    /// Adds what is only known after attaching.
    ///
    /// # Errors
    /// If the record can't be written.
    pub fn add(&mut self, key: &str, value: impl ToString) -> Result<(), Error> {
        self.record.fields.insert(key.into(), value.to_string());
        self.record.store()
    }

    /// What it says.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Says how another program is put in its place, at once.
    #[must_use]
    pub fn swapped_by(mut self, swap: Swap) -> Self {
        self.swap = Some(swap);
        self
    }

    /// Puts another program in its place. The record names both while it is done.
    pub(super) fn replace(&mut self, new: BorrowedFd<'_>) -> Result<(), Error> {
        let Some(swap) = self.swap else {
            let message = format!("what {} attached can't be replaced", self.hook);
            return Err(Error::new(ErrorKind::Unsupported, message));
        };
        let id = skep_sys::info::prog(new).map_err(|e| refused("asking for a program's id", e, &[]))?.id;
        self.add("next_prog_id", id)?;
        swap(&self.record, new)?;
        self.add("prog_id", id)
    }

    pub(super) fn hook(&self) -> &'static str {
        self.hook
    }

    /// The record stays, for what could not be taken down.
    pub(super) fn leave(&mut self) {
        self.stays = true;
    }

    /// The record stays and says that this is meant.
    pub(super) fn keep(&mut self) -> Result<(), Error> {
        self.record.kept = true;
        self.record.store()?;
        self.stays = true;
        Ok(())
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        if !self.stays {
            // A record of nothing is swept by the next `--stale`.
            let _ = self.record.forget();
        }
    }
}

/// Every record there is; files that are none are passed over.
pub fn records() -> Vec<Record> {
    records_in(Path::new(DIR))
}

fn records_in(dir: &Path) -> Vec<Record> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "attached"));
    paths.sort();
    let read = |path: &PathBuf| {
        let small = fs::symlink_metadata(path).is_ok_and(|m| m.is_file() && m.len() <= RECORD_MAX);
        Record::parse(&fs::read_to_string(path).ok().filter(|_| small)?, path)
    };
    paths.iter().filter_map(read).collect()
}

fn file(path: &Path, e: &std::io::Error) -> Error {
    let errno = e.raw_os_error().unwrap_or(0);
    Error::new(ErrorKind::Os(errno), format!("{}: {}", path.display(), skep_sys::Errno(errno)))
        .with_hint("what outlives this process is recorded there, so that it can be found again")
}

/// This boot's name.
fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// When a process began, in ticks since the boot; `None` if it is gone, or is dead and was not yet waited for.
fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    parse_stat(&stat)
}

/// The name in the second field may hold anything, spaces and parentheses too: fields are counted behind the last `)`.
fn parse_stat(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_time_is_found_behind_any_name() {
        let stat =
            "7 (a) b (c) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 9912 1000 1 18446744073709551615";
        assert_eq!(parse_stat(stat), Some(9912));
        assert_eq!(parse_stat(&stat.replace(") S", ") Z")), None);
        assert_eq!(parse_stat("7 (a"), None);
        assert!(start_time(std::process::id()).is_some());
    }

    #[test]
    fn a_record_says_the_same_when_it_is_read_back() {
        let dir = std::env::temp_dir().join(format!("skep-mark-{}", std::process::id()));
        let mut mark =
            Mark::write_in(&dir, "xdp", "prog\nx=1", 7, &[("ifindex", "3".into())]).expect("writable");
        mark.add("handle", 9).expect("writable");
        let read = records_in(&dir);
        assert_eq!(read.len(), 1);
        assert_eq!((read[0].hook(), read[0].prog_id().ok()), ("xdp", Some(7)));
        assert_eq!((read[0].number("ifindex").ok(), read[0].get("handle")), (Some(3), Some("9")));
        assert_eq!(read[0].get("x"), None);
        assert!(!read[0].stale(), "this process lives");
        let of_another = Record { start: 1, ..read[0].clone() };
        assert!(of_another.stale(), "the number was given out again");
        assert!(!Record { kept: true, ..of_another }.stale(), "meant to stay");
        drop(mark);
        assert!(records_in(&dir).is_empty());
        fs::remove_dir_all(&dir).expect("own directory");
    }

    #[test]
    fn other_files_are_passed_over() {
        assert_eq!(Record::parse("", Path::new("x")), None);
        assert_eq!(Record::parse("hook=xdp\npid=-1\nstart=0\nboot=\nkept=0\n", Path::new("x")), None);
    }
}
