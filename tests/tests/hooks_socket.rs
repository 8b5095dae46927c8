//! Programs attached to sockets, to groups of them, to maps of them, and to namespaces: what they do is seen on real
//! sockets, and no more of it when their guard is gone. Skipped, with the reason, where this process may not.
#![cfg(all(target_os = "linux", not(skep_portable)))]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::{AddressFamily, RecvFlags, SocketType, sockopt};
use skep::kernel::Live;
use skep::kernel::attach::Target;
use skep_abi::AttachType;
use skep_backend::Loaded;
use skep_sys::packet::{ALL, Level, PacketSocket, Ring, RingShape};
use skep_sys::prog::Target as On;
use skep_sys::{Errno, hooked, netns, socket};
use skep_tests::lab::{self, global};

const SECONDS: Option<Duration> = Some(Duration::from_secs(5));

/// Puts a socket into a map.
fn put(live: &mut Live, map: &str, key: u32, socket: BorrowedFd<'_>) {
    let value = (socket.as_raw_fd() as u64).to_ne_bytes();
    live.map(map).unwrap().update(&key.to_ne_bytes(), &value, 0).unwrap();
}

/// A target that is a socket.
fn on(socket: BorrowedFd<'_>) -> Target {
    Target { socket: Some(Arc::new(socket.try_clone_to_owned().unwrap())), ..Target::default() }
}

/// How many programs are attached.
fn attached(target: BorrowedFd<'_>, kind: AttachType) -> usize {
    hooked::query(On::Fd(target), kind, false).unwrap().progs.len()
}

#[test]
fn a_filter_drops_what_it_should() {
    let Some(kernel) = lab::kernel() else { return };
    let live = lab::load(&kernel, &lab::object("sockets"), &["keep", "keep_udp"]);
    let (out, back) = UnixDatagram::pair().unwrap();
    back.set_nonblocking(true).unwrap();
    let guard = live.attach("keep", &on(back.as_fd())).unwrap();
    assert_eq!(socket::get_filter(back.as_fd()), Err(Errno::EACCES), "it is no classic program");
    let mut buffer = [0; 16];
    for text in ["no", "yes", "nay", "yea"] {
        let _ = out.send(text.as_bytes());
    }
    for text in [b"yes", b"yea"] {
        assert_eq!(back.recv(&mut buffer).unwrap(), 3);
        assert_eq!(&buffer[..3], text);
    }
    assert!(back.recv(&mut buffer).is_err());
    guard.detach().unwrap();
    assert_eq!(socket::detach_filter(back.as_fd()), Err(Errno::ENOENT));
    out.send(b"no").unwrap();
    assert_eq!(back.recv(&mut buffer).unwrap(), 2);

    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.set_read_timeout(SECONDS).unwrap();
    let guard = live.attach("keep_udp", &on(udp.as_fd())).unwrap();
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    for text in ["no", "yes"] {
        sender.send_to(text.as_bytes(), udp.local_addr().unwrap()).unwrap();
    }
    assert_eq!(udp.recv(&mut buffer).unwrap(), 3);
    drop(guard);
    // The caller's socket is open still, and has no filter.
    assert_eq!(socket::detach_filter(udp.as_fd()), Err(Errno::ENOENT));
}

#[test]
fn a_filter_sees_an_interface() {
    let Some(kernel) = lab::kernel() else { return };
    lab::in_netns(|| {
        let live = lab::load(&kernel, &lab::object("sockets"), &["keep"]);
        let error = live.attach("keep", &Target::default()).unwrap_err();
        assert!(error.hint().is_some_and(|h| h.contains("--iface")), "{error}");
        let target = Target { iface: Some("lo".into()), ..Target::default() };
        let guard = live.attach("keep", &target).unwrap();
        let sender = PacketSocket::open(Level::Link).unwrap();
        sender.bind(1, 0).unwrap();
        for first in *b"nyny" {
            sender.send(&[first; 60]).unwrap();
        }
        let mut seen = Vec::new();
        let mut buffer = [0; 100];
        while let Ok((len, _)) = rustix::net::recv(&guard.fds()[0], &mut buffer, RecvFlags::DONTWAIT) {
            seen.push((len, buffer[0]));
        }
        // Each going out and coming in.
        assert_eq!(seen, [(60, b'y'); 4]);
    });
}

