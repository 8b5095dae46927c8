//! Runs of a live program on given input (BPF_PROG_TEST_RUN).

use std::os::fd::AsFd;

use skep_abi::ProgType;
use skep_backend::{Error, ErrorKind};
use skep_sys::test_run::{self, Input};
use skep_sys::{Cap, Errno};

use super::Prog;
use crate::linux::error::refused;
use crate::linux::run::shape;

/// What a program is run on.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// The packet, or whatever the type takes as data.
    pub data: Option<Vec<u8>>,
    /// The context.
    pub ctx: Option<Vec<u8>>,
    /// Room for the data that comes out.
    pub data_out: usize,
    /// Room for the context that comes out.
    pub ctx_out: usize,
    /// How often; 0 is once.
    pub repeat: u32,
}

/// What it answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// r0.
    pub retval: u32,
    /// Mean duration of a run, in nanoseconds.
    pub duration_ns: u32,
    /// The data as it was left.
    pub data: Vec<u8>,
    /// The context as it was left.
    pub ctx: Vec<u8>,
}

/// Runs a program.
///
/// # Errors
/// For types that the kernel does not run, and input that the type does not take.
pub fn run(prog: &Prog, run: &Run) -> Result<Ran, Error> {
    // These write the context where it came from, or nowhere, and refuse to hear of room for it.
    let own = [ProgType::SYSCALL, ProgType::RAW_TRACEPOINT, ProgType::RAW_TRACEPOINT_WRITABLE];
    let alone = own.contains(&prog.prog_type());
    let mut data_out = vec![0; run.data_out];
    let input = Input {
        data: run.data.as_deref().unwrap_or_default(),
        ctx: run.ctx.as_deref(),
        // Some types take no number but none.
        repeat: if run.repeat == 1 { 0 } else { run.repeat },
        ctx_out: if alone { 0 } else { run.ctx_out },
        ..Input::default()
    };
    let output = test_run::run(prog.as_fd(), &input, &mut data_out).map_err(|e| wrong(prog, e))?;
    data_out.truncate(output.data_len);
    let ctx = if run.ctx.is_some() { output.ctx } else { Vec::new() };
    Ok(Ran { retval: output.retval, duration_ns: output.duration_ns, data: data_out, ctx })
}

fn wrong(prog: &Prog, e: Errno) -> Error {
    let (id, prog_type) = (prog.info.id, prog.prog_type());
    match e {
        Errno::ENOTSUPP | Errno::EOPNOTSUPP => {
            let message = format!("program {id}: the kernel does not run {prog_type} programs on request");
            Error::new(ErrorKind::Unsupported, message)
        }
        Errno::EINVAL => {
            let message = format!("program {id}: a {prog_type} program does not take this input: {e}");
            let hint = match shape(prog_type) {
                Some(_) => "packets have at least an Ethernet header (14 bytes); see `data_in` and `ctx_in`",
                None => "the kernel may not run this type on request",
            };
            Error::new(ErrorKind::Invalid, message).with_hint(hint)
        }
        e => refused(&format!("program {id}: running it"), e, &[Cap::BPF]),
    }
}
