//! `.BTF.ext`: what belongs to code. Functions, source lines and CO-RE relocations, by ELF section.
//!
//! Offsets of instructions are bytes from the start of their section, as in the file. Strings are in the
//! string section of the object's [`Btf`].

use crate::parse::{endian_of, word};
use crate::{Btf, BtfError, Endian, TypeId};

/// Length of the header up to the line information; CO-RE relocations came later and add eight bytes.
const OLD_HEADER: usize = 24;
const HEADER: usize = 32;

/// A `.BTF.ext` section.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BtfExt {
    /// Functions.
    pub func_info: Vec<Section<FuncInfo>>,
    /// Source lines.
    pub line_info: Vec<Section<LineInfo>>,
    /// CO-RE relocations.
    pub core_relos: Vec<Section<CoreRelo>>,
}

/// The records of one ELF section.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Section<T> {
    /// Offset of the ELF section's name in the strings.
    pub name: u32,
    /// Its records, in file order.
    pub records: Vec<T>,
}

impl<T> Section<T> {
    /// Name of the ELF section that the records belong to.
    pub fn name<'a>(&self, btf: &'a Btf) -> &'a str {
        btf.string(self.name).unwrap_or("")
    }
}

/// A function (`struct bpf_func_info`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FuncInfo {
    /// Offset of its first instruction in bytes.
    pub insn_off: u32,
    /// The FUNC.
    pub type_id: TypeId,
}

/// A source line (`struct bpf_line_info`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LineInfo {
    /// Offset of its first instruction in bytes.
    pub insn_off: u32,
    /// Offset of the file's name in the strings.
    pub file: u32,
    /// Offset of the line's text in the strings.
    pub text: u32,
    /// Line number, from 1; 0 if there is none.
    pub line: u32,
    /// Column, from 1; 0 if there is none.
    pub column: u32,
}

/// A CO-RE relocation (`struct bpf_core_relo`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CoreRelo {
    /// Offset of the instruction in bytes.
    pub insn_off: u32,
    /// Root type.
    pub type_id: TypeId,
    /// Offset of the access string in the strings.
    pub access: u32,
    /// `enum bpf_core_relo_kind`, not checked here; see `core`.
    pub kind: u32,
}

/// A record that can be read from and written to words.
trait Record: Copy {
    /// Words of the record as first defined; later ones may be longer.
    const WORDS: usize;
    fn read(w: &[u32]) -> Self;
    fn write(self, out: &mut Vec<u32>);
    /// What it refers to: type and strings.
    fn refers(self) -> (Option<TypeId>, [u32; 2]);
}

impl Record for FuncInfo {
    const WORDS: usize = 2;
    fn read(w: &[u32]) -> Self {
        Self { insn_off: w[0], type_id: TypeId(w[1]) }
    }
    fn write(self, out: &mut Vec<u32>) {
        out.extend([self.insn_off, self.type_id.0]);
    }
    fn refers(self) -> (Option<TypeId>, [u32; 2]) {
        (Some(self.type_id), [0, 0])
    }
}

impl Record for LineInfo {
    const WORDS: usize = 4;
    fn read(w: &[u32]) -> Self {
        Self { insn_off: w[0], file: w[1], text: w[2], line: w[3] >> 10, column: w[3] & 0x3ff }
    }
    fn write(self, out: &mut Vec<u32>) {
        out.extend([self.insn_off, self.file, self.text, self.line << 10 | self.column.min(0x3ff)]);
    }
    fn refers(self) -> (Option<TypeId>, [u32; 2]) {
        (None, [self.file, self.text])
    }
}

impl Record for CoreRelo {
    const WORDS: usize = 4;
    fn read(w: &[u32]) -> Self {
        Self { insn_off: w[0], type_id: TypeId(w[1]), access: w[2], kind: w[3] }
    }
    fn write(self, out: &mut Vec<u32>) {
        out.extend([self.insn_off, self.type_id.0, self.access, self.kind]);
    }
    fn refers(self) -> (Option<TypeId>, [u32; 2]) {
        (Some(self.type_id), [self.access, 0])
    }
}

impl BtfExt {
    /// Reads a `.BTF.ext` section; `btf` is the same object's `.BTF`.
    ///
    /// Memory: at most about twice the size of the input.
    ///
    /// # Errors
    /// If anything lies outside the input, or names a type or string that does not exist.
    pub fn parse(bytes: &[u8], btf: &Btf) -> Result<Self, BtfError> {
        let Some(fixed) = bytes.get(..OLD_HEADER) else {
            return Err(BtfError::new(format!(
                "{} bytes are too few for a header of {OLD_HEADER}",
                bytes.len()
            )));
        };
        let endian = endian_of(fixed)
            .ok_or_else(|| BtfError::new(format!("magic is {:02x}{:02x}, not eb9f", fixed[0], fixed[1])))?;
        if fixed[2] != 1 {
            return Err(BtfError::new(format!("version {} is not known, only 1", fixed[2])).at(2));
        }
        let len = word(&fixed[4..], endian) as usize;
        if len < OLD_HEADER || len > bytes.len() {
            return Err(BtfError::new(format!("header length {len} is out of range")).at(4));
        }
        let reader = Reader { bytes, header: len, endian, btf };
        Ok(Self {
            func_info: reader.table(8, "function")?,
            line_info: reader.table(16, "line")?,
            core_relos: if len >= HEADER { reader.table(24, "CO-RE")? } else { Vec::new() },
        })
    }