#[test]
fn a_group_of_sockets_is_chosen_from() {
    let Some(kernel) = lab::kernel() else { return };
    let mut live = lab::load(&kernel, &lab::object("sockets"), &["choose"]);
    let member = |port: u16| {
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None).unwrap();
        sockopt::set_socket_reuseport(&socket, true).unwrap();
        rustix::net::bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, port))).unwrap();
        let socket = UdpSocket::from(socket);
        socket.set_nonblocking(true).unwrap();
        socket
    };
    let first = member(0);
    let to = first.local_addr().unwrap();
    let group = [first, member(to.port()), member(to.port())];
    for (key, socket) in group.iter().enumerate() {
        put(&mut live, "group", key as u32, socket.as_fd());
    }
    let lonely = UdpSocket::bind("127.0.0.1:0").unwrap();
    let error = live.attach("choose", &on(lonely.as_fd())).unwrap_err();
    assert!(error.hint().is_some_and(|h| h.contains("SO_REUSEPORT")), "{error}");
    assert!(live.attach("choose", &Target::default()).is_err(), "it needs a socket");
    let guard = live.attach("choose", &on(group[0].as_fd())).unwrap();
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut buffer = [0; 16];
    let mut got = |socket: &UdpSocket| socket.recv(&mut buffer).ok().map(|len| buffer[..len].to_vec());
    for text in ["2c", "0a", "1b", "3d", "1e"] {
        sender.send_to(text.as_bytes(), to).unwrap();
    }
    for (socket, texts) in group.iter().zip([vec!["0a"], vec!["1b", "1e"], vec!["2c"]]) {
        for text in texts {
            assert_eq!(got(socket).as_deref(), Some(text.as_bytes()));
        }
        assert_eq!(got(socket), None);
    }
    drop(guard);
    assert_eq!(socket::detach_reuseport(group[0].as_fd()), Err(Errno::ENOENT));
    sender.send_to(b"3d", to).unwrap();
    assert_eq!(group.iter().filter_map(got).collect::<Vec<_>>(), [b"3d"], "one gets it, by hash");
}

#[test]
fn a_namespace_finds_sockets_by_program() {
    let Some(kernel) = lab::kernel() else { return };
    lab::in_netns(|| {
        let mut live = lab::load(&kernel, &lab::object("sockets"), &["lookup"]);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        put(&mut live, "listeners", 0, listener.as_fd());
        let here = netns::current().unwrap();
        assert!(TcpStream::connect("127.0.0.1:7003").is_err());
        let guard = live.attach("lookup", &Target::default()).unwrap();
        assert_eq!(attached(here.as_fd(), AttachType::SK_LOOKUP), 1);
        for port in [7000, 7009] {
            let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
            let (server, _) = listener.accept().unwrap();
            assert_eq!(server.local_addr().unwrap().port(), port);
            assert_eq!(client.local_addr().unwrap(), server.peer_addr().unwrap());
        }
        assert!(TcpStream::connect("127.0.0.1:7010").is_err());
        drop(guard);
        lab::soon(|| attached(here.as_fd(), AttachType::SK_LOOKUP) == 0);
        assert!(TcpStream::connect("127.0.0.1:7003").is_err());
    });
}

#[test]
fn a_namespace_dissects_flows_by_program() {
    let Some(kernel) = lab::kernel() else { return };
    lab::in_netns(|| {
        let spec = lab::object("sockets");
        let mut live = lab::load(&kernel, &spec, &["dissect"]);
        let here = netns::current().unwrap();
        let target = Target { netns: Some("/proc/thread-self/ns/net".into()), ..Target::default() };
        let guard = live.attach("dissect", &target).unwrap();
        assert_eq!(attached(here.as_fd(), AttachType::FLOW_DISSECTOR), 1);
        // Two programs there are one too many.
        let error = live.attach("dissect", &target).unwrap_err();
        assert!(error.hint().is_some(), "{error}");
        // A packet ring that is to say each frame's hash has flows dissected. All are one flow to the program, whose
        // addresses are zero.
        let hashes = |count: usize| -> Vec<u32> {
            let shape = RingShape { block_size: 1 << 16, blocks: 2, timeout_ms: 5, hash: true };
            let mut ring = Ring::new(PacketSocket::open(Level::Link).unwrap(), shape).unwrap();
            ring.socket().ignore_outgoing().unwrap();
            ring.socket().bind(1, ALL).unwrap();
            let sender = PacketSocket::open(Level::Link).unwrap();
            sender.bind(1, 0).unwrap();
            for n in 0..count {
                sender.send(&udp_packet(n as u16)).unwrap();
            }
            let mut out = Vec::new();
            while out.len() < count {
                assert!(ring.socket().wait(2000).unwrap());
                ring.drain(|f| out.push(f.hash));
            }
            out
        };
        let same = |h: &[u32]| h.windows(2).all(|w| w[0] == w[1]);
        assert!(same(&hashes(8)));
        assert!(global(&mut live, &spec, "dissected")[0] >= 8);
        drop(guard);
        lab::soon(|| attached(here.as_fd(), AttachType::FLOW_DISSECTOR) == 0);
        assert!(!same(&hashes(8)), "ports differ again");
    });
}

