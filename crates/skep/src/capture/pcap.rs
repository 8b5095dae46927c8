//! pcap files: the header, and the records behind it.
//!
//! There are five kinds, by the first four bytes: times in microseconds or nanoseconds, in either byte order, and the
//! records of Kuznetsov's patch, which are 8 bytes longer. Sources: draft-ietf-opsawg-pcap; libpcap's `savefile.c` as it behaves.

use super::{LinkType, MAX_RECORD, Packet};

/// Bytes of a file's header.
pub(super) const HEADER_BYTES: usize = 24;

/// In what times are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resolution {
    /// 10^-6 s.
    Micro,
    /// 10^-9 s.
    Nano,
}

impl Resolution {
    /// How many nanoseconds its unit has.
    pub(super) const fn unit(self) -> u32 {
        match self {
            Self::Micro => 1_000,
            Self::Nano => 1,
        }
    }

    /// The first word of a file.
    pub(super) const fn magic(self) -> u32 {
        match self {
            Self::Micro => MICRO,
            Self::Nano => NANO,
        }
    }
}

const MICRO: u32 = 0xa1b2_c3d4;
const NANO: u32 = 0xa1b2_3c4d;
const MODIFIED: u32 = 0xa1b2_cd34;

/// What the header of a pcap file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    big_endian: bool,
    modified: bool,
    resolution: Resolution,
    link_type: LinkType,
    snaplen: u32,
}

impl Header {
    /// Reads a header, or the beginning of one: none if it is no pcap file's.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let magic = *bytes.first_chunk::<4>()?;
        let known = |magic: u32| match magic {
            MICRO => Some((Resolution::Micro, false)),
            NANO => Some((Resolution::Nano, false)),
            MODIFIED => Some((Resolution::Micro, true)),
            _ => None,
        };
        let (big_endian, (resolution, modified)) = match known(u32::from_le_bytes(magic)) {
            Some(found) => (false, found),
            None => (true, known(u32::from_be_bytes(magic))?),
        };
        let header = Self { big_endian, modified, resolution, link_type: LinkType(0), snaplen: 0 };
        let Some(whole) = bytes.first_chunk::<HEADER_BYTES>() else { return Some(header) };
        // The upper bits of the last field are flags and the length of a frame check sequence.
        let [.., s0, s1, s2, s3, l0, l1, l2, l3] = *whole;
        let [snaplen, link_type] = [[s0, s1, s2, s3], [l0, l1, l2, l3]].map(u32::from_ne_bytes);
        let link_type = LinkType((header.host_order(link_type) & 0xffff) as u16);
        Some(Self { link_type, snaplen: header.host_order(snaplen), ..header })
    }

    /// What its packets begin with.
    pub fn link_type(&self) -> LinkType {
        self.link_type
    }

    /// In what it tells times.
    pub fn resolution(&self) -> Resolution {
        self.resolution
    }

    /// At how many bytes packets were cut; 0 if it does not say.
    pub fn snaplen(&self) -> u32 {
        self.snaplen
    }

    /// Bytes of a record before its packet.
    pub(super) fn record_header(&self) -> usize {
        if self.modified { 24 } else { 16 }
    }

    #[inline]
    fn host_order(&self, word: u32) -> u32 {
        if self.big_endian { u32::from_be(word) } else { u32::from_le(word) }
    }

    /// The words of a record's header: seconds, their fraction, how many bytes are kept, how many there were.
    #[inline]
    fn words(&self, head: &[u8; 16]) -> [u32; 4] {
        let word = |at: usize| u32::from_ne_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        [word(0), word(4), word(8), word(12)].map(|word| self.host_order(word))
    }

    /// How long the record is that begins with these bytes, header included.
    pub(super) fn record_len(&self, head: &[u8; 16]) -> u64 {
        u64::from(self.words(head)[2]) + self.record_header() as u64
    }

    /// The packet of the record that begins with these bytes, and how long the record is; none if it is not whole, or too
    /// long.
    #[inline(always)]
    pub(super) fn record<'a>(&self, bytes: &'a [u8]) -> Option<(Packet<'a>, usize)> {
        // Nearly all files are of one kind, and the loops over their records are short: so they have code of their own.
        match (self.modified, self.big_endian == cfg!(target_endian = "big")) {
            (false, true) => self.record_as::<16, false>(bytes),
            (false, false) => self.record_as::<16, true>(bytes),
            (true, true) => self.record_as::<24, false>(bytes),
            (true, false) => self.record_as::<24, true>(bytes),
        }
    }

    #[inline(always)]
    fn record_as<'a, const HEAD: usize, const SWAPPED: bool>(
        &self,
        bytes: &'a [u8],
    ) -> Option<(Packet<'a>, usize)> {
        let (head, data) = bytes.split_first_chunk::<HEAD>()?;
        let word = |at: usize| {
            let word = u32::from_ne_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
            if SWAPPED { word.swap_bytes() } else { word }
        };
        let kept = word(8) as usize;
        let data = data.get(..kept).filter(|data| data.len() <= MAX_RECORD - HEAD)?;
        let unit = u64::from(self.resolution.unit());
        let time = u64::from(word(0)) * 1_000_000_000 + u64::from(word(4)) * unit;
        let (orig_len, timestamp_ns, link_type) = (word(12), Some(time), self.link_type);
        Some((Packet { data, orig_len, timestamp_ns, interface: 0, link_type }, HEAD + kept))
    }

    /// Where in these bytes a record seems to begin: the first place from which several follow each other that look like
    /// records. It may be wrong. It is right if whoever reads from the file's beginning gets there.
    pub fn guess(&self, bytes: &[u8]) -> Option<usize> {
        const ENOUGH: usize = 12;
        const DAY: u32 = 24 * 3600;
        (0..bytes.len()).find(|&start| {
            let (mut at, mut last) = (start, None);
            for _ in 0..ENOUGH {
                let head = bytes.get(at..).and_then(<[u8]>::first_chunk);
                let Some((seconds, len)) = head.and_then(|head| self.plausible(head)) else { return false };
                if last.replace(seconds).is_some_and(|old: u32| old.abs_diff(seconds) > DAY) {
                    return false;
                }
                at += len;
            }
            true
        })
    }

    /// The seconds of what may be a record, and its length.
    fn plausible(&self, head: &[u8; 16]) -> Option<(u32, usize)> {
        let [seconds, fraction, kept, len] = self.words(head);
        const LONG: u32 = 262_144;
        let fits =
            fraction < 1_000_000_000 / self.resolution.unit() && kept <= len && kept <= LONG && kept > 0;
        fits.then_some((seconds, self.record_header() + kept as usize))
    }
}
