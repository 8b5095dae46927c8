//! Tables of functions (struct_ops), brought from the object's types into the kernel's.
//!
//! An object holds a variable of a struct of the kernel, as far as it knows it. The kernel wants the struct as it is
//! there, inside `struct bpf_struct_ops_X`, with descriptors of programs where pointers to functions are. Members are matched by
//! name, as libbpf does it; one that this kernel does not have may be left out where the object leaves it zero.

use std::os::fd::{AsRawFd, BorrowedFd};

use skep_backend::{Error, ErrorKind};
use skep_btf::{Btf, Kind, Member, Type, essential_name};
use skep_object::{InitialRef, MapSpec, Spec};

/// What the kernel calls the struct around a table.
const VALUE_PREFIX: &str = "bpf_struct_ops_";

/// A table as the kernel has it.
#[derive(Debug)]
pub(super) struct Table {
    /// The struct's name.
    pub(super) kind: String,
    /// The kernel's type of it, which its programs are loaded for.
    type_id: u32,
    /// The kernel's type of the value.
    pub(super) value_type: u32,
    /// The value, with zeros where descriptors go.
    value: Vec<u8>,
    functions: Vec<Function>,
}

/// A member that is a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Function {
    /// Index in [`Spec::programs`].
    program: usize,
    /// Which member of the kernel's struct.
    member: u32,
    /// Where in the value.
    offset: usize,
}

/// A table whose programs are loaded.
#[derive(Debug)]
pub(super) struct Ready {
    /// The map's name.
    pub(super) map: String,
    /// The struct's name.
    pub(super) kind: String,
    /// Registered through a link.
    pub(super) link: bool,
    /// Names of its programs, in the order of members.
    pub(super) programs: Vec<String>,
    /// The value, descriptors in it: good while the programs are open.
    pub(super) value: Vec<u8>,
}

/// One table being matched.
struct Match<'a> {
    local: &'a Btf,
    kernel: &'a Btf,
    spec: &'a MapSpec,
    /// The local value's bytes.
    bytes: &'a [u8],
}

/// The programs that an object's variable names, whatever the kernel.
pub(super) fn programs(map: &MapSpec) -> impl Iterator<Item = usize> {
    map.initial_refs.iter().filter_map(|(_, target)| match target {
        InitialRef::Program(p) => Some(*p),
        InitialRef::Map(_) => None,
    })
}

impl Table {
    /// Matches a variable with the kernel's struct of the same name.
    ///
    /// # Errors
    /// If the kernel has no such struct, a member does not fit, or one that the kernel does not have is not zero.
    pub(super) fn solve(kernel: &Btf, object: &Spec, spec: &MapSpec) -> Result<Self, Error> {
        let wrong = |kind, why: String| Error::new(kind, format!("table `{}`: {why}", spec.name));
        let local = object.btf.as_ref();
        let ty = local.zip(spec.btf_value).and_then(|(b, id)| b.skip_modifiers(id).ok());
        let (Some(local), Some(ty)) = (local, ty.filter(|t| t.kind() == Kind::Struct)) else {
            return Err(wrong(ErrorKind::Invalid, "the object does not say of which struct it is".into()));
        };
        let kind = essential_name(ty.name());
        let find = |name: &str| kernel.find(name, Kind::Struct).and_then(|id| kernel.ty(id));
        let (Some(theirs), Some(value)) = (find(kind), find(&format!("{VALUE_PREFIX}{kind}"))) else {
            return Err(wrong(ErrorKind::Unsupported, format!("this kernel takes no tables of `{kind}`")));
        };
        let size = kernel.size_of(value.id()).unwrap_or(0) as usize;
        let data = value.members().find(|m| kernel.skip_modifiers(m.ty).is_ok_and(|t| t.id() == theirs.id()));
        let Some(start) = data.map(|m| m.bit_offset as usize / 8).filter(|start| *start < size) else {
            return Err(wrong(
                ErrorKind::Unsupported,
                format!("this kernel's `{kind}` has an unknown shape"),
            ));
        };
        let mut table = Self {
            kind: kind.to_owned(),
            type_id: theirs.id().0,
            value_type: value.id().0,
            value: vec![0; size],
            functions: Vec::new(),
        };
        let bytes = spec.initial_value.as_deref().unwrap_or_default();
        let matching = Match { local, kernel, spec, bytes };
        for member in ty.members() {
            matching
                .member(&mut table, theirs, member, start)
                .map_err(|why| wrong(ErrorKind::Invalid, why))?;
        }
        table.functions.sort_by_key(|f| f.member);
        Ok(table)
    }

