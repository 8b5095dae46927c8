//! What a comparison came to.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A program on which the two differ.
#[derive(Clone, Debug)]
pub struct Difference {
    /// Its seed.
    pub seed: u64,
    /// What the kernel said.
    pub kernel: String,
    /// What skep said.
    pub skep: String,
    /// The smallest program that was found to show it, as assembly.
    pub program: String,
}

/// What came of it.
#[derive(Default, Debug)]
pub struct Figures {
    /// Programs made.
    pub programs: u64,
    /// Accepted by the kernel.
    pub accepted: u64,
    /// Left out: the kernel may not load such programs here, and said nothing.
    pub no_verdict: u64,
    /// Not modelled, by what was not.
    pub not_modelled: BTreeMap<String, u64>,
    /// Same verdict, other errno: the seeds.
    pub other_errno: Vec<u64>,
    /// Same verdict, other count of processed instructions: the seeds.
    pub other_counts: Vec<u64>,
    /// Accepted against the kernel.
    pub false_accepts: Vec<Difference>,
    /// Refused against the kernel.
    pub false_rejects: Vec<Difference>,
    /// How many of either there were of each kind, by who refuses and why.
    pub kinds: BTreeMap<String, u64>,
    /// Messages of the kernel, names and numbers left out, and how often.
    pub messages: BTreeMap<String, u64>,
    /// Helpers that accepted programs call.
    pub helpers: BTreeSet<i32>,
    /// Microseconds that the kernel took, and skep.
    pub times: (u128, u128),
    /// The longest that skep took over one program: microseconds, and its seed.
    pub slowest: (u128, u64),
}

/// How many seeds of one kind are shown.
const SEEDS: usize = 16;

/// Who refuses, in the name of a kind.
pub(super) const KERNEL: &str = "kernel: ";
pub(super) const SKEP: &str = "skep: ";

/// A message without what differs from program to program: numbers, registers, names and kinds.
pub(super) fn plain(message: &str) -> String {
    let words = message.split_whitespace().map(|word| {
        if word.starts_with("type=") || word.starts_with("expected=") {
            return word[..=word.find('=').unwrap_or(0)].to_owned();
        }
        if word.contains("bpf_") && word.contains('#') {
            return "FUNC".to_owned();
        }
        // Numbers, and whatever is computed from them, are one and the same.
        let mut out = String::new();
        let mut in_number = false;
        for c in word.chars() {
            in_number = c.is_ascii_digit() || in_number && (c.is_ascii_hexdigit() || "x+-();".contains(c));
            match in_number {
                true if out.ends_with('N') => {}
                true => out.push('N'),
                false if "-(+".contains(c) => {}
                false => out.push(c),
            }
        }
        out
    });
    let mut kept: Vec<String> = Vec::new();
    let mut in_kinds = false;
    for word in words {
        // The list of kinds after `expected=`.
        if in_kinds
            && matches!(word.trim_end_matches(','), "pkt" | "pkt_meta" | "map_key" | "map_value" | "mem")
        {
            continue;
        }
        in_kinds = in_kinds && word.ends_with('_') || word == "expected=";
        if !(word == "N" && kept.last().is_some_and(|k| k == "N")) {
            kept.push(word);
        }
    }
    let text = kept.join(" ");
    text.chars().take(100).collect()
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "programs               {:9}", self.programs)?;
        writeln!(f, "accepted by the kernel {:9}", self.accepted)?;
        writeln!(f, "without a verdict      {:9}", self.no_verdict)?;
        let n: u64 = self.not_modelled.values().sum();
        writeln!(f, "not modelled           {n:9} {:?}", self.not_modelled)?;
        for (what, seeds) in [("errno", &self.other_errno), ("counts", &self.other_counts)] {
            let shown = &seeds[..seeds.len().min(SEEDS)];
            writeln!(f, "other {what:6}           {:9} {shown:?}", seeds.len())?;
        }
        writeln!(f, "distinct messages      {:9}", self.messages.len())?;
        let mut often: Vec<_> = self.messages.iter().map(|(m, n)| (*n, m)).collect();
        often.sort_unstable_by(|a, b| b.cmp(a));
        for (n, message) in often {
            writeln!(f, "    {n:9} {message}")?;
        }
        writeln!(f, "helpers                {:9}", self.helpers.len())?;
        writeln!(f, "kernel, skep           {:9} ms, {} ms", self.times.0 / 1000, self.times.1 / 1000)?;
        writeln!(f, "longest by skep        {:9} us, seed {}", self.slowest.0, self.slowest.1)?;
        let of = |who: &str| self.kinds.iter().filter(|k| k.0.starts_with(who)).map(|k| k.1).sum::<u64>();
        writeln!(f, "false accepts          {:9}", of(KERNEL))?;
        writeln!(f, "false rejects          {:9}", of(SKEP))?;
        for (kind, n) in &self.kinds {
            writeln!(f, "    {n:9} {kind}")?;
        }
        for (kind, all) in [("accept", &self.false_accepts), ("reject", &self.false_rejects)] {
            for d in all {
                writeln!(f, "\nfalse {kind}, seed {}\nkernel: {}\nskep: {}", d.seed, d.kernel, d.skep)?;
                write!(f, "{}", d.program)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn messages_lose_what_differs() {
        assert_eq!(plain("R3 invalid mem access 'scalar'"), plain("R7 invalid mem access 'scalar'"));
        assert_eq!(
            plain("R1 type=ctx expected=fp, pkt, map_value"),
            plain("R2 type=scalar expected=map_ptr")
        );
        assert_eq!(plain("unknown func bpf_foo#12"), plain("unknown func bpf_bar#7"));
        assert_ne!(plain("R0 !read_ok"), plain("frame pointer is read only"));
    }
}
