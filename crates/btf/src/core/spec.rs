//! An access, followed through types: the local one from its string, the target's by matching it.

use super::compat::{fields_are_compat, types_are_compat};
use super::matches::types_match;
use super::{CoreError, Reloc, RelocKind};
use crate::types::essential_name;
use crate::{Array, Btf, Kind, Type, TypeId};

/// Steps that an access may have.
const MAX_STEPS: usize = 64;
/// Members that one search for a name may look at; anonymous members could otherwise multiply.
const MEMBER_BUDGET: usize = 1_000_000;

/// A step that means something to a reader: a named member or value, or an array index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Step<'a> {
    /// The struct, union or enumeration for a name; the element for an index. Nothing to skip in front.
    pub(super) ty: TypeId,
    /// Index of the member, value or element.
    pub(super) index: u32,
    /// Name, unless it is an index.
    pub(super) name: Option<&'a str>,
}

/// An access.
#[derive(Clone, Debug)]
pub(super) struct Spec<'a> {
    pub(super) btf: &'a Btf,
    pub(super) root: TypeId,
    pub(super) steps: Vec<Step<'a>>,
    pub(super) bit_offset: u64,
}

/// Why a type of the target does not match.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Mismatch {
    /// No member or value of that name in this type.
    NoName(String, TypeId),
    /// Anything else, in words.
    Other(String),
}

impl Mismatch {
    pub(super) fn why(&self) -> String {
        match self {
            Self::NoName(name, _) => format!("has no `{name}`"),
            Self::Other(why) => why.clone(),
        }
    }

    fn other<T>(why: impl Into<String>) -> Result<T, Failure> {
        Err(Failure::Mismatch(Self::Other(why.into())))
    }
}

/// A mismatch means: try the next candidate. An error ends it.
#[derive(Debug)]
pub(super) enum Failure {
    Mismatch(Mismatch),
    Error(CoreError),
}

impl<E: Into<CoreError>> From<E> for Failure {
    fn from(e: E) -> Self {
        Self::Error(e.into())
    }
}

impl<'a> Spec<'a> {
    fn new(btf: &'a Btf, root: TypeId) -> Self {
        Self { btf, root, steps: Vec::new(), bit_offset: 0 }
    }

    fn push(&mut self, ty: TypeId, index: u32, name: Option<&'a str>) {
        self.steps.push(Step { ty, index, name });
    }

    fn advance(&mut self, bits: u64) -> Result<(), CoreError> {
        let sum = self.bit_offset.checked_add(bits).filter(|&sum| sum <= u32::MAX.into());
        self.bit_offset = sum.ok_or_else(|| CoreError::new("the access lies beyond 512 MiB"))?;
        Ok(())
    }

    fn advance_elements(&mut self, element: TypeId, index: u32) -> Result<(), CoreError> {
        let size = self.btf.size_of(element)?;
        self.advance(u64::from(index).saturating_mul(u64::from(size) * 8))
    }

    /// Follows a relocation's access string through the local types.
    pub(super) fn local(btf: &'a Btf, reloc: &Reloc<'_>) -> Result<Self, CoreError> {
        let mut spec = Self::new(btf, reloc.type_id);
        let wrong = || CoreError::new(format!("access string `{}` is not valid", reloc.access));
        if reloc.kind.is_type() {
            return if reloc.access == "0" { Ok(spec) } else { Err(wrong()) };
        }
        let raw = parse_access(reloc.access).ok_or_else(wrong)?;
        let (&first, rest) = raw.split_first().ok_or_else(wrong)?;
        let root = btf.resolve(reloc.type_id)?;
        if reloc.kind.is_enumval() {
            let variant = root.variants().nth(first as usize).filter(|_| rest.is_empty());
            spec.push(root.id(), first, Some(variant.ok_or_else(wrong)?.name));
            return Ok(spec);
        }
        spec.push(root.id(), first, None);
        spec.advance_elements(root.id(), first)?;
        let mut id = root.id();
        for &index in rest {
            id = spec.follow(id, index)?;
        }
        Ok(spec)
    }

    /// One step of a local access; gives the type that it leads to.
    fn follow(&mut self, id: TypeId, index: u32) -> Result<TypeId, CoreError> {
        let t = self.btf.resolve(id)?;
        if let Some(array) = t.array() {
            let element = self.btf.resolve(array.element)?.id();
            if index >= array.len && !self.is_flexible(array) {
                return Err(CoreError::new(format!("index {index} is outside an array of {}", array.len)));
            }
            self.push(element, index, None);
            self.advance_elements(element, index)?;
            return Ok(element);
        }
        if !t.kind().is_composite() {
            return Err(CoreError::new(format!("the access goes into {} {}", t.kind(), t.id())));
        }
        let member = t
            .member(index as usize)
            .ok_or_else(|| CoreError::new(format!("{} {} has no member {index}", t.kind(), t.id())))?;
        self.advance(member.bit_offset.into())?;
        if !member.name.is_empty() {
            self.push(t.id(), index, Some(member.name));
        }
        Ok(member.ty)
    }

    /// Whether an array of no elements that was just stepped into is the last member of its struct.
    fn is_flexible(&self, array: Array) -> bool {
        array.len == 0
            && self.steps.last().is_some_and(|step| {
                let parent = self.btf.ty(step.ty);
                step.name.is_some() && parent.is_some_and(|t| step.index as usize + 1 == t.vlen())
            })
    }

