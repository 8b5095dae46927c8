//! `skep prog load|loadall`: an object's programs into the kernel, kept there by paths.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use serde_json::Value;
use skep::abi::ProgType;
use skep::backend::{LoadOptions, Loaded};
use skep::kernel::Kernel;
use skep::kernel::objects::pin_object;
use skep::object::Spec;

use super::super::live::{self, Words, failure};
use crate::failure::Failure;
use crate::output::Output;
use crate::{Verdict, input};

const EXAMPLES: &str = "\
Examples:
  skep prog load examples/tc_marker.o /sys/fs/bpf/marker
  skep prog load a.o /sys/fs/bpf/a type cgroup_skb pinmaps /sys/fs/bpf/maps";

const ALL_EXAMPLES: &str = "\
Examples:
  skep prog loadall examples/xdp_firewall.o /sys/fs/bpf/firewall
  skep prog loadall a.o /sys/fs/bpf/a pinmaps /sys/fs/bpf/a";

/// Load an object's first program, and pin it
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The object (`-` is stdin)
    #[arg(value_name = "OBJ")]
    object: PathBuf,

    /// Where to pin the program
    #[arg(value_name = "PATH")]
    path: PathBuf,

    /// [type TYPE] [pinmaps DIR]
    #[arg(value_name = "OPTIONS")]
    words: Vec<String>,
}

/// Load all programs of an object, and pin each by its name
#[derive(clap::Args, Debug)]
#[command(after_help = ALL_EXAMPLES)]
pub(super) struct AllArgs {
    /// The object (`-` is stdin)
    #[arg(value_name = "OBJ")]
    object: PathBuf,

    /// The folder to pin them in; it is made if need be
    #[arg(value_name = "DIR")]
    path: PathBuf,

    /// [type TYPE] [pinmaps DIR]
    #[arg(value_name = "OPTIONS")]
    words: Vec<String>,
}

#[derive(Default)]
struct Options {
    prog_type: Option<ProgType>,
    pinmaps: Option<PathBuf>,
}

fn options(words: &[String]) -> Result<Options, Failure> {
    let (mut words, mut o) = (Words::new(words), Options::default());
    while !words.is_empty() {
        match words.keyword(&["type", "pinmaps", "map", "autoattach", "offload_dev", "xdpmeta_dev"])? {
            "type" => {
                let word = words.next("the type")?;
                // bpftool takes section names here.
                let name = word.trim_end_matches('/');
                let prog_type = name
                    .parse()
                    .map_err(|e: skep::abi::UnknownName| Failure::new(e.to_string()).hint_opt(e.hint()))?;
                o.prog_type = Some(prog_type);
            }
            "pinmaps" => o.pinmaps = Some(words.next("the folder")?.into()),
            "autoattach" => {
                return Err(Failure::new("`autoattach` is not done here").hint("skep load, then skep attach"));
            }
            other => return Err(Failure::new(format!("`{other}` is not supported"))),
        }
    }
    Ok(o)
}

pub(super) fn one(args: &Args, out: &mut Output) -> Result<Verdict, Failure> {
    let o = options(&args.words)?;
    let spec = object(&args.object)?;
    let Some(first) = spec.programs.first() else {
        return Err(Failure::new(format!("{}: there is no program in it", input::label(&args.object))));
    };
    let name = first.name.clone();
    load(&spec, &o, None, &[(name, args.path.clone())], out)
}

pub(super) fn all(args: &AllArgs, out: &mut Output) -> Result<Verdict, Failure> {
    let o = options(&args.words)?;
    let spec = object(&args.object)?;
    let named = spec.programs.iter().filter(|p| !p.on_demand);
    let wanted: Vec<_> = named.map(|p| (p.name.clone(), args.path.join(&p.name))).collect();
    load(&spec, &o, Some(&args.path), &wanted, out)
}

fn object(path: &Path) -> Result<Spec, Failure> {
    super::super::info::object(&input::read(path)?, path)
}

/// Paths that go again, unless all went well.
#[derive(Default)]
struct Made(Vec<PathBuf>);

impl Made {
    /// Makes a folder, and those that it is in.
    fn folder(&mut self, path: &Path) -> Result<(), Failure> {
        let new: Vec<PathBuf> = path.ancestors().take_while(|p| !p.exists()).map(Path::to_owned).collect();
        self.0.extend(new.into_iter().rev());
        std::fs::create_dir_all(path).map_err(|e| input::at(path, &e))
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for path in self.0.drain(..).rev() {
            // Nothing can be done about one that stays.
            let _ = std::fs::remove_file(&path).or_else(|_| std::fs::remove_dir(&path));
        }
    }
}

fn load(
    spec: &Spec,
    o: &Options,
    dir: Option<&Path>,
    wanted: &[(String, PathBuf)],
    out: &mut Output,
) -> Result<Verdict, Failure> {
    let programs: Vec<_> = wanted.iter().map(|w| w.0.clone()).collect();
    let types = o.prog_type.into_iter().flat_map(|t| programs.iter().map(move |p| (p.clone(), t)));
    let options =
        LoadOptions { prog_types: types.collect(), programs: programs.clone(), ..LoadOptions::default() };
    let live = Kernel::new().load(spec, &options).map_err(|e| failure(&e))?;
    let mut made = Made::default();
    if let Some(dir) = dir {
        made.folder(dir)?;
    }
    let mut pins = Vec::new();
    for (name, path) in wanted {
        let fd = live.program(name).map_err(|e| failure(&e))?;
        pin_object(fd.as_fd(), path).map_err(|e| failure(&e))?;
        made.0.push(path.clone());
        pins.push(Value::from(path.to_string_lossy()));
    }
    if let Some(dir) = &o.pinmaps {
        made.folder(dir)?;
        for name in live.maps() {
            let Some(fd) = live.map_fd(&name) else { continue };
            // A BPF file system takes no dots in names.
            let path = dir.join(name.replace('.', "_"));
            pin_object(fd, &path).map_err(|e| failure(&e))?;
            made.0.push(path.clone());
            pins.push(Value::from(path.to_string_lossy()));
        }
    }
    made.0.clear();
    live::done(out, "skep.prog/1", "load", &[("pinned", pins.into())])?;
    Ok(Verdict::Yes)
}
