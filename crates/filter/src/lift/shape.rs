//! A graph of questions as a formula: neighbours that decide together become one question, until one is left.
//!
//! Two questions that share an exit are an `and` or an `or`; one that chooses between two that have the same exits is a
//! choice. What is entered from several places and fits nowhere is copied, as long as that is affordable.

use std::collections::BTreeMap;

use skep_isa::classic::{Cond, Source};

use super::formula::{Formula, Rules, and, choice, is_in, not, or, size};
use crate::decide::expr::{Expr, ExprId, Exprs};
use crate::decide::steps::comparison;
use crate::equivalence::walk::{ACCEPT, Node, NodeId, Questions, REJECT};
use crate::explain::flow::{plain_question, plain_value};

/// A formula that grows beyond this is not worth reading.
const MOST: usize = 30_000;

/// Questions put together, and where they lead.
#[derive(Clone, Debug)]
struct Group {
    formula: Formula,
    yes: NodeId,
    no: NodeId,
}

/// The formula of a program; none if it would be too long. With `guards` it asks for bytes that are loaded for their own
/// sake, too.
pub(super) fn formula(questions: &mut Questions, root: NodeId, guards: bool) -> Option<Formula> {
    match root {
        ACCEPT => return Some(Formula::True),
        REJECT => return Some(Formula::False),
        _ => {}
    }
    let mut shape = Shape::new(questions, root, guards);
    shape.reduce(Rules { exprs: &questions.exprs, ordered: guards })
}

#[derive(Debug)]
struct Shape {
    root: NodeId,
    /// By number; what leads on has a higher number than where it leads, but for copies.
    groups: BTreeMap<NodeId, Group>,
    /// How many ways lead to each.
    entered: BTreeMap<NodeId, usize>,
    next: NodeId,
}

impl Shape {
    fn new(questions: &mut Questions, root: NodeId, guards: bool) -> Self {
        let mut shape =
            Self { root: REJECT, groups: BTreeMap::new(), entered: BTreeMap::new(), next: root + 1 };
        let mut stack = vec![root];
        let resolved = |nodes: &[Node], mut id: NodeId| {
            while let (false, Node::There(_, next)) = (guards, nodes[id as usize]) {
                id = next;
            }
            id
        };
        shape.root = resolved(&questions.nodes, root);
        while let Some(id) = stack.pop() {
            let id = resolved(&questions.nodes, id);
            if id <= ACCEPT || shape.groups.contains_key(&id) {
                continue;
            }
            let group = match questions.nodes[id as usize] {
                Node::Test(cond, a, b, yes, no) => {
                    let formula = question(&mut questions.exprs, cond, a, b);
                    Group {
                        formula,
                        yes: resolved(&questions.nodes, yes),
                        no: resolved(&questions.nodes, no),
                    }
                }
                Node::There(load, next) => {
                    let formula =
                        if asked_soon(questions, load, next) { Formula::True } else { Formula::There(load) };
                    Group { formula, yes: next, no: REJECT }
                }
                Node::End => continue,
            };
            stack.extend([group.yes, group.no]);
            shape.groups.insert(id, group);
        }
        shape.count();
        shape
    }

    fn count(&mut self) {
        self.entered.clear();
        for group in self.groups.values() {
            for to in [group.yes, group.no] {
                *self.entered.entry(to).or_default() += 1;
            }
        }
        *self.entered.entry(self.root).or_default() += 1;
    }

    fn reduce(&mut self, rules: Rules<'_>) -> Option<Formula> {
        let mut copied = 0;
        loop {
            let mut changed = true;
            while changed {
                changed = false;
                let ids: Vec<NodeId> = self.groups.keys().copied().collect();
                for id in ids {
                    while self.groups.contains_key(&id) && self.put_together(rules, id) {
                        changed = true;
                    }
                }
            }
            let root = self.groups.get(&self.root)?;
            match (root.yes, root.no) {
                (ACCEPT, REJECT) => return Some(root.formula.clone()),
                (REJECT, ACCEPT) => return Some(not(rules, root.formula.clone())),
                _ => {}
            }
            copied += self.copy()?;
            if copied > MOST {
                return None;
            }
        }
    }

    /// A group that nothing but one way leads to.
    fn alone(&self, id: NodeId) -> Option<Group> {
        let alone = id > ACCEPT && self.entered.get(&id) == Some(&1);
        alone.then(|| self.groups.get(&id).cloned()).flatten()
    }

    fn left(&mut self, id: NodeId) {
        if let Some(count) = self.entered.get_mut(&id) {
            *count -= 1;
        }
    }

    /// Puts a group together with one or two that it leads to.
    fn put_together(&mut self, rules: Rules<'_>, id: NodeId) -> bool {
        let Some(group) = self.groups.get(&id).cloned() else { return false };
        if group.formula == Formula::True || group.formula == Formula::False || group.yes == group.no {
            return self.decided(id, &group);
        }
        for (to, other, goes) in [(group.yes, group.no, true), (group.no, group.yes, false)] {
            let Some(next) = self.alone(to) else { continue };
            if other != next.yes && other != next.no {
                continue;
            }
            let goes = if goes { group.formula.clone() } else { not(rules, group.formula.clone()) };
            let formula = if other == next.no {
                and(goes, next.formula)
            } else {
                or(rules, not(rules, goes), next.formula)
            };
            self.groups.remove(&to);
            self.groups.insert(id, Group { formula, yes: next.yes, no: next.no });
            self.left(other);
            return true;
        }
        let (Some(yes), Some(no)) = (self.alone(group.yes), self.alone(group.no)) else { return false };
        let other = match ((yes.yes, yes.no), (no.yes, no.no)) {
            (a, b) if a == b => no.formula,
            (a, (y, n)) if a == (n, y) => not(rules, no.formula),
            _ => return false,
        };
        let formula = choice(rules, group.formula, yes.formula, other);
        self.groups.remove(&group.yes);
        self.groups.remove(&group.no);
        self.groups.insert(id, Group { formula, yes: yes.yes, no: yes.no });
        self.left(yes.yes);
        self.left(yes.no);
        true
    }

