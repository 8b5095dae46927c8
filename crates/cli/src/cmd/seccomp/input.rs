//! What `skep seccomp` reads: policies in three forms, filters in all forms that classic code has, processes.

use std::path::Path;

use skep::abi::Arch;
use skep::filter::seccomp::{Action, Call, Host, Policy, PolicyError, compile, run};
use skep::isa::Endian;
use skep::isa::classic::text::{Form, detect};
use skep::isa::classic::{Insn, check_seccomp};

use super::Reading;
use crate::failure::Failure;
use crate::output::Output;
use crate::{cmd, input};

/// A policy with its filter, or a filter alone.
pub(super) enum Either {
    Policy(Policy, Vec<Insn>),
    Filter(Vec<Insn>),
}

impl Either {
    pub(super) fn insns(&self) -> &[Insn] {
        match self {
            Self::Policy(_, insns) | Self::Filter(insns) => insns,
        }
    }

    /// What happens to a call, and the instructions that decide it.
    pub(super) fn decide(&self, call: &Call) -> Result<(Action, Vec<usize>), Failure> {
        run(self.insns(), call).map_err(|e| Failure::new(e.to_string()))
    }
}

/// The machine that this process runs on, if policies are made for it.
fn here() -> Option<Arch> {
    std::env::consts::ARCH.parse().ok()
}

pub(super) fn arch(reading: &Reading) -> Result<Arch, Failure> {
    let unknown = || {
        Failure::new(format!("there is no table of system calls for {}", std::env::consts::ARCH))
            .hint("choose another machine with --arch")
    };
    reading.arch.or_else(here).ok_or_else(unknown)
}

/// The running kernel's release, for profiles that ask for one; the newest that is known if there is none.
fn kernel() -> (u32, u32) {
    let text = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut parts = text.split(['.', '-', '\n']).map(str::parse);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor),
        _ => (6, 18),
    }
}

pub(super) fn policy(path: &Path, reading: &Reading, out: &mut Output) -> Result<Policy, Failure> {
    parse(&input::read_text(path)?, path, reading, out)
}

fn parse(text: &str, path: &Path, reading: &Reading, out: &mut Output) -> Result<Policy, Failure> {
    let arch = arch(reading)?;
    let policy = if !text.trim_start().starts_with('{') {
        Policy::from_text(text, arch)
    } else if text.contains("\"defaultAction\"") {
        let caps = reading.cap.iter().map(|c| c.to_ascii_uppercase()).collect();
        Policy::from_oci(text, &Host { arch, caps, kernel: kernel() })
    } else {
        Policy::from_seccompiler(text, reading.filter.as_deref(), arch)
    };
    let label = input::label(path);
    let policy = policy.map_err(|e| shown(&e, &label, text))?;
    for rule in policy.unreachable() {
        let rule = &policy.rules[rule];
        let place = if rule.line > 0 { format!(":{}", rule.line) } else { String::new() };
        let names = rule.names.join(", ");
        out.warn(format!(
            "{label}{place}: the rule for {names} never decides: earlier ones match all it matches"
        ));
    }
    Ok(policy)
}

fn shown(e: &PolicyError, label: &str, text: &str) -> Failure {
    if e.span().is_empty() {
        let notes = e.diagnostic(label, text).notes;
        return Failure::new(format!("{label}: {e}")).hint_opt(notes.into_iter().next());
    }
    Failure::diagnosed(vec![e.diagnostic(label, text)])
}

pub(super) fn code(policy: &Policy) -> Result<Vec<Insn>, Failure> {
    compile(policy).map_err(|e| Failure::new(e.to_string()).hint("split it into several filters"))
}

/// A filter from a file, checked.
pub(super) fn filter(path: &Path) -> Result<Vec<Insn>, Failure> {
    checked(cmd::classic::read(&input::read(path)?, path, Endian::Little)?, path)
}

fn checked(insns: Vec<Insn>, path: &Path) -> Result<Vec<Insn>, Failure> {
    match check_seccomp(&insns) {
        Ok(()) => Ok(insns),
        Err(e) => Err(Failure::new(format!("{}: no seccomp filter: {e}", input::label(path)))),
    }
}

/// A policy, or a filter in raw or text form.
pub(super) fn either(path: &Path, reading: &Reading, out: &mut Output) -> Result<Either, Failure> {
    let bytes = input::read(path)?;
    match std::str::from_utf8(&bytes) {
        Ok(text)
            if !text.contains('\0') && (detect(text) == Form::Source && !cmd::classic::is_classic(text)) =>
        {
            let policy = parse(text, path, reading, out)?;
            let insns = code(&policy)?;
            Ok(Either::Policy(policy, insns))
        }
        _ => Ok(Either::Filter(checked(cmd::classic::read(&bytes, path, Endian::Little)?, path)?)),
    }
}

#[cfg(all(target_os = "linux", not(skep_portable)))]
pub(super) fn of_process(pid: u32) -> Result<Vec<Vec<Insn>>, Failure> {
    use skep::sys::{Cap, Errno};
    skep::sys::seccomp::filters_of(pid).map_err(|e| match e {
        Errno::EPERM | Errno::EACCES => Failure::new(format!(
            "reading the filters of process {pid} needs {} and {}",
            Cap::SYS_PTRACE,
            Cap::SYS_ADMIN
        )),
        Errno::ESRCH => Failure::new(format!("there is no process {pid}")),
        Errno::EIO => Failure::new("this kernel can't show filters")
            .hint("it was built without CONFIG_CHECKPOINT_RESTORE"),
        other => Failure::new(format!("process {pid}: {other}")),
    })
}

#[cfg(not(all(target_os = "linux", not(skep_portable))))]
pub(super) fn of_process(_: u32) -> Result<Vec<Vec<Insn>>, Failure> {
    Err(Failure::new("the filters of a process can be read on Linux only"))
}
