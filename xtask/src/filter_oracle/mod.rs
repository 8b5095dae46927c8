//! `cargo xtask filter-oracle`: the filter compiler held to the results of libpcap's own test suite, which stay outside
//! of the project. They come from a checkout of libpcap (`suite`), or from a file of the same rows: one JSON object a
//! line, with `func`, `expr`, `DLT`, `optimize`, `expected` and the like.
//!
//! Left out is what is bound to another operating system, and what tests other parts of that library than its compiler.

mod apply;
pub mod lift;
mod suite;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};

use serde_json::Value;
use skep_filter::{ByteOrder, Code, Database, Dlt, Options, Walk, addr, compile, names};
use skep_isa::classic::Insn;
use skep_isa::classic::text::{Form, print};

/// How a row came out.
enum Outcome {
    Pass,
    Fail(String),
    /// What is missing to judge it.
    Skip(String),
}

/// Passed, failed and skipped rows of each kind; the first failures in words.
#[derive(Default)]
pub struct Tally {
    counts: BTreeMap<String, [usize; 3]>,
    skips: BTreeMap<String, usize>,
    failures: Vec<String>,
}

impl Tally {
    /// Whether no row failed.
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }

    fn add(&mut self, kind: String, row: &Value, outcome: Outcome) {
        let counts = self.counts.entry(kind.clone()).or_default();
        match outcome {
            Outcome::Pass => counts[0] += 1,
            Outcome::Fail(why) => {
                counts[1] += 1;
                self.failures.push(format!("{kind} {}: {why}", text(row, "label")));
            }
            Outcome::Skip(why) => {
                counts[2] += 1;
                *self.skips.entry(format!("{kind}: {why}")).or_default() += 1;
            }
        }
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for failure in &self.failures {
            writeln!(f, "{failure}")?;
        }
        for (kind, [passed, failed, skipped]) in &self.counts {
            writeln!(f, "{kind}: {passed} passed, {failed} failed, {skipped} skipped")?;
        }
        for (why, count) in &self.skips {
            writeln!(f, "skipped: {why} ({count})")?;
        }
        Ok(())
    }
}

fn text<'v>(row: &'v Value, key: &str) -> &'v str {
    row[key].as_str().unwrap_or("")
}

/// Where the tests are.
#[derive(Debug)]
pub struct Source {
    /// A checkout of libpcap.
    pub libpcap: Option<PathBuf>,
    /// A file of rows.
    pub data: Option<PathBuf>,
    /// A folder with the `hosts`, `networks` and `ethers` that the rows want, if no row among them has these.
    pub names: Option<PathBuf>,
}

/// Names from a row, or from the files of a folder (`hosts`, `networks`, `ethers`), and the machine's services and
/// protocols.
fn database(row: Option<&Value>, folder: Option<&Path>) -> Database {
    let file = |name: &str| match row {
        Some(row) => text(row, name).to_string(),
        None => {
            let path = folder.map_or_else(|| Path::new("/etc").join(name), |f| f.join(name));
            std::fs::read_to_string(path).unwrap_or_default()
        }
    };
    let system = |name: &str| std::fs::read_to_string(Path::new("/etc").join(name)).unwrap_or_default();
    Database::new()
        .hosts(&file("hosts"))
        .networks(&file("networks"))
        .ethers(&file("ethers"))
        .services(&system("services"))
        .protocols(&system("protocols"))
}

fn options(row: &Value) -> Result<Options, String> {
    let name = row["DLT"].as_str().unwrap_or("EN10MB");
    let dlt = Dlt::by_name(name).ok_or_else(|| format!("no link type {name}"))?;
    let netmask = row["netmask"].as_str().and_then(addr::ipv4_prefix).map(|(mask, _)| mask);
    Ok(Options {
        dlt,
        snaplen: row["snaplen"].as_u64().map_or(262_144, |n| n as u32),
        netmask,
        code: if row["optimize"].as_u64() == Some(1) { Code::Libpcap } else { Code::Plain },
        linux_extensions: row["linuxext"].as_u64() == Some(1),
        file_order: match text(row, "generate_offline_filter") {
            "swapped" => Some(ByteOrder::Swapped),
            "unswapped" => Some(ByteOrder::Same),
            _ => None,
        },
        walk: Walk::default(),
        loops: false,
    })
}

/// A row bound to another operating system, or to how the library is built.
fn foreign(row: &Value) -> Option<String> {
    let skip = text(row, "skip");
    let ours = skip.is_empty() || skip.starts_with("configure the");
    (!ours).then(|| skip.to_string())
}

fn accept(row: &Value, names: &Database) -> Outcome {
    let expected = text(row, "expected").trim_end();
    match options(row).and_then(|o| compile(text(row, "expr"), &o, names).map_err(|e| e.to_string())) {
        Ok(insns) => {
            // Releases pad instructions without an operand with spaces; the suite's texts do not.
            let printed: Vec<String> =
                print(&insns, Form::Listing).lines().map(|line| line.trim_end().to_string()).collect();
            let printed = printed.join("\n");
            if printed == expected {
                return Outcome::Pass;
            }
            let differs = printed.lines().zip(expected.lines()).find(|(a, b)| a != b);
            let (ours, theirs) = differs.unwrap_or(("the end", "another length"));
            Outcome::Fail(format!("`{}`: {ours} instead of {theirs}", text(row, "expr")))
        }
        Err(why) => Outcome::Fail(format!("`{}`: {why}", text(row, "expr"))),
    }
}

