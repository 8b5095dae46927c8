//! A decision diagram as classic code.
//!
//! Two fields that are looked up in the same list in different places (an address in IP and in ARP) share one search:
//! each loads its own and goes on in the search; where the ways part again, the field that told the places apart is
//! asked once more.

use rustc_hash::FxHashMap as HashMap;

use skep_isa::classic::Insn;

use super::diagram::{Diagrams, Id, Node};
use super::expr::ExprId;
use super::steps::Symbols;
use super::{Bail, GiveUp};
use crate::dag;

/// Searches over at least so many ranges are shared.
const WORTH_SHARING: usize = 8;
/// Nodes for each instruction that there may be; more than that is not worth its layout.
const MOST_NODES: usize = 16;

/// The code of a diagram.
pub(super) fn emit(
    symbols: &Symbols,
    diagrams: Diagrams,
    root: Id,
    longest: usize,
) -> Result<Vec<Insn>, GiveUp> {
    let most_nodes = longest.saturating_mul(MOST_NODES);
    let mut emit = Emit { symbols, diagrams, dag: dag::Dag::default(), done: HashMap::default(), most_nodes };
    let root = emit.node(root, 0)?;
    let insns = emit.dag.emit(root);
    if insns.len() > longest { Err(Bail::TooLarge.into()) } else { Ok(insns) }
}

struct Emit<'s> {
    symbols: &'s Symbols,
    diagrams: Diagrams,
    dag: dag::Dag,
    done: HashMap<Id, dag::Id>,
    most_nodes: usize,
}

impl Emit<'_> {
    fn node(&mut self, id: Id, depth: usize) -> Result<dag::Id, GiveUp> {
        if let Some(&there) = self.done.get(&id) {
            return Ok(there);
        }
        if depth > 1000 || self.dag.len() > self.most_nodes {
            return Err(Bail::TooLarge.into());
        }
        let made = match self.diagrams.get(id).clone() {
            Node::Reject => self.dag.node(dag::Node::Ret(0)),
            Node::Accept(needs) => {
                let guards = self.symbols.exprs.guards(&self.diagrams.needs[needs as usize])?;
                let end = self.dag.node(dag::Node::Ret(self.symbols.accept));
                guards.into_iter().fold(end, |next, ops| self.dag.node(dag::Node::Guard(ops, next)))
            }
            Node::Test(field, ranges) => {
                let mut kids: HashMap<Id, dag::Id> = HashMap::default();
                for (&id, &kid) in &self.shared(field, &ranges, depth)? {
                    kids.insert(id, kid);
                }
                let mut places = Vec::with_capacity(ranges.len());
                for &(start, id) in ranges.iter() {
                    let kid = match kids.get(&id) {
                        Some(&kid) => kid,
                        None => self.node(id, depth + 1)?,
                    };
                    places.push((start, kid));
                }
                places.dedup_by_key(|p| p.1);
                let search = self.dag.search(&places);
                self.load(field, search)?
            }
        };
        self.done.insert(id, made);
        Ok(made)
    }

    /// A field into A, then on.
    fn load(&mut self, field: ExprId, next: dag::Id) -> Result<dag::Id, GiveUp> {
        let ops = self.symbols.exprs.in_a(field)?;
        Ok(self.dag.stmts(&ops, next))
    }

    /// Children that search the same ranges, with the code of their one search.
    fn shared(
        &mut self,
        field: ExprId,
        ranges: &[(u32, Id)],
        depth: usize,
    ) -> Result<HashMap<Id, dag::Id>, GiveUp> {
        let mut alike: HashMap<Vec<u32>, Vec<Id>> = HashMap::default();
        let mut order = Vec::new();
        for &(_, id) in ranges {
            let Node::Test(_, kids) = self.diagrams.get(id) else { continue };
            if kids.len() < WORTH_SHARING || self.done.contains_key(&id) {
                continue;
            }
            let starts: Vec<u32> = kids.iter().map(|k| k.0).collect();
            let group = alike.entry(starts.clone()).or_default();
            if group.is_empty() {
                order.push(starts);
            }
            if !group.contains(&id) {
                group.push(id);
            }
        }
        let mut out = HashMap::default();
        for starts in order {
            let group = &alike[&starts];
            if group.len() > 1 {
                self.one_search(field, ranges, &starts, group, depth, &mut out)?;
            }
        }
        Ok(out)
    }

    fn one_search(
        &mut self,
        field: ExprId,
        ranges: &[(u32, Id)],
        starts: &[u32],
        group: &[Id],
        depth: usize,
        out: &mut HashMap<Id, dag::Id>,
    ) -> Result<(), GiveUp> {
        let kids = |me: &Self, id: Id| match me.diagrams.get(id) {
            Node::Test(field, kids) => Some((*field, kids.clone())),
            _ => None,
        };
        let members: Vec<_> = group.iter().filter_map(|&id| Some((id, kids(self, id)?))).collect();
        let mut places: Vec<(u32, dag::Id)> = Vec::with_capacity(starts.len());
        let mut parted: HashMap<Vec<Id>, dag::Id> = HashMap::default();
        for (n, &start) in starts.iter().enumerate() {
            let ways: Vec<Id> = members.iter().map(|(_, (_, kids))| kids[n].1).collect();
            let place = match parted.get(&ways) {
                Some(&place) => place,
                None => {
                    // Only members of the group come here, so what other values do does not matter.
                    let again = ranges.iter().map(|&(start, id)| {
                        let way = members.iter().position(|m| m.0 == id).unwrap_or(0);
                        (start, ways[way])
                    });
                    let again = again.collect();
                    let id = self.diagrams.test(field, again);
                    self.node(id, depth + 1)?
                }
            };
            parted.insert(ways, place);
            places.push((start, place));
        }
        places.dedup_by_key(|p| p.1);
        let search = self.dag.search(&places);
        for (id, (field, _)) in members {
            let code = self.load(field, search)?;
            out.insert(id, code);
        }
        Ok(())
    }
}
