//! [`Btf`] and [`Type`]: the stored form, and the view through which it is read.

use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::index::NameIndex;
use crate::strings::Strings;
use crate::{BtfError, Endian, FuncLinkage, IntEncoding, Kind, VarLinkage};

/// A type's number in its [`Btf`]; 0 is `void`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct TypeId(pub u32);

impl TypeId {
    /// `void`, the type that every BTF has.
    pub const VOID: Self = Self(0);
}

impl fmt::Display for TypeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}]", self.0)
    }
}

/// The types of one object, kernel or module.
///
/// A module's BTF is *split*: it continues the ids and strings of its base, which it shares.
#[derive(Clone, Debug, Default)]
pub struct Btf {
    pub(crate) endian: Endian,
    /// The type section, as words in the machine's order.
    pub(crate) words: Vec<u32>,
    /// Where each type begins in `words`.
    pub(crate) starts: Vec<u32>,
    pub(crate) strings: Strings,
    pub(crate) base: Option<Arc<Btf>>,
    pub(crate) names: OnceLock<NameIndex>,
}

impl Btf {
    /// The byte order that the types were written in, which is also that of the data they describe.
    pub fn endian(&self) -> Endian {
        self.endian
    }

    /// The BTF that this one continues, if it is split.
    pub fn base(&self) -> Option<&Arc<Btf>> {
        self.base.as_ref()
    }

    /// Id of the first type that is not in the base; 1 if there is no base.
    pub fn first_id(&self) -> TypeId {
        TypeId(self.base.as_ref().map_or(1, |base| base.end_id().0))
    }

    /// The id after the last one.
    pub fn end_id(&self) -> TypeId {
        TypeId(self.first_id().0 + self.starts.len() as u32)
    }

    /// Number of types, `void` not counted, the base's included.
    pub fn len(&self) -> usize {
        self.end_id().0 as usize - 1
    }

