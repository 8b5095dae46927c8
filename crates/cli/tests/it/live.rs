//! Commands on live objects: what they do, that their JSON is as its schema says, and how they refuse. What needs rights
//! is skipped, with the reason, where there are none.

use std::io::{BufRead, BufReader};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use skep::backend::LoadOptions;
use skep::kernel::objects::may_list;
use skep::kernel::{Kernel, Live};
use skep::object::Spec;

use crate::schema::violations;
use crate::{root, skep};

/// `values.o`, loaded; the reason is printed if it can't be.
fn values() -> Option<Live> {
    let why = Kernel::new().refusal().or_else(|| (!may_list()).then(|| "needs CAP_SYS_ADMIN".to_owned()));
    if let Some(why) = why {
        println!("skipped: {why}");
        return None;
    }
    let bytes = std::fs::read(root().join("tests/objects/values.o")).expect("it is there");
    let spec = Spec::from_elf(&bytes).expect("it is an object");
    Some(Kernel::new().load(&spec, &LoadOptions::default()).expect("it loads"))
}

/// The number in `/proc/self/fdinfo` of a descriptor.
fn id(fd: BorrowedFd<'_>, key: &str) -> String {
    let text =
        std::fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_raw_fd())).expect("proc is there");
    let line = text.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {key} in {text}")).trim().to_owned()
}

fn map_id(live: &Live, name: &str) -> String {
    id(live.map_fd(name).expect("there is such a map"), "map_id")
}

fn prog_id(live: &Live) -> String {
    id(live.program("speak").expect("it is loaded"), "prog_id")
}

#[track_caller]
fn keeps(command: &str, json: &Value) {
    let path = root().join(format!("docs/schema/skep.{command}-1.schema.json"));
    let schema = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let found = violations(&serde_json::from_str(&schema).expect("JSON"), json);
    assert!(found.is_empty(), "{command}: {found:#?}");
}

/// Runs with `--json`; the answer has to keep its schema.
#[track_caller]
fn asked(command: &str, args: &[&str]) -> Value {
    let json = skep(&[args, &["--json"]].concat()).json();
    keeps(command, &json);
    json
}

#[test]
fn listings_keep_their_schemas() {
    let Some(live) = values() else { return };
    let (prog, map) = (prog_id(&live), map_id(&live, "by_flow"));
    for (command, args) in [
        ("prog-list", &["prog", "list"][..]),
        ("prog-list", &["prog", "show", "id", &prog, "-f"]),
        ("prog-dump", &["prog", "dump", "xlated", "id", &prog]),
        ("prog-dump", &["prog", "dump", "xlated", "id", &prog, "opcodes", "linum"]),
        ("prog-dump", &["prog", "dump", "jited", "id", &prog, "opcodes", "linum"]),
        ("map-list", &["map", "list"]),
        ("link-list", &["link", "list"]),
        ("btf-list", &["btf", "list"]),
        ("btf", &["btf", "dump", "map", "id", &map]),
        ("btf", &["btf", "dump", "prog", "id", &prog, "--c"]),
        ("net-list", &["net", "list"]),
        ("perf-list", &["perf", "list"]),
        ("prog-stats", &["prog", "stats", "id", &prog, "--for", "0.1"]),
    ] {
        asked(command, args);
    }
    let listed = skep(&["prog", "show", "id", &prog]).ok();
    assert!(listed.starts_with(&format!("{prog}: xdp  name speak  tag ")), "{listed}");
    let dot = skep(&["prog", "dump", "xlated", "id", &prog, "visual"]).ok();
    assert!(dot.starts_with("digraph") && dot.contains("fn_0_bb_0:s -> fn_0_bb_2:n"), "{dot}");
}

