//! Declarations: a type and a name in C's inside-out notation, and the bodies of structs and enumerations.

use super::Dumper;
use super::layout::padding;
use crate::{BtfError, Kind, Type, TypeId};

/// Levels of pointers, arrays, functions and bodies in one declaration.
const MAX_LEVELS: usize = 64;
/// A gap of more bytes than this becomes an array: one line for each eight bytes would flood the text.
const LONGEST_GAP: u64 = 16 << 10;

impl<'a> Dumper<'a> {
    /// `type name`, at an indentation of `indent` tabs for the lines after the first.
    pub(super) fn declare(
        &mut self,
        id: TypeId,
        name: &str,
        indent: usize,
        levels: usize,
    ) -> Result<String, BtfError> {
        let deep = || BtfError::new("is nested too deep for a declaration").in_type(id);
        let levels = levels.checked_sub(1).ok_or_else(deep)?;
        let mut text = name.to_owned();
        // Qualifiers that wait for the pointer or base that they belong to.
        let mut qualifiers = String::new();
        let mut t = self.btf.existing(id)?;
        let mut behind_star = false;
        for _ in 0..MAX_LEVELS {
            let mut next = t.target().unwrap_or_default();
            match t.kind() {
                Kind::Const => qualify(&mut qualifiers, "const "),
                Kind::Volatile => qualify(&mut qualifiers, "volatile "),
                Kind::Restrict => qualify(&mut qualifiers, "restrict "),
                Kind::TypeTag => {
                    let tag = attribute(t);
                    self.grow(&mut qualifiers, &tag)?;
                }
                Kind::Ptr => {
                    text = format!("*{}{text}", std::mem::take(&mut qualifiers));
                    text.truncate(text.trim_end().len());
                    behind_star = true;
                }
                Kind::Array => {
                    let array = t.array().ok_or_else(deep)?;
                    text = wrap(text, &mut behind_star);
                    self.grow(&mut text, &format!("[{}]", array.len))?;
                    next = array.element;
                }
                Kind::FuncProto => {
                    qualifiers.clear();
                    text = wrap(text, &mut behind_star);
                    let params = self.params(t, indent, levels)?;
                    self.grow(&mut text, &params)?;
                }
                _ => {
                    let mut out = qualifiers;
                    let base = self.base(t, indent, levels)?;
                    self.grow(&mut out, &base)?;
                    if !text.is_empty() {
                        self.grow(&mut out, " ")?;
                    }
                    self.grow(&mut out, &text)?;
                    return Ok(out);
                }
            }
            t = self.btf.existing(next)?;
        }
        Err(deep())
    }

    /// What stands at the front of a declaration.
    fn base(&mut self, t: Type<'a>, indent: usize, levels: usize) -> Result<String, BtfError> {
        Ok(match t.kind() {
            Kind::Void => "void".into(),
            Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 if t.name_offset() == 0 => {
                self.body(t, indent, levels)?
            }
            Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 | Kind::Fwd => self.tag(t),
            _ => self.names.of(t).into_owned(),
        })
    }

    fn params(&mut self, t: Type<'a>, indent: usize, levels: usize) -> Result<String, BtfError> {
        let mut text = String::from("(");
        let count = t.params().len();
        for (n, p) in t.params().enumerate() {
            if n > 0 {
                self.grow(&mut text, ", ")?;
            }
            if p.ty == TypeId::VOID && n + 1 == count {
                // `(...)` alone is not C before C23; there `()` says as much.
                self.grow(&mut text, if n > 0 { "..." } else { "" })?;
            } else {
                let param = self.declare(p.ty, p.name, indent, levels)?;
                self.grow(&mut text, &param)?;
            }
        }
        self.grow(&mut text, if count == 0 { "void)" } else { ")" })?;
        Ok(text)
    }

    /// `struct name { ... } attributes`, without a semicolon.
    pub(super) fn body(&mut self, t: Type<'a>, indent: usize, levels: usize) -> Result<String, BtfError> {
        let deep = || BtfError::new("is nested too deep for a declaration").in_type(t.id());
        let levels = levels.checked_sub(1).ok_or_else(deep)?;
        let mut text = self.tag(t) + " {";
        if t.kind().is_enum() {
            self.values(t, indent, &mut text)?;
        } else {
            self.fields(t, indent, levels, &mut text)?;
        }
        Ok(text)
    }

