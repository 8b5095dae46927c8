//! Commands that need Linux: `skep compare`, `skep run --backend kernel`. Skipped, with the reason, where this process
//! may not use bpf(2); what they say then is looked at, too.

use serde_json::{Value, json};

use crate::schema::violations;
use crate::{root, skep, skep_with};

const TRAFFIC: &str = "examples/traffic.pcapng";

/// Whether the kernel may be used. Where not, commands have to say so and end with 2.
fn kernel() -> bool {
    let Some(why) = skep::kernel::Kernel::new().refusal() else { return true };
    let said = skep(&["compare", "examples/xdp_firewall.o", "--pcap", TRAFFIC]).fails(2);
    assert!(said.contains("needs CAP_BPF") || !why.starts_with("needs"), "{said}");
    println!("skipped: {why}");
    false
}

#[test]
fn every_example_does_the_same_in_both_worlds() {
    if !kernel() {
        return;
    }
    let schema = compare_schema();
    for object in ["xdp_firewall", "l4_lb", "tc_marker", "socket_filter"] {
        let file = format!("examples/{object}.o");
        let json = skep(&["compare", &file, "--pcap", TRAFFIC, "--json"]).json();
        assert_eq!(violations(&schema, &json), Vec::<String>::new());
        assert_eq!(json["agree"], json!(true));
        assert!(json["same"].as_u64() > Some(800), "{object}: {}", json["same"]);
        let text = skep(&["compare", &file, "--pcap", TRAFFIC]).ok();
        assert!(text.contains("870 packets, no difference"), "{text}");
    }
}

#[test]
fn a_difference_is_shown_with_the_packet_and_the_entry() {
    if !kernel() {
        return;
    }
    // The memory that a program has not written is zero here, and the kernel refuses to let it be read; the address of
    // the context differs for sure.
    let text = b"#! prog = xdp\n#! map = seen array 4 8 1\nr6 = r1\nr7 = *(u32 *)(r1 + 12)\nr1 = map[seen]\n\
        r2 = r10\nr2 += -4\n*(u32 *)(r10 - 4) = 0\ncall bpf_map_lookup_elem\nif r0 == 0 goto out\nr7 = r10\n\
        r7 -= r6\n*(u64 *)(r0 + 0) = r7\nout:\nr0 = 2\nexit\n";
    let ran = skep_with(&["compare", "-", "--pcap", TRAFFIC, "--json"], text);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let json: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(json["agree"], json!(false));
    assert_eq!(json["maps"][0]["name"], json!("seen"));
    assert_eq!(json["maps"][0]["different"][0]["key"], json!("00000000"));
    assert_eq!(json["steps"]["in_maps"], json!(true));
    assert_eq!(json["steps"]["packet"], json!(1));
}

/// `tests/corpus/linux/upper_part.bpf` is a difference that stays (docs/differences.md).
#[test]
fn the_steps_of_the_first_packet_that_differs_are_shown_side_by_side() {
    if !kernel() {
        return;
    }
    let text = b"#! prog = sched_cls\nr6 = r1\nr7 = 5\nr0 = *(u16 *)(r6 + 18)\nif r0 == 0 goto out\nr0 = 2\nout:\nexit\n";
    let ran = skep_with(&["compare", "-", "--pcap", TRAFFIC], text);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stdout.contains("the worlds part at step 3 of packet 1"), "{}", ran.stdout);
    assert!(ran.stdout.contains("r0 = *(u16 *)(r6 +18)"), "{}", ran.stdout);
    let ran = skep_with(&["compare", "-", "--pcap", TRAFFIC, "--json"], text);
    let json: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let schema = compare_schema();
    assert_eq!(violations(&schema, &json), Vec::<String>::new());
    let traces = &json["steps"]["traces"];
    assert_eq!(traces["parted"], json!(2));
    let [user, kernel] = ["user", "kernel"].map(|world| &traces["steps"][2][world]);
    assert_eq!((&user["value"], &user["slot"]), (&json!("0x0"), &json!(2)));
    assert_ne!(kernel["value"], json!("0x0"));
    // Linux, which found a number, goes another way.
    assert_eq!(traces["steps"][4]["user"]["slot"], json!(5));
    assert_eq!(traces["steps"][4]["kernel"]["slot"], json!(4));
}

