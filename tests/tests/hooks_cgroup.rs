//! Programs attached to a cgroup of the test's own, and a child in it to which they are done. Skipped, with the reason,
//! where this process may not.
#![cfg(all(target_os = "linux", not(skep_portable)))]

use std::io::{ErrorKind, Read};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::time::Duration;

use skep::kernel::Live;
use skep::kernel::attach::{self, Attached, Direction, Target};
use skep::object::Spec;
use skep_abi::AttachType;
use skep_sys::hooked;
use skep_sys::prog::Target as On;
use skep_tests::lab::{self, Cgroup, Child, global, say};

const CHILD: &str = "the_child_in_the_cgroup";
/// No programs.
const NONE: [u32; 0] = [];

/// Attaches programs of `cgroup.o` to a cgroup.
fn hang(live: &Live, cgroup: &Cgroup, programs: &[&str]) -> Vec<Attached> {
    let target = Target { cgroup: Some(cgroup.path().to_owned()), ..Target::default() };
    programs.iter().map(|p| live.attach(p, &target).unwrap_or_else(|e| panic!("{p}: {e}"))).collect()
}

/// Ids of the programs that are attached there.
fn attached(cgroup: &Cgroup, kind: AttachType) -> Vec<u32> {
    let fd = skep_sys::cgroup::open(cgroup.path()).unwrap();
    hooked::query(On::Fd(fd.as_fd()), kind, false).unwrap().progs.iter().map(|p| p.id).collect()
}

fn outcome<T>(done: std::io::Result<T>) -> String {
    match done {
        Ok(_) => "done".into(),
        Err(e) if e.kind() == ErrorKind::PermissionDenied => "refused".into(),
        Err(e) => e.to_string(),
    }
}

/// What children do: one part each.
#[test]
fn the_child_in_the_cgroup() {
    let Some(role) = lab::role() else { return };
    let (part, port) = role.split_once(' ').unwrap_or((&role, "0"));
    let port: u16 = port.parse().unwrap();
    match part {
        "connect" => {
            say(outcome(TcpStream::connect(("127.0.0.1", 9))));
            // Nobody is there but by the program's doing.
            let stream = TcpStream::connect(("192.0.2.1", port)).unwrap();
            say(stream.peer_addr().unwrap().ip());
            say(stream.local_addr().unwrap().ip());
        }
        "bind" => {
            let socket = UdpSocket::bind(("127.0.0.1", 7)).unwrap();
            say(socket.local_addr().unwrap().port() > 1023);
            say(outcome(UdpSocket::bind(("127.0.0.9", 0))));
        }
        "udp" => {
            let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            for len in [98, 99, 100] {
                socket.send_to(&vec![1; len], ("192.0.2.1", port)).unwrap();
                let mut buffer = [0; 200];
                let (len, from) = socket.recv_from(&mut buffer).unwrap();
                say(format_args!("{len} {}", from.ip()));
            }
        }
        "files" => {
            say(outcome(std::fs::read("/proc/sys/kernel/hostname")));
            say(outcome(std::fs::read("/proc/sys/kernel/ostype")));
            say(outcome(std::fs::File::open("/dev/full")));
            say(outcome(std::fs::File::open("/dev/null")));
        }
        "options" => {
            let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
            say(outcome(socket.set_ttl(99)));
            for ttl in [77, 79, 80] {
                socket.set_ttl(ttl).unwrap();
                say(socket.ttl().unwrap());
            }
        }
        "raw" => {
            use rustix::net::{AddressFamily, SocketType, ipproto, socket};
            let raw = socket(AddressFamily::INET, SocketType::RAW, Some(ipproto::ICMP));
            say(outcome(raw.map_err(std::io::Error::from)));
            drop(socket(AddressFamily::INET, SocketType::DGRAM, None).unwrap());
        }
        "six" => {
            let stream = TcpStream::connect(("2001:db8::1", port)).unwrap();
            say(stream.peer_addr().unwrap().ip());
            say(stream.local_addr().unwrap().ip());
            let socket = UdpSocket::bind(("::1", 7)).unwrap();
            say(outcome(UdpSocket::bind(("::", 0))));
            socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            // The echo, which is on the same port, answers from ::1.
            socket.send_to(b"x", ("2001:db8::1", port)).unwrap();
            say(socket.recv_from(&mut [0]).unwrap().1.ip());
        }
        "unix" => {
            let path = std::env::temp_dir().join(format!("skep{}.socket", std::process::id()));
            let receiver = UnixDatagram::bind(&path).unwrap();
            let socket = UnixDatagram::unbound().unwrap();
            say(outcome(socket.send_to(b"x", &path)));
            say(outcome(socket.connect(&path)));
            say(receiver.local_addr().unwrap().as_pathname() == Some(&path));
            let (a, b) = UnixDatagram::pair().unwrap();
            a.send(b"x").unwrap();
            say(outcome(b.recv_from(&mut [0])));
            std::fs::remove_file(&path).unwrap();
            let _listener = UnixListener::bind(&path).unwrap();
            let stream = UnixStream::connect(&path).unwrap();
            say(stream.peer_addr().unwrap().as_pathname() == Some(&path));
            std::fs::remove_file(&path).unwrap();
        }
        "leave" => {
            // Attaches in the way that outlives it, and waits to be killed.
            let live = lab::load(&lab::kernel().unwrap(), &lab::object("cgroup"), &["connect4"]);
            let cgroup = std::env::var("SKEP_TEST_CGROUP").unwrap();
            let target = Target { cgroup: Some(cgroup.into()), without_link: true, ..Target::default() };
            let guard = live.attach("connect4", &target).unwrap();
            say(guard.outlives());
            let _ = std::io::stdin().read(&mut [0]);
            drop(guard);
        }
        _ => panic!("no part is called {part}"),
    }
}

