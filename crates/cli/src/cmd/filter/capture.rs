//! A filter over captures: each packet of each file through the classic machine.

use std::path::{Path, PathBuf};

use skep::capture::LinkType;

use super::Args;
use super::pass::Pass;
use crate::Verdict;
use crate::failure::Failure;
use crate::output::Output;
use crate::packets::Packets;

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
    let mut packets = Packets::open(path)?;
    while !pass.is_full()
        && let Some(packet) = packets.next(out)?
    {
        pass.packet(&packet, out)?;
    }
    Ok(())
}
