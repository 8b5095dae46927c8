//! `cargo xtask oracle`: the same programs to the running kernel and to `skep verify --batch`, and where the two differ.
//!
//! The programs are lines of JSON, as `skep verify --batch` reads them, in files that lie outside the repository:
//! other projects' programs have other licences. Nothing here decides anything: it loads, asks, compares, counts.

mod kernel;
mod line;
mod logs;
mod report;
mod skep;

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

pub use kernel::{Kernel, Said};
pub use line::Line;
pub use report::{Report, Source};
pub use skep::{Answer, Skep};

/// What is compared, and with what.
pub struct Options {
    /// The folder of `*.jsonl` files.
    pub data: PathBuf,
    /// The `skep` that is asked.
    pub skep: PathBuf,
    /// Only programs whose name contains this.
    pub only: Option<String>,
    /// With what rights programs are loaded and verified, if not with those that their lines say (`bpf_net`).
    pub privilege: Option<String>,
    /// Whether to compare the logs of states too, of programs that both accept.
    pub logs: bool,
}

/// Any failure that stops the comparison: a file that can't be read, a `skep` that does not answer.
pub type Error = Box<dyn std::error::Error>;

/// Runs every program of the folder; each distinct program once.
///
/// # Errors
/// If a file can't be read, if a line is no program, or if `skep` does not answer.
pub fn run(options: &Options) -> Result<Report, Error> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(&options.data)?
        .filter_map(|e| Some(e.ok()?.path()))
        .filter(|p| p.extension().is_some_and(|e| e == "jsonl"))
        .collect();
    files.sort();
    let mut run = Run {
        skep: Skep::spawn(&options.skep, false)?,
        logger: options.logs.then(|| Skep::spawn(&options.skep, true)).transpose()?,
        kernel: Kernel::default(),
        seen: HashSet::new(),
        report: Report::default(),
    };
    for file in &files {
        run.file(file, options)?;
    }
    run.report.peak_kib = run.skep.peak_kib();
    Ok(run.report)
}

/// Programs of which more instructions are processed have logs of many megabytes.
const LOGGED: u32 = 20_000;

struct Run {
    skep: Skep,
    /// Another one, which gives logs.
    logger: Option<Skep>,
    kernel: Kernel,
    seen: HashSet<u64>,
    report: Report,
}

impl Run {
    fn file(&mut self, path: &Path, options: &Options) -> Result<(), Error> {
        let only = options.only.as_deref();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let mut source = Source::new(name);
        for (n, text) in BufReader::new(std::fs::File::open(path)?).lines().enumerate() {
            let mut line = Line::parse(&text?).map_err(|e| format!("{}:{}: {e}", path.display(), n + 1))?;
            if let Some(privilege) = &options.privilege {
                line.json["privilege"] = privilege.as_str().into();
            }
            if only.is_some_and(|o| !line.name.contains(o)) || !self.seen.insert(line.fingerprint()) {
                continue;
            }
            let said = self.kernel.load(&line);
            let answer = self.skep.ask(&line)?;
            source.add(&line, &said, &answer);
            self.compare_logs(&line, &answer, &mut source)?;
        }
        self.report.sources.push(source);
        Ok(())
    }

    /// Of programs that both accept, and that are not too long to log.
    fn compare_logs(&mut self, line: &Line, answer: &Answer, source: &mut Source) -> Result<(), Error> {
        let Some(logger) = &mut self.logger else { return Ok(()) };
        if answer.verdict != "accept" || answer.insns > LOGGED {
            return Ok(());
        }
        if let (Ok(theirs), Some(ours)) = (self.kernel.log(line), logger.ask(line)?.log) {
            source.logs.add(&line.name, &theirs, &ours);
        }
        Ok(())
    }
}
