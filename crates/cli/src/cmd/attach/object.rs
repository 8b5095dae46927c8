//! What of which object is loaded into Linux: the flags that `load` and `attach` share.

use std::path::PathBuf;

/// An object, and what of it is loaded.
#[derive(clap::Args, Debug)]
pub(in crate::cmd) struct ObjectArgs {
    /// An ELF object, or assembler text with a corpus header (`-` is stdin)
    #[arg(value_name = "OBJ|FILE")]
    pub(in crate::cmd) file: PathBuf,

    /// Only these programs (repeatable); attach: all whose target is known without it
    #[arg(long, value_name = "NAME")]
    pub(in crate::cmd) prog: Vec<String>,

    /// The program type, if the section name does not tell it
    #[arg(long = "type", value_name = "TYPE")]
    prog_type: Option<String>,

    /// The program of Linux whose function is replaced (freplace) or watched (fentry, fexit): an id or a pin's path
    ///
    /// The function is what the section's name says. NAME= in front: only for this program of the object.
    #[arg(long, value_name = "[NAME=]id:N|PATH")]
    target_prog: Vec<String>,

    /// Where maps are pinned, and looked for, that want to be found by name
    #[arg(long, value_name = "DIR", default_value = "/sys/fs/bpf")]
    pub(in crate::cmd) pin_maps: PathBuf,
}

#[cfg(all(target_os = "linux", not(skep_portable)))]
mod resolve {
    use skep::abi::{AttachType, ProgType};
    use skep::backend::{LoadOptions, TargetProg};
    use skep::object::{Program, Spec};

    use super::ObjectArgs;
    use crate::cmd::run;
    use crate::failure::Failure;

    impl ObjectArgs {
        /// What to load: the programs that are named, or all.
        pub(in crate::cmd) fn options(&self, spec: &Spec) -> Result<LoadOptions, Failure> {
            let mut options = LoadOptions::default();
            for name in &self.prog {
                run::choose(spec, Some(name))?;
                options.programs.push(name.clone());
            }
            if let Some(t) = &self.prog_type {
                let t = run::parse_type(t)?;
                // A program of unknown type may come along because a prog array holds it: it has the type of those that call it.
                let named = |p: &Program| self.named(p) || p.prog_type.is_none();
                let chosen = spec.programs.iter().filter(|p| named(p));
                options.prog_types = chosen.map(|p| (p.name.clone(), t)).collect();
            }
            for text in &self.target_prog {
                self.target(spec, text, &mut options)?;
            }
            Ok(options)
        }

        fn named(&self, program: &Program) -> bool {
            self.prog.is_empty() || self.prog.contains(&program.name)
        }

        /// One `--target-prog`.
        fn target(&self, spec: &Spec, text: &str, options: &mut LoadOptions) -> Result<(), Failure> {
            let (name, target) = match text.split_once('=') {
                Some((name, target)) if spec.program(name).is_some() => (Some(name), target),
                Some((name, _)) if !name.contains(['/', ':']) => {
                    run::choose(spec, Some(name))?;
                    return Ok(());
                }
                _ => (None, text),
            };
            let target = match target.strip_prefix("id:") {
                Some(id) => TargetProg::Id(id.parse().map_err(|_| {
                    Failure::new(format!("--target-prog: `{id}` is no id"))
                        .hint("`skep prog list` shows ids: --target-prog id:7")
                })?),
                None => TargetProg::Pinned(target.into()),
            };
            let takes = |p: &&Program| match name {
                Some(name) => p.name == name,
                None => self.named(p) && takes_target(p),
            };
            let found: Vec<_> = spec.programs.iter().filter(takes).map(|p| p.name.clone()).collect();
            if found.is_empty() {
                return Err(Failure::new(
                    "--target-prog: no program of the object is for a function of another one",
                )
                .hint("sections that are: freplace/FUNCTION, fentry/FUNCTION, fexit/FUNCTION"));
            }
            options.target_progs.extend(found.into_iter().map(|p| (p, target.clone())));
            Ok(())
        }
    }

    /// Whether a program may be made for another one.
    fn takes_target(program: &Program) -> bool {
        program.prog_type == Some(ProgType::EXT)
            || matches!(
                program.attach_type,
                Some(AttachType::TRACE_FENTRY | AttachType::TRACE_FEXIT | AttachType::MODIFY_RETURN)
            )
    }
}
