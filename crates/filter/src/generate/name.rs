//! Patterns of DNS names, and what remains to be matched after some labels: a set of places in patterns.

use super::{Error, error};

/// A label's length at most, and a name's (RFC 1035, section 2.3.4).
const LABEL_MAX: usize = 63;
const NAME_MAX: usize = 255;

/// One part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// A label, byte for byte; None is any byte.
    Label(Vec<Option<u8>>),
    /// One label of any content, with a length in a range.
    One(usize, usize),
    /// One label or more.
    More,
}

/// A name with wildcards, as its parts.
pub(super) type Pattern = Vec<Part>;

/// Reads a pattern; dots around it do not matter.
pub(super) fn parse(text: &str) -> Result<Pattern, Error> {
    let bare = text.trim().trim_matches('.');
    if bare.is_empty() {
        return error("an empty name");
    }
    let parts = bare.split('.').map(|label| part(label, text)).collect::<Result<Pattern, Error>>()?;
    let len: usize = parts.iter().map(|p| if let Part::Label(l) = p { l.len() + 1 } else { 2 }).sum();
    if len + 1 > NAME_MAX {
        return error(format!("`{text}` is longer than a name can be"));
    }
    Ok(parts)
}

fn part(label: &str, text: &str) -> Result<Part, Error> {
    if label == "**" {
        return Ok(Part::More);
    }
    if label == "*" {
        return Ok(Part::One(1, LABEL_MAX));
    }
    if let Some(range) = label.strip_prefix("*{").and_then(|l| l.strip_suffix('}')) {
        let bounds = range.split_once('-').map(|(a, b)| (a.parse::<usize>(), b.parse::<usize>()));
        return match bounds {
            Some((Ok(min), Ok(max))) if min <= max && min <= LABEL_MAX => {
                Ok(Part::One(min.max(1), max.min(LABEL_MAX)))
            }
            _ => error(format!("`{text}`: `{label}` is no range of lengths like *{{4-63}}")),
        };
    }
    let bytes: Vec<Option<u8>> = label.bytes().map(|b| (b != b'?').then_some(b)).collect();
    match bytes.len() {
        0 => error(format!("`{text}` has an empty label")),
        1..=LABEL_MAX => Ok(Part::Label(bytes)),
        n => error(format!("`{text}` has a label of {n} bytes, and {LABEL_MAX} is the most")),
    }
}

/// Places in patterns: pattern and part, sorted.
pub(super) type State = Vec<(usize, usize)>;

/// Whether the name may end here.
pub(super) fn complete(patterns: &[Pattern], state: &State) -> bool {
    state.iter().any(|&(pattern, at)| at == patterns[pattern].len())
}

/// Whether a pattern takes whatever follows, if anything does.
pub(super) fn takes_the_rest(patterns: &[Pattern], state: &State) -> bool {
    state.iter().any(|&(p, at)| at + 1 == patterns[p].len() && patterns[p][at] == Part::More)
}

/// What remains after a label of such a length that is none of those that are named here.
pub(super) fn after_any(patterns: &[Pattern], state: &State, len: usize) -> State {
    let mut next = State::new();
    for &(pattern, at) in state {
        match patterns[pattern].get(at) {
            Some(Part::One(min, max)) if (*min..=*max).contains(&len) => next.push((pattern, at + 1)),
            Some(Part::More) => next.extend([(pattern, at), (pattern, at + 1)]),
            _ => {}
        }
    }
    next.sort_unstable();
    next.dedup();
    next
}

/// The labels of such a length that are named here, each with the places that want it.
pub(super) fn labels<'p>(
    patterns: &'p [Pattern],
    state: &State,
    len: usize,
    same: impl Fn(&[Option<u8>], &[Option<u8>]) -> bool,
) -> Vec<(&'p [Option<u8>], State)> {
    let mut found: Vec<(&[Option<u8>], State)> = Vec::new();
    for &(pattern, at) in state {
        let Some(Part::Label(label)) = patterns[pattern].get(at) else { continue };
        if label.len() != len {
            continue;
        }
        match found.iter_mut().find(|(known, _)| same(known, label)) {
            Some((_, places)) => places.push((pattern, at + 1)),
            None => found.push((label, vec![(pattern, at + 1)])),
        }
    }
    found
}

/// Both sets of places.
pub(super) fn union(a: &State, b: &State) -> State {
    let mut all = [&a[..], &b[..]].concat();
    all.sort_unstable();
    all.dedup();
    all
}
