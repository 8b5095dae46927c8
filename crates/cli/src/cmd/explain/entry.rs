//! Rows of the tables in one shape, for searching and printing.

use clap::ValueEnum;
use serde::{Serialize, Serializer};
use skep::{abi, isa, verifier};

/// The kinds of thing that can be explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    Helper,
    #[value(alias = "map")]
    MapType,
    #[value(alias = "prog")]
    ProgType,
    #[value(alias = "attach")]
    AttachType,
    #[value(alias = "link")]
    LinkType,
    #[value(alias = "instruction")]
    Insn,
    /// A code of a diagnostic, as V0405
    Code,
}

/// One row.
#[derive(Debug, Serialize)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) name: String,
    /// Other spellings: mnemonics of instructions.
    #[serde(skip)]
    pub(super) also: Vec<&'static str>,
    pub(super) number: String,
    /// First Linux version that has it; none if Linux has it not.
    pub(super) since: Option<String>,
    pub(super) about: String,
    #[serde(serialize_with = "as_object")]
    pub(super) facts: Vec<(&'static str, String)>,
}

fn as_object<S: Serializer>(facts: &[(&'static str, String)], s: S) -> Result<S::Ok, S::Error> {
    s.collect_map(facts.iter().map(|(k, v)| (k, v)))
}

impl Entry {
    fn new(kind: Kind, name: &str, number: u32, since: abi::KernelVersion, about: &str) -> Self {
        Self {
            kind,
            name: name.to_owned(),
            also: Vec::new(),
            number: number.to_string(),
            since: Some(since.to_string()),
            about: about.to_owned(),
            facts: vec![("since", format!("Linux {since}"))],
        }
    }

    fn fact(mut self, name: &'static str, value: impl Into<String>) -> Self {
        let value = value.into();
        if !value.is_empty() {
            self.facts.push((name, value));
        }
        self
    }

    /// Name, name without `bpf_`, and other spellings.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> + Clone {
        let bare = self.name.strip_prefix("bpf_");
        std::iter::once(self.name.as_str()).chain(bare).chain(self.also.iter().copied())
    }

    /// Whether this is what `text` names: a name, an alias, or a number.
    pub(super) fn is_called(&self, text: &str) -> bool {
        if self.kind == Kind::Insn {
            return isa::reference::find_rows(text).iter().any(|r| r.name == self.name);
        }
        let number = |text: &str| match text.strip_prefix("0x") {
            Some(hex) => u32::from_str_radix(hex, 16).ok(),
            None => text.parse().ok(),
        };
        if let Some(n) = number(text) {
            return number(&self.number) == Some(n);
        }
        let alias = match self.kind {
            Kind::Helper => text.parse::<abi::HelperId>().ok().map(|n| n.0),
            Kind::MapType => text.parse::<abi::MapType>().ok().map(|n| n.0),
            Kind::ProgType => text.parse::<abi::ProgType>().ok().map(|n| n.0),
            Kind::AttachType => text.parse::<abi::AttachType>().ok().map(|n| n.0),
            Kind::LinkType => text.parse::<abi::LinkType>().ok().map(|n| n.0),
            Kind::Insn | Kind::Code => None,
        };
        alias.is_some_and(|n| number(&self.number) == Some(n))
            || self.names().any(|n| n.eq_ignore_ascii_case(text))
    }
}

impl Kind {
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Helper => "helper",
            Self::MapType => "map type",
            Self::ProgType => "program type",
            Self::AttachType => "attach type",
            Self::LinkType => "link type",
            Self::Insn => "instruction",
            Self::Code => "code",
        }
    }

    /// All rows of the kind, in the order of their numbers.
    pub(super) fn entries(self) -> Vec<Entry> {
        match self {
            Self::Helper => abi::helpers().iter().filter(|r| r.id.0 != 0).map(helper).collect(),
            Self::MapType => abi::map_types().iter().filter(|r| r.id.0 != 0).map(map_type).collect(),
            Self::ProgType => abi::prog_types().iter().filter(|r| r.id.0 != 0).map(prog_type).collect(),
            Self::AttachType => abi::attach_types()
                .iter()
                .map(|r| Entry::new(self, r.name, r.id.0, r.since, r.about).fact("for", attached_by(r.id)))
                .collect(),
            Self::LinkType => {
                abi::link_types().iter().map(|r| Entry::new(self, r.name, r.id.0, r.since, r.about)).collect()
            }
            Self::Insn => isa::ROWS.iter().map(insn).collect(),
            Self::Code => verifier::codes().map(code).collect(),
        }
    }
}

fn helper(r: &abi::HelperRow) -> Entry {
    let gpl = if r.gpl { "a licence that is compatible with the GPL" } else { "" };
    Entry::new(Kind::Helper, r.name, r.id.0, r.since, r.about)
        .fact("C", r.c)
        .fact("needs", gpl)
        .fact("callers", callers(r))
}

