//! `cargo xtask`: what is done to the project by machine.
#![forbid(unsafe_code)]

#[cfg(all(target_os = "linux", not(skep_portable)))]
use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
#[cfg(all(target_os = "linux", not(skep_portable)))]
use skep_tests::differ::{Verdict, Worlds};
use skep_tests::filters;
#[cfg(all(target_os = "linux", not(skep_portable)))]
use skep_vm::Engine;

/// Automation of the skep project.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Hold the house rules: layers, sizes, documentation, safety comments, dependencies, words
    ///
    /// Prints one line a finding, as FILE:LINE: WHAT. Warnings do not fail. A rule that must be broken has an
    /// allow-list in xtask/src/tidy with a reason in each line.
    Tidy {
        /// Also print how many files and functions there are, and how long
        #[arg(short, long)]
        verbose: bool,
    },
    /// Write what is generated: docs/isa.md and docs/abi
    Gen {
        /// Write nothing; fail if a file is not what would be written
        #[arg(long)]
        check: bool,
    },
    /// Run random programs in userspace and in Linux, and print the first that differ as corpus files
    ///
    /// Needs the right to use bpf(2). The program of a seed is always the same.
    #[cfg(all(target_os = "linux", not(skep_portable)))]
    Diff {
        /// How many programs
        #[arg(long, default_value_t = 1000)]
        programs: u64,
        /// The seed of the first; the next ones follow
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// What runs programs in userspace
        #[arg(long, value_enum, default_value_t = Engines::Both)]
        engine: Engines,
    },
    /// Build the committed BPF objects from their C sources: examples/*.bpf.c and tests/objects/*.bpf.c
    ///
    /// Needs clang-19 and llvm-strip-19 (or CLANG and LLVM_STRIP), and libbpf's headers. The flags are those of
    /// xtask/src/examples.rs, unless a source's first line is `// cflags: ...`.
    Examples {
        /// Write nothing; fail if an object is not what would be built
        #[arg(long)]
        check: bool,
    },
    /// Give random programs to the running kernel and to the verifier, and count where the two differ
    ///
    /// Needs CAP_BPF and its companions. Fails if a verdict differs.
    #[cfg(all(target_os = "linux", not(skep_portable)))]
    Fidelity {
        /// How many programs
        #[arg(long, value_name = "N", default_value_t = 10_000)]
        programs: u64,
        /// The seed of the first; the others follow
        #[arg(long, value_name = "S", default_value_t = 1)]
        seed: u64,
        /// Run nothing; print what both say of the first program, state by state
        #[arg(long)]
        show: bool,
        /// Run nothing; print what both say of the program in a file, in the form in which differences are printed
        #[arg(long, value_name = "FILE", conflicts_with = "show")]
        file: Option<std::path::PathBuf>,
    },
    /// Ask the running kernel and the verifier of each row: helpers in each type of program, results by attach type
    ///
    /// Needs CAP_BPF and its companions. Fails if an answer differs.
    #[cfg(all(target_os = "linux", not(skep_portable)))]
    Rows,
    /// Run random programs that the verifier accepts on random inputs, and hold every recorded fact against what happens
    ///
    /// Needs no rights. Fails if a fact does not hold, or if a program does what it may not.
    #[cfg(all(target_os = "linux", not(skep_portable)))]
    Soundness {
        /// How many accepted programs
        #[arg(long, value_name = "N", default_value_t = 1_000)]
        programs: u64,
        /// The seed of the first; the others follow
        #[arg(long, value_name = "S", default_value_t = 1)]
        seed: u64,
        /// On how many inputs each is run
        #[arg(long, value_name = "N", default_value_t = 20)]
        inputs: u32,
    },
    /// Give programs to the running kernel and to `skep verify --batch`, and list where the two differ
    ///
    /// Reads every *.jsonl of a folder, in the form that `skep verify --batch` reads. Needs CAP_BPF and its companions.
    /// Fails if a verdict differs.
    #[cfg(all(target_os = "linux", not(skep_portable)))]
    Oracle {
        /// The folder
        #[arg(long, value_name = "DIR")]
        data: std::path::PathBuf,
        /// The skep that is asked
        #[arg(long, value_name = "FILE", default_value = "target/release/skep")]
        skep: std::path::PathBuf,
        /// Only programs whose name contains this
        #[arg(long, value_name = "TEXT")]
        only: Option<String>,
        /// The rights with which all are loaded and verified: root, bpf_net, unprivileged
        #[arg(long, value_name = "RIGHTS")]
        privilege: Option<String>,
        /// Compare the logs of states too
        #[arg(long)]
        logs: bool,
    },
    /// Hold the filter compiler to libpcap's test suite, which is kept outside of the project
    ///
    /// Of a checkout of libpcap all its tests are taken; that needs Perl. Prints what fails, and what was left out and why.
    FilterOracle {
        /// A checkout of libpcap, whose testprogs/TESTrun has the tests, and tests/ the captures
        #[arg(long, value_name = "DIR", required_unless_present = "data", conflicts_with = "data")]
        libpcap: Option<std::path::PathBuf>,
        /// A file of tests as JSON lines, without captures
        #[arg(long, value_name = "FILE")]
        data: Option<std::path::PathBuf>,
        /// A folder with the hosts, networks and ethers that the tests of a file want
        #[arg(long, value_name = "DIR")]
        names: Option<std::path::PathBuf>,
        /// Lift the listings back to expressions instead, and count those that are proved to be the same
        #[arg(long)]
        lift: bool,
        /// With --lift: print each expression beside the one that it was
        #[arg(long, requires = "lift")]
        show: bool,
    },
    /// Compare skep's own code of random filters with libpcap's on packets made for them
    FilterDiff {
        /// How many filters
        #[arg(long, default_value_t = 10_000)]
        filters: u64,
        /// How many packets each
        #[arg(long, default_value_t = 100)]
        packets: u64,
        /// The seed of the first; the next ones follow
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// Take libpcap's code from this tcpdump, twice a filter, rather than make it
        #[arg(long, value_name = "FILE")]
        tcpdump: Option<std::path::PathBuf>,
    },
}

