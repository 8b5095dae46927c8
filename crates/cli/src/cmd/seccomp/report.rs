//! What `skep seccomp` prints.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use serde::Serialize;
use skep::abi::{Arch, syscall_name, syscall_number};
use skep::filter::seccomp::{Action, Call, Difference, Policy, Witness, annotate};
use skep::isa::classic::Insn;
use skep::isa::classic::text::{Form, print};

use super::{Simulate, input};
use crate::failure::Failure;
use crate::output::{Output, Style};
use crate::{Verdict, cmd};

/// A listing with remarks in a column of their own.
pub(super) fn listing(insns: &[Insn], out: &Output) -> String {
    let text = print(insns, Form::Listing);
    let width = text.lines().map(str::len).max().unwrap_or(0);
    let mut all = String::new();
    for (line, remark) in text.lines().zip(annotate(insns)) {
        let remark = remark.map(|r| out.paint(Style::Faint, format_args!("; {r}")));
        match remark {
            // Writing to a String can't fail.
            Some(remark) => drop(writeln!(all, "{line:width$}  {remark}")),
            None => drop(writeln!(all, "{line}")),
        }
    }
    all
}

#[derive(Serialize)]
struct FilterJson {
    schema: &'static str,
    command: &'static str,
    filters: Vec<Vec<InsnJson>>,
}

#[derive(Serialize)]
struct InsnJson {
    code: u16,
    jt: u8,
    jf: u8,
    k: u32,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    meaning: Option<String>,
}

pub(super) const SCHEMA: &str = "skep.seccomp/1";

pub(super) fn filter_json(command: &'static str, filters: &[Vec<Insn>]) -> impl Serialize + use<> {
    let filter = |insns: &Vec<Insn>| {
        let texts = cmd::classic::lines(insns).into_iter().zip(annotate(insns));
        let insn = |(i, (text, meaning)): (&Insn, _)| InsnJson {
            code: i.code,
            jt: i.jt,
            jf: i.jf,
            k: i.k,
            text,
            meaning,
        };
        insns.iter().zip(texts).map(insn).collect()
    };
    FilterJson { schema: SCHEMA, command, filters: filters.iter().map(filter).collect() }
}

#[derive(Serialize)]
pub(super) struct CallJson {
    arch: String,
    number: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'static str>,
    args: [u64; 6],
}

pub(super) fn call_json(call: &Call) -> CallJson {
    let arch = Arch::from_audit(call.arch);
    CallJson {
        arch: arch.map_or_else(|| format!("{:#x}", call.arch), |a| a.name().to_owned()),
        number: call.number,
        name: arch.and_then(|a| syscall_name(a, call.number)),
        args: call.args,
    }
}

/// `openat(0xffffff9c, 0, 0) on x86_64`, trailing zeroes left out.
pub(super) fn call_text(call: &Call) -> String {
    let json = call_json(call);
    let name = json.name.map_or_else(|| format!("call {}", call.number), str::to_owned);
    let last = call.args.iter().rposition(|&a| a != 0).map_or(0, |at| at + 1);
    let args = call.args[..last].iter().map(|&a| if a < 10 { a.to_string() } else { format!("{a:#x}") });
    format!("{name}({}) on {}", args.collect::<Vec<_>>().join(", "), json.arch)
}

#[derive(Serialize)]
struct SimulateJson {
    schema: &'static str,
    command: &'static str,
    call: CallJson,
    action: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<RuleJson>,
    instructions: Vec<usize>,
}

#[derive(Serialize)]
struct RuleJson {
    index: usize,
    names: Vec<String>,
    #[serde(skip_serializing_if = "is_zero")]
    line: usize,
}

fn is_zero(n: &usize) -> bool {
    *n == 0
}

