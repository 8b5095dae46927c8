//! C: the types as a header that compiles to the same sizes and offsets, as `bpftool btf dump format c`
//! gives them.
//!
//! Structs come after what they contain, pointers make do with forward declarations; layout that C would
//! not choose by itself is forced with unnamed bitfields, `packed` and `aligned`. Where two types have one
//! name, the later ones get a flavour (`name___2`), which CO-RE looks through. Functions, variables,
//! sections and declaration tags have no place in a header and are left out.
//!
//! Work and output are limited: types without an end, and those that would unfold into far more text than
//! the BTF holds, are an error.

mod declare;
mod layout;
mod names;
mod order;

use std::collections::HashSet;

use crate::parse::{Reference, references};
use crate::{Btf, BtfError, Kind, Type, TypeId};
use layout::Layouts;
use names::Names;
use order::State;

const HEAD: &str = "\
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute push (__attribute__((preserve_access_index)), apply_to = record)
#endif

";

const TAIL: &str = "\
#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute pop
#endif

#endif /* __VMLINUX_H__ */
";

/// The header. Of split BTF: the types that are not in the base, and those of the base that they need.
///
/// # Errors
/// If a type contains itself, or the text would be out of all proportion to the BTF.
pub fn dump(btf: &Btf) -> Result<String, BtfError> {
    let mut dumper = Dumper::new(btf);
    dumper.out.push_str(HEAD);
    let inlined = referenced_anonymous(btf);
    for t in btf.own_types() {
        let anonymous = t.name_offset() == 0;
        match t.kind() {
            Kind::Struct | Kind::Union if !anonymous => dumper.define(t, 0)?,
            Kind::Enum | Kind::Enum64 if !anonymous => dumper.define(t, 0)?,
            Kind::Enum | Kind::Enum64 if !inlined.contains(&t.id()) => dumper.define(t, 0)?,
            Kind::Typedef => dumper.define_typedef(t, 0)?,
            Kind::Fwd => dumper.forward(t)?,
            _ => {}
        }
    }
    dumper.emit(TAIL)?;
    Ok(dumper.out)
}

/// The header of these types alone, and of those that they need.
///
/// # Errors
/// As for [`dump`]; if there is no type of such an id.
pub fn dump_types(btf: &Btf, roots: &[TypeId]) -> Result<String, BtfError> {
    let mut dumper = Dumper::new(btf);
    dumper.out.push_str(HEAD);
    for root in roots {
        dumper.need(*root, true, 0)?;
    }
    dumper.emit(TAIL)?;
    Ok(dumper.out)
}

/// Enumerations without a name that some other type spells out in place.
fn referenced_anonymous(btf: &Btf) -> HashSet<TypeId> {
    let mut found = HashSet::new();
    for t in btf.own_types() {
        for (_, reference) in references(t.kind(), t.words) {
            if let Reference::Type(id) = reference
                && let Some(target) = btf.ty(TypeId(id))
                && target.kind().is_enum()
                && target.name_offset() == 0
            {
                found.insert(TypeId(id));
            }
        }
    }
    found
}

/// The state of a dump.
struct Dumper<'a> {
    btf: &'a Btf,
    out: String,
    /// Longest text that is made, whole or in part.
    limit: usize,
    /// Types that may still be looked at in search of what must come first.
    work: usize,
    states: Vec<State>,
    names: Names<'a>,
    layouts: Layouts<'a>,
}

impl<'a> Dumper<'a> {
    fn new(btf: &'a Btf) -> Self {
        Self {
            btf,
            out: String::new(),
            limit: text_limit(btf),
            work: text_limit(btf) / 4,
            states: vec![State::default(); btf.len() + 1],
            names: Names::new(btf),
            layouts: Layouts::new(btf),
        }
    }

    /// Appends to a piece of text, within the limit.
    fn grow(&self, text: &mut String, more: &str) -> Result<(), BtfError> {
        if text.len() + more.len() > self.limit {
            return Err(BtfError::new("the types unfold into too much text"));
        }
        text.push_str(more);
        Ok(())
    }

    fn emit(&mut self, text: &str) -> Result<(), BtfError> {
        let mut out = std::mem::take(&mut self.out);
        let done = self.grow(&mut out, text);
        self.out = out;
        done
    }

    /// `struct name`, `union name`, `enum name`.
    fn tag(&self, t: Type<'_>) -> String {
        let word = match t.kind() {
            Kind::Struct => "struct",
            Kind::Union => "union",
            Kind::Fwd if t.kind_flag() => "union",
            Kind::Fwd => "struct",
            _ => "enum",
        };
        let name = self.names.of(t);
        if name.is_empty() { word.to_owned() } else { format!("{word} {name}") }
    }
}

/// Text that a dump may make: the kernel's types take half a byte of C for a byte of BTF.
pub(crate) fn text_limit(btf: &Btf) -> usize {
    let base = btf.base().map_or(0, |base| text_limit(base));
    base + (1 << 20) + 16 * (4 * btf.words.len() + btf.strings.len())
}
