//! IEEE 802.2: `llc` and its kinds of frames, protocols by SAP and SNAP.

use super::{Compiler, ETHERMTU, ETHERTYPE_ATALK, Rel, Res, SAP_IP, SAP_IPX, SAP_ISO, SAP_NETBEUI, at_most};
use crate::code::{B, H};
use crate::dlt::Dlt;
use crate::error::fail;
use crate::ir::BlockId;

/// Supervisory frames, by name.
static SUPERVISORY: &[(&str, u32)] = &[("rr", 0x01), ("rnr", 0x05), ("rej", 0x09)];

/// Unnumbered frames, by name.
static UNNUMBERED: &[(&str, u32)] = &[
    ("ui", 0x03),
    ("ua", 0x63),
    ("disc", 0x43),
    ("dm", 0x0f),
    ("sabme", 0x6f),
    ("test", 0xe3),
    ("xid", 0xaf),
    ("frmr", 0x87),
];

impl Compiler<'_> {
    /// `llc`, or `llc NAME`.
    pub(crate) fn llc(&mut self, name: Option<&str>) -> Res<BlockId> {
        let Some(name) = name else { return self.is_llc() };
        let row =
            |rows: &[(&str, u32)]| rows.iter().find(|row| row.0.eq_ignore_ascii_case(name)).map(|row| row.1);
        let (value, mask) = match name.to_ascii_lowercase().as_str() {
            "i" => {
                let a = self.is_llc()?;
                let s = self.load_a(Rel::Llc, 2, B)?;
                let b = self.unset(0x01, s);
                return Ok(self.and(a, b));
            }
            "s" => (0x01, 0x03),
            "u" => (0x03, 0x03),
            _ => match (row(SUPERVISORY), row(UNNUMBERED)) {
                (Some(value), _) => (value, 0x0f),
                (_, Some(value)) => (value, 0xef),
                _ => fail!("unknown LLC type name \"{name}\""),
            },
        };
        let a = self.is_llc()?;
        let b = self.mcmp(Rel::Llc, 2, B, value, mask)?;
        Ok(self.and(a, b))
    }

    fn is_llc(&mut self) -> Res<BlockId> {
        match self.linktype {
            Dlt::EN10MB | Dlt::DSA_TAG_BRCM | Dlt::DSA_TAG_DSA => {
                let a = self.cmp_le(Rel::LinkType, 0, H, ETHERMTU)?;
                // Novell's raw 802.3 has no LLC header.
                let b = self.cmp_ne(Rel::Llc, 0, H, 0xffff)?;
                Ok(self.and(a, b))
            }
            Dlt::SUNATM => {
                let b = self.atm_prototype(2)?;
                self.linktype = self.prev_linktype;
                Ok(b)
            }
            Dlt::IEEE802 | Dlt::FDDI | Dlt::ATM_RFC1483 => Ok(self.always(true)),
            dlt if super::wlan::is_wlan(dlt) => self.wlan_data(),
            _ => self.unsupported("llc"),
        }
    }

    /// SNAP with an organisation and a protocol type.
    pub(super) fn snap(&mut self, org: u32, proto: u32) -> Res<BlockId> {
        let (o, p) = (org.to_be_bytes(), proto.to_be_bytes());
        self.bcmp(Rel::Llc, 0, &[0xaa, 0xaa, 0x03, o[1], o[2], o[3], p[2], p[3]])
    }

    pub(super) fn llc_linktype(&mut self, proto: u32) -> Res<BlockId> {
        match proto {
            SAP_IP | SAP_ISO | SAP_NETBEUI => self.cmp(Rel::Llc, 0, H, (proto << 8) | proto),
            SAP_IPX => self.cmp(Rel::Llc, 0, B, SAP_IPX),
            ETHERTYPE_ATALK => self.snap(0x08_0007, ETHERTYPE_ATALK),
            _ if proto <= ETHERMTU => {
                at_most("LLC DSAP", proto, 0xff)?;
                self.cmp(Rel::Llc, 0, B, proto)
            }
            _ => {
                at_most("EtherType", proto, 0xffff)?;
                self.cmp(Rel::Llc, 6, H, proto)
            }
        }
    }
}