/// Program types that may call it, a few a line.
fn callers(r: &abi::HelperRow) -> String {
    let types: Vec<&abi::ProgTypeRow> = abi::prog_types().iter().filter(|p| p.id.0 != 0).collect();
    let may: Vec<_> = types.iter().filter(|p| r.progs.contains(p.id)).map(|p| p.name).collect();
    if may.len() == types.len() {
        return "every program type".into();
    }
    may.chunks(6).map(|c| c.join(", ")).collect::<Vec<_>>().join(",\n")
}

fn prog_type(r: &abi::ProgTypeRow) -> Entry {
    let verdicts: Vec<_> = r.verdicts.iter().map(|v| format!("{} = {}", v.name, v.value)).collect();
    let attach: Vec<_> = r
        .attach_types
        .iter()
        .filter(|a| a.0 != 0 || r.id == abi::ProgType::CGROUP_SKB)
        .map(ToString::to_string)
        .collect();
    Entry::new(Kind::ProgType, r.name, r.id.0, r.since, r.about)
        .fact("context", r.context)
        .fact("returns", verdicts.join("\n"))
        .fact("attach types", attach.join("\n"))
}

fn attached_by(attach: abi::AttachType) -> String {
    // Zero also means that no attach type is given, which many program types take.
    let takes = |p: &&abi::ProgTypeRow| {
        p.attach_types.contains(&attach) && (attach.0 != 0 || p.id == abi::ProgType::CGROUP_SKB)
    };
    let users = abi::prog_types().iter().filter(takes);
    users.map(|p| p.name).collect::<Vec<_>>().join(", ")
}

fn map_type(r: &abi::MapTypeRow) -> Entry {
    use abi::{Entries, KeySize, ValueSize};
    let key = match r.key {
        KeySize::None => "none: the size is 0".into(),
        KeySize::Exactly(n) => format!("{n} bytes"),
        KeySize::Between(a, b) => format!("{a} to {b} bytes"),
        KeySize::Any => "any size".into(),
    };
    let value = match r.value {
        ValueSize::None => "none: the size is 0".into(),
        ValueSize::OneOf(sizes) => {
            let sizes: Vec<_> = sizes.iter().map(ToString::to_string).collect();
            format!("{} bytes", sizes.join(" or "))
        }
        ValueSize::Any => "any size".into(),
        ValueSize::MultipleOf(n) => format!("a multiple of {n} bytes"),
    };
    let entries = match r.entries {
        Entries::Zero => "0: entries belong to other objects",
        Entries::One => "1",
        Entries::Any => "any number but 0",
        Entries::PowerOfTwoPages => "a power of two that is a multiple of the page size, in bytes",
        Entries::Pages => "a number of pages",
    };
    let flags = abi::map_flag_names().iter().filter(|(f, _)| r.flags.contains(*f));
    let needed = abi::map_flag_names().iter().filter(|(f, _)| r.needed_flags.contains(*f));
    let lines = |names: &mut dyn Iterator<Item = &(abi::MapFlags, &'static str)>| {
        names.map(|(_, n)| *n).collect::<Vec<_>>().join("\n")
    };
    Entry::new(Kind::MapType, r.name, r.id.0, r.since, r.about)
        .fact("key", key)
        .fact("value", value + if r.per_cpu { ", one for each CPU" } else { "" })
        .fact("max_entries", entries)
        .fact("flags", lines(&mut flags.into_iter()))
        .fact("needs", lines(&mut needed.into_iter()))
}

fn code(c: &skep::diag::Code) -> Entry {
    Entry {
        kind: Kind::Code,
        name: c.id.to_owned(),
        also: Vec::new(),
        number: c.id[1..].to_owned(),
        since: None,
        about: c.title.to_owned(),
        facts: vec![("story", c.story.to_owned())],
    }
}

fn insn(r: &isa::Row) -> Entry {
    let [kernel, mnemonic] = r.spellings();
    let e = Entry {
        kind: Kind::Insn,
        name: r.name.to_owned(),
        also: vec![r.mnemonic_name()],
        number: format!("{:#04x}", r.opcode),
        since: r.linux.map(str::to_owned),
        about: r.meaning.to_owned(),
        facts: Vec::new(),
    };
    e.fact("kernel", kernel)
        .fact("mnemonic", mnemonic)
        .fact("encoding", r.encoding())
        .fact("operands", r.operands.join(", "))
        .fact("cpu", r.cpu.to_string())
        .fact("since", r.linux.map_or("not taken by Linux".into(), |v| format!("Linux {v}")))
        .fact("source", r.rfc.map(|s| format!("RFC 9669, section {s}")).unwrap_or_default())
}
