//! The table as documentation: the whole set in Markdown, and rows by what a person may call them.

use crate::asm::nearest;
use crate::row::{Family, Field, ROWS, Row};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

const HEAD: &str = "\
# Instructions

<!-- Written from the table in crates/isa/src/table.rs by `cargo xtask gen`. Do not edit. -->

Every operation that skep knows. An instruction is a slot of eight bytes: the opcode, the registers
`dst` and `src` (four bits each), the offset `off` (16 bits, signed) and the immediate `imm` (32 bits,
signed); a wide load takes two slots. Fields that an operation does not use must be zero.

*Spelling* is the kernel's, then the mnemonic one. *Cpu* is LLVM's `-mcpu`, *Linux* the first version
that takes it, *RFC* the section of RFC 9669.
";

/// The reference of the instruction set, in Markdown.
pub fn reference() -> String {
    let mut out = HEAD.to_string();
    for family in Family::ALL {
        out.push_str(&format!("\n## {}\n\n", family.title()));
        out.push_str(
            "| Name | Opcode | Spelling | Meaning | Cpu | Linux | RFC |\n|---|---|---|---|---|---|---|\n",
        );
        for row in ROWS.iter().filter(|row| row.family() == family) {
            out.push_str(&line(row));
        }
    }
    out
}

fn line(row: &Row) -> String {
    let [kernel, mnemonic] = row.spellings().map(|text| text.replace('|', "\\|"));
    format!(
        "| {} | {} | `{kernel}`<br>`{mnemonic}` | {} | {} | {} | {} |\n",
        row.name,
        row.encoding(),
        row.meaning.replace('|', "\\|"),
        row.cpu,
        row.linux.unwrap_or("no"),
        row.rfc.unwrap_or("no"),
    )
}

impl Row {
    /// The opcode and the field that is fixed: `0x37, off = 0x1`.
    pub fn encoding(&self) -> String {
        match self.select {
            Some((field, value)) => format!("{:#04x}, {} = {value:#x}", self.opcode, field.name()),
            None => format!("{:#04x}", self.opcode),
        }
    }

    /// How the kernel and the mnemonic dialect spell it, operands by name: `r<dst> += <imm>`.
    pub fn spellings(&self) -> [String; 2] {
        let first = |all: &[&str]| named(all.first().copied().unwrap_or(self.name));
        [first(self.kernel), first(self.mnemonic)]
    }
}

/// Placeholders as `<name>`; of the alternatives for the first word the first one.
fn named(spelling: &str) -> String {
    let (word, rest) = spelling.split_at(spelling.find(' ').unwrap_or(spelling.len()));
    let word = if rest.contains("%r") { word.split('|').next().unwrap_or(word) } else { word };
    let mut out = String::new();
    let mut parts = [word, rest].concat();
    while let Some(at) = parts.find('$') {
        let after = &parts[at + 1..];
        let end = after.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(after.len());
        out.push_str(&parts[..at]);
        out.push_str(match &after[..end] {
            "mem" => "+<off>",
            "plus" => "+<imm>",
            "near" | "far" | "call" | "func" => "<target>",
            "hex" | "imm64" => "<imm>",
            "low" => "<imm>",
            "high" => "<offset>",
            "dst" => "<dst>",
            "src" => "<src>",
            "to" => "<to>",
            "from" => "<from>",
            "helper" => "<helper>",
            "kfunc" => "<function>",
            _ => "<imm>",
        });
        parts = after[end..].to_string();
    }
    out + &parts
}

/// The rows that a person may mean by `query`: a row's name (`add64_imm`), the name without its
/// suffix, a mnemonic (`ldxw`, `lock add`), an opcode (`0x07`), or a word or operator of the kernel's
/// spelling (`may_goto`, `s>>=`). In the order of the table; empty if nothing fits.
pub fn find_rows(query: &str) -> Vec<&'static Row> {
    let query = query.trim();
    let opcode = query.strip_prefix("0x").and_then(|hex| u8::from_str_radix(hex, 16).ok());
    ROWS.iter().filter(|row| opcode.map_or_else(|| is_called(row, query), |op| row.opcode == op)).collect()
}

fn is_called(row: &Row, query: &str) -> bool {
    let stem = row.name.trim_end_matches("_imm").trim_end_matches("_reg");
    let mnemonic = |text: &&str| {
        let end = text.find(['%', '$', '[']).unwrap_or(text.len());
        let head = text[..end].trim_end();
        head == query || head.split('|').any(|word| word == query)
    };
    let word = |text: &&str| text.split([' ', '(', '$']).any(|word| word == query);
    row.name == query
        || stem == query
        || row.mnemonic.iter().any(mnemonic)
        || (query.len() > 1 && row.kernel.iter().any(word))
}

/// The name most like `query`, where [`find_rows`] finds nothing.
pub fn nearest_row(query: &str) -> Option<&'static str> {
    nearest(query, ROWS.iter().flat_map(|row| [row.name, row.mnemonic_name()]))
}

/// The fields that a row uses, as `dst, off, imm`; the fixed one included.
pub fn fields_of(row: &Row) -> Vec<Field> {
    let fixed = row.select.map(|(field, _)| field);
    Field::OPERANDS.into_iter().filter(|&field| row.uses(field) || fixed == Some(field)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_has_every_row_once() {
        let text = reference();
        for row in ROWS {
            assert_eq!(text.matches(&format!("\n| {} |", row.name)).count(), 1, "{row:?}");
        }
        assert!(!text.contains('$'), "a placeholder has no name");
        let add =
            "| add64_imm | 0x07 | `r<dst> += <imm>`<br>`add %r<dst>, <imm>` | dst += imm | v1 | 3.18 | 4.1 |";
        assert!(text.contains(add), "{text}");
    }

    #[test]
    fn rows_are_found_by_what_people_call_them() {
        let names = |query| find_rows(query).iter().map(|row| row.name).collect::<Vec<_>>();
        assert_eq!(names("ldxw"), ["ldxw"]);
        assert_eq!(names("add64"), ["add64_imm", "add64_reg"]);
        assert_eq!(names("0x95"), ["exit"]);
        assert_eq!(names("may_goto"), ["may_goto"]);
        assert_eq!(names("lock fetch add"), ["atomic64_fetch_add"]);
        assert_eq!(names("s>>="), ["arsh32_imm", "arsh32_reg", "arsh64_imm", "arsh64_reg"]);
        assert_eq!(names("bogus"), [] as [&str; 0]);
        assert_eq!(nearest_row("ldxdww"), Some("ldxdw"));
    }
}
