//! Attach types: a program is loaded for each, and where attaching is by link, one to nowhere is asked for. A kernel that
//! knows the attachment misses the target; one that does not, or was built without it, says so before.

use std::os::fd::{AsFd, OwnedFd};

use skep_abi::{AttachType, ProgType, attach_types, prog_types};
use skep_sys::Errno;
use skep_sys::link::{self, More};
use skep_sys::prog::Target;

use super::prog::{EXIT, answer};
use super::{AttachFeature, Prober, State, why};

/// No interface, and no descriptor, has this number.
const NOWHERE: Target<'static> = Target::Ifindex(u32::MAX);

/// What a kernel without an attachment answers to a link, where EINVAL is an answer of one that has it, too.
const NOT_BUILT: [Errno; 2] = [Errno::EOPNOTSUPP, Errno::ENOTSUPP];

/// What a link to nowhere tells.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Link {
    /// A kernel that has the attachment looks for the target before it finds anything else wrong.
    Target,
    /// It looks at what else is missing, so that only [`NOT_BUILT`] tells.
    Other,
    /// There are no such links, or loading tells all.
    No,
}

/// How links of attach types are tried; all others by their target.
const LINKS: &[(AttachType, Link)] = &[
    (AttachType::TRACE_KPROBE_MULTI, Link::Other),
    (AttachType::TRACE_KPROBE_SESSION, Link::Other),
    (AttachType::TRACE_UPROBE_MULTI, Link::Other),
    (AttachType::TRACE_UPROBE_SESSION, Link::Other),
    (AttachType::NETFILTER, Link::Other),
    (AttachType::XDP, Link::Other),
    (AttachType::TRACE_RAW_TP, Link::No),
    (AttachType::TRACE_FENTRY, Link::No),
    (AttachType::TRACE_FEXIT, Link::No),
    (AttachType::MODIFY_RETURN, Link::No),
    (AttachType::TRACE_ITER, Link::No),
    (AttachType::LSM_MAC, Link::No),
    (AttachType::LIRC_MODE2, Link::No),
    (AttachType::SK_REUSEPORT_SELECT, Link::No),
    (AttachType::SK_REUSEPORT_SELECT_OR_MIGRATE, Link::No),
    (AttachType::XDP_DEVMAP, Link::No),
    (AttachType::XDP_CPUMAP, Link::No),
];

/// Program types whose programs are loaded for an attach type without asking for it.
const UNASKED: &[(AttachType, ProgType)] =
    &[(AttachType::PERF_EVENT, ProgType::PERF_EVENT), (AttachType::STRUCT_OPS, ProgType::STRUCT_OPS)];

impl Prober {
    /// Each attach type.
    pub fn attach_types(&self) -> Vec<AttachFeature> {
        attach_types().iter().filter_map(|row| self.attach_type(row.id)).collect()
    }

    /// Whether programs can be attached in a way; nothing if no program type is known for it.
    pub fn attach_type(&self, attach_type: AttachType) -> Option<AttachFeature> {
        let asked = prog_types().iter().find(|row| {
            row.attach_types.contains(&attach_type) && (attach_type.0 != 0 || row.id == ProgType::CGROUP_SKB)
        });
        let unasked = UNASKED.iter().find(|(a, _)| *a == attach_type).map(|(_, t)| *t);
        let prog_type = asked.map(|row| row.id).or(unasked)?;
        let expected = if asked.is_some() { attach_type } else { AttachType(0) };
        let mut state = self.program(prog_type, expected);
        if state.is_available() {
            state = self.link(prog_type, expected, attach_type);
        }
        Some(AttachFeature { attach_type, prog_type, state })
    }

    fn link(&self, prog_type: ProgType, expected: AttachType, attach_type: AttachType) -> State {
        let how = LINKS.iter().find(|(a, _)| *a == attach_type).map_or(Link::Target, |(_, how)| *how);
        if how == Link::No || prog_type == ProgType::STRUCT_OPS {
            return State::Available;
        }
        let Some(prog) = self.loaded(prog_type, expected) else { return State::Available };
        let more = match attach_type {
            AttachType::NETFILTER => More::Netfilter { pf: u32::MAX, hooknum: 0, priority: 0, flags: 0 },
            _ => More::Nothing,
        };
        // Whatever this makes, which it never did, is closed at once.
        match link::create(prog.as_fd(), NOWHERE, attach_type, 0, &more) {
            Err(errno) if NOT_BUILT.contains(&errno) || how == Link::Target && errno == Errno::EINVAL => {
                let config = why::of_program(prog_type, attach_type);
                State::Absent { errno, why: why::likely(&self.vmlinux, errno, config) }
            }
            _ => State::Available,
        }
    }

    fn loaded(&self, prog_type: ProgType, attach_type: AttachType) -> Option<OwnedFd> {
        let once = |value| self.try_load(prog_type, attach_type, &[answer(value), EXIT], 0).ok()?.ok();
        once(1).or_else(|| once(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An attach type that no program type names would be left out of the answer.
    #[test]
    fn every_attach_type_has_a_program_type() {
        for row in attach_types() {
            let named = prog_types().iter().any(|p| p.attach_types.contains(&row.id));
            assert!(named || UNASKED.iter().any(|(a, _)| *a == row.id), "{}", row.name);
        }
    }
}
