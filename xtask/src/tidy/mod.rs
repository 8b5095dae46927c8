//! The house rules, checked: who may use whom, how long files and functions are, what every file must say, what no
//! file may say, and which dependencies there are. rustfmt and clippy hold the rest.
//!
//! A rule that must be broken somewhere has an allow-list beside it, with a reason in each line.

mod dependencies;
mod layers;
mod sizes;
mod sources;
mod words;

use std::fmt;
use std::path::Path;

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file, as a path from the root.
    pub file: String,
    /// The line, from 1; 0 where it is about the whole file.
    pub line: usize,
    /// What is wrong and what to do.
    pub what: String,
    /// It is worth a look, and nothing fails.
    pub warning: bool,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        write!(f, ": {}{}", if self.warning { "warning: " } else { "" }, self.what)
    }
}

/// What `tidy` found.
#[derive(Debug, Default)]
pub struct Report {
    findings: Vec<Finding>,
    files: Vec<usize>,
    functions: Vec<usize>,
}

impl Report {
    /// All findings, in the order of files.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// How many must be mended.
    pub fn errors(&self) -> usize {
        self.findings.iter().filter(|finding| !finding.warning).count()
    }

    /// How many are worth a look.
    pub fn warnings(&self) -> usize {
        self.findings.len() - self.errors()
    }

    /// How long files and functions are.
    pub fn figures(&self) -> String {
        let line = |what: &str, lengths: &[usize], long: usize| {
            let mut sorted = lengths.to_vec();
            sorted.sort_unstable();
            let at =
                |part: usize| sorted.get(sorted.len().saturating_sub(1) * part / 100).copied().unwrap_or(0);
            let above = sorted.iter().filter(|length| **length > long).count();
            let (median, most) = (at(50), at(100));
            format!("{} {what}: median {median} lines, longest {most}, {above} over {long}", sorted.len())
        };
        format!("{}\n{}", line("files", &self.files, 300), line("functions", &self.functions, 40))
    }

    fn error(&mut self, file: &str, line: usize, what: impl Into<String>) {
        self.findings.push(Finding { file: file.to_owned(), line, what: what.into(), warning: false });
    }

    fn warn(&mut self, file: &str, line: usize, what: impl Into<String>) {
        self.findings.push(Finding { file: file.to_owned(), line, what: what.into(), warning: true });
    }
}

/// Checks the tree at `root`. An error means that something could not be read, not that a rule is broken.
pub fn run(root: &Path) -> Result<Report, Box<dyn std::error::Error>> {
    let mut report = Report::default();
    let files = crate::files(root)?;
    for file in &files {
        let Ok(text) = std::fs::read_to_string(root.join(file)) else { continue };
        words::check(file, &text, &mut report);
        if file.ends_with(".rs") {
            sizes::check_file(file, &text, &mut report);
            sources::check(file, &text, &mut report);
        }
    }
    sizes::check_readme(root, &mut report);
    let metadata = layers::metadata(root)?;
    layers::check(&metadata, &mut report);
    dependencies::check(root, &metadata, &mut report)?;
    report.findings.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    Ok(report)
}
