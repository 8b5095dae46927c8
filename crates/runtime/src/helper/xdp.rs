//! The packet of an XDP program: where it begins and ends, and its bytes by offset.

use skep_vm::{Frame, Stop};

use super::size;
use crate::env::Env;
use crate::errno::{Errno, answer};

/// `long bpf_xdp_adjust_head(xdp_md, delta)`
pub(super) fn adjust_head(env: &mut Env, frame: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    Ok(answer(env.xdp()?.adjust_head(frame.memory, args[1] as i32).map(|()| 0)))
}

/// `long bpf_xdp_adjust_meta(xdp_md, delta)`
pub(super) fn adjust_meta(env: &mut Env, frame: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    Ok(answer(env.xdp()?.adjust_meta(frame.memory, args[1] as i32).map(|()| 0)))
}

/// `long bpf_xdp_adjust_tail(xdp_md, delta)`
pub(super) fn adjust_tail(env: &mut Env, frame: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    Ok(answer(env.xdp()?.adjust_tail(frame.memory, args[1] as i32).map(|()| 0)))
}

/// `u64 bpf_xdp_get_buff_len(xdp_md)`
pub(super) fn get_buff_len(env: &mut Env, _: &mut Frame<'_>, _: [u64; 5]) -> Result<u64, Stop> {
    Ok(env.xdp()?.len() as u64)
}

/// The range of the packet that a program names.
fn range(packet: usize, offset: u64, len: u64) -> Result<std::ops::Range<usize>, Errno> {
    let (offset, len) = (size(offset), size(len));
    if offset > 0xffff || len > 0xffff {
        return Err(Errno::EFAULT);
    }
    if offset + len > packet { Err(Errno::EINVAL) } else { Ok(offset..offset + len) }
}

/// `long bpf_xdp_load_bytes(xdp_md, offset, buf, len)`
pub(super) fn load_bytes(env: &mut Env, frame: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    let [_, offset, buf, len, _] = args;
    let buff = env.xdp()?;
    frame.memory.slice_mut(buf, size(len))?;
    let range = match range(buff.len(), offset, len) {
        Ok(range) => range,
        Err(e) => return Ok(e.ret()),
    };
    let from = buff.address() + range.start as u64;
    frame.memory.copy(buf, from, range.len())?;
    Ok(0)
}

/// `long bpf_xdp_store_bytes(xdp_md, offset, buf, len)`
pub(super) fn store_bytes(env: &mut Env, frame: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    let [_, offset, buf, len, _] = args;
    let buff = env.xdp()?;
    frame.memory.read(buf, size(len))?;
    let range = match range(buff.len(), offset, len) {
        Ok(range) => range,
        Err(e) => return Ok(e.ret()),
    };
    let to = buff.address() + range.start as u64;
    frame.memory.copy(to, buf, range.len())?;
    Ok(0)
}
