//! Without rights, and with only some: each command of the kernel's world ends with 2, names the capability that is missing, and
//! leaves nothing behind. Run as nobody, in a process whose capabilities setpriv(1) took away; skipped, with the reason,
//! where this process has none to give.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::root;

/// Numbers of capabilities.
const NET_ADMIN: u32 = 12;
const SYS_ADMIN: u32 = 21;
const PERFMON: u32 = 38;
const BPF: u32 = 39;

const XDP: &str = "examples/xdp_firewall.o";
const ITERATORS: &str = "tests/objects/iterators.o";
const TABLE: &str = "tests/objects/congestion.o";
const TRAFFIC: &str = "examples/traffic.pcapng";
/// Replaced by a path in the BPF file system where something would be pinned.
const PIN: &str = "PIN";

/// What is given, the command, and what it must name. Commands that only read what anyone may are not here.
const ROWS: &[(&[u32], &[&str], &str)] = &[
    (&[], &["load", XDP], "needs CAP_BPF"),
    (&[], &["load", XDP, "--pin", PIN], "needs CAP_BPF"),
    (&[], &["attach", XDP, "--iface", "lo"], "needs CAP_BPF"),
    (&[], &["run", XDP, "--pcap", TRAFFIC, "--backend", "kernel"], "needs CAP_BPF"),
    (&[], &["compare", XDP, "--pcap", TRAFFIC], "needs CAP_BPF"),
    (&[], &["feature"], "needs CAP_BPF"),
    (&[], &["top", "--once"], "needs CAP_SYS_ADMIN"),
    (&[], &["prog", "list"], "needs CAP_SYS_ADMIN"),
    (&[], &["prog", "show", "id", "1"], "needs CAP_SYS_ADMIN"),
    (&[], &["prog", "loadall", XDP, PIN], "needs CAP_BPF"),
    (&[], &["prog", "tracelog"], "needs CAP_SYS_ADMIN"),
    (&[], &["map", "list"], "needs CAP_SYS_ADMIN"),
    (&[], &["map", "dump", "id", "1"], "needs CAP_SYS_ADMIN"),
    (
        &[],
        &["map", "create", PIN, "type", "hash", "key", "4", "value", "4", "entries", "4", "name", "m"],
        "needs CAP_BPF",
    ),
    (&[], &["link", "list"], "needs CAP_SYS_ADMIN"),
    (&[], &["btf", "list"], "needs CAP_SYS_ADMIN"),
    (&[], &["net", "list"], "needs CAP_NET_ADMIN"),
    (&[], &["perf", "list"], "needs CAP_SYS_ADMIN"),
    (&[], &["cgroup", "tree"], "needs CAP_NET_ADMIN"),
    (&[], &["struct_ops", "list"], "needs CAP_SYS_ADMIN"),
    (&[], &["iter", ITERATORS, "--prog", "threads"], "needs CAP_BPF"),
    (&[], &["attach", XDP, "--replace", PIN], "needs CAP_BPF"),
    (&[], &["struct_ops", "register", TABLE], "needs CAP_BPF"),
    (&[], &["struct_ops", "unregister", "id", "1"], "needs CAP_SYS_ADMIN"),
    (&[], &["prog", "load", XDP, PIN], "needs CAP_BPF"),
    (&[], &["prog", "pin", "id", "1", PIN], "needs CAP_SYS_ADMIN"),
    (&[], &["prog", "run", "id", "1", "data_in", TRAFFIC], "needs CAP_SYS_ADMIN"),
    (&[], &["prog", "stats", "id", "1"], "needs CAP_SYS_ADMIN"),
    (&[], &["prog", "dump", "xlated", "id", "1"], "needs CAP_SYS_ADMIN"),
    (&[], &["prog", "dump", "jited", "id", "1"], "needs CAP_SYS_ADMIN"),
    (&[], &["map", "lookup", "id", "1", "key", "0"], "needs CAP_SYS_ADMIN"),
    (&[], &["map", "getnext", "id", "1"], "needs CAP_SYS_ADMIN"),
    (&[], &["map", "update", "id", "1", "key", "0", "value", "0"], "needs CAP_SYS_ADMIN"),
    (&[], &["map", "delete", "id", "1", "key", "0"], "needs CAP_SYS_ADMIN"),
    (&[], &["map", "push", "id", "1", "value", "0"], "needs CAP_SYS_ADMIN"),
    (&[], &["map", "pop", "id", "1"], "needs CAP_SYS_ADMIN"),
    (&[], &["map", "peek", "id", "1"], "needs CAP_SYS_ADMIN"),
    (&[], &["map", "freeze", "id", "1"], "needs CAP_SYS_ADMIN"),
    (&[], &["map", "pin", "id", "1", PIN], "needs CAP_SYS_ADMIN"),
    (&[], &["map", "event_pipe", "id", "1"], "needs CAP_SYS_ADMIN"),
    (&[], &["link", "show", "id", "1"], "needs CAP_SYS_ADMIN"),
    (&[], &["link", "detach", "id", "1"], "needs CAP_SYS_ADMIN"),
    (&[], &["link", "pin", "id", "1", PIN], "needs CAP_SYS_ADMIN"),
    (&[], &["detach", "--link", "1"], "needs CAP_SYS_ADMIN"),
    (&[], &["btf", "dump", "id", "1"], "needs CAP_SYS_ADMIN"),
    (&[], &["cgroup", "attach", "/sys/fs/cgroup", "ingress", "id", "1"], "needs CAP_SYS_ADMIN"),
    (&[], &["cgroup", "detach", "/sys/fs/cgroup", "ingress", "id", "1"], "needs CAP_SYS_ADMIN"),
    (&[], &["seccomp", "disasm", "--pid", "1"], "needs CAP_SYS_PTRACE and CAP_SYS_ADMIN"),
    (&[], &["filter", "ip", "-i", "lo"], "needs CAP_NET_RAW"),
    (&[NET_ADMIN], &["load", XDP], "needs CAP_BPF"),
    (&[BPF], &["load", XDP], "needs CAP_NET_ADMIN"),
    (&[BPF], &["attach", XDP, "--iface", "lo"], "needs CAP_NET_ADMIN"),
    (&[BPF], &["compare", XDP, "--pcap", TRAFFIC], "needs CAP_NET_ADMIN"),
    (&[BPF], &["prog", "loadall", XDP, PIN], "needs CAP_NET_ADMIN"),
    (&[BPF, NET_ADMIN], &["load", "tests/corpus/rights.bpf"], "needs CAP_PERFMON"),
    (&[BPF, NET_ADMIN, PERFMON], &["prog", "list"], "needs CAP_SYS_ADMIN"),
    (&[BPF, NET_ADMIN, PERFMON], &["top", "--once"], "needs CAP_SYS_ADMIN"),
    (&[BPF, NET_ADMIN, PERFMON], &["link", "list"], "needs CAP_SYS_ADMIN"),
];

