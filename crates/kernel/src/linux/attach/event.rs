//! What hooks that are perf events share: a program is put on the event by a link, which can be pinned and carries a cookie;
//! kernels before 5.15 have no such links, and there the event itself holds the program.

use std::os::fd::{AsFd, OwnedFd};

use skep_abi::AttachType;
use skep_backend::{Error, ErrorKind};
use skep_sys::prog::Target as On;
use skep_sys::{Cap, Errno, link, perf};

use super::{Attached, Program, Target};
use crate::linux::error::refused;

/// Rights that tracing takes.
pub(super) const RIGHTS: &[Cap] = &[Cap::BPF, Cap::PERFMON];

/// Puts a program on an event. `place` is for people. `cookie` is what `bpf_get_attach_cookie` answers.
pub(super) fn hang(
    hook: &'static str,
    program: &Program<'_>,
    target: &Target,
    place: &str,
    event: OwnedFd,
    cookie: u64,
) -> Result<Attached, Error> {
    let what = || format!("attaching `{}` to {place}", program.name);
    if !target.without_link {
        let more = link::More::PerfEvent { cookie };
        match link::create(program.fd, On::Fd(event.as_fd()), AttachType::PERF_EVENT, 0, &more) {
            // The link keeps the event.
            Ok(link) => return Ok(Attached::link(hook, place, link)),
            // No such link, or no such program on such an event: the old way tells which.
            Err(Errno::EINVAL) => {}
            Err(e) => return Err(refused(&what(), e, RIGHTS)),
        }
    }
    perf::set_bpf(event.as_fd(), program.fd).map_err(|e| refused(&what(), e, RIGHTS))?;
    if cookie != 0 {
        let message = format!("{}: this way of attaching has no room for a cookie", what());
        let hint = "attach by a link, which kernels have since 5.15";
        return Err(Error::new(ErrorKind::Unsupported, message).with_hint(hint));
    }
    perf::enable(event.as_fd()).map_err(|e| refused(&what(), e, RIGHTS))?;
    Ok(Attached::held(hook, place, vec![event]))
}

/// The kernel was built without something.
pub(super) fn lacking(program: &Program<'_>, what: &str, config: &str) -> Error {
    let message = format!("program `{}`: this kernel has no {what}", program.name);
    Error::new(ErrorKind::Unsupported, message).with_hint(format!("it was built without {config}"))
}

/// A process was given, and the hook knows no processes.
pub(super) fn not_for_one_process(program: &Program<'_>, hook: &str) -> Error {
    let message = format!("program `{}`: a {hook} is hit by every process, it knows no --pid", program.name);
    Error::new(ErrorKind::Invalid, message)
        .with_hint("let the program compare bpf_get_current_pid_tgid() with a number that it is given")
}
