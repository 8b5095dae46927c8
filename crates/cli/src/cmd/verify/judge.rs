//! One program of an object or a text before the verifier, and what is told of the verdict.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use skep::abi::ProgType;
use skep::btf::Btf;
use skep::isa::Endian;
use skep::object::Program;
use skep::verifier::{
    Explained, Outcome, Places, Privilege, Task, TaskOptions, Verdict as Decision, explain, verify,
};

use crate::cmd::run::text::Text;
use crate::failure::Failure;

/// Distinct refusals of one program that are told.
const MAX_TOLD: usize = 5;

/// The types of the kernel that a program is for.
pub(in crate::cmd) enum Kernel {
    /// Of this machine's, where it tells them.
    Running,
    /// Of a file.
    File(Arc<Btf>),
}

impl Kernel {
    /// Of a file, or else of this machine.
    pub(in crate::cmd) fn of(file: Option<&Path>) -> Result<Self, Failure> {
        Ok(match file {
            Some(path) => Self::File(Arc::new(crate::cmd::btf::load(path, None)?)),
            None => Self::Running,
        })
    }

    /// What a program needs of them: nothing, mostly.
    pub(in crate::cmd) fn types(&self, program: &Program) -> Option<Arc<Btf>> {
        match self {
            Self::File(btf) => Some(Arc::clone(btf)),
            Self::Running => {
                let typed = program.prog_type.is_none_or(|t| {
                    matches!(t, ProgType::TRACING | ProgType::LSM | ProgType::STRUCT_OPS | ProgType::EXT)
                });
                if program.core_relocs.is_empty() && !typed {
                    return None;
                }
                let bytes = std::fs::read("/sys/kernel/btf/vmlinux").ok()?;
                Btf::parse(&bytes).ok().map(Arc::new)
            }
        }
    }
}

/// A verdict, and what is told of it.
pub(in crate::cmd) struct Judged {
    pub(in crate::cmd) task: Task,
    pub(in crate::cmd) outcome: Outcome,
    pub(in crate::cmd) took: Duration,
    pub(in crate::cmd) told: Vec<Explained>,
}

/// Verifies a program as `prog_type`.
pub(in crate::cmd) fn judge(
    text: &Text,
    program: &Program,
    prog_type: Option<ProgType>,
    kernel: &Kernel,
    privilege: Privilege,
) -> Result<Judged, Failure> {
    let options = TaskOptions {
        prog_type,
        vmlinux: kernel.types(program),
        privilege,
        cpus: std::thread::available_parallelism().map_or(0, |n| u32::try_from(n.get()).unwrap_or(0)),
    };
    let task = Task::from_spec(&text.spec, program, &options)
        .map_err(|e| Failure::new(e.to_string()).hint_opt(e.hint().map(str::to_owned)))?;
    let started = Instant::now();
    let outcome = match text.spec.endian {
        Endian::Little => verify(&task),
        Endian::Big => Outcome {
            verdict: Decision::NotModelled("big-endian code".into()),
            counts: skep::verifier::Counts::default(),
        },
    };
    let took = started.elapsed();
    let told = match outcome.verdict {
        Decision::Reject(_) => explain(&task, &places(text, program), MAX_TOLD),
        _ => Vec::new(),
    };
    Ok(Judged { task, outcome, took, told })
}

/// Where the program's instructions stand.
fn places(text: &Text, program: &Program) -> Places {
    let places = Places::of_program(&text.spec, program);
    match &text.source {
        Some((source, spans)) => places.with_text(source.clone(), spans.iter().cloned()),
        None => places,
    }
}
