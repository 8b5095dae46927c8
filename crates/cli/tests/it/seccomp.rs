//! `skep seccomp`: policies from outside, and on real processes.

use serde_json::Value;

use crate::schemas::keeps;
use crate::{skep, skep_with};

const POLICY: &str = "default: allow\nerrno EACCES: uname\nkill_process: socket(arg0 == 16)\n";

/// A file with this text, for commands that take two.
fn file(name: &str, text: &str) -> String {
    let path =
        std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()));
    std::fs::write(&path, text).expect("the folder for tests' files can be written");
    path.display().to_string()
}

#[test]
fn a_policy_is_compiled_in_every_form() {
    let of = |form: &str| {
        let args = ["seccomp", "compile", "-", "--arch", "aarch64", "--format", form];
        skep_with(&args, POLICY.as_bytes()).ok()
    };
    let listing = of("listing");
    assert!(listing.contains("; aarch64") && listing.contains("; errno EACCES"), "{listing}");
    let insns = listing.lines().count();
    assert_eq!(of("c").lines().count(), insns);
    assert_eq!(of("decimal").lines().count(), insns + 1);
    for form in ["c", "decimal", "source"] {
        // What is printed can be read again, and is the same filter.
        let text = of(form);
        let again = skep_with(&["seccomp", "disasm", "-"], text.as_bytes()).ok();
        assert_eq!(again, listing, "{form}");
    }
}

#[test]
fn a_call_is_decided_by_a_rule() {
    let ask = |args: &[&str]| {
        let all = [&["seccomp", "simulate", "-"], args, &["--arch", "x86_64"]].concat();
        skep_with(&all, POLICY.as_bytes())
    };
    let denied = ask(&["uname"]);
    assert_eq!(denied.code, 1);
    assert!(denied.stdout.starts_with("uname() on x86_64: errno EACCES\n  by the rule on line 2 (uname)\n"));
    assert!(ask(&["socket", "2", "1"]).ok().contains("no rule matches"));
    assert_eq!(ask(&["socket", "0x10"]).code, 1);
    assert_eq!(
        ask(&["sockt"]).fails(2),
        "error: unknown system call `sockt` on x86_64\n\nhint: did you mean `socket`?\n"
    );
    let json = ask(&["uname", "--json"]);
    keeps("seccomp", &serde_json::from_str(&json.stdout).expect("JSON"));
}

#[test]
fn a_weaker_policy_is_told_with_a_call() {
    let (strict, weak) = (file("strict", POLICY), file("weak", &POLICY.replace("== 16", "== 17")));
    assert!(skep(&["seccomp", "diff", &strict, &strict]).ok().starts_with("equal"));
    let diff = skep(&["seccomp", "diff", &strict, &weak, "--arch", "x86_64", "--json"]);
    assert_eq!(diff.code, 1);
    let json: Value = serde_json::from_str(&diff.stdout).expect("JSON");
    keeps("seccomp", &json);
    assert_eq!(json["second_weaker"]["call"]["args"][0], 16);
    assert_eq!(json["first_weaker"]["call"]["args"][0], 17);
    let compiled = file("compiled", &skep(&["seccomp", "compile", &strict, "--format", "decimal"]).ok());
    assert!(skep(&["seccomp", "diff", &compiled, &strict]).ok().starts_with("equal"));
}

#[test]
fn wrong_policies_are_shown_in_place() {
    let text = skep_with(&["seccomp", "compile", "-"], b"allow: raed\n").fails(2);
    assert!(text.contains("unknown system call `raed`") && text.contains("<stdin>:1:8"), "{text}");
    let text = skep_with(&["seccomp", "compile", "-"], b"{\"defaultAction\": \"SCMP_ACT_MAYBE\"}").fails(2);
    assert!(text.contains("unknown action `SCMP_ACT_MAYBE`"), "{text}");
}

/// What `simulate` says of a call happens to it in a child, and is told.
#[cfg(target_os = "linux")]
#[test]
fn a_child_is_denied_what_the_policy_denies() {
    let policy = file("run", POLICY);
    let ran = skep(&["seccomp", "run", &policy, "--json", "--", "uname", "-s"]);
    if ran.code == 2 && (ran.stderr.contains("Linux 5.0") || ran.stderr.contains("another supervisor")) {
        println!("skipped: {}", ran.stderr);
        return;
    }
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let json: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    keeps("seccomp", &json);
    assert_eq!(json["denied"][0]["call"]["name"], "uname");
    assert_eq!(json["denied"][0]["action"], "errno EACCES");
    assert!(ran.stderr.contains("ermission denied"), "{}", ran.stderr);

    let killed = file("killed", "default: allow\nkill_process: uname\n");
    let ran = skep(&["seccomp", "run", &killed, "--json", "--", "uname"]);
    let json: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!((json["signal"].as_i64(), json["denied"][0]["count"].as_u64()), (Some(9), Some(1)));

    assert_eq!(skep(&["seccomp", "run", &policy, "--", "true"]).code, 0);
    let refused = file("refused", "default: allow\nerrno EPERM: execve\n");
    let text = skep(&["seccomp", "run", &refused, "--", "true"]).fails(2);
    assert!(text.contains("the policy does not let it begin: execve("), "{text}");
}