/// How many differences and refusals are shown.
const SHOWN: u64 = 3;

#[cfg(all(target_os = "linux", not(skep_portable)))]
#[derive(Clone, Copy, clap::ValueEnum)]
enum Engines {
    Interp,
    Jit,
    Both,
}

#[cfg(all(target_os = "linux", not(skep_portable)))]
impl Engines {
    fn all(self) -> &'static [Engine] {
        match self {
            Self::Interp => &[Engine::Interpreter],
            Self::Jit => &[Engine::Jit],
            Self::Both => &[Engine::Interpreter, Engine::Jit],
        }
    }
}

#[cfg(all(target_os = "linux", not(skep_portable)))]
fn differ(programs: u64, seed: u64, engines: Engines) -> Done {
    let worlds = Worlds::open(engines.all(), 100_000_000)?;
    let (mut same, mut different) = (0_u64, 0_u64);
    let (mut refused, mut known) = (BTreeMap::<String, u64>::new(), BTreeMap::new());
    for n in (0..programs).map(|n| seed.wrapping_add(n)) {
        match worlds.compare(n)? {
            Verdict::Same => same += 1,
            Verdict::Refused(why) => {
                let why = why.lines().next().unwrap_or_default();
                let seen = refused.entry(why.to_owned()).or_default();
                *seen += 1;
                if *seen == 1 {
                    println!("program {n}: {why}");
                }
            }
            Verdict::Known(name) => {
                let (count, first) = known.entry(name).or_insert((0_u64, n));
                *count += 1;
                if *first == n {
                    println!("program {n}: {name}");
                }
            }
            Verdict::Different(found) => {
                different += 1;
                if different <= SHOWN {
                    let found = found.reduced(&worlds)?;
                    println!("{}", found.text());
                    found.differences().iter().for_each(|d| println!("# {d}"));
                }
            }
        }
    }
    let refused: u64 = refused.values().sum();
    println!(
        "{programs} programs from {seed} on: {same} the same, {refused} refused by Linux, {different} different"
    );
    for (name, (count, _)) in known {
        println!("{count} differ as docs/differences.md says: {name}");
    }
    Ok(different == 0)
}

