//! Which kernel an object needs, and why: the newest of the things it uses, each dated by a row of a table.

use std::collections::BTreeSet;

use serde::Serialize;
use skep::abi::{HelperId, KernelVersion};
use skep::isa::{self, CallTarget, Op};
use skep::object::{MapOrigin, Program, Spec};

/// Something that came with a version of Linux.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Need {
    pub(super) version: KernelVersion,
    pub(super) what: String,
}

/// The version that everything together needs, and what needs it.
#[derive(Debug, Serialize)]
pub(super) struct Kernel {
    pub(super) version: String,
    /// Why not an older one: what came with just that version.
    pub(super) because: Vec<String>,
}

/// None if nothing that the object uses is in the tables.
pub(super) fn kernel(spec: &Spec) -> Option<Kernel> {
    let needs = needs(spec);
    let version = needs.iter().map(|n| n.version).max()?;
    let because = needs.into_iter().filter(|n| n.version == version).map(|n| n.what).collect();
    Some(Kernel { version: version.to_string(), because })
}

fn needs(spec: &Spec) -> BTreeSet<Need> {
    let mut all = BTreeSet::new();
    let mut add = |version: KernelVersion, what: String| {
        all.insert(Need { version, what });
    };
    for p in &spec.programs {
        if let Some(row) = p.prog_type.and_then(|t| t.row()) {
            add(row.since, format!("program type {}", row.name));
        }
        if let Some(row) = p.attach_type.and_then(|t| t.row()) {
            add(row.since, format!("attach type {}", row.name));
        }
        code(p, &mut add);
    }
    for m in &spec.maps {
        if let Some(row) = m.map_type.row() {
            add(row.since, format!("map type {}", row.name));
        }
        if matches!(m.origin, MapOrigin::Data | MapOrigin::Rodata | MapOrigin::Bss) {
            // Direct access to map values, and frozen maps.
            add(KernelVersion { major: 5, minor: 2 }, "global variables".into());
        }
    }
    all
}

fn code(p: &Program, add: &mut impl FnMut(KernelVersion, String)) {
    let mut pc = 0;
    while pc < p.insns.len() {
        let wide = usize::from(p.insns[pc].is_wide());
        if let Ok(Op::Call(CallTarget::Helper(id))) = isa::decode(&p.insns, pc)
            && let Some(row) = u32::try_from(id).ok().and_then(|id| HelperId(id).row())
        {
            add(row.since, format!("helper {}", row.name));
        }
        if let Ok(row) = isa::row_at(&p.insns, pc)
            && let Some(version) = row.linux.and_then(parse)
        {
            add(version, format!("instruction {}", row.name));
        }
        pc += 1 + wide;
    }
}

fn parse(text: &str) -> Option<KernelVersion> {
    let (major, minor) = text.split_once('.')?;
    Some(KernelVersion { major: major.parse().ok()?, minor: minor.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_in_the_table_of_operations_is_understood() {
        for row in isa::ROWS {
            assert!(row.linux.is_none_or(|v| parse(v).is_some()), "{}", row.name);
        }
    }
}
