//! Making BTF by hand, type by type.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use crate::parse::{Reference, references};
use crate::strings::Strings;
use crate::{
    Btf, BtfError, Endian, FuncLinkage, Int, IntEncoding, Kind, Type, TypeId, VarLinkage, VarSecInfo,
};

/// Builds a [`Btf`].
///
/// Types may name types that are added later; [`Builder::finish`] checks that all exist. Names are
/// stored once each.
///
/// ```
/// use skep_btf::{Builder, Endian, IntEncoding, Kind};
///
/// let mut b = Builder::new(Endian::Little);
/// let int = b.int("int", 4, IntEncoding { signed: true, ..Default::default() });
/// b.composite(Kind::Struct, "pair", 8, &[("a", int, 0, 0), ("b", int, 32, 0)]);
/// let btf = b.finish().unwrap();
/// assert_eq!(btf.find("pair", Kind::Struct).map(|id| btf.size_of(id)), Some(Ok(8)));
/// ```
#[derive(Debug)]
pub struct Builder {
    endian: Endian,
    base: Option<Arc<Btf>>,
    words: Vec<u32>,
    starts: Vec<u32>,
    text: String,
    /// Offsets in `text` by string.
    interned: HashMap<String, u32>,
}

/// A member as given to [`Builder::composite`]: name, type, offset in bits, width in bits (0: no bitfield).
pub type NewMember<'a> = (&'a str, TypeId, u32, u8);

impl Builder {
    /// An empty one.
    pub fn new(endian: Endian) -> Self {
        Self {
            endian,
            base: None,
            words: Vec::new(),
            starts: Vec::new(),
            text: "\0".into(),
            interned: HashMap::from([(String::new(), 0)]),
        }
    }

    /// An empty one that continues `base`.
    pub fn split(base: Arc<Btf>) -> Self {
        let mut builder = Self::new(base.endian());
        builder.text.clear();
        builder.base = Some(base);
        builder
    }

    /// One that starts with the types of `btf`, to which more are added. Their ids stay.
    pub fn extend(btf: &Btf) -> Self {
        let mut builder = Self::new(btf.endian);
        builder.base.clone_from(&btf.base);
        builder.words.clone_from(&btf.words);
        builder.starts.clone_from(&btf.starts);
        if btf.strings.len() > 0 {
            builder.text = btf.strings.text().to_owned();
            let first = btf.first_string();
            let mut at = 0;
            for s in builder.text.split_terminator('\0') {
                builder.interned.entry(s.to_owned()).or_insert(first + at);
                at += s.len() as u32 + 1;
            }
        }
        builder
    }

    /// The id that the next type gets.
    pub fn next_id(&self) -> TypeId {
        TypeId(self.base.as_ref().map_or(1, |base| base.end_id().0) + self.starts.len() as u32)
    }

    /// Stores a string, once, and gives its offset. A NUL in it ends it.
    pub fn string(&mut self, s: &str) -> u32 {
        let s = s.split('\0').next().unwrap_or("");
        if let Some(&offset) = self.interned.get(s) {
            return offset;
        }
        let first = self.base.as_ref().map_or(0, |b| b.first_string() + b.strings.len() as u32);
        let offset = first + self.text.len() as u32;
        self.text.push_str(s);
        self.text.push('\0');
        self.interned.insert(s.to_owned(), offset);
        offset
    }

    fn push(&mut self, name: &str, kind: Kind, flag: bool, vlen: usize, third: u32) -> TypeId {
        let id = self.next_id();
        let name = self.string(name);
        self.starts.push(self.words.len() as u32);
        let info = u32::from(flag) << 31 | (kind as u32) << 24 | (vlen as u32).min(0xff_ffff);
        self.words.extend([name, info, third]);
        id
    }

    /// Appends a whole type as it stands and gives where its words begin.
    pub(crate) fn push_words(&mut self, words: &[u32]) -> usize {
        let start = self.words.len();
        self.starts.push(start as u32);
        self.words.extend_from_slice(words);
        start
    }

    pub(crate) fn set_word(&mut self, at: usize, word: u32) {
        self.words[at] = word;
    }

