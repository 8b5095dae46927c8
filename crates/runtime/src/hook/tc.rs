//! tc: classifiers and actions, which see the packet from its Ethernet header and reach it by address.
//!
//! What a caller may set in `__sk_buff`, and what the fields hold otherwise, is as in BPF_PROG_TEST_RUN.

use skep_isa::Endian;
use skep_vm::{Memory, MemoryError, RegionId};

use super::skb::{CTX_LEN, Layout, Skb, field, protocol_of};
use super::{ETH_HLEN, get32};

/// Ranges of `__sk_buff` that a caller may set; all else must be zero.
const SETTABLE: &[(usize, usize)] = &[
    (field::MARK, field::MARK + 4),
    (field::PRIORITY, field::PRIORITY + 4),
    (field::INGRESS_IFINDEX, field::IFINDEX + 4),
    (field::CB, field::CB + 20),
    (field::TSTAMP, field::WIRE_LEN + 4),
    (field::GSO_SEGS, field::GSO_SEGS + 4),
    (field::GSO_SIZE, field::GSO_SIZE + 4),
    (field::HWTSTAMP, field::HWTSTAMP + 8),
];

/// `GSO_LEGACY_MAX_SIZE`.
const MAX_WIRE_LEN: u32 = 65536;

/// The fields of `__sk_buff` before a run; the packet's own are filled in by [`Skb::sync`].
pub(crate) fn context(
    given: Option<&[u8]>,
    packet: &[u8],
    skb_len: usize,
    ifindex: u32,
    endian: Endian,
) -> Result<[u8; CTX_LEN], &'static str> {
    let mut ctx = [0; CTX_LEN];
    if let Some(given) = given {
        check(given)?;
        let len = given.len().min(CTX_LEN);
        ctx[..len].copy_from_slice(&given[..len]);
    }
    let mut put = |at, value| super::put32(&mut ctx, at, value, endian);
    let field = |at| given.map_or(0, |g| get32(g, at, endian));
    put(field::PKT_TYPE, pkt_type(packet));
    if field(field::IFINDEX) == 0 {
        put(field::IFINDEX, ifindex);
    }
    // The kernel leaves the length on the wire at zero unless it is given a context.
    if given.is_some() {
        match field(field::WIRE_LEN) {
            0 => put(field::WIRE_LEN, skb_len as u32),
            n if (n as usize) < skb_len || n > MAX_WIRE_LEN => {
                return Err("wire_len must be between the packet's length and 65536");
            }
            _ => {}
        }
    }
    Ok(ctx)
}

fn check(given: &[u8]) -> Result<(), &'static str> {
    let may = |at: usize| SETTABLE.iter().any(|&(from, to)| (from..to).contains(&at));
    if given.iter().enumerate().all(|(at, &b)| b == 0 || at < CTX_LEN && may(at)) {
        return Ok(());
    }
    Err(
        "only mark, priority, ingress_ifindex, ifindex, cb, tstamp, wire_len, gso_segs, gso_size and hwtstamp \
         of a __sk_buff can be set",
    )
}

/// The packet type on the loopback interface, whose own and broadcast addresses are zero.
fn pkt_type(packet: &[u8]) -> u32 {
    const HOST: u32 = 0;
    const MULTICAST: u32 = 2;
    const OTHERHOST: u32 = 3;
    match packet.get(..6) {
        Some([first, ..]) if first & 1 != 0 => MULTICAST,
        Some([0, 0, 0, 0, 0, 0]) => HOST,
        _ => OTHERHOST,
    }
}

/// Lays a packet for a program that reaches it by address from byte `start` on.
pub(crate) fn lay(
    memory: &mut Memory,
    ctx: RegionId,
    packet: &[u8],
    fields: &[u8; CTX_LEN],
    start: usize,
) -> Result<Skb, MemoryError> {
    let ether_type = [packet[12], packet[13]];
    let layout = Layout {
        data: start,
        network: ETH_HLEN,
        protocol: protocol_of(ether_type, &packet[ETH_HLEN..]),
        direct: true,
    };
    let skb = Skb::lay(memory, ctx, packet, &layout)?;
    memory.storage_mut(ctx)?.copy_from_slice(fields);
    skb.sync(memory);
    Ok(skb)
}
