//! Tests that go by what a walk has found ([`crate::walk`]), where the options ask for one.
//!
//! What the prologue has left in memory words holds where the expression has not moved. Behind `mpls`, `pppoes`, `geneve`
//! and the like a test walks by itself, from where the expression looks then.

use skep_isa::classic::Insn;

use super::{Compiler, ETHERMTU, ETHERTYPE_IP, ETHERTYPE_IPV6, Offset, Rel, Res, at_most, port};
use crate::code::{ALU, H, JA, JEQ, JGE, JMP, LD, LDX, MEM, SUB, X, class};
use crate::dlt::Dlt;
use crate::error::fail;
use crate::ir::{BlockId, StmtId};
use crate::qual::{Dir, Proto};
use crate::walk::{self, LATER, Transport, Words};

/// Headers of IPv6 that are walked past, so that none of them is where a walk ends.
const PASSED: [u32; 5] = [0, 43, 44, 51, 60];
/// An Ethernet header's length, and a tag's.
const ETHER_HDRLEN: u32 = 14;
const TAG: u32 = 4;

/// What is known where the expression looks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    /// A word with the EtherType; None where it is in the packet, at its place.
    ethertype: Option<u32>,
    transport: Option<Transport>,
    /// The expression has moved.
    moved: bool,
}

