//! Primitives: qualifiers with a value, protocols by name, and everything that has a keyword of its own.

use super::{Parser, Test, Unit, relation};
use crate::code::JEQ;
use crate::compile::{self, FC0_SUBTYPE_MASK, FC0_TYPE_MASK, FC1_DIR_MASK, Res, Tunnel, pflog as pf};
use crate::error::fail;
use crate::ir::BlockId;
use crate::lex::{Tok, Word};
use crate::qual::{Dir, Kind, Proto, Qual};

/// A field with a value or a list of values: which of the compiler's tests it is.
#[derive(Clone, Copy)]
enum Field {
    Atm,
    Mtp3,
}

impl Parser<'_, '_> {
    /// A value on these qualifiers: any but a number.
    pub(super) fn value(&mut self, qual: Qual) -> Res<Test> {
        let block = match self.peek().clone() {
            Tok::Id(name) => {
                self.at += 1;
                self.compiler.value_name(&name, qual)?
            }
            Tok::Dotted(text) => {
                self.at += 1;
                self.dotted(&text, qual)?
            }
            Tok::Ipv6(text) => {
                self.at += 1;
                let len = if self.eat(&Tok::Punct(b'/')) { Some(self.number()?) } else { None };
                // Two spaces where libpcap has them.
                let what = match (len, qual.kind) {
                    (Some(_), Kind::Proto) => "IPv6 address and prefix length ",
                    (Some(_), _) => "IPv6 address and prefix length",
                    (None, _) => "IPv6 address",
                };
                address_kind(qual, what)?;
                self.compiler.value_ipv6(&text, len.unwrap_or(128), qual)?
            }
            Tok::Mac48(text) => {
                self.at += 1;
                self.compiler.value_mac48(&text, qual)?
            }
            Tok::Mac8(text) => {
                self.at += 1;
                self.compiler.value_mac8(&text, qual)?
            }
            _ => return self.unexpected(),
        };
        Ok(Test { block, qual })
    }

    /// `ADDR`, `ADDR/LEN` or `ADDR mask ADDR`.
    fn dotted(&mut self, text: &str, qual: Qual) -> Res<BlockId> {
        if self.eat(&Tok::Punct(b'/')) {
            let len = self.number()?;
            address_kind(qual, "IPv4 address and prefix length")?;
            return self.compiler.value_net(text, None, len, qual);
        }
        if self.eat_word(Word::Mask) {
            let Tok::Dotted(mask) = self.peek().clone() else { return self.unexpected() };
            self.at += 1;
            address_kind(qual, "IPv4 address and netmask")?;
            return self.compiler.value_net(text, Some(&mask), 0, qual);
        }
        address_kind(qual, "IPv4 address")?;
        self.compiler.value_number(Some(text), 0, qual)
    }

    /// A primitive that begins with a keyword.
    pub(super) fn primitive(&mut self) -> Res<Unit> {
        let word = match *self.peek() {
            Tok::Word(word) => word,
            _ => return self.unexpected(),
        };
        if let Word::Proto(proto) = word {
            if *self.peek_at(1) == Tok::Punct(b'[') {
                return self.arith_primary().map(Unit::Arith);
            }
            self.at += 1;
            return self.qualified(proto);
        }
        let before = self.at;
        if let Some(block) = self.keyword(word)? {
            return Ok(Unit::Term(Test { block, qual: Qual::UNDEF }));
        }
        self.at = before;
        self.qualified(Proto::Default)
    }

    /// What may follow a protocol qualifier, or stand without one.
    fn qualified(&mut self, proto: Proto) -> Res<Unit> {
        let term = |block| Ok(Unit::Term(Test { block, qual: Qual::UNDEF }));
        let next = match *self.peek() {
            Tok::Word(word) => Some(word),
            _ => None,
        };
        match next {
            Some(Word::Broadcast) => {
                self.at += 1;
                return term(self.compiler.broadcast(proto)?);
            }
            Some(Word::Multicast) => {
                self.at += 1;
                return term(self.compiler.multicast(proto)?);
            }
            Some(Word::Type | Word::Subtype | Word::Direction) => return term(self.wlan()?),
            _ => {}
        }
        let dir = self.dir()?;
        let kind = self.kind(dir.is_some());
        if dir.is_none() && kind.is_none() {
            // A protocol alone.
            return match (proto, next) {
                (Proto::Default, _) => self.unexpected(),
                (_, None | Some(Word::And | Word::Or)) if self.ends_term() => {
                    term(self.compiler.proto_abbrev(proto)?)
                }
                _ => self.unexpected(),
            };
        }
        let qual = Qual { proto, dir: dir.unwrap_or(Dir::Default), kind: kind.unwrap_or(Kind::Default) };
        self.id(qual).map(Unit::Term)
    }

