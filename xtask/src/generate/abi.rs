//! The tables of the ABI as documents.

use std::fmt::Write;

use skep_abi::{
    Access, AttachType, Entries, HelperRow, KeySize, MapTypeRow, ProgType, ProgTypeRow, ValueSize,
};

use super::{REMARK, Table};

fn document(title: &str, about: &str, body: &str) -> String {
    format!("{REMARK}\n\n# {title}\n\n{about}\n\n{body}")
}

fn code(text: impl std::fmt::Display) -> String {
    format!("`{text}`")
}

fn codes<T: std::fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(code).collect::<Vec<_>>().join(" ")
}

/// Who may call a helper, in short: all, or whom it is for, or whom it is not for.
fn callers(row: &HelperRow) -> String {
    let all = skep_abi::prog_types().iter().skip(1).map(|row| row.id);
    let (may, not): (Vec<ProgType>, Vec<ProgType>) = all.partition(|prog| row.progs.contains(*prog));
    match (may.len(), not.len()) {
        (_, 0) => "all".to_owned(),
        (_, 1..=6) => format!("all but {}", codes(not)),
        _ => codes(may),
    }
}

pub(super) fn helpers() -> String {
    let mut body = String::new();
    for row in skep_abi::helpers().iter().skip(1) {
        let gpl = if row.gpl { ", GPL only" } else { "" };
        let sleep = if row.id.may_sleep() { " May sleep." } else { "" };
        let packet =
            if row.id.changes_packet() { " Pointers into the packet do not outlive it." } else { "" };
        let callers = callers(row);
        let _ = writeln!(
            body,
            "## {}: {}\n\n{}\n\n```c\n{};\n```\n\nSince Linux {}{gpl}. For: {callers}.{sleep}{packet}\n",
            row.id.0, row.name, row.about, row.c, row.since
        );
    }
    let about = "Functions of the kernel that programs call by number, as of Linux 6.18.";
    document("Helpers", about, body.trim_end()) + "\n"
}

fn attach_list(row: &ProgTypeRow) -> String {
    let names =
        row.attach_types.iter().filter(|attach| **attach != AttachType(0) || row.id == ProgType::CGROUP_SKB);
    codes(names)
}

pub(super) fn prog_types() -> String {
    let mut table =
        Table::new(&["number", "name", "since", "meaning", "context", "expected attach types", "verdicts"]);
    for row in skep_abi::prog_types().iter().skip(1) {
        let verdicts = row.verdicts.iter().map(|verdict| format!("{} {}", verdict.name, verdict.value));
        let context = if row.context.is_empty() { String::new() } else { code(row.context) };
        table.row([
            row.id.0.to_string(),
            code(row.name),
            row.since.to_string(),
            row.about.to_owned(),
            context,
            attach_list(row),
            verdicts.collect::<Vec<_>>().join(", "),
        ]);
    }
    document(
        "Program types",
        "What a program is for decides what it sees and what it may return.",
        &table.text,
    )
}

fn key(row: &MapTypeRow) -> String {
    match row.key {
        KeySize::None => "none".to_owned(),
        KeySize::Exactly(size) => size.to_string(),
        KeySize::Between(from, to) => format!("{from} to {to}"),
        KeySize::Any => "any".to_owned(),
    }
}

fn value(row: &MapTypeRow) -> String {
    match row.value {
        ValueSize::None => "none".to_owned(),
        ValueSize::OneOf(sizes) => sizes.iter().map(u32::to_string).collect::<Vec<_>>().join(" or "),
        ValueSize::Any => "any".to_owned(),
        ValueSize::MultipleOf(unit) => format!("multiple of {unit}"),
    }
}

fn entries(row: &MapTypeRow) -> &'static str {
    match row.entries {
        Entries::Zero => "0",
        Entries::One => "1",
        Entries::Any => "any",
        Entries::PowerOfTwoPages => "bytes: a power of two, in pages",
        Entries::Pages => "pages",
    }
}

