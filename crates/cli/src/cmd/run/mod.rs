//! `skep run`: a program over a capture, or once on plain memory or a context.
//!
//! The steps: read the object or text, choose the program and its type, load it into a world, feed it ([`feed`]), add
//! up what it answered ([`tally`]), read its maps ([`maps`]), and tell ([`report`]).

pub(super) mod engine;
pub(super) mod feed;
pub(super) mod forward;
pub(crate) mod maps;
mod program;
mod report;
mod tally;
pub(super) mod text;

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use skep::abi::{MapType, ProgType};
use skep::backend::{LoadOptions, TestRun};
use skep::isa::Endian;
use skep::object::{InitialRef, Program, Spec};
use skep::verifier::{Privilege, Verdict as Decision};

use super::verify::judge::{self, Kernel};
use crate::events::Records;
use crate::failure::Failure;
use crate::output::Output;
use crate::{Verdict, input, names};
use maps::{Reading, Wanted};
pub(super) use program::ProgramArgs;
use report::Report;
use tally::Tally;
use text::Text;

const EXAMPLES: &str = "\
Examples:
  skep run examples/xdp_firewall.o --pcap examples/traffic.pcapng
  skep run examples/xdp_firewall.o --pcap traffic.pcap.zst --out passed.pcapng
  skep run examples/tc_marker.o --pcap examples/traffic.pcapng --map classes --json
  zcat traffic.pcap.gz | skep run prog.o --type xdp --pcap -
  skep run prog.bpf --mem hex:0102030405060708    assembler text; r1 = memory, r2 = 8

What --out writes, as the program left it:
  xdp                      XDP_PASS, XDP_TX, XDP_REDIRECT
  sched_cls, sched_act     TC_ACT_OK, UNSPEC, RECLASSIFY, PIPE, REDIRECT
  socket_filter            the bytes that it keeps, if any
  cgroup_skb               what is let through
  lwt_in, lwt_out, lwt_xmit  BPF_OK, BPF_REDIRECT, BPF_LWT_REROUTE
  sk_skb                   SK_PASS
  netfilter                NF_ACCEPT

Exit codes: 0 it ran, 1 it was refused or went wrong on some packet, 2 it could not be run.";