    /// Whether there is no type but `void`.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A type by its id; `void` for 0.
    pub fn ty(&self, id: TypeId) -> Option<Type<'_>> {
        if id == TypeId::VOID {
            return Some(Type { btf: self, id, words: &[0, 0, 0] });
        }
        let first = self.first_id().0;
        if id.0 < first {
            // A base's type is seen through this BTF, so that what it leads to may be printed alike.
            return self.base.as_ref()?.ty(id).map(|t| Type { btf: self, ..t });
        }
        let n = (id.0 - first) as usize;
        let start = *self.starts.get(n)? as usize;
        let end = self.starts.get(n + 1).map_or(self.words.len(), |&w| w as usize);
        Some(Type { btf: self, id, words: &self.words[start..end] })
    }

    /// All types in the order of ids, `void` not included, the base's included.
    pub fn types(&self) -> impl DoubleEndedIterator<Item = Type<'_>> + Clone {
        (1..self.end_id().0).filter_map(|id| self.ty(TypeId(id)))
    }

    /// The types that are not in the base.
    pub fn own_types(&self) -> impl DoubleEndedIterator<Item = Type<'_>> + Clone {
        (self.first_id().0..self.end_id().0).filter_map(|id| self.ty(TypeId(id)))
    }

    /// The string at an offset of the string section (which continues the base's).
    pub fn string(&self, offset: u32) -> Option<&str> {
        let first = self.first_string();
        match &self.base {
            Some(base) if offset < first => base.string(offset),
            _ => self.strings.get((offset - first) as usize),
        }
    }

    /// Offset of the first string that is not in the base.
    pub(crate) fn first_string(&self) -> u32 {
        self.base.as_ref().map_or(0, |base| base.first_string() + base.strings.len() as u32)
    }

    pub(crate) fn has_string(&self, offset: u32) -> bool {
        let first = self.first_string();
        match &self.base {
            Some(base) if offset < first => base.has_string(offset),
            _ => self.strings.holds((offset - first) as usize) || (offset == 0 && self.strings.len() == 0),
        }
    }

    /// The first type of this name and kind, own types before the base's.
    pub fn find(&self, name: &str, kind: Kind) -> Option<TypeId> {
        self.named(name).find(|&id| self.ty(id).is_some_and(|t| t.kind() == kind))
    }

    /// All types of this name, whatever their kind, in the order of ids, own types before the base's.
    pub fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = TypeId> + 'a {
        self.with_essential_name(name).filter(move |&id| self.ty(id).is_some_and(|t| t.name() == name))
    }

    /// All types whose name without its flavour (`___suffix`) is the essential name of `name`.
    pub fn with_essential_name<'a>(&'a self, name: &'a str) -> impl Iterator<Item = TypeId> + 'a {
        let name = essential_name(name);
        let bases = std::iter::successors(Some(self), |btf| btf.base.as_deref());
        bases.flat_map(move |btf| {
            let ids = btf.names.get_or_init(|| NameIndex::new(btf)).candidates(name);
            ids.filter(move |&id| btf.ty(id).is_some_and(|t| essential_name(t.name()) == name))
        })
    }

    /// Changes a DATASEC, as a loader must that knows the sections: its size, and each variable's place.
    /// The compiler leaves both zero. The variables are then put in the order of their places.
    ///
    /// # Errors
    /// If the id is not that of an own DATASEC.
    pub fn patch_datasec(
        &mut self,
        id: TypeId,
        size: u32,
        mut place: impl FnMut(&mut VarSecInfo),
    ) -> Result<(), BtfError> {
        let count = match self.ty(id) {
            Some(t) if t.kind() == Kind::Datasec && id >= self.first_id() => t.vlen(),
            _ => return Err(BtfError::new("is not an own DATASEC").in_type(id)),
        };
        let start = self.starts[(id.0 - self.first_id().0) as usize] as usize;
        self.words[start + 2] = size;
        for element in self.words[start + 3..][..3 * count].chunks_exact_mut(3) {
            let mut info = VarSecInfo::from_words(element);
            place(&mut info);
            // The variable stays the same one: only its place may change.
            element[1..].copy_from_slice(&[info.offset, info.size]);
        }
        // The kernel wants them in the order of their places, the compiler has the order of declaration.
        let (elements, _) = self.words[start + 3..][..3 * count].as_chunks_mut::<3>();
        elements.sort_by_key(|element| element[1]);
        Ok(())
    }

    /// Heap memory in bytes, that of the base not counted.
    pub fn heap_size(&self) -> usize {
        4 * (self.words.capacity() + self.starts.capacity())
            + self.strings.len()
            + self.names.get().map_or(0, NameIndex::heap_size)
    }
}

/// A name without its flavour: `task_struct___old` stands for `task_struct`.
///
/// As in libbpf, a suffix counts only if something stands before its three underscores and it holds
/// something that is not an underscore.
pub fn essential_name(name: &str) -> &str {
    let b = name.as_bytes();
    let flavour = |&i: &usize| b[i - 1] != b'_' && &b[i..i + 3] == b"___" && b[i + 3] != b'_';
    match (1..b.len().saturating_sub(3)).rev().find(flavour) {
        Some(i) => &name[..i],
        None => name,
    }
}

/// A view of one type. Cheap to copy.
#[derive(Clone, Copy)]
pub struct Type<'a> {
    pub(crate) btf: &'a Btf,
    pub(crate) id: TypeId,
    /// Head and all that follows it.
    pub(crate) words: &'a [u32],
}

impl<'a> Type<'a> {
    /// Its id.
    pub fn id(self) -> TypeId {
        self.id
    }

