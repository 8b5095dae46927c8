//! How long a file may be. Functions are measured in `sources`.

use std::path::Path;

use super::Report;

/// Lines from which a file is worth a look.
const FILE_WARNING: usize = 600;
/// Lines that no file may exceed.
const FILE_WALL: usize = 1000;
/// Lines that the README must stay under.
const README_WALL: usize = 200;

/// Files that may be longer than [`FILE_WARNING`], up to the wall, without a warning.
const LONG_FILES: &[(&str, &str)] =
    &[("crates/abi/src/helper/rows.rs", "a table: 212 rows of three lines, one helper each")];

pub(super) fn check_file(file: &str, text: &str, report: &mut Report) {
    let lines = text.lines().count();
    report.files.push(lines);
    if lines > FILE_WALL {
        report.error(file, 0, format!("{lines} lines: split it, {FILE_WALL} is the wall"));
    } else if lines > FILE_WARNING && !LONG_FILES.iter().any(|(long, _)| *long == file) {
        report.warn(file, 0, format!("{lines} lines: more than {FILE_WARNING}"));
    }
}

pub(super) fn check_readme(root: &Path, report: &mut Report) {
    match std::fs::read_to_string(root.join("README.md")) {
        Err(error) => report.error("README.md", 0, error.to_string()),
        Ok(text) if text.lines().count() >= README_WALL => {
            report.error(
                "README.md",
                0,
                format!("{README_WALL} lines or more: it is the door, not the house"),
            );
        }
        Ok(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_files_are_found() {
        let mut report = Report::default();
        check_file("a.rs", &"x\n".repeat(600), &mut report);
        check_file("crates/abi/src/helper/rows.rs", &"x\n".repeat(700), &mut report);
        check_file("b.rs", &"x\n".repeat(601), &mut report);
        check_file("c.rs", &"x\n".repeat(1001), &mut report);
        let found: Vec<_> = report.findings().iter().map(|f| (f.file.as_str(), f.warning)).collect();
        assert_eq!(found, [("b.rs", true), ("c.rs", false)]);
    }
}