/// An Ethernet frame of UDP from this port.
fn udp_packet(port: u16) -> Vec<u8> {
    let mut packet = vec![0; 60];
    packet[12..14].copy_from_slice(&[8, 0]);
    packet[14..24].copy_from_slice(&[0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17]);
    packet[26..34].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
    packet[34..36].copy_from_slice(&port.to_be_bytes());
    packet[36..40].copy_from_slice(&[0, 53, 0, 26]);
    packet
}

/// Two ends of a connection.
fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    for end in [&client, &server] {
        end.set_read_timeout(SECONDS).unwrap();
        end.set_nodelay(true).unwrap();
    }
    (client, server)
}

#[test]
fn a_map_of_sockets_frames_and_redirects_what_they_receive() {
    let Some(kernel) = lab::kernel() else { return };
    let spec = lab::object("sockets");
    // Both ways: by link, and as before there were any.
    for without_link in [false, true] {
        let mut live = lab::load(&kernel, &spec, &["parse", "echo"]);
        let target = Target { map: Some("peers".into()), without_link, ..Target::default() };
        let guards = [live.attach("parse", &target).unwrap(), live.attach("echo", &target).unwrap()];
        assert_eq!(guards[0].link_id().is_some(), !without_link);
        let map = live.map_fd("peers").unwrap().try_clone_to_owned().unwrap();
        let kinds = [AttachType::SK_SKB_STREAM_PARSER, AttachType::SK_SKB_STREAM_VERDICT];
        assert_eq!(kinds.map(|k| attached(map.as_fd(), k)), [1, 1]);
        let (mut client, server) = pair();
        put(&mut live, "peers", 0, server.as_fd());
        client.write_all(b"abcdefgh").unwrap();
        let mut back = [0; 8];
        client.read_exact(&mut back).unwrap();
        assert_eq!(&back, b"abcdefgh", "nobody reads `server`: the kernel sent it back");
        drop(guards);
        lab::soon(|| kinds.map(|k| attached(map.as_fd(), k)) == [0, 0]);
    }
}

#[test]
fn a_map_of_sockets_redirects_what_they_send() {
    let Some(kernel) = lab::kernel() else { return };
    let mut live = lab::load(&kernel, &lab::object("sockets"), &["across"]);
    let error =
        live.attach("across", &Target { map: Some("absent".into()), ..Target::default() }).unwrap_err();
    assert!(error.to_string().contains("`absent`"), "{error}");
    let error = live.attach("across", &Target::default()).unwrap_err();
    assert!(error.hint().is_some_and(|h| h.contains("--map")), "the object has several: {error}");
    let guard = live.attach("across", &Target { map: Some("peers".into()), ..Target::default() }).unwrap();
    let ((mut a, mut a_peer), (mut b, _b_peer)) = (pair(), pair());
    put(&mut live, "peers", 0, a.as_fd());
    put(&mut live, "peers", 1, b.as_fd());
    a.write_all(b"hello").unwrap();
    let mut back = [0; 5];
    b.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"hello");
    let map = live.map_fd("peers").unwrap().try_clone_to_owned().unwrap();
    drop(guard);
    lab::soon(|| attached(map.as_fd(), AttachType::SK_MSG_VERDICT) == 0);
    // Out of the map, a socket is an ordinary one.
    live.map("peers").unwrap().delete(&0_u32.to_ne_bytes()).unwrap();
    a.write_all(b"again").unwrap();
    a_peer.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"again");
}
