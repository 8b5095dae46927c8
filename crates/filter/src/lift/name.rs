//! Questions about bytes as primitives, by what is known of the packet where they are asked.

use skep_isa::classic::{AluOp, Cond, Size};

use super::formula::{Facts, Formula, full, narrow, within};
use super::leaf::{ARP, Dir, IP, IP6, Kind, Leaf, RARP, WITH_PORTS, Word, keyword};
use super::named::Named;
use crate::Dlt;
use crate::decide::expr::{Expr, ExprId, Exprs};
use crate::decide::steps::{Set, complement};
use crate::explain::fields::{Layers, is_tag, sign};
use crate::explain::flow::both;

/// Nothing in the language asks for this, such as the mark of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unsayable(pub(super) String);

type Res<T> = Result<T, Unsayable>;

/// How much a name is to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// Primitives where there are any.
    Primitives,
    /// Bytes of headers by their protocol.
    Headers,
    /// Bytes of the packet.
    Bytes,
}

pub(super) struct Namer<'e> {
    pub(super) exprs: &'e mut Exprs,
    pub(super) dlt: Dlt,
    pub(super) style: Style,
}

/// Where a question stands.
struct Place<'f> {
    layers: Layers,
    facts: &'f Facts,
}

/// A value as arithmetic, and what of the packet its accessors imply.
struct Value {
    text: String,
    families: u8,
    protos: Vec<u32>,
    whole: bool,
}

