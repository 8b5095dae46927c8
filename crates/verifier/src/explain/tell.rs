//! What to say of a refusal: title, label, causes and notes, chosen by its code.

use skep_isa::{AluOp, CallTarget, Op, Operand, Size};

use super::path::{Origin, Path, Place};
use super::place::Places;
use super::tell_calls;
use super::words::{bytes, helper, number, what};
use crate::codes;
use crate::refusal::Refusal;
use crate::state::{Kind, Reg};
use crate::task::Task;

/// A cause: the moment at which it happened, its slot, and what to say there.
pub(super) struct Cause {
    pub(super) at: usize,
    pub(super) slot: usize,
    pub(super) text: String,
}

/// What is said.
#[derive(Default)]
pub(super) struct Telling {
    pub(super) title: String,
    pub(super) label: String,
    pub(super) causes: Vec<Cause>,
    pub(super) notes: Vec<String>,
}

/// A refusal with its path, to be asked.
pub(super) struct Case<'a> {
    pub(super) task: &'a Task,
    pub(super) places: &'a Places,
    pub(super) refusal: &'a Refusal,
    pub(super) path: &'a Path<'a>,
    /// The moment before the refused instruction.
    pub(super) end: usize,
    /// The register at fault.
    pub(super) place: Place,
    pub(super) reg: Reg,
    pub(super) told: Telling,
}

/// An access by the refused instruction.
#[derive(Clone, Copy)]
pub(super) struct Touch {
    pub(super) off: i64,
    pub(super) size: i64,
    pub(super) write: bool,
}

/// What a load or store touches relative to its base.
pub(super) fn touch(op: Option<&Op>) -> Option<Touch> {
    let (off, size, write): (i16, Size, bool) = match op? {
        Op::Load { off, size, .. } | Op::LoadAcquire { off, size, .. } => (*off, *size, false),
        Op::Store { off, size, .. } | Op::StoreRelease { off, size, .. } => (*off, *size, true),
        Op::Atomic { off, size, .. } => (*off, *size, true),
        _ => return None,
    };
    Some(Touch { off: off.into(), size: size.bytes() as i64, write })
}

/// Tells a refusal.
pub(super) fn tell<'a>(
    task: &'a Task,
    places: &'a Places,
    refusal: &'a Refusal,
    path: &'a Path<'a>,
) -> Telling {
    let title = codes::code(refusal.code).map_or("the program is refused", |c| c.title);
    let plain = Telling {
        title: title.to_owned(),
        label: refusal.message.lines().next().unwrap_or_default().to_owned(),
        ..Telling::default()
    };
    let Some(end) = path.len().checked_sub(1) else { return plain };
    let reg = usize::from(refusal.reg.unwrap_or(0)).min(10);
    let place = Place { depth: path.depth(end), reg };
    let Some(r) = path.reg(end, place).copied() else { return plain };
    let mut case = Case { task, places, refusal, path, end, place, reg: r, told: plain };
    if path.pc(end) == refusal.insn {
        case.choose();
    } else if refusal.code == "V0107" {
        case.endless();
    }
    case.told
}