/// What the programs counted.
#[derive(Debug)]
struct Counts {
    /// Runs, by the order in the source.
    runs: Vec<u64>,
    /// Events of TCP, by their number.
    ops: Vec<u64>,
    /// In, out.
    bytes: (u64, u64),
}

/// A cgroup with these programs of `cgroup.o`, until `f` is done; afterwards none of them is attached. Gives what they
/// counted.
fn with(programs: &[&str], f: impl FnOnce(&Cgroup)) -> Option<Counts> {
    let mut counted = with_those_of("cgroup", programs, f)?;
    let mut of = |name| counted.of(name);
    Some(Counts { runs: of("runs"), ops: of("ops"), bytes: (of("bytes_in")[0], of("bytes_out")[0]) })
}

/// An object whose programs have run.
struct Counted {
    live: Live,
    spec: Spec,
}

impl Counted {
    /// A variable of its own.
    fn of(&mut self, name: &str) -> Vec<u64> {
        global(&mut self.live, &self.spec, name)
    }
}

/// The same with any object.
fn with_those_of(object: &str, programs: &[&str], f: impl FnOnce(&Cgroup)) -> Option<Counted> {
    let (kernel, cgroup) = (lab::kernel()?, Cgroup::new()?);
    let spec = lab::object(object);
    let live = lab::load(&kernel, &spec, programs);
    let guards = hang(&live, &cgroup, programs);
    let kinds: Vec<_> =
        programs.iter().map(|p| spec.program(p).unwrap().attach_type.unwrap_or_default()).collect();
    for (guard, kind) in guards.iter().zip(&kinds) {
        assert_eq!(attached(&cgroup, *kind).len(), 1, "{}", guard.program());
        assert!(guard.link_id().is_some() && !guard.outlives(), "{}", guard.program());
    }
    f(&cgroup);
    drop(guards);
    for (program, kind) in programs.iter().zip(kinds) {
        println!("{program} is to be detached");
        lab::soon(|| attached(&cgroup, kind).is_empty());
    }
    Some(Counted { live, spec })
}

