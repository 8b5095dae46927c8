//! Runs each loop program in skep's interpreter, rbpf's, solana-sbpf's, and natively, and prints how they compare.
//!
//! `cargo run --release -- [--json] [--record FILE] [--rounds N] [--only NAME] [--skep] [--driver NAME=COMMAND]...`.
//! See README.md for the method and the other forms.

mod captures;
mod chart;
mod compile;
mod driver;
mod engines;
mod files;
mod filters;
mod programs;
mod verified;

use engines::{ENGINES, Named, Native, agreeing};
use programs::{PROGRAMS, Program};
use serde_json::json;

struct Args {
    json: bool,
    record: Option<String>,
    rounds: usize,
    only: Option<String>,
    skep_alone: bool,
    verified: bool,
    compile: bool,
    packets: bool,
    filters: bool,
    slow: bool,
    files: Option<String>,
    drivers: Vec<driver::Wanted>,
}

fn args() -> Args {
    let mut out = Args {
        json: false,
        record: None,
        rounds: 21,
        only: None,
        skep_alone: false,
        verified: false,
        compile: false,
        packets: false,
        filters: false,
        slow: false,
        files: None,
        drivers: Vec::new(),
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--json" => out.json = true,
            "--record" => out.record = args.next(),
            "--rounds" => out.rounds = args.next().and_then(|n| n.parse().ok()).unwrap_or(out.rounds),
            "--only" => out.only = args.next(),
            "--verified" => out.verified = true,
            "--compile" => out.compile = true,
            "--packets" => out.packets = true,
            "--filters" => out.filters = true,
            "--slow" => out.slow = true,
            "--files" => out.files = args.next(),
            "--skep" => out.skep_alone = true,
            "--driver" => match args.next().as_deref().and_then(driver::Wanted::parse) {
                Some(wanted) => out.drivers.push(wanted),
                None => refuse("--driver takes NAME=COMMAND"),
            },
            "--serve" => {
                let name = args.next().unwrap_or_default();
                if !ENGINES.iter().any(|e| e.0 == name) {
                    let names: Vec<_> = ENGINES.iter().map(|e| e.0).collect();
                    refuse(&format!("--serve takes one of {}", names.join(", ")));
                }
                let served = driver::serve(&name, std::io::stdin().lock(), std::io::stdout());
                std::process::exit(i32::from(served.is_err()));
            }
            "--chart" => match (args.next(), args.next()) {
                (Some(record), Some(out)) => match chart::draw(&record, &out) {
                    Ok(()) => std::process::exit(0),
                    Err(why) => refuse(&why),
                },
                _ => refuse("--chart takes RECORD.json OUT.svg"),
            },
            other => refuse(&format!("unknown argument {other}")),
        }
    }
    out
}

fn refuse(why: &str) -> ! {
    eprintln!("error: {why}");
    std::process::exit(2);
}

/// Nanoseconds that this thread has run.
fn thread_ns() -> u64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a valid place for the answer.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut t) };
    t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
}

fn median(mut samples: Vec<u64>) -> u64 {
    samples.sort_unstable();
    samples[samples.len() / 2]
}

/// Median time of a run for each engine; rounds go through all engines in turn.
fn measure(engines: &mut [Named], rounds: usize, program: &Program) -> Vec<u64> {
    let mut samples = vec![Vec::new(); engines.len()];
    for _ in 0..rounds {
        let mut results = Vec::new();
        for ((name, engine), times) in engines.iter_mut().zip(&mut samples) {
            let (result, ns) = engine.timed(1);
            times.push(ns);
            results.push((name.clone(), result));
        }
        assert!(results.iter().all(|r| r.1 == results[0].1), "{}: {results:x?}", program.name);
    }
    samples.into_iter().map(median).collect()
}

struct Row {
    program: &'static str,
    /// Engine and nanoseconds a run, floor subtracted.
    times: Vec<(String, u64)>,
}

impl Row {
    fn time(&self, engine: &str) -> Option<f64> {
        self.times.iter().find(|t| t.0 == engine).map(|t| t.1.max(1) as f64)
    }

