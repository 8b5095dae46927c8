//! Sockets, seccomp filters, cgroups and namespaces against the running kernel; skipped, with the reason, where it may
//! not be asked.
#![cfg(all(target_os = "linux", not(skep_portable)))]

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};

use skep_isa::classic::{Insn, text};
use skep_sys::caps::Caps;
use skep_sys::packet::{Level, PacketSocket, Ring, RingShape};
use skep_sys::{Cap, Errno, cgroup, memlock, netns, seccomp, socket};

/// Whether the process has these rights; says which it lacks.
fn may(caps: &[Cap]) -> bool {
    match Caps::current().unwrap().lacks(caps) {
        None => true,
        Some(cap) => {
            println!("skipped: needs {cap}");
            false
        }
    }
}

fn classic(source: &str) -> Vec<Insn> {
    text::parse(source).unwrap()
}

/// Keeps packets whose first byte is 1.
const FIRST_IS_1: &str = "ldb [0]\njeq #1, keep, drop\nkeep: ret #-1\ndrop: ret #0\n";

#[test]
fn filters_of_sockets_are_put_on_read_back_and_taken_off() {
    let (out, back) = UnixDatagram::pair().unwrap();
    back.set_nonblocking(true).unwrap();
    let fd = back.as_fd();
    assert_eq!(socket::get_filter(fd), Ok(vec![]));
    assert_eq!(socket::detach_filter(fd), Err(Errno::ENOENT));
    let filter = classic(FIRST_IS_1);
    socket::attach_filter(fd, &filter).unwrap();
    assert_eq!(socket::get_filter(fd), Ok(filter));
    // A packet that is filtered out is not there for the sender either.
    for first in [0, 1, 2] {
        let _ = out.send(&[first, 7]);
    }
    let mut buffer = [0; 9];
    assert_eq!(back.recv(&mut buffer).unwrap(), 2);
    assert_eq!(&buffer[..2], [1, 7]);
    assert!(back.recv(&mut buffer).is_err(), "the others did not come");
    socket::detach_filter(fd).unwrap();
    out.send(&[2]).unwrap();
    assert_eq!(back.recv(&mut buffer).unwrap(), 1);
    assert_eq!(socket::attach_filter(fd, &[Insn::stmt(0, 0)]), Err(Errno::EINVAL), "no return");
    socket::attach_filter(fd, &classic("ret #-1\n")).unwrap();
    socket::lock_filter(fd).unwrap();
    assert_eq!(socket::detach_filter(fd), Err(Errno::EPERM), "locked");
}

#[test]
fn a_child_takes_on_a_filter_and_shows_it() {
    // getcwd(2) says EDOM, all else is allowed. The filter is for x86-64, where its number is 79.
    if !cfg!(target_arch = "x86_64") {
        println!("skipped: the numbers of system calls are x86-64's");
        return;
    }
    let filter = classic("ld [0]\njeq #79, no, yes\nno: ret #0x50021\nyes: ret #0x7fff0000\n");
    // The shell's own program waits to be looked at; it says what getcwd gives afterwards.
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "read x; unset PWD; cd / && pwd -P || echo refused"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = seccomp::filter_child(&mut command, &filter, 0).unwrap().spawn().unwrap();
    let shown = seccomp::filters_of(child.id());
    child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    let (mut said, mut complained) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut complained).unwrap();
    child.wait().unwrap();
    assert!(said.contains("refused") || complained.contains("domain"), "{said}{complained}");
    match shown {
        Ok(filters) => assert_eq!(filters, [filter]),
        Err(e @ (Errno::EPERM | Errno::EACCES | Errno::EIO)) => {
            println!("skipped in part: filters can't be read: {e}")
        }
        Err(e) => panic!("{e}"),
    }
}