/// A copy of the command that anyone may run, in a directory that goes when this is dropped.
struct Place(PathBuf);

impl Place {
    fn new() -> Option<Self> {
        use std::os::unix::fs::PermissionsExt;
        let place = Self(std::env::temp_dir().join(format!("skep-rights-{}", std::process::id())));
        let open = |path: &Path| std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755));
        std::fs::create_dir(&place.0).ok()?;
        open(&place.0).ok()?;
        std::fs::copy(env!("CARGO_BIN_EXE_skep"), place.0.join("skep")).ok()?;
        open(&place.0.join("skep")).ok()?;
        for file in [XDP, TRAFFIC, ITERATORS, TABLE] {
            let to = place.0.join(file);
            std::fs::create_dir_all(to.parent()?).ok()?;
            std::fs::copy(root().join(file), &to).ok()?;
        }
        let tracing = place.0.join("tests/corpus/rights.bpf");
        std::fs::create_dir_all(tracing.parent()?).ok()?;
        std::fs::write(tracing, "#! prog = tracepoint\nr0 = 0\nexit\n").ok()?;
        Some(place)
    }

    /// Runs it as nobody, with these capabilities; its code and stderr.
    fn run(&self, caps: &[u32], args: &[&str]) -> Option<(i32, String)> {
        let set = caps.iter().fold("-all".to_owned(), |set, cap| format!("{set},+cap_{cap}"));
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        command.args([format!("--inh-caps={set}"), format!("--ambient-caps={set}")]);
        command.arg(format!("--bounding-set={set}")).arg(self.0.join("skep")).args(args);
        let done = command.current_dir(&self.0).stdin(Stdio::null()).output().ok()?;
        Some((done.status.code()?, String::from_utf8_lossy(&done.stderr).into_owned()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What can't be removed lies in a temporary directory.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn what_is_missing_is_named_and_nothing_stays() {
    let Some(place) = Place::new() else {
        println!("skipped: no directory for a copy of the command");
        return;
    };
    let all = [NET_ADMIN, SYS_ADMIN, PERFMON, BPF];
    if place.run(&all, &["--version"]).is_none_or(|(code, _)| code != 0) {
        println!("skipped: setpriv is not there, or this process has no capabilities to give");
        return;
    }
    if skep::kernel::Kernel::new().refusal().is_some() {
        println!("skipped: bpf(2) is closed to this process, too");
        return;
    }
    let pin = format!("/sys/fs/bpf/skep-rights-{}", std::process::id());
    for (caps, args, needs) in ROWS {
        let args: Vec<&str> = args.iter().map(|a| if *a == PIN { pin.as_str() } else { a }).collect();
        let (code, stderr) = place.run(caps, &args).expect("runs");
        assert_eq!(code, 2, "{args:?} with {caps:?}: {stderr}");
        assert!(stderr.contains(needs), "{args:?} with {caps:?}: {stderr}");
        assert!(!Path::new(&pin).exists(), "{args:?} with {caps:?} left {pin}");
    }
    // What is enough is enough.
    let (code, stderr) = place.run(&[BPF, NET_ADMIN, PERFMON], &["load", XDP]).expect("runs");
    assert_eq!(code, 0, "{stderr}");
}
