//! Protocols: by name alone (`tcp`, `arp`, `l1`), and by number behind `proto`.

use super::{Compiler, ETHERTYPE_IP, ETHERTYPE_IPV6, IP6_HDRLEN, Rel, Res, SAP_ISO, at_most, invalid_proto};
use crate::code::B;
use crate::dlt::Dlt;
use crate::error::fail;
use crate::ir::BlockId;
use crate::names;
use crate::qual::{Layer, Proto, Qual};

const FRAGMENT: u32 = 44;
const ISIS: u32 = 0x83;
const PDU_TYPE_MAX: u32 = 0x1f;

impl Compiler<'_> {
    /// A protocol's name as a primitive.
    pub(crate) fn proto_abbrev(&mut self, proto: Proto) -> Res<BlockId> {
        match proto.layer() {
            Layer::Ip(n) => self.proto(n.into(), Proto::Default),
            Layer::Ipv4(n) => self.proto(n.into(), Proto::Ip),
            Layer::Ipv6(n) => self.proto(n.into(), Proto::Ipv6),
            Layer::EtherType(n) => self.linktype(n.into()),
            Layer::Sap(n) => self.linktype(n.into()),
            Layer::Nlpid(n) => self.proto(n.into(), Proto::Iso),
            Layer::Pdu(types) => {
                let mut any = self.proto(types[0].into(), Proto::Isis)?;
                for (i, &n) in types.iter().enumerate().skip(1) {
                    let b = self.proto(n.into(), Proto::Isis)?;
                    // From the third on, each is tested before those that are there.
                    any = if i == 1 { self.or(any, b) } else { self.or(b, any) };
                }
                Ok(any)
            }
            Layer::None => fail!("'{}' cannot be used as an abbreviation", proto.keyword()),
        }
    }

    pub(super) fn proto(&mut self, value: u32, proto: Proto) -> Res<BlockId> {
        match proto {
            Proto::Default | Proto::Ipv6 if self.options.walk.ipv6_ext => self.walked_proto(value, proto),
            Proto::Default => {
                let a = self.proto(value, Proto::Ip)?;
                let b = self.proto(value, Proto::Ipv6)?;
                Ok(self.or(a, b))
            }
            Proto::Link => self.linktype(value),
            Proto::Ip => {
                at_most("protocol number", value, 0xff)?;
                let a = self.linktype(ETHERTYPE_IP)?;
                let b = self.cmp(Rel::LinkPayload, 9, B, value)?;
                Ok(self.and(a, b))
            }
            Proto::Ipv6 => {
                at_most("protocol number", value, 0xff)?;
                let ip = self.linktype(ETHERTYPE_IPV6)?;
                let a = self.cmp(Rel::LinkPayload, 6, B, FRAGMENT)?;
                let b = self.cmp(Rel::LinkPayload, IP6_HDRLEN, B, value)?;
                let b = self.and(a, b);
                let a = self.cmp(Rel::LinkPayload, 6, B, value)?;
                let b = self.or(a, b);
                Ok(self.and(ip, b))
            }
            Proto::Iso => {
                at_most("ISO protocol", value, 0xff)?;
                let (sap, offset) = match self.linktype {
                    Dlt::FRELAY => return self.frelay_nlpid(value),
                    Dlt::C_HDLC | Dlt::HDLC => ((SAP_ISO << 8) | SAP_ISO, 1),
                    _ => (SAP_ISO, 0),
                };
                let a = self.linktype(sap)?;
                let b = self.cmp(Rel::LinkPayloadNoSnap, offset, B, value)?;
                Ok(self.and(a, b))
            }
            Proto::Isis => {
                at_most("IS-IS PDU type", value, PDU_TYPE_MAX)?;
                let a = self.proto(ISIS, Proto::Iso)?;
                let offset = if matches!(self.linktype, Dlt::C_HDLC | Dlt::HDLC) { 5 } else { 4 };
                let b = self.mcmp(Rel::LinkPayloadNoSnap, offset, B, value, PDU_TYPE_MAX)?;
                Ok(self.and(a, b))
            }
            _ => invalid_proto(proto, "proto"),
        }
    }

    /// The number of a protocol's name, in the list that the qualifier says.
    pub(super) fn look_up_proto(&self, name: &str, q: Qual) -> Res<u32> {
        let found = match q.proto {
            Proto::Default | Proto::Ip | Proto::Ipv6 => self.names.protocol(name).map(u32::from),
            Proto::Link => names::ethertype(name).or_else(|| names::llc_sap(name)),
            Proto::Iso => names::nlpid(name),
            _ => None,
        };
        match found {
            Some(n) => Ok(n),
            None if q.proto == Proto::Default => fail!("unknown '{}' value '{name}'", q.kind.keyword()),
            None => fail!("unknown '{} {}' value '{name}'", q.proto.keyword(), q.kind.keyword()),
        }
    }
}
