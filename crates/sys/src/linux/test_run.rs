//! BPF_PROG_TEST_RUN.

use std::os::fd::BorrowedFd;

use skep_abi::Cmd;

use super::attr::TestRun;
use super::call::{address, address_mut, bpf, length, number};
use crate::Errno;

/// `BPF_F_TEST_RUN_ON_CPU`.
const F_ON_CPU: u32 = 1;

/// What a program is run on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Input<'a> {
    /// `data_in`.
    pub data: &'a [u8],
    /// `ctx_in`.
    pub ctx: Option<&'a [u8]>,
    /// How often; 0 is 1, and the only number that some types take.
    pub repeat: u32,
    /// `flags`.
    pub flags: u32,
    /// The CPU to run on, where the type can choose (`BPF_F_TEST_RUN_ON_CPU`).
    pub cpu: Option<u32>,
    /// Bytes of the context that are wanted back; 0 is none. Types that write the context where it came from (syscall)
    /// want 0 here and give it all the same.
    pub ctx_out: usize,
}

/// What it answered, but for the data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// r0.
    pub retval: u32,
    /// Mean duration of a run, in nanoseconds.
    pub duration_ns: u32,
    /// Bytes that the data has now; what did not fit the buffer is lost.
    pub data_len: usize,
    /// The context as it is now: `ctx_out`, or what came in and was written over.
    pub ctx: Vec<u8>,
}

/// Runs a program; `data_out` gets the data as the program left it, as far as it fits.
///
/// # Errors
/// `ENOTSUPP` for program types without it; `EINVAL` for input that the type does not take.
pub fn run(prog: BorrowedFd<'_>, input: &Input<'_>, data_out: &mut [u8]) -> Result<Output, Errno> {
    let mut ctx_in = input.ctx.map(<[u8]>::to_vec).unwrap_or_default();
    let mut ctx_out = vec![0; input.ctx_out];
    let mut attr = TestRun {
        prog_fd: number(prog),
        data_size_in: length(input.data)?,
        data_size_out: length(data_out)?,
        data_in: address(input.data),
        data_out: address_mut(data_out),
        repeat: input.repeat,
        ctx_size_in: length(&ctx_in)?,
        ctx_size_out: length(&ctx_out)?,
        // Some types write the context back where it came from.
        ctx_in: address_mut(&mut ctx_in),
        ctx_out: address_mut(&mut ctx_out),
        flags: input.flags | if input.cpu.is_some() { F_ON_CPU } else { 0 },
        cpu: input.cpu.unwrap_or(0),
        ..TestRun::default()
    };
    // SAFETY: data and contexts live for the call and have the lengths given; the kernel writes at most those many
    // bytes into `data_out`, `ctx_out` and `ctx_in`, all of which are ours to be written.
    let done = unsafe { bpf(Cmd::PROG_TEST_RUN, &mut attr) };
    match done {
        // ENOSPC: the data is longer than the buffer, and was cut.
        Ok(_) | Err(Errno::ENOSPC) => {}
        Err(e) => return Err(e),
    }
    ctx_out.truncate(attr.ctx_size_out as usize);
    Ok(Output {
        retval: attr.retval,
        duration_ns: attr.duration,
        data_len: attr.data_size_out as usize,
        ctx: if input.ctx_out == 0 { ctx_in } else { ctx_out },
    })
}
