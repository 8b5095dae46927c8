//! Which program of which file: the flags that `run`, `compare`, `jit` and `bench` share.

use std::path::PathBuf;

use skep::abi::ProgType;
use skep::object::{Program, Spec};

use super::text::Text;
use crate::failure::Failure;

/// A program of an object or a text.
#[derive(clap::Args, Debug)]
pub(in crate::cmd) struct ProgramArgs {
    /// An ELF object, or assembler text with a corpus header (`-` is stdin)
    #[arg(value_name = "OBJ|FILE")]
    pub(in crate::cmd) file: PathBuf,

    /// The program's function, if the object has several
    #[arg(long, value_name = "NAME")]
    prog: Option<String>,

    /// The program type, if the section name does not tell it
    #[arg(long = "type", value_name = "TYPE")]
    prog_type: Option<String>,
}

impl ProgramArgs {
    /// The file; text is for big-endian machines if so.
    pub(in crate::cmd) fn read(&self, big_endian: bool) -> Result<Text, Failure> {
        super::read(&self.file, big_endian)
    }

    /// The program and its type; `pcap`: it is fed packets.
    pub(in crate::cmd) fn choose<'a>(
        &self,
        spec: &'a Spec,
        pcap: bool,
    ) -> Result<(&'a Program, ProgType), Failure> {
        let program = super::choose(spec, self.prog.as_deref())?;
        let prog_type = super::prog_type(program, self.prog_type.as_deref(), pcap)?;
        Ok((program, prog_type))
    }

    /// Whether the type was given.
    pub(super) fn is_typed(&self) -> bool {
        self.prog_type.is_some()
    }
}
