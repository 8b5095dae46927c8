//! `skep filter -i`: beside tcpdump on an interface in a namespace of the test's own, and what is said without rights.
//! Skipped, with the reason, without the rights or without tcpdump.
#![cfg(all(target_os = "linux", not(skep_portable)))]

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use skep::capture::Reader;
use skep_sys::packet::{Level, PacketSocket};

use crate::attach::in_netns;
use crate::root;

/// A program that captures into a file, which says when it listens; killed when this is dropped.
struct Capture {
    child: Child,
    file: PathBuf,
}

impl Capture {
    fn start(program: &Path, args: &[&str], file: PathBuf) -> Option<Self> {
        let mut child = Command::new(program)
            .args(args)
            .arg("-w")
            .arg(&file)
            .current_dir(root())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .ok()?;
        let mut said = BufReader::new(child.stderr.take()?);
        let mut line = String::new();
        while !line.contains("listening on") {
            line.clear();
            if said.read_line(&mut line).ok()? == 0 {
                return None;
            }
        }
        // What it says later has to go somewhere.
        std::thread::spawn(move || said.read_to_end(&mut Vec::new()));
        Some(Self { child, file })
    }

    /// Ends it, and gives what it captured: lengths and bytes.
    fn end(mut self) -> Vec<(u32, Vec<u8>)> {
        let pid = self.child.id().to_string();
        let told = Command::new("kill").args(["-INT", &pid]).status();
        assert!(told.is_ok_and(|s| s.success()));
        self.child.wait().expect("it ends");
        let mut reader = Reader::new(std::fs::File::open(&self.file).expect("it wrote")).expect("a capture");
        let mut packets = Vec::new();
        while let Some(p) = reader.next_packet().expect("a packet") {
            packets.push((p.orig_len, p.data.to_vec()));
        }
        packets
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = (self.child.kill(), self.child.wait(), std::fs::remove_file(&self.file));
    }
}

/// A frame of some kind: UDP over IP, perhaps with a VLAN tag, ARP, or something else.
fn frame(n: u32) -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend([2, 0, 0, 0, 0, 1]);
    if n % 5 == 1 {
        frame.extend([0x81, 0, 0, 100]);
    }
    if n % 7 == 3 {
        frame.extend([0x88, 0xb5]);
    } else {
        frame.extend([8, 0, 0x45, 0, 0, 60, 0, 0, 0, 0, 64, 17, 0, 0, 10, 9, 0, 1, 10, 9, 0, 2]);
        frame.extend([0x13, 0x88, (n >> 8) as u8 & 3, n as u8, 0, 40, 0, 0]);
    }
    frame.extend(n.to_be_bytes());
    frame.resize(74 + (n % 900) as usize, 0x5a);
    frame
}

#[test]
fn what_tcpdump_captures_is_captured() {
    in_netns(|| {
        for iface in ["v0", "v1"] {
            // No neighbour discovery between.
            let path = format!("/proc/sys/net/ipv6/conf/{iface}/disable_ipv6");
            let _ = std::fs::write(path, "1");
            assert!(
                Command::new("ip").args(["link", "set", iface, "up"]).status().is_ok_and(|s| s.success())
            );
        }
        let same = |expression| (expression, vec![expression]);
        let cases = [
            same(""),
            same("udp"),
            same("vlan 100 and udp"),
            same("udp dst port 77 or ether proto 0x88b5"),
            // The tag has been taken out of the packet.
            ("udp or (vlan and udp)", vec!["udp", "--any-vlan"]),
            ("vlan 100 and udp", vec!["udp and vlan 100", "--any-vlan", "--ipv6-ext"]),
        ];
        for (expression, args) in cases {
            let name =
                |who| std::env::temp_dir().join(format!("skep-live-{who}-{}.pcap", std::process::id()));
            let theirs =
                Capture::start(Path::new("tcpdump"), &["-n", "-i", "v1", expression], name("tcpdump"));
            let Some(theirs) = theirs else {
                println!("skipped: no tcpdump");
                return;
            };
            let skep = Path::new(env!("CARGO_BIN_EXE_skep"));
            let args = [&["filter", "-i", "v1"], &args[..]].concat();
            let ours = Capture::start(skep, &args, name("skep")).expect("listens");
            let socket = PacketSocket::open(Level::Link).expect("a socket");
            let link = skep_sys::netlink::Socket::open().expect("netlink").link("v0").expect("v0");
            socket.bind(link.index, 0).expect("bound");
            let began = Instant::now();
            for n in 0..3000 {
                while socket.send(&frame(n)).is_err() && began.elapsed() < Duration::from_secs(5) {}
            }
            // Blocks that are not full are handed over after a while.
            std::thread::sleep(Duration::from_millis(1500));
            let (theirs, ours) = (theirs.end(), ours.end());
            assert_eq!(theirs.len(), ours.len(), "`{expression}`");
            assert!(theirs == ours, "`{expression}`: the bytes differ");
            assert!(!ours.is_empty() && (expression.is_empty() || ours.len() < 3000), "{}", ours.len());
        }
    });
}
