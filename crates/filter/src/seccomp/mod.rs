//! Seccomp policies: which system calls a process may make, compiled to the classic BPF that seccomp(2) takes.
//!
//! A [`Policy`] is a list of rules and an action for calls without one. Rules are tried in the order in which they
//! stand; the first that matches decides. A rule names calls and may look at their arguments; checks of one rule hold
//! together. [`compile()`] makes a search tree over call numbers, so that a call costs a handful of instructions however
//! long the policy is; [`Policy::decide`] says the same from the policy itself, with the rule; [`compare()`] tells how
//! two filters differ, with a call that shows it.
//!
//! Policies are read from JSON as OCI runtimes have it ([`Policy::from_oci`]), as rust-vmm's seccompiler has it
//! ([`Policy::from_seccompiler`]), and from a short text form ([`Policy::from_text`]).
//!
//! Sources: seccomp(2), the OCI runtime specification, libseccomp's and seccompiler's manuals.

mod annotate;
mod compare;
mod compile;
mod domain;
mod error;
mod json;
mod machine;
mod text;

use std::fmt;

use skep_abi::Arch;
use skep_sys::Errno;

pub use annotate::annotate;
pub use compare::{CompareError, Difference, Witness, compare};
pub use compile::{CompileError, compile};
pub use error::PolicyError;
pub use json::Host;
pub use machine::run;

/// What happens to a call. The order is the kernel's precedence, strictest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// The process dies by SIGSYS.
    KillProcess,
    /// The thread dies by SIGSYS.
    KillThread,
    /// The thread gets a SIGSYS that it may catch, with this number in `si_errno`.
    Trap(u16),
    /// The call fails with this errno.
    Errno(u16),
    /// A supervisor is asked.
    Notify,
    /// A tracer is told, with this number.
    Trace(u16),
    /// Done, and logged.
    Log,
    /// Done.
    Allow,
}

const DATA: u32 = 0xffff;

impl Action {
    /// `SECCOMP_RET_*` with its data, as a filter returns it.
    pub fn value(self) -> u32 {
        match self {
            Self::KillProcess => 0x8000_0000,
            Self::KillThread => 0,
            Self::Trap(data) => 0x0003_0000 | u32::from(data),
            Self::Errno(errno) => 0x0005_0000 | u32::from(errno),
            Self::Notify => 0x7fc0_0000,
            Self::Trace(data) => 0x7ff0_0000 | u32::from(data),
            Self::Log => 0x7ffc_0000,
            Self::Allow => 0x7fff_0000,
        }
    }

    /// What the kernel makes of a filter's return value; what it does not know kills the process.
    pub fn from_value(value: u32) -> Self {
        let data = (value & DATA) as u16;
        match value & !DATA {
            0 => Self::KillThread,
            0x0003_0000 => Self::Trap(data),
            0x0005_0000 => Self::Errno(data),
            0x7fc0_0000 => Self::Notify,
            0x7ff0_0000 => Self::Trace(data),
            0x7ffc_0000 => Self::Log,
            0x7fff_0000 => Self::Allow,
            _ => Self::KillProcess,
        }
    }

    /// Whether this lets a process do what `other` would not. Numbers that go along do not count.
    pub fn is_weaker_than(self, other: Self) -> bool {
        self.rank() > other.rank()
    }

    fn rank(self) -> u8 {
        match self {
            Self::KillProcess => 0,
            Self::KillThread => 1,
            Self::Trap(_) => 2,
            Self::Errno(_) => 3,
            Self::Notify => 4,
            Self::Trace(_) => 5,
            Self::Log => 6,
            Self::Allow => 7,
        }
    }
}

impl fmt::Display for Action {
    /// As the text form writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KillProcess => f.write_str("kill_process"),
            Self::KillThread => f.write_str("kill_thread"),
            Self::Trap(0) => f.write_str("trap"),
            Self::Trap(data) => write!(f, "trap {data}"),
            Self::Errno(errno) => match Errno(i32::from(*errno)).name() {
                Some(name) => write!(f, "errno {name}"),
                None => write!(f, "errno {errno}"),
            },
            Self::Notify => f.write_str("notify"),
            Self::Trace(0) => f.write_str("trace"),
            Self::Trace(data) => write!(f, "trace {data}"),
            Self::Log => f.write_str("log"),
            Self::Allow => f.write_str("allow"),
        }
    }
}

