//! `skep detach`: takes down what is attached: one link, what is on an interface, or what dead owners left.

use std::path::PathBuf;

use crate::Verdict;
use crate::failure::Failure;
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  skep detach --stale                          what killed processes left, and only that
  skep detach --link 12                        one link, by its id
  skep detach --pin /sys/fs/bpf/firewall/xdp_firewall
                                               the link that is pinned there, and the pin
  skep detach --iface veth0                    links, XDP and skep's filters on an interface
  skep detach --hook tc                        what skep keeps on a hook (attach --no-link --pin)

Exit codes: 0 everything found was detached, 1 there was nothing, 2 something could not be.";

/// Take down what is attached to Linux
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
#[group(required = true, multiple = true)]
pub(crate) struct Args {
    /// What dead owners left that does not go by itself
    #[arg(long, conflicts_with_all = ["link", "pin", "iface", "hook"])]
    stale: bool,

    /// A link, by its id
    #[arg(long, value_name = "ID", conflicts_with_all = ["pin", "iface", "hook"])]
    link: Option<u32>,

    /// A link that is pinned, and its pin
    #[arg(long, value_name = "PATH", conflicts_with_all = ["iface", "hook"])]
    pin: Option<PathBuf>,

    /// An interface, by name or number
    #[arg(long, value_name = "NAME")]
    iface: Option<String>,

    /// Only this hook: xdp, tc, ...
    #[arg(long, value_name = "HOOK")]
    hook: Option<String>,

    /// The network namespace to work in: a name, or a path
    #[arg(long, value_name = "NETNS", requires = "iface")]
    netns: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Verdict, Failure> {
    #[cfg(all(target_os = "linux", not(skep_portable)))]
    return linux::run(args, out);
    #[cfg(not(all(target_os = "linux", not(skep_portable))))]
    {
        let _ = (args, out);
        Err(super::no_linux())
    }
}

#[cfg(all(target_os = "linux", not(skep_portable)))]
mod linux {
    use std::io::Write;

    use serde_json::json;
    use skep::kernel::attach::{self, Detached, Record};

    use super::Args;
    use crate::Verdict;
    use crate::cmd::attach::{enter, failure};
    use crate::failure::Failure;
    use crate::names;
    use crate::output::{Output, Style};

    pub(super) fn run(args: &Args, out: &mut Output) -> Result<Verdict, Failure> {
        check_hook(args.hook.as_deref())?;
        enter(args.netns.as_deref())?;
        let found = if args.stale {
            attach::detach_stale()
        } else if let Some(id) = args.link {
            vec![attach::detach_link(id)]
        } else if let Some(path) = &args.pin {
            vec![attach::detach_pinned(path)]
        } else if let Some(iface) = &args.iface {
            attach::detach_iface(iface, args.hook.as_deref()).map_err(|e| failure(&e))?
        } else {
            let wanted = |r: &Record| r.kept() && args.hook.as_deref() == Some(r.hook());
            attach::detach_recorded(wanted)
        };
        let mut failed = None;
        let mut any = false;
        for one in found {
            match &one.outcome {
                Ok(true) => any = true,
                Ok(false) => {}
                Err(e) if failed.is_none() && !one.in_use() => failed = Some(failure(e)),
                Err(_) => {}
            }
            say(&one, out)?;
        }
        match (failed, any) {
            (Some(failure), _) => Err(failure),
            (None, true) => Ok(Verdict::Yes),
            (None, false) if args.stale => Ok(Verdict::Yes),
            (None, false) => {
                out.note("there was nothing to detach");
                Ok(Verdict::No)
            }
        }
    }

    fn check_hook(name: Option<&str>) -> Result<(), Failure> {
        let known: Vec<&str> = attach::HOOKS.iter().map(|h| h.name).collect();
        match name {
            Some(name) if !known.contains(&name) => {
                Err(Failure::new(format!("no hook `{name}`")).hint_opt(names::suggestion(name, known)))
            }
            _ => Ok(()),
        }
    }

    fn say(one: &Detached, out: &mut Output) -> Result<(), Failure> {
        let state = match &one.outcome {
            Ok(true) => "detached",
            Ok(false) => "gone",
            Err(_) => "failed",
        };
        if out.json {
            return out.object(&json!({
                "schema": "skep.detach/1",
                "what": one.what,
                "hook": one.hook,
                "program": one.program,
                "owner": one.owner,
                "state": state,
                "error": one.outcome.as_ref().err().map(ToString::to_string),
            }));
        }
        let what = out.paint(Style::Name, &one.what);
        let owner = one.owner.map(|pid| format!(", of process {pid}")).unwrap_or_default();
        match &one.outcome {
            Ok(true) => writeln!(out, "detached {what}{owner}")?,
            Ok(false) => writeln!(out, "{what}{owner}: it was gone")?,
            Err(e) => writeln!(out, "{what}{owner}: {e}")?,
        }
        Ok(())
    }
}
