//! IEEE 802.11: its four addresses, whose meaning the direction bits decide, and frame types.

use super::{Compiler, Rel, Res};
use crate::code::B;
use crate::dlt::Dlt;
use crate::error::fail;
use crate::ir::BlockId;
use crate::qual::Dir;

/// Type and subtype in the first byte of frame control.
pub(crate) const FC0_TYPE_MASK: u32 = 0x0c;
pub(crate) const FC0_SUBTYPE_MASK: u32 = 0xf0;
/// The direction, in the second.
pub(crate) const FC1_DIR_MASK: u32 = 0x03;

const CTL: u32 = 0x04;
const DATA: u32 = 0x08;
const CTS: u32 = 0xc0;
const ACK: u32 = 0xd0;
const TODS: u32 = 0x01;
const FROMDS: u32 = 0x02;

pub(super) fn is_wlan(dlt: Dlt) -> bool {
    matches!(
        dlt,
        Dlt::IEEE802_11 | Dlt::PRISM_HEADER | Dlt::IEEE802_11_RADIO_AVS | Dlt::IEEE802_11_RADIO | Dlt::PPI
    )
}

/// Frame types by name.
static TYPES: &[(&str, u32)] =
    &[("data", 0x08), ("mgt", 0), ("management", 0), ("ctl", 0x04), ("control", 0x04)];

/// Subtypes by name, each with its type, in the order in which a bare name is looked up.
static SUBTYPES: &[(u32, &str, u32)] = &[
    (0, "assocreq", 0x00),
    (0, "assoc-req", 0x00),
    (0, "assocresp", 0x10),
    (0, "assoc-resp", 0x10),
    (0, "reassocreq", 0x20),
    (0, "reassoc-req", 0x20),
    (0, "reassocresp", 0x30),
    (0, "reassoc-resp", 0x30),
    (0, "probereq", 0x40),
    (0, "probe-req", 0x40),
    (0, "proberesp", 0x50),
    (0, "probe-resp", 0x50),
    (0, "beacon", 0x80),
    (0, "atim", 0x90),
    (0, "disassoc", 0xa0),
    (0, "disassociation", 0xa0),
    (0, "auth", 0xb0),
    (0, "authentication", 0xb0),
    (0, "deauth", 0xc0),
    (0, "deauthentication", 0xc0),
    (4, "bar", 0x80),
    (4, "ba", 0x90),
    (4, "ps-poll", 0xa0),
    (4, "rts", 0xb0),
    (4, "cts", 0xc0),
    (4, "ack", 0xd0),
    (4, "cf-end", 0xe0),
    (4, "cf-end-ack", 0xf0),
    (8, "data", 0x00),
    (8, "data-cf-ack", 0x10),
    (8, "data-cf-poll", 0x20),
    (8, "data-cf-ack-poll", 0x30),
    (8, "null", 0x40),
    (8, "cf-ack", 0x50),
    (8, "cf-poll", 0x60),
    (8, "cf-ack-poll", 0x70),
    (8, "qos-data", 0x80),
    (8, "qos-data-cf-ack", 0x90),
    (8, "qos-data-cf-poll", 0xa0),
    (8, "qos-data-cf-ack-poll", 0xb0),
    (8, "qos", 0xc0),
    (8, "qos-cf-poll", 0xe0),
    (8, "qos-cf-ack-poll", 0xf0),
];

/// `type NAME`.
pub(crate) fn frame_type(name: &str) -> Res<u32> {
    match TYPES.iter().find(|row| row.0.eq_ignore_ascii_case(name)) {
        Some(row) => Ok(row.1),
        None => fail!("unknown 802.11 type name \"{name}\""),
    }
}

/// `subtype NAME` behind a type.
pub(crate) fn subtype_of(frame_type: u32, name: &str) -> Res<u32> {
    if !SUBTYPES.iter().any(|row| row.0 == frame_type) {
        return Err("unknown 802.11 type".into());
    }
    match SUBTYPES.iter().find(|row| row.0 == frame_type && row.1.eq_ignore_ascii_case(name)) {
        Some(row) => Ok(row.2),
        None => fail!("unknown 802.11 subtype name \"{name}\""),
    }
}

/// `subtype NAME` alone: type and subtype.
pub(crate) fn subtype(name: &str) -> Res<u32> {
    let row = SUBTYPES.iter().find(|row| row.1.eq_ignore_ascii_case(name));
    row.map(|row| row.0 | row.2).ok_or_else(|| "unknown 802.11 type name".into())
}

/// `dir NAME`.
pub(crate) fn direction(name: &str) -> Res<u32> {
    let names = ["nods", "tods", "fromds", "dstods"];
    match names.iter().position(|n| n.eq_ignore_ascii_case(name)) {
        Some(dir) => Ok(dir as u32),
        None => Err("unknown 802.11 direction".into()),
    }
}

/// What is tested at an address: the address itself, or whether it is a group's.
#[derive(Clone, Copy)]
pub(super) enum Test<'t> {
    Equals(&'t [u8; 6]),
    Multicast,
}

