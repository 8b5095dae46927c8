//! Codes of diagnostics, and the stories behind them.

/// A row of a registry of codes. Each crate that makes diagnostics keeps a table of its own; `skep explain` joins them.
///
/// The first letter says who found it: `A` the assembler, `B` BTF, `C` CO-RE, `O` an object, `F` a filter, `T` a trace,
/// `P` P4, `V` the verifier. Codes are never given twice, also not after one has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// A letter and four digits: `V0301`.
    pub id: &'static str,
    /// What it is about, lower case, no full stop.
    pub title: &'static str,
    /// The long story, in Markdown: what the rule is, why it is, an example that breaks it, and how to mend it.
    pub story: &'static str,
}

impl Code {
    /// Is the id a letter and four digits?
    pub fn is_well_formed(&self) -> bool {
        let bytes = self.id.as_bytes();
        bytes.len() == 5 && bytes[0].is_ascii_uppercase() && bytes[1..].iter().all(u8::is_ascii_digit)
    }
}

#[cfg(test)]
mod tests {
    use super::Code;

    #[test]
    fn ids_are_a_letter_and_four_digits() {
        for (id, well) in [("V0301", true), ("v0301", false), ("V301", false), ("VV301", false), ("", false)]
        {
            assert_eq!(Code { id, title: "", story: "" }.is_well_formed(), well, "{id}");
        }
    }
}
