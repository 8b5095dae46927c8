//! Conditional jumps: which arms can be taken, and what each of them teaches.

use skep_isa::{Cond, Operand, Width};

use super::null;
use crate::env::Env;
use crate::explore::Next;
use crate::refusal::Step;
use crate::state::{
    ADD_CONST, ADD_CONST32, AT_PKT_END, BEYOND_PKT_END, FP, Flags, Kind, LinkedSite, Reg, State,
};
use crate::structure::{Aux, target};
use crate::value::{Scalar, branch_taken, refine, refine_self};

/// Registers whose number is linked with another's.
type Links = [Option<LinkedSite>; 6];

fn flip(c: Cond) -> Cond {
    match c {
        Cond::Gt => Cond::Lt,
        Cond::Ge => Cond::Le,
        Cond::Lt => Cond::Gt,
        Cond::Le => Cond::Ge,
        Cond::Sgt => Cond::Slt,
        Cond::Sge => Cond::Sle,
        Cond::Slt => Cond::Sgt,
        Cond::Sle => Cond::Sge,
        same => same,
    }
}

/// A pointer that is surely not null.
fn never_null(r: &Reg) -> bool {
    !r.maybe_null()
        && match r.kind {
            Kind::Socket
            | Kind::TcpSock
            | Kind::MapValue
            | Kind::MapKey
            | Kind::SockCommon
            | Kind::MapPtr => true,
            Kind::Mem => !r.flags.has(Flags::UNTRUSTED),
            Kind::Btf => r.flags.has(Flags::TRUSTED),
            _ => false,
        }
}

/// Which arm is taken, if that is decided.
fn decided(a: &Reg, b: &Reg, cond: Cond, width: Width) -> Option<bool> {
    let wide = width == Width::W64;
    let packet = |r: &Reg| r.kind.is_packet() || r.kind == Kind::PacketEnd;
    if packet(a) && packet(b) && wide {
        return packet_decided(a, b, cond);
    }
    let constant = |r: &Reg| if r.is_scalar() { r.val.const_value(wide) } else { None };
    let (mut a, mut b, mut cond) = (a, b, cond);
    if constant(b).is_none() {
        (a, b, cond) = (b, a, flip(cond));
    }
    if a.is_pointer() {
        if constant(b) != Some(0) || !never_null(a) {
            return None;
        }
        return match cond {
            Cond::Eq => Some(false),
            Cond::Ne => Some(true),
            _ => None,
        };
    }
    if b.is_pointer() {
        return None;
    }
    branch_taken(&a.val, &b.val, cond, width)
}

/// A pointer that was found to be past the end stays there.
fn packet_decided(a: &Reg, b: &Reg, cond: Cond) -> Option<bool> {
    let (pkt, cond) = if b.kind == Kind::PacketEnd {
        (a, cond)
    } else if a.kind == Kind::PacketEnd {
        (b, flip(cond))
    } else {
        return None;
    };
    match (cond, pkt.range) {
        (Cond::Le | Cond::Gt, BEYOND_PKT_END) => Some(cond == Cond::Gt),
        (Cond::Lt | Cond::Ge, BEYOND_PKT_END | AT_PKT_END) => Some(cond == Cond::Ge),
        _ => None,
    }
}

/// Gathers what shares an id and may still be read; what finds no room is unlinked.
fn collect(aux: &[Aux], state: &mut State, id: u32, links: &mut Links, count: &mut usize) {
    let id = id & !ADD_CONST;
    for f in (0..=state.cur()).rev() {
        let frame = &state.frames[f];
        let hits = |r: &Reg| r.is_scalar() && r.link() == id;
        if !frame.regs.iter().any(hits) && !frame.stack.spilled().any(|(_, s)| hits(&s.reg)) {
            continue;
        }
        let live = aux[state.insn_of(f)].live;
        let frame = state.frame_mut(f);
        let mut one = |i: usize, is_slot: bool, r: &mut Reg| {
            if *count < links.len() {
                links[*count] = Some(LinkedSite { frame: f as u8, index: i as u8, is_slot });
                *count += 1;
            } else {
                r.unlink();
            }
        };
        let regs = frame.regs.iter_mut().take(FP).enumerate().filter(|(i, _)| live >> i & 1 == 1);
        regs.filter(|(_, r)| hits(r)).for_each(|(i, r)| one(i, false, r));
        frame.stack.each_spilled(hits, |i, r| one(i, true, r));
    }
}