    /// The BTF that it is seen through.
    pub fn btf(self) -> &'a Btf {
        self.btf
    }

    /// Its kind.
    pub fn kind(self) -> Kind {
        Kind::from_number(self.words[1] >> 24 & 0x7f).unwrap_or(Kind::Void)
    }

    /// Its name; empty if it has none.
    pub fn name(self) -> &'a str {
        self.text(self.words[0])
    }

    /// Offset of its name in the string section.
    pub fn name_offset(self) -> u32 {
        self.words[0]
    }

    fn text(self, offset: u32) -> &'a str {
        self.btf.string(offset).unwrap_or("")
    }

    /// Number of members, values, parameters or variables (for FUNC, its linkage).
    pub fn vlen(self) -> usize {
        (self.words[1] & 0xff_ffff) as usize
    }

    /// The flag of the head: bitfield offsets (struct, union), signedness (enums), union (FWD),
    /// attribute rather than tag (DECL_TAG, TYPE_TAG).
    pub fn kind_flag(self) -> bool {
        self.words[1] >> 31 != 0
    }

    /// The size in bytes that the type states itself, for the kinds that do; see [`Btf::size_of`].
    pub fn size(self) -> Option<u32> {
        self.kind().has_size().then(|| self.words[2])
    }

    /// The type that it refers to: pointee, what is modified or named, a function's prototype, a
    /// prototype's result, a variable's type, what a tag is attached to. Not an array's element.
    pub fn target(self) -> Option<TypeId> {
        self.kind().has_target().then(|| TypeId(self.words[2]))
    }

    fn elements(self, of: &[Kind]) -> std::slice::ChunksExact<'a, u32> {
        let shape = self.kind().shape();
        let words = if of.contains(&self.kind()) { &self.words[3 + shape.fixed..] } else { &[] };
        words.chunks_exact(shape.element.max(1))
    }

    fn fixed(self, of: Kind) -> Option<&'a [u32]> {
        (self.kind() == of).then(|| &self.words[3..])
    }

    /// How an INT is stored.
    pub fn int(self) -> Option<Int> {
        let w = self.fixed(Kind::Int)?[0];
        Some(Int {
            size: self.words[2],
            encoding: IntEncoding::from_bits(w >> 24 & 15),
            offset: (w >> 16) as u8,
            bits: w as u8,
        })
    }

    /// An ARRAY's element, index and length.
    pub fn array(self) -> Option<Array> {
        let w = self.fixed(Kind::Array)?;
        Some(Array { element: TypeId(w[0]), index: TypeId(w[1]), len: w[2] })
    }

    /// Members of a struct or union; none for other kinds.
    pub fn members(self) -> impl ExactSizeIterator<Item = Member<'a>> + DoubleEndedIterator + Clone {
        let flag = self.kind_flag();
        self.elements(&[Kind::Struct, Kind::Union]).map(move |w| Member {
            name: self.text(w[0]),
            ty: TypeId(w[1]),
            bit_offset: if flag { w[2] & 0xff_ffff } else { w[2] },
            bits: if flag { (w[2] >> 24) as u8 } else { 0 },
        })
    }

    /// One member of a struct or union.
    pub fn member(self, n: usize) -> Option<Member<'a>> {
        self.members().nth(n)
    }

    /// Values of an enumeration of either kind; none for other kinds.
    pub fn variants(self) -> impl ExactSizeIterator<Item = Variant<'a>> + DoubleEndedIterator + Clone {
        let signed = self.kind_flag();
        self.elements(&[Kind::Enum, Kind::Enum64]).map(move |w| Variant {
            name: self.text(w[0]),
            bits: match w.get(2) {
                Some(&high) => u64::from(high) << 32 | u64::from(w[1]),
                None if signed => i64::from(w[1] as i32) as u64,
                None => u64::from(w[1]),
            },
            signed,
        })
    }

    /// Parameters of a prototype; none for other kinds. A last one of type `void` without a name stands
    /// for `...`.
    pub fn params(self) -> impl ExactSizeIterator<Item = Param<'a>> + DoubleEndedIterator + Clone {
        self.elements(&[Kind::FuncProto]).map(move |w| Param { name: self.text(w[0]), ty: TypeId(w[1]) })
    }

    /// Variables of a DATASEC; none for other kinds.
    pub fn vars(self) -> impl ExactSizeIterator<Item = VarSecInfo> + DoubleEndedIterator + Clone {
        self.elements(&[Kind::Datasec]).map(VarSecInfo::from_words)
    }

    /// Linkage of a FUNC.
    pub fn func_linkage(self) -> Option<FuncLinkage> {
        (self.kind() == Kind::Func).then(|| FuncLinkage::from_number(self.words[1] & 0xff_ffff))
    }

    /// Linkage of a VAR.
    pub fn var_linkage(self) -> Option<VarLinkage> {
        self.fixed(Kind::Var).map(|w| VarLinkage::from_number(w[0]))
    }

    /// Which member or parameter a DECL_TAG is attached to; -1 for the whole.
    pub fn component(self) -> Option<i32> {
        self.fixed(Kind::DeclTag).map(|w| w[0] as i32)
    }

    /// Whether a FWD declares a union.
    pub fn is_union_fwd(self) -> bool {
        self.kind() == Kind::Fwd && self.kind_flag()
    }
}

