//! A second process of the same test: the binary runs one of its tests again, which finds out by [`role`] that it is to
//! play a part. What it has to say goes by [`say`] to the first.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// Says in a child which part it plays.
const ROLE: &str = "SKEP_TEST_ROLE";
/// The cgroup that a child moves into before it begins.
const CGROUP: &str = "SKEP_TEST_CGROUP";
/// What a child says stands behind this, at the start of a line of its stderr.
const SAYS: &str = "says: ";

/// The part that this process plays; `None` in the first process. Moves into its cgroup, if it has one.
pub fn role() -> Option<String> {
    let role = std::env::var(ROLE).ok()?;
    if let Ok(cgroup) = std::env::var(CGROUP) {
        std::fs::write(Path::new(&cgroup).join("cgroup.procs"), "0").expect("the cgroup is there");
    }
    Some(role)
}

/// Tells the first process a line.
pub fn say(line: impl std::fmt::Display) {
    eprintln!("{SAYS}{line}");
}

/// A child that plays a part; killed when this is dropped, unless it has ended.
#[derive(Debug)]
pub struct Child {
    process: std::process::Child,
    lines: BufReader<std::process::ChildStderr>,
}

impl Child {
    /// Starts the test of this name again, in a role.
    ///
    /// # Panics
    /// If the binary can't be run.
    pub fn start(test: &str, role: &str, cgroup: Option<&Path>) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this binary has a path"));
        command.args([test, "--exact", "--nocapture"]).env(ROLE, role);
        if let Some(cgroup) = cgroup {
            command.env(CGROUP, cgroup);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("this binary can be run");
        let lines = BufReader::new(process.stderr.take().expect("stderr is a pipe"));
        Self { process, lines }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// The next line that it says; `None` when it has ended. Its other lines are printed.
    pub fn hear(&mut self) -> Option<String> {
        let mut line = String::new();
        while self.lines.read_line(&mut line).ok()? > 0 {
            match line.strip_prefix(SAYS) {
                Some(said) => return Some(said.trim_end().to_owned()),
                None => eprint!("{line}"),
            }
            line.clear();
        }
        None
    }

    /// All that it says until it ends.
    pub fn hear_all(mut self) -> Vec<String> {
        std::iter::from_fn(|| self.hear()).collect()
    }

    /// Kills it, so that it can clean up nothing, and waits until it is gone.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.end();
    }
}
