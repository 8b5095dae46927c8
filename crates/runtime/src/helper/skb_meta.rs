//! What a socket buffer is besides its bytes: its type and its hash.

use skep_vm::{Frame, Stop};

use crate::checksum::add16;
use crate::env::Env;
use crate::errno::Errno;
use crate::hook::skb::{IPV4, IPV6, Skb, field};
use crate::map::hash_bytes;

/// `PACKET_OTHERHOST`, the last type that may be changed from or to.
const OTHERHOST: u32 = 3;

/// `long bpf_skb_change_type(skb, type)`
pub(super) fn change_type(env: &mut Env, frame: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    let skb = env.skb()?;
    let to = args[1] as u32;
    if skb.get(frame.memory, field::PKT_TYPE) > OTHERHOST || to > OTHERHOST {
        return Ok(Errno::EINVAL.ret());
    }
    skb.put(frame.memory, field::PKT_TYPE, to);
    Ok(0)
}

/// The addresses, protocol and ports of an IP packet: what a flow's packets share.
fn flow<'m>(skb: &Skb, frame: &'m Frame<'_>) -> Option<(&'m [u8], u8, &'m [u8])> {
    let at = skb.network;
    let (addresses, proto, transport) = match skb.protocol {
        IPV4 => {
            let header = skb.range(frame.memory, at, 20)?;
            (skb.range(frame.memory, at + 12, 8)?, header[9], at + usize::from(header[0] & 15) * 4)
        }
        IPV6 => {
            let header = skb.range(frame.memory, at, 40)?;
            (skb.range(frame.memory, at + 8, 32)?, header[6], at + 40)
        }
        _ => return None,
    };
    let ports = if matches!(proto, 6 | 17) { skb.range(frame.memory, transport, 4) } else { None };
    Some((addresses, proto, ports.unwrap_or(&[])))
}

/// `u32 bpf_get_hash_recalc(skb)`: equal for the packets of a flow and never 0, but not the kernel's number,
/// which depends on a secret.
pub(super) fn get_hash_recalc(env: &mut Env, frame: &mut Frame<'_>, _: [u64; 5]) -> Result<u64, Stop> {
    let skb = env.skb()?;
    let known = skb.get(frame.memory, field::HASH);
    if known != 0 {
        return Ok(known.into());
    }
    let hash = match flow(skb, frame) {
        Some((addresses, proto, ports)) => {
            let mut key = [0; 37];
            key[..addresses.len()].copy_from_slice(addresses);
            key[32..32 + ports.len()].copy_from_slice(ports);
            key[36] = proto;
            hash_bytes(&key).max(1)
        }
        None => 1,
    };
    skb.put(frame.memory, field::HASH, hash);
    Ok(hash.into())
}

/// `void bpf_set_hash_invalid(skb)`
pub(super) fn set_hash_invalid(env: &mut Env, frame: &mut Frame<'_>, _: [u64; 5]) -> Result<u64, Stop> {
    env.skb()?.put(frame.memory, field::HASH, 0);
    Ok(0)
}

/// `long bpf_set_hash(skb, hash)`
pub(super) fn set_hash(env: &mut Env, frame: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    env.skb()?.put(frame.memory, field::HASH, args[1] as u32);
    Ok(0)
}

/// `bpf_get_cgroup_classid`, `bpf_get_route_realm`: packets here have neither.
pub(super) fn zero(env: &mut Env, _: &mut Frame<'_>, _: [u64; 5]) -> Result<u64, Stop> {
    env.skb()?;
    Ok(0)
}

/// `long bpf_skb_ecn_set_ce(skb)`: marks congestion where the packet can carry the mark; 1 if it then does.
pub(super) fn ecn_set_ce(env: &mut Env, frame: &mut Frame<'_>, _: [u64; 5]) -> Result<u64, Stop> {
    let skb = env.skb()?;
    let at = skb.network.saturating_sub(skb.data);
    let protocol = skb.protocol;
    let bytes = skb.bytes_mut(frame.memory);
    match protocol {
        IPV4 => Ok(bytes.get_mut(at..at + 20).map_or(0, mark_ipv4)),
        IPV6 => Ok(bytes.get_mut(at..at + 40).map_or(0, mark_ipv6)),
        _ => Ok(0),
    }
}

/// The two bits of explicit congestion notification (RFC 3168).
const CE: u8 = 3;

fn mark_ipv4(header: &mut [u8]) -> u64 {
    // What the mark adds to the header is taken from its checksum.
    let added = match header[1] & CE {
        0 => return 0,
        CE => return 1,
        ect => u16::from(CE - ect),
    };
    let check = u16::from_be_bytes([header[10], header[11]]);
    header[10..12].copy_from_slice(&add16(check, !added).to_be_bytes());
    header[1] |= CE;
    1
}

fn mark_ipv6(header: &mut [u8]) -> u64 {
    if header[1] >> 4 & CE == 0 {
        return 0;
    }
    header[1] |= CE << 4;
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_keeps_the_checksum_true() {
        use skep_isa::Endian;
        for (tos, marked) in [(0u8, 0), (1, 1), (2, 1), (3, 1), (0xb9, 1)] {
            let mut header = [0x45, tos, 0, 40, 1, 2, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
            let check = crate::checksum::fold(crate::checksum::partial(&header, 0, Endian::Big));
            header[10..12].copy_from_slice(&check.to_be_bytes());
            assert_eq!(mark_ipv4(&mut header), marked);
            assert_eq!(header[1], if tos & CE == 0 { tos } else { tos | CE });
            assert_eq!(crate::checksum::fold(crate::checksum::partial(&header, 0, Endian::Big)), 0);
        }
        let mut header = [0x60, 0x10, 0, 0];
        assert_eq!((mark_ipv6(&mut header), header[1]), (1, 0x30));
    }
}
