//! Functions by name: exact names, with a version (`fopen@GLIBC_2.1`) or without, and patterns.

use std::collections::BTreeMap;
use std::fs::File;

use object::elf;
use object::read::ReadCache;
use object::read::elf::{FileHeader, SectionHeader, SectionTable, Sym};
use object::{Endianness, SymbolIndex};
use skep_backend::{Error, ErrorKind};

use super::Binary;

/// A function's symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Symbol {
    /// Without the version.
    name: String,
    version: Option<String>,
    /// What a name without a version means: `f@@V`, or a symbol that has none.
    default: bool,
    address: u64,
    size: u64,
    weak: bool,
    /// Which function it is gets decided when the program starts (`STT_GNU_IFUNC`).
    indirect: bool,
}

/// All symbols of functions that the file itself has, of both tables.
pub(super) fn read<'d, E: FileHeader<Endian = Endianness>>(
    endian: Endianness,
    data: &'d ReadCache<File>,
    sections: &SectionTable<'d, E, &'d ReadCache<File>>,
) -> Result<Vec<Symbol>, object::Error> {
    let versions = sections.versions(endian, data)?;
    let mut out = Vec::new();
    for table in [elf::SHT_DYNSYM, elf::SHT_SYMTAB] {
        let symbols = sections.symbols(endian, data, table)?;
        // All names at once: the table reads each by itself.
        let names = match symbols.is_empty() {
            true => &[][..],
            false => sections.section(symbols.string_section())?.data(endian, data)?,
        };
        for (n, symbol) in symbols.iter().enumerate() {
            let indirect = symbol.st_type() == elf::STT_GNU_IFUNC;
            if symbol.is_undefined(endian) || !(indirect || symbol.st_type() == elf::STT_FUNC) {
                continue;
            }
            let Some(name) = names.get(symbol.st_name(endian) as usize..) else { continue };
            let Some(end) = name.iter().position(|b| *b == 0) else { continue };
            let name = String::from_utf8_lossy(&name[..end]);
            let mut one = Symbol {
                name: String::new(),
                version: None,
                default: true,
                address: symbol.st_value(endian).into(),
                size: symbol.st_size(endian).into(),
                weak: symbol.st_bind() == elf::STB_WEAK,
                indirect,
            };
            // Names of the full table have their version with them.
            let (bare, version) = split(&name);
            (one.name, one.default) = (bare.to_owned(), version.is_none_or(|v| v.default));
            one.version = version.map(|v| v.name.to_owned());
            if let (elf::SHT_DYNSYM, Some(versions)) = (table, &versions) {
                let index = versions.version_index(endian, SymbolIndex(n));
                if let Ok(Some(version)) = versions.version(index) {
                    one.version = Some(String::from_utf8_lossy(version.name()).into_owned());
                    one.default = !index.is_hidden();
                }
            }
            out.push(one);
        }
    }
    Ok(out)
}

/// A version, as it is written behind a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Version<'a> {
    name: &'a str,
    default: bool,
}

/// `f`, `f@V`, `f@@V`.
fn split(name: &str) -> (&str, Option<Version<'_>>) {
    match name.split_once('@') {
        None | Some(("", _)) => (name, None),
        Some((bare, version)) => match version.strip_prefix('@') {
            Some(version) => (bare, Some(Version { name: version, default: true })),
            None => (bare, Some(Version { name: version, default: false })),
        },
    }
}

