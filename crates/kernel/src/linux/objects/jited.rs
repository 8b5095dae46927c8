//! The machine code of a live program, function by function, with lines of source and the names of what it calls.
//!
//! x86-64 is printed in AT&T's syntax, as bpftool prints it. For other machines there is no disassembler here: their code
//! is given as words.

use skep_backend::{Error, ErrorKind};

use super::xlated::{Facts, Source};
use super::{Ksyms, Prog};

/// Whether instructions are printed as such on this machine.
pub const DISASSEMBLES: bool = cfg!(target_arch = "x86_64");

/// A function's machine code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// What the kernel calls it: `bpf_prog_6deef7357e7b4530_main`; its address where names are hidden.
    pub name: String,
    /// As C would declare it.
    pub proto: Option<String>,
    /// Its instructions.
    pub insns: Vec<Insn>,
}

/// An instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Insn {
    /// Bytes from the function's start.
    pub pc: usize,
    /// The line of source that begins here.
    pub source: Option<Source>,
    /// The instruction.
    pub text: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// The machine code of a program.
///
/// # Errors
/// Where it is not compiled, or the kernel does not show it.
pub fn functions(prog: &Prog, symbols: &Ksyms) -> Result<Vec<Function>, Error> {
    let image = bytes(prog)?;
    let facts = Facts::of(prog)?;
    let details = &facts.details;
    let lens = match details.jited_func_lens.as_slice() {
        [] => vec![image.len()],
        lens => lens.iter().map(|l| *l as usize).collect(),
    };
    let (mut out, mut at) = (Vec::new(), 0);
    for (n, len) in lens.into_iter().enumerate() {
        let code = image.get(at..).and_then(|rest| rest.get(..len)).unwrap_or_default();
        at += len;
        let address = details.jited_ksyms.get(n).copied().unwrap_or(0);
        let name = match symbols.at(address) {
            Some(symbol) => symbol.name.to_owned(),
            None if address == 0 => "unknown".to_owned(),
            None => format!("{address:#018x}"),
        };
        let proto = details.func_info.get(n).and_then(|f| facts.proto(f[1]));
        let mut insns = split(code, address, symbols);
        place_lines(&mut insns, &facts, address);
        out.push(Function { name, proto, insns });
    }
    Ok(out)
}

/// The bytes of a program's machine code, to be written to a file.
///
/// # Errors
/// As for [`functions`].
pub fn bytes(prog: &Prog) -> Result<Vec<u8>, Error> {
    let id = prog.info.id;
    if prog.info.jited_prog_len == 0 {
        let error = Error::new(ErrorKind::NotFound, format!("program {id} is not compiled"));
        return Err(error.with_hint("net.core.bpf_jit_enable switches the compiler on"));
    }
    let image = prog.details()?.jited;
    if image.is_empty() {
        let message = format!("program {id}: the kernel does not show its machine code");
        return Err(Error::new(ErrorKind::Denied, message).with_hint(
            "it needs CAP_SYS_ADMIN, or CAP_BPF and CAP_PERFMON, and kernel.kptr_restrict below 2",
        ));
    }
    Ok(image)
}

/// Puts the lines of source to the instructions at their addresses.
fn place_lines(insns: &mut [Insn], facts: &Facts, address: u64) {
    let details = &facts.details;
    let end = address + insns.last().map_or(0, |i| (i.pc + i.bytes.len()) as u64);
    let records = details.jited_line_info.iter().zip(&details.line_info);
    let mut own = records.filter(|(at, _)| (address..end).contains(at)).peekable();
    for insn in insns {
        let here = own.next_if(|(at, _)| **at <= address + insn.pc as u64);
        insn.source = here.and_then(|(_, record)| facts.source(*record));
    }
}

#[cfg(target_arch = "x86_64")]
fn split(code: &[u8], address: u64, symbols: &Ksyms) -> Vec<Insn> {
    use iced_x86::{
        Decoder, DecoderOptions, Formatter, GasFormatter, Instruction, SymbolResolver, SymbolResult,
    };

    /// Targets within a function are told by their distance from its start, those outside by name.
    struct Targets {
        known: std::collections::BTreeMap<u64, String>,
    }

    impl SymbolResolver for Targets {
        fn symbol(
            &mut self,
            _: &Instruction,
            _: u32,
            _: Option<u32>,
            address: u64,
            _: u32,
        ) -> Option<SymbolResult<'_>> {
            self.known.get(&address).map(|name| SymbolResult::with_str(address, name))
        }
    }

    let mut decoder = Decoder::with_ip(64, code, address, DecoderOptions::NONE);
    let (mut all, mut known) = (Vec::new(), std::collections::BTreeMap::new());
    while decoder.can_decode() {
        let insn = decoder.decode();
        let target = insn.near_branch_target();
        if target != 0 {
            let inside = target.checked_sub(address).filter(|d| *d < code.len() as u64);
            let name =
                inside.map(|d| format!("{d:#x}")).or_else(|| Some(symbols.at(target)?.name.to_owned()));
            known.extend(name.map(|n| (target, n)));
        }
        all.push(insn);
    }
    let mut formatter = GasFormatter::with_options(Some(Box::new(Targets { known })), None);
    let options = formatter.options_mut();
    options.set_uppercase_hex(false);
    options.set_gas_show_mnemonic_size_suffix(true);
    options.set_space_after_operand_separator(true);
    let format = |insn: &Instruction| {
        let mut text = String::new();
        formatter.format(insn, &mut text);
        let pc = (insn.ip() - address) as usize;
        let bytes = code.get(pc..pc + insn.len()).unwrap_or_default().to_vec();
        Insn { pc, source: None, text, bytes }
    };
    all.iter().map(format).collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn split(code: &[u8], _: u64, _: &Ksyms) -> Vec<Insn> {
    let word = |(n, word): (usize, &[u8])| {
        let hex: String = word.iter().map(|b| format!("{b:02x}")).collect();
        Insn { pc: n * 4, source: None, text: format!(".byte {hex}"), bytes: word.to_vec() }
    };
    code.chunks(4).enumerate().map(word).collect()
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    #[test]
    fn branches_inside_are_told_by_distance() {
        // push rbp; je +1; nop; ret
        let text = |i: &Insn| format!("{:x}: {}", i.pc, i.text);
        let lines: Vec<_> = split(&[0x55, 0x74, 0x01, 0x90, 0xc3], 0xffff_0000, &Ksyms::default());
        let lines: Vec<_> = lines.iter().map(text).collect();
        assert_eq!(lines, ["0: pushq %rbp", "1: je 0x4", "3: nop", "4: retq"]);
    }
}
