//! Comparisons as a decision diagram.
//!
//! A field that is compared with few numbers (a protocol) is decided first: for each range of its values the rest of the
//! filter is made anew without it. A list of comparisons that all lead to the same end, whatever their order, becomes one
//! node a field. What is neither is put together comparison by comparison.

use std::collections::BTreeMap;
use std::rc::Rc;

use rustc_hash::FxHashMap as HashMap;

use super::expr::{ExprId, Exprs, Needs};
use super::steps::{ACCEPT, REJECT, Set, SetId, Step, StepId, Steps, Symbols, complement, has};
use super::{Bail, GiveUp, MOST_WORK};

/// A diagram, by its index; children come before their parents.
pub(super) type Id = u32;

/// One node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Node {
    Reject,
    /// Accepted, if these bytes are there: an index into [`Diagrams::needs`].
    Accept(u32),
    /// A field, and where its ranges lead: each from its start up to the next one's, the first from 0.
    Test(ExprId, Rc<[(u32, Id)]>),
}

/// Fields that are compared with at most so many ranges are decided first.
const FEW: usize = 32;
/// Fields decided one inside the other.
const MOST_NESTED: usize = 200;

/// All diagrams; equal ones shared.
#[derive(Debug, Default)]
pub(super) struct Diagrams {
    all: Vec<Node>,
    known: HashMap<Node, Id>,
    pub(super) needs: Vec<Needs>,
    needs_known: HashMap<Needs, u32>,
    /// What all ways to acceptance need; none where there is no such way.
    common: Vec<Option<u32>>,
    work: usize,
}

impl Diagrams {
    pub(super) fn get(&self, id: Id) -> &Node {
        &self.all[id as usize]
    }

    fn make(&mut self, node: Node) -> Id {
        if let Some(&id) = self.known.get(&node) {
            return id;
        }
        let common = match &node {
            Node::Reject => None,
            Node::Accept(needs) => Some(*needs),
            Node::Test(_, ranges) => {
                let mut common = None;
                for child in ranges.iter() {
                    let Some(theirs) = self.common[child.1 as usize] else { continue };
                    common = Some(match common {
                        Some(ours) if ours != theirs => {
                            let both = self.needs[ours as usize].common(&self.needs[theirs as usize]);
                            self.needs_id(&both)
                        }
                        _ => theirs,
                    });
                }
                common
            }
        };
        self.common.push(common);
        self.all.push(node.clone());
        let id = (self.all.len() - 1) as Id;
        self.known.insert(node, id);
        id
    }

    fn needs_id(&mut self, needs: &Needs) -> u32 {
        if let Some(&index) = self.needs_known.get(needs) {
            return index;
        }
        let index = self.needs.len() as u32;
        self.needs.push(needs.clone());
        self.needs_known.insert(needs.clone(), index);
        index
    }

    fn accept(&mut self, needs: &Needs) -> Id {
        let index = self.needs_id(needs);
        self.make(Node::Accept(index))
    }

    /// What all ways to acceptance from a node need; none where there is no such way.
    fn common(&self, id: Id) -> Option<&Needs> {
        self.common[id as usize].map(|index| &self.needs[index as usize])
    }

    /// A node over a field; the child itself if there is just one.
    pub(super) fn test(&mut self, field: ExprId, mut ranges: Vec<(u32, Id)>) -> Id {
        ranges.dedup_by_key(|r| r.1);
        match ranges[..] {
            [(_, only)] => only,
            _ => self.make(Node::Test(field, ranges.into())),
        }
    }

    fn spend(&mut self, work: usize) -> Result<(), GiveUp> {
        self.work += work;
        if self.work > MOST_WORK { Err(Bail::TooLarge.into()) } else { Ok(()) }
    }

