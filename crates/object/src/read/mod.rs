//! ELF to [`Spec`].
//!
//! The order matters: types first, then maps and externs, so that their places are known when the code's
//! relocations are resolved; programs last, and after them what refers to programs (prog arrays, struct_ops).
//! A part that can't be used becomes a [`Problem`], and only what needs it goes with it.

mod assemble;
mod btf_maps;
mod code;
mod data;
mod ext;
mod externs;
mod functions;
mod initial;
mod legacy;
mod places;
mod struct_ops;

use std::collections::BTreeMap;

use skep_btf::{Btf, Kind, TypeId};
use skep_isa::Endian;

use crate::elf::File;
use crate::error::cut;
use crate::limits::Budget;
use crate::{ExternKind, Limits, MapSpec, ObjectError, Part, Problem, Program, Spec};

pub(crate) use btf_maps::place_variables;
use ext::Records;
use functions::{FnId, Functions};
use places::Places;

impl Spec {
    /// Reads an object.
    ///
    /// # Errors
    /// If the bytes are no BPF object, its tables are damaged, or it would take more than
    /// [`Limits::default`] allows. What is wrong with a part is in [`Spec::problems`] instead.
    pub fn from_elf(bytes: &[u8]) -> Result<Self, ObjectError> {
        Self::from_elf_within(bytes, &Limits::default())
    }

    /// As [`Spec::from_elf`], within other limits.
    ///
    /// # Errors
    /// As [`Spec::from_elf`].
    pub fn from_elf_within(bytes: &[u8], limits: &Limits) -> Result<Self, ObjectError> {
        let mut budget = Budget::new(limits);
        let file = File::parse(bytes, limits, &mut budget)?;
        let spec = Spec { endian: file.endian, ..Spec::default() };
        let places = Places::default();
        let mut reader =
            Reader { file, budget, spec, places, map_ids: BTreeMap::new(), slots: Vec::new(), overrun: None };
        reader.read()?;
        Ok(reader.spec)
    }
}

/// Sections with a meaning of their own, which are never data.
fn is_special(name: &str) -> bool {
    const NAMES: [&str; 9] = [
        "license",
        "version",
        ".maps",
        ".kconfig",
        ".ksyms",
        ".BTF",
        ".BTF.ext",
        ".eh_frame",
        struct_ops::ARENA_DATA,
    ];
    NAMES.contains(&name) || legacy::is_maps(name) || struct_ops::is_struct_ops(name)
}

/// A file while it is read.
struct Reader<'d> {
    file: File<'d>,
    budget: Budget,
    spec: Spec,
    places: Places,
    /// iproute2's map ids.
    map_ids: BTreeMap<u32, usize>,
    /// Where the definitions of maps leave room for first contents.
    slots: Vec<initial::Slots>,
    /// A limit that was met where a problem was to be noted.
    overrun: Option<ObjectError>,
}

