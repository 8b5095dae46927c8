//! Blocks, their lines, and the ways between them.

use serde::Serialize;
use skep::isa::disasm::Style;
use skep::isa::{CallTarget, ImmSource, Op, decode};
use skep::object::{Program, Spec};
use skep::verifier::facts::Verified;

use super::facts;
use crate::cmd::disasm::listing::Listing;

/// A program's control flow.
pub(in crate::cmd) struct Graph {
    pub(in crate::cmd) name: String,
    /// In the order of the program.
    pub(in crate::cmd) blocks: Vec<Block>,
}

/// How a block ends a filter.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::cmd) enum End {
    Accept,
    Reject,
}

/// Instructions that run one after another.
#[derive(Serialize)]
pub(in crate::cmd) struct Block {
    /// First slot.
    pub(in crate::cmd) start: usize,
    /// One past the last slot.
    pub(in crate::cmd) end: usize,
    /// The function that begins here.
    pub(in crate::cmd) function: Option<String>,
    /// No run comes here.
    pub(in crate::cmd) dead: bool,
    pub(in crate::cmd) lines: Vec<Line>,
    pub(in crate::cmd) edges: Vec<Edge>,
    /// Of a filter: whether the packet is taken here, or is not.
    #[serde(skip)]
    pub(in crate::cmd) end_of_filter: Option<End>,
}

/// A line of a block.
#[derive(Serialize)]
pub(in crate::cmd) struct Line {
    /// Slot of the instruction; none for a line of source.
    pub(in crate::cmd) slot: Option<usize>,
    pub(in crate::cmd) text: String,
    /// What was proven, a line each.
    pub(in crate::cmd) facts: Vec<String>,
}

/// A way to another block.
#[derive(Clone, Copy, Serialize)]
pub(in crate::cmd) struct Edge {
    /// The block's first slot.
    pub(in crate::cmd) to: usize,
    pub(in crate::cmd) kind: Kind,
    /// No run goes this way.
    pub(in crate::cmd) dead: bool,
}

/// Why a way goes there.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::cmd) enum Kind {
    /// A condition held.
    Taken,
    /// A condition did not hold, or nothing stands between.
    Falls,
    /// An unconditional jump.
    Jump,
}

/// Longest line that is drawn whole.
const MAX_TEXT: usize = 96;

impl Graph {
    /// The graph of a program, with the facts of its proof.
    pub(super) fn new(spec: &Spec, program: &Program, verified: Option<&Verified>) -> Self {
        let insns = &program.insns;
        let ops: Vec<Option<Op>> = (0..insns.len()).map(|slot| op_at(insns, slot)).collect();
        let functions = functions(program, &ops);
        let leaders = leaders(&ops, &functions);
        let values = verified.map(|v| facts::by_slot(v, insns.len()));
        let mut blocks: Vec<Block> = Vec::new();
        for line in Listing::new(spec, program).lines(Style::Kernel) {
            let slot = line.slot;
            if leaders[slot] || blocks.is_empty() {
                blocks.push(Block {
                    start: slot,
                    end: slot,
                    function: functions.iter().find(|f| f.0 == slot).map(|f| f.1.clone()),
                    dead: verified.is_some_and(|v| !v.facts().at(slot).reached()),
                    lines: Vec::new(),
                    edges: Vec::new(),
                    end_of_filter: None,
                });
            }
            let Some(block) = blocks.last_mut() else { continue };
            if let Some(source) = &line.source {
                let text = format!("; {}", source.text.trim());
                block.lines.push(Line { slot: None, text: shortened(&text), facts: Vec::new() });
            }
            let text = line.text.or(line.error).unwrap_or_default();
            let comment = line.comment.map_or(String::new(), |c| format!("  ; {c}"));
            let known = match (&values, verified) {
                (Some(values), Some(v)) => facts::words(v, slot, values[slot].as_ref()),
                _ => Vec::new(),
            };
            let text = shortened(&format!("{slot:>4}  {text}{comment}"));
            block.lines.push(Line { slot: Some(slot), text, facts: known });
            block.end = slot + ops[slot].map_or(1, |op| op.slots());
        }
        let starts: Vec<usize> = blocks.iter().map(|b| b.start).collect();
        for block in &mut blocks {
            block.edges = edges(block, &ops, verified);
            block.edges.retain(|e| starts.binary_search(&e.to).is_ok());
        }
        Self { name: program.name.clone(), blocks }
    }