fn main() -> ExitCode {
    let root = xtask::root();
    let done = match Cli::parse().command {
        Command::Tidy { verbose } => tidy(&root, verbose),
        Command::Gen { check } => generate(&root, check),
        #[cfg(all(target_os = "linux", not(skep_portable)))]
        Command::Diff { programs, seed, engine } => differ(programs, seed, engine),
        Command::Examples { check } => examples(&root, check),
        Command::FilterOracle { libpcap, data, names, lift, show } => {
            let source = xtask::filter_oracle::Source { libpcap, data, names };
            if lift { filter_lift(&source, show) } else { filter_oracle(&source) }
        }
        Command::FilterDiff { filters, packets, seed, tcpdump } => {
            let library = tcpdump.map_or(filters::Library::Ours, filters::Library::Tcpdump);
            Ok(filter_diff(seed..seed + filters, packets, &library))
        }
        #[cfg(all(target_os = "linux", not(skep_portable)))]
        Command::Fidelity { file: Some(file), .. } => std::fs::read_to_string(file)
            .map_err(Into::into)
            .and_then(|text| xtask::fidelity::show_text(&text))
            .map(|shown| {
                println!("{shown}");
                true
            }),
        #[cfg(all(target_os = "linux", not(skep_portable)))]
        Command::Fidelity { programs, seed, show, file: None } => fidelity(programs, seed, show),
        #[cfg(all(target_os = "linux", not(skep_portable)))]
        Command::Rows => rows(),
        #[cfg(all(target_os = "linux", not(skep_portable)))]
        Command::Soundness { programs, seed, inputs } => {
            let figures = xtask::soundness::run(programs, seed, inputs);
            println!("{figures}");
            Ok(figures.broken.is_empty())
        }
        #[cfg(all(target_os = "linux", not(skep_portable)))]
        Command::Oracle { data, skep, only, privilege, logs } => {
            oracle(xtask::oracle::Options { data, skep, only, privilege, logs })
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

type Done = Result<bool, Box<dyn std::error::Error>>;

fn tidy(root: &std::path::Path, verbose: bool) -> Done {
    let report = xtask::tidy::run(root)?;
    for finding in report.findings() {
        println!("{finding}");
    }
    if verbose {
        println!("{}", report.figures());
    }
    println!("tidy: {} errors, {} warnings", report.errors(), report.warnings());
    Ok(report.errors() == 0)
}

fn generate(root: &std::path::Path, check: bool) -> Done {
    let stale = xtask::generate::stale(root)?;
    for file in &stale {
        if check {
            println!("{}: not what `cargo xtask gen` writes", file.path);
        } else {
            xtask::generate::write(root, file)?;
            println!("wrote {}", file.path);
        }
    }
    Ok(stale.is_empty() || !check)
}

fn examples(root: &std::path::Path, check: bool) -> Done {
    let tools = xtask::examples::Tools::from_env();
    let mut fresh = true;
    for source in xtask::examples::sources(root)? {
        let built = tools.build(root, &source)?;
        let object = xtask::examples::object_of(&source);
        if std::fs::read(root.join(&object)).is_ok_and(|committed| committed == built) {
            continue;
        }
        fresh = false;
        if check {
            println!("{object}: not what {source} builds to");
        } else {
            std::fs::write(root.join(&object), built)?;
            println!("wrote {object}");
        }
    }
    Ok(fresh || !check)
}

#[cfg(all(target_os = "linux", not(skep_portable)))]
fn oracle(options: xtask::oracle::Options) -> Done {
    let report = xtask::oracle::run(&options)?;
    print!("{report}");
    Ok(report.agrees())
}

fn filter_lift(source: &xtask::filter_oracle::Source, show: bool) -> Done {
    print!("{}", xtask::filter_oracle::lift::run(source, show)?);
    Ok(true)
}

fn filter_oracle(source: &xtask::filter_oracle::Source) -> Done {
    let tally = xtask::filter_oracle::run(source)?;
    print!("{tally}");
    Ok(tally.passed())
}

#[cfg(all(target_os = "linux", not(skep_portable)))]
fn rows() -> Done {
    let rows = xtask::fidelity::rows::run()?;
    println!("{rows}");
    Ok(rows.differences.is_empty())
}

#[cfg(all(target_os = "linux", not(skep_portable)))]
fn fidelity(programs: u64, seed: u64, show: bool) -> Done {
    if show {
        println!("{}", xtask::fidelity::show(seed)?);
        return Ok(true);
    }
    let figures = xtask::fidelity::run(programs, seed)?;
    print!("{figures}");
    Ok(figures.kinds.is_empty())
}

/// Prints the first differences and the count; whether there was none.
fn filter_diff(seeds: std::ops::Range<u64>, packets: u64, library: &filters::Library) -> bool {
    let (mut pairs, mut taken, mut refused, mut differ, mut old) = (0, 0, 0, 0, 0);
    for seed in seeds {
        let mut random = filters::Random::new(seed);
        let (text, options) = (filters::expression(&mut random), filters::options(&mut random));
        match filters::compare(&text, &options, library, packets, &mut random) {
            filters::Outcome::Same(all, some) => {
                pairs += all;
                taken += some;
            }
            filters::Outcome::Refused => refused += 1,
            filters::Outcome::Differs(found) => {
                differ += 1;
                old += u64::from(found.as_head);
                if differ <= SHOWN || !found.as_head {
                    println!("seed {seed}: {found:?}");
                }
            }
        }
    }
    println!("{pairs} pairs, {taken} taken; {refused} expressions refused; {differ} filters differ");
    if old > 0 {
        println!(
            "{old} of them are treated by libpcap's HEAD as by skep: what the library at hand had wrong"
        );
    }
    differ == old
}
