//! `skep cgroup`: programs on cgroups, in bpftool's words.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use skep::abi::AttachType;
use skep::kernel::objects::Prog;
use skep::kernel::objects::cgroup::{Attachment, attach, attachments, detach, kinds, tree};

use super::live::{Words, done, failure, plain, single, words};
use crate::Verdict;
use crate::failure::Failure;
use crate::names::suggestion;
use crate::output::{Output, Style};

const EXAMPLES: &str = "\
Examples:
  skep cgroup tree
  skep cgroup show /sys/fs/cgroup/user.slice effective
  skep cgroup attach /sys/fs/cgroup/web connect4 id 12 multi
  skep cgroup detach /sys/fs/cgroup/web connect4 id 12

PROG is `id N`, `name NAME`, `tag TAG` or `pinned PATH`.";

/// Look at, attach and detach programs of cgroups
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES, infer_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    Show(Show),
    Tree(Tree),
    Attach(Attach),
    Detach(Detach),
}

const SHOW_EXAMPLES: &str = "\
Examples:
  skep cgroup show /sys/fs/cgroup/user.slice
  skep cgroup show /sys/fs/cgroup/user.slice effective --json";

/// What is attached to a cgroup
#[derive(clap::Args, Debug)]
#[command(after_help = SHOW_EXAMPLES, visible_alias = "list")]
struct Show {
    /// The cgroup's directory
    #[arg(value_name = "CGROUP")]
    cgroup: PathBuf,

    /// `effective`: all that runs for it, what cgroups above have too
    #[arg(value_name = "effective")]
    words: Vec<String>,
}

const TREE_EXAMPLES: &str = "\
Examples:
  skep cgroup tree
  skep cgroup tree /sys/fs/cgroup/system.slice effective";

/// The cgroups that have programs
#[derive(clap::Args, Debug)]
#[command(after_help = TREE_EXAMPLES)]
struct Tree {
    /// Where to begin (the mount, if none is given), and `effective`
    #[arg(value_name = "[CGROUP] [effective]")]
    words: Vec<String>,
}

const ATTACH_EXAMPLES: &str = "\
Examples:
  skep cgroup attach /sys/fs/cgroup/web ingress pinned /sys/fs/bpf/count multi
  skep cgroup attach /sys/fs/cgroup/web cgroup_inet4_connect id 12

It stays until it is detached. `skep attach OBJ --cgroup PATH` loads and attaches by link.";

/// Attach a program that is loaded, without a link
#[derive(clap::Args, Debug)]
#[command(after_help = ATTACH_EXAMPLES)]
struct Attach {
    /// The cgroup's directory
    #[arg(value_name = "CGROUP")]
    cgroup: PathBuf,

    /// The attach type (`connect4` or `cgroup_inet4_connect`), the program, and `multi` or `override`
    #[arg(value_name = "ATTACH_TYPE PROG [multi|override]", required = true)]
    words: Vec<String>,
}

const DETACH_EXAMPLES: &str = "\
Examples:
  skep cgroup detach /sys/fs/cgroup/web ingress pinned /sys/fs/bpf/count";

/// Detach a program that was attached without a link
#[derive(clap::Args, Debug)]
#[command(after_help = DETACH_EXAMPLES)]
struct Detach {
    /// The cgroup's directory
    #[arg(value_name = "CGROUP")]
    cgroup: PathBuf,