/// A comparison of an argument with a constant, both unsigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Test {
    /// Equal.
    Eq(u64),
    /// Not equal.
    Ne(u64),
    /// Less.
    Lt(u64),
    /// Less or equal.
    Le(u64),
    /// Greater.
    Gt(u64),
    /// Greater or equal.
    Ge(u64),
    /// `argument & mask == value`.
    Masked {
        /// The bits that are looked at.
        mask: u64,
        /// What they are.
        value: u64,
    },
}

/// A check of one argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Check {
    /// Which argument, 0 to 5.
    pub arg: u8,
    /// Whether only the lower 32 bits are looked at.
    pub low: bool,
    /// What has to hold.
    pub test: Test,
}

impl Check {
    /// Whether it holds for these arguments.
    pub fn holds(&self, args: &[u64; 6]) -> bool {
        let all = args[usize::from(self.arg % 6)];
        let arg = if self.low { all & u64::from(u32::MAX) } else { all };
        match self.test {
            Test::Eq(v) => arg == v,
            Test::Ne(v) => arg != v,
            Test::Lt(v) => arg < v,
            Test::Le(v) => arg <= v,
            Test::Gt(v) => arg > v,
            Test::Ge(v) => arg >= v,
            Test::Masked { mask, value } => arg & mask == value,
        }
    }
}

/// Calls, what is asked of their arguments, and what happens to them then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Numbers of the calls, for each architecture of the policy in its order.
    pub numbers: Vec<Vec<u32>>,
    /// The calls' names, as the policy has them.
    pub names: Vec<String>,
    /// All of them have to hold.
    pub checks: Vec<Check>,
    /// What happens.
    pub action: Action,
    /// The line that it stands on, from 1; 0 where the source has none.
    pub line: usize,
}

/// Which system calls a process may make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The machines that it is for, at least one.
    pub arches: Vec<Arch>,
    /// What happens to a call that no rule matches.
    pub default: Action,
    /// What happens to calls of other machines, x32 calls on x86-64 among them.
    pub foreign: Action,
    /// First match decides.
    pub rules: Vec<Rule>,
}

/// A system call as seccomp sees it (`struct seccomp_data`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Call {
    /// `AUDIT_ARCH_*`.
    pub arch: u32,
    /// Its number.
    pub number: u32,
    /// Its arguments.
    pub args: [u64; 6],
    /// Where it was made.
    pub instruction_pointer: u64,
}

/// What a policy does to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What happens.
    pub action: Action,
    /// Index of the rule that decided, if one did.
    pub rule: Option<usize>,
}

/// Numbers from here on are x32's on x86-64.
const X32: u32 = 0x4000_0000;

impl Policy {
    /// Which rule decides about a call, and what happens.
    pub fn decide(&self, call: &Call) -> Decision {
        let arch = self.arches.iter().position(|a| a.audit() == call.arch);
        let Some(arch) = arch.filter(|&a| !is_x32(self.arches[a], call.number)) else {
            return Decision { action: self.foreign, rule: None };
        };
        let hit =
            |r: &Rule| r.numbers[arch].contains(&call.number) && r.checks.iter().all(|c| c.holds(&call.args));
        let rule = self.rules.iter().position(hit);
        Decision { action: rule.map_or(self.default, |r| self.rules[r].action), rule }
    }

    /// Rules that can't decide anything, since earlier ones match whatever they match: their indices.
    pub fn unreachable(&self) -> Vec<usize> {
        let covers = |a: &Rule, arch: usize, number: u32, b: &Rule| {
            a.numbers[arch].contains(&number) && a.checks.iter().all(|c| b.checks.contains(c))
        };
        let dead = |at: &usize| {
            let rule = &self.rules[*at];
            let mut calls = rule.numbers.iter().enumerate().flat_map(|(a, n)| n.iter().map(move |&n| (a, n)));
            let mut any = false;
            let all = calls.all(|(arch, number)| {
                any = true;
                self.rules[..*at].iter().any(|earlier| covers(earlier, arch, number, rule))
            });
            any && all
        };
        (0..self.rules.len()).filter(dead).collect()
    }
}

fn is_x32(arch: Arch, number: u32) -> bool {
    arch == Arch::X86_64 && number >= X32
}
