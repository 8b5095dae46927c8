//! Finding headers by walking to them: past VLAN tags, past extension headers of IPv6, into tunnels.
//!
//! libpcap's language looks for headers at offsets that the expression fixes. With [`Walk`] a prologue walks through the
//! packet once, before the first test, and leaves in memory words ([`Words`]) where headers are and what they are; the
//! tests then go by these. The words are the topmost ones; the rest of the filter never writes them.
//!
//! Walks are bounded and written out, since the kernel takes no loops in classic code: [`MOST_EXTENSIONS`] extension
//! headers, two tags, one tunnel. As everywhere in the language a packet is not taken if a load of the walk lies beyond
//! its end; that is so for packets that a capture has cut within the headers on the way.

mod headers;
mod label;
mod tunnel;

use skep_isa::classic::Insn;

use crate::code::{H, IMM, JEQ, LD, LDX, MEM, ST, STX};
use crate::dlt::Dlt;

pub(crate) use headers::LATER;
use label::Labelled;

/// Extension headers of IPv6 that are walked past; what is behind more of them is not found.
pub(crate) const MOST_EXTENSIONS: usize = 8;

/// What is walked past to find headers; by default nothing, as in libpcap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Walk {
    /// Past the extension headers of IPv6 (hop-by-hop and destination options, routing, fragment, authentication):
    /// protocols and ports behind up to eight of them are found, ports in first fragments alone. Includes `transport6`.
    pub ipv6_ext: bool,
    /// `tcp[13]`, `udp[4:2]` and the like look at packets of IPv6, too, `icmp6[0]` included.
    pub transport6: bool,
    /// Past up to two VLAN tags of Ethernet, wherever the expression looks; `vlan` and `vlan N` then ask whether there is
    /// such a tag, and move nothing.
    pub any_vlan: bool,
    /// Into tunnels: a packet is taken if the expression holds for it, or for the packet inside of it. IP in IP (4in4,
    /// 6in4, 4in6, 6in6), GRE, VXLAN, Geneve, GTP-U. Includes `any_vlan`.
    pub inner: bool,
}

impl Walk {
    pub(crate) fn any(self) -> bool {
        self != Walk::default()
    }

    pub(crate) fn tags(self) -> bool {
        self.any_vlan || self.inner
    }

    /// Whether transport headers are found by walking.
    pub(crate) fn transport(self) -> bool {
        self.ipv6_ext || self.transport6
    }

    pub(crate) fn steps(self) -> usize {
        if self.ipv6_ext { MOST_EXTENSIONS } else { 0 }
    }
}

/// Where the transport header is: memory words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transport {
    /// Its protocol; with [`LATER`] in a later fragment, which has none; [`headers::NOT_IP`] outside of IP.
    pub(crate) protocol: u32,
    /// Where it begins, less the constant part of where the network layer does.
    pub(crate) offset: u32,
}

/// Where the headers of a packet inside are: memory words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inner {
    /// What it carries, as an EtherType; 0 if there is no packet inside.
    pub(crate) ethertype: u32,
    /// Where the network layer begins.
    pub(crate) network: u32,
    /// Where its Ethernet header begins; the network layer's place if it has none.
    pub(crate) link: u32,
    pub(crate) transport: Transport,
}

/// The memory words that a prologue fills.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Words {
    /// How long the VLAN tags are.
    pub(crate) tags: Option<u32>,
    pub(crate) transport: Option<Transport>,
    pub(crate) inner: Option<Inner>,
}

