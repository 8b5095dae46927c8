//! Options as words, as bpftool takes them: `id 5 key 01 00 00 00`. A keyword may be cut short (`pin /path`).

use std::path::PathBuf;

use skep::kernel::objects::{Selector, parse_tag};

use crate::failure::Failure;
use crate::names::suggestion;

/// How many words an object may be named by.
pub(crate) const PROGRAM: &[&str] = &["id", "name", "tag", "pinned"];
pub(crate) const MAP: &[&str] = &["id", "name", "pinned"];
pub(crate) const LINK: &[&str] = &["id", "pinned"];

/// The words that are left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Words<'a>(&'a [String]);

impl<'a> Words<'a> {
    pub(crate) fn new(words: &'a [String]) -> Self {
        Self(words)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next word, not yet taken.
    pub(crate) fn peek(&self) -> Option<&'a str> {
        self.0.first().map(String::as_str)
    }

    /// Takes the next word, which has to be there.
    pub(crate) fn next(&mut self, what: &str) -> Result<&'a str, Failure> {
        let (first, rest) =
            self.0.split_first().ok_or_else(|| Failure::new(format!("{what} is missing at the end")))?;
        self.0 = rest;
        Ok(first)
    }

    /// Takes one of these keywords, if it is next.
    pub(crate) fn take(&mut self, known: &[&'static str]) -> Option<&'static str> {
        let word = self.peek().filter(|w| !w.is_empty())?;
        let whole = known.iter().find(|k| **k == word);
        let found = *whole.or_else(|| known.iter().find(|k| k.starts_with(word)))?;
        self.0 = &self.0[1..];
        Some(found)
    }

    /// Takes one of these keywords, or says which there are.
    pub(crate) fn keyword(&mut self, known: &[&'static str]) -> Result<&'static str, Failure> {
        match self.take(known) {
            Some(found) => Ok(found),
            None => Err(match self.peek() {
                Some(word) => Failure::new(format!("`{word}` is not expected here"))
                    .hint_opt(suggestion(word, known.iter().copied())),
                None => Failure::new("something is missing at the end")
                    .hint_opt(suggestion("", known.iter().copied())),
            }),
        }
    }

    /// Takes a number, decimal or with 0x.
    pub(crate) fn number<T: TryFrom<u64>>(&mut self, what: &str) -> Result<T, Failure> {
        let word = self.next(what)?;
        let wrong = || Failure::new(format!("{what}: `{word}` is not a number that fits"));
        number(word).and_then(|n| T::try_from(n).ok()).ok_or_else(wrong)
    }

    /// Takes an object's name, by one of the ways that are known.
    pub(crate) fn selector(&mut self, known: &[&'static str]) -> Result<Selector, Failure> {
        Ok(match self.keyword(known)? {
            "id" => Selector::Id(self.number("the id")?),
            "name" => Selector::Name(self.next("the name")?.to_owned()),
            "tag" => {
                let word = self.next("the tag")?;
                let wrong = || Failure::new(format!("`{word}` is no tag: it takes 16 hex digits"));
                Selector::Tag(parse_tag(word).ok_or_else(wrong)?)
            }
            _ => Selector::Pinned(PathBuf::from(self.next("the path")?)),
        })
    }

    /// All words up to one of these.
    pub(crate) fn until(&mut self, ends: &[&str]) -> &'a [String] {
        let at = self.0.iter().position(|w| ends.contains(&w.as_str())).unwrap_or(self.0.len());
        let (words, rest) = self.0.split_at(at);
        self.0 = rest;
        words
    }

    /// Nothing more may come.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        match self.peek() {
            None => Ok(()),
            Some(word) => Err(Failure::new(format!("`{word}` is one word too many"))),
        }
    }
}

/// A number as C writes it, but for octal ones.
pub(crate) fn number(word: &str) -> Option<u64> {
    match word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => word.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn objects_are_named_as_bpftool_names_them() {
        let of = |text: &str| {
            let words = words(text);
            Words::new(&words).selector(PROGRAM).map_err(|f| (f.message, f.hint))
        };
        assert_eq!(of("id 0x10"), Ok(Selector::Id(16)));
        assert_eq!(of("pin /sys/fs/bpf/a"), Ok(Selector::Pinned("/sys/fs/bpf/a".into())));
        assert_eq!(of("name n"), Ok(Selector::Name("n".into())));
        assert_eq!(of("id x").map_err(|e| e.0), Err("the id: `x` is not a number that fits".into()));
        let (message, hint) = of("idd 5").expect_err("is no keyword");
        assert_eq!(message, "`idd` is not expected here");
        assert_eq!(hint.as_deref(), Some("did you mean `id`?"));
        assert!(of("tag 12").is_err());
    }

    #[test]
    fn words_that_are_left_are_told() {
        let all = words("id 1 more");
        let mut it = Words::new(&all);
        assert!(it.selector(MAP).is_ok());
        assert_eq!(it.finish().expect_err("one is left").message, "`more` is one word too many");
    }
}