    /// Follows `local` through a candidate of the target.
    pub(super) fn target(
        local: &Spec<'_>,
        kind: RelocKind,
        btf: &'a Btf,
        root: TypeId,
    ) -> Result<Self, Failure> {
        let mut spec = Self::new(btf, root);
        match kind {
            RelocKind::TypeMatches if !types_match(local.btf, local.root, btf, root)? => {
                return Mismatch::other("does not have all that the local type has");
            }
            _ if kind.is_type() => {
                if !types_are_compat(local.btf, local.root, btf, root)? {
                    return Mismatch::other("is of another kind");
                }
            }
            _ if kind.is_enumval() => spec.match_variant(local)?,
            _ => {
                let mut id = root;
                for (n, step) in local.steps.iter().enumerate() {
                    id = spec.match_step(local.btf, step, n, id)?;
                }
            }
        }
        Ok(spec)
    }

    fn match_variant(&mut self, local: &Spec<'_>) -> Result<(), Failure> {
        let t = self.btf.resolve(self.root)?;
        let wanted = local.steps.first().and_then(|step| step.name).unwrap_or("");
        let same = |name: &str| essential_name(name) == essential_name(wanted);
        match t.variants().enumerate().find(|(_, v)| same(v.name)) {
            Some((n, v)) => {
                self.push(t.id(), n as u32, Some(v.name));
                Ok(())
            }
            None => Err(Failure::Mismatch(Mismatch::NoName(wanted.into(), t.id()))),
        }
    }

    /// Follows one local step from `id`; gives the type that it leads to.
    fn match_step(&mut self, local: &Btf, step: &Step<'_>, n: usize, id: TypeId) -> Result<TypeId, Failure> {
        let t = self.btf.resolve(id)?;
        if let Some(name) = step.name {
            let mut search = Search { name, path_bits: 0, budget: MEMBER_BUDGET };
            let Some((owner, index)) = search.find(t, MAX_STEPS)? else {
                return Err(Failure::Mismatch(Mismatch::NoName(name.into(), t.id())));
            };
            let bits = search.path_bits;
            let local_type = local.ty(step.ty).and_then(|t| t.member(step.index as usize)).map(|m| m.ty);
            let member = owner.member(index as usize).map_or(TypeId::VOID, |m| m.ty);
            if !fields_are_compat(local, local_type.unwrap_or_default(), self.btf, member)? {
                return Mismatch::other(format!("has a `{name}` of another type"));
            }
            self.advance(bits)?;
            self.push(owner.id(), index, Some(owner.member(index as usize).map_or("", |m| m.name)));
            return Ok(member);
        }
        // The first step counts from the root itself, as a pointer would.
        let element = if n == 0 {
            t.id()
        } else {
            let Some(array) = t.array() else { return Mismatch::other("has no array there") };
            if step.index >= array.len && !self.is_flexible(array) {
                return Mismatch::other(format!("has an array of only {} there", array.len));
            }
            self.btf.resolve(array.element)?.id()
        };
        self.push(element, step.index, None);
        self.advance_elements(element, step.index)?;
        Ok(element)
    }
}

/// A search for a member by name, through anonymous structs and unions.
struct Search<'n> {
    name: &'n str,
    /// Offset of what was found from where the search began, in bits.
    path_bits: u64,
    budget: usize,
}

impl Search<'_> {
    /// The struct or union that holds the member, and its index.
    fn find<'a>(&mut self, t: Type<'a>, depth: usize) -> Result<Option<(Type<'a>, u32)>, CoreError> {
        let spent = || CoreError::new(format!("type {} is nested without end", t.id()));
        let depth = depth.checked_sub(1).ok_or_else(spent)?;
        for (index, member) in t.members().enumerate() {
            self.budget = self.budget.checked_sub(1).ok_or_else(spent)?;
            let bits = self.path_bits;
            self.path_bits += u64::from(member.bit_offset);
            if member.name.is_empty() {
                let inner = t.btf().resolve(member.ty)?;
                if let Some(found) = self.find(inner, depth)? {
                    return Ok(Some(found));
                }
            } else if member.name == self.name {
                return Ok(Some((t, index as u32)));
            }
            self.path_bits = bits;
        }
        Ok(None)
    }
}

/// `0:1:2` to numbers.
fn parse_access(access: &str) -> Option<Vec<u32>> {
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    let number = |s: &str| s.parse().ok().filter(|&n: &u32| digits(s) && n <= i32::MAX as u32);
    let numbers: Vec<u32> = access.split(':').take(MAX_STEPS + 1).map(number).collect::<Option<Vec<_>>>()?;
    (numbers.len() <= MAX_STEPS).then_some(numbers)
}

/// The access as C would write it.
pub(super) fn describe(spec: &Spec<'_>) -> String {
    let Some(t) = spec.btf.ty(spec.root) else { return String::new() };
    let word = match t.kind() {
        Kind::Struct => "struct ",
        Kind::Union => "union ",
        Kind::Enum | Kind::Enum64 => "enum ",
        _ => "",
    };
    let mut out = format!("{word}{}", if t.name().is_empty() { "(anonymous)" } else { t.name() });
    for (n, step) in spec.steps.iter().enumerate() {
        match step.name {
            Some(name) if t.kind().is_enum() => out.push_str(&format!("::{name}")),
            Some(name) => out.push_str(&format!(".{name}")),
            None if n == 0 && step.index == 0 => {}
            None => out.push_str(&format!("[{}]", step.index)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::parse_access;

    #[test]
    fn access_strings() {
        assert_eq!(parse_access("0:1:22"), Some(vec![0, 1, 22]));
        for bad in ["", ":", "0:", ":0", "0::1", "-1", "+1", "0x1", "a", "2147483648", " 1"] {
            assert_eq!(parse_access(bad), None, "{bad}");
        }
        assert!(parse_access(&["1"; 64].join(":")).is_some());
        assert!(parse_access(&["1"; 65].join(":")).is_none());
    }
}
