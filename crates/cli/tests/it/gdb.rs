//! `skep run --gdb`: a debugger names the frames of compiled code, and finds the way through them.
#![cfg(all(target_os = "linux", target_arch = "x86_64", not(skep_portable)))]

use std::process::Command;

use crate::{root, scratch};

/// A function that calls another.
const PROGRAM: &str = "r6 = r1\ncall f\nexit\nf: r0 = 42\nexit\n";

/// The list is told of twice: of what programs share, then of the program.
const SCRIPT: [&str; 9] = [
    "set debuginfod enabled off",
    "break __jit_debug_register_code",
    "run",
    "continue",
    "finish",
    "break bpf_nested_3",
    "continue",
    "backtrace",
    "kill",
];

#[test]
fn a_backtrace_names_functions_of_programs() {
    if !Command::new("gdb").arg("--version").output().is_ok_and(|o| o.status.success()) {
        return println!("skipped: gdb is not installed");
    }
    let path = scratch("nested.s");
    std::fs::write(&path, PROGRAM).expect("a file");
    let mut gdb = Command::new("gdb");
    gdb.current_dir(root()).args(["-batch", "-nx"]);
    SCRIPT.iter().for_each(|line| {
        gdb.args(["-ex", line]);
    });
    gdb.args(["--args", env!("CARGO_BIN_EXE_skep"), "run"]).arg(&path);
    gdb.args(["--type", "raw_tracepoint", "--mem", "hex:00", "--engine", "jit", "--gdb"]);
    let output = gdb.output().expect("gdb runs");
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if errors.contains("ptrace: Operation not permitted") || errors.contains("Could not trace the inferior") {
        return println!("skipped: this process may not trace others");
    }
    let frames = ["in bpf_nested_3 ()", "in bpf_nested ()", "in skep_enter ()", "in main ()"];
    let mut rest = &*text;
    for frame in frames {
        let Some(at) = rest.find(frame) else {
            panic!("{frame:?} is not where it should be in\n{text}\n{errors}")
        };
        rest = &rest[at..];
    }
}
