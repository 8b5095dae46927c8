//! `skep load`, `attach` and `detach` from outside, in network namespaces of the test's own: what is attached goes
//! however the command ends, or is found by `detach --stale`. Skipped, with the reason, without the rights.
#![cfg(all(target_os = "linux", not(skep_portable)))]

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use skep::kernel::Kernel;
use skep::kernel::attach::records;
use skep_sys::Cap;
use skep_sys::caps::Caps;
use skep_sys::netlink::{INGRESS, Socket};

use crate::schema::violations;
use crate::{root, skep};

const FIREWALL: &str = "examples/xdp_firewall.o";
const MARKER: &str = "examples/tc_marker.o";

/// Whether this process may attach programs in a namespace of its own.
fn may() -> bool {
    let lacks = Caps::current().ok().and_then(|c| c.lacks(&[Cap::SYS_ADMIN, Cap::NET_ADMIN]));
    let why = Kernel::new().refusal().or_else(|| lacks.map(|cap| format!("needs {cap}")));
    if let Some(why) = &why {
        println!("skipped: {why}");
    }
    why.is_none()
}

/// Does something in a namespace with a pair of interfaces, `v0` and `v1`; what is started inside is in it, too.
pub(crate) fn in_netns(f: impl FnOnce() + Send) {
    if !may() {
        return;
    }
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            skep_sys::netns::unshare().expect("a namespace");
            let pair = ["link", "add", "v0", "type", "veth", "peer", "name", "v1"];
            match Command::new("ip").args(pair).status() {
                Ok(done) if done.success() => {}
                why => {
                    println!("skipped: iproute2 makes no veth pair: {why:?}");
                    return;
                }
            }
            f();
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}

fn xdp() -> usize {
    Socket::open().unwrap().link("v0").unwrap().xdp.len()
}

/// Labels of the filters on what comes.
fn filters() -> Vec<String> {
    let mut socket = Socket::open().unwrap();
    let index = socket.link("v0").unwrap().index;
    let all = socket.filters(index, INGRESS).unwrap();
    all.into_iter().filter_map(|f| f.bpf).map(|b| b.name).collect()
}

fn clsact() -> bool {
    let mut socket = Socket::open().unwrap();
    let index = socket.link("v0").unwrap().index;
    socket.has_clsact(index).unwrap()
}

fn recorded(pid: u32) -> usize {
    records().iter().filter(|r| r.pid() == pid).count()
}

/// A command that runs on; killed when this is dropped.
struct Running {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Running {
    /// Starts `skep attach ... --json` and waits until it says that it is attached.
    fn start(args: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_skep"))
            .arg("attach")
            .args(args)
            .arg("--json")
            .current_dir(root())
            .stdout(Stdio::piped())
            .spawn()
            .expect("skep starts");
        let lines = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut running = Self { child, lines };
        assert_eq!(running.next()["event"], "attached");
        running
    }

    fn next(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("text");
        let json = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e} in {line:?}"));
        keeps("attach", &json);
        json
    }

