//! Classic BPF in `skep asm` and `skep disasm`: which input is classic, and the forms in which it is written.

use std::path::Path;

use clap::ValueEnum;
use skep::isa::Endian;
use skep::isa::classic::text::{self, Form};
use skep::isa::classic::{Insn, bytes_from_insns, check_socket, insns_from_bytes};

use crate::failure::Failure;
use crate::input;

/// The text forms, as arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FormArg {
    /// (000) ldh      [12]               as tcpdump -d
    Listing,
    /// { 0x28, 0, 0, 0x0000000c },       as tcpdump -dd
    C,
    /// 40 0 0 12, the count first        as tcpdump -ddd
    Decimal,
    /// 1,40 0 0 12                       as iptables -m bpf takes it
    Bytecode,
    /// ldh [12], with labels             as bpf_asm and bpfc take it
    Source,
}

impl FormArg {
    pub(crate) const fn form(self) -> Form {
        match self {
            Self::Listing => Form::Listing,
            Self::C => Form::C,
            Self::Decimal => Form::Decimal,
            Self::Bytecode => Form::Bytecode,
            Self::Source => Form::Source,
        }
    }
}

/// Whether a text, taken for extended assembly in vain, is a classic program.
pub(crate) fn is_classic(text: &str) -> bool {
    text::parse(text).is_ok()
}

/// Whether a text has one of the forms that only classic programs have: all but source.
pub(crate) fn has_classic_form(text: &str) -> bool {
    text::detect(text) != Form::Source && is_classic(text)
}

/// Reads a text, with what is wrong as a failure that shows it.
pub(crate) fn assemble(text: &str, file: &str) -> Result<Vec<Insn>, Failure> {
    skep::asm::assemble_classic(text, file).map_err(|errors| Failure::diagnosed(errors).negative())
}

/// Reads a file's bytes as a classic program: text in any form, or raw instructions.
pub(crate) fn read(bytes: &[u8], file: &Path, endian: Endian) -> Result<Vec<Insn>, Failure> {
    let label = input::label(file);
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => assemble(text, &label),
        _ => insns_from_bytes(bytes, endian)
            .map_err(|e| Failure::new(format!("{label}: no classic program: {e}"))),
    }
}

/// What Linux would say, as a warning: none if SO_ATTACH_FILTER takes it.
pub(crate) fn warning(insns: &[Insn]) -> Option<String> {
    check_socket(insns).err().map(|e| format!("Linux refuses this as a socket filter: {e}"))
}

/// The bytes of each instruction, in hex.
pub(crate) fn hex(insn: Insn, endian: Endian) -> String {
    let bytes = bytes_from_insns(&[insn], endian);
    bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ")
}

/// The instructions one by one, as source without labels: what JSON carries.
pub(crate) fn lines(insns: &[Insn]) -> Vec<String> {
    let listing = text::print(insns, Form::Listing);
    listing
        .lines()
        .map(|line| line.split_once(' ').map_or(line, |(_, rest)| rest).trim_end().to_owned())
        .collect()
}