impl Case<'_> {
    fn choose(&mut self) {
        match self.refusal.code {
            "V0201" => self.unset(),
            "V0206" => self.arithmetic(),
            "V0207" | "V0415" => self.maybe_null(),
            "V0208" => self.far(),
            "V0301" | "V0414" => self.misaligned(),
            "V0303" => self.outside_stack(),
            "V0401" => self.not_a_pointer(),
            "V0402" | "V0403" | "V0404" if self.reg.kind.is_packet() => self.packet(),
            "V0402" | "V0403" | "V0404" => self.outside(),
            "V0405" => self.packet(),
            "V0413" => self.field(),
            "V0801" => self.result(),
            "V0802" | "V0805" | "V0806" | "V0209" => self.without_rights(),
            _ => tell_calls::choose(self),
        }
    }

    pub(super) fn because(&mut self, at: usize, text: impl Into<String>) {
        let slot = self.path.pc(at);
        self.told.causes.push(Cause { at, slot, text: text.into() });
    }

    pub(super) fn name(&self) -> String {
        self.called(self.end, self.place)
    }

    /// What to call a register: its number, and in C the variable whose value it holds.
    pub(super) fn called(&self, at: usize, p: Place) -> String {
        let root = self.path.root(at, p);
        let here = self.path.pc(at);
        let slot = root.map(|o| self.path.pc(o.at)).filter(|s| self.places.in_scope(*s, here));
        let copied = root == self.path.origin(at, p);
        match slot.and_then(|s| self.places.assigned(s)) {
            Some(v) if copied => format!("`{v}` (r{})", p.reg),
            Some(v) => format!("r{} (made of `{v}`)", p.reg),
            None => format!("r{}", p.reg),
        }
    }

    pub(super) fn verb(&self) -> &'static str {
        match touch(self.path.op(self.end)) {
            Some(Touch { write: true, .. }) => "writes",
            Some(_) => "reads",
            None => "uses",
        }
    }

    /// How many bytes are accessed, and the words for a load, store or call.
    pub(super) fn access(&self) -> (i64, i64) {
        let t = touch(self.path.op(self.end));
        t.map_or((0, self.figure("size=").unwrap_or(1)), |t| (t.off, t.size))
    }

    /// A number that the message has after a word.
    pub(super) fn figure(&self, word: &str) -> Option<i64> {
        let rest = self.refusal.message.split(word).nth(1)?;
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(rest.len());
        rest[..end].parse().ok()
    }

    /// Says where the value in a register comes from.
    pub(super) fn tell_origin(&mut self, at: usize, p: Place) {
        if let Some(o) = self.path.origin(at, p) {
            self.tell_made(o);
        }
    }

    /// Says what an instruction made.
    fn tell_made(&mut self, o: Origin) {
        let Some(after) = self.path.reg(o.at + 1, o.place).copied() else { return };
        let text = match self.path.op(o.at) {
            Some(Op::Call(CallTarget::Helper(id))) => {
                format!("{} gives {}", helper(*id), what(self.task, &after))
            }
            Some(Op::Load { size, src, .. }) => {
                let from = self.path.reg(o.at, Place { depth: o.place.depth, reg: src.index() });
                let from = from.map_or("memory".to_owned(), source);
                match after.is_scalar() {
                    true => {
                        format!("loads {} from {from}: {}", bytes(size.bytes() as i64), number(&after.val))
                    }
                    false => format!("loads {} from {from}", what(self.task, &after)),
                }
            }
            _ => format!("here r{} becomes {}", o.place.reg, what(self.task, &after)),
        };
        self.because(o.at, text);
    }

    fn unset(&mut self) {
        let name = self.name();
        self.told.title = format!("{name} is read, and nothing was put into it on this path");
        self.told.label = format!("reads {name}, which holds nothing");
        if self.place.reg == 0 && matches!(self.path.op(self.end), Some(Op::Exit)) {
            self.told.title = "the program ends without a result".into();
            self.told.label = "returns r0, which holds nothing on this path".into();
        }
        match self.path.writer(self.end, self.place) {
            Some(i) if self.place.reg > 0 && matches!(self.path.op(i), Some(Op::Call(_))) => {
                self.because(i, format!("the call leaves r1 to r5 unset, {name} among them"));
            }
            Some(i) => self.because(i, format!("after this {name} holds nothing")),
            None => self.taken("on the path"),
        }
    }

    /// Names the branch that led here.
    pub(super) fn taken(&mut self, lead: &str) {
        if let Some((at, taken)) = self.path.last_branch(self.end) {
            let how = if taken { "where this jump is taken" } else { "where this jump is not taken" };
            self.because(at, format!("{lead} {how}"));
        }
    }

    fn maybe_null(&mut self) {
        let name = self.name();
        let what = if self.refusal.code == "V0207" { "moved" } else { "used" };
        self.told.title = format!("a pointer that may be null is {what} without a check");
        self.told.label = format!("{name} may be null here");
        self.tell_origin(self.end, self.place);
        let (slot, null) = (self.end, self.reg.id);
        // A check of another result says nothing of this one.
        let other = self.path.comparison(slot, |i, dst, _| {
            self.path
                .reg(i, Place { depth: self.path.depth(i), reg: dst })
                .is_some_and(|r| r.maybe_null() && r.id != null)
        });
        if let Some(i) = other {
            self.because(i, "this checks another pointer");
        }
    }

    fn not_a_pointer(&mut self) {
        let name = self.name();
        let (_, size) = self.access();
        self.told.title = "a number is used as an address".into();
        self.told.label = format!("{} {} through {name}, which is no pointer here", self.verb(), bytes(size));
        if !self.reg.is_scalar() {
            self.told.title = format!("{} can't be accessed", what(self.task, &self.reg));
            self.told.label = format!("{name} is {}", what(self.task, &self.reg));
            return self.tell_origin(self.end, self.place);
        }
        self.told.notes.extend(hint_of_lost(self.task.prog_type));
        let o = self.path.origin(self.end, self.place);
        let from = o.map_or(0, |o| o.at);
        if let Some(i) = self.path.invalidated(from..self.end, self.place) {
            self.told.title = "a packet pointer is used after a call that may move the packet".into();
            self.told.notes.clear();
            self.told.notes.push("load data and data_end from the context again, and check again".into());
            let was = self.path.reg(i, self.place).map_or("a pointer".into(), |r| what(self.task, r));
            if was.contains("context") || !was.contains("packet") {
                self.told.title = "a pointer is used after what it points to was given back".into();
                self.told.notes.clear();
            }
            return self.because(i, format!("until here {name} was {was}: this call makes it a number"));
        }
        let Some(o) = o else { return };
        match (self.path.op(o.at), self.path.reg(o.at, o.place).copied()) {
            (Some(Op::Alu { op, .. }), Some(before)) if before.is_pointer() && *op != AluOp::Mov => {
                self.because(
                    o.at,
                    format!("{} becomes a number by this operation", what(self.task, &before)),
                );
            }
            (Some(Op::Load { .. }), _) => {
                self.tell_origin(self.end, self.place);
                if let Some(c) = self.told.causes.last_mut() {
                    c.text += ", which is a number to the verifier, whatever was stored";
                }
            }
            _ => self.tell_origin(self.end, self.place),
        }
    }

    /// The instruction that added the variable part, and the register that held it.
    pub(super) fn variable_part(&self) -> Option<(usize, Option<Place>)> {
        let o = self.path.back(self.end, self.place, |i| {
            matches!(self.path.op(i), Some(Op::Alu { op: AluOp::Add | AluOp::Sub, src: Operand::Reg(_), .. }))
        })?;
        let Some(Op::Alu { dst, src: Operand::Reg(s), op: AluOp::Add | AluOp::Sub, .. }) = self.path.op(o.at)
        else {
            return self.variable_before(o.at, o.place);
        };
        let depth = o.place.depth;
        let number = [s.index(), dst.index()]
            .map(|reg| Place { depth, reg })
            .into_iter()
            .find(|p| self.path.reg(o.at, *p).is_some_and(Reg::is_scalar));
        Some((o.at, number))
    }

    /// Constant steps may lie behind the one with the variable.
    fn variable_before(&self, at: usize, p: Place) -> Option<(usize, Option<Place>)> {
        let mut at = at;
        while let Some(Op::Alu { op: AluOp::Add | AluOp::Sub, src: Operand::Imm(_), .. }) = self.path.op(at) {
            at = self.path.writer(at, p)?;
            if let Some(Op::Alu { dst, src: Operand::Reg(s), op: AluOp::Add, .. }) = self.path.op(at) {
                let number = [s.index(), dst.index()].map(|reg| Place { depth: p.depth, reg });
                let number = number.into_iter().find(|p| self.path.reg(at, *p).is_some_and(Reg::is_scalar));
                return Some((at, number));
            }
        }
        None
    }

    /// What was added, where it came from, and which comparison bounded it.
    pub(super) fn tell_variable(&mut self) {
        let Some((add, number_at)) = self.variable_part() else { return };
        let Some(p) = number_at else { return };
        let Some(v) = self.path.reg(add, p).copied() else { return };
        let name = self.called(add, p);
        self.because(add, format!("adds {name}, which may be {}", number(&v.val)));
        self.tell_number(add, p);
    }

    /// Where a number comes from, and which comparison was made about it.
    pub(super) fn tell_number(&mut self, at: usize, p: Place) {
        let (Some(v), Some(root)) = (self.path.reg(at, p).copied(), self.path.root(at, p)) else { return };
        self.tell_made(root);
        let about = |i: usize, reg: usize| {
            let p = Place { depth: self.path.depth(i), reg };
            self.path.reg(i, p).is_some_and(Reg::is_scalar) && self.path.root(i, p) == Some(root)
        };
        let compared = self
            .path
            .comparison(at, |i, dst, src| i > root.at && (about(i, dst) || src.is_some_and(|s| about(i, s))));
        if let Some(i) = compared {
            let signed = matches!(self.path.op(i), Some(Op::Branch { cond, .. }) if is_signed(*cond));
            let negative =
                v.val.smin < 0 || v.val.umax > i64::MAX as u64 || v.val.umax == u64::from(u32::MAX);
            let text = match signed && negative {
                true => "this comparison is signed: it says nothing of negative numbers",
                false => "this comparison does not bound it enough",
            };
            self.because(i, text);
        }
    }

    fn limit(&self) -> Option<(i64, String)> {
        let map = self.task.maps.get(self.reg.aux as usize).map(|(_, m)| m);
        Some(match self.reg.kind {
            Kind::MapValue => {
                let m = map?;
                (m.value_size.into(), format!("the value of `{}`", m.name))
            }
            Kind::MapKey => (map?.key_size.into(), format!("the key of `{}`", map?.name)),
            Kind::Mem => (self.reg.aux.into(), "the memory".into()),
            _ => return None,
        })
    }

    fn outside(&mut self) {
        let (off, size) = self.access();
        let Some((limit, object)) = self.limit() else { return tell_calls::choose(self) };
        let name = self.name();
        let v = self.reg.val;
        let off = off + i64::from(self.reg.off);
        let most = limit - size;
        let verb = self.verb();
        if v.is_const() {
            let at = off + v.var.value as i64;
            self.told.title =
                format!("{} at offset {at} of {object}, which has {}", bytes(size), bytes(limit));
            self.told.label =
                format!("{verb} bytes {at} to {}; the last one is {}", at + size - 1, limit - 1);
            return self.tell_origin(self.end, self.place);
        }
        let range = match self.refusal.code {
            "V0403" => "may be negative".to_owned(),
            "V0404" => "has no upper bound".to_owned(),
            _ => format!("may be {}", shifted(&v, off)),
        };
        self.told.title = format!("the offset into {object} {range}");
        self.told.label = format!("{name} is {} bytes into it", shifted(&v, off));
        self.told.notes.push(match most {
            m if m < 0 => format!("{object} has {}: there are no {} in it", bytes(limit), bytes(size)),
            most => format!(
                "{object} has {}: to {} {} of it, the offset must be at most {most}",
                bytes(limit),
                if verb == "writes" { "write" } else { "read" },
                bytes(size),
            ),
        });
        self.tell_variable();
    }

    fn arithmetic(&mut self) {
        let name = self.name();
        self.told.title = format!("{} does not take this arithmetic", what(self.task, &self.reg));
        if self.reg.is_scalar() {
            self.told.title = "a pointer does not take this arithmetic".into();
        }
        self.told.label = format!("{name} is {}", what(self.task, &self.reg));
        if self.reg.kind == Kind::PacketEnd {
            self.told.notes.push("add to the packet pointer instead: data + n > data_end".into());
        }
        self.tell_origin(self.end, self.place);
    }

    fn far(&mut self) {
        let Some(Op::Alu { dst, src: Operand::Reg(s), .. }) = self.path.op(self.end) else { return };
        let depth = self.place.depth;
        let p = [s.index(), dst.index()].map(|reg| Place { depth, reg });
        let Some(p) = p.into_iter().find(|p| self.path.reg(self.end, *p).is_some_and(Reg::is_scalar)) else {
            return;
        };
        let Some(v) = self.path.reg(self.end, p).copied() else { return };
        self.told.title = "a number without a bound is added to a pointer".into();
        self.told.label =
            format!("r{} may be {}; it must be within 2^29 bytes either way", p.reg, number(&v.val));
        self.tell_origin(self.end, p);
    }

    fn misaligned(&mut self) {
        let (off, size) = self.access();
        let name = self.name();
        let at = self.reg.const_offset().map(|o| o + off);
        self.told.label = match at {
            Some(at) => format!("{} at offset {at}, which is no multiple of {size}", bytes(size)),
            None => format!("{} at an offset of {name} that may be no multiple of {size}", bytes(size)),
        };
        if self.reg.kind == Kind::Stack {
            self.told.title = "a misaligned access to the stack".into();
        }
    }

    fn outside_stack(&mut self) {
        let (off, size) = self.access();
        let r = match self.refusal.reg {
            Some(_) => self.reg,
            None => match self.base() {
                Some(p) => {
                    self.place = p;
                    self.path.reg(self.end, p).copied().unwrap_or(self.reg)
                }
                None => return,
            },
        };
        self.reg = r;
        let at = off + i64::from(r.off);
        self.told.title = "an access outside the stack".into();
        let verb = self.verb();
        if r.val.is_const() {
            let at = at + r.val.var.value as i64;
            self.told.label = format!("{verb} {} at r10{at:+}; the stack is r10-512 to r10-1", bytes(size));
            return;
        }
        self.told.label =
            format!("the offset from r10 may be {}; it must be -512 to {}", shifted(&r.val, at), -size);
        self.tell_variable();
    }

    /// The base register of a load or store.
    pub(super) fn base(&self) -> Option<Place> {
        let reg = match self.path.op(self.end)? {
            Op::Load { src, .. } | Op::LoadAcquire { src, .. } => src.index(),
            Op::Store { dst, .. } | Op::StoreRelease { dst, .. } | Op::Atomic { dst, .. } => dst.index(),
            _ => return None,
        };
        Some(Place { depth: self.place.depth, reg })
    }

    fn field(&mut self) {
        let (off, size) = self.access();
        let Some(context) = self.task.prog_type.context().filter(|_| self.reg.kind == Kind::Ctx) else {
            return;
        };
        let at = off + i64::from(self.reg.off);
        let verb =
            if matches!(touch(self.path.op(self.end)), Some(t) if t.write) { "written" } else { "read" };
        let covers = |f: &&skep_abi::Field| {
            let first = i64::from(f.offset);
            first <= at && at < first + i64::from(f.size)
        };
        let prog = self.task.prog_type;
        let Some(field) = context.fields.iter().find(covers) else {
            self.told.title = format!("{} has no field at offset {at} for {prog} programs", context.name);
            self.told.label = format!("{} at offset {at} of {}", bytes(size), context.name);
            return;
        };
        self.told.title = format!("{}.{} can't be {verb} so by {prog} programs", context.name, field.name);
        self.told.label = format!("{} at offset {at}, in `{}`", bytes(size), field.name);
        self.told.notes.push(format!(
            "`{}` is {} at offset {}",
            field.name,
            bytes(field.size.into()),
            field.offset
        ));
    }

    fn result(&mut self) {
        let at = Place { depth: self.place.depth, reg: 0 };
        let Some(v) = self.path.reg(self.end, at).copied() else { return };
        let range = self.refusal.message.rsplit('[').next().unwrap_or_default().trim_end_matches(']');
        let range = range.replace(", ", " to ");
        self.told.title = format!("the result may be {}, and must be {range}", number(&v.val));
        self.told.label = format!("returns r0, which may be {}", number(&v.val));
        self.tell_origin(self.end, at);
    }

    /// What only loaders with more rights may do.
    fn without_rights(&mut self) {
        let name = self.name();
        if self.reg.is_pointer() {
            self.told.label = format!("{name} is {}", what(self.task, &self.reg));
            self.tell_origin(self.end, self.place);
        }
        self.told.notes.push("a loader with CAP_PERFMON may do this".into());
    }

    fn endless(&mut self) {
        self.told.label = "comes back here with nothing changed that matters".into();
        self.because(self.end, "from here");
    }
}

/// What memory a load reads from, in a word.
fn source(r: &Reg) -> String {
    match r.kind {
        Kind::Ctx => "the context",
        Kind::Stack => "the stack",
        Kind::MapValue => "the map's value",
        Kind::Packet => "the packet",
        _ => "memory",
    }
    .to_owned()
}

/// A variable offset with a constant added.
fn shifted(v: &crate::value::Scalar, off: i64) -> String {
    let (lo, hi) = (v.smin.saturating_add(off), v.smax.saturating_add(off));
    number(&crate::value::Scalar { smin: lo, smax: hi, ..*v })
}

fn is_signed(cond: skep_isa::Cond) -> bool {
    use skep_isa::Cond;
    matches!(cond, Cond::Sgt | Cond::Sge | Cond::Slt | Cond::Sle)
}

/// How programs that look into the kernel read what a number points to.
fn hint_of_lost(t: skep_abi::ProgType) -> Option<String> {
    use skep_abi::ProgType as P;
    matches!(t, P::KPROBE | P::TRACEPOINT | P::RAW_TRACEPOINT | P::PERF_EVENT).then(|| {
        "memory that a number points to is read by bpf_probe_read_kernel() or BPF_CORE_READ()".into()
    })
}