    /// The same, with more bytes needed on every way to acceptance.
    fn with_needs(&mut self, needs: &Needs, id: Id, done: &mut HashMap<Id, Id>) -> Result<Id, GiveUp> {
        if self.common(id).is_none_or(|c| c.cover(needs)) {
            return Ok(id);
        }
        if let Some(&there) = done.get(&id) {
            return Ok(there);
        }
        let new = match self.get(id).clone() {
            Node::Reject => id,
            Node::Accept(index) => {
                let mut all = self.needs[index as usize].clone();
                all.add(needs);
                self.accept(&all)
            }
            Node::Test(field, ranges) => {
                self.spend(ranges.len())?;
                let mut new = Vec::with_capacity(ranges.len());
                for &(from, child) in ranges.iter() {
                    new.push((from, self.with_needs(needs, child, done)?));
                }
                self.test(field, new)
            }
        };
        done.insert(id, new);
        Ok(new)
    }

    fn add_needs(&mut self, needs: &Needs, id: Id) -> Result<Id, GiveUp> {
        self.with_needs(needs, id, &mut HashMap::default())
    }
}

/// Makes the diagram of a filter.
pub(super) fn diagram(symbols: &mut Symbols) -> Result<(Diagrams, Id), GiveUp> {
    let mut order = HashMap::default();
    for id in symbols.steps.reachable(symbols.root) {
        let next = order.len();
        order.entry(symbols.steps.get(id).field).or_insert(next);
    }
    let mut out = Diagrams::default();
    out.make(Node::Reject);
    let root = symbols.root;
    let mut build =
        Build { exprs: &symbols.exprs, steps: &mut symbols.steps, order, out, done: HashMap::default() };
    let id = build.step(root, 0)?;
    let out = build.out;
    check(&out, &symbols.exprs, id)?;
    Ok((out, id))
}

/// No field is looked at on a way to acceptance that was taken without it.
fn check(out: &Diagrams, exprs: &Exprs, root: Id) -> Result<(), GiveUp> {
    let mut seen = vec![false; root as usize + 1];
    let mut stack = vec![root];
    while let Some(id) = stack.pop() {
        if std::mem::replace(&mut seen[id as usize], true) {
            continue;
        }
        let Node::Test(field, ranges) = out.get(id) else { continue };
        let common = out.common(id);
        if common.is_some_and(|c| !c.cover(exprs.needs(*field))) {
            return Err(Bail::Order.into());
        }
        stack.extend(ranges.iter().map(|r| r.1));
    }
    Ok(())
}

/// Fields in their order, and the values that are asked for.
type Fields = BTreeMap<usize, (ExprId, Vec<(u32, u32)>)>;

struct Build<'s> {
    exprs: &'s Exprs,
    steps: &'s mut Steps,
    /// Fields in the order in which the filter comes to them.
    order: HashMap<ExprId, usize>,
    out: Diagrams,
    done: HashMap<StepId, Id>,
}