    fn signal(&self, name: &str) {
        let done = Command::new("kill").args([name, &self.child.id().to_string()]).status();
        assert!(done.expect("kill is installed").success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[track_caller]
fn keeps(command: &str, json: &Value) {
    let path = root().join(format!("docs/schema/skep.{command}-1.schema.json"));
    let schema = serde_json::from_str(&std::fs::read_to_string(path).expect("is there")).expect("JSON");
    assert_eq!(violations(&schema, json), Vec::<String>::new(), "{json}");
}

/// Each line of a stream.
#[track_caller]
fn lines(command: &str, text: &str) -> Vec<Value> {
    let all: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).expect("a line of JSON")).collect();
    all.iter().for_each(|json| keeps(command, json));
    all
}

#[test]
fn a_signal_ends_it_in_order() {
    in_netns(|| {
        for signal in ["-INT", "-TERM", "-HUP"] {
            for (object, direction) in [(FIREWALL, None), (MARKER, Some("--direction=ingress"))] {
                let mut args = vec![object, "--iface", "v0", "--no-link"];
                args.extend(direction);
                let mut running = Running::start(&args);
                assert_eq!(xdp() + filters().len(), 1);
                assert!(recorded(running.child.id()) > 0);
                running.signal(signal);
                assert_eq!(running.next()["event"], "end");
                assert_eq!(running.child.wait().expect("it ends").code(), Some(0), "{signal}");
                assert_eq!((xdp(), filters().len(), clsact()), (0, 0, false), "{signal}");
                assert_eq!(recorded(running.child.id()), 0);
            }
        }
    });
}

#[test]
fn what_a_killed_one_left_is_found_and_nothing_else() {
    in_netns(|| {
        let mut killed = Running::start(&[MARKER, "--iface", "v0", "--no-link", "--direction", "ingress"]);
        let lives = Running::start(&[FIREWALL, "--iface", "v0", "--no-link"]);
        let linked = Running::start(&[MARKER, "--iface", "v0", "--direction", "egress"]);
        killed.signal("-KILL");
        killed.child.wait().expect("it ends");
        assert_eq!(filters(), [format!("skep:{}:tc_marker", killed.child.id())], "it stays, with its mark");
        assert_eq!(recorded(killed.child.id()), 2, "the filter and the qdisc");
        let said = lines("detach", &skep(&["detach", "--stale", "--json"]).ok());
        let owned = |pid: u32| said.iter().filter(|l| l["owner"] == json!(pid)).count();
        assert_eq!((owned(killed.child.id()), owned(lives.child.id())), (2, 0), "{said:?}");
        assert!(said.iter().all(|l| l["owner"] != json!(killed.child.id()) || l["state"] == "detached"));
        assert_eq!((filters().len(), clsact()), (0, false));
        assert_eq!(xdp(), 1, "its owner lives");
        assert_eq!(recorded(killed.child.id()), 0);
        // What a link holds goes without any help.
        linked.signal("-KILL");
        drop(linked);
        drop(lives);
        assert_eq!(xdp(), 1, "killed by the test");
        skep(&["detach", "--stale"]).ok();
        assert_eq!(xdp(), 0);
    });
}

#[test]
fn a_rule_of_a_killed_one_is_found() {
    let rules = || {
        let out = Command::new("iptables").args(["-S", "INPUT"]).output().ok()?;
        Some(String::from_utf8_lossy(&out.stdout).into_owned()).filter(|_| out.status.success())
    };
    if !skep_sys::pin::is_bpffs(Path::new("/sys/fs/bpf")) {
        println!("skipped: no BPF file system is mounted on /sys/fs/bpf");
        return;
    }
    in_netns(|| {
        if rules().is_none() {
            println!("skipped: iptables does not run");
            return;
        }
        let args = ["tests/objects/net.o", "--prog", "match", "--iptables", "INPUT:DROP"];
        for signal in ["-INT", "-KILL"] {
            let mut running = Running::start(&args);
            let pid = running.child.id();
            let label = format!("skep:{pid}:match");
            assert!(rules().is_some_and(|r| r.contains(&label)));
            running.signal(signal);
            running.child.wait().expect("it ends");
            let stays = signal == "-KILL";
            assert_eq!(rules().is_some_and(|r| r.contains(&label)), stays, "{signal}");
            skep(&["detach", "--stale"]).ok();
            assert!(rules().is_some_and(|r| !r.contains("skep")), "{:?}", rules());
            assert!(!Path::new(&format!("/sys/fs/bpf/skep-{pid}-0")).exists());
            assert_eq!(recorded(pid), 0);
        }
    });
}

/// A directory in the BPF file system that goes with what is in it.
struct PinDir(PathBuf);

impl PinDir {
    fn new(name: &str) -> Option<Self> {
        let path = PathBuf::from(format!("/sys/fs/bpf/skep{}-{name}", std::process::id()));
        if skep_sys::pin::is_bpffs(&path) {
            return Some(Self(path));
        }
        println!("skipped: no BPF file system is mounted on /sys/fs/bpf");
        None
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("ASCII")
    }
}

impl Drop for PinDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn what_is_kept_stays_until_it_is_detached() {
    let Some(dir) = PinDir::new("kept") else { return };
    in_netns(|| {
        let attach = |args: &[&str]| {
            let said = skep(&[&["attach", FIREWALL, "--json"], args].concat()).ok();
            lines("attach", &said)
        };
        let said = attach(&["--iface", "v0", "--pin", dir.path()]);
        let link = dir.0.join("xdp_firewall");
        assert_eq!(said[1]["event"], "kept");
        assert_eq!(said[1]["path"], json!(link.to_str()));
        assert_eq!((xdp(), link.exists()), (1, true));
        let first = program();
        let link = link.to_str().expect("ASCII");
        assert_eq!(attach(&["--replace", link])[0]["event"], "replaced");
        assert_eq!(xdp(), 1);
        assert_ne!(program(), first, "another program sits there");
        let said = lines("detach", &skep(&["detach", "--pin", link, "--json"]).ok());
        assert_eq!(said[0]["state"], "detached");
        assert_eq!((xdp(), Path::new(link).exists()), (0, false));

        // What stays without a link is not stale, for it is meant to stay.
        attach(&["--iface", "v0", "--no-link", "--pin", dir.path()]);
        skep(&["detach", "--stale"]).ok();
        assert_eq!(xdp(), 1);
        let said = lines("detach", &skep(&["detach", "--iface", "v0", "--json"]).ok());
        assert_eq!((said[0]["state"].as_str(), xdp()), (Some("detached"), 0));
        assert_eq!(skep(&["detach", "--iface", "v0"]).code, 1, "there is nothing");

        attach(&["--iface", "v0", "--pin", dir.path()]);
        skep(&["detach", "--iface", "v0", "--hook", "tc"]);
        assert_eq!(xdp(), 1, "another hook");
        skep(&["detach", "--iface", "v0", "--hook", "xdp"]).ok();
        assert_eq!(xdp(), 0);
    });
}

/// The id of the program on the interface.
fn program() -> u32 {
    Socket::open().unwrap().link("v0").unwrap().xdp[0].prog_id
}

#[test]
fn it_ends_when_the_time_is_over() {
    in_netns(|| {
        for args in [&["--mode", "generic"][..], &[]] {
            let said = skep(&[&["attach", FIREWALL, "--iface", "v0", "--for", "0.1"], args].concat()).ok();
            let mode = if args.is_empty() { "native" } else { "generic" };
            assert!(said.contains(&format!("attached xdp_firewall to xdp v0 ({mode}), link ")), "{said}");
            assert!(said.contains("xdp_firewall: ran 0 times"), "{said}");
        }
        let said = skep(&["attach", FIREWALL]).fails(2);
        assert!(said.contains("hint: program `xdp_firewall` needs --iface"), "{said}");
        let said = skep(&["attach", FIREWALL, "--iface", "v9"]).fails(2);
        assert!(said.contains("there is no interface `v9`"), "{said}");
        let said = skep(&["detach", "--hook", "xpd"]).fails(2);
        assert!(said.contains("did you mean `xdp`?"), "{said}");
    });
}

#[test]
fn what_is_loaded_goes_unless_it_is_pinned() {
    let Some(dir) = PinDir::new("load") else { return };
    if !may() {
        return;
    }
    let gone = skep(&["load", FIREWALL, "--json"]).json();
    keeps("load", &gone);
    assert_eq!(gone["programs"][0]["name"], "xdp_firewall");
    assert_eq!(gone["pinned"], json!([]));
    let kept = skep(&["load", FIREWALL, "--json", "--pin", dir.path()]).json();
    keeps("load", &kept);
    assert!(dir.0.join("xdp_firewall").exists() && dir.0.join("maps/counters").exists());
    let said = skep(&["load", FIREWALL, "--pin", dir.path()]).fails(2);
    assert!(said.contains("file exists (EEXIST)"), "{said}");
    assert!(dir.0.join("maps/counters").exists(), "the first one's pins stay");
    let said = skep(&["load", FIREWALL, "--pin", "/tmp/skep-no-bpffs"]).fails(2);
    assert!(said.contains("mount -t bpf bpf /sys/fs/bpf"), "{said}");
    assert!(!Path::new("/tmp/skep-no-bpffs").exists(), "nothing is left behind");
}

/// Runs a command without some rights.
fn without(rights: impl FnOnce(&mut Command), args: &[&str]) -> Option<(Option<i32>, String)> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_skep"));
    command.args(args).current_dir(root());
    rights(&mut command);
    match command.output() {
        Ok(out) => Some((out.status.code(), String::from_utf8_lossy(&out.stderr).into_owned())),
        Err(e) => {
            println!("skipped: nobody can't run {}: {e}", env!("CARGO_BIN_EXE_skep"));
            None
        }
    }
}

