//! The ELF file as plain tables: sections, symbols, relocations by the section that they patch.
//!
//! Parsing of the headers is the `object` crate's `read_core`; here they become checked values that borrow from the
//! file. Nothing here knows of BPF but for the machine number. A section whose bytes lie outside of the
//! file is kept, and complains when it is read, so that one bad section does not sink the rest.

use std::borrow::Cow;
use std::collections::BTreeMap;

use object::Endianness;
use object::elf::{self, FileHeader64};
use object::read::elf::{FileHeader, Rel as _, Rela as _, SectionHeader, SectionTable, Sym as _};
use skep_isa::Endian;

use crate::ObjectError;
use crate::limits::{Budget, Limits};

mod names;
pub(crate) mod write;

use names::name_at;

type Header = FileHeader64<Endianness>;

/// An ELF file.
#[derive(Debug)]
pub(crate) struct File<'d> {
    pub(crate) endian: Endian,
    pub(crate) sections: Vec<Section<'d>>,
    pub(crate) symbols: Vec<Symbol<'d>>,
    /// Symbols of each section.
    by_section: BTreeMap<usize, Vec<usize>>,
    relocs: BTreeMap<usize, Result<Vec<Rel>, ObjectError>>,
    /// What is wrong with the symbol table, if it could not be read.
    pub(crate) damage: Option<ObjectError>,
}

/// A section.
#[derive(Clone, Debug)]
pub(crate) struct Section<'d> {
    pub(crate) index: usize,
    pub(crate) name: Cow<'d, str>,
    pub(crate) kind: u32,
    pub(crate) flags: u64,
    pub(crate) size: u64,
    pub(crate) align: u64,
    data: Option<&'d [u8]>,
}

/// A symbol.
#[derive(Clone, Debug)]
pub(crate) struct Symbol<'d> {
    pub(crate) name: Cow<'d, str>,
    pub(crate) value: u64,
    pub(crate) size: u64,
    /// `STT_*`.
    pub(crate) kind: u8,
    /// `STB_*`.
    pub(crate) bind: u8,
    /// `STV_*`, in the low bits.
    pub(crate) other: u8,
    pub(crate) place: Place,
}

/// Where a symbol is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Elsewhere: an extern.
    Undefined,
    /// In the section with this index.
    Section(usize),
    /// Absolute, common, or a reserved index.
    Special(u16),
}

/// A relocation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rel {
    /// Offset in bytes in the section that it patches.
    pub(crate) offset: u64,
    /// Index into [`File::symbols`].
    pub(crate) symbol: usize,
    /// Addend of a RELA record; 0 for REL, where it is in the place itself.
    pub(crate) addend: i64,
    /// `R_BPF_*`.
    pub(crate) kind: u32,
}

impl<'d> Section<'d> {
    /// Its bytes: none for NOBITS.
    pub(crate) fn data(&self) -> Result<&'d [u8], ObjectError> {
        self.data.ok_or_else(|| {
            ObjectError::new("its bytes lie outside of the file").in_section(&*self.name).at(self.size)
        })
    }

    pub(crate) fn is_code(&self) -> bool {
        self.kind == elf::SHT_PROGBITS && self.flags & u64::from(elf::SHF_EXECINSTR) != 0
    }

    pub(crate) fn is_nobits(&self) -> bool {
        self.kind == elf::SHT_NOBITS
    }

    pub(crate) fn is_allocated(&self) -> bool {
        self.flags & u64::from(elf::SHF_ALLOC) != 0
    }

    pub(crate) fn is_writable(&self) -> bool {
        self.flags & u64::from(elf::SHF_WRITE) != 0
    }
}

impl Symbol<'_> {
    pub(crate) fn is_function(&self) -> bool {
        self.kind == elf::STT_FUNC
    }

    pub(crate) fn is_section(&self) -> bool {
        self.kind == elf::STT_SECTION
    }

    pub(crate) fn is_local(&self) -> bool {
        self.bind == elf::STB_LOCAL
    }

    pub(crate) fn is_weak(&self) -> bool {
        self.bind == elf::STB_WEAK
    }
}

