//! `skep attach` on Linux: load, attach, and what is said of it.

use std::io::Write;
use std::path::Path;

use serde_json::json;
use skep::kernel::attach::{Attached, Direction, Mode, Search, Target};
use skep::kernel::{Kernel, Live};
use skep_sys::signal::{HUP, INT, Signals, TERM};

use super::{Args, DirectionArg, ModeArg, TargetArgs, watch};
use crate::Verdict;
use crate::cmd::run;
use crate::events::Records;
use crate::failure::Failure;
use crate::output::{Output, Style};

pub(super) fn run(args: &Args, out: &mut Output) -> Result<Verdict, Failure> {
    let text = run::read(&args.object.file, false)?;
    let spec = &text.spec;
    let options = args.object.options(spec)?;
    // From here on a signal waits until everything is in place, and then takes it down in order.
    let signals =
        Signals::hold(&[INT, TERM, HUP]).map_err(|e| Failure::new(format!("holding signals: {e}")))?;
    enter(args.target.netns.as_deref())?;
    let kernel = Kernel::new().pin_maps_in(&args.object.pin_maps);
    let mut live = kernel.load(spec, &options).map_err(|e| run::engine::failure(&e, spec))?;
    fill(&mut live, &text.entries)?;
    if let Some(path) = &args.replace {
        return replace(&live, path, &args.object.prog, out);
    }
    let attached = attach_all(&live, args, out)?;
    for a in &attached {
        say(a, out)?;
    }
    out.flush()?;
    if let Some(dir) = &args.pin {
        return keep(attached, &mut live, dir, out);
    }
    let ended = watch::until_told(&mut live, &signals, args.for_seconds, &Records::of(spec), out);
    // Also when nobody reads what is shown any more.
    let detached = detach_all(attached);
    ended.and(detached)?;
    Ok(Verdict::Yes)
}

/// Entries of maps that a text holds.
pub(in crate::cmd) fn fill(live: &mut Live, entries: &[(String, Vec<u8>, Vec<u8>)]) -> Result<(), Failure> {
    use skep::backend::Loaded;
    for (map, key, value) in entries {
        let found = live.map(map).ok_or_else(|| Failure::new(format!("no map `{map}`")))?;
        found.update(key, value, 0).map_err(|e| Failure::new(format!("map `{map}`: {e}")))?;
    }
    Ok(())
}

/// Moves this thread, which is the only one, into a network namespace.
pub(in crate::cmd) fn enter(netns: Option<&Path>) -> Result<(), Failure> {
    use std::os::fd::AsFd;
    let Some(path) = netns else { return Ok(()) };
    let path = match path.components().count() {
        1 if !path.is_absolute() => Path::new("/run/netns").join(path),
        _ => path.to_owned(),
    };
    let entered = skep_sys::netns::open(&path).and_then(|fd| skep_sys::netns::enter(fd.as_fd()));
    entered.map_err(|e| {
        let failure = Failure::new(format!("network namespace {}: {e}", path.display()));
        let lacks = skep_sys::caps::Caps::current().ok().and_then(|c| c.lacks(&[skep_sys::Cap::SYS_ADMIN]));
        match (e, lacks) {
            (skep_sys::Errno::EPERM, Some(cap)) => failure.context(format_args!("needs {cap}")),
            _ => failure,
        }
    })
}

fn target(args: &TargetArgs) -> Target {
    Target {
        section: args.target.clone(),
        iface: args.iface.clone(),
        cgroup: args.cgroup.clone(),
        pid: args.pid,
        map: args.map.clone(),
        hook: args.hook.clone(),
        iptables: args.iptables.clone(),
        route: args.route.clone(),
        cpu: args.cpu,
        frequency: args.frequency,
        mode: args.mode.map(|m| match m {
            ModeArg::Native => Mode::Native,
            ModeArg::Generic => Mode::Generic,
            ModeArg::Offload => Mode::Offload,
        }),
        direction: args.direction.map(|d| match d {
            DirectionArg::Ingress => Direction::Ingress,
            DirectionArg::Egress => Direction::Egress,
        }),
        priority: args.priority,
        without_link: args.no_link,
        cookie: args.cookie,
        search: search(),
        ..Target::default()
    }
}

/// Where this process looks for programs and libraries.
pub(in crate::cmd) fn search() -> Search {
    let folders = |name| std::env::var_os(name).iter().flat_map(std::env::split_paths).collect();
    Search { programs: folders("PATH"), libraries: folders("LD_LIBRARY_PATH") }
}

