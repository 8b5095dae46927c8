//! The verifier itself.

use skep_diag::Code;

pub(super) static ROWS: &[Code] = &[Code {
    id: "V0901",
    title: "the verifier lost its way",
    story: r#"A defect of the verifier, not of the program. Please report it with the object."#,
}];
