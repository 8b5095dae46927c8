//! The program of a corpus file: its slots, the names in it, and the marks on its lines.

use skep_abi::HelperId;
use skep_isa::Names;
use skep_isa::asm::{Assembler, Assembly, Dialect};

/// Helper names, read off the rows of abi.
#[derive(Clone, Copy, Debug)]
pub struct HelperNames;

/// The one instance.
pub static NAMES: HelperNames = HelperNames;

impl Names for HelperNames {
    fn helper_id(&self, name: &str) -> Option<i32> {
        name.parse::<HelperId>().ok().and_then(|id| i32::try_from(id.0).ok())
    }

    fn helper_name(&self, id: i32) -> Option<&str> {
        u32::try_from(id).ok().and_then(|id| HelperId(id).name())
    }
}

/// `#~ WHAT: TEXT` on a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Line, from 1.
    pub line: usize,
    /// `trap`, or a diagnostic's code.
    pub what: String,
    /// What the message contains.
    pub text: String,
}

/// An assembled file.
#[derive(Clone, Debug)]
pub struct Program {
    /// Slots, references and lines.
    pub assembly: Assembly,
    /// Marks, in the order of lines.
    pub marks: Vec<Mark>,
}

impl Program {
    /// The line of the instruction at a slot.
    pub fn line_of(&self, slot: usize) -> Option<usize> {
        self.assembly.line_of(slot).map(|span| span.line)
    }

    /// The mark of this kind, if there is one.
    pub fn mark(&self, what: &str) -> Option<&Mark> {
        self.marks.iter().find(|mark| mark.what == what)
    }
}

/// Assembles a file; header and marks are comments to the assembler.
///
/// # Errors
/// The assembler's findings, or a mark without a colon.
pub fn assemble(text: &str) -> Result<Program, String> {
    let assembler = Assembler::new(Dialect::Kernel).names(&NAMES);
    let assembly = assembler.assemble(text).map_err(|e| e.to_string())?;
    let mut marks = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let Some((_, mark)) = line.split_once("#~") else { continue };
        let (what, text) = mark.split_once(':').ok_or(format!("line {}: expected `#~ WHAT: TEXT`", i + 1))?;
        marks.push(Mark { line: i + 1, what: what.trim().to_owned(), text: text.trim().to_owned() });
    }
    Ok(Program { assembly, marks })
}
