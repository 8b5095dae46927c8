//! `skep filter EXPR --cfg FILE.svg`: the graph of the code, drawn as `skep cfg` draws programs.

use std::path::Path;

use skep::filter::explain::Explanation;
use skep::isa::classic::{Insn, Op};

use super::{Args, explain};
use crate::cmd::cfg::graph::{Block, Edge, End, Graph, Kind, Line, shortened};
use crate::cmd::{cfg, classic};
use crate::failure::Failure;
use crate::output::Output;

pub(super) fn run(args: &Args, path: &Path, out: &mut Output) -> Result<(), Failure> {
    let graph = graph(&args.expression, &explain::explained(args)?);
    match path.extension().and_then(|e| e.to_str()) {
        Some("dot" | "gv") => cfg::write_dot(&graph, path, out),
        _ => cfg::write_svg(&graph, path, out),
    }
}

/// Blocks with their instructions in words, and above them the parts of the expression that they serve.
fn graph(expression: &str, explained: &Explanation) -> Graph {
    let insns = &explained.insns;
    let leaders = leaders(insns);
    let texts = classic::lines(insns);
    let mut blocks: Vec<Block> = Vec::new();
    let mut said = String::new();
    for (pc, (text, line)) in texts.iter().zip(&explained.lines).enumerate() {
        if leaders[pc] || blocks.is_empty() {
            said.clear();
            blocks.push(Block {
                start: pc,
                end: pc,
                function: None,
                dead: false,
                lines: Vec::new(),
                edges: Vec::new(),
                end_of_filter: None,
            });
        }
        let Some(block) = blocks.last_mut() else { continue };
        let parts = explain::parts(line, expression);
        if !parts.is_empty() && parts != said {
            block.lines.push(Line { slot: None, text: shortened(&parts), facts: Vec::new() });
            said = parts;
        }
        // Where a branch goes is drawn.
        let text = text.split(" jt ").next().unwrap_or_default().trim_end();
        let drawn = shortened(&format!("{pc:>3}  {text:<26}  {}", line.words));
        let facts = line.field.iter().cloned().collect();
        block.lines.push(Line { slot: Some(pc), text: drawn, facts });
        block.end = pc + 1;
        block.end_of_filter = match Op::decode(insns[pc]) {
            Some(Op::RetK { k: 0 }) => Some(End::Reject),
            Some(Op::RetK { .. } | Op::RetA) => Some(End::Accept),
            _ => None,
        };
    }
    let starts: Vec<usize> = blocks.iter().map(|b| b.start).collect();
    for block in &mut blocks {
        block.edges = edges(insns, block.end);
        // A program from elsewhere may jump past its end.
        block.edges.retain(|e| starts.binary_search(&e.to).is_ok());
    }
    Graph { name: expression.to_owned(), blocks }
}

/// Where the last instruction before `end` goes.
fn edges(insns: &[Insn], end: usize) -> Vec<Edge> {
    let edge = |to, kind| Edge { to, kind, dead: false };
    match Op::decode(insns[end - 1]) {
        Some(Op::RetK { .. } | Op::RetA) => Vec::new(),
        Some(Op::Jump { k }) => vec![edge(target(end, k), Kind::Jump)],
        Some(Op::Branch { jt, jf, .. }) if jt == jf => vec![edge(end + usize::from(jt), Kind::Jump)],
        Some(Op::Branch { jt, jf, .. }) => {
            vec![edge(end + usize::from(jf), Kind::Falls), edge(end + usize::from(jt), Kind::Taken)]
        }
        _ => vec![edge(end, Kind::Falls)],
    }
}

/// Where a jump goes that ends before `end`; libpcap's loops go back.
fn target(end: usize, k: u32) -> usize {
    usize::try_from(end as i64 + i64::from(k.cast_signed())).unwrap_or(usize::MAX)
}

/// Which instructions begin a block.
fn leaders(insns: &[Insn]) -> Vec<bool> {
    let mut leaders = vec![false; insns.len()];
    for (pc, &insn) in insns.iter().enumerate() {
        let to = match Op::decode(insn) {
            Some(Op::Jump { k }) => vec![target(pc + 1, k)],
            Some(Op::Branch { jt, jf, .. }) => {
                vec![pc + 1 + usize::from(jt), pc + 1 + usize::from(jf)]
            }
            Some(Op::RetK { .. } | Op::RetA) => vec![pc + 1],
            _ => continue,
        };
        for at in to {
            if let Some(leader) = leaders.get_mut(at) {
                *leader = true;
            }
        }
    }
    leaders
}
