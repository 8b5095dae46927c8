//! Loops by callback: `bpf_loop`, `bpf_for_each_map_elem`.

use skep_vm::{Frame, Stop, Trap};

use crate::env::Env;
use crate::errno::Errno;
use crate::map::KeyAt;

/// `BPF_MAX_LOOPS`.
const MAX_LOOPS: u32 = 8 << 20;

/// `long bpf_loop(nr_loops, callback, callback_ctx, flags)`
pub(super) fn bpf_loop(env: &mut Env, frame: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    let [count, callback, ctx, flags, _] = args;
    if flags != 0 {
        return Ok(Errno::EINVAL.ret());
    }
    let count = count as u32;
    if count > MAX_LOOPS {
        // Linux inlines the helper, and moves this number with 32 bits.
        return Ok(u64::from(Errno::E2BIG.ret() as u32));
    }
    for i in 0..u64::from(count) {
        if frame.callback(env, callback, [i, ctx, 0, 0, 0])? != 0 {
            return Ok(i + 1);
        }
    }
    Ok(u64::from(count))
}

/// `long bpf_for_each_map_elem(map, callback, callback_ctx, flags)`
pub(super) fn for_each_map_elem(env: &mut Env, frame: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    let [handle, callback, ctx, flags, _] = args;
    if flags != 0 {
        return Ok(Errno::EINVAL.ret());
    }
    let (cpu, cell) = (env.cpu, env.cell);
    let (mut cursor, mut seen) = (0, 0);
    loop {
        let map = env.map(handle)?;
        let region = map.region;
        let slab = frame.memory.storage(region).ok_or_else(|| Trap::host("the map has no memory"))?;
        let element = match map.ops.element(slab, &mut cursor, cpu) {
            Ok(Some(element)) => element,
            Ok(None) => return Ok(seen),
            Err(e) => return Ok(e.ret()),
        };
        let key = match element.key {
            KeyAt::Slab(offset) => region.base() + offset as u64,
            KeyAt::Index(index) => {
                frame.memory.write_u32(cell.base(), index)?;
                cell.base()
            }
        };
        seen += 1;
        let value = region.base() + element.value as u64;
        if frame.callback(env, callback, [handle, key, value, ctx, 0])? != 0 {
            return Ok(seen);
        }
    }
}
