//! Dependencies: each direct one has a line in docs/dependencies.md that says what it is for, all come from crates.io,
//! none compiles C, and none of our crates has a build script. `cargo deny` holds licences and duplicates.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::{Report, layers};

/// Crates whose presence means that something builds or binds C.
const C_BUILDERS: &[&str] = &["cc", "cmake", "bindgen", "pkg-config", "autotools", "nasm-rs"];

const DOCUMENT: &str = "docs/dependencies.md";
const LOCK: &str = "Cargo.lock";
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

pub(super) fn check(root: &Path, metadata: &Value, report: &mut Report) -> std::io::Result<()> {
    let document = std::fs::read_to_string(root.join(DOCUMENT)).unwrap_or_default();
    check_documented(metadata, &document, report);
    check_lock(&std::fs::read_to_string(root.join(LOCK))?, report);
    Ok(())
}

/// Holds direct dependencies to the document, and the document to them.
fn check_documented(metadata: &Value, document: &str, report: &mut Report) {
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut direct = BTreeSet::new();
    for package in packages {
        let dependencies = package["dependencies"].as_array().into_iter().flatten();
        let foreign = dependencies.filter(|dependency| !dependency["path"].is_string());
        direct.extend(foreign.filter_map(|dependency| dependency["name"].as_str()));
        let kinds =
            package["targets"].as_array().into_iter().flatten().flat_map(|target| target["kind"].as_array());
        if kinds.flatten().any(|kind| kind == "custom-build") {
            report.error(&layers::manifest(package), 0, "our own crates have no build script");
        }
    }
    let rows: BTreeSet<&str> = document
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(name, _)| name)
        .collect();
    for name in direct.difference(&rows) {
        report.error(DOCUMENT, 0, format!("no row for `{name}`: say what for, upkeep, alternatives weighed"));
    }
    for name in rows.difference(&direct) {
        report.error(DOCUMENT, 0, format!("a row for `{name}`, which no crate of the workspace uses"));
    }
}

/// Holds the whole tree to its sources and to Rust.
fn check_lock(lock: &str, report: &mut Report) {
    for (index, line) in lock.lines().enumerate() {
        let value = |key: &str| line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"');
        if let Some(name) = value("name").filter(|name| C_BUILDERS.contains(name)) {
            report.error(LOCK, index + 1, format!("`{name}`: no dependency may compile C"));
        }
        if let Some(source) = value("source").filter(|source| *source != REGISTRY) {
            report.error(LOCK, index + 1, format!("{source}: dependencies come from crates.io"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undocumented_and_unused_are_found() {
        let metadata = serde_json::json!({"packages": [{
            "name": "skep-isa", "manifest_path": "crates/isa/Cargo.toml",
            "dependencies": [{"name": "object", "path": null}, {"name": "skep-diag", "path": "/x"}],
            "targets": [{"kind": ["lib"]}, {"kind": ["custom-build"]}],
        }]});
        let mut report = Report::default();
        check_documented(&metadata, "| `serde` | data |\n", &mut report);
        assert_eq!(report.errors(), 3, "{:?}", report.findings());
    }

    #[test]
    fn c_and_other_sources_are_found() {
        let mut report = Report::default();
        check_lock("name = \"cc\"\nsource = \"git+https://example.org/x\"\nname = \"ccc\"\n", &mut report);
        let lines: Vec<_> = report.findings().iter().map(|finding| finding.line).collect();
        assert_eq!(lines, [1, 2]);
    }
}
