//! The verifier's log, read for its point: the kernel writes what it did, then what was wrong, then figures.

/// Lines that say nothing of what was wrong.
const FIGURES: &[&str] = &[
    "processed ",
    "verification time ",
    "stack depth ",
    "max_states_per_insn",
    "peak_states",
    "mark_read",
    "-- END PROG LOAD LOG --",
];

/// The last line of a log that says what was wrong.
pub fn last_meaningful_line(log: &str) -> Option<&str> {
    let lines = log.lines().rev().map(str::trim);
    lines.into_iter().find(|l| !l.is_empty() && !FIGURES.iter().any(|f| l.starts_with(f)))
}

/// The last instruction that the log shows: `12: (79) r1 = ...`.
pub(super) fn last_slot(log: &str) -> Option<usize> {
    log.lines().rev().find_map(|line| {
        let (number, rest) = line.split_once(": (")?;
        let number = number.rsplit(' ').next()?;
        rest.get(2..3).filter(|c| *c == ")")?;
        number.parse().ok()
    })
}

/// The end of a log, of at most so many lines.
pub(super) fn tail(log: &str, lines: usize) -> &str {
    let log = log.trim_end();
    let start = log.rmatch_indices('\n').nth(lines.saturating_sub(1)).map_or(0, |(at, _)| at + 1);
    &log[start..]
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "func#0 @0\n0: R1=ctx() R10=fp0\n; x @ a.c:3\n0: (b7) r0 = 0\n\
        1: (79) r1 = *(u64 *)(r9 +0)\nR9 !read_ok\nprocessed 2 insns (limit 1000000)\n\n";

    #[test]
    fn the_point_is_found_behind_the_figures() {
        assert_eq!(last_meaningful_line(LOG), Some("R9 !read_ok"));
        assert_eq!(last_slot(LOG), Some(1));
        assert_eq!(last_slot("from 3 to 7: R0=1\n7: (95) exit"), Some(7));
        assert_eq!(last_meaningful_line("processed 0 insns\n"), None);
    }

    #[test]
    fn the_end_is_cut_at_lines() {
        assert_eq!(tail("a\nb\nc\n", 2), "b\nc");
        assert_eq!(tail("a", 2), "a");
    }
}
