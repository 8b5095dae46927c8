//! Instructions that would make a refused program a safe one, each tried on the verifier before it is proposed.

use skep_abi::ProgType as P;
use skep_isa::asm::{Assembler, Dialect};
use skep_isa::disasm::{Disassembler, Style};
use skep_isa::{AluOp, CallTarget, Insn, Op, Operand};

use super::c_fix::{Author, Patch};
use super::path::{Path, Place};
use super::place::Places;
use super::tell::touch;
use super::tell_calls::room;
use super::{patch, refusals};
use crate::refusal::Refusal;
use crate::rows::calls;
use crate::state::{Kind, Reg};
use crate::structure;
use crate::task::Task;

/// What a fix is to bring about, for telling it in C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    /// What C has no statement for.
    Nothing,
    /// A pointer is not null.
    NotNull(Place),
    /// So many bytes from a pointer on are in the packet.
    InPacket { place: Place, bytes: i64 },
    /// A number, as it is at a moment, is not above this; and not zero, if that is wanted.
    AtMost { at: usize, place: Place, most: i64, not_zero: bool },
    /// What a register holds at a moment is given back, and the program ends.
    Given(usize, Place),
    /// The refused load reads the kernel's memory by a helper.
    KernelRead,
}

/// What a program of a type answers to let pass what it does not judge.
pub(super) fn pass(prog_type: P) -> i32 {
    match prog_type {
        P::XDP => 2,
        P::CGROUP_SKB
        | P::CGROUP_SOCK
        | P::CGROUP_SOCK_ADDR
        | P::CGROUP_DEVICE
        | P::SK_SKB
        | P::SK_MSG
        | P::CGROUP_SYSCTL
        | P::CGROUP_SOCKOPT
        | P::SOCK_OPS
        | P::SK_LOOKUP => 1,
        _ => 0,
    }
}

/// Instructions to insert.
pub(super) struct Proposal {
    /// What they do.
    pub(super) title: String,
    /// Slot before which they go.
    pub(super) at: usize,
    pub(super) lines: Vec<String>,
    /// What that is for.
    pub(super) wants: Wants,
    /// Instructions at the program's entry, that they need.
    entry: Vec<String>,
    /// The instruction behind them is theirs to replace.
    replaces: bool,
}

impl Proposal {
    /// Whether it is more than a listing should tell: in C it is a line.
    fn only_in_c(&self) -> bool {
        self.replaces || !self.entry.is_empty()
    }
}

/// A fix that helps: as instructions, and in C where it can be said there.
pub(super) struct Mended {
    pub(super) proposal: Proposal,
    pub(super) patch: Option<Patch>,
    /// What to say where it can be told in C, but not where.
    pub(super) note: Option<String>,
}

/// Longest program in which fixes are tried.
const MAX_LEN: usize = 4096;
/// `BPF_JMP | BPF_JA`: with no distance, nothing.
const JUMP: u8 = 0x05;
/// Refusals that are compared before and after.
const COMPARED: usize = 16;

/// The first proposal that helps.
pub(super) fn fix(task: &Task, places: &Places, r: &Refusal, path: &Path<'_>) -> Option<Mended> {
    if task.insns.len() > MAX_LEN || distances(places) {
        return None;
    }
    let end = path.len().checked_sub(1).filter(|e| path.pc(*e) == r.insn)?;
    let in_c = places.at(r.insn).is_some();
    let fixer = Fixer { task, refusal: r, path, end, in_c };
    let proposal = fixer.candidates().into_iter().find(|p| helps(task, r, p))?;
    let author = Author { task, places, path, end };
    let patch = author.patch(&proposal.wants);
    let note = author.note(&proposal.wants).filter(|_| patch.is_none());
    // What was put in at two places, or with jumps of its own, is more than a listing should tell.
    let told = patch.is_some() || note.is_some() || !proposal.only_in_c();
    told.then_some(Mended { proposal, patch, note })
}