    /// Leads past a group that decides nothing.
    fn decided(&mut self, id: NodeId, group: &Group) -> bool {
        let to = if group.formula == Formula::False { group.no } else { group.yes };
        if id == self.root {
            if to <= ACCEPT {
                let formula = if to == ACCEPT { Formula::True } else { Formula::False };
                let done = Group { formula, yes: ACCEPT, no: REJECT };
                let changed = self.groups.get(&id).is_some_and(|g| (g.yes, g.no) != (ACCEPT, REJECT));
                self.groups.insert(id, done);
                return changed;
            }
            self.root = to;
        }
        self.groups.remove(&id);
        for other in self.groups.values_mut() {
            for exit in [&mut other.yes, &mut other.no] {
                if *exit == id {
                    *exit = to;
                }
            }
        }
        self.count();
        true
    }

    /// Copies the smallest group that several ways lead to; how much that was.
    fn copy(&mut self) -> Option<usize> {
        let shared = self.groups.iter().filter(|(id, _)| self.entered.get(id).is_some_and(|&n| n > 1));
        let ends = |group: &Group| group.yes <= ACCEPT && group.no <= ACCEPT;
        let (&id, _) = shared.min_by_key(|(id, g)| (!ends(g), size(&g.formula), **id))?;
        let group = self.groups.get(&id)?.clone();
        let mut cost = 1;
        let users: Vec<NodeId> =
            self.groups.iter().filter(|(_, g)| g.yes == id || g.no == id).map(|(&user, _)| user).collect();
        // The first keeps the group itself.
        let mut first = id != self.root;
        for user in users {
            for yes in [true, false] {
                let Some(at) = self.groups.get_mut(&user) else { continue };
                let exit = if yes { &mut at.yes } else { &mut at.no };
                if *exit != id || std::mem::take(&mut first) {
                    continue;
                }
                *exit = self.next;
                cost += size(&group.formula);
                self.groups.insert(self.next, group.clone());
                self.next += 1;
            }
        }
        self.count();
        Some(cost)
    }
}

/// A comparison as a formula.
fn question(exprs: &mut Exprs, cond: Cond, a: ExprId, b: ExprId) -> Formula {
    // Constants stand to the right.
    let (cond, a, b) = match (cond, exprs.get(a), exprs.get(b)) {
        (Cond::Eq | Cond::Set, Expr::Const(_), _) => (cond, b, a),
        _ => (cond, a, b),
    };
    if cond == Cond::Set && !matches!(exprs.get(b), Expr::Const(_)) {
        return Formula::Compare(cond, a, b);
    }
    match comparison(exprs, cond, Source::X, (a, b)) {
        Ok(asks) => {
            let (field, range) = plain_question(exprs, asks);
            let field = plain(exprs, field, 0);
            if let Expr::Const(k) = exprs.get(field) {
                let holds = range.is_some_and(|r| (r.0..=r.1).contains(&k));
                return if holds { Formula::True } else { Formula::False };
            }
            is_in(exprs, field, range.as_slice())
        }
        Err(_) => Formula::Compare(cond, plain(exprs, a, 0), plain(exprs, b, 0)),
    }
}

/// Arithmetic nests no deeper in what filters ask.
const DEEPEST: usize = 100;

/// A value in the form that the optimisers leave.
fn plain(exprs: &mut Exprs, id: ExprId, depth: usize) -> ExprId {
    if depth == DEEPEST {
        return id;
    }
    let made = match exprs.get(id) {
        Expr::Ind(size, k, base) => Expr::Ind(size, k, plain(exprs, base, depth + 1)),
        Expr::Alu(op, a, b) => {
            let (a, b) = (plain(exprs, a, depth + 1), plain(exprs, b, depth + 1));
            Expr::Alu(op, a, b)
        }
        Expr::Neg(a) => Expr::Neg(plain(exprs, a, depth + 1)),
        whole => whole,
    };
    let made = exprs.make(made);
    plain_value(exprs, made)
}

/// Whether a load is part of the question that comes next, or reaches no further than that does.
fn asked_soon(questions: &mut Questions, load: ExprId, mut at: NodeId) -> bool {
    loop {
        match questions.nodes[at as usize] {
            Node::There(_, next) => at = next,
            Node::Test(cond, a, b, ..) => {
                // What is decided without a look is not asked.
                let asked = question(&mut questions.exprs, cond, a, b);
                let needs = questions.exprs.needs(load);
                return !matches!(asked, Formula::True | Formula::False)
                    && [a, b].iter().any(|&e| questions.exprs.needs(e).cover(needs));
            }
            Node::End => return false,
        }
    }
}
