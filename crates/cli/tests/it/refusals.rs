//! The refusals of `tests/refusals`: what is said of each is golden, its fix is tried, and where the process may ask
//! Linux, Linux says the same.

use std::path::PathBuf;

use serde_json::Value;

use crate::{root, skep, skep_with};

fn programs() -> Vec<PathBuf> {
    let dir = root().join("tests/refusals");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&dir).expect("the folder").map(|e| e.expect("an entry").path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "bpf"));
    files.sort();
    assert!(files.len() >= 30, "only {} programs", files.len());
    files
}

fn verify(text: &str, json: bool) -> (i32, String) {
    let more: &[&str] = if json { &["--json"] } else { &[] };
    let ran = skep_with(&[&["verify", "-"], more].concat(), text.as_bytes());
    (ran.code, ran.stdout)
}

#[test]
fn what_is_said_of_refusals_is_golden() {
    let bless = std::env::var_os("BLESS").is_some_and(|v| v == "1");
    for file in programs() {
        let text = std::fs::read_to_string(&file).expect("a text");
        let (code, said) = verify(&text, false);
        assert_eq!(code, 1, "{}", file.display());
        let golden = file.with_extension("txt");
        if bless {
            std::fs::write(&golden, &said).expect("writes");
        }
        let wanted = std::fs::read_to_string(&golden).unwrap_or_default();
        assert_eq!(said, wanted, "{}: BLESS=1 rewrites it", golden.display());
    }
}

/// A fix is applied to the text as it is told, and the program verified again.
#[test]
fn suggested_fixes_help() {
    let mut tried = 0;
    for file in programs() {
        let text = std::fs::read_to_string(&file).expect("a text");
        let json: Value = serde_json::from_str(&verify(&text, true).1).expect("JSON");
        let refusals = json["programs"][0]["refusals"].as_array().expect("refusals");
        let Some(fix) = refusals[0]["fix"].as_object() else { continue };
        let at = |key: &str| usize::try_from(fix[key].as_u64().expect("a number")).expect("a place");
        let mut mended = text.clone();
        mended.replace_range(at("start")..at("end"), fix["replacement"].as_str().expect("a text"));
        let (code, said) = verify(&mended, false);
        assert_eq!(code, 0, "{}\n{mended}\n{said}", file.display());
        tried += 1;
    }
    assert!(tried >= 8, "only {tried} fixes");
}

/// Linux's log, line for line, but for addresses.
#[test]
fn linux_refuses_the_same_for_the_same_reason() {
    for file in programs() {
        let path = file.to_str().expect("a path of text");
        let ran = skep(&["run", path, "--backend", "kernel", "--ctx", "hex:"]);
        if !ran.stderr.contains("is refused") {
            println!("skipped: {}", ran.stderr.lines().next().unwrap_or("Linux was not asked"));
            return;
        }
        let log = std::fs::read_to_string(file.with_extension("log")).expect("a log");
        let reason = log.trim_end().lines().last().expect("a reason");
        assert!(ran.stderr.contains(reason), "{}: {reason}\n{}", file.display(), ran.stderr);
        // The first line of the reason is the one that skep has too.
        let said = std::fs::read_to_string(file.with_extension("txt")).expect("a text");
        let same = said
            .lines()
            .filter_map(|l| l.split_once("Linux says: "))
            .any(|(_, words)| words.split("; ").any(|w| log.contains(w)));
        assert!(same, "{}: {said}", file.display());
    }
}

/// Lines without the figures at the end; runs of spaces count as one, since addresses are left out of the logs.
fn lines(log: &str) -> Vec<String> {
    let whole = log.lines().filter(|l| !l.starts_with("processed "));
    whole.map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).filter(|l| !l.is_empty()).collect()
}

#[test]
fn the_log_is_that_of_linux_line_for_line() {
    for file in programs() {
        let said = skep(&["verify", "--log", "kernel-brief", file.to_str().expect("a path of text")]).stdout;
        let log = std::fs::read_to_string(file.with_extension("log")).expect("a log");
        assert_eq!(lines(&said), lines(&log), "{}", file.display());
    }
}

const MISTAKES: &str = "tests/objects/mistakes";

