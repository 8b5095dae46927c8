//! Rewriting expectations with what the reference engine saw (`BLESS=1`), and showing what that would change.

use std::fmt::Write as _;

use super::case::{Case, Observed};
use super::header::Run;

/// The file's text with the expectations that were observed.
pub fn bless(case: &Case, observed: &Observed) -> String {
    let mut after = observed.after.iter();
    let mut events_written = false;
    let trapped = observed.r0.as_ref().and_then(|r0| r0.as_ref().err());
    let mut out = String::new();
    for (i, line) in case.text.lines().enumerate() {
        let key = line.strip_prefix("#!").and_then(|l| l.split_once('=')).map(|(key, _)| key.trim());
        match key {
            Some("run") if case.header.run != Run::Skip => match &observed.r0 {
                Some(Ok(r0)) => push(&mut out, &format!("#! run = {}", spell_number(*r0))),
                Some(Err(_)) => push(&mut out, "#! run = trap"),
                None => push(&mut out, line),
            },
            Some("out") => match &observed.out {
                Some(bytes) => push(&mut out, &format!("#! out = {}", spell(bytes))),
                None => push(&mut out, line),
            },
            Some("after") => {
                match after.next().and_then(|v| line.rsplit_once(' ').map(|(head, _)| (head, v))) {
                    Some((head, value)) => push(&mut out, &format!("{head} {value}")),
                    None => push(&mut out, line),
                }
            }
            Some("event") if events_written => {}
            Some("event") => {
                events_written = true;
                push_events(&mut out, observed.events.as_deref().unwrap_or_default());
            }
            _ => {
                let here = trapped.filter(|t| t.slot.and_then(|s| case.program.line_of(s)) == Some(i + 1));
                let code = line.split("#~ trap").next().unwrap_or(line);
                match here {
                    Some(stop) => {
                        push(&mut out, &format!("{}     #~ trap: {}", code.trim_end(), stop.message))
                    }
                    None => push(&mut out, if trapped.is_some() { code.trim_end() } else { line }),
                }
            }
        }
    }
    out
}

fn push(out: &mut String, line: &str) {
    out.push_str(line);
    out.push('\n');
}

fn push_events(out: &mut String, events: &[[String; 2]]) {
    if events.is_empty() {
        push(out, "#! event = none");
    }
    for [source, what] in events {
        push(out, &format!("#! event = {source} {what}"));
    }
}

fn spell_number(n: u64) -> String {
    if n < 1000 { n.to_string() } else { format!("{n:#x}") }
}

/// Bytes as the header spells them.
pub(super) fn spell(bytes: &[u8]) -> String {
    let words: Vec<String> = bytes.iter().map(|b| format!("{b:02x}")).collect();
    words.join(" ")
}

/// The lines that differ between two texts of the same shape, as a diff shows them.
pub fn difference(before: &str, after: &str) -> String {
    let mut out = String::new();
    let (old, new): (Vec<_>, Vec<_>) = (before.lines().collect(), after.lines().collect());
    let same_head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let (old, new) = (&old[same_head..], &new[same_head..]);
    let same_tail = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
    for line in &old[..old.len() - same_tail] {
        let _ = writeln!(out, "-{line}");
    }
    for line in &new[..new.len() - same_tail] {
        let _ = writeln!(out, "+{line}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::difference;

    #[test]
    fn a_difference_shows_only_what_differs() {
        assert_eq!(difference("a\nb\nc\n", "a\nx\nc\n"), "-b\n+x\n");
        assert_eq!(difference("a\n", "a\n"), "");
        assert_eq!(difference("a\nb\n", "a\n"), "-b\n");
    }
}
