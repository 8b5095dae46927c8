//! `cargo xtask filter-oracle`: the filter compiler held to the results of libpcap's own test suite, which stay outside
//! of the project: one JSON object a line, with `func`, `expr`, `DLT`, `optimize`, `expected` and the like.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

use serde_json::Value;
use skep_filter::{ByteOrder, Code, Database, Dlt, Options, addr, compile, names};
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

/// Names from the files of a folder (`hosts`, `networks`, `ethers`), and the machine's services and protocols.
fn database(folder: Option<&Path>) -> Database {
    let file = |name: &str| {
        let path = folder.map_or_else(|| Path::new("/etc").join(name), |f| f.join(name));
        std::fs::read_to_string(path).unwrap_or_default()
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

fn reject(row: &Value, names: &Database) -> Outcome {
    if row["expr"].is_null() {
        return Outcome::Skip("a damaged capture, not a filter".to_string());
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
        "pcap_nametollc" => names::llc_sap(arg).map(|n| format!("0x{n:02x}")),
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

/// Holds the compiler to the rows of a file. `names` is a folder with `hosts`, `networks` and `ethers`.
///
/// # Errors
/// If the file can't be read, or a line of it is no JSON.
pub fn run(data: &Path, folder: Option<&Path>) -> Result<Tally, Box<dyn Error>> {
    let names = database(folder);
    let mut tally = Tally::default();
    for line in std::fs::read_to_string(data)?.lines() {
        let row: Value = serde_json::from_str(line)?;
        let func = text(&row, "func");
        let mut kind = func.to_string();
        if func == "accept" {
            kind += if row["optimize"].as_u64() == Some(1) { " optimised" } else { " unoptimised" };
        }
        let outcome = match (foreign(&row), func) {
            (Some(why), _) => Outcome::Skip(why),
            (None, "accept") if text(&row, "expr") == "_enumerate_bpf_image" => {
                Outcome::Skip("the texts of instructions, no filter".to_string())
            }
            (None, "accept") => accept(&row, &names),
            (None, "reject") => reject(&row, &names),
            (None, "apply") => Outcome::Skip("needs the captures of the suite".to_string()),
            (None, _) => translate(&row),
        };
        tally.add(kind, &row, outcome);
    }
    Ok(tally)
}
