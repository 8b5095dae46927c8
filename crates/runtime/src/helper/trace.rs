//! Text out: `bpf_trace_printk`, `bpf_trace_vprintk`, `bpf_snprintf`, over one format engine.

use skep_vm::{Frame, Stop};

use super::size;
use crate::env::Env;
use crate::errno::Errno;
use crate::format::{MAX_ARGS, format};

fn print(env: &mut Env, text: Result<String, Errno>) -> u64 {
    match text {
        Ok(text) => {
            let len = text.len() as u64;
            env.events.trace(text);
            len
        }
        Err(e) => e.ret(),
    }
}

/// `long bpf_trace_printk(fmt, fmt_size, arg1, arg2, arg3)`
pub(super) fn trace_printk(env: &mut Env, frame: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    let fmt = frame.memory.read(args[0], size(args[1]))?;
    let text = format(fmt, &args[2..], frame.memory);
    Ok(print(env, text))
}

/// The array of 64-bit arguments that a program passes.
fn arguments(frame: &Frame<'_>, data: u64, len: u64) -> Result<Result<Vec<u64>, Errno>, Stop> {
    let len = size(len);
    if !len.is_multiple_of(8) || len > MAX_ARGS * 8 || (len > 0 && data == 0) {
        return Ok(Err(Errno::EINVAL));
    }
    let words = (0..len as u64).step_by(8).map(|at| frame.memory.read_u64(data.wrapping_add(at)));
    Ok(Ok(words.collect::<Result<_, _>>()?))
}

/// `long bpf_trace_vprintk(fmt, fmt_size, data, data_len)`
pub(super) fn trace_vprintk(env: &mut Env, frame: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    let values = arguments(frame, args[2], args[3])?;
    let fmt = frame.memory.read(args[0], size(args[1]))?;
    let text = values.and_then(|values| format(fmt, &values, frame.memory));
    Ok(print(env, text))
}

/// `long bpf_snprintf(str, str_size, fmt, data, data_len)`: gives the length that the whole text would have
/// with its NUL.
pub(super) fn snprintf(_: &mut Env, frame: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    let [out, out_len, fmt, data, data_len] = args;
    let values = arguments(frame, data, data_len)?;
    let fmt = c_string(frame, fmt)?;
    let text = match values.and_then(|values| format(&fmt, &values, frame.memory)) {
        Ok(text) => text,
        Err(e) => return Ok(e.ret()),
    };
    let buf = frame.memory.slice_mut(out, size(out_len))?;
    if let Some(room) = buf.len().checked_sub(1) {
        let len = text.len().min(room);
        buf[..len].copy_from_slice(&text.as_bytes()[..len]);
        buf[len] = 0;
    }
    Ok(text.len() as u64 + 1)
}

/// A string with its NUL; formats are at most a page.
fn c_string(frame: &Frame<'_>, addr: u64) -> Result<Vec<u8>, Stop> {
    let mut bytes = Vec::new();
    for i in 0..4096 {
        let byte = frame.memory.read_u8(addr.wrapping_add(i))?;
        bytes.push(byte);
        if byte == 0 {
            break;
        }
    }
    Ok(bytes)
}
