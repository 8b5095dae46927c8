//! Programs whose target the verifier knows by its BTF type, so that it is fixed when they are loaded: typed tracepoints,
//! functions of the kernel or of another program (entry, exit, return value), functions of another program that they stand in
//! for, hooks of the security modules. Attaching them names nothing any more.

use skep_abi::{AttachType, ProgType};
use skep_backend::Error;
use skep_sys::prog::Target as On;
use skep_sys::{Errno, link};

use super::event::{RIGHTS, not_for_one_process};
use super::{Attached, Hook, Program, Target};
use crate::linux::error::refused;

pub(super) static TRACEPOINT: Hook =
    Hook { name: "tp_btf", sections: &["tp_btf", "tp_btf.s"], needs: &[], attach, remove: None };

pub(super) static FUNCTION: Hook = Hook {
    name: "function",
    sections: &["fentry", "fexit", "fmod_ret", "fentry.s", "fexit.s", "fmod_ret.s"],
    needs: &[],
    attach,
    remove: None,
};

pub(super) static REPLACED: Hook =
    Hook { name: "freplace", sections: &["freplace"], needs: &[], attach, remove: None };

pub(super) static LSM: Hook =
    Hook { name: "lsm", sections: &["lsm", "lsm.s"], needs: &[], attach, remove: None };

fn attach(program: &Program<'_>, target: &Target) -> Result<Attached, Error> {
    let place = program.rest.unwrap_or(program.row.name);
    if target.pid.is_some() {
        return Err(not_for_one_process(program, program.row.name));
    }
    // The newer call takes a cookie, the older one is known to every kernel that loads such programs.
    let made = if target.cookie == 0 {
        link::raw_tracepoint(program.fd, None, 0)
    } else {
        let more = link::More::Tracing { target_btf_id: 0, cookie: target.cookie };
        link::create(program.fd, On::Ifindex(0), program.attach_type, 0, &more)
    };
    let hook = match program.attach_type {
        AttachType::TRACE_RAW_TP => TRACEPOINT.name,
        AttachType::LSM_MAC => LSM.name,
        _ if program.prog_type == ProgType::EXT => REPLACED.name,
        _ => FUNCTION.name,
    };
    let link = made.map_err(|e| wrong(program, place, e))?;
    Ok(Attached::link(hook, place, link))
}

fn wrong(program: &Program<'_>, place: &str, e: Errno) -> Error {
    let error = refused(&format!("attaching `{}` to {place}", program.name), e, RIGHTS);
    match e {
        Errno::ENOTSUPP | Errno::EOPNOTSUPP => {
            error.with_hint("this kernel has no trampolines for functions of this kind on this machine")
        }
        Errno::EBUSY => error.with_hint("the function is patched in another way (kprobe, live patch)"),
        _ => error,
    }
}