pub(super) fn map_types() -> String {
    let headings =
        ["number", "name", "since", "meaning", "key bytes", "value bytes", "max_entries", "per CPU", "flags"];
    let mut table = Table::new(&headings);
    for row in skep_abi::map_types().iter().skip(1) {
        let flags = skep_abi::map_flag_names().iter().filter(|(flag, _)| row.flags.contains(*flag));
        let flags = flags.map(|(flag, name)| {
            let name = name.trim_start_matches("BPF_F_");
            if row.needed_flags.contains(*flag) { format!("{name} (needed)") } else { name.to_owned() }
        });
        table.row([
            row.id.0.to_string(),
            code(row.name),
            row.since.to_string(),
            row.about.to_owned(),
            key(row),
            value(row),
            entries(row).to_owned(),
            if row.per_cpu { "yes" } else { "" }.to_owned(),
            flags.collect::<Vec<_>>().join(" "),
        ]);
    }
    document("Map types", "What `BPF_MAP_CREATE` holds each type to.", &table.text)
}

pub(super) fn attach_types() -> String {
    let mut table = Table::new(&["number", "name", "since", "meaning"]);
    for row in skep_abi::attach_types() {
        table.row([row.id.0.to_string(), code(row.name), row.since.to_string(), row.about.to_owned()]);
    }
    document("Attach types", "Where a program may be hooked in.", &table.text)
}

pub(super) fn sections() -> String {
    let mut table =
        Table::new(&["section", "program type", "attach type", "remarks", "what follows the `/`"]);
    for row in skep_abi::sections() {
        let flags = [
            (row.sleepable, "sleepable"),
            (row.frags, "fragments"),
            (row.attach_optional, "attach optional"),
        ];
        let remarks = flags.iter().filter(|(set, _)| *set).map(|(_, name)| *name);
        let needs_attach =
            row.attach != AttachType(0) || row.prog == ProgType::CGROUP_SKB && row.attach_optional;
        let attach = if needs_attach { code(row.attach) } else { String::new() };
        let rest =
            if row.rest == skep_abi::Rest::Nothing { String::new() } else { format!("{:?}", row.rest) };
        let remarks = remarks.collect::<Vec<_>>().join(", ");
        table.row([code(row.name), code(row.prog), attach, remarks, rest.to_lowercase()]);
    }
    let about = "How the name of an ELF section says what a program is; the names are libbpf's.";
    document("Section names", about, &table.text)
}

fn access(access: Option<Access>) -> String {
    let Some(access) = access else { return String::new() };
    let sizes = if access.min == access.max {
        access.max.to_string()
    } else {
        format!("{} to {}", access.min, access.max)
    };
    let types = skep_abi::prog_types().iter().skip(1).map(|row| row.id);
    let (may, not): (Vec<_>, Vec<_>) = types.partition(|prog| access.progs.contains(*prog));
    let mut text = sizes;
    if not.len() > 12 {
        let _ = write!(text, " for {}", codes(may));
    } else if !not.is_empty() {
        let _ = write!(text, " but for {}", codes(not));
    }
    if !access.attach.is_empty() {
        let _ = write!(text, " at {}", codes(access.attach));
    }
    text
}

pub(super) fn contexts() -> String {
    let mut body = String::new();
    for context in skep_abi::contexts() {
        let _ = writeln!(body, "## {}\n\n{} {} bytes.\n", context.name, context.about, context.size);
        let mut table =
            Table::new(&["offset", "bytes", "field", "gives", "load, in bytes", "store, in bytes"]);
        for field in context.fields {
            let count = field.size / field.element;
            let name = if count > 1 { format!("{}[{count}]", field.name) } else { field.name.to_owned() };
            table.row([
                field.offset.to_string(),
                field.size.to_string(),
                code(name),
                format!("{:?}", field.kind),
                access(field.read),
                access(field.write),
            ]);
        }
        body.push_str(&table.text);
        body.push('\n');
    }
    let about = "What r1 points to when a program starts. An access lies inside one field, at a multiple of its size.";
    document("Contexts", about, body.trim_end()) + "\n"
}
