//! What `skep` says of live objects, beside what a current bpftool says of the same ones: programs, maps, links, types,
//! instructions, and every value of maps. Only objects that this test loaded are looked at, by id, since others use
//! the kernel at the same time. Skipped, with the reason, without rights or without bpftool (the one in PATH, or what
//! SKEP_BPFTOOL names).

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use skep::backend::{LoadOptions, Loaded};
use skep::kernel::{Kernel, Live};
use skep::object::Spec;

use crate::{root, skep};

/// bpftool, if it is there and this process may use it.
struct Bpftool(String);

impl Bpftool {
    fn find() -> Option<Self> {
        let skip = |why: String| {
            println!("skipped: {why}");
            None
        };
        let name = std::env::var("SKEP_BPFTOOL").unwrap_or_else(|_| "bpftool".into());
        let Ok(version) = Command::new(&name).arg("version").output() else {
            return skip(format!("{name} is not installed"));
        };
        let version = String::from_utf8_lossy(&version.stdout).lines().next().unwrap_or_default().to_owned();
        if let Some(why) = Kernel::new().refusal() {
            return skip(why);
        }
        if !skep::kernel::objects::may_list() {
            return skip("needs CAP_SYS_ADMIN".into());
        }
        let found = Self(name);
        if !found.is_current() {
            return skip(format!("{version} is older than v7.7, which is what is compared with"));
        }
        println!("beside {version}");
        Some(found)
    }

    fn text(&self, args: &[&str]) -> String {
        let ran = Command::new(&self.0).args(args).output().expect("bpftool starts");
        String::from_utf8(ran.stdout).expect("bpftool prints text")
    }

    /// Its JSON; the only object, where it gives one.
    #[track_caller]
    fn json(&self, args: &[&str]) -> Value {
        let text = self.text(&[&["-j"], args].concat());
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("bpftool {args:?}: {e} in {text}"))
    }

    /// Whether it was named on purpose: then everything is compared, however long it takes.
    fn is_asked_for(&self) -> bool {
        std::env::var_os("SKEP_BPFTOOL").is_some()
    }

    /// Whether it is new enough to be held to: it tells the cookies of links, as of Linux 6.17.
    fn is_current(&self) -> bool {
        let text = self.text(&["version"]);
        let version = text.split_whitespace().find_map(|w| w.strip_prefix('v')).unwrap_or_default();
        let mut numbers = version.split('.').map(|n| n.parse::<u32>().unwrap_or(0));
        (numbers.next(), numbers.next()) >= (Some(7), Some(7))
    }
}

/// The number in `/proc/self/fdinfo` of a descriptor.
fn id(fd: BorrowedFd<'_>, key: &str) -> String {
    let text =
        std::fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_raw_fd())).expect("proc is there");
    let line = text.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {key} in {text}")).trim().to_owned()
}

/// An object of the repository, loaded; `None` if this kernel does not take it.
fn load(path: &str) -> Option<Live> {
    let bytes = std::fs::read(root().join(path)).expect("it is there");
    let spec = Spec::from_elf(&bytes).ok()?;
    Kernel::new().load(&spec, &LoadOptions::default()).ok()
}

/// Objects of the repository that load, with their names; a few of them unless all are asked for.
fn stock(bpftool: &Bpftool) -> Vec<(String, Live)> {
    const FEW: &[&str] =
        &["xdp_firewall.o", "values.o", "maps_btf.o", "subprogs.o", "workout_v3.o", "data.o"];
    let mut all = Vec::new();
    for folder in ["examples", "tests/objects"] {
        let entries = std::fs::read_dir(root().join(folder)).expect("it is there").flatten();
        let mut names: Vec<_> = entries.filter_map(|e| e.file_name().into_string().ok()).collect();
        names.retain(|n| n.ends_with(".o") && !n.contains("_be") && !n.contains("big_endian"));
        names.retain(|n| bpftool.is_asked_for() || FEW.contains(&n.as_str()));
        names.sort_unstable();
        let loaded = names.into_iter().filter_map(|n| Some((n.clone(), load(&format!("{folder}/{n}"))?)));
        all.extend(loaded);
    }
    all
}

