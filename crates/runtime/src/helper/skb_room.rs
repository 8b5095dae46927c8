//! Making a socket buffer longer or shorter: at its tail, at its head, between its headers.

use skep_vm::{Frame, Stop};

use crate::env::Env;
use crate::errno::{Errno, answer};
use crate::hook::skb::{IPV4, IPV6, MAX_LEN, Skb, Summed, field, wire16};

/// Flags of `bpf_skb_adjust_room`.
const FIXED_GSO: u64 = 1;
const ENCAP_L3_IPV4: u64 = 1 << 1;
const ENCAP_L3_IPV6: u64 = 1 << 2;
const ENCAP_L4_GRE: u64 = 1 << 3;
const ENCAP_L4_UDP: u64 = 1 << 4;
const NO_CSUM_RESET: u64 = 1 << 5;
const ENCAP_L2_ETH: u64 = 1 << 6;
const DECAP_L3_IPV4: u64 = 1 << 7;
const DECAP_L3_IPV6: u64 = 1 << 8;
const ENCAP_L3: u64 = ENCAP_L3_IPV4 | ENCAP_L3_IPV6;
const ENCAP: u64 = ENCAP_L3 | ENCAP_L4_GRE | ENCAP_L4_UDP | ENCAP_L2_ETH;
const DECAP_L3: u64 = DECAP_L3_IPV4 | DECAP_L3_IPV6;
/// Length of an inner link-layer header, in the top byte.
const ENCAP_L2_SHIFT: u64 = 56;
const ENCAP_L2_MASK: u64 = 0xff << ENCAP_L2_SHIFT;
const IPV4_LEN: usize = 20;
const IPV6_LEN: usize = 40;
/// `EALREADY`, which only a second encapsulation gives.
const EALREADY: Errno = Errno(114);

