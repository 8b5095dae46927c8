//! AArch64 code beside the interpreter of this machine: random programs, run as a process that qemu emulates. What was seen
//! of them all (results, traps with their places, registers, memory, budgets, calls of helpers) comes back as one number,
//! which must be the one that this machine finds.
//!
//! Skipped, with the reason, without qemu-user or without Rust's standard library for the target. Longer runs:
//! CONTRIBUTING.md.
#![cfg(all(target_arch = "x86_64", unix, not(skep_portable)))]

use std::path::Path;
use std::process::{Command, Stdio};

const TARGET: &str = "aarch64-unknown-linux-musl";
const PROGRAMS: &str = "300";

/// What is missing.
fn missing(target_dir: &Path) -> Option<String> {
    let version = Command::new("qemu-aarch64").arg("--version").stdout(Stdio::null()).status();
    if !version.is_ok_and(|s| s.success()) {
        return Some("qemu-aarch64 is not installed (qemu-user)".into());
    }
    let libs = Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]).output();
    let libs = libs.ok().and_then(|o| String::from_utf8(o.stdout).ok()).unwrap_or_default();
    if libs.trim().is_empty() || !Path::new(libs.trim()).is_dir() {
        return Some(format!("there is no standard library for it (rustup target add {TARGET})"));
    }
    let probe = target_dir.join(format!(".writable-{}", std::process::id()));
    if std::fs::write(&probe, "").and_then(|()| std::fs::remove_file(&probe)).is_err() {
        return Some(format!("{} can't be written to", target_dir.display()));
    }
    None
}

/// What the random programs of vm's tests come to on a machine.
fn digest(root: &Path, target: &[&str]) -> String {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(root)
        .args(["test", "--offline", "--locked", "--quiet", "-p", "skep-vm", "--test", "engines"])
        .args(target)
        .args(["--", "--nocapture"])
        .env("SKEP_PROGRAMS", PROGRAMS)
        .output()
        .expect("cargo runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{target:?}: {text}\n{errors}");
    let line = text.lines().find(|line| line.contains("digest"));
    line.unwrap_or_else(|| panic!("{target:?}: no digest in {text}")).to_owned()
}

#[test]
fn aarch64_code_does_what_the_interpreter_here_does() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let target_dir = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
    if let Some(why) = missing(&target_dir) {
        println!("skipped: {why}");
        return;
    }
    let here = digest(root, &[]);
    let there = digest(root, &["--target", TARGET]);
    println!("{there}");
    assert_eq!(there, here);
}
