//! Words that are not for the repository: it speaks of skep alone, not of where and how it was made.

use super::Report;

/// What may not be written, and why. Lower case; the text is compared in lower case.
const BANNED: &[(&str, &str)] = &[
    ("/work/", "a path of one machine"),
    ("issue #", "say what it is about instead of pointing at a tracker"),
    ("co-authored-by", "authors are in the history"),
    ("index.crates.io", "registry hosts are a machine's configuration"),
    ("artifactory", "registry hosts are a machine's configuration"),
];

/// Words that are banned when they stand alone, unless the line speaks of one of the matters behind.
const BANNED_ALONE: &[(&str, &[&str], &str)] = &[
    (
        "session",
        &["probe", "tcp", "fsession", "http", "session id", "pppoe"],
        "how it was made is no part of the project",
    ),
    ("sessions", &["probe", "tcp", "fsession", "http"], "how it was made is no part of the project"),
];

/// Marks of unfinished work, as they stand in capitals.
const UNFINISHED: &[&str] = &["TODO", "FIXME", "XXX"];

/// This file has to name what it bans.
const EXEMPT: &[&str] = &["xtask/src/tidy/words.rs"];

pub(super) fn check(file: &str, text: &str, report: &mut Report) {
    if EXEMPT.contains(&file) || file.ends_with(".lock") {
        return;
    }
    for (index, line) in text.lines().enumerate() {
        if let Some(mark) = UNFINISHED.iter().find(|mark| words(line).any(|word| word == **mark)) {
            report.error(
                file,
                index + 1,
                format!("{mark}: do it, or say in docs/support.md that it is missing"),
            );
        }
        let line = line.to_lowercase();
        for (text, why) in BANNED {
            if line.contains(text) {
                report.error(file, index + 1, format!("`{text}`: {why}"));
            }
        }
        for (word, matters, why) in BANNED_ALONE {
            if words(&line).any(|part| part == *word) && !matters.iter().any(|matter| line.contains(matter)) {
                report.error(file, index + 1, format!("`{word}`: {why}"));
            }
        }
    }
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_alphanumeric() && c != '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn banned_words_are_found_where_they_stand() {
        let mut report = Report::default();
        let text =
            "fine\nsee Issue #12\na kprobe session\nthis session\nTRACE_KPROBE_SESSION\nobsession\nTODO: x\n";
        check("a.md", text, &mut report);
        let lines: Vec<_> = report.findings().iter().map(|finding| finding.line).collect();
        assert_eq!(lines, [2, 4, 7]);
    }
}