/// Run a program over the packets of a capture, or once on memory or a context
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    program: ProgramArgs,

    /// Text is a program for big-endian machines; objects say so themselves
    #[arg(long)]
    big_endian: bool,

    /// Packets: pcap or pcapng, also as .gz or .zst (`-` is stdin)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["mem", "ctx"], help_heading = "Input")]
    pcap: Option<PathBuf>,

    /// Plain memory, `FILE` or `hex:...`: r1 points to it, r2 is its length
    #[arg(long, value_name = "FILE|hex:...", conflicts_with = "ctx", help_heading = "Input")]
    mem: Option<String>,

    /// The context's bytes, `FILE` or `hex:...`
    #[arg(long, value_name = "FILE|hex:...", help_heading = "Input")]
    ctx: Option<String>,

    /// Run it on this CPU (raw_tracepoint programs in Linux)
    #[arg(long, value_name = "N", conflicts_with_all = ["pcap", "mem"], help_heading = "Input")]
    cpu: Option<u32>,

    /// Run each packet so often; maps see every run, the last one's verdict counts
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..), help_heading = "Input")]
    repeat: u32,

    /// What programs are told of the time: when a packet was captured, or the machine's uptime
    #[arg(long, value_name = "CLOCK", default_value = "capture", help_heading = "Input")]
    clock: ClockArg,

    /// Write what goes on: pcapng, or pcap if the name ends so
    #[arg(long, value_name = "FILE", requires = "pcap", help_heading = "Output")]
    out: Option<PathBuf>,

    /// Show only this map (repeatable)
    #[arg(long, value_name = "NAME", help_heading = "Output")]
    map: Vec<String>,

    /// Show all maps, constants included, with all their entries
    #[arg(long, help_heading = "Output")]
    all_maps: bool,

    #[command(flatten)]
    engine: engine::Choice,

    /// Run it with all checks, without asking the verifier
    #[arg(long, help_heading = "Engine")]
    unverified: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ClockArg {
    Capture,
    Real,
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Verdict, Failure> {
    let text = args.program.read(args.big_endian)?;
    let spec = &text.spec;
    let (program, prog_type) = args.program.choose(spec, args.pcap.is_some())?;
    args.engine.takes(program, prog_type)?;
    if args.cpu.is_some() && !args.engine.is_kernel() {
        return Err(Failure::new("--cpu is for --backend kernel: there is one CPU in userspace"));
    }
    let input = Input::of(args, &text, prog_type)?;
    let real_clock = args.clock == ClockArg::Real;
    let options = options(spec, program, prog_type);
    let verified = match input {
        _ if args.unverified || args.engine.is_kernel() => false,
        // What runs on plain memory is not a program of Linux's, and has no contract to be held to.
        Input::Once { mem: Some(_), .. } => false,
        _ => verified(&text, &options, out)?,
    };
    let mut loaded = args.engine.load(spec, &options, real_clock, verified)?;
    let loaded = loaded.as_mut();
    for (map, key, value) in &text.entries {
        let found = loaded.map(map).ok_or_else(|| Failure::new(format!("no map `{map}`")))?;
        found.update(key, value, 0).map_err(|e| Failure::new(format!("map `{map}`: {e}")))?;
    }
    check_maps(&loaded.maps(), &args.map)?;
    let mut tally = Tally::new(Records::of(spec));
    let mut report = Report::new(&program.name, prog_type, spec.endian == Endian::Big);
    report.names = args.engine.names();
    report.verified = verified;
    match input {
        Input::Capture(path) => {
            let feed = feed::Feed { spec, program, prog_type, repeat: args.repeat, out: args.out.as_deref() };
            feed.run(path, loaded, &mut tally, out)?;
        }
        Input::Once { packet, mem, ctx } => {
            report.single = true;
            let input = TestRun {
                packet: packet.as_deref().unwrap_or_default(),
                mem: mem.as_deref(),
                ctx: ctx.as_deref(),
                repeat: args.repeat,
                cpu: args.cpu,
                timestamp_ns: None,
            };
            match loaded.test_run(&program.name, &input) {
                Ok(o) => {
                    tally.once(&o, args.repeat);
                    report.once(o, packet.is_some());
                }
                Err(e) => tally.error(engine::trap(&e, spec)),
            }
            tally.events(loaded.take_events());
        }
    }
    let how = Reading { btf: spec.btf.as_ref(), endian: spec.endian };
    let wanted = Wanted { names: &args.map, all: args.all_maps };
    report.maps = maps::dump(loaded, &wanted, &how);
    report.all_maps = args.all_maps;
    if out.json {
        out.object(&report.json(&tally))?;
    } else {
        report.print(&tally, out)?;
    }
    Ok(if tally.error_count() > 0 { Verdict::No } else { Verdict::Yes })
}

/// Whether the verifier accepts all that is to be loaded. What it refuses does not run.
fn verified(text: &Text, options: &LoadOptions, out: &mut Output) -> Result<bool, Failure> {
    let mut all = true;
    for name in &options.programs {
        let Some(program) = text.spec.program(name) else { continue };
        let prog_type = options.prog_types.get(name).copied();
        let judged = judge::judge(text, program, prog_type, &Kernel::Running, Privilege::Root)?;
        match judged.outcome.verdict {
            Decision::Accept => {}
            Decision::NotModelled(what) => {
                all = false;
                out.warn(format_args!(
                    "{name} was not verified, as {what} is not modelled: it runs in the checked interpreter"
                ));
            }
            Decision::Reject(_) => {
                let told = judged.told.into_iter().map(|e| e.diagnostic).collect();
                return Err(Failure::diagnosed(told)
                    .hint("Linux would not load it; `--unverified` runs it in the checked interpreter")
                    .negative());
            }
        }
    }
    Ok(all)
}

/// What the program is fed.
enum Input<'a> {
    Capture(&'a Path),
    Once { packet: Option<Vec<u8>>, mem: Option<Vec<u8>>, ctx: Option<Vec<u8>> },
}

impl<'a> Input<'a> {
    fn of(args: &'a Args, text: &Text, prog_type: ProgType) -> Result<Self, Failure> {
        let takes_packets = forward::takes_packets_in(prog_type, args.engine.is_kernel());
        if let Some(path) = &args.pcap {
            if !takes_packets {
                return Err(Failure::new(format!("{prog_type} programs take no packets"))
                    .hint("give the context's bytes with --ctx, or plain memory with --mem"));
            }
            return Ok(Self::Capture(path));
        }
        let bytes = |arg: &Option<String>, own: &Option<Vec<u8>>| match arg {
            Some(a) => input::bytes(a).map(Some),
            None => Ok(own.clone()),
        };
        let (mut mem, ctx) = (bytes(&args.mem, &text.mem)?, bytes(&args.ctx, &text.ctx)?);
        if text.is_bare() && ctx.is_none() && !args.program.is_typed() {
            mem.get_or_insert_default();
        }
        if mem.is_some() || ctx.is_some() || text.packet.is_some() {
            let packet = text.packet.clone().filter(|_| mem.is_none());
            return Ok(Self::Once { packet, mem, ctx });
        }
        // Linux runs such a program on nothing, too.
        if args.engine.is_kernel() && [ProgType::SYSCALL, ProgType::RAW_TRACEPOINT].contains(&prog_type) {
            return Ok(Self::Once { packet: None, mem: None, ctx: None });
        }
        let f = Failure::new("nothing to run it on");
        Err(if takes_packets {
            f.hint("give packets with --pcap FILE")
        } else {
            f.hint("give the context's bytes with --ctx, or plain memory with --mem")
        })
    }
}

/// An object or a text, told apart by its first bytes.
pub(super) fn read(file: &Path, big_endian: bool) -> Result<Text, Failure> {
    let bytes = input::read(file)?;
    if bytes.starts_with(b"\x7fELF") {
        return Ok(Text::object(super::info::object(&bytes, file)?));
    }
    let label = input::label(file);
    let Ok(source) = String::from_utf8(bytes) else {
        return Err(Failure::new(format!("{label}: neither an ELF object nor assembler text")));
    };
    let name =
        file.file_stem().filter(|_| !input::is_stdin(file)).map_or("main".into(), |s| s.to_string_lossy());
    let mut text = text::read(&source, &label, &name)?;
    if big_endian {
        text.spec.endian = Endian::Big;
    }
    Ok(text)
}

pub(super) fn choose<'a>(spec: &'a Spec, name: Option<&str>) -> Result<&'a Program, Failure> {
    if let Some(name) = name {
        return super::disasm::program(spec, name);
    }
    match spec.programs.as_slice() {
        [one] => Ok(one),
        [] => {
            let f = Failure::new("there is no program in the object");
            Err(match spec.problems.first() {
                Some(p) => f.hint(format!("`{}` can't be used: {}", p.name, p.error)),
                None => f,
            })
        }
        many => {
            let all: Vec<_> = many.iter().map(|p| p.name.as_str()).collect();
            Err(Failure::new(format!("there are {} programs in the object", many.len()))
                .hint(format!("choose one with --prog: {}", all.join(", "))))
        }
    }
}

