//! The arguments. Each command's own live beside it in [`cmd`](crate::cmd); here is what they share.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Parser, Subcommand, ValueEnum};

use crate::cmd;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const EXAMPLES: &str = "\
Examples:
  skep examples/xdp_firewall.o                      what is in an object
  skep run examples/xdp_firewall.o --pcap examples/traffic.pcapng
                                                    run it over a capture
  skep disasm examples/xdp_firewall.o -S            its code, with the C lines
  skep explain helper map_lookup_elem               what a helper does

Exit codes: 0 yes, 1 a negative verdict, 2 usage or environment.";

/// All of BPF in userspace: say what an object holds, run it over real packets, take it apart.
#[derive(Parser, Debug)]
#[command(
    name = "skep",
    version,
    styles = STYLES,
    after_help = EXAMPLES,
    args_conflicts_with_subcommands = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    max_term_width = 100
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// An object: says what is in it (`-` is stdin)
    #[arg(value_name = "OBJ")]
    pub(crate) object: Option<PathBuf>,

    /// Print JSON: one object with a "schema" field, or one a line for streams
    #[arg(long, global = true, help_heading = "Output")]
    pub(crate) json: bool,

    /// Colours: `auto` is on for terminals, unless NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", help_heading = "Output")]
    pub(crate) color: ColorChoice,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    Run(Box<cmd::run::Args>),
    Compare(cmd::compare::Args),
    Load(cmd::load::Args),
    Attach(Box<cmd::attach::Args>),
    Detach(cmd::detach::Args),
    Iter(cmd::iter::Args),
    Info(cmd::info::Args),
    Asm(cmd::asm::Args),
    Disasm(cmd::disasm::Args),
    Jit(cmd::jit::Args),
    Bench(cmd::bench::Args),
    Btf(cmd::btf::Args),
    Filter(Box<cmd::filter::Args>),
    Seccomp(cmd::seccomp::Args),
    Feature(cmd::feature::Args),
    Doctor(cmd::doctor::Args),
    Top(cmd::top::Args),
    Explain(cmd::explain::Args),
    Verify(cmd::verify::Args),
    Cfg(cmd::cfg::Args),
    #[cfg(all(target_os = "linux", not(skep_portable)))]
    Prog(cmd::prog::Args),
    #[cfg(all(target_os = "linux", not(skep_portable)))]
    Map(cmd::map::Args),
    #[cfg(all(target_os = "linux", not(skep_portable)))]
    Link(cmd::link::Args),
    #[cfg(all(target_os = "linux", not(skep_portable)))]
    Net(cmd::net::Args),
    #[cfg(all(target_os = "linux", not(skep_portable)))]
    Perf(cmd::perf::Args),
    #[cfg(all(target_os = "linux", not(skep_portable)))]
    Cgroup(cmd::cgroup::Args),
    #[cfg(all(target_os = "linux", not(skep_portable)))]
    #[command(name = "struct_ops")]
    StructOps(cmd::struct_ops::Args),
    Conformance(cmd::conformance::Args),
    Completions(cmd::completions::Args),
    Man(cmd::man::Args),
}

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    Auto,
    Always,
    Never,
}

impl ColorChoice {
    /// Looks for `--color` before the arguments are parsed, since help and usage errors are coloured too.
    pub(crate) fn from_argv(argv: &[OsString]) -> Self {
        let mut choice = Self::Auto;
        let mut args = argv.iter().skip(1).map(|a| a.to_string_lossy());
        while let Some(arg) = args.next() {
            let value = match arg.strip_prefix("--color") {
                _ if arg == "--" => break,
                Some("") => args.next(),
                Some(rest) => rest.strip_prefix('=').map(|v| v.to_owned().into()),
                None => continue,
            };
            if let Some(c) = value.and_then(|v| Self::from_str(&v, false).ok()) {
                choice = c;
            }
        }
        choice
    }

    pub(crate) fn for_clap(self) -> clap::ColorChoice {
        match self {
            Self::Auto => clap::ColorChoice::Auto,
            Self::Always => clap::ColorChoice::Always,
            Self::Never => clap::ColorChoice::Never,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    /// Every command shows how it is used.
    #[test]
    fn every_command_has_examples() {
        fn check(c: &clap::Command) {
            let help = c.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Examples:"), "{} has no examples", c.get_name());
            c.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }

    #[test]
    fn color_is_found_before_parsing() {
        let of = |args: &[&str]| ColorChoice::from_argv(&args.iter().map(OsString::from).collect::<Vec<_>>());
        assert_eq!(of(&["skep", "--color=never", "x"]), ColorChoice::Never);
        assert_eq!(of(&["skep", "x", "--color", "always"]), ColorChoice::Always);
        assert_eq!(of(&["skep", "--", "--color=never"]), ColorChoice::Auto);
    }
}