    /// An INT that fills its `size` bytes.
    pub fn int(&mut self, name: &str, size: u32, encoding: IntEncoding) -> TypeId {
        let bits = u8::try_from(size.saturating_mul(8)).unwrap_or(u8::MAX);
        self.int_bits(name, Int { size, encoding, offset: 0, bits })
    }

    /// An INT with an offset and width of its own.
    pub fn int_bits(&mut self, name: &str, int: Int) -> TypeId {
        let id = self.push(name, Kind::Int, false, 0, int.size);
        self.words.push(int.encoding.bits() << 24 | u32::from(int.offset) << 16 | u32::from(int.bits));
        id
    }

    /// A FLOAT of `size` bytes.
    pub fn float(&mut self, name: &str, size: u32) -> TypeId {
        self.push(name, Kind::Float, false, 0, size)
    }

    /// A PTR.
    pub fn ptr(&mut self, target: TypeId) -> TypeId {
        self.push("", Kind::Ptr, false, 0, target.0)
    }

    /// A CONST, VOLATILE or RESTRICT; anything else becomes CONST.
    pub fn modifier(&mut self, kind: Kind, target: TypeId) -> TypeId {
        let kind = if matches!(kind, Kind::Volatile | Kind::Restrict) { kind } else { Kind::Const };
        self.push("", kind, false, 0, target.0)
    }

    /// A TYPE_TAG.
    pub fn type_tag(&mut self, tag: &str, target: TypeId) -> TypeId {
        self.push(tag, Kind::TypeTag, false, 0, target.0)
    }

    /// A DECL_TAG on a type or, with `component` from 0, on one of its members or parameters; -1 for the whole.
    pub fn decl_tag(&mut self, tag: &str, target: TypeId, component: i32) -> TypeId {
        let id = self.push(tag, Kind::DeclTag, false, 0, target.0);
        self.words.push(component as u32);
        id
    }

    /// A TYPEDEF.
    pub fn typedef(&mut self, name: &str, target: TypeId) -> TypeId {
        self.push(name, Kind::Typedef, false, 0, target.0)
    }

    /// An ARRAY.
    pub fn array(&mut self, element: TypeId, index: TypeId, len: u32) -> TypeId {
        let id = self.push("", Kind::Array, false, 0, 0);
        self.words.extend([element.0, index.0, len]);
        id
    }

    /// A FWD of a struct or union.
    pub fn fwd(&mut self, name: &str, union: bool) -> TypeId {
        self.push(name, Kind::Fwd, union, 0, 0)
    }

