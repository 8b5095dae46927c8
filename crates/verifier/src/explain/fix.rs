//! Instructions that would make a refused program a safe one, each tried on the verifier before it is proposed.

use skep_abi::ProgType as P;
use skep_isa::asm::{Assembler, Dialect};
use skep_isa::{AluOp, CallTarget, Insn, Op, Operand};

use super::path::{Path, Place};
use super::place::Places;
use super::tell::touch;
use super::tell_calls::room;
use super::{patch, refusals};
use crate::refusal::Refusal;
use crate::state::{Kind, Reg};
use crate::structure;
use crate::task::Task;

/// Instructions to insert.
pub(super) struct Proposal {
    /// What they do.
    pub(super) title: String,
    /// Slot before which they go.
    pub(super) at: usize,
    pub(super) lines: Vec<String>,
}

/// Longest program in which fixes are tried.
const MAX_LEN: usize = 4096;
/// Refusals that are compared before and after.
const COMPARED: usize = 16;

/// The first proposal that helps.
pub(super) fn fix(task: &Task, places: &Places, r: &Refusal, path: &Path<'_>) -> Option<Proposal> {
    if task.insns.len() > MAX_LEN || distances(places) {
        return None;
    }
    let end = path.len().checked_sub(1).filter(|e| path.pc(*e) == r.insn)?;
    let fixer = Fixer { task, refusal: r, path, end };
    fixer.candidates().into_iter().find(|p| helps(task, r, p))
}

/// A text that jumps by distances can't have lines put in.
fn distances(places: &Places) -> bool {
    places.asm().is_some_and(|(s, _)| s.text.contains("goto +") || s.text.contains("goto -"))
}