    fn fastest_peer(&self) -> Option<f64> {
        let (a, b) = (self.time("rbpf")?, self.time("sbpf")?);
        Some(a.min(b))
    }
}

fn geomean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0), |(s, n), v| (s + v.ln(), n + 1));
    (sum / f64::from(n.max(1))).exp()
}

fn rows(args: &Args) -> Vec<Row> {
    let library = if args.skep_alone { None } else { programs::native() };
    let mut floor: Option<Vec<(String, u64)>> = None;
    let mut rows = Vec::new();
    for program in PROGRAMS {
        if program.n > 0 && args.only.as_ref().is_some_and(|only| only != program.name) {
            continue;
        }
        let (insns, input) = (program.insns(), program.input());
        let mut engines: Vec<Named> = Vec::new();
        for (name, make) in ENGINES.iter().filter(|e| !args.skep_alone || e.0.starts_with("skep")) {
            engines.extend(make(&insns, &input).map(|e| ((*name).to_owned(), e)));
        }
        for wanted in &args.drivers {
            engines.extend(wanted.start(program.name, &insns, &input).map(|e| (wanted.name.clone(), e)));
        }
        if let Some(native) = library.as_ref().and_then(|l| Native::new(l, program.name, &input)) {
            engines.push(("native".to_owned(), Box::new(native)));
        }
        let expected = engines[0].1.run();
        let others = engines.split_off(1);
        engines.extend(agreeing(others, expected, program.name));
        measure(&mut engines, 2, program);
        let times = measure(&mut engines, args.rounds, program);
        let times: Vec<_> = engines.iter().map(|e| e.0.clone()).zip(times).collect();
        let base = floor.get_or_insert_with(|| times.clone());
        let of = |name: &String| base.iter().find(|f| f.0 == *name && program.n > 0).map_or(0, |f| f.1);
        let times = times.iter().map(|(name, t)| (name.clone(), t.saturating_sub(of(name)))).collect();
        rows.push(Row { program: program.name, times });
    }
    rows
}

fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = info.lines().find(|l| l.starts_with(name));
        line.and_then(|l| l.split(": ").nth(1)).unwrap_or("?").to_owned()
    };
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "{} (family {}, model {}), {} cores, Linux {}",
        field("model name"),
        field("cpu family"),
        field("model\t"),
        std::thread::available_parallelism().map_or(1, usize::from),
        kernel.trim()
    )
}

/// How busy the machine is, as the kernel says it.
fn load() -> String {
    std::fs::read_to_string("/proc/loadavg").map_or_else(|_| "?".to_owned(), |text| text.trim().to_owned())
}

/// Microseconds a run, a column an engine, and what skep's interpreter and JIT take in parts of their nearest peers.
fn table(rows: &[Row]) -> String {
    let engines: Vec<&str> =
        rows.first().map_or(Vec::new(), |r| r.times.iter().map(|t| t.0.as_str()).collect());
    let mut out = format!(
        "| program | {} µs | skep / faster interpreter | skep jit / rbpf jit | skep jit / native |\n|{}\n",
        engines.join(" µs | "),
        "---|".repeat(engines.len() + 4)
    );
    let cell = |v: Option<f64>, digits: usize| v.map_or("-".to_owned(), |v| format!("{v:.digits$}"));
    for row in rows {
        let loops = row.program != "empty";
        let ratio =
            |ours: &str, other: Option<f64>| row.time(ours).zip(other).map(|(s, o)| s / o).filter(|_| loops);
        let times: Vec<_> = engines.iter().map(|e| cell(row.time(e).map(|t| t / 1000.0), 1)).collect();
        out += &format!(
            "| {} | {} | {} | {} | {} |\n",
            row.program,
            times.join(" | "),
            cell(ratio("skep", row.fastest_peer()), 3),
            cell(ratio("skep_jit", row.time("rbpf_jit")), 2),
            cell(ratio("skep_jit", row.time("native")), 1)
        );
    }
    out
}