impl Namer<'_> {
    pub(super) fn name(&mut self, f: &Formula, facts: &Facts, tags: u32) -> Res<Named> {
        Ok(match f {
            Formula::True => Named::True,
            Formula::False => Named::False,
            Formula::Not(inner) => self.name(inner, facts, tags)?.whole().not(),
            Formula::And(all) => self.all(all, facts, tags)?,
            Formula::Or(any) => self.any(any, facts, tags)?,
            Formula::In(field, set) => self.question(*field, set, facts, tags)?,
            Formula::Compare(cond, a, b) => {
                let place = self.place(facts, tags);
                let (a, b) = (self.value(*a, &place)?, self.value(*b, &place)?);
                let text = match cond {
                    Cond::Eq => format!("{} = {}", a.text, b.text),
                    Cond::Gt => format!("{} > {}", a.text, b.text),
                    Cond::Ge => format!("{} >= {}", a.text, b.text),
                    Cond::Set => format!("({} & {}) != 0", a.text, b.text),
                };
                leaf(a.and(b), text)
            }
            Formula::There(load) => {
                let place = self.place(facts, tags);
                let value = self.value(*load, &place)?;
                let text = format!("{} >= 0", value.text);
                leaf(value, text)
            }
        })
    }

    /// Each part is named by what all simple parts tell.
    fn all(&mut self, all: &[Formula], facts: &Facts, tags: u32) -> Res<Named> {
        let mut known = facts.clone();
        for f in all {
            if let Formula::In(field, set) = f {
                narrow(&mut known, Facts::from([(*field, set.clone())]));
            }
        }
        let mut named = Vec::with_capacity(all.len());
        // A tag is said where it is asked for; what is asked behind it is said behind it.
        let here = self.place(&known, u32::MAX);
        let behind = if self.style == Style::Primitives { here.layers.tags } else { tags };
        for f in all {
            let is_tag = matches!(f, Formula::In(field, set) if self.is_tag(*field, set, tags));
            let within = if is_tag { tags } else { behind };
            named.push(self.name(f, if is_tag { facts } else { &known }, within)?);
        }
        let said = named.iter().any(|f| matches!(f, Named::Vlan(_)));
        if behind != tags && !said {
            // The tag is asked for in some other way: nothing behind it has a name.
            named.clear();
            for f in all {
                named.push(self.name(f, &known, tags)?);
            }
        }
        Ok(Named::and(named))
    }

    fn any(&mut self, any: &[Formula], facts: &Facts, tags: u32) -> Res<Named> {
        let mut named = Vec::with_capacity(any.len());
        let mut rest: Vec<&Formula> = any.iter().collect();
        if self.style == Style::Primitives {
            let place = self.place(facts, tags);
            if place.layers.carried == Some(0x86dd)
                && let Some((protos, left)) = self.behind_fragment(&place, &rest)
            {
                let leaf = Leaf { protos, ..Leaf::new(IP6, Kind::Proto) };
                named.push(Named::Leaf(leaf));
                rest = left;
            }
        }
        for f in rest {
            named.push(self.name(f, facts, tags)?);
        }
        Ok(Named::or(named))
    }

    /// IPv6's next header, or that behind a fragment header: what the language asks for by `proto`.
    fn behind_fragment<'f>(
        &mut self,
        place: &Place<'_>,
        any: &[&'f Formula],
    ) -> Option<(Vec<u32>, Vec<&'f Formula>)> {
        let next = self.exprs.make(Expr::Load(Size::B, place.layers.network + 6));
        let later = self.exprs.make(Expr::Load(Size::B, place.layers.network + 40));
        let direct = any.iter().find_map(|f| match f {
            Formula::In(field, set) if *field == next => Some(set),
            _ => None,
        })?;
        let fragment: Set = [(44, 44)].as_slice().into();
        let wanted = [Formula::In(next, fragment), Formula::In(later, direct.clone())];
        let is_both = |f: &&&Formula| match f {
            Formula::And(all) => all.len() == 2 && wanted.iter().all(|w| all.contains(w)),
            _ => false,
        };
        any.iter().find(is_both)?;
        let protos = values(direct)?;
        let left = any.iter().copied().filter(|f| !is_both(&f));
        let left = left.filter(|f| !matches!(f, Formula::In(field, _) if *field == next)).collect();
        Some((protos, left))
    }

    /// What is known of a place, behind as many bytes of tags as have been said.
    fn place<'f>(&mut self, facts: &'f Facts, tags: u32) -> Place<'f> {
        let mut layers = Layers::new(self.exprs, facts, self.dlt);
        if tags != u32::MAX && layers.tags != tags {
            layers.carried = None;
            layers.link_type = None;
        }
        if self.style == Style::Bytes {
            layers.carried = None;
        }
        Place { layers, facts }
    }

    /// Whether a question is the one of `vlan`.
    fn is_tag(&mut self, field: ExprId, set: &Set, tags: u32) -> bool {
        let kind = self.exprs.get(field) == Expr::Load(Size::H, 12 + tags);
        kind && self.dlt == Dlt::EN10MB
            && set.len() == 3
            && values(set).is_some_and(|v| v.iter().all(|&v| is_tag(v)))
    }

    fn question(&mut self, field: ExprId, set: &Set, facts: &Facts, tags: u32) -> Res<Named> {
        let place = self.place(facts, tags);
        if self.style == Style::Primitives {
            if self.is_tag(field, set, tags) {
                return Ok(Named::Vlan(None));
            }
            if let Some(named) = self.primitive(field, set, &place) {
                return Ok(named);
            }
            // What is not in a set is said by what is.
            let others = both(&complement(set), &full(self.exprs, field));
            if others.len() < set.len() + usize::from(set.first().is_some_and(|r| r.0 == 0))
                && let Some(named) = self.primitive(field, &others, &place)
            {
                return Ok(named.not());
            }
        }
        self.bytes(field, set, &place)
    }

    fn primitive(&mut self, field: ExprId, set: &Set, place: &Place<'_>) -> Option<Named> {
        let expr = self.exprs.get(field);
        let net = place.layers.network;
        if let (Some((at, size)), Expr::Load(s, k)) = (place.layers.link_type, expr)
            && (at, size) == (k, s)
        {
            return self.network_protocol(set);
        }
        if matches!(self.dlt, Dlt::RAW | Dlt::IPV4 | Dlt::IPV6) && expr == Expr::Load(Size::B, 0) {
            return match **set {
                [(0x40, 0x4f)] => Some(family(IP)),
                [(0x60, 0x6f)] => Some(family(IP6)),
                _ => None,
            };
        }
        if place.layers.tags > 0 && self.exprs.get(field) == self.tag_number(net) {
            return match values(set)?[..] {
                [id] => Some(Named::Vlan(Some(id))),
                _ => None,
            };
        }
        if let (Dlt::EN10MB, Expr::Load(size, k @ 0..12)) = (self.dlt, expr) {
            let dir = if k < 6 { Dir::Dst } else { Dir::Src };
            return self.word(true, dir, k % 6, size, field, set, place);
        }
        if self.dlt == Dlt::EN10MB && **set == [(1, u32::MAX)] && expr == self.group_bit() {
            return Some(Named::Leaf(Leaf::new(0, Kind::Words("ether multicast".into()))));
        }
        match place.layers.carried? {
            0x800 => self.ipv4(expr, set, place),
            0x86dd => self.ipv6(field, set, place),
            0x806 => {
                let families = self.arp_families(place);
                let dir = match expr {
                    Expr::Load(Size::W, k) if k == net + 14 => Dir::Src,
                    Expr::Load(Size::W, k) if k == net + 24 => Dir::Dst,
                    _ => return None,
                };
                Some(Named::Leaf(Leaf::new(families, Kind::Nets(dir, networks(set)?))))
            }
            _ => None,
        }
    }

    /// The number of the tag that ends before the type at hand.
    fn tag_number(&mut self, network: u32) -> Expr {
        let tag = self.exprs.make(Expr::Load(Size::H, network - 4));
        let mask = self.exprs.make(Expr::Const(0xfff));
        Expr::Alu(AluOp::And, tag, mask)
    }

    /// The bit of an Ethernet address that says that it is a group's.
    fn group_bit(&mut self) -> Expr {
        let first = self.exprs.make(Expr::Load(Size::B, 0));
        let mask = self.exprs.make(Expr::Const(1));
        Expr::Alu(AluOp::And, first, mask)
    }

    fn network_protocol(&self, set: &Set) -> Option<Named> {
        let mut any = Vec::new();
        for kind in values(set)? {
            any.push(match kind {
                0x800 => family(IP),
                0x806 => family(ARP),
                0x8035 => family(RARP),
                0x86dd => family(IP6),
                // Shorter ones are lengths of 802.3.
                1501.. => Named::Leaf(Leaf::new(0, Kind::EtherType(kind))),
                _ => return None,
            });
        }
        Some(Named::or(any))
    }

    fn arp_families(&mut self, place: &Place<'_>) -> u8 {
        let Some((at, size)) = place.layers.link_type else { return ARP };
        let kind = self.exprs.make(Expr::Load(size, at));
        let has = |value| place.facts.get(&kind).is_some_and(|set| crate::decide::steps::has(set, value));
        (if has(0x806) { ARP } else { 0 }) | if has(0x8035) { RARP } else { 0 }
    }

    /// The protocols that a packet may be of here, if few.
    fn protos(&mut self, place: &Place<'_>, at: u32) -> Option<Vec<u32>> {
        let field = self.exprs.make(Expr::Load(Size::B, place.layers.network + at));
        values(place.facts.get(&field)?)
    }

    fn is_whole(&mut self, place: &Place<'_>) -> bool {
        let fragment = self.fragment(place.layers.network);
        let zero: Set = [(0, 0)].as_slice().into();
        place.facts.get(&fragment).is_some_and(|set| within(set, &zero))
    }

    fn fragment(&mut self, network: u32) -> ExprId {
        let field = self.exprs.make(Expr::Load(Size::H, network + 6));
        let mask = self.exprs.make(Expr::Const(0x1fff));
        self.exprs.make(Expr::Alu(AluOp::And, field, mask))
    }

    fn ipv4(&mut self, expr: Expr, set: &Set, place: &Place<'_>) -> Option<Named> {
        let net = place.layers.network;
        let fragment = self.fragment(net);
        if expr == self.exprs.get(fragment) {
            let zero = **set == [(0, 0)];
            return zero.then(|| Named::Leaf(Leaf { whole: true, ..Leaf::new(IP, Kind::Whole) }));
        }
        let leaf = match expr {
            Expr::Load(Size::B, k) if k == net + 9 => {
                Leaf { protos: values(set)?, ..Leaf::new(IP, Kind::Proto) }
            }
            Expr::Load(Size::W, k) if k == net + 12 || k == net + 16 => {
                let dir = if k == net + 12 { Dir::Src } else { Dir::Dst };
                Leaf::new(IP, Kind::Nets(dir, networks(set)?))
            }
            Expr::Ind(Size::H, k, base)
                if self.exprs.get(base) == Expr::Msh(net) && (k == net || k == net + 2) =>
            {
                let protos = self.protos(place, 9)?;
                if !self.is_whole(place) {
                    return None;
                }
                return ports(IP, protos, k == net, set);
            }
            _ => return None,
        };
        Some(Named::Leaf(leaf))
    }

    fn ipv6(&mut self, field: ExprId, set: &Set, place: &Place<'_>) -> Option<Named> {
        let Expr::Load(size, k) = self.exprs.get(field) else { return None };
        let inside = k.checked_sub(place.layers.network)?;
        match (inside, size) {
            (6, Size::B) => {
                let leaf = Leaf { protos: values(set)?, ..Leaf::new(IP6, Kind::Next) };
                Some(Named::Leaf(leaf))
            }
            (8..24, Size::W) => self.word(false, Dir::Src, inside - 8, size, field, set, place),
            (24..40, Size::W) => self.word(false, Dir::Dst, inside - 24, size, field, set, place),
            (40 | 42, Size::H) => {
                let protos = self.protos(place, 6)?;
                ports(IP6, protos, inside == 40, set)
            }
            _ => None,
        }
    }

    /// A part of a long address.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a part of the word; a struct would only rename them"
    )]
    fn word(
        &mut self,
        mac: bool,
        dir: Dir,
        at: u32,
        size: Size,
        field: ExprId,
        set: &Set,
        place: &Place<'_>,
    ) -> Option<Named> {
        let [(low, high)] = **set else { return None };
        let value = self.value(field, place).ok()?;
        let text = relation(&value.text, set, &full(self.exprs, field));
        let bytes = size.bytes() as u32;
        let word = Word { mac, dir, at, bytes, low, high, text };
        Some(Named::Leaf(Leaf::new(if mac { 0 } else { IP6 }, Kind::Word(word))))
    }

    /// A question about bytes.
    fn bytes(&mut self, field: ExprId, set: &Set, place: &Place<'_>) -> Res<Named> {
        let value = self.value(field, place)?;
        if let (Style::Primitives, Expr::Len) = (self.style, self.exprs.get(field)) {
            let said = set.iter().map(|&range| match range {
                (0, most) => Some(format!("less {most}")),
                (least, u32::MAX) => Some(format!("greater {least}")),
                _ => None,
            });
            if let Some(said) = said.collect::<Option<Vec<String>>>() {
                let any = said.into_iter().map(|text| Named::Leaf(Leaf::new(0, Kind::Words(text))));
                return Ok(Named::or(any.collect()));
            }
        }
        let text = relation(&value.text, set, &full(self.exprs, field));
        Ok(leaf(value, text))
    }

    fn value(&mut self, id: ExprId, place: &Place<'_>) -> Res<Value> {
        Ok(match self.exprs.get(id) {
            Expr::Const(k) => Value::plain(k.to_string()),
            Expr::Len => Value::plain("len".into()),
            Expr::Word(_) => {
                return Err(Unsayable("it asks for a memory word that it has not written".into()));
            }
            Expr::Load(size, k) => self.load(size, k, place)?,
            Expr::Msh(k) => {
                let byte = self.load(Size::B, k, place)?;
                Value { text: format!("(({} & 0xf) << 2)", byte.text), ..byte }
            }
            Expr::Ind(size, k, base) => self.behind(size, k, base, place)?,
            Expr::Neg(a) => {
                let a = self.value(a, place)?;
                Value { text: format!("(-{})", a.text), ..a }
            }
            Expr::Alu(op, a, b) => {
                let (x, y) = (self.value(a, place)?, self.value(b, place)?);
                let right = match self.exprs.get(b) {
                    Expr::Const(k) if op == AluOp::And => format!("{k:#x}"),
                    _ => y.text.clone(),
                };
                let text = format!("({} {} {right})", x.text, sign(op));
                Value { text, ..x.and(y) }
            }
        })
    }

    fn load(&self, size: Size, k: u32, place: &Place<'_>) -> Res<Value> {
        if k.cast_signed() < 0 {
            let what = skep_isa::classic::Ancillary::from_offset(k);
            let what = what.map_or("bytes at a negative offset", |fact| fact.meaning());
            return Err(Unsayable(format!("it asks for {what}")));
        }
        let inside = k.checked_sub(place.layers.network);
        let (name, families) = match place.layers.carried {
            Some(0x800) => ("ip", IP),
            Some(0x86dd) => ("ip6", IP6),
            // Of ARP and RARP together there is no accessor.
            _ => (self.link(), 0),
        };
        let (name, at, families) = match inside {
            Some(inside) if families != 0 => (name, inside, families),
            _ => (self.link(), k, 0),
        };
        Ok(Value { families, ..Value::plain(access(name, &at.to_string(), size)) })
    }

    fn link(&self) -> &'static str {
        if self.dlt == Dlt::EN10MB { "ether" } else { "link" }
    }

    /// Bytes at an offset from a value.
    fn behind(&mut self, size: Size, k: u32, base: ExprId, place: &Place<'_>) -> Res<Value> {
        let net = place.layers.network;
        let ip = place.layers.carried == Some(0x800);
        let transport = ip && k >= net && self.exprs.get(base) == Expr::Msh(net) && self.is_whole(place);
        if transport
            && let Some(&[proto]) = self.protos(place, 9).as_deref()
            && let Some(name) =
                if proto == 1 { Some("icmp") } else { keyword(proto).filter(|_| proto < 50 || proto == 132) }
        {
            let text = access(name, &(k - net).to_string(), size);
            return Ok(Value { text, families: IP, protos: vec![proto], whole: true });
        }
        let base = self.value(base, place)?;
        let (name, k, families) = if ip && k >= net { ("ip", k - net, IP) } else { (self.link(), k, 0) };
        let at = if k == 0 { base.text.clone() } else { format!("{} + {k}", base.text) };
        let text = access(name, &at, size);
        Ok(Value { text, families: families | base.families, protos: Vec::new(), whole: false })
    }
}

