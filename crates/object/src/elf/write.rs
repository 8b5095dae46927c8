//! ELF from plain tables: what a linker or a writer has made, in the layout that clang gives its objects.

use object::elf;
use skep_isa::Endian;

/// A file to be written.
#[derive(Debug, Default)]
pub(crate) struct Output {
    pub(crate) endian: Endian,
    pub(crate) sections: Vec<OutSection>,
    /// The null symbol, which every table begins with, not included.
    pub(crate) symbols: Vec<OutSymbol>,
}

/// A section to be written.
#[derive(Debug, Default)]
pub(crate) struct OutSection {
    pub(crate) name: String,
    /// `SHT_PROGBITS` or `SHT_NOBITS`.
    pub(crate) kind: u32,
    pub(crate) flags: u64,
    pub(crate) align: u64,
    /// Size; for PROGBITS that of `bytes`.
    pub(crate) size: u64,
    pub(crate) bytes: Vec<u8>,
    pub(crate) relocs: Vec<OutRel>,
}

/// A symbol to be written.
#[derive(Clone, Debug)]
pub(crate) struct OutSymbol {
    pub(crate) name: String,
    pub(crate) value: u64,
    pub(crate) size: u64,
    pub(crate) kind: u8,
    pub(crate) bind: u8,
    pub(crate) other: u8,
    /// Index into [`Output::sections`]; `None` is undefined.
    pub(crate) section: Option<usize>,
}

/// A relocation to be written, as REL.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OutRel {
    pub(crate) offset: u64,
    /// Index into [`Output::symbols`].
    pub(crate) symbol: usize,
    pub(crate) kind: u32,
}

const HEADER: usize = 64;
const SECTION_HEADER: usize = 64;
const SYMBOL: usize = 24;

/// A section header's fields, in their order but for the name, which is interned when it is written.
#[derive(Default)]
struct Row {
    name: String,
    kind: u32,
    flags: u64,
    offset: usize,
    size: u64,
    link: usize,
    info: usize,
    align: u64,
    entry: u64,
}

struct Writer {
    endian: Endian,
    out: Vec<u8>,
    names: Vec<u8>,
}

impl Output {
    /// The file.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut w = Writer { endian: self.endian, out: vec![0; HEADER], names: vec![0] };
        // Locals come first, as the format wants it.
        let mut order: Vec<usize> = (0..self.symbols.len()).collect();
        order.sort_by_key(|&i| self.symbols[i].bind != elf::STB_LOCAL);
        let mut place = vec![0; self.symbols.len()];
        order.iter().enumerate().for_each(|(at, &i)| place[i] = at + 1);
        let mut rows = vec![Row::default()];
        for s in &self.sections {
            w.align(8);
            let offset = w.out.len();
            w.out.extend_from_slice(&s.bytes);
            let (name, align) = (s.name.clone(), s.align.max(1));
            let (kind, flags, size) = (s.kind, s.flags, s.size);
            rows.push(Row { name, kind, flags, offset, size, align, ..Row::default() });
        }
        let symtab = rows.len() + self.sections.iter().filter(|s| !s.relocs.is_empty()).count();
        for (index, s) in self.sections.iter().enumerate().filter(|(_, s)| !s.relocs.is_empty()) {
            rows.push(w.relocs(s, index + 1, symtab, &place));
        }
        let locals = self.symbols.iter().filter(|s| s.bind == elf::STB_LOCAL).count();
        rows.push(w.symbols(order.iter().map(|&i| &self.symbols[i]), symtab + 1, locals + 1));
        w.finish(rows, symtab + 1)
    }
}

impl Writer {
    fn align(&mut self, to: usize) {
        self.out.resize(self.out.len().next_multiple_of(to), 0);
    }

    fn put<const N: usize>(&mut self, little: [u8; N]) {
        let mut bytes = little;
        if self.endian == Endian::Big {
            bytes.reverse();
        }
        self.out.extend(bytes);
    }

