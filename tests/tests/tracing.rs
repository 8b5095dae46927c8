//! Tracing hooks of the running kernel, on a process of the test's own that does everything an exact number of times.
//! Skipped, with the reason, where bpf(2) may not be used or there is no C compiler.
#![cfg(all(target_os = "linux", not(skep_portable)))]

use std::path::Path;

use skep::backend::{ErrorKind, LoadOptions, Loaded, TargetProg};
use skep::kernel::attach::{Attached, Target};
use skep::kernel::{Kernel, Live};
use skep_object::Spec;
use skep_sys::perf;
use skep_sys::task_fd::{self, FdType};
use skep_sys::tracefs::Tracefs;
use skep_tests::scenario::root;
use skep_tests::traced::{Traced, Unfit, program};

/// How often the process does everything. Odd, so that halves do not pass for wholes.
const N: u64 = 321;

/// The counters, in the order of `objects/hooks.bpf.c`.
const NAMES: [&str; 11] = [
    "tracepoint",
    "raw",
    "typed",
    "entry",
    "return",
    "multi",
    "multi_return",
    "session_entry",
    "session_return",
    "marker",
    "sample",
];

/// The object's programs, loaded, and the process, which waits.
struct Stage {
    live: Live,
    process: Traced,
    file: &'static Path,
}

fn dir() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

/// Inode of the first pid namespace: the numbers of other ones are not those that programs see.
const FIRST_PID_NAMESPACE: &str = "pid:[4026531836]";

impl Stage {
    /// `None` where it can't be; the reason is printed.
    fn set(programs: &[&str], work: &str) -> Option<Self> {
        let skip = |why: String| {
            println!("skipped: {why}");
            None
        };
        if let Some(why) = Kernel::new().refusal() {
            return skip(why);
        }
        if !std::fs::read_link("/proc/self/ns/pid").is_ok_and(|l| l.as_os_str() == FIRST_PID_NAMESPACE) {
            return skip("processes have other numbers here than programs see".into());
        }
        let (file, process) = match (program(dir()), Traced::start(dir(), work)) {
            (Ok(file), Ok(process)) => (file, process),
            (Err(Unfit(why)), _) | (_, Err(Unfit(why))) => return skip(why),
        };
        let mut live = load(programs).unwrap();
        let mut who = process.pid().to_ne_bytes().to_vec();
        who.extend(GETPPID.to_ne_bytes());
        live.map("who").unwrap().update(&[0; 4], &who, 0).unwrap();
        Some(Self { live, process, file })
    }

    fn attach(&self, prog: &str, section: &str, target: Target) -> Attached {
        let section = section.replace("FILE", self.file.to_str().unwrap());
        let section = (!section.is_empty()).then_some(section);
        self.live.attach(prog, &Target { section, ..target }).unwrap()
    }

    /// A counter: runs, and the sum of the values.
    fn count(&mut self, name: &str) -> (u64, u64) {
        let number = NAMES.iter().position(|n| *n == name).unwrap() as u32;
        words(&mut self.live, "counts", number)
    }
}

fn words(live: &mut Live, map: &str, key: u32) -> (u64, u64) {
    let value = live.map(map).unwrap().lookup(&key.to_ne_bytes()).unwrap().unwrap();
    let word = |n: usize| u64::from_ne_bytes(value[8 * n..8 * n + 8].try_into().unwrap());
    (word(0), word(1))
}

fn load(programs: &[&str]) -> Result<Live, skep::backend::Error> {
    let bytes = std::fs::read(root().join("tests/objects/hooks.o")).unwrap();
    let programs = programs.iter().map(|p| (*p).to_owned()).collect();
    Kernel::new().load(&Spec::from_elf(&bytes).unwrap(), &LoadOptions { programs, ..LoadOptions::default() })
}

const GETPPID: u32 = if cfg!(target_arch = "x86_64") { 110 } else { 173 };

/// Only this process.
fn only(stage: &Stage) -> Target {
    Target { pid: Some(stage.process.pid()), ..Target::default() }
}

