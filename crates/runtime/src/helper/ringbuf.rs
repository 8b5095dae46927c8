//! Ring buffers: output, reserve, submit, discard, query.

use skep_vm::{Frame, RegionId, Stop, Trap};

use super::size;
use crate::env::{Env, LiveMap};
use crate::errno::Errno;
use crate::map::Ring;

/// `BPF_RB_NO_WAKEUP` and `BPF_RB_FORCE_WAKEUP`, which wake nobody here.
const WAKEUP: u64 = 3;

fn ring(map: &mut LiveMap) -> Result<&mut Ring, Stop> {
    let name = &map.name;
    map.ops.ring().ok_or_else(|| Trap::host(format!("map `{name}` is not a ring buffer")).into())
}

/// `long bpf_ringbuf_output(ringbuf, data, size, flags)`
pub(super) fn output(env: &mut Env, frame: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    let [handle, data, len, flags, _] = args;
    let len = size(len);
    let map = env.map(handle)?;
    let region = map.region;
    let ring = ring(map)?;
    frame.memory.read(data, len)?;
    if flags & !WAKEUP != 0 {
        return Ok(Errno::EINVAL.ret());
    }
    let Some(at) = ring.reserve(len as u64) else { return Ok(Errno::EAGAIN.ret()) };
    let copied = frame.memory.copy(region.base() + at as u64, data, len);
    ring.commit(at, copied.is_err());
    copied?;
    Ok(0)
}

/// `void *bpf_ringbuf_reserve(ringbuf, size, flags)`
pub(super) fn reserve(env: &mut Env, _: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    let map = env.map(args[0])?;
    let region = map.region;
    let ring = ring(map)?;
    if args[2] != 0 {
        return Ok(0);
    }
    Ok(ring.reserve(args[1]).map_or(0, |at| region.base() + at as u64))
}

/// `void bpf_ringbuf_submit(data, flags)`
pub(super) fn submit(env: &mut Env, _: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    commit(env, args[0], false)
}

/// `void bpf_ringbuf_discard(data, flags)`
pub(super) fn discard(env: &mut Env, _: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    commit(env, args[0], true)
}

fn commit(env: &mut Env, addr: u64, discard: bool) -> Result<u64, Stop> {
    let region = RegionId::of(addr);
    let ring = env.maps.iter_mut().find(|m| Some(m.region) == region).and_then(|m| m.ops.ring());
    if ring.is_some_and(|ring| ring.commit(addr as u32 as usize, discard)) {
        return Ok(0);
    }
    Err(Trap::host(format!("{addr:#x} is not a reserved ring buffer record")).into())
}

/// `u64 bpf_ringbuf_query(ringbuf, flags)`
pub(super) fn query(env: &mut Env, _: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    Ok(ring(env.map(args[0])?)?.query(args[1]))
}
