//! The file that tells a debugger about machine code: an ELF object with a section that has no bytes but an address, a symbol
//! for each function, and how to find the caller's frame (System V ABI, chapter 4; DWARF 3, section 6.4).
//!
//! GDB takes a relocatable object whose sections have addresses already, and symbols that count from their section.

/// A function.
#[derive(Debug)]
pub(super) struct Symbol {
    pub(super) name: String,
    /// Distance from the first byte of the code.
    pub(super) at: u64,
    pub(super) len: u64,
}

/// Where the caller's frame is, from a place in the code on.
#[derive(Clone, Copy, Debug)]
pub(in crate::jit) struct Row {
    /// Distance from the first byte of the code.
    pub(in crate::jit) at: u64,
    /// How far the stack pointer is below what it is at the caller's.
    pub(in crate::jit) bytes: u64,
    /// DWARF's numbers of the caller's registers that are on the stack, and how far below that.
    pub(in crate::jit) kept: &'static [(u8, u8)],
}

/// What is told about a piece of code.
pub(super) struct Code<'a> {
    pub(super) machine: u16,
    pub(super) start: u64,
    pub(super) len: u64,
    pub(super) symbols: &'a [Symbol],
    /// Ascending, the first one at 0. None at all: debuggers guess.
    pub(super) rows: &'a [Row],
}

const HEADER: usize = 64;
const SECTION: usize = 64;
const SYMBOL: usize = 24;

const SHT_PROGBITS: u32 = 1;
const SHT_SYMTAB: u32 = 2;
const SHT_STRTAB: u32 = 3;
const SHT_NOBITS: u32 = 8;
const SHF_ALLOC_EXECINSTR: u64 = 2 | 4;
const ET_REL: u16 = 1;
/// A local function, in the way of `st_info`.
const STT_FUNC: u8 = 2;

/// Names, each ended by a zero, after an empty one.
struct Names(Vec<u8>);

impl Names {
    fn add(&mut self, name: &str) -> u32 {
        let at = self.0.len() as u32;
        self.0.extend(name.bytes().filter(|b| *b != 0));
        self.0.push(0);
        at
    }
}

struct Section {
    name: u32,
    kind: u32,
    flags: u64,
    addr: u64,
    /// What it holds, and where that is less, its size.
    bytes: Vec<u8>,
    size: u64,
    link: u32,
    info: u32,
    entry: u64,
}

/// Writes the file.
pub(super) fn file(code: &Code<'_>) -> Vec<u8> {
    let (mut names, mut own) = (Names(vec![0]), Names(vec![0]));
    let mut symbols = vec![0; SYMBOL];
    for symbol in code.symbols {
        symbols.extend(names.add(&symbol.name).to_le_bytes());
        symbols.extend([STT_FUNC, 0, 1, 0]);
        symbols.extend(symbol.at.to_le_bytes());
        symbols.extend(symbol.len.to_le_bytes());
    }
    let count = code.symbols.len() as u32 + 1;
    let mut section = |name: &str, kind, bytes: Vec<u8>| {
        let size = bytes.len() as u64;
        Section { name: own.add(name), kind, flags: 0, addr: 0, bytes, size, link: 0, info: 0, entry: 0 }
    };
    let text = section(".text", SHT_NOBITS, Vec::new());
    let symtab = section(".symtab", SHT_SYMTAB, symbols);
    let strtab = section(".strtab", SHT_STRTAB, names.0);
    let frame = section(".debug_frame", SHT_PROGBITS, frames(code));
    let mut shstrtab = section(".shstrtab", SHT_STRTAB, Vec::new());
    (shstrtab.size, shstrtab.bytes) = (own.0.len() as u64, own.0);
    let sections = [
        Section { flags: SHF_ALLOC_EXECINSTR, addr: code.start, size: code.len, ..text },
        Section { link: 3, info: count, entry: SYMBOL as u64, ..symtab },
        strtab,
        frame,
        shstrtab,
    ];
    let mut body = Vec::new();
    let mut table = vec![0; SECTION];
    for section in &sections {
        body.resize(body.len().next_multiple_of(8), 0);
        table.extend(section.name.to_le_bytes());
        table.extend(section.kind.to_le_bytes());
        let at = (HEADER + body.len()) as u64;
        [section.flags, section.addr, at, section.size].iter().for_each(|n| table.extend(n.to_le_bytes()));
        table.extend(section.link.to_le_bytes());
        table.extend(section.info.to_le_bytes());
        [8, section.entry].iter().for_each(|n: &u64| table.extend(n.to_le_bytes()));
        body.extend(&section.bytes);
    }
    body.resize(body.len().next_multiple_of(8), 0);
    let mut file = header(code.machine, HEADER + body.len(), sections.len() as u16);
    file.extend(body);
    file.extend(table);
    file
}