#[test]
fn without_rights_the_missing_one_is_named_and_nothing_is_left() {
    in_netns(|| {
        let nobody = |c: &mut Command| {
            c.uid(65534).gid(65534);
        };
        for args in [
            &["attach", FIREWALL, "--iface", "v0"][..],
            &["attach", FIREWALL, "--iface", "v0", "--no-link"],
            &["attach", MARKER, "--iface", "v0", "--direction", "ingress", "--no-link"],
            &["load", FIREWALL],
            &["load", FIREWALL, "--pin", "/sys/fs/bpf/skep-nobody"],
            &["detach", "--link", "1"],
        ] {
            let Some((code, said)) = without(nobody, args) else { return };
            assert_eq!(code, Some(2), "{args:?}: {said}");
            assert!(said.contains("needs CAP_"), "{args:?}: {said}");
        }
        // With CAP_BPF alone it is the next one.
        for args in [&[FIREWALL, "--iface", "v0"][..], &["tests/objects/net.o", "--iface", "v0"]] {
            let drop = "-net_admin,-sys_admin";
            let bounds = [format!("--bounding-set={drop}"), format!("--inh-caps={drop}")];
            let mut command = Command::new("setpriv");
            command.args(bounds).arg(env!("CARGO_BIN_EXE_skep")).arg("attach").args(args);
            let Ok(out) = command.current_dir(root()).output() else {
                println!("skipped: setpriv is not installed");
                break;
            };
            let said = String::from_utf8_lossy(&out.stderr);
            assert_eq!(out.status.code(), Some(2), "{args:?}: {said}");
            assert!(said.contains("needs CAP_NET_ADMIN"), "{args:?}: {said}");
        }
        assert_eq!((xdp(), clsact()), (0, false));
        assert!(!Path::new("/sys/fs/bpf/skep-nobody").exists());
    });
}
