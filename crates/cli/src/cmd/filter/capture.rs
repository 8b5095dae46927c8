//! A filter over captures: each packet of each file through the classic machine.

use std::path::{Path, PathBuf};

use skep::capture::{LinkType, Reader};

use super::Args;
use super::pass::Pass;
use crate::cmd::run::feed::capture_failure;
use crate::failure::Failure;
use crate::output::Output;
use crate::progress::Progress;
use crate::{Verdict, input};

pub(super) fn run(args: &Args, paths: &[PathBuf], out: &mut Output) -> Result<Verdict, Failure> {
    let mut pass = Pass::new(args);
    for path in paths {
        if pass.is_full() {
            break;
        }
        file(path, &mut pass, out)?;
    }
    pass.finish(LinkType::ETHERNET, out)
}

fn file(path: &Path, pass: &mut Pass<'_>, out: &mut Output) -> Result<(), Failure> {
    /// How often progress is told.
    const EVERY: u64 = 4096;
    let wrong = |e: skep::capture::Error| capture_failure(&e, path);
    let mut reader = Reader::new(input::open(path)?).map_err(wrong)?;
    let mut progress = Progress::new(input::len(path));
    while !pass.is_full() {
        match reader.next_packet() {
            Ok(Some(packet)) => pass.packet(&packet, out)?,
            Ok(None) => break,
            Err(e) if e.is_truncated() => {
                progress.finish();
                out.warn(format!("{}: {e}", input::label(path)));
                break;
            }
            Err(e) => return Err(wrong(e)),
        }
        if pass.counts.packets.is_multiple_of(EVERY) {
            progress.at(reader.offset(), pass.counts.packets);
        }
    }
    progress.finish();
    Ok(())
}
