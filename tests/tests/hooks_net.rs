//! Programs on interfaces, routes and netfilter hooks, in network namespaces of the test's own. Skipped, with the
//! reason, where this process may not.
#![cfg(all(target_os = "linux", not(skep_portable)))]

use std::net::UdpSocket;
use std::os::fd::{AsFd, AsRawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use skep::kernel::attach::{self, Attached, Direction, Mode, Target};
use skep::kernel::{Kernel, Live};
use skep::object::Spec;
use skep_backend::{ErrorKind, LoadOptions, Loaded};
use skep_sys::netlink::{EGRESS, INGRESS, Socket, XdpMode};
use skep_sys::packet::{Level, PacketSocket};
use skep_tests::lab::{self, global, in_netns, ip, soon};

/// The Ethertype that the programs look for.
const MINE: u16 = 0x88b5;
/// Places in `seen`.
const DROP: usize = 0;
const DROP_TOO: usize = 1;
const PASS: usize = 2;
const SEND_BACK: usize = 3;
const REDIRECT: usize = 4;
const ARRIVED: usize = 5;
const ONWARD: usize = 6;
const COME: usize = 7;
const COME_NOT: usize = 8;
const GO: usize = 9;

/// Programs of `net.o`, in a namespace with the pairs `v0`-`v1` and `w0`-`w1`, all up.
struct Net {
    live: Live,
    spec: Spec,
}

impl Net {
    fn new(kernel: &Kernel, programs: &[&str]) -> Self {
        for pair in ["v", "w"] {
            let (one, other) = (format!("{pair}0"), format!("{pair}1"));
            ip(&["link", "add", &one, "type", "veth", "peer", "name", &other]);
            for end in [one, other] {
                ip(&["link", "set", &end, "up", "addrgenmode", "none"]);
            }
        }
        let spec = lab::object("net");
        Self { live: lab::load(kernel, &spec, programs), spec }
    }

    fn seen(&mut self, place: usize) -> u64 {
        global(&mut self.live, &self.spec, "seen")[place]
    }

    #[track_caller]
    fn attach(&self, program: &str, target: &Target) -> Attached {
        self.live.attach(program, target).unwrap_or_else(|e| panic!("{program}: {e}"))
    }
}

fn on(iface: &str) -> Target {
    Target { iface: Some(iface.into()), ..Target::default() }
}

fn index(iface: &str) -> u32 {
    Socket::open().unwrap().link(iface).unwrap().index
}

/// A socket that frames of ours come from and go to.
fn socket(iface: &str) -> PacketSocket {
    let socket = PacketSocket::open(Level::Link).unwrap();
    socket.bind(index(iface), MINE).unwrap();
    socket.ignore_outgoing().unwrap();
    socket
}

/// Sends frames of ours out of an interface.
fn send(iface: &str, count: usize) {
    let from = socket(iface);
    let mut frame = [0; 60];
    frame[..6].fill(0xff);
    frame[12..14].copy_from_slice(&MINE.to_be_bytes());
    for _ in 0..count {
        from.send(&frame).unwrap();
    }
}

fn received(socket: &PacketSocket) -> usize {
    let mut buffer = [0; 64];
    std::iter::from_fn(|| socket.receive(&mut buffer).unwrap()).count()
}

/// What sits on an interface.
fn xdp(iface: &str) -> Vec<XdpMode> {
    Socket::open().unwrap().link(iface).unwrap().xdp.iter().map(|x| x.mode).collect()
}

#[test]
fn xdp_drops_passes_and_sends_back() {
    let Some(kernel) = lab::kernel() else { return };
    for (mode, sits) in [(Mode::Native, XdpMode::Native), (Mode::Generic, XdpMode::Generic)] {
        for without_link in [false, true] {
            in_netns(|| {
                let mut net = Net::new(&kernel, &["drop", "pass", "send_back", "arrived"]);
                let target = Target { mode: Some(mode), without_link, ..on("v0") };
                let stack = socket("v0");

                let held = net.attach("drop", &target);
                assert_eq!((held.outlives(), held.link_id().is_some()), (without_link, !without_link));
                assert_eq!(xdp("v0"), [sits]);
                send("v1", 100);
                soon(|| net.seen(DROP) == 100);
                assert_eq!(received(&stack), 0, "the stack sees nothing");
                held.detach().unwrap();
                soon(|| xdp("v0").is_empty());

                let held = net.attach("pass", &target);
                send("v1", 100);
                soon(|| net.seen(PASS) == 100);
                let mut through = 0;
                soon(|| {
                    through += received(&stack);
                    through == 100
                });
                drop(held);
                soon(|| xdp("v0").is_empty());

                let _held = net.attach("send_back", &target);
                let _peer = net.attach("arrived", &Target { mode: Some(mode), ..on("v1") });
                send("v1", 100);
                soon(|| net.seen(SEND_BACK) == 100);
                soon(|| net.seen(ARRIVED) == 100);
            });
        }
    }
}

#[test]
fn xdp_redirects_through_a_devmap_with_a_program_of_its_own() {
    let Some(kernel) = lab::kernel() else { return };
    in_netns(|| {
        let mut net = Net::new(&kernel, &["redirect", "arrived", "onward"]);
        // struct bpf_devmap_val: the interface and a program; the object's entries are as long.
        let mut value = index("w0").to_ne_bytes().to_vec();
        let fd = net.live.program("onward").unwrap().as_raw_fd() as u32;
        value.extend_from_slice(&fd.to_ne_bytes());
        net.live.map("ports").unwrap().update(&0_u32.to_ne_bytes(), &value, 0).unwrap();
        // A veth sends what is redirected to it only if its other end has a program.
        let _other = net.attach("arrived", &on("w1"));
        let _held = net.attach("redirect", &on("v0"));
        send("v1", 100);
        soon(|| net.seen(REDIRECT) == 100);
        soon(|| net.seen(ARRIVED) == 100);
        assert_eq!(net.seen(ONWARD), 100);
        let refused = net.live.attach("onward", &on("v0")).unwrap_err();
        assert_eq!(refused.hint(), Some("put it into a devmap's entry"));
    });
}

#[test]
fn tc_sees_what_comes_and_what_goes() {
    let Some(kernel) = lab::kernel() else { return };
    for without_link in [false, true] {
        in_netns(|| {
            let mut net = Net::new(&kernel, &["come", "come_not", "go"]);
            let target = |iface| Target { without_link, ..on(iface) };
            let stack = socket("v0");
            let come = net.attach("come", &target("v0"));
            let go = net.attach("go", &target("v1"));
            send("v1", 50);
            soon(|| net.seen(COME) == 50);
            assert_eq!(net.seen(GO), 50);
            soon(|| received(&stack) > 0);
            // The filter that comes last runs first; links run in order, and the first leaves it to the second.
            let come_not = net.attach("come_not", &target("v0"));
            send("v1", 50);
            soon(|| net.seen(COME_NOT) == 50);
            while received(&stack) > 0 {}
            let mut socket = Socket::open().unwrap();
            let filters = socket.filters(index("v0"), INGRESS).unwrap();
            assert_eq!(filters.len(), if without_link { 2 } else { 0 });
            let label = format!("skep:{}:come", std::process::id());
            let named = |f: &&skep_sys::netlink::Filter| f.bpf.as_ref().is_some_and(|b| b.name == label);
            assert_eq!(filters.iter().filter(named).count(), usize::from(without_link));
            // The first one made the qdisc, and the last one takes it away.
            for held in [come, go, come_not] {
                assert_eq!(socket.has_clsact(index("v0")).unwrap(), without_link);
                held.detach().unwrap();
            }
            assert!(!socket.has_clsact(index("v0")).unwrap());
            assert!(!socket.has_clsact(index("v1")).unwrap());
        });
    }
}

#[test]
fn a_qdisc_that_was_there_stays() {
    let Some(kernel) = lab::kernel() else { return };
    in_netns(|| {
        let net = Net::new(&kernel, &["come"]);
        let mut socket = Socket::open().unwrap();
        socket.add_clsact(index("v0")).unwrap();
        let target =
            Target { without_link: true, priority: Some(7), direction: Some(Direction::Egress), ..on("v0") };
        let held = net.attach("come", &target);
        assert_eq!(held.target(), "v0 egress (clsact, priority 7)");
        assert_eq!(socket.filters(index("v0"), EGRESS).unwrap()[0].priority, 7);
        drop(held);
        assert_eq!(socket.filters(index("v0"), EGRESS).unwrap(), []);
        assert!(socket.has_clsact(index("v0")).unwrap());
    });
}

/// Two programs that drop take turns on an interface, while frames come as fast as one thread sends them. Behind them
/// sits a program that counts what came through: nothing may.
#[test]
fn a_replaced_program_leaves_no_gap() {
    let Some(kernel) = lab::kernel() else { return };
    for mode in [Mode::Native, Mode::Generic] {
        for without_link in [false, true] {
            let [sent, first, second, through, swaps] = in_netns(|| take_turns(&kernel, mode, without_link));
            println!(
                "{mode:?}, without link {without_link}: {sent} frames, {swaps} replacements, \
                 dropped {first} and {second}, {through} came through"
            );
            assert_eq!(through, 0);
            assert!(first > 0 && second > 0 && swaps == 120);
            assert!(first + second <= sent);
        }
    }
}

fn take_turns(kernel: &Kernel, mode: Mode, without_link: bool) -> [u64; 5] {
    let mut net = Net::new(kernel, &["drop", "drop_too", "come"]);
    let mut held = net.attach("drop", &Target { mode: Some(mode), without_link, ..on("v0") });
    let _behind = net.attach("come", &on("v0"));
    let netns = skep_sys::netns::current().unwrap();
    let (stop, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut swaps = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            skep_sys::netns::enter(netns.as_fd()).unwrap();
            while !stop.load(Ordering::Relaxed) {
                send("v1", 1000);
                sent.fetch_add(1000, Ordering::Relaxed);
            }
        });
        for _ in 0..60 {
            for program in ["drop_too", "drop"] {
                held.replace(net.live.program(program).unwrap()).unwrap();
                swaps += 1;
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    // What is still on its way is dropped before the program goes.
    std::thread::sleep(Duration::from_millis(50));
    held.detach().unwrap();
    [sent.into_inner(), net.seen(DROP), net.seen(DROP_TOO), net.seen(COME), swaps]
}

/// What another process put into a link is not overwritten unseen.
#[test]
fn a_replacement_names_what_it_replaces() {
    let Some(kernel) = lab::kernel() else { return };
    in_netns(|| {
        let net = Net::new(&kernel, &["drop", "drop_too"]);
        let mut held = net.attach("drop", &on("v0"));
        let [drop, drop_too] = ["drop", "drop_too"].map(|p| net.live.program(p).unwrap());
        skep_sys::link::update(held.link_fd().unwrap(), drop_too, None).unwrap();
        let e = held.replace(drop).unwrap_err();
        assert!(e.hint().is_some_and(|h| h.contains("in the meantime")), "{e} {:?}", e.hint());
        skep_sys::link::update(held.link_fd().unwrap(), drop, None).unwrap();
        held.replace(drop_too).unwrap();
        held.replace(drop).unwrap();
        held.detach().unwrap();
    });
}

#[test]
fn a_filter_can_be_replaced_too() {
    let Some(kernel) = lab::kernel() else { return };
    in_netns(|| {
        let mut net = Net::new(&kernel, &["come", "come_not"]);
        let mut held = net.attach("come", &Target { without_link: true, ..on("v0") });
        held.replace(net.live.program("come_not").unwrap()).unwrap();
        send("v1", 10);
        soon(|| net.seen(COME_NOT) == 10);
        assert_eq!(net.seen(COME), 0);
        held.detach().unwrap();
        assert!(!Socket::open().unwrap().has_clsact(index("v0")).unwrap());
    });
}

/// A datagram over the loopback, and how many of them arrive.
fn datagrams(port: u16, count: usize) -> usize {
    let to = UdpSocket::bind(("127.0.0.1", port)).unwrap();
    to.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let from = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
    for _ in 0..count {
        // A packet that is dropped on its way out is an error for the sender.
        let _ = from.send_to(b"datagram", ("127.0.0.1", port));
    }
    (0..count).take_while(|_| to.recv(&mut [0; 64]).is_ok()).count()
}

#[test]
fn netfilter_accepts_and_drops() {
    let Some(kernel) = lab::kernel() else { return };
    in_netns(|| {
        let mut net = Net::new(&kernel, &["nf_drop", "nf_accept"]);
        let hook = |hook: &str, priority| Target {
            hook: Some(hook.into()),
            priority: Some(priority),
            ..Target::default()
        };
        let out = net.attach("nf_accept", &hook("ipv4/local_out", -5));
        let refused = net.live.attach("nf_accept", &hook("ipv4/local_out", -5)).unwrap_err();
        assert!(refused.hint().unwrap().contains("priority"), "{refused}");
        assert_eq!(datagrams(7007, 5), 5);
        assert_eq!(net.seen(11), 5);
        let held = net.attach("nf_drop", &hook("ipv4/local_in", 10));
        assert_eq!(datagrams(7007, 5), 0);
        assert_eq!((net.seen(10), net.seen(11)), (5, 10));
        drop((held, out));
        soon(|| datagrams(7007, 5) == 5);
        assert_eq!(net.seen(11), 10);
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
}

impl Drop for PinDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn iptables_matches_by_a_pinned_program() {
    let Some(kernel) = lab::kernel() else { return };
    for tool in ["iptables-legacy", "iptables-nft"] {
        if Command::new(tool).arg("--version").output().is_err() {
            println!("skipped: {tool} is not installed");
            continue;
        }
        let Some(dir) = PinDir::new(tool) else { return };
        in_netns(|| {
            let mut net = Net::new(&kernel, &["match"]);
            let pins = net.live.pin(&dir.0).unwrap();
            let rule = |args: &[&str]| {
                let out = Command::new(tool).args(args).output().unwrap();
                assert!(out.status.success(), "{tool}: {}", String::from_utf8_lossy(&out.stderr));
                String::from_utf8(out.stdout).unwrap()
            };
            let program = dir.0.join("match").display().to_string();
            rule(&["-A", "INPUT", "-m", "bpf", "--object-pinned", &program, "-j", "DROP"]);
            assert_eq!(datagrams(7007, 7), 0);
            assert_eq!(datagrams(7008, 5), 5);
            let listed = rule(&["-L", "INPUT", "-v", "-x", "-n"]);
            let counted = listed.lines().last().and_then(|l| l.split_whitespace().next()).unwrap();
            assert_eq!((counted, net.seen(15)), ("7", 7), "{listed}");
            drop(pins);
            assert!(!dir.0.exists(), "unpinned");
        });
    }
}

#[test]
fn a_rule_of_iptables_goes_with_its_guard() {
    let Some(kernel) = lab::kernel() else { return };
    if Command::new("iptables").arg("--version").output().is_err() {
        println!("skipped: iptables is not installed");
        return;
    }
    in_netns(|| {
        let mut net = Net::new(&kernel, &["match"]);
        let target = Target { iptables: Some("INPUT:DROP".into()), ..Target::default() };
        let rules = || {
            let out = Command::new("iptables").args(["-S", "INPUT"]).output().unwrap();
            String::from_utf8(out.stdout).unwrap()
        };
        let held = match net.live.attach("match", &target) {
            Err(e) if e.hint().is_some_and(|h| h.contains("mount -t bpf")) => {
                println!("skipped: {e}");
                return;
            }
            held => held.unwrap(),
        };
        assert!(held.outlives());
        let pin = format!("/sys/fs/bpf/skep-{}-", std::process::id());
        assert!(rules().contains(&format!("skep:{}:match", std::process::id())), "{}", rules());
        assert!(rules().contains(&pin), "{}", rules());
        assert_eq!((datagrams(7007, 7), datagrams(7008, 5)), (0, 5));
        assert_eq!(net.seen(15), 7);
        held.detach().unwrap();
        assert!(!rules().contains("skep:"), "{}", rules());
        assert_eq!(datagrams(7007, 7), 7);
        let nowhere = Target { iptables: Some("NOCHAIN:DROP".into()), ..Target::default() };
        let refused = net.live.attach("match", &nowhere).unwrap_err();
        assert!(refused.to_string().contains("chain NOCHAIN of table filter"), "{refused}");
        assert!(!std::path::Path::new(&format!("{pin}0")).exists(), "nothing is left");
    });
}

#[test]
fn routes_run_their_programs() {
    let Some(kernel) = lab::kernel() else { return };
    in_netns(|| {
        let mut net = Net::new(&kernel, &["route_out", "route_xmit"]);
        ip(&["addr", "add", "10.9.0.1/32", "dev", "v0"]);
        for (program, place, prefix) in [("route_out", 12, "10.9.1.0/24"), ("route_xmit", 13, "10.9.2.0/24")]
        {
            let target = Target { route: Some(prefix.into()), ..on("v0") };
            let held = net.attach(program, &target);
            assert!(held.outlives());
            let to = prefix.replace(".0/24", ".7");
            ip(&["neigh", "add", &to, "lladdr", "02:00:00:00:00:01", "dev", "v0"]);
            let from = UdpSocket::bind(("10.9.0.1", 0)).unwrap();
            for _ in 0..5 {
                from.send_to(b"datagram", (to.as_str(), 7)).unwrap();
            }
            soon(|| net.seen(place) == 5);
            let again = net.live.attach(program, &target).unwrap_err();
            assert!(again.hint().unwrap().contains("there is such a route"), "{again}");
            held.detach().unwrap();
            assert!(from.send_to(b"datagram", (to.as_str(), 7)).is_err(), "the route is gone");
        }
    });
}

/// Whatever ends the scope, what can't go by itself is taken down.
#[test]
fn a_panic_takes_down_what_would_stay() {
    let Some(kernel) = lab::kernel() else { return };
    in_netns(|| {
        let net = Net::new(&kernel, &["drop", "come"]);
        let here = skep_sys::netns::id(skep_sys::netns::current().unwrap().as_fd()).unwrap().to_string();
        let records = || attach::records().into_iter().filter(|r| r.get("netns") == Some(&here)).count();
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let left = |iface| Target { without_link: true, ..on(iface) };
            let _xdp = net.attach("drop", &left("v0"));
            let _tc = net.attach("come", &left("w0"));
            assert_eq!(xdp("v0").len(), 1);
            assert!(Socket::open().unwrap().has_clsact(index("w0")).unwrap());
            // The program in the driver, the filter and its qdisc.
            assert_eq!(records(), 3);
            panic!("something went wrong");
        }));
        assert!(panicked.is_err());
        assert_eq!(xdp("v0"), []);
        assert!(!Socket::open().unwrap().has_clsact(index("w0")).unwrap());
        assert_eq!(records(), 0);
    });
}

#[test]
fn what_is_not_there_is_said_with_the_nearest_name() {
    let Some(kernel) = lab::kernel() else { return };
    in_netns(|| {
        let net = Net::new(&kernel, &["drop", "come"]);
        let wrong = |target: &Target| {
            let e = net.live.attach("drop", target).unwrap_err();
            (e.to_string(), e.hint().unwrap_or_default().to_owned())
        };
        let (said, hint) = wrong(&on("v9"));
        assert_eq!(said, "there is no interface `v9`");
        assert!(hint.starts_with("did you mean `v"), "{hint}");
        let (said, hint) = wrong(&Target::default());
        assert_eq!(said, "program `drop` needs an interface to be attached to");
        assert_eq!(hint, "give --iface NAME");
        let _held = net.attach("drop", &on("v0"));
        let (_, hint) = wrong(&Target { without_link: true, ..on("v0") });
        assert!(hint.contains("is there (native)"), "{hint}");
        let (said, _) = wrong(&Target { section: Some("tracepoint/a/b".into()), ..on("v0") });
        assert!(said.contains("is no place for program `drop`"), "{said}");
    });
}

#[test]
fn maps_that_want_to_be_found_by_name_are() {
    let Some(kernel) = lab::kernel() else { return };
    let Some(dir) = PinDir::new("names") else { return };
    std::fs::create_dir(&dir.0).unwrap();
    let spec = lab::object("pinned");
    let kernel = kernel.pin_maps_in(&dir.0);
    let key = 0_u32.to_ne_bytes();
    let pinned = dir.0.join("skep_shared");
    let mut one = lab::load(&kernel, &spec, &[]);
    assert!(pinned.exists());
    one.map("skep_shared").unwrap().update(&key, &7_u64.to_ne_bytes(), 0).unwrap();
    let mut two = lab::load(&kernel, &spec, &[]);
    assert_eq!(two.map("skep_shared").unwrap().lookup(&key).unwrap().unwrap(), 7_u64.to_ne_bytes());
    drop(two);
    assert!(pinned.exists(), "it is the first one's");
    let mut other = spec.clone();
    other.maps.iter_mut().find(|m| m.name == "skep_shared").unwrap().max_entries = 5;
    let refused = kernel.load(&other, &LoadOptions::default()).unwrap_err();
    assert!(refused.to_string().contains("number of entries is 4, and the object wants 5"), "{refused}");
    drop(one);
    assert!(!pinned.exists(), "nobody asked that it stays");
    let mut kept = lab::load(&kernel, &spec, &[]);
    kept.keep_pins();
    drop(kept);
    assert!(pinned.exists());
    let elsewhere = Kernel::new().pin_maps_in(std::env::temp_dir()).load(&spec, &LoadOptions::default());
    let refused = elsewhere.unwrap_err();
    assert!(matches!(refused.kind(), ErrorKind::Os(_)));
    assert!(refused.hint().unwrap().contains("mount -t bpf"), "{refused}");
}
