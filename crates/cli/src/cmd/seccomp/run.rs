//! `skep seccomp run`: a command under a policy, and what it was denied.
//!
//! Where the policy denies, the filter asks instead, and the answer is what the policy says: so each denial is seen.
//! What the policy allows, logs, traps or hands to a tracer is left to the kernel.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use skep::filter::seccomp::{Action, Call, Policy};
use skep::sys::Errno;
use skep::sys::supervise::{Answer, Notification, spawn};

use super::report::{CallJson, SCHEMA, call_json, call_text};
use super::{Run, input};
use crate::Verdict;
use crate::failure::{Failure, reason};
use crate::output::{Output, Style};

/// A call of the kind that was denied: how often, and the first of them.
struct Denied {
    count: u64,
    first: Call,
    action: Action,
}

/// By architecture, number and rule.
type Denials = BTreeMap<(u32, u32, Option<usize>), Denied>;

#[derive(Serialize)]
struct Json {
    schema: &'static str,
    command: &'static str,
    exit_code: Option<i32>,
    signal: Option<i32>,
    denied: Vec<DeniedJson>,
}

#[derive(Serialize)]
struct DeniedJson {
    count: u64,
    call: CallJson,
    action: String,
}

pub(super) fn run(args: &Run, out: &mut Output) -> Result<Verdict, Failure> {
    let policy = input::policy(&args.policy, &args.reading, out)?;
    let here = input::arch(&args.reading)?;
    if !policy.arches.contains(&here) {
        return Err(Failure::new(format!("the policy is not for {here}: every call would be refused")));
    }
    let insns = input::code(&asking(&policy))?;
    out.flush()?;
    let denials = Arc::new(Mutex::new(Denials::new()));
    let seen = Arc::clone(&denials);
    let mut command = Command::new(&args.command[0]);
    command.args(&args.command[1..]);
    if out.json {
        // stdout is for the report.
        command.stdout(std::io::stderr());
    }
    let started = spawn(&mut command, &insns, move |asked| answer(&policy, asked, &seen));
    let mut started = started.map_err(|e| refused(&e, &args.command[0].to_string_lossy(), &denials))?;
    let status = started.child.wait().map_err(|e| Failure::new(reason(&e)))?;
    // Children that outlive the command are answered for, too.
    started.finish().map_err(|e| Failure::new(format!("answering for the command: {e}")))?;
    let denials = std::mem::take(&mut *denials.lock().unwrap_or_else(PoisonError::into_inner));
    print(&denials, status, out)?;
    Ok(if denials.is_empty() && status.success() { Verdict::Yes } else { Verdict::No })
}

/// The policy, with a question wherever it denies.
fn asking(policy: &Policy) -> Policy {
    let ask = |action| match action {
        Action::KillProcess | Action::KillThread | Action::Errno(_) => Action::Notify,
        other => other,
    };
    let mut asking = policy.clone();
    asking.default = ask(policy.default);
    asking.foreign = ask(policy.foreign);
    asking.rules.iter_mut().for_each(|r| r.action = ask(r.action));
    asking
}

fn answer(policy: &Policy, asked: &Notification, denials: &Mutex<Denials>) -> Answer {
    let call = Call {
        arch: asked.arch,
        number: asked.number.cast_unsigned(),
        args: asked.args,
        instruction_pointer: asked.instruction_pointer,
    };
    let decision = policy.decide(&call);
    let mut all = denials.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (call.arch, call.number, decision.rule);
    all.entry(key).or_insert(Denied { count: 0, first: call, action: decision.action }).count += 1;
    match decision.action {
        Action::KillProcess | Action::KillThread => Answer::Kill,
        Action::Errno(errno) => Answer::Fail(Errno(errno.into())),
        // A policy that asks, asks nobody here.
        Action::Notify => Answer::Fail(Errno::ENOSYS),
        Action::Trap(_) | Action::Trace(_) | Action::Log | Action::Allow => Answer::Continue,
    }
}

fn refused(e: &std::io::Error, command: &str, denials: &Mutex<Denials>) -> Failure {
    let denied = denials.lock().unwrap_or_else(PoisonError::into_inner);
    let failure = Failure::new(format!("{command}: {}", reason(e)));
    if let Some(denied) = denied.values().next() {
        let call = call_text(&denied.first);
        return failure.hint(format!("the policy does not let it begin: {call} gets {}", denied.action));
    }
    match e.raw_os_error().map(Errno) {
        Some(Errno::EBUSY) => failure.hint("another supervisor answers for this process already"),
        Some(Errno::EINVAL) => failure.hint("telling what was denied takes Linux 5.0"),
        _ => failure,
    }
}

fn print(denials: &Denials, status: ExitStatus, out: &mut Output) -> Result<(), Failure> {
    if out.json {
        let denied = |d: &Denied| DeniedJson {
            count: d.count,
            call: call_json(&d.first),
            action: d.action.to_string(),
        };
        return out.object(&Json {
            schema: SCHEMA,
            command: "run",
            exit_code: status.code(),
            signal: status.signal(),
            denied: denials.values().map(denied).collect(),
        });
    }
    // The command's own output is on stdout, so this is on stderr.
    let mut err = std::io::stderr().lock();
    let end = match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => "ended".to_owned(),
    };
    let total: u64 = denials.values().map(|d| d.count).sum();
    let calls = if total == 1 { "call" } else { "calls" };
    let _ = writeln!(err, "{}: {total} {calls} denied, {end}", out.paint_err(Style::Heading, "seccomp"));
    for denied in denials.values() {
        let action = out.paint_err(Style::Bad, denied.action);
        let _ = writeln!(err, "  {:>6}  {action}  {}", denied.count, call_text(&denied.first));
    }
    Ok(())
}
