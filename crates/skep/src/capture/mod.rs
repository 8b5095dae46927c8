//! Captures: packets out of pcap and pcapng files, plain, gzip or zstd, and back into them.
//!
//! Everything streams over [`Read`](std::io::Read) and [`Write`](std::io::Write): memory is bounded by
//! the largest record that a capture may hold ([`MAX_RECORD`]) and by the decompressors' windows, never by
//! the length of the file or by what a length field claims. Errors say at which byte of the (decompressed)
//! stream a record went wrong. What precedes the error has been delivered.
//!
//! Blocks of pcapng are parsed by the crate `pcap-parser`; pcap's records, gathering whole ones, limits, time
//! resolutions and the places of errors are done here.
//!
//! Sources: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng.
//!
//! ```
//! use skep::capture::{LinkType, Packet, Reader, Writer};
//!
//! let mut file = Vec::new();
//! let mut w = Writer::pcapng(&mut file, &[LinkType::ETHERNET])?;
//! w.write(&Packet::new(&[0xff; 60]).at(1_700_000_000_000_000_001))?;
//! w.finish()?;
//!
//! let mut r = Reader::new(file.as_slice())?;
//! let p = r.next_packet()?.expect("one packet");
//! assert_eq!((p.data.len(), p.timestamp_ns), (60, Some(1_700_000_000_000_000_001)));
//! assert!(r.next_packet()?.is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod decompress;
mod pcap;
mod pcapng;
mod read;
mod write;

#[cfg(test)]
mod tests;

pub use decompress::Compression;
pub use pcap::{Header, Resolution};
pub use read::{Reader, Records};
pub use write::Writer;

/// The longest record that is accepted, headers included: 16 MiB. No link has larger frames; what is
/// longer is damage.
pub const MAX_RECORD: usize = 16 << 20;

/// The most interfaces that one section of a pcapng file may describe.
pub const MAX_INTERFACES: usize = 1 << 16;

/// How the bytes of a packet begin (`LINKTYPE_*` of tcpdump.org's registry).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkType(pub u16);

impl LinkType {
    /// An Ethernet header.
    pub const ETHERNET: Self = Self(1);
    /// An IPv4 or IPv6 header.
    pub const RAW: Self = Self(101);
    /// Linux's "cooked" header.
    pub const LINUX_SLL: Self = Self(113);

    /// The registry's name, for those that BPF programs meet.
    pub fn name(self) -> Option<&'static str> {
        const NAMES: &[(u16, &str)] = &[
            (0, "null"),
            (1, "ethernet"),
            (12, "raw"),
            (101, "raw"),
            (105, "ieee802_11"),
            (108, "loop"),
            (113, "linux_sll"),
            (127, "ieee802_11_radiotap"),
            (228, "ipv4"),
            (229, "ipv6"),
            (253, "netlink"),
            (276, "linux_sll2"),
        ];
        NAMES.iter().find(|(n, _)| *n == self.0).map(|(_, s)| *s)
    }
}

impl std::fmt::Display for LinkType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{}", self.0),
        }
    }
}

/// The two file formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// libpcap's, with microsecond or nanosecond times.
    Pcap,
    /// The block format of Wireshark.
    Pcapng,
}

/// A captured packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The bytes that were captured.
    pub data: &'a [u8],
    /// Its length on the wire, in bytes: more than `data` if the capture cut it.
    pub orig_len: u32,
    /// Nanoseconds since 1970; none in simple packet blocks.
    pub timestamp_ns: Option<u64>,
    /// Index of its interface in the section; 0 in pcap files.
    pub interface: u32,
    /// What its first bytes are.
    pub link_type: LinkType,
}

impl<'a> Packet<'a> {
    /// A whole Ethernet frame on interface 0, without a time.
    pub fn new(data: &'a [u8]) -> Self {
        Self {
            data,
            orig_len: u32::try_from(data.len()).unwrap_or(u32::MAX),
            timestamp_ns: None,
            interface: 0,
            link_type: LinkType::ETHERNET,
        }
    }

    /// The same, with a time in nanoseconds since 1970.
    #[must_use]
    pub fn at(mut self, timestamp_ns: u64) -> Self {
        self.timestamp_ns = Some(timestamp_ns);
        self
    }

    /// Whether bytes are missing at its end.
    pub fn is_cut(&self) -> bool {
        u32::try_from(self.data.len()).is_ok_and(|n| n < self.orig_len)
    }
}

/// Why a capture can't be read or written. Opaque: ask it.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    offset: u64,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Io(std::io::Error),
    Unrecognized,
    Empty,
    Truncated { what: &'static str },
    Malformed { what: String },
    TooLong { what: &'static str, len: u64 },
}

impl Error {
    pub(crate) fn new(kind: Kind, offset: u64) -> Self {
        Self { kind, offset }
    }

    pub(crate) fn malformed(what: impl Into<String>, offset: u64) -> Self {
        Self::new(Kind::Malformed { what: what.into() }, offset)
    }

    /// Offset of the record that is wrong, in bytes of the decompressed stream.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether the capture ends in the middle of a record, as one does whose writer was killed.
    pub fn is_truncated(&self) -> bool {
        matches!(self.kind, Kind::Truncated { .. })
    }

    /// The reader's or writer's own error, if it was that.
    pub fn io(&self) -> Option<&std::io::Error> {
        match &self.kind {
            Kind::Io(e) => Some(e),
            _ => None,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match &self.kind {
            Kind::Unrecognized => Some("pcap and pcapng are read, also as .gz and .zst"),
            Kind::Truncated { .. } => Some("the packets before that place are whole"),
            _ => None,
        }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = self.offset;
        match &self.kind {
            Kind::Io(e) => write!(f, "at byte {at}: {e}"),
            Kind::Unrecognized => f.write_str("not a capture: neither pcap nor pcapng"),
            Kind::Empty => f.write_str("not a capture: the file is empty"),
            Kind::Truncated { what } => write!(f, "the capture ends in the middle of a {what} at byte {at}"),
            Kind::Malformed { what } => write!(f, "malformed capture at byte {at}: {what}"),
            Kind::TooLong { what, len } => {
                write!(f, "malformed capture at byte {at}: a {what} of {len} bytes (at most {MAX_RECORD})")
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            Kind::Io(e) => Some(e),
            _ => None,
        }
    }
}
