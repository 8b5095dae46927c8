//! [`Value`] as text in the manner of C initialisers: `{.a = 1, .b = {2, 3}}`. The alternate form
//! (`{:#}`) takes a line for each member.

use std::fmt::{self, Write};

use super::Value;

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pretty = f.alternate();
        write_value(f, self, pretty, 0)
    }
}

fn write_value(f: &mut fmt::Formatter<'_>, value: &Value<'_>, pretty: bool, depth: usize) -> fmt::Result {
    match value {
        Value::Signed { value, .. } => write!(f, "{value}"),
        Value::Unsigned { value, .. } => write!(f, "{value}"),
        Value::Bool(value) => write!(f, "{value}"),
        Value::Text(text) => write!(f, "{text:?}"),
        Value::Enum { name: Some(name), .. } => f.write_str(name),
        Value::Enum { name: None, value } => write!(f, "{value}"),
        Value::Ptr(address) => write!(f, "{address:#x}"),
        Value::Float(value) => write!(f, "{value}"),
        Value::Bytes(bytes) => hex(f, bytes),
        Value::Fields(fields) => braces(f, fields, pretty, depth, |f, (name, value)| {
            if !name.is_empty() {
                write!(f, ".{name} = ")?;
            }
            write_value(f, value, pretty, depth + 1)
        }),
        // A list of plain numbers stays on one line even when pretty: one line a byte helps nobody.
        Value::List(list) => {
            let nested = list.iter().any(|v| matches!(v, Value::Fields(_) | Value::List(_)));
            braces(f, list, pretty && nested, depth, |f, value| write_value(f, value, pretty, depth + 1))
        }
    }
}

fn hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    f.write_str("hex:")?;
    bytes.iter().try_for_each(|b| write!(f, "{b:02x}"))
}

/// `{a, b}`, or a line an item.
fn braces<T>(
    f: &mut fmt::Formatter<'_>,
    items: &[T],
    lines: bool,
    depth: usize,
    item: impl Fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    let indent = |f: &mut fmt::Formatter<'_>, depth: usize| {
        f.write_char('\n')?;
        (0..depth).try_for_each(|_| f.write_str("    "))
    };
    f.write_char('{')?;
    for (n, x) in items.iter().enumerate() {
        if lines {
            indent(f, depth + 1)?;
        } else if n > 0 {
            f.write_str(", ")?;
        }
        item(f, x)?;
        if lines {
            f.write_char(',')?;
        }
    }
    if lines && !items.is_empty() {
        indent(f, depth)?;
    }
    f.write_char('}')
}
