//! `bpf_perf_event_output`.

use skep_backend::Event;
use skep_vm::{Frame, Stop};

use super::size;
use crate::env::{Env, Packet};
use crate::errno::Errno;

/// `BPF_F_INDEX_MASK`, all of which set is `BPF_F_CURRENT_CPU`.
const INDEX_MASK: u64 = 0xffff_ffff;
/// `BPF_F_CTXLEN_MASK`: how much of the packet goes along.
const CTXLEN_MASK: u64 = 0xf_ffff << 32;

/// `long bpf_perf_event_output(ctx, map, flags, data, size)`. Every CPU's buffer is taken to be open.
pub(super) fn perf_event_output(env: &mut Env, frame: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    let [_, handle, flags, data, len] = args;
    let packet = match &env.packet {
        Packet::None => None,
        Packet::Xdp(buff) => Some(buff.bytes(frame.memory)),
        Packet::Skb(skb) => Some(skb.bytes(frame.memory)),
    };
    let allowed = if packet.is_some() { INDEX_MASK | CTXLEN_MASK } else { INDEX_MASK };
    if flags & !allowed != 0 {
        return Ok(Errno::EINVAL.ret());
    }
    let mut record = frame.memory.read(data, size(len))?.to_vec();
    if let Some(packet) = packet {
        match packet.get(..(flags >> 32) as usize) {
            Some(head) => record.extend_from_slice(head),
            None => return Ok(Errno::EFAULT.ret()),
        }
    }
    let (cpu, cpus) = (env.cpu, env.cpus);
    let map = env.map(handle)?;
    let index = if flags & INDEX_MASK == INDEX_MASK { cpu } else { (flags & INDEX_MASK) as u32 };
    let refused = match index {
        i if i >= map.spec.max_entries => Some(Errno::E2BIG),
        i if i >= cpus => Some(Errno::ENOENT),
        i if i != cpu => Some(Errno::EOPNOTSUPP),
        _ => None,
    };
    if let Some(e) = refused {
        return Ok(e.ret());
    }
    let map = map.name.to_string();
    let room = env.events.push(Event::Record { map, cpu, data: record });
    Ok(if room { 0 } else { Errno::ENOSPC.ret() })
}
