//! Arithmetic: expressions over numbers, the packet's length and its bytes, each result in a memory word.

use super::{Compiler, IP6_HDRLEN, Rel, Res};
use crate::code::{
    ADD, ALU, B, DIV, H, IMM, IND, LD, LDX, LEN, LSH, MEM, MISC, MOD, NEG, RSH, ST, TAX, W, X,
};
use crate::dlt::Dlt;
use crate::error::fail;
use crate::ir::{BlockId, StmtId};
use crate::qual::{Layer, Proto};

/// A value: the code that computes it, the word that gets it, and what must hold for its packet bytes to be there.
#[derive(Clone, Debug)]
pub(crate) struct Arith {
    check: Option<BlockId>,
    stmts: Vec<StmtId>,
    reg: u32,
}

impl Compiler<'_> {
    pub(crate) fn arith_num(&mut self, value: u32) -> Res<Arith> {
        let reg = self.alloc_reg()?;
        let stmts = vec![self.stmt(LD | IMM, value), self.stmt(ST, reg)];
        Ok(Arith { check: None, stmts, reg })
    }

    pub(crate) fn arith_len(&mut self) -> Res<Arith> {
        let reg = self.alloc_reg()?;
        let stmts = vec![self.stmt(LD | LEN, 0), self.stmt(ST, reg)];
        Ok(Arith { check: None, stmts, reg })
    }

    pub(crate) fn arith_neg(&mut self, mut a: Arith) -> Arith {
        for (code, k) in [(LD | MEM, a.reg), (ALU | NEG, 0), (ST, a.reg)] {
            a.stmts.push(self.stmt(code, k));
        }
        a
    }

    /// `a OP b`. Checks of both are kept; libpcap forgets those of `b`, and so does compat mode.
    pub(crate) fn arith_op(&mut self, op: u16, mut a: Arith, b: Arith) -> Res<Arith> {
        let first = &self.ir.stmts[b.stmts[0]];
        if first.code == LD | IMM {
            match op {
                DIV if first.k == 0 => return Err("division by zero".into()),
                MOD if first.k == 0 => return Err("modulus by zero".into()),
                LSH | RSH if first.k > 31 => return Err("shift by more than 31 bits".into()),
                _ => {}
            }
        }
        a.stmts.extend(b.stmts);
        for (code, k) in [(LDX | MEM, b.reg), (LD | MEM, a.reg), (ALU | X | op, 0)] {
            a.stmts.push(self.stmt(code, k));
        }
        self.free_reg(a.reg);
        self.free_reg(b.reg);
        let reg = self.alloc_reg()?;
        a.stmts.push(self.stmt(ST, reg));
        a.reg = reg;
        Ok(a)
    }

    /// `a RELATION b` as a test.
    pub(crate) fn relation(&mut self, jump: u16, a: Arith, b: Arith, reverse: bool) -> BlockId {
        let mut stmts = a.stmts;
        stmts.extend(b.stmts);
        stmts.push(self.stmt(LDX | MEM, b.reg));
        stmts.push(self.stmt(LD | MEM, a.reg));
        let mut test = self.jmp_x(jump, stmts);
        if reverse {
            test = self.not(test);
        }
        self.free_reg(a.reg);
        self.free_reg(b.reg);
        for check in [a.check, b.check].into_iter().flatten() {
            test = self.and(check, test);
        }
        test
    }

    /// `PROTO[index:size]`.
    pub(crate) fn arith_load(&mut self, proto: Proto, mut index: Arith, size: u32) -> Res<Arith> {
        let reg = self.alloc_reg()?;
        self.free_reg(index.reg);
        let size = match size {
            1 => B,
            2 => H,
            4 => W,
            _ => return Err("data size must be 1, 2, or 4".into()),
        };
        let (variable, constant, check) = self.load_base(proto)?;
        if let Some(check) = check {
            index.check = Some(match index.check {
                Some(before) => self.and(before, check),
                None => check,
            });
        }
        if variable.is_empty() {
            index.stmts.push(self.stmt(LDX | MEM, index.reg));
        } else {
            index.stmts.extend(variable);
            for (code, k) in [(LD | MEM, index.reg), (ALU | ADD | X, 0), (MISC | TAX, 0)] {
                index.stmts.push(self.stmt(code, k));
            }
        }
        index.stmts.push(self.stmt(LD | IND | size, constant));
        index.stmts.push(self.stmt(ST, reg));
        index.reg = reg;
        Ok(index)
    }

    /// Where a protocol's bytes begin (a part in X, and a constant), and the test that they are that protocol's.
    fn load_base(&mut self, proto: Proto) -> Res<(Vec<StmtId>, u32, Option<BlockId>)> {
        match (proto, proto.layer()) {
            (Proto::Radio, _) => {
                let has_radio = matches!(
                    self.linktype,
                    Dlt::IEEE802_11_RADIO_AVS | Dlt::IEEE802_11_RADIO | Dlt::PRISM_HEADER
                );
                if !has_radio {
                    return Err("radio information not present in capture".into());
                }
                Ok((Vec::new(), 0, None))
            }
            (Proto::Link, _) => {
                let s = self.var_linkhdr()?;
                Ok((s, self.off_linkhdr.constant, None))
            }
            (Proto::Icmpv6, _) if self.options.walk.transport() => {
                let (s, at, check) = self.walked_load(58, Proto::Ipv6)?;
                Ok((s, at, Some(check)))
            }
            (Proto::Icmpv6, _) => {
                let ip = self.proto_abbrev(Proto::Ipv6)?;
                let icmp = self.cmp(Rel::LinkPayload, 6, B, 58)?;
                let check = self.and(ip, icmp);
                let s = self.var_linkpl()?;
                Ok((s, self.payload().wrapping_add(IP6_HDRLEN), Some(check)))
            }
            (Proto::Aarp | Proto::Ah | Proto::Esp, _) => no_index(proto),
            (_, Layer::EtherType(_)) => {
                let s = self.var_linkpl()?;
                let at = self.payload();
                let check = self.proto_abbrev(proto)?;
                Ok((s, at, Some(check)))
            }
            (_, Layer::Ip(n)) if self.options.walk.transport() => {
                let (s, at, check) = self.walked_load(n.into(), Proto::Default)?;
                Ok((s, at, Some(check)))
            }
            (_, Layer::Ip(n) | Layer::Ipv4(n)) => {
                let s = self.load_x_ip_header_len()?;
                let at = self.payload();
                let ip = self.proto_abbrev(Proto::Ip)?;
                let is = self.cmp(Rel::LinkPayload, 9, B, n.into())?;
                let check = self.and(ip, is);
                let first = self.first_fragment()?;
                let check = self.and(check, first);
                Ok((s, at, Some(check)))
            }
            _ => no_index(proto),
        }
    }
}

fn no_index<T>(proto: Proto) -> Res<T> {
    fail!("'{}' does not support the index operation", proto.keyword())
}
