//! `skep verify --batch`, as a child that answers a line with a line.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

use super::{Error, Line};

/// The child.
pub struct Skep {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

/// Its answer.
pub struct Answer {
    /// `accept`, `reject`, `not_modelled`, or `error` where it could not read the line.
    pub verdict: String,
    /// 0 if it accepts.
    pub errno: i32,
    /// Instructions processed.
    pub insns: u32,
    /// Microseconds.
    pub time_us: u64,
    /// Why it refuses, or what is not modelled.
    pub message: String,
    /// The log of states, where it was asked for.
    pub log: Option<String>,
}

impl Skep {
    /// Starts it.
    ///
    /// # Errors
    /// If there is no such file.
    pub fn spawn(path: &Path, logs: bool) -> Result<Self, Error> {
        let mut child = Command::new(path)
            .args(["verify", "--batch"])
            .args(if logs { &["--log", "kernel"][..] } else { &[] })
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| {
                format!("{}: {e}; build it with `cargo build --release`, or give --skep", path.display())
            })?;
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("the child has no pipes".into());
        };
        Ok(Self { child, to, from: BufReader::new(from) })
    }

    /// Most memory that it has had at a time, in KiB: the high-water mark that Linux keeps of a process.
    pub fn peak_kib(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let mark = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
        mark.trim().strip_suffix("kB")?.trim().parse().ok()
    }

    /// Asks for a verdict.
    ///
    /// # Errors
    /// If it is gone, or answers something else.
    pub fn ask(&mut self, line: &Line) -> Result<Answer, Error> {
        serde_json::to_writer(&mut self.to, &line.json)?;
        self.to.write_all(b"\n")?;
        self.to.flush()?;
        let mut text = String::new();
        if self.from.read_line(&mut text)? == 0 {
            return Err(format!("skep is gone ({:?}) at `{}`", self.child.wait()?, line.name).into());
        }
        let json: Value = serde_json::from_str(&text)?;
        let word = |key: &str| json[key].as_str().map(str::to_owned);
        let number = |key: &str| json[key].as_u64().unwrap_or(0);
        Ok(Answer {
            verdict: word("verdict").unwrap_or_else(|| "error".into()),
            errno: number("errno") as i32,
            insns: number("insns_processed") as u32,
            time_us: number("time_us"),
            message: word("message").or_else(|| word("error")).unwrap_or_default(),
            log: word("log"),
        })
    }
}
