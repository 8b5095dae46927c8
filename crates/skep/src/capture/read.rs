//! The streaming reader: reads in large pieces, and gives out what is whole.
//!
//! Invariant: `buf[start..end]` holds bytes that were read and not yet given out; `offset` is the place
//! of `buf[start]` in the stream. The buffer grows with what was read, never with what a length field claims.

use std::io::Read;

use super::decompress::{Compression, Source};
use super::pcap::{self, Header};
use super::pcapng::{self, Section, Step};
use super::{Error, Format, Kind, MAX_RECORD, Packet};

/// How much is asked of the source at a time.
const CHUNK: usize = 256 << 10;

/// Reads packets one after the other; see the [module](super).
pub struct Reader<R: Read> {
    source: Source<R>,
    buf: Vec<u8>,
    start: usize,
    end: usize,
    offset: u64,
    kind: File,
}

enum File {
    Pcap(Header),
    Pcapng(Section),
}

impl<R: Read> std::fmt::Debug for Reader<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("format", &self.format()).field("offset", &self.offset).finish()
    }
}

impl<R: Read> Reader<R> {
    /// Finds out the format and the compression, and reads the file's header.
    ///
    /// # Errors
    /// If it is not a capture, or its header is cut or malformed.
    pub fn new(inner: R) -> Result<Self, Error> {
        let source = Source::new(inner).map_err(|e| Error::new(Kind::Io(e), 0))?;
        let mut r = Self {
            source,
            buf: Vec::new(),
            start: 0,
            end: 0,
            offset: 0,
            kind: File::Pcapng(Section::default()),
        };
        match r.fill(4)? {
            0 => return Err(Error::new(Kind::Empty, 0)),
            1..4 => return Err(Error::new(Kind::Unrecognized, 0)),
            _ => {}
        }
        if r.bytes(4) == pcapng::SECTION_HEADER {
            return Ok(r);
        }
        let have = r.fill(pcap::HEADER_BYTES)?.min(pcap::HEADER_BYTES);
        match Header::parse(r.bytes(have)) {
            None => return Err(Error::new(Kind::Unrecognized, 0)),
            Some(_) if have < pcap::HEADER_BYTES => {
                return Err(Error::new(Kind::Truncated { what: "file header" }, 0));
            }
            Some(header) => r.kind = File::Pcap(header),
        }
        r.consume(pcap::HEADER_BYTES);
        Ok(r)
    }

    /// Reads a pcap file on from elsewhere: `inner` gives its bytes from `offset` on, where a record begins.
    #[must_use]
    pub fn moved(self, inner: R, offset: u64) -> Self {
        Self { source: Source::plain(inner), start: 0, end: 0, offset, ..self }
    }

    /// A reader of a pcap file whose header is known, to be [moved](Self::moved).
    pub fn of(header: Header, inner: R) -> Self {
        let source = Source::plain(inner);
        Self { source, buf: Vec::new(), start: 0, end: 0, offset: 0, kind: File::Pcap(header) }
    }

    /// Which of the two formats it is.
    pub fn format(&self) -> Format {
        match self.kind {
            File::Pcap(_) => Format::Pcap,
            File::Pcapng(_) => Format::Pcapng,
        }
    }

    /// The header of a pcap file.
    pub fn header(&self) -> Option<Header> {
        match self.kind {
            File::Pcap(header) => Some(header),
            File::Pcapng(_) => None,
        }
    }

    /// How it is packed.
    pub fn compression(&self) -> Compression {
        self.source.compression()
    }

