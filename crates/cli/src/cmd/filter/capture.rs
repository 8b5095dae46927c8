//! A filter over captures: each packet of each file through the classic machine.

#[cfg(unix)]
use std::fs::File;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use skep::capture::{Header, LinkType, Reader, Resolution};

use super::Args;
use super::pass::Pass;
use crate::failure::Failure;
use crate::output::Output;
use crate::packets::Packets;
use crate::{Verdict, input};

pub(super) fn run(args: &Args, paths: &[PathBuf], out: &mut Output) -> Result<Verdict, Failure> {
    let mut pass = Pass::new(args);
    for (n, path) in paths.iter().enumerate() {
        if pass.is_full() {
            break;
        }
        let packets = Packets::open(path)?;
        if n == 0 {
            pass.like = packets.header().filter(|header| is_like(header, &paths[1..]));
        }
        file(packets, path, &mut pass, out)?;
    }
    pass.finish(LinkType::ETHERNET, out)
}

fn file(mut packets: Packets<'_>, path: &Path, pass: &mut Pass<'_>, out: &mut Output) -> Result<(), Failure> {
    if let Some(header) = packets.header() {
        #[cfg(unix)]
        if let Some((file, span)) = many(&packets, path, pass.args, out.json) {
            if let Some(to) = &pass.args.write {
                pass.open(to, header.link_type())?;
            }
            return super::parallel::run((path, &file), header, span, threads(pass.args), pass, out);
        }
        while !pass.is_full()
            && let Some(records) = packets.records(pass.counts.packets, out)?
        {
            pass.records(records, out)?;
        }
        return Ok(());
    }
    while !pass.is_full()
        && let Some(packet) = packets.next(out)?
    {
        pass.packet(&packet, out)?;
    }
    Ok(())
}

/// How many threads there may be.
fn threads(args: &Args) -> usize {
    let there = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    args.threads.unwrap_or_else(there).get()
}

/// The file, and where its records begin and end, if several threads are to filter it: if it is large and can be read from
/// any place, and neither lines are printed nor matches counted down.
#[cfg(unix)]
fn many(packets: &Packets<'_>, path: &Path, args: &Args, json: bool) -> Option<(File, [u64; 2])> {
    let bytes = packets.total()?;
    let quiet = args.write.is_some() || json;
    let wanted = threads(args) > 1 && args.count.is_none() && quiet && super::parallel::is_worth(bytes);
    Some((wanted.then(|| File::open(path).ok())??, [packets.offset(), bytes]))
}

/// Whether a file with times of this header's resolution holds those of the others.
fn is_like(header: &Header, others: &[PathBuf]) -> bool {
    let header_of = |path: &PathBuf| Reader::new(input::open(path).ok()?).ok()?.header();
    let coarse = |path: &PathBuf| {
        !input::is_stdin(path) && header_of(path).is_some_and(|other| other.resolution() == Resolution::Micro)
    };
    header.resolution() == Resolution::Nano || others.iter().all(coarse)
}