/// A text that jumps by distances can't have lines put in.
fn distances(places: &Places) -> bool {
    places.asm().is_some_and(|(s, _)| s.text.contains("goto +") || s.text.contains("goto -"))
}

/// The task with a proposal's instructions in their places, and how many they are: at the entry, and at its own place.
fn mend(task: &Task, p: &Proposal) -> Option<(Task, usize, usize)> {
    let (insns, entry) = (assemble(&p.lines)?, assemble(&p.entry)?);
    let mut mended = patch::insert(task, p.at, &insns)?;
    if let Some(old) = mended.insns.get_mut(p.at + insns.len()).filter(|_| p.replaces) {
        *old = Insn { opcode: JUMP, ..Insn::default() };
    }
    if !entry.is_empty() {
        mended = patch::insert(&mended, 0, &entry)?;
    }
    Some((mended, entry.len(), insns.len()))
}

/// Whether the refusal is gone, and no other one has come.
fn helps(task: &Task, r: &Refusal, p: &Proposal) -> bool {
    let Some((mended, entry, n)) = mend(task, p) else { return false };
    let own = |i: usize| i < entry || (p.at..p.at + n).contains(&(i - entry));
    let back = |i: usize| {
        let i = i.saturating_sub(entry);
        if i >= p.at + n { i - n } else { i }
    };
    let before: Vec<(usize, &str)> = refusals(task, COMPARED).iter().map(|f| (f.insn, f.code)).collect();
    refusals(&mended, COMPARED).iter().all(|f| {
        let same = (back(f.insn), f.code);
        // Behind the mended place, what was hidden may come to light; what is inserted must be right itself.
        !own(f.insn) && same != (r.insn, r.code) && (before.contains(&same) || back(f.insn) > r.insn)
    })
}

fn assemble(lines: &[String]) -> Option<Vec<Insn>> {
    Assembler::new(Dialect::Kernel).assemble(&lines.join("\n")).ok().map(|a| a.insns)
}

struct Fixer<'a> {
    task: &'a Task,
    refusal: &'a Refusal,
    path: &'a Path<'a>,
    end: usize,
    /// The refused instruction was made of a line of C.
    in_c: bool,
}

