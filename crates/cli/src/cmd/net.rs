//! `skep net list`: what is attached to network devices, in bpftool's words.

use std::io::Write;

use serde_json::{Map, Value, json};
use skep::kernel::objects::links::Place;
use skep::kernel::objects::net::{Attached, Tc, Xdp, XdpMode, XdpProgram, attached};

use super::link::place::netfilter;
use super::live::{Words, failure, plain};
use crate::Verdict;
use crate::failure::Failure;
use crate::output::{Output, Style};

const EXAMPLES: &str = "\
Examples:
  skep net list
  skep net list dev eth0 --json
  nsenter --net=/run/netns/blue skep net list";

/// Programs on network devices: XDP, tcx, tc filters; flow dissectors; netfilter
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES, infer_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    List(List),
}

/// Of all devices of this network namespace, or of one
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES, visible_alias = "show")]
struct List {
    /// `dev NAME`
    #[arg(value_name = "DEV")]
    words: Vec<String>,
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Verdict, Failure> {
    let Command::List(args) = &args.command;
    let mut words = Words::new(&args.words);
    let dev = match words.is_empty() {
        true => None,
        false => {
            words.keyword(&["dev"])?;
            Some(words.next("the device")?)
        }
    };
    words.finish()?;
    let found = attached(dev).map_err(|e| failure(&e))?;
    if out.json {
        out.object(&object(&found))?;
    } else {
        print(&found, out)?;
    }
    Ok(Verdict::Yes)
}

fn mode(mode: XdpMode) -> &'static str {
    match mode {
        XdpMode::Native => "driver",
        other => other.name(),
    }
}

fn object(found: &Attached) -> Value {
    let xdp = |x: &Xdp| {
        let one = |p: &XdpProgram| json!({"mode": mode(p.mode), "id": p.prog_id});
        match x.programs.as_slice() {
            [p] => json!({"devname": x.devname, "ifindex": x.ifindex, "mode": mode(p.mode), "id": p.prog_id}),
            all => {
                let all: Vec<_> = all.iter().map(one).collect();
                json!({"devname": x.devname, "ifindex": x.ifindex, "multi_attachments": all})
            }
        }
    };
    let flags = |set: u32| (0..32).map(|n| 1_u32 << n).filter(|bit| set & bit != 0).collect::<Vec<_>>();
    let tc = |t: &Tc| {
        let mut o = Map::new();
        o.insert("devname".into(), t.devname.as_str().into());
        o.insert("ifindex".into(), t.ifindex.into());
        o.insert("kind".into(), t.kind.into());
        if !t.name.is_empty() {
            o.insert("name".into(), t.name.as_str().into());
        }
        match t.hook {
            None => _ = o.insert("id".into(), t.prog_id.into()),
            Some((set, link)) => {
                o.insert("prog_id".into(), t.prog_id.into());
                o.insert("prog_flags".into(), flags(set).into());
                o.insert("link_id".into(), link.into());
                o.insert("link_flags".into(), json!([]));
            }
        }
        Value::Object(o)
    };
    let links = found.netfilter.iter().filter_map(|l| match l.info.place {
        Place::Netfilter { pf, hooknum, priority, flags } => {
            Some(json!({"pf": pf, "hook": hooknum, "prio": priority, "flags": flags, "id": l.info.prog_id}))
        }
        _ => None,
    });
    json!({
        "schema": "skep.net-list/1",
        "xdp": found.xdp.iter().map(xdp).collect::<Vec<_>>(),
        "tc": found.tc.iter().map(tc).collect::<Vec<_>>(),
        "flow_dissector": found.flow_dissector.iter().map(|id| json!({"id": id})).collect::<Vec<_>>(),
        "netfilter": links.collect::<Vec<_>>(),
    })
}

fn print(found: &Attached, out: &mut Output) -> Result<(), Failure> {
    writeln!(out, "{}", out.paint(Style::Heading, "xdp:"))?;
    for x in &found.xdp {
        write!(out, "{}({})", plain(&x.devname), x.ifindex)?;
        for p in &x.programs {
            write!(out, " {} id {}", mode(p.mode), p.prog_id)?;
        }
        writeln!(out)?;
    }
    writeln!(out, "\n{}", out.paint(Style::Heading, "tc:"))?;
    for t in &found.tc {
        write!(out, "{}({}) {}", plain(&t.devname), t.ifindex, t.kind)?;
        if !t.name.is_empty() {
            write!(out, " {}", plain(&t.name))?;
        }
        match t.hook {
            None => write!(out, " id {}", t.prog_id)?,
            Some((_, link)) => {
                write!(out, " prog_id {} ", t.prog_id)?;
                if link != 0 {
                    write!(out, "link_id {link} ")?;
                }
            }
        }
        writeln!(out)?;
    }
    writeln!(out, "\n{}", out.paint(Style::Heading, "flow_dissector:"))?;
    if let Some(id) = found.flow_dissector {
        writeln!(out, "id {id}")?;
    }
    writeln!(out, "\n{}", out.paint(Style::Heading, "netfilter:"))?;
    for l in &found.netfilter {
        if let Place::Netfilter { pf, hooknum, priority, flags } = l.info.place {
            write!(out, "{} prog_id {}", netfilter(pf, hooknum, priority, flags), l.info.prog_id)?;
        }
    }
    Ok(writeln!(out)?)
}
