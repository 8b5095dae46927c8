//! Names that people mistype.

use skep::abi::nearest;

/// What to hint at for an unknown name: the nearest of the known ones, or else all of them, if they are few.
pub(crate) fn suggestion<'a>(name: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Option<String> {
    if let Some(n) = nearest(name, known.clone().into_iter()) {
        return Some(format!("did you mean `{n}`?"));
    }
    let all: Vec<&str> = known.into_iter().collect();
    match all.len() {
        0 => None,
        1 => Some(format!("there is only `{}`", all[0])),
        2..=12 => Some(format!("there are {}", all.join(", "))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::suggestion;

    #[test]
    fn few_names_are_all_told() {
        assert_eq!(suggestion("inof", ["info", "run"]).as_deref(), Some("did you mean `info`?"));
        assert_eq!(suggestion("zzz", ["one"]).as_deref(), Some("there is only `one`"));
        assert_eq!(suggestion("zzz", ["one", "two"]).as_deref(), Some("there are one, two"));
        assert_eq!(suggestion("zzz", []), None);
    }
}