/// What both must say alike, without what depends on the moment or on who asks.
fn steady(mut object: Value) -> Value {
    if let Value::Object(o) = &mut object {
        for name in ["prog_ids", "map_ids"] {
            let ids = o.get_mut(name).and_then(Value::as_array_mut);
            ids.into_iter().for_each(|ids| ids.sort_by_key(Value::as_u64));
        }
        for name in ["pids", "pinned", "run_time_ns", "run_cnt", "loaded_at", "bytes_memlock", "metadata"] {
            o.remove(name);
        }
    }
    object
}

/// bpftool wraps one object in a list where it lists.
fn first(json: Value) -> Value {
    match json {
        Value::Array(mut list) if list.len() == 1 => list.remove(0),
        other => other,
    }
}

fn ours(args: &[&str], list: &str) -> Value {
    let json = skep(args).json();
    first(json[list].clone())
}

#[test]
fn programs_and_their_instructions_are_told_alike() {
    let Some(bpftool) = Bpftool::find() else { return };
    let (mut count, mut lines) = (0, 0);
    for (name, live) in stock(&bpftool) {
        for (n, program) in live.programs().into_iter().enumerate() {
            let fd = live.program(&program).expect("it is loaded");
            let id = id(fd, "prog_id");
            let theirs = first(bpftool.json(&["prog", "show", "id", &id]));
            let own = ours(&["prog", "show", "id", &id, "--json"], "progs");
            let seconds = |v: &Value| v["loaded_at"].as_i64().expect("a time");
            assert!((seconds(&own) - seconds(&theirs)).abs() <= 1, "{name} {program}");
            assert_eq!(own["bytes_memlock"], theirs["bytes_memlock"]);
            assert_eq!(steady(own), steady(theirs), "{name} {program}");
            count += 1;
            // Every listing takes both of them a walk through all symbols.
            if n < 2 || bpftool.is_asked_for() {
                lines += same_listing(&bpftool, &id, &format!("{name} {program}"));
            }
        }
    }
    assert!(count > 4, "{count} programs");
    println!("{count} programs, {lines} lines of instructions");
}

/// Instructions, functions and lines of source; ours say more behind a semicolon: the symbol that a number is.
fn same_listing(bpftool: &Bpftool, id: &str, what: &str) -> usize {
    let show = ["prog", "dump", "xlated", "id", id, "linum", "opcodes"];
    let (theirs, own) = (bpftool.text(&show), skep(&show).ok());
    let own: Vec<_> = own.lines().map(|l| l.split("  ; ").next().unwrap_or(l)).collect();
    same_lines(&own, &theirs.lines().collect::<Vec<_>>(), what);
    own.len()
}

/// Line by line, so that a difference is shown and not a page.
#[track_caller]
fn same_lines(own: &[&str], theirs: &[&str], what: &str) {
    for (n, (own, theirs)) in own.iter().zip(theirs).enumerate() {
        assert_eq!(own, theirs, "{what}, line {n}");
    }
    assert_eq!(own.len(), theirs.len(), "{what}: numbers of lines");
}

/// Hexadecimal numbers without quotes: bpftool leaves them out where it prints bits as text.
fn unquoted(text: &str) -> String {
    let mut out = String::new();
    for (n, part) in text.replace("\"(nil)\"", "\"0x0\"").split("\"0x").enumerate() {
        match part.split_once('"') {
            Some((digits, rest)) if n > 0 => out += &format!("0x{digits}{rest}"),
            _ => out += part,
        }
    }
    out
}