fn reject(row: &Value, names: &Database, files: Option<&Path>) -> Outcome {
    if row["expr"].is_null() {
        return apply::damaged(row, files);
    }
    match options(row).and_then(|o| compile(text(row, "expr"), &o, names).map_err(|e| e.to_string())) {
        Ok(_) => Outcome::Fail(format!("`{}` was accepted", text(row, "expr"))),
        Err(why) if why.contains(text(row, "expected")) => Outcome::Pass,
        Err(why) => Outcome::Fail(format!("`{}`: {why}, not {}", text(row, "expr"), text(row, "expected"))),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(":")
}

fn translate(row: &Value) -> Outcome {
    let arg = text(row, "cfuncarg");
    let found = match text(row, "cfuncname") {
        "pcap_ether_aton" => addr::mac48(arg).map(|a| hex(&a)),
        "pcapint_atoan" => addr::mac8(arg).map(|a| format!("${a:02x}")),
        "pcapint_atodn" => addr::decnet(arg).map(|a| format!("{}.{}", a >> 10, a & 0x3ff)),
        "pcapint_atoin" => addr::ipv4_prefix(arg).map(|(a, bits)| format!("{a:#010x} {bits}")),
        "pcap_nametoeproto" => {
            Some(names::ethertype(arg).map_or_else(|| "proto_undef".to_string(), |n| format!("0x{n:04x}")))
        }
        "pcap_nametollc" => {
            Some(names::llc_sap(arg).map_or_else(|| "proto_undef".to_string(), |n| format!("0x{n:02x}")))
        }
        other => return Outcome::Skip(format!("{other} is no part of the language")),
    };
    let refused = text(row, "func") == "translate_reject";
    match found {
        None if refused => Outcome::Pass,
        Some(_) if refused => Outcome::Fail(format!("{arg} was accepted")),
        Some(shown) if text(row, "expected").to_ascii_lowercase().contains(&shown) => Outcome::Pass,
        other => Outcome::Fail(format!("{arg}: {other:?}, not {}", text(row, "expected").trim_end())),
    }
}

/// The tests of a source.
fn rows(source: &Source) -> Result<Vec<Value>, Box<dyn Error>> {
    let rows = match (&source.libpcap, &source.data) {
        (Some(checkout), _) => suite::extract(checkout)?,
        (None, Some(data)) => std::fs::read_to_string(data)?,
        (None, None) => return Err("neither a checkout nor a file is given".into()),
    };
    Ok(rows.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?)
}

/// Holds the compiler to all tests of a source.
///
/// # Errors
/// If they can't be read, or a line is no JSON.
pub fn run(source: &Source) -> Result<Tally, Box<dyn Error>> {
    let rows = rows(source)?;
    let names = database(rows.iter().find(|r| text(r, "func") == "names"), source.names.as_deref());
    let files = source.libpcap.as_ref().map(|checkout| checkout.join("tests"));
    let mut tally = Tally::default();
    // Of several tests that are left out for one reason, the first alone says it.
    let mut why = String::new();
    for row in rows.iter().filter(|r| text(r, "func") != "names") {
        let mut kind = text(row, "func").to_string();
        if kind == "skip" {
            // The label says what it is: accept_ip_opt_0, reject_parse_..., apply_...
            let label = text(row, "label").replace("_parse_", " translate ");
            kind = label.split(['_', ' ']).next().unwrap_or_default().to_string();
            if label.contains(" translate ") {
                kind = format!("translate_{kind}");
            }
        }
        if !text(row, "skip").is_empty() {
            why = text(row, "skip").to_string();
        }
        let outcome = judge(row, &names, files.as_deref(), &why);
        tally.add(kind, row, outcome);
    }
    Ok(tally)
}

fn judge(row: &Value, names: &Database, files: Option<&Path>, why: &str) -> Outcome {
    match (foreign(row), text(row, "func")) {
        (_, "skip") => Outcome::Skip(why.to_string()),
        (Some(why), _) => Outcome::Skip(why),
        (None, "accept") if text(row, "expr") == "_enumerate_bpf_image" => enumeration(row),
        (None, "accept") => accept(row, names),
        (None, "reject") => reject(row, names, files),
        (None, "apply") => apply::apply(row, names, files),
        (None, _) => translate(row),
    }
}

/// The listing of every instruction there is, each with its code behind it.
fn enumeration(row: &Value) -> Outcome {
    for line in text(row, "expected").lines() {
        let Some((shown, code)) = line.rsplit_once("; 0x") else { continue };
        let (Ok(code), Some((at, shown))) =
            (u16::from_str_radix(code, 16), shown.trim_end().split_once(") "))
        else {
            return Outcome::Fail(format!("a line of another form: {line}"));
        };
        let at: usize = at.trim_start_matches('(').parse().unwrap_or(0);
        // Their operand is 15 everywhere; jumps lead past the next one, and to it.
        let jumps = code & 7 == 5;
        let insn = match (jumps, code) {
            (true, 5) => Insn::stmt(code, 15),
            (true, _) => Insn::jump(code, 15, 1, 0),
            _ => Insn::stmt(code, 15),
        };
        let mut program = vec![Insn::stmt(6, 0); at];
        program.push(insn);
        let listing = print(&program, Form::Listing);
        let ours = listing.lines().last().and_then(|l| l.split_once(") ")).map_or("", |l| l.1.trim_end());
        if ours != shown {
            return Outcome::Fail(format!("{code:#06x}: `{ours}` instead of `{shown}`"));
        }
    }
    Outcome::Pass
}
