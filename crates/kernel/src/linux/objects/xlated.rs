//! The instructions of a live program as the verifier left them, which are no longer those that were loaded: calls
//! lead to addresses, some helpers are inlined, accesses to contexts are accesses to kernel structs. They are
//! printed in bpftool's manner (its `xlated_dumper.c` and the kernel's `disasm.c` tell the format): maps by id, calls by
//! the symbol at their address.

use std::collections::BTreeMap;

use skep_backend::{Error, ErrorKind};
use skep_btf::{Btf, TypeId, print};
use skep_isa::disasm::{Disassembler, Style};
use skep_isa::text::Names;
use skep_isa::{Insn, slots_from_bytes};
use skep_sys::info::ProgDetails;

use super::{Ksyms, Prog};
use crate::linux::types::HERE;

/// Opcodes: a call, a wide load, `rX = rY`, the kernel's own barrier.
const CALL: u8 = 0x85;
const WIDE: u8 = 0x18;
const MOV64: u8 = 0xbf;
const NOSPEC: u8 = 0xc2;
/// Pseudo sources of calls and wide loads.
const TO_FUNC: u8 = 1;
const TO_KFUNC: u8 = 2;

/// An instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its first slot.
    pub slot: usize,
    /// The function that begins here, as C would declare it.
    pub proto: Option<String>,
    /// The line of source that begins here.
    pub source: Option<Source>,
    /// As bpftool prints it: `(b7) r0 = 1`.
    pub text: String,
    /// What bpftool does not say: the symbol that an address is.
    pub note: Option<String>,
    /// Its slots.
    pub insns: Vec<Insn>,
}

/// A line of source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The file.
    pub file: String,
    /// The text, without the white space in front.
    pub text: String,
    /// Its number.
    pub line: u32,
    /// The column.
    pub column: u32,
}

/// What is known of a program.
pub(super) struct Facts {
    pub(super) details: ProgDetails,
    pub(super) types: Option<std::sync::Arc<Btf>>,
}

impl Facts {
    pub(super) fn of(prog: &Prog) -> Result<Self, Error> {
        Ok(Self { details: prog.details()?, types: prog.types()? })
    }

    /// The function of a record of func_info.
    pub(super) fn proto(&self, type_id: u32) -> Option<String> {
        print::declaration(self.types.as_deref()?, TypeId(type_id))
    }

    /// A record of line_info.
    pub(super) fn source(&self, record: [u32; 4]) -> Option<Source> {
        let types = self.types.as_deref()?;
        let [_, file, text, place] = record;
        Some(Source {
            file: types.string(file).unwrap_or_default().to_owned(),
            text: types.string(text)?.trim_start().to_owned(),
            line: place >> 10,
            column: place & 0x3ff,
        })
    }
}

/// Calls by the number that stands in the instruction.
struct Calls(BTreeMap<i32, String>);

impl Names for Calls {
    fn helper_name(&self, id: i32) -> Option<&str> {
        self.0.get(&id).map(String::as_str)
    }
}

/// The instructions of a program, with what its lines and functions tell.
///
/// # Errors
/// Where the kernel does not show them.
pub fn lines(prog: &Prog, symbols: &Ksyms) -> Result<Vec<Line>, Error> {
    let facts = Facts::of(prog)?;
    let insns = insns(&facts.details)?;
    let base = symbols.address("__bpf_call_base").unwrap_or(0);
    let calls = Calls(named_calls(&insns, symbols, base));
    let mut printer = Printer { facts: &facts, symbols, base, calls, kernel: None };
    let mut functions = facts.details.func_info.iter().peekable();
    let mut sources = facts.details.line_info.iter().peekable();
    let (mut out, mut slot) = (Vec::new(), 0);
    while let Some(insn) = insns.get(slot) {
        let slots = if insn.opcode == WIDE { 2 } else { 1 };
        let here = insns.get(slot..slot + slots).unwrap_or(&insns[slot..]);
        let at = |first: u32| first as usize <= slot;
        let proto = functions.next_if(|f| at(f[0])).and_then(|f| facts.proto(f[1]));
        let source = sources.next_if(|l| at(l[0])).and_then(|l| facts.source(*l));
        let (text, note) = printer.text(here);
        out.push(Line { slot, proto, source, text, note, insns: here.to_vec() });
        slot += slots;
    }
    Ok(out)
}

/// The bytes of a program's instructions, to be written to a file.
///
/// # Errors
/// Where the kernel does not show them.
pub fn bytes(prog: &Prog) -> Result<Vec<u8>, Error> {
    let details = prog.details()?;
    insns(&details).map(|_| details.xlated)
}

