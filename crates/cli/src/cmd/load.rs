//! `skep load`: loads an object into Linux, says what became of it, and lets it go again unless it is pinned.

use std::path::PathBuf;

use super::attach::ObjectArgs;
use crate::Verdict;
use crate::failure::Failure;
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  skep load examples/xdp_firewall.o            does this kernel take it?
  skep load examples/xdp_firewall.o --pin /sys/fs/bpf/firewall
                                               programs are DIR/NAME, maps are DIR/maps/NAME
  skep load prog.o --prog ingress --json
  skep load policy.o --target-prog id:7        freplace/FUNCTION, for that program's function
  iptables -A INPUT -m bpf --object-pinned /sys/fs/bpf/filter/match -j DROP
                                               a pinned socket filter in a rule

Exit codes: 0 it is loaded, 2 it could not be (a program that is refused shows the end of the verifier's log).";

/// Load an object into Linux, and pin it
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    object: ObjectArgs,

    /// Pin programs and maps below this directory of a BPF file system
    #[arg(long, value_name = "DIR")]
    pin: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Verdict, Failure> {
    #[cfg(all(target_os = "linux", not(skep_portable)))]
    return linux::run(args, out);
    #[cfg(not(all(target_os = "linux", not(skep_portable))))]
    {
        let _ = (args, out);
        Err(super::no_linux())
    }
}

#[cfg(all(target_os = "linux", not(skep_portable)))]
mod linux {
    use std::io::Write;

    use serde_json::{Value, json};
    use skep::abi::{MapType, ProgType};
    use skep::backend::Loaded;
    use skep::kernel::{Kernel, Live};
    use skep_sys::attr::{MapInfo, ProgInfo};
    use skep_sys::info;

    use super::Args;
    use crate::Verdict;
    use crate::cmd::attach::{failure, fill};
    use crate::cmd::run::{self, maps::hex};
    use crate::failure::Failure;
    use crate::output::{Output, Style};

    pub(super) fn run(args: &Args, out: &mut Output) -> Result<Verdict, Failure> {
        let text = run::read(&args.object.file, false)?;
        let options = args.object.options(&text.spec)?;
        let mut kernel = Kernel::new();
        // What wants to be found by name is only pinned if anything is to stay.
        if args.pin.is_some() {
            kernel = kernel.pin_maps_in(&args.object.pin_maps);
        }
        let mut live = kernel.load(&text.spec, &options).map_err(|e| run::engine::failure(&e, &text.spec))?;
        fill(&mut live, &text.entries)?;
        let pins = args.pin.as_ref().map(|dir| live.pin(dir)).transpose().map_err(|e| failure(&e))?;
        let paths: Vec<String> =
            pins.iter().flat_map(|p| p.paths()).map(|p| p.display().to_string()).collect();
        let (programs, maps) = (programs(&live), maps(&live));
        if out.json {
            out.object(&json!({
                "schema": "skep.load/1",
                "programs": programs.iter().map(|(name, p)| program_json(name, p)).collect::<Vec<_>>(),
                "maps": maps.iter().map(|(name, m)| map_json(name, m)).collect::<Vec<_>>(),
                "pinned": paths,
            }))?;
        } else {
            print(&programs, &maps, &paths, out)?;
        }
        // Only what was told of stays.
        out.flush()?;
        if let Some(pins) = pins {
            pins.keep();
            live.keep_pins();
        }
        Ok(Verdict::Yes)
    }

    fn programs(live: &Live) -> Vec<(String, ProgInfo)> {
        let of = |name: String| info::prog(live.program(&name).ok()?).ok().map(|i| (name, i));
        live.programs().into_iter().filter_map(of).collect()
    }

    fn maps(live: &Live) -> Vec<(String, MapInfo)> {
        let of = |name: String| info::map(live.map_fd(&name)?).ok().map(|i| (name, i));
        live.maps().into_iter().filter_map(of).collect()
    }

    fn program_json(name: &str, p: &ProgInfo) -> Value {
        json!({
            "name": name,
            "type": ProgType(p.r#type).to_string(),
            "id": p.id,
            "tag": hex(&p.tag),
            "bytes_xlated": p.xlated_prog_len,
            "bytes_jited": p.jited_prog_len,
            "verified_insns": p.verified_insns,
        })
    }

    fn map_json(name: &str, m: &MapInfo) -> Value {
        json!({
            "name": name,
            "type": MapType(m.r#type).to_string(),
            "id": m.id,
            "bytes_key": m.key_size,
            "bytes_value": m.value_size,
            "max_entries": m.max_entries,
            "flags": m.map_flags,
        })
    }

    fn print(
        programs: &[(String, ProgInfo)],
        maps: &[(String, MapInfo)],
        paths: &[String],
        out: &mut Output,
    ) -> Result<(), Failure> {
        for (name, p) in programs {
            let shown = out.paint(Style::Name, name);
            let (kind, id, tag) = (ProgType(p.r#type), p.id, hex(&p.tag));
            let sizes = format!("xlated {} B, jited {} B", p.xlated_prog_len, p.jited_prog_len);
            writeln!(out, "program {shown}: {kind}, id {id}, tag {tag}, {sizes}")?;
        }
        for (name, m) in maps {
            let shown = out.paint(Style::Name, name);
            let (kind, id) = (MapType(m.r#type), m.id);
            let sizes = format!("key {} B, value {} B, {} entries", m.key_size, m.value_size, m.max_entries);
            writeln!(out, "map {shown}: {kind}, id {id}, {sizes}")?;
        }
        for path in paths {
            writeln!(out, "pinned {path}")?;
        }
        if paths.is_empty() {
            out.note("it goes with this command; --pin DIR keeps it");
        }
        Ok(())
    }
}