/// Hands what was learned of `known` to all that are linked with it.
fn spread(state: &mut State, known: Reg, links: &Links) {
    for l in links.iter().flatten() {
        let frame = state.frame_mut(l.frame as usize);
        let r = if l.is_slot {
            &mut frame.stack[l.index as usize].reg
        } else {
            &mut frame.regs[l.index as usize]
        };
        if !r.is_scalar() || r.link() != known.link() {
            continue;
        }
        // Distances in 32 and in 64 bits do not go together.
        if (r.id ^ known.id) & ADD_CONST == ADD_CONST {
            continue;
        }
        let plain = r.id & ADD_CONST == 0 && known.id & ADD_CONST == 0;
        if plain || r.off == known.off {
            *r = known;
        } else {
            let (off, id) = (r.off, r.id);
            let delta = Scalar::constant((i64::from(off) - i64::from(known.off)) as u64);
            *r = known;
            r.off = off;
            r.id = id;
            r.val.add(&delta, (id | known.id) & ADD_CONST32 != 0);
        }
    }
}

impl Env<'_> {
    pub(crate) fn branch(
        &mut self,
        width: Width,
        cond: Cond,
        dst: usize,
        src: Operand,
        off: i16,
    ) -> Step<Next> {
        let next = Next::At(self.pc + 1);
        let goto = target(self.pc, i32::from(off));
        self.readable(dst)?;
        let packet = |r: &Reg| r.kind.is_packet() || r.kind == Kind::PacketEnd;
        if let Operand::Reg(r) = src {
            let s = r.index();
            self.readable(s)?;
            if !(packet(self.cur.reg(dst)) && packet(self.cur.reg(s))) && self.is_secret(s) {
                return Err(self.deny(s, "V0209", format!("R{s} pointer comparison prohibited")));
            }
        }
        self.note_stack_sides(dst, src);
        let d = *self.cur.reg(dst);
        let s = match src {
            Operand::Reg(r) => *self.cur.reg(r.index()),
            Operand::Imm(v) => Reg::constant(i64::from(v) as u64),
        };
        if let Some(taken) = decided(&d, &s, cond, width) {
            if !d.is_pointer() {
                self.mark_precise(dst)?;
            }
            if let Operand::Reg(r) = src
                && !s.is_pointer()
            {
                self.mark_precise(r.index())?;
            }
            if let Some(f) = &mut self.recorder {
                f.branch(self.pc, taken, !taken);
            }
            self.guess_arm(if taken { self.pc + 1 } else { goto }, dst, src)?;
            return Ok(if taken { Next::At(goto) } else { next });
        }
        if let Some(f) = &mut self.recorder {
            f.branch(self.pc, true, true);
        }
        self.fork(width, cond, dst, src, goto)?;
        Ok(next)
    }

    fn note_stack_sides(&mut self, dst: usize, src: Operand) {
        let d = self.cur.reg(dst).kind == Kind::Stack;
        let s = matches!(src, Operand::Reg(r) if self.cur.reg(r.index()).kind == Kind::Stack);
        if d || s {
            let h = self.history_entry();
            h.dst_is_stack |= d;
            h.src_is_stack |= s;
        }
    }

    fn gather_links(&mut self, dst: usize, src: Operand) -> Links {
        let (mut links, mut count): (Links, usize) = ([None; 6], 0);
        if let Operand::Reg(r) = src {
            let s = *self.cur.reg(r.index());
            if s.is_scalar() && s.id != 0 {
                collect(&self.aux, &mut self.cur, s.id, &mut links, &mut count);
            }
        }
        let d = *self.cur.reg(dst);
        if d.is_scalar() && d.id != 0 {
            collect(&self.aux, &mut self.cur, d.id, &mut links, &mut count);
        }
        if count > 1 {
            self.history_entry().linked = links;
        }
        links
    }

    /// Both arms are possible: the jump is put aside, the fall-through goes on.
    fn fork(&mut self, width: Width, cond: Cond, dst: usize, src: Operand, goto: usize) -> Step {
        let links = self.gather_links(dst, src);
        self.push_branch(goto)?;
        let Some(mut other) = self.pending.pop() else { return Ok(()) };
        self.learn(&mut other.state, width, cond, dst, src, &links);
        let matched = self.nullness(&mut other.state, width, cond, dst, src);
        let denied = !matched && self.is_secret(dst);
        self.pending.push(other);
        if denied {
            return Err(self.deny(dst, "V0209", format!("R{dst} pointer comparison prohibited")));
        }
        Ok(())
    }

    /// Narrows the numbers on both arms.
    fn learn(
        &mut self,
        other: &mut State,
        width: Width,
        cond: Cond,
        dst: usize,
        src: Operand,
        links: &Links,
    ) {
        let d = *self.cur.reg(dst);
        let (s, src_reg) = match src {
            Operand::Reg(r) => (*self.cur.reg(r.index()), Some(r.index())),
            Operand::Imm(v) => (Reg::constant(i64::from(v) as u64), None),
        };
        if !d.is_scalar() || !s.is_scalar() {
            return;
        }
        for (state, holds) in [(&mut self.cur, false), (other, true)] {
            let (mut x, mut y) = (d, s);
            if src_reg == Some(dst) {
                // One register against itself: both sides narrow the same value.
                refine_self(&mut x.val, cond, holds, width);
            } else {
                refine(&mut x.val, &mut y.val, cond, holds, width);
            }
            for r in [&mut x, &mut y] {
                if !r.val.sane() {
                    r.val.unbound();
                }
            }
            state.reg_mut(dst).val = x.val;
            if let Some(r) = src_reg.filter(|r| *r != dst) {
                state.reg_mut(r).val = y.val;
                if s.id != 0 {
                    let known = *state.reg(r);
                    spread(state, known, links);
                }
            }
            if d.id != 0 {
                let known = *state.reg(dst);
                spread(state, known, links);
            }
        }
    }

    /// What the comparison says of pointers; true if it was one that is understood.
    fn nullness(&mut self, other: &mut State, width: Width, cond: Cond, dst: usize, src: Operand) -> bool {
        let wide = width == Width::W64;
        let equality = matches!(cond, Cond::Eq | Cond::Ne);
        let d = *self.cur.reg(dst);
        if let Operand::Reg(r) = src {
            let s = *self.cur.reg(r.index());
            let lifts = wide
                && equality
                && d.is_pointer()
                && s.is_pointer()
                && d.maybe_null() != s.maybe_null()
                && d.kind != Kind::Btf
                && s.kind != Kind::Btf;
            if lifts {
                let which = if s.maybe_null() { r.index() } else { dst };
                let mut v = *self.cur.reg(which);
                null::mark_not_null(self, &mut v);
                let state = if cond == Cond::Eq { &mut *other } else { &mut self.cur };
                *state.reg_mut(which) = v;
            }
        }
        if wide && equality && src == Operand::Imm(0) && d.maybe_null() {
            null::mark_null(&mut self.cur, dst, cond == Cond::Ne, &self.maps, &self.inner);
            null::mark_null(other, dst, cond == Cond::Eq, &self.maps, &self.inner);
            return true;
        }
        match src {
            Operand::Reg(r) if wide => packet_ends(&mut self.cur, other, cond, dst, r.index()),
            _ => false,
        }
    }
}

