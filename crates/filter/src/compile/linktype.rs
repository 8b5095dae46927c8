//! Tests of the link layer's protocol field: is this packet IP, ARP, IPX...?

use super::{
    Compiler, ETHERMTU, ETHERTYPE_AARP, ETHERTYPE_ARP, ETHERTYPE_ATALK, ETHERTYPE_DECNET, ETHERTYPE_IP,
    ETHERTYPE_IPV6, ETHERTYPE_IPX, ETHERTYPE_RARP, Rel, Res, SAP_IP, SAP_IPX, SAP_ISO, SAP_NETBEUI, SAP_STP,
    at_most,
};
use crate::ByteOrder;
use crate::code::{B, H, W};
use crate::dlt::Dlt;
use crate::error::fail;
use crate::ir::BlockId;

/// Linux's own numbers for Ethernet frames without an EtherType, in cooked captures.
const SLL_802_3: u32 = 1;
const SLL_802_2: u32 = 4;

/// Address families of IPv6: NetBSD's and OpenBSD's, FreeBSD's, Darwin's.
const BSD_AF_INET6: [u32; 3] = [24, 28, 30];
const AF_INET: u32 = 2;
/// Linux's.
const AF_INET6: u32 = 10;

/// ARCnet's codes for EtherTypes (RFC 1201, RFC 2497).
static ARCNET: &[(u32, u32)] = &[
    (ETHERTYPE_IPV6, 0xc4),
    (ETHERTYPE_IP, 212),
    (ETHERTYPE_ARP, 213),
    (ETHERTYPE_RARP, 214),
    (ETHERTYPE_ATALK, 221),
];

/// PPP's codes for EtherTypes and SAPs (IANA, PPP numbers).
static PPP: &[(u32, u32)] = &[
    (ETHERTYPE_IP, 0x21),
    (ETHERTYPE_IPV6, 0x57),
    (ETHERTYPE_DECNET, 0x27),
    (ETHERTYPE_ATALK, 0x29),
    (0x0600, 0x25),
    (SAP_ISO, 0x23),
    (SAP_STP, 0x31),
    (SAP_IPX, 0x2b),
];

fn ppp_type(proto: u32) -> Res<u32> {
    if let Some(row) = PPP.iter().find(|row| row.0 == proto) {
        return Ok(row.1);
    }
    at_most("PPP protocol", proto, 0xffff)?;
    Ok(proto)
}

/// How a link type says what it carries.
#[derive(Clone, Copy)]
enum Family {
    Ethernet,
    Hdlc,
    Wlan,
    Llc,
    SunAtm,
    Cooked,
    /// The version of the IP header.
    Raw,
    /// Nothing but this.
    Only(u32),
    Ppp,
    PppBsdos,
    Loopback,
    Pflog,
    Arcnet,
    FrameRelay,
    Juniper,
    Ipnet,
    Other,
}

fn family(dlt: Dlt) -> Family {
    match dlt {
        Dlt::EN10MB
        | Dlt::NETANALYZER
        | Dlt::NETANALYZER_TRANSPARENT
        | Dlt::DSA_TAG_BRCM
        | Dlt::DSA_TAG_DSA => Family::Ethernet,
        Dlt::C_HDLC | Dlt::HDLC => Family::Hdlc,
        dlt if super::wlan::is_wlan(dlt) => Family::Wlan,
        Dlt::FDDI | Dlt::IEEE802 | Dlt::ATM_RFC1483 | Dlt::ATM_CLIP | Dlt::IP_OVER_FC => Family::Llc,
        Dlt::SUNATM => Family::SunAtm,
        Dlt::LINUX_SLL => Family::Cooked,
        Dlt::SLIP | Dlt::SLIP_BSDOS | Dlt::RAW => Family::Raw,
        Dlt::IPV4 => Family::Only(ETHERTYPE_IP),
        Dlt::IPV6 => Family::Only(ETHERTYPE_IPV6),
        Dlt::LTALK => Family::Only(ETHERTYPE_ATALK),
        Dlt::PPP | Dlt::PPP_PPPD | Dlt::PPP_SERIAL | Dlt::PPP_ETHER => Family::Ppp,
        Dlt::PPP_BSDOS => Family::PppBsdos,
        Dlt::NULL | Dlt::LOOP | Dlt::ENC => Family::Loopback,
        Dlt::PFLOG => Family::Pflog,
        Dlt::ARCNET | Dlt::ARCNET_LINUX => Family::Arcnet,
        Dlt::FRELAY => Family::FrameRelay,
        dlt if super::misc::is_juniper(dlt) => Family::Juniper,
        Dlt::IPNET => Family::Ipnet,
        _ => Family::Other,
    }
}

