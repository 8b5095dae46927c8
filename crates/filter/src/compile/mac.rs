//! Link-layer addresses of six bytes and of one; broadcast and multicast.

use super::wlan::{Test, is_wlan};
use super::{Compiler, ETHERTYPE_IP, ETHERTYPE_IPV6, Rel, Res, invalid_proto, not_wlan_only};
use crate::code::{B, W};
use crate::dlt::Dlt;
use crate::error::fail;
use crate::ir::BlockId;
use crate::qual::{Dir, Proto};

/// Where the source and the destination address of six bytes are.
fn mac48_places(dlt: Dlt) -> Option<(u32, u32)> {
    match dlt {
        Dlt::EN10MB
        | Dlt::NETANALYZER
        | Dlt::NETANALYZER_TRANSPARENT
        | Dlt::DSA_TAG_BRCM
        | Dlt::DSA_TAG_DSA => Some((6, 0)),
        Dlt::FDDI => Some((7, 1)),
        Dlt::IEEE802 => Some((8, 2)),
        Dlt::IP_OVER_FC => Some((10, 2)),
        _ => None,
    }
}

pub(super) fn has_mac48(dlt: Dlt) -> bool {
    mac48_places(dlt).is_some() || is_wlan(dlt)
}

/// Has Ethernet's header, which may be inside a tunnel.
fn is_ethernet(dlt: Dlt) -> bool {
    mac48_places(dlt) == Some((6, 0))
}

impl Compiler<'_> {
    /// Joins the tests of source and destination as the direction says.
    fn by_dir(&mut self, dir: Dir, mut test: impl FnMut(&mut Self, bool) -> Res<BlockId>) -> Res<BlockId> {
        match dir {
            Dir::Src => test(self, true),
            Dir::Dst => test(self, false),
            Dir::And => {
                let (a, b) = (test(self, true)?, test(self, false)?);
                Ok(self.and(a, b))
            }
            Dir::Default | Dir::Or => {
                let (a, b) = (test(self, true)?, test(self, false)?);
                Ok(self.or(a, b))
            }
            _ => fail!("'{}' is valid for 802.11 syntax only", dir.keyword()),
        }
    }

    pub(super) fn mac48_host(&mut self, addr: &[u8; 6], dir: Dir, keyword: &str) -> Res<BlockId> {
        if is_wlan(self.linktype) {
            return self.wlan_host(addr, dir);
        }
        let Some((src, dst)) = mac48_places(self.linktype) else { return self.unsupported(keyword) };
        let before = if is_ethernet(self.linktype) { self.prev_linkhdr_check()? } else { None };
        not_wlan_only(dir)?;
        let b = self.by_dir(dir, |c, is_src| c.bcmp(Rel::LinkHdr, if is_src { src } else { dst }, addr))?;
        Ok(before.map_or(b, |a| self.and(a, b)))
    }

    pub(super) fn mac48_host_by_name(&mut self, name: &str, dir: Dir, context: &str) -> Res<BlockId> {
        if !has_mac48(self.linktype) {
            return self.unsupported(context);
        }
        match self.names.ether(name) {
            Some(addr) => self.mac48_host(&addr, dir, context),
            None => fail!("unknown Ethernet-like host '{name}'"),
        }
    }

    pub(super) fn mac8_host(&mut self, addr: u8, dir: Dir, context: &str) -> Res<BlockId> {
        let (src, dst) = match self.linktype {
            Dlt::ARCNET | Dlt::ARCNET_LINUX => (0, 1),
            Dlt::BACNET_MS_TP => (4, 3),
            _ => return self.unsupported(context),
        };
        self.by_dir(dir, |c, is_src| c.cmp(Rel::LinkHdr, if is_src { src } else { dst }, B, addr.into()))
    }

    pub(crate) fn broadcast(&mut self, proto: Proto) -> Res<BlockId> {
        match proto {
            Proto::Default | Proto::Link => match self.linktype {
                Dlt::ARCNET | Dlt::ARCNET_LINUX => self.mac8_host(0, Dir::Dst, "broadcast"),
                Dlt::BACNET_MS_TP => self.mac8_host(0xff, Dir::Dst, "broadcast"),
                _ => self.mac48_host(&[0xff; 6], Dir::Dst, "broadcast"),
            },
            Proto::Ip => {
                let Some(netmask) = self.options.netmask.filter(|&mask| mask != u32::MAX) else {
                    return Err("netmask not known, so 'ip broadcast' not supported".into());
                };
                let a = self.linktype(ETHERTYPE_IP)?;
                let host = !netmask;
                let b = self.mcmp(Rel::LinkPayload, 16, W, 0, host)?;
                let c = self.mcmp(Rel::LinkPayload, 16, W, host, host)?;
                let c = self.or(b, c);
                Ok(self.and(a, c))
            }
            _ => invalid_proto(proto, "broadcast"),
        }
    }

    pub(super) fn mac_multicast(&mut self, offset: u32) -> Res<BlockId> {
        let s = self.load_a(Rel::LinkHdr, offset, B)?;
        Ok(self.set(1, s))
    }

    pub(crate) fn multicast(&mut self, proto: Proto) -> Res<BlockId> {
        match proto {
            Proto::Default | Proto::Link => match self.linktype {
                // ARCnet has no multicast but broadcast.
                Dlt::ARCNET | Dlt::ARCNET_LINUX => self.mac8_host(0, Dir::Dst, "multicast"),
                dlt if is_ethernet(dlt) => {
                    let before = self.prev_linkhdr_check()?;
                    let b = self.mac_multicast(0)?;
                    Ok(before.map_or(b, |a| self.and(a, b)))
                }
                dlt if is_wlan(dlt) => self.wlan_dst(Test::Multicast),
                dlt => match mac48_places(dlt) {
                    Some((_, dst)) => self.mac_multicast(dst),
                    None => self.unsupported("multicast"),
                },
            },
            Proto::Ip => {
                let a = self.linktype(ETHERTYPE_IP)?;
                let b = self.mcmp(Rel::LinkPayload, 16, B, 0xe0, 0xf0)?;
                Ok(self.and(a, b))
            }
            Proto::Ipv6 => {
                let a = self.linktype(ETHERTYPE_IPV6)?;
                let b = self.cmp(Rel::LinkPayload, 24, B, 0xff)?;
                Ok(self.and(a, b))
            }
            _ => invalid_proto(proto, "multicast"),
        }
    }
}