fn play(role: &str, cgroup: &Cgroup) -> Vec<String> {
    Child::start(CHILD, role, Some(cgroup.path())).hear_all()
}

#[test]
fn connections_are_refused_and_sent_elsewhere() {
    let counts = with(&["connect4", "getpeername4", "getsockname4"], |cgroup| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(play(&format!("connect {port}"), cgroup), ["refused", "192.0.2.1", "192.0.2.2"]);
        let (_, from) = listener.accept().unwrap();
        assert!(from.ip().is_loopback());
        // This process is not in the cgroup, and reaches port 9 of this machine if anybody listens.
        assert_ne!(outcome(TcpStream::connect(("127.0.0.1", 9))), "refused");
    });
    let Some(counts) = counts else { return };
    assert_eq!(counts.runs[..3], [2, 1, 1]);
}

#[test]
fn places_to_bind_to_are_changed_and_refused() {
    let counts =
        with(&["bind4", "post_bind4"], |cgroup| assert_eq!(play("bind", cgroup), ["true", "refused"]));
    let Some(counts) = counts else { return };
    assert_eq!(counts.runs[3..5], [2, 2]);
}

#[test]
fn datagrams_are_sent_elsewhere_counted_and_dropped() {
    let counts = with(&["sendmsg4", "recvmsg4", "ingress", "egress"], |cgroup| {
        // An echo that answers the datagram of 99 bytes, which does not arrive, with one of 50 behind it.
        let echo = UdpSocket::bind("127.0.0.1:0").unwrap();
        echo.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let port = echo.local_addr().unwrap().port();
        let child = Child::start(CHILD, &format!("udp {port}"), Some(cgroup.path()));
        let mut buffer = [0; 200];
        for _ in 0..3 {
            let (len, from) = echo.recv_from(&mut buffer).unwrap();
            echo.send_to(&buffer[..len], from).unwrap();
            if len == 99 {
                echo.send_to(&buffer[..50], from).unwrap();
            }
        }
        assert_eq!(child.hear_all(), ["98 192.0.2.1", "50 192.0.2.1", "100 192.0.2.1"]);
    });
    let Some(counts) = counts else { return };
    assert_eq!(counts.runs[5..7], [3, 3]);
    assert_eq!(counts.runs[9..11], [4, 3], "the echo is in no cgroup of ours");
    assert_eq!(counts.bytes, (98 + 99 + 50 + 100 + 4 * 28, 98 + 99 + 100 + 3 * 28), "bytes in, bytes out");
}