    /// Place of the block that begins at a slot.
    pub(super) fn index(&self, start: usize) -> Option<usize> {
        self.blocks.binary_search_by_key(&start, |b| b.start).ok()
    }
}

fn op_at(insns: &[skep::isa::Insn], slot: usize) -> Option<Op> {
    // The second half of a wide load decodes to nothing.
    decode(insns, slot).ok()
}

fn target(slot: usize, off: i32) -> usize {
    (slot as i64 + 1 + i64::from(off)).try_into().unwrap_or(usize::MAX)
}

/// First slot and name of each function.
fn functions(program: &Program, ops: &[Option<Op>]) -> Vec<(usize, String)> {
    let mut starts = vec![0];
    for (slot, op) in ops.iter().enumerate() {
        match op {
            Some(Op::Call(CallTarget::Subprog(off))) => starts.push(target(slot, *off)),
            Some(Op::LoadImm { source: ImmSource::Func, imm, .. }) => starts.push(target(slot, *imm as i32)),
            _ => {}
        }
    }
    starts.sort_unstable();
    starts.dedup();
    let name = |start: usize| {
        let named = program.func_info.iter().find(|f| f.insn == start).map(|f| f.name.clone());
        named.filter(|n| !n.is_empty()).unwrap_or_else(|| format!("function at {start}"))
    };
    let inside = starts.into_iter().filter(|s| *s < ops.len());
    inside.map(|start| (start, if start == 0 { program.name.clone() } else { name(start) })).collect()
}

fn leaders(ops: &[Option<Op>], functions: &[(usize, String)]) -> Vec<bool> {
    let mut leaders = vec![false; ops.len() + 1];
    let mut mark = |slot: usize| {
        if let Some(l) = leaders.get_mut(slot) {
            *l = true;
        }
    };
    functions.iter().for_each(|f| mark(f.0));
    for (slot, op) in ops.iter().enumerate() {
        match op {
            Some(Op::Jump { off, .. }) => mark(target(slot, *off)),
            Some(Op::Branch { off, .. } | Op::MayGoto { off }) => mark(target(slot, i32::from(*off))),
            Some(Op::Exit) => {}
            _ => continue,
        }
        mark(slot + 1);
    }
    leaders
}

fn edges(block: &Block, ops: &[Option<Op>], verified: Option<&Verified>) -> Vec<Edge> {
    let Some(last) = block.lines.iter().rev().find_map(|l| l.slot) else { return Vec::new() };
    let edge = |to, kind, goes: bool| Edge { to, kind, dead: block.dead || !goes };
    match ops[last] {
        Some(Op::Exit) => Vec::new(),
        Some(Op::Jump { off, .. }) => vec![edge(target(last, off), Kind::Jump, true)],
        Some(Op::Branch { off, .. } | Op::MayGoto { off }) => {
            let arms = verified.and_then(|v| v.facts().at(last).branch());
            vec![
                edge(block.end, Kind::Falls, arms.is_none_or(|a| a.falls)),
                edge(target(last, off.into()), Kind::Taken, arms.is_none_or(|a| a.taken)),
            ]
        }
        _ => vec![edge(block.end, Kind::Falls, true)],
    }
}

/// A line as it is drawn: without control characters, and not too long.
pub(in crate::cmd) fn shortened(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    if text.chars().count() <= MAX_TEXT {
        return plain.collect();
    }
    plain.take(MAX_TEXT - 1).chain(['…']).collect()
}
