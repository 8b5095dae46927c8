//! Sending a packet elsewhere: what was asked for is kept beside the verdict, for whoever runs the program.

use skep_abi::MapType;
use skep_backend::{Event, Redirect};
use skep_isa::Endian;
use skep_vm::{Frame, Stop};

use crate::env::Env;
use crate::errno::Errno;

const XDP_ABORTED: u64 = 0;
const XDP_REDIRECT: u64 = 4;
const TC_ACT_SHOT: u64 = 2;
const TC_ACT_REDIRECT: u64 = 7;
/// `BPF_F_INGRESS`.
const INGRESS: u64 = 1;
/// The low bits of redirect_map's flags: what to return if the slot is empty.
const ACTION_MASK: u64 = 3;
/// `BPF_F_BROADCAST`.
const BROADCAST: u64 = 1 << 3;
/// `BPF_F_EXCLUDE_INGRESS`.
const EXCLUDE_INGRESS: u64 = 1 << 4;

fn to_interface(env: &mut Env, ifindex: u64, flags: u64) {
    env.redirect = Some(Redirect::Interface { ifindex: ifindex as u32, flags });
}

/// `long bpf_redirect(ifindex, flags)` of XDP
pub(super) fn xdp_redirect(env: &mut Env, _: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    if args[1] != 0 {
        return Ok(XDP_ABORTED);
    }
    to_interface(env, args[0], 0);
    Ok(XDP_REDIRECT)
}

/// `long bpf_redirect_map(map, key, flags)`
pub(super) fn redirect_map(env: &mut Env, frame: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    let [handle, key, flags, ..] = args;
    let map = env.map(handle)?;
    let broadcasts = matches!(map.spec.map_type, MapType::DEVMAP | MapType::DEVMAP_HASH);
    let known = ACTION_MASK | if broadcasts { BROADCAST | EXCLUDE_INGRESS } else { 0 };
    if flags & !known != 0 {
        return Ok(XDP_ABORTED);
    }
    let index = match frame.memory.endian() {
        Endian::Little => (key as u32).to_le_bytes(),
        Endian::Big => (key as u32).to_be_bytes(),
    };
    let found = frame.memory.storage(map.region).and_then(|slab| map.ops.target(slab, &index));
    if found.is_none() && flags & BROADCAST == 0 {
        env.redirect = None;
        return Ok(flags & ACTION_MASK);
    }
    env.redirect = Some(Redirect::Map { map: map.name.to_string(), key: key & 0xffff_ffff });
    Ok(XDP_REDIRECT)
}

/// `long bpf_redirect(ifindex, flags)` of tc
pub(super) fn skb_redirect(env: &mut Env, _: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    if args[1] & !INGRESS != 0 {
        return Ok(TC_ACT_SHOT);
    }
    to_interface(env, args[0], args[1]);
    Ok(TC_ACT_REDIRECT)
}

/// `long bpf_redirect_peer(ifindex, flags)`
pub(super) fn skb_redirect_peer(env: &mut Env, _: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    if args[1] != 0 {
        return Ok(TC_ACT_SHOT);
    }
    to_interface(env, args[0], 0);
    Ok(TC_ACT_REDIRECT)
}

/// `long bpf_redirect_neigh(ifindex, params, plen, flags)`
pub(super) fn skb_redirect_neigh(env: &mut Env, _: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    /// `sizeof(struct bpf_redir_neigh)`.
    const PARAMS: u64 = 20;
    let [ifindex, _, plen, flags, _] = args;
    if flags != 0 || (plen != 0 && plen < PARAMS) {
        return Ok(TC_ACT_SHOT);
    }
    to_interface(env, ifindex, 0);
    Ok(TC_ACT_REDIRECT)
}

/// `long bpf_clone_redirect(skb, ifindex, flags)`: the copy becomes an event.
pub(super) fn clone_redirect(env: &mut Env, frame: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    let [_, ifindex, flags, ..] = args;
    let packet = env.skb()?.frame(frame.memory).to_vec();
    if flags & !INGRESS != 0 || ifindex as u32 == 0 {
        return Ok(Errno::EINVAL.ret());
    }
    let room = env.events.push(Event::Clone { ifindex: ifindex as u32, flags, packet });
    Ok(if room { 0 } else { Errno::ENOMEM.ret() })
}