/// Whether the refusal is gone, and no other one has come.
fn helps(task: &Task, r: &Refusal, p: &Proposal) -> bool {
    let Some(insns) = assemble(&p.lines) else { return false };
    let Some(patched) = patch::insert(task, p.at, &insns) else { return false };
    let back = |i: usize| if i >= p.at + insns.len() { i - insns.len() } else { i };
    let before: Vec<(usize, &str)> = refusals(task, COMPARED).iter().map(|f| (f.insn, f.code)).collect();
    refusals(&patched, COMPARED).iter().all(|f| {
        let inserted = (p.at..p.at + insns.len()).contains(&f.insn);
        let same = (back(f.insn), f.code);
        // Behind the mended place, what was hidden may come to light; what is inserted must be right itself.
        !inserted && same != (r.insn, r.code) && (before.contains(&same) || back(f.insn) > r.insn)
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
                )]
            }
            "V0207" | "V0415" => self.null_check(reg),
            "V0501" if r.maybe_null() => self.null_check(reg),
            "V0402" | "V0403" | "V0404" if !r.kind.is_packet() => self.bound(place, &r),
            "V0405" => self.packet_check(place, &r),
            "V0502" | "V0503" => self.size_check(place),
            "V0701" => self.release(),
            _ => Vec::new(),
        }
    }

    fn before(&self, at: usize, title: &str, lines: Vec<String>) -> Proposal {
        Proposal { title: title.to_owned(), at: self.path.pc(at), lines }
    }

    /// What the program answers where a check fails.
    fn result(&self) -> i32 {
        match self.task.prog_type {
            P::XDP => 2,
            P::SCHED_CLS | P::SCHED_ACT | P::SOCKET_FILTER | P::KPROBE | P::TRACEPOINT => 0,
            P::CGROUP_SKB
            | P::CGROUP_SOCK
            | P::CGROUP_SOCK_ADDR
            | P::CGROUP_DEVICE
            | P::SK_SKB
            | P::SK_MSG => 1,
            P::CGROUP_SYSCTL | P::CGROUP_SOCKOPT | P::SOCK_OPS | P::SK_LOOKUP => 1,
            _ => 0,
        }
    }

    /// `if CONDITION goto +2; r0 = N; exit`.
    fn unless(&self, condition: String) -> Vec<String> {
        vec![format!("if {condition} goto +2"), format!("r0 = {}", self.result()), "exit".into()]
    }

    fn null_check(&self, reg: usize) -> Vec<Proposal> {
        vec![self.before(
            self.end,
            &format!("check r{reg} for null first"),
            self.unless(format!("r{reg} != 0")),
        )]
    }

    /// A bound for the number that was added, before it is.
    fn bound(&self, place: Place, r: &Reg) -> Vec<Proposal> {
        let Some(t) = touch(self.path.op(self.end)) else { return Vec::new() };
        let limit: i64 = match r.kind {
            Kind::MapValue => self.task.maps.get(r.aux as usize).map_or(0, |(_, m)| m.value_size.into()),
            Kind::Mem => r.aux.into(),
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
        )]
    }

    /// Registers that nothing reads from here on.
    fn free(&self) -> Vec<usize> {
        let slots = structure::decode_slots(&self.task.insns);
        let mut aux = vec![structure::Aux::default(); slots.len()];
        structure::live_registers(&slots, &mut aux, self.task.prog_type);
        let live = aux.get(self.refusal.insn).map_or(!0, |a| a.live);
        // r0 takes the result where the check fails.
        (1..10).filter(|r| live >> r & 1 == 0).collect()
    }

    fn packet_check(&self, place: Place, r: &Reg) -> Vec<Proposal> {
        let Some(t) = touch(self.path.op(self.end)) else { return Vec::new() };
        let n = i64::from(r.off) + t.off + t.size;
        let frame = self.path.frame(self.end);
        let free = self.free();
        let [temp, rest @ ..] = free.as_slice() else { return Vec::new() };
        let ends = (0..10).find(|i| frame.regs[*i].kind == Kind::PacketEnd);
        let ctx = (0..10).find(|i| frame.regs[*i].kind == Kind::Ctx);
        let (load, end) = match (ends, ctx, rest.first()) {
            (Some(end), _, _) => (None, end),
            (None, Some(ctx), Some(end)) => {
                let Some(field) = self.task.prog_type.context().and_then(|c| c.field("data_end")) else {
                    return Vec::new();
                };
                (Some(format!("r{end} = *(u32 *)(r{ctx} +{})", field.offset)), *end)
            }
            _ => return Vec::new(),
        };
        let step = n - i64::from(r.off);
        let mut lines: Vec<String> = load.into_iter().collect();
        lines.push(format!("r{temp} = r{}", place.reg));
        lines.push(format!("r{temp} += {step}"));
        lines.extend(self.unless(format!("r{temp} <= r{end}")));
        let bytes = super::words::bytes(step);
        vec![self.before(
            self.end,
            &format!("check that the packet has {bytes} from r{} on", place.reg),
            lines,
        )]
    }

    fn size_check(&self, place: Place) -> Vec<Proposal> {
        let memory = Place { reg: place.reg.saturating_sub(1), ..place };
        let room = self.path.reg(self.end, memory).and_then(|m| room(self.task, m));
        let Some(room) = room.filter(|n| *n > 0) else { return Vec::new() };
        let reg = place.reg;
        let mut both = self.unless(format!("r{reg} != 0"));
        both.extend(self.unless(format!("r{reg} <= {room}")));
        vec![
            self.before(
                self.end,
                &format!("check r{reg} for zero first"),
                self.unless(format!("r{reg} != 0")),
            ),
            self.before(
                self.end,
                &format!("bound r{reg} by the room that there is"),
                self.unless(format!("r{reg} <= {room}")),
            ),
            self.before(self.end, &format!("bound r{reg} on both sides"), both),
        ]
    }

    /// Gives back a reference that some register still has.
    fn release(&self) -> Vec<Proposal> {
        let frame = self.path.frame(self.end);
        let Some(held) = (0..10).find(|i| frame.regs[*i].ref_id != 0) else { return Vec::new() };
        let record = frame.regs[held].kind == Kind::Mem;
        let (call, name) = if record { (133, "bpf_ringbuf_discard") } else { (86, "bpf_sk_release") };
        let Some(keep) = (6..10).find(|i| *i != held) else { return Vec::new() };
        let mut lines = vec![format!("r{keep} = r0"), format!("r1 = r{held}")];
        if record {
            lines.push("r2 = 0".into());
        }
        lines.push(format!("call {call}"));
        lines.push(format!("r0 = r{keep}"));
        let exits = matches!(self.path.op(self.end), Some(Op::Exit));
        let ends = exits || matches!(self.path.op(self.end), Some(Op::Call(CallTarget::Helper(_))));
        if !ends {
            return Vec::new();
        }
        vec![self.before(self.end, &format!("give it back by {name}"), lines)]
    }
}
