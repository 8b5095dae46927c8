//! Probing reads. There is no kernel or user memory here, only the program's own: any other address is a fault,
//! which these helpers report and do not trap on.

use skep_vm::{Frame, Stop};

use super::size;
use crate::env::Env;
use crate::errno::Errno;

/// `long bpf_probe_read_kernel(dst, size, unsafe_ptr)`: on a fault `dst` is zeroed.
pub(super) fn probe_read(_: &mut Env, frame: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    let [dst, len, src, ..] = args;
    let len = size(len);
    frame.memory.slice_mut(dst, len)?;
    if frame.memory.read(src, len).is_ok() {
        frame.memory.copy(dst, src, len)?;
        return Ok(0);
    }
    frame.memory.slice_mut(dst, len)?.fill(0);
    Ok(Errno::EFAULT.ret())
}

/// `long bpf_probe_read_kernel_str(dst, size, unsafe_ptr)`: copies up to and with the NUL and gives that length;
/// what is cut off still ends in NUL.
pub(super) fn probe_read_str(_: &mut Env, frame: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    let [dst, len, src, ..] = args;
    let len = size(len);
    frame.memory.slice_mut(dst, len)?;
    for i in 0..len as u64 {
        let Ok(&[byte]) = frame.memory.read(src.wrapping_add(i), 1) else {
            frame.memory.slice_mut(dst, len)?.fill(0);
            return Ok(Errno::EFAULT.ret());
        };
        let last = i + 1 == len as u64;
        frame.memory.write_u8(dst + i, if last { 0 } else { byte })?;
        if byte == 0 || last {
            frame.charge(i / 8)?;
            return Ok(i + 1);
        }
    }
    Ok(0)
}