    fn line(&self, text: &mut String, indent: usize, line: &str) -> Result<(), BtfError> {
        self.grow(text, "\n")?;
        self.grow(text, &"\t".repeat(indent))?;
        self.grow(text, line)
    }

    fn fields(
        &mut self,
        t: Type<'a>,
        indent: usize,
        levels: usize,
        text: &mut String,
    ) -> Result<(), BtfError> {
        let shape = self.layouts.shape(t)?;
        let is_struct = t.kind() == Kind::Struct;
        let size = u64::from(t.size().unwrap_or(0)) * 8;
        let empty = text.len();
        let mut full = 0;
        let mut fields = Vec::new();
        for m in t.members() {
            fields.push(self.layouts.field(m)?);
        }
        // C lays members out in the order of their text; other languages may list them in another one.
        if is_struct && !fields.is_sorted_by_key(|f| f.at) {
            fields.sort_by_key(|f| f.at);
        }
        for field in fields {
            if is_struct && field.natural_place(full, shape.packed) < field.at {
                self.pad(text, indent + 1, full, field.at)?;
            }
            let mut line = self.declare(field.ty, field.name, indent + 1, levels)?;
            if let Some(bits) = field.bits {
                line.push_str(&format!(": {bits}"));
            }
            line.push(';');
            self.line(text, indent + 1, &line)?;
            full = field.end();
        }
        let natural = full.next_multiple_of(u64::from(shape.align) * 8);
        if is_struct && natural < size {
            self.pad(text, indent + 1, full, size)?;
        }
        if text.len() == empty {
            self.grow(text, "}")?;
        } else {
            self.line(text, indent, "}")?;
        }
        if shape.packed {
            self.grow(text, " __attribute__((packed))")?;
        }
        if let Some(align) = shape.aligned {
            self.grow(text, &format!(" __attribute__((aligned({align})))"))?;
        }
        Ok(())
    }

    fn pad(&self, text: &mut String, indent: usize, from: u64, to: u64) -> Result<(), BtfError> {
        let whole = from.next_multiple_of(8);
        if to.saturating_sub(whole) / 8 > LONGEST_GAP {
            for (ty, width) in padding(from, whole) {
                self.line(text, indent, &format!("{ty}: {width};"))?;
            }
            let name = format!("char __pad{}[{}];", whole / 8, (to - whole) / 8);
            return self.line(text, indent, &name);
        }
        padding(from, to).try_for_each(|(ty, width)| self.line(text, indent, &format!("{ty}: {width};")))
    }

    fn values(&mut self, t: Type<'a>, indent: usize, text: &mut String) -> Result<(), BtfError> {
        let (mut low, mut high) = (0, 0);
        for v in t.variants() {
            let name = self.names.value(v.name);
            (low, high) = (v.value().min(low), v.value().max(high));
            let suffix = match (t.kind(), t.kind_flag()) {
                (Kind::Enum64, true) => "LL",
                (Kind::Enum64, false) => "ULL",
                _ => "",
            };
            // The least 64-bit number can't be written as one.
            let line = match i64::try_from(v.value()) {
                Ok(i64::MIN) => format!("{name} = (-9223372036854775807LL - 1),"),
                _ => format!("{name} = {}{suffix},", v.value()),
            };
            self.line(text, indent + 1, &line)?;
        }
        self.line(text, indent, "}")?;
        let narrow = low >= i32::MIN.into() && high <= i32::MAX.into() || low >= 0 && high <= u32::MAX.into();
        match (t.size(), if narrow { 4 } else { 8 }) {
            (Some(1), _) => self.grow(text, " __attribute__((mode(QI)))"),
            (Some(2), _) => self.grow(text, " __attribute__((mode(HI)))"),
            (Some(8), 4) => self.grow(text, " __attribute__((mode(DI)))"),
            _ => Ok(()),
        }
    }
}

/// Parentheses around `*name` before `[` or `(` is put behind it.
fn wrap(text: String, behind_star: &mut bool) -> String {
    if std::mem::take(behind_star) { format!("({text})") } else { text }
}

/// Puts a qualifier in front, once: arrays hand theirs down to elements that may have it already.
fn qualify(qualifiers: &mut String, word: &str) {
    if !qualifiers.contains(word) {
        qualifiers.insert_str(0, word);
    }
}

/// A type tag as an attribute.
fn attribute(t: Type<'_>) -> String {
    if t.kind_flag() {
        format!("__attribute__(({})) ", t.name())
    } else {
        format!("__attribute__((btf_type_tag(\"{}\"))) ", t.name())
    }
}
