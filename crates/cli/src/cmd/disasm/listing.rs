//! A program as lines: instructions with the names of what they refer to, and where they come from.

use std::collections::BTreeMap;

use serde::Serialize;
use skep::asm::HelperNames;
use skep::isa::disasm::{Disassembler, Style};
use skep::isa::text::Names;
use skep::isa::{Insn, bytes_from_slots};
use skep::object::{Program, RelocTarget, Spec};

/// One instruction.
#[derive(Serialize)]
pub(in crate::cmd) struct Line {
    pub(in crate::cmd) slot: usize,
    /// As it stands in the file.
    pub(in crate::cmd) bytes: String,
    pub(in crate::cmd) label: Option<String>,
    pub(in crate::cmd) text: Option<String>,
    /// Why there is no text.
    pub(in crate::cmd) error: Option<String>,
    /// What a relocation says of it.
    pub(in crate::cmd) comment: Option<String>,
    /// The line of source that begins here.
    pub(in crate::cmd) source: Option<SourceLine>,
}

/// A line of C.
#[derive(Serialize)]
pub(in crate::cmd) struct SourceLine {
    pub(in crate::cmd) file: String,
    pub(in crate::cmd) line: u32,
    pub(in crate::cmd) column: u32,
    pub(in crate::cmd) text: String,
}

/// What is known of a program's slots.
pub(in crate::cmd) struct Listing<'a> {
    spec: &'a Spec,
    program: &'a Program,
    labels: BTreeMap<usize, &'a str>,
    relocs: BTreeMap<usize, &'a RelocTarget>,
}

impl Names for Listing<'_> {
    fn helper_name(&self, id: i32) -> Option<&str> {
        HelperNames.helper_name(id).and_then(|_| skep::abi::HelperId(u32::try_from(id).ok()?).name())
    }

    fn label(&self, slot: usize) -> Option<&str> {
        self.labels.get(&slot).copied()
    }
}

impl<'a> Listing<'a> {
    pub(in crate::cmd) fn new(spec: &'a Spec, program: &'a Program) -> Self {
        let functions = program.func_info.iter().filter(|f| f.insn > 0);
        Self {
            spec,
            program,
            labels: functions.map(|f| (f.insn, f.name.as_str())).collect(),
            relocs: program.relocs.iter().map(|r| (r.insn, &r.target)).collect(),
        }
    }

    pub(in crate::cmd) fn lines(&self, style: Style) -> Vec<Line> {
        let insns = &self.program.insns;
        let dis = Disassembler::new(style).names(self).labels(true);
        let mut sources = self.program.line_info.iter().peekable();
        let mut last: Option<(&str, u32)> = None;
        dis.lines(insns)
            .map(|l| {
                let mut source = None;
                while let Some(s) = sources.next_if(|s| s.insn <= l.slot) {
                    source = Some(s);
                }
                // Columns of one line are many entries; a line is shown once until another one comes between.
                let source = source.filter(|s| last.replace((&s.file, s.line)) != Some((&s.file, s.line)));
                let end = (l.slot + l.slots).min(insns.len());
                let (text, error) = match l.text {
                    Ok(t) => (Some(self.resolved(l.slot, t, style)), None),
                    Err(e) => (None, Some(e.to_string())),
                };
                Line {
                    slot: l.slot,
                    bytes: hex(&insns[l.slot..end], self.spec),
                    label: l.label,
                    text,
                    error,
                    comment: self.comment(l.slot),
                    source: source.map(|s| SourceLine {
                        file: s.file.to_string(),
                        line: s.line,
                        column: s.column,
                        text: s.text.to_string(),
                    }),
                }
            })
            .collect()
    }

    /// The instruction with the name of what a loader will put there.
    fn resolved(&self, slot: usize, text: String, style: Style) -> String {
        let Some(target) = self.relocs.get(&slot) else { return text };
        let Some((dst, _)) = text.split_once(" = ") else { return text };
        if style == Style::Mnemonic {
            return text;
        }
        match target {
            RelocTarget::Map(m) => format!("{dst} = map[{}]", self.map(*m)),
            RelocTarget::MapValue { map, offset } => format!("{dst} = map[{}][0]+{offset}", self.map(*map)),
            _ => text,
        }
    }

    fn comment(&self, slot: usize) -> Option<String> {
        let reloc = self.relocs.get(&slot).and_then(|target| match target {
            RelocTarget::MapValue { map, offset } => self.variable(*map, *offset),
            RelocTarget::Extern(e) => self.spec.externs.get(*e).map(|e| format!("extern {}", e.name)),
            RelocTarget::Map(_) | RelocTarget::Func(_) => None,
        });
        let core = self.program.core_relocs.iter().find(|c| c.insn == slot).map(|c| {
            let ty = self.spec.btf.as_ref().map(|b| crate::types::name(b, c.type_id));
            format!("CO-RE {} {}", ty.unwrap_or_else(|| "?".into()), c.access)
        });
        reloc.or(core)
    }

    /// The global variable at an offset of a data section.
    fn variable(&self, map: usize, offset: u32) -> Option<String> {
        let btf = self.spec.btf.as_ref()?;
        let section = btf.ty(self.spec.maps.get(map)?.btf_value?)?;
        let var = section.vars().find(|v| (v.offset..v.offset.saturating_add(v.size)).contains(&offset))?;
        let name = btf.ty(var.ty)?.name();
        match offset - var.offset {
            0 => Some(name.to_owned()),
            n => Some(format!("{name}+{n}")),
        }
    }

    fn map(&self, index: usize) -> &str {
        self.spec.maps.get(index).map_or("?", |m| m.name.as_str())
    }
}

fn hex(insns: &[Insn], spec: &Spec) -> String {
    let bytes = bytes_from_slots(insns, spec.endian);
    bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ")
}
