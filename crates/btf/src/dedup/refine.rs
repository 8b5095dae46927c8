//! Partition refinement over the graph of types.
//!
//! To begin with, types that look alike by themselves are in one class. A class is split when its members'
//! references lead to different classes; whoever refers to a part that moved is looked at again. The
//! largest part keeps the class, so that a type moves at most log(types) times.

use std::collections::{HashMap, HashSet};

use crate::parse::{Reference, references};
use crate::{Btf, BtfError, Kind, TypeId};

/// References that may be looked at for each that there is, and besides. The kernel's need about one.
const WORK: usize = 64;
const MORE_WORK: usize = 1 << 20;

/// The types of a BTF as nodes, `void` included.
pub(super) struct Graph {
    /// How many types and references there are.
    references: usize,
    /// Types that each type refers to, in order.
    targets: Vec<Vec<u32>>,
    /// Classes of types that are alike but for what they refer to.
    looks: Partition,
}

impl Graph {
    pub(super) fn new(btf: &Btf) -> Self {
        let mut targets = vec![Vec::new()];
        targets.extend(btf.types().map(|t| {
            let ids = references(t.kind(), t.words).filter_map(|(_, reference)| match reference {
                Reference::Type(id) => Some(id),
                Reference::Name(_) => None,
            });
            ids.collect::<Vec<u32>>()
        }));
        let looks = by_looks(btf);
        let references = targets.iter().map(|t| 1 + t.len()).sum();
        Self { references, targets, looks }
    }

    /// Classes of equal types, where `stand_ins[id]` is taken wherever `id` is referred to.
    ///
    /// # Errors
    /// If the references would have to be looked at too often.
    pub(super) fn refine(&self, stand_ins: &[u32]) -> Result<Vec<u32>, BtfError> {
        let mut budget = WORK * self.references + MORE_WORK;
        let mut partition = self.looks.clone();
        let mut referrers = vec![Vec::new(); self.targets.len()];
        for (id, targets) in self.targets.iter().enumerate() {
            for &target in targets {
                referrers[stand_ins[target as usize] as usize].push(id as u32);
            }
        }
        let mut suspects: Vec<u32> = (0..self.targets.len() as u32).collect();
        while !suspects.is_empty() {
            suspects.sort_unstable_by_key(|&id| (partition.class[id as usize], id));
            suspects.dedup();
            let round = std::mem::take(&mut suspects);
            // Classes that are made in this round have no suspects in it: chunks stay what they were.
            let classes: Vec<u32> = round.iter().map(|&id| partition.class[id as usize]).collect();
            let mut from = 0;
            for of_class in classes.chunk_by(|a, b| a == b) {
                let ids = &round[from..from + of_class.len()];
                from += ids.len();
                if partition.members[of_class[0] as usize].len() == 1 {
                    continue;
                }
                let work = ids.len() * (1 + self.targets[ids[0] as usize].len());
                let spent = || BtfError::new("the types are too entangled to be told apart");
                budget = budget.checked_sub(work).ok_or_else(spent)?;
                let parts = self.parts(ids, &partition.class, stand_ins);
                for moved in partition.split(of_class[0], parts) {
                    suspects.extend_from_slice(&referrers[moved as usize]);
                }
            }
        }
        Ok(partition.class)
    }

    /// Types that look alike, by the classes that their references lead to. Each has as many references as
    /// the others.
    fn parts(&self, ids: &[u32], class: &[u32], stand_ins: &[u32]) -> Vec<Vec<u32>> {
        let width = self.targets[ids[0] as usize].len();
        let leads_to =
            |id: &u32| self.targets[*id as usize].iter().map(|&t| class[stand_ins[t as usize] as usize]);
        let signatures: Vec<u32> = ids.iter().flat_map(leads_to).collect();
        let signature = |n: &usize| &signatures[n * width..(n + 1) * width];
        let mut order: Vec<usize> = (0..ids.len()).collect();
        order.sort_by(|a, b| signature(a).cmp(signature(b)));
        let parts = order.chunk_by(|a, b| signature(a) == signature(b));
        parts.map(|part| part.iter().map(|&n| ids[n]).collect()).collect()
    }
}

fn by_looks(btf: &Btf) -> Partition {
    let mut symbols: HashMap<&str, u32> = HashMap::from([("", 0)]);
    let mut looks: HashMap<Vec<u32>, u32> = HashMap::new();
    let mut partition = Partition::default();
    for id in 0..btf.end_id().0 {
        let Some(t) = btf.ty(TypeId(id)) else { continue };
        let mut look = t.words.to_vec();
        for (at, reference) in references(t.kind(), t.words) {
            look[at] = match reference {
                Reference::Type(_) | Reference::Name(0) => 0,
                Reference::Name(offset) => {
                    let next = symbols.len() as u32;
                    *symbols.entry(btf.string(offset).unwrap_or("")).or_insert(next)
                }
            };
        }
        if matches!(t.kind(), Kind::Var | Kind::Datasec | Kind::Void) {
            look.push(id);
        }
        let next = looks.len() as u32;
        let class = *looks.entry(look).or_insert(next);
        if class == next {
            partition.members.push(Vec::new());
        }
        partition.class.push(class);
        partition.place.push(partition.members[class as usize].len() as u32);
        partition.members[class as usize].push(id);
    }
    partition
}

#[derive(Clone, Default)]
struct Partition {
    class: Vec<u32>,
    members: Vec<Vec<u32>>,
    /// Where each type stands among the members of its class.
    place: Vec<u32>,
}

impl Partition {
    /// Splits a class into these parts and what is left of it; gives the types that moved. The rest, which
    /// nobody suspects, is alike in itself and unlike all parts.
    fn split(&mut self, class: u32, mut parts: Vec<Vec<u32>>) -> Vec<u32> {
        let suspected: usize = parts.iter().map(Vec::len).sum();
        let rest = self.members[class as usize].len() - suspected;
        let largest = parts.iter().map(Vec::len).max().unwrap_or(0);
        if rest == 0 || rest < largest {
            // The largest part stays, and the rest moves with the others.
            let stays = parts.iter().position(|p| p.len() == largest).unwrap_or(0);
            let stays = parts.swap_remove(stays);
            if rest > 0 {
                let suspects: HashSet<u32> = parts.iter().flatten().chain(&stays).copied().collect();
                let members = &self.members[class as usize];
                parts.push(members.iter().copied().filter(|id| !suspects.contains(id)).collect());
            }
        }
        for part in &parts {
            let new = self.members.len() as u32;
            for (place, &id) in part.iter().enumerate() {
                self.remove(id, class);
                self.class[id as usize] = new;
                self.place[id as usize] = place as u32;
            }
            self.members.push(part.clone());
        }
        parts.concat()
    }

    fn remove(&mut self, id: u32, class: u32) {
        let members = &mut self.members[class as usize];
        let place = self.place[id as usize];
        members.swap_remove(place as usize);
        if let Some(&filler) = members.get(place as usize) {
            self.place[filler as usize] = place;
        }
    }
}