fn compare_schema() -> Value {
    let schema = std::fs::read_to_string(root().join("docs/schema/skep.compare-1.schema.json"));
    serde_json::from_str(&schema.expect("is there")).expect("JSON")
}

#[test]
fn run_in_the_kernel_counts_what_userspace_counts() {
    if !kernel() {
        return;
    }
    let run = |backend| {
        let args = ["run", "examples/xdp_firewall.o", "--pcap", TRAFFIC, "--json", "--backend", backend];
        skep(&args).json()
    };
    let (user, linux) = (run("user"), run("kernel"));
    assert_eq!(linux["backend"], json!("kernel"));
    assert_eq!(user["verdicts"], linux["verdicts"]);
    assert_eq!(user["events_total"], linux["events_total"]);
    assert_eq!(user["maps"]["blocked4"], linux["maps"]["blocked4"]);
}

/// What the verifier says comes first, with its log behind.
#[test]
fn a_refused_program_shows_the_point_of_the_log() {
    if !kernel() {
        return;
    }
    let text = b"#! prog = xdp\nr0 = r9\nexit\n";
    let said = skep_with(&["run", "-", "--pcap", TRAFFIC, "--backend", "kernel"], text).fails(2);
    let first = said.lines().next().unwrap_or_default();
    assert!(first.contains("R9 !read_ok"), "{said}");
    assert!(said.contains("0: (bf) r0 = r9"), "{said}");
}

#[test]
fn features_are_told_as_the_schema_says() {
    if !kernel() {
        return;
    }
    let path = root().join("docs/schema/skep.feature-1.schema.json");
    let schema: Value =
        serde_json::from_str(&std::fs::read_to_string(path).expect("is there")).expect("JSON");
    let json = skep(&["feature", "probe", "kernel", "--json"]).json();
    assert_eq!(violations(&schema, &json), Vec::<String>::new());
    let xdp = json["prog_types"].as_array().into_iter().flatten().find(|f| f["name"] == "xdp");
    assert_eq!(xdp.map(|f| &f["state"]), Some(&json!("available")));
    let only = skep(&["feature", "--only", "map-types", "--json"]).json();
    assert!(only["prog_types"].is_null() && only["map_types"].is_array());
    assert!(skep(&["feature", "probe", "moon"]).fails(2).contains("unknown probe `probe moon`"));
}

/// What the kernel does not run is said before anything is loaded, with what to do instead.
#[test]
fn kinds_that_linux_does_not_run_are_named() {
    let run = |object: &str, prog: &str| {
        let file = format!("tests/objects/{object}.o");
        skep(&["run", &file, "--prog", prog, "--ctx", "hex:00", "--backend", "kernel"]).fails(2)
    };
    let said = run("cgroup", "connect4");
    assert!(said.contains("does not run cgroup_sock_addr programs, only xdp, sched_cls"), "{said}");
    assert!(said.contains("hint: attach it to a cgroup") && said.contains("--cgroup PATH"), "{said}");
    assert!(run("sockets", "across").contains("--map NAME"));
    assert!(run("congestion", "undo").contains("skep struct_ops register"));
    let said = skep(&["run", "tests/objects/sockets.o", "--prog", "keep", "--cpu", "0"]).fails(2);
    assert!(said.contains("--cpu is for --backend kernel"), "{said}");
}

#[test]
fn linux_runs_programs_on_packets_contexts_and_nothing() {
    if !kernel() {
        return;
    }
    let dissect = ["run", "tests/objects/sockets.o", "--prog", "dissect", "--pcap", TRAFFIC, "--json"];
    let json = skep(&[&dissect[..], &["--backend", "kernel"]].concat()).json();
    assert_eq!(json["verdicts"], json!({ "BPF_OK": 870 }));
    // In userspace there is nothing that would call it.
    let said = skep(&dissect).fails(2);
    assert!(said.contains("flow_dissector programs take no packets"), "{said}");
    let text = b"#! prog = syscall\n#! flags = 16\nr0 = 5\nexit\n";
    let ran = skep_with(&["run", "-", "--backend", "kernel", "--json"], text).json();
    assert_eq!(ran["retval"], json!(5));
    let text = b"#! prog = raw_tracepoint\ncall bpf_get_smp_processor_id\nexit\n";
    let ran = skep_with(&["run", "-", "--backend", "kernel", "--cpu", "0", "--json"], text).json();
    assert_eq!(ran["retval"], json!(0));
}

