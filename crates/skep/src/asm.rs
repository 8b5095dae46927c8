//! Assembler text, with the names of helpers, and errors as diagnostics that point into the text.
//!
//! ```
//! use skep::{asm, isa::asm::Dialect};
//!
//! let program = asm::assemble("call map_lookup_elem\nexit", Dialect::Kernel, "example").expect("correct");
//! assert_eq!(program.insns[0].imm, 1);
//!
//! let errors = asm::assemble("r0 = r11\nexit", Dialect::Kernel, "example").unwrap_err();
//! assert_eq!(errors[0].primary.as_ref().map(|l| l.span.clone()), Some(5..8));
//! ```

use skep_abi::HelperId;
use skep_diag::{Diagnostic, Label, Severity, Source};
use skep_isa::asm::{AsmError, Assembler, Assembly, Dialect};
use skep_isa::text::Names;

/// The names of helpers, with and without `bpf_`.
#[derive(Clone, Copy, Debug, Default)]
pub struct HelperNames;

impl Names for HelperNames {
    fn helper_id(&self, name: &str) -> Option<i32> {
        i32::try_from(name.parse::<HelperId>().ok()?.0).ok()
    }

    fn helper_name(&self, id: i32) -> Option<&str> {
        HelperId(u32::try_from(id).ok()?).name()
    }

    fn nearest_helper(&self, name: &str) -> Option<&str> {
        name.parse::<HelperId>().err()?.nearest()
    }
}

/// Assembles a text that is called `name` in what is said of it.
///
/// # Errors
/// All that is wrong with it, one diagnostic each, in the order of the text; at least one.
pub fn assemble(text: &str, dialect: Dialect, name: &str) -> Result<Assembly, Vec<Diagnostic>> {
    Assembler::new(dialect).names(&HelperNames).assemble(text).map_err(|e| diagnostics(&e, text, name))
}

/// The same for a text whose dialect is not known: the kernel's if it assembles so, else the mnemonic one. If it is
/// neither, the errors are those of the dialect that it is nearer to.
///
/// # Errors
/// As [`assemble`].
pub fn assemble_any(text: &str, name: &str) -> Result<Assembly, Vec<Diagnostic>> {
    let kernel = match assemble(text, Dialect::Kernel, name) {
        Ok(a) => return Ok(a),
        Err(e) => e,
    };
    match assemble(text, Dialect::Mnemonic, name) {
        Err(e) if e.len() >= kernel.len() => Err(kernel),
        other => other,
    }
}

/// Reads a classic program in any of its text forms.
///
/// # Errors
/// As [`assemble`].
pub fn assemble_classic(text: &str, name: &str) -> Result<Vec<skep_isa::classic::Insn>, Vec<Diagnostic>> {
    skep_isa::classic::text::parse(text).map_err(|e| diagnostics(&e, text, name))
}

fn diagnostics(e: &AsmError, text: &str, name: &str) -> Vec<Diagnostic> {
    let one = |f: &skep_isa::asm::Finding| Diagnostic {
        code: None,
        severity: Severity::Error,
        title: f.message().to_owned(),
        sources: vec![Source { name: name.to_owned(), text: text.to_owned(), first_line: 1 }],
        primary: Some(Label {
            source: 0,
            span: f.span().clone(),
            text: f.hint().unwrap_or_default().to_owned(),
        }),
        secondary: Vec::new(),
        notes: Vec::new(),
        fix: None,
    };
    e.findings().iter().map(one).collect()
}