    /// The file form. Empty tables are left out.
    pub fn to_bytes(&self, endian: Endian) -> Vec<u8> {
        let mut body = Vec::new();
        let mut header = vec![HEADER as u32];
        for table in
            [table_words(&self.func_info), table_words(&self.line_info), table_words(&self.core_relos)]
        {
            header.extend([4 * body.len() as u32, 4 * table.len() as u32]);
            body.extend(table);
        }
        let mut out = match endian {
            Endian::Little => vec![0x9f, 0xeb, 1, 0],
            Endian::Big => vec![0xeb, 0x9f, 1, 0],
        };
        for w in header.iter().chain(&body) {
            out.extend(match endian {
                Endian::Little => w.to_le_bytes(),
                Endian::Big => w.to_be_bytes(),
            });
        }
        out
    }
}

fn table_words<T: Record>(sections: &[Section<T>]) -> Vec<u32> {
    let mut out = Vec::new();
    for section in sections.iter().filter(|s| !s.records.is_empty()) {
        if out.is_empty() {
            out.push(4 * T::WORDS as u32);
        }
        out.extend([section.name, section.records.len() as u32]);
        section.records.iter().for_each(|record| record.write(&mut out));
    }
    out
}

struct Reader<'a> {
    bytes: &'a [u8],
    header: usize,
    endian: Endian,
    btf: &'a Btf,
}

impl Reader<'_> {
    /// Reads the table whose offset and length stand at `field` of the header.
    fn table<T: Record>(&self, field: usize, what: &str) -> Result<Vec<Section<T>>, BtfError> {
        let fail = |why: &str, at: usize| Err(BtfError::new(format!("{what} information {why}")).at(at));
        let off = word(&self.bytes[field..], self.endian) as usize;
        let len = word(&self.bytes[field + 4..], self.endian) as usize;
        if len == 0 {
            return Ok(Vec::new());
        }
        let start = self.header.checked_add(off);
        let end = start.and_then(|start| start.checked_add(len));
        let (Some(start), Some(end)) = (start, end.filter(|&end| end <= self.bytes.len())) else {
            return fail("runs past the end", field);
        };
        if !off.is_multiple_of(4) || !len.is_multiple_of(4) {
            return fail("is not a whole number of words", field);
        }
        let words: Vec<u32> = self.bytes[start..end].chunks_exact(4).map(|w| word(w, self.endian)).collect();
        let record = words[0] as usize;
        if record < 4 * T::WORDS || !record.is_multiple_of(4) {
            return fail(&format!("has records of {record} bytes, not {}", 4 * T::WORDS), start);
        }
        self.sections(&words, record / 4, start, what)
    }

    fn sections<T: Record>(
        &self,
        words: &[u32],
        record: usize,
        start: usize,
        what: &str,
    ) -> Result<Vec<Section<T>>, BtfError> {
        let mut sections = Vec::new();
        let mut pos = 1;
        while pos < words.len() {
            let fail =
                |why: String| Err(BtfError::new(format!("{what} information {why}")).at(start + 4 * pos));
            let Some(&[name, count]) = words.get(pos..pos + 2) else {
                return fail("is cut off".into());
            };
            if !self.btf.has_string(name) {
                return fail(format!("has a section name outside the string section ({name:#x})"));
            }
            if count == 0 {
                return fail("has a section without records".into());
            }
            let body = &words[pos + 2..];
            let Some(body) = (count as usize).checked_mul(record).and_then(|n| body.get(..n)) else {
                return fail(format!("says that it has {count} records, more than fit"));
            };
            let records: Vec<T> = body.chunks_exact(record).map(T::read).collect();
            if let Some(n) = records.iter().position(|r| !self.exists(*r)) {
                return fail(format!("has a record ({n}) with a type or string that does not exist"));
            }
            pos += 2 + body.len();
            sections.push(Section { name, records });
        }
        Ok(sections)
    }

    fn exists<T: Record>(&self, record: T) -> bool {
        let (id, strings) = record.refers();
        id.is_none_or(|id| id < self.btf.end_id()) && strings.iter().all(|&s| self.btf.has_string(s))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Builder;

    fn sample() -> (Btf, BtfExt) {
        let mut b = Builder::new(Endian::Little);
        let (name, file, access) = (b.string("xdp"), b.string("a.c"), b.string("0:1"));
        b.fwd("s", false);
        let ext = BtfExt {
            func_info: vec![Section { name, records: vec![FuncInfo { insn_off: 0, type_id: TypeId(1) }] }],
            line_info: vec![Section {
                name,
                records: vec![LineInfo { insn_off: 8, file, text: 0, line: 70_000, column: 17 }],
            }],
            core_relos: vec![Section {
                name,
                records: vec![CoreRelo { insn_off: 16, type_id: TypeId(1), access, kind: 2 }],
            }],
        };
        (b.finish().unwrap(), ext)
    }

    #[test]
    fn both_byte_orders_come_back() {
        let (btf, ext) = sample();
        for endian in [Endian::Little, Endian::Big] {
            assert_eq!(BtfExt::parse(&ext.to_bytes(endian), &btf).unwrap(), ext);
        }
        assert_eq!(ext.core_relos[0].name(&btf), "xdp");
    }

    #[test]
    fn every_cut_and_every_wild_count_is_an_error() {
        let (btf, ext) = sample();
        let bytes = ext.to_bytes(Endian::Little);
        for len in 0..bytes.len() {
            assert!(BtfExt::parse(&bytes[..len], &btf).is_err(), "{len}");
        }
        let mut wild = bytes.clone();
        wild[HEADER + 8..HEADER + 12].copy_from_slice(&u32::MAX.to_le_bytes());
        let e = BtfExt::parse(&wild, &btf).unwrap_err();
        assert!(e.to_string().contains("4294967295 records"), "{e}");
    }
}
