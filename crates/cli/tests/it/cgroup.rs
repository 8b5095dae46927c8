//! `skep cgroup` and `skep struct_ops` on things that the test made itself, beside bpftool where it is installed. Skipped,
//! with the reason, where this process may not.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use skep::backend::LoadOptions;
use skep::kernel::{Kernel, Live};
use skep::object::Spec;

use crate::schema::violations;
use crate::{root, scratch, skep};

/// A directory of a kernel's file system; removed, with all below it, when this is dropped.
struct Dir(PathBuf);

impl Dir {
    fn new(path: PathBuf) -> Option<Self> {
        if let Err(e) = std::fs::create_dir(&path) {
            println!("skipped: {}: {e}", path.display());
            return None;
        }
        Some(Self(path))
    }

    fn text(&self) -> &str {
        self.0.to_str().expect("a path of text")
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        // Pins are files, cgroups are folders whose files can't be removed.
        for entry in std::fs::read_dir(&self.0).into_iter().flatten().flatten() {
            let _ = std::fs::remove_dir(entry.path()).or_else(|_| std::fs::remove_file(entry.path()));
        }
        let _ = std::fs::remove_dir(&self.0);
    }
}

/// Whether the kernel may be used, and its objects listed; says why not.
fn kernel() -> Option<Kernel> {
    let kernel = Kernel::new();
    let needed = [skep_sys::Cap::SYS_ADMIN, skep_sys::Cap::NET_ADMIN];
    let lacks = skep_sys::caps::Caps::current().ok().and_then(|c| c.lacks(&needed));
    let why = kernel.refusal().or_else(|| lacks.map(|cap| format!("needs {cap}")));
    match why {
        None => Some(kernel),
        Some(why) => {
            println!("skipped: {why}");
            None
        }
    }
}

fn load(kernel: &Kernel, program: &str) -> (Live, String) {
    let bytes = std::fs::read(root().join("tests/objects/cgroup.o")).expect("it is there");
    let spec = Spec::from_elf(&bytes).expect("an object");
    let options = LoadOptions { programs: vec![program.to_owned()], ..LoadOptions::default() };
    let live = kernel.load(&spec, &options).unwrap_or_else(|e| panic!("{e}"));
    let id = skep_sys::info::prog(live.program(program).expect("is loaded").as_fd()).expect("is one").id;
    (live, id.to_string())
}

#[track_caller]
fn keeps(name: &str, json: &Value) {
    let path = root().join(format!("docs/schema/skep.{name}-1.schema.json"));
    let schema = std::fs::read_to_string(&path).expect("the schema is there");
    let found = violations(&serde_json::from_str(&schema).expect("JSON"), json);
    assert!(found.is_empty(), "{name}: {found:#?}");
}

/// What bpftool prints; `None` where it is not installed.
fn bpftool(args: &[&str]) -> Option<String> {
    let ran = Command::new("bpftool").args(args).output().ok()?;
    Some(String::from_utf8_lossy(&ran.stdout).into_owned())
}

/// Lines without the spaces at their ends, which differ with the width of names.
fn trimmed(text: &str) -> Vec<&str> {
    text.lines().map(str::trim_end).collect()
}