/// Bytes that look like nothing in particular, the same on every run.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// Writes what can be written, so that there is something to print.
fn fill(live: &mut Live) {
    for name in live.maps() {
        let Some(map) = live.map(&name) else { continue };
        let spec = map.spec().clone();
        let Some(value_len) = map.next_key(None).ok().and_then(|_| value_len(&spec)) else { continue };
        for n in 0..u64::from(spec.max_entries.min(6)) {
            let mut key = noise(n + 1, spec.key_size as usize);
            if spec.map_type.name().is_some_and(|t| t.contains("array") || t == "lpm_trie") {
                key = noise(n + 1, spec.key_size as usize);
                key[..4].copy_from_slice(&(n as u32).to_ne_bytes());
            }
            // Truth values have to be one or nought; what refuses a value keeps what it has.
            let value: Vec<u8> =
                noise(n + 100, value_len).iter().map(|b| if b & 4 == 0 { b & 1 } else { *b }).collect();
            let _ = map.update(&key, &value, 0);
        }
    }
}

/// Bytes of a value as bpf(2) moves it, for the CPUs that there may be.
fn value_len(spec: &skep::object::MapSpec) -> Option<usize> {
    let size = spec.value_size as usize;
    if !spec.map_type.row()?.per_cpu {
        return Some(size);
    }
    Some(size.next_multiple_of(8) * cpus())
}

fn cpus() -> usize {
    let text = std::fs::read_to_string("/sys/devices/system/cpu/possible").unwrap_or_default();
    let last = text.trim().rsplit(['-', ',']).next().and_then(|n| n.parse::<usize>().ok());
    last.map_or(1, |n| n + 1)
}

/// How many numbers, texts and the like a tree holds.
fn leaves(v: &Value) -> usize {
    match v {
        Value::Array(list) => list.iter().map(leaves).sum(),
        Value::Object(o) => o.values().map(leaves).sum(),
        _ => 1,
    }
}

#[test]
fn maps_and_all_their_values_are_told_alike() {
    let Some(bpftool) = Bpftool::find() else { return };
    let (mut maps, mut elements, mut values, mut typed) = (0, 0, 0, 0);
    for (name, mut live) in stock(&bpftool) {
        fill(&mut live);
        for map in live.maps() {
            let Some(fd) = live.map_fd(&map) else { continue };
            let id = id(fd, "map_id");
            let what = format!("{name} {map}");
            let theirs = first(bpftool.json(&["map", "show", "id", &id]));
            let own = ours(&["map", "show", "id", &id, "--json"], "maps");
            assert_eq!(own["bytes_memlock"], theirs["bytes_memlock"], "{what}");
            assert_eq!(steady(own), steady(theirs), "{what}");
            maps += 1;
            let own = skep(&["map", "dump", "id", &id, "--json"]);
            let theirs = bpftool.json(&["map", "dump", "id", &id]);
            if own.code != 0 {
                // What has no keys to go by is an error here, and empty there.
                assert_eq!(theirs, json!([]), "{what}: {}", own.stderr);
                continue;
            }
            let own = own.json()["maps"][0]["elements"].clone();
            let sorted = |v: Value| {
                let mut all: Vec<String> = v.as_array().into_iter().flatten().map(Value::to_string).collect();
                all.sort_unstable();
                all
            };
            elements += own.as_array().map_or(0, Vec::len);
            values += leaves(&own);
            let formatted = own.as_array().into_iter().flatten().filter_map(|e| e.get("formatted"));
            typed += formatted.map(leaves).sum::<usize>();
            assert_eq!(sorted(own), sorted(theirs.clone()), "{what}");
            if leaves(&theirs) > 0 && theirs.to_string().contains("\"error\"") {
                // Its text mixes JSON and plain lines then.
                continue;
            }
            let own = skep(&["map", "dump", "id", &id]).ok();
            let (own, theirs) = (unquoted(&own), unquoted(&bpftool.text(&["map", "dump", "id", &id])));
            same_lines(&own.lines().collect::<Vec<_>>(), &theirs.lines().collect::<Vec<_>>(), &what);
        }
    }
    assert!(maps > 20 && typed > 1000, "{maps} maps, {typed} typed values");
    println!("{maps} maps, {elements} elements, {values} values, {typed} of them typed");
}

