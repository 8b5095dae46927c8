//! Sockmaps and sockhashes: programs that frame and judge what their sockets receive and send.
//!
//! The program belongs to the map, for every socket that is or comes in it; before Linux 6.10 without a link, until it
//! is detached or the map goes.

use std::os::fd::{AsFd, BorrowedFd};

use skep_abi::{AttachType, MapType};
use skep_backend::{Error, ErrorKind};
use skep_sys::prog::{self, Target as On};
use skep_sys::{Cap, Errno, link};

use super::{Attached, Hook, Program, Target};
use crate::linux::error::refused;

const NEEDED: &[Cap] = &[Cap::BPF, Cap::NET_ADMIN];

pub(super) static HOOK: Hook = Hook {
    name: "sockmap",
    sections: &["sk_skb/stream_parser", "sk_skb/stream_verdict", "sk_skb/verdict", "sk_skb", "sk_msg"],
    needs: &[],
    attach,
    remove: None,
};

fn attach(program: &Program<'_>, target: &Target) -> Result<Attached, Error> {
    let kind = program.row.attach;
    if kind == AttachType(0) {
        let message =
            format!("program `{}`: its section does not say whether it frames or judges", program.name);
        let hint = "name the section sk_skb/stream_parser, sk_skb/stream_verdict or sk_skb/verdict";
        return Err(Error::new(ErrorKind::Invalid, message).with_hint(hint));
    }
    let (name, map) = choose(program, target)?;
    let label = format!("{name} ({kind})");
    let wrong = |e| refused(&format!("attaching `{}` to map `{name}`", program.name), e, NEEDED);
    if !target.without_link {
        match link::create(program.fd, On::Fd(map), kind, 0, &link::More::Nothing) {
            Ok(link) => return Ok(Attached::link(HOOK.name, label, link)),
            // A kernel without such links.
            Err(Errno::EINVAL | Errno::EOPNOTSUPP) => {}
            Err(e) => return Err(wrong(e)),
        }
    }
    let fds = map.try_clone_to_owned().and_then(|m| Ok((m, program.fd.try_clone_to_owned()?)));
    let (map, prog) = fds.map_err(|e| wrong(Errno(e.raw_os_error().unwrap_or(Errno::EMFILE.0))))?;
    prog::attach(On::Fd(map.as_fd()), prog.as_fd(), kind, 0).map_err(wrong)?;
    Ok(Attached::undone(HOOK.name, label, move || {
        match prog::detach(On::Fd(map.as_fd()), prog.as_fd(), kind) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(e) => Err(refused("detaching from the map", e, NEEDED)),
        }
    }))
}

/// The map that was named, or the only one of the object that holds sockets.
fn choose<'a>(program: &Program<'a>, target: &Target) -> Result<(String, BorrowedFd<'a>), Error> {
    let holds = |t: MapType| matches!(t, MapType::SOCKMAP | MapType::SOCKHASH);
    let mut of_sockets = program.live.live_maps().iter().filter(|m| holds(m.spec.map_type));
    let invalid = |message: String| Error::new(ErrorKind::Invalid, message);
    let found = match &target.map {
        Some(name) => of_sockets
            .find(|m| m.spec.name == *name)
            .ok_or_else(|| invalid(format!("the object has no sockmap or sockhash `{name}`")))?,
        None => match (of_sockets.next(), of_sockets.next()) {
            (Some(only), None) => only,
            (None, _) => {
                let message =
                    format!("program `{}` belongs to a sockmap, and the object has none", program.name);
                return Err(invalid(message));
            }
            _ => {
                let message = format!("program `{}`: the object has several maps of sockets", program.name);
                return Err(invalid(message).with_hint("say which: --map NAME"));
            }
        },
    };
    Ok((found.spec.name.clone(), found.map.as_fd()))
}