#[test]
fn addresses_of_ipv6_are_changed() {
    if TcpListener::bind("[::1]:0").is_err() {
        println!("skipped: there is no IPv6");
        return;
    }
    let programs =
        ["connect6", "sendmsg6", "recvmsg6", "getpeername6", "getsockname6", "bind6", "post_bind6"];
    let counted = with_those_of("cgroup_families", &programs, |cgroup| {
        let listener = TcpListener::bind("[::1]:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let echo = UdpSocket::bind(("::1", port)).unwrap();
        echo.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let child = Child::start(CHILD, &format!("six {port}"), Some(cgroup.path()));
        let (_, from) = echo.recv_from(&mut [0]).unwrap();
        echo.send_to(b"y", from).unwrap();
        let example = "2001:db8::1";
        assert_eq!(child.hear_all(), [example, example, "refused", example]);
    });
    let Some(mut counted) = counted else { return };
    assert_eq!(counted.of("runs")[..7], [1, 1, 1, 1, 1, 2, 2]);
}

#[test]
fn unix_sockets_are_refused_and_seen() {
    let programs = ["connect_unix", "sendmsg_unix", "recvmsg_unix", "getsockname_unix", "getpeername_unix"];
    let counted = with_those_of("cgroup_families", &programs, |cgroup| {
        assert_eq!(play("unix", cgroup), ["refused", "refused", "true", "done", "true"]);
    });
    let Some(mut counted) = counted else { return };
    let runs = counted.of("runs");
    assert!(runs[7..].iter().all(|n| *n >= 1), "{runs:?}");
}

#[test]
fn sysctls_and_devices_are_refused() {
    let counts = with(&["sysctl", "dev"], |cgroup| {
        assert_eq!(play("files", cgroup), ["refused", "done", "refused", "done"]);
    });
    let Some(counts) = counts else { return };
    assert!(counts.runs[12] >= 2 && counts.runs[13] >= 2, "{counts:?}");
}

#[test]
fn options_of_sockets_are_changed_and_refused() {
    let counts = with(&["setsockopt", "getsockopt"], |cgroup| {
        assert_eq!(play("options", cgroup), ["refused", "78", "5", "80"]);
    });
    let Some(counts) = counts else { return };
    assert!(counts.runs[14] >= 4 && counts.runs[15] >= 3, "{counts:?}");
}

#[test]
fn sockets_are_refused_at_their_creation_and_seen_to_go() {
    let counts =
        with(&["sock_create", "sock_release"], |cgroup| assert_eq!(play("raw", cgroup), ["refused"]));
    let Some(counts) = counts else { return };
    assert!(counts.runs[7] >= 2 && counts.runs[8] >= 1, "{counts:?}");
}

#[test]
fn connections_are_told_of() {
    const ACTIVE_ESTABLISHED: usize = 4;
    let counts = with(&["connect4", "on_tcp"], |cgroup| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let child = Child::start(CHILD, &format!("connect {port}"), Some(cgroup.path()));
        listener.accept().unwrap();
        child.hear_all();
    });
    let Some(counts) = counts else { return };
    assert_eq!(counts.ops[ACTIVE_ESTABLISHED], 1, "{counts:?}");
}

#[test]
fn a_plain_skb_program_goes_where_it_is_told() {
    let (Some(kernel), Some(cgroup)) = (lab::kernel(), Cgroup::new()) else { return };
    let mut spec = lab::object("cgroup");
    let program = spec.programs.iter_mut().find(|p| p.name == "egress").unwrap();
    (program.section, program.attach_type) = ("cgroup/skb".into(), Some(AttachType::CGROUP_INET_EGRESS));
    let live = lab::load(&kernel, &spec, &["egress"]);
    let mut target = Target { cgroup: Some(cgroup.path().to_owned()), ..Target::default() };
    let error = live.attach("egress", &target).unwrap_err();
    assert!(error.to_string().contains("a direction"), "{error}");
    target.direction = Some(Direction::Egress);
    let guard = live.attach("egress", &target).unwrap();
    assert_eq!(attached(&cgroup, AttachType::CGROUP_INET_EGRESS).len(), 1);
    drop(guard);
    target.cgroup = Some("/tmp".into());
    let error = live.attach("egress", &target).unwrap_err();
    assert!(error.to_string().contains("no cgroup of the second version"), "{error}");
    assert!(error.hint().is_some_and(|h| h.starts_with("they are below ")), "{error:?}");
}

#[test]
fn what_a_killed_process_left_is_found_and_removed() {
    let (Some(_), Some(cgroup)) = (lab::kernel(), Cgroup::new()) else { return };
    let kind = AttachType::CGROUP_INET4_CONNECT;
    let mut child = Child::start(CHILD, "leave", Some(cgroup.path()));
    assert_eq!(child.hear().as_deref(), Some("true"));
    let ids = attached(&cgroup, kind);
    assert_eq!(ids.len(), 1);
    let ours = |r: &&attach::Record| r.prog_id().ok() == Some(ids[0]);
    let record = attach::records().iter().find(ours).cloned().expect("it is recorded");
    assert!(!record.stale(), "its owner lives");
    child.kill();
    assert_eq!(attached(&cgroup, kind), ids, "it outlives its process");
    assert!(record.stale());
    assert!(attach::remove(&record).unwrap(), "it was still there");
    assert_eq!(attached(&cgroup, kind), NONE);
    assert!(!attach::records().iter().any(|r| r.prog_id().ok() == Some(ids[0])), "the record is gone");
}