impl<'d> File<'d> {
    /// Reads the tables.
    pub(crate) fn parse(bytes: &'d [u8], limits: &Limits, budget: &mut Budget) -> Result<Self, ObjectError> {
        let header = check_header(bytes)?;
        let endian = header.endian().map_err(damaged)?;
        let table = header.sections(endian, bytes).map_err(damaged)?;
        if table.len() > limits.sections {
            return Err(ObjectError::new(format!(
                "{} sections, the limit is {}",
                table.len(),
                limits.sections
            ))
            .over_limit());
        }
        budget.take(table.len(), size_of::<Section<'_>>(), "the section table")?;
        let names = header.section_strings_index(endian, bytes).ok();
        let names = names.and_then(|i| table.section(i).ok()).and_then(|s| s.data(endian, bytes).ok());
        let mut sections = Vec::with_capacity(table.len());
        for (index, s) in table.enumerate() {
            sections.push(Section {
                index: index.0,
                name: name_at(names.unwrap_or_default(), s.sh_name(endian), budget)?,
                kind: s.sh_type(endian),
                flags: s.sh_flags(endian),
                size: s.sh_size(endian),
                align: s.sh_addralign(endian),
                data: s.data(endian, bytes).ok(),
            });
        }
        let mut file = File {
            endian: if endian == Endianness::Big { Endian::Big } else { Endian::Little },
            sections,
            symbols: Vec::new(),
            by_section: BTreeMap::new(),
            relocs: BTreeMap::new(),
            damage: None,
        };
        if let Err(error) = file.read_symbols(bytes, endian, &table, budget) {
            if error.is_limit() {
                return Err(error);
            }
            file.damage = Some(error.in_section(".symtab"));
        }
        file.read_relocs(bytes, endian, &table, budget)?;
        Ok(file)
    }

    fn read_symbols(
        &mut self,
        bytes: &'d [u8],
        endian: Endianness,
        table: &SectionTable<'d, Header>,
        budget: &mut Budget,
    ) -> Result<(), ObjectError> {
        let symbols = table.symbols(endian, bytes, elf::SHT_SYMTAB).map_err(damaged)?;
        budget.take(symbols.len(), size_of::<Symbol<'_>>(), "the symbol table")?;
        let strings = table.section(symbols.string_section()).ok();
        let strings = strings.and_then(|s| s.data(endian, bytes).ok()).unwrap_or_default();
        self.symbols.reserve_exact(symbols.len());
        for (index, s) in symbols.enumerate() {
            let place = match s.st_shndx(endian) {
                elf::SHN_UNDEF => Place::Undefined,
                elf::SHN_XINDEX => match symbols.shndx(endian, index) {
                    Some(i) => Place::Section(i as usize),
                    None => Place::Special(elf::SHN_XINDEX),
                },
                i if i < elf::SHN_LORESERVE => Place::Section(usize::from(i)),
                i => Place::Special(i),
            };
            if let Place::Section(section) = place {
                budget.take(1, size_of::<usize>(), "the symbol table")?;
                self.by_section.entry(section).or_default().push(self.symbols.len());
            }
            self.symbols.push(Symbol {
                name: name_at(strings, s.st_name(endian), budget)?,
                value: s.st_value(endian),
                size: s.st_size(endian),
                kind: s.st_type(),
                bind: s.st_bind(),
                other: s.st_other(),
                place,
            });
        }
        Ok(())
    }

    fn read_relocs(
        &mut self,
        bytes: &'d [u8],
        endian: Endianness,
        table: &SectionTable<'d, Header>,
        budget: &mut Budget,
    ) -> Result<(), ObjectError> {
        for s in table.iter() {
            let list = match read_rels(s, bytes, endian, budget) {
                Ok(Some(list)) => Ok(list),
                Ok(None) => continue,
                Err(error) if error.is_limit() => return Err(error),
                Err(error) => Err(error),
            };
            let known = self.relocs.entry(s.sh_info(endian) as usize).or_insert(Ok(Vec::new()));
            match (known, list) {
                (Ok(known), Ok(list)) => known.extend(list),
                (known @ Ok(_), Err(error)) => *known = Err(error),
                (Err(_), _) => {}
            }
        }
        for list in self.relocs.values_mut().flatten() {
            list.sort_by_key(|r| r.offset);
        }
        Ok(())
    }

    /// Relocations that patch a section, by offset; none if they can't be read.
    pub(crate) fn relocs(&self, section: usize) -> &[Rel] {
        self.checked_relocs(section).unwrap_or_default()
    }

    /// As [`File::relocs`], but says if they can't be read.
    pub(crate) fn checked_relocs(&self, section: usize) -> Result<&[Rel], ObjectError> {
        match self.relocs.get(&section) {
            Some(Ok(list)) => Ok(list),
            Some(Err(error)) => Err(error.clone()),
            None => Ok(&[]),
        }
    }

    /// The first section of this name.
    pub(crate) fn section_named(&self, name: &str) -> Option<&Section<'d>> {
        self.sections.iter().find(|s| s.name == name)
    }

    /// The symbol of a relocation.
    pub(crate) fn symbol(&self, rel: &Rel) -> Result<&Symbol<'d>, ObjectError> {
        self.symbols.get(rel.symbol).ok_or_else(|| {
            ObjectError::new(format!(
                "relocation against symbol {}, there are {}",
                rel.symbol,
                self.symbols.len()
            ))
            .at(rel.offset)
        })
    }