    /// Whether a term may end here.
    fn ends_term(&self) -> bool {
        matches!(self.peek(), Tok::End | Tok::Punct(b')') | Tok::Word(Word::And | Word::Or))
    }

    fn dir(&mut self) -> Res<Option<Dir>> {
        let Tok::Word(Word::Dir(dir)) = *self.peek() else { return Ok(None) };
        self.at += 1;
        let other = match dir {
            Dir::Src => Dir::Dst,
            Dir::Dst => Dir::Src,
            _ => return Ok(Some(dir)),
        };
        let Some(and) = self.joiner() else { return Ok(Some(dir)) };
        if !self.eat_word(Word::Dir(other)) {
            return self.unexpected();
        }
        Ok(Some(if and { Dir::And } else { Dir::Or }))
    }

    /// The type qualifier; behind a direction, only those that have one.
    fn kind(&mut self, directed: bool) -> Option<Kind> {
        let kind = match self.peek() {
            Tok::Word(Word::Host) => Kind::Host,
            Tok::Word(Word::Net) => Kind::Net,
            Tok::Word(Word::Port) => Kind::Port,
            Tok::Word(Word::Portrange) => Kind::Portrange,
            Tok::Word(Word::ProtoQual) if !directed => Kind::Proto,
            Tok::Word(Word::Protochain) if !directed => Kind::Protochain,
            Tok::Word(Word::Gateway) if !directed => Kind::Gateway,
            _ => return None,
        };
        self.at += 1;
        Some(kind)
    }

    /// Keywords that are no qualifiers; None for those that are.
    fn keyword(&mut self, word: Word) -> Res<Option<BlockId>> {
        self.at += 1;
        let text = self.keyword_text();
        let block = match word {
            Word::Less => {
                let n = self.number()?;
                self.compiler.less(n)
            }
            Word::Greater => {
                let n = self.number()?;
                self.compiler.greater(n)
            }
            Word::Byte => self.byte()?,
            Word::Inbound => self.compiler.direction(false)?,
            Word::Outbound => self.compiler.direction(true)?,
            Word::Ifindex => {
                let n = self.number()?;
                self.compiler.ifindex(n)?
            }
            Word::Vlan => {
                let n = self.optional_number()?;
                self.compiler.vlan(n)?
            }
            Word::Mpls => {
                let n = self.optional_number()?;
                self.compiler.mpls(n)?
            }
            Word::Pppoed => self.compiler.pppoed()?,
            Word::Pppoes => {
                let n = self.optional_number()?;
                self.compiler.pppoes(n)?
            }
            Word::Geneve => {
                let n = self.optional_number()?;
                self.compiler.tunnel(Tunnel::Geneve, n)?
            }
            Word::Vxlan => {
                let n = self.optional_number()?;
                self.compiler.tunnel(Tunnel::Vxlan, n)?
            }
            Word::Llc => self.llc()?,
            Word::PfIfname
            | Word::PfRuleset
            | Word::PfRulenum
            | Word::PfSubrulenum
            | Word::PfReason
            | Word::PfAction => self.pf(word)?,
            Word::Atm => self.compiler.atm(&text)?,
            Word::AtmField => self.field(Field::Atm, &text)?,
            Word::Mtp2 => self.compiler.mtp2(&text)?,
            Word::Mtp3 => self.field(Field::Mtp3, &text)?,
            _ => return Ok(None),
        };
        Ok(Some(block))
    }

    /// How the keyword just taken was written.
    fn keyword_text(&self) -> String {
        self.text[self.tokens[self.at - 1].span.clone()].to_string()
    }

    fn byte(&mut self) -> Res<BlockId> {
        let index = self.number()?;
        let op = match *self.peek() {
            Tok::Punct(op @ (b'&' | b'|' | b'<' | b'>' | b'=')) => op,
            _ => return self.unexpected(),
        };
        self.at += 1;
        let value = self.number()?;
        self.compiler.byte_op(op, index, value)
    }

    fn llc(&mut self) -> Res<BlockId> {
        // "rnr" is a keyword of PF, too.
        if self.eat_word(Word::PfRulenum) {
            return self.compiler.llc(Some("rnr"));
        }
        match self.name() {
            Some(name) => self.compiler.llc(Some(&name)),
            None => self.compiler.llc(None),
        }
    }

