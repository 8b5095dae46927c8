//! Checksums: the sum of a difference, and its application to the headers of a socket buffer.

use skep_vm::{Frame, Stop};

use super::size;
use crate::checksum::{from_32_to_16, partial, replace_by_diff, replace2, replace4, sub};
use crate::env::Env;
use crate::errno::{Errno, answer};
use crate::hook::skb::{Skb, Summed, native16, wire16};

/// `BPF_F_HDR_FIELD_MASK`: the size of the field that changed, 0 for a ready difference.
const FIELD_MASK: u64 = 0xf;
/// `BPF_F_PSEUDO_HDR`, which concerns checksums that hardware completes: there are none.
const PSEUDO_HDR: u64 = 1 << 4;
/// `BPF_F_MARK_MANGLED_0`: a checksum of zero means none.
const MANGLED_0: u64 = 1 << 5;
/// `BPF_F_MARK_ENFORCE`: even so, make one.
const ENFORCE: u64 = 1 << 6;
/// `BPF_F_IPV6`.
const IPV6: u64 = 1 << 7;

/// `s64 bpf_csum_diff(from, from_size, to, to_size, seed)`
pub(super) fn csum_diff(_: &mut Env, frame: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    let (from_len, to_len, seed) = (size(args[1]), size(args[3]), args[4] as u32);
    frame.charge((from_len as u64 + to_len as u64) / 64)?;
    let memory = &*frame.memory;
    let endian = memory.endian();
    if (from_len | to_len) % 4 != 0 {
        return Ok(Errno::EINVAL.ret());
    }
    let from = if from_len > 0 { memory.read(args[0], from_len)? } else { &[] };
    let to = if to_len > 0 { memory.read(args[2], to_len)? } else { &[] };
    let sum = match (from.is_empty(), to.is_empty()) {
        (false, false) => sub(partial(to, seed, endian), partial(from, 0, endian)),
        (true, false) => partial(to, seed, endian),
        (false, true) => !partial(from, !seed, endian),
        (true, true) => seed,
    };
    Ok(from_32_to_16(sum).into())
}

/// A checksum field of the packet, found or refused as the kernel does.
fn check_at(skb: &Skb, frame: &Frame<'_>, offset: u64) -> Result<(usize, u16), Errno> {
    let offset = offset as u32 as usize;
    if offset > 0xffff || offset & 1 != 0 {
        return Err(Errno::EFAULT);
    }
    let bytes = skb.bytes(frame.memory).get(offset..offset + 2).ok_or(Errno::EFAULT)?;
    Ok((offset, native16([bytes[0], bytes[1]], frame.memory.endian())))
}

/// The checksum after the change that a helper's arguments tell.
fn changed(check: u16, from: u64, to: u64, flags: u64) -> Result<u16, Errno> {
    match flags & FIELD_MASK {
        0 if from != 0 => Err(Errno::EINVAL),
        0 => Ok(replace_by_diff(check, to as u32)),
        2 => Ok(replace2(check, from as u16, to as u16)),
        4 => Ok(replace4(check, from as u32, to as u32)),
        _ => Err(Errno::EINVAL),
    }
}

fn store(skb: &Skb, frame: &mut Frame<'_>, at: usize, check: u16) {
    let bytes = wire16(check, frame.memory.endian());
    skb.bytes_mut(frame.memory)[at..at + 2].copy_from_slice(&bytes);
}

/// `long bpf_l3_csum_replace(skb, offset, from, to, size)`
pub(super) fn l3_csum_replace(env: &mut Env, frame: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    let [_, offset, from, to, flags] = args;
    let skb = env.skb()?;
    let result = (|| {
        if flags & !FIELD_MASK != 0 {
            return Err(Errno::EINVAL);
        }
        let (at, check) = check_at(skb, frame, offset)?;
        store(skb, frame, at, changed(check, from, to, flags)?);
        Ok(0)
    })();
    Ok(answer(result))
}

/// `long bpf_l4_csum_replace(skb, offset, from, to, flags)`
pub(super) fn l4_csum_replace(env: &mut Env, frame: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    let [_, offset, from, to, flags] = args;
    let skb = env.skb()?;
    let result = (|| {
        if flags & !(FIELD_MASK | PSEUDO_HDR | MANGLED_0 | ENFORCE | IPV6) != 0 {
            return Err(Errno::EINVAL);
        }
        let (at, check) = check_at(skb, frame, offset)?;
        let zero_is_none = flags & MANGLED_0 != 0;
        if zero_is_none && flags & ENFORCE == 0 && check == 0 {
            return Ok(0);
        }
        let check = match changed(check, from, to, flags)? {
            0 if zero_is_none => 0xffff,
            check => check,
        };
        store(skb, frame, at, check);
        Ok(0)
    })();
    Ok(answer(result))
}

/// `s64 bpf_csum_update(skb, csum)`: no packet here has a checksum from hardware to update.
pub(super) fn csum_update(env: &mut Env, _: &mut Frame<'_>, _: [u64; 5]) -> Result<u64, Stop> {
    env.skb()?;
    Ok(Errno::ENOTSUPP.ret())
}

/// `long bpf_csum_level(skb, level)`
pub(super) fn csum_level(env: &mut Env, _: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    /// `SKB_MAX_CSUM_LEVEL`.
    const MAX: u32 = 3;
    let skb = env.skb()?;
    let next = match (args[1], skb.summed) {
        (0, Summed::Unnecessary(level)) => return Ok(level.into()),
        (0, Summed::None) => return Ok(Errno::EACCES.ret()),
        (1, Summed::Unnecessary(level)) => Summed::Unnecessary((level + 1).min(MAX)),
        (1, Summed::None) => Summed::Unnecessary(0),
        (2, Summed::Unnecessary(level)) => level.checked_sub(1).map_or(Summed::None, Summed::Unnecessary),
        (2 | 3, _) => Summed::None,
        _ => return Ok(Errno::EINVAL.ret()),
    };
    skb.summed = next;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksum::add;

    #[test]
    fn fields_of_both_sizes_and_ready_differences_agree() {
        let (check, from, to) = (0x1c46, 0x1234, 0xfffe);
        let diff = u64::from(add(to, !from));
        let by_diff = changed(check, 0, diff, 0).unwrap();
        assert_eq!(changed(check, from.into(), to.into(), 2).unwrap(), by_diff);
        assert_eq!(changed(check, from.into(), to.into(), 4).unwrap(), by_diff);
        assert_eq!(changed(check, 1, 2, 0), Err(Errno::EINVAL));
        assert_eq!(changed(check, 1, 2, 8), Err(Errno::EINVAL));
    }
}
