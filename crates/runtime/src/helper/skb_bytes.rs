//! The bytes of a socket buffer, by offset.

use skep_vm::{Frame, Stop};

use super::size;
use crate::env::Env;
use crate::errno::Errno;
use crate::hook::skb::field;

/// `BPF_F_RECOMPUTE_CSUM`, which concerns checksums from hardware: there are none.
const RECOMPUTE_CSUM: u64 = 1;
/// `BPF_F_INVALIDATE_HASH`.
const INVALIDATE_HASH: u64 = 2;

/// Copies what lies at offset `from` of the packet region to `to`, or clears `to`.
fn load(env: &mut Env, frame: &mut Frame<'_>, from: Option<usize>, to: u64, len: usize) -> Result<u64, Stop> {
    let skb = env.skb()?;
    frame.memory.slice_mut(to, len)?;
    let mut small = [0; 64];
    match from.and_then(|from| skb.range(frame.memory, from, len)) {
        Some(bytes) => match small.get_mut(..len) {
            Some(copy) => {
                copy.copy_from_slice(bytes);
                frame.memory.write(to, copy)?;
            }
            None => {
                let copy = bytes.to_vec();
                frame.memory.write(to, &copy)?;
            }
        },
        None => {
            frame.memory.slice_mut(to, len)?.fill(0);
            return Ok(Errno::EFAULT.ret());
        }
    }
    Ok(0)
}

/// `long bpf_skb_load_bytes(skb, offset, to, len)`
pub(super) fn load_bytes(env: &mut Env, frame: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    let [_, offset, to, len, _] = args;
    let data = env.skb()?.data;
    let offset = Some(size(offset)).filter(|&o| o <= i32::MAX as usize);
    load(env, frame, offset.map(|o| data + o), to, size(len))
}

/// `long bpf_skb_load_bytes_relative(skb, offset, to, len, start_header)`
pub(super) fn load_bytes_relative(env: &mut Env, frame: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    let [_, offset, to, len, start] = args;
    let skb = env.skb()?;
    let start = match start as u32 {
        0 => Some(skb.mac),
        1 => Some(skb.network),
        _ => None,
    };
    let offset = Some(size(offset)).filter(|&o| o <= 0xffff);
    let from = start.zip(offset).map(|(start, offset)| start + offset);
    load(env, frame, from, to, size(len))
}

/// `long bpf_skb_store_bytes(skb, offset, from, len, flags)`
pub(super) fn store_bytes(env: &mut Env, frame: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    let [_, offset, from, len, flags] = args;
    let (offset, len) = (size(offset), size(len));
    let mut scratch = std::mem::take(&mut env.scratch);
    let skb = env.skb()?;
    scratch.clear();
    scratch.extend_from_slice(frame.memory.read(from, len)?);
    let result = if flags & !(RECOMPUTE_CSUM | INVALIDATE_HASH) != 0 {
        Errno::EINVAL.ret()
    } else if offset > i32::MAX as usize {
        Errno::EFAULT.ret()
    } else {
        match skb.bytes_mut(frame.memory).get_mut(offset..offset + len) {
            Some(bytes) => {
                bytes.copy_from_slice(&scratch);
                if flags & INVALIDATE_HASH != 0 {
                    skb.put(frame.memory, field::HASH, 0);
                }
                0
            }
            None => Errno::EFAULT.ret(),
        }
    };
    env.scratch = scratch;
    Ok(result)
}

/// `long bpf_skb_pull_data(skb, len)`: every buffer here is linear and writable.
pub(super) fn pull_data(env: &mut Env, _: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    let skb = env.skb()?;
    Ok(if size(args[1]) > skb.len() { Errno::ENOMEM.ret() } else { 0 })
}