/// Geometric mean over the loop programs of one engine's time in parts of another's.
fn over(rows: &[Row], ours: &str, other: impl Fn(&Row) -> Option<f64>) -> f64 {
    let loops = rows.iter().filter(|r| r.program != "empty");
    geomean(loops.filter_map(|r| Some(r.time(ours)? / other(r)?)))
}

fn main() {
    let args = args();
    if args.filters || args.files.is_some() {
        let value = match &args.files {
            Some(folder) => {
                json!({"schema": "skep.bench-files/1", "machine": machine(), "rounds": args.rounds, "load": load(), "found": files::measure(folder.as_ref(), args.rounds)})
            }
            None => {
                json!({"schema": "skep.bench-filters/1", "machine": machine(), "rounds": args.rounds, "load": load(), "found": filters::measure(args.rounds, args.slow, args.only.as_deref())})
            }
        };
        if let Some(file) = &args.record {
            std::fs::write(file, format!("{value:#}\n")).expect("record");
        }
        return println!("{}; load {}", machine(), load());
    }
    if args.packets {
        let value = json!({"schema": "skep.bench-packets/1", "machine": machine(), "rounds": args.rounds, "found": verified::packets(&args)});
        if let Some(file) = &args.record {
            std::fs::write(file, format!("{value:#}\n")).expect("record");
        }
        return println!("{}", machine());
    }
    if args.verified {
        let library = if args.skep_alone { None } else { programs::native() };
        let value = verified::measure(library.as_ref(), &args);
        let value = json!({"schema": "skep.bench-verified/1", "machine": machine(), "rounds": args.rounds, "found": value});
        if let Some(file) = &args.record {
            std::fs::write(file, format!("{value:#}\n")).expect("record");
        }
        return println!("{}", machine());
    }
    if args.compile {
        let value = json!({"schema": "skep.bench-compile/1", "machine": machine(), "rounds": args.rounds, "found": compile::measure(&args)});
        if let Some(file) = &args.record {
            std::fs::write(file, format!("{value:#}\n")).expect("record");
        }
        return println!("{}", machine());
    }
    let rows = rows(&args);
    let peer = over(&rows, "skep", Row::fastest_peer);
    let native = over(&rows, "skep", |r| r.time("native"));
    let jits = over(&rows, "skep_jit", |r| r.time("rbpf_jit"));
    let jit_native = over(&rows, "skep_jit", |r| r.time("native"));
    let rbpf_native = over(&rows, "rbpf_jit", |r| r.time("native"));
    let drivers: serde_json::Map<_, _> = args
        .drivers
        .iter()
        .map(|d| (d.name.clone(), json!(over(&rows, "skep_jit", |r| r.time(&d.name)))))
        .collect();
    let value = json!({
        "schema": "skep.bench-engines/1",
        "machine": machine(),
        "rounds": args.rounds,
        "geomean_over_faster_peer": peer,
        "geomean_over_native": native,
        "geomean_jit_over_rbpf_jit": jits,
        "geomean_jit_over_native": jit_native,
        "geomean_rbpf_jit_over_native": rbpf_native,
        "geomean_jit_over_driver": drivers,
        "programs": rows.iter().map(|r| json!({
            "name": r.program,
            "ns": r.times.iter().map(|(e, t)| (e.clone(), json!(t))).collect::<serde_json::Map<_, _>>(),
        })).collect::<Vec<_>>(),
    });
    if let Some(file) = &args.record {
        std::fs::write(file, format!("{value:#}\n")).expect("record");
    }
    if args.json {
        println!("{value:#}");
        return;
    }
    print!("{}", table(&rows));
    println!("\n{}", machine());
    println!("geomean: skep / faster interpreter {peer:.3}, skep / native {native:.1}");
    println!(
        "geomean: skep jit / rbpf jit {jits:.2}, skep jit / native {jit_native:.2}, rbpf jit / native {rbpf_native:.2}"
    );
    for (name, ratio) in &drivers {
        println!("geomean: skep jit / {name} {:.2}", ratio.as_f64().unwrap_or(f64::NAN));
    }
}
