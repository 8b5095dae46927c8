//! Where each link type has its protocol field and its payload, as a table.

use super::{Compiler, NOT_SET, Offset, Res, ss7};
use crate::dlt::Dlt;
use crate::error::fail;

const N: u32 = NOT_SET;

/// Link type; offsets of the protocol field and the payload; of the network layer in the payload, with an 802.2 SNAP
/// header and with 802.2 alone.
type Row = (Dlt, u32, u32, u32, u32);

static ROWS: &[Row] = &[
    (Dlt::ARCNET, 2, 6, 0, 0),
    (Dlt::ARCNET_LINUX, 4, 8, 0, 0),
    (Dlt::EN10MB, 12, 14, 0, 3),
    (Dlt::SLIP, N, 16, 0, 0),
    (Dlt::SLIP_BSDOS, N, 24, 0, 0),
    (Dlt::NULL, 0, 4, 0, 0),
    (Dlt::LOOP, 0, 4, 0, 0),
    (Dlt::ENC, 0, 12, 0, 0),
    (Dlt::PPP, 2, 4, 0, 0),
    (Dlt::PPP_PPPD, 2, 4, 0, 0),
    (Dlt::C_HDLC, 2, 4, 0, 0),
    (Dlt::HDLC, 2, 4, 0, 0),
    (Dlt::PPP_SERIAL, 2, 4, 0, 0),
    (Dlt::PPP_ETHER, 6, 8, 0, 0),
    (Dlt::PPP_BSDOS, 5, 24, 0, 0),
    (Dlt::FDDI, 13, 13, 8, 3),
    (Dlt::IEEE802, 14, 14, 8, 3),
    (Dlt::PRISM_HEADER, 24, 0, 8, 3),
    (Dlt::IEEE802_11_RADIO_AVS, 24, 0, 8, 3),
    (Dlt::IEEE802_11_RADIO, 24, 0, 8, 3),
    (Dlt::IEEE802_11, 24, 0, 8, 3),
    (Dlt::PPI, 24, 0, 8, 3),
    (Dlt::ATM_RFC1483, 0, 0, 8, 3),
    (Dlt::ATM_CLIP, 0, 0, 8, 3),
    (Dlt::SUNATM, 4, 4, 8, 3),
    (Dlt::RAW, N, 0, 0, 0),
    (Dlt::IPV4, N, 0, 0, 0),
    (Dlt::IPV6, N, 0, 0, 0),
    (Dlt::LINUX_SLL, 14, 16, 0, 0),
    (Dlt::LINUX_SLL2, 0, 20, 0, 0),
    (Dlt::LTALK, N, 0, 0, 0),
    (Dlt::IP_OVER_FC, 16, 16, 8, 3),
    (Dlt::FRELAY, N, 0, 0, 0),
    (Dlt::MFR, N, 0, 4, 0),
    (Dlt::APPLE_IP_OVER_IEEE1394, 16, 18, 0, 0),
    (Dlt::SYMANTEC_FIREWALL, 6, 44, 0, 0),
    (Dlt::PFLOG, 0, 0, 0, 0),
    (Dlt::JUNIPER_MFR, 4, 4, 0, N),
    (Dlt::JUNIPER_MLFR, 4, 4, 0, N),
    (Dlt::JUNIPER_MLPPP, 4, 4, 0, N),
    (Dlt::JUNIPER_PPP, 4, 4, 0, N),
    (Dlt::JUNIPER_CHDLC, 4, 4, 0, N),
    (Dlt::JUNIPER_FRELAY, 4, 4, 0, N),
    (Dlt::JUNIPER_ATM1, 4, 4, 0, 10),
    (Dlt::JUNIPER_ATM2, 8, 8, 0, 10),
    (Dlt::JUNIPER_PPPOE, 16, 14, 18, 21),
    (Dlt::JUNIPER_ETHER, 16, 14, 18, 21),
    (Dlt::JUNIPER_PPPOE_ATM, 4, 6, 0, N),
    (Dlt::JUNIPER_GGSN, 6, 12, 0, N),
    (Dlt::JUNIPER_ES, 6, N, N, N),
    (Dlt::JUNIPER_MONITOR, 12, 12, 0, N),
    (Dlt::JUNIPER_SERVICES, 12, N, N, N),
    (Dlt::JUNIPER_VP, 18, N, N, N),
    (Dlt::JUNIPER_ST, 18, N, N, N),
    (Dlt::JUNIPER_ISM, 8, N, N, N),
    (Dlt::JUNIPER_VS, 8, N, N, N),
    (Dlt::JUNIPER_SRX_E2E, 8, N, N, N),
    (Dlt::JUNIPER_FIBRECHANNEL, 8, N, N, N),
    (Dlt::JUNIPER_ATM_CEMIC, 8, N, N, N),
    (Dlt::PFSYNC, N, 4, 0, 0),
    (Dlt::IPNET, 1, 24, 0, N),
    (Dlt::NETANALYZER, 16, 18, 0, 3),
    (Dlt::NETANALYZER_TRANSPARENT, 24, 26, 0, 3),
    (Dlt::DSA_TAG_BRCM, 16, 18, 0, 3),
    (Dlt::DSA_TAG_DSA, 16, 18, 0, 3),
];

/// Link types below the range that all systems share which have no offsets but may be filtered by length and bytes.
static BARE: &[Dlt] = &[Dlt::EN3MB, Dlt::AX25, Dlt::PRONET, Dlt::CHAOS, Dlt::REDBACK_SMARTEDGE];

/// The numbers that all systems share.
const SHARED: std::ops::RangeInclusive<u16> = 104..=304;

impl Compiler<'_> {
    pub(super) fn init_linktype(&mut self) -> Res<()> {
        let dlt = self.linktype;
        let row = ROWS.iter().find(|row| row.0 == dlt).copied();
        let bare = BARE.contains(&dlt) || SHARED.contains(&dlt.0);
        let Some((_, linktype, linkpl, nl, nl_nosnap)) = row.or_else(|| bare.then_some((dlt, N, N, N, N)))
        else {
            fail!("unknown data link type {}", dlt.0);
        };
        self.off_linktype = Offset::at(linktype);
        self.off_linkpl = Offset::at(linkpl);
        self.off_nl = nl;
        self.off_nl_nosnap = nl_nosnap;
        match dlt {
            Dlt::PRISM_HEADER | Dlt::IEEE802_11_RADIO_AVS | Dlt::IEEE802_11_RADIO | Dlt::PPI => {
                self.off_linkhdr.variable = true;
                self.off_linkpl.variable = true;
            }
            Dlt::IEEE802_11 | Dlt::PFLOG => self.off_linkpl.variable = true,
            Dlt::NETANALYZER => self.off_linkhdr.constant = 4,
            Dlt::NETANALYZER_TRANSPARENT => self.off_linkhdr.constant = 12,
            _ => {}
        }
        self.is_atm = dlt == Dlt::SUNATM;
        self.ss7 = ss7::Offsets::of(dlt);
        self.off_prevlinkhdr = self.off_linkhdr;
        self.off_outermost = self.off_linkhdr;
        Ok(())
    }

    /// A new link layer inside the one before.
    pub(super) fn push_linkhdr(&mut self, dlt: Dlt, at: Offset) {
        self.prev_linktype = self.linktype;
        self.off_prevlinkhdr = self.off_linkhdr;
        self.linktype = dlt;
        self.off_linkhdr = at;
        self.is_encap = false;
    }
}
