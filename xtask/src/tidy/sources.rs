//! What is in a Rust file: module documentation, the ban on unsafe code, safety comments, and how long functions are.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::Report;

/// Lines that no function may exceed, from `fn` to its last brace.
const FUNCTION_WALL: usize = 100;

/// Functions that may be longer.
const LONG_FUNCTIONS: &[(&str, &str, &str)] = &[];

/// Crates where unsafe code is allowed, in the places that ARCHITECTURE.md names.
const MAY_BE_UNSAFE: &[&str] = &["vm", "sys", "skep", "runtime", "kernel"];

/// Lines above an unsafe block in which its safety comment may begin.
const COMMENT_REACH: usize = 12;

pub(super) fn check(file: &str, text: &str, report: &mut Report) {
    let first = text.lines().find(|line| !line.is_empty() && !line.starts_with("#!/")).unwrap_or_default();
    if !first.starts_with("//!") {
        report.error(file, 1, "a file opens with `//!`: what it is for and why");
    }
    let parsed = match syn::parse_file(text) {
        Ok(parsed) => parsed,
        Err(error) => {
            return report.error(file, error.span().start().line, format!("does not parse: {error}"));
        }
    };
    if owes_forbid(file) && !text.contains("#![forbid(unsafe_code)]") {
        report.error(file, 1, "the crate's root owes `#![forbid(unsafe_code)]`");
    }
    let mut visitor = Visitor { file, lines: text.lines().collect(), report };
    visitor.visit_file(&parsed);
}

/// Is the file the root of a crate that has no business with unsafe code?
fn owes_forbid(file: &str) -> bool {
    let is_root = |rest: &str| rest == "src/lib.rs" || rest == "src/main.rs";
    match file.strip_prefix("crates/").and_then(|rest| rest.split_once('/')) {
        Some((name, rest)) => is_root(rest) && !MAY_BE_UNSAFE.contains(&name),
        None => file.split_once('/').is_some_and(|(package, rest)| package != "bench" && is_root(rest)),
    }
}

struct Visitor<'a> {
    file: &'a str,
    lines: Vec<&'a str>,
    report: &'a mut Report,
}

impl Visitor<'_> {
    fn measure(&mut self, name: &syn::Ident, start: usize, block: &syn::Block) {
        let lines = block.span().end().line + 1 - start;
        self.report.functions.push(lines);
        let name = name.to_string();
        if lines > FUNCTION_WALL
            && !LONG_FUNCTIONS.iter().any(|(file, f, _)| *file == self.file && *f == name)
        {
            self.report.error(
                self.file,
                start,
                format!("fn {name}: {lines} lines, {FUNCTION_WALL} is the wall"),
            );
        }
    }

    /// An unsafe block or impl at `line` (from 1): a safety comment must stand on it or above it, in one piece with the
    /// statement that it is part of.
    fn unsafe_at(&mut self, line: usize) {
        let above = self.lines[..line].iter().rev().take(COMMENT_REACH);
        let piece = above.enumerate().take_while(|(index, text)| *index == 0 || !text.trim().is_empty());
        if !piece.into_iter().any(|(_, text)| text.contains("SAFETY:")) {
            self.report.error(self.file, line, "unsafe without a `// SAFETY:` comment");
        }
    }
}

impl<'ast> Visit<'ast> for Visitor<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.measure(&item.sig.ident, item.sig.span().start().line, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.measure(&item.sig.ident, item.sig.span().start().line, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.measure(&item.sig.ident, item.sig.span().start().line, block);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_expr_unsafe(&mut self, expr: &'ast syn::ExprUnsafe) {
        self.unsafe_at(expr.unsafe_token.span().start().line);
        visit::visit_expr_unsafe(self, expr);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if let Some(token) = item.unsafety {
            self.unsafe_at(token.span().start().line);
        }
        visit::visit_item_impl(self, item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(file: &str, text: &str) -> Vec<(usize, String)> {
        let mut report = Report::default();
        check(file, text, &mut report);
        report.findings().iter().map(|finding| (finding.line, finding.what.clone())).collect()
    }

    #[test]
    fn files_open_with_their_purpose() {
        assert_eq!(findings("crates/vm/src/a.rs", "//! x\n"), []);
        assert_eq!(findings("crates/vm/src/a.rs", "// x\nfn f() {}\n").len(), 1);
        assert_eq!(findings("crates/vm/src/a.rs", "//! x\nfn {\n").len(), 1, "does not parse");
    }

    #[test]
    fn roots_forbid_unsafe_code() {
        assert_eq!(findings("crates/isa/src/lib.rs", "//! x\n").len(), 1);
        assert_eq!(findings("crates/isa/src/lib.rs", "//! x\n#![forbid(unsafe_code)]\n"), []);
        assert_eq!(findings("crates/vm/src/lib.rs", "//! x\n"), []);
        assert_eq!(findings("crates/isa/src/a.rs", "//! x\n"), []);
        assert_eq!(findings("xtask/src/main.rs", "//! x\n").len(), 1);
    }

    #[test]
    fn unsafe_blocks_say_why() {
        let good = "//! x\nfn f() {\n    // SAFETY: why\n    let a = unsafe { g() };\n}\n";
        assert_eq!(findings("crates/vm/src/a.rs", good), []);
        let bad =
            "//! x\n// SAFETY: far\n\nfn f() {\n    let a = unsafe { g() };\n}\nunsafe impl Send for A {}\n";
        let lines: Vec<usize> = findings("crates/vm/src/a.rs", bad).iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [5, 7]);
    }

    #[test]
    fn long_functions_are_found() {
        let text = format!("//! x\nimpl A {{\n    fn f() {{\n{}    }}\n}}\n", "        g();\n".repeat(99));
        let found = findings("crates/vm/src/a.rs", &text);
        assert_eq!(found, [(3, "fn f: 101 lines, 100 is the wall".to_owned())]);
        assert_eq!(findings("crates/vm/src/a.rs", &text.replacen("        g();\n", "", 1)), []);
    }
}