#[test]
fn tracepoints_count_exactly() {
    let Some(mut stage) = Stage::set(&["on_tracepoint", "on_raw", "on_typed"], &N.to_string()) else {
        return;
    };
    let plain = |cookie| Target { cookie, ..Target::default() };
    let attached = [
        stage.attach("on_tracepoint", "", plain(7)),
        stage.attach("on_raw", "", plain(0)),
        stage.attach("on_typed", "", plain(0)),
    ];
    assert_eq!(attached.each_ref().map(Attached::hook), ["tracepoint", "raw_tracepoint", "tp_btf"]);
    stage.process.finish();
    drop(attached);
    assert_eq!(stage.count("tracepoint"), (N, 7 * N));
    assert_eq!((stage.count("raw").0, stage.count("typed").0), (N, N));
}

#[test]
fn probes_of_functions_count_exactly() {
    let Some(mut stage) = Stage::set(&["on_entry", "on_return"], &N.to_string()) else { return };
    let pid = only(&stage).pid;
    let attached = [
        stage.attach("on_entry", "uprobe/FILE:traced_add", Target { pid, cookie: 5, ..Target::default() }),
        stage.attach("on_return", "uretprobe/FILE:traced_mul", only(&stage)),
    ];
    assert!(attached.iter().all(|a| a.link_id().is_some() && !a.outlives()));
    stage.process.finish();
    drop(attached);
    assert_eq!(stage.count("entry"), (N, 5 * N));
    assert_eq!(stage.count("return").0, N);
}

/// An instruction inside of a function, and a place by its offset; of every process that runs the file.
#[test]
fn probes_of_places_count_exactly() {
    let Some(mut stage) = Stage::set(&["on_entry", "on_return"], &N.to_string()) else { return };
    let first = stage.attach("on_entry", "uprobe/FILE:traced_add+0x0", Target::default());
    let offset: u64 = {
        let text = first.target().to_owned();
        assert!(text.ends_with(":traced_add+0x0"), "{text}");
        offset_of(stage.file, "traced_mul")
    };
    let second = stage.attach("on_return", &format!("uretprobe/FILE:{offset:#x}"), Target::default());
    stage.process.finish();
    drop((first, second));
    assert_eq!((stage.count("entry").0, stage.count("return").0), (N, N));
}

/// Where a function begins in the file, by binutils.
fn offset_of(file: &Path, function: &str) -> u64 {
    use object::{Object, ObjectSection, ObjectSymbol};
    let bytes = std::fs::read(file).unwrap();
    let elf = object::File::parse(&*bytes).unwrap();
    let symbol = elf.symbols().find(|s| s.name() == Ok(function)).unwrap();
    let section = elf.section_by_index(symbol.section_index().unwrap()).unwrap();
    symbol.address() - section.address() + section.file_range().unwrap().0
}

#[test]
fn probes_of_many_functions_count_exactly() {
    let programs = ["on_multi", "on_multi_return", "on_session"];
    let Some(mut stage) = Stage::set(&programs, &N.to_string()) else { return };
    let pid = only(&stage).pid;
    let cookie = 3;
    let attached = [
        stage.attach("on_multi", "uprobe.multi/FILE:traced_*", Target { pid, cookie, ..Target::default() }),
        stage.attach("on_multi_return", "uretprobe.multi/FILE:traced_m?l", only(&stage)),
        stage.attach("on_session", "uprobe.session/FILE:traced_add", only(&stage)),
    ];
    assert!(attached[0].target().ends_with("(2 functions)"), "{}", attached[0].target());
    stage.process.finish();
    drop(attached);
    assert_eq!(stage.count("multi"), (2 * N, 3 * 2 * N));
    assert_eq!(stage.count("multi_return").0, N);
    assert_eq!((stage.count("session_entry").0, stage.count("session_return").0), (N, N));
}

