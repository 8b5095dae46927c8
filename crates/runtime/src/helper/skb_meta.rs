//! What a socket buffer is besides its bytes: its type and its hash.

use skep_vm::{Frame, Stop};

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
