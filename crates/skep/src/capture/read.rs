//! The streaming reader: gathers one whole record at a time, then has it parsed.
//!
//! Invariant: `buf[start..end]` holds bytes that were read and not yet given out; `offset` is the place
//! of `buf[start]` in the stream. The buffer grows with what was read, never with what a length field claims.

use std::io::Read;

use pcap_parser::{PcapHeader, parse_pcap_frame, parse_pcap_frame_be, parse_pcap_frame_modified};

use super::decompress::{Compression, Source};
use super::pcapng::{self, Section, Step};
use super::{Error, Format, Kind, LinkType, MAX_RECORD, Packet};

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
    Pcap(PcapHeader),
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
        let have = r.fill(24)?;
        match pcap_parser::parse_pcap_header(r.bytes(have.min(24))) {
            Ok((_, header)) => r.kind = File::Pcap(header),
            Err(e) if e.is_incomplete() => {
                return Err(Error::new(Kind::Truncated { what: "file header" }, 0));
            }
            Err(_) => return Err(Error::new(Kind::Unrecognized, 0)),
        }
        r.consume(24);
        Ok(r)
    }

    /// Which of the two formats it is.
    pub fn format(&self) -> Format {
        match self.kind {
            File::Pcap(_) => Format::Pcap,
            File::Pcapng(_) => Format::Pcapng,
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
        match &self.kind {
            File::Pcap(_) => self.next_record(),
            File::Pcapng(_) => self.next_block(),
        }
    }

    fn next_record(&mut self) -> Result<Option<Packet<'_>>, Error> {
        let File::Pcap(h) = &self.kind else { return Ok(None) };
        let (modified, big) = (h.is_modified_format(), h.is_bigendian());
        let unit = if h.is_nanosecond_precision() { 1 } else { 1_000 };
        // The upper bits of the field are flags and the length of a frame check sequence.
        let link_type = LinkType((h.network.0 & 0xffff) as u16);
        let head = if modified { 24 } else { 16 };
        if !self.need(head, "packet header")? {
            return Ok(None);
        }
        let b = self.bytes(head);
        let caplen = [b[8], b[9], b[10], b[11]];
        let caplen = if big { u32::from_be_bytes(caplen) } else { u32::from_le_bytes(caplen) };
        let len = self.checked_len("packet", u64::from(caplen) + head as u64)?;
        self.need(len, "packet")?;
        let at = self.offset;
        let range = self.take(len);
        let parse = match (big, modified) {
            (true, _) => parse_pcap_frame_be,
            (_, true) => parse_pcap_frame_modified,
            _ => parse_pcap_frame,
        };
        let (_, p) = parse(&self.buf[range]).map_err(|_| Error::malformed("a bad packet record", at))?;
        let time = u64::from(p.ts_sec) * 1_000_000_000 + u64::from(p.ts_usec) * unit;
        Ok(Some(Packet {
            data: p.data,
            orig_len: p.origlen,
            timestamp_ns: Some(time),
            interface: 0,
            link_type,
        }))
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
