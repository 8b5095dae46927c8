//! What is generated: reference documents that are read off the tables, so that they can't be wrong. They are committed,
//! so that they can be read without building; a test holds them fresh.

mod abi;
mod refusals;

use std::io;
use std::path::Path;

/// A generated file.
#[derive(Debug)]
pub struct Generated {
    /// Where it lies, from the root.
    pub path: &'static str,
    /// What it holds.
    pub text: String,
}

/// Every generated file, as it should be.
pub fn all() -> Vec<Generated> {
    vec![
        Generated { path: "docs/isa.md", text: skep_isa::reference() },
        Generated {
            path: "docs/verifier-codes.md",
            text: format!("{REMARK}\n\n{}", skep_verifier::reference()),
        },
        Generated { path: "docs/verifier-errors.md", text: refusals::document() },
        Generated { path: "docs/abi/helpers.md", text: abi::helpers() },
        Generated { path: "docs/abi/prog-types.md", text: abi::prog_types() },
        Generated { path: "docs/abi/map-types.md", text: abi::map_types() },
        Generated { path: "docs/abi/attach-types.md", text: abi::attach_types() },
        Generated { path: "docs/abi/sections.md", text: abi::sections() },
        Generated { path: "docs/abi/contexts.md", text: abi::contexts() },
    ]
}

/// The generated files that are not on disk as they should be.
pub fn stale(root: &Path) -> io::Result<Vec<Generated>> {
    let mut stale = Vec::new();
    for file in all() {
        match std::fs::read_to_string(root.join(file.path)) {
            Ok(text) if text == file.text => {}
            Ok(_) => stale.push(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => stale.push(file),
            Err(error) => return Err(error),
        }
    }
    Ok(stale)
}

/// Writes a generated file.
pub fn write(root: &Path, file: &Generated) -> io::Result<()> {
    let path = root.join(file.path);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, &file.text)
}

/// The remark that every generated file opens with.
const REMARK: &str = "<!-- Written by `cargo xtask gen` from the tables; edit those. -->";

/// A Markdown table.
struct Table {
    text: String,
    columns: usize,
}

impl Table {
    fn new(headings: &[&str]) -> Table {
        let mut table = Table { text: String::new(), columns: headings.len() };
        table.row(headings.iter().map(ToString::to_string));
        table.text.push_str(&"|---".repeat(headings.len()));
        table.text.push_str("|\n");
        table
    }

    fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells: Vec<String> = cells.into_iter().map(|cell| cell.replace('|', "\\|")).collect();
        debug_assert_eq!(cells.len(), self.columns);
        self.text.push_str("| ");
        self.text.push_str(&cells.join(" | "));
        self.text.push_str(" |\n");
    }
}