#[test]
fn elements_are_written_as_bytes_numbers_and_json() {
    let Some(live) = values() else { return };
    let (recent, flows, each) = (map_id(&live, "recent"), map_id(&live, "by_flow"), map_id(&live, "each"));
    skep(&["map", "update", "id", &recent, "key", "1", "0", "0", "0", "0", "0", "0", "0", "value", "-7"])
        .ok();
    let found = asked("map-lookup", &["map", "lookup", "id", &recent, "key", "hex", "0100000000000000"]);
    assert_eq!(found["formatted"], json!({"key": 1, "value": -7}));
    let again = skep(&["map", "update", "id", &recent, "key", "1", "value", "5", "noexist"]).fails(2);
    assert!(again.contains("file exists"), "{again}");
    let missing = skep(&["map", "lookup", "id", &recent, "key", "2"]);
    assert_eq!((missing.code, missing.stdout.ends_with("Not found\n")), (1, true), "{}", missing.stdout);

    let key = r#"{"from": 1, "port": 443}"#;
    let value =
        r#"{"s8": -8, "name": "lo", "colour": "RED", "low": 5, "octets": [1, 2], "list": [{"n": 3}]}"#;
    let done = asked("map", &["map", "update", "id", &flows, "key", key, "value", value]);
    assert_eq!(done["done"], "update");
    let back = &asked("map-lookup", &["map", "lookup", "id", &flows, "key", key])["formatted"]["value"];
    assert_eq!((&back["name"], &back["colour"], &back["low"]), (&json!("lo"), &json!("RED"), &json!("0x5")));
    assert_eq!(back[""]["word"], json!(0x201));
    assert_eq!(back["list"][0]["n"], json!(3));
    let wrong = skep(&["map", "update", "id", &flows, "key", key, "value", r#"{"nmae": 1}"#]).fails(2);
    assert!(wrong.contains("there is no member `nmae`"), "{wrong}");

    skep(&["map", "update", "id", &each, "key", "GREEN", "value", r#"{"n": 9}"#]).ok();
    let dump = asked("map-dump", &["map", "dump", "id", &each]);
    let formatted = &dump["maps"][0]["elements"][0]["formatted"];
    assert_eq!(formatted["key"], json!("GREEN"));
    assert!(formatted["values"].as_array().is_some_and(|v| v.iter().all(|v| v["value"]["n"] == json!(9))));

    let next = asked("map-getnext", &["map", "getnext", "id", &recent]);
    assert_eq!(next["next_key"][0], json!("0x01"));
    assert_eq!(skep(&["map", "getnext", "id", &recent, "key", "1"]).code, 1);
    asked("map", &["map", "delete", "id", &recent, "key", "1"]);
    assert_eq!(asked("map-dump", &["map", "dump", "id", &recent])["maps"][0]["elements"], json!([]));
    asked("map", &["map", "freeze", "id", &recent]);
    let frozen = skep(&["map", "update", "id", &recent, "key", "1", "value", "5"]).fails(2);
    assert!(frozen.contains("not permitted"), "{frozen}");
}

#[test]
fn a_program_is_run_and_counted() {
    let Some(live) = values() else { return };
    let prog = prog_id(&live);
    let packet = format!("hex:{}", "00".repeat(64));
    let ran = asked("prog-run", &["prog", "run", "id", &prog, "data_in", &packet, "data_out", "-"]);
    assert_eq!(ran["retval"], json!(2));
    assert_eq!(ran["data_out"].as_array().map(Vec::len), Some(64));
    let text = skep(&["prog", "run", "id", &prog, "data_in", &packet, "repeat", "10"]).ok();
    assert!(text.starts_with("Return value: 2, duration (average): "), "{text}");
    let short = skep(&["prog", "run", "id", &prog, "data_in", "hex:00"]).fails(2);
    assert!(short.contains("14 bytes"), "{short}");
}

/// A perf event array is read while a program sends through it.
#[test]
fn events_are_shown_as_they_come() {
    let Some(live) = values() else { return };
    let (prog, events) = (prog_id(&live), map_id(&live, "events"));
    let exe = env!("CARGO_BIN_EXE_skep");
    let mut reader = Command::new(exe)
        .args(["map", "event_pipe", "id", &events, "--for", "20", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(reader.stdout.take().expect("a pipe")).lines();
    let packet = format!("hex:{}", "00".repeat(64));
    // What is sent before the reader has put its rings into the map is lost, so it is sent until something comes.
    let sender = std::thread::spawn(move || {
        for _ in 0..40 {
            let _ = skep(&["prog", "run", "id", &prog, "data_in", &packet]);
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    });
    let line = lines.next().expect("something comes").expect("it is text");
    let event: Value = serde_json::from_str(&line).expect("JSON");
    reader.kill().expect("it runs still");
    reader.wait().expect("it ends");
    drop(lines);
    keeps("map-event-pipe", &event);
    let data: Vec<_> = event["data"].as_array().expect("bytes").iter().take(8).cloned().collect();
    assert_eq!(json!(data), json!(["0x01", "0x02", "0x03", "0x00", "0xfc", "0xff", "0xff", "0xff"]));
    sender.join().expect("it is done");
}

#[test]
fn what_is_not_there_is_told() {
    if values().is_none() {
        return;
    }
    for (args, words) in [
        (&["prog", "show", "id", "4294967295"][..], "no program with id 4294967295"),
        (&["map", "show", "name", "no_such_map"], "no map with name no_such_map"),
        (&["link", "show", "id", "4294967295"], "no link with id 4294967295"),
        (&["btf", "dump", "id", "4294967295"], "no BTF object with id 4294967295"),
        (&["prog", "show", "pinned", "/nowhere/at/all"], "/nowhere/at/all: nothing is pinned there"),
        (&["prog", "show", "pinned", "/etc/passwd"], "/etc/passwd: not in a BPF file system"),
        (&["net", "list", "dev", "no_such_dev"], "no interface `no_such_dev`"),
    ] {
        let said = skep(args).fails(2);
        assert!(said.contains(words), "{args:?}: {said}");
    }
    let said = skep(&["prog", "show", "idd", "5"]).fails(2);
    assert!(said.contains("`idd` is not expected here") && said.contains("did you mean `id`?"), "{said}");
}

/// The right that is missing is named.
#[test]
fn without_rights_the_right_is_named() {
    let nobody = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_skep"));
        command.args(args).uid(65534).gid(65534).output()
    };
    match nobody(&["--version"]) {
        Ok(ran) if ran.status.success() => {}
        _ => return println!("skipped: skep can't be run as nobody"),
    }
    for (args, right) in [
        (&["prog", "list"][..], "CAP_SYS_ADMIN"),
        (&["prog", "dump", "xlated", "id", "1"], "CAP_SYS_ADMIN"),
        (&["prog", "stats"], "CAP_SYS_ADMIN"),
        (&["prog", "load", "examples/xdp_firewall.o", "/sys/fs/bpf/none"], "CAP_BPF"),
        (&["map", "list"], "CAP_SYS_ADMIN"),
        (&["map", "dump", "id", "1"], "CAP_SYS_ADMIN"),
        (&["map", "update", "id", "1", "key", "0", "value", "0"], "CAP_SYS_ADMIN"),
        (&["link", "list"], "CAP_SYS_ADMIN"),
        (&["btf", "list"], "CAP_SYS_ADMIN"),
        (&["net", "list"], "CAP_NET_ADMIN"),
        (&["perf", "list"], "CAP_SYS_ADMIN"),
        (&["prog", "tracelog", "--for", "0.1"], "CAP_SYS_ADMIN"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_skep"));
        let ran = command.args(args).current_dir(root()).uid(65534).gid(65534).output().expect("it starts");
        let said = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains(&format!("needs {right}")), "{args:?}: {said}");
    }
}

/// A folder of the BPF file system, which goes again with all that is in it.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new() -> Option<Self> {
        let path = std::path::PathBuf::from(format!("/sys/fs/bpf/skep{}live", std::process::id()));
        let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
        if !mounts.contains(" /sys/fs/bpf bpf ") || std::fs::create_dir(&path).is_err() {
            println!("skipped: no BPF file system on /sys/fs/bpf");
            return None;
        }
        Some(Self(path))
    }

    fn at(&self, name: &str) -> String {
        self.0.join(name).to_string_lossy().into_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn paths_keep_objects_and_are_found_again() {
    let (Some(live), Some(folder)) = (values(), Folder::new()) else { return };
    let (all, queue) = (folder.at("all"), folder.at("queue"));
    let made = asked("prog", &["prog", "loadall", "tests/objects/values.o", &all, "pinmaps", &all]);
    assert!(made["pinned"].as_array().is_some_and(|p| p.len() > 5), "{made}");
    let speak = format!("{all}/speak");
    let shown = asked("prog-list", &["prog", "show", "pinned", &speak, "--bpffs"]);
    assert_eq!(shown["progs"][0]["pinned"], json!([speak]));
    let again = skep(&["prog", "loadall", "tests/objects/values.o", &all]).fails(2);
    assert!(again.contains("is there already"), "{again}");
    let wrong = skep(&["map", "show", "pinned", &speak]).fails(2);
    assert!(wrong.contains("is a program, not a map"), "{wrong}");

    let sizes = ["type", "queue", "key", "0", "value", "4", "entries", "4", "name", "skep_queue"];
    asked("map", &[&["map", "create", &queue][..], &sizes].concat());
    asked("map", &["map", "push", "pinned", &queue, "value", "7"]);
    asked("map", &["map", "push", "pinned", &queue, "value", "hex", "08", "00", "00", "00"]);
    let seven = json!(["0x07", "0x00", "0x00", "0x00"]);
    assert_eq!(asked("map-lookup", &["map", "peek", "pinned", &queue])["value"], seven);
    assert_eq!(asked("map-lookup", &["map", "pop", "pinned", &queue])["value"], seven);
    assert_eq!(skep(&["map", "dequeue", "pinned", &queue]).ok(), "value: 08 00 00 00\n");
    let empty = skep(&["map", "pop", "pinned", &queue]);
    assert_eq!((empty.code, empty.stdout.as_str()), (1, "empty map\n"));
    let dump = skep(&["map", "dump", "pinned", &queue]).fails(2);
    assert!(dump.contains("has no keys to go by") && dump.contains("peek"), "{dump}");
    let pinned = folder.at("recent");
    asked("map", &["map", "pin", "id", &map_id(&live, "recent"), &pinned]);
    asked("prog", &["prog", "pin", "id", &prog_id(&live), &folder.at("speak")]);
    assert!(skep(&["map", "show", "pinned", &pinned]).ok().contains("name recent"));
}

/// The pipe is everybody's, so what comes may be nobody's of ours.
#[test]
fn what_programs_print_is_shown() {
    let Some(live) = values() else { return };
    let packet = format!("hex:{}", "00".repeat(64));
    skep(&["prog", "run", "id", &prog_id(&live), "data_in", &packet]).ok();
    let lines = skep(&["prog", "tracelog", "--for", "0.5", "--json"]);
    if lines.code == 2 && lines.stderr.contains("busy") {
        return println!("skipped: somebody else reads the trace pipe");
    }
    for line in lines.ok().lines() {
        keeps("prog-tracelog", &serde_json::from_str(line).expect("JSON"));
    }
}
