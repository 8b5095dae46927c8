//! A cgroup of a test's own.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A directory in the cgroup2 hierarchy; what runs in it is killed, and it is removed, when this is dropped.
#[derive(Debug)]
pub struct Cgroup(PathBuf);

impl Cgroup {
    /// Makes one below the mount; `None`, with the reason printed, where there is none.
    pub fn new() -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let Some(mount) = skep_sys::cgroup::mount() else {
            println!("skipped: no cgroup2 is mounted");
            return None;
        };
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        Self::make(mount.join(format!("skep{}-{n}", std::process::id())))
    }

    fn make(path: PathBuf) -> Option<Self> {
        match std::fs::create_dir(&path) {
            Ok(()) => Some(Self(path)),
            Err(e) => {
                println!("skipped: {}: {e}", path.display());
                None
            }
        }
    }

    /// One below this one.
    pub fn below(&self, name: &str) -> Option<Self> {
        Self::make(self.0.join(name))
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = std::fs::write(self.0.join("cgroup.kill"), "1");
        // What was killed takes a moment to go.
        let until = Instant::now() + Duration::from_secs(5);
        while std::fs::remove_dir(&self.0).is_err() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
