//! What came of a comparison: figures a source, and every difference.

use std::collections::BTreeMap;
use std::fmt;

use super::logs::Logs;
use super::{Answer, Line, Said};

/// Programs that take either verifier longer than this, in microseconds, are listed, and `skep` is held to at most twice the
/// kernel's time for each.
const LONG_US: u64 = 10_000;

/// All sources.
#[derive(Default)]
pub struct Report {
    /// A file each.
    pub sources: Vec<Source>,
    /// Most memory that `skep` had at a time, in KiB, if the system tells it.
    pub peak_kib: Option<u64>,
}

/// A program that takes long.
#[derive(Clone, Debug)]
pub struct Long {
    /// Its name.
    pub name: String,
    /// Microseconds: the kernel's, skep's.
    pub time_us: (u64, u64),
}

impl Long {
    /// How many times the kernel's time `skep` takes.
    pub fn ratio(&self) -> f64 {
        self.time_us.1 as f64 / self.time_us.0.max(1) as f64
    }
}

/// Figures of one file.
#[derive(Default)]
pub struct Source {
    /// The file's name.
    pub name: String,
    /// Distinct programs.
    pub programs: usize,
    /// Without a verdict of the kernel, by reason.
    pub no_verdict: BTreeMap<String, usize>,
    /// That `skep` does not model, by what.
    pub not_modelled: BTreeMap<String, usize>,
    /// Both accept.
    pub accepted: usize,
    /// Both refuse.
    pub refused: usize,
    /// Refused with the same errno.
    pub same_errno: usize,
    /// Refused in the same words.
    pub same_message: usize,
    /// With the same verdict, and the same count of processed instructions.
    pub same_count: usize,
    /// Accepted against the kernel.
    pub false_accepts: usize,
    /// Refused against the kernel.
    pub false_rejects: usize,
    /// Time of verification of all that were compared, in microseconds: the kernel's, skep's.
    pub time_us: (u64, u64),
    /// Programs that take long.
    pub long: Vec<Long>,
    /// A line for each difference.
    pub differences: Vec<String>,
    /// The logs of states, where they were compared.
    pub logs: Logs,
}

impl Source {
    /// No program yet.
    pub fn new(name: String) -> Self {
        Self { name, ..Self::default() }
    }

    /// Counts a program in.
    pub fn add(&mut self, line: &Line, said: &Said, answer: &Answer) {
        self.programs += 1;
        let (errno, insns, time_us, log) = match said {
            Said::Nothing(why) => {
                *self.no_verdict.entry(why.clone()).or_default() += 1;
                return;
            }
            Said::Verdict { errno, insns, time_us, log } => (*errno, *insns, *time_us, log),
        };
        if answer.verdict == "not_modelled" {
            *self.not_modelled.entry(answer.message.clone()).or_default() += 1;
            return;
        }
        self.time_us.0 += time_us;
        self.time_us.1 += answer.time_us;
        let first = answer.message.lines().next().unwrap_or_default();
        let accepts = answer.verdict == "accept";
        let mut kinds = Vec::new();
        match (errno == 0, accepts) {
            (true, true) => self.accepted += 1,
            (false, false) => {
                self.refused += 1;
                if errno == answer.errno {
                    self.same_errno += 1
                } else {
                    kinds.push("errno")
                }
                let alike = log.iter().any(|l| !first.is_empty() && l.contains(first));
                if alike { self.same_message += 1 } else { kinds.push("message") }
            }
            (false, true) => {
                self.false_accepts += 1;
                kinds.push("FALSE ACCEPT");
            }
            (true, false) => {
                self.false_rejects += 1;
                kinds.push("FALSE REJECT");
            }
        }
        if (errno == 0) == accepts {
            if insns.unwrap_or(0) == answer.insns { self.same_count += 1 } else { kinds.push("count") }
        }
        if time_us.max(answer.time_us) > LONG_US {
            self.long.push(Long { name: line.name.clone(), time_us: (time_us, answer.time_us) });
        }
        if !kinds.is_empty() {
            let tail = log.len().saturating_sub(2);
            self.differences.push(format!(
                "{}: {}: kernel {errno} {} {time_us}us `{}`; skep {} {} {}us `{}`",
                kinds.join(", "),
                line.name,
                insns.unwrap_or(0),
                log[tail..].join(" | "),
                answer.errno,
                answer.insns,
                answer.time_us,
                answer.message.replace('\n', " | "),
            ));
        }
    }

