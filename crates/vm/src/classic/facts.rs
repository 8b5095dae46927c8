//! Ancillary loads: the embedder's facts, and the two searches for netlink attributes, which read the packet.

use super::packet::Packet;
use skep_isa::classic::Ancillary;

/// Length of the header of an attribute (`struct nlattr`: length and type, 16 bits each, in host order).
const HEADER: usize = 4;

/// The value of a fact; none where the packet has no device, which ends the filter.
pub(super) fn load(packet: &Packet<'_>, fact: Ancillary, a: u32, x: u32) -> Option<u32> {
    let facts = packet.facts;
    Some(match fact {
        Ancillary::Protocol => facts.protocol.into(),
        Ancillary::PktType => (facts.pkt_type & 7).into(),
        Ancillary::IfIndex => facts.device?.index,
        Ancillary::Hatype => facts.device?.hatype.into(),
        Ancillary::Nlattr => attribute(packet.bytes, a as usize, x).unwrap_or(0),
        Ancillary::NlattrNest => nested(packet.bytes, a as usize, x).unwrap_or(0),
        Ancillary::Mark => facts.mark,
        Ancillary::Queue => facts.queue.into(),
        Ancillary::RxHash => facts.rxhash,
        Ancillary::Cpu => facts.cpu,
        Ancillary::XorX => a ^ x,
        Ancillary::VlanTag => facts.vlan.map_or(0, |tag| tag.tci.into()),
        Ancillary::VlanTagPresent => facts.vlan.is_some().into(),
        Ancillary::VlanTpid => facts.vlan.map_or(0, |tag| tag.tpid.into()),
        Ancillary::PayOffset => facts.payload,
        Ancillary::Random => facts.random,
    })
}

/// The offset of the attribute of a type, in the attributes from `start` to the end of the packet.
fn attribute(bytes: &[u8], start: usize, kind: u32) -> Option<u32> {
    // Linux refuses a start from which no header fits; one that just fits is looked at.
    bytes.get(start..)?.first_chunk::<HEADER>()?;
    find(bytes, start, bytes.len(), kind)
}

/// The same in the payload of the attribute at `start`.
fn nested(bytes: &[u8], start: usize, kind: u32) -> Option<u32> {
    let (length, _) = header(bytes, start, bytes.len())?;
    find(bytes, start + HEADER, start + length, kind)
}

fn find(bytes: &[u8], mut at: usize, end: usize, kind: u32) -> Option<u32> {
    loop {
        let (length, found) = header(bytes, at, end)?;
        if found == kind {
            return u32::try_from(at).ok();
        }
        // Attributes begin at multiples of 4 from the first.
        at += length.next_multiple_of(4);
    }
}

/// Length and type of the attribute at `at`, if it lies within `end`.
fn header(bytes: &[u8], at: usize, end: usize) -> Option<(usize, u32)> {
    let [l0, l1, t0, t1] = *bytes.get(at..end)?.first_chunk::<HEADER>()?;
    let length = usize::from(u16::from_ne_bytes([l0, l1]));
    // The two high bits say that it is nested and in which byte order: they are not part of the type.
    let kind = u32::from(u16::from_ne_bytes([t0, t1]) & 0x3fff);
    (length >= HEADER && length <= end - at).then_some((length, kind))
}
