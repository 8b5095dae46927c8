//! Tags and labels between link layer and network layer: VLAN, MPLS, PPPoE. Each moves where what follows is looked for.

use super::misc::{AD_OFF, AD_VLAN_TAG, AD_VLAN_TAG_PRESENT};
use super::{Compiler, ETHERTYPE_IP, ETHERTYPE_IPV6, Offset, Rel, Res, at_most};
use crate::code::{ABS, ADD, ALU, AND, B, H, JA, JEQ, JMP, K, LD, MEM, ST, W};
use crate::dlt::Dlt;
use crate::ir::{BlockId, StmtId};

/// 802.1Q, 802.1ad, and the value used for stacked tags before it.
const TPIDS: [u32; 3] = [0x8100, 0x88a8, 0x9100];
const ETHERTYPE_MPLS: u32 = 0x8847;
const PPP_MPLS: u32 = 0x0281;
const ETHERTYPE_PPPOED: u32 = 0x8863;
const ETHERTYPE_PPPOES: u32 = 0x8864;
/// A label stack entry's length, and the label in it (RFC 3032).
const MPLS_ENTRY: u32 = 4;
const MPLS_LABEL_MAX: u32 = 0xf_ffff;
const MPLS_LABEL_SHIFT: u32 = 12;

impl Compiler<'_> {
    fn tpid_test(&mut self) -> Res<BlockId> {
        let a = self.linktype(TPIDS[0])?;
        let b = self.linktype(TPIDS[1])?;
        let a = self.or(a, b);
        let b = self.linktype(TPIDS[2])?;
        Ok(self.or(a, b))
    }

    fn vid_test(&mut self, vid: u32) -> Res<BlockId> {
        at_most("VLAN tag", vid, 0xfff)?;
        self.mcmp(Rel::LinkPayload, 0, H, vid, 0xfff)
    }

    /// The tag in the packet.
    fn vlan_in_packet(&mut self, vid: Option<u32>) -> Res<BlockId> {
        let mut b = self.tpid_test()?;
        if let Some(vid) = vid {
            let c = self.vid_test(vid)?;
            b = self.and(b, c);
        }
        self.off_linkpl.constant = self.off_linkpl.constant.wrapping_add(4);
        self.off_linktype.constant = self.off_linktype.constant.wrapping_add(4);
        Ok(b)
    }

    /// Makes an offset variable and adds 4 to it.
    fn add_tag(&mut self, which: fn(&mut Self) -> &mut Offset) -> Res<Vec<StmtId>> {
        which(self).variable = true;
        let reg = match which(self).reg {
            Some(reg) => reg,
            None => self.alloc_reg()?,
        };
        which(self).reg = Some(reg);
        Ok([(LD | MEM, reg), (ALU | ADD | K, 4), (ST, reg)].map(|(code, k)| self.stmt(code, k)).to_vec())
    }

    /// The tag that Linux has taken out of the packet, or the one in the packet; offsets become variable.
    fn vlan_live(&mut self, vid: Option<u32>) -> Res<BlockId> {
        let load = self.stmt(LD | B | ABS, AD_OFF + AD_VLAN_TAG_PRESENT);
        let present = self.jmp_k(JEQ, 1, vec![load]);
        let tpid = self.tpid_test()?;
        let vid = vid.map(|vid| self.vid_test(vid)).transpose()?;
        self.vlan_vloffset = true;
        let mut s = self.add_tag(|c| &mut c.off_linkpl)?;
        s.extend(self.add_tag(|c| &mut c.off_linktype)?);
        self.ir.prepend(s, self.ir.blocks[tpid].head);
        let b = self.or(present, tpid);
        let Some(vid) = vid else { return Ok(b) };
        let load = self.stmt(LD | B | ABS, AD_OFF + AD_VLAN_TAG_PRESENT);
        let test = self.stmt(JMP | JEQ | K, 1);
        self.ir.stmts[test].jf = self.ir.blocks[vid].stmts.first().copied();
        let tag = self.stmt(LD | H | ABS, AD_OFF + AD_VLAN_TAG);
        self.ir.stmts[test].jt = Some(tag);
        let over = self.ir.blocks[vid].stmts.len() as u32 - 1;
        let skip = self.stmt(JMP | JA, over);
        self.ir.prepend(vec![load, test, tag, skip], vid);
        Ok(self.and(b, vid))
    }

    /// The tag that Linux has taken out of the packet, and nothing else.
    pub(super) fn tag_outside(&mut self, vid: Option<u32>) -> BlockId {
        let load = self.stmt(LD | B | ABS, AD_OFF + AD_VLAN_TAG_PRESENT);
        let present = self.jmp_k(JEQ, 1, vec![load]);
        let Some(vid) = vid else { return present };
        let s = [(LD | H | ABS, AD_OFF + AD_VLAN_TAG), (ALU | AND | K, 0xfff)];
        let s = s.map(|(code, k)| self.stmt(code, k)).to_vec();
        let same = self.jmp_k(JEQ, vid, s);
        self.and(present, same)
    }

    pub(crate) fn vlan(&mut self, vid: Option<u32>) -> Res<BlockId> {
        if self.label_depth > 0 {
            return Err("no VLAN match after MPLS".into());
        }
        if let Some(b) = self.blind_vlan(vid)? {
            return Ok(b);
        }
        let b = match self.linktype {
            Dlt::EN10MB => {
                let outermost = self.vlan_depth == 0
                    && !self.off_linkhdr.variable
                    && self.off_linkhdr.constant == self.off_outermost.constant;
                if outermost && self.options.linux_extensions {
                    self.vlan_live(vid)?
                } else {
                    self.vlan_in_packet(vid)?
                }
            }
            Dlt::NETANALYZER
            | Dlt::NETANALYZER_TRANSPARENT
            | Dlt::DSA_TAG_BRCM
            | Dlt::DSA_TAG_DSA
            | Dlt::IEEE802_11
            | Dlt::PRISM_HEADER
            | Dlt::IEEE802_11_RADIO_AVS
            | Dlt::IEEE802_11_RADIO => self.vlan_in_packet(vid)?,
            _ => return self.unsupported("vlan"),
        };
        self.vlan_depth += 1;
        self.leave();
        Ok(b)
    }

    fn behind_labels(&mut self) -> Res<BlockId> {
        let s = self.load_a(Rel::PrevMplsHdr, 2, B)?;
        Ok(self.set(0x01, s))
    }

    pub(super) fn mpls_linktype(&mut self, proto: u32) -> Res<BlockId> {
        let version = match proto {
            ETHERTYPE_IP => 4,
            ETHERTYPE_IPV6 => 6,
            _ => return Err("unsupported protocol over mpls".into()),
        };
        let a = self.behind_labels()?;
        let b = self.ip_version(Rel::LinkPayload, version)?;
        Ok(self.and(a, b))
    }

    pub(crate) fn mpls(&mut self, label: Option<u32>) -> Res<BlockId> {
        let mut b = if self.label_depth > 0 {
            let last = self.behind_labels()?;
            self.not(last)
        } else {
            match self.linktype {
                Dlt::C_HDLC
                | Dlt::HDLC
                | Dlt::EN10MB
                | Dlt::NETANALYZER
                | Dlt::NETANALYZER_TRANSPARENT
                | Dlt::DSA_TAG_BRCM
                | Dlt::DSA_TAG_DSA => self.linktype(ETHERTYPE_MPLS)?,
                Dlt::PPP => self.linktype(PPP_MPLS)?,
                _ => return self.unsupported("mpls"),
            }
        };
        if let Some(label) = label {
            at_most("MPLS label", label, MPLS_LABEL_MAX)?;
            let (value, mask) = (label << MPLS_LABEL_SHIFT, MPLS_LABEL_MAX << MPLS_LABEL_SHIFT);
            let c = self.mcmp(Rel::LinkPayload, 0, W, value, mask)?;
            b = self.and(b, c);
        }
        self.off_nl_nosnap = self.off_nl_nosnap.wrapping_add(MPLS_ENTRY);
        self.off_nl = self.off_nl.wrapping_add(MPLS_ENTRY);
        self.label_depth += 1;
        self.leave();
        Ok(b)
    }

    pub(crate) fn pppoed(&mut self) -> Res<BlockId> {
        self.linktype(ETHERTYPE_PPPOED)
    }

    pub(crate) fn pppoes(&mut self, number: Option<u32>) -> Res<BlockId> {
        let mut b = self.linktype(ETHERTYPE_PPPOES)?;
        if let Some(number) = number {
            at_most("PPPoE session number", number, 0xffff)?;
            let c = self.cmp(Rel::LinkPayload, 2, H, number)?;
            b = self.and(b, c);
        }
        let at = Offset { constant: self.payload().wrapping_add(6), ..self.off_linkpl };
        self.push_linkhdr(Dlt::PPP, at);
        self.off_linktype = self.off_linkhdr;
        self.off_linkpl.constant = self.off_linkhdr.constant.wrapping_add(2);
        self.off_nl = 0;
        self.off_nl_nosnap = 0;
        self.leave();
        Ok(b)
    }
}
