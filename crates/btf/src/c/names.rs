//! Names without conflicts. C has two spaces of names that matter here: tags (struct, union, enum) and
//! ordinary identifiers (typedefs and values of enumerations).

use std::borrow::Cow;
use std::collections::HashMap;

use crate::{Btf, Kind, Type, TypeId};

/// Which types are called other than they are, and which names are taken.
pub(super) struct Names<'a> {
    /// Types that must change their name: which of that name they are, from 2.
    changed: HashMap<TypeId, u32>,
    /// How many ordinary identifiers of a name there are so far.
    identifiers: HashMap<&'a str, u32>,
}

impl<'a> Names<'a> {
    pub(super) fn new(btf: &'a Btf) -> Self {
        // The compiler has one type of its own, which differs from machine to machine.
        let identifiers = HashMap::from([("__builtin_va_list", 1)]);
        let mut names = Self { changed: HashMap::new(), identifiers };
        // Tags: how many there are of a name, and the kind and number of those that a FWD may mean.
        let mut tags: HashMap<&str, u32> = HashMap::new();
        let mut composites: HashMap<(&str, bool), u32> = HashMap::new();
        for t in btf.types().filter(|t| t.name_offset() != 0) {
            let nth = match t.kind() {
                Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 => count(&mut tags, t.name()),
                Kind::Typedef => count(&mut names.identifiers, t.name()),
                _ => continue,
            };
            if t.kind().is_composite() {
                composites.entry((t.name(), t.kind() == Kind::Union)).or_insert(nth);
            }
            names.change(t.id(), nth);
        }
        for t in btf.types().filter(|t| t.kind() == Kind::Fwd) {
            let nth =
                *composites.entry((t.name(), t.kind_flag())).or_insert_with(|| count(&mut tags, t.name()));
            names.change(t.id(), nth);
        }
        names
    }

    fn change(&mut self, id: TypeId, nth: u32) {
        if nth > 1 {
            self.changed.insert(id, nth);
        }
    }

    /// What a type is called.
    pub(super) fn of<'t>(&self, t: Type<'t>) -> Cow<'t, str> {
        match self.changed.get(&t.id()) {
            Some(nth) => format!("{}___{nth}", t.name()).into(),
            None => t.name().into(),
        }
    }

    /// What a value of an enumeration that is now written is called.
    pub(super) fn value(&mut self, name: &'a str) -> Cow<'a, str> {
        match count(&mut self.identifiers, name) {
            1 => name.into(),
            nth => format!("{name}___{nth}").into(),
        }
    }
}

fn count<'a>(seen: &mut HashMap<&'a str, u32>, name: &'a str) -> u32 {
    let n = seen.entry(name).or_insert(0);
    *n += 1;
    *n
}