impl Compiler<'_> {
    /// Takes the words that a prologue fills.
    pub(super) fn init_walk(&mut self) -> Res<()> {
        let walk = self.options.walk;
        self.words = Words::new(walk, self.linktype);
        if walk.inner && self.words.inner.is_none() {
            fail!("packets inside are not found on {}", self.linktype.display());
        }
        let words: Vec<u32> = self.words.all().collect();
        words.into_iter().for_each(|word| self.regs[word as usize] = true);
        self.place.transport = self.words.transport.filter(|_| walk.transport());
        if self.words.tags.is_some() {
            for offset in [&mut self.off_linkpl, &mut self.off_linktype] {
                (offset.variable, offset.reg) = (true, self.words.tags);
            }
        }
        Ok(())
    }

    /// From here on the expression looks at the packet inside. The test says whether there is one.
    pub(crate) fn enter_inner(&mut self) -> Res<BlockId> {
        let Some(inner) = self.words.inner else { return Err("there is no packet inside".into()) };
        let at = |reg| Offset { variable: true, constant: 0, reg: Some(reg) };
        self.linktype = Dlt::EN10MB;
        self.prev_linktype = Dlt::EN10MB;
        (self.off_linkhdr, self.off_prevlinkhdr) = (at(inner.link), at(inner.link));
        self.off_linkpl = at(inner.network);
        (self.off_nl, self.off_nl_nosnap) = (0, 3);
        (self.label_depth, self.vlan_depth) = (0, 0);
        // As in the tunnels of the language itself: it holds Ethernet if the two do not begin at one place.
        self.is_encap = true;
        let transport = Some(inner.transport).filter(|_| self.options.walk.transport());
        self.place = Place { ethertype: Some(inner.ethertype), transport, moved: false };
        let none = self.word_is(inner.ethertype, 0);
        Ok(self.not(none))
    }

    /// The expression moves: what was found does not hold for what follows.
    pub(super) fn leave(&mut self) {
        self.place = Place { moved: true, ..Place::default() };
    }

    fn word_is(&mut self, word: u32, value: u32) -> BlockId {
        let load = self.stmt(LD | MEM, word);
        self.jmp_k(JEQ, value, vec![load])
    }

    /// The EtherType of a packet inside.
    pub(super) fn walked_linktype(&mut self, proto: u32) -> Res<Option<BlockId>> {
        let Some(word) = self.place.ethertype else { return Ok(None) };
        at_most("EtherType", proto, 0xffff)?;
        Ok(Some(if proto <= ETHERMTU { self.always(false) } else { self.word_is(word, proto) }))
    }

    /// Code without statements outside of it, as statements: its jumps lead to statements.
    fn straight(&mut self, insns: &[Insn]) -> Vec<StmtId> {
        let ids: Vec<StmtId> = insns.iter().map(|insn| self.stmt(insn.code, insn.k)).collect();
        for (at, insn) in insns.iter().enumerate() {
            if class(insn.code) == JMP && insn.code != JMP | JA {
                let to = |distance: u8| ids.get(at + 1 + usize::from(distance)).copied();
                self.ir.stmts[ids[at]].jt = to(insn.jt);
                self.ir.stmts[ids[at]].jf = to(insn.jf);
            }
        }
        self.no_optimize = true;
        ids
    }

    /// Where the network layer begins: a constant, and a word.
    fn base(&mut self) -> Res<(u32, Option<u32>)> {
        self.var_linkpl()?;
        Ok((self.payload(), self.off_linkpl.reg.filter(|_| self.off_linkpl.variable)))
    }

    /// Where the transport header is, and what has to be done first to know.
    fn transport_header(&mut self) -> Res<(Transport, Vec<StmtId>)> {
        if let Some(found) = self.place.transport {
            return Ok((found, Vec::new()));
        }
        let base = self.base()?;
        let to = Transport { protocol: self.alloc_reg()?, offset: self.alloc_reg()? };
        let code = walk::from_version(base, to, self.options.walk.steps());
        Ok((to, self.straight(&code)))
    }

    /// A transport header of one of these protocols, in IP of the version asked for: the test, and where it is.
    fn has_transport(&mut self, protocols: &[u32], proto: Proto, later: bool) -> Res<(BlockId, Transport)> {
        let known = self.place.transport.is_some();
        let is_ip = match proto {
            Proto::Ip => Some(self.linktype(ETHERTYPE_IP)?),
            Proto::Ipv6 => Some(self.linktype(ETHERTYPE_IPV6)?),
            _ if known => None,
            _ => {
                let (v4, v6) = (self.linktype(ETHERTYPE_IP)?, self.linktype(ETHERTYPE_IPV6)?);
                Some(self.or(v4, v6))
            }
        };
        let (found, before) = self.transport_header()?;
        let mut any = None;
        for &number in protocols {
            for number in [number, number | LATER].into_iter().take(1 + usize::from(later)) {
                let b = self.word_is(found.protocol, number);
                any = Some(any.map_or(b, |a| self.or(a, b)));
            }
        }
        let Some(any) = any else { return Err("no protocol is asked for".into()) };
        let first = self.ir.blocks[any].head;
        self.ir.prepend(before, first);
        Ok((is_ip.map_or(any, |ip| self.and(ip, any)), found))
    }

    /// `proto N` and names of protocols, past extension headers of IPv6.
    pub(super) fn walked_proto(&mut self, value: u32, proto: Proto) -> Res<BlockId> {
        at_most("protocol number", value, 0xff)?;
        if !PASSED.contains(&value) {
            let (b, found) = self.has_transport(&[value], proto, true)?;
            self.release(found);
            return Ok(b);
        }
        let v6 = self.header_chain(value, true)?;
        if proto == Proto::Ipv6 {
            return Ok(v6);
        }
        let v4 = self.proto(value, Proto::Ip)?;
        Ok(self.or(v4, v6))
    }

    /// Gives words back that were taken for one test.
    fn release(&mut self, found: Transport) {
        let kept: Vec<u32> = self.words.all().collect();
        for word in [found.protocol, found.offset] {
            if !kept.contains(&word) {
                self.free_reg(word);
            }
        }
    }

    /// Ports, past extension headers of IPv6.
    pub(super) fn walked_ports(
        &mut self,
        low: u32,
        high: u32,
        proto: Option<u32>,
        dir: Dir,
        keyword: &str,
    ) -> Res<BlockId> {
        let all = [port::TCP, port::UDP, port::SCTP];
        let (b, found) = match proto {
            Some(proto) => self.has_transport(&[proto], Proto::Default, false)?,
            None => self.has_transport(&all, Proto::Default, false)?,
        };
        let ports = self.ports_of(Rel::Transport(found.offset), low, high, dir, keyword)?;
        self.release(found);
        Ok(self.and(b, ports))
    }

    /// What `tcp[...]` needs: where the header's bytes begin, and the test that it is there.
    pub(super) fn walked_load(&mut self, protocol: u32, proto: Proto) -> Res<(Vec<StmtId>, u32, BlockId)> {
        let (check, found) = self.has_transport(&[protocol], proto, false)?;
        let load = self.stmt(LDX | MEM, found.offset);
        Ok((vec![load], self.payload(), check))
    }

    /// `protochain`, without a loop.
    pub(super) fn header_chain(&mut self, value: u32, v6: bool) -> Res<BlockId> {
        let is_ip = self.linktype(if v6 { ETHERTYPE_IPV6 } else { ETHERTYPE_IP })?;
        let base = self.base()?;
        let word = self.alloc_reg()?;
        let code = walk::chain(base, v6, value, word, self.options.loops);
        let stmts = self.straight(&code);
        let b = self.jmp_k(JEQ, value, stmts);
        self.free_reg(word);
        Ok(self.and(is_ip, b))
    }

    /// `vlan` where the expression is blind to tags.
    pub(super) fn blind_vlan(&mut self, vid: Option<u32>) -> Res<Option<BlockId>> {
        if !self.options.walk.tags() || self.place.moved || self.linktype != Dlt::EN10MB {
            return Ok(None);
        }
        if let Some(vid) = vid {
            at_most("VLAN tag", vid, 0xfff)?;
        }
        let mut any = self.has_tags(1)?;
        if let Some(vid) = vid {
            let first = self.mcmp(Rel::LinkHdr, ETHER_HDRLEN, H, vid, 0xfff)?;
            any = self.and(any, first);
            let two = self.has_tags(2)?;
            let second = self.mcmp(Rel::LinkHdr, ETHER_HDRLEN + TAG, H, vid, 0xfff)?;
            let second = self.and(two, second);
            any = self.or(any, second);
        }
        if self.options.linux_extensions && self.place.ethertype.is_none() {
            let outside = self.tag_outside(vid);
            any = self.or(outside, any);
        }
        Ok(Some(any))
    }

    /// At least so many tags in the packet.
    fn has_tags(&mut self, count: u32) -> Res<BlockId> {
        match (self.place.ethertype, self.words.inner, self.words.tags) {
            (Some(_), Some(inner), _) => {
                let s = [(LD | MEM, inner.network), (LDX | MEM, inner.link), (ALU | SUB | X, 0)];
                let s = s.map(|(code, k)| self.stmt(code, k)).to_vec();
                Ok(self.jmp_k(JGE, ETHER_HDRLEN + TAG * count, s))
            }
            (_, _, Some(tags)) => {
                let load = self.stmt(LD | MEM, tags);
                Ok(self.jmp_k(JGE, TAG * count, vec![load]))
            }
            _ => Ok(self.always(false)),
        }
    }
}