impl fmt::Debug for Type<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {} '{}'", self.id.0, self.kind(), self.name())
    }
}

/// An INT.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Int {
    /// Size in bytes.
    pub size: u32,
    /// How the bits are meant.
    pub encoding: IntEncoding,
    /// Offset of the value in bits (old way to write bitfields; else 0).
    pub offset: u8,
    /// Width of the value in bits.
    pub bits: u8,
}

/// An ARRAY.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Array {
    /// Type of an element.
    pub element: TypeId,
    /// Type of the index.
    pub index: TypeId,
    /// Number of elements; 0 for a flexible array.
    pub len: u32,
}

/// A member of a struct or union.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Member<'a> {
    /// Name; empty for an anonymous struct or union.
    pub name: &'a str,
    /// Type.
    pub ty: TypeId,
    /// Offset from the start of the struct, in bits.
    pub bit_offset: u32,
    /// Width in bits if this is a bitfield, else 0.
    pub bits: u8,
}

/// A named value of an enumeration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Variant<'a> {
    /// Name.
    pub name: &'a str,
    /// The value, sign-extended to 64 bits if the enumeration is signed.
    pub bits: u64,
    /// Whether the enumeration is signed.
    pub signed: bool,
}

impl Variant<'_> {
    /// The value as a number that both signs fit in.
    pub fn value(self) -> i128 {
        if self.signed { i128::from(self.bits as i64) } else { i128::from(self.bits) }
    }
}

/// A parameter of a prototype.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Param<'a> {
    /// Name; often empty.
    pub name: &'a str,
    /// Type.
    pub ty: TypeId,
}

/// A variable's place in a DATASEC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VarSecInfo {
    /// The VAR (or FUNC, for externs).
    pub ty: TypeId,
    /// Offset in the section, in bytes.
    pub offset: u32,
    /// Size in bytes.
    pub size: u32,
}

impl VarSecInfo {
    fn from_words(w: &[u32]) -> Self {
        Self { ty: TypeId(w[0]), offset: w[1], size: w[2] }
    }
}

#[cfg(test)]
mod tests {
    use super::essential_name;

    #[test]
    fn flavours() {
        assert_eq!(essential_name("task_struct___old"), "task_struct");
        assert_eq!(essential_name("task_struct"), "task_struct");
        assert_eq!(essential_name("a___b___c"), "a___b");
        assert_eq!(essential_name("a___"), "a___");
        assert_eq!(essential_name("___a"), "___a");
        assert_eq!(essential_name("a____b"), "a____b");
        assert_eq!(essential_name("a___b"), "a");
        assert_eq!(essential_name(""), "");
    }
}