    /// A UNION or (any other kind) STRUCT. If a member is a bitfield, offsets above 2^24 - 1 bits are cut,
    /// as the format has no room for them.
    pub fn composite(&mut self, kind: Kind, name: &str, size: u32, members: &[NewMember<'_>]) -> TypeId {
        let kind = if kind == Kind::Union { kind } else { Kind::Struct };
        let flag = members.iter().any(|m| m.3 != 0);
        let id = self.push(name, kind, flag, members.len(), size);
        for &(name, ty, offset, bits) in members {
            let name = self.string(name);
            let offset = if flag { u32::from(bits) << 24 | offset & 0xff_ffff } else { offset };
            self.words.extend([name, ty.0, offset]);
        }
        id
    }

    /// An ENUM of `size` bytes; values are cut to 32 bits.
    pub fn enumeration(&mut self, name: &str, size: u32, signed: bool, values: &[(&str, i64)]) -> TypeId {
        let id = self.push(name, Kind::Enum, signed, values.len(), size);
        for &(name, value) in values {
            let name = self.string(name);
            self.words.extend([name, value as u32]);
        }
        id
    }

    /// An ENUM64 of `size` bytes; values are given by their 64 bits.
    pub fn enum64(&mut self, name: &str, size: u32, signed: bool, values: &[(&str, u64)]) -> TypeId {
        let id = self.push(name, Kind::Enum64, signed, values.len(), size);
        for &(name, value) in values {
            let name = self.string(name);
            self.words.extend([name, value as u32, (value >> 32) as u32]);
        }
        id
    }

    /// A FUNC_PROTO.
    pub fn func_proto(&mut self, result: TypeId, params: &[(&str, TypeId)]) -> TypeId {
        let id = self.push("", Kind::FuncProto, false, params.len(), result.0);
        for &(name, ty) in params {
            let name = self.string(name);
            self.words.extend([name, ty.0]);
        }
        id
    }

    /// A FUNC.
    pub fn func(&mut self, name: &str, proto: TypeId, linkage: FuncLinkage) -> TypeId {
        self.push(name, Kind::Func, false, linkage.number() as usize, proto.0)
    }

    /// A VAR.
    pub fn var(&mut self, name: &str, ty: TypeId, linkage: VarLinkage) -> TypeId {
        let id = self.push(name, Kind::Var, false, 0, ty.0);
        self.words.push(linkage.number());
        id
    }

    /// A DATASEC.
    pub fn datasec(&mut self, name: &str, size: u32, vars: &[VarSecInfo]) -> TypeId {
        let id = self.push(name, Kind::Datasec, false, vars.len(), size);
        self.words.extend(vars.iter().flat_map(|v| [v.ty.0, v.offset, v.size]));
        id
    }

    /// Appends all types of `other` (which must not be split) and gives how much their ids grew by.
    /// Names that both have are shared; types are not: that is what dedup is for.
    ///
    /// # Errors
    /// If `other` is split.
    pub fn append(&mut self, other: &Btf) -> Result<u32, BtfError> {
        if other.base.is_some() {
            return Err(BtfError::new("split BTF can't be appended without its base"));
        }
        let shift = self.next_id().0 - 1;
        for t in other.own_types() {
            let start = self.push_words(t.words);
            for (at, reference) in references(t.kind(), t.words) {
                self.words[start + at] = match reference {
                    Reference::Type(0) => 0,
                    Reference::Type(id) => id + shift,
                    Reference::Name(offset) => self.string(other.string(offset).unwrap_or("")),
                };
            }
        }
        Ok(shift)
    }

    /// Appends those types of `other` (which must not be split) that are to be kept, and gives their new ids by their
    /// old ones, `void` for what was dropped. For linkers, which make DATASECs anew and drop what is resolved.
    ///
    /// # Errors
    /// If `other` is split.
    pub fn append_kept(
        &mut self,
        other: &Btf,
        mut keep: impl FnMut(Type<'_>) -> bool,
    ) -> Result<Vec<TypeId>, BtfError> {
        if other.base.is_some() {
            return Err(BtfError::new("split BTF can't be appended without its base"));
        }
        let mut ids = vec![TypeId::VOID];
        let mut next = self.next_id().0;
        for t in other.own_types() {
            let kept = keep(t);
            ids.push(if kept { TypeId(next) } else { TypeId::VOID });
            next += u32::from(kept);
        }
        for t in other.own_types().filter(|t| ids[t.id().0 as usize] != TypeId::VOID) {
            let start = self.words.len();
            self.starts.push(start as u32);
            self.words.extend_from_slice(t.words);
            for (at, reference) in references(t.kind(), t.words) {
                self.words[start + at] = match reference {
                    // References inside `other` were checked when it was read.
                    Reference::Type(id) => ids.get(id as usize).map_or(0, |id| id.0),
                    Reference::Name(offset) => self.string(other.string(offset).unwrap_or("")),
                };
            }
        }
        Ok(ids)
    }

    /// The finished BTF.
    ///
    /// # Errors
    /// If a type names one that does not exist, or there is more than the format has room for.
    pub fn finish(self) -> Result<Btf, BtfError> {
        if u32::try_from(self.text.len()).is_err() || self.words.len() > u32::MAX as usize / 4 {
            return Err(BtfError::new("is larger than the format allows"));
        }
        let btf = Btf {
            endian: self.endian,
            words: self.words,
            starts: self.starts,
            strings: Strings::from_text(self.text),
            base: self.base,
            names: OnceLock::new(),
        };
        crate::parse::check_references(&btf).map_err(|(e, _)| e)?;
        Ok(btf)
    }
}
