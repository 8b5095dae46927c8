//! `skep filter gen`: filters that are made of names, endings and signatures rather than of an expression.

use std::path::PathBuf;

use skep::filter::generate::{self, Dns, Handshake, Start};
use skep::filter::{Dlt, Walk};
use skep::isa::classic::Insn;

use super::form::{Place, Shape};
use super::{InsnJson, Json};
use crate::failure::Failure;
use crate::output::Output;
use crate::{Verdict, input};

const EXAMPLES: &str = "\
Examples:
  skep filter gen dns '*.example.com' example.org -i --xt-bpf
  skep filter gen dns -i --names blocked.txt --subdomains --ebpf xdp --drop > block.bpf
  skep filter gen dns example.com --qtype 255 --udp-socket -ddd
  skep filter gen dns-malformed --strict -d
  skep filter gen suffix 0000290fa000 --xt-bpf
  skep filter gen p0f '4:64:0:*:mss*20,10:mss,sok,ts,nop,ws:df,id+:0' -d

Names: `*` is one label, `*{4-20}` one of 4 to 20 bytes, `**` one label or more, `?` in a label any byte.

Packets begin with an Ethernet header, unless --dlt says otherwise; for --xt-bpf with the header of IP. `iptables -m bpf` takes 64
instructions, sockets and XDP 4,096.";

#[derive(clap::Subcommand, Debug)]
pub(super) enum Command {
    /// Make a filter of DNS names, of how packets end, or of p0f's signatures
    Gen(Args),
}

#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand, Debug)]
enum What {
    /// Questions to DNS for one of these names, over UDP
    #[command(
        after_help = "Examples:\n  skep filter gen dns '*.example.com' example.org -i --xt-bpf\n  skep filter gen dns -i --names blocked.txt --subdomains --ebpf xdp --drop > block.bpf"
    )]
    Dns {
        /// Names, perhaps with wildcards
        #[arg(value_name = "NAME", required_unless_present = "names")]
        name: Vec<String>,

        /// More names, one a line (`-` is stdin); what begins with # is passed over
        #[arg(long, value_name = "FILE")]
        names: Option<PathBuf>,

        /// Let letters match in either case
        #[arg(short, long)]
        ignore_case: bool,

        /// Take every name below the names, too
        #[arg(short, long)]
        subdomains: bool,

        /// The server's port
        #[arg(long, value_name = "N", default_value_t = 53)]
        port: u16,

        /// Answers instead of questions
        #[arg(long)]
        responses: bool,

        /// Only questions of this type, by number: 1 is A, 28 AAAA, 16 TXT, 255 any
        #[arg(long, value_name = "N")]
        qtype: Option<u16>,

        /// Packets begin with the header of UDP: for a filter of a UDP socket
        #[arg(long, conflicts_with_all = ["dlt", "ipv6_ext", "any_vlan"])]
        udp_socket: bool,

        #[command(flatten)]
        to: To,
    },
    /// Questions to DNS that are malformed: not one question, answers in it, too short, odd flags
    #[command(after_help = "Examples:\n  skep filter gen dns-malformed --strict -d")]
    DnsMalformed {
        /// RD and RA are odd, too
        #[arg(long)]
        strict: bool,

        /// The server's port
        #[arg(long, value_name = "N", default_value_t = 53)]
        port: u16,

        #[command(flatten)]
        to: To,
    },
    /// Packets that end with one of these bytes, in hex
    #[command(after_help = "Examples:\n  skep filter gen suffix 0000290fa000 --xt-bpf")]
    Suffix {
        /// Bytes: 010203
        #[arg(value_name = "HEX", required = true)]
        suffix: Vec<String>,

        #[command(flatten)]
        to: To,
    },
    /// TCP handshakes that one of p0f's signatures describes: ver:ittl:olen:mss:wsize,scale:olayout:quirks:pclass
    #[command(
        after_help = "Examples:\n  skep filter gen p0f '4:64:0:*:mss*20,10:mss,sok,ts,nop,ws:df,id+:0' -d"
    )]
    P0f {
        /// Signatures
        #[arg(value_name = "SIG", required = true)]
        signature: Vec<String>,

        /// They are of SYN-ACK, not of SYN
        #[arg(long)]
        response: bool,

        #[command(flatten)]
        to: To,
    },
}

/// Where the filter is to run, and in which form it is printed.
#[derive(clap::Args, Clone, Debug)]
struct To {
    /// Print the code: -d as a listing, -dd as C, -ddd as numbers
    #[arg(short = 'd', action = clap::ArgAction::Count)]
    dump: u8,

    /// Print one line for iptables -m bpf --bytecode
    #[arg(long, conflicts_with = "dump")]
    xt_bpf: bool,

    /// Print the code as the source of bpf_asm
    #[arg(long, conflicts_with_all = ["dump", "xt_bpf"])]
    asm: bool,