pub(super) fn simulate(args: &Simulate, out: &mut Output) -> Result<Verdict, Failure> {
    let either = input::either(&args.policy, &args.reading, out)?;
    let arch = match &either {
        input::Either::Policy(policy, _) if args.reading.arch.is_none() => policy.arches[0],
        _ => input::arch(&args.reading)?,
    };
    let call = parse_call(args, arch)?;
    let (action, path) = either.decide(&call)?;
    let rule = match &either {
        input::Either::Policy(policy, _) => policy.decide(&call).rule.map(|r| (policy, r)),
        input::Either::Filter(_) => None,
    };
    let verdict = if matches!(action, Action::Allow | Action::Log) { Verdict::Yes } else { Verdict::No };
    if out.json {
        let rule = rule.map(|(policy, index)| {
            let rule = &policy.rules[index];
            RuleJson { index, names: rule.names.clone(), line: rule.line }
        });
        let (call, action) = (call_json(&call), action.to_string());
        out.object(&SimulateJson {
            schema: SCHEMA,
            command: "simulate",
            call,
            action,
            rule,
            instructions: path,
        })?;
        return Ok(verdict);
    }
    let style = if verdict == Verdict::Yes { Style::Good } else { Style::Bad };
    writeln!(out, "{}: {}", call_text(&call), out.paint(style, action))?;
    match (rule, &either) {
        (Some((policy, index)), _) => writeln!(out, "  by {}", rule_text(policy, index))?,
        (None, input::Either::Policy(policy, _)) if policy.arches.iter().any(|a| a.audit() == call.arch) => {
            writeln!(out, "  no rule matches, so the default holds")?;
        }
        (None, input::Either::Policy(..)) => writeln!(out, "  the policy is not for this machine")?,
        (None, input::Either::Filter(_)) => {}
    }
    writeln!(out, "  after {} of {} instructions", path.len(), either.insns().len())?;
    if args.verbose {
        let text = listing(either.insns(), out);
        let lines: Vec<&str> = text.lines().collect();
        for at in path {
            writeln!(out, "    {}", lines.get(at).unwrap_or(&""))?;
        }
    }
    Ok(verdict)
}

fn rule_text(policy: &Policy, index: usize) -> String {
    let rule = &policy.rules[index];
    let mut names = rule.names.join(", ");
    if rule.names.len() > 6 {
        names = format!("{}, ... ({} calls)", rule.names[..4].join(", "), rule.names.len());
    }
    let checks = if rule.checks.is_empty() { "" } else { ", with checks of arguments" };
    match rule.line {
        0 => format!("rule {index} ({names}{checks})"),
        line => format!("the rule on line {line} ({names}{checks})"),
    }
}

fn parse_call(args: &Simulate, arch: Arch) -> Result<Call, Failure> {
    let number = match args.call.parse() {
        Ok(number) => number,
        Err(_) => syscall_number(arch, &args.call)
            .map_err(|e| Failure::new(format!("{e} on {arch}")).hint_opt(e.hint()))?,
    };
    if args.args.len() > 6 {
        return Err(Failure::new("a system call has six arguments at most"));
    }
    let mut values = [0; 6];
    for (value, text) in values.iter_mut().zip(&args.args) {
        *value = argument(text).ok_or_else(|| Failure::new(format!("`{text}` is no number")))?;
    }
    Ok(Call { arch: arch.audit(), number, args: values, instruction_pointer: 0 })
}

fn argument(text: &str) -> Option<u64> {
    match (text.strip_prefix("0x"), text.strip_prefix('-')) {
        (Some(hex), _) => u64::from_str_radix(hex, 16).ok(),
        (None, Some(_)) => text.parse::<i64>().ok().map(i64::cast_unsigned),
        (None, None) => text.parse().ok(),
    }
}

#[derive(Serialize)]
struct DiffJson {
    schema: &'static str,
    command: &'static str,
    equal: bool,
    first_weaker: Option<WitnessJson>,
    second_weaker: Option<WitnessJson>,
    other: Option<WitnessJson>,
}

#[derive(Serialize)]
struct WitnessJson {
    call: CallJson,
    first: String,
    second: String,
}

fn witness_json(w: &Witness) -> WitnessJson {
    WitnessJson { call: call_json(&w.call), first: w.first.to_string(), second: w.second.to_string() }
}

pub(super) fn difference(
    found: &Difference,
    (first, second): (&Path, &Path),
    out: &mut Output,
) -> Result<Verdict, Failure> {
    let verdict = if found.is_none() { Verdict::Yes } else { Verdict::No };
    if out.json {
        out.object(&DiffJson {
            schema: SCHEMA,
            command: "diff",
            equal: found.is_none(),
            first_weaker: found.first_weaker.as_ref().map(witness_json),
            second_weaker: found.second_weaker.as_ref().map(witness_json),
            other: found.other.as_ref().map(witness_json),
        })?;
        return Ok(verdict);
    }
    let (a, b) = (crate::input::label(first), crate::input::label(second));
    if found.is_none() {
        writeln!(out, "{}: both do the same to every call", out.paint(Style::Good, "equal"))?;
    }
    let weaker = [(&found.first_weaker, &a), (&found.second_weaker, &b)];
    let shown = weaker.into_iter().map(|(w, name)| (w, format!("{name} is weaker")));
    for (witness, title) in shown.chain([(&found.other, "another number goes along".to_owned())]) {
        let Some(w) = witness else { continue };
        writeln!(out, "{}, for {}", out.paint(Style::Bad, title), call_text(&w.call))?;
        writeln!(out, "  {a}: {}", w.first)?;
        writeln!(out, "  {b}: {}", w.second)?;
    }
    Ok(verdict)
}