impl Fixer<'_> {
    fn candidates(&self) -> Vec<Proposal> {
        let reg = usize::from(self.refusal.reg.unwrap_or(0)).min(10);
        let place = Place { depth: self.path.depth(self.end), reg };
        let Some(r) = self.path.reg(self.end, place).copied() else { return Vec::new() };
        match self.refusal.code {
            "V0201" if reg == 0 && matches!(self.path.op(self.end), Some(Op::Exit)) => {
                vec![self.before(
                    self.end,
                    "set a result before the end",
                    vec![format!("r0 = {}", self.result())],
                    Wants::Nothing,
                )]
            }
            "V0207" | "V0415" => self.null_check(place),
            "V0501" if r.maybe_null() => self.null_check(place),
            "V0401" if r.is_scalar() && self.in_c => self.kernel_read(),
            "V0303" => self.stack_bound(place),
            "V0402" | "V0403" | "V0404" if !r.kind.is_packet() => self.bound(place, &r),
            "V0405" => self.packet_check(place, &r),
            "V0502" | "V0503" => self.size_check(place),
            "V0701" => self.release(),
            _ => Vec::new(),
        }
    }

    fn before(&self, at: usize, title: &str, lines: Vec<String>, wants: Wants) -> Proposal {
        let (title, at) = (title.to_owned(), self.path.pc(at));
        Proposal { title, at, lines, wants, entry: Vec::new(), replaces: false }
    }

    /// What the program answers where a check fails.
    fn result(&self) -> i32 {
        pass(self.task.prog_type)
    }

    /// `if CONDITION goto +2; r0 = N; exit`.
    fn unless(&self, condition: String) -> Vec<String> {
        vec![format!("if {condition} goto +2"), format!("r0 = {}", self.result()), "exit".into()]
    }

    fn null_check(&self, place: Place) -> Vec<Proposal> {
        let reg = place.reg;
        let lines = self.unless(format!("r{reg} != 0"));
        vec![self.before(self.end, &format!("check r{reg} for null first"), lines, Wants::NotNull(place))]
    }

    /// A bound for an index into the stack; the refusal may not name the register.
    fn stack_bound(&self, place: Place) -> Vec<Proposal> {
        let base = match self.path.op(self.end) {
            Some(Op::Load { src, .. }) => src.index(),
            Some(Op::Store { dst, .. }) => dst.index(),
            _ => return Vec::new(),
        };
        let place = Place { reg: base, ..place };
        match self.path.reg(self.end, place).copied() {
            Some(r) if r.kind == Kind::Stack => self.bound(place, &r),
            _ => Vec::new(),
        }
    }

    /// A bound for the number that was added, before it is.
    fn bound(&self, place: Place, r: &Reg) -> Vec<Proposal> {
        let Some(t) = touch(self.path.op(self.end)) else { return Vec::new() };
        let limit: i64 = match r.kind {
            Kind::MapValue => self.task.maps.get(r.aux as usize).map_or(0, |(_, m)| m.value_size.into()),
            Kind::Mem => r.aux.into(),
            Kind::Stack => 0,
            _ => return Vec::new(),
        };
        let most = limit - t.size - t.off - i64::from(r.off);
        let added =
            |i: usize| matches!(self.path.op(i), Some(Op::Alu { op: AluOp::Add, src: Operand::Reg(_), .. }));
        let Some(o) = self.path.back(self.end, place, added) else { return Vec::new() };
        let Some(Op::Alu { dst, src: Operand::Reg(s), op: AluOp::Add, .. }) = self.path.op(o.at) else {
            return Vec::new();
        };
        let scalar = |reg: &usize| {
            self.path.reg(o.at, Place { depth: o.place.depth, reg: *reg }).is_some_and(Reg::is_scalar)
        };
        let Some(n) = [s.index(), dst.index()].into_iter().find(scalar).filter(|_| most >= 0) else {
            return Vec::new();
        };
        vec![self.before(
            o.at,
            &format!("bound r{n} before it is added"),
            self.unless(format!("r{n} <= {most}")),
            Wants::AtMost { at: o.at, place: Place { depth: o.place.depth, reg: n }, most, not_zero: false },
        )]
    }

    /// A bit for each register that may be read from a slot on.
    fn live(&self, slot: usize) -> u16 {
        let mut aux = vec![structure::Aux::default(); self.path.slots.len()];
        structure::live_registers(self.path.slots, &mut aux, &|callee| calls::takes(self.task, callee));
        aux.get(slot).map_or(!0, |a| a.live)
    }

    /// Registers that nothing reads from here on.
    fn free(&self) -> Vec<usize> {
        let live = self.live(self.refusal.insn);
        // r0 takes the result where the check fails.
        (1..10).filter(|r| live >> r & 1 == 0).collect()
    }

    fn packet_check(&self, place: Place, r: &Reg) -> Vec<Proposal> {
        let Some(t) = touch(self.path.op(self.end)) else { return Vec::new() };
        let step = t.off + t.size;
        let title = format!("check that the packet has {} from r{} on", super::words::bytes(step), place.reg);
        let wants = Wants::InPacket { place, bytes: step };
        let proposal = |lines| self.before(self.end, &title, lines, wants);
        let Some(field) = self.task.prog_type.context().and_then(|c| c.field("data_end")) else {
            return Vec::new();
        };
        let frame = self.path.frame(self.end);
        let ends = (0..10).find(|i| frame.regs[*i].kind == Kind::PacketEnd);
        let ctx = (0..10).find(|i| frame.regs[*i].kind == Kind::Ctx);
        let load = |end: usize, ctx: usize| format!("r{end} = *(u32 *)(r{ctx} +{})", field.offset);
        let check = |end: usize, temp: usize| {
            let mut lines = vec![format!("r{temp} = r{}", place.reg), format!("r{temp} += {step}")];
            lines.extend(self.unless(format!("r{temp} <= r{end}")));
            lines
        };
        let mut found = Vec::new();
        match (self.free().as_slice(), ends, ctx) {
            ([temp, ..], Some(end), _) => found.push(proposal(check(end, *temp))),
            ([temp, end, ..], None, Some(ctx)) => {
                found.push(proposal([vec![load(*end, ctx)], check(*end, *temp)].concat()));
            }
            _ => {}
        }
        if self.in_c && self.path.depth(self.end) == 0 && r.kind == Kind::Packet {
            // No register holds what is needed, or none is free: the context is kept on the stack from the beginning, and
            // two registers are while the check is made.
            let mut others = (1..10).filter(|i| *i != place.reg);
            let (Some(end), Some(temp)) = (others.next(), others.next()) else { return found };
            let [context, a, b] = self.scratch();
            let keep = [format!("*(u64 *)(r10 {a}) = r{end}"), format!("*(u64 *)(r10 {b}) = r{temp}")];
            let back = [format!("r{end} = *(u64 *)(r10 {a})"), format!("r{temp} = *(u64 *)(r10 {b})")];
            let set = |i: usize| frame.regs[i].kind != Kind::NotInit;
            let mut lines: Vec<String> =
                keep.into_iter().zip([end, temp]).filter(|(_, i)| set(*i)).map(|(l, _)| l).collect();
            lines.push(format!("r{end} = *(u64 *)(r10 {context})"));
            lines.push(load(end, end));
            lines.extend(check(end, temp));
            lines.extend(back.into_iter().zip([end, temp]).filter(|(_, i)| set(*i)).map(|(l, _)| l));
            let entry = vec![format!("*(u64 *)(r10 {context}) = r1")];
            found.push(Proposal { entry, ..proposal(lines) });
        }
        found
    }

    /// Slots of stack below all that the frame uses.
    fn scratch(&self) -> [i32; 3] {
        let used = (0..self.path.len()).filter(|i| self.path.depth(*i) == self.path.depth(self.end));
        let deepest = used.map(|i| self.path.frame(i).depth()).max().unwrap_or(0) as i32;
        [8, 16, 24].map(|n| -deepest - n)
    }

    fn size_check(&self, place: Place) -> Vec<Proposal> {
        let memory = Place { reg: place.reg.saturating_sub(1), ..place };
        let room = self.path.reg(self.end, memory).and_then(|m| room(self.task, m));
        let Some(room) = room.filter(|n| *n > 0) else { return Vec::new() };
        let reg = place.reg;
        let mut both = self.unless(format!("r{reg} != 0"));
        both.extend(self.unless(format!("r{reg} <= {room}")));
        let wants = |most, not_zero| Wants::AtMost { at: self.end, place, most, not_zero };
        let bounded = self.unless(format!("r{reg} <= {room}"));
        vec![
            self.before(
                self.end,
                &format!("check r{reg} for zero first"),
                self.unless(format!("r{reg} != 0")),
                wants(i64::MAX, true),
            ),
            self.before(
                self.end,
                &format!("bound r{reg} by the room that there is"),
                bounded,
                wants(room, false),
            ),
            self.before(self.end, &format!("bound r{reg} on both sides"), both, wants(room, true)),
        ]
    }

    /// A load through a number, as programs that look into the kernel do it: a helper copies to the stack.
    fn kernel_read(&self) -> Vec<Proposal> {
        let Some(Op::Load { size, dst, src, off, .. }) = self.path.op(self.end) else { return Vec::new() };
        if !matches!(self.task.prog_type, P::KPROBE | P::TRACEPOINT | P::RAW_TRACEPOINT | P::PERF_EVENT) {
            return Vec::new();
        }
        let (bytes, [to, ..]) = (size.bytes(), self.scratch());
        let lines = vec![
            format!("r3 = r{}", src.index()),
            format!("r3 += {off}"),
            "r1 = r10".into(),
            format!("r1 += {to}"),
            format!("r2 = {bytes}"),
            "call 113".into(),
            format!("r{} = *(u{} *)(r10 {to})", dst.index(), bytes * 8),
        ];
        let read = self.before(self.end, "read it by bpf_probe_read_kernel", lines, Wants::KernelRead);
        vec![Proposal { replaces: true, ..read }]
    }

    /// Gives back a reference that some register still has.
    fn release(&self) -> Vec<Proposal> {
        let frame = self.path.frame(self.end);
        let Some(held) = (0..10).find(|i| frame.regs[*i].ref_id != 0) else {
            return self.release_at_branch();
        };
        let record = frame.regs[held].kind == Kind::Mem;
        let (call, name) = if record { (133, "bpf_ringbuf_discard") } else { (86, "bpf_sk_release") };
        let early = self.release_at_branch();
        let Some(keep) = (6..10).find(|i| *i != held) else { return early };
        let mut lines = vec![format!("r{keep} = r0"), format!("r1 = r{held}")];
        if record {
            lines.push("r2 = 0".into());
        }
        lines.push(format!("call {call}"));
        lines.push(format!("r0 = r{keep}"));
        let exits = matches!(self.path.op(self.end), Some(Op::Exit));
        let ends = exits || matches!(self.path.op(self.end), Some(Op::Call(CallTarget::Helper(_))));
        if !ends {
            return early;
        }
        let here = self.before(self.end, &format!("give it back by {name}"), lines, Wants::Nothing);
        early.into_iter().chain([here]).collect()
    }

    /// Gives it back where the path left the one on which that is done: at the last jump that was taken.
    fn release_at_branch(&self) -> Vec<Proposal> {
        if !self.in_c {
            return Vec::new();
        }
        let Some((at, true)) = self.path.last_branch(self.end) else { return Vec::new() };
        let Some(Op::Branch { width, cond, dst, src, off: off @ 0.. }) = self.path.op(at) else {
            return Vec::new();
        };
        let frame = self.path.frame(at);
        let Some(held) = (0..10).find(|i| frame.regs[*i].ref_id != 0) else { return Vec::new() };
        let record = frame.regs[held].kind == Kind::Mem;
        let (call, name) = if record { (133, "bpf_ringbuf_discard") } else { (86, "bpf_sk_release") };
        let way = Op::Branch { width: *width, cond: *cond, dst: *dst, src: *src, off: 1 };
        let Ok(way) = way.encode() else { return Vec::new() };
        let first = Disassembler::new(Style::Kernel).lines(&way).next().and_then(|l| l.text.ok());
        // What a call clobbers and the way on needs, but for what is given back.
        let live = self.live(self.path.pc(at + 1));
        let kept: Vec<usize> = (0..6).filter(|i| *i != held && live >> i & 1 == 1).collect();
        let slots = self.scratch();
        if kept.len() > slots.len() {
            return Vec::new();
        }
        let kept = || kept.iter().zip(slots);
        let mut body: Vec<String> = kept().map(|(r, s)| format!("*(u64 *)(r10 {s}) = r{r}")).collect();
        body.push(format!("r1 = r{held}"));
        body.extend(record.then(|| "r2 = 0".into()));
        body.push(format!("call {call}"));
        body.extend(kept().map(|(r, s)| format!("r{r} = *(u64 *)(r10 {s})")));
        body.push(format!("goto +{}", off + 1));
        let mut lines: Vec<String> = first.into_iter().collect();
        lines.push(format!("goto +{}", body.len()));
        lines.extend(body);
        let place = Place { depth: self.path.depth(at), reg: held };
        // The jump itself is among them.
        let given = self.before(at, &format!("give it back by {name}"), lines, Wants::Given(at, place));
        vec![Proposal { replaces: true, ..given }]
    }
}