impl Words {
    /// From the last word down.
    pub(crate) fn new(walk: Walk, dlt: Dlt) -> Words {
        let mut last = skep_isa::classic::MEM_WORDS as u32;
        let mut next = || {
            last -= 1;
            last
        };
        let mut transport = || Transport { protocol: next(), offset: next() };
        let known = Start::of(dlt).is_some();
        let outer = (known && (walk.transport() || walk.inner)).then(&mut transport);
        let inner = (known && walk.inner).then(&mut transport);
        let inner =
            inner.map(|transport| Inner { ethertype: next(), network: next(), link: next(), transport });
        Words { tags: (walk.tags() && dlt == Dlt::EN10MB).then(&mut next), transport: outer, inner }
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = u32> {
        let transport = |t: Transport| [t.protocol, t.offset];
        let inner = self.inner.map(|i| [i.ethertype, i.network, i.link]);
        let inner_transport = self.inner.map(|i| transport(i.transport));
        let words = self.tags.into_iter().chain(self.transport.map(transport).into_iter().flatten());
        words.chain(inner.into_iter().flatten()).chain(inner_transport.into_iter().flatten())
    }
}

/// How a link type says that it carries IP: where, and as which numbers.
#[derive(Clone, Copy, Debug)]
struct Start {
    /// None where there is nothing but IP, whose version tells.
    protocol: Option<(u32, [u32; 2])>,
    payload: u32,
}

impl Start {
    fn of(dlt: Dlt) -> Option<Start> {
        const ETHERTYPES: [u32; 2] = [0x0800, 0x86dd];
        let (protocol, payload) = match dlt {
            Dlt::EN10MB => (Some((12, ETHERTYPES)), 14),
            Dlt::LINUX_SLL => (Some((14, ETHERTYPES)), 16),
            Dlt::LINUX_SLL2 => (Some((0, ETHERTYPES)), 20),
            Dlt::C_HDLC => (Some((2, ETHERTYPES)), 4),
            Dlt::PPP => (Some((2, [0x21, 0x57])), 4),
            Dlt::RAW | Dlt::IPV4 | Dlt::IPV6 => (None, 0),
            _ => return None,
        };
        Some(Start { protocol, payload })
    }
}

/// Where the network layer begins on a link type whose packets are walked from their beginning; tags aside.
pub(crate) fn payload(dlt: Dlt) -> Option<u32> {
    Start::of(dlt).map(|start| start.payload)
}

/// The code before a filter that reads some of the words: what fills them.
pub(crate) fn prologue(walk: Walk, dlt: Dlt, words: Words, used: impl Fn(u32) -> bool) -> Vec<Insn> {
    let mut code = Labelled::default();
    let inner = words.inner.filter(|i| {
        let transport = i.transport;
        [i.ethertype, i.network, i.link, transport.protocol, transport.offset].into_iter().any(&used)
    });
    let transport = words.transport.filter(|t| inner.is_some() || used(t.protocol) || used(t.offset));
    if let Some(tags) = words.tags
        && (transport.is_some() || used(tags))
    {
        headers::tags(&mut code, tags);
    }
    if let (Some(transport), Some(start)) = (transport, Start::of(dlt)) {
        let base = headers::Base { constant: start.payload, word: words.tags };
        headers::start(&mut code, start, base, transport, walk.steps());
        if let Some(inner) = inner {
            tunnel::inner(&mut code, base, transport, inner);
            let base = headers::Base { constant: 0, word: Some(inner.network) };
            let t = inner.transport;
            if used(t.protocol) || used(t.offset) {
                headers::nothing(&mut code, t);
                code.stmt(LD | MEM, inner.ethertype);
                headers::dispatch(&mut code, [0x0800, 0x86dd], base, t, walk.steps());
            }
        }
    }
    code.finish()
}

/// The same walk to the transport header from where an expression has moved to, for one test: the version of IP tells
/// which it is. X need not hold anything.
pub(crate) fn from_version(base: (u32, Option<u32>), transport: Transport, steps: usize) -> Vec<Insn> {
    let mut code = Labelled::default();
    let base = headers::Base { constant: base.0, word: base.1 };
    headers::nothing(&mut code, transport);
    headers::version(&mut code, base, transport, steps);
    // Jumps to the end need a statement there.
    code.stmts(&[(LD_MEM, transport.protocol), (STORE, transport.protocol)]);
    code.finish()
}

/// Looks for a header of IPv6 (or, without `v6`, of IPv4 with authentication headers) by its number: leaves that in A if
/// it is there, and [`headers::NOT_IP`] if not. X and a memory word are used. A loop follows as many headers as there are.
pub(crate) fn chain(base: (u32, Option<u32>), v6: bool, number: u32, word: u32, looping: bool) -> Vec<Insn> {
    let mut code = Labelled::default();
    let base = headers::Base { constant: base.0, word: base.1 };
    headers::chain(&mut code, base, v6, number, word, looping);
    code.finish()
}

const LDH_ABS: u16 = LD | crate::code::ABS | H;
const LDH_IND: u16 = LD | crate::code::IND | H;
const LD_IMM: u16 = LD | IMM;
const LDX_IMM: u16 = LDX | IMM;
const LD_MEM: u16 = LD | MEM;
const LDX_MEM: u16 = LDX | MEM;
const EQ: u16 = JEQ;
const STORE: u16 = ST;
const STORE_X: u16 = STX;