/// The same for an object with lines of C.
#[test]
fn what_is_said_of_c_is_golden() {
    let bless = std::env::var_os("BLESS").is_some_and(|v| v == "1");
    let ran = skep(&["verify", &format!("{}/{MISTAKES}.o", root().display())]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let golden = root().join("tests/refusals/in_c.txt");
    if bless {
        std::fs::write(&golden, &ran.stdout).expect("writes");
    }
    let wanted = std::fs::read_to_string(&golden).unwrap_or_default();
    assert_eq!(ran.stdout, wanted, "{}: BLESS=1 rewrites it", golden.display());
}

/// What Linux says of each program of the object: its log up to the figures, with the addresses of maps left out.
fn linux_on_c(programs: &[&str]) -> Option<String> {
    let mut all = String::new();
    for name in programs {
        let object = format!("{}/{MISTAKES}.o", root().display());
        let said = skep(&["load", &object, "--prog", name]).stderr;
        let Some((_, log)) = said.split_once("is refused").and_then(|(_, rest)| rest.split_once("\n\n"))
        else {
            println!("skipped: {}", said.lines().next().unwrap_or("Linux was not asked"));
            return None;
        };
        let log = log.split("\nprocessed ").next().unwrap_or_default();
        all += &format!("{name}\n\n");
        for line in log.lines() {
            let address = line.split_once("0xffff").filter(|(_, rest)| rest.find(' ') == Some(12));
            match address {
                Some((head, rest)) => all += &format!("{head}0x0{}\n", &rest[12..]),
                None => all += &format!("{line}\n"),
            }
        }
        all.push('\n');
    }
    Some(all)
}

/// Linux's log of each program, as the page of refusals shows it, and the one of `verify --log kernel`.
#[test]
fn linux_refuses_c_for_the_same_reason() {
    let object = format!("{}/{MISTAKES}.o", root().display());
    let json: Value = serde_json::from_str(&skep(&["verify", "--json", &object]).stdout).expect("JSON");
    let names: Vec<&str> =
        json["programs"].as_array().expect("programs").iter().filter_map(|p| p["program"].as_str()).collect();
    let golden = root().join("tests/refusals/in_c.log");
    if let Some(said) = linux_on_c(&names) {
        if std::env::var_os("BLESS").is_some_and(|v| v == "1") {
            std::fs::write(&golden, &said).expect("writes");
        }
        let wanted = std::fs::read_to_string(&golden).unwrap_or_default();
        assert_eq!(lines(&said), lines(&wanted), "BLESS=1 rewrites it");
    }
    let log = std::fs::read_to_string(&golden).expect("a log");
    for name in names {
        let part = log.split_once(&format!("{name}\n\n")).expect("a part").1.split("\n\n").next();
        let ours = skep(&["verify", "--log", "kernel-brief", &object, "--prog", name]).stdout;
        assert_eq!(lines(&ours), lines(part.unwrap_or_default()), "{name}");
    }
}

/// The source with a fix: whole lines in the place of others.
fn mended(source: &str, fix: &serde_json::Map<String, Value>) -> String {
    let line = |key: &str| usize::try_from(fix[key].as_u64().expect("a number")).expect("a line") - 1;
    let lines: Vec<&str> = source.split_inclusive('\n').collect();
    let new = fix["replacement"].as_str().expect("a text");
    [&lines[..line("line")].concat(), new, &lines[line("end_line")..].concat()].concat()
}

/// A patch of C is applied, the program compiled and verified again.
#[test]
fn patches_of_c_help() {
    const CLANG: &str = "clang-19";
    const READ: &str =
        "-DBPF_CORE_READ(p,f)=({typeof((p)->f)_v;bpf_probe_read_kernel(&_v,sizeof(_v),&(p)->f);_v;})";
    let object = format!("{}/{MISTAKES}.o", root().display());
    let json: Value = serde_json::from_str(&skep(&["verify", "--json", &object]).stdout).expect("JSON");
    let source = std::fs::read_to_string(root().join(format!("{MISTAKES}.bpf.c"))).expect("the source");
    if !std::process::Command::new(CLANG).arg("--version").output().is_ok_and(|o| o.status.success()) {
        println!("skipped: {CLANG} is not installed");
        return;
    }
    let mut patched = 0;
    for program in json["programs"].as_array().expect("programs") {
        let Some(fix) = program["refusals"][0]["fix"].as_object() else { continue };
        let name = program["program"].as_str().expect("a name");
        assert!(fix["source"].as_str().is_some_and(|s| s.ends_with(".c")), "{name}: a fix as instructions");
        let path = std::env::temp_dir().join(format!("skep-{}-{name}.o", std::process::id()));
        let mut clang = std::process::Command::new(CLANG)
            .args(["-O2", "-g", "-target", "bpf", "-mcpu=v3", "-x", "c", READ, "-I"])
            .arg(root().join("tests/objects"))
            .args(["-c", "-", "-o"])
            .arg(&path)
            .stdin(std::process::Stdio::piped())
            .spawn()
            .expect("runs");
        let text = mended(&source, fix);
        std::io::Write::write_all(&mut clang.stdin.take().expect("a pipe"), text.as_bytes()).expect("writes");
        assert!(clang.wait().expect("ends").success(), "{name}: does not compile");
        let ran = skep(&["verify", path.to_str().expect("a path of text"), "--prog", name]);
        let _ = std::fs::remove_file(&path);
        assert_eq!(ran.code, 0, "{name}\n{}", ran.stdout);
        patched += 1;
    }
    assert!(patched >= 9, "only {patched} patches");
}

/// Code of the other byte order has no verdict, and that is said; its instructions are read all the same.
#[test]
fn big_endian_objects_have_no_verdict() {
    for name in ["big_endian", "cpu_big_endian", "workout_be", "workout_be_v4"] {
        let object = format!("{}/tests/objects/{name}.o", root().display());
        let ran = skep(&["verify", &object]);
        assert_eq!(ran.code, 0, "{name}: {}", ran.stderr);
        assert!(ran.stdout.contains("no verdict: big-endian code is not modelled"), "{name}: {}", ran.stdout);
        assert!(ran.stderr.contains("was not verified"), "{name}: {}", ran.stderr);
        let json: Value = serde_json::from_str(&skep(&["verify", "--json", &object]).stdout).expect("JSON");
        assert_eq!(json["programs"][0]["verdict"], "not_modelled", "{name}");
    }
}

/// The same program is refused for want of rights, and the rights are named.
#[test]
fn rights_change_the_verdict() {
    let text = b"#! prog = sched_cls\n    r0 = r10\n    exit\n";
    let with = |rights: &str| skep_with(&["verify", "-", "--privilege", rights], text);
    assert_eq!(with("root").code, 0);
    let ran = with("bpf_net");
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    assert!(ran.stdout.contains("V0802") && ran.stdout.contains("CAP_PERFMON"), "{}", ran.stdout);
    let ran = with("unprivileged");
    assert!(ran.code == 1 && ran.stdout.contains("CAP_BPF"), "{}", ran.stdout);
}