/// Whether a flag that a hook can't do without was given.
fn given(target: &Target, flag: &str) -> bool {
    match flag {
        "--iface" => target.iface.is_some(),
        "a socket" => target.socket.is_some(),
        "--cgroup" => target.cgroup.is_some(),
        "--pid" => target.pid.is_some(),
        "--map" => target.map.is_some(),
        "--hook" => target.hook.is_some(),
        "--iptables" => target.iptables.is_some(),
        "--route" => target.route.is_some(),
        // Such as a socket, which only a process that has one can give.
        _ => false,
    }
}

/// Attaches every program that is named, or every one whose target is known. If one fails, all go.
fn attach_all(live: &Live, args: &Args, out: &mut Output) -> Result<Vec<Attached>, Failure> {
    use skep::backend::Loaded;
    let target = target(&args.target);
    let mut attached = Vec::new();
    let mut passed_over = Vec::new();
    for name in live.programs() {
        let named = args.object.prog.contains(&name);
        if !args.object.prog.is_empty() && !named {
            // A program that another one tail-calls.
            continue;
        }
        let lacks = match live.hook(&name, &target) {
            Some(hook) => hook.needs.iter().find(|flag| !given(&target, flag)).copied(),
            None => Some("to be put into a map, or to be run"),
        };
        match lacks {
            Some(what) if !named && target.section.is_none() => passed_over.push((name, what)),
            _ => attached.push(live.attach(&name, &target).map_err(|e| failure(&e))?),
        }
    }
    if attached.is_empty() {
        return Err(match passed_over.first() {
            Some((name, what)) => {
                Failure::new("nothing was attached").hint(format!("program `{name}` needs {what}"))
            }
            None => Failure::new("nothing was attached: the object has no programs"),
        });
    }
    for (name, what) in passed_over {
        out.note(format_args!("program `{name}` is not attached: it needs {what}"));
    }
    Ok(attached)
}

pub(in crate::cmd) fn failure(e: &skep::backend::Error) -> Failure {
    Failure::new(e.to_string()).hint_opt(e.hint().map(str::to_owned))
}

fn say(a: &Attached, out: &mut Output) -> Result<(), Failure> {
    if out.json {
        return out.object(&json!({
            "schema": "skep.attach/1",
            "event": "attached",
            "program": a.program(),
            "hook": a.hook(),
            "target": a.target(),
            "link_id": a.link_id(),
            "outlives": a.outlives(),
        }));
    }
    let name = out.paint(Style::Name, a.program());
    let id = a.link_id().map(|id| format!(", link {id}")).unwrap_or_default();
    writeln!(out, "attached {name} to {} {}{id}", a.hook(), a.target())?;
    Ok(())
}

/// Puts the object's program into a link that is pinned.
fn replace(live: &Live, path: &Path, programs: &[String], out: &mut Output) -> Result<Verdict, Failure> {
    use skep::backend::Loaded;
    let loaded = live.programs();
    let program = match (programs, loaded.as_slice()) {
        ([one], _) | ([], [one]) => one.clone(),
        _ => return Err(Failure::new("a link holds one program").hint("choose it with --prog")),
    };
    let updated = live.replace_pinned(path, &program).map_err(|e| failure(&e))?;
    if out.json {
        out.object(&json!({
            "schema": "skep.attach/1",
            "event": "replaced",
            "program": program,
            "path": path.display().to_string(),
            "link_id": updated,
        }))?;
    } else {
        let name = out.paint(Style::Name, &program);
        writeln!(out, "{name} is in link {updated}, pinned as {}", path.display())?;
    }
    Ok(Verdict::Yes)
}

/// Lets everything stay.
fn keep(attached: Vec<Attached>, live: &mut Live, dir: &Path, out: &mut Output) -> Result<Verdict, Failure> {
    let dirs = live.pin_directory(dir).map_err(|e| failure(&e))?;
    for a in attached {
        let path = dir.join(a.program());
        let linked = a.link_id().is_some();
        let (program, hook) = (a.program().to_owned(), a.hook());
        a.keep(Some(&path)).map_err(|e| failure(&e))?;
        let shown = path.display();
        if out.json {
            out.object(&json!({
                "schema": "skep.attach/1",
                "event": "kept",
                "program": program,
                "hook": hook,
                "path": linked.then(|| shown.to_string()),
            }))?;
        } else if linked {
            writeln!(out, "kept {program}: pinned as {shown}")?;
        } else {
            writeln!(out, "kept {program}: it stays until `skep detach --hook {hook}`")?;
        }
    }
    dirs.keep();
    live.keep_pins();
    Ok(Verdict::Yes)
}

/// Takes everything down, the last first; the first failure is told, when all were tried.
fn detach_all(attached: Vec<Attached>) -> Result<(), Failure> {
    let done = attached.into_iter().rev().map(Attached::detach).fold(Ok(()), Result::and);
    done.map_err(|e| failure(&e).hint("skep detach --stale tries it again"))
}
