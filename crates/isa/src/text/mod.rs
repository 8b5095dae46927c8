//! What both text dialects share: tokens, spellings of the table, names.

pub(crate) mod lex;
pub(crate) mod template;

/// Names for numbers and numbers for names, which this crate does not know by itself.
///
/// Every method has a default that knows nothing, so that an implementation may give what it has.
pub trait Names {
    /// Number of the helper with this name.
    fn helper_id(&self, name: &str) -> Option<i32> {
        let _ = name;
        None
    }

    /// Name of the helper with this number, such as `bpf_map_lookup_elem`.
    fn helper_name(&self, id: i32) -> Option<&str> {
        let _ = id;
        None
    }

    /// The known helper whose name is most like this one, for hints.
    fn nearest_helper(&self, name: &str) -> Option<&str> {
        let _ = name;
        None
    }

    /// Name of the kernel function with this BTF id.
    fn kfunc_name(&self, btf_id: i32, module: i16) -> Option<&str> {
        let _ = (btf_id, module);
        None
    }

    /// Name of the place at a slot, for the disassembler's labels.
    fn label(&self, slot: usize) -> Option<&str> {
        let _ = slot;
        None
    }
}

/// Knows no names: helpers are numbers, labels are `L` and the slot.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoNames;

impl Names for NoNames {}
