//! A process to be traced: `objects/traced.c`, compiled once a test program, started when a test wants it.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// Why nothing can be traced here, to be printed as the reason of a skip.
#[derive(Clone, Debug)]
pub struct Unfit(pub String);

/// The compiled program, in a folder for such things (`CARGO_TARGET_TMPDIR`). The same one is given to every caller.
///
/// # Errors
/// If there is no C compiler.
pub fn program(dir: &Path) -> Result<&'static Path, Unfit> {
    static BUILT: OnceLock<Result<PathBuf, Unfit>> = OnceLock::new();
    BUILT.get_or_init(|| build(dir)).as_deref().map_err(Clone::clone)
}

fn build(dir: &Path) -> Result<PathBuf, Unfit> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("objects/traced.c");
    // Probes are of a file, and another test's process may run the old one: it is replaced, not written over.
    let new = dir.join(format!("traced-{}", std::process::id()));
    let out = dir.join("traced");
    let compiled = Command::new("cc").args(["-O2", "-o"]).arg(&new).arg(&source).output();
    match compiled {
        Err(e) => return Err(Unfit(format!("cc: {e}"))),
        Ok(o) if !o.status.success() => {
            return Err(Unfit(format!("cc: {}", String::from_utf8_lossy(&o.stderr))));
        }
        Ok(_) => {}
    }
    std::fs::rename(&new, &out).map(|()| out).map_err(|e| Unfit(e.to_string()))
}

/// The process, started and waiting.
#[derive(Debug)]
pub struct Traced(Child);

impl Traced {
    /// Starts it; `work` is how often it is to do everything, or `burn`.
    ///
    /// # Errors
    /// If it can't be compiled or started.
    pub fn start(dir: &Path, work: &str) -> Result<Self, Unfit> {
        let mut command = Command::new(program(dir)?);
        command.arg(work).stdin(Stdio::piped()).stdout(Stdio::piped());
        command.spawn().map(Self).map_err(|e| Unfit(e.to_string()))
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Lets it run to its end; gives what it printed.
    pub fn finish(&mut self) -> String {
        if let Some(mut stdin) = self.0.stdin.take() {
            // A process that is gone already shows below.
            let _ = stdin.write_all(b"go\n");
        }
        let mut text = String::new();
        if let Some(mut stdout) = self.0.stdout.take() {
            let _ = stdout.read_to_string(&mut text);
        }
        let status = self.0.wait().expect("it was started");
        assert!(status.success(), "{status}");
        text
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        // Ended already, as a rule.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
