//! From the link layer to the transport header.

use super::label::{Label, Labelled};
use super::{EQ, LD_IMM, LD_MEM, LDH_ABS, LDH_IND, LDX_IMM, LDX_MEM, STORE, STORE_X, Start, Transport};
use crate::code::{ABS, ADD, ALU, AND, B, H, IND, JSET, K, LD, LDX, LSH, MISC, MSH, OR, RSH, TAX, TXA, X};

/// With a protocol: in a later fragment, which has no header of it.
pub(crate) const LATER: u32 = 0x100;
/// Instead of a protocol: not IP.
pub(crate) const NOT_IP: u32 = 0x200;

/// 802.1Q, 802.1ad, and the value used for stacked tags before it.
const TPIDS: [u32; 3] = [0x8100, 0x88a8, 0x9100];
const TAG: u32 = 4;
const IP6_HDRLEN: u32 = 40;
const FRAGMENT: u32 = 44;
const AH: u32 = 51;
/// Hop-by-hop options, routing, destination options: their length is in units of 8 bytes, less the first.
const PLAIN: [u32; 3] = [0, 43, 60];

/// Where the network layer begins: a constant, and what a memory word holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Base {
    pub(super) constant: u32,
    pub(super) word: Option<u32>,
}

impl Base {
    /// X gets the word, where there is one.
    fn enter(self, code: &mut Labelled) {
        if let Some(word) = self.word {
            code.stmt(LDX_MEM, word);
        }
    }

    /// Loads from the network layer on; the word is in X.
    fn load(self, code: &mut Labelled, size: u16, at: u32) {
        let mode = if self.word.is_some() { IND } else { ABS };
        code.stmt(LD | mode | size, self.constant + at);
    }
}

/// The length of up to two tags, into a word and X.
pub(super) fn tags(code: &mut Labelled, word: u32) {
    let (first, second, end) = (code.label(), code.label(), code.label());
    code.stmts(&[(LDX_IMM, 0), (LDH_ABS, 12)]);
    TPIDS.iter().for_each(|&tpid| code.if_so(EQ, tpid, first));
    code.go(end);
    code.here(first);
    code.stmts(&[(LDX_IMM, TAG), (LDH_ABS, 12 + TAG)]);
    TPIDS.iter().for_each(|&tpid| code.if_so(EQ, tpid, second));
    code.go(end);
    code.here(second);
    code.stmt(LDX_IMM, 2 * TAG);
    code.here(end);
    code.stmt(STORE_X, word);
}

/// The same for an Ethernet header that begins where X says: X moves behind as many tags.
pub(super) fn skip_tags(code: &mut Labelled) {
    let end = code.label();
    for _ in 0..2 {
        let tag = code.label();
        code.stmt(LDH_IND, 12);
        TPIDS.iter().for_each(|&tpid| code.if_so(EQ, tpid, tag));
        code.go(end);
        code.here(tag);
        code.stmts(&[(MISC | TXA, 0), (ALU | ADD | K, TAG), (MISC | TAX, 0)]);
    }
    code.here(end);
}

/// Nothing is known yet.
pub(super) fn nothing(code: &mut Labelled, to: Transport) {
    code.stmts(&[(LD_IMM, NOT_IP), (STORE, to.protocol), (STORE, to.offset)]);
}

/// From the link layer; X holds the length of the tags, where these are looked for.
pub(super) fn start(code: &mut Labelled, start: Start, base: Base, to: Transport, steps: usize) {
    nothing(code, to);
    match start.protocol {
        Some((at, numbers)) => {
            code.stmt(if base.word.is_some() { LDH_IND } else { LDH_ABS }, at);
            dispatch(code, numbers, base, to, steps);
        }
        None => version(code, base, to, steps),
    }
}

/// By the version of IP.
pub(super) fn version(code: &mut Labelled, base: Base, to: Transport, steps: usize) {
    base.enter(code);
    base.load(code, B, 0);
    code.stmt(ALU | RSH | K, 4);
    dispatch(code, [4, 6], base, to, steps);
}

/// By the number in A.
pub(super) fn dispatch(code: &mut Labelled, [v4, v6]: [u32; 2], base: Base, to: Transport, steps: usize) {
    let (other, end) = (code.label(), code.label());
    code.if_not(EQ, v4, other);
    ipv4(code, base, to);
    code.go(end);
    code.here(other);
    code.if_not(EQ, v6, end);
    ipv6(code, base, to, steps);
    code.here(end);
}

fn ipv4(code: &mut Labelled, base: Base, to: Transport) {
    let (later, known) = (code.label(), code.label());
    base.enter(code);
    base.load(code, H, 6);
    code.if_so(JSET, 0x1fff, later);
    base.load(code, B, 9);
    code.go(known);
    code.here(later);
    base.load(code, B, 9);
    code.stmt(ALU | OR | K, LATER);
    code.here(known);
    code.stmt(STORE, to.protocol);
    header_len(code, base);
    code.stmt(STORE_X, to.offset);
}

/// X gets the length of IPv4's header, and the word; A is lost.
fn header_len(code: &mut Labelled, base: Base) {
    if base.word.is_none() {
        code.stmt(LDX | MSH | B, base.constant);
        return;
    }
    base.load(code, B, 0);
    code.stmts(&[(ALU | AND | K, 0xf), (ALU | LSH | K, 2), (ALU | ADD | X, 0), (MISC | TAX, 0)]);
}

