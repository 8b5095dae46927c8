//! Blocks of a pcapng section: who its interfaces are, and which blocks hold packets.
//!
//! The block layouts are `pcap-parser`'s; three things it leaves or gets wrong are done here: the
//! obsolete packet block, resolutions that are powers of two, and time offsets of big-endian sections.

use std::ops::Range;

use pcap_parser::{Block, InterfaceDescriptionBlock, OptionCode, parse_block_be, parse_block_le};

use super::{LinkType, MAX_INTERFACES, Packet};

/// The first bytes of every section; the same in both byte orders.
pub(super) const SECTION_HEADER: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

const BYTE_ORDER: u32 = 0x1a2b_3c4d;
const OBSOLETE_PACKET: u32 = 2;

/// What has been learnt from a section so far.
#[derive(Default)]
pub(super) struct Section {
    big_endian: bool,
    interfaces: Vec<Interface>,
}

struct Interface {
    link_type: LinkType,
    snap_len: u32,
    /// Nanoseconds are `ticks * numerator / denominator + offset`.
    resolution: Resolution,
    offset_s: i64,
}

#[derive(Clone, Copy)]
enum Resolution {
    /// Ticks of 10^-n seconds.
    Decimal(u8),
    /// Ticks of 2^-n seconds.
    Binary(u8),
}

/// What a block was.
pub(super) enum Step {
    Packet(Place),
    Other,
}

/// A packet as a place in its block.
pub(super) struct Place {
    data: Range<usize>,
    orig_len: u32,
    timestamp_ns: Option<u64>,
    interface: u32,
    link_type: LinkType,
}

impl Place {
    pub(super) fn of(self, block: &[u8]) -> Packet<'_> {
        Packet {
            data: &block[self.data],
            orig_len: self.orig_len,
            timestamp_ns: self.timestamp_ns,
            interface: self.interface,
            link_type: self.link_type,
        }
    }
}

impl Section {
    /// Length of the block that starts with these twelve bytes. A section header sets the byte order.
    pub(super) fn block_len(&mut self, head: &[u8]) -> Result<u32, String> {
        let word = |at: usize| [head[at], head[at + 1], head[at + 2], head[at + 3]];
        if word(0) == SECTION_HEADER {
            self.big_endian = match u32::from_le_bytes(word(8)) {
                BYTE_ORDER => false,
                n if n == BYTE_ORDER.swap_bytes() => true,
                n => return Err(format!("a section header with byte-order magic {n:#010x}")),
            };
            self.interfaces.clear();
        }
        let len = self.u32(word(4));
        if len < 12 || !len.is_multiple_of(4) {
            return Err(format!("a block of length {len}; lengths are 12 or more and multiples of 4"));
        }
        Ok(len)
    }

    /// Takes in one whole block.
    pub(super) fn step(&mut self, block: &[u8]) -> Result<Step, String> {
        let parse = if self.big_endian { parse_block_be } else { parse_block_le };
        let kind = self.u32(block.first_chunk().copied().unwrap_or_default());
        let (_, parsed) =
            parse(block).map_err(|_| format!("a block of type {kind:#x} that does not parse"))?;
        match parsed {
            Block::InterfaceDescription(idb) => {
                if self.interfaces.len() >= MAX_INTERFACES {
                    return Err(format!("more than {MAX_INTERFACES} interfaces"));
                }
                self.interfaces.push(self.interface(&idb));
                Ok(Step::Other)
            }
            Block::EnhancedPacket(p) => {
                let ticks = u64::from(p.ts_high) << 32 | u64::from(p.ts_low);
                self.packet(p.if_id, 28, p.caplen, p.origlen, Some(ticks), block.len())
            }
            Block::SimplePacket(p) => {
                let room = u32::try_from(p.data.len()).unwrap_or(u32::MAX);
                let snap = self.interfaces.first().map_or(0, |i| i.snap_len);
                let cut = if snap == 0 { p.origlen } else { p.origlen.min(snap) };
                self.packet(0, 12, cut.min(room), p.origlen, None, block.len())
            }
            Block::Unknown(_) if kind == OBSOLETE_PACKET => self.obsolete_packet(block),
            _ => Ok(Step::Other),
        }
    }