/// Runs a change and lets the context know.
fn change(
    env: &mut Env,
    frame: &mut Frame<'_>,
    f: impl FnOnce(&mut Skb, &mut Frame<'_>) -> Result<(), Errno>,
) -> Result<u64, Stop> {
    let skb = env.skb()?;
    let result = f(skb, frame);
    skb.sync(frame.memory);
    Ok(answer(result.map(|()| 0)))
}

/// `long bpf_skb_change_tail(skb, len, flags)`
pub(super) fn change_tail(env: &mut Env, frame: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    let (len, flags) = (args[1] as u32 as usize, args[2]);
    change(env, frame, |skb, frame| {
        let min = skb.network.saturating_sub(skb.data);
        if flags != 0 || len > MAX_LEN || len < min {
            return Err(Errno::EINVAL);
        }
        if skb.encapsulated {
            return Err(Errno::ENOTSUPP);
        }
        skb.set_len(frame.memory, len)
    })
}

/// `long bpf_skb_change_head(skb, len, flags)`
pub(super) fn change_head(env: &mut Env, frame: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    let (room, flags) = (args[1] as u32, args[2]);
    change(env, frame, |skb, frame| {
        let len = skb.len() + room as usize;
        if flags != 0 || (room as i32) < 0 || len > MAX_LEN {
            return Err(Errno::EINVAL);
        }
        skb.push(frame.memory, room as usize)?;
        skb.mac = skb.data;
        Ok(())
    })
}

/// Opens room behind the link-layer header, or deeper; headers before it move.
fn open(skb: &mut Skb, frame: &mut Frame<'_>, at: usize, len: usize) -> Result<(), Errno> {
    skb.open(frame.memory, at, len)?;
    skb.mac -= len;
    skb.network -= len;
    Ok(())
}

/// The reverse of [`open`].
fn close(skb: &mut Skb, frame: &mut Frame<'_>, at: usize, len: usize) -> Result<(), Errno> {
    skb.close(frame.memory, at, len)?;
    skb.mac += len;
    skb.network += len;
    Ok(())
}

/// `long bpf_skb_change_proto(skb, proto, flags)`
pub(super) fn change_proto(env: &mut Env, frame: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    let (proto, flags) = (wire16(args[1] as u16, frame.memory.endian()), args[2]);
    change(env, frame, |skb, frame| {
        if flags != 0 {
            return Err(Errno::EINVAL);
        }
        let (at, len) = (skb.mac_len(), IPV6_LEN - IPV4_LEN);
        match (skb.protocol, proto) {
            (IPV4, IPV6) => open(skb, frame, at, len)?,
            (IPV6, IPV4) => close(skb, frame, at, len)?,
            _ => return Err(Errno::ENOTSUPP),
        }
        skb.protocol = proto;
        skb.put(frame.memory, field::HASH, 0);
        Ok(())
    })
}

/// `long bpf_skb_adjust_room(skb, len_diff, mode, flags)`
pub(super) fn adjust_room(env: &mut Env, frame: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    let [_, diff, mode, flags, _] = args;
    change(env, frame, |skb, frame| {
        let plan = plan(skb, diff as i32, mode as u32, flags)?;
        if plan.shrink {
            shrink(skb, frame, &plan, flags)?
        } else {
            grow(skb, frame, &plan, flags)?
        }
        if flags & NO_CSUM_RESET == 0 {
            skb.summed = Summed::None;
        }
        Ok(())
    })
}

/// What adjust_room is to do, once its arguments are found good.
struct Plan {
    at: usize,
    len: usize,
    shrink: bool,
}

fn plan(skb: &Skb, diff: i32, mode: u32, flags: u64) -> Result<Plan, Errno> {
    let len = diff.unsigned_abs() as usize;
    let shrink = diff < 0;
    if flags & !(FIXED_GSO | ENCAP | NO_CSUM_RESET | DECAP_L3 | ENCAP_L2_MASK) != 0 {
        return Err(Errno::EINVAL);
    }
    if len > 0xfff {
        return Err(Errno::EFAULT);
    }
    let base = match skb.protocol {
        IPV4 => IPV4_LEN,
        IPV6 => IPV6_LEN,
        _ => return Err(Errno::ENOTSUPP),
    };
    let at = match mode {
        0 => skb.mac_len() + base,
        1 => skb.mac_len(),
        _ => return Err(Errno::ENOTSUPP),
    };
    let min = match flags & DECAP_L3 {
        0 => base,
        _ if !shrink => return Err(Errno::EINVAL),
        DECAP_L3_IPV4 => IPV4_LEN,
        DECAP_L3_IPV6 => IPV6_LEN,
        _ => return Err(Errno::EINVAL),
    };
    let current = skb.end.saturating_sub(skb.network);
    let bad = if shrink { len >= current || current - len < min } else { skb.len() + len > MAX_LEN };
    if bad { Err(Errno::ENOTSUPP) } else { Ok(Plan { at, len, shrink }) }
}

fn grow(skb: &mut Skb, frame: &mut Frame<'_>, plan: &Plan, flags: u64) -> Result<(), Errno> {
    let encap = flags & ENCAP_L3 != 0;
    if encap {
        let inner_mac = (flags & ENCAP_L2_MASK) >> ENCAP_L2_SHIFT;
        let both = |mask| flags & mask == mask;
        if both(ENCAP_L3) || both(ENCAP_L4_GRE | ENCAP_L4_UDP) {
            return Err(Errno::EINVAL);
        }
        if flags & ENCAP_L2_ETH != 0 && inner_mac < 14 {
            return Err(Errno::EINVAL);
        }
        if skb.encapsulated {
            return Err(EALREADY);
        }
        if inner_mac as usize > plan.len {
            return Err(Errno::EINVAL);
        }
    }
    open(skb, frame, plan.at, plan.len)?;
    if encap {
        skb.encapsulated = true;
        match (skb.protocol, flags & ENCAP_L3) {
            (IPV4, ENCAP_L3_IPV6) => skb.protocol = IPV6,
            (IPV6, ENCAP_L3_IPV4) => skb.protocol = IPV4,
            _ => {}
        }
    }
    Ok(())
}

fn shrink(skb: &mut Skb, frame: &mut Frame<'_>, plan: &Plan, flags: u64) -> Result<(), Errno> {
    if flags & !(FIXED_GSO | DECAP_L3 | NO_CSUM_RESET) != 0 {
        return Err(Errno::EINVAL);
    }
    close(skb, frame, plan.at, plan.len)?;
    match (skb.protocol, flags & DECAP_L3) {
        (IPV4, DECAP_L3_IPV6) => skb.protocol = IPV6,
        (IPV6, DECAP_L3_IPV4) => skb.protocol = IPV4,
        _ => {}
    }
    Ok(())
}
