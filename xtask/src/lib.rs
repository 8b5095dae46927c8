//! The project's automation, as a library: the `xtask` binary is a thin front, and tests in package `skep-tests` call
//! the same functions, so that `cargo test` holds what a person can run by hand.
#![forbid(unsafe_code)]

pub mod examples;
#[cfg(all(target_os = "linux", not(skep_portable)))]
pub mod fidelity;
pub mod filter_oracle;
pub mod generate;
#[cfg(all(target_os = "linux", not(skep_portable)))]
pub mod oracle;
#[cfg(all(target_os = "linux", not(skep_portable)))]
mod random;
#[cfg(all(target_os = "linux", not(skep_portable)))]
pub mod soundness;
pub mod tidy;

use std::path::{Path, PathBuf};

/// The root of the workspace.
pub fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_owned()
}

/// Every file of the tree that is the project's own, with `/` between the parts of its path from `root`, in order.
/// Build output, version control and what other tools keep in hidden folders are left out.
pub fn files(root: &Path) -> std::io::Result<Vec<String>> {
    let mut found = Vec::new();
    let mut open = vec![String::new()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(root.join(&folder))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            if entry.file_type()?.is_dir() {
                if !SKIPPED.contains(&name.as_str()) {
                    open.push(path);
                }
            } else if !SKIPPED.contains(&name.as_str()) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Names that hold nothing of ours: build output, version control (a file in a linked work tree), a fuzzer's findings.
const SKIPPED: &[&str] = &["target", ".git", "corpus-found", "artifacts"];
