//! `skep iter`: runs an iterator of an object to its end and prints what it writes, or pins it to be read as a file.

use std::path::PathBuf;

use crate::Verdict;
use crate::failure::Failure;
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  skep iter dump_task.o                        what it writes of every thread
  skep iter dump_task.o --pid 4711             of the threads of one process
  skep iter dump_map.o --map table             of a map of the object
  skep iter dump_map.o --map 12                of any map, by id or by the path of its pin
  skep iter cgroups.o --prog walk --cgroup /sys/fs/cgroup/unified
  skep iter dump_task.o --pin /sys/fs/bpf/tasks
                                               then `cat /sys/fs/bpf/tasks` runs it

Exit codes: 0 it was read to its end, or pinned; 2 it could not be.";

/// Run an iterator, and print what it writes
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// An ELF object (`-` is stdin)
    #[arg(value_name = "OBJ")]
    file: PathBuf,

    /// The program, if the object has several iterators
    #[arg(long, value_name = "NAME")]
    prog: Option<String>,

    /// The map to walk: a name in the object, an id, or the path of a pin
    #[arg(long, value_name = "MAP", help_heading = "Target")]
    map: Option<String>,

    /// Only the threads of this process
    #[arg(long, value_name = "PID", help_heading = "Target")]
    pid: Option<u32>,

    /// Only this cgroup and those below it
    #[arg(long, value_name = "PATH", help_heading = "Target")]
    cgroup: Option<PathBuf>,

    /// Run nothing: pin the iterator here, where each reading runs it
    #[arg(long, value_name = "PATH")]
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
    use std::io::{Read, Write};

    use serde_json::json;
    use skep::abi::AttachType;
    use skep::backend::LoadOptions;
    use skep::kernel::Kernel;
    use skep::kernel::attach::Target;
    use skep::object::{Program, Spec};

    use super::Args;
    use crate::Verdict;
    use crate::cmd::attach::failure;
    use crate::cmd::run::{self, maps::hex};
    use crate::failure::{Failure, reason};
    use crate::output::Output;

    /// The most that JSON holds of what is written.
    const KEPT: u64 = 16 << 20;

    pub(super) fn run(args: &Args, out: &mut Output) -> Result<Verdict, Failure> {
        let text = run::read(&args.file, false)?;
        let program = choose(&text.spec, args.prog.as_deref())?;
        let options = LoadOptions { programs: vec![program.name.clone()], ..LoadOptions::default() };
        let live =
            Kernel::new().load(&text.spec, &options).map_err(|e| run::engine::failure(&e, &text.spec))?;
        let target =
            Target { map: args.map.clone(), pid: args.pid, cgroup: args.cgroup.clone(), ..Target::default() };
        let attached = live.attach(&program.name, &target).map_err(|e| failure(&e))?;
        let kind = attached.target().to_owned();
        let (mut written, mut cut) = (Vec::new(), false);
        if let Some(path) = &args.pin {
            attached.keep(Some(path)).map_err(|e| failure(&e))?;
        } else {
            let mut reader = attached.read().map_err(|e| failure(&e))?;
            if out.json {
                let done = reader.by_ref().take(KEPT).read_to_end(&mut written);
                done.map_err(|e| unreadable(&program.name, &e))?;
                cut = written.len() as u64 == KEPT && reader.read(&mut [0]).is_ok_and(|n| n > 0);
            } else {
                copy(&mut reader, &program.name, out)?;
            }
        }
        if out.json {
            let pinned = args.pin.as_ref().map(|p| p.display().to_string());
            let mut answer = json!({
                "schema": "skep.iter/1",
                "program": program.name,
                "target": kind,
                "pinned": pinned,
                "cut": cut,
            });
            match String::from_utf8(written) {
                Ok(text) => answer["text"] = text.into(),
                Err(e) => answer["data"] = hex(e.as_bytes()).into(),
            }
            out.object(&answer)?;
        }
        Ok(Verdict::Yes)
    }

    /// What is written goes on as it comes.
    fn copy(reader: &mut impl Read, program: &str, out: &mut Output) -> Result<(), Failure> {
        let mut buffer = vec![0; 64 << 10];
        loop {
            match reader.read(&mut buffer).map_err(|e| unreadable(program, &e))? {
                0 => return Ok(()),
                n => out.write_all(&buffer[..n])?,
            }
        }
    }

    fn unreadable(program: &str, e: &std::io::Error) -> Failure {
        Failure::new(format!("reading the iterator `{program}`: {}", reason(e)))
            .hint("one object's text must fit the kernel's buffer of eight pages")
    }

    /// The iterator that is named, or the only one.
    fn choose<'a>(spec: &'a Spec, name: Option<&str>) -> Result<&'a Program, Failure> {
        if name.is_some() {
            return run::choose(spec, name);
        }
        let iterators = spec.programs.iter().filter(|p| p.attach_type == Some(AttachType::TRACE_ITER));
        match iterators.collect::<Vec<_>>().as_slice() {
            [one] => Ok(one),
            [] => Err(Failure::new("the object has no iterator")
                .hint("an iterator is in a section such as `iter/task`")),
            many => {
                let names: Vec<_> = many.iter().map(|p| p.name.as_str()).collect();
                Err(Failure::new(format!("the object has {} iterators", many.len()))
                    .hint(format!("choose one with --prog: {}", names.join(", "))))
            }
        }
    }
}
