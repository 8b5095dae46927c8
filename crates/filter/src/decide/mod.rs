//! Better code from the same filter: every field looked at once, lists as balanced search trees.
//!
//! The compiler's graph, not optimised, is run on symbols ([`steps`]), which gives a graph of comparisons of fields with
//! constants. Of that a decision diagram is made ([`diagram`]): a node looks at one field and has one child for each range
//! of its values. Diagrams become code ([`emit`]): a load, then a binary search.
//!
//! The packets that are taken are the same, truncated ones included. A filter ends without taking a packet as soon as it
//! loads what is not there; so each way to acceptance knows what the filter loaded on it ([`expr::Needs`]), and the code
//! makes sure of those bytes before it accepts. The other way round, a diagram that would look at a field where the filter
//! took a packet without it is given up ([`GiveUp`]), as is whatever is too large; libpcap's code stands in then.
//!
//! Prior art: multi-valued decision diagrams (Kam, Villa, Brayton, Sangiovanni-Vincentelli), and BPF+ (Begel, McCanne,
//! Graham), which merged checks by dataflow.

mod diagram;
mod emit;
pub(crate) mod expr;
pub(crate) mod steps;

use skep_isa::classic::Insn;

use crate::graph::Graph;

pub(crate) use steps::effects;

/// Comparisons that a filter may have.
const MOST_STEPS: usize = 400_000;
/// Work on a diagram before it is given up.
const MOST_WORK: usize = 20_000_000;

/// Why no better code was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bail {
    /// An instruction or a comparison that this does not follow.
    Unknown,
    /// An expression that takes more memory words than there are.
    TooDeep,
    TooLarge,
    /// A field would be looked at on a way that the filter took without it.
    Order,
}

/// No better code; the reason is for whoever debugs this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GiveUp {
    #[allow(dead_code, reason = "shown by Debug")]
    why: Bail,
}

impl From<Bail> for GiveUp {
    fn from(why: Bail) -> Self {
        Self { why }
    }
}

/// Code that takes the same packets as a graph that was not optimised.
///
/// # Errors
/// If the filter is not one that this follows, is too large, or has more than `longest` instructions.
pub(crate) fn decide(graph: &Graph, longest: usize) -> Result<Vec<Insn>, GiveUp> {
    let mut symbols = steps::symbols(graph)?;
    let (diagrams, root) = diagram::diagram(&mut symbols)?;
    emit::emit(&symbols, diagrams, root, longest)
}
