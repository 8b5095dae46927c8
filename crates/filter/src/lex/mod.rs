//! Expression text to tokens: at each place the longest match wins, and among equals the first in the list of `LIKELY`
//! readings, which is how libpcap's scanner decides that `00-11-22-33-44-55` is an address and `1-2` a name.

mod ipv6;
mod words;

use std::ops::Range;
use std::sync::LazyLock;

use rustc_hash::FxHashMap as HashMap;

use crate::addr::{NotANumber, number};
use crate::qual::{Dir, Proto};

/// A keyword, by what the grammar does with it. Several spellings may be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    Proto(Proto),
    Dir(Dir),
    Host,
    Net,
    Mask,
    Port,
    Portrange,
    ProtoQual,
    Protochain,
    Gateway,
    Type,
    Subtype,
    Direction,
    Less,
    Greater,
    Byte,
    Broadcast,
    Multicast,
    And,
    Or,
    Not,
    Len,
    Inbound,
    Outbound,
    Ifindex,
    Vlan,
    Mpls,
    Pppoed,
    Pppoes,
    Geneve,
    Vxlan,
    Llc,
    PfIfname,
    PfRuleset,
    PfRulenum,
    PfSubrulenum,
    PfReason,
    PfAction,
    /// A circuit or message of ATM; the token's text says which.
    Atm,
    AtmField,
    /// A signal unit of SS7; the token's text says which.
    Mtp2,
    Mtp3,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tok {
    Word(Word),
    /// An operator or bracket: `+ - * / % : [ ] < > ( ) & | ^ =`.
    Punct(u8),
    Geq,
    Leq,
    Neq,
    Lsh,
    Rsh,
    Num(u32),
    /// A name.
    Id(String),
    /// Two to four numbers with dots between.
    Dotted(String),
    Ipv6(String),
    Mac48(String),
    Mac8(String),
    /// No token; what is wrong with it, where there is more to say than that.
    Bad(Option<String>),
    End,
}

#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) tok: Tok,
    pub(crate) span: Range<usize>,
}

pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let bytes = text.as_bytes();
    let mut at = 0;
    let mut out = Vec::new();
    while at < bytes.len() {
        if b" \r\n\t".contains(&bytes[at]) {
            at += 1;
            continue;
        }
        let (tok, len) = next(&bytes[at..]);
        out.push(Token { tok, span: at..at + len });
        at += len;
    }
    out.push(Token { tok: Tok::End, span: bytes.len()..bytes.len() });
    out
}

fn next(s: &[u8]) -> (Tok, usize) {
    if let Some(found) = operator(s) {
        return found;
    }
    if s[0] == b'\\' {
        let len = 1 + s[1..].iter().take_while(|c| !b" !()\n\t".contains(c)).count();
        return if len > 1 { (Tok::Id(text(&s[1..len])), len) } else { (Tok::Bad(None), 1) };
    }
    // The order is that of preference among readings of one length.
    let id = id_len(s);
    let keyword = if word(&s[..id]).is_some() { id } else { 0 };
    let readings =
        [keyword, mac8_len(s), mac48_len(s), num_len(s), dotted_len(s), ipv6::len(s), colons_len(s), id];
    let Some(len) = readings.iter().copied().max().filter(|&len| len > 0) else {
        // A whole character, so that a mark can stand under it.
        let len = 1 + s[1..].iter().take_while(|&&c| c & 0xc0 == 0x80).count();
        return (Tok::Bad(None), len);
    };
    let t = text(&s[..len]);
    let tok = match readings.iter().position(|&l| l == len) {
        Some(0) => word(&s[..len]).unwrap_or(Tok::Bad(None)),
        Some(1) => Tok::Mac8(t),
        Some(2) => Tok::Mac48(t),
        Some(3) => num(t),
        Some(4) => Tok::Dotted(t),
        Some(5) if t.parse::<std::net::Ipv6Addr>().is_ok() => Tok::Ipv6(t),
        Some(5) => Tok::Bad(Some(format!("invalid IPv6 address {t}"))),
        Some(6) => Tok::Bad(Some(format!("invalid Ethernet address {t}"))),
        _ => Tok::Id(t),
    };
    (tok, len)
}

fn text(s: &[u8]) -> String {
    String::from_utf8_lossy(s).into_owned()
}

fn word(s: &[u8]) -> Option<Tok> {
    /// Both lists by their words; of a word that is in both, what the first says.
    static WORDS: LazyLock<HashMap<&str, Tok>> = LazyLock::new(|| {
        let numbers = words::NUMBERS.iter().rev().map(|row| (row.0, Tok::Num(row.1)));
        let keywords = words::KEYWORDS.iter().rev().map(|row| (row.0, Tok::Word(row.1)));
        numbers.chain(keywords).collect()
    });
    WORDS.get(std::str::from_utf8(s).ok()?).cloned()
}

