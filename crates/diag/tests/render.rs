//! What diagnostics look like, character by character.
#![cfg(feature = "render")]

use skep_diag::render::{Style, render};
use skep_diag::{Code, Diagnostic, Source};

static CODE: Code = Code { id: "V0301", title: "access outside a map value", story: "" };

const C: &str = "\tstruct count *c = bpf_map_lookup_elem(&counts, &key);
\tc->packets += 1;
\treturn XDP_PASS;
";

const BYTECODE: &str = "12: call bpf_map_lookup_elem#1
13: r1 = *(u64 *)(r0 + 0)
14: r1 += 1
";

fn null_access() -> Diagnostic {
    Diagnostic::error("the value may be null here")
        .code(&CODE)
        .source(Source::excerpt("count.bpf.c", C, 41))
        .source(Source::new("bytecode", BYTECODE))
        .primary(0, 56..66, "`c` is read without a test")
        .because(0, 19..53, "null where the key is absent")
        .because(1, 35..56, "r0 is map_value_or_null")
        .note("a lookup in a hash map can fail")
        .fix("test it first", 0, 56..56, "if (!c)\n\t\treturn XDP_PASS;\n\t")
}

#[track_caller]
fn golden(diagnostic: &Diagnostic, style: &Style, expected: &str) {
    let got = render(diagnostic, style);
    let trimmed: Vec<&str> = got.lines().map(str::trim_end).collect();
    let expected: Vec<&str> = expected.trim_matches('\n').lines().collect();
    assert!(trimmed == expected, "got:\n{}\n", trimmed.join("\n"));
}

#[test]
fn two_sources_causes_a_note_and_a_patch() {
    golden(
        &null_access(),
        &Style::default(),
        r"
error[V0301]: the value may be null here
  --> count.bpf.c:42:2
   |
41 |     struct count *c = bpf_map_lookup_elem(&counts, &key);
   |                       ---------------------------------- null where the key is absent
42 |     c->packets += 1;
   |     ^^^^^^^^^^ `c` is read without a test
   |
  ::: bytecode:2:5
   |
 2 | 13: r1 = *(u64 *)(r0 + 0)
   |     --------------------- r0 is map_value_or_null
   |
   = note: a lookup in a hash map can fail
help: test it first
   |
42 ~     if (!c)
43 +         return XDP_PASS;
44 ~     c->packets += 1;
   |
",
    );
}

#[test]
fn a_replacement_is_shown_as_minus_and_plus() {
    let found = Diagnostic::error("unknown program type `xpd`")
        .source(Source::new("--type", "xpd"))
        .primary(0, 0..3, "")
        .fix("did you mean `xdp`?", 0, 0..3, "xdp");
    golden(
        &found,
        &Style::default(),
        r"
error: unknown program type `xpd`
 --> --type:1:1
  |
1 | xpd
  | ^^^
  |
help: did you mean `xdp`?
  |
1 - xpd
1 + xdp
  |
",
    );
}

#[test]
fn a_title_alone() {
    golden(&Diagnostic::warning("the file is empty"), &Style::default(), "warning: the file is empty");
}

#[test]
fn long_lines_are_cut_around_the_label() {
    let text = format!("{}r11{}", "r1 = 1; ".repeat(20), "; exit".repeat(20));
    let found =
        Diagnostic::error("no such register").source(Source::new("long", text)).primary(0, 160..163, "");
    let style = Style { width: 60, ..Style::default() };
    let got = render(&found, &style);
    assert!(got.lines().all(|line| line.len() <= 70), "{got}");
    assert!(got.contains("r11") && got.contains("^^^"), "{got}");
}

#[test]
fn colours_are_there_only_when_asked_for() {
    let plain = render(&null_access(), &Style::default());
    let colored = render(&null_access(), &Style { color: true, ..Style::default() });
    assert!(!plain.contains('\x1b') && colored.contains('\x1b'));
}

#[test]
fn hostile_places_do_no_harm() {
    let far = Diagnostic::error("far").source(Source::new("a", "ü")).primary(0, 1..usize::MAX, "x");
    let nowhere =
        Diagnostic::error("nowhere").primary(7, 0..1, "x").because(0, 0..0, "").fix("f", 3, 0..1, "");
    let empty = Diagnostic::error("empty").source(Source::excerpt("", "", usize::MAX)).primary(0, 0..9, "y");
    for found in [far, nowhere, empty] {
        assert!(render(&found, &Style::default()).starts_with("error: "));
        assert!(found.report().spans.len() <= 1);
    }
}
