//! VLAN tags of a socket buffer. The outermost is kept as metadata, as by hardware that offloads it; a second
//! push writes the first tag into the bytes, a pop brings the next one out of them.

use skep_vm::{Frame, Stop};

use crate::env::Env;
use crate::errno::{Errno, answer};
use crate::hook::ETH_HLEN;
use crate::hook::skb::{DOT1AD, DOT1Q, EtherType, Skb, protocol_of, wire16};

/// Bytes of a tag.
const TAG: usize = 4;
/// Destination and source address.
const ADDRESSES: usize = 12;

fn is_vlan(proto: EtherType) -> bool {
    matches!(proto, DOT1Q | DOT1AD)
}

/// `long bpf_skb_vlan_push(skb, vlan_proto, vlan_tci)`
pub(super) fn push(env: &mut Env, frame: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    let proto = wire16(args[1] as u16, frame.memory.endian());
    let proto = if is_vlan(proto) { proto } else { DOT1Q };
    let skb = env.skb()?;
    let result = match skb.vlan {
        Some(inner) => insert(skb, frame, inner),
        None => Ok(()),
    };
    if result.is_ok() {
        skb.vlan = Some((proto, args[2] as u16));
    }
    skb.sync(frame.memory);
    Ok(answer(result.map(|()| 0)))
}

/// Writes the tag that was metadata into the bytes.
fn insert(skb: &mut Skb, frame: &mut Frame<'_>, (proto, tci): (EtherType, u16)) -> Result<(), Errno> {
    skb.open(frame.memory, ADDRESSES, TAG)?;
    let bytes = skb.bytes_mut(frame.memory);
    bytes[ADDRESSES..ADDRESSES + 2].copy_from_slice(&proto);
    bytes[ADDRESSES + 2..ADDRESSES + 4].copy_from_slice(&tci.to_be_bytes());
    skb.mac -= TAG;
    skb.network -= TAG;
    skb.protocol = proto;
    Ok(())
}

/// `long bpf_skb_vlan_pop(skb)`
pub(super) fn pop(env: &mut Env, frame: &mut Frame<'_>, _: [u64; 5]) -> Result<u64, Stop> {
    let skb = env.skb()?;
    let result = pop_tag(skb, frame);
    skb.sync(frame.memory);
    Ok(answer(result.map(|()| 0)))
}

fn pop_tag(skb: &mut Skb, frame: &mut Frame<'_>) -> Result<(), Errno> {
    if skb.vlan.take().is_none() {
        if !is_vlan(skb.protocol) {
            return Ok(());
        }
        extract(skb, frame)?;
    }
    if is_vlan(skb.protocol) {
        let proto = skb.protocol;
        let tci = extract(skb, frame)?;
        skb.vlan = Some((proto, tci));
    }
    Ok(())
}

/// Takes the outermost tag out of the bytes.
fn extract(skb: &mut Skb, frame: &mut Frame<'_>) -> Result<u16, Errno> {
    let bytes = skb.bytes(frame.memory);
    let Some(tag) = bytes.get(ETH_HLEN..ETH_HLEN + TAG) else { return Err(Errno::ENOMEM) };
    let (tci, inner) = (u16::from_be_bytes([tag[0], tag[1]]), [tag[2], tag[3]]);
    let protocol = protocol_of(inner, &bytes[ETH_HLEN + TAG..]);
    skb.close(frame.memory, ADDRESSES, TAG)?;
    skb.mac += TAG;
    skb.network = skb.network.max(skb.data + ETH_HLEN);
    skb.protocol = protocol;
    Ok(tci)
}
