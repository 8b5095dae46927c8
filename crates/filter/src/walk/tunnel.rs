//! From a transport header to the packet inside: IP in IP (RFC 2003, 2473, 4213), GRE (RFC 2784, 2890), VXLAN (RFC 7348),
//! Geneve (RFC 8926), GTP-U (3GPP TS 29.281).

use super::headers::{Base, skip_tags};
use super::label::{Label, Labelled};
use super::{EQ, Inner, LD_IMM, LD_MEM, LDH_IND, LDX_MEM, STORE, STORE_X, Transport};
use crate::code::{ADD, ALU, AND, B, IND, JSET, K, LD, LSH, MISC, RSH, TAX, TXA, X};

/// Protocol numbers of IP and what they carry.
const IP_IN_IP: [(u32, u32); 2] = [(4, 0x0800), (41, 0x86dd)];
const GRE: u32 = 47;
const UDP: u32 = 17;
const VXLAN: u32 = 4789;
const GENEVE: u32 = 6081;
const GTP_U: u32 = 2152;
/// Transparent Ethernet bridging.
const TEB: u32 = 0x6558;
const UDP_HDRLEN: u32 = 8;
/// Extension headers of GTP-U that are walked past.
const GTP_EXTENSIONS: usize = 4;

/// Ends of a walk into a tunnel.
struct Ends {
    /// A packet of the EtherType in A begins at X.
    typed: Label,
    /// An Ethernet frame begins at X.
    ethernet: Label,
    /// IP, whose version tells which, begins at X.
    ip: Label,
    /// Nothing inside.
    none: Label,
}

/// Fills the words but for the transport header's.
pub(super) fn inner(code: &mut Labelled, outer: Base, transport: Transport, to: Inner) {
    let none = code.label();
    let ends = Ends { typed: code.label(), ethernet: code.label(), ip: code.label(), none };
    let (gre, udp, found) = (code.label(), code.label(), code.label());
    code.stmts(&[(LD_IMM, 0), (STORE, to.ethertype), (STORE, to.network), (STORE, to.link)]);
    code.stmts(&[(LDX_MEM, transport.offset), (LD_MEM, transport.protocol)]);
    let ip_in_ip = IP_IN_IP.map(|(protocol, ethertype)| (protocol, ethertype, code.label()));
    ip_in_ip.iter().for_each(|&(protocol, _, label)| code.if_so(EQ, protocol, label));
    code.if_so(EQ, GRE, gre);
    code.if_so(EQ, UDP, udp);
    code.go(none);
    for (_, ethertype, label) in ip_in_ip {
        code.here(label);
        code.stmts(&[(MISC | TXA, 0), (ALU | ADD | K, outer.constant), (MISC | TAX, 0)]);
        code.stmt(LD_IMM, ethertype);
        code.go(ends.typed);
    }
    code.here(gre);
    generic(code, outer.constant, to, &ends);
    code.here(udp);
    over_udp(code, outer.constant, to, &ends);
    code.here(ends.ip);
    let (v4, v6) = (code.label(), code.label());
    code.stmts(&[(LD | IND | B, 0), (ALU | RSH | K, 4)]);
    code.if_so(EQ, 4, v4);
    code.if_so(EQ, 6, v6);
    code.go(none);
    for (label, (_, ethertype)) in [v4, v6].into_iter().zip(IP_IN_IP) {
        code.here(label);
        code.stmt(LD_IMM, ethertype);
        code.go(ends.typed);
    }
    code.here(ends.ethernet);
    code.stmt(STORE_X, to.link);
    skip_tags(code);
    code.stmts(&[(LDH_IND, 12), (STORE, to.ethertype)]);
    code.stmts(&[(MISC | TXA, 0), (ALU | ADD | K, 14), (STORE, to.network)]);
    code.go(found);
    code.here(ends.typed);
    code.stmts(&[(STORE, to.ethertype), (STORE_X, to.network), (STORE_X, to.link)]);
    code.here(none);
    code.here(found);
}

