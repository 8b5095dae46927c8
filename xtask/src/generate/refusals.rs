//! The page of refusals that people meet: program, Linux's log and skep's words side by side, from `tests/refusals`.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::REMARK;

const ABOUT: &str = "Programs that break one rule each, what Linux 6.18 says of them in its log, and what `skep verify` says. \
A suggested fix is shown only where a further verification has shown that the refusal is gone with it. The files are in `tests/refusals`.";

/// The page.
pub(super) fn document() -> String {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/refusals");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&dir)
        .map(|entries| entries.filter_map(|e| Some(e.ok()?.path())).collect())
        .unwrap_or_default();
    files.retain(|f| f.extension().is_some_and(|e| e == "bpf"));
    files.sort();
    let mut text = format!("{REMARK}\n\n# Refusals that people meet\n\n{ABOUT}\n");
    for file in files {
        let read = |ext: &str| std::fs::read_to_string(file.with_extension(ext)).unwrap_or_default();
        let program = read("bpf");
        let title = program.lines().find_map(|l| l.strip_prefix("# ")).unwrap_or("?").trim_end_matches('.');
        let body: Vec<&str> = program.lines().filter(|l| !l.starts_with("# ")).collect();
        let _ = write!(
            text,
            "\n## {title}\n\n```\n{}\n```\n\nLinux:\n\n```\n{}\n```\n\nskep:\n\n```\n{}\n```\n",
            body.join("\n"),
            read("log").trim_end(),
            read("txt").trim_end()
        );
    }
    text
}