    /// A name, where one is.
    fn name(&mut self) -> Option<String> {
        let Tok::Id(name) = self.peek().clone() else { return None };
        self.at += 1;
        Some(name)
    }

    fn pf(&mut self, word: Word) -> Res<BlockId> {
        if let Word::PfRulenum | Word::PfSubrulenum = word {
            let n = self.number()?;
            return self.compiler.pf_field(if word == Word::PfRulenum { pf::RULE } else { pf::SUBRULE }, n);
        }
        if let (Word::PfReason, &Tok::Num(n)) = (word, self.peek()) {
            self.at += 1;
            return self.compiler.pf_field(pf::REASON, n);
        }
        let Some(name) = self.name() else { return self.unexpected() };
        match word {
            Word::PfIfname => self.compiler.pf_ifname(&name),
            Word::PfRuleset => self.compiler.pf_ruleset(&name),
            Word::PfReason => {
                let n = pf::reason(&name)?;
                self.compiler.pf_field(pf::REASON, n)
            }
            _ => {
                let n = pf::action(&name)?;
                self.compiler.pf_field(pf::ACTION, n)
            }
        }
    }

    /// `type`, `type ... subtype`, `subtype`, `dir`.
    fn wlan(&mut self) -> Res<BlockId> {
        let both = FC0_TYPE_MASK | FC0_SUBTYPE_MASK;
        match self.bump() {
            Tok::Word(Word::Type) => {
                let frame = self.wlan_value("type", FC0_TYPE_MASK, compile::frame_type)?;
                if !self.eat_word(Word::Subtype) {
                    return self.compiler.wlan_type(frame, FC0_TYPE_MASK);
                }
                let sub =
                    self.wlan_value("subtype", FC0_SUBTYPE_MASK, |name| compile::subtype_of(frame, name))?;
                self.compiler.wlan_type(frame | sub, both)
            }
            Tok::Word(Word::Subtype) => {
                let Some(name) = self.name() else { return self.unexpected() };
                self.compiler.wlan_type(compile::subtype(&name)?, both)
            }
            _ => {
                let dir = self.wlan_value("direction", FC1_DIR_MASK, compile::direction)?;
                self.compiler.wlan_dir(dir)
            }
        }
    }

    fn wlan_value(&mut self, what: &str, mask: u32, by_name: impl Fn(&str) -> Res<u32>) -> Res<u32> {
        match *self.peek() {
            Tok::Num(n) if n & !mask != 0 && what == "direction" => {
                fail!("invalid 802.11 direction value 0x{n:x}")
            }
            Tok::Num(n) if n & !mask != 0 => fail!("invalid 802.11 {what} value 0x{n:02x}"),
            Tok::Num(n) => {
                self.at += 1;
                Ok(n)
            }
            _ => match self.name() {
                Some(name) => by_name(&name),
                None => self.unexpected(),
            },
        }
    }

    /// `FIELD N`, `FIELD RELATION N`, `FIELD (N or N...)`.
    fn field(&mut self, field: Field, name: &str) -> Res<BlockId> {
        if let Some((jump, reverse)) = relation(self.peek()) {
            self.at += 1;
            let n = self.number()?;
            return self.field_test(field, name, n, jump, reverse);
        }
        if !self.eat(&Tok::Punct(b'(')) {
            let n = self.number()?;
            return self.field_test(field, name, n, JEQ, false);
        }
        let n = self.number()?;
        let mut any = self.field_test(field, name, n, JEQ, false)?;
        while self.eat_word(Word::Or) {
            let n = self.number()?;
            let b = self.field_test(field, name, n, JEQ, false)?;
            any = self.compiler.ir.or(any, b);
        }
        self.close()?;
        Ok(any)
    }

    fn field_test(&mut self, field: Field, name: &str, n: u32, jump: u16, reverse: bool) -> Res<BlockId> {
        match field {
            Field::Atm => self.compiler.atm_field(name, n, jump, reverse),
            Field::Mtp3 => self.compiler.mtp3(name, n, jump, reverse),
        }
    }
}

/// Refuses types that an address can not be.
fn address_kind(qual: Qual, what: &str) -> Res<()> {
    match qual.kind {
        Kind::Port | Kind::Portrange | Kind::Proto | Kind::Protochain => {
            fail!("'{}' qualifier applied to {what}", qual.kind.keyword())
        }
        _ => Ok(()),
    }
}
