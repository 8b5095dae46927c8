//! tc: packets on their way in behind XDP, and on their way out. By tcx link, or as filters of a clsact qdisc, which
//! outlive the process.
//!
//! The clsact qdisc that an interface did not have has a record of its own (`what=qdisc`), which stays until its
//! last filter is gone: whoever takes that away takes the qdisc away, too.

use std::os::fd::BorrowedFd;

use skep_abi::AttachType;
use skep_backend::{Error, ErrorKind};
use skep_sys::netlink::{EGRESS, Filter, INGRESS, NewFilter, Refused};
use skep_sys::prog::Target as On;
use skep_sys::{Cap, Errno, link};

use super::iface::Iface;
use super::{Attached, Direction, Hook, Mark, Program, Record, Target, records};
use crate::linux::error::{refused, refused_by_router};

pub(super) static HOOK: Hook = Hook {
    name: "tc",
    sections: &["tc", "classifier", "tc/ingress", "tc/egress", "tcx/ingress", "tcx/egress"],
    needs: &["--iface"],
    attach,
    remove: Some(remove),
};

impl Direction {
    /// `ingress`, `egress`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }

    fn tcx(self) -> AttachType {
        match self {
            Self::Ingress => AttachType::TCX_INGRESS,
            Self::Egress => AttachType::TCX_EGRESS,
        }
    }

    fn parent(self) -> u32 {
        match self {
            Self::Ingress => INGRESS,
            Self::Egress => EGRESS,
        }
    }
}

/// The way that is asked for, else that of the section: `tc/ingress`, or `classifier/egress` as old objects have it.
fn direction(program: &Program<'_>, target: &Target) -> Result<Direction, Error> {
    let written = match (program.row.attach, program.rest) {
        (AttachType::TCX_INGRESS, _) | (_, Some("ingress")) => Some(Direction::Ingress),
        (AttachType::TCX_EGRESS, _) | (_, Some("egress")) => Some(Direction::Egress),
        _ => None,
    };
    target.direction.or(written).ok_or_else(|| {
        super::target::missing(
            program.name,
            "to be told which packets it sees",
            "--direction ingress or egress",
        )
    })
}

fn attach(program: &Program<'_>, target: &Target) -> Result<Attached, Error> {
    let iface = Iface::find(program, target)?;
    let direction = direction(program, target)?;
    let place = format!("{} {}", iface.link.name, direction.name());
    if target.without_link {
        return by_filter(program, target, iface, direction, place);
    }
    if target.priority.is_some() {
        let error = Error::new(
            ErrorKind::Invalid,
            "tcx programs run in the order of attaching: they have no priority",
        );
        return Err(error.with_hint("filters of clsact have one: add --no-link"));
    }
    let on = On::Ifindex(iface.link.index);
    let link = link::create(program.fd, on, direction.tcx(), 0, &link::More::Nothing).map_err(|e| {
        let error = refused(
            &format!("program `{}` can't be attached to {place}", program.name),
            e,
            &[Cap::NET_ADMIN],
        );
        match e {
            Errno::EINVAL => error.with_hint("kernels before 6.6 have no tcx: try --no-link"),
            _ => error,
        }
    })?;
    Ok(Attached::link(HOOK.name, format!("{place} (tcx)"), link))
}

fn by_filter(
    program: &Program<'_>,
    target: &Target,
    mut iface: Iface,
    direction: Direction,
    place: String,
) -> Result<Attached, Error> {
    let priority = u16::try_from(target.priority.unwrap_or(0)).map_err(|_| {
        Error::new(
            ErrorKind::Invalid,
            "a filter's priority is a number from 1 to 65535; 0 lets the kernel choose",
        )
    })?;
    let mut fields = iface.fields();
    fields.extend([
        ("what", "filter".to_owned()),
        ("parent", direction.parent().to_string()),
        ("target", place.clone()),
    ]);
    let mut mark = Mark::write(HOOK.name, program, &fields)?;
    let label = mark.record().label();
    let wrong = |e: &Refused| {
        refused_by_router(
            &format!("program `{}` can't be attached to {place}", program.name),
            e,
            &[Cap::NET_ADMIN],
        )
    };
    let new = NewFilter {
        index: iface.link.index,
        parent: direction.parent(),
        priority,
        handle: 0,
        program: program.fd,
        name: &label,
        replace: false,
    };
    let mut made = Err(Refused::from(Errno::EINVAL));
    // Somebody else may take the qdisc away between the two steps; then it is made again.
    for _ in 0..3 {
        make_qdisc(program, &mut iface)?;
        made = iface.socket.add_filter(&new);
        if !matches!(&made, Err(e) if matches!(e.errno, Errno::EINVAL | Errno::ENOENT)) {
            break;
        }
    }
    match made {
        Ok(filter) => {
            mark.add("handle", filter.handle)?;
            mark.add("priority", filter.priority)?;
            let target = format!("{place} (clsact, priority {})", filter.priority);
            Ok(Attached::left(target, mark.swapped_by(swap)))
        }
        Err(e) => {
            sweep(&mut iface)?;
            Err(wrong(&e))
        }
    }
}

