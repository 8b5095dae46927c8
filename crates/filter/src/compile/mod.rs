//! Code generation as libpcap does it: what each primitive loads and tests, for each link type.
//!
//! The functions here follow libpcap's gencode.c in what they produce, so that compat mode prints the same
//! instructions; McCanne and Jacobson's design, and thirty years of its maintainers' knowledge of link layers, are theirs.

mod arith;
mod atm;
mod encap;
mod host;
mod linktype;
mod llc;
mod mac;
mod misc;
mod offsets;
pub(crate) mod pflog;
mod port;
mod proto;
mod protochain;
mod ss7;
mod value;
mod variable;
mod vlan;
mod walked;
mod wlan;

pub(crate) use arith::Arith;
pub(crate) use encap::Tunnel;
pub(crate) use wlan::{
    FC0_SUBTYPE_MASK, FC0_TYPE_MASK, FC1_DIR_MASK, direction, frame_type, subtype, subtype_of,
};

use crate::code::{
    self, ABS, ALU, AND, B, H, IMM, IND, JEQ, JGE, JGT, JMP, JSET, K, LD, LDX, LSH, MEM, MSH, TAX, W, X,
};
use crate::dlt::Dlt;
use crate::error::{Fail, fail};
use crate::ir::{BlockId, Ir, Meaning, StmtId};
use crate::names::Names;
use crate::qual::{Dir, Proto};
use crate::walk::Words;
use crate::{ByteOrder, Options};

pub(crate) type Res<T> = Result<T, Fail>;

/// An offset that the link type does not have.
pub(crate) const NOT_SET: u32 = u32::MAX;

/// Length of IPv6's fixed header.
const IP6_HDRLEN: u32 = 40;
/// The longest length in an 802.3 length field; above it, it is an EtherType.
const ETHERMTU: u32 = 1500;

const ETHERTYPE_IP: u32 = 0x0800;
const ETHERTYPE_ARP: u32 = 0x0806;
const ETHERTYPE_RARP: u32 = 0x8035;
const ETHERTYPE_DECNET: u32 = 0x6003;
const ETHERTYPE_IPV6: u32 = 0x86dd;
const ETHERTYPE_ATALK: u32 = 0x809b;
const ETHERTYPE_AARP: u32 = 0x80f3;
const ETHERTYPE_IPX: u32 = 0x8137;

const SAP_IP: u32 = 0x06;
const SAP_STP: u32 = 0x42;
const SAP_IPX: u32 = 0xe0;
const SAP_NETBEUI: u32 = 0xf0;
const SAP_ISO: u32 = 0xfe;

/// Where something begins in the packet: at a constant, plus what a memory word holds if it is not constant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offset {
    variable: bool,
    constant: u32,
    reg: Option<u32>,
}

impl Offset {
    fn at(constant: u32) -> Offset {
        Offset { variable: false, constant, reg: None }
    }
}

/// What an offset is counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rel {
    Packet,
    LinkHdr,
    PrevLinkHdr,
    Llc,
    PrevMplsHdr,
    LinkType,
    LinkPayload,
    /// The payload behind an 802.2 header without SNAP.
    LinkPayloadNoSnap,
    TransportIpv4,
    TransportIpv6,
    /// The transport header that a walk has found: the word with its place.
    Transport(u32),
}

/// The state of a compilation: the link layer as the expression has it so far (`vlan`, `mpls` and the like shift it for
/// what follows), and the memory words in use.
pub(crate) struct Compiler<'a> {
    pub(crate) ir: Ir,
    options: &'a Options,
    names: &'a dyn Names,
    linktype: Dlt,
    prev_linktype: Dlt,
    outermost: Dlt,
    off_linkhdr: Offset,
    off_prevlinkhdr: Offset,
    off_outermost: Offset,
    off_linkpl: Offset,
    off_linktype: Offset,
    off_nl: u32,
    off_nl_nosnap: u32,
    label_depth: u32,
    vlan_depth: u32,
    is_encap: bool,
    vlan_vloffset: bool,
    is_atm: bool,
    ss7: Option<ss7::Offsets>,
    pub(crate) words: Words,
    place: walked::Place,
    regs: [bool; 16],
    next_reg: usize,
    /// The code has jumps inside statement lists, which the optimiser does not understand.
    pub(crate) no_optimize: bool,
}