    /// Print it as an extended program, assembler text that verify, run, load and attach take
    #[arg(long, value_name = "WHERE", conflicts_with_all = ["dump", "xt_bpf", "asm"])]
    ebpf: Option<Place>,

    /// Write the extended program there, as an ELF object that skep, bpftool and iproute2 load
    #[arg(short, long, value_name = "FILE.o", requires = "ebpf")]
    output: Option<PathBuf>,

    /// The xdp or tc program drops what matches and passes the rest
    #[arg(long, requires = "ebpf")]
    drop: bool,

    /// Link type of the packets, by name or number [default: EN10MB, with --xt-bpf RAW]
    #[arg(long, value_name = "NAME")]
    dlt: Option<String>,

    /// How many bytes of a packet the code asks for
    #[arg(long, value_name = "N", default_value_t = 262_144, value_parser = clap::value_parser!(u32).range(1..))]
    snaplen: u32,

    /// Look past the extension headers of IPv6
    #[arg(long)]
    ipv6_ext: bool,

    /// Look past up to two VLAN tags
    #[arg(long)]
    any_vlan: bool,
}

impl To {
    fn dlt(&self) -> Result<Dlt, Failure> {
        match &self.dlt {
            Some(name) => super::link_type(name),
            None if self.xt_bpf => Ok(Dlt::RAW),
            None => Ok(Dlt::EN10MB),
        }
    }

    fn walk(&self) -> Walk {
        Walk { ipv6_ext: self.ipv6_ext, any_vlan: self.any_vlan, ..Walk::default() }
    }
}

impl What {
    fn to(&self) -> &To {
        match self {
            Self::Dns { to, .. }
            | Self::DnsMalformed { to, .. }
            | Self::Suffix { to, .. }
            | Self::P0f { to, .. } => to,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Dns { .. } => "gen dns",
            Self::DnsMalformed { .. } => "gen dns-malformed",
            Self::Suffix { .. } => "gen suffix",
            Self::P0f { .. } => "gen p0f",
        }
    }

    fn insns(&self) -> Result<Vec<Insn>, Failure> {
        let to = self.to();
        let (dlt, walk) = (to.dlt()?, to.walk());
        let refused = |e: generate::Error| Failure::new(e.to_string());
        match self {
            Self::Dns { ignore_case, port, responses, qtype, udp_socket, .. } => {
                let mut dns = Dns::new(&self.patterns()?).map_err(refused)?;
                dns.ignore_case = *ignore_case;
                dns.port = *port;
                dns.responses = *responses;
                dns.qtype = *qtype;
                dns.snaplen = to.snaplen;
                dns.compile(if *udp_socket { Start::Udp } else { Start::Link(dlt, walk) }).map_err(refused)
            }
            Self::DnsMalformed { strict, port, .. } => {
                generate::malformed_dns(*port, *strict, dlt, walk, to.snaplen).map_err(refused)
            }
            Self::Suffix { suffix, .. } => {
                let suffixes = suffix.iter().map(|s| input::hex(s)).collect::<Result<Vec<_>, _>>()?;
                generate::suffix(&suffixes, dlt, to.snaplen).map_err(refused)
            }
            Self::P0f { signature, response, .. } => {
                let handshake = if *response { Handshake::Response } else { Handshake::Request };
                generate::p0f(signature, handshake, dlt, walk, to.snaplen).map_err(refused)
            }
        }
    }

    /// All names, each perhaps with those below it.
    fn patterns(&self) -> Result<Vec<String>, Failure> {
        let Self::Dns { name, names, subdomains, .. } = self else { return Ok(Vec::new()) };
        let mut all = name.clone();
        if let Some(path) = names {
            let text = input::read_text(path)?;
            let lines = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
            all.extend(lines.map(str::to_owned));
        }
        if *subdomains {
            let below: Vec<String> =
                all.iter().map(|n| format!("**.{}", n.trim_start_matches('.'))).collect();
            all.extend(below);
        }
        Ok(all)
    }
}

pub(super) fn run(command: &Command, out: &mut Output) -> Result<Verdict, Failure> {
    let Command::Gen(Args { what }) = command;
    let insns = what.insns()?;
    let to = what.to();
    let shape = Shape {
        dump: to.dump,
        xt_bpf: to.xt_bpf,
        asm: to.asm,
        ebpf: to.ebpf,
        drop: to.drop,
        output: to.output.as_deref(),
    };
    shape.save(&insns)?;
    if out.json {
        out.object(&Json {
            schema: "skep.filter/1",
            expression: what.name(),
            dlt: to.dlt()?.name().map(str::to_string).unwrap_or_default(),
            optimized: true,
            insns: insns.iter().map(|i| InsnJson { code: i.code, jt: i.jt, jf: i.jf, k: i.k }).collect(),
            capture: None,
        })?;
        return Ok(Verdict::Yes);
    }
    shape.print(&insns, out)
}
