//! The kernel's verdict without the kernel.
//!
//! [`verify`] explores every path of a program with abstract values, as Linux 6.18's verifier does, and
//! either accepts it or says on which instruction which property could not be shown. An accepted
//! program has these properties:
//!
//! **Structure.** Every jump and call goes to the first slot of an instruction in its own subprogram or
//! to the start of another; every instruction can be reached; a subprogram ends in a jump or an exit;
//! calls nest at most eight deep and use at most 512 bytes of stack together.
//!
//! **Termination.** Every path ends: at most 1,000,000 instructions are processed over all paths, and no
//! state comes back to itself.
//!
//! **Values.** No register is read before it was set; r10 is never written; no division by a constant
//! zero, no shift by a constant that is too large; what a program of a limited type returns is in range.
//!
//! **Memory.** Every load and store is inside something that is there: the stack (aligned, and written
//! before it is read by those who have no right to see old bytes), the context (field by field), a map's
//! value or key, packet bytes that a comparison proved, memory of known size. Nothing that is read-only
//! is written. Nothing that may be null is dereferenced.
//!
//! **Calls.** Helpers get what their prototypes say, in program types that may call them; callbacks and
//! global functions get what their types say.
//!
//! **Protocols.** What is acquired is released on every path; locks and sections are closed in order,
//! and what must not happen inside them does not.
//!
//! What is not modelled yet is answered [`Verdict::NotModelled`], by a scan before verification: such a
//! program is neither accepted nor refused.
//!
//! Sources: the kernel's documentation (`Documentation/bpf/verifier.rst`), RFC 9669, and the verdicts and
//! logs of a running Linux 6.18, with which this crate is compared program by program.
#![forbid(unsafe_code)]

mod check;
mod codes;
mod depth;
mod env;
mod explain;
mod explore;
pub mod facts;
mod from_spec;
mod log;
mod refusal;
mod rows;
mod scan;
mod state;
mod structure;
mod task;
mod trace;
pub mod value;
mod walk_log;

pub use codes::{code, codes, reference};
pub use env::Counts;
pub use explain::{Explained, Places, explain};
pub use facts::{Facts, FactsAt, Verified};
pub use from_spec::{TaskError, TaskOptions, gpl_compatible, shape, special_fields};
pub use refusal::{Refusal, errno};
pub use task::{MapShape, Privilege, SpecialField, Task};
pub use walk_log::{LogLevel, SourceLines};

use skep_abi::{AttachType, ProgType};

use env::Env;
use refusal::{Step, Stop};
use state::{Flags, Frame, Kind, Reg, State};

/// What is decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The program is safe.
    Accept,
    /// It could not be shown to be.
    Reject(Box<Refusal>),
    /// It uses what is not modelled: the name.
    NotModelled(String),
}

/// A verdict, and what it cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The verdict.
    pub verdict: Verdict,
    /// The figures.
    pub counts: Counts,
}

/// The lowest register that some path of a program reads before it sets it, if only `given` (a bit each) are set at
/// the start: a check for programs that have no type, such as those on plain memory. Calls count as reading nothing.
pub fn unset_register(insns: &[skep_isa::Insn], given: u16) -> Option<u8> {
    structure::unset_register(&structure::decode_slots(insns), given)
}

/// Verifies a program.
pub fn verify(task: &Task) -> Outcome {
    let mut kept = Kept::default();
    decide(task, &mut kept)
}

/// Verifies a program, and logs every state on the way, with these lines of source between them.
pub fn verify_logged(task: &Task, level: LogLevel, source: SourceLines) -> (Outcome, String) {
    let log = Some(Box::new(walk_log::WalkLog::new(level, source)));
    let mut kept = Kept { log, ..Kept::default() };
    let outcome = decide(task, &mut kept);
    let reason = match &outcome.verdict {
        Verdict::Reject(r) => Some(r.message.as_str()),
        _ => None,
    };
    let log = kept.log.map(|l| l.finish(reason, &outcome.counts)).unwrap_or_default();
    (outcome, log)
}

/// The attach type that the kernel takes where none is given to types that had none at first.
fn default_attach_type(task: &Task) -> Option<AttachType> {
    match task.prog_type {
        _ if task.attach_type != AttachType(0) => None,
        ProgType::CGROUP_SOCK => Some(AttachType::CGROUP_INET_SOCK_CREATE),
        ProgType::SK_REUSEPORT => Some(AttachType::SK_REUSEPORT_SELECT),
        _ => None,
    }
}

fn decide(task: &Task, kept: &mut Kept) -> Outcome {
    let verdict = match run(task, kept) {
        Ok(()) => Verdict::Accept,
        Err(Stop::Refused(r)) => Verdict::Reject(r),
        Err(Stop::NotModelled(what)) => Verdict::NotModelled(what),
    };
    Outcome { verdict, counts: kept.counts }
}

