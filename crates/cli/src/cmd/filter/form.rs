//! The forms in which a filter is written: listings and numbers, lines for others, extended programs as text and as objects.

use std::io::Write;
use std::path::Path;

use clap::ValueEnum;
use skep::asm::HelperNames;
use skep::isa::classic::Insn;
use skep::isa::classic::text::{Form, print};
use skep::isa::disasm::{Disassembler, Style};
use skep::isa::{Endian, Insn as Extended};
use skep::object::write::Single;
use skep::vm::classic;

use crate::failure::Failure;
use crate::output::Output;
use crate::{Verdict, input};

/// The longest program that xt_bpf takes, in instructions.
const XT_BPF_MAX: usize = 64;

/// Where an extended program is to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Place {
    Xdp,
    Tc,
    Socket,
}

/// In which form a filter is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape<'a> {
    pub(super) dump: u8,
    pub(super) xt_bpf: bool,
    pub(super) asm: bool,
    pub(super) ebpf: Option<Place>,
    /// The extended program drops what matches.
    pub(super) drop: bool,
    /// A file for the extended program as an object.
    pub(super) output: Option<&'a Path>,
}

impl Shape<'_> {
    /// Writes the object, if one is asked for.
    pub(super) fn save(&self, insns: &[Insn]) -> Result<(), Failure> {
        let (Some(place), Some(path)) = (self.ebpf, self.output) else { return Ok(()) };
        std::fs::write(path, self.object(insns, place)?).map_err(|e| input::at(path, &e))
    }

    /// Prints all else.
    pub(super) fn print(&self, insns: &[Insn], out: &mut Output) -> Result<Verdict, Failure> {
        if self.xt_bpf && insns.len() > XT_BPF_MAX {
            let message =
                format!("the filter has {} instructions, and xt_bpf takes {XT_BPF_MAX}", insns.len());
            return Err(Failure::new(message).hint("split it over several rules"));
        }
        let form = match (self.ebpf, self.output, self.dump) {
            (Some(_), Some(_), _) => return Ok(Verdict::Yes),
            (Some(place), None, _) => {
                out.write_all(self.text(insns, place)?.as_bytes())?;
                return Ok(Verdict::Yes);
            }
            _ if self.xt_bpf => Form::Bytecode,
            _ if self.asm => Form::Source,
            (_, _, 0 | 1) => Form::Listing,
            (_, _, 2) => Form::C,
            _ => Form::Decimal,
        };
        out.write_all(print(insns, form).as_bytes())?;
        Ok(Verdict::Yes)
    }

    /// The extended program.
    fn converted(&self, insns: &[Insn], place: Place) -> Result<Vec<Extended>, Failure> {
        let action = |pass: i32, shot: i32| match self.drop {
            true => classic::Verdict::Action { matched: shot, missed: pass },
            false => classic::Verdict::Action { matched: pass, missed: shot },
        };
        let (form, verdict) = match place {
            Place::Xdp => (classic::Form::Xdp, action(2, 1)),
            Place::Tc => (classic::Form::Skb, action(0, 2)),
            Place::Socket => (classic::Form::Legacy, classic::Verdict::Length),
        };
        classic::to_ebpf(insns, form, verdict).map_err(|e| {
            Failure::new(format!("the filter has no extended form: {e}")).hint("-d prints its classic code")
        })
    }

    /// The extended program as text, with the header that tells what it is.
    fn text(&self, insns: &[Insn], place: Place) -> Result<String, Failure> {
        let prog = match place {
            Place::Xdp => "xdp",
            Place::Tc => "sched_cls",
            Place::Socket => "socket_filter",
        };
        let code = self.converted(insns, place)?;
        let text = Disassembler::new(Style::Kernel).names(&HelperNames).labels(true).program(&code);
        Ok(format!("#! prog = {prog}\n{text}"))
    }

    /// The extended program as an object, for this machine.
    fn object(&self, insns: &[Insn], place: Place) -> Result<Vec<u8>, Failure> {
        let section = match place {
            Place::Xdp => "xdp",
            Place::Tc => "tc",
            Place::Socket => "socket",
        };
        let endian = if cfg!(target_endian = "big") { Endian::Big } else { Endian::Little };
        let insns = &self.converted(insns, place)?;
        Ok(Single { section, name: "filter", license: "GPL", insns, endian }.to_elf())
    }
}
