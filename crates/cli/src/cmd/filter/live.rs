//! Packets of an interface as they pass: the filter runs in the kernel, what it keeps comes through a ring that is
//! shared with it.

use std::os::fd::AsFd;
use std::time::Duration;

use skep::capture::{LinkType, Packet};
use skep::filter::Dlt;
use skep::isa::classic::Insn;
use skep_sys::netlink::Socket;
use skep_sys::packet::{ALL, Frame, Level, PacketSocket, Ring, RingShape};
use skep_sys::signal::{HUP, INT, Signals, TERM, wait};
use skep_sys::{Cap, Errno, caps::Caps, socket};

use super::pass::Pass;
use super::{Args, build};
use crate::Verdict;
use crate::cmd::attach::enter;
use crate::failure::Failure;
use crate::output::Output;

/// The longest wait for a block.
const TICK: Duration = Duration::from_millis(100);
/// Where a VLAN tag belongs in a frame.
const TAG: usize = 12;

/// Types of links, as the kernel numbers them (`ARPHRD_*`).
const ETHER: u16 = 1;
const LOOPBACK: u16 = 772;
const NONE: u16 = 0xfffe;

pub(super) fn run(args: &Args, iface: &str, out: &mut Output) -> Result<Verdict, Failure> {
    let signals =
        Signals::hold(&[INT, TERM, HUP]).map_err(|e| Failure::new(format!("holding signals: {e}")))?;
    enter(args.netns.as_deref())?;
    let (index, kind) = link(iface)?;
    let (level, link) = match kind {
        ETHER | LOOPBACK => (Level::Link, LinkType::ETHERNET),
        // Tunnels without a header of their own.
        NONE => (Level::Network, LinkType::RAW),
        other => {
            let failure = Failure::new(format!(
                "interface {iface} has links of type {other}, which are not captured yet"
            ));
            return Err(failure.hint("Ethernet, loopback and bare IP are"));
        }
    };
    let insns = build(args, Dlt::from_linktype(link.0), None, true)?;
    let mut ring = open(iface, index, level, &insns, args.no_promiscuous)?;
    out.note(format_args!("listening on {iface}; end it with Ctrl-C"));
    let mut pass = Pass::new(args);
    let mut tagged = Vec::new();
    while signals.take().is_none() && !pass.is_full() {
        let fds = [ring.socket().as_fd(), signals.as_fd()];
        wait(&fds, TICK).map_err(|e| Failure::new(format!("waiting for packets: {e}")))?;
        take(&mut ring, link, &mut pass, &mut tagged, out)?;
        out.flush()?;
    }
    // What the kernel has not handed over yet comes with the next block.
    if !pass.is_full() {
        std::thread::sleep(TICK);
        take(&mut ring, link, &mut pass, &mut tagged, out)?;
    }
    pass.counts.dropped = Some(ring.socket().counts().map_or(0, |c| u64::from(c.dropped)));
    pass.finish(link, out)
}

fn link(iface: &str) -> Result<(u32, u16), Failure> {
    let wrong = |e: &dyn std::fmt::Display| {
        Failure::new(format!("interface {iface}: {e}")).hint("`ip link` lists them")
    };
    let found = Socket::open().map_err(|e| wrong(&e))?.link(iface).map_err(|e| wrong(&e))?;
    Ok((found.index, found.hardware))
}

/// A ring that holds nothing but what the filter keeps: the socket hears of no protocol until the filter is in place.
fn open(
    iface: &str,
    index: u32,
    level: Level,
    insns: &[Insn],
    no_promiscuous: bool,
) -> Result<Ring, Failure> {
    let wrong = |e: Errno| {
        let lacks = Caps::current().ok().and_then(|c| c.lacks(&[Cap::NET_RAW]));
        match (e, lacks) {
            (Errno::EPERM, Some(cap)) => Failure::new(format!("capturing on {iface}: needs {cap}"))
                .hint("run it as root, or give the process the capability"),
            _ => Failure::new(format!("capturing on {iface}: {e}")),
        }
    };
    let socket = PacketSocket::open(level).map_err(wrong)?;
    socket::attach_filter(socket.as_fd(), insns).map_err(|e| match e {
        Errno::EINVAL | Errno::ENOMEM => {
            wrong(e).hint(format!("the kernel does not take the filter, of {} instructions", insns.len()))
        }
        e => wrong(e),
    })?;
    let ring = Ring::new(socket, RingShape { block_size: 1 << 20, blocks: 32, ..RingShape::default() });
    let ring = ring.map_err(wrong)?;
    ring.socket().bind(index, ALL).map_err(wrong)?;
    if !no_promiscuous {
        ring.socket().promiscuous(index).map_err(wrong)?;
    }
    Ok(ring)
}

/// All that is there.
fn take(
    ring: &mut Ring,
    link: LinkType,
    pass: &mut Pass<'_>,
    tagged: &mut Vec<u8>,
    out: &mut Output,
) -> Result<(), Failure> {
    while let Some(mut block) = ring.next_block() {
        while let Some(frame) = block.next_frame() {
            if pass.is_full() {
                return Ok(());
            }
            // The loopback shows each frame twice: as sent, and as received.
            if frame.link == LOOPBACK && frame.to == OUTGOING {
                continue;
            }
            let (data, grown) = whole(&frame, link, tagged);
            let packet = Packet {
                data,
                orig_len: frame.len + grown,
                timestamp_ns: Some(frame.time_ns),
                interface: 0,
                link_type: link,
            };
            pass.matched(&packet, out)?;
        }
    }
    Ok(())
}

/// `PACKET_OUTGOING`.
const OUTGOING: u8 = 4;

/// The frame as it was on the wire: with the VLAN tag that the device took off; and by how much that is longer.
fn whole<'a>(frame: &Frame<'a>, link: LinkType, tagged: &'a mut Vec<u8>) -> (&'a [u8], u32) {
    match frame.vlan {
        Some((kind, tag)) if link == LinkType::ETHERNET && frame.data.len() >= TAG => {
            tagged.clear();
            tagged.extend_from_slice(&frame.data[..TAG]);
            tagged.extend_from_slice(&kind.to_be_bytes());
            tagged.extend_from_slice(&tag.to_be_bytes());
            tagged.extend_from_slice(&frame.data[TAG..]);
            (tagged, 4)
        }
        _ => (frame.data, 0),
    }
}