#[test]
fn what_stays_is_detached_by_its_guard() {
    let (Some(kernel), Some(cgroup)) = (lab::kernel(), Cgroup::new()) else { return };
    let live = lab::load(&kernel, &lab::object("cgroup"), &["connect4", "bind4"]);
    let target = Target { cgroup: Some(cgroup.path().to_owned()), without_link: true, ..Target::default() };
    let guard = live.attach("connect4", &target).unwrap();
    assert!(guard.outlives());
    assert_eq!(attached(&cgroup, AttachType::CGROUP_INET4_CONNECT).len(), 1);
    guard.detach().unwrap();
    assert_eq!(attached(&cgroup, AttachType::CGROUP_INET4_CONNECT), NONE);
    // A panic unwinds, and detaches too.
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _guard = live.attach("bind4", &target).unwrap();
        assert_eq!(attached(&cgroup, AttachType::CGROUP_INET4_BIND).len(), 1);
        std::panic::resume_unwind(Box::new(()));
    }));
    assert!(unwound.is_err());
    assert_eq!(attached(&cgroup, AttachType::CGROUP_INET4_BIND), NONE);
}

#[test]
fn a_program_is_replaced_in_its_place() {
    let (Some(kernel), Some(cgroup)) = (lab::kernel(), Cgroup::new()) else { return };
    let lives: Vec<Live> =
        (0..2).map(|_| lab::load(&kernel, &lab::object("cgroup"), &["connect4"])).collect();
    let (old, new) = (lives[0].program("connect4").unwrap(), lives[1].program("connect4").unwrap());
    let ids = [old, new].map(|fd| skep_sys::info::prog(fd).unwrap().id);
    for without_link in [false, true] {
        let target = Target { cgroup: Some(cgroup.path().to_owned()), without_link, ..Target::default() };
        let mut guard = lives[0].attach("connect4", &target).unwrap();
        assert_eq!(attached(&cgroup, AttachType::CGROUP_INET4_CONNECT), [ids[0]]);
        guard.replace(new).unwrap();
        assert_eq!(attached(&cgroup, AttachType::CGROUP_INET4_CONNECT), [ids[1]]);
        guard.detach().unwrap();
        lab::soon(|| attached(&cgroup, AttachType::CGROUP_INET4_CONNECT).is_empty());
    }
}

#[test]
fn programs_stand_in_the_order_that_is_asked_for() {
    let (Some(kernel), Some(cgroup)) = (lab::kernel(), Cgroup::new()) else { return };
    let (a, b, c) = (0, 1, 2);
    let lives: Vec<Live> =
        (0..3).map(|_| lab::load(&kernel, &lab::object("cgroup"), &["connect4"])).collect();
    let id = |n: usize| {
        let fd = lives[n].program("connect4").unwrap();
        skep_sys::info::prog(fd).unwrap().id
    };
    let target = |priority| Target { cgroup: Some(cgroup.path().to_owned()), priority, ..Target::default() };
    let _a = lives[a].attach("connect4", &target(None)).unwrap();
    let _b = match lives[b].attach("connect4", &target(Some(-1))) {
        Ok(guard) => guard,
        Err(e) => {
            println!("skipped: this kernel puts no program before another: {e}");
            return;
        }
    };
    let _c = lives[c].attach("connect4", &target(Some(1))).unwrap();
    assert_eq!(attached(&cgroup, AttachType::CGROUP_INET4_CONNECT), [id(b), id(a), id(c)]);
    // A cgroup below runs them all.
    let below = cgroup.below("below").unwrap();
    let fd = skep_sys::cgroup::open(below.path()).unwrap();
    let effective = hooked::query(On::Fd(fd.as_fd()), AttachType::CGROUP_INET4_CONNECT, true).unwrap();
    assert_eq!(effective.progs.len(), 3);
    assert_eq!(attached(&below, AttachType::CGROUP_INET4_CONNECT), NONE);
}
