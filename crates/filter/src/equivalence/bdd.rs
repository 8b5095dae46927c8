//! Binary decision diagrams: functions of bits, each held once, so that equal functions are the same number.
//!
//! Prior art: Bryant, "Graph-Based Algorithms for Boolean Function Manipulation" (1986); Brace, Rudell, Bryant (the
//! cached if-then-else). Nodes are never freed: a comparison makes one manager and drops it whole. Both the nodes and the
//! work are limited, and so is the number of variables, which bounds the recursion.

use rustc_hash::{FxHashMap as HashMap, FxHashSet as HashSet};

/// A function, by the index of its node.
pub(super) type Ref = u32;

pub(super) const FALSE: Ref = 0;
pub(super) const TRUE: Ref = 1;

/// Nodes that one comparison may make.
const MOST_NODES: usize = 1_000_000;
/// Steps of if-then-else.
const MOST_WORK: usize = 3_000_000;
/// Variables; no diagram is deeper.
const MOST_VARIABLES: usize = 3_000;

/// There are limits, and this is beyond them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLarge;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Node {
    /// The variable: those of lower levels are asked first.
    pub(super) level: u32,
    pub(super) low: Ref,
    pub(super) high: Ref,
}

/// All functions of a comparison.
#[derive(Debug)]
pub(super) struct Bdd {
    nodes: Vec<Node>,
    known: HashMap<Node, Ref>,
    chosen: HashMap<(Ref, Ref, Ref), Ref>,
    variables: HashSet<u32>,
}

impl Bdd {
    pub(super) fn new() -> Self {
        // The ends have a place, below all variables.
        let end = |at| Node { level: u32::MAX, low: at, high: at };
        Self {
            nodes: vec![end(FALSE), end(TRUE)],
            known: HashMap::default(),
            chosen: HashMap::default(),
            variables: HashSet::default(),
        }
    }

    pub(super) fn get(&self, at: Ref) -> Node {
        self.nodes[at as usize]
    }

    /// The function that is the variable of a level.
    pub(super) fn variable(&mut self, level: u32) -> Result<Ref, TooLarge> {
        self.variables.insert(level);
        if self.variables.len() > MOST_VARIABLES {
            return Err(TooLarge);
        }
        self.node(level, FALSE, TRUE)
    }

    fn node(&mut self, level: u32, low: Ref, high: Ref) -> Result<Ref, TooLarge> {
        if low == high {
            return Ok(low);
        }
        let node = Node { level, low, high };
        if let Some(&there) = self.known.get(&node) {
            return Ok(there);
        }
        if self.nodes.len() >= MOST_NODES {
            return Err(TooLarge);
        }
        self.nodes.push(node);
        let at = (self.nodes.len() - 1) as Ref;
        self.known.insert(node, at);
        Ok(at)
    }

    /// `yes` where `cond` holds, else `no`.
    pub(super) fn choose(&mut self, cond: Ref, yes: Ref, no: Ref) -> Result<Ref, TooLarge> {
        let yes = if yes == cond { TRUE } else { yes };
        let no = if no == cond { FALSE } else { no };
        match (cond, yes, no) {
            (TRUE, ..) => return Ok(yes),
            (FALSE, ..) => return Ok(no),
            (_, TRUE, FALSE) => return Ok(cond),
            _ if yes == no => return Ok(yes),
            _ => {}
        }
        if let Some(&there) = self.chosen.get(&(cond, yes, no)) {
            return Ok(there);
        }
        if self.chosen.len() >= MOST_WORK {
            return Err(TooLarge);
        }
        let nodes = [cond, yes, no].map(|at| self.get(at));
        let level = nodes[0].level.min(nodes[1].level).min(nodes[2].level);
        let mut half = |high: bool| {
            let side = |at: usize| match nodes[at] {
                node if node.level != level => [cond, yes, no][at],
                node if high => node.high,
                node => node.low,
            };
            let (cond, yes, no) = (side(0), side(1), side(2));
            self.choose(cond, yes, no)
        };
        let (low, high) = (half(false)?, half(true)?);
        let at = self.node(level, low, high)?;
        self.chosen.insert((cond, yes, no), at);
        Ok(at)
    }

    pub(super) fn and(&mut self, a: Ref, b: Ref) -> Result<Ref, TooLarge> {
        self.choose(a, b, FALSE)
    }

    pub(super) fn or(&mut self, a: Ref, b: Ref) -> Result<Ref, TooLarge> {
        self.choose(a, TRUE, b)
    }

    pub(super) fn not(&mut self, a: Ref) -> Result<Ref, TooLarge> {
        self.choose(a, FALSE, TRUE)
    }

    pub(super) fn xor(&mut self, a: Ref, b: Ref) -> Result<Ref, TooLarge> {
        let not = self.not(b)?;
        self.choose(a, not, b)
    }

    /// The variables that are set and cleared on one way to [`TRUE`], cleared ones where there is a choice; none for a
    /// function that is never true. Variables that are not named may be either.
    pub(super) fn solution(&self, mut at: Ref) -> Option<Vec<(u32, bool)>> {
        let mut out = Vec::new();
        while at > TRUE {
            let node = self.get(at);
            let high = node.low == FALSE;
            out.push((node.level, high));
            at = if high { node.high } else { node.low };
        }
        (at == TRUE).then_some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_functions_are_one() -> Result<(), TooLarge> {
        let mut bdd = Bdd::new();
        let (a, b, c) = (bdd.variable(3)?, bdd.variable(1)?, bdd.variable(2)?);
        // a and (b or c), and its other form.
        let either = bdd.or(b, c)?;
        let first = bdd.and(a, either)?;
        let (ab, ac) = (bdd.and(a, b)?, bdd.and(a, c)?);
        let second = bdd.or(ab, ac)?;
        assert_eq!(first, second);
        assert_eq!(bdd.xor(first, second)?, FALSE);
        let other = bdd.xor(first, ab)?;
        assert_eq!(bdd.solution(other), Some(vec![(1, false), (2, true), (3, true)]));
        assert_eq!(bdd.solution(FALSE), None);
        Ok(())
    }

    #[test]
    fn variables_are_limited() {
        let mut bdd = Bdd::new();
        assert!((0..MOST_VARIABLES as u32).all(|n| bdd.variable(n).is_ok()));
        assert_eq!(bdd.variable(MOST_VARIABLES as u32), Err(TooLarge));
    }
}