    /// The attach type and the program
    #[arg(value_name = "ATTACH_TYPE PROG", required = true)]
    words: Vec<String>,
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Verdict, Failure> {
    match &args.command {
        Command::Show(a) => show(a, out),
        Command::Tree(a) => show_tree(a, out),
        Command::Attach(a) => put(a, out),
        Command::Detach(a) => take(a, out),
    }
}

fn show(args: &Show, out: &mut Output) -> Result<Verdict, Failure> {
    let mut words = Words::new(&args.words);
    let effective = words.take(&["effective"]).is_some();
    words.finish()?;
    let all = attachments(&args.cgroup, effective).map_err(|e| failure(&e))?;
    if out.json {
        let programs: Vec<_> = all.iter().map(object).collect();
        let cgroup = args.cgroup.to_string_lossy();
        out.object(&json!({"schema": "skep.cgroup-show/1", "cgroup": cgroup, "programs": programs}))?;
        return Ok(Verdict::Yes);
    }
    header(effective, out)?;
    for one in &all {
        print(one, "", out)?;
    }
    Ok(Verdict::Yes)
}

fn show_tree(args: &Tree, out: &mut Output) -> Result<Verdict, Failure> {
    let mut words = Words::new(&args.words);
    let root = match words.peek() {
        Some(word) if !"effective".starts_with(word) => Some(Path::new(words.next("the cgroup")?)),
        _ => None,
    };
    let effective = words.take(&["effective"]).is_some();
    words.finish()?;
    let all = tree(root, effective).map_err(|e| failure(&e))?;
    if out.json {
        let one = |(path, found): &(PathBuf, Vec<Attachment>)| {
            let programs: Vec<_> = found.iter().map(object).collect();
            json!({"cgroup": path.to_string_lossy(), "programs": programs})
        };
        let cgroups: Vec<_> = all.iter().map(one).collect();
        out.object(&json!({"schema": "skep.cgroup-tree/1", "cgroups": cgroups}))?;
        return Ok(Verdict::Yes);
    }
    writeln!(out, "{}", out.paint(Style::Heading, "CgroupPath"))?;
    header(effective, out)?;
    let top = root.map(Path::to_owned).or_else(skep_sys::cgroup::mount);
    for (path, found) in &all {
        writeln!(out, "{}", out.paint(Style::Name, plain(&path.to_string_lossy())))?;
        let indent = if top.as_ref() == Some(path) { "" } else { "    " };
        for one in found {
            print(one, indent, out)?;
        }
    }
    Ok(Verdict::Yes)
}

fn header(effective: bool, out: &mut Output) -> Result<(), Failure> {
    let line = match effective {
        true => format!("{:<8} {:<15} {:<15}", "ID", "AttachType", "Name"),
        false => format!("{:<8} {:<15} {:<15} {:<15}", "ID", "AttachType", "AttachFlags", "Name"),
    };
    Ok(writeln!(out, "{}", out.paint(Style::Heading, line))?)
}

fn print(one: &Attachment, indent: &str, out: &mut Output) -> Result<(), Failure> {
    let name = plain(&one.name);
    write!(out, "{indent}{:<8} {:<15}", one.id, one.attach_type)?;
    match one.flags_text() {
        Some(flags) => write!(out, " {flags:<15} {name:<15}")?,
        None => write!(out, " {name:<15}")?,
    }
    match &one.function {
        Some((_, _, Some(function))) => write!(out, " {function:<15}")?,
        Some((object, id, None)) => write!(out, " attach_btf_obj_id={object} attach_btf_id={id}")?,
        None => {}
    }
    Ok(writeln!(out)?)
}

fn object(one: &Attachment) -> Value {
    let mut o = Map::new();
    o.insert("id".into(), one.id.into());
    o.insert("attach_type".into(), one.attach_type.to_string().into());
    if let Some(flags) = one.flags_text() {
        o.insert("attach_flags".into(), flags.into());
    }
    o.insert("name".into(), one.name.as_str().into());
    if let Some((object, id, function)) = &one.function {
        if let Some(function) = function {
            o.insert("attach_btf_name".into(), function.as_str().into());
        }
        o.insert("attach_btf_obj_id".into(), (*object).into());
        o.insert("attach_btf_id".into(), (*id).into());
    }
    Value::Object(o)
}

/// An attach type and a program.
fn what(words: &mut Words<'_>) -> Result<(AttachType, Prog), Failure> {
    let kind = attach_type(words.next("the attach type")?)?;
    let selector = words.selector(words::PROGRAM)?;
    let found = Prog::find(&selector).map_err(|e| failure(&e))?;
    Ok((kind, single(found, &selector)?))
}

fn put(args: &Attach, out: &mut Output) -> Result<Verdict, Failure> {
    use skep_sys::hooked::{F_MULTI, F_OVERRIDE};
    let mut words = Words::new(&args.words);
    let (kind, prog) = what(&mut words)?;
    let flags = match words.take(&["multi", "override"]) {
        Some("multi") => F_MULTI,
        Some(_) => F_OVERRIDE,
        None => 0,
    };
    words.finish()?;
    attach(&args.cgroup, kind, &prog, flags).map_err(|e| failure(&e))?;
    did("attach", &args.cgroup, kind, &prog, out)
}

fn take(args: &Detach, out: &mut Output) -> Result<Verdict, Failure> {
    let mut words = Words::new(&args.words);
    let (kind, prog) = what(&mut words)?;
    words.finish()?;
    detach(&args.cgroup, kind, &prog).map_err(|e| failure(&e))?;
    did("detach", &args.cgroup, kind, &prog, out)
}

fn did(
    action: &str,
    cgroup: &Path,
    kind: AttachType,
    prog: &Prog,
    out: &mut Output,
) -> Result<Verdict, Failure> {
    let facts = [
        ("cgroup", cgroup.to_string_lossy().into()),
        ("attach_type", kind.to_string().into()),
        ("id", prog.info.id.into()),
    ];
    done(out, "skep.cgroup/1", action, &facts)?;
    Ok(Verdict::Yes)
}

/// An attach type of cgroups, as the kernel calls it or as bpftool's users do.
fn attach_type(word: &str) -> Result<AttachType, Failure> {
    let by_short = kinds().find(|kind| kind.name().is_some_and(|name| short(name) == word));
    if let Some(kind) = by_short.or_else(|| word.parse().ok().filter(|kind| kinds().any(|k| k == *kind))) {
        return Ok(kind);
    }
    let names: Vec<String> = kinds().filter_map(|kind| kind.name()).map(short).collect();
    Err(Failure::new(format!("`{word}` is no attach type of cgroups"))
        .hint_opt(suggestion(word, names.iter().map(String::as_str))))
}

/// `cgroup_inet4_connect` is `connect4` for short, `cgroup_inet_ingress` is `ingress`.
fn short(name: &str) -> String {
    let name = name.strip_prefix("cgroup_").unwrap_or(name);
    for (family, ending) in
        [("inet4_", "4"), ("inet6_", "6"), ("udp4_", "4"), ("udp6_", "6"), ("unix_", "_unix")]
    {
        if let Some(rest) = name.strip_prefix(family) {
            return format!("{rest}{ending}");
        }
    }
    name.strip_prefix("inet_").unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attach_types_have_short_names() {
        let of = |word: &str| attach_type(word).map_err(|f| f.hint);
        assert_eq!(of("ingress"), Ok(AttachType::CGROUP_INET_INGRESS));
        assert_eq!(of("connect4"), Ok(AttachType::CGROUP_INET4_CONNECT));
        assert_eq!(of("cgroup_inet4_connect"), Ok(AttachType::CGROUP_INET4_CONNECT));
        assert_eq!(of("recvmsg6"), Ok(AttachType::CGROUP_UDP6_RECVMSG));
        assert_eq!(of("getsockname_unix"), Ok(AttachType::CGROUP_UNIX_GETSOCKNAME));
        assert_eq!(of("sock_ops"), Ok(AttachType::CGROUP_SOCK_OPS));
        assert_eq!(of("device"), Ok(AttachType::CGROUP_DEVICE));
        assert_eq!(of("conect4"), Err(Some("did you mean `connect4`?".into())));
        assert!(of("xdp").is_err(), "a type, but of no cgroup");
        let all: std::collections::BTreeSet<String> = kinds().filter_map(|k| k.name()).map(short).collect();
        assert_eq!(all.len(), kinds().count(), "no two are the same for short");
    }
}
