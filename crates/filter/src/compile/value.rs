//! The values of primitives, dispatched by what their qualifiers say they are: names, numbers, dotted parts, IPv6
//! and link-layer addresses.

use super::host::{mask6, parse6};
use super::mac::has_mac48;
use super::{Compiler, Res, at_most, invalid_qual, not_wlan_only, port};
use crate::addr;
use crate::error::fail;
use crate::ir::BlockId;
use crate::qual::{Kind, Proto, Qual};

/// The network number without its leading zero bytes, shifted up, and the mask of what is left.
fn classless(mut addr: u32) -> (u32, u32) {
    let mut mask = u32::MAX;
    while addr != 0 && addr & 0xff00_0000 == 0 {
        addr <<= 8;
        mask <<= 8;
    }
    (addr, mask)
}

fn syntax<T>() -> Res<T> {
    Err("syntax error in filter expression".into())
}

fn no_decnet(q: Qual) -> Res<()> {
    if q.proto == Proto::Decnet {
        let kind = if q.kind == Kind::Default { Kind::Host } else { q.kind };
        return invalid_qual("decnet", kind.keyword());
    }
    Ok(())
}

impl Compiler<'_> {
    /// A name.
    pub(crate) fn value_name(&mut self, name: &str, q: Qual) -> Res<BlockId> {
        no_decnet(q)?;
        match q.kind {
            Kind::Net => {
                let Some(network) = self.names.network(name).filter(|&n| n != 0) else {
                    fail!("unknown network '{name}'")
                };
                self.host(&[classless(network)], q.proto, q.dir, false, "net <IPv4 network name>")
            }
            Kind::Default | Kind::Host if q.proto == Proto::Link => {
                self.mac48_host_by_name(name, q.dir, "link host NAME")
            }
            Kind::Default | Kind::Host => self.host_by_name(name, q.proto, q.proto, q.dir, false),
            Kind::Port => self.port_by_name(name, q.proto, q.dir),
            Kind::Portrange => self.port_range_by_name(name, q.proto, q.dir),
            Kind::Gateway => self.gateway(name, q.proto),
            Kind::Proto => {
                let n = self.look_up_proto(name, q)?;
                self.proto(n, q.proto)
            }
            Kind::Protochain => {
                let n = self.look_up_proto(name, q)?;
                self.protochain(n, q.proto)
            }
            Kind::Undef => syntax(),
        }
    }

    /// A number, or dotted parts of an IPv4 address (`text`).
    pub(crate) fn value_number(&mut self, text: Option<&str>, number: u32, q: Qual) -> Res<BlockId> {
        if q.proto == Proto::Decnet {
            return self.decnet_host(text, number, q);
        }
        let (value, bits) = match text.map(addr::ipv4_prefix) {
            None => (number, 32),
            Some(Some(found)) => found,
            Some(None) => fail!("invalid IPv4 address '{}'", text.unwrap_or_default()),
        };
        let shown = text.map_or_else(|| number.to_string(), str::to_string);
        match q.kind {
            Kind::Default | Kind::Host | Kind::Net => {
                if q.proto == Proto::Link {
                    fail!("illegal link-layer address '{shown}'");
                }
                let pair = if text.is_none() && q.kind == Kind::Net {
                    classless(value)
                } else {
                    (value << (32 - bits), u32::MAX << (32 - bits))
                };
                let context = if q.kind == Kind::Net { "net <IPv4 address>" } else { "host <IPv4 address>" };
                self.host(&[pair], q.proto, q.dir, false, context)
            }
            Kind::Port | Kind::Portrange => {
                let keyword = q.kind.keyword();
                let proto = port::transport(q.proto, keyword)?;
                at_most("port number", value, 0xffff)?;
                self.port46(value, value, proto, q.dir, keyword)
            }
            Kind::Proto => self.proto(value, q.proto),
            Kind::Protochain => self.protochain(value, q.proto),
            Kind::Undef => syntax(),
            Kind::Gateway => invalid_qual(q.kind.keyword(), &shown),
        }
    }

    /// `net ADDR mask MASK` (`mask`) or `net ADDR/LEN` (`len`).
    pub(crate) fn value_net(&mut self, text: &str, mask: Option<&str>, len: u32, q: Qual) -> Res<BlockId> {
        no_decnet(q)?;
        let parse = |text: &str| -> Res<u32> {
            match addr::ipv4_prefix(text) {
                Some((n, bits)) => Ok(n << (32 - bits)),
                None => fail!("invalid IPv4 address '{text}'"),
            }
        };
        let network = parse(text)?;
        let (mask, shown) = match mask {
            Some(mask) => (parse(mask)?, format!("{text} mask {mask}")),
            None => {
                at_most("netmask length", len, 32)?;
                (((0xffff_ffffu64) << (32 - len)) as u32, format!("{text}/{len}"))
            }
        };
        if network & !mask != 0 {
            fail!("non-network bits set in \"{shown}\"");
        }
        if q.kind != Kind::Net {
            return invalid_qual(q.kind.keyword(), &shown);
        }
        self.host(&[(network, mask)], q.proto, q.dir, false, "net <IPv4 prefix>")
    }

    /// An IPv6 address, and the length of its prefix (128 where none is written).
    pub(crate) fn value_ipv6(&mut self, text: &str, len: u32, q: Qual) -> Res<BlockId> {
        let addr = parse6(text)?;
        if len > 128 {
            return Err("mask length must be <= 128".into());
        }
        let mask = mask6(len);
        if addr & !mask != 0 {
            fail!("non-network bits set in \"{text}/{len}\"");
        }
        match q.kind {
            Kind::Default | Kind::Host if len != 128 => invalid_qual("host", &format!("{text}/{len}")),
            Kind::Default | Kind::Host | Kind::Net => {
                let context = if q.kind == Kind::Host { "host <IPv6 address>" } else { "net <IPv6 prefix>" };
                self.host6(&[(addr, mask)], q.proto, q.dir, false, context)
            }
            _ if len == 128 => invalid_qual(q.kind.keyword(), text),
            _ => invalid_qual(q.kind.keyword(), &format!("{text}/{len}")),
        }
    }

    /// An Ethernet-like address.
    pub(crate) fn value_mac48(&mut self, text: &str, q: Qual) -> Res<BlockId> {
        let context = "link host XX:XX:XX:XX:XX:XX";
        if !(matches!(q.kind, Kind::Host | Kind::Default) && q.proto == Proto::Link) {
            return Err("Ethernet address used in non-ether expression".into());
        }
        if !has_mac48(self.linktype) {
            return self.unsupported(context);
        }
        match addr::mac48(text) {
            Some(addr) => self.mac48_host(&addr, q.dir, context),
            None => fail!("invalid MAC-48 address '{text}'"),
        }
    }

    /// An address of one byte, `$XX`.
    pub(crate) fn value_mac8(&mut self, text: &str, q: Qual) -> Res<BlockId> {
        not_wlan_only(q.dir)?;
        if q.kind != Kind::Host && q.kind != Kind::Default {
            return invalid_qual(q.kind.keyword(), "$XX");
        }
        if q.proto != Proto::Link {
            return Err("'link' is the only valid proto qualifier for 'host $XX'".into());
        }
        match addr::mac8(text) {
            Some(addr) => self.mac8_host(addr, q.dir, "link host $XX"),
            None => fail!("invalid MAC-8 address '{text}'"),
        }
    }
}
