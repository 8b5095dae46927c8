//! What programs print by themselves: `bpf_trace_printk` into the trace pipe, which all tracers of the machine share
//! (who reads a line has it alone), and `bpf_stream_printk` into the streams of a program.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use skep_backend::Error;
use skep_sys::prog::read_stream;
use skep_sys::tracefs::Tracefs;
use skep_sys::{Cap, Errno, ring};

use super::Prog;
use crate::linux::error::refused;

pub use skep_sys::prog::Stream;

/// How long one wait lasts at most, in milliseconds.
const SLICE: u128 = 200;

/// The trace pipe.
#[derive(Debug)]
pub struct TracePipe {
    file: File,
    bytes: Vec<u8>,
}

impl TracePipe {
    /// Opens it; where nobody mounted tracefs, through an instance that is mounted nowhere.
    ///
    /// # Errors
    /// Without the right to mount it or to read it.
    pub fn open() -> Result<Self, Error> {
        let wrong = |e| refused("trace_pipe", e, &[Cap::SYS_ADMIN]);
        let file = Tracefs::open().and_then(|fs| fs.open_pipe()).map_err(wrong)?;
        Ok(Self { file, bytes: Vec::new() })
    }

    /// Waits for lines, until `deadline` at the longest (for ever, if there is none), and gives those that are
    /// whole; none once the time is up.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn lines(&mut self, deadline: Option<Instant>) -> Result<Vec<String>, Error> {
        loop {
            let left = deadline.map(|d| d.saturating_duration_since(Instant::now()));
            if left.is_some_and(|l| l.is_zero()) {
                return Ok(Vec::new());
            }
            let slice = left.unwrap_or(Duration::MAX).as_millis().clamp(1, SLICE) as i32;
            let wrong = |e| refused("trace_pipe", e, &[]);
            if !ring::wait(&[self.file.as_fd()], slice).map_err(wrong)? {
                continue;
            }
            let mut chunk = [0; 16 << 10];
            let n = match self.file.read(&mut chunk) {
                Ok(n) => n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => 0,
                Err(e) => return Err(wrong(Errno(e.raw_os_error().unwrap_or(0)))),
            };
            self.bytes.extend_from_slice(&chunk[..n]);
            if let Some(end) = self.bytes.iter().rposition(|b| *b == b'\n') {
                let whole: Vec<u8> = self.bytes.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&whole).lines().map(str::to_owned).collect());
            }
        }
    }
}

/// Takes all that a program has written to one of its streams so far.
///
/// # Errors
/// On kernels before 6.17.
pub fn stream(prog: &Prog, stream: Stream) -> Result<Vec<u8>, Error> {
    let (mut all, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        match read_stream(prog.as_fd(), stream, &mut chunk) {
            Ok(0) => return Ok(all),
            Ok(n) => all.extend_from_slice(&chunk[..n]),
            Err(e) => return Err(refused(&format!("program {}: its stream", prog.info.id), e, &[Cap::BPF])),
        }
    }
}
