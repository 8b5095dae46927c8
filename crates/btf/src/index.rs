//! Names to ids. Built on first use: a loader that only walks ids never pays for it.

use crate::types::essential_name;
use crate::{Btf, TypeId};

/// Pairs of a name's hash and an id, in order; eight bytes a named type.
///
/// The hash is that of the essential name, so that the flavours of a type, which CO-RE asks for, stand
/// together. Hits are candidates: the caller compares the text.
#[derive(Clone, Debug)]
pub(crate) struct NameIndex {
    pairs: Vec<(u32, TypeId)>,
}

impl NameIndex {
    pub(crate) fn new(btf: &Btf) -> Self {
        let named = btf.own_types().filter(|t| t.name_offset() != 0);
        let mut pairs: Vec<_> = named.map(|t| (hash(essential_name(t.name())), t.id())).collect();
        pairs.sort_unstable();
        pairs.shrink_to_fit();
        Self { pairs }
    }

    /// Ids whose essential name may be this one, ascending.
    pub(crate) fn candidates(&self, name: &str) -> impl Iterator<Item = TypeId> + '_ {
        let h = hash(name);
        let from = self.pairs.partition_point(|p| p.0 < h);
        self.pairs[from..].iter().take_while(move |p| p.0 == h).map(|p| p.1)
    }

    pub(crate) fn heap_size(&self) -> usize {
        self.pairs.capacity() * size_of::<(u32, TypeId)>()
    }
}

/// FNV-1a. A BTF with colliding names costs its own user time, at worst a scan of all names a look-up.
fn hash(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5, |h, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193))
}
