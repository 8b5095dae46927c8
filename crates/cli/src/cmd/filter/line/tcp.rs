//! TCP segments, with sequence numbers counted from the beginning of each connection, as far as it was seen.

use std::collections::HashMap;
use std::fmt::Write;
use std::net::IpAddr;

use etherparse::TcpSlice;

use super::Ends;

/// Connections that are remembered at most; then it begins anew.
const FLOWS: usize = 1 << 16;

type End = (IpAddr, u16);

/// Where the numbers of connections began.
#[derive(Default)]
pub(super) struct Flows(HashMap<(End, End), [u32; 2]>);

impl Flows {
    /// What follows the ports.
    pub(super) fn line(&mut self, tcp: &TcpSlice<'_>, ends: &Ends, len: usize, out: &mut String) {
        let (mut seq, mut ack) = (tcp.sequence_number(), tcp.acknowledgment_number());
        let [own, other] = match tcp.ack() {
            true => self.began(tcp, ends),
            false => [0, 0],
        };
        (seq, ack) = (seq.wrapping_sub(own), ack.wrapping_sub(other));
        let _ = write!(out, "Flags [{}]", flags(tcp));
        if len > 0 || tcp.syn() || tcp.fin() || tcp.rst() {
            let _ = write!(out, ", seq {seq}");
            if len > 0 {
                let _ = write!(out, ":{}", seq.wrapping_add(len as u32));
            }
        }
        if tcp.ack() {
            let _ = write!(out, ", ack {ack}");
        }
        let _ = write!(out, ", win {}", tcp.window_size());
        if tcp.urg() {
            let _ = write!(out, ", urg {}", tcp.urgent_pointer());
        }
        if !tcp.options().is_empty() {
            let _ = write!(out, ", options [{}]", options(tcp.options(), other));
        }
        let _ = write!(out, ", length {len}");
    }

    /// What is taken off this side's and the other side's numbers. A connection that is not known begins here, and
    /// this segment shows its numbers as they are.
    fn began(&mut self, tcp: &TcpSlice<'_>, ends: &Ends) -> [u32; 2] {
        let from: End = (ends.source, tcp.source_port());
        let to: End = (ends.destination, tcp.destination_port());
        let (key, backwards) = if from <= to { ((from, to), false) } else { ((to, from), true) };
        let known = self.0.get(&key).copied().filter(|_| !tcp.syn());
        let turn = |[a, b]: [u32; 2]| if backwards { [b, a] } else { [a, b] };
        if let Some(known) = known {
            return turn(known);
        }
        if self.0.len() >= FLOWS {
            self.0.clear();
        }
        self.0.insert(key, turn([tcp.sequence_number(), tcp.acknowledgment_number().wrapping_sub(1)]));
        [0, 0]
    }
}

fn flags(tcp: &TcpSlice<'_>) -> String {
    let all = [
        (tcp.fin(), 'F'),
        (tcp.syn(), 'S'),
        (tcp.rst(), 'R'),
        (tcp.psh(), 'P'),
        (tcp.ack(), '.'),
        (tcp.urg(), 'U'),
        (tcp.ece(), 'E'),
        (tcp.cwr(), 'W'),
        (tcp.ns(), 'e'),
    ];
    let set: String = all.into_iter().filter_map(|(set, c)| set.then_some(c)).collect();
    if set.is_empty() { "none".into() } else { set }
}

/// `mss 1460,sackOK`; numbers of SACK blocks are those of the other side.
fn options(mut bytes: &[u8], other: u32) -> String {
    let mut out = Vec::new();
    while let [kind, rest @ ..] = bytes {
        match kind {
            0 => {
                out.push("eol".to_owned());
                break;
            }
            1 => {
                out.push("nop".to_owned());
                bytes = rest;
                continue;
            }
            _ => {}
        }
        let body = rest.first().and_then(|len| bytes.get(2..usize::from(*len)));
        let (Some(body), Some(len)) = (body, rest.first()) else {
            out.push("[bad opt]".to_owned());
            break;
        };
        out.push(option(*kind, body, other));
        bytes = &bytes[usize::from(*len)..];
    }
    out.join(",")
}

fn option(kind: u8, body: &[u8], other: u32) -> String {
    let word = |at: usize| {
        let b = body.get(at..at + 4).and_then(|b| b.try_into().ok());
        b.map_or(0, u32::from_be_bytes)
    };
    match (kind, body) {
        (2, [a, b]) => format!("mss {}", u16::from_be_bytes([*a, *b])),
        (3, [n]) => format!("wscale {n}"),
        (4, []) => "sackOK".into(),
        (5, _) if !body.is_empty() && body.len().is_multiple_of(8) => {
            let blocks = body.len() / 8;
            let block = |i: usize| {
                let (from, to) = (word(i * 8).wrapping_sub(other), word(i * 8 + 4).wrapping_sub(other));
                format!("{{{from}:{to}}}")
            };
            format!("sack {blocks} {}", (0..blocks).map(block).collect::<String>())
        }
        (8, _) if body.len() == 8 => format!("TS val {} ecr {}", word(0), word(4)),
        _ => format!("unknown-{kind}"),
    }
}
