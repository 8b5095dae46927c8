//! What holds for every command: exit codes, where things are printed, colours, hints, broken pipes.

use std::io::Read;
use std::process::{Command, Stdio};

use crate::{root, skep, skep_with};

const COMMANDS: [&str; 12] = [
    "run",
    "load",
    "attach",
    "detach",
    "info",
    "asm",
    "disasm",
    "btf",
    "explain",
    "conformance",
    "completions",
    "man",
];

#[test]
fn help_of_every_command_has_examples() {
    for c in COMMANDS {
        let help = skep(&[c, "--help"]).ok();
        assert!(help.contains("Usage: skep"), "{c}: {help}");
        assert!(help.contains("Examples:"), "{c}: {help}");
        assert!(help.contains("--json"), "{c}: {help}");
    }
    let help = skep(&["--help"]).ok();
    assert!(COMMANDS.iter().all(|c| help.contains(c)), "{help}");
}

#[test]
fn usage_errors_exit_with_2_and_say_nothing_on_stdout() {
    for args in [&["run"][..], &["info", "--nonsense"], &["asm", "-", "--emit", "x"], &[], &["explain"]] {
        let ran = skep(args);
        assert_eq!(ran.code, 2, "{args:?}");
        assert_eq!(ran.stdout, "", "{args:?}");
        assert!(!ran.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn mistyped_names_suggest_the_nearest() {
    for (args, error, hint) in [
        (&["inof"][..], "no command and no file `inof`", "did you mean `info`?"),
        (&["explain", "helper", "map_lokup_elem"], "unknown helper `map_lokup_elem`", "map_lookup_elem"),
        (&["explain", "helpr", "x"], "unknown kind `helpr`", "did you mean `helper`?"),
        (&["man", "rnu"], "no command `rnu`", "did you mean `run`?"),
        (
            &["disasm", "examples/xdp_firewall.o", "--prog", "xdp_firewal"],
            "no program `xdp_firewal` in the object",
            "did you mean `xdp_firewall`?",
        ),
        (
            &["run", "examples/xdp_firewall.o", "--type", "xpd", "--pcap", "examples/traffic.pcapng"],
            "unknown program type `xpd`",
            "did you mean `xdp`?",
        ),
        (
            &["run", "examples/xdp_firewall.o", "--map", "counter", "--pcap", "examples/traffic.pcapng"],
            "no map `counter`",
            "did you mean `counters`?",
        ),
    ] {
        let stderr = skep(args).fails(2);
        let (first, rest) = stderr.split_once("\n\nhint: ").unwrap_or_else(|| panic!("no hint: {stderr}"));
        assert_eq!(first, format!("error: {error}"));
        assert!(rest.contains(hint), "{stderr}");
    }
}

#[test]
fn errors_of_files_name_the_file() {
    assert_eq!(skep(&["info", "no/such.o"]).fails(2), "error: no/such.o: no such file or directory\n");
    assert_eq!(skep(&["info", "examples"]).fails(2), "error: examples: is a directory\n");
    let stderr = skep_with(&["info", "-"], b"\x7fELF nothing").fails(2);
    assert!(stderr.starts_with("error: <stdin>: "), "{stderr}");
}

#[test]
fn a_broken_pipe_is_success() {
    // Enough output to overrun any pipe; the reader goes away after a few bytes.
    let mut child = Command::new(env!("CARGO_BIN_EXE_skep"))
        .args(["explain", "helper", "--json"])
        .current_dir(root())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("skep starts");
    let mut out = child.stdout.take().expect("stdout is a pipe");
    let mut few = [0; 8];
    out.read_exact(&mut few).expect("there is output");
    drop(out);
    let mut stderr = String::new();
    child.stderr.take().expect("stderr is a pipe").read_to_string(&mut stderr).expect("text");
    assert_eq!(child.wait().expect("skep ends").code(), Some(0));
    assert_eq!(stderr, "");
}

#[test]
fn colour_is_for_terminals_unless_it_is_asked_for() {
    let colored = |args: &[&str]| skep(args).ok().contains('\u{1b}');
    assert!(!colored(&["explain", "xdp"]));
    assert!(colored(&["explain", "xdp", "--color", "always"]));
    assert!(!colored(&["explain", "xdp", "--color", "always", "--json"]));
    assert!(!skep(&["explain", "nonsense"]).stderr.contains('\u{1b}'));
    assert!(skep(&["explain", "nonsense", "--color=always"]).stderr.contains('\u{1b}'));
    assert!(skep(&["--color=always", "--help"]).ok().contains('\u{1b}'));
}

#[test]
fn no_bytes_make_it_panic() {
    let object = std::fs::read(root().join("examples/tc_marker.o")).expect("the example is there");
    for cut in [0, 1, 4, 40, 64, 100, 1000, object.len() / 2, object.len() - 1] {
        for command in ["info", "disasm", "run"] {
            let ran = skep_with(&[command, "-"], &object[..cut]);
            assert!(ran.code <= 2 && !ran.stderr.contains("panicked"), "{command} {cut}: {}", ran.stderr);
        }
    }
}
