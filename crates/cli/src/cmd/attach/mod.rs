//! `skep attach`: loads an object into Linux, hangs its programs where they belong, and shows what they emit until it
//! is told to end; then everything is taken down again, unless it was to stay.

#[cfg(all(target_os = "linux", not(skep_portable)))]
mod linux;
mod object;
#[cfg(all(target_os = "linux", not(skep_portable)))]
mod watch;

#[cfg(all(target_os = "linux", not(skep_portable)))]
pub(super) use linux::{enter, failure, fill};
pub(super) use object::ObjectArgs;

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

use crate::Verdict;
use crate::failure::Failure;
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  skep attach examples/xdp_firewall.o --iface veth0
                                               until Ctrl-C; then it is detached
  skep attach prog.o --iface veth0 --mode generic --for 10 --json
  skep attach tc.o --prog mark --direction egress --iface veth0
  skep attach tc.o --iface veth0 --no-link --pin /sys/fs/bpf/tc
                                               as a clsact filter, which stays
  skep attach prog.o --target tracepoint/sched/sched_switch
  skep attach filter.o --iptables INPUT:DROP --for 60
                                               a socket filter as the match of a rule
  skep attach policy.o --target-prog /sys/fs/bpf/dispatcher
                                               freplace/FUNCTION in the place of a program's function
  skep attach nf.o --hook ipv4/local_in --netns skep-test
  skep attach new.o --replace /sys/fs/bpf/firewall/xdp_firewall
                                               another program in its place, without a gap

What is attached by link, perf event or socket goes with this process, however it ends. What can't (--no-link, routes, rules)
is taken down on Ctrl-C, SIGTERM, SIGHUP and panic; `skep detach --stale` takes down what a killed one left.

Exit codes: 0 attached, and detached again or kept; 2 it could not be.";

/// Load an object into Linux and attach its programs, until told to end
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    object: ObjectArgs,

    #[command(flatten)]
    target: TargetArgs,

    /// Keep it attached and end: links are pinned below this directory, by program name
    #[arg(long, value_name = "DIR", conflicts_with_all = ["for_seconds", "replace"])]
    pin: Option<PathBuf>,

    /// Put the program into the link that is pinned here, at once, and end
    #[arg(long, value_name = "PATH", conflicts_with = "for_seconds")]
    replace: Option<PathBuf>,

    /// End after so long
    #[arg(long = "for", value_name = "SECONDS", value_parser = seconds)]
    for_seconds: Option<Duration>,
}

/// Where to attach.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Target")]
pub(crate) struct TargetArgs {
    /// A section name that stands in for the object's, such as uprobe//bin/x:symbol
    #[arg(long, value_name = "SECTION")]
    target: Option<String>,

    /// An interface, by name or number
    #[arg(long, value_name = "NAME")]
    iface: Option<String>,

    /// A cgroup's directory
    #[arg(long, value_name = "PATH")]
    cgroup: Option<PathBuf>,

    /// Only this process: probes and perf events
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,

    /// A map of the object, for sockmap programs
    #[arg(long, value_name = "NAME")]
    map: Option<String>,

    /// netfilter: family and hook, such as ipv4/local_in
    #[arg(long, value_name = "HOOK")]
    hook: Option<String>,

    /// Socket filters as matches of a rule: [TABLE/]CHAIN[:TARGET], such as INPUT:DROP
    #[arg(long, value_name = "RULE")]
    iptables: Option<String>,

    /// LWT: the route's destination, such as 10.0.0.0/24
    #[arg(long, value_name = "PREFIX")]
    route: Option<String>,

    /// The network namespace to work in: a name, or a path
    #[arg(long, value_name = "NETNS")]
    netns: Option<PathBuf>,

    /// XDP: where the program sits; the driver first without it
    #[arg(long, value_name = "MODE")]
    mode: Option<ModeArg>,

    /// tc: which packets, if the section does not tell
    #[arg(long, value_name = "WAY")]
    direction: Option<DirectionArg>,

    /// netfilter, clsact: the order among several
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    priority: Option<i32>,

    /// Perf events: only this CPU
    #[arg(long, value_name = "CPU")]
    cpu: Option<u32>,

    /// Perf events: samples a second
    #[arg(long, value_name = "HZ")]
    frequency: Option<u64>,

    /// What bpf_get_attach_cookie answers
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    cookie: u64,

    /// Without a link, as before there were any: netlink XDP, clsact filters, cgroups
    #[arg(long)]
    no_link: bool,
}

/// `--mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ModeArg {
    Native,
    Generic,
    Offload,
}

/// `--direction`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DirectionArg {
    Ingress,
    Egress,
}

/// A number of seconds, with a fraction.
fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(number).map_err(|e| e.to_string())
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
