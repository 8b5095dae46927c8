//! `bpf_tail_call`.

use std::sync::Arc;

use skep_isa::Endian;
use skep_vm::{Frame, Stop};

use crate::env::Env;
use crate::errno::Errno;

/// `long bpf_tail_call(ctx, prog_array_map, index)`: goes on in the other program, or, if there is none at that
/// index or 33 calls have been made, returns. The kernel then leaves r0 undefined; here it is an error number.
pub(super) fn tail_call(env: &mut Env, frame: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    let index = args[2] as u32;
    let map = env.map(args[1])?;
    let key = match frame.memory.endian() {
        Endian::Little => index.to_le_bytes(),
        Endian::Big => index.to_be_bytes(),
    };
    let target = frame.memory.storage(map.region).and_then(|slab| map.ops.target(slab, &key));
    let image = target.and_then(|id| env.programs.get(id.checked_sub(1)? as usize)?.as_ref());
    match image {
        Some(image) if frame.tail_calls() < Frame::MAX_TAIL_CALLS => Err(Stop::TailCall(Arc::clone(image))),
        _ => Ok(Errno::ENOENT.ret()),
    }
}
