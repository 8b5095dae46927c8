//! Runs the corpus: one test a file, on every engine (see `skep_tests::corpus`).
//!
//! `BLESS=1 cargo test -p skep-tests --test corpus` rewrites expectations with what was observed. Look at
//! the difference before you commit it: an expectation is a claim about Linux.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use libtest_mimic::{Arguments, Failed, Trial};
use skep_tests::corpus::{self, Case};

/// Engine and reason to number of files.
type Skips = Arc<Mutex<BTreeMap<(&'static str, String), usize>>>;

fn main() -> std::process::ExitCode {
    let args = Arguments::from_args();
    let bless = std::env::var_os("BLESS").is_some_and(|v| v == "1");
    let skips = Skips::default();
    let trials = match corpus::files() {
        Ok(files) => files.into_iter().map(|(name, path)| {
            let skips = Arc::clone(&skips);
            Trial::test(name.clone(), move || check(&name, &path, bless, &skips))
        }),
        Err(e) => {
            eprintln!("cannot list the corpus: {e}");
            return std::process::ExitCode::from(2);
        }
    };
    let conclusion = libtest_mimic::run(&args, trials.collect());
    if let Ok(skips) = skips.lock() {
        for ((engine, why), files) in skips.iter() {
            println!("skipped: {engine} in {files} files: {why}");
        }
    }
    conclusion.exit_code()
}

fn check(name: &str, path: &Path, bless: bool, skips: &Skips) -> Result<(), Failed> {
    let case = Case::read(name, path)?;
    let report = corpus::run(&case);
    if let Ok(mut skips) = skips.lock() {
        for (engine, why) in report.skipped {
            *skips.entry((engine, why)).or_default() += 1;
        }
    }
    if report.failures.is_empty() {
        return Ok(());
    }
    let mut message = report.failures.join("\n");
    let blessed = report.observed.map(|observed| corpus::bless(&case, &observed)).filter(|t| *t != case.text);
    if let Some(text) = blessed {
        if bless {
            return std::fs::write(path, text).map_err(|e| e.to_string().into());
        }
        message.push_str(&format!(
            "\n\n{}\nBLESS=1 cargo test -p skep-tests --test corpus {name} writes that",
            corpus::difference(&case.text, &text)
        ));
    }
    Err(message.into())
}