/// What is carried out of a verification besides its verdict.
#[derive(Default)]
struct Kept {
    counts: Counts,
    log: Option<Box<walk_log::WalkLog>>,
    trace: Option<Box<trace::Trace>>,
    /// Whether facts are wanted.
    record: bool,
    facts: Option<Facts>,
}

/// Longest program.
const MAX_LEN: usize = 1_000_000;

fn run(task: &Task, kept: &mut Kept) -> Step {
    let filled = default_attach_type(task).map(|attach_type| Task { attach_type, ..task.clone() });
    let task = filled.as_ref().unwrap_or(task);
    if task.insns.is_empty() || task.insns.len() > MAX_LEN {
        let r = Refusal {
            errno: errno::E2BIG,
            code: "V0113",
            insn: 0,
            message: format!("program of {} instructions", task.insns.len()),
            reg: None,
        };
        return Err(Stop::Refused(Box::new(r)));
    }
    check::admit(task)?;
    let slots = structure::decode_slots(&task.insns);
    if let Some(what) = scan::not_modelled(task, &slots) {
        return Err(Stop::NotModelled(what));
    }
    check::func_records(task)?;
    if task.privilege == Privilege::Unprivileged {
        check::calls_allowed(&slots)?;
    }
    let mut subprogs = structure::split(&slots).map_err(Stop::Refused)?;
    check::all_recorded(task, &subprogs)?;
    check::name_subprogs(task, &mut subprogs);
    check::abnormal_returns(task, &subprogs)?;
    check::resolve(task, &slots)?;
    let mut env = Env::new(task, slots, subprogs);
    env.log = kept.log.take();
    env.trace = kept.trace.take();
    env.recorder = kept.record.then(|| Box::new(facts::Recorder::new(env.slots.len())));
    let done = explore_all(&mut env);
    kept.counts = env.counts;
    kept.log = env.log.take();
    kept.trace = env.trace.take();
    if done.is_ok() {
        kept.facts = env.recorder.take().map(|r| Facts::gather(*r, &env));
    }
    done
}

fn explore_all(env: &mut Env<'_>) -> Step {
    let task = env.task;
    structure::check_cfg(&env.slots, &mut env.aux, &mut env.subprogs, env.rights.bpf)
        .map_err(Stop::Refused)?;
    structure::components(&env.slots, &mut env.aux);
    structure::live_registers(&env.slots, &mut env.aux, &|callee| rows::calls::takes(task, callee));
    env.log_start();
    env.log_own_args();
    let mut frame = Frame::new(usize::MAX, 0, 0);
    frame.regs[1] = Reg::pointer(Kind::Ctx, Flags::NONE);
    env.cur = State::new(frame, env.task.is_sleepable());
    env.explore(0)?;
    let mut verified = vec![false; env.subprogs.len()];
    while let Some(i) = (1..verified.len()).find(|i| {
        let s = &env.subprogs[*i];
        s.global && s.called && !verified[*i]
    }) {
        verified[i] = true;
        env.cur = env.global_entry(i)?;
        let start = env.subprogs[i].start;
        env.log_global(i);
        env.explore(start)?;
        let name = env.subprogs[i].name.clone();
        env.log_line(format_args!("Func#{i} ('{name}') is safe for any args that match its prototype"));
    }
    env.check_depth()?;
    mixed_tail_calls(env)?;
    lost_addresses(env)
}

/// For those without CAP_PERFMON the index of a tail call is masked by its map's size, which has to be one map's.
fn mixed_tail_calls(env: &Env<'_>) -> Step {
    let Some(insn) = env.aux.iter().position(|a| a.tail_maps_differ && a.seen) else { return Ok(()) };
    let message = "tail_call abusing map_ptr".to_owned();
    Err(Stop::Refused(Box::new(Refusal { errno: errno::EINVAL, code: "V0806", insn, message, reg: None })))
}

/// Functions that no path enters are removed. When an address of one is taken all the same, and none comes behind it that
/// would slip into its place, the kernel finds no function there, and calls that a bug of its own.
fn lost_addresses(env: &Env<'_>) -> Step {
    let live = |s: &structure::Subprog| env.aux[s.start].seen;
    let last = env.subprogs.iter().rposition(live).unwrap_or(0);
    if env.subprogs.iter().filter(|s| live(s)).count() < 2 {
        return Ok(());
    }
    for (i, slot) in env.slots.iter().enumerate().filter(|(i, _)| env.aux[*i].seen) {
        let structure::Slot::Op(skep_isa::Op::LoadImm { source: skep_isa::ImmSource::Func, imm, .. }) = slot
        else {
            continue;
        };
        let to = structure::target(i, *imm as i32);
        if structure::find_subprog(&env.subprogs, to) > last {
            let message = format!("verifier bug: No program to jit at insn {to}");
            let r = Refusal { errno: errno::EFAULT, code: "V0901", insn: i, message, reg: None };
            return Err(Stop::Refused(Box::new(r)));
        }
    }
    Ok(())
}
