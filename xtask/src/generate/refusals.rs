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
    text + &in_c()
}

const ABOUT_C: &str = "Where an object has line information, all of it is told in C, and a fix is a patch of the source: the check \
was tried as instructions, and a test compiles each patched program and verifies it again. The programs are those of \
`tests/objects/mistakes.bpf.c`. Linux's log is shown from the last lines of source before the refusal on.";

/// Most lines of Linux's log that are shown.
const LOG_LINES: usize = 12;

/// The end of a function's log, from a line of source on.
fn linux<'l>(logs: &'l str, name: &str) -> Vec<&'l str> {
    let Some((_, log)) = logs.split_once(&format!("{name}\n\n")) else { return Vec::new() };
    let log: Vec<&str> = log.lines().take_while(|l| !l.is_empty()).collect();
    let from = log.len().saturating_sub(LOG_LINES);
    let start = log[from..].iter().position(|l| l.starts_with("; ")).filter(|_| from > 0);
    log[start.map_or(from, |n| from + n)..].to_vec()
}

/// The mistakes in C: each function, and what is said of it.
fn in_c() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap_or_default();
    let (source, said) = (read("tests/objects/mistakes.bpf.c"), read("tests/refusals/in_c.txt"));
    let logs = read("tests/refusals/in_c.log");
    let mut text = format!("\n# In C\n\n{ABOUT_C}\n");
    for part in said.split_inclusive("tells more.\n") {
        let Some((name, _)) = part.split_once(" (") else { continue };
        let Some(head) = source.find(&format!("int {name}(")) else { continue };
        let from = source[..head].rfind("\nSEC(").map_or(head, |n| n + 1);
        let to = source[head..].find("\n}\n").map_or(source.len(), |n| head + n + 2);
        let _ = write!(
            text,
            "\n## `{name}`\n\n```c\n{}\n```\n\nLinux:\n\n```\n{}\n```\n\nskep:\n\n```\n{}\n```\n",
            source[from..to].trim_end(),
            linux(&logs, name).join("\n"),
            part.trim_end()
        );
    }
    text
}