    /// Where the next record starts, in bytes of the decompressed stream.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The next packet, or `None` at the end. Blocks that hold no packet are passed over.
    ///
    /// # Errors
    /// If the record is cut, malformed or too long, or reading fails. After an error the reader stays
    /// where it is and gives the same error again.
    pub fn next_packet(&mut self) -> Result<Option<Packet<'_>>, Error> {
        let File::Pcap(header) = self.kind else { return self.next_block() };
        let Some(len) = self.gather(header)? else { return Ok(None) };
        let range = self.take(len);
        Ok(header.record(&self.buf[range]).map(|(packet, _)| packet))
    }

    /// The records of a pcap file that are at hand, one at least, or `None` at the end: what is much faster than asking for
    /// one after the other. Those that are not taken from it come next. None of a pcapng file's.
    ///
    /// # Errors
    /// As [`Reader::next_packet`].
    pub fn records(&mut self) -> Result<Option<Records<'_>>, Error> {
        let File::Pcap(header) = self.kind else { return Ok(None) };
        if self.gather(header)?.is_none() {
            return Ok(None);
        }
        let rest = &self.buf[self.start..self.end];
        Ok(Some(Records { header, rest, start: &mut self.start, offset: &mut self.offset, end: self.end }))
    }

    /// Reads until a record is there: how long it is.
    fn gather(&mut self, header: Header) -> Result<Option<usize>, Error> {
        if let Some((_, len)) = header.record(&self.buf[self.start..self.end]) {
            return Ok(Some(len));
        }
        if !self.need(header.record_header(), "packet header")? {
            return Ok(None);
        }
        let Some(head) = self.buf[self.start..].first_chunk() else { return Ok(None) };
        let len = self.checked_len("packet", header.record_len(head))?;
        self.need(len, "packet")?;
        Ok(Some(len))
    }

    fn next_block(&mut self) -> Result<Option<Packet<'_>>, Error> {
        loop {
            if !self.need(12, "block")? {
                return Ok(None);
            }
            let at = self.offset;
            let File::Pcapng(section) = &mut self.kind else { return Ok(None) };
            let head = &self.buf[self.start..self.start + 12];
            let len = section.block_len(head).map_err(|what| Error::malformed(what, at))?;
            let len = self.checked_len("block", u64::from(len))?;
            self.need(len, "block")?;
            let File::Pcapng(section) = &mut self.kind else { return Ok(None) };
            // The borrow checker can't see that a block that is not a packet ends its borrow here, so
            // a packet's place is taken out of the block and the packet made from it afterwards.
            let step =
                section.step(&self.buf[self.start..self.start + len]).map_err(|w| Error::malformed(w, at))?;
            let range = self.take(len);
            if let Step::Packet(p) = step {
                return Ok(Some(p.of(&self.buf[range])));
            }
        }
    }

    fn checked_len(&self, what: &'static str, len: u64) -> Result<usize, Error> {
        match usize::try_from(len) {
            Ok(n) if n <= MAX_RECORD => Ok(n),
            _ => Err(Error::new(Kind::TooLong { what, len }, self.offset)),
        }
    }

    /// `n` bytes at least; `false` at a clean end of the stream.
    fn need(&mut self, n: usize, what: &'static str) -> Result<bool, Error> {
        match self.fill(n)? {
            0 => Ok(false),
            have if have < n => Err(Error::new(Kind::Truncated { what }, self.offset)),
            _ => Ok(true),
        }
    }

    /// Reads until `n` bytes are there or the stream ends; how many there are.
    fn fill(&mut self, n: usize) -> Result<usize, Error> {
        while self.end - self.start < n {
            if self.start > 0 {
                self.buf.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
            }
            if self.buf.len() - self.end < CHUNK {
                self.buf.resize(self.end + CHUNK, 0);
            }
            match self.source.read(&mut self.buf[self.end..]) {
                Ok(0) => break,
                Ok(got) => self.end += got,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Error::new(Kind::Io(e), self.offset + (self.end - self.start) as u64)),
            }
        }
        Ok(self.end - self.start)
    }

    fn bytes(&self, n: usize) -> &[u8] {
        &self.buf[self.start..self.start + n]
    }

    fn take(&mut self, n: usize) -> std::ops::Range<usize> {
        let range = self.start..self.start + n;
        self.consume(n);
        range
    }

    fn consume(&mut self, n: usize) {
        self.start += n;
        self.offset += n as u64;
    }
}

/// Records of a pcap file that lie in memory, one behind the other.
pub struct Records<'a> {
    header: Header,
    rest: &'a [u8],
    // The reader's: where what is left begins.
    start: &'a mut usize,
    offset: &'a mut u64,
    end: usize,
}

impl std::fmt::Debug for Records<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Records").field("offset", &self.offset()).finish()
    }
}

impl Records<'_> {
    /// Where the next one starts, in bytes of the decompressed stream.
    pub fn offset(&self) -> u64 {
        *self.offset + (self.end - *self.start - self.rest.len()) as u64
    }

    /// The header of their file.
    pub fn header(&self) -> Header {
        self.header
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Packet<'a>;

    #[inline(always)]
    fn next(&mut self) -> Option<Packet<'a>> {
        let (packet, len) = self.header.record(self.rest)?;
        self.rest = &self.rest[len..];
        Some(packet)
    }
}

impl Drop for Records<'_> {
    fn drop(&mut self) {
        *self.offset = self.offset();
        *self.start = self.end - self.rest.len();
    }
}