/// `--type`.
pub(super) fn parse_type(name: &str) -> Result<ProgType, Failure> {
    name.parse().map_err(|e: skep::abi::UnknownName| Failure::new(e.to_string()).hint_opt(e.hint()))
}

fn prog_type(program: &Program, given: Option<&str>, pcap: bool) -> Result<ProgType, Failure> {
    if let Some(t) = given {
        return parse_type(t);
    }
    if let Some(t) = program.prog_type {
        return Ok(t);
    }
    // Text without a header, run on plain memory as uBPF and rbpf run it.
    if program.section.is_empty() && !pcap {
        return Ok(ProgType::UNSPEC);
    }
    let what = match program.section.as_str() {
        "" => "nothing tells the program type".to_owned(),
        s => format!("section `{s}` tells no program type"),
    };
    Err(Failure::new(what).hint("give one with --type, such as xdp or tc"))
}

/// The chosen program and those that it may tail-call.
pub(super) fn options(spec: &Spec, program: &Program, prog_type: ProgType) -> LoadOptions {
    let mut options = LoadOptions { programs: vec![program.name.clone()], ..LoadOptions::default() };
    let arrays = spec.maps.iter().filter(|m| m.map_type == MapType::PROG_ARRAY);
    let refs = arrays.flat_map(|m| &m.initial_refs);
    for (_, r) in refs {
        if let InitialRef::Program(p) = r
            && let Some(p) = spec.programs.get(*p)
            && !options.programs.contains(&p.name)
        {
            options.programs.push(p.name.clone());
            if p.prog_type.is_none() {
                options.prog_types.insert(p.name.clone(), prog_type);
            }
        }
    }
    options.prog_types.insert(program.name.clone(), prog_type);
    options
}

fn check_maps(known: &[String], wanted: &[String]) -> Result<(), Failure> {
    match wanted.iter().find(|m| !known.contains(m)) {
        Some(m) => {
            let hint = names::suggestion(m, known.iter().map(String::as_str));
            Err(Failure::new(format!("no map `{m}`")).hint_opt(hint))
        }
        None => Ok(()),
    }
}
