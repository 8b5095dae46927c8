//! `skep map create`.

use std::os::fd::AsFd;
use std::path::PathBuf;

use skep::kernel::objects::{CreateMap, Map, interfaces, pin_object};

use super::super::live::{Words, done, failure};
use crate::Verdict;
use crate::failure::Failure;
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  skep map create /sys/fs/bpf/m type hash key 4 value 8 entries 1024 name m
  skep map create /sys/fs/bpf/q type queue key 0 value 4 entries 16 name q
  skep map create /sys/fs/bpf/o type array_of_maps key 4 value 4 entries 4 name o inner_map pinned /sys/fs/bpf/m";

/// Make a map, and pin it
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Where to pin it
    #[arg(value_name = "PATH")]
    path: PathBuf,

    /// type TYPE key BYTES value BYTES entries N name NAME [flags N] [inner_map MAP] [offload_dev IFACE]
    #[arg(value_name = "OPTIONS", required = true)]
    words: Vec<String>,
}

pub(super) fn run(args: &Args, out: &mut Output) -> Result<Verdict, Failure> {
    const KNOWN: &[&str] = &["type", "key", "value", "entries", "name", "flags", "inner_map", "offload_dev"];
    let mut words = Words::new(&args.words);
    let (mut spec, mut inner) = (CreateMap::default(), None);
    while !words.is_empty() {
        match words.keyword(KNOWN)? {
            "type" => {
                let wrong = |e: skep::abi::UnknownName| Failure::new(e.to_string()).hint_opt(e.hint());
                spec.map_type = words.next("the type")?.parse().map_err(wrong)?;
            }
            "key" => spec.key_size = words.number("the size of a key")?,
            "value" => spec.value_size = words.number("the size of a value")?,
            "entries" => spec.max_entries = words.number("the number of entries")?,
            "flags" => spec.flags = words.number("the flags")?,
            "inner_map" => inner = Some(super::parse::inner(&mut words)?),
            "offload_dev" => {
                let name = words.next("the interface")?;
                let found = interfaces().into_iter().find(|(_, n)| n == name);
                spec.ifindex = found.ok_or_else(|| Failure::new(format!("no interface `{name}`")))?.0;
            }
            _ => spec.name = words.next("the name")?.to_owned(),
        }
    }
    for (missing, what) in [(spec.map_type.0 == 0, "type"), (spec.name.is_empty(), "name")] {
        if missing {
            return Err(Failure::new(format!("`{what}` is missing")).hint("see the examples in --help"));
        }
    }
    if spec.name.len() > 15 {
        out.warn(format!("the kernel keeps 15 bytes of a name: `{}`", spec.name));
    }
    let map = Map::create(&spec, inner.as_ref()).map_err(|e| failure(&e))?;
    pin_object(map.as_fd(), &args.path).map_err(|e| failure(&e))?;
    let facts = [("id", map.info.id.into()), ("path", args.path.to_string_lossy().into())];
    done(out, "skep.map/1", "create", &facts)?;
    Ok(Verdict::Yes)
}