/// What an iterator writes goes to stdout as it is; JSON holds it.
#[test]
fn iterators_are_run_and_told() {
    if !kernel() {
        return;
    }
    let object = "tests/objects/iterators.o";
    let several = skep(&["iter", object]).fails(2);
    assert!(several.contains("--prog: threads, maps, entries, cgroups"), "{several}");
    let unnamed = skep(&["iter", object, "--prog", "entries"]).fails(2);
    assert!(unnamed.contains("give --map NAME|ID|PATH"), "{unnamed}");
    let json = skep(&["iter", object, "--prog", "entries", "--map", "squares", "--json"]).json();
    crate::schemas::keeps("iter", &json);
    assert_eq!(json["text"], json!(""), "the map is empty");
    let me = std::process::id().to_string();
    let json = skep(&["iter", object, "--prog", "threads", "--pid", &me, "--json"]).json();
    crate::schemas::keeps("iter", &json);
    let written = json["data"].as_str().or(json["text"].as_str()).map(str::len);
    assert!(written.is_some_and(|len| len >= 8), "{json}");
}

#[test]
fn top_counts_what_runs() {
    use skep::abi::ProgType;
    use skep::backend::{Backend, LoadOptions, TestRun};
    use skep::object::{Program, Spec};

    if !kernel() {
        return;
    }
    let asked = skep(&["top", "--once", "--interval", "0.05"]);
    if asked.code == 2 {
        assert!(asked.stderr.contains("needs CAP_SYS_ADMIN"), "{}", asked.stderr);
        println!("skipped: {}", asked.stderr.trim());
        return;
    }
    assert!(asked.ok().contains("NS/RUN"));
    let name = format!("skep_t{}", std::process::id());
    let code =
        skep::isa::asm::assemble("r0 = 2\nexit\n", skep::isa::asm::Dialect::Kernel).expect("assembles");
    let program = Program {
        name: name.clone(),
        prog_type: Some(ProgType::XDP),
        insns: code.insns,
        ..Program::default()
    };
    let spec = Spec { license: "GPL".into(), programs: vec![program], ..Spec::default() };
    let mut loaded =
        Backend::load(&skep::kernel::Kernel::new(), &spec, &LoadOptions::default()).expect("loads");
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let runs = std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let json = skep(&["top", "--json", "--once", "--interval", "0.3", "--filter", &name]).json();
            drop(stop);
            json
        });
        let input = TestRun { packet: &[0; 64], ..TestRun::default() };
        while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
            loaded.test_run(&name, &input).expect("runs");
        }
        watch.join().expect("top ends")
    });
    let path = root().join("docs/schema/skep.top-1.schema.json");
    let schema: Value =
        serde_json::from_str(&std::fs::read_to_string(path).expect("is there")).expect("JSON");
    assert_eq!(violations(&schema, &runs), Vec::<String>::new());
    assert!(runs["programs"][0]["runs_per_second"].as_f64() > Some(100.0), "{runs}");
    assert_eq!(runs["programs"].as_array().map(Vec::len), Some(1));
}

/// The object says what its records are by a pointer that is there only for that.
#[test]
fn records_are_told_through_their_type() {
    if !kernel() {
        return;
    }
    let run = ["run", "tests/objects/rings.o", "--prog", "fill_samples", "--backend", "kernel"];
    let context = ["--ctx", "hex:07000000000000002a00000000000000"];
    let json = skep(&[&run[..], &context, &["--json"]].concat()).json();
    crate::schemas::keeps("run", &json);
    let value = &json["events"][0]["value"];
    assert_eq!((&value["producer"], &value["number"]), (&json!(7), &json!(42)), "{json}");
    let text = skep(&[&run[..], &context].concat()).ok();
    assert!(text.contains(".producer = 7, .number = 42}"), "{text}");
}