/// A comparison of a packet pointer with the packet's end tells how many bytes are there.
fn packet_ends(this: &mut State, other: &mut State, cond: Cond, dst: usize, src: usize) -> bool {
    let (d, s) = (*this.reg(dst), *this.reg(src));
    let fresh = |r: &Reg| r.kind == Kind::Packet && r.off == 0 && r.val.var.equals(0);
    let dst_first =
        d.kind == Kind::Packet && s.kind == Kind::PacketEnd || d.kind == Kind::PacketMeta && fresh(&s);
    let src_first =
        d.kind == Kind::PacketEnd && s.kind == Kind::Packet || fresh(&d) && s.kind == Kind::PacketMeta;
    if !dst_first && !src_first {
        return false;
    }
    let (ptr, reg, cond) = if dst_first { (d, dst, cond) } else { (s, src, flip(cond)) };
    // As if the pointer stood on the left: which arm has the bytes, and is the byte at it included?
    let (good_is_other, open, mark_open) = match cond {
        Cond::Gt => (false, false, true),
        Cond::Lt => (true, true, false),
        Cond::Ge => (false, true, false),
        Cond::Le => (true, false, true),
        _ => return false,
    };
    let (good, bad) = if good_is_other { (other, this) } else { (this, other) };
    good_range(good, &ptr, open);
    let r = bad.reg_mut(reg);
    if r.kind == Kind::Packet {
        r.range = if mark_open { BEYOND_PKT_END } else { AT_PKT_END };
    }
    true
}

fn good_range(state: &mut State, ptr: &Reg, open: bool) {
    const MAX: u64 = 0xffff;
    let off = i64::from(ptr.off);
    if off < 0 || off == 0 && open {
        return;
    }
    if ptr.val.umax > MAX || ptr.val.umax + off as u64 > MAX {
        return;
    }
    let range = ptr.off + i32::from(open);
    state.each_reg(|r| r.kind == ptr.kind && r.id == ptr.id && r.range < range, |r| r.range = range);
}