impl Value {
    fn plain(text: String) -> Self {
        Self { text, families: 0, protos: Vec::new(), whole: false }
    }

    /// What two values together imply. Their text is the first one's.
    fn and(self, other: Self) -> Self {
        let protos = if self.protos.is_empty() { other.protos } else { self.protos };
        Self {
            text: self.text,
            families: self.families | other.families,
            protos,
            whole: self.whole || other.whole,
        }
    }
}

fn leaf(value: Value, text: String) -> Named {
    let Value { families, protos, whole, .. } = value;
    Named::Leaf(Leaf { families, protos, whole, kind: Kind::Text(text) })
}

fn family(bits: u8) -> Named {
    Named::Leaf(Leaf::new(bits, Kind::Family))
}

fn ports(families: u8, protos: Vec<u32>, source: bool, set: &Set) -> Option<Named> {
    let known = !protos.is_empty() && protos.iter().all(|p| WITH_PORTS.contains(p));
    if !known || set.len() > MOST_LISTED && set.iter().any(|r| r.0 != r.1) {
        return None;
    }
    let dir = if source { Dir::Src } else { Dir::Dst };
    let ranges = set.iter().flat_map(|&(low, high)| {
        // Two neighbours are two ports.
        if high == low + 1 { vec![(low, low), (high, high)] } else { vec![(low, high)] }
    });
    let kind = Kind::Ports(dir, ranges.collect());
    Some(Named::Leaf(Leaf { families, protos, whole: families == IP, kind }))
}

