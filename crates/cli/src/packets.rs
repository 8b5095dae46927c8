//! The packets of a capture for every command that reads one: progress is told, a file that is cut ends with a warning,
//! and what is wrong with it is said with its name.

use std::io::Read;
use std::path::Path;

use skep::capture::{Compression, Error, Header, Packet, Reader, Records};

use crate::failure::Failure;
use crate::input;
use crate::output::Output;
use crate::progress::Progress;

/// How often progress is told, in packets.
const EVERY: u64 = 256;

/// A capture that is read from its beginning on.
pub(crate) struct Packets<'a> {
    path: &'a Path,
    total: Option<u64>,
    reader: Reader<Box<dyn Read>>,
    progress: Progress,
    count: u64,
}

impl<'a> Packets<'a> {
    pub(crate) fn open(path: &'a Path) -> Result<Self, Failure> {
        let reader = Reader::new(input::open(path)?).map_err(|e| failure(&e, path))?;
        // How far a packed file was read is not known, only how much came out of it.
        let total = input::len(path).filter(|_| reader.compression() == Compression::None);
        Ok(Self { path, total, reader, progress: Progress::new(total), count: 0 })
    }

    /// How long a file is that is not packed, in bytes.
    pub(crate) fn total(&self) -> Option<u64> {
        self.total
    }

    /// Where the next packet's record begins.
    pub(crate) fn offset(&self) -> u64 {
        self.reader.offset()
    }

    /// The header, of a pcap file.
    pub(crate) fn header(&self) -> Option<Header> {
        self.reader.header()
    }

    /// The next packet; `None` at the end, and where the file is cut.
    pub(crate) fn next(&mut self, out: &mut Output) -> Result<Option<Packet<'_>>, Failure> {
        if self.count > 0 && self.count.is_multiple_of(EVERY) {
            self.progress.at(self.reader.offset(), self.count);
        }
        self.count += 1;
        told(self.reader.next_packet(), self.path, &mut self.progress, out)
    }

    /// Packets of a pcap file that are at hand, as [`Packets::next`].
    pub(crate) fn records(&mut self, count: u64, out: &mut Output) -> Result<Option<Records<'_>>, Failure> {
        self.progress.at(self.reader.offset(), count);
        told(self.reader.records(), self.path, &mut self.progress, out)
    }
}

/// What a reader answers, to who asked for packets.
fn told<T>(
    answer: Result<Option<T>, Error>,
    path: &Path,
    progress: &mut Progress,
    out: &mut Output,
) -> Result<Option<T>, Failure> {
    match answer {
        Ok(Some(found)) => return Ok(Some(found)),
        Ok(None) => {}
        Err(e) if e.is_truncated() => out.warn(format!("{}: {e}", input::label(path))),
        Err(e) => return Err(failure(&e, path)),
    }
    progress.finish();
    Ok(None)
}

impl Drop for Packets<'_> {
    fn drop(&mut self) {
        self.progress.finish();
    }
}

/// What is wrong with a capture, with its name.
pub(crate) fn failure(e: &Error, path: &Path) -> Failure {
    let text = match e.io() {
        Some(io) => format!("{}: {}", input::label(path), crate::failure::reason(io)),
        None => format!("{}: {e}", input::label(path)),
    };
    Failure::new(text).hint_opt(e.hint())
}
