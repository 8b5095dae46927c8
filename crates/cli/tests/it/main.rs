//! The command from outside: its output, its exit codes, its JSON against the committed schemas.
//!
//! What is compared word for word is short; long output is looked into for what must be there.

mod attach;
mod batch;
#[cfg(all(target_os = "linux", not(skep_portable)))]
mod bpftool;
#[cfg(all(target_os = "linux", not(skep_portable)))]
mod cgroup;
mod commands;
mod doctor;
mod filter;
mod filter_gen;
mod filter_hooks;
mod filter_live;
mod gdb;
mod kernel;
#[cfg(all(target_os = "linux", not(skep_portable)))]
mod live;
mod manners;
mod refusals;
mod rights;
mod run;
mod schema;
mod schemas;
mod seccomp;

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What a command did.
struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Ran {
    /// It must have succeeded; its stdout.
    #[track_caller]
    fn ok(self) -> String {
        assert_eq!(self.code, 0, "stderr: {}", self.stderr);
        self.stdout
    }

    /// It must have ended with this code; its stderr.
    #[track_caller]
    fn fails(self, code: i32) -> String {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self.stderr
    }

    /// Its stdout as JSON.
    #[track_caller]
    fn json(self) -> serde_json::Value {
        let text = self.ok();
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e} in {text}"))
    }
}

/// Runs `skep` at the root of the repository.
fn skep(args: &[&str]) -> Ran {
    skep_with(args, b"")
}

/// The same, with this on stdin.
fn skep_with(args: &[&str], stdin: &[u8]) -> Ran {
    let mut child = Command::new(env!("CARGO_BIN_EXE_skep"))
        .args(args)
        .current_dir(root())
        .env_remove("NO_COLOR")
        .env("TZ", "UTC")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("skep starts");
    let mut pipe = child.stdin.take().expect("stdin is a pipe");
    let input = stdin.to_vec();
    // A command that does not read its stdin closes it: not an error of the test.
    let writer = std::thread::spawn(move || drop(pipe.write_all(&input)));
    let out = child.wait_with_output().expect("skep ends");
    writer.join().expect("the writer ends");
    Ran {
        code: out.status.code().expect("skep was not killed"),
        stdout: String::from_utf8(out.stdout).expect("stdout is text"),
        stderr: String::from_utf8(out.stderr).expect("stderr is text"),
    }
}

/// The root of the repository.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A file of this test run, in a directory that cargo gives to tests.
fn scratch(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}