#[test]
fn programs_of_cgroups_are_shown_attached_and_detached() {
    let Some(kernel) = kernel() else { return };
    let Some(mount) = skep_sys::cgroup::mount() else {
        println!("skipped: no cgroup2 is mounted");
        return;
    };
    let Some(dir) = Dir::new(mount.join(format!("skep{}", std::process::id()))) else { return };
    let Some(below) = Dir::new(dir.0.join("below")) else { return };
    let ((_a, connect), (_b, ingress)) = (load(&kernel, "connect4"), load(&kernel, "ingress"));
    let cgroup = |args: &[&str]| skep(&[&["cgroup"], args].concat());
    let done = cgroup(&["attach", dir.text(), "connect4", "id", &connect, "multi", "--json"]).json();
    keeps("cgroup", &done);
    assert_eq!(done["attach_type"], json!("cgroup_inet4_connect"));
    assert_eq!(cgroup(&["attach", dir.text(), "cgroup_inet_ingress", "id", &ingress]).ok(), "");
    let shown = cgroup(&["show", dir.text(), "--json"]).json();
    keeps("cgroup-show", &shown);
    let fact = |v: &Value, key: &str| v[key].as_str().map(str::to_owned);
    let facts = |v: &Value| -> Vec<_> {
        let all = v.as_array().into_iter().flatten();
        all.map(|p| (p["id"].as_u64(), fact(p, "attach_type"), fact(p, "attach_flags"), fact(p, "name")))
            .collect()
    };
    assert_eq!(shown["programs"][1]["attach_flags"], json!("multi"));
    assert_eq!(shown["programs"][0]["name"], json!("ingress"));
    // The same below, where they are from above.
    assert_eq!(cgroup(&["show", below.text(), "--json"]).json()["programs"], json!([]));
    let effective = cgroup(&["show", below.text(), "effective", "--json"]).json();
    keeps("cgroup-show", &effective);
    assert_eq!(facts(&effective["programs"]).len(), 2);
    let tree = cgroup(&["tree", dir.text(), "--json"]).json();
    keeps("cgroup-tree", &tree);
    assert_eq!(tree["cgroups"], json!([{ "cgroup": dir.text(), "programs": shown["programs"] }]));
    if let Some(theirs) = bpftool(&["-j", "cgroup", "show", dir.text()]) {
        let theirs: Value = serde_json::from_str(&theirs).expect("JSON of bpftool");
        assert_eq!(facts(&shown["programs"]), facts(&theirs));
        for words in [vec!["show"], vec!["tree"], vec!["show", "effective"]] {
            let (verb, rest) = words.split_first().expect("a verb");
            let args = [&["cgroup", verb, dir.text()], rest].concat();
            let (ours, theirs) = (skep(&args).ok(), bpftool(&args).expect("it was there"));
            assert_eq!(trimmed(&ours), trimmed(&theirs), "{words:?}");
        }
    } else {
        println!("skipped in part: bpftool is not installed");
    }
    let said = cgroup(&["attach", below.text(), "ingress", "id", &ingress]).fails(2);
    assert!(said.contains("allows no other"), "{said}");
    let said = cgroup(&["detach", dir.text(), "egress", "id", &ingress]).fails(2);
    assert!(said.contains("hint: it is not attached there"), "{said}");
    keeps("cgroup", &cgroup(&["detach", dir.text(), "connect4", "id", &connect, "--json"]).json());
    cgroup(&["detach", dir.text(), "ingress", "id", &ingress]).ok();
    assert_eq!(cgroup(&["tree", dir.text(), "--json"]).json()["cgroups"], json!([]));
}

#[test]
fn what_is_no_cgroup_or_no_attach_type_is_said() {
    if kernel().is_none() || skep_sys::cgroup::mount().is_none() {
        return;
    }
    let said = skep(&["cgroup", "show", "/tmp"]).fails(2);
    assert!(said.contains("/tmp: it is no cgroup of the second version\n\nhint: they are below "), "{said}");
    let said = skep(&["cgroup", "attach", "/tmp", "conect4", "id", "1"]).fails(2);
    assert!(said.contains("did you mean `connect4`?"), "{said}");
    let said = skep(&["cgroup", "show", "/tmp/not-there"]).fails(2);
    assert!(said.contains("no such file or directory (ENOENT)"), "{said}");
}

#[test]
fn skep_attach_hangs_programs_on_a_cgroup_while_it_runs() {
    if kernel().is_none() {
        return;
    }
    let Some(mount) = skep_sys::cgroup::mount() else { return };
    let Some(dir) = Dir::new(mount.join(format!("skep{}a", std::process::id()))) else { return };
    let args = ["attach", "tests/objects/cgroup.o", "--cgroup", dir.text(), "--for", "0.01"];
    let said = skep(&args).ok();
    for part in ["connect4", "cgroup_inet4_connect", "on_tcp", "cgroup_sysctl"] {
        assert!(said.contains(part), "{part:?} is not in\n{said}");
    }
    assert_eq!(skep(&["cgroup", "show", dir.text(), "--json"]).json()["programs"], json!([]));
}

