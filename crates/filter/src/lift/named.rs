//! Formulas of primitives: put together until they read as people write them, and written down.

use super::leaf::{Dir, IP6, Join, Kind, Leaf, Word};

/// A formula of primitives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Named {
    True,
    False,
    And(Vec<Named>),
    Or(Vec<Named>),
    Not(Box<Named>),
    /// A VLAN tag, perhaps of this number; what comes behind it is looked for behind the tag.
    Vlan(Option<u32>),
    Leaf(Leaf),
}

impl Named {
    pub(super) fn not(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::Not(inner) => *inner,
            f => Self::Not(Box::new(f)),
        }
    }

    /// All of these hold.
    pub(super) fn and(parts: Vec<Self>) -> Self {
        let mut all = Vec::new();
        for part in parts {
            match part {
                Self::True => {}
                Self::False => return Self::False,
                Self::And(more) => all.extend(more),
                f if all.contains(&f) => {}
                f => all.push(f),
            }
        }
        tagged(&mut all);
        long_addresses(&mut all);
        // From the end, so that of two that imply each other the first stays.
        for at in (0..all.len()).rev() {
            let said = matches!(&all[at], Self::Leaf(leaf)
                if all.iter().enumerate().any(|(n, f)| n != at && f.implies(leaf)));
            if said {
                all.remove(at);
            }
        }
        match all.len() {
            0 => Self::True,
            1 => all.swap_remove(0),
            _ => Self::And(all),
        }
    }

    /// One of these holds.
    pub(super) fn or(parts: Vec<Self>) -> Self {
        let mut any: Vec<Self> = Vec::new();
        for part in parts {
            match part.whole() {
                Self::False => {}
                Self::True => return Self::True,
                Self::Or(more) => any.extend(more),
                // Each protocol finds its like of the other family.
                Self::Leaf(leaf) if leaf.kind == Kind::Proto && leaf.protos.len() > 1 => {
                    let each = leaf.protos.iter().map(|&p| Leaf { protos: vec![p], ..leaf.clone() });
                    any.extend(each.map(Self::Leaf));
                }
                f if any.contains(&f) => {}
                f => any.push(f),
            }
        }
        while put_together(&mut any) {}
        match any.len() {
            0 => Self::False,
            1 => any.swap_remove(0),
            _ => Self::Or(any),
        }
    }

    /// A word of an address as the network that it is alone.
    pub(super) fn whole(self) -> Self {
        let word = matches!(&self, Self::Leaf(leaf) if matches!(leaf.kind, Kind::Word(_)));
        if word { Self::and(vec![self]) } else { self }
    }

    fn implies(&self, leaf: &Leaf) -> bool {
        match self {
            Self::Leaf(own) => own.implies(leaf),
            Self::And(all) => all.iter().any(|f| f.implies(leaf)),
            Self::Or(any) => any.iter().all(|f| f.implies(leaf)),
            _ => false,
        }
    }

    fn has_tag(&self) -> bool {
        match self {
            Self::Vlan(_) => true,
            Self::And(all) | Self::Or(all) => all.iter().any(Self::has_tag),
            Self::Not(inner) => inner.has_tag(),
            _ => false,
        }
    }

    /// Whether all of it is in the words of the language, none of it by bytes.
    pub(super) fn is_said(&self) -> bool {
        match self {
            Self::Leaf(leaf) => leaf.is_said(),
            Self::And(all) | Self::Or(all) => all.iter().all(Self::is_said),
            Self::Not(inner) => inner.is_said(),
            Self::True | Self::False | Self::Vlan(_) => true,
        }
    }

    /// As an expression.
    pub(super) fn text(&self) -> String {
        match self {
            // Every packet has a length; none has a negative one.
            Self::True => "greater 0".into(),
            Self::False => "not greater 0".into(),
            Self::And(all) => all.iter().map(|f| f.inside(Join::And)).collect::<Vec<_>>().join(" and "),
            Self::Or(any) => {
                // A tag moves what is behind it, so what has one comes last.
                let (tagged, plain): (Vec<&Self>, Vec<&Self>) = any.iter().partition(|f| f.has_tag());
                plain.into_iter().chain(tagged).map(|f| f.inside(Join::Or)).collect::<Vec<_>>().join(" or ")
            }
            Self::Not(inner) => format!("not {}", inner.inside(Join::None)),
            Self::Vlan(None) => "vlan".into(),
            Self::Vlan(Some(id)) => format!("vlan {id}"),
            Self::Leaf(leaf) => leaf.text().0,
        }
    }

    /// The same, in parentheses if it needs them among others that are joined so.
    fn inside(&self, outer: Join) -> String {
        let own = match self {
            Self::And(_) => Join::And,
            Self::Or(_) => Join::Or,
            Self::Leaf(leaf) => leaf.text().1,
            _ => Join::None,
        };
        if own == Join::None || own == outer { self.text() } else { format!("({})", self.text()) }
    }
}

/// Puts two of the alternatives together; whether there were two.
fn put_together(any: &mut Vec<Named>) -> bool {
    for a in 0..any.len() {
        for b in a + 1..any.len() {
            let both = match (&any[a], &any[b]) {
                (Named::Leaf(x), Named::Leaf(y)) => x.either(y).map(Named::Leaf),
                (Named::And(x), Named::And(y)) => common(x, y).or_else(|| of_both_families(x, y)),
                (Named::And(x), Named::Leaf(_)) if x.contains(&any[b]) => Some(any[b].clone()),
                (Named::Leaf(_), Named::And(y)) if y.contains(&any[a]) => Some(any[a].clone()),
                _ => None,
            };
            if let Some(both) = both {
                any[a] = both;
                any.remove(b);
                return true;
            }
        }
    }
    false
}

