//! Map access: lookup, update, delete; push, pop, peek; spin locks.

use skep_vm::{Frame, Memory, Stop, Trap, map_index};

use crate::env::{Env, LiveMap};
use crate::errno::{Errno, answer};
use crate::map::Side;
use crate::map::attr::RDONLY_PROG;

/// `void *bpf_map_lookup_elem(map, key)`
pub(super) fn lookup(env: &mut Env, frame: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    let cpu = env.cpu;
    let map = env.map(args[0])?;
    let key = frame.memory.read(args[1], map.spec.key_size as usize)?;
    Ok(map.lookup(frame.memory, key, cpu))
}

/// The same for a map that there is, and a key that may be read.
pub(super) fn quick_lookup(env: &mut Env, memory: &Memory, args: [u64; 5]) -> Option<u64> {
    let cpu = env.cpu;
    let map = env.maps.get_mut(map_index(args[0])? as usize)?;
    let key = memory.read(args[1], map.spec.key_size as usize).ok()?;
    Some(map.lookup(memory, key, cpu))
}

/// `void *bpf_map_lookup_percpu_elem(map, key, cpu)`
pub(super) fn lookup_percpu(env: &mut Env, frame: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    let map = env.map(args[0])?;
    let key = frame.memory.read(args[1], map.spec.key_size as usize)?;
    let Some(slab) = frame.memory.storage(map.region) else { return Ok(0) };
    let found = map.ops.lookup_on(slab, key, args[2] as u32);
    Ok(found.map_or(0, |offset| map.region.base() + offset as u64))
}

/// Refuses changes of a map that programs may only read, as the verifier would.
fn writable(map: &LiveMap) -> Result<(), Stop> {
    if map.spec.flags & RDONLY_PROG == 0 {
        return Ok(());
    }
    Err(Trap::host(format!("map `{}` is read-only for programs", map.name)).into())
}

/// `long bpf_map_update_elem(map, key, value, flags)`
pub(super) fn update(env: &mut Env, frame: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    let mut scratch = std::mem::take(&mut env.scratch);
    let result = update_with(env, frame, args, &mut scratch);
    env.scratch = scratch;
    result
}

fn update_with(
    env: &mut Env,
    frame: &mut Frame<'_>,
    args: [u64; 5],
    scratch: &mut Vec<u8>,
) -> Result<u64, Stop> {
    let side = Side::Prog(env.cpu);
    let map = env.map(args[0])?;
    writable(map)?;
    let (key_size, value_size) = (map.spec.key_size as usize, map.spec.value_size as usize);
    scratch.clear();
    scratch.extend_from_slice(frame.memory.read(args[1], key_size)?);
    scratch.extend_from_slice(frame.memory.read(args[2], value_size)?);
    let (key, value) = scratch.split_at(key_size);
    let slab = match map.slab(frame.memory) {
        Ok(slab) => slab,
        Err(e) => return Ok(e.ret()),
    };
    Ok(answer(map.ops.update(slab, key, value, args[3], side).map(|()| 0)))
}

/// `long bpf_map_delete_elem(map, key)`
pub(super) fn delete(env: &mut Env, frame: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    let mut scratch = std::mem::take(&mut env.scratch);
    let result = delete_with(env, frame, args, &mut scratch);
    env.scratch = scratch;
    result
}

fn delete_with(env: &mut Env, frame: &mut Frame<'_>, args: [u64; 5], key: &mut Vec<u8>) -> Result<u64, Stop> {
    let map = env.map(args[0])?;
    writable(map)?;
    key.clear();
    key.extend_from_slice(frame.memory.read(args[1], map.spec.key_size as usize)?);
    Ok(answer(map.slab(frame.memory).and_then(|slab| map.ops.delete(slab, key)).map(|()| 0)))
}

/// `long bpf_map_push_elem(map, value, flags)`
pub(super) fn push(env: &mut Env, frame: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    let mut value = std::mem::take(&mut env.scratch);
    let map = env.map(args[0])?;
    writable(map)?;
    value.clear();
    value.extend_from_slice(frame.memory.read(args[1], map.spec.value_size as usize)?);
    let result = map.slab(frame.memory).and_then(|slab| map.ops.push(slab, &value, args[2]));
    env.scratch = value;
    Ok(answer(result.map(|()| 0)))
}

/// `long bpf_map_pop_elem(map, value)`
pub(super) fn pop(env: &mut Env, frame: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    take(env, frame, args, true)
}

/// `long bpf_map_peek_elem(map, value)`
pub(super) fn peek(env: &mut Env, frame: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    take(env, frame, args, false)
}

fn take(env: &mut Env, frame: &mut Frame<'_>, args: [u64; 5], remove: bool) -> Result<u64, Stop> {
    let map = env.map(args[0])?;
    let size = map.spec.value_size as usize;
    let memory = &mut *frame.memory;
    let slab = memory.storage(map.region).ok_or_else(|| Trap::host("the map has no memory"))?;
    if let Some(held) = map.ops.holds(slab, memory.read(args[1], size)?) {
        return Ok(match (remove, held) {
            (true, _) => Errno::EOPNOTSUPP.ret(),
            (false, true) => 0,
            (false, false) => Errno::ENOENT.ret(),
        });
    }
    // An address that can't be written must not cost an element.
    memory.slice_mut(args[1], size)?;
    let slab = memory.storage(map.region).ok_or_else(|| Trap::host("the map has no memory"))?;
    match map.ops.pop(slab, remove) {
        Ok(offset) => {
            memory.copy(args[1], map.region.base() + offset as u64, size)?;
            Ok(0)
        }
        Err(e) => {
            memory.slice_mut(args[1], size)?.fill(0);
            Ok(e.ret())
        }
    }
}

/// `void bpf_spin_lock(lock)` and its end: one CPU runs at a time, so a lock is always free.
pub(super) fn spin_lock(_: &mut Env, _: &mut Frame<'_>, _: [u64; 5]) -> Result<u64, Stop> {
    Ok(0)
}
