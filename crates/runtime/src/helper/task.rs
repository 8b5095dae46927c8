//! The current task, as the world was told of it.

use skep_vm::{Frame, Stop};

use super::size;
use crate::env::Env;
use crate::errno::Errno;

/// `TASK_COMM_LEN`.
const COMM_LEN: usize = 16;

/// `u64 bpf_get_current_pid_tgid(void)`
pub(super) fn get_current_pid_tgid(env: &mut Env, _: &mut Frame<'_>, _: [u64; 5]) -> Result<u64, Stop> {
    Ok(u64::from(env.task.tgid) << 32 | u64::from(env.task.pid))
}

/// `u64 bpf_get_current_uid_gid(void)`
pub(super) fn get_current_uid_gid(env: &mut Env, _: &mut Frame<'_>, _: [u64; 5]) -> Result<u64, Stop> {
    Ok(u64::from(env.task.gid) << 32 | u64::from(env.task.uid))
}

/// `long bpf_get_current_comm(buf, size)`: NUL-terminated, the rest zeroed.
pub(super) fn get_current_comm(env: &mut Env, frame: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    let buf = frame.memory.slice_mut(args[0], size(args[1]))?;
    buf.fill(0);
    if buf.is_empty() {
        return Ok(Errno::EINVAL.ret());
    }
    let comm = env.task.comm.as_bytes();
    let len = comm.len().min(COMM_LEN - 1).min(buf.len() - 1);
    buf[..len].copy_from_slice(&comm[..len]);
    Ok(0)
}