impl Compiler<'_> {
    pub(super) fn wlan_data(&mut self) -> Res<BlockId> {
        self.mcmp(Rel::LinkHdr, 0, B, DATA, FC0_TYPE_MASK)
    }

    /// Whether a bit of frame control is (or is not) set.
    fn control_bit(&mut self, byte: u32, bit: u32, set: bool) -> Res<BlockId> {
        let s = self.load_a(Rel::LinkHdr, byte, B)?;
        Ok(if set { self.set(bit, s) } else { self.unset(bit, s) })
    }

    fn wlan_test(&mut self, offset: u32, test: Test<'_>) -> Res<BlockId> {
        match test {
            Test::Equals(addr) => self.bcmp(Rel::LinkHdr, offset, addr),
            Test::Multicast => self.mac_multicast(offset),
        }
    }

    /// `yes` where the bit is set, and the test at `offset` where it is not.
    fn either(&mut self, yes: BlockId, byte: u32, bit: u32, offset: u32, test: Test<'_>) -> Res<BlockId> {
        let clear = self.control_bit(byte, bit, false)?;
        let b = self.wlan_test(offset, test)?;
        let b = self.and(clear, b);
        Ok(self.or(b, yes))
    }

    /// Not a management frame's nor a control frame's: what is common to source and destination.
    fn data_or(&mut self, data: BlockId, offset: u32, test: Test<'_>) -> Res<BlockId> {
        let is_data = self.control_bit(0, DATA, true)?;
        let b = self.and(is_data, data);
        let b = self.either(b, 0, DATA, offset, test)?;
        let not_ctl = self.control_bit(0, CTL, false)?;
        Ok(self.and(not_ctl, b))
    }

    fn wlan_src(&mut self, test: Test<'_>) -> Res<BlockId> {
        let tods = self.control_bit(1, TODS, true)?;
        let b = self.wlan_test(24, test)?;
        let b = self.and(tods, b);
        let b = self.either(b, 1, TODS, 16, test)?;
        let fromds = self.control_bit(1, FROMDS, true)?;
        let b = self.and(fromds, b);
        let b = self.either(b, 1, FROMDS, 10, test)?;
        self.data_or(b, 10, test)
    }

    pub(super) fn wlan_dst(&mut self, test: Test<'_>) -> Res<BlockId> {
        let tods = self.control_bit(1, TODS, true)?;
        let b = self.wlan_test(16, test)?;
        let b = self.and(tods, b);
        let b = self.either(b, 1, TODS, 4, test)?;
        self.data_or(b, 4, test)
    }

    /// A frame that has a transmitter's address: no control frame, or neither CTS nor ACK.
    fn has_transmitter(&mut self) -> Res<BlockId> {
        let a = self.mcmp_ne(Rel::LinkHdr, 0, B, CTL, FC0_TYPE_MASK)?;
        let b = self.mcmp_ne(Rel::LinkHdr, 0, B, CTS, FC0_SUBTYPE_MASK)?;
        let c = self.mcmp_ne(Rel::LinkHdr, 0, B, ACK, FC0_SUBTYPE_MASK)?;
        let c = self.and(b, c);
        Ok(self.or(a, c))
    }

    pub(super) fn wlan_host(&mut self, addr: &[u8; 6], dir: Dir) -> Res<BlockId> {
        let test = Test::Equals(addr);
        match dir {
            Dir::Src => self.wlan_src(test),
            Dir::Dst => self.wlan_dst(test),
            Dir::And => {
                let a = self.wlan_src(test)?;
                let b = self.wlan_dst(test)?;
                Ok(self.and(a, b))
            }
            Dir::Default | Dir::Or => {
                let a = self.wlan_src(test)?;
                let b = self.wlan_dst(test)?;
                Ok(self.or(a, b))
            }
            Dir::Addr1 => self.wlan_test(4, test),
            Dir::Addr2 => {
                let a = self.has_transmitter()?;
                let b = self.wlan_test(10, test)?;
                Ok(self.and(a, b))
            }
            Dir::Addr3 => {
                let a = self.mcmp_ne(Rel::LinkHdr, 0, B, CTL, FC0_TYPE_MASK)?;
                let b = self.wlan_test(16, test)?;
                Ok(self.and(a, b))
            }
            Dir::Addr4 => {
                let a = self.mcmp(Rel::LinkHdr, 1, B, FC1_DIR_MASK, FC1_DIR_MASK)?;
                let b = self.wlan_test(24, test)?;
                Ok(self.and(a, b))
            }
            Dir::Ra => {
                let a = self.control_bit(0, DATA, true)?;
                let b = self.wlan_test(4, test)?;
                Ok(self.and(a, b))
            }
            Dir::Ta => {
                let a = self.has_transmitter()?;
                let data = self.control_bit(0, DATA, true)?;
                let a = self.and(data, a);
                let b = self.wlan_test(10, test)?;
                Ok(self.and(a, b))
            }
            Dir::Undef => fail!("'{}' is valid for 802.11 syntax only", dir.keyword()),
        }
    }

    /// `type` and `subtype`.
    pub(crate) fn wlan_type(&mut self, value: u32, mask: u32) -> Res<BlockId> {
        if !is_wlan(self.linktype) {
            return self.unsupported("type/subtype");
        }
        self.mcmp(Rel::LinkHdr, 0, B, value, mask)
    }

    /// `dir`.
    pub(crate) fn wlan_dir(&mut self, value: u32) -> Res<BlockId> {
        if !is_wlan(self.linktype) {
            return self.unsupported("dir");
        }
        self.mcmp(Rel::LinkHdr, 1, B, value, FC1_DIR_MASK)
    }
}
