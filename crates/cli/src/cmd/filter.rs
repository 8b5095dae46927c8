//! `skep filter`: a pcap-filter expression to classic bytecode in every dump form, or run over captures.

mod blocks;
mod capture;
mod diff;
mod drawing;
mod explain;
mod form;
mod generate;
mod lift;
mod line;
#[cfg(all(target_os = "linux", not(skep_portable)))]
mod live;
mod lookup;
#[cfg(unix)]
mod parallel;
mod pass;
mod trace;
mod walk;

use std::net::Ipv4Addr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::ValueEnum;
use serde::Serialize;
use skep::filter::{ByteOrder, Code, Dlt, Options, compile};
use skep::isa::classic::Insn;

use form::{Place, Shape};

use crate::Verdict;
use crate::failure::Failure;
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  skep filter 'tcp port 443' -d                   its code, as tcpdump -d prints it
  skep filter 'ip6 and udp' -ddd -O --dlt RAW     as numbers, not optimised
  skep filter 'udp port 53' --xt-bpf --dlt RAW    for iptables -m bpf --bytecode
  skep filter 'tcp port 80 or arp' --explain      each instruction in words, with what it is for
  skep filter 'tcp port 80 or arp' --cfg web.svg  a picture of it
  skep filter 'udp port 53' --ebpf xdp > dns.bpf  a program for skep verify, run, attach
  skep filter 'udp port 53' --ebpf tc -o dns.o    the same as an object: tc filter add ... bpf da obj dns.o sec tc
  skep filter 'tcp[tcpflags] & tcp-syn != 0' -r examples/traffic.pcapng
  skep filter 'tcp port 80' -r examples/traffic.pcapng --trace 12 --step
  skep filter 'tcp port 443' -r in.pcap --inner --ipv6-ext
  skep filter 'net 192.0.2.0/24' -r in.pcap.gz -w out.pcapng -c 100
  skep filter --diff 'tcp port 80' @old.bpf -w differs.pcap
  tcpdump -ddd 'tcp port 80' | skep filter --lift -  the expression of a program
  skep filter gen dns '*.example.com' --xt-bpf    of names, endings, p0f's signatures: see gen --help
  skep filter 'icmp or arp' -i eth0               what passes there, a line a packet, until Ctrl-C

Lines are those of `tcpdump -n` for ARP, IP, IPv6, TCP, UDP, ICMP and DNS, in local time (TZ=UTC for another); deeper
dissection is left to others.

Exit codes: 0 packets matched (or code was printed, or two filters are the same), 1 none did (or they are not),
2 usage or environment (or it can't be told).";

/// Compile a pcap-filter expression, or run it over a capture
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    generate: Option<generate::Command>,

    /// The expression, in the language of pcap-filter(7); an empty one takes every packet
    // Asked for unless something stands in for it; the default is what is then read.
    #[arg(
        value_name = "EXPR",
        required = false,
        required_unless_present_any = ["diff", "lift"],
        default_value = "",
        hide_default_value = true
    )]
    expression: String,

    /// Print the code: -d as a listing, -dd as C, -ddd as numbers
    #[arg(short = 'd', action = clap::ArgAction::Count)]
    dump: u8,

    /// Do not run the optimiser: libpcap's plain code
    #[arg(short = 'O', long)]
    no_optimize: bool,

    /// Make the code that libpcap makes; without it, the shorter one of its and our own
    #[arg(long, value_name = "WHOSE")]
    compat: Option<Compat>,

    /// Link type of the packets, by name or number; of a capture, its own
    #[arg(long, value_name = "NAME", default_value = "EN10MB", conflicts_with = "read")]
    dlt: String,

    /// How many bytes of a packet the code asks for
    #[arg(long, value_name = "N", default_value_t = 262_144, value_parser = clap::value_parser!(u32).range(1..))]
    snaplen: u32,

    /// Netmask of the local network, for `ip broadcast`
    #[arg(long, value_name = "ADDR")]
    netmask: Option<Ipv4Addr>,

    /// Print one line for iptables -m bpf --bytecode; packets begin with their IP header there: --dlt RAW
    #[arg(long, conflicts_with_all = ["dump", "packets"])]
    xt_bpf: bool,

    /// Print the code as the source of bpf_asm
    #[arg(long, conflicts_with_all = ["dump", "packets", "xt_bpf"])]
    asm: bool,

    /// Print it as an extended program, assembler text that verify, run, load and attach take
    ///
    /// xdp passes what matches and drops the rest, tc likewise; a socket filter keeps what matches. On other sockets than
    /// packet sockets, and in test runs, packets begin with their network header: --dlt RAW.
    #[arg(long, value_name = "WHERE", conflicts_with_all = ["dump", "packets", "xt_bpf", "asm"])]
    ebpf: Option<Place>,

    /// Write the extended program there, as an ELF object that skep, bpftool and iproute2 load
    #[arg(short, long, value_name = "FILE.o", requires = "ebpf")]
    output: Option<PathBuf>,

    /// Say what each instruction does, and which part of the expression it serves
    #[arg(long, conflicts_with_all = ["dump", "packets", "xt_bpf", "asm", "ebpf"])]
    explain: bool,

    /// Draw its graph there, as SVG, or for Graphviz if the name ends in .dot (`-` is stdout)
    #[arg(long, value_name = "FILE.svg", conflicts_with_all = ["dump", "packets", "xt_bpf", "asm", "ebpf"])]
    cfg: Option<PathBuf>,

    /// Run it over this capture: pcap or pcapng, perhaps compressed (`-` is stdin); repeatable
    #[arg(short, long, value_name = "FILE", conflicts_with = "dump", group = "packets")]
    read: Vec<PathBuf>,

    /// Capture the packets of this interface
    #[arg(short, long, value_name = "NAME", conflicts_with_all = ["read", "dump", "dlt"], group = "packets")]
    interface: Option<String>,

    /// The network namespace that the interface is in: a name, or a path
    #[arg(long, value_name = "NETNS", requires = "interface")]
    netns: Option<PathBuf>,

    /// Do not ask the interface for packets that are for others
    #[arg(short = 'p', long, requires = "interface")]
    no_promiscuous: bool,

    /// Write what matches there instead of printing it: pcapng, or pcap if the name ends so; with --diff the packet that differs, as pcap
    #[arg(short, long, value_name = "FILE", requires = "packets")]
    write: Option<PathBuf>,

    /// Stop after so many matches
    #[arg(short, long, value_name = "N", requires = "packets", conflicts_with = "diff", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// How many threads filter a large pcap file that is only written or counted; as many as there are processors
    #[arg(long, value_name = "N", requires = "read")]
    threads: Option<NonZeroUsize>,

    #[command(flatten)]
    trace: trace::Flags,

    #[command(flatten)]
    walk: walk::WalkFlags,

    #[command(flatten)]
    diff: diff::Flags,

    #[command(flatten)]
    lift: lift::Flags,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Compat {
    /// libpcap's, instruction for instruction
    Libpcap,
}