#[test]
fn types_are_told_alike() {
    let Some(bpftool) = Bpftool::find() else { return };
    let (mut count, mut lines) = (0, 0);
    let mut seen = Vec::new();
    for (name, live) in stock(&bpftool) {
        let Some(program) = live.programs().first().cloned() else { continue };
        let fd = live.program(&program).expect("it is loaded");
        let prog = ours(&["prog", "show", "id", &id(fd, "prog_id"), "--json"], "progs");
        let Some(btf) = prog["btf_id"].as_u64().filter(|b| !seen.contains(b)) else { continue };
        seen.push(btf);
        let btf = btf.to_string();
        let theirs = first(bpftool.json(&["btf", "show", "id", &btf]));
        assert_eq!(steady(ours(&["btf", "show", "id", &btf, "--json"], "btfs")), steady(theirs), "{name}");
        let raw = skep(&["btf", "dump", "id", &btf]).ok();
        assert_eq!(raw, bpftool.text(&["btf", "dump", "id", &btf]), "{name}");
        count += 1;
        lines += same_declarations(&bpftool, &btf, &name);
    }
    assert!(count > 2, "{count} objects");
    println!("{count} BTF objects, {lines} lines of C");
}

/// The declarations of a header: what stands between the lines that only the preprocessor reads, without unnamed bits,
/// which C puts there by itself if nobody does.
fn declarations(c: &str) -> Vec<&str> {
    let padding = |l: &str| l.trim().split_once(": ").is_some_and(|(word, _)| !word.contains(' '));
    let said = |l: &&str| !l.is_empty() && !l.starts_with('#') && !l.starts_with("/*") && !padding(l);
    c.lines().map(str::trim_end).filter(said).collect()
}

fn same_declarations(bpftool: &Bpftool, btf: &str, name: &str) -> usize {
    let own = skep(&["btf", "dump", "id", btf, "--c"]).ok();
    let theirs = bpftool.text(&["btf", "dump", "id", btf, "format", "c", "unsorted"]);
    same_lines(&declarations(&own), &declarations(&theirs), name);
    declarations(&own).len()
}

/// `skep attach` in the background, until this is dropped.
struct Attachment {
    child: Child,
    link: String,
}