impl<'a> Compiler<'a> {
    pub(crate) fn new(options: &'a Options, names: &'a dyn Names) -> Res<Compiler<'a>> {
        let mut c = Compiler {
            ir: Ir::default(),
            options,
            names,
            linktype: options.dlt,
            prev_linktype: options.dlt,
            outermost: options.dlt,
            off_linkhdr: Offset::at(0),
            off_prevlinkhdr: Offset::at(0),
            off_outermost: Offset::at(0),
            off_linkpl: Offset::at(0),
            off_linktype: Offset::at(0),
            off_nl: 0,
            off_nl_nosnap: 0,
            label_depth: 0,
            vlan_depth: 0,
            is_encap: false,
            vlan_vloffset: false,
            is_atm: false,
            ss7: None,
            words: Words::default(),
            place: walked::Place::default(),
            regs: [false; 16],
            next_reg: 0,
            no_optimize: false,
        };
        c.init_linktype()?;
        c.init_walk()?;
        Ok(c)
    }

    /// Closes the program that ends in `last`; its first block.
    pub(crate) fn finish(&mut self, mut last: BlockId) -> Res<BlockId> {
        self.insert_variable_offsets(self.ir.blocks[last].head)?;
        if self.linktype == Dlt::PPI {
            // The DLT inside PPI, which is little-endian, must be 802.11.
            let check = self.cmp(Rel::Packet, 4, W, u32::from(Dlt::IEEE802_11.0).swap_bytes())?;
            last = self.ir.and(check, last);
        }
        Ok(self.ir.finish(last, self.options.snaplen))
    }

    fn stmt(&mut self, code: u16, k: u32) -> StmtId {
        self.ir.stmt(code, k)
    }

    fn and(&mut self, a: BlockId, b: BlockId) -> BlockId {
        self.ir.and(a, b)
    }

    fn or(&mut self, a: BlockId, b: BlockId) -> BlockId {
        self.ir.or(a, b)
    }

    fn not(&mut self, a: BlockId) -> BlockId {
        self.ir.not(a)
    }

    fn alloc_reg(&mut self) -> Res<u32> {
        for _ in 0..self.regs.len() {
            if !self.regs[self.next_reg] {
                self.regs[self.next_reg] = true;
                return Ok(self.next_reg as u32);
            }
            self.next_reg = (self.next_reg + 1) % self.regs.len();
        }
        Err("too many registers needed to evaluate expression".into())
    }

    fn free_reg(&mut self, reg: u32) {
        self.regs[reg as usize] = false;
    }

    fn jmp_k(&mut self, jump: u16, k: u32, stmts: Vec<StmtId>) -> BlockId {
        self.ir.block(JMP | jump | K, k, stmts)
    }

    fn jmp_x(&mut self, jump: u16, stmts: Vec<StmtId>) -> BlockId {
        self.ir.block(JMP | jump | X, 0, stmts)
    }

    fn set(&mut self, mask: u32, stmts: Vec<StmtId>) -> BlockId {
        self.jmp_k(JSET, mask, stmts)
    }

    fn unset(&mut self, mask: u32, stmts: Vec<StmtId>) -> BlockId {
        let b = self.set(mask, stmts);
        self.not(b)
    }

    fn always(&mut self, yes: bool) -> BlockId {
        let load = self.stmt(LD | IMM, u32::from(!yes));
        let b = self.jmp_k(JEQ, 0, vec![load]);
        self.ir.blocks[b].meaning = if yes { Meaning::True } else { Meaning::False };
        b
    }

    fn cmp(&mut self, rel: Rel, offset: u32, size: u16, value: u32) -> Res<BlockId> {
        self.ncmp(rel, offset, size, u32::MAX, JEQ, false, value)
    }

    fn cmp_ne(&mut self, rel: Rel, offset: u32, size: u16, value: u32) -> Res<BlockId> {
        self.ncmp(rel, offset, size, u32::MAX, JEQ, true, value)
    }

    fn cmp_le(&mut self, rel: Rel, offset: u32, size: u16, value: u32) -> Res<BlockId> {
        self.ncmp(rel, offset, size, u32::MAX, JGT, true, value)
    }

    fn cmp_ge(&mut self, rel: Rel, offset: u32, size: u16, value: u32) -> Res<BlockId> {
        self.ncmp(rel, offset, size, u32::MAX, JGE, false, value)
    }

    fn mcmp(&mut self, rel: Rel, offset: u32, size: u16, value: u32, mask: u32) -> Res<BlockId> {
        if mask == 0 {
            return Ok(self.always(value == 0));
        }
        self.ncmp(rel, offset, size, mask, JEQ, false, value)
    }

    fn mcmp_ne(&mut self, rel: Rel, offset: u32, size: u16, value: u32, mask: u32) -> Res<BlockId> {
        self.ncmp(rel, offset, size, mask, JEQ, true, value)
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "each is one part of a single test; a struct would only rename them"
    )]
    fn ncmp(
        &mut self,
        rel: Rel,
        offset: u32,
        size: u16,
        mask: u32,
        jump: u16,
        reverse: bool,
        value: u32,
    ) -> Res<BlockId> {
        let mut s = self.load_a(rel, offset, size)?;
        if mask != u32::MAX {
            s.push(self.stmt(ALU | AND | K, mask));
        }
        let b = self.jmp_k(jump, value, s);
        Ok(if reverse { self.not(b) } else { b })
    }

    /// Bytes, compared from the last word to the first.
    fn bcmp(&mut self, rel: Rel, offset: u32, bytes: &[u8]) -> Res<BlockId> {
        let mut end = bytes.len();
        let mut all = None;
        while end > 0 {
            let (len, size) = match end {
                4.. => (4, W),
                2.. => (2, H),
                _ => (1, B),
            };
            let value = bytes[end - len..end].iter().fold(0, |n, &b| (n << 8) | u32::from(b));
            end -= len;
            let b = self.cmp(rel, offset + end as u32, size, value)?;
            all = Some(all.map_or(b, |a| self.and(a, b)));
        }
        all.ok_or_else(|| "an empty string can not be compared".into())
    }

    /// Loads X with the part of an offset that is not constant; nothing if all of it is.
    fn load_variable(&mut self, which: fn(&mut Self) -> &mut Offset) -> Res<Vec<StmtId>> {
        let off = *which(self);
        if !off.variable {
            return Ok(Vec::new());
        }
        let reg = match off.reg {
            Some(reg) => reg,
            None => {
                let reg = self.alloc_reg()?;
                which(self).reg = Some(reg);
                reg
            }
        };
        Ok(vec![self.stmt(LDX | MEM, reg)])
    }

    fn var_linkhdr(&mut self) -> Res<Vec<StmtId>> {
        self.load_variable(|c| &mut c.off_linkhdr)
    }

    fn var_linkpl(&mut self) -> Res<Vec<StmtId>> {
        self.load_variable(|c| &mut c.off_linkpl)
    }

    /// Loads A from a constant offset behind what `before` has put in X, if anything.
    fn load_at(&mut self, mut before: Vec<StmtId>, offset: u32, size: u16) -> Vec<StmtId> {
        let mode = if before.is_empty() { ABS } else { IND };
        before.push(self.stmt(LD | mode | size, offset));
        before
    }

    fn load_a(&mut self, rel: Rel, offset: u32, size: u16) -> Res<Vec<StmtId>> {
        let (before, base) = match rel {
            Rel::Packet => (Vec::new(), 0),
            Rel::LinkHdr => (self.var_linkhdr()?, self.off_linkhdr.constant),
            Rel::PrevLinkHdr => {
                (self.load_variable(|c| &mut c.off_prevlinkhdr)?, self.off_prevlinkhdr.constant)
            }
            Rel::Llc => (self.var_linkpl()?, self.off_linkpl.constant),
            Rel::PrevMplsHdr => (self.var_linkpl()?, self.payload().wrapping_sub(4)),
            Rel::LinkPayload => (self.var_linkpl()?, self.payload()),
            Rel::LinkPayloadNoSnap => {
                (self.var_linkpl()?, self.off_linkpl.constant.wrapping_add(self.off_nl_nosnap))
            }
            Rel::LinkType => (self.load_variable(|c| &mut c.off_linktype)?, self.off_linktype.constant),
            Rel::TransportIpv4 => (self.load_x_ip_header_len()?, self.payload()),
            Rel::TransportIpv6 => (self.var_linkpl()?, self.payload().wrapping_add(IP6_HDRLEN)),
            Rel::Transport(word) => (vec![self.stmt(LDX | MEM, word)], self.payload()),
        };
        Ok(self.load_at(before, offset.wrapping_add(base), size))
    }

    /// The constant part of where the network layer begins.
    fn payload(&self) -> u32 {
        self.off_linkpl.constant.wrapping_add(self.off_nl)
    }

    /// Loads X with the length of the IPv4 header, plus the variable part of where it begins.
    fn load_x_ip_header_len(&mut self) -> Res<Vec<StmtId>> {
        let mut s = self.var_linkpl()?;
        let at = self.payload();
        if s.is_empty() {
            return Ok(vec![self.stmt(LDX | MSH | B, at)]);
        }
        for (code, k) in [
            (LD | IND | B, at),
            (ALU | AND | K, 0xf),
            (ALU | LSH | K, 2),
            (ALU | code::ADD | X, 0),
            (code::MISC | TAX, 0),
        ] {
            s.push(self.stmt(code, k));
        }
        Ok(s)
    }

    fn unsupported<T>(&self, keyword: &str) -> Res<T> {
        fail!("'{keyword}' not supported on {}", self.linktype.display())
    }

    fn live_only(&self, keyword: &str) -> Res<()> {
        if self.options.linux_extensions {
            return Ok(());
        }
        fail!("not a live capture, '{keyword}' not supported on {}", self.linktype.display())
    }

    fn offline(&self) -> Option<ByteOrder> {
        self.options.file_order
    }
}

fn at_most(name: &str, value: u32, max: u32) -> Res<()> {
    if value > max {
        fail!("{name} {value} greater than maximum {max}");
    }
    Ok(())
}

fn invalid_qual<T>(qual: &str, of: &str) -> Res<T> {
    fail!("'{qual}' is not a valid qualifier for '{of}'")
}

fn invalid_proto<T>(proto: Proto, of: &str) -> Res<T> {
    invalid_qual(proto.keyword(), of)
}

/// Refuses the directions that only 802.11 has.
fn not_wlan_only(dir: Dir) -> Res<()> {
    match dir {
        Dir::Src | Dir::Dst | Dir::And | Dir::Default | Dir::Or => Ok(()),
        _ => fail!("'{}' is valid for 802.11 syntax only", dir.keyword()),
    }
}
