//! Signatures of TCP handshakes as p0f writes them (Michal Zalewski; `docs/README` of p0f 3), as expressions:
//! `ver:ittl:olen:mss:wsize,scale:olayout:quirks:pclass`.
//!
//! A signature says what a packet has and, by what it leaves out, what it has not: a quirk that is not listed must not be
//! there. What p0f takes on a fuzzy match is not taken.

use std::fmt::Write;

use skep_isa::classic::Insn;

use super::{Error, error, expression};
use crate::{Dlt, Walk};

/// Which packet of a handshake signatures describe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Handshake {
    /// SYN.
    #[default]
    Request,
    /// SYN and ACK.
    Response,
}

/// How far from its sender a packet may be, in hops.
const MOST_HOPS: u32 = 35;
/// Headers of IP and TCP without options: what a link's MTU has beyond the MSS.
const V4_HEADERS: u32 = 40;
const V6_HEADERS: u32 = 60;
const TCP_HDRLEN: u32 = 20;
/// Congestion notification in TCP's flags.
const ECN: &str = "tcp[13] & 0xc0 != 0 or tcp[12] & 1 != 0";

/// Packets that have one of these signatures. Accepts with `snaplen`.
///
/// # Errors
/// If a signature can't be read, or asks for what a filter can't see: options whose length it does not tell (`sack`, `?n`),
/// malformed ones (`bad`).
///
/// ```
/// use skep_filter::{Dlt, Walk, generate::{Handshake, p0f}};
/// let linux = "4:64:0:*:mss*20,10:mss,sok,ts,nop,ws:df,id+:0";
/// let insns = p0f(&[linux], Handshake::Request, Dlt::EN10MB, Walk::default(), 262_144)?;
/// assert!(insns.len() < 400);
/// # Ok::<(), skep_filter::generate::Error>(())
/// ```
pub fn p0f<S: AsRef<str>>(
    signatures: &[S],
    handshake: Handshake,
    dlt: Dlt,
    walk: Walk,
    snaplen: u32,
) -> Result<Vec<Insn>, Error> {
    let mut all = Vec::new();
    for signature in signatures {
        all.extend(expressions(signature.as_ref(), handshake)?);
    }
    if all.is_empty() {
        return error("no signature is given");
    }
    expression(&all.join(" or "), dlt, Walk { transport6: true, ..walk }, snaplen)
}

/// One for each version of IP that the signature is of.
fn expressions(signature: &str, handshake: Handshake) -> Result<Vec<String>, Error> {
    let fields: Vec<&str> = signature.trim().split(':').collect();
    let &[version, ttl, options, mss, window, layout, quirks, payload] = &fields[..] else {
        return error(format!(
            "`{signature}` has {} fields between colons, and a signature has 8",
            fields.len()
        ));
    };
    let versions: &[bool] = match version {
        "4" => &[false],
        "6" => &[true],
        "*" => &[false, true],
        _ => return error(format!("`{version}` is no version of IP: 4, 6 or *")),
    };
    let quirks = quirks.split(',').filter(|q| !q.is_empty()).collect::<Vec<_>>();
    let mut out = Vec::new();
    for &v6 in versions {
        let mut made = Made { v6, all: String::from(if v6 { "ip6" } else { "ip" }), quirks: &quirks };
        let flags = if handshake == Handshake::Request { 0x02 } else { 0x12 };
        made.and(format!("tcp[13] & 0x17 = {flags}"));
        made.ttl(ttl)?;
        made.ip_options(options)?;
        let layout = made.layout(layout)?;
        made.mss(mss, &layout)?;
        made.window(window, &layout)?;
        made.quirks(&layout)?;
        made.payload(payload)?;
        out.push(format!("({})", made.all));
    }
    Ok(out)
}

fn count(text: &str, what: &str) -> Result<u32, Error> {
    match text.parse() {
        Ok(n) => Ok(n),
        Err(_) => error(format!("`{text}` is no number for {what}")),
    }
}

/// Where TCP's options are: by their names, offsets in its header.
#[derive(Default)]
struct Layout {
    mss: Option<u32>,
    scale: Option<u32>,
    times: Option<u32>,
    /// Padding behind the end of the list, and its length.
    padding: (u32, u32),
}

struct Made<'q> {
    v6: bool,
    all: String,
    quirks: &'q [&'q str],
}

