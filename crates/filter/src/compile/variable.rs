//! Headers of variable length: code before the program's first test that finds out how long they are.

use super::{Compiler, Res};
use crate::code::{
    ABS, ADD, ALU, AND, B, IMM, IND, JA, JEQ, JMP, JSET, K, LD, LDX, LSH, MEM, MISC, OR, ST, TAX, TXA, W, X,
};
use crate::dlt::Dlt;
use crate::ir::{BlockId, StmtId};

use super::wlan::is_wlan;

impl Compiler<'_> {
    fn list(&mut self, rows: &[(u16, u32)]) -> Vec<StmtId> {
        rows.iter().map(|&(code, k)| self.stmt(code, k)).collect()
    }

    /// Puts the computation of the offsets that the program came to use before its first block.
    pub(super) fn insert_variable_offsets(&mut self, first: BlockId) -> Res<()> {
        if self.off_linkpl.reg.is_some() && self.off_linkhdr.variable && self.off_linkhdr.reg.is_none() {
            self.off_linkhdr.reg = Some(self.alloc_reg()?);
        }
        let mut s = match (self.outermost, self.off_linkhdr.reg) {
            (Dlt::PRISM_HEADER, reg) => self.prism_prefix(reg),
            (Dlt::IEEE802_11_RADIO_AVS, Some(reg)) => {
                self.list(&[(LD | W | ABS, 4), (ST, reg), (MISC | TAX, 0)])
            }
            // Radiotap and PPI have a little-endian length at byte 2.
            (Dlt::IEEE802_11_RADIO | Dlt::PPI, Some(reg)) => self.list(&[
                (LD | B | ABS, 3),
                (ALU | LSH | K, 8),
                (MISC | TAX, 0),
                (LD | B | ABS, 2),
                (ALU | OR | X, 0),
                (ST, reg),
                (MISC | TAX, 0),
            ]),
            _ => Vec::new(),
        };
        if is_wlan(self.outermost) {
            let next = self.ir.blocks[first].stmts.first().copied();
            s = self.wlan_header_len(s, next);
        } else if self.outermost == Dlt::PFLOG
            && let Some(reg) = self.off_linkpl.reg
        {
            s = self.list(&[
                (LD | B | ABS, 0),
                (ALU | ADD | K, 3),
                (ALU | AND | K, 0xffff_fffc),
                (ST, reg),
                (MISC | TAX, 0),
            ]);
        }
        if s.is_empty() && self.vlan_vloffset {
            let linkpl = match self.off_linkpl.reg {
                Some(reg) => reg,
                None => self.alloc_reg()?,
            };
            self.off_linkpl.reg = Some(linkpl);
            let linktype = match self.off_linktype.reg {
                Some(reg) => reg,
                None => self.alloc_reg()?,
            };
            self.off_linktype.reg = Some(linktype);
            s = self.list(&[(LD | IMM, 0), (ST, linkpl), (ST, linktype)]);
        }
        self.ir.prepend(s, first);
        Ok(())
    }

    /// A Prism header has 144 bytes, unless its cookie says that it is an AVS header, which has its length at byte 4.
    fn prism_prefix(&mut self, reg: Option<u32>) -> Vec<StmtId> {
        self.no_optimize = true;
        let Some(reg) = reg else { return Vec::new() };
        let s = self.list(&[
            (LD | W | ABS, 0),
            (ALU | AND | K, 0xffff_f000),
            (JMP | JEQ | K, 0x8021_1000),
            (LD | W | ABS, 4),
            (JMP | JA, 1),
            (LD | IMM, 144),
            (ST, reg),
            (MISC | TAX, 0),
        ]);
        self.ir.stmts[s[2]].jt = Some(s[3]);
        self.ir.stmts[s[2]].jf = Some(s[5]);
        s
    }

    /// Length of the 802.11 header: 24, and 2 for QoS data, and radiotap's padding. `next` is the statement that follows.
    fn wlan_header_len(&mut self, mut s: Vec<StmtId>, next: Option<StmtId>) -> Vec<StmtId> {
        let Some(reg) = self.off_linkpl.reg else { return s };
        self.no_optimize = true;
        if s.is_empty() {
            s.push(self.stmt(LDX | IMM, self.off_outermost.constant));
        }
        let len = self.list(&[
            (MISC | TXA, 0),
            (ALU | ADD | K, 24),
            (ST, reg),
            (LD | IND | B, 0),
            (JMP | JSET | K, 0x08),
            (JMP | JSET | K, 0x04),
            (JMP | JSET | K, 0x80),
            (LD | MEM, reg),
            (ALU | ADD | K, 2),
            (ST, reg),
        ]);
        self.jump(len[4], Some(len[5]), next);
        self.jump(len[5], next, Some(len[6]));
        self.jump(len[6], Some(len[7]), next);
        s.extend(&len);
        if self.linktype == Dlt::IEEE802_11_RADIO {
            let pad = self.radiotap_padding(reg, next);
            self.ir.stmts[len[6]].jf = Some(pad[0]);
            s.extend(pad);
        }
        s
    }

    fn jump(&mut self, at: StmtId, jt: Option<StmtId>, jf: Option<StmtId>) {
        self.ir.stmts[at].jt = jt;
        self.ir.stmts[at].jf = jf;
    }

    /// Radiotap may say that the header is padded to four bytes. Its words are little-endian.
    fn radiotap_padding(&mut self, reg: u32, next: Option<StmtId>) -> Vec<StmtId> {
        let s = self.list(&[
            (LD | ABS | W, 4),
            (JMP | JSET | K, 0x0200_0000),
            (JMP | JSET | K, 0x0000_0080),
            (JMP | JSET | K, 0x0100_0000),
            (LD | ABS | B, 16),
            (JMP | JSET | K, 0x20),
            (LD | ABS | B, 8),
            (JMP | JSET | K, 0x20),
            (LD | MEM, reg),
            (ALU | ADD | K, 3),
            (ALU | AND | K, !3),
            (ST, reg),
        ]);
        self.jump(s[1], Some(s[2]), next);
        self.jump(s[2], next, Some(s[3]));
        self.jump(s[3], Some(s[4]), Some(s[6]));
        self.jump(s[5], Some(s[8]), next);
        self.jump(s[7], Some(s[8]), next);
        s
    }
}