    /// The kernel's struct and member that a program is loaded for, if it is in this table.
    pub(super) fn place(&self, program: usize) -> Option<(u32, u32)> {
        let found = self.functions.iter().find(|f| f.program == program)?;
        Some((self.type_id, found.member))
    }

    /// Bytes of the kernel's value.
    pub(super) fn value_size(&self) -> u32 {
        self.value.len() as u32
    }

    /// Fills in the programs, each given by its name and descriptor.
    pub(super) fn ready<'a>(
        &self,
        spec: &MapSpec,
        program: impl Fn(usize) -> Option<(&'a str, BorrowedFd<'a>)>,
    ) -> Option<Ready> {
        let mut value = self.value.clone();
        let mut programs = Vec::new();
        for f in &self.functions {
            let (name, fd) = program(f.program)?;
            let word = (fd.as_raw_fd() as u64).to_ne_bytes();
            value.get_mut(f.offset..f.offset + word.len())?.copy_from_slice(&word);
            programs.push(name.to_owned());
        }
        let link = spec.flags & MapSpec::F_LINK != 0;
        Some(Ready { map: spec.name.clone(), kind: self.kind.clone(), link, programs, value })
    }
}

impl Match<'_> {
    /// Copies one member, or notes that it is a program. `start` is where the kernel's struct begins in its value.
    fn member(
        &self,
        table: &mut Table,
        theirs: Type<'_>,
        ours: Member<'_>,
        start: usize,
    ) -> Result<(), String> {
        let (name, at) = (ours.name, ours.bit_offset as usize / 8);
        let size = self.local.size_of(ours.ty).map_err(|e| format!("`{name}`: {e}"))? as usize;
        let bytes =
            self.bytes.get(at..at.saturating_add(size)).ok_or_else(|| format!("`{name}` ends outside"))?;
        let program = self.spec.initial_refs.iter().find_map(|(offset, target)| match target {
            InitialRef::Program(p) if *offset as usize == at => Some(*p),
            _ => None,
        });
        let found = theirs.members().enumerate().find(|(_, m)| !name.is_empty() && m.name == name);
        let Some((number, found)) = found else {
            // An object may know more members than this kernel, as long as it does not use them.
            let unused = program.is_none() && bytes.iter().all(|b| *b == 0);
            return if unused {
                Ok(())
            } else {
                Err(format!("this kernel's `{}` has no `{name}`", table.kind))
            };
        };
        if ours.bits != 0 || found.bits != 0 {
            return Err(format!("`{name}` is a bitfield, which can't be set"));
        }
        let kinds = (self.local.skip_modifiers(ours.ty), self.kernel.skip_modifiers(found.ty));
        let same = matches!(&kinds, (Ok(a), Ok(b)) if a.kind() == b.kind());
        if !same || self.kernel.size_of(found.ty).ok() != Some(size as u32) {
            return Err(format!("`{name}` is of another type in this kernel"));
        }
        let offset = start + found.bit_offset as usize / 8;
        if let Some(program) = program {
            table.functions.push(Function { program, member: number as u32, offset });
        } else if kinds.0.is_ok_and(|t| t.kind() != Kind::Ptr) {
            let to = table.value.get_mut(offset..offset + size);
            to.ok_or_else(|| format!("`{name}` ends outside of the kernel's value"))?.copy_from_slice(bytes);
        }
        Ok(())
    }
}