    /// Symbols in a section, with their index.
    pub(crate) fn symbols_in(&self, section: usize) -> impl Iterator<Item = (usize, &Symbol<'d>)> {
        let of_section = self.by_section.get(&section).into_iter().flatten();
        of_section.filter_map(|&i| Some((i, self.symbols.get(i)?)))
    }
}

/// Reads a relocation section of either form; `None` for other sections.
fn read_rels(
    section: &elf::SectionHeader64<Endianness>,
    bytes: &[u8],
    endian: Endianness,
    budget: &mut Budget,
) -> Result<Option<Vec<Rel>>, ObjectError> {
    if let Some((rels, _)) = section.rel(endian, bytes).map_err(damaged)? {
        budget.take(rels.len(), size_of::<Rel>(), "the relocations")?;
        let read = |r: &elf::Rel64<Endianness>| Rel {
            offset: r.r_offset(endian),
            symbol: r.r_sym(endian) as usize,
            addend: 0,
            kind: r.r_type(endian),
        };
        return Ok(Some(rels.iter().map(read).collect()));
    }
    let Some((rels, _)) = section.rela(endian, bytes).map_err(damaged)? else { return Ok(None) };
    budget.take(rels.len(), size_of::<Rel>(), "the relocations")?;
    let read = |r: &elf::Rela64<Endianness>| Rel {
        offset: r.r_offset(endian),
        symbol: r.r_sym(endian, false) as usize,
        addend: r.r_addend(endian),
        kind: r.r_type(endian, false),
    };
    Ok(Some(rels.iter().map(read).collect()))
}

fn check_header(bytes: &[u8]) -> Result<&Header, ObjectError> {
    if bytes.get(..4) != Some(&elf::ELFMAG) {
        return Err(
            ObjectError::new("not an ELF file").with_hint("an object is what `clang -target bpf -c` writes")
        );
    }
    if bytes.get(4) != Some(&elf::ELFCLASS64) {
        return Err(ObjectError::new("not a 64-bit ELF file").with_hint("BPF objects are always 64-bit"));
    }
    let header = Header::parse(bytes).map_err(damaged)?;
    let endian = header.endian().map_err(damaged)?;
    let machine = header.e_machine(endian);
    // Clang before 3.9 had no machine number and wrote 0.
    if machine != elf::EM_BPF && machine != elf::EM_NONE {
        return Err(ObjectError::new(format!("machine {machine} is not BPF ({})", elf::EM_BPF))
            .with_hint("compile with `-target bpf`"));
    }
    if header.e_type(endian) != elf::ET_REL {
        return Err(
            ObjectError::new("not a relocatable object").with_hint("do not link it with a system linker")
        );
    }
    Ok(header)
}

fn damaged(error: object::read::Error) -> ObjectError {
    ObjectError::new(format!("damaged ELF: {}", lower(&error.to_string())))
}

fn lower(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_lowercase().chain(chars).collect())
}
