//! The verifier as an engine: it accepts or refuses, and says where and why.
//!
//! A mark `#~ CODE: TEXT` on an instruction is where the refusal stands, with that code, and with TEXT in its message or
//! among the words around it.

use skep::verifier::{Task, TaskOptions, Verdict, verify};
use skep_isa::Endian;

use super::world::spec;
use super::{Answer, Engine};
use crate::corpus::case::Case;
use crate::corpus::header::Verify as Expected;
use crate::corpus::text::Mark;

/// See the module.
pub(super) struct Verify;

/// Processors that the verifier is told of.
const CPUS: u32 = 8;

impl Engine for Verify {
    fn name(&self) -> &'static str {
        "verify"
    }

    fn run(&self, case: &Case) -> Result<Answer, String> {
        if case.header.verify == Expected::Skip {
            return Ok(Answer::Skipped("`verify = skip`".into()));
        }
        if case.header.mem.is_some() {
            return Ok(Answer::Skipped("programs on plain memory have no type that is verified".into()));
        }
        let mut spec = spec(case, Endian::Little)?;
        let program = spec.programs.remove(0);
        let options = TaskOptions { prog_type: case.header.prog, cpus: CPUS, ..TaskOptions::default() };
        let mut task = Task::from_spec(&spec, &program, &options).map_err(|e| e.to_string())?;
        task.attach_type = case.header.attach.unwrap_or(task.attach_type);
        task.flags = case.header.flags;
        let marks: Vec<&Mark> = case.program.marks.iter().filter(|m| m.what.starts_with('V')).collect();
        let outcome = verify(&task);
        if let Some(count) = case.header.count.filter(|c| *c != outcome.counts.insns) {
            return Err(format!("expected {count} instructions processed, found {}", outcome.counts.insns));
        }
        match (outcome.verdict, case.header.verify) {
            (Verdict::NotModelled(what), _) => Ok(Answer::Skipped(format!("not modelled: {what}"))),
            (Verdict::Accept, Expected::Accept) if marks.is_empty() => Ok(Answer::Done),
            (Verdict::Accept, _) => Err("it is accepted".into()),
            (Verdict::Reject(r), Expected::Accept) => {
                let line = case.program.line_of(r.insn).unwrap_or(0);
                Err(format!("it is refused on line {line}: {}: {}", r.code, r.message))
            }
            (Verdict::Reject(r), _) => {
                let Some(mark) = marks.first() else { return Ok(Answer::Done) };
                let line = case.program.line_of(r.insn);
                if (mark.what.as_str(), Some(mark.line)) != (r.code, line) || !r.message.contains(&mark.text)
                {
                    let line = line.unwrap_or(0);
                    return Err(format!(
                        "expected {} on line {} that says `{}`, found {} on line {line}: {}",
                        mark.what, mark.line, mark.text, r.code, r.message
                    ));
                }
                Ok(Answer::Done)
            }
        }
    }
}
