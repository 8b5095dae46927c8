//! `protochain`: follows extension headers of IPv6, and AH. libpcap's code does so by a loop in the filter itself, which
//! the kernel refuses, as it refuses all jumps backwards in classic BPF; ours walks past a bounded number of them.

use super::{Compiler, ETHERTYPE_IP, ETHERTYPE_IPV6, IP6_HDRLEN, Rel, Res, at_most, invalid_proto};
use crate::Code;
use crate::code::{ADD, ALU, B, IMM, IND, JA, JEQ, JMP, K, LD, LDX, MEM, MISC, MUL, ST, TAX, TXA, X};
use crate::ir::{BlockId, StmtId};
use crate::qual::Proto;

const NONE: u32 = 59;
const AH: u32 = 51;
/// Hop-by-hop options, destination options, routing, fragment: they say what follows and how long they are.
const EXTENSIONS: [u32; 4] = [0, 60, 43, 44];

impl Compiler<'_> {
    pub(super) fn protochain(&mut self, value: u32, proto: Proto) -> Res<BlockId> {
        if self.options.code == Code::Best && proto != Proto::Default {
            if !matches!(proto, Proto::Ip | Proto::Ipv6) {
                return invalid_proto(proto, "protochain");
            }
            at_most("protocol number", value, 0xff)?;
            return self.header_chain(value, proto == Proto::Ipv6);
        }
        let reg = self.alloc_reg()?;
        let (ethertype, v6) = match proto {
            Proto::Ip => (ETHERTYPE_IP, false),
            Proto::Ipv6 => (ETHERTYPE_IPV6, true),
            Proto::Default => {
                let a = self.protochain(value, Proto::Ip)?;
                let b = self.protochain(value, Proto::Ipv6)?;
                return Ok(self.or(a, b));
            }
            _ => return invalid_proto(proto, "protochain"),
        };
        at_most("protocol number", value, 0xff)?;
        if self.off_linkpl.variable {
            return Err("'protochain' not supported with variable length headers".into());
        }
        self.no_optimize = true;
        let is_ip = self.linktype(ethertype)?;
        // A: the protocol that comes next; X: where it begins, from the network layer on.
        let mut s = self.load_a(Rel::LinkPayload, if v6 { 6 } else { 9 }, B)?;
        if v6 {
            s.push(self.stmt(LDX | IMM, IP6_HDRLEN));
        } else {
            s.extend(self.load_x_ip_header_len()?);
        }
        let again = s.len();
        let found = self.push(&mut s, JMP | JEQ | K, value);
        let none = self.push(&mut s, JMP | JEQ | K, NONE);
        self.ir.stmts[found].jf = Some(none);
        let to_ah = if v6 { self.extensions(&mut s, none, reg, again) } else { none };
        if !v6 {
            let add = self.push(&mut s, ALU | ADD | K, 0);
            self.ir.stmts[none].jf = Some(add);
        }
        let ah = self.push(&mut s, JMP | JEQ | K, AH);
        if v6 {
            self.ir.stmts[to_ah].jf = Some(ah);
        }
        self.skip_ah(&mut s, ah, reg, again);
        let end = self.push(&mut s, ALU | ADD | K, 0);
        self.ir.stmts[none].jt = Some(end);
        self.ir.stmts[ah].jf = Some(end);
        self.ir.stmts[found].jt = Some(end);
        let b = self.jmp_k(JEQ, value, s);
        self.free_reg(reg);
        Ok(self.and(is_ip, b))
    }

    fn push(&mut self, s: &mut Vec<StmtId>, code: u16, k: u32) -> StmtId {
        let id = self.stmt(code, k);
        s.push(id);
        id
    }

    /// A jump back to the statement with number `again`. The loop's length is what `k` wraps around.
    fn repeat(&mut self, s: &mut Vec<StmtId>, again: usize) {
        let k = (again as u32).wrapping_sub(s.len() as u32).wrapping_sub(1);
        self.push(s, JMP | JA, k);
    }

    /// Skips one extension header of IPv6; the last test, which is still to get its other way.
    fn extensions(&mut self, s: &mut Vec<StmtId>, before: StmtId, reg: u32, again: usize) -> StmtId {
        let at = self.payload();
        let mut last = before;
        let mut tests = Vec::new();
        for header in EXTENSIONS {
            let test = self.push(s, JMP | JEQ | K, header);
            self.ir.stmts[last].jf = Some(test);
            tests.push(test);
            last = test;
        }
        let advance = self.push(s, LD | IND | B, at);
        for (code, k) in [
            (ST, reg),
            (LD | IND | B, at.wrapping_add(1)),
            (ALU | ADD | K, 1),
            (ALU | MUL | K, 8),
            (ALU | ADD | X, 0),
            (MISC | TAX, 0),
            (LD | MEM, reg),
        ] {
            self.push(s, code, k);
        }
        self.repeat(s, again);
        for test in tests {
            self.ir.stmts[test].jt = Some(advance);
        }
        last
    }

    /// Skips an authentication header, whose length is in words and counts two less.
    fn skip_ah(&mut self, s: &mut Vec<StmtId>, ah: StmtId, reg: u32, again: usize) {
        let at = self.payload();
        let first = self.push(s, LD | IND | B, at);
        self.ir.stmts[ah].jt = Some(first);
        for (code, k) in [
            (ST, reg),
            (MISC | TXA, 0),
            (ALU | ADD | K, 1),
            (MISC | TAX, 0),
            (LD | IND | B, at),
            (ALU | ADD | K, 2),
            (ALU | MUL | K, 4),
            (MISC | TAX, 0),
            (LD | MEM, reg),
        ] {
            self.push(s, code, k);
        }
        self.repeat(s, again);
    }
}
