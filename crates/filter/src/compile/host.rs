//! Hosts and networks: IPv4 (with ARP and RARP), IPv6, DECnet, gateways.

use std::net::{IpAddr, Ipv6Addr};

use super::{
    Compiler, ETHERTYPE_ARP, ETHERTYPE_DECNET, ETHERTYPE_IP, ETHERTYPE_IPV6, ETHERTYPE_RARP, Rel, Res,
    invalid_proto, invalid_qual, not_wlan_only,
};
use crate::code::{B, H, W};
use crate::error::fail;
use crate::ir::{BlockId, Meaning};
use crate::qual::{Dir, Kind, Proto, Qual};

/// More addresses of one family than this, for one name, are refused.
const MAX_PER_FAMILY: usize = 100;

impl Compiler<'_> {
    fn host_op(&mut self, addr: u32, mask: u32, dir: Dir, src: u32, dst: u32) -> Res<BlockId> {
        let offset = match dir {
            Dir::Src => src,
            Dir::Dst => dst,
            Dir::And => {
                let a = self.host_op(addr, mask, Dir::Src, src, dst)?;
                let b = self.host_op(addr, mask, Dir::Dst, src, dst)?;
                return Ok(self.and(a, b));
            }
            _ => {
                let a = self.host_op(addr, mask, Dir::Src, src, dst)?;
                let b = self.host_op(addr, mask, Dir::Dst, src, dst)?;
                return Ok(self.or(a, b));
            }
        };
        self.mcmp(Rel::LinkPayload, offset, W, addr, mask)
    }

    fn host_op6(&mut self, addr: u128, mask: u128, dir: Dir) -> Res<BlockId> {
        let offset = match dir {
            Dir::Src => 8,
            Dir::Dst => 24,
            Dir::And => {
                let a = self.host_op6(addr, mask, Dir::Src)?;
                let b = self.host_op6(addr, mask, Dir::Dst)?;
                return Ok(self.and(a, b));
            }
            _ => {
                let a = self.host_op6(addr, mask, Dir::Src)?;
                let b = self.host_op6(addr, mask, Dir::Dst)?;
                return Ok(self.or(a, b));
            }
        };
        let mut all = self.always(true);
        for i in (0..4u32).rev() {
            let part = |n: u128| (n >> (96 - 32 * i)) as u32;
            let b = self.mcmp(Rel::LinkPayload, offset + 4 * i, W, part(addr), part(mask))?;
            all = self.and(b, all);
        }
        Ok(all)
    }

    /// Any of the addresses (none of them, where `not`), each with its mask.
    pub(super) fn host(
        &mut self,
        addrs: &[(u32, u32)],
        proto: Proto,
        dir: Dir,
        not: bool,
        context: &str,
    ) -> Res<BlockId> {
        not_wlan_only(dir)?;
        let (ethertype, src, dst) = match proto {
            Proto::Default => {
                let ip = self.host(addrs, Proto::Ip, dir, not, context)?;
                if self.label_depth > 0 {
                    return Ok(ip);
                }
                let arp = self.host(addrs, Proto::Arp, dir, not, context)?;
                let both = self.or(ip, arp);
                let rarp = self.host(addrs, Proto::Rarp, dir, not, context)?;
                return Ok(self.or(both, rarp));
            }
            Proto::Ip => (ETHERTYPE_IP, 12, 16),
            Proto::Rarp => (ETHERTYPE_RARP, 14, 24),
            Proto::Arp => (ETHERTYPE_ARP, 14, 24),
            _ => return invalid_proto(proto, context),
        };
        let is_proto = self.linktype(ethertype)?;
        if self.ir.blocks[is_proto].meaning == Meaning::False {
            return Ok(is_proto);
        }
        let mut any = self.always(false);
        for &(addr, mask) in addrs {
            let b = self.host_op(addr, mask, dir, src, dst)?;
            any = self.or(any, b);
        }
        let any = if not { self.not(any) } else { any };
        Ok(self.and(is_proto, any))
    }

    pub(super) fn host6(
        &mut self,
        addrs: &[(u128, u128)],
        proto: Proto,
        dir: Dir,
        not: bool,
        context: &str,
    ) -> Res<BlockId> {
        not_wlan_only(dir)?;
        if proto != Proto::Default && proto != Proto::Ipv6 {
            return invalid_proto(proto, context);
        }
        let is_proto = self.linktype(ETHERTYPE_IPV6)?;
        let mut any = self.always(false);
        for &(addr, mask) in addrs {
            let b = self.host_op6(addr, mask, dir)?;
            any = self.or(any, b);
        }
        let any = if not { self.not(any) } else { any };
        Ok(self.and(is_proto, any))
    }

    /// All addresses of a name, in order; IPv4 where `proto4` allows it and IPv6 where `proto6` does.
    pub(super) fn host_by_name(
        &mut self,
        name: &str,
        proto4: Proto,
        proto6: Proto,
        dir: Dir,
        not: bool,
    ) -> Res<BlockId> {
        let context = "host <Internet hostname>";
        let addrs = self.names.host(name);
        if addrs.is_empty() {
            fail!("unknown host '{name}'");
        }
        let limit = |n: usize, family: &str| -> Res<()> {
            if n > MAX_PER_FAMILY {
                fail!("More than {MAX_PER_FAMILY} {family} addresses per name");
            }
            Ok(())
        };
        let mut found = None;
        if proto4 != Proto::Ipv6 {
            let mut v4: Vec<(u32, u32)> = addrs
                .iter()
                .filter_map(|a| match a {
                    IpAddr::V4(a) => Some((u32::from(*a), u32::MAX)),
                    IpAddr::V6(_) => None,
                })
                .collect();
            limit(v4.len(), "IPv4")?;
            v4.sort_unstable();
            if !v4.is_empty() {
                found = Some(self.host(&v4, proto4, dir, not, context)?);
            }
        }
        if !matches!(proto6, Proto::Arp | Proto::Ip | Proto::Rarp) {
            let mut v6: Vec<(u128, u128)> = addrs
                .iter()
                .filter_map(|a| match a {
                    IpAddr::V6(a) => Some((u128::from(*a), u128::MAX)),
                    IpAddr::V4(_) => None,
                })
                .collect();
            limit(v6.len(), "IPv6")?;
            v6.sort_unstable();
            if !v6.is_empty() {
                let b = self.host6(&v6, proto6, dir, not, context)?;
                found = Some(found.map_or(b, |a| self.or(a, b)));
            }
        }
        match found {
            Some(b) => Ok(b),
            None if proto4 == Proto::Default => fail!("unknown host '{name}'"),
            None => fail!("unknown host '{name}' for specified address family"),
        }
    }

    /// Sent to or by the host's interface, but not to or by its address.
    pub(super) fn gateway(&mut self, name: &str, proto: Proto) -> Res<BlockId> {
        if !matches!(proto, Proto::Default | Proto::Ip | Proto::Arp | Proto::Rarp) {
            return invalid_proto(proto, "gateway");
        }
        if self.label_depth > 0 {
            return Err("'gateway' cannot be used within MPLS".into());
        }
        if self.is_encap {
            return Err("'gateway' cannot be used within VXLAN or Geneve".into());
        }
        let a = self.mac48_host_by_name(name, Dir::Or, "gateway")?;
        let b = self.host_by_name(name, proto, Proto::Ip, Dir::Or, true)?;
        Ok(self.and(a, b))
    }

    /// A DECnet address; `text` is None where a bare number was written.
    pub(super) fn decnet_host(&mut self, text: Option<&str>, number: u32, q: Qual) -> Res<BlockId> {
        not_wlan_only(q.dir)?;
        if q.kind != Kind::Default && q.kind != Kind::Host {
            return invalid_qual("decnet", q.kind.keyword());
        }
        let Some(text) = text else { fail!("invalid DECnet address '{number}'") };
        let Some(addr) = crate::addr::decnet(text) else { fail!("invalid DECnet address '{text}'") };
        let a = self.linktype(ETHERTYPE_DECNET)?;
        let b = self.decnet_op(addr, q.dir)?;
        Ok(self.and(a, b))
    }

    /// Long and short headers of DECnet Phase IV, each with and without a byte of padding before.
    fn decnet_op(&mut self, addr: u16, dir: Dir) -> Res<BlockId> {
        let (short, long) = match dir {
            Dir::Dst => (1, 7),
            Dir::Src => (3, 15),
            Dir::And => {
                let a = self.decnet_op(addr, Dir::Src)?;
                let b = self.decnet_op(addr, Dir::Dst)?;
                return Ok(self.and(a, b));
            }
            _ => {
                let a = self.decnet_op(addr, Dir::Src)?;
                let b = self.decnet_op(addr, Dir::Dst)?;
                return Ok(self.or(a, b));
            }
        };
        let swapped = u32::from(addr.swap_bytes());
        let pl = Rel::LinkPayload;
        let flags = self.mcmp(pl, 2, H, 0x8106, 0xff07)?;
        let b = self.cmp(pl, 3 + long, H, swapped)?;
        let all = self.and(flags, b);
        let flags = self.mcmp(pl, 2, B, 0x06, 0x07)?;
        let b = self.cmp(pl, 2 + long, H, swapped)?;
        let b = self.and(flags, b);
        let all = self.or(b, all);
        let b = if dir == Dir::Dst {
            self.mcmp(pl, 2, W, 0x8102_0000 | swapped, 0xff07_ffff)?
        } else {
            let flags = self.mcmp(pl, 2, H, 0x8102, 0xff07)?;
            let b = self.cmp(pl, 3 + short, H, swapped)?;
            self.and(flags, b)
        };
        let all = self.or(b, all);
        let b = if dir == Dir::Dst {
            self.mcmp(pl, 2, W, 0x0200_0000 | (swapped << 8), 0x07ff_ff00)?
        } else {
            let flags = self.mcmp(pl, 2, B, 0x02, 0x07)?;
            let b = self.cmp(pl, 2 + short, H, swapped)?;
            self.and(flags, b)
        };
        Ok(self.or(b, all))
    }
}

/// The mask of so many leading bits.
pub(super) fn mask6(len: u32) -> u128 {
    if len == 0 { 0 } else { u128::MAX << (128 - len.min(128)) }
}

pub(super) fn parse6(text: &str) -> Res<u128> {
    match text.parse::<Ipv6Addr>() {
        Ok(addr) => Ok(addr.into()),
        Err(_) => fail!("'{text}' is not a valid IPv6 address"),
    }
}
