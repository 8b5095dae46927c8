//! The two passes of the assembler: instructions as they stand, then the names in them.

use super::error::nearest;
use super::matching::{self, Complaint, Link, Matched};
use super::{AsmError, Assembler, Assembly, Dialect, Finding, Label, RefKind, Reference, SlotSpan, line};
use crate::fields::Slots;
use crate::insn::Insn;
use crate::row::Field;
use crate::text::lex::lex;
use crate::text::template::Hole;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

/// A label's slot and where it was defined; the implicit `exit` is defined nowhere.
type Places = BTreeMap<String, (usize, Option<usize>)>;

/// The state of one run.
pub(super) struct Linker<'a, 't> {
    asm: &'a Assembler<'a>,
    text: &'t str,
    out: Assembly,
    /// Names to be resolved, with the slot that holds them.
    links: Vec<(usize, Link)>,
    places: Places,
    findings: Vec<Finding>,
}

impl<'a, 't> Linker<'a, 't> {
    pub(super) fn new(asm: &'a Assembler<'a>, text: &'t str) -> Self {
        let out = Assembly::default();
        Self { asm, text, out, links: Vec::new(), places: Places::new(), findings: Vec::new() }
    }

    pub(super) fn run(mut self) -> Result<Assembly, AsmError> {
        let mut start = 0;
        for (number, line) in self.text.split('\n').enumerate() {
            self.line(number + 1, start..start + line.len());
            start += line.len() + 1;
        }
        for (slot, link) in core::mem::take(&mut self.links) {
            self.resolve(slot, link);
        }
        self.out.references.sort_by_key(|reference| reference.slot);
        if self.findings.is_empty() { Ok(self.out) } else { Err(AsmError::new(self.findings)) }
    }

    fn line(&mut self, number: usize, range: Range<usize>) {
        let line = line::split(self.text, range);
        for name in line.labels {
            self.label(number, name);
        }
        let percent = self.asm.dialect == Dialect::Mnemonic;
        let tokens = lex(&self.text[line.body.clone()], line.body.start, percent);
        if tokens.is_empty() {
            return;
        }
        match matching::find(&self.asm.templates, &tokens, line.opcode, self.asm.names) {
            Ok(matched) => self.push(number, line.body, matched),
            Err(complaint) => self.complain(number, complaint),
        }
    }

    fn label(&mut self, number: usize, span: Range<usize>) {
        let name = String::from(&self.text[span.clone()]);
        let slot = self.out.insns.len();
        if let Some(&(_, Some(first))) = self.places.get(&name) {
            let message = format!("label `{name}` is already defined on line {first}");
            return self.complain(number, Complaint { span, message, hint: None });
        }
        self.places.insert(name.clone(), (slot, Some(number)));
        self.out.labels.push(Label { name, slot, span });
    }

    fn push(&mut self, number: usize, span: Range<usize>, matched: Matched) {
        let Matched { row, slots, link } = matched;
        let slot = self.out.insns.len();
        if self.asm.dialect == Dialect::Mnemonic && row.name == "exit" {
            self.places.entry(String::from("exit")).or_insert((slot, None));
        }
        self.out.insns.push(slots.first);
        if row.is_wide() {
            self.out.insns.push(slots.next);
        }
        self.out.lines.push(SlotSpan { slot, line: number, span });
        self.links.extend(link.map(|link| (slot, link)));
    }

    fn resolve(&mut self, slot: usize, link: Link) {
        let kind = match link.hole {
            Hole::Map if self.source(slot) == 2 => RefKind::MapValue,
            Hole::Map => RefKind::Map,
            Hole::Ksym => RefKind::Ksym,
            Hole::Kfunc => RefKind::Kfunc,
            _ => match self.places.get(&link.name) {
                Some(&(place, _)) => return self.jump(slot, &link, place),
                None if link.hole == Hole::Symbol => {
                    self.set(slot, Field::Src, 0);
                    RefKind::Symbol
                }
                None => return self.unknown(slot, link),
            },
        };
        self.out.references.push(Reference { slot, kind, name: link.name, span: link.span });
    }

    fn source(&self, slot: usize) -> u8 {
        self.out.insns.get(slot).map_or(0, |insn| insn.src)
    }

    fn set(&mut self, slot: usize, field: Field, value: i32) {
        if let Some(insn) = self.out.insns.get_mut(slot) {
            let mut slots = Slots { first: *insn, next: Insn::default() };
            slots.set(field, value);
            *insn = slots.first;
        }
    }

    fn jump(&mut self, slot: usize, link: &Link, place: usize) {
        let distance = place as i64 - slot as i64 - 1;
        let (field, fits) = match link.hole {
            Hole::Near => (Field::Off, i16::try_from(distance).is_ok()),
            _ => (Field::Imm, i32::try_from(distance).is_ok()),
        };
        if fits {
            return self.set(slot, field, distance as i32);
        }
        let message = format!("label `{}` is {distance} slots away, too far for this jump", link.name);
        let hint = (link.hole == Hole::Near).then(|| String::from("`gotol` (`ja32`) reaches farther"));
        let number = self.out.line_of(slot).map_or(1, |line| line.line);
        self.complain(number, Complaint { span: link.span.clone(), message, hint });
    }

    fn unknown(&mut self, slot: usize, link: Link) {
        // A hint costs a look at every label: not for a million of both.
        const MOST_LABELS: usize = 1000;
        if self.is_full() {
            return;
        }
        let Link { hole, name, span } = link;
        let places = self.places.keys().take(MOST_LABELS).map(String::as_str);
        let helper = if hole == Hole::Call { self.asm.names.nearest_helper(&name) } else { None };
        let like = nearest(&name, places.chain(helper)).or(helper);
        let hint = like.map(|like| format!("did you mean `{like}`?"));
        let what = if hole == Hole::Call { "no helper and no label is" } else { "no label is" };
        let message = format!("{what} called `{name}`");
        let number = self.out.line_of(slot).map_or(1, |line| line.line);
        self.complain(number, Complaint { span, message, hint });
    }

    fn is_full(&self) -> bool {
        self.findings.len() >= AsmError::MAX_FINDINGS
    }

    fn complain(&mut self, line: usize, complaint: Complaint) {
        if self.is_full() {
            return;
        }
        let Complaint { span, message, hint } = complaint;
        let start = self.text[..span.start].rfind('\n').map_or(0, |at| at + 1);
        let column = self.text[start..span.start].chars().count() + 1;
        let width = self.text[span.clone()].chars().count().max(1);
        let columns = column..column + width;
        self.findings.push(Finding { line, columns, span, message, hint });
    }
}
