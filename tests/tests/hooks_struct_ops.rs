//! Tables of functions: TCP congestion control that is registered, used by a socket, and gone afterwards. Skipped, with
//! the reason, where this process may not.
#![cfg(all(target_os = "linux", not(skep_portable)))]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;

use rustix::net::sockopt::{set_tcp_congestion, tcp_congestion};
use skep::kernel::attach::{self, Target};
use skep::object::Spec;
use skep_abi::MapType;
use skep_backend::{LoadOptions, Loaded};
use skep_tests::lab::{self, Child, global, say};

const CHILD: &str = "the_child_that_registers";

/// The object, with names of its tables that are this process' own: they are known in the whole machine.
fn congestion(mark: &str) -> (Spec, [String; 2]) {
    let mut spec = lab::object("congestion");
    let names = ["l", "p"].map(|which| format!("skep{}{which}{mark}", std::process::id()));
    for (table, name) in ["linked", "plain"].into_iter().zip(&names) {
        let map = spec.maps.iter_mut().find(|m| m.name == table).unwrap();
        let value = map.initial_value.as_mut().unwrap();
        let at = value.windows(5).position(|w| w == b"skep_").expect("its name is in it");
        value[at..][..16].fill(0);
        value[at..][..name.len()].copy_from_slice(name.as_bytes());
    }
    (spec, names)
}

/// The algorithms that sockets may choose.
fn available() -> String {
    std::fs::read_to_string("/proc/sys/net/ipv4/tcp_available_congestion_control").unwrap()
}

fn knows(name: &str) -> bool {
    available().split_whitespace().any(|word| word == name)
}

/// Sends data over a connection that is controlled by this algorithm.
fn send(algorithm: &str) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    set_tcp_congestion(client.as_fd(), algorithm).unwrap();
    assert_eq!(tcp_congestion(client.as_fd()).unwrap(), algorithm);
    let (mut server, _) = listener.accept().unwrap();
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        server.read_to_end(&mut all).map(|_| all.len())
    });
    client.write_all(&vec![7; 1 << 20]).unwrap();
    drop(client);
    assert_eq!(reader.join().unwrap().unwrap(), 1 << 20);
}

#[test]
fn a_linked_table_is_used_by_a_socket_and_gone_with_its_guard() {
    let Some(kernel) = lab::kernel() else { return };
    let (spec, [name, _]) = congestion("a");
    let mut live = lab::load(&kernel, &spec, &[]);
    assert!(!knows(&name), "loaded, not registered");
    let target = Target { map: Some("linked".into()), ..Target::default() };
    let first = live.attach("threshold", &target).unwrap();
    assert!(first.link_id().is_some() && !first.outlives());
    // The rest of the table came with its first function.
    assert_eq!(live.attach("avoid", &target).unwrap().link_id(), None);
    assert!(knows(&name), "{}", available());
    send(&name);
    assert_eq!(global(&mut live, &spec, "sockets"), [1]);
    assert!(global(&mut live, &spec, "acknowledged")[0] > 0);
    drop(first);
    lab::soon(|| !knows(&name));
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    assert!(set_tcp_congestion(socket.as_fd(), &name).is_err());
    // It can be registered again.
    let again = live.attach("threshold", &target).unwrap();
    send(&name);
    assert_eq!(global(&mut live, &spec, "sockets"), [2]);
    again.detach().unwrap();
    lab::soon(|| !knows(&name));
}

#[test]
fn a_plain_table_outlives_its_map_until_it_is_unregistered() {
    let Some(kernel) = lab::kernel() else { return };
    let (spec, [_, name]) = congestion("b");
    let live = lab::load(&kernel, &spec, &[]);
    let target = Target { map: Some("plain".into()), ..Target::default() };
    let guard = live.attach("threshold", &target).unwrap();
    assert!(guard.outlives() && guard.link_id().is_none());
    drop(live);
    send(&name);
    guard.detach().unwrap();
    assert!(!knows(&name));
}

#[test]
fn the_child_that_registers() {
    let Some(_) = lab::role() else { return };
    let (spec, [_, name]) = congestion("c");
    let live = lab::load(&lab::kernel().unwrap(), &spec, &[]);
    let guard = live.attach("threshold", &Target { map: Some("plain".into()), ..Target::default() }).unwrap();
    say(&name);
    let _ = std::io::stdin().read(&mut [0]);
    drop(guard);
}

#[test]
fn a_table_of_a_killed_process_is_found_and_unregistered() {
    let Some(_) = lab::kernel() else { return };
    let mut child = Child::start(CHILD, "register", None);
    let name = child.hear().unwrap();
    let pid = child.id();
    child.kill();
    assert!(knows(&name), "it outlives its process");
    let ours = |r: &&attach::Record| r.pid() == pid && r.hook() == "struct_ops";
    let record = attach::records().iter().find(ours).cloned().expect("it is recorded");
    assert!(record.stale());
    assert!(attach::remove(&record).unwrap(), "it was there");
    assert!(!knows(&name));
    assert!(!attach::records().iter().any(|r| r.pid() == pid));
}

#[test]
fn programs_of_a_table_come_together_and_not_alone() {
    let Some(kernel) = lab::kernel() else { return };
    let (mut spec, _) = congestion("d");
    let live = lab::load(&kernel, &spec, &["end"]);
    // `end` is in `linked` alone, which brings the other functions of that table.
    assert_eq!(Loaded::programs(&live), ["begin", "end", "threshold", "avoid", "undo"]);
    assert_eq!(Loaded::maps(&live), [".bss", "linked", "plain"]);
    // Without a table, its functions are left out; asked for, one is refused.
    spec.maps.retain(|m| m.map_type != MapType::STRUCT_OPS);
    assert_eq!(Loaded::programs(&lab::load(&kernel, &spec, &[])).len(), 0);
    let options = LoadOptions { programs: vec!["undo".into()], ..LoadOptions::default() };
    let error = kernel.load(&spec, &options).unwrap_err();
    assert!(error.to_string().contains("in no table of functions"), "{error}");
}

#[test]
fn a_table_that_does_not_fit_is_refused_by_name() {
    let Some(kernel) = lab::kernel() else { return };
    let refused = |change: &dyn Fn(&mut Spec)| {
        let (mut spec, _) = congestion("e");
        change(&mut spec);
        kernel.load(&spec, &LoadOptions::default()).map(|_| ()).unwrap_err().to_string()
    };
    let linked = |spec: &mut Spec| spec.maps.iter().position(|m| m.name == "linked").unwrap();
    // A member that this kernel does not have is set.
    let error = refused(&|spec| {
        let at = linked(spec);
        spec.maps[at].initial_value.as_mut().unwrap()[0] = 1;
    });
    assert!(error.contains("table `linked`") && error.contains("no `not_in_any_kernel`"), "{error}");
    // A struct that is none of the kernel's tables.
    let error = refused(&|spec| {
        let btf = spec.btf.as_ref().unwrap();
        let other = btf.find("bpf_not_there", skep::btf::Kind::Struct);
        let at = linked(spec);
        spec.maps[at].btf_value = other;
    });
    assert!(error.contains("does not say of which struct"), "{error}");
    // The value is cut short.
    let error = refused(&|spec| {
        let at = linked(spec);
        spec.maps[at].initial_value.as_mut().unwrap().truncate(40);
    });
    assert!(error.contains("ends outside"), "{error}");
}