/// `congestion.o` with names of its algorithms that are this process' own, and with these letters one test's: the whole
/// machine knows them, and tests run side by side.
fn congestion(letters: [char; 2]) -> (String, [String; 2]) {
    let mut bytes = std::fs::read(root().join("tests/objects/congestion.o")).expect("it is there");
    let names = [("skep_linked", letters[0]), ("skep_plain", letters[1])].map(|(old, letter)| {
        let new = format!("sk{letter}{:0width$}", std::process::id(), width = old.len() - 3);
        let at = bytes.windows(old.len()).position(|w| w == old.as_bytes()).expect("its name is in it");
        bytes[at..at + old.len()].copy_from_slice(new.as_bytes());
        new
    });
    let path = scratch(&format!("congestion-{}.o", letters[0]));
    std::fs::write(&path, bytes).expect("it can be written");
    (path.to_str().expect("a path of text").to_owned(), names)
}

fn knows(algorithm: &str) -> bool {
    let all = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_available_congestion_control");
    all.expect("it can be read").split_whitespace().any(|word| word == algorithm)
}

/// Unregisters a table when this is dropped.
struct Registered(String);

impl Drop for Registered {
    fn drop(&mut self) {
        skep(&["struct_ops", "unregister", "id", &self.0]);
    }
}

#[test]
fn tables_are_registered_listed_and_unregistered() {
    if kernel().is_none() {
        return;
    }
    let (object, [linked, plain]) = congestion(['l', 'p']);
    let said = skep(&["struct_ops", "register", &object]).fails(2);
    assert!(said.contains("`linked` is registered by a link"), "{said}");
    assert!(!knows(&linked) && !knows(&plain), "nothing is left behind");
    let done = skep(&["struct_ops", "register", &object, "--map", "plain", "--json"]).json();
    keeps("struct_ops", &done);
    let id = done["id"].to_string();
    let registered = Registered(id.clone());
    assert!(knows(&plain), "it stays when the command has ended");
    let list = skep(&["struct_ops", "show", "id", &id, "--json"]).json();
    keeps("struct_ops-list", &list);
    let wanted = json!({"id": done["id"], "name": "plain", "kernel_struct_ops": "tcp_congestion_ops", "state": "inuse"});
    assert_eq!(list["tables"], json!([wanted]));
    keeps("struct_ops-list", &skep(&["struct_ops", "list", "--json"]).json());
    if let Some(theirs) = bpftool(&["struct_ops", "show", "id", &id]) {
        let ours = skep(&["struct_ops", "show", "id", &id]).ok();
        // bpftool does not tell the state.
        assert_eq!(ours.replace(" inuse\n", "\n"), theirs);
    }
    let done = skep(&["struct_ops", "unregister", "id", &id, "--json"]).json();
    keeps("struct_ops", &done);
    drop(registered);
    assert!(!knows(&plain));
    let said = skep(&["struct_ops", "unregister", "id", &id]).fails(2);
    assert!(said.contains("no map with id"), "{said}");
}

#[test]
fn a_table_goes_by_a_pinned_link() {
    if kernel().is_none() {
        return;
    }
    if !skep_sys::pin::is_bpffs(Path::new("/sys/fs/bpf/x")) {
        println!("skipped: no BPF file system is mounted at /sys/fs/bpf");
        return;
    }
    let Some(dir) = Dir::new(format!("/sys/fs/bpf/skep{}", std::process::id()).into()) else { return };
    let (object, [linked, _]) = congestion(['m', 'q']);
    let done = skep(&["struct_ops", "register", &object, dir.text(), "--map", "linked", "--json"]).json();
    keeps("struct_ops", &done);
    let registered = Registered(done["id"].to_string());
    assert!(knows(&linked));
    let pin = done["pinned"].as_str().expect("it is pinned").to_owned();
    let link = skep(&["link", "list", "pinned", &pin, "--json"]).json();
    assert_eq!(link["links"][0]["map_id"], done["id"]);
    let state = skep(&["struct_ops", "show", "id", &registered.0, "--json"]).json();
    assert_eq!(state["tables"][0]["state"], json!("ready"));
    skep(&["struct_ops", "unregister", "id", &registered.0]).ok();
    assert!(!knows(&linked));
}