impl Reader<'_> {
    fn read(&mut self) -> Result<(), ObjectError> {
        if let Some(error) = self.file.damage.take() {
            self.problem(Part::Section, ".symtab", error);
        }
        self.read_types();
        self.read_license();
        let records = self.read_records()?;
        legacy::read(self);
        btf_maps::read(self);
        data::read(self);
        struct_ops::read_arena(self);
        externs::read(self);
        struct_ops::read(self);
        let (functions, programs) = self.read_programs(&records)?;
        initial::read(self, &functions, &programs);
        self.overrun.take().map_or(Ok(()), Err)
    }

    fn read_types(&mut self) {
        let Some(section) = self.file.section_named(".BTF") else { return };
        let parsed = section.data().and_then(|bytes| {
            Btf::parse(bytes).map_err(|e| {
                let error = ObjectError::new(e.to_string()).in_section(".BTF");
                e.offset().map_or(error.clone(), |offset| error.at(offset as u64))
            })
        });
        match parsed {
            Ok(mut btf) => {
                btf_maps::place_variables(&self.file, &mut btf);
                self.spec.btf = Some(btf);
            }
            Err(error) => self.problem(Part::Section, ".BTF", error),
        }
    }

    fn read_records(&mut self) -> Result<Records, ObjectError> {
        let (Some(btf), Some(section)) = (&self.spec.btf, self.file.section_named(".BTF.ext")) else {
            return Ok(Records::default());
        };
        match section.data().and_then(|bytes| Records::read(&self.file, btf, bytes, &mut self.budget)) {
            Ok(records) => Ok(records),
            Err(error) if error.is_limit() => Err(error),
            Err(error) => {
                self.problem(Part::Section, ".BTF.ext", error.in_section(".BTF.ext"));
                Ok(Records::default())
            }
        }
    }

    fn read_license(&mut self) {
        let bytes = |name: &str| self.file.section_named(name).and_then(|s| s.data().ok());
        if let Some(text) = bytes("license") {
            let text = text.split(|&b| b == 0).next().unwrap_or_default();
            self.spec.license = String::from_utf8_lossy(&text[..text.len().min(128)]).into_owned();
        }
        if let Some(&[a, b, c, d]) = bytes("version") {
            self.spec.kernel_version = Some(self.word(&[a, b, c, d]));
        }
    }

    /// Reads the programs, and answers which function became which.
    fn read_programs(
        &mut self,
        records: &Records,
    ) -> Result<(Functions, BTreeMap<FnId, usize>), ObjectError> {
        let mut broken = Vec::new();
        let mut report = |name: &str, error| broken.push((name.to_owned(), error));
        let functions = Functions::find(&self.file, &mut self.budget, &mut report)?;
        let sections = functions.sections().iter().map(|s| s.index);
        let names = sections.map(|s| (s, code::resolve(&self.file, &functions, &self.places, s))).collect();
        let referenced = code::referenced(&functions, &names);
        let externs = &self.spec.externs;
        let kind = |index: usize| externs.get(index).map(|e| e.kind);
        let parts = assemble::Parts {
            functions: &functions,
            names: &names,
            records,
            is_kernel_function: &|i| kind(i) == Some(ExternKind::Kfunc),
            is_typed: &|i| matches!(kind(i), Some(ExternKind::Kfunc | ExternKind::Ksym)),
        };
        let mut programs = BTreeMap::new();
        let mut failed = Vec::new();
        for id in functions.programs(&referenced) {
            let Some((program, name)) = begin(&functions, id) else { continue };
            match assemble::assemble(&parts, id, program, &mut self.budget) {
                Ok(program) => {
                    programs.insert(id, self.spec.programs.len());
                    self.spec.programs.push(program);
                }
                Err(error) if error.is_limit() => return Err(error),
                Err(error) => failed.push((name, error)),
            }
        }
        for (part, list) in [(Part::Section, broken), (Part::Program, failed)] {
            list.into_iter().for_each(|(name, error)| self.problem(part, &name, error));
        }
        Ok((functions, programs))
    }

    /// Adds a map and gives its index.
    fn add_map(&mut self, map: MapSpec) -> Result<usize, ObjectError> {
        let inner = map.inner.as_ref().map_or(0, |m| size_of::<MapSpec>() + m.name.len());
        self.budget.take(1, size_of::<MapSpec>() + map.name.len() + inner, "the maps")?;
        self.spec.maps.push(map);
        Ok(self.spec.maps.len() - 1)
    }

    /// Notes a problem; one that passes the limit ends the reading.
    fn problem(&mut self, part: Part, name: &str, error: ObjectError) {
        let size = size_of::<Problem>() + error.size() + name.len();
        match self.budget.take(1, size, "the problems") {
            _ if error.is_limit() => self.overrun = Some(error),
            Ok(()) => self.spec.problems.push(Problem { part, name: cut(name), error }),
            Err(limit) => self.overrun = Some(limit),
        }
    }

    /// Four bytes as a number in the file's order; 0 if there are not four.
    fn word(&self, bytes: &[u8]) -> u32 {
        let Ok(bytes) = bytes.try_into() else { return 0 };
        match self.file.endian {
            Endian::Little => u32::from_le_bytes(bytes),
            Endian::Big => u32::from_be_bytes(bytes),
        }
    }

    /// The DATASEC of a section.
    fn datasec(&self, name: &str) -> Option<TypeId> {
        self.spec.btf.as_ref()?.find(name, Kind::Datasec)
    }
}

fn begin(functions: &Functions, id: FnId) -> Option<(Program, String)> {
    let function = functions.get(id)?;
    let section = functions.code(function.section)?.name.clone();
    let name = function.name.clone();
    let mut program = Program { name: name.clone(), ..Program::default() };
    program.take_section(&section);
    Some((program, name))
}
