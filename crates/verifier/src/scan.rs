//! What is not modelled, found before anything is verified: a hard case can't hide behind it.

use std::cell::OnceCell;
use std::collections::HashSet;

use skep_abi::{Arg, ProgType as P, Ret};
use skep_isa::{CallTarget, ImmSource, Op};

use crate::rows::calls;
use crate::structure::Slot;
use crate::task::{SpecialField, Task};

fn arg_modelled(arg: Arg) -> bool {
    !matches!(
        arg,
        Arg::Btf(_)
            | Arg::BtfOrNull(_)
            | Arg::Dynptr
            | Arg::DynptrOut
            | Arg::KptrField
            | Arg::KptrOrNull
            | Arg::PerCpu
    )
}

fn ret_modelled(ret: Ret) -> bool {
    !matches!(
        ret,
        Ret::Btf(_)
            | Ret::BtfOrNull(_)
            | Ret::BtfMem
            | Ret::BtfMemOrNull
            | Ret::KptrOrNull
            | Ret::DynptrMemOrNull
    )
}

fn op<'t>(task: &'t Task, op: &Op, offered: &OnceCell<Option<HashSet<&'t str>>>) -> Option<String> {
    match op {
        Op::MayGoto { .. } => Some("may_goto".into()),
        Op::AddrSpaceCast { .. } => Some("arena (addr_space_cast)".into()),
        Op::LoadImm { source: ImmSource::BtfId, .. } => Some("address of a kernel symbol".into()),
        Op::Call(CallTarget::Kfunc { btf_id, .. }) => match calls::kfunc_name(task, *btf_id) {
            Some(name) if calls::kfunc(name).is_some() => None,
            // What the kernel does not offer at all is refused.
            Some(name)
                if offered
                    .get_or_init(|| calls::offered(task))
                    .as_ref()
                    .is_some_and(|o| !o.contains(name)) =>
            {
                None
            }
            Some(name) => Some(format!("kernel function {name}")),
            None => Some(format!("kernel function #{btf_id}")),
        },
        Op::Call(CallTarget::Helper(id)) => {
            let row = calls::helper(*id).row()?;
            // Its callback gets a dynptr.
            let drains = calls::helper(*id) == skep_abi::HelperId::USER_RINGBUF_DRAIN;
            let odd = drains
                || calls::args(row, task.prog_type).iter().any(|a| !arg_modelled(*a))
                || !ret_modelled(row.ret);
            odd.then(|| format!("helper {}", row.name))
        }
        _ => None,
    }
}

/// The first thing in the program that is not modelled.
pub(crate) fn not_modelled(task: &Task, slots: &[Slot]) -> Option<String> {
    if matches!(task.prog_type, P::STRUCT_OPS | P::EXT | P::LSM | P::TRACING) {
        return Some(format!("program type {}", task.prog_type));
    }
    for (_, map) in &task.maps {
        for m in [Some(map), map.inner.as_ref()].into_iter().flatten() {
            if let Some((_, SpecialField::Other(name))) =
                m.fields.iter().find(|(_, f)| matches!(f, SpecialField::Other(_)))
            {
                return Some(format!("{name} in a map's value"));
            }
        }
    }
    let offered = OnceCell::new();
    slots.iter().find_map(|s| match s {
        Slot::Op(o) => op(task, o, &offered),
        _ => None,
    })
}