    fn name(&mut self, name: &str) -> u32 {
        if name.is_empty() {
            return 0;
        }
        let at = self.names.len() as u32;
        self.names.extend(name.as_bytes());
        self.names.push(0);
        at
    }

    fn relocs(&mut self, s: &OutSection, target: usize, symtab: usize, place: &[usize]) -> Row {
        self.align(8);
        let offset = self.out.len();
        for r in &s.relocs {
            self.put(r.offset.to_le_bytes());
            let symbol = place.get(r.symbol).copied().unwrap_or(0) as u64;
            self.put((symbol << 32 | u64::from(r.kind)).to_le_bytes());
        }
        Row {
            name: format!(".rel{}", s.name),
            kind: elf::SHT_REL,
            flags: u64::from(elf::SHF_INFO_LINK),
            offset,
            size: (self.out.len() - offset) as u64,
            link: symtab,
            info: target,
            align: 8,
            entry: 16,
        }
    }

    fn symbols<'a>(
        &mut self,
        symbols: impl Iterator<Item = &'a OutSymbol>,
        strings: usize,
        first_global: usize,
    ) -> Row {
        self.align(8);
        let offset = self.out.len();
        self.out.extend([0; SYMBOL]);
        for s in symbols {
            let name = self.name(&s.name);
            self.put(name.to_le_bytes());
            self.out.extend([s.bind << 4 | s.kind & 15, s.other]);
            self.put((s.section.map_or(0, |i| i + 1) as u16).to_le_bytes());
            self.put(s.value.to_le_bytes());
            self.put(s.size.to_le_bytes());
        }
        Row {
            name: ".symtab".into(),
            kind: elf::SHT_SYMTAB,
            offset,
            size: (self.out.len() - offset) as u64,
            link: strings,
            info: first_global,
            align: 8,
            entry: SYMBOL as u64,
            ..Row::default()
        }
    }

    fn finish(mut self, mut rows: Vec<Row>, strings: usize) -> Vec<u8> {
        rows.push(Row { name: ".strtab".into(), kind: elf::SHT_STRTAB, align: 1, ..Row::default() });
        let names: Vec<u32> = rows.iter().map(|r| self.name(&r.name.clone())).collect();
        rows[strings].offset = self.out.len();
        rows[strings].size = self.names.len() as u64;
        let text = std::mem::take(&mut self.names);
        self.out.extend(text);
        self.align(8);
        let table = self.out.len();
        for (row, name) in rows.iter().zip(names) {
            self.put(name.to_le_bytes());
            self.put(row.kind.to_le_bytes());
            for word in [row.flags, 0, row.offset as u64, row.size] {
                self.put(word.to_le_bytes());
            }
            self.put((row.link as u32).to_le_bytes());
            self.put((row.info as u32).to_le_bytes());
            self.put(row.align.to_le_bytes());
            self.put(row.entry.to_le_bytes());
        }
        let file = std::mem::take(&mut self.out);
        self.header(table, rows.len(), strings);
        let mut header = std::mem::replace(&mut self.out, file);
        header.resize(HEADER, 0);
        self.out[..HEADER].copy_from_slice(&header);
        self.out
    }

    fn header(&mut self, table: usize, sections: usize, strings: usize) {
        let order = if self.endian == Endian::Big { elf::ELFDATA2MSB } else { elf::ELFDATA2LSB };
        self.out.extend(elf::ELFMAG);
        self.out.extend([elf::ELFCLASS64, order, elf::EV_CURRENT, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        self.put(elf::ET_REL.to_le_bytes());
        self.put(elf::EM_BPF.to_le_bytes());
        self.put(u32::from(elf::EV_CURRENT).to_le_bytes());
        self.put(0u64.to_le_bytes());
        self.put(0u64.to_le_bytes());
        self.put((table as u64).to_le_bytes());
        self.put(0u32.to_le_bytes());
        for half in [HEADER, 0, 0, SECTION_HEADER, sections, strings] {
            self.put((half as u16).to_le_bytes());
        }
    }
}