fn ipv6(code: &mut Labelled, base: Base, to: Transport, steps: usize) {
    fixed_header(code, base, to.offset);
    let done = code.label();
    extensions(code, (base.constant, to.protocol), Steps::Written(steps), done, None);
    code.here(done);
    code.stmts(&[(STORE, to.protocol), (STORE_X, to.offset)]);
}

/// Behind IPv6's fixed header: what comes next is in A, where that begins (less the constant) in X. A word is used.
fn fixed_header(code: &mut Labelled, base: Base, word: u32) {
    base.enter(code);
    if base.word.is_none() {
        base.load(code, B, 6);
        code.stmt(LDX_IMM, IP6_HDRLEN);
        return;
    }
    code.stmts(&[(MISC | TXA, 0), (ALU | ADD | K, IP6_HDRLEN), (STORE, word)]);
    base.load(code, B, 6);
    code.stmt(LDX_MEM, word);
}

/// How often something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Steps {
    Written(usize),
    /// Until it ends by itself.
    Loop,
}

impl Steps {
    fn repeat(self, code: &mut Labelled, step: impl Fn(&mut Labelled)) {
        match self {
            Self::Written(times) => (0..times).for_each(|_| step(code)),
            Self::Loop => {
                let again = code.label();
                code.here(again);
                step(code);
                code.back(again);
            }
        }
    }
}

/// Past extension headers: A says what the header at X is, before and after. Goes to `done` at the first that is none,
/// with [`LATER`] in A behind the header of a later fragment, and to `found` at a number that is looked for.
fn extensions(
    code: &mut Labelled,
    (at, word): (u32, u32),
    steps: Steps,
    done: Label,
    found: Option<(u32, Label)>,
) {
    if steps == Steps::Written(0) {
        return;
    }
    let later = code.label();
    let load = |size: u16, offset: u32| (LD | IND | size, at.wrapping_add(offset));
    steps.repeat(code, |code| {
        let (plain, fragment, ah, next) = (code.label(), code.label(), code.label(), code.label());
        if let Some((number, found)) = found {
            code.if_so(EQ, number, found);
        }
        PLAIN.iter().for_each(|&n| code.if_so(EQ, n, plain));
        code.if_so(EQ, FRAGMENT, fragment);
        code.if_so(EQ, AH, ah);
        code.go(done);
        code.here(plain);
        code.stmts(&[load(B, 1), (ALU | ADD | K, 1), (ALU | LSH | K, 3)]);
        code.go(next);
        code.here(ah);
        code.stmts(&[load(B, 1), (ALU | ADD | K, 2), (ALU | LSH | K, 2)]);
        code.go(next);
        code.here(fragment);
        code.stmts(&[load(H, 2)]);
        code.if_so(JSET, 0xfff8, later);
        code.stmt(LD_IMM, 8);
        code.here(next);
        code.stmts(&[(ALU | ADD | X, 0), (STORE, word), load(B, 0), (LDX_MEM, word)]);
    });
    if let Some((number, found)) = found {
        code.if_so(EQ, number, found);
    }
    code.go(done);
    code.here(later);
    code.stmts(&[load(B, 0), (ALU | OR | K, LATER)]);
}

/// See [`super::chain`].
pub(super) fn chain(code: &mut Labelled, base: Base, v6: bool, number: u32, word: u32, looping: bool) {
    let steps = if looping { Steps::Loop } else { Steps::Written(super::MOST_EXTENSIONS) };
    let (found, done, end) = (code.label(), code.label(), code.label());
    if v6 {
        fixed_header(code, base, word);
        extensions(code, (base.constant, word), steps, done, Some((number, found)));
    } else {
        base.enter(code);
        header_len(code, base);
        code.stmt(STORE_X, word);
        base.enter(code);
        base.load(code, B, 9);
        code.stmt(LDX_MEM, word);
        authentication(code, (base.constant, word), steps, done, (number, found));
    }
    code.here(done);
    // In a later fragment it may be said to come next; nothing that follows is at hand.
    code.if_so(EQ, number | LATER, found);
    code.stmt(LD_IMM, NOT_IP);
    code.go(end);
    code.here(found);
    code.stmt(LD_IMM, number);
    code.here(end);
    // What the caller's test stands behind may be no jump.
    code.stmts(&[(STORE, word), (LD_MEM, word)]);
}

/// Past authentication headers of IPv4.
fn authentication(
    code: &mut Labelled,
    (at, word): (u32, u32),
    steps: Steps,
    done: Label,
    (number, found): (u32, Label),
) {
    steps.repeat(code, |code| {
        code.if_so(EQ, number, found);
        code.if_not(EQ, AH, done);
        code.stmts(&[
            (LD | IND | B, at.wrapping_add(1)),
            (ALU | ADD | K, 2),
            (ALU | LSH | K, 2),
            (ALU | ADD | X, 0),
            (STORE, word),
            (LD | IND | B, at),
            (LDX_MEM, word),
        ]);
    });
    code.if_so(EQ, number, found);
}
