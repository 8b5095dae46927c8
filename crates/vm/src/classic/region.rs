//! Stretches of a filter that do nothing but compare A with constants: what they decide, however they go about it.
//!
//! A list of hosts or ports becomes such a stretch, as a tree or as a chain. From where it is entered, each of its ends
//! takes certain values of A. They are found by sending all values through, an instruction at a time in order,
//! which works since classic jumps go forward only. Where there are two ends, one comparison with a set may do for all.

use skep_isa::classic::{Cond, Op, Source};
use std::collections::BTreeMap;

/// A stretch with two ends, as it was entered at one instruction.
pub(super) struct Choice {
    /// Ranges of values that go to `hit`, both ends included: those that are no single values.
    pub(super) ranges: Vec<[u32; 2]>,
    /// Single values that go to `hit`, none of which is 0.
    pub(super) singles: Vec<u32>,
    /// Where these go on.
    pub(super) hit: usize,
    /// Where all others do.
    pub(super) miss: usize,
}

/// Disjoint ranges: first to last.
type Values = BTreeMap<u32, u32>;

/// How few comparisons are left as they are.
const FEW: usize = 10;
/// A range of so many values at most is taken apart.
const SHORT: u32 = 8;
/// How many ranges a choice has at most.
const MAX_RANGES: usize = 4;

/// What is decided from an instruction on. Looking takes from `effort`, which is shared by all that are
/// tried in one filter.
pub(super) fn choice(ops: &[Op], at: usize, effort: &mut usize) -> Option<Choice> {
    let ends = ends(ops, at, effort)?;
    let [(a, in_a), (b, in_b)] = <[_; 2]>::try_from(ends).ok()?;
    let span = |values: &Values| values.iter().map(|(first, last)| u64::from(last - first) + 1).sum::<u64>();
    let (hit, values, miss) = if span(&in_a) <= span(&in_b) { (a, in_a, b) } else { (b, in_b, a) };
    let mut choice = Choice { ranges: Vec::new(), singles: Vec::new(), hit, miss };
    for [first, last] in joined(&values) {
        match last - first {
            // A hash has no place for 0.
            0..SHORT if first != 0 => choice.singles.extend(first..=last),
            _ => choice.ranges.push([first, last]),
        }
    }
    (choice.singles.len() >= FEW && choice.ranges.len() <= MAX_RANGES).then_some(choice)
}

/// The instructions where the stretch ends, with the values that get there; none if it is short.
fn ends(ops: &[Op], at: usize, effort: &mut usize) -> Option<Vec<(usize, Values)>> {
    let mut waiting = BTreeMap::from([(at, Values::from([(0, u32::MAX)]))]);
    let mut ends = Vec::new();
    let mut comparisons = 0;
    while let Some((at, mut values)) = waiting.pop_first() {
        let target = |distance: usize| at + 1 + distance;
        match *ops.get(at)? {
            Op::Jump { k } => send(&mut waiting, target(k as usize), values),
            Op::Branch { cond: cond @ (Cond::Eq | Cond::Gt | Cond::Ge), src: Source::K(k), jt, jf } => {
                comparisons += 1;
                let holds = split(&mut values, cond, k);
                *effort = effort.checked_sub(1 + holds.len())?;
                send(&mut waiting, target(jt.into()), holds);
                send(&mut waiting, target(jf.into()), values);
            }
            _ => ends.push((at, values)),
        }
        // More than two ends are of no use; ends do not grow fewer.
        if ends.len() > 2 {
            return None;
        }
    }
    (comparisons >= FEW).then_some(ends)
}

/// Adds values to what waits at an instruction.
fn send(waiting: &mut BTreeMap<usize, Values>, to: usize, mut values: Values) {
    if values.is_empty() {
        return;
    }
    let there = waiting.entry(to).or_default();
    if there.len() < values.len() {
        std::mem::swap(there, &mut values);
    }
    there.extend(values);
}

/// Takes the values out for which a condition holds.
fn split(values: &mut Values, cond: Cond, k: u32) -> Values {
    match cond {
        Cond::Eq => {
            let range = values.range(..=k).next_back().filter(|(_, last)| **last >= k);
            let Some((&first, &last)) = range else { return Values::new() };
            values.remove(&first);
            if first < k {
                values.insert(first, k - 1);
            }
            if k < last {
                values.insert(k + 1, last);
            }
            Values::from([(k, k)])
        }
        Cond::Gt => k.checked_add(1).map_or_else(Values::new, |next| above(values, next)),
        _ => above(values, k),
    }
}

/// Takes the values out that are `k` or more.
fn above(values: &mut Values, k: u32) -> Values {
    let mut out = values.split_off(&k);
    if let Some(mut entry) = values.last_entry()
        && *entry.get() >= k
    {
        out.insert(k, std::mem::replace(entry.get_mut(), k - 1));
    }
    out
}

/// The ranges, neighbours joined.
fn joined(values: &Values) -> Vec<[u32; 2]> {
    let mut out: Vec<[u32; 2]> = Vec::new();
    for (&first, &last) in values {
        match out.last_mut() {
            Some([_, end]) if end.checked_add(1) == Some(first) => *end = last,
            _ => out.push([first, last]),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use skep_isa::classic::Insn;
    use skep_isa::classic::text::parse;

    fn of(text: &str) -> Option<Choice> {
        let insns: Vec<Insn> = parse(text).expect("text");
        let ops: Vec<Op> = insns.iter().map(|&insn| Op::decode(insn).expect("an op")).collect();
        choice(&ops, 1, &mut 1000)
    }

    #[test]
    fn chains_and_ranges_are_seen_through() {
        let mut text = String::from("ld [26]\n");
        for n in 0..12 {
            text += &format!("jeq #{}, yes\n", n * 10);
        }
        text += "jlt #1000, no\njgt #2000, no\nja yes\nno: ret #0\nyes: ret #1";
        let choice = of(&text).expect("a choice");
        assert_eq!(choice.singles, Vec::from_iter((1..12).map(|n| n * 10)));
        assert_eq!(choice.ranges, [[0, 0], [1000, 2000]]);
        assert_eq!((choice.hit, choice.miss), (17, 16));
    }

    #[test]
    fn three_ends_are_no_choice() {
        let chain: String = (0..12).map(|n| format!("jeq #{n}, {}\n", ["a", "b"][n % 2])).collect();
        assert!(of(&format!("ld [26]\n{chain}ret #0\na: ret #1\nb: ret #2")).is_none());
        assert!(of("ld [26]\njeq #1, a\nret #0\na: ret #1").is_none(), "nothing to gain");
    }
}