/// What is detached, and what is of another process, is not counted.
#[test]
fn nothing_is_counted_that_should_not_be() {
    let Some(mut stage) = Stage::set(&["on_entry", "on_return"], &N.to_string()) else { return };
    drop(stage.attach("on_entry", "uprobe/FILE:traced_add", only(&stage)));
    let other = Target { pid: Some(std::process::id()), ..Target::default() };
    let attached = stage.attach("on_return", "uretprobe/FILE:traced_add", other);
    stage.process.finish();
    drop(attached);
    assert_eq!((stage.count("entry").0, stage.count("return").0), (0, 0));
}

#[test]
fn markers_tell_their_arguments() {
    let Some(mut stage) = Stage::set(&["on_marker"], &N.to_string()) else { return };
    let pid = only(&stage).pid;
    let attached =
        stage.attach("on_marker", "usdt/FILE:skep:numbers", Target { pid, cookie: 99, ..Target::default() });
    let printed = stage.process.finish();
    drop(attached);
    assert_eq!(stage.count("marker").0, N);
    assert!(printed.starts_with("1 "), "the semaphore was raised: {printed}");
    let sum: u64 = (0..N).sum();
    let arguments = [0, 1, 2, 4].map(|n| words(&mut stage.live, "arguments", n));
    assert_eq!(arguments[0], (sum.wrapping_neg(), (N - 1).wrapping_neg()), "a register, signed");
    assert_eq!(arguments[1], (71 * N, 71), "a constant");
    assert_eq!(arguments[2], ((22 * N).wrapping_neg(), 22_u64.wrapping_neg()), "memory");
    assert_eq!(arguments[3], (99 * N, 99), "the cookie");
    assert_eq!(words(&mut stage.live, "arguments", 3), (0, 0), "there is no fourth");
}

/// A marker that the compiler copied, and one behind an index register.
#[test]
fn markers_have_several_places() {
    let Some(mut stage) = Stage::set(&["on_marker"], &N.to_string()) else { return };
    let twice = stage.attach("on_marker", "usdt/FILE:skep:twice", only(&stage));
    assert!(twice.target().ends_with("(2 places)"), "{}", twice.target());
    stage.process.finish();
    assert_eq!(stage.count("marker").0, N + 1);
    assert_eq!(words(&mut stage.live, "arguments", 0), ((0..N).sum::<u64>() + 1000, 1000));
    drop(twice);
    if cfg!(target_arch = "x86_64") {
        let mut again = Stage::set(&["on_marker"], "1").unwrap();
        let attached = again.attach("on_marker", "usdt/FILE:skep:indexed", only(&again));
        again.process.finish();
        drop(attached);
        assert_eq!(words(&mut again.live, "arguments", 0), (44_u64.wrapping_neg(), 44_u64.wrapping_neg()));
    }
}

#[test]
fn a_busy_process_is_sampled() {
    let Some(mut stage) = Stage::set(&["on_sample"], "burn") else { return };
    let pid = only(&stage).pid;
    let attached = stage.attach("on_sample", "", Target { pid, frequency: Some(1000), ..Target::default() });
    stage.process.finish();
    drop(attached);
    let samples = stage.count("sample").0;
    // It is busy for 0.4 s, and has at least a twentieth of a CPU of a machine that others use too.
    assert!((20..=600).contains(&samples), "{samples} samples");
}

