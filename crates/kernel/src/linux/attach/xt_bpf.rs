//! iptables: a socket filter as the match of a rule (`-m bpf --object-pinned`), in this thread's network namespace.
//!
//! Rules are the business of the `iptables` program, which finds the bpf program by a pin. Both outlive the process: the
//! rule carries the record's label as its comment, and goes together with the pin. The rule is put in front of the
//! others, or at the number that the priority says.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::process::Command;

use skep_backend::{Error, ErrorKind};
use skep_sys::netns::{self, NetnsId};
use skep_sys::{Cap, Errno, info, pin};

use super::attached::pin_object;
use super::target::missing;
use super::{Attached, Hook, Mark, Program, Record, Target};
use crate::linux::binary::find;
use crate::linux::error::{refused, rights};

pub(super) static HOOK: Hook =
    Hook { name: "xt_bpf", sections: &[], needs: &["--iptables"], attach, remove: Some(remove) };

/// Where pins for rules lie.
const DIR: &str = "/sys/fs/bpf";
/// How many seconds to wait for another that changes rules.
const PATIENCE: &str = "5";

/// `[TABLE/]CHAIN[:TARGET]`. Without a target the rule counts and does nothing.
fn parse(text: &str) -> Option<[&str; 3]> {
    let (place, verdict) = text.split_once(':').unwrap_or((text, ""));
    let (table, chain) = place.split_once('/').unwrap_or(("filter", place));
    let word = |w: &str| w.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    let fits = |w: &str| word(w) && !w.starts_with('-');
    (fits(table) && fits(chain) && fits(verdict) && !table.is_empty() && !chain.is_empty())
        .then_some([table, chain, verdict])
}

/// A rule, as its record tells it.
struct Rule<'a> {
    record: &'a Record,
    tool: &'a str,
    table: &'a str,
    chain: &'a str,
    verdict: &'a str,
    path: &'a str,
}

impl<'a> Rule<'a> {
    fn of(record: &'a Record) -> Result<Self, Error> {
        let field = |key| {
            let missing = || Error::new(ErrorKind::Invalid, format!("the record does not say its {key}"));
            record.get(key).ok_or_else(missing)
        };
        Ok(Self {
            record,
            tool: field("tool")?,
            table: field("table")?,
            chain: field("chain")?,
            verdict: field("verdict")?,
            path: field("path")?,
        })
    }

    /// Runs iptables with a command (`-I`, `-C`, `-D`) on this rule; `false` if it says no, with its words.
    fn run(&self, command: &str, number: Option<i32>) -> Result<Result<(), String>, Error> {
        let mut c = Command::new(self.tool);
        c.args(["-w", PATIENCE, "-t", self.table, command, self.chain]);
        c.args(number.map(|n| n.to_string()));
        c.args(["-m", "bpf", "--object-pinned", self.path]);
        c.args(["-m", "comment", "--comment", &self.record.label()]);
        if !self.verdict.is_empty() {
            c.args(["-j", self.verdict]);
        }
        let done = c.output().map_err(|e| {
            refused(&format!("running {}", self.tool), Errno(e.raw_os_error().unwrap_or(0)), &[])
        })?;
        let words = String::from_utf8_lossy(&done.stderr);
        Ok(if done.status.success() { Ok(()) } else { Err(words.lines().next().unwrap_or("").to_owned()) })
    }

    fn failed(&self, words: &str) -> Error {
        let what = format!("{}: chain {} of table {}", self.tool, self.chain, self.table);
        match rights(&[Cap::NET_ADMIN]) {
            Some(lacks) => Error::new(ErrorKind::Denied, format!("{what}: {lacks}")),
            None => Error::new(ErrorKind::Invalid, format!("{what}: {words}")),
        }
    }
}

fn attach(program: &Program<'_>, target: &Target) -> Result<Attached, Error> {
    let text = target.iptables.as_deref();
    let text =
        text.ok_or_else(|| missing(program.name, "a chain", "--iptables, such as `--iptables INPUT:DROP`"))?;
    let Some([table, chain, verdict]) = parse(text) else {
        let error = Error::new(ErrorKind::Invalid, format!("`{text}` is no chain"));
        return Err(error.with_hint("write it as INPUT:DROP or mangle/PREROUTING:ACCEPT"));
    };
    let tool = find("iptables", &target.search)?;
    let wrong = |e: Errno| refused("asking for the network namespace", e, &[]);
    let netns = netns::current().and_then(|fd| netns::id(fd.as_fd())).map_err(wrong)?;
    let path = fresh()?;
    let place = match verdict {
        "" => format!("{table}/{chain}"),
        verdict => format!("{table}/{chain} -j {verdict}"),
    };
    let fields = [
        ("tool", tool.display().to_string()),
        ("table", table.to_owned()),
        ("chain", chain.to_owned()),
        ("verdict", verdict.to_owned()),
        ("path", path.display().to_string()),
        ("netns", netns.to_string()),
        ("target", place.clone()),
    ];
    let mark = Mark::write(HOOK.name, program, &fields)?;
    pin_object(&path, program.fd)?;
    let rule = Rule::of(mark.record())?;
    if let Err(words) = rule.run("-I", target.priority)? {
        let _ = std::fs::remove_file(&path);
        return Err(rule.failed(&words));
    }
    Ok(Attached::left(place, mark))
}

/// A path that nothing is pinned to.
fn fresh() -> Result<PathBuf, Error> {
    let paths = (0..1024).map(|n| Path::new(DIR).join(format!("skep-{}-{n}", std::process::id())));
    let free = |p: &PathBuf| !p.exists();
    paths.into_iter().find(free).ok_or_else(|| {
        Error::new(ErrorKind::Os(Errno::EEXIST.0), format!("{DIR}: too many rules of this process"))
    })
}

fn remove(record: &Record) -> Result<bool, Error> {
    let rule = Rule::of(record)?;
    let there = match record.get("netns").and_then(|n| n.parse::<NetnsId>().ok()).and_then(netns::find) {
        Some(netns) => remove_rule(&rule, netns.as_fd())?,
        // Rules go with their namespace.
        None => false,
    };
    let pinned = pin::get(Path::new(rule.path), 0).ok();
    if pinned.is_some_and(|fd| info::prog(fd.as_fd()).is_ok_and(|i| record.holds(i.id))) {
        let _ = std::fs::remove_file(rule.path);
    }
    Ok(there)
}

/// Takes the rule away, in its namespace; `false` if there is none.
fn remove_rule(rule: &Rule<'_>, netns: BorrowedFd<'_>) -> Result<bool, Error> {
    let removed = netns::inside(netns, || {
        // Asked first, since iptables says of any failure that the rule is bad.
        if rule.run("-C", None)?.is_err() {
            return Ok(false);
        }
        rule.run("-D", None)?.map(|()| true).map_err(|words| rule.failed(&words))
    });
    removed.map_err(|e| refused("entering a network namespace", e, &[Cap::SYS_ADMIN]))?
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn rules_are_read() {
        assert_eq!(parse("INPUT:DROP"), Some(["filter", "INPUT", "DROP"]));
        assert_eq!(parse("mangle/PREROUTING"), Some(["mangle", "PREROUTING", ""]));
        assert_eq!(parse(""), None);
        assert_eq!(parse("-F"), None);
        assert_eq!(parse("filter/:DROP"), None);
        assert_eq!(parse("INPUT:DROP -j ACCEPT"), None);
    }
}
