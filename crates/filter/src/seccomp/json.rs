//! Policies as JSON: OCI runtimes' (with what Docker's and Podman's profiles add), and seccompiler's.

use std::collections::BTreeMap;

use serde::Deserialize;
use skep_abi::{Arch, UnknownName};

use super::text::numbers;
use super::{Action, Check, Policy, PolicyError, Rule, Test};

/// What a policy may ask about the machine that it is for.
#[derive(Clone, Debug)]
pub struct Host {
    /// The machine, where the policy names none.
    pub arch: Arch,
    /// Capabilities that the process will have, such as `CAP_SYS_ADMIN`.
    pub caps: Vec<String>,
    /// The kernel's release: major, minor.
    pub kernel: (u32, u32),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Oci {
    default_action: String,
    default_errno_ret: Option<u16>,
    #[serde(default, deserialize_with = "null_is_empty")]
    architectures: Vec<String>,
    #[serde(default, deserialize_with = "null_is_empty")]
    arch_map: Vec<ArchMap>,
    #[serde(default, deserialize_with = "null_is_empty")]
    syscalls: Vec<OciRule>,
}

#[derive(Deserialize)]
struct ArchMap {
    architecture: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OciRule {
    #[serde(default)]
    names: Vec<String>,
    /// Docker's older form.
    name: Option<String>,
    action: String,
    errno_ret: Option<u16>,
    #[serde(default, deserialize_with = "null_is_empty")]
    args: Vec<OciArg>,
    #[serde(default, deserialize_with = "null_is_empty")]
    includes: Condition,
    #[serde(default, deserialize_with = "null_is_empty")]
    excludes: Condition,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OciArg {
    index: u8,
    value: u64,
    #[serde(default)]
    value_two: u64,
    op: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Condition {
    #[serde(default)]
    caps: Vec<String>,
    #[serde(default)]
    arches: Vec<String>,
    min_kernel: Option<String>,
}

fn null_is_empty<'de, D: serde::Deserializer<'de>, T: Deserialize<'de> + Default>(
    from: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// Libseccomp's names, which JSON keeps.
fn oci_action(name: &str, data: Option<u16>) -> Option<Action> {
    const EPERM: u16 = 1;
    Some(match name {
        "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" => Action::KillThread,
        "SCMP_ACT_KILL_PROCESS" => Action::KillProcess,
        "SCMP_ACT_TRAP" => Action::Trap(0),
        "SCMP_ACT_ERRNO" => Action::Errno(data.unwrap_or(EPERM)),
        "SCMP_ACT_NOTIFY" => Action::Notify,
        "SCMP_ACT_TRACE" => Action::Trace(data.unwrap_or(EPERM)),
        "SCMP_ACT_LOG" => Action::Log,
        "SCMP_ACT_ALLOW" => Action::Allow,
        _ => return None,
    })
}

impl Condition {
    /// Whether the host has one of the capabilities, is one of the machines, and is new enough.
    fn met(&self, host: &Host) -> Vec<bool> {
        let mut all = Vec::new();
        if !self.caps.is_empty() {
            all.push(self.caps.iter().any(|c| host.caps.contains(c)));
        }
        if !self.arches.is_empty() {
            all.push(self.arches.iter().any(|a| a.parse::<Arch>() == Ok(host.arch)));
        }
        if let Some(min) = self.min_kernel.as_deref() {
            let mut parts = min.split('.').map(|p| p.parse().unwrap_or(0));
            all.push(host.kernel >= (parts.next().unwrap_or(0), parts.next().unwrap_or(0)));
        }
        all
    }
}

impl Policy {
    /// Reads the `linux.seccomp` object of an OCI runtime's configuration, a whole such configuration, or a profile as
    /// Docker and Podman have it. Machines and calls that are not known are left out, as runtimes leave them out; so is
    /// a rule whose action is the default's.
    ///
    /// # Errors
    /// With the place, if it is not such JSON; without one, if it names an unknown action or comparison.
    pub fn from_oci(text: &str, host: &Host) -> Result<Self, PolicyError> {
        let mut value: serde_json::Value = parse(text)?;
        if let Some(inner) = value.pointer_mut("/linux/seccomp") {
            value = inner.take();
        }
        let oci: Oci = serde_json::from_value(value).map_err(|e| PolicyError::new(e.to_string(), 0..0))?;
        let unknown = |what: &str, name: &str| PolicyError::new(format!("unknown {what} `{name}`"), 0..0);
        let default = oci_action(&oci.default_action, oci.default_errno_ret);
        let default = default.ok_or_else(|| unknown("action", &oci.default_action))?;
        let mut policy =
            Self { arches: arches(&oci, host), default, foreign: Action::KillProcess, rules: Vec::new() };
        for rule in &oci.syscalls {
            let left_out =
                rule.includes.met(host).contains(&false) || rule.excludes.met(host).contains(&true);
            let action = oci_action(&rule.action, rule.errno_ret.or(oci.default_errno_ret));
            let action = action.ok_or_else(|| unknown("action", &rule.action))?;
            if left_out || action == default {
                continue;
            }
            let args = rule.args.iter().map(|arg| {
                oci_check(arg)
                    .ok_or_else(|| unknown("comparison or argument", &format!("{} of {}", arg.op, arg.index)))
            });
            let checks = args.collect::<Result<Vec<_>, _>>()?;
            policy.add_oci(rule.names.iter().chain(&rule.name), checks, action);
        }
        Ok(policy)
    }

    fn add_oci<'n>(&mut self, names: impl Iterator<Item = &'n String>, checks: Vec<Check>, action: Action) {
        let mut rule = Rule {
            numbers: vec![Vec::new(); self.arches.len()],
            names: Vec::new(),
            checks: Vec::new(),
            action,
            line: 0,
        };
        for name in names {
            if let Ok(found) = numbers(name, &self.arches) {
                rule.names.push(name.clone());
                rule.numbers.iter_mut().zip(found).for_each(|(all, new)| all.extend(new));
            }
        }
        // Two checks of one argument are alternatives there; checks of several arguments hold together.
        let repeated = checks.iter().enumerate().any(|(n, c)| checks[..n].iter().any(|d| d.arg == c.arg));
        if repeated {
            self.rules.extend(checks.into_iter().map(|c| Rule { checks: vec![c], ..rule.clone() }));
        } else {
            self.rules.push(Rule { checks, ..rule });
        }
    }

    /// Reads one filter of seccompiler's JSON; `name` says which, where there are several.
    ///
    /// # Errors
    /// As [`Policy::from_oci`]; also if there is no filter of that name, or it names an unknown call.
    pub fn from_seccompiler(text: &str, name: Option<&str>, arch: Arch) -> Result<Self, PolicyError> {
        let filters: BTreeMap<String, VmmFilter> = parse(text)?;
        let names = || filters.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        let filter = match name {
            Some(name) => filters.get(name),
            None if filters.len() == 1 => filters.values().next(),
            None => {
                return Err(
                    PolicyError::new("which filter?", 0..0).hint(Some(format!("there are {}", names())))
                );
            }
        };
        let Some(filter) = filter else {
            let message = format!("there is no filter `{}`", name.unwrap_or_default());
            return Err(PolicyError::new(message, 0..0).hint(Some(format!("there are {}", names()))));
        };
        let default = filter.mismatch_action.action();
        let action = filter.match_action.action();
        let arches = vec![arch];
        let mut rules = Vec::new();
        for rule in &filter.filter {
            let found = numbers(&rule.syscall, &arches);
            let numbers =
                found.map_err(|e: UnknownName| PolicyError::new(e.to_string(), 0..0).hint(e.hint()))?;
            let checks = rule.args.iter().flatten().map(VmmArg::check).collect::<Result<_, _>>()?;
            rules.push(Rule { numbers, names: vec![rule.syscall.clone()], checks, action, line: 0 });
        }
        Ok(Self { arches, default, foreign: Action::KillProcess, rules })
    }
}

fn arches(oci: &Oci, host: &Host) -> Vec<Arch> {
    let mut all: Vec<Arch> = oci.architectures.iter().filter_map(|a| a.parse().ok()).collect();
    // Docker's map tells what runs beside a machine; its own is the host's.
    all.extend(
        oci.arch_map.iter().filter_map(|m| m.architecture.parse().ok()).filter(|&a: &Arch| a == host.arch),
    );
    if all.is_empty() {
        all.push(host.arch);
    }
    let mut once = Vec::new();
    all.into_iter().for_each(|a| {
        if !once.contains(&a) {
            once.push(a)
        }
    });
    once
}

fn oci_check(arg: &OciArg) -> Option<Check> {
    let value = arg.value;
    let test = match arg.op.as_str() {
        "SCMP_CMP_NE" => Test::Ne(value),
        "SCMP_CMP_LT" => Test::Lt(value),
        "SCMP_CMP_LE" => Test::Le(value),
        "SCMP_CMP_EQ" => Test::Eq(value),
        "SCMP_CMP_GE" => Test::Ge(value),
        "SCMP_CMP_GT" => Test::Gt(value),
        // The first value is the mask; bits of the second outside of it can't be asked for.
        "SCMP_CMP_MASKED_EQ" => Test::Masked { mask: value, value: arg.value_two & value },
        _ => return None,
    };
    (arg.index < 6).then_some(Check { arg: arg.index, low: false, test })
}

#[derive(Deserialize)]
struct VmmFilter {
    #[serde(alias = "default_action")]
    mismatch_action: VmmAction,
    #[serde(alias = "filter_action")]
    match_action: VmmAction,
    filter: Vec<VmmRule>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum VmmAction {
    Allow,
    Errno(u16),
    #[serde(alias = "kill")]
    KillThread,
    KillProcess,
    Log,
    Trace(u16),
    Trap,
}

impl VmmAction {
    fn action(self) -> Action {
        match self {
            Self::Allow => Action::Allow,
            Self::Errno(errno) => Action::Errno(errno),
            Self::KillThread => Action::KillThread,
            Self::KillProcess => Action::KillProcess,
            Self::Log => Action::Log,
            Self::Trace(data) => Action::Trace(data),
            Self::Trap => Action::Trap(0),
        }
    }
}

#[derive(Deserialize)]
struct VmmRule {
    syscall: String,
    args: Option<Vec<VmmArg>>,
}

#[derive(Deserialize)]
struct VmmArg {
    index: u8,
    #[serde(rename = "type", alias = "arg_type")]
    width: VmmWidth,
    op: VmmOp,
    val: u64,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum VmmWidth {
    Dword,
    Qword,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum VmmOp {
    Eq,
    Ge,
    Gt,
    Le,
    Lt,
    MaskedEq(u64),
    Ne,
}

impl VmmArg {
    fn check(&self) -> Result<Check, PolicyError> {
        if self.index > 5 {
            return Err(PolicyError::new(format!("there is no argument {}", self.index), 0..0));
        }
        let value = self.val;
        let test = match self.op {
            VmmOp::Eq => Test::Eq(value),
            VmmOp::Ge => Test::Ge(value),
            VmmOp::Gt => Test::Gt(value),
            VmmOp::Le => Test::Le(value),
            VmmOp::Lt => Test::Lt(value),
            VmmOp::Ne => Test::Ne(value),
            VmmOp::MaskedEq(mask) => Test::Masked { mask, value: value & mask },
        };
        Ok(Check { arg: self.index, low: self.width == VmmWidth::Dword, test })
    }
}

/// JSON, with the place of what is wrong.
fn parse<'t, T: Deserialize<'t>>(text: &'t str) -> Result<T, PolicyError> {
    serde_json::from_str(text).map_err(|e| {
        let start: usize = text.split_inclusive('\n').take(e.line().saturating_sub(1)).map(str::len).sum();
        let mut at = (start + e.column().saturating_sub(1)).min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        let end = text[at..].chars().next().map_or(at, |c| at + c.len_utf8());
        let message = e.to_string();
        let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(m, _)| m);
        PolicyError::new(message, at..end)
    })
}
