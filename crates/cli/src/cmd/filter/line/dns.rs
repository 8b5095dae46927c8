//! DNS messages (RFC 1035): what is asked, and what is answered. Names may point backwards only, so that every message
//! has an end.

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The most records of a section that are looked at.
const RECORDS: u16 = 64;

/// `4660+ A? example.org.`, or `4660 1/0/0 A 192.0.2.1`; `None` if it is no such message.
pub(super) fn message(bytes: &[u8], multicast: bool, out: &mut String) -> Option<()> {
    let word = |at: usize| Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
    let (id, flags) = (word(0)?, word(2)?);
    let [questions, answers, authorities, more] = [word(4)?, word(6)?, word(8)?, word(10)?];
    let (opcode, code) = (flags >> 11 & 15, flags & 15);
    let set = |bit: u16| flags >> bit & 1 != 0;
    if opcode != 0 {
        return None;
    }
    let _ = write!(out, "{id}");
    let mut at = 12;
    if !set(15) {
        out.push_str(if set(8) { "+" } else { "" });
        out.push_str(if set(4) { "%" } else { "" });
        let counts = [(questions, 1, "q"), (answers, 0, "a"), (authorities, 0, "n"), (more, 0, "au")];
        for (count, usual, name) in counts.into_iter().filter(|(count, usual, _)| count != usual) {
            let _ = write!(out, " [{count}{name}]", name = if usual == 1 { "q" } else { name });
        }
        for _ in 0..questions.min(RECORDS) {
            let (name, next) = self::name(bytes, at)?;
            let (kind, class) = (word(next)?, word(next + 2)?);
            let _ = write!(out, " {}", kind_name(kind));
            if multicast {
                out.push_str(if class & 0x8000 != 0 { " (QU)" } else { " (QM)" });
            }
            let _ = write!(out, "? {name}");
            at = next + 4;
        }
        return Some(());
    }
    out.push_str(response_code(code));
    out.push_str(if set(10) { "*" } else { "" });
    out.push_str(if set(7) { "" } else { "-" });
    out.push_str(if set(9) { "|" } else { "" });
    out.push_str(if set(5) { "$" } else { "" });
    for _ in 0..questions.min(RECORDS) {
        at = self::name(bytes, at)?.1 + 4;
    }
    let _ = write!(out, " {answers}/{authorities}/{more}");
    for i in 0..answers.min(RECORDS) {
        at = record(bytes, at, i > 0, out)?;
    }
    Some(())
}

/// A resource record: kind and data. Gives where the next one is.
fn record(bytes: &[u8], at: usize, behind_another: bool, out: &mut String) -> Option<usize> {
    let word = |at: usize| Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
    let (_, at) = name(bytes, at)?;
    let (kind, len) = (word(at)?, usize::from(word(at + 8)?));
    let start = at + 10;
    let data = bytes.get(start..start + len)?;
    out.push_str(if behind_another { ", " } else { " " });
    out.push_str(&kind_name(kind));
    let _ = match kind {
        1 => write!(out, " {}", Ipv4Addr::from(<[u8; 4]>::try_from(data).ok()?)),
        28 => write!(out, " {}", Ipv6Addr::from(<[u8; 16]>::try_from(data).ok()?)),
        2 | 5 | 12 => write!(out, " {}", name(bytes, start)?.0),
        15 => write!(out, " {} {}", name(bytes, start + 2)?.0, word(start)?),
        33 => write!(
            out,
            " {}:{} {} {}",
            name(bytes, start + 6)?.0,
            word(start + 4)?,
            word(start)?,
            word(start + 2)?
        ),
        16 => {
            let text = data.get(1..1 + usize::from(*data.first()?))?;
            write!(out, " \"{}\"", text.escape_ascii())
        }
        _ => Ok(()),
    };
    Some(start + len)
}

/// A name with its last dot, and where it ends.
fn name(bytes: &[u8], start: usize) -> Option<(String, usize)> {
    let (mut out, mut at, mut end) = (String::new(), start, None);
    let mut lowest = start;
    loop {
        match *bytes.get(at)? {
            0 => break,
            // A pointer: to somewhere before all that was read of this name.
            high if high >= 0xc0 => {
                let to = usize::from(high & 0x3f) << 8 | usize::from(*bytes.get(at + 1)?);
                end.get_or_insert(at + 2);
                if to >= lowest {
                    return None;
                }
                (at, lowest) = (to, to);
            }
            len if len < 64 => {
                let label = bytes.get(at + 1..at + 1 + usize::from(len))?;
                let _ = write!(out, "{}.", label.escape_ascii());
                at += 1 + usize::from(len);
            }
            _ => return None,
        }
        if out.len() > 1024 {
            return None;
        }
    }
    if out.is_empty() {
        out.push('.');
    }
    Some((out, end.unwrap_or(at + 1)))
}

fn kind_name(kind: u16) -> String {
    const NAMES: &[(u16, &str)] = &[
        (1, "A"),
        (2, "NS"),
        (5, "CNAME"),
        (6, "SOA"),
        (12, "PTR"),
        (15, "MX"),
        (16, "TXT"),
        (28, "AAAA"),
        (33, "SRV"),
        (41, "OPT"),
        (43, "DS"),
        (46, "RRSIG"),
        (48, "DNSKEY"),
        (64, "SVCB"),
        (65, "HTTPS"),
        (255, "ANY"),
    ];
    let known = NAMES.iter().find(|(k, _)| *k == kind);
    known.map_or_else(|| format!("Type{kind}"), |(_, name)| (*name).to_owned())
}

fn response_code(code: u16) -> &'static str {
    ["", " FormErr", " ServFail", " NXDomain", " NotImp", " Refused"]
        .get(usize::from(code))
        .unwrap_or(&" error")
}

#[cfg(test)]
mod tests {
    use super::message;

    fn show(bytes: &[u8]) -> Option<String> {
        let mut out = String::new();
        message(bytes, false, &mut out).map(|()| out)
    }

    #[test]
    fn questions_and_answers() {
        let mut question = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x07example\x03org\0\0\x01\0\x01".to_vec();
        assert_eq!(show(&question).as_deref(), Some("4660+ A? example.org."));
        question[2..4].copy_from_slice(&[0x81, 0x80]);
        question[7] = 1;
        question.extend(b"\xc0\x0c\0\x01\0\x01\0\0\0\x09\0\x04\xc0\0\x02\x01");
        assert_eq!(show(&question).as_deref(), Some("4660 1/0/0 A 192.0.2.1"));
    }

    #[test]
    fn names_that_point_at_themselves_end() {
        let looped = b"\0\0\0\0\0\x01\0\0\0\0\0\0\xc0\x0c\0\x01\0\x01";
        assert_eq!(show(looped), None);
        for len in 0..looped.len() {
            assert_eq!(show(&looped[..len]), None);
        }
    }
}