/// Whether a name is one of a pattern's: `*` is any number of characters, `?` is one.
pub(in crate::linux) fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&c) if c == b'?' || c == name[n] => (p, n) = (p + 1, n + 1),
            // The last star takes one more.
            _ => match star {
                Some((at, from)) => {
                    (p, n) = (at + 1, from + 1);
                    star = Some((at, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

impl Binary {
    /// The offset in the file of a function, `add` bytes behind its begin.
    ///
    /// # Errors
    /// If there is no such function, or several that are not the same.
    pub(in crate::linux) fn function(&self, name: &str, add: u64) -> Result<u64, Error> {
        let path = self.path.display();
        let (bare, version) = split(name);
        let mut found: Vec<&Symbol> = self.symbols.iter().filter(|s| s.name == bare).collect();
        match version {
            Some(v) => found.retain(|s| s.version.as_deref() == Some(v.name)),
            None if found.iter().any(|s| s.default) => found.retain(|s| s.default),
            None => {}
        }
        if found.iter().any(|s| !s.weak) {
            found.retain(|s| !s.weak);
        }
        let Some(first) = found.first() else { return Err(self.no_function(name, bare)) };
        if found.iter().any(|s| s.address != first.address) {
            let message = format!("{path} has several functions `{name}`");
            let mut versions: Vec<_> = found.iter().filter_map(|s| s.version.as_deref()).collect();
            versions.sort_unstable();
            versions.dedup();
            return Err(Error::new(ErrorKind::Invalid, message).with_hint(match versions.as_slice() {
                [] => format!("give the offset in the file instead: one is at {:#x}", self.place(first)?),
                all => format!("name one: {bare}@{}", all.join(&format!(", {bare}@"))),
            }));
        }
        if first.indirect {
            let message = format!("{path}: which function `{name}` is gets decided when a program starts");
            return Err(Error::new(ErrorKind::Unsupported, message).with_hint(
                "probe one of those that it chooses from (for memcpy: `__memcpy_avx_unaligned_erms`)",
            ));
        }
        if add > 0 && add >= first.size {
            let message = format!("{path}: `{name}` has {} bytes, and {add:#x} lies behind it", first.size);
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        let outside = || Error::new(ErrorKind::Invalid, format!("{path}: {add:#x} lies behind every place"));
        self.place(first)?.checked_add(add).ok_or_else(outside)
    }

    /// The functions of a pattern, by offset in the file.
    ///
    /// # Errors
    /// If there is none.
    pub(in crate::linux) fn functions(&self, pattern: &str) -> Result<BTreeMap<u64, String>, Error> {
        let fit = |s: &&Symbol| !s.indirect && matches(pattern.as_bytes(), s.name.as_bytes());
        let found = self.symbols.iter().filter(fit);
        let places = found.filter_map(|s| Some((self.place(s).ok()?, s.name.clone())));
        let all: BTreeMap<_, _> = places.collect();
        if all.is_empty() { Err(self.no_function(pattern, pattern)) } else { Ok(all) }
    }

    fn place(&self, symbol: &Symbol) -> Result<u64, Error> {
        self.offset(symbol.address).filter(|p| p.1).map(|p| p.0).ok_or_else(|| {
            let path = self.path.display();
            let message = format!("{path}: `{}` lies outside of the code that is mapped", symbol.name);
            Error::new(ErrorKind::Invalid, message)
        })
    }

    fn no_function(&self, name: &str, bare: &str) -> Error {
        let error =
            Error::new(ErrorKind::NotFound, format!("{} has no function `{name}`", self.path.display()));
        let versions: Vec<_> =
            self.symbols.iter().filter(|s| s.name == bare).filter_map(|s| s.version.as_deref()).collect();
        if !versions.is_empty() {
            return error.with_hint(format!("its versions are {}", versions.join(", ")));
        }
        if self.symbols.is_empty() {
            return error.with_hint(
                "it is stripped of all its symbols: give an offset in the file, as in `uprobe/FILE:0x1234`, or a copy with symbols",
            );
        }
        let names = self.symbols.iter().map(|s| s.name.as_str());
        match skep_abi::nearest(bare, names) {
            Some(near) => error.with_hint(format!("there is `{near}`")),
            None => error.with_hint(
                "functions that are static or inlined may have no symbol; C++ and Rust names are mangled",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::binary::Segment;

    fn symbol(name: &str, version: Option<&str>, default: bool, address: u64) -> Symbol {
        let version = version.map(str::to_owned);
        Symbol { name: name.into(), version, default, address, size: 16, weak: false, indirect: false }
    }

    fn binary(symbols: Vec<Symbol>) -> Binary {
        let code = Segment { start: 0x1000, end: 0x3000, offset: 0x400, code: true };
        let data = Segment { start: 0x3000, end: 0x4000, offset: 0x2400, code: false };
        Binary { path: "x".into(), machine: 62, segments: vec![code, data], symbols, markers: Vec::new() }
    }

    #[test]
    fn a_name_means_its_default_version() {
        let b = binary(vec![
            symbol("f", Some("V1"), false, 0x1010),
            symbol("f", Some("V2"), true, 0x1020),
            symbol("f", None, true, 0x1020),
        ]);
        assert_eq!(b.function("f", 0).expect("the default"), 0x420);
        assert_eq!(b.function("f@V1", 4).expect("that one"), 0x414);
        assert_eq!(b.function("f@@V2", 0).expect("that one"), 0x420);
        assert_eq!(b.function("f@V3", 0).expect_err("none").hint(), Some("its versions are V1, V2"));
        assert_eq!(b.function("f", 16).expect_err("16 bytes").kind(), ErrorKind::Invalid);
    }

    #[test]
    fn what_is_not_one_function_is_said() {
        let mut weak = symbol("w", None, true, 0x1030);
        weak.weak = true;
        let mut late = symbol("late", None, true, 0x1060);
        late.indirect = true;
        let b = binary(vec![
            weak,
            symbol("w", None, true, 0x1040),
            symbol("twice", None, true, 0x1050),
            symbol("twice", None, true, 0x1051),
            late,
            symbol("data", None, true, 0x3008),
        ]);
        assert_eq!(b.function("w", 0).expect("not the weak one"), 0x440);
        assert_eq!(b.function("twice", 0).expect_err("two").to_string(), "x has several functions `twice`");
        assert_eq!(b.function("late", 0).expect_err("ifunc").kind(), ErrorKind::Unsupported);
        assert_eq!(b.function("data", 0).expect_err("no code").kind(), ErrorKind::Invalid);
        assert_eq!(b.function("twic", 0).expect_err("none").hint(), Some("there is `twice`"));
        let stripped = binary(Vec::new()).function("f", 0).expect_err("none");
        assert!(stripped.hint().is_some_and(|h| h.contains("stripped")));
    }

    #[test]
    fn patterns_match_as_shells_do() {
        let yes =
            [("*", ""), ("*", "abc"), ("a*c", "abbc"), ("a?c", "abc"), ("*b*", "abc"), ("a*b*c", "aXbYbc")];
        let no = [("", "a"), ("a", ""), ("a?", "a"), ("a*c", "abd"), ("?", "")];
        for (pattern, name) in yes {
            assert!(matches(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}");
        }
        for (pattern, name) in no {
            assert!(!matches(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}");
        }
        let long = vec![b'a'; 100_000];
        assert!(!matches(b"*a*a*a*b", &long), "in time that is no power of the stars");
    }
}