    fn sum(counts: &BTreeMap<String, usize>) -> usize {
        counts.values().sum()
    }

    fn join(&mut self, other: &Self) {
        self.programs += other.programs;
        for (all, one) in
            [(&mut self.no_verdict, &other.no_verdict), (&mut self.not_modelled, &other.not_modelled)]
        {
            for (why, n) in one {
                *all.entry(why.clone()).or_default() += n;
            }
        }
        self.accepted += other.accepted;
        self.refused += other.refused;
        self.same_errno += other.same_errno;
        self.same_message += other.same_message;
        self.same_count += other.same_count;
        self.false_accepts += other.false_accepts;
        self.false_rejects += other.false_rejects;
        self.time_us.0 += other.time_us.0;
        self.time_us.1 += other.time_us.1;
        self.long.extend_from_slice(&other.long);
        self.logs.merge(&other.logs);
    }
}

impl Report {
    /// All sources as one, without the differences.
    pub fn total(&self) -> Source {
        let mut total = Source::new("all".into());
        self.sources.iter().for_each(|s| total.join(s));
        total
    }

    fn print_long(f: &mut fmt::Formatter<'_>, total: &Source) -> fmt::Result {
        let mut long = total.long.clone();
        long.sort_by(|a, b| b.ratio().total_cmp(&a.ratio()));
        writeln!(f, "{} programs above {} ms; kernel ms, skep ms, ratio:", long.len(), LONG_US / 1000)?;
        for l in &long {
            let (kernel, skep) = (l.time_us.0 as f64 / 1e3, l.time_us.1 as f64 / 1e3);
            writeln!(f, "{kernel:>10.1}{skep:>10.1}{:>7.2}  {}", l.ratio(), l.name)?;
        }
        Ok(())
    }

    /// Whether every verdict was the same.
    pub fn agrees(&self) -> bool {
        let total = self.total();
        total.false_accepts == 0 && total.false_rejects == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for s in &self.sources {
            for d in &s.differences {
                writeln!(f, "{}: {d}", s.name)?;
            }
        }
        let total = self.total();
        for (title, counts) in [("no verdict", &total.no_verdict), ("not modelled", &total.not_modelled)] {
            for (why, n) in counts {
                writeln!(f, "{title}: {n:5} {why}")?;
            }
        }
        Self::print_long(f, &total)?;
        writeln!(
            f,
            "{:<16}{:>9}{:>11}{:>13}{:>9}{:>9}{:>8}{:>8}{:>8}{:>6}{:>6}{:>12}{:>10}{:>7}",
            "source",
            "programs",
            "no verdict",
            "not modelled",
            "accepted",
            "refused",
            "errno",
            "words",
            "count",
            "FA",
            "FR",
            "kernel ms",
            "skep ms",
            "ratio"
        )?;
        for s in self.sources.iter().chain([&total]) {
            writeln!(
                f,
                "{:<16}{:>9}{:>11}{:>13}{:>9}{:>9}{:>8}{:>8}{:>8}{:>6}{:>6}{:>12.1}{:>10.1}{:>7.2}",
                s.name,
                s.programs,
                Source::sum(&s.no_verdict),
                Source::sum(&s.not_modelled),
                s.accepted,
                s.refused,
                s.same_errno,
                s.same_message,
                s.same_count,
                s.false_accepts,
                s.false_rejects,
                s.time_us.0 as f64 / 1e3,
                s.time_us.1 as f64 / 1e3,
                s.time_us.1 as f64 / s.time_us.0.max(1) as f64,
            )?;
        }
        if total.logs.compared > 0 {
            write!(f, "{}", total.logs)?;
        }
        match self.peak_kib {
            Some(kib) => writeln!(f, "most memory of skep: {:.1} MiB", kib as f64 / 1024.0),
            None => Ok(()),
        }
    }
}