    /// The packet block of the format's first draft: as the enhanced one, with a 16-bit interface.
    fn obsolete_packet(&self, block: &[u8]) -> Result<Step, String> {
        let word = |at: usize| block.get(at..at + 4).and_then(|b| b.first_chunk::<4>()).map(|b| self.u32(*b));
        let interface = block
            .get(8..10)
            .and_then(|b| b.first_chunk::<2>())
            .map(|b| if self.big_endian { u16::from_be_bytes(*b) } else { u16::from_le_bytes(*b) });
        match (interface, word(12), word(16), word(20), word(24)) {
            (Some(i), Some(high), Some(low), Some(cap), Some(orig)) => {
                let ticks = u64::from(high) << 32 | u64::from(low);
                self.packet(u32::from(i), 28, cap, orig, Some(ticks), block.len())
            }
            _ => Err("a packet block shorter than its header".into()),
        }
    }

    fn packet(
        &self,
        interface: u32,
        at: usize,
        len: u32,
        orig_len: u32,
        ticks: Option<u64>,
        block_len: usize,
    ) -> Result<Step, String> {
        let known = usize::try_from(interface).ok().and_then(|i| self.interfaces.get(i));
        let Some(i) = known else {
            return Err(format!(
                "a packet of interface {interface}, and {} are described",
                self.interfaces.len()
            ));
        };
        let end = usize::try_from(len).ok().and_then(|n| at.checked_add(n));
        match end {
            Some(end) if end + 4 <= block_len => Ok(Step::Packet(Place {
                data: at..end,
                orig_len,
                timestamp_ns: ticks.and_then(|t| i.time_ns(t)),
                interface,
                link_type: i.link_type,
            })),
            _ => Err(format!("a packet of {len} bytes in a block of {block_len}")),
        }
    }

    fn interface(&self, idb: &InterfaceDescriptionBlock<'_>) -> Interface {
        let option =
            |code: OptionCode| idb.options.iter().find(|o| o.code == code).and_then(|o| o.as_bytes().ok());
        let resolution = match option(OptionCode::IfTsresol) {
            Some([n, ..]) if n & 0x80 != 0 => Resolution::Binary(n & 0x7f),
            Some([n, ..]) => Resolution::Decimal(*n),
            _ => Resolution::Decimal(6),
        };
        let offset_s = option(OptionCode::IfTsoffset)
            .and_then(|b| b.first_chunk::<8>())
            .map_or(0, |b| if self.big_endian { i64::from_be_bytes(*b) } else { i64::from_le_bytes(*b) });
        Interface {
            link_type: LinkType((idb.linktype.0 & 0xffff) as u16),
            snap_len: idb.snaplen,
            resolution,
            offset_s,
        }
    }

    fn u32(&self, b: [u8; 4]) -> u32 {
        if self.big_endian { u32::from_be_bytes(b) } else { u32::from_le_bytes(b) }
    }
}

impl Interface {
    /// Nanoseconds since 1970, unless they do not fit in 64 bits.
    fn time_ns(&self, ticks: u64) -> Option<u64> {
        const NS: u128 = 1_000_000_000;
        let ns = match self.resolution {
            Resolution::Decimal(n) if n <= 38 => u128::from(ticks) * NS / 10u128.pow(u32::from(n)),
            Resolution::Binary(n) => (u128::from(ticks) * NS) >> n,
            Resolution::Decimal(_) => 0,
        };
        let offset = i128::from(self.offset_s) * NS as i128;
        u64::try_from(i128::try_from(ns).ok()? + offset).ok()
    }
}