/// Every quirk there is, but for those of options.
static QUIRKS: &[&str] = &[
    "df", "id+", "id-", "ecn", "0+", "flow", "seq-", "ack+", "ack-", "uptr+", "urgf+", "pushf+", "ts1-",
    "ts2+", "opt+", "exws",
];

impl Made<'_> {
    fn and(&mut self, test: impl AsRef<str>) {
        // Writing to a string does not fail.
        let _ = write!(self.all, " and {}", test.as_ref());
    }

    fn has(&self, quirk: &str) -> bool {
        self.quirks.contains(&quirk)
    }

    /// A quirk: what has to hold if it is there, and its opposite if not.
    fn quirk(&mut self, quirk: &str, test: &str) {
        let text = if self.has(quirk) { format!("({test})") } else { format!("not ({test})") };
        self.and(text);
    }

    fn ttl(&mut self, text: &str) -> Result<(), Error> {
        let field = if self.v6 { "ip6[7]" } else { "ip[8]" };
        // `64-` is a sender that varies; `54+10` has come that far.
        let (initial, varies) = text.strip_suffix('-').map_or((text, false), |t| (t, true));
        let initial = match initial.split_once('+') {
            Some((ttl, hops)) => count(ttl, "a TTL")? + count(hops, "hops")?,
            None => count(initial, "a TTL")?,
        };
        if initial > 255 {
            return error(format!("`{text}` is no TTL"));
        }
        self.and(format!("{field} <= {initial}"));
        if let Some(least) = initial.checked_sub(MOST_HOPS).filter(|_| !varies) {
            self.and(format!("{field} >= {least}"));
        }
        Ok(())
    }

    fn ip_options(&mut self, text: &str) -> Result<(), Error> {
        if text == "*" {
            return Ok(());
        }
        let bytes = count(text, "the length of IP's options")?;
        match (self.v6, bytes) {
            // What is found behind extension headers by walking has some; else TCP comes at once.
            (true, 0) => self.and("ip6[6] = 6"),
            (true, _) => return error("lengths of extension headers are not looked at; use * or 0"),
            (false, n) if n % 4 == 0 && n <= 40 => self.and(format!("ip[0] & 0xf = {}", 5 + n / 4)),
            (false, _) => return error(format!("IP has no {bytes} bytes of options")),
        }
        Ok(())
    }

    /// The order of options, and that there are no others.
    fn layout(&mut self, text: &str) -> Result<Layout, Error> {
        let mut at = TCP_HDRLEN;
        let mut layout = Layout::default();
        for option in text.split(',').filter(|o| !o.is_empty()) {
            let (kind, len) = match option {
                "nop" => (1, 1),
                "mss" => (2, 4),
                "ws" => (3, 3),
                "sok" => (4, 2),
                "ts" => (8, 10),
                _ => match option.strip_prefix("eol+") {
                    Some(padding) => {
                        layout.padding = (at + 1, count(padding, "padding")?);
                        (0, 1)
                    }
                    None => {
                        return error(format!("`{option}`: the option's length is not known to a filter"));
                    }
                },
            };
            match kind {
                2 => layout.mss = Some(at + 2),
                3 => layout.scale = Some(at + 2),
                8 => layout.times = Some(at + 2),
                _ => {}
            }
            self.and(format!("tcp[{at}] = {kind}"));
            at += len;
        }
        let end = at + layout.padding.1;
        if end > 60 {
            return error(format!("`{text}` is longer than TCP's options can be"));
        }
        self.and(format!("tcp[12] >> 4 = {}", end.div_ceil(4)));
        Ok(layout)
    }

    fn mss(&mut self, text: &str, layout: &Layout) -> Result<(), Error> {
        match (text, layout.mss) {
            ("*", _) | ("0", None) => Ok(()),
            (_, Some(at)) => {
                let mss = count(text, "an MSS")?;
                self.and(format!("tcp[{at}:2] = {mss}"));
                Ok(())
            }
            (_, None) => error(format!("an MSS of {text}, and no such option in the layout")),
        }
    }

    fn window(&mut self, text: &str, layout: &Layout) -> Result<(), Error> {
        let Some((size, scale)) = text.split_once(',') else {
            return error(format!("`{text}` is no window and scale"));
        };
        let times = |unit: &str| size.strip_prefix(unit).map(|n| count(n, "a multiple"));
        let mss = layout.mss.map(|at| format!("tcp[{at}:2]"));
        match (times("mss*"), times("mtu*"), times("%"), mss) {
            (Some(n), _, _, Some(mss)) => self.and(format!("tcp[14:2] = {mss} * {}", n?)),
            (_, Some(n), _, Some(mss)) => {
                let headers = if self.v6 { V6_HEADERS } else { V4_HEADERS };
                self.and(format!("tcp[14:2] = ({mss} + {headers}) * {}", n?));
            }
            (Some(_), _, _, None) | (_, Some(_), _, None) => {
                return error(format!("`{size}`, and no MSS in the layout"));
            }
            (_, _, Some(n), _) => match n? {
                0 => return error("a window is no multiple of 0"),
                n => self.and(format!("(tcp[14:2] % {n}) = 0")),
            },
            _ if size == "*" => {}
            _ => {
                let size = count(size, "a window")?;
                self.and(format!("tcp[14:2] = {size}"));
            }
        }
        match (scale, layout.scale) {
            ("*", _) | ("0", None) => {}
            (_, Some(at)) => {
                let scale = count(scale, "a window's scale")?;
                self.and(format!("tcp[{at}] = {scale}"));
            }
            (_, None) => return error(format!("a scale of {scale}, and no such option in the layout")),
        }
        Ok(())
    }

    fn quirks(&mut self, layout: &Layout) -> Result<(), Error> {
        if let Some(unknown) = self.quirks.iter().find(|q| !QUIRKS.contains(q)) {
            return error(match *unknown {
                "bad" => "malformed options (`bad`) are not found by a filter".to_string(),
                _ => format!("`{unknown}` is no quirk"),
            });
        }
        if self.v6 {
            self.quirk("flow", "ip6[0:4] & 0xfffff != 0");
            self.quirk("ecn", &format!("ip6[0:2] & 0x30 != 0 or {ECN}"));
        } else {
            // Of the two that are about the ID each is only possible with one state of DF.
            self.quirk("df", "ip[6] & 0x40 != 0");
            match self.has("df") {
                true => self.quirk("id+", "ip[4:2] != 0"),
                false => self.quirk("id-", "ip[4:2] = 0"),
            }
            self.quirk("ecn", &format!("ip[1] & 3 != 0 or {ECN}"));
            self.quirk("0+", "ip[6] & 0x80 != 0");
        }
        self.quirk("seq-", "tcp[4:4] = 0");
        self.quirk("ack+", "tcp[13] & 16 = 0 and tcp[8:4] != 0");
        self.quirk("ack-", "tcp[13] & 16 != 0 and tcp[8:4] = 0");
        self.quirk("uptr+", "tcp[13] & 32 = 0 and tcp[18:2] != 0");
        self.quirk("urgf+", "tcp[13] & 32 != 0");
        self.quirk("pushf+", "tcp[13] & 8 != 0");
        let needs = |quirk: &str, at: Option<u32>, has: bool| match at {
            None if has => error(format!("`{quirk}`, and no such option in the layout")),
            at => Ok(at),
        };
        if let Some(at) = needs("ts1-", layout.times, self.has("ts1-"))? {
            self.quirk("ts1-", &format!("tcp[{at}:4] = 0"));
        }
        if let Some(at) = needs("ts2+", layout.times, self.has("ts2+"))? {
            self.quirk("ts2+", &format!("tcp[{}:4] != 0", at + 4));
        }
        if let Some(at) = needs("exws", layout.scale, self.has("exws"))? {
            self.quirk("exws", &format!("tcp[{at}] > 14"));
        }
        let (from, len) = layout.padding;
        if len > 0 {
            let bytes: Vec<String> = (from..from + len).map(|at| format!("tcp[{at}] != 0")).collect();
            self.quirk("opt+", &bytes.join(" or "));
        }
        Ok(())
    }

    fn payload(&mut self, text: &str) -> Result<(), Error> {
        let len = match self.v6 {
            // Extension headers count as payload of IP; of a packet without them it is TCP's alone.
            true => "ip6[4:2] - ((tcp[12] >> 4) * 4)",
            false => "ip[2:2] - ((ip[0] & 0xf) * 4) - ((tcp[12] >> 4) * 4)",
        };
        match text {
            "*" => {}
            "0" => self.and(format!("{len} = 0")),
            "+" => self.and(format!("{len} != 0")),
            _ => return error(format!("`{text}` is no class of payload: 0, + or *")),
        }
        Ok(())
    }
}