/// Ranges that are written as a list.
const MOST_LISTED: usize = 64;

/// The values of a set, if it has few.
fn values(set: &Set) -> Option<Vec<u32>> {
    let count: u64 = set.iter().map(|r| u64::from(r.1 - r.0) + 1).sum();
    (count <= MOST_LISTED as u64).then(|| set.iter().flat_map(|r| r.0..=r.1).collect())
}

/// A set of IPv4 addresses as networks; none if ranges are no networks.
fn networks(set: &Set) -> Option<Vec<(u128, u32)>> {
    const MOST_PARTS: usize = 4;
    let mut all = Vec::new();
    for &(low, high) in set.iter() {
        let (mut at, end, before) = (u64::from(low), u64::from(high) + 1, all.len());
        while at < end {
            let mut bits = if at == 0 { 32 } else { at.trailing_zeros().min(32) };
            while at + (1 << bits) > end {
                bits -= 1;
            }
            all.push((u128::from(at), 32 - bits));
            at += 1 << bits;
        }
        let hosts = all[before..].iter().all(|n| n.1 == 32);
        if all.len() - before > MOST_PARTS && !hosts || all.iter().any(|n| n.1 == 0) {
            return None;
        }
    }
    Some(all)
}

fn access(name: &str, at: &str, size: Size) -> String {
    match size {
        Size::B => format!("{name}[{at}]"),
        Size::H => format!("{name}[{at}:2]"),
        _ => format!("{name}[{at}:4]"),
    }
}

/// A value in a set, by relations.
fn relation(value: &str, set: &Set, all: &Set) -> String {
    // Relations bind less than all arithmetic.
    let inner = value.strip_prefix('(').and_then(|v| v.strip_suffix(')'));
    let value = inner.filter(|v| !v.contains(['(', ')'])).unwrap_or(value);
    let last = all.last().map_or(u32::MAX, |r| r.1);
    let others = both(&complement(set), all);
    let number = |k: u32| if k < 256 { k.to_string() } else { format!("{k:#x}") };
    if let [(low, high)] = *others
        && low == high
    {
        return format!("{value} != {}", number(low));
    }
    let ranges = set.iter().map(|&(low, high)| match (low, high) {
        (low, high) if low == high => format!("{value} = {}", number(low)),
        (0, high) => format!("{value} <= {}", number(high)),
        (low, high) if high >= last => format!("{value} >= {}", number(low)),
        (low, high) if set.len() == 1 => {
            format!("{value} >= {} and {value} <= {}", number(low), number(high))
        }
        (low, high) => format!("({value} >= {} and {value} <= {})", number(low), number(high)),
    });
    ranges.collect::<Vec<_>>().join(" or ")
}
