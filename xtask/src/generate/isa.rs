//! The instruction set as a document, chapter by chapter, read off the table of operations.

use skep_isa::{Family, Row};

use super::{REMARK, Table};

pub(super) fn reference() -> String {
    let mut text = format!(
        "{REMARK}\n\n# Instructions\n\nEvery operation that skep knows: all of RFC 9669 and what Linux and LLVM have \
         beyond it. `cpu` is the first of LLVM's `-mcpu` versions that has it, `Linux` the first release that takes \
         it, `RFC` the section of RFC 9669.\n"
    );
    for family in Family::ALL {
        let mut table = Table::new(&[
            "opcode",
            "also",
            "name",
            "kernel dialect",
            "mnemonic dialect",
            "cpu",
            "Linux",
            "RFC",
            "meaning",
        ]);
        for row in skep_isa::ROWS.iter().filter(|row| row.family() == family) {
            table.row(cells(row));
        }
        text.push_str(&format!("\n## {}\n\n{}", family.title(), table.text));
    }
    text
}

fn cells(row: &Row) -> [String; 9] {
    [
        format!("0x{:02x}", row.opcode),
        row.select.map_or(String::new(), |(field, value)| format!("{} = {value:#x}", field.name())),
        format!("`{}`", row.name),
        row.kernel.first().map_or(String::new(), |text| format!("`{}`", operands(text))),
        row.mnemonic.first().map_or(String::new(), |text| format!("`{}`", operands(&printed(text)))),
        row.cpu.to_string(),
        row.linux.unwrap_or("").to_owned(),
        row.rfc.unwrap_or("").to_owned(),
        row.meaning.to_owned(),
    ]
}

/// Placeholders of spellings, as a reader expects them; the others lose their mark.
const PLACEHOLDERS: &[(&str, &str)] = &[
    ("$dst", "D"),
    ("$src", "S"),
    ("$mem", " + off"),
    ("$plus", " + imm"),
    ("$near", "+off"),
    ("$far", "+imm"),
    ("$imm64", "imm64"),
    ("$hex", "imm"),
    ("$call", "pc+imm"),
    ("$func", "pc+imm"),
    ("kfunc $kfunc", "kfunc NAME"),
    ("$kfunc", "NAME"),
    ("$helper", "NAME"),
];

/// A spelling with its operands by their fields: `rD`, `rS`, `imm`, `off`.
fn operands(template: &str) -> String {
    let named = PLACEHOLDERS.iter().fold(template.to_owned(), |text, (hole, name)| text.replace(hole, name));
    named.replace('$', "")
}

/// Of the names that an instruction goes by in the mnemonic dialect, the one that is printed.
fn printed(template: &str) -> String {
    let (names, rest) = template.split_once(' ').unwrap_or((template, ""));
    let name = names.split('|').next().unwrap_or(names);
    format!("{name} {rest}").trim_end().to_owned()
}