/// Attachments without a link are seen through the descriptors of their process.
#[test]
fn what_is_attached_is_found() {
    let Some(stage) = Stage::set(&["on_tracepoint", "on_raw", "on_entry", "on_return"], "1") else { return };
    let old = |pid| Target { without_link: true, pid, ..Target::default() };
    let pid = only(&stage).pid;
    let attached = [
        stage.attach("on_tracepoint", "", old(None)),
        stage.attach("on_raw", "", old(None)),
        stage.attach("on_entry", "uprobe/FILE:traced_add", old(pid)),
        stage.attach("on_return", "uretprobe/FILE:traced_add", old(pid)),
    ];
    let mut found: Vec<_> = task_fd::all().unwrap();
    let programs = ["on_tracepoint", "on_raw", "on_entry", "on_return"];
    let ids = programs.map(|p| skep_sys::info::prog(stage.live.program(p).unwrap()).unwrap().id);
    found.retain(|f| f.pid == std::process::id() && ids.contains(&f.prog_id));
    found.sort_by_key(|f| ids.iter().position(|id| *id == f.prog_id));
    let kinds: Vec<_> = found.iter().map(|f| f.fd_type).collect();
    assert_eq!(kinds, [FdType::Tracepoint, FdType::RawTracepoint, FdType::Uprobe, FdType::Uretprobe]);
    assert_eq!([&*found[0].name, &*found[1].name], ["sys_enter_getppid", "sys_enter"]);
    assert!(found[2].name.ends_with("/traced"), "{}", found[2].name);
    assert_eq!(found[2].probe_offset, offset_of(stage.file, "traced_add"));
    use std::os::fd::AsFd;
    let on_it = perf::query_bpf(attached[0].fds()[0].as_fd()).unwrap();
    assert!(on_it.contains(&ids[0]), "{on_it:?}");
}

/// What is not there is named, with what there is instead.
#[test]
fn wrong_targets_are_told() {
    let programs = ["on_tracepoint", "on_raw", "on_entry", "on_multi", "on_marker"];
    let Some(stage) = Stage::set(&programs, "1") else { return };
    let file = stage.file.to_str().unwrap();
    let told = |prog: &str, section: &str| {
        let section = Some(section.replace("FILE", file));
        let e = stage.live.attach(prog, &Target { section, ..Target::default() }).unwrap_err();
        format!("{e} / {}", e.hint().unwrap_or("")).replace(file, "FILE")
    };
    let tracefs = Tracefs::open().unwrap();
    assert!(!tracefs.list(Some("sched")).unwrap().is_empty());
    let cases = [
        (
            "on_tracepoint",
            "tp/sched/sched_swich",
            "no tracepoint `sched/sched_swich` / there is `sched/sched_switch`",
        ),
        ("on_tracepoint", "tp/sched_switch", "no tracepoint `sched_switch` / there is `sched/sched_switch`"),
        (
            "on_raw",
            "raw_tp/sched/sched_switch",
            "no raw tracepoint `sched/sched_switch` / there is `sched_switch`",
        ),
        ("on_entry", "uprobe/FILE:traced_ad", "FILE has no function `traced_ad` / there is `traced_add`"),
        ("on_entry", "uprobe/FILE:traced_add+0x1000", "FILE: `traced_add` has "),
        ("on_entry", "uprobe/FILE", "does not name a file and a place in it"),
        ("on_entry", "uprobe/libskep-none.so:f", "no library `libskep-none.so` is installed"),
        ("on_entry", "uprobe//proc/self/status:f", "not an ELF file"),
        (
            "on_entry",
            "uprobe/libc.so.6:memcpy",
            "which function `memcpy` is gets decided when a program starts",
        ),
        ("on_multi", "uprobe.multi/FILE:untraced_*", "FILE has no function `untraced_*`"),
        (
            "on_marker",
            "usdt/FILE:skep:number",
            "no marker `skep:number` / it has skep:indexed, skep:numbers, skep:twice",
        ),
    ];
    for (prog, section, wanted) in cases {
        let found = told(prog, section);
        assert!(found.contains(wanted), "{section}: {found}");
    }
    let pid = Some(stage.process.pid());
    let e = stage.live.attach("on_tracepoint", &Target { pid, ..Target::default() }).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Invalid, "{e}");
    let gone = Target {
        pid: Some(u32::MAX >> 1),
        section: Some(format!("uprobe/{file}:traced_add")),
        ..Target::default()
    };
    assert_eq!(stage.live.attach("on_entry", &gone).unwrap_err().kind(), ErrorKind::NotFound);
}

/// A function of a library that is found by its name, with a version.
#[test]
fn libraries_are_found_by_name() {
    let Some(stage) = Stage::set(&["on_entry"], "1") else { return };
    let place = |section: &str| stage.attach("on_entry", section, only(&stage)).target().to_owned();
    if !Path::new("/lib/x86_64-linux-gnu/libc.so.6").exists() {
        println!("skipped: no glibc where it is looked for");
        return;
    }
    assert!(place("uprobe/libc.so.6:getppid").ends_with("/libc.so.6:getppid"));
    assert!(place("uprobe/libc.so.6:pthread_create@GLIBC_2.2.5").ends_with("pthread_create@GLIBC_2.2.5"));
}