impl Build<'_> {
    fn step(&mut self, root: StepId, depth: usize) -> Result<Id, GiveUp> {
        if let Some(&id) = self.done.get(&root) {
            return Ok(id);
        }
        if depth > MOST_NESTED {
            return Err(Bail::TooLarge.into());
        }
        let id = match root {
            REJECT => 0,
            ACCEPT => self.out.accept(&Needs::default()),
            _ => match self.few_starts(root)? {
                Some(starts) => self.decided(root, &starts, depth)?,
                None => self.list(root, depth)?,
            },
        };
        self.done.insert(root, id);
        Ok(id)
    }

    /// Where the ranges begin that the root's field is compared with anywhere below, if they are few.
    fn few_starts(&mut self, root: StepId) -> Result<Option<Vec<u32>>, GiveUp> {
        let field = self.steps.get(root).field;
        let reachable = self.steps.reachable(root);
        self.out.spend(root as usize / 8 + reachable.len())?;
        let mut starts = vec![0];
        let mut seen = Vec::new();
        for id in reachable {
            let step = self.steps.get(id);
            if step.field != field || seen.contains(&step.set) {
                continue;
            }
            seen.push(step.set);
            for &(from, to) in self.steps.set(step.set).iter() {
                for start in [Some(from), to.checked_add(1)].into_iter().flatten() {
                    if let Err(at) = starts.binary_search(&start) {
                        starts.insert(at, start);
                    }
                }
                if starts.len() > FEW {
                    return Ok(None);
                }
            }
        }
        Ok(Some(starts))
    }

    /// The rest of the filter for each range of a field.
    fn decided(&mut self, root: StepId, starts: &[u32], depth: usize) -> Result<Id, GiveUp> {
        let field = self.steps.get(root).field;
        let reachable = self.steps.reachable(root);
        let mut sets: Vec<_> = reachable.iter().map(|&id| self.steps.get(id)).collect();
        sets.retain(|step| step.field == field);
        let mut sets: Vec<SetId> = sets.into_iter().map(|step| step.set).collect();
        sets.sort_unstable();
        sets.dedup();
        let mut ranges = Vec::with_capacity(starts.len());
        // Values that are in the same sets have the same rest.
        let mut rests: HashMap<Vec<bool>, Id> = HashMap::default();
        for &start in starts {
            let inside: Vec<bool> = sets.iter().map(|&set| has(self.steps.set(set), start)).collect();
            let made = match rests.get(&inside) {
                Some(&made) => made,
                None => {
                    let rest = self.without(root, &reachable, field, start)?;
                    self.step(rest, depth + 1)?
                }
            };
            rests.insert(inside, made);
            ranges.push((start, made));
        }
        let id = self.out.test(field, ranges);
        self.out.add_needs(self.exprs.needs(field), id)
    }

    /// The filter where a field has a value.
    fn without(
        &mut self,
        root: StepId,
        reachable: &[StepId],
        field: ExprId,
        value: u32,
    ) -> Result<StepId, GiveUp> {
        self.out.spend(reachable.len())?;
        // From the last to the first: children before parents.
        let first = reachable.last().copied().unwrap_or(root);
        let mut new = vec![REJECT; (root - first) as usize + 1];
        let map = |new: &[StepId], id: StepId| if id <= ACCEPT { id } else { new[(id - first) as usize] };
        for &id in reachable.iter().rev() {
            let step = self.steps.get(id);
            let (yes, no) = (map(&new, step.yes), map(&new, step.no));
            let made = if step.field == field {
                if has(self.steps.set(step.set), value) { yes } else { no }
            } else if (yes, no) == (step.yes, step.no) {
                id
            } else {
                self.steps.make(Step { yes, no, ..step })
            };
            new[(id - first) as usize] = made;
        }
        Ok(map(&new, root))
    }

    /// A list of comparisons: runs of those that lead to the same end.
    fn list(&mut self, root: StepId, depth: usize) -> Result<Id, GiveUp> {
        let mut runs: Vec<(Id, Fields)> = Vec::new();
        let mut needs = Needs::default();
        let mut at = root;
        while at > ACCEPT && !self.done.contains_key(&at) {
            self.out.spend(1)?;
            let step = self.steps.get(at);
            // What was made later is what goes on.
            let (end, next, set) = if step.yes <= step.no {
                (step.yes, step.no, Rc::clone(self.steps.set(step.set)))
            } else {
                (step.no, step.yes, complement(self.steps.set(step.set)))
            };
            let field = step.field;
            needs.add(self.exprs.needs(field));
            let end = self.step(end, depth + 1)?;
            let end = self.out.add_needs(&needs, end)?;
            if runs.last().is_none_or(|r| r.0 != end) {
                runs.push((end, BTreeMap::new()));
            }
            if let Some((_, fields)) = runs.last_mut() {
                let order = self.order[&field];
                fields.entry(order).or_insert_with(|| (field, Vec::new())).1.extend(set.iter());
            }
            at = next;
        }
        let rest = self.step(at, depth + 1)?;
        let mut id = self.out.add_needs(&needs, rest)?;
        for (end, fields) in runs.into_iter().rev() {
            for (field, set) in fields.into_values().rev() {
                let mut choose = Choose { field, set: union(set), then: end, done: HashMap::default() };
                id = choose.run(id, &self.order, &mut self.out)?;
            }
        }
        Ok(id)
    }
}