fn operator(s: &[u8]) -> Option<(Tok, usize)> {
    let two = match s.get(..2).unwrap_or(b"") {
        // An IPv6 address begins so; two colons alone are one, too.
        b"::" => return None,
        b">=" => Some(Tok::Geq),
        b"<=" => Some(Tok::Leq),
        b"!=" => Some(Tok::Neq),
        b"==" => Some(Tok::Punct(b'=')),
        b"<<" => Some(Tok::Lsh),
        b">>" => Some(Tok::Rsh),
        b"&&" => Some(Tok::Word(Word::And)),
        b"||" => Some(Tok::Word(Word::Or)),
        _ => None,
    };
    if let Some(tok) = two {
        return Some((tok, 2));
    }
    one(s[0])
}

fn one(c: u8) -> Option<(Tok, usize)> {
    match c {
        b'!' => Some((Tok::Word(Word::Not), 1)),
        c if b"+-*/%:[]<>()&|^=".contains(&c) => Some((Tok::Punct(c), 1)),
        _ => None,
    }
}

fn num(t: String) -> Tok {
    let why = match number(&t) {
        Ok(n) => return Tok::Num(n),
        Err(NotANumber::Octal) => format!("number {t} contains non-octal digit"),
        Err(NotANumber::Hex) => format!("number {t} contains non-hex digit"),
        Err(NotANumber::Decimal) => format!("number {t} contains non-decimal digit"),
        Err(NotANumber::Overflow(notation)) => format!("{notation} number {t} overflows 32 bits"),
    };
    Tok::Bad(Some(why))
}

/// A name begins with a letter or digit, may have `-`, `_` and `.` inside, and does not end in `-` or `_`.
fn id_len(s: &[u8]) -> usize {
    if !s[0].is_ascii_alphanumeric() {
        return 0;
    }
    let run = s.iter().take_while(|c| c.is_ascii_alphanumeric() || b"-_.".contains(c)).count();
    run - s[..run].iter().rev().take_while(|c| b"-_".contains(c)).count()
}

/// How many hex digits there are, of at most `max`.
fn hex_len(s: &[u8], max: usize) -> usize {
    s.iter().take(max).take_while(|c| c.is_ascii_hexdigit()).count()
}

fn mac8_len(s: &[u8]) -> usize {
    match s[0] {
        b'$' if hex_len(&s[1..], 2) > 0 => 1 + hex_len(&s[1..], 2),
        _ => 0,
    }
}

fn mac48_len(s: &[u8]) -> usize {
    let plain = if hex_len(s, 12) == 12 { 12 } else { 0 };
    let parts = |sep: u8, count: usize, width: usize, exact: bool| {
        let mut at = 0;
        for i in 0..count {
            let n = hex_len(&s[at..], width);
            if n == 0 || exact && n < width {
                return 0;
            }
            at += n;
            if i + 1 < count {
                if s.get(at) != Some(&sep) {
                    return 0;
                }
                at += 1;
            }
        }
        at
    };
    let six = [b':', b'-', b'.'].map(|sep| parts(sep, 6, 2, false)).into_iter().max().unwrap_or(0);
    plain.max(six).max(parts(b'.', 3, 4, true))
}

pub(super) fn num_len(s: &[u8]) -> usize {
    if s.len() > 2 && s[0] == b'0' && (s[1] | 0x20) == b'x' {
        let digits = hex_len(&s[2..], usize::MAX);
        if digits > 0 {
            return 2 + digits;
        }
    }
    s.iter().take_while(|c| c.is_ascii_digit()).count()
}

/// The numbers of `N.N`, `N.N.N` or `N.N.N.N`: the end of each.
pub(super) fn dotted_parts(s: &[u8]) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut at = 0;
    while ends.len() < 4 {
        let n = num_len(&s[at..]);
        if n == 0 {
            break;
        }
        at += n;
        ends.push(at);
        if s.get(at) != Some(&b'.') {
            break;
        }
        at += 1;
    }
    ends
}

fn dotted_len(s: &[u8]) -> usize {
    let ends = dotted_parts(s);
    if ends.len() < 2 { 0 } else { ends[ends.len() - 1] }
}

/// Two and more hex bytes with colons after each: no address, and a better message for it.
fn colons_len(s: &[u8]) -> usize {
    let (mut at, mut groups) = (0, 0);
    loop {
        let n = hex_len(&s[at..], 2);
        let colons = s[at + n..].iter().take_while(|&&c| c == b':').count();
        if n == 0 || colons == 0 {
            break;
        }
        at += n + colons;
        groups += 1;
    }
    if groups > 1 { at } else { 0 }
}
