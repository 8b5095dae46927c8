//! The corpus: many small programs in text, each with what every engine must make of it.
//!
//! A file of `tests/corpus` is a header, then assembly in the kernel's dialect:
//!
//! ```text
//! #! prog = xdp
//! #! map = counts array 4 8 1
//! #! run = 2
//! # What it shows, in a sentence.
//!     r0 = 2
//!     exit
//! ```
//!
//! | key | value |
//! |---|---|
//! | `prog` | program type; required |
//! | `attach`, `license`, `flags` | expected attach type, licence (default GPL), program flags |
//! | `map` | `NAME TYPE KEY VALUE MAX [FLAGS]`; may be repeated, as may the next five |
//! | `inner` | `OUTER MAP`: OUTER's inner maps have the shape of MAP (default: array 4 8 1) |
//! | `func` | `LABEL static` or `LABEL global`, then what it takes: `number`, `memory`, `nonnull` (16 bytes), `context` |
//! | `entry` | `MAP KEY VALUE` in hex, put there before the run; VALUE may be `self`, or `map:NAME` |
//! | `after` | `MAP KEY VALUE` after the run; VALUE may be `none`, or `sum:N` over all CPUs; KEY may be `-` |
//! | `event` | `MAP HEX`, `trace TEXT` or `clone HEX`, in order; `none` if there must be none |
//! | `packet`, `mem`, `ctx` | hex; the packet is 00 01 .. 3f by default; `mem` is r1, its length r2 |
//! | `verify` | `accept` (default), `reject`, `skip` |
//! | `count` | how many instructions are processed by the verifier, and by Linux, which gives the same answer |
//! | `run` | expected r0; `trap`; `skip` (default) |
//! | `out` | hex of the packet (or `mem`) after the run |
//! | `kernel` | `same` (default), `reject`, `skip: REASON` |
//! | `engines` | `all` (default), `all but NAME, ..: REASON`, or `NAME, ..: REASON`; names are those of [`engine::ENGINES`] |
//! | `kernel-since` | first Linux release that gives these answers |
//!
//! `#~ trap: TEXT` on an instruction says that the run stops there, with a message that contains TEXT;
//! `#~ CODE: TEXT` says the same of the verifier's primary label. `r1 = map[NAME]` loads a map.
//!
//! Expectations are those of Linux 6.18: the engine `kernel` asks it by BPF_PROG_TEST_RUN where bpf(2) is allowed.

mod bless;
mod case;
pub mod engine;
mod header;
mod text;
mod types;

pub use bless::{bless, difference};
pub use case::{Case, Observed, Report, run};
pub use header::{Engines, FuncLine, Header, HeaderError, Kernel, MapLine, Run, Takes, Verify};
pub use text::{Mark, NAMES, Program, assemble};

use std::path::{Path, PathBuf};

/// Where the files are.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// Every corpus file, sorted: its name (path below the root, without the suffix) and its path.
///
/// # Errors
/// What reading a directory says.
pub fn files() -> std::io::Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    let mut todo = vec![root()];
    while let Some(dir) = todo.pop() {
        for entry in std::fs::read_dir(&dir)? {
            let path = entry?.path();
            if path.is_dir() {
                todo.push(path);
            } else if path.extension().is_some_and(|e| e == "bpf") {
                let name = path.strip_prefix(root()).unwrap_or(&path).with_extension("");
                found.push((name.to_string_lossy().replace('\\', "/"), path));
            }
        }
    }
    found.sort();
    Ok(found)
}
