//! Dedup: one of each type. What linking and concatenation leave behind is many copies of the same
//! types, each with its own ids; here they become one again.
//!
//! Two types are the same if nothing that can be reached from them tells them apart: kinds, names, sizes,
//! members, and so on through every reference, cycles included. That is bisimilarity, and it is found by
//! refining a partition (`refine.rs`), so that no guess ever needs to be taken back.
//!
//! A forward declaration stands for the definition of its name, if all definitions of that name and kind
//! are the same one; where there are several, it stays. Variables and data sections are never merged. Of
//! split BTF, types that the base has are taken from there.
//!
//! Prior art: libbpf's `btf__dedup`, which compares graphs pair by pair and merges in a few places more
//! boldly: a declaration with several definitions may there be taken for any of them.

mod refine;

use std::collections::HashMap;

use crate::ext::BtfExt;
use crate::parse::{Reference, references};
use crate::{Btf, BtfError, Builder, Kind, Type, TypeId};
use refine::Graph;

/// How often declarations may turn out to mean several things before all of them are left alone.
const MAX_ROUNDS: usize = 8;

/// What [`dedup`] gives.
#[derive(Clone, Debug)]
pub struct Deduped {
    /// The types, in the order of their first appearance, with only the strings that are used.
    pub btf: Btf,
    /// The `.BTF.ext` that was given, with the new ids and strings.
    pub ext: Option<BtfExt>,
    ids: Vec<TypeId>,
}

impl Deduped {
    /// The new id of an old type.
    pub fn map(&self, old: TypeId) -> Option<TypeId> {
        self.ids.get(old.0 as usize).copied()
    }
}

/// Merges equal types. Code information that refers to the types comes along in `ext`.
///
/// # Errors
/// If the types are entangled so that telling them apart would take out of all proportion long, as no
/// compiler's are.
pub fn dedup(btf: &Btf, ext: Option<&BtfExt>) -> Result<Deduped, BtfError> {
    let graph = Graph::new(btf);
    let (stand_ins, classes) = stand_ins(btf, &graph)?;
    // The first type of each class stays.
    let mut first: HashMap<u32, u32> = HashMap::new();
    let resolved = |id: u32| stand_ins[id as usize];
    for id in 0..btf.end_id().0 {
        if resolved(id) == id {
            first.entry(classes[id as usize]).or_insert(id);
        }
    }
    let survivor = |id: u32| first.get(&classes[resolved(id) as usize]).copied().unwrap_or(id);
    let (start, end) = (btf.first_id().0, btf.end_id().0);
    let mut ids: Vec<TypeId> = (0..end).map(TypeId).collect();
    let own: Vec<u32> = (start..end).filter(|&id| survivor(id) == id).collect();
    for (&id, new) in own.iter().zip(start..) {
        ids[id as usize] = TypeId(new);
    }
    for id in start..end {
        ids[id as usize] = ids[survivor(id) as usize];
    }
    let mut builder = match btf.base() {
        Some(base) => Builder::split(base.clone()),
        None => Builder::new(btf.endian()),
    };
    for t in own.iter().filter_map(|&id| btf.ty(TypeId(id))) {
        builder.copy(t, |id| ids[id as usize]);
    }
    let ext = ext.map(|ext| renumber(ext, btf, &ids, &mut builder));
    Ok(Deduped { btf: builder.finish()?, ext, ids })
}

/// Name and kind of what a type defines or declares, if it is a tag.
fn tag<'a>(t: Type<'a>) -> Option<(&'a str, Kind)> {
    let kind = match t.kind() {
        Kind::Fwd if t.kind_flag() => Kind::Union,
        Kind::Fwd => Kind::Struct,
        kind if kind.is_enum() => Kind::Enum,
        kind => kind,
    };
    let is_tag = kind.is_composite() || kind == Kind::Enum;
    (is_tag && !t.name().is_empty()).then(|| (t.name(), kind))
}

/// Declares without defining: a FWD, or an enumeration without values.
fn is_declaration(t: Type<'_>) -> bool {
    t.kind() == Kind::Fwd || t.kind().is_enum() && t.vlen() == 0
}

/// For each id the one that stands for it: for a declaration its definition, if there is just one; else
/// itself. Also the classes that come of it.
fn stand_ins(btf: &Btf, graph: &Graph) -> Result<(Vec<u32>, Vec<u32>), BtfError> {
    let own: Vec<u32> = (0..btf.end_id().0).collect();
    let mut stand_ins = own.clone();
    // Whether the classes are those of `stand_ins`.
    let mut exact = false;
    let mut definitions: HashMap<(&str, Kind), Vec<u32>> = HashMap::new();
    for t in btf.types().filter(|t| !is_declaration(*t)) {
        if let Some(tag) = tag(t) {
            definitions.entry(tag).or_default().push(t.id().0);
        }
    }
    let declared: Vec<(u32, (&str, Kind))> =
        btf.types().filter(|t| is_declaration(*t)).filter_map(|t| Some((t.id().0, tag(t)?))).collect();
    if declared.is_empty() {
        let classes = graph.refine(&own)?;
        return Ok((own, classes));
    }
    // First all references to a tag are taken for the same, whatever it is: definitions that differ even
    // so differ in themselves.
    let mut by_name = own.clone();
    for t in btf.types() {
        if let Some(ids) = tag(t).and_then(|tag| definitions.get(&tag)) {
            by_name[t.id().0 as usize] = ids[0];
        }
    }
    let mut classes = graph.refine(&by_name)?;
    // Then only declarations are; each round may show that more names mean several things.
    for _ in 0..MAX_ROUNDS {
        let before = definitions.len();
        definitions.retain(|_, ids| ids.iter().all(|&id| classes[id as usize] == classes[ids[0] as usize]));
        if definitions.len() == before && exact {
            return Ok((stand_ins, classes));
        }
        stand_ins = own.clone();
        for (id, tag) in &declared {
            if let Some(ids) = definitions.get(tag) {
                stand_ins[*id as usize] = ids[0];
            }
        }
        classes = graph.refine(&stand_ins)?;
        exact = true;
    }
    // Rather leave declarations alone than go round for long.
    let classes = graph.refine(&own)?;
    Ok((own, classes))
}

/// Puts new ids and strings into code information.
fn renumber(ext: &BtfExt, btf: &Btf, ids: &[TypeId], builder: &mut Builder) -> BtfExt {
    let mut new = ext.clone();
    let mut string = |offset: &mut u32| *offset = builder.string(btf.string(*offset).unwrap_or(""));
    let id = |id: &mut TypeId| *id = ids.get(id.0 as usize).copied().unwrap_or_default();
    for section in &mut new.func_info {
        string(&mut section.name);
        section.records.iter_mut().for_each(|r| id(&mut r.type_id));
    }
    for section in &mut new.line_info {
        string(&mut section.name);
        for r in &mut section.records {
            string(&mut r.file);
            string(&mut r.text);
        }
    }
    for section in &mut new.core_relos {
        string(&mut section.name);
        for r in &mut section.records {
            string(&mut r.access);
            id(&mut r.type_id);
        }
    }
    new
}

impl Builder {
    /// Appends a type of another BTF under new ids.
    fn copy(&mut self, t: Type<'_>, id: impl Fn(u32) -> TypeId) {
        let start = self.push_words(t.words);
        for (at, reference) in references(t.kind(), t.words) {
            let word = match reference {
                Reference::Type(old) => id(old).0,
                Reference::Name(offset) => self.string(t.btf.string(offset).unwrap_or("")),
            };
            self.set_word(start + at, word);
        }
    }
}
