//! `skep doctor`: what is wrong with this machine for BPF programs, or for one object, and what to do about it.

use std::path::PathBuf;

use crate::Verdict;
use crate::failure::Failure;
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  skep doctor                           this machine, and what is attached in this network namespace
  skep doctor examples/xdp_firewall.o   only what this object needs
  skep doctor --json
  nsenter --net=/run/netns/NAME skep doctor

Nothing is changed. Each finding has a code that stays the same.

Exit codes: 0 no errors were found, 1 some were, 2 the object can't be read.";

/// Say what this machine lacks for BPF programs, and what to do about it
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// An ELF object, or assembler text with a corpus header: only its needs (`-` is stdin)
    #[arg(value_name = "OBJ|FILE")]
    file: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Verdict, Failure> {
    #[cfg(all(target_os = "linux", not(skep_portable)))]
    return linux::run(args, out);
    #[cfg(not(all(target_os = "linux", not(skep_portable))))]
    {
        let _ = (&args.file, out);
        Err(super::no_linux())
    }
}

#[cfg(all(target_os = "linux", not(skep_portable)))]
mod linux {
    use std::io::Write;

    use serde_json::{Value, json};
    use skep::kernel::Kernel;
    use skep::kernel::doctor::{CHECKS, Finding, Severity, examine};

    use super::Args;
    use crate::cmd::run;
    use crate::failure::Failure;
    use crate::output::{Output, Style};
    use crate::{Verdict, input};

    pub(super) fn run(args: &Args, out: &mut Output) -> Result<Verdict, Failure> {
        let text = args.file.as_deref().map(|file| run::read(file, false)).transpose()?;
        let findings = examine(&Kernel::new(), text.as_ref().map(|t| &t.spec));
        if out.json {
            let file = args.file.as_deref().map(input::label);
            out.object(&json!({
                "schema": "skep.doctor/1",
                "file": file,
                "checks": CHECKS.iter().map(|c| json!({ "code": c.code, "about": c.about })).collect::<Value>(),
                "findings": findings.iter().map(finding).collect::<Value>(),
            }))?;
        } else {
            print(&findings, out)?;
        }
        let bad = findings.iter().any(|f| f.severity == Severity::Error);
        Ok(if bad { Verdict::No } else { Verdict::Yes })
    }

    fn finding(f: &Finding) -> Value {
        json!({
            "code": f.code,
            "severity": f.severity.name(),
            "title": f.title,
            "evidence": f.evidence,
            "remedy": f.remedy,
        })
    }

    fn print(findings: &[Finding], out: &mut Output) -> Result<(), Failure> {
        for f in findings {
            let style = match f.severity {
                Severity::Error => Style::Bad,
                Severity::Warning => Style::Warn,
                Severity::Note => Style::Good,
            };
            let head = out.paint(style, format!("{}[{}]", f.severity.name(), f.code));
            writeln!(out, "{head}: {}", f.title)?;
            writeln!(out, "  seen: {}", f.evidence)?;
            writeln!(out, "  do:   {}\n", f.remedy)?;
        }
        let count = |s| findings.iter().filter(|f| f.severity == s).count();
        let (errors, warnings, notes) =
            (count(Severity::Error), count(Severity::Warning), count(Severity::Note));
        writeln!(out, "{} checks: {errors} errors, {warnings} warnings, {notes} notes", CHECKS.len())?;
        Ok(())
    }
}