impl Compiler<'_> {
    pub(super) fn linktype(&mut self, proto: u32) -> Res<BlockId> {
        if self.label_depth > 0 {
            return self.mpls_linktype(proto);
        }
        if let Some(b) = self.walked_linktype(proto)? {
            return Ok(b);
        }
        let code = |rows: &[(u32, u32)]| rows.iter().find(|row| row.0 == proto).map(|row| row.1);
        match family(self.linktype) {
            Family::Ethernet => {
                let before = if self.is_encap { None } else { self.prev_linkhdr_check()? };
                let b = self.ether_linktype(proto)?;
                Ok(before.map_or(b, |a| self.and(a, b)))
            }
            Family::Hdlc => {
                at_most("HDLC protocol", proto, 0xffff)?;
                let proto = if proto == SAP_ISO { (SAP_ISO << 8) | SAP_ISO } else { proto };
                self.cmp(Rel::LinkType, 0, H, proto)
            }
            Family::Wlan => {
                let data = self.wlan_data()?;
                let b = self.llc_linktype(proto)?;
                Ok(self.and(data, b))
            }
            Family::Llc => self.llc_linktype(proto),
            Family::SunAtm => {
                let a = self.atm_prototype(2)?;
                let b = self.llc_linktype(proto)?;
                Ok(self.and(a, b))
            }
            Family::Cooked => self.sll_linktype(proto),
            Family::Raw => match proto {
                ETHERTYPE_IP => self.ip_version(Rel::LinkHdr, 4),
                ETHERTYPE_IPV6 => self.ip_version(Rel::LinkHdr, 6),
                _ => Ok(self.always(false)),
            },
            Family::Only(only) => Ok(self.always(proto == only)),
            Family::PppBsdos if proto == ETHERTYPE_IP => {
                // Plain, and Van Jacobson's compressed and uncompressed TCP.
                let a = self.cmp(Rel::LinkType, 0, H, 0x21)?;
                let b = self.cmp(Rel::LinkType, 0, H, 0x2d)?;
                let ab = self.or(a, b);
                let c = self.cmp(Rel::LinkType, 0, H, 0x2f)?;
                Ok(self.or(ab, c))
            }
            Family::Ppp | Family::PppBsdos => self.cmp(Rel::LinkType, 0, H, ppp_type(proto)?),
            Family::Loopback => self.loopback_linktype(proto),
            Family::Pflog => match self.offline() {
                Some(_) => self.bsd_offline(1, B, proto, false),
                None => match proto {
                    ETHERTYPE_IP => self.cmp(Rel::LinkHdr, 1, B, AF_INET),
                    ETHERTYPE_IPV6 => self.cmp(Rel::LinkHdr, 1, B, AF_INET6),
                    _ => Ok(self.always(false)),
                },
            },
            Family::Arcnet => self.code_or_false(code(ARCNET)),
            Family::FrameRelay => self.frelay_linktype(proto),
            // Juniper's magic number, whatever the protocol.
            Family::Juniper => self.mcmp(Rel::LinkHdr, 0, W, 0x4d47_4300, 0xffff_ff00),
            Family::Ipnet => self.code_or_false(code(&[(ETHERTYPE_IP, 2), (ETHERTYPE_IPV6, 26)])),
            Family::Other if self.linktype != Dlt::MFR && self.off_linktype.constant != super::NOT_SET => {
                at_most("EtherType", proto, 0xffff)?;
                self.cmp(Rel::LinkType, 0, H, proto)
            }
            Family::Other => {
                fail!("link-layer type filtering not implemented for {}", self.linktype.display())
            }
        }
    }

    fn code_or_false(&mut self, code: Option<u32>) -> Res<BlockId> {
        match code {
            Some(code) => self.cmp(Rel::LinkType, 0, B, code),
            None => Ok(self.always(false)),
        }
    }

    pub(super) fn ip_version(&mut self, rel: Rel, version: u32) -> Res<BlockId> {
        self.mcmp(rel, 0, B, version << 4, 0xf0)
    }

    /// Inside a tunnel: the tunnel must hold Ethernet. In ATM LANE: the frame must be data.
    pub(super) fn prev_linkhdr_check(&mut self) -> Res<Option<BlockId>> {
        if self.is_encap {
            return Ok(Some(self.encap_ll_check()));
        }
        match self.prev_linktype {
            Dlt::SUNATM => self.cmp_ne(Rel::PrevLinkHdr, 4, H, 0xff00).map(Some),
            _ => Ok(None),
        }
    }

    fn ether_linktype(&mut self, proto: u32) -> Res<BlockId> {
        match proto {
            SAP_ISO | SAP_IP | SAP_NETBEUI => {
                let a = self.cmp_le(Rel::LinkType, 0, H, ETHERMTU)?;
                let b = self.cmp(Rel::Llc, 0, H, (proto << 8) | proto)?;
                Ok(self.and(a, b))
            }
            SAP_IPX => {
                let a = self.cmp(Rel::Llc, 0, B, SAP_IPX)?;
                let b = self.cmp(Rel::Llc, 0, H, 0xffff)?;
                let b = self.or(a, b);
                let a = self.snap(0, ETHERTYPE_IPX)?;
                let b = self.or(a, b);
                let a = self.cmp_le(Rel::LinkType, 0, H, ETHERMTU)?;
                let b = self.and(a, b);
                let a = self.cmp(Rel::LinkType, 0, H, ETHERTYPE_IPX)?;
                Ok(self.or(a, b))
            }
            ETHERTYPE_ATALK | ETHERTYPE_AARP => {
                let a = self.cmp_le(Rel::LinkType, 0, H, ETHERMTU)?;
                self.apple(a, proto)
            }
            _ if proto <= ETHERMTU => {
                at_most("LLC DSAP", proto, 0xff)?;
                let a = self.cmp_le(Rel::LinkType, 0, H, ETHERMTU)?;
                let b = self.cmp(Rel::LinkType, 2, B, proto)?;
                Ok(self.and(a, b))
            }
            _ => {
                at_most("EtherType", proto, 0xffff)?;
                self.cmp(Rel::LinkType, 0, H, proto)
            }
        }
    }

    /// AppleTalk and its ARP: in SNAP behind `is_llc`, or by EtherType.
    fn apple(&mut self, is_llc: BlockId, proto: u32) -> Res<BlockId> {
        let b = self.snap(if proto == ETHERTYPE_ATALK { 0x08_0007 } else { 0 }, proto)?;
        let b = self.and(is_llc, b);
        let a = self.cmp(Rel::LinkType, 0, H, proto)?;
        Ok(self.or(a, b))
    }

    fn sll_linktype(&mut self, proto: u32) -> Res<BlockId> {
        match proto {
            SAP_ISO | SAP_IP | SAP_NETBEUI => {
                let a = self.cmp(Rel::LinkType, 0, H, SLL_802_2)?;
                let b = self.cmp(Rel::Llc, 0, H, (proto << 8) | proto)?;
                Ok(self.and(a, b))
            }
            SAP_IPX => {
                let a = self.cmp(Rel::Llc, 0, B, SAP_IPX)?;
                let b = self.snap(0, ETHERTYPE_IPX)?;
                let b = self.or(a, b);
                let a = self.cmp(Rel::LinkType, 0, H, SLL_802_2)?;
                let b = self.and(a, b);
                let a = self.cmp(Rel::LinkType, 0, H, SLL_802_3)?;
                let b = self.or(a, b);
                let a = self.cmp(Rel::LinkType, 0, H, ETHERTYPE_IPX)?;
                Ok(self.or(a, b))
            }
            ETHERTYPE_ATALK | ETHERTYPE_AARP => {
                let a = self.cmp(Rel::LinkType, 0, H, SLL_802_2)?;
                self.apple(a, proto)
            }
            _ if proto <= ETHERMTU => {
                at_most("LLC DSAP", proto, 0xff)?;
                let a = self.cmp(Rel::LinkType, 0, H, SLL_802_2)?;
                let b = self.cmp(Rel::LinkHdr, self.off_linkpl.constant, B, proto)?;
                Ok(self.and(a, b))
            }
            _ => {
                at_most("EtherType", proto, 0xffff)?;
                self.cmp(Rel::LinkType, 0, H, proto)
            }
        }
    }

    /// The address family of BSD loopback: of this machine when live, of any of the BSDs in a file.
    fn loopback_linktype(&mut self, proto: u32) -> Res<BlockId> {
        let loop_order = self.linktype == Dlt::LOOP;
        let Some(order) = self.offline() else {
            let family = match proto {
                ETHERTYPE_IP => AF_INET,
                ETHERTYPE_IPV6 => AF_INET6,
                _ => return Ok(self.always(false)),
            };
            let value = if loop_order { family } else { family.to_be() };
            return self.cmp(Rel::LinkHdr, 0, W, value);
        };
        if loop_order {
            return self.bsd_offline(0, W, proto, false);
        }
        let swapped = order == ByteOrder::Swapped;
        let a = self.bsd_offline(0, W, proto, swapped)?;
        let b = self.bsd_offline(0, W, proto, !swapped)?;
        Ok(self.or(a, b))
    }

    fn bsd_offline(&mut self, offset: u32, size: u16, proto: u32, swapped: bool) -> Res<BlockId> {
        let value = |family: u32| if swapped { family.swap_bytes() } else { family };
        match proto {
            ETHERTYPE_IP => self.cmp(Rel::LinkHdr, offset, size, value(AF_INET)),
            ETHERTYPE_IPV6 => {
                let a = self.cmp(Rel::LinkHdr, offset, size, value(BSD_AF_INET6[0]))?;
                let b = self.cmp(Rel::LinkHdr, offset, size, value(BSD_AF_INET6[1]))?;
                let b = self.or(a, b);
                let a = self.cmp(Rel::LinkHdr, offset, size, value(BSD_AF_INET6[2]))?;
                Ok(self.or(a, b))
            }
            _ => Ok(self.always(false)),
        }
    }

    /// Frame Relay with an address of two bytes, and a network layer protocol identifier behind UI.
    pub(super) fn frelay_nlpid(&mut self, nlpid: u32) -> Res<BlockId> {
        self.cmp(Rel::LinkHdr, 2, H, (0x03 << 8) | nlpid)
    }

    fn frelay_linktype(&mut self, proto: u32) -> Res<BlockId> {
        match proto {
            ETHERTYPE_IP => self.frelay_nlpid(0xcc),
            ETHERTYPE_IPV6 => self.frelay_nlpid(0x8e),
            SAP_ISO => {
                let a = self.frelay_nlpid(0x81)?;
                let b = self.frelay_nlpid(0x82)?;
                let c = self.frelay_nlpid(0x83)?;
                let c = self.or(b, c);
                Ok(self.or(a, c))
            }
            _ => Ok(self.always(false)),
        }
    }
}