/// Ranges, sorted and put together.
fn union(mut ranges: Vec<(u32, u32)>) -> Set {
    ranges.sort_unstable();
    let mut out: Vec<(u32, u32)> = Vec::with_capacity(ranges.len());
    for (from, to) in ranges {
        match out.last_mut() {
            Some(last) if last.1.checked_add(1).is_none_or(|next| from <= next) => last.1 = last.1.max(to),
            _ => out.push((from, to)),
        }
    }
    out.into()
}

/// `then` where a field is in a set, a diagram elsewhere.
struct Choose {
    field: ExprId,
    set: Set,
    then: Id,
    done: HashMap<(Id, Id), Id>,
}

impl Choose {
    fn run(&mut self, or_else: Id, order: &HashMap<ExprId, usize>, out: &mut Diagrams) -> Result<Id, GiveUp> {
        self.pair(self.then, or_else, order, out, 0)
    }

    fn pair(
        &mut self,
        then: Id,
        or_else: Id,
        order: &HashMap<ExprId, usize>,
        out: &mut Diagrams,
        depth: usize,
    ) -> Result<Id, GiveUp> {
        if then == or_else {
            return Ok(then);
        }
        if let Some(&id) = self.done.get(&(then, or_else)) {
            return Ok(id);
        }
        if depth > MOST_NESTED {
            return Err(Bail::TooLarge.into());
        }
        let place = |out: &Diagrams, id| match out.get(id) {
            Node::Test(field, _) => order.get(field).map(|&o| (o, *field)),
            _ => None,
        };
        let mine = order.get(&self.field).map(|&o| (o, self.field));
        let top = [place(out, then), place(out, or_else), mine].into_iter().flatten().min();
        let field = top.map_or(self.field, |t| t.1);
        let whole = |id| vec![(0, id)];
        let parts = |out: &Diagrams, id| match out.get(id) {
            Node::Test(f, ranges) if *f == field => ranges.to_vec(),
            _ => whole(id),
        };
        let (a, b) = (parts(out, then), parts(out, or_else));
        out.spend(a.len() + b.len())?;
        let mut ranges = Vec::with_capacity(a.len() + b.len());
        if field == self.field {
            out.spend(self.set.len())?;
            let mut inside = Vec::with_capacity(2 * self.set.len() + 1);
            inside.push((0, 0));
            for &(from, to) in self.set.iter() {
                inside.pop_if(|last| last.0 == from);
                inside.push((from, 1));
                inside.extend(to.checked_add(1).map(|next| (next, 0)));
            }
            let both = zip(&a, &b);
            for (start, (pair, inside)) in zip_with(&both, &inside) {
                ranges.push((start, if inside == 1 { pair.0 } else { pair.1 }));
            }
        } else {
            for (start, (t, e)) in zip(&a, &b) {
                ranges.push((start, self.pair(t, e, order, out, depth + 1)?));
            }
        }
        let id = out.test(field, ranges);
        self.done.insert((then, or_else), id);
        Ok(id)
    }
}

fn zip(a: &[(u32, Id)], b: &[(u32, Id)]) -> Vec<(u32, (Id, Id))> {
    zip_with(a, b)
}

/// Two partitions as one.
fn zip_with<A: Copy, B: Copy>(a: &[(u32, A)], b: &[(u32, B)]) -> Vec<(u32, (A, B))> {
    let mut out = Vec::with_capacity(a.len() + b.len());
    let (mut i, mut j) = (0, 0);
    // Both begin at 0.
    while i < a.len() && j < b.len() {
        out.push((a[i].0.max(b[j].0), (a[i].1, b[j].1)));
        let next = |all_next: Option<u32>| all_next.map_or(u64::from(u32::MAX) + 1, u64::from);
        let (ends_a, ends_b) = (next(a.get(i + 1).map(|r| r.0)), next(b.get(j + 1).map(|r| r.0)));
        if ends_a <= ends_b {
            i += 1;
        }
        if ends_b <= ends_a {
            j += 1;
        }
    }
    out
}
