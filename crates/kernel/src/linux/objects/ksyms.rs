//! `/proc/kallsyms`: which function is at an address.

use std::ops::Range;

/// The kernel's symbols, by address. Empty where addresses are hidden (`kernel.kptr_restrict`): they read as zero.
#[derive(Debug, Default)]
pub struct Ksyms {
    text: String,
    /// Address, place of the name, place of the module's name; rising.
    rows: Vec<(u64, Range<usize>, Range<usize>)>,
}

/// A symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its module; `None` is the kernel itself.
    pub module: Option<&'a str>,
}

impl Ksyms {
    /// Reads them.
    pub fn read() -> Self {
        Self::parse(std::fs::read_to_string("/proc/kallsyms").unwrap_or_default())
    }

    /// Lines of `ADDRESS TYPE NAME [MODULE]`.
    fn parse(text: String) -> Self {
        let mut rows = Vec::new();
        for line in text.lines() {
            let at = line.as_ptr().addr() - text.as_ptr().addr();
            let mut words = line.split_ascii_whitespace();
            let (Some(address), Some(_), Some(name)) = (words.next(), words.next(), words.next()) else {
                continue;
            };
            let place = |word: &str| {
                let start = at + (word.as_ptr().addr() - line.as_ptr().addr());
                start..start + word.len()
            };
            let module = words.next().map(|m| m.trim_matches(['[', ']']));
            if let Ok(address @ 1..) = u64::from_str_radix(address, 16) {
                rows.push((address, place(name), module.map_or(0..0, place)));
            }
        }
        rows.sort_by_key(|row| row.0);
        Self { text, rows }
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The symbol that begins at an address; the first listed, if there are several.
    pub fn at(&self, address: u64) -> Option<Symbol<'_>> {
        let first = self.rows.partition_point(|row| row.0 < address);
        let (_, name, module) = self.rows.get(first).filter(|row| row.0 == address)?;
        let module = self.text.get(module.clone()).filter(|m| !m.is_empty());
        Some(Symbol { name: self.text.get(name.clone())?, module })
    }

    /// The address of a symbol.
    pub fn address(&self, name: &str) -> Option<u64> {
        self.rows.iter().find(|row| self.text.get(row.1.clone()) == Some(name)).map(|row| row.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_are_found_where_they_begin() {
        let text = "ffff10 T second\nffff00 T first\nffff10 t twin\n0 T hidden\nffff20 t f\t[nf]\n";
        let all = Ksyms::parse(text.to_owned());
        assert_eq!(all.at(0xffff00), Some(Symbol { name: "first", module: None }));
        assert_eq!(all.at(0xffff10).map(|s| s.name), Some("second"));
        assert_eq!(all.at(0xffff20).and_then(|s| s.module), Some("nf"));
        assert_eq!(all.at(0xffff11), None);
        assert_eq!(all.address("twin"), Some(0xffff10));
        assert_eq!(all.address("hidden"), None);
    }
}
