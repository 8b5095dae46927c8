//! Suggestions for misspelt names, by edit distance.

/// The candidate closest to `name`, if it is close enough to be what was meant: at most a third of its letters differ
/// (two at least are allowed), or the one begins with the other.
pub fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // The distance is quadratic in the length, and no name of the ABI comes near this.
    if name.is_empty() || name.len() > 128 {
        return None;
    }
    let name = name.to_ascii_lowercase();
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(&name, candidate), candidate))
        .filter(|(distance, candidate)| {
            let enough = (candidate.len() / 3).max(2).min(candidate.len().saturating_sub(1));
            *distance <= enough || (name.len() >= 3 && candidate.starts_with(&name))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn only_near_names_are_suggested() {
        let names = ["xdp", "sched_cls", "percpu_hash", "hash"];
        assert_eq!(nearest("xpd", names.into_iter()), Some("xdp"));
        assert_eq!(nearest("percpu-hash", names.into_iter()), Some("percpu_hash"));
        assert_eq!(nearest("sched", names.into_iter()), Some("sched_cls"));
        assert_eq!(nearest("tracepoint", names.into_iter()), None);
        assert_eq!(nearest("", names.into_iter()), None);
    }
}
