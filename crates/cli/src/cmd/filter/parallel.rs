//! A filter over one large pcap file, by several threads.
//!
//! The file is cut into pieces of equal length. Each thread takes the next piece, guesses where its first record begins,
//! filters, and keeps what matches. Then it waits until all pieces before are through, so that what is written is in
//! order. Only then is it known where the first record begins: where the piece before ended. A thread that guessed wrong does
//! its piece again from there, so a guess costs time at worst. Each thread holds one piece of output at most.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use skep::capture::{Error, Header, Reader, Writer};

use super::blocks::Blocks;
use super::pass::{Compiled, Counts, Pass};
use crate::failure::Failure;
use crate::output::Output;
use crate::progress::Progress;
use crate::{input, packets};

/// Bytes of a piece.
const PIECE: u64 = 4 << 20;
/// How much is looked at to find a record.
const LOOK: usize = 256 << 10;

/// Whether a file of so many bytes is worth more than one thread.
pub(super) fn is_worth(bytes: u64) -> bool {
    bytes >= 4 * PIECE
}

/// What all threads see.
struct Work<'a> {
    file: &'a File,
    header: Header,
    /// Where records begin, and where the file ended when it was opened.
    span: [u64; 2],
    filter: &'a Compiled,
    next: AtomicU64,
    line: Mutex<Line<'a>>,
    moved: Condvar,
}

/// Where pieces are put behind each other.
struct Line<'a> {
    /// The piece whose turn it is, and where its first record begins.
    turn: u64,
    at: u64,
    counts: Counts,
    writer: Option<&'a mut Writer<Blocks>>,
    progress: &'a mut Progress,
    /// Whether it is over before the last piece, and why.
    is_over: bool,
    end: Option<End>,
}

enum End {
    Read(Error),
    Write(Error),
}

/// A piece that has been filtered.
struct Piece {
    counts: Counts,
    /// Where the first record behind it begins.
    end: u64,
    wrong: Option<Error>,
}

/// Filters the records of a file that begin at `start`; what matches is written where the pass writes, or only counted.
pub(super) fn run(
    (path, file): (&Path, &File),
    header: Header,
    span: [u64; 2],
    threads: usize,
    pass: &mut Pass<'_>,
    out: &mut Output,
) -> Result<(), Failure> {
    pass.prepare(header.link_type())?;
    let Some(filter) = &pass.compiled else { return Ok(()) };
    let mut progress = Progress::new(Some(span[1]));
    let line = Line {
        turn: 0,
        at: span[0],
        counts: Counts::default(),
        writer: pass.writer.as_mut(),
        progress: &mut progress,
        is_over: false,
        end: None,
    };
    let work = Work {
        file,
        header,
        span,
        filter,
        next: AtomicU64::new(0),
        line: Mutex::new(line),
        moved: Condvar::new(),
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|| work.pieces());
        }
        work.pieces();
    });
    let Line { counts, end, .. } = work.line.into_inner().unwrap_or_else(PoisonError::into_inner);
    progress.finish();
    pass.counts.packets += counts.packets;
    pass.counts.matched += counts.matched;
    match end {
        Some(End::Read(e)) if e.is_truncated() => {
            out.warn(format!("{}: {e}", input::label(path)));
            Ok(())
        }
        Some(End::Read(e)) => Err(packets::failure(&e, path)),
        Some(End::Write(e)) => Err(packets::failure(&e, pass.args.write.as_deref().unwrap_or(path))),
        None => Ok(()),
    }
}

/// What of a piece matches, to be put behind what matched before.
type Kept = Option<Writer<Vec<u8>>>;

impl<'a> Work<'a> {
    /// What a thread does.
    fn pieces(&self) {
        let _end = EndIfPanicking(self);
        let mut reader = Reader::of(self.header, At { file: self.file, offset: 0 });
        let mut kept: Kept = self.line().part();
        let count = (self.span[1] - self.span[0]).div_ceil(PIECE);
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return;
            }
            let begin = self.span[0] + number * PIECE;
            // The last takes what has come since.
            let end = if number + 1 == count { u64::MAX } else { begin + PIECE };
            let guess = if number == 0 { Some(begin) } else { self.guess(begin) };
            let mut piece = None;
            if let Some(start) = guess {
                reader = reader.moved(At { file: self.file, offset: start }, start);
                piece = Some(self.filter(&mut reader, end, &mut kept));
            }
            let mut line = self.line();
            while line.turn != number && !line.is_over {
                line = self.moved.wait(line).unwrap_or_else(PoisonError::into_inner);
            }
            if line.is_over {
                return;
            }
            if guess != Some(line.at) {
                kept = line.part();
                reader = reader.moved(At { file: self.file, offset: line.at }, line.at);
                piece = Some(self.filter(&mut reader, end, &mut kept));
            }
            if let Some(piece) = piece {
                line.take(piece, &mut kept);
            }
            self.moved.notify_all();
        }
    }

    /// Filters records from where the reader is, as long as they begin before `end`.
    fn filter(&self, reader: &mut Reader<At<'_>>, end: u64, kept: &mut Kept) -> Piece {
        let mut counts = Counts::default();
        let mut all = || {
            while reader.offset() < end
                && let Some(mut records) = reader.records()?
            {
                while records.offset() < end
                    && let Some(packet) = records.next()
                {
                    counts.packets += 1;
                    if self.filter.keeps(&packet) {
                        counts.matched += 1;
                        kept.as_mut().map_or(Ok(()), |kept| kept.write(&packet))?;
                    }
                }
            }
            Ok(())
        };
        let wrong = all().err();
        Piece { counts, end: reader.offset(), wrong }
    }

    /// Where the first record at `begin` or behind it seems to begin.
    fn guess(&self, begin: u64) -> Option<u64> {
        let mut bytes = vec![0; LOOK];
        let mut have = 0;
        while have < LOOK
            && let Ok(n @ 1..) = self.file.read_at(&mut bytes[have..], begin + have as u64)
        {
            have += n;
        }
        self.header.guess(&bytes[..have]).map(|at| begin + at as u64)
    }

    fn line(&self) -> MutexGuard<'_, Line<'a>> {
        // A thread that panicked ends the command; what it held is not used again.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line<'_> {
    fn part(&self) -> Kept {
        self.writer.as_ref().map(|writer| writer.part())
    }

    /// Puts a piece behind those before.
    fn take(&mut self, piece: Piece, kept: &mut Kept) {
        self.counts.packets += piece.counts.packets;
        self.counts.matched += piece.counts.matched;
        let written = match (&mut self.writer, kept) {
            (Some(writer), Some(kept)) => writer.append(kept),
            _ => Ok(()),
        };
        self.end = written.err().map(End::Write).or(piece.wrong.map(End::Read));
        self.is_over = self.end.is_some();
        self.turn += 1;
        self.at = piece.end;
        self.progress.at(self.at, self.counts.packets);
    }
}

/// Ends the wait of the other threads when this one panics.
struct EndIfPanicking<'a, 'b>(&'a Work<'b>);

impl Drop for EndIfPanicking<'_, '_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.line().is_over = true;
            self.0.moved.notify_all();
        }
    }
}

/// A file that is read from a place of its own.
struct At<'a> {
    file: &'a File,
    offset: u64,
}

impl Read for At<'_> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let n = self.file.read_at(buf, self.offset)?;
        self.offset += n as u64;
        Ok(n)
    }
}
