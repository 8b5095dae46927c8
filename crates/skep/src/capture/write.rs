//! The streaming writer. Times are written in nanoseconds, unless a pcap file is to have microseconds, in the writer's
//! little-endian order.

use std::io::Write;

use super::{Error, Header, Kind, LinkType, MAX_RECORD, Packet, Resolution};

/// Writes packets one after the other; see the [module](super).
#[derive(Debug)]
pub struct Writer<W: Write> {
    out: W,
    interfaces: Option<Vec<LinkType>>,
    link_type: LinkType,
    resolution: Resolution,
    written: u64,
}

/// A snapshot length that cuts nothing that Linux lets through.
const SNAP_LEN: u32 = 262_144;

impl<W: Write> Writer<W> {
    /// A pcap file with nanosecond times, all of whose packets begin with `link_type`.
    ///
    /// # Errors
    /// If writing fails.
    pub fn pcap(out: W, link_type: LinkType) -> Result<Self, Error> {
        Self::begin(out, link_type, Resolution::Nano, SNAP_LEN)
    }

    /// A pcap file as another one is: of the same link type, resolution and snapshot length.
    ///
    /// # Errors
    /// If writing fails.
    pub fn pcap_like(out: W, header: &Header) -> Result<Self, Error> {
        Self::begin(out, header.link_type(), header.resolution(), header.snaplen())
    }

    fn begin(out: W, link_type: LinkType, resolution: Resolution, snaplen: u32) -> Result<Self, Error> {
        let mut w = Self { out, interfaces: None, link_type, resolution, written: 0 };
        // Version 2.4; the zone and the accuracy of times, which nobody fills in.
        w.words([resolution.magic(), 4 << 16 | 2, 0, 0, snaplen, link_type.0.into()])?;
        Ok(w)
    }

    /// A pcapng file of one section with these interfaces.
    ///
    /// # Errors
    /// If writing fails.
    pub fn pcapng(out: W, interfaces: &[LinkType]) -> Result<Self, Error> {
        let link_type = interfaces.first().copied().unwrap_or(LinkType::ETHERNET);
        let mut w =
            Self { out, interfaces: Some(Vec::new()), link_type, resolution: Resolution::Nano, written: 0 };
        let mut body = Vec::new();
        body.extend(0x1a2b_3c4d_u32.to_le_bytes());
        body.extend(1u16.to_le_bytes());
        body.extend(0u16.to_le_bytes());
        body.extend((-1i64).to_le_bytes());
        w.block(0x0a0d_0d0a, &body)?;
        for link_type in interfaces {
            w.interface(*link_type)?;
        }
        Ok(w)
    }

    /// Writes a packet. A pcapng writer describes interfaces that it has not met as they come.
    ///
    /// # Errors
    /// If writing fails, if the packet is longer than a record may be, or if it is of another link type
    /// than the file (pcap) or its interface (pcapng).
    pub fn write(&mut self, p: &Packet<'_>) -> Result<(), Error> {
        let len = match u32::try_from(p.data.len()) {
            Ok(n) if p.data.len() + 64 <= MAX_RECORD => n,
            _ => return Err(self.error(Kind::TooLong { what: "packet", len: p.data.len() as u64 })),
        };
        let time = p.timestamp_ns.unwrap_or(0);
        if self.interfaces.is_none() {
            self.same_link(p.link_type, self.link_type)?;
            let seconds = u32::try_from(time / 1_000_000_000).unwrap_or(u32::MAX);
            let fraction = (time % 1_000_000_000) as u32 / self.resolution.unit();
            let head = [seconds, fraction, len, p.orig_len.max(len)];
            self.words(head)?;
            return self.put(p.data);
        }
        let known = self.describe(p)?;
        self.same_link(p.link_type, known)?;
        let padding = p.data.len().next_multiple_of(4) - p.data.len();
        let block = len + padding as u32 + 32;
        let (high, low) = ((time >> 32) as u32, time as u32);
        self.words([6, block, p.interface, high, low, len, p.orig_len.max(len)])?;
        self.put(p.data)?;
        self.put(&[0; 3][..padding])?;
        self.words([block])
    }

    /// A writer of packets that are to follow this one's: see [`Writer::append`].
    pub fn part(&self) -> Writer<Vec<u8>> {
        let Self { link_type, resolution, written, .. } = *self;
        Writer { out: Vec::new(), interfaces: self.interfaces.clone(), link_type, resolution, written }
    }

    /// Writes what a [part](Writer::part) has been given, and empties it.
    ///
    /// # Errors
    /// If writing fails.
    pub fn append(&mut self, part: &mut Writer<Vec<u8>>) -> Result<(), Error> {
        self.put(&part.out)?;
        part.out.clear();
        self.interfaces.clone_from(&part.interfaces);
        Ok(())
    }

    /// Flushes, and gives the writer back.
    ///
    /// # Errors
    /// If flushing fails.
    pub fn finish(mut self) -> Result<W, Error> {
        self.out.flush().map_err(|e| Error::new(Kind::Io(e), self.written))?;
        Ok(self.out)
    }

    /// The link type of the packet's interface, which is described if it is new.
    fn describe(&mut self, p: &Packet<'_>) -> Result<LinkType, Error> {
        let index = p.interface as usize;
        if index >= super::MAX_INTERFACES {
            return Err(self.error(Kind::Malformed { what: format!("interface number {index}") }));
        }
        while self.interfaces.as_ref().is_some_and(|i| i.len() <= index) {
            self.interface(p.link_type)?;
        }
        Ok(self.interfaces.as_ref().map_or(self.link_type, |i| i[index]))
    }

    fn interface(&mut self, link_type: LinkType) -> Result<(), Error> {
        let mut body = Vec::new();
        body.extend(link_type.0.to_le_bytes());
        body.extend([0; 2]);
        body.extend(SNAP_LEN.to_le_bytes());
        // if_tsresol: 10^-9 seconds, padded; then the end of options.
        body.extend([9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0]);
        self.block(1, &body)?;
        if let Some(list) = &mut self.interfaces {
            list.push(link_type);
        }
        Ok(())
    }

    fn same_link(&self, have: LinkType, want: LinkType) -> Result<(), Error> {
        if have == want {
            return Ok(());
        }
        let what = format!("a packet of link type {have} where the others are {want}");
        Err(self.error(Kind::Malformed { what }))
    }

    /// Words in the writer's order.
    fn words<const N: usize>(&mut self, words: [u32; N]) -> Result<(), Error> {
        self.put(words.map(u32::to_le_bytes).as_flattened())
    }

    fn block(&mut self, kind: u32, body: &[u8]) -> Result<(), Error> {
        let len = (body.len() as u32 + 12).to_le_bytes();
        self.put(&kind.to_le_bytes())?;
        self.put(&len)?;
        self.put(body)?;
        self.put(&len)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.out.write_all(bytes).map_err(|e| Error::new(Kind::Io(e), self.written))?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    fn error(&self, kind: Kind) -> Error {
        Error::new(kind, self.written)
    }
}