#[derive(Serialize)]
struct Json<'a> {
    schema: &'static str,
    expression: &'a str,
    dlt: String,
    optimized: bool,
    insns: Vec<InsnJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    capture: Option<pass::Counts>,
}

#[derive(Serialize)]
struct InsnJson {
    code: u16,
    jt: u8,
    jf: u8,
    k: u32,
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Verdict, Failure> {
    if let Some(command) = &args.generate {
        return generate::run(command, out);
    }
    if let Some(number) = args.trace.trace {
        return trace::run(args, number, out);
    }
    if !args.read.is_empty() {
        return capture::run(args, &args.read, out);
    }
    if let Some(iface) = &args.interface {
        #[cfg(all(target_os = "linux", not(skep_portable)))]
        return live::run(args, iface, out);
        #[cfg(not(all(target_os = "linux", not(skep_portable))))]
        return Err(Failure::new(format!("capturing on {iface} needs Linux")).hint("-r FILE reads a capture"));
    }
    if let Some(path) = &args.lift.lift {
        return lift::run(args, path, out);
    }
    if let Some(pair) = args.diff.pair() {
        return diff::run(args, pair, out);
    }
    if let Some(path) = &args.cfg {
        drawing::run(args, path, out)?;
    }
    if args.explain {
        return explain::run(args, out);
    }
    if args.cfg.is_some() && !out.json {
        return Ok(Verdict::Yes);
    }
    let dlt = dlt(args)?;
    let insns = build(args, dlt, None, false)?;
    let shape = Shape {
        dump: args.dump,
        xt_bpf: args.xt_bpf,
        asm: args.asm,
        ebpf: args.ebpf,
        drop: false,
        output: args.output.as_deref(),
    };
    shape.save(&insns)?;
    if out.json {
        out.object(&json(args, dlt, &insns, None))?;
        return Ok(Verdict::Yes);
    }
    shape.print(&insns, out)
}

fn dlt(args: &Args) -> Result<Dlt, Failure> {
    link_type(&args.dlt)
}

fn link_type(name: &str) -> Result<Dlt, Failure> {
    Dlt::by_name(name).ok_or_else(|| {
        Failure::new(format!("unknown link type `{name}`")).hint("EN10MB is Ethernet, RAW is IP")
    })
}

fn options(args: &Args, dlt: Dlt, file_order: Option<ByteOrder>, live: bool) -> Options {
    Options {
        dlt,
        snaplen: args.snaplen,
        netmask: args.netmask.map(u32::from),
        code: match (args.no_optimize, args.compat) {
            (true, _) => Code::Plain,
            (false, Some(Compat::Libpcap)) => Code::Libpcap,
            (false, None) => Code::Best,
        },
        linux_extensions: live,
        file_order,
        walk: args.walk.walk(),
        // Captures are filtered in userspace.
        loops: file_order.is_some(),
    }
}

fn build(args: &Args, dlt: Dlt, file_order: Option<ByteOrder>, live: bool) -> Result<Vec<Insn>, Failure> {
    compile(&args.expression, &options(args, dlt, file_order, live), &lookup::System::new())
        .map_err(|e| Failure::diagnosed(vec![e.diagnostic(&args.expression)]))
}

fn json<'a>(args: &'a Args, dlt: Dlt, insns: &[Insn], capture: Option<pass::Counts>) -> Json<'a> {
    Json {
        schema: "skep.filter/1",
        expression: &args.expression,
        dlt: dlt.name().map_or_else(|| dlt.0.to_string(), str::to_string),
        optimized: !args.no_optimize,
        insns: insns.iter().map(|i| InsnJson { code: i.code, jt: i.jt, jf: i.jf, k: i.k }).collect(),
        capture,
    }
}
