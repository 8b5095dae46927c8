//! Contexts: the structures that r1 points to when a program starts, field by field, with who may read and write each
//! of them and in pieces of what size.
//!
//! A context is a fiction: the kernel rewrites each access into loads from its own objects. What the rows say is what
//! the program sees. All offsets and sizes are in bytes. Pointers that are 32 bits wide in the structure (`data` of
//! `xdp_md`) are loaded as 32 bits and are full pointers afterwards.
//!
//! Sources: `include/uapi/linux/bpf.h` for the layouts; the running kernel's verdict on every load and store of every
//! size at every offset, for the access rules.

mod rows;

pub use rows::contexts;

use crate::attach::AttachType;
use crate::helper::Progs;
use crate::prog::ProgType;

/// What a load of a field gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// A number.
    Scalar,
    /// The first byte of the packet.
    Packet,
    /// The byte after the packet.
    PacketEnd,
    /// The first byte of the metadata in front of the packet.
    PacketMeta,
    /// A full socket.
    Sock,
    /// A full socket, or zero.
    SockOrNull,
    /// A socket of any state, or zero.
    SockCommonOrNull,
    /// A `bpf_flow_keys`.
    FlowKeys,
    /// The buffer of a writable tracepoint.
    TracepointBuffer,
    /// A kernel object of this BTF type.
    Btf(&'static str),
}

/// Who may access a field, and how. An access must lie inside the field, at a multiple of its own size.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    /// The program types that may.
    pub progs: Progs,
    /// The attach types that may; empty means all.
    pub attach: &'static [AttachType],
    /// The smallest piece.
    pub min: u32,
    /// The largest piece.
    pub max: u32,
    /// Pieces must begin where the field begins.
    pub at_start: bool,
}

impl Access {
    /// Does the rule let `piece` bytes at `offset` of the context be accessed?
    fn lets(&self, prog: ProgType, attach: AttachType, field: &Field, offset: u32, piece: u32) -> bool {
        self.progs.contains(prog)
            && (!self.at_start || offset == field.offset)
            && (self.attach.is_empty() || self.attach.contains(&attach))
            && (self.min..=self.max).contains(&piece)
            && piece.is_power_of_two()
            && offset.is_multiple_of(piece)
    }
}

/// A field of a context.
#[derive(Debug)]
pub struct Field {
    /// The name in C.
    pub name: &'static str,
    /// Where it begins.
    pub offset: u32,
    /// How long it is.
    pub size: u32,
    /// The size of an element, for arrays; the field's size otherwise.
    pub element: u32,
    /// What a load gives.
    pub kind: FieldKind,
    /// Who may load.
    pub read: Option<Access>,
    /// Who may store.
    pub write: Option<Access>,
}

/// A context or another structure with such rules.
#[derive(Debug)]
pub struct Context {
    /// The name of the structure in C, without `struct`.
    pub name: &'static str,
    /// Its size; for contexts without a fixed layout, the bound on offsets.
    pub size: u32,
    /// What it is, in one sentence.
    pub about: &'static str,
    /// Its fields by offset. Two overlap where one is a union or an older layout of the other.
    pub fields: &'static [Field],
}

impl Context {
    /// The field of this name.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The field that a load of `size` bytes at `offset` reads, if a program of this type may do that.
    pub fn load(&self, prog: ProgType, attach: AttachType, offset: u32, size: u32) -> Option<&'static Field> {
        self.find(offset, size, |field| field.read.is_some_and(|a| a.lets(prog, attach, field, offset, size)))
    }

    /// The field that a store of `size` bytes at `offset` writes, if a program of this type may do that.
    pub fn store(
        &self,
        prog: ProgType,
        attach: AttachType,
        offset: u32,
        size: u32,
    ) -> Option<&'static Field> {
        self.find(offset, size, |field| {
            field.write.is_some_and(|a| a.lets(prog, attach, field, offset, size))
        })
    }

    fn find(&self, offset: u32, size: u32, lets: impl Fn(&Field) -> bool) -> Option<&'static Field> {
        let end = offset.checked_add(size)?;
        let inside = |field: &&Field| field.offset <= offset && end <= field.offset + field.size;
        self.fields.iter().filter(inside).find(|field| lets(field))
    }
}

impl ProgType {
    /// The context that programs of this type get, if its layout is known.
    pub fn context(self) -> Option<&'static Context> {
        let name = self.row()?.context;
        contexts().iter().find(|context| context.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prog::prog_types;

    #[test]
    fn fields_are_ordered_and_inside_their_context() {
        for context in contexts() {
            let mut last = 0;
            for field in context.fields {
                assert!(field.offset >= last, "{}.{}", context.name, field.name);
                assert!(field.offset + field.size <= context.size, "{}.{}", context.name, field.name);
                assert!(field.size.is_multiple_of(field.element), "{}.{}", context.name, field.name);
                last = field.offset;
            }
        }
    }

    #[test]
    fn every_program_type_with_a_context_has_its_rows() {
        let without: Vec<_> = prog_types().iter().filter(|row| row.id.context().is_none()).collect();
        let names: Vec<_> = without.iter().map(|row| row.name).collect();
        // The first has no programs, and what a replacement gets is up to what it replaces.
        assert_eq!(names, ["unspec", "ext"]);
    }

    #[test]
    fn loads_and_stores_are_judged_by_type_place_and_size() {
        let none = AttachType(0);
        let xdp = ProgType::XDP.context().unwrap();
        assert_eq!(xdp.load(ProgType::XDP, AttachType::XDP, 0, 4).unwrap().kind, FieldKind::Packet);
        assert!(xdp.load(ProgType::XDP, AttachType::XDP, 0, 8).is_none());
        assert!(xdp.load(ProgType::XDP, AttachType::XDP, 20, 4).is_none());
        assert_eq!(xdp.load(ProgType::XDP, AttachType::XDP_DEVMAP, 20, 4).unwrap().name, "egress_ifindex");
        let skb = ProgType::SCHED_CLS.context().unwrap();
        assert_eq!(skb.store(ProgType::SCHED_CLS, none, 8, 4).unwrap().name, "mark");
        assert!(skb.store(ProgType::SCHED_CLS, none, 8, 2).is_none());
        assert!(skb.store(ProgType::SOCKET_FILTER, none, 8, 4).is_none());
        assert_eq!(skb.load(ProgType::SCHED_CLS, none, 17, 1).unwrap().name, "protocol");
        assert!(skb.load(ProgType::SCHED_CLS, none, u32::MAX, 4).is_none());
    }
}
