//! The registry of the verifier's codes: what each refusal means, in words, with an example and what to do.
//!
//! `skep explain CODE` prints a row, and `docs/verifier-codes.md` is generated from all of them. The hundreds are groups:
//! structure, registers, stack, memory, calls, functions, protocols, results, the verifier itself. A code is one meaning; the
//! kernel's wording of it may differ from place to place.

mod calls;
mod functions;
mod internal;
mod memory;
mod protocols;
mod registers;
mod results;
mod stack;
mod structure;

use skep_diag::Code;

/// The groups, in order of their codes.
const GROUPS: [(&str, &[Code]); 9] = [
    ("Structure", structure::ROWS),
    ("Registers and arithmetic", registers::ROWS),
    ("The stack", stack::ROWS),
    ("Memory", memory::ROWS),
    ("Calls of helpers", calls::ROWS),
    ("Functions", functions::ROWS),
    ("References, locks, sections", protocols::ROWS),
    ("Results", results::ROWS),
    ("The verifier", internal::ROWS),
];

/// Every code that a refusal can have, in order.
pub fn codes() -> impl Iterator<Item = &'static Code> {
    GROUPS.iter().flat_map(|(_, rows)| rows.iter())
}

/// The row of a code such as `V0405`, in either case.
pub fn code(id: &str) -> Option<&'static Code> {
    codes().find(|c| c.id.eq_ignore_ascii_case(id))
}

/// The registry as a Markdown document.
pub fn reference() -> String {
    let mut text = String::from(
        "# What the verifier refuses\n\nEach refusal has a code; `skep explain CODE` prints the same. The kernel's verifier has no codes: what it \
         says in its log stands under the title when `skep verify` tells of a refusal.\n",
    );
    for (title, rows) in GROUPS {
        text += &format!("\n## {title}\n");
        for row in rows {
            text += &format!("\n### {}: {}\n\n{}\n", row.id, row.title, row.story);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    /// Codes in string literals of the sources, this folder aside.
    fn emitted(dir: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                // The explanations choose by code, and emit none.
                if !path.ends_with("src/codes") && !path.ends_with("src/explain") {
                    emitted(&path, found);
                }
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for (at, _) in text.match_indices("\"V0") {
                if let Some(id) = text.get(at + 1..at + 6) {
                    found.insert(id.to_owned());
                }
            }
        }
    }

    #[test]
    fn every_emitted_code_has_a_row_and_every_row_is_emitted() {
        let mut found = BTreeSet::new();
        emitted(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
        let rows: BTreeSet<String> = codes().map(|c| c.id.to_owned()).collect();
        assert_eq!(found, rows);
    }

    #[test]
    fn rows_are_in_order_and_well_formed() {
        let ids: Vec<_> = codes().map(|c| c.id).collect();
        assert!(ids.is_sorted() && codes().all(Code::is_well_formed));
        for c in codes() {
            assert!(!c.title.ends_with('.') && c.story.len() > 40, "{}", c.id);
            assert_eq!(c.story.matches("```").count() % 2, 0, "{}", c.id);
        }
        assert_eq!(code("v0405").map(|c| c.id), Some("V0405"));
        assert_eq!(code("V9999"), None);
    }
}
