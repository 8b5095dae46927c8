//! Filters for what the language of tcpdump can't say well: DNS questions by name ([`Dns`]), how packets end
//! ([`suffix`]), and TCP handshakes as p0f describes them ([`p0f`]).
//!
//! Prior art: Cloudflare's bpftools (Marek Majkowski and others), whose patterns are taken; names become one automaton
//! here, not one comparison after the other.

mod dns;
mod name;
mod p0f;
#[cfg(test)]
mod tests;
mod words;

use std::fmt;

use skep_isa::classic::{Insn, MAX_INSNS};

use crate::{Code, Database, Dlt, Options, Walk, compile};

pub use dns::{Dns, Start};
pub use p0f::{Handshake, p0f};

/// Why no filter was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

fn error<T>(message: impl Into<String>) -> Result<T, Error> {
    Err(Error(message.into()))
}

fn bounded(insns: Vec<Insn>) -> Result<Vec<Insn>, Error> {
    if insns.len() > MAX_INSNS {
        return error(format!(
            "the filter has {} instructions, and {MAX_INSNS} at most are taken",
            insns.len()
        ));
    }
    Ok(insns)
}

fn expression(text: &str, dlt: Dlt, walk: Walk, snaplen: u32) -> Result<Vec<Insn>, Error> {
    let options = Options { dlt, snaplen, walk, code: Code::Best, ..Options::default() };
    compile(text, &options, &Database::new()).map_err(|e| Error(e.message().to_string()))
}

/// Packets that end with one of these byte strings, by their length on the wire. Accepts with `snaplen`.
///
/// # Errors
/// If there is none, one is empty, or the filter gets too long.
pub fn suffix(suffixes: &[Vec<u8>], dlt: Dlt, snaplen: u32) -> Result<Vec<Insn>, Error> {
    if suffixes.is_empty() || suffixes.iter().any(Vec::is_empty) {
        return error("an empty ending is the end of every packet");
    }
    let one = |suffix: &Vec<u8>| {
        let mut left = suffix.len();
        let mut tests = vec![format!("len >= {left}")];
        let mut rest = &suffix[..];
        while !rest.is_empty() {
            let size = [4, 2, 1].into_iter().find(|&n| n <= rest.len()).unwrap_or(1);
            let value = rest[..size].iter().fold(0_u32, |n, &b| n << 8 | u32::from(b));
            tests.push(format!("ether[len - {left}:{size}] = {value}"));
            (left, rest) = (left - size, &rest[size..]);
        }
        format!("({})", tests.join(" and "))
    };
    let text: Vec<String> = suffixes.iter().map(one).collect();
    expression(&text.join(" or "), dlt, Walk::default(), snaplen)
}

/// Questions to DNS over UDP that are malformed: not one question, answers in it, too short for a name of two labels, or
/// flags that questions don't have (`strict`: RD and RA among them). Accepts with `snaplen`.
///
/// # Errors
/// If the link type is none that carries IP.
pub fn malformed_dns(
    port: u16,
    strict: bool,
    dlt: Dlt,
    walk: Walk,
    snaplen: u32,
) -> Result<Vec<Insn>, Error> {
    // Checking disabled, authentic data and the reserved bit are let pass; from the header of UDP on.
    let flags = if strict { 0xff8f } else { 0xfc8f };
    let text = format!(
        "udp dst port {port} and (udp[4:2] < 29 or udp[10:2] & {flags} != 0 or udp[12:2] != 1 or udp[14:4] != 0 or udp[18:2] > 1)"
    );
    expression(&text, dlt, Walk { transport6: true, ..walk }, snaplen)
}