fn insns(details: &ProgDetails) -> Result<Vec<Insn>, Error> {
    if details.xlated.is_empty() {
        let message = format!("program {}: the kernel does not show its instructions", details.info.id);
        return Err(Error::new(ErrorKind::Denied, message).with_hint(
            "it needs CAP_SYS_ADMIN, or CAP_BPF and CAP_PERFMON, and kernel.kptr_restrict below 2",
        ));
    }
    slots_from_bytes(&details.xlated, HERE).map_err(|e| Error::new(ErrorKind::Invalid, e.to_string()))
}

/// Names for all calls of helpers: an instruction holds the distance from `__bpf_call_base`.
fn named_calls(insns: &[Insn], symbols: &Ksyms, base: u64) -> BTreeMap<i32, String> {
    let calls = insns.iter().filter(|i| i.opcode == CALL && i.src == 0);
    calls.map(|i| (i.imm, call_name(symbols, base.wrapping_add_signed(i.imm.into()), i.imm))).collect()
}

fn call_name(symbols: &Ksyms, address: u64, id: i32) -> String {
    if let Some(name) = u32::try_from(id).ok().and_then(|id| skep_abi::HelperId(id).name()) {
        return format!("bpf_{name}");
    }
    match symbols.at(address) {
        Some(symbol) => symbol.name.to_owned(),
        None => format!("{address:#x}"),
    }
}

struct Printer<'a> {
    facts: &'a Facts,
    symbols: &'a Ksyms,
    /// The address of `__bpf_call_base`; 0 where it is hidden.
    base: u64,
    calls: Calls,
    /// The kernel's types, once they are asked for.
    kernel: Option<Option<std::sync::Arc<Btf>>>,
}

impl Printer<'_> {
    /// An instruction as text, and what more is known.
    fn text(&mut self, insns: &[Insn]) -> (String, Option<String>) {
        let Some(&insn) = insns.first() else { return (String::new(), None) };
        let Insn { opcode, dst, src, off, imm } = insn;
        match (opcode, src) {
            (WIDE, _) => {
                let next = insns.get(1).map_or(0, |i| i.imm);
                self.wide(insn, next)
            }
            (CALL, TO_FUNC) => (format!("({opcode:02x}) call pc{}", self.local(insn)), None),
            (CALL, TO_KFUNC) => {
                let name = self.kfunc(imm).unwrap_or_else(|| "kernel-function".into());
                (format!("({opcode:02x}) call {name}#{imm}"), None)
            }
            (MOV64, _) if off == -1 => (format!("({opcode:02x}) r{dst} = &(void __percpu *)(r{src})"), None),
            (NOSPEC, _) => (format!("({opcode:02x}) nospec"), None),
            _ => {
                let dis = Disassembler::new(Style::Kernel).names(&self.calls).log(true).loose(true);
                let text = dis.insn(insns, 0).unwrap_or_else(|_| format!("BUG_{opcode:02x}"));
                (text, None)
            }
        }
    }

    fn wide(&self, insn: Insn, next: i32) -> (String, Option<String>) {
        let Insn { opcode, dst, src, imm, .. } = insn;
        let mut note = None;
        let value = match src {
            1 => format!("map[id:{imm}]"),
            2 => format!("map[id:{imm}][0]+{next}"),
            4 => format!("subprog[{imm:+}]"),
            6 => format!("map[idx:{imm}]+{next}"),
            _ => {
                let value = u64::from(next as u32) << 32 | u64::from(imm as u32);
                note = self.symbols.at(value).map(|s| s.name.to_owned());
                format!("{value:#x}")
            }
        };
        (format!("({opcode:02x}) r{dst} = {value}"), note)
    }

    /// The target of a call within the program: the distance, and what the kernel calls the function there.
    fn local(&self, insn: Insn) -> String {
        let ksyms = &self.facts.details.jited_ksyms;
        let address = usize::try_from(insn.imm).ok().and_then(|n| ksyms.get(n));
        match address {
            None => format!("{:+}", insn.off),
            Some(&address) => match self.symbols.at(address) {
                Some(symbol) => format!("{:+}#{}", insn.off, symbol.name),
                None => format!("{:+}#{address:#x}", insn.off),
            },
        }
    }

    /// A kernel function: by its distance from `__bpf_call_base`, or, where calls reach further, by its type id.
    fn kfunc(&mut self, id: i32) -> Option<String> {
        if let Some(symbol) = self.symbols.at(self.base.wrapping_add_signed(id.into())) {
            return Some(symbol.name.to_owned());
        }
        let types = self.kernel.get_or_insert_with(|| super::btf::kernel_types().ok()).as_ref()?;
        let t = types.ty(TypeId(u32::try_from(id).ok()?))?;
        (t.kind() == skep_btf::Kind::Func).then(|| t.name().to_owned())
    }
}

/// The eight bytes of a slot, as the kernel has them.
pub fn slot_bytes(insn: Insn) -> [u8; 8] {
    insn.to_bytes(HERE)
}
