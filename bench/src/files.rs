//! Captures through a filter into another file: `skep filter -r -w` beside `tcpdump -r -w`, both as processes.
//!
//! The captures are written anew before they are read, so that they lie in the page cache, and in the large pieces in which
//! Linux puts what is written at once. A time is what the kernel says that the process took, its own and the kernel's for it;
//! the least of all rounds, which go through the programs in turn. What they write must be the same to the byte.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::{Value, json};

use crate::{captures, filters};

/// Seconds on processors, and on the clock.
#[derive(Clone, Copy)]
struct Took {
    cpu: f64,
    wall: f64,
}

impl Took {
    fn least(self, other: Took) -> Took {
        Took { cpu: self.cpu.min(other.cpu), wall: self.wall.min(other.wall) }
    }
}

fn run(program: &Path, args: &[&str]) -> Took {
    let start = Instant::now();
    let mut command = Command::new(program);
    let child = command.args(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let mut status = 0;
    // SAFETY: a structure of numbers, for which zeros are fine.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: a child of this process that nobody else waits for, and places for the answers.
    let pid = unsafe { libc::wait4(child.id() as i32, &raw mut status, 0, &raw mut usage) };
    assert!(pid > 0 && libc::WIFEXITED(status) && libc::WEXITSTATUS(status) < 2, "{program:?} {args:?}");
    let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 / 1e6;
    let cpu = seconds(usage.ru_utime) + seconds(usage.ru_stime);
    Took { cpu, wall: start.elapsed().as_secs_f64() }
}

/// Measures in a folder that has room for 2 GB, prints, and gives the same as JSON.
pub fn measure(folder: &Path, rounds: usize) -> Value {
    let skep = std::env::var_os("SKEP").unwrap_or_else(|| "../target/release/skep".into());
    let skep = Path::new(&skep).canonicalize().expect("`cargo build --release` in the project makes skep");
    println!(
        "| capture | filter | tcpdump ms | skep, one thread ms | two threads: clock ms | tcpdump / skep | clock: tcpdump / two threads |"
    );
    println!("|---|---|---|---|---|---|---|");
    let mut out = Vec::new();
    for (name, bytes, snaplen) in [("full", 1 << 30, 262_144), ("96 bytes", 512 << 20, 96)] {
        let place = |name: &str| folder.join(format!("skep-bench-{name}.pcap"));
        let [from, theirs, ours] = ["in", "tcpdump", "skep"].map(place);
        let [from, theirs, ours] = [&from, &theirs, &ours].map(|path| path.to_str().expect("a UTF-8 path"));
        let packets = captures::write(Path::new(from), bytes, snaplen).expect("room");
        for case in &filters::cases(false)[..5] {
            let forget = || [theirs, ours].map(|path| std::fs::remove_file(path).is_ok());
            let filter = |threads: &str| {
                run(&skep, &["filter", "-r", from, "-w", ours, "--threads", threads, &case.text])
            };
            let mut least = [Took { cpu: f64::MAX, wall: f64::MAX }; 3];
            for _ in 0..rounds {
                forget();
                least[0] = least[0].least(run(Path::new("tcpdump"), &["-r", from, "-w", theirs, &case.text]));
                least[2] = least[2].least(filter("2"));
                forget_one(ours);
                least[1] = least[1].least(filter("1"));
            }
            run(Path::new("tcpdump"), &["-r", from, "-w", theirs, &case.text]);
            let written = std::fs::read(ours).expect("it was written");
            assert!(written == std::fs::read(theirs).expect("it was written"), "{}", case.name);
            forget();
            let [tcpdump, one, two] = least;
            println!(
                "| {name} | {} | {:.0} | {:.0} | {:.0} | {:.2} | {:.2} |",
                case.name,
                tcpdump.cpu * 1e3,
                one.cpu * 1e3,
                two.wall * 1e3,
                tcpdump.cpu / one.cpu,
                tcpdump.wall / two.wall
            );
            let ms = |took: Took| json!({"cpu_ms": took.cpu * 1e3, "clock_ms": took.wall * 1e3});
            out.push(json!({
                "capture": name, "packets": packets, "filter": case.name, "bytes_written": written.len(),
                "tcpdump": ms(tcpdump), "skep_one_thread": ms(one), "skep_two_threads": ms(two),
            }));
        }
        forget_one(from);
    }
    json!(out)
}

fn forget_one(path: &str) {
    std::fs::remove_file(path).expect("it is there");
}