/// Hooks that this kernel may lack: attached where it has them, and told by name where it has not.
#[test]
fn what_the_kernel_lacks_is_named() {
    if let Some(why) = Kernel::new().refusal() {
        println!("skipped: {why}");
        return;
    }
    for (prog, lacks) in [
        ("on_kprobe", "kprobes"),
        ("on_kprobe_multi", "functions"),
        ("on_syscall", "kprobes"),
        ("on_function", "trace_fentry"),
        ("on_result", "modify_return"),
        ("on_exit", "trace_fexit"),
        ("on_kprobe_session", "functions"),
        ("on_lsm", "lsm_mac"),
        ("on_lsm_cgroup", "lsm_cgroup"),
    ] {
        let attached = load(&[prog]).and_then(|live| live.attach(prog, &Target::default()).map(drop));
        match attached {
            Ok(()) => println!("{prog}: attached"),
            Err(e) => {
                println!("{prog}: {e} / {}", e.hint().unwrap_or(""));
                assert!(e.to_string().contains(lacks), "{prog}: {e}");
                assert!(e.hint().is_some(), "{prog}: {e}");
            }
        }
    }
}

/// Programs for a function of another program: loaded, attached and in effect where the kernel has that, and told by name where
/// it has not.
#[test]
fn functions_of_programs_are_replaced_and_watched() {
    let kernel = Kernel::new();
    if let Some(why) = kernel.refusal() {
        println!("skipped: {why}");
        return;
    }
    let bytes = std::fs::read(root().join("tests/objects/extends.o")).unwrap();
    let spec = Spec::from_elf(&bytes).unwrap();
    let base = kernel.load(&spec, &LoadOptions::default()).unwrap();
    let id = skep_sys::info::prog(base.program("base").unwrap()).unwrap().id;
    let load = |spec: &Spec, prog: &str, target: Option<TargetProg>| {
        let target_progs = target.map(|t| (prog.to_owned(), t)).into_iter().collect();
        let programs = vec![prog.to_owned()];
        kernel.load(spec, &LoadOptions { programs, target_progs, ..LoadOptions::default() })
    };
    for (prog, kind) in
        [("stand_in", "ext"), ("before", "tracing, trace_fentry"), ("after", "tracing, trace_fexit")]
    {
        let loaded = load(&spec, prog, Some(TargetProg::Id(id)));
        match loaded.and_then(|live| live.attach(prog, &Target::default()).map(drop)) {
            Ok(()) => println!("{prog}: attached"),
            Err(e) => {
                println!("{prog}: {e} / {}", e.hint().unwrap_or(""));
                // Where it is loaded, but there are no trampolines, it can't be attached.
                let (text, load) = (e.to_string(), format!("can't be loaded as {kind}:"));
                assert!(text.contains(&load) || text.starts_with(&format!("attaching `{prog}`")), "{e}");
                assert!(e.hint().is_some(), "{prog}: {e}");
            }
        }
    }
    let e = load(&spec, "stand_in", None).unwrap_err();
    assert!(e.hint().is_some_and(|h| h.contains("--target-prog")), "{e}");
    let mut other = spec.clone();
    let named = other.programs.iter_mut().find(|p| p.name == "stand_in").unwrap();
    named.attach_to = Some("undecided".into());
    let e = load(&other, "stand_in", Some(TargetProg::Id(id))).unwrap_err();
    assert!(e.to_string().contains("has no function `undecided`"), "{e}");
    assert!(e.hint().is_some_and(|h| h.contains("decide")), "{e}");
    let e = load(&spec, "stand_in", Some(TargetProg::Pinned("/sys/fs/bpf/skep-none".into()))).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::NotFound, "{e}");
}