/// Gives the interface a clsact qdisc, if it has none.
fn make_qdisc(program: &Program<'_>, iface: &mut Iface) -> Result<(), Error> {
    let what = format!("interface {}: its clsact qdisc", iface.link.name);
    let wrong = |e: Refused| refused_by_router(&what, &e, &[Cap::NET_ADMIN]);
    if iface.socket.has_clsact(iface.link.index).map_err(wrong)? {
        return Ok(());
    }
    let mut fields = iface.fields();
    fields.push(("what", "qdisc".to_owned()));
    let mut mark = Mark::write(HOOK.name, program, &fields)?;
    match iface.socket.add_clsact(iface.link.index) {
        Ok(()) => {
            mark.leave();
            Ok(())
        }
        // Another was faster, or there is an ingress qdisc, whose filters go in as well.
        Err(e) if e.errno == Errno::EEXIST => Ok(()),
        Err(e) => Err(wrong(e)),
    }
}

fn filters(iface: &mut Iface, parent: u32) -> Result<Vec<Filter>, Error> {
    let listed = iface.socket.filters(iface.link.index, parent);
    listed.map_err(|e| refused_by_router(&format!("interface {}: its filters", iface.link.name), &e, &[]))
}

/// The filter that a record tells of, if it is still there: it bears the label and holds the program.
fn there(record: &Record) -> Result<Option<(Iface, Filter)>, Error> {
    let Some(mut iface) = Iface::of(record)? else { return Ok(None) };
    let label = record.label();
    let is = |f: &Filter| f.bpf.as_ref().is_some_and(|b| b.name == label && record.holds(b.prog_id));
    let found = filters(&mut iface, record.number("parent")?)?.into_iter().find(is);
    Ok(found.map(|f| (iface, f)))
}

fn remove(record: &Record) -> Result<bool, Error> {
    if record.get("what") == Some("qdisc") {
        return match Iface::of(record)? {
            Some(mut iface) => remove_qdisc(&mut iface),
            None => Ok(false),
        };
    }
    let Some((mut iface, filter)) = there(record)? else {
        if let Some(mut iface) = Iface::of(record)? {
            sweep(&mut iface)?;
        }
        return Ok(false);
    };
    let what = format!("interface {}: filter {}", iface.link.name, filter.handle);
    iface.socket.del_filter(&filter).map_err(|e| refused_by_router(&what, &e, &[Cap::NET_ADMIN]))?;
    sweep(&mut iface)?;
    Ok(true)
}

fn swap(record: &Record, new: BorrowedFd<'_>) -> Result<(), Error> {
    let Some((mut iface, old)) = there(record)? else {
        return Err(Error::new(ErrorKind::NotFound, "the filter to be replaced is not there any more"));
    };
    let what = format!("interface {}: filter {}", iface.link.name, old.handle);
    let new = NewFilter {
        index: old.index,
        parent: old.parent,
        priority: old.priority,
        handle: old.handle,
        program: new,
        name: &record.label(),
        replace: true,
    };
    iface.socket.add_filter(&new).map(drop).map_err(|e| refused_by_router(&what, &e, &[Cap::NET_ADMIN]))
}

/// Takes the qdisc away if nothing hangs on it.
fn remove_qdisc(iface: &mut Iface) -> Result<bool, Error> {
    let what = format!("interface {}: its clsact qdisc", iface.link.name);
    let wrong = |e: Refused| refused_by_router(&what, &e, &[Cap::NET_ADMIN]);
    if !iface.socket.has_clsact(iface.link.index).map_err(wrong)? {
        return Ok(false);
    }
    if !filters(iface, INGRESS)?.is_empty() || !filters(iface, EGRESS)?.is_empty() {
        return Err(Error::new(ErrorKind::Os(Errno::EBUSY.0), format!("{what}: others' filters hang on it")));
    }
    iface.socket.del_clsact(iface.link.index).map(|()| true).map_err(wrong)
}

/// Takes away a qdisc that skep made, if this was its last filter.
fn sweep(iface: &mut Iface) -> Result<(), Error> {
    let made = records()
        .into_iter()
        .find(|r| r.hook() == HOOK.name && r.get("what") == Some("qdisc") && iface.is_of(r));
    let Some(record) = made else { return Ok(()) };
    match remove_qdisc(iface) {
        Ok(_) => record.forget(),
        Err(e) if e.kind() == ErrorKind::Os(Errno::EBUSY.0) => Ok(()),
        Err(e) => Err(e),
    }
}
