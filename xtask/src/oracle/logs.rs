//! The logs of states of both verifiers, line by line.
//!
//! Left out are addresses, names of maps, and what the kernel at level 2 also tells of the liveness of the stack and of the types of the
//! program's own argument.

use std::collections::BTreeMap;
use std::fmt;

/// What came of it.
#[derive(Default)]
pub struct Logs {
    /// Programs whose logs were compared.
    pub compared: usize,
    /// The same in every line.
    pub same: usize,
    /// Lines of the kernel's.
    pub lines: usize,
    /// Those that skep has in the same place.
    pub same_lines: usize,
    /// The first line that differs, by kind: how often, and an example.
    pub kinds: BTreeMap<String, (usize, String)>,
}

/// Kinds of difference that are shown.
const SHOWN: usize = 24;

impl Logs {
    /// Counts a program in.
    pub fn add(&mut self, name: &str, theirs: &str, ours: &str) {
        let (theirs, ours) = (states(theirs), states(ours));
        self.compared += 1;
        self.lines += theirs.len();
        let same = theirs.iter().zip(&ours).take_while(|(a, b)| a == b).count();
        self.same_lines += common(&theirs, &ours);
        if theirs == ours {
            self.same += 1;
            return;
        }
        let at = |lines: &[String]| lines.get(same).cloned().unwrap_or_default();
        let (a, b) = (at(&theirs), at(&ours));
        let kind = kind(&a, &b);
        let before = same.checked_sub(1).and_then(|n| theirs.get(n)).cloned().unwrap_or_default();
        let example = format!("{name}\n      after:  {before}\n      kernel: {a}\n      skep:   {b}");
        self.kinds.entry(kind).or_insert((0, example)).0 += 1;
    }

    /// Adds another's figures.
    pub fn merge(&mut self, other: &Self) {
        self.compared += other.compared;
        self.same += other.same;
        self.lines += other.lines;
        self.same_lines += other.same_lines;
        for (kind, (n, example)) in &other.kinds {
            self.kinds.entry(kind.clone()).or_insert((0, example.clone())).0 += n;
        }
    }
}

impl fmt::Display for Logs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = |n: usize, of: usize| 100.0 * n as f64 / of.max(1) as f64;
        writeln!(
            f,
            "logs: {} of {} programs the same ({:.1} %), {} of {} lines ({:.1} %)",
            self.same,
            self.compared,
            share(self.same, self.compared),
            self.same_lines,
            self.lines,
            share(self.same_lines, self.lines)
        )?;
        let mut kinds: Vec<_> = self.kinds.iter().collect();
        kinds.sort_by_key(|(_, (n, _))| std::cmp::Reverse(*n));
        for (kind, (n, example)) in kinds.into_iter().take(SHOWN) {
            writeln!(f, "  {n:5} {kind}: {example}")?;
        }
        Ok(())
    }
}

/// How far lines that differ are looked around for some that do not.
const AROUND: usize = 24;

/// Lines that both have in the same order, as far as short insertions go.
fn common(a: &[String], b: &[String]) -> usize {
    let (mut i, mut j, mut n) = (0, 0, 0);
    while i < a.len() && j < b.len() {
        if a[i] == b[j] {
            (i, j, n) = (i + 1, j + 1, n + 1);
            continue;
        }
        let steps = (1..AROUND).flat_map(|d| (0..=d).map(move |x| (x, d - x)));
        let next =
            steps.map(|(x, y)| (i + x, j + y)).find(|(x, y)| a.get(*x).is_some_and(|l| b.get(*y) == Some(l)));
        (i, j) = next.unwrap_or((i + 1, j + 1));
    }
    n
}

/// Beginnings of lines that are no states.
const REMARKS: [&str; 3] = ["processed ", "verification time ", "stack depth "];

/// The lines that tell states and instructions, with runs of spaces as one.
fn states(log: &str) -> Vec<String> {
    log.lines().filter(|l| !is_remark(l)).map(plain).filter(|l| !l.is_empty()).collect()
}

fn is_remark(line: &str) -> bool {
    // What the kernel tells of the liveness of the stack begins with the chain of calls.
    line.starts_with('(') || REMARKS.iter().any(|r| line.starts_with(r))
}

/// A line without addresses of the kernel's and names of maps, which are made without, and with single spaces.
fn plain(line: &str) -> String {
    let word = |w: &str| match w.strip_prefix("0xffff") {
        Some(rest) if rest.len() == 12 => "0x0".to_owned(),
        _ => match w.split_once("map=").and_then(|(head, rest)| Some((head, rest.split_once(',')?.1))) {
            Some((head, rest)) => format!("{head}{rest}"),
            None => w.to_owned(),
        },
    };
    line.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

/// What sort of line it is that differs.
fn kind(theirs: &str, ours: &str) -> String {
    let word = |l: &str| match l {
        "" => "nothing".to_owned(),
        l if l.starts_with("from ") => "a path taken up".into(),
        l if l.starts_with("mark_precise") || l.contains("propagating") => "precision".into(),
        l if l.starts_with("SCC ") => "a loop".into(),
        l if l.starts_with("; ") => "a line of source".into(),
        l if l.contains("(85) call") => "a call".into(),
        l if l.contains(": (") => match l.split_once(" ; ") {
            Some(_) => "an instruction with what it did".into(),
            None => "an instruction".into(),
        },
        l if l.contains(": safe") => "a path that is covered".into(),
        l if l.contains(": R") || l.starts_with("frame") || l.starts_with("R") => "a state".into(),
        _ => "a remark".into(),
    };
    let (a, b) = (word(theirs), word(ours));
    let code = |l: &str| l.split_once(": (").map(|(_, rest)| rest[..2.min(rest.len())].to_owned());
    let a = code(theirs).map_or(a.clone(), |c| format!("{a} ({c})"));
    let b = code(ours).map_or(b.clone(), |c| format!("{b} ({c})"));
    if a == b { format!("{a} differs") } else { format!("{a} where skep has {b}") }
}

#[cfg(test)]
mod tests {
    use super::{Logs, states};

    #[test]
    fn remarks_and_addresses_are_left_out() {
        let log = "0: (18) r1 = 0xffff888104378400       ; R1=map_ptr(ks=4)\n\n\
                   (0) frame 0 insn 5 +live -8\nprocessed 3 insns\n";
        assert_eq!(states(log), ["0: (18) r1 = 0x0 ; R1=map_ptr(ks=4)"]);
    }

    #[test]
    fn differences_are_counted_by_kind() {
        let mut logs = Logs::default();
        logs.add("a", "0: (95) exit\n1: safe\n", "0: (95) exit\n1: safe\n");
        logs.add("b", "0: (95) exit\n1: safe\n", "0: (95) exit\n");
        assert_eq!((logs.compared, logs.same, logs.lines, logs.same_lines), (2, 1, 4, 3));
        assert_eq!(logs.kinds.keys().collect::<Vec<_>>(), ["a path that is covered where skep has nothing"]);
    }
}
