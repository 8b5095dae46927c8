//! Length, single bytes, interface and direction.

use super::{Compiler, Rel, Res, at_most};
use crate::code::{ALU, AND, B, H, JEQ, JGE, JGT, K, LD, LEN, OR, W};
use crate::dlt::Dlt;
use crate::ir::BlockId;

/// Linux's ancillary data begins here (`SKF_AD_OFF`).
pub(super) const AD_OFF: u32 = 0xffff_f000;
const AD_PKTTYPE: u32 = 4;
const AD_IFINDEX: u32 = 8;
pub(super) const AD_VLAN_TAG: u32 = 44;
pub(super) const AD_VLAN_TAG_PRESENT: u32 = 48;
/// `PACKET_OUTGOING`, as AF_PACKET and cooked captures have it.
const OUTGOING: u32 = 4;

pub(super) fn is_juniper(dlt: Dlt) -> bool {
    // The one that is not filtered is JUNIPER_PIC_PEER.
    matches!(dlt.0, 130..=137 | 164 | 167 | 168 | 178..=181 | 183 | 194 | 200 | 232..=234 | 238)
}

impl Compiler<'_> {
    pub(crate) fn greater(&mut self, n: u32) -> BlockId {
        let s = self.stmt(LD | LEN, 0);
        self.jmp_k(JGE, n, vec![s])
    }

    pub(crate) fn less(&mut self, n: u32) -> BlockId {
        let s = self.stmt(LD | LEN, 0);
        let b = self.jmp_k(JGT, n, vec![s]);
        self.not(b)
    }

    /// `byte INDEX OP VALUE`; `op` is the operator's character.
    pub(crate) fn byte_op(&mut self, op: u8, index: u32, value: u32) -> Res<BlockId> {
        at_most("byte argument", value, 0xff)?;
        let bits = match op {
            b'=' => return self.cmp(Rel::LinkHdr, index, B, value),
            b'<' => return self.ncmp(Rel::LinkHdr, index, B, u32::MAX, JGE, true, value),
            b'>' => return self.ncmp(Rel::LinkHdr, index, B, u32::MAX, JGT, false, value),
            b'|' => OR,
            _ => AND,
        };
        let change = self.stmt(ALU | bits | K, value);
        let mut s = self.load_a(Rel::LinkHdr, index, B)?;
        s.push(change);
        let b = self.jmp_k(JEQ, 0, s);
        Ok(self.not(b))
    }

    pub(crate) fn ifindex(&mut self, index: u32) -> Res<BlockId> {
        if self.linktype == Dlt::LINUX_SLL2 {
            return self.cmp(Rel::LinkHdr, 4, W, index);
        }
        self.live_only("ifindex")?;
        self.cmp(Rel::LinkHdr, AD_OFF + AD_IFINDEX, W, index)
    }

    pub(crate) fn direction(&mut self, out: bool) -> Res<BlockId> {
        let lh = Rel::LinkHdr;
        let pick = |yes, no| if out { yes } else { no };
        let outgoing = match self.linktype {
            Dlt::SLIP => return self.cmp(lh, 0, B, pick(1, 0)),
            Dlt::IPNET => return self.cmp(lh, 2, H, pick(1, 2)),
            Dlt::PFLOG => return self.cmp(lh, 60, B, pick(2, 1)),
            Dlt::PPP_PPPD => return self.cmp(lh, 0, B, pick(1, 0)),
            dlt if is_juniper(dlt) => return self.mcmp(lh, 3, B, pick(0, 1), 0x01),
            Dlt::DSA_TAG_BRCM => return self.mcmp(lh, 12, B, pick(0x20, 0), 0xe0),
            Dlt::DSA_TAG_DSA => return self.mcmp(lh, 12, B, pick(0x40, 0), pick(0xc0, 0x40)),
            Dlt::LINUX_SLL => self.cmp(lh, 0, H, OUTGOING)?,
            Dlt::LINUX_SLL2 => self.cmp(lh, 10, B, OUTGOING)?,
            _ => {
                self.live_only(if out { "outbound" } else { "inbound" })?;
                self.cmp(lh, AD_OFF + AD_PKTTYPE, H, OUTGOING)?
            }
        };
        Ok(if out { outgoing } else { self.not(outgoing) })
    }
}
