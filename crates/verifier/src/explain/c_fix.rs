//! A fix as a patch of C: the check that a person would write, before the statement that is refused.
//!
//! What is shown was tried as instructions ([`super::fix`]); here it is only said in C, with the names that the lines have.
//! Where a name or a place is not to be had, the instructions are shown.

use skep_abi::ProgType as P;
use skep_isa::{AluOp, Op, Operand};

use super::fix::Wants;
use super::path::{Path, Place};
use super::place::Places;
use crate::state::Kind;
use crate::task::Task;

/// A patch of lines.
pub(super) struct Patch {
    /// What it does.
    pub(super) title: String,
    /// Index of the file.
    pub(super) file: usize,
    /// Lines that are replaced; none, where the first is behind the last: then it goes before the first.
    pub(super) first: u32,
    /// Last of them.
    pub(super) last: u32,
    /// Whole lines.
    pub(super) replacement: String,
}

/// What a patch is made from.
pub(super) struct Author<'a> {
    pub(super) task: &'a Task,
    pub(super) places: &'a Places,
    pub(super) path: &'a Path<'a>,
    /// The moment of the refused instruction.
    pub(super) end: usize,
}

impl Author<'_> {
    /// The patch that does in C what the instructions do.
    pub(super) fn patch(&self, wants: &Wants) -> Option<Patch> {
        let slot = self.path.pc(self.end);
        let (title, condition) = match wants {
            Wants::NotNull(p) => {
                let name = self.pointer(*p)?;
                (format!("check `{name}` for null first"), format!("!{name}"))
            }
            Wants::InPacket { place, bytes } => self.packet(*place, *bytes)?,
            Wants::AtMost { at, place, most, not_zero } => self.bound(*at, *place, *most, *not_zero)?,
            Wants::Given(at, p) => return self.release(*at, *p),
            Wants::KernelRead => return self.kernel_read(slot),
            Wants::Nothing => return None,
        };
        let leave = format!("if ({condition})\n {}", self.leave(slot));
        self.put(title, slot, &[leave])
    }

    fn put(&self, title: String, slot: usize, statements: &[String]) -> Option<Patch> {
        let spot = self.places.spot(slot)?;
        let (first, last, replacement) = self.places.put_in(&spot, statements)?;
        Some(Patch { title, file: spot.file, first, last, replacement })
    }

    /// The name of the variable that a register holds, and the slot that says so.
    fn named(&self, at: usize, p: Place) -> Option<(&str, usize)> {
        let o = self.path.origin(at, p)?;
        let slot = self.path.pc(o.at);
        let name = self.places.assigned(slot)?;
        self.places.in_scope(slot, self.path.pc(self.end)).then_some((name, slot))
    }

    fn pointer(&self, p: Place) -> Option<&str> {
        let used = self.places.pointer(self.path.pc(self.end));
        used.or_else(|| Some(self.named(self.end, p)?.0))
    }

    /// Whether a slot's line is in the body of the program itself, rather than of a function that was inlined into it.
    fn in_entry(&self, slot: usize) -> bool {
        let (Some((f, head, _)), Some((g, line, _))) = (self.places.at(0), self.places.at(slot)) else {
            return false;
        };
        self.path.depth(self.end) == 0 && f == g && line >= head
    }

    /// The statement that gives up.
    fn leave(&self, slot: usize) -> String {
        let frame = self.path.frame(self.end);
        if frame.subprog > 0 && self.returns_nothing(frame.subprog) {
            return "return;".into();
        }
        match self.task.prog_type {
            _ if !self.in_entry(slot) => "return 0;".into(),
            P::XDP => "return XDP_PASS;".into(),
            t => format!("return {};", super::fix::pass(t)),
        }
    }

    fn returns_nothing(&self, subprog: usize) -> bool {
        let of = |btf: &skep_btf::Btf| {
            let id = self.task.func_info.get(subprog)?.1;
            let proto = btf.ty(btf.ty(id)?.target()?)?;
            Some(proto.target().is_none_or(|t| t.0 == 0))
        };
        self.task.btf.as_deref().and_then(of).unwrap_or(false)
    }

    /// The expression for the end of the packet.
    fn packet_end(&self) -> Option<String> {
        let slot = self.path.pc(self.end);
        let loads = |i: &usize| {
            let Some(Op::Load { dst, .. }) = self.path.op(*i) else { return false };
            let loaded = Place { depth: self.path.depth(*i), reg: dst.index() };
            self.path.reg(i + 1, loaded).is_some_and(|r| r.kind == Kind::PacketEnd)
        };
        let load = (0..self.end).rev().find(loads).map(|i| self.path.pc(i));
        let named = load.filter(|l| self.places.in_scope(*l, slot)).and_then(|l| self.places.assigned(l));
        if let Some(name) = named {
            return Some(name.to_owned());
        }
        let btf = self.task.btf.as_deref().filter(|_| self.in_entry(slot))?;
        let proto = btf.ty(btf.ty(self.task.func_info.first()?.1)?.target()?)?;
        let context = proto.params().next()?.name;
        (!context.is_empty()).then(|| format!("(void *)(long){context}->data_end"))
    }

    fn packet(&self, p: Place, bytes: i64) -> Option<(String, String)> {
        let end = self.packet_end()?;
        let slot = self.path.pc(self.end);
        if let Some(name) = self.places.pointer(slot) {
            let title = format!("check that all of `*{name}` is in the packet");
            return Some((title, format!("(void *)({name} + 1) > {end}")));
        }
        let r = self.path.reg(self.end, p)?;
        let (name, defined) = self.named(self.end, p).filter(|_| r.id == 0)?;
        let bytes = i64::from(r.off) + bytes;
        let title = format!("check that the packet has {} from `{name}` on", super::words::bytes(bytes));
        let (file, line, _) = self.places.at(defined)?;
        let plain = self.places.text(file, line).is_some_and(|t| t.contains(&format!("void *{name}")));
        let base = if plain { name.to_owned() } else { format!("(void *){name}") };
        Some((title, format!("{base} + {bytes} > {end}")))
    }

    /// The number that a register was scaled from: where it stands, and the factor.
    fn unscaled(&self, at: usize, p: Place) -> (usize, Place, i64) {
        let (mut at, mut place, mut shift, mut factor) = (at, p, 0_i64, 1_i64);
        while let Some(i) = self.path.writer(at, place) {
            let depth = self.path.depth(i);
            match self.path.op(i) {
                Some(Op::Alu { op: AluOp::Lsh, src: Operand::Imm(k), .. }) => shift += i64::from(*k),
                Some(Op::Alu { op: AluOp::Rsh, src: Operand::Imm(k), .. }) => shift -= i64::from(*k),
                Some(Op::Alu { op: AluOp::Mul, src: Operand::Imm(k), .. }) if *k > 0 => {
                    factor = factor.saturating_mul((*k).into());
                }
                Some(Op::Alu { op: AluOp::Mov, src: Operand::Reg(s), .. }) => {
                    place = Place { depth, reg: s.index() };
                }
                _ => break,
            }
            at = i;
        }
        let scale = if (0..32).contains(&shift) { factor.saturating_mul(1 << shift) } else { 0 };
        (at, place, scale)
    }

    fn bound(&self, at: usize, p: Place, most: i64, not_zero: bool) -> Option<(String, String)> {
        let (at, place, scale) = self.unscaled(at, p);
        let most = most.checked_div(scale)?;
        let (name, slot) = self.named(at, place)?;
        // The comparison of a signed variable lets negative numbers pass.
        let shown = match self.places.is_unsigned(slot) {
            true => name.to_owned(),
            false => format!("(unsigned long){name}"),
        };
        let title = format!("bound `{name}` before it is used");
        let above = format!("{shown} > {most}");
        Some(match (not_zero, most) {
            (true, i64::MAX) => (format!("check `{name}` for zero first"), format!("!{name}")),
            (true, _) => (title, format!("!{name} || {above}")),
            (false, _) => (title, above),
        })
    }

    /// The call that gives back what a register holds, the variable's name, and the slot that assigned it.
    fn giving(&self, at: usize, p: Place) -> Option<(String, &str, usize)> {
        let slot = self.path.pc(self.path.origin(at, p)?.at);
        let name = self.places.assigned(slot)?;
        let call = match self.path.reg(at, p)?.kind {
            Kind::Mem => format!("bpf_ringbuf_discard({name}, 0);"),
            _ => format!("bpf_sk_release({name});"),
        };
        Some((call, name, slot))
    }

    /// What to say where a patch can't be: the line behind a jump is not known if no code was made of it.
    pub(super) fn note(&self, wants: &Wants) -> Option<String> {
        let Wants::Given(at, p) = wants else { return None };
        let (call, ..) = self.giving(*at, *p)?;
        Some(format!("`{call}` where that jump is taken mends it"))
    }

    fn release(&self, at: usize, p: Place) -> Option<Patch> {
        let (call, name, slot) = self.giving(at, p)?;
        let branch = self.path.pc(at);
        let (file, line, _) = self.places.at(branch)?;
        let leaves = self.places.text(file, line + 1)?.trim_start().starts_with("return");
        if !leaves || !self.places.in_scope(slot, branch) {
            return None;
        }
        let head = self.places.text(file, line)?;
        let body = self.places.text(file, line + 1)?;
        let lead = &body[..body.len() - body.trim_start().len()];
        let title = format!("give `{name}` back before the program ends");
        if head.trim_end().ends_with('{') {
            let replacement = format!("{lead}{call}\n");
            return Some(Patch { title, file, first: line + 1, last: line, replacement });
        }
        let outer = &head[..head.len() - head.trim_start().len()];
        let whole =
            head.matches('(').count() == head.matches(')').count() && head.trim_start().starts_with("if");
        let replacement = format!("{} {{\n{lead}{call}\n{}\n{outer}}}\n", head.trim_end(), body.trim_end());
        whole.then_some(Patch { title, file, first: line, last: line + 1, replacement })
    }

    /// `p->member` as `BPF_CORE_READ(p, member)`.
    fn kernel_read(&self, slot: usize) -> Option<Patch> {
        let (name, member) = (self.places.pointer(slot)?, self.places.member(slot)?);
        let (file, line, _) = self.places.at(slot)?;
        let text = self.places.text(file, line)?.trim_end();
        let access = format!("{name}->{member}");
        // A chain of members, or a place that is written, is not read so.
        let mut parts = text.split(&access);
        let (before, after) = (parts.next()?, parts.next()?);
        if parts.next().is_some()
            || after.starts_with(['-', '.', '[', '('])
            || before.ends_with(['.', '>', '&'])
        {
            return None;
        }
        let replacement = format!("{before}BPF_CORE_READ({name}, {member}){after}\n");
        let title = format!("read `{member}` from the kernel's memory by a helper");
        Some(Patch { title, file, first: line, last: line, replacement })
    }
}