/// GRE: behind its fixed part are a checksum, a key and a sequence number, where its flags say so.
fn generic(code: &mut Labelled, at: u32, to: Inner, ends: &Ends) {
    code.stmt(LDH_IND, at);
    // Routing, or another version.
    code.if_so(JSET, 0x4007, ends.none);
    code.stmts(&[(MISC | TXA, 0), (ALU | ADD | K, at.wrapping_add(4)), (STORE, to.network)]);
    for flag in [0x8000, 0x2000, 0x1000] {
        let without = code.label();
        code.stmt(LDH_IND, at);
        code.if_not(JSET, flag, without);
        code.stmts(&[(LD_MEM, to.network), (ALU | ADD | K, 4), (STORE, to.network)]);
        code.here(without);
    }
    code.stmts(&[(LDH_IND, at.wrapping_add(2)), (LDX_MEM, to.network)]);
    code.if_so(EQ, TEB, ends.ethernet);
    code.go(ends.typed);
}

fn over_udp(code: &mut Labelled, at: u32, to: Inner, ends: &Ends) {
    let (vxlan, geneve, gtp) = (code.label(), code.label(), code.label());
    let payload = at.wrapping_add(UDP_HDRLEN);
    code.stmt(LDH_IND, at.wrapping_add(2));
    code.if_so(EQ, VXLAN, vxlan);
    code.if_so(EQ, GENEVE, geneve);
    code.if_so(EQ, GTP_U, gtp);
    code.go(ends.none);

    code.here(vxlan);
    code.stmt(LD | IND | B, payload);
    // The identifier is there.
    code.if_not(JSET, 0x08, ends.none);
    code.stmts(&[(MISC | TXA, 0), (ALU | ADD | K, payload.wrapping_add(8)), (MISC | TAX, 0)]);
    code.go(ends.ethernet);

    code.here(geneve);
    code.stmt(LD | IND | B, payload);
    // Another version.
    code.if_so(JSET, 0xc0, ends.none);
    code.stmts(&[(ALU | AND | K, 0x3f), (ALU | LSH | K, 2), (ALU | ADD | X, 0)]);
    code.stmts(&[(ALU | ADD | K, payload.wrapping_add(8)), (STORE, to.network)]);
    code.stmts(&[(LDH_IND, payload.wrapping_add(2)), (LDX_MEM, to.network)]);
    code.if_so(EQ, TEB, ends.ethernet);
    code.go(ends.typed);

    code.here(gtp);
    gtp_u(code, payload, ends);
}

/// GTP-U version 1, a packet of the user's. Its sequence number, N-PDU number and first extension's type are there
/// together, where a flag asks for one of them.
fn gtp_u(code: &mut Labelled, at: u32, ends: &Ends) {
    let optional = code.label();
    code.stmts(&[(LD | IND | B, at), (ALU | AND | K, 0xf0)]);
    code.if_not(EQ, 0x30, ends.none);
    code.stmt(LD | IND | B, at.wrapping_add(1));
    code.if_not(EQ, 255, ends.none);
    code.stmt(LD | IND | B, at);
    code.if_so(JSET, 0x07, optional);
    code.stmts(&[(MISC | TXA, 0), (ALU | ADD | K, at.wrapping_add(8)), (MISC | TAX, 0)]);
    code.go(ends.ip);

    code.here(optional);
    let (last, chained) = (code.label(), code.label());
    code.if_so(JSET, 0x04, chained);
    code.stmts(&[(MISC | TXA, 0), (ALU | ADD | K, at.wrapping_add(12)), (MISC | TAX, 0)]);
    code.go(ends.ip);
    code.here(chained);
    // X is at the type of the next extension, which begins behind it with its length in words.
    code.stmts(&[(MISC | TXA, 0), (ALU | ADD | K, at.wrapping_add(11)), (MISC | TAX, 0)]);
    for _ in 0..GTP_EXTENSIONS {
        code.stmt(LD | IND | B, 0);
        code.if_so(EQ, 0, last);
        code.stmts(&[(LD | IND | B, 1), (ALU | LSH | K, 2), (ALU | ADD | X, 0), (MISC | TAX, 0)]);
    }
    code.stmt(LD | IND | B, 0);
    code.if_not(EQ, 0, ends.none);
    code.here(last);
    code.stmts(&[(MISC | TXA, 0), (ALU | ADD | K, 1), (MISC | TAX, 0)]);
    code.go(ends.ip);
}
