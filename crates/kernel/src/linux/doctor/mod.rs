//! What is wrong with a machine, from a BPF program's point of view, and what to do about it: rights, settings, mounts, what
//! the kernel was built without, and traps in what is attached.
//!
//! Nothing is changed. A finding comes with what was seen and what to do; what could not be looked at is no finding. With
//! an object, only what that object needs is looked at. Checks are rows of a table: [`CHECKS`].

mod answers;
mod features;
mod machine;
mod net;

use std::collections::BTreeSet;

use skep_abi::{MapType, ProgType};
use skep_object::{ExternKind, MapOrigin, Spec};
use skep_sys::cap_for_prog;

use super::Kernel;
use super::feature::Prober;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Something will not work.
    Error,
    /// Something may work otherwise than is thought.
    Warning,
    /// Good to know.
    Note,
}

impl Severity {
    /// In one word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which check it is of: `D01` and on. It stays the same from release to release.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is the matter.
    pub title: String,
    /// What was seen.
    pub evidence: String,
    /// What to do.
    pub remedy: String,
}

impl Finding {
    fn new(
        code: &'static str,
        severity: Severity,
        title: impl Into<String>,
        evidence: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { code, severity, title: title.into(), evidence: evidence.into(), remedy: remedy.into() }
    }
}

/// What is looked at, and with what.
struct Patient<'a> {
    kernel: &'a Kernel,
    /// `None` where bpf(2) may not be used.
    prober: Option<Prober>,
    /// The object, if only its needs count.
    object: Option<&'a Spec>,
}

impl Patient<'_> {
    /// Whether programs of one of these types matter.
    fn cares(&self, types: &[ProgType]) -> bool {
        let Some(object) = self.object else { return true };
        object.programs.iter().filter_map(|p| p.prog_type).any(|t| types.contains(&t))
    }

    fn cares_for_map(&self, types: &[MapType]) -> bool {
        let Some(object) = self.object else { return true };
        object.maps.iter().any(|m| types.contains(&m.map_type))
    }

    /// Whether the kernel's types are needed.
    fn wants_types(&self) -> bool {
        const TYPED: [ProgType; 4] = [ProgType::TRACING, ProgType::LSM, ProgType::STRUCT_OPS, ProgType::EXT];
        let Some(object) = self.object else { return true };
        let externs = object.externs.iter().any(|e| matches!(e.kind, ExternKind::Kfunc | ExternKind::Ksym));
        self.cares(&TYPED) || externs || object.programs.iter().any(|p| !p.core_relocs.is_empty())
    }

    /// Whether addresses of the kernel's symbols are needed.
    fn wants_symbols(&self) -> bool {
        let Some(object) = self.object else { return true };
        object.externs.iter().any(|e| matches!(e.kind, ExternKind::KsymAddr))
            || object.programs.iter().any(|p| p.section.starts_with("kprobe.multi"))
    }

    /// Whether kernel configuration is needed.
    fn wants_config(&self) -> bool {
        self.object.is_some_and(|o| o.maps.iter().any(|m| m.origin == MapOrigin::Kconfig))
    }

    /// The capabilities that matter, each with the program types that want it.
    fn capabilities(&self) -> Vec<(skep_sys::Cap, String)> {
        use skep_sys::Cap;
        let Some(object) = self.object else {
            return vec![
                (Cap::BPF, "everything that bpf(2) does".into()),
                (Cap::NET_ADMIN, "network programs: xdp, tc, sockets, cgroups".into()),
                (Cap::PERFMON, "tracing programs, perf events, and reading kernel memory".into()),
                (Cap::SYS_ADMIN, "looking at what other processes loaded, and counting run times".into()),
            ];
        };
        let mut out = vec![(Cap::BPF, "loading it".to_owned())];
        let types: BTreeSet<ProgType> = object.programs.iter().filter_map(|p| p.prog_type).collect();
        for prog_type in types {
            if let Some(cap) = cap_for_prog(prog_type) {
                out.push((cap, format!("its {prog_type} programs")));
            }
        }
        out
    }
}

/// One check: its code, what it looks for in a few words, and the function.
#[derive(Clone, Copy)]
pub struct Check {
    /// The code that its findings have.
    pub code: &'static str,
    /// What it looks for.
    pub about: &'static str,
    run: fn(&Patient<'_>) -> Vec<Finding>,
}

/// Every check, in the order in which findings are told.
pub static CHECKS: &[Check] = &[
    Check { code: "D01", about: "rights that are missing", run: machine::rights },
    Check { code: "D02", about: "bpf(2) for processes without rights", run: machine::unprivileged },
    Check { code: "D03", about: "the limit of locked memory", run: machine::memlock },
    Check { code: "D04", about: "the kernel's types", run: machine::types },
    Check { code: "D05", about: "the JIT", run: machine::jit },
    Check { code: "D06", about: "hardening of the JIT", run: machine::harden },
    Check { code: "D07", about: "a BPF file system", run: machine::bpffs },
    Check { code: "D08", about: "tracefs", run: machine::tracefs },
    Check { code: "D09", about: "cgroups of the second version", run: machine::cgroup2 },
    Check { code: "D10", about: "perf events", run: machine::perf_events },
    Check { code: "D11", about: "addresses of symbols", run: machine::symbols },
    Check { code: "D12", about: "lockdown", run: machine::lockdown },
    Check { code: "D13", about: "the kernel's configuration", run: machine::config },
    Check { code: "D20", about: "program types and attach types", run: features::programs },
    Check { code: "D21", about: "map types", run: features::maps },
    Check { code: "D22", about: "helpers", run: features::helpers },
    Check { code: "D23", about: "kernel functions", run: features::kfuncs },
    Check { code: "D30", about: "answers of tc programs that are no actions", run: answers::of_object },
    Check { code: "D31", about: "filters without direct action", run: net::filters },
    Check { code: "D32", about: "actions that nothing leads to", run: net::actions },
    Check { code: "D33", about: "peers that drop what XDP sends them", run: net::peers },
];

/// Looks at this machine; with an object, at what it needs alone. Worst first, then by code.
pub fn examine(kernel: &Kernel, object: Option<&Spec>) -> Vec<Finding> {
    let patient = Patient { kernel, prober: Prober::new(kernel, None).ok(), object };
    let mut findings: Vec<Finding> = CHECKS.iter().flat_map(|check| (check.run)(&patient)).collect();
    findings.sort_by_key(|f| (f.severity, f.code));
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_rise() {
        assert!(CHECKS.windows(2).all(|w| w[0].code < w[1].code));
    }
}