/// Two conjunctions that differ in one part, as one, if those two parts go together.
fn common(x: &[Named], y: &[Named]) -> Option<Named> {
    let only = |a: &[Named], b: &[Named]| {
        let mut own = a.iter().filter(|f| !b.contains(f)).cloned();
        (own.next(), own.next().is_none())
    };
    let ((Some(a), true), (Some(b), true)) = (only(x, y), only(y, x)) else { return None };
    let (Named::Leaf(a), Named::Leaf(b)) = (a, b) else { return None };
    // What a protocol alone tells apart is told apart better where it stands.
    let both = a.either(&b).filter(|_| a.kind != Kind::Family)?;
    let shared = x.iter().filter(|f| y.contains(f)).cloned();
    Some(Named::and(shared.chain([Named::Leaf(both)]).collect()))
}

/// Two conjunctions that say the same of IPv4 and of IPv6, as one.
fn of_both_families(x: &[Named], y: &[Named]) -> Option<Named> {
    let positive = |all: &[Named]| all.iter().any(|f| matches!(f, Named::Leaf(l) if l.families != 0));
    if x.len() != y.len() || !positive(x) || !positive(y) {
        return None;
    }
    let mut rest: Vec<&Named> = y.iter().collect();
    let mut all = Vec::with_capacity(x.len());
    for f in x {
        let (at, both) = rest.iter().enumerate().find_map(|(at, g)| Some((at, alike(f, g)?)))?;
        rest.remove(at);
        all.push(both);
    }
    Some(Named::and(all))
}

/// What is said of two families that exclude each other, as said of both.
fn alike(f: &Named, g: &Named) -> Option<Named> {
    match (f, g) {
        (Named::Leaf(a), Named::Leaf(b)) => {
            let told_apart = a.families & b.families == 0 && a.families != 0 && b.families != 0;
            told_apart.then(|| a.either(b)).flatten().map(Named::Leaf)
        }
        (Named::Not(f), Named::Not(g)) => alike(f, g).map(Named::not),
        (Named::Or(x), Named::Or(y)) if x.len() == y.len() => {
            let mut rest: Vec<&Named> = y.iter().collect();
            let mut any = Vec::with_capacity(x.len());
            for f in x {
                let (at, both) = rest.iter().enumerate().find_map(|(at, g)| Some((at, alike(f, g)?)))?;
                rest.remove(at);
                any.push(both);
            }
            Some(Named::or(any))
        }
        _ => None,
    }
}

/// Gives a tag its number, and puts it first.
fn tagged(all: &mut Vec<Named>) {
    let number = all.iter().position(|f| matches!(f, Named::Vlan(Some(_))));
    if let Some(at) = number {
        let tag = all.remove(at);
        all.retain(|f| *f != Named::Vlan(None));
        all.insert(0, tag);
    } else if let Some(at) = all.iter().position(|f| *f == Named::Vlan(None)) {
        let tag = all.remove(at);
        all.insert(0, tag);
    }
}

/// Puts the words of long addresses together.
fn long_addresses(all: &mut Vec<Named>) {
    for mac in [false, true] {
        for dir in [Dir::Src, Dir::Dst] {
            let of = |f: &Named| match f {
                Named::Leaf(Leaf { kind: Kind::Word(word), .. }) if word.mac == mac && word.dir == dir => {
                    Some(word.clone())
                }
                _ => None,
            };
            let mut words: Vec<Word> = all.iter().filter_map(of).collect();
            words.sort_unstable_by_key(|word| word.at);
            let made = if mac { mac_address(&words) } else { prefix(&words) };
            if let Some(kind) = made {
                all.retain(|f| of(f).is_none());
                all.push(Named::Leaf(Leaf::new(if mac { 0 } else { IP6 }, kind)));
            }
        }
    }
}

fn mac_address(words: &[Word]) -> Option<Kind> {
    let mut at = 0;
    let mut value = 0;
    for word in words {
        if word.at != at || word.low != word.high {
            return None;
        }
        value = value << (8 * word.bytes) | u64::from(word.low);
        at += word.bytes;
    }
    (at == 6).then(|| Kind::Mac(words[0].dir, value))
}

/// Words from the first on, of which only the last may have free bits, at its end.
fn prefix(words: &[Word]) -> Option<Kind> {
    let (last, whole) = words.split_last()?;
    let mut value = 0;
    for (n, word) in whole.iter().enumerate() {
        if word.at != 4 * n as u32 || word.bytes != 4 || word.low != word.high {
            return None;
        }
        value = value << 32 | u128::from(word.low);
    }
    let free = last.high ^ last.low;
    let aligned = free & free.wrapping_add(1) == 0 && last.low & free == 0;
    if last.at != 4 * whole.len() as u32 || last.bytes != 4 || !aligned {
        return None;
    }
    value = value << 32 | u128::from(last.low);
    let bits = 32 * words.len() as u32 - free.count_ones();
    Some(Kind::Nets(last.dir, vec![(value << (128 - 32 * words.len()), bits)]))
}