/// `last` is the number of the last section, which has the names of all.
fn header(machine: u16, sections_at: usize, last: u16) -> Vec<u8> {
    // 64 bits, little-endian, version 1, System V.
    let mut out = b"\x7fELF\x02\x01\x01".to_vec();
    out.resize(16, 0);
    [ET_REL, machine].iter().for_each(|n| out.extend(n.to_le_bytes()));
    out.extend(1u32.to_le_bytes());
    // No entry, no program headers.
    [0, 0, sections_at as u64].iter().for_each(|n| out.extend(n.to_le_bytes()));
    out.extend(0u32.to_le_bytes());
    let sizes = [HEADER as u16, 0, 0, SECTION as u16, last + 1, last];
    sizes.iter().for_each(|n| out.extend(n.to_le_bytes()));
    out
}

const DW_CFA_NOP: u8 = 0;
const DW_CFA_ADVANCE_LOC4: u8 = 0x04;
const DW_CFA_SAME_VALUE: u8 = 0x08;
const DW_CFA_DEF_CFA: u8 = 0x0c;
const DW_CFA_DEF_CFA_OFFSET: u8 = 0x0e;
const DW_CFA_OFFSET: u8 = 0x80;
/// DWARF's numbers of x86-64 (System V ABI for it, figure 3.36).
const RSP: u8 = 7;
const RETURN: u8 = 16;

/// `.debug_frame`: one description for all of the code, x86-64's.
fn frames(code: &Code<'_>) -> Vec<u8> {
    let Some(first) = code.rows.first() else { return Vec::new() };
    let mut out = Vec::new();
    let mut cie = u32::MAX.to_le_bytes().to_vec();
    // Version 1, no augmentation, code by bytes, data by -8, the return's register.
    cie.extend([1, 0, 1, 0x78, RETURN]);
    cie.extend([DW_CFA_DEF_CFA, RSP]);
    uleb(&mut cie, first.bytes);
    cie.extend([DW_CFA_OFFSET | RETURN, 1]);
    entry(&mut out, cie);
    let mut fde = 0u32.to_le_bytes().to_vec();
    fde.extend(code.start.to_le_bytes());
    fde.extend(code.len.to_le_bytes());
    for pair in code.rows.windows(2) {
        fde.push(DW_CFA_ADVANCE_LOC4);
        fde.extend(((pair[1].at - pair[0].at) as u32).to_le_bytes());
        fde.push(DW_CFA_DEF_CFA_OFFSET);
        uleb(&mut fde, pair[1].bytes);
        pair[0].kept.iter().for_each(|(register, _)| fde.extend([DW_CFA_SAME_VALUE, *register]));
        pair[1].kept.iter().for_each(|(register, below)| fde.extend([DW_CFA_OFFSET | register, below / 8]));
    }
    entry(&mut out, fde);
    out
}

/// Adds an entry of `.debug_frame`, filled up to whole words.
fn entry(out: &mut Vec<u8>, mut body: Vec<u8>) {
    body.resize((body.len() + 4).next_multiple_of(8) - 4, DW_CFA_NOP);
    out.extend((body.len() as u32).to_le_bytes());
    out.extend(body);
}

/// An unsigned number in seven bits a byte.
fn uleb(out: &mut Vec<u8>, mut n: u64) {
    loop {
        let byte = (n & 127) as u8;
        n >>= 7;
        out.push(if n > 0 { byte | 128 } else { byte });
        if n == 0 {
            return;
        }
    }
}
