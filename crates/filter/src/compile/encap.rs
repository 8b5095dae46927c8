//! Tunnels over UDP: Geneve (RFC 8926) and VXLAN (RFC 7348). What follows in the expression looks at the inner packet.

use super::{Compiler, IP6_HDRLEN, Offset, Rel, Res, at_most, port};
use crate::code::{
    ADD, ALU, AND, B, H, IMM, IND, JEQ, JMP, K, LD, LDX, MEM, MISC, MUL, ST, STX, TAX, TXA, W, X,
};
use crate::dlt::Dlt;
use crate::ir::{BlockId, StmtId};
use crate::qual::Dir;

/// Transparent Ethernet bridging.
const ETHERTYPE_TEB: u32 = 0x6558;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tunnel {
    Geneve,
    Vxlan,
}

impl Compiler<'_> {
    pub(crate) fn tunnel(&mut self, tunnel: Tunnel, vni: Option<u32>) -> Res<BlockId> {
        let v4 = self.tunnel_over(tunnel, vni, false)?;
        let v6 = self.tunnel_over(tunnel, vni, true)?;
        let s = match tunnel {
            Tunnel::Geneve => self.geneve_offsets()?,
            Tunnel::Vxlan => self.vxlan_offsets()?,
        };
        let offsets = self.always(true);
        self.ir.prepend(s, offsets);
        self.is_encap = true;
        self.leave();
        let either = self.or(v4, v6);
        Ok(self.and(either, offsets))
    }

    fn tunnel_over(&mut self, tunnel: Tunnel, vni: Option<u32>, v6: bool) -> Res<BlockId> {
        let (number, name) = match tunnel {
            Tunnel::Geneve => (6081, "Geneve VNI"),
            Tunnel::Vxlan => (4789, "VXLAN VNI"),
        };
        let rel = if v6 { Rel::TransportIpv6 } else { Rel::TransportIpv4 };
        let udp = Some(port::UDP);
        let mut b = match v6 {
            false => self.port4(number, number, udp, Dir::Dst, "port")?,
            true => self.port6(number, number, udp, Dir::Dst, "port")?,
        };
        let c = match tunnel {
            // Version 0.
            Tunnel::Geneve => self.mcmp(rel, 8, B, 0, 0xc0)?,
            // The identifier is there.
            Tunnel::Vxlan => self.cmp(rel, 8, B, 0x08)?,
        };
        b = self.and(b, c);
        if let Some(vni) = vni {
            at_most(name, vni, 0xff_ffff)?;
            let c = self.mcmp(rel, 12, W, vni << 8, 0xffff_ff00)?;
            b = self.and(b, c);
        }
        let s = if v6 { self.header_len6()? } else { self.header_len4()? };
        let c = self.jmp_x(JEQ, s);
        Ok(self.and(b, c))
    }

    fn append(&mut self, s: &mut Vec<StmtId>, rows: &[(u16, u32)]) {
        for &(code, k) in rows {
            s.push(self.stmt(code, k));
        }
    }

    /// Leaves the length of the IP header in A and X; the test behind it is always true.
    fn header_len4(&mut self) -> Res<Vec<StmtId>> {
        let mut s = self.load_x_ip_header_len()?;
        self.append(&mut s, &[(MISC | TXA, 0)]);
        Ok(s)
    }

    fn header_len6(&mut self) -> Res<Vec<StmtId>> {
        let mut s = self.var_linkpl()?;
        let variable = !s.is_empty();
        self.append(&mut s, &[(LD | IMM, IP6_HDRLEN)]);
        if variable {
            self.append(&mut s, &[(ALU | ADD | X, 0)]);
        }
        self.append(&mut s, &[(MISC | TAX, 0)]);
        Ok(s)
    }

    fn variable(&mut self) -> Res<Offset> {
        Ok(Offset { variable: true, constant: 0, reg: Some(self.alloc_reg()?) })
    }

    /// From the length of the IP header in A, where the inner frame is: behind Geneve's options, and Ethernet's header
    /// if there is one.
    fn geneve_offsets(&mut self) -> Res<Vec<StmtId>> {
        let mut s = Vec::new();
        let udp_payload = self.payload().wrapping_add(8);
        self.append(&mut s, &[(ALU | ADD | K, udp_payload), (MISC | TAX, 0), (ALU | ADD | K, 2)]);
        self.off_linktype = self.variable()?;
        let linktype = self.off_linktype.reg.unwrap_or(0);
        self.append(
            &mut s,
            &[
                (ST, linktype),
                (LD | IND | B, 0),
                (ALU | AND | K, 0x3f),
                (ALU | MUL | K, 4),
                (ALU | ADD | K, 8),
                (ALU | ADD | X, 0),
            ],
        );
        let linkhdr = self.variable()?;
        self.push_linkhdr(Dlt::EN10MB, linkhdr);
        let linkhdr = linkhdr.reg.unwrap_or(0);
        self.no_optimize = true;
        self.append(
            &mut s,
            &[
                (ST, linkhdr),
                (LD | IND | H, 2),
                (LDX | MEM, linkhdr),
                (JMP | JEQ | K, ETHERTYPE_TEB),
                (MISC | TXA, 0),
                (ALU | ADD | K, 12),
                (ST, linktype),
                (ALU | ADD | K, 2),
                (MISC | TAX, 0),
            ],
        );
        let test = s[s.len() - 6];
        self.off_linkpl = self.variable()?;
        self.append(&mut s, &[(STX, self.off_linkpl.reg.unwrap_or(0))]);
        self.ir.stmts[test].jt = Some(s[s.len() - 6]);
        self.ir.stmts[test].jf = s.last().copied();
        self.off_nl = 0;
        Ok(s)
    }

    fn vxlan_offsets(&mut self) -> Res<Vec<StmtId>> {
        let mut s = Vec::new();
        let udp_payload = self.payload().wrapping_add(8);
        self.append(&mut s, &[(ALU | ADD | K, udp_payload), (ALU | ADD | K, 8)]);
        let linkhdr = self.variable()?;
        self.push_linkhdr(Dlt::EN10MB, linkhdr);
        self.append(&mut s, &[(ST, linkhdr.reg.unwrap_or(0)), (ALU | ADD | K, 12)]);
        self.off_linktype = self.variable()?;
        self.append(&mut s, &[(ST, self.off_linktype.reg.unwrap_or(0)), (ALU | ADD | K, 2), (MISC | TAX, 0)]);
        self.off_linkpl = self.variable()?;
        self.append(&mut s, &[(STX, self.off_linkpl.reg.unwrap_or(0))]);
        self.off_nl = 0;
        Ok(s)
    }

    /// The inner packet has an Ethernet header: its link layer and its payload do not begin at one place.
    pub(super) fn encap_ll_check(&mut self) -> BlockId {
        let mut s = Vec::new();
        let (linkhdr, linkpl) = (self.off_linkhdr.reg.unwrap_or(0), self.off_linkpl.reg.unwrap_or(0));
        self.append(&mut s, &[(LD | MEM, linkhdr), (LDX | MEM, linkpl)]);
        let b = self.jmp_x(JEQ, s);
        self.not(b)
    }
}