impl Attachment {
    /// Attaches one program; `None`, with the reason, if it can't be here.
    fn start(before: &[&str], args: &[&str]) -> Option<Self> {
        let words: Vec<&str> = [before, &[env!("CARGO_BIN_EXE_skep"), "attach", "--json"], args].concat();
        let mut child = Command::new(words[0])
            .args(&words[1..])
            .current_dir(root())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("text");
        let said: Value = serde_json::from_str(&line).unwrap_or_default();
        match said["link_id"].as_u64() {
            Some(link) => Some(Self { child, link: link.to_string() }),
            None => {
                let _ = child.kill();
                let out = child.wait_with_output().expect("it ends");
                println!("not attached: {args:?}: {}{line}", String::from_utf8_lossy(&out.stderr).trim());
                None
            }
        }
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        // Links go with their process.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A network namespace with a pair of interfaces, until this is dropped.
struct Netns(String);

impl Netns {
    fn new() -> Option<Self> {
        let name = format!("skep{}bpftool", std::process::id());
        let ip = |args: &[&str]| Command::new("ip").args(args).status().is_ok_and(|s| s.success());
        if !ip(&["netns", "add", &name]) {
            println!("skipped: no network namespace can be made");
            return None;
        }
        let made = Self(name);
        ip(&["-n", &made.0, "link", "add", "v0", "type", "veth", "peer", "name", "v1"]);
        Some(made)
    }

    fn enter(&self) -> String {
        format!("--net=/run/netns/{}", self.0)
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).status();
    }
}

#[test]
fn links_are_told_alike_and_so_are_their_holders() {
    let Some(bpftool) = Bpftool::find() else { return };
    let Some(netns) = Netns::new() else { return };
    let (hooks, net) = ("tests/objects/hooks.o", "tests/objects/net.o");
    let (enter, exe) = (netns.enter(), std::env::current_exe().expect("a path"));
    let (inside, own) = (["nsenter", enter.as_str()], format!("uprobe/{}:main", exe.display()));
    let multi = own.replacen("uprobe/", "uprobe.multi/", 1);
    let rows: &[(&[&str], &[&str])] = &[
        (&[], &[hooks, "--prog", "on_raw", "--cookie", "7"]),
        (&[], &[hooks, "--prog", "on_typed", "--cookie", "8"]),
        (&[], &[hooks, "--prog", "on_tracepoint", "--cookie", "9"]),
        (&[], &[hooks, "--prog", "on_entry", "--target", &own, "--cookie", "10"]),
        (&[], &[hooks, "--prog", "on_multi", "--target", &multi]),
        (&[], &[hooks, "--prog", "on_sample", "--cpu", "0"]),
        (&[], &["tests/objects/iterators.o", "--prog", "threads"]),
        (&inside, &[net, "--prog", "pass", "--iface", "v0"]),
        (&inside, &[net, "--prog", "come", "--iface", "v0"]),
        (&inside, &[net, "--prog", "go", "--iface", "v0"]),
        (&inside, &[net, "--prog", "nf_accept", "--hook", "ipv4/local_in", "--priority", "-5"]),
        (&inside, &["tests/objects/sockets.o", "--prog", "lookup"]),
        (&inside, &["tests/objects/sockets.o", "--prog", "dissect"]),
    ];
    let held: Vec<_> = rows.iter().filter_map(|(before, args)| Attachment::start(before, args)).collect();
    let mut kinds = BTreeMap::new();
    for attachment in &held {
        let one = ["link", "show", "id", attachment.link.as_str()];
        let theirs = first(bpftool.json(&one));
        let own = ours(&[&one[..], &["--json"]].concat(), "links");
        assert_eq!(own["pids"][0]["pid"], json!(attachment.child.id()), "{own}");
        if theirs.get("pids").is_some() {
            assert_eq!(own["pids"], theirs["pids"]);
        }
        *kinds.entry(own["type"].to_string()).or_insert(0) += 1;
        let cookie = |mut v: Value| {
            // Only where bpftool was built with its iterator.
            v.as_object_mut().map(|o| o.remove("bpf_cookie"));
            v
        };
        assert_eq!(cookie(steady(own)), cookie(steady(theirs)));
        let plain = |text: String| {
            text.lines()
                .filter(|l| !l.contains("pids ") && !l.contains("bpf_cookie"))
                .map(|l| l.trim_end().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(plain(skep(&one).ok()), plain(bpftool.text(&one)));
    }
    println!("{} links: {kinds:?}", held.len());
    assert!(held.len() >= 8, "{kinds:?}");
    inside_alike(&bpftool, &inside);
}

/// `net list` in a namespace of our own.
fn inside_alike(bpftool: &Bpftool, inside: &[&str]) {
    let run = |words: &[&str]| {
        let out = Command::new(inside[0]).arg(inside[1]).args(words).output().expect("it starts");
        assert!(out.status.success(), "{words:?}: {}", String::from_utf8_lossy(&out.stderr));
        // bpftool 7.8 forgets the braces of an object here.
        let text = String::from_utf8(out.stdout).expect("text").replace("[\"id\":", "[{\"id\":");
        let text = if text.contains("[{\"id\":") {
            text.replacen("],\"netfilter\"", "}],\"netfilter\"", 1)
        } else {
            text
        };
        let text = text.replace("}}],\"netfilter\"", "}],\"netfilter\"");
        serde_json::from_str::<Value>(&text).unwrap_or_else(|e| panic!("{e} in {text}"))
    };
    let theirs = first(run(&[&bpftool.0, "-j", "net", "list"]));
    let own = run(&[env!("CARGO_BIN_EXE_skep"), "net", "list", "--json"]);
    for part in ["xdp", "tc", "flow_dissector"] {
        assert_eq!(own[part], theirs[part]);
    }
    assert!(own["tc"].as_array().is_some_and(|t| t.len() == 2), "{own}");
}
