//! Engines from outside: a program that speaks a few lines of text takes part like those that are built in.
//!
//! The bench starts the command once for each program that it measures and writes requests, a line each, to its standard input;
//! the driver answers each with a line. README.md has the protocol, [`serve`] its other end, which lets this program be the
//! driver of its own engines: so the protocol is tested, and its cost is seen.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use skep_isa::{Endian, Insn};

use crate::engines::{self, Engine};

/// A driver that was asked for: how tables call it, and the command that starts it.
#[derive(Clone)]
pub struct Wanted {
    pub name: String,
    command: Vec<String>,
}

impl Wanted {
    /// Reads `NAME=COMMAND ARGS...`.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, command) = text.split_once('=')?;
        let command: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
        (!name.is_empty() && !command.is_empty()).then(|| Self { name: name.to_owned(), command })
    }

    /// Starts it with a program and its memory; `None`, with the reason on standard error, if it does not take the program.
    pub fn start(&self, program: &str, insns: &[Insn], input: &[u8]) -> Option<Box<dyn Engine>> {
        let found = Driver::start(self, insns, input);
        found
            .map_err(|why| eprintln!("driver {} does not run {program}: {why}", self.name))
            .ok()
            .map(|d| Box::new(d) as Box<dyn Engine>)
    }
}

/// A running driver. It ends when its input does.
struct Driver {
    child: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    files: PathBuf,
}

impl Driver {
    fn start(wanted: &Wanted, insns: &[Insn], input: &[u8]) -> Result<Self, String> {
        let mut child = Command::new(&wanted.command[0])
            .args(&wanted.command[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| format!("{}: {e}", wanted.command[0]))?;
        let requests = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().ok_or("no output")?);
        let files = std::env::temp_dir().join(format!("skep-bench-driver-{}", child.id()));
        let mut driver = Self { child, requests, answers, files };
        std::fs::create_dir_all(&driver.files).map_err(|e| e.to_string())?;
        let code = skep_isa::bytes_from_slots(insns, Endian::Little);
        for (what, bytes) in [("memory", input), ("code", &code)] {
            let file = driver.files.join(what);
            std::fs::write(&file, bytes).map_err(|e| e.to_string())?;
            match driver.ask(&format!("{what} {}", file.display()))?.as_str() {
                "ok" => {}
                answer => return Err(answer.strip_prefix("no ").unwrap_or(answer).to_owned()),
            }
        }
        Ok(driver)
    }

    fn ask(&mut self, request: &str) -> Result<String, String> {
        let requests = self.requests.as_mut().ok_or("it has ended")?;
        writeln!(requests, "{request}").and_then(|()| requests.flush()).map_err(|e| e.to_string())?;
        let mut answer = String::new();
        match self.answers.read_line(&mut answer) {
            Ok(0) => Err(format!("it ended at `{request}`")),
            Ok(_) => Ok(answer.trim_end().to_owned()),
            Err(e) => Err(e.to_string()),
        }
    }
}

impl Engine for Driver {
    fn run(&mut self) -> u64 {
        self.timed(1).0
    }

    fn timed(&mut self, times: u64) -> (u64, u64) {
        let answer = self.ask(&format!("run {times}")).expect("a driver that answers");
        let numbers = answer.split_once(' ').and_then(|(r, ns)| Some((r.parse().ok()?, ns.parse().ok()?)));
        numbers.unwrap_or_else(|| panic!("`RESULT NANOSECONDS` expected of a driver, found `{answer}`"))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.requests = None;
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.files);
    }
}

/// Is the driver of the built-in engine `name`: answers requests until they end.
pub fn serve(name: &str, requests: impl BufRead, mut answers: impl Write) -> std::io::Result<()> {
    let mut memory = Vec::new();
    let mut engine = None;
    for request in requests.lines() {
        let request = request?;
        let (verb, rest) = request.split_once(' ').unwrap_or((&request, ""));
        let answer = match verb {
            "memory" => std::fs::read(rest).map(|m| memory = m).map_or_else(no, |()| "ok".into()),
            "code" => match code(Path::new(rest)) {
                Ok(insns) => {
                    engine = engines::engine(name, &insns, &memory);
                    if engine.is_some() { "ok".into() } else { no("not taken") }
                }
                Err(why) => no(why),
            },
            "run" => match (&mut engine, rest.parse()) {
                (Some(engine), Ok(times)) => {
                    let (result, ns) = engine.timed(times);
                    format!("{result} {ns}")
                }
                (None, _) => no("no code yet"),
                (_, Err(why)) => no(why),
            },
            _ => no("memory, code or run expected"),
        };
        writeln!(answers, "{answer}")?;
        answers.flush()?;
    }
    Ok(())
}

fn code(file: &Path) -> Result<Vec<Insn>, String> {
    let bytes = std::fs::read(file).map_err(|e| e.to_string())?;
    skep_isa::slots_from_bytes(&bytes, Endian::Little).map_err(|e| e.to_string())
}

fn no(why: impl std::fmt::Display) -> String {
    format!("no {why}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::programs::PROGRAMS;

    #[test]
    fn a_driver_answers_as_the_engine_behind_it_and_refuses_what_it_does_not_know() {
        let dir = std::env::temp_dir().join(format!("skep-bench-test-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let program = PROGRAMS.iter().find(|p| p.name == "checksum").unwrap();
        let (insns, input) = (program.insns(), program.input_of(100));
        std::fs::write(dir.join("m"), &input).unwrap();
        std::fs::write(dir.join("c"), skep_isa::bytes_from_slots(&insns, Endian::Little)).unwrap();
        let d = dir.display();
        let requests = format!("run 1\nmemory {d}/m\ncode {d}/c\nrun 2\nrun x\nmemory {d}/absent\nfly\n");
        let mut answers = Vec::new();
        serve("skep_jit", requests.as_bytes(), &mut answers).unwrap();
        std::fs::remove_dir_all(&dir).unwrap();
        let answers = String::from_utf8(answers).unwrap();
        let lines: Vec<_> = answers.lines().collect();
        let expected = engines::engine("rbpf", &insns, &input).unwrap().run();
        assert_eq!(lines.len(), 7, "{answers}");
        assert_eq!((lines[0], lines[1], lines[2]), ("no no code yet", "ok", "ok"));
        assert!(lines[3].starts_with(&format!("{expected} ")), "{answers}");
        assert!(lines[4..].iter().all(|l| l.starts_with("no ")), "{answers}");
    }

    #[test]
    fn a_driver_is_a_name_and_a_command() {
        let wanted = Wanted::parse("ubpf=./ubpf --jit").unwrap();
        assert_eq!(
            (wanted.name.as_str(), wanted.command),
            ("ubpf", vec!["./ubpf".to_owned(), "--jit".to_owned()])
        );
        assert!(
            Wanted::parse("ubpf=").is_none() && Wanted::parse("=x").is_none() && Wanted::parse("x").is_none()
        );
    }
}
