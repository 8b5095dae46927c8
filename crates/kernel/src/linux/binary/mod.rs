//! User programs and libraries, as far as probing them needs: which file a name means, where in the file a function
//! begins, which markers it has.
//!
//! A probe is an offset in a file, not an address: [`Binary`] turns one into the other by the segments that the loader
//! would map. Only what is asked for is read of the file. What a damaged file may cost is bounded by its size.
//!
//! How libraries are found and names are matched follows libbpf, so that a section name means the same to both.

mod find;
pub(super) mod marker;
pub(super) mod marker_args;
mod symbols;

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};

use object::elf::{self, FileHeader32, FileHeader64};
use object::read::ReadCache;
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader};
use object::{Endianness, ReadRef};
use skep_backend::{Error, ErrorKind};

pub use find::Search;
pub(super) use find::find;
use marker::Marker;
use symbols::Symbol;
pub(super) use symbols::matches;

/// A part of the file that is mapped: addresses, offset in the file, whether it is code.
#[derive(Clone, Copy, Debug)]
struct Segment {
    start: u64,
    end: u64,
    offset: u64,
    code: bool,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Binary {
    path: PathBuf,
    machine: u16,
    segments: Vec<Segment>,
    symbols: Vec<Symbol>,
    markers: Vec<Marker>,
}

/// What is wanted of a binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Functions,
    Markers,
}

impl Binary {
    /// Reads a file.
    ///
    /// # Errors
    /// If it can't be read, or is no ELF file.
    pub(super) fn open(path: &Path, wanted: Wanted) -> Result<Self, Error> {
        let file = File::open(path).map_err(|e| {
            let errno = skep_sys::Errno(e.raw_os_error().unwrap_or(0));
            Error::new(ErrorKind::Os(errno.0), format!("{}: {errno}", path.display()))
        })?;
        // A pipe would be waited for.
        let is_file = file.metadata().is_ok_and(|m| m.is_file());
        let data = ReadCache::new(file);
        let wrong = |what: &dyn fmt::Display| {
            Error::new(ErrorKind::Invalid, format!("{}: {what}", path.display()))
                .with_hint("user code is probed in ELF files: programs and shared libraries")
        };
        let class = if is_file { (&data).read_bytes_at(0, 5).unwrap_or_default() } else { &[] };
        let read = match class {
            [0x7f, b'E', b'L', b'F', elf::ELFCLASS64] => {
                read::<FileHeader64<Endianness>>(path, &data, wanted)
            }
            [0x7f, b'E', b'L', b'F', elf::ELFCLASS32] => {
                read::<FileHeader32<Endianness>>(path, &data, wanted)
            }
            _ => return Err(wrong(&"not an ELF file")),
        };
        read.map_err(|e| wrong(&e))
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// `e_machine`.
    pub(super) fn machine(&self) -> u16 {
        self.machine
    }

    /// The offset in the file of an address, and whether code is there.
    fn offset(&self, address: u64) -> Option<(u64, bool)> {
        let s = self.segments.iter().find(|s| (s.start..s.end).contains(&address))?;
        Some(((address - s.start).checked_add(s.offset)?, s.code))
    }
}

fn read<E: FileHeader<Endian = Endianness>>(
    path: &Path,
    data: &ReadCache<File>,
    wanted: Wanted,
) -> Result<Binary, object::Error> {
    let header = E::parse(data)?;
    let endian = header.endian()?;
    let mut binary = Binary {
        path: path.to_owned(),
        machine: header.e_machine(endian),
        segments: Vec::new(),
        symbols: Vec::new(),
        markers: Vec::new(),
    };
    for p in header.program_headers(endian, data)?.iter().filter(|p| p.p_type(endian) == elf::PT_LOAD) {
        let (start, len): (u64, u64) = (p.p_vaddr(endian).into(), p.p_filesz(endian).into());
        binary.segments.push(Segment {
            start,
            end: start.saturating_add(len),
            offset: p.p_offset(endian).into(),
            code: p.p_flags(endian) & elf::PF_X != 0,
        });
    }
    let sections = header.sections(endian, data)?;
    match wanted {
        Wanted::Functions => binary.symbols = symbols::read(endian, data, &sections)?,
        Wanted::Markers => {
            let base =
                sections.section_by_name(endian, b".stapsdt.base").map(|(_, s)| s.sh_addr(endian).into());
            let notes = sections.section_by_name(endian, b".note.stapsdt");
            let notes = notes.map(|(_, s)| s.data(endian, data)).transpose()?.unwrap_or_default();
            let words = marker::Words { wide: header.is_type_64(), big: endian == Endianness::Big };
            binary.markers = marker::parse(notes, words, base);
        }
    }
    Ok(binary)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files that are cut, and files with bytes changed, are errors or other symbols, never a panic.
    #[test]
    fn damaged_files_are_refused() {
        // The linker of the test program itself: small, with versions, markers and both tables' worth of symbols.
        let whole = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"];
        let Some(bytes) = whole.iter().find_map(|p| std::fs::read(p).ok()) else {
            println!("skipped: none of {whole:?} is here");
            return;
        };
        let path = std::env::temp_dir().join(format!("skep-damaged-{}", std::process::id()));
        let look = |bytes: &[u8]| {
            std::fs::write(&path, bytes).expect("a file of our own");
            let _ = Binary::open(&path, Wanted::Markers).and_then(|b| b.marker("rtld", "init_start"));
            let functions = Binary::open(&path, Wanted::Functions).and_then(|b| b.functions("*"));
            functions.map_or(0, |f| f.len())
        };
        assert!(look(&bytes) > 10, "whole, it has functions");
        let mut seed = 1_u64;
        let mut random = |below: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize % below
        };
        let mut tables = bytes.len().saturating_sub(8 << 10);
        for round in 0..150 {
            let mut damaged = bytes.clone();
            // Headers are at the begin, section headers and string tables at the end.
            for _ in 0..4 {
                let at = if round % 2 == 0 { random(4 << 10) } else { tables + random(8 << 10) };
                if let Some(byte) = damaged.get_mut(at) {
                    *byte = [0, 0xff, 0x7f, 0x80, random(256) as u8][random(5)];
                }
            }
            if round % 10 == 0 {
                damaged.truncate(random(bytes.len()));
                tables = damaged.len().saturating_sub(8 << 10).min(tables);
            }
            look(&damaged);
        }
        let _ = std::fs::remove_file(&path);
    }
}