#[test]
fn seccomp_says_what_it_knows() {
    assert_eq!(seccomp::action_available(0x7fff_0000), Ok(true), "SECCOMP_RET_ALLOW");
    assert_eq!(seccomp::action_available(0x1234_0000), Ok(false));
    let sizes = seccomp::notify_sizes().unwrap();
    assert_eq!(sizes.data, 64);
    assert!(sizes.notify >= 80 && sizes.response >= 24, "{sizes:?}");
}

#[test]
fn a_cgroup_has_the_id_of_its_directory() {
    use std::os::unix::fs::MetadataExt;
    let Some(mount) = cgroup::mount() else {
        println!("skipped: no cgroup2 is mounted");
        return;
    };
    let fd = cgroup::open(&mount).unwrap();
    // On 64-bit machines the number of the inode is the id.
    assert_eq!(cgroup::id(fd.as_fd()), Ok(std::fs::metadata(&mount).unwrap().ino()));
    assert_eq!(cgroup::open("/tmp".as_ref()).err(), Some(Errno::EBADF));
}

#[test]
fn the_memory_limit_is_as_far_up_as_it_goes() {
    let after = memlock::raise().unwrap();
    assert_eq!(after.current, after.most);
    assert_eq!(memlock::limit(), Ok(after));
    if may(&[Cap::BPF]) {
        let version = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        let mut numbers = version.split('.').map(|n| n.parse::<u32>().unwrap_or(0));
        let old = (numbers.next(), numbers.next()) < (Some(5), Some(11));
        assert_eq!(memlock::counts(), old, "{version}");
    }
}

#[test]
fn frames_come_through_the_ring_with_their_filter() {
    if !may(&[Cap::SYS_ADMIN, Cap::NET_ADMIN]) {
        return;
    }
    // A namespace of this thread alone: it goes with it.
    std::thread::spawn(|| {
        netns::unshare().unwrap();
        let up = Command::new("ip").args(["link", "set", "lo", "up"]).status();
        if !up.is_ok_and(|s| s.success()) {
            println!("skipped: iproute2 is not installed");
            return;
        }
        let socket = PacketSocket::open(Level::Link).unwrap();
        let shape = RingShape { block_size: 1 << 16, blocks: 4, timeout_ms: 5, hash: false };
        let mut ring = Ring::new(socket, shape).unwrap();
        // Ethertype 0x88b5 is for experiments.
        let filter = classic("ldh [12]\njeq #0x88b5, keep, drop\nkeep: ret #40\ndrop: ret #0\n");
        socket::attach_filter(ring.socket().as_fd(), &filter).unwrap();
        ring.socket().bind(1, skep_sys::packet::ALL).unwrap();
        ring.socket().ignore_outgoing().unwrap();
        let frame = |n: u16, ether: u16| {
            let mut frame = vec![0; 60];
            frame[12..14].copy_from_slice(&ether.to_be_bytes());
            frame[14..16].copy_from_slice(&n.to_be_bytes());
            frame
        };
        let sender = PacketSocket::open(Level::Link).unwrap();
        sender.bind(1, 0).unwrap();
        for n in 0..5000 {
            sender.send(&frame(n, 0x88b5)).unwrap();
            sender.send(&frame(n, 0x88b6)).unwrap();
            let mut next = n;
            // Blocks are handed over while the frames come, so that none is dropped.
            if n % 500 == 499 {
                next -= 499;
                while next <= n {
                    assert!(ring.socket().wait(1000).unwrap(), "frame {next} did not come");
                    ring.drain(|f| {
                        assert_eq!(
                            (f.data.len(), f.len, f.protocol, f.ifindex, f.to),
                            (40, 60, 0x88b5, 1, 0)
                        );
                        assert_eq!(&f.data[14..16], next.to_be_bytes());
                        assert!(f.time_ns > 1_500_000_000_000_000_000);
                        next += 1;
                    });
                }
            }
        }
        let counts = ring.socket().counts().unwrap();
        assert_eq!((counts.packets, counts.dropped), (5000, 0));
    })
    .join()
    .unwrap();
}
