//! One program from its functions: the subprograms that it calls, directly or not, follow it.
//!
//! Order is libbpf's: a subprogram is appended where it is first met, and its own calls are followed before the
//! rest of its caller's. The walk keeps its own stack, since the depth is the file's to choose.

use std::collections::BTreeMap;

use skep_isa::Insn;

use super::code::{Named, SectionNames, is_pseudo_call, near_call};
use super::ext::Records;
use super::functions::{FnId, Function, Functions};
use crate::limits::Budget;
use crate::{FuncInfo, LineInfo, ObjectError, Program, Reloc, RelocTarget};

/// Pseudo sources: `src` of the slot that is patched.
mod pseudo {
    pub(super) const MAP_FD: u8 = 1;
    pub(super) const MAP_VALUE: u8 = 2;
    pub(super) const BTF_ID: u8 = 3;
    pub(super) const FUNC: u8 = 4;
    pub(super) const KFUNC_CALL: u8 = 2;
}

/// What programs are put together from.
pub(super) struct Parts<'a> {
    pub(super) functions: &'a Functions,
    /// By section.
    pub(super) names: &'a BTreeMap<usize, Result<SectionNames, ObjectError>>,
    pub(super) records: &'a Records,
    /// Whether an extern, by index, is a kernel function or a typed kernel symbol.
    pub(super) is_kernel_function: &'a dyn Fn(usize) -> bool,
    /// Whether an extern, by index, is loaded through its BTF id.
    pub(super) is_typed: &'a dyn Fn(usize) -> bool,
}

struct Assembly<'a> {
    parts: &'a Parts<'a>,
    program: Program,
    /// First slot of each function that is in the program.
    placed: BTreeMap<FnId, usize>,
    /// Functions whose calls are still to be followed, and how far that is done (slots of the section).
    open: Vec<(FnId, usize)>,
}

/// Puts a program together. `program` brings its name and section.
pub(super) fn assemble(
    parts: &Parts<'_>,
    main: FnId,
    program: Program,
    budget: &mut Budget,
) -> Result<Program, ObjectError> {
    let mut assembly = Assembly { parts, program, placed: BTreeMap::new(), open: Vec::new() };
    assembly.append(main, budget)?;
    while let Some((id, slot)) = assembly.open.pop() {
        assembly.follow(id, slot, budget)?;
    }
    assembly.program.relocs.sort_by_key(|r| r.insn);
    Ok(assembly.program)
}

impl Assembly<'_> {
    fn append(&mut self, id: FnId, budget: &mut Budget) -> Result<usize, ObjectError> {
        let missing = || ObjectError::new("function out of range");
        let function = self.parts.functions.get(id).ok_or_else(missing)?;
        let code = self.parts.functions.code(function.section).ok_or_else(missing)?;
        if let Some(Err(error)) = self.parts.names.get(&function.section) {
            return Err(error.clone());
        }
        let insns = code.insns.get(function.start..function.end).ok_or_else(missing)?;
        let base = self.program.insns.len();
        budget.take(insns.len(), size_of::<Insn>(), "the code of all programs")?;
        self.program.insns.extend_from_slice(insns);
        self.placed.insert(id, base);
        self.open.push((id, function.start));
        self.append_records(function, base, budget)?;
        Ok(base)
    }

    fn append_records(&mut self, f: &Function, base: usize, budget: &mut Budget) -> Result<(), ObjectError> {
        let records = self.parts.records;
        let range = f.start..f.end;
        budget.take(1, size_of::<FuncInfo>() + f.name.len(), "the functions of all programs")?;
        self.program.func_info.push(FuncInfo {
            insn: base,
            name: f.name.clone(),
            type_id: records.function_type(f.section, f.start),
        });
        let lines = records.lines(f.section, range.clone());
        let cores = records.core(f.section, range);
        budget.take(lines.len(), size_of::<LineInfo>(), "the line records")?;
        for line in lines {
            self.program.line_info.push(LineInfo { insn: line.insn - f.start + base, ..line.clone() });
        }
        for core in cores {
            budget.take(1, size_of::<crate::CoreReloc>() + core.access.len(), "the CO-RE records")?;
            self.program
                .core_relocs
                .push(crate::CoreReloc { insn: core.insn - f.start + base, ..core.clone() });
        }
        Ok(())
    }

    /// Goes on with a function from a slot of its section, until it meets a function that is new.
    fn follow(&mut self, id: FnId, from: usize, budget: &mut Budget) -> Result<(), ObjectError> {
        let (Some(function), Some(&base)) = (self.parts.functions.get(id), self.placed.get(&id)) else {
            return Ok(());
        };
        let mut slot = from;
        while slot < function.end {
            let at = slot - function.start + base;
            let insn = self.program.insns[at];
            let next = slot + if insn.is_wide() { 2 } else { 1 };
            if next > function.end {
                let section = self.parts.functions.code(function.section).map_or("", |c| &c.name);
                return Err(ObjectError::new("the second half of a wide load is missing")
                    .in_section(section)
                    .on_symbol(function.name.as_str())
                    .at((slot * Insn::BYTES) as u64));
            }
            if let Some(named) = self.named(function, slot, insn)? {
                let new = self.patch(at, named, budget)?;
                if new {
                    // The callee was pushed after this function was popped; put this one below it.
                    let callee = self.open.pop();
                    self.open.push((id, next));
                    self.open.extend(callee);
                    return Ok(());
                }
            }
            slot = next;
        }
        Ok(())
    }

    fn named(&self, f: &Function, slot: usize, insn: Insn) -> Result<Option<Named>, ObjectError> {
        let names = self.parts.names.get(&f.section).and_then(|names| names.as_ref().ok());
        let named = names.and_then(|names| names.get(&slot));
        match named {
            Some(named) => named.clone().map(Some),
            None if is_pseudo_call(insn) => {
                let name = self.parts.functions.code(f.section).map_or("", |c| &c.name);
                near_call(self.parts.functions, f.section, slot, insn)
                    .map(|id| Some(Named::Call(id)))
                    .map_err(|e| e.in_section(name).at((slot * Insn::BYTES) as u64))
            }
            None => Ok(None),
        }
    }

    /// Patches a slot; answers whether a function was appended for it.
    fn patch(&mut self, at: usize, named: Named, budget: &mut Budget) -> Result<bool, ObjectError> {
        let (src, low, high, target) = match named {
            Named::Call(id) | Named::Address(id) => {
                let new = !self.placed.contains_key(&id);
                let start = if new { self.append(id, budget)? } else { self.placed[&id] };
                self.patch_function(at, start, matches!(named, Named::Address(_)))?;
                return Ok(new);
            }
            Named::Map(map) => (pseudo::MAP_FD, 0, 0, RelocTarget::Map(map)),
            Named::Value { map, offset } => {
                (pseudo::MAP_VALUE, 0, offset.cast_signed(), RelocTarget::MapValue { map, offset })
            }
            Named::ExternCall(index) => {
                let src = if (self.parts.is_kernel_function)(index) { pseudo::KFUNC_CALL } else { 1 };
                let imm = if src == 1 { -1 } else { 0 };
                let insn = &mut self.program.insns[at];
                (insn.src, insn.imm, insn.off) = (src, imm, 0);
                self.program.relocs.push(Reloc { insn: at, target: RelocTarget::Extern(index) });
                return Ok(false);
            }
            Named::ExternLoad(index) => {
                let src = if (self.parts.is_typed)(index) { pseudo::BTF_ID } else { 0 };
                (src, 0, 0, RelocTarget::Extern(index))
            }
        };
        let insn = &mut self.program.insns[at];
        (insn.src, insn.imm) = (src, low);
        self.program.insns[at + 1].imm = high;
        self.program.relocs.push(Reloc { insn: at, target });
        Ok(false)
    }

    fn patch_function(&mut self, at: usize, start: usize, address: bool) -> Result<(), ObjectError> {
        let distance = i64::try_from(start).ok().zip(i64::try_from(at).ok()).map(|(s, a)| s - a - 1);
        let distance = distance.and_then(|d| i32::try_from(d).ok());
        let distance = distance.ok_or_else(|| ObjectError::new("the program is too long to call across"))?;
        let insn = &mut self.program.insns[at];
        insn.imm = distance;
        if address {
            insn.src = pseudo::FUNC;
            self.program.insns[at + 1].imm = 0;
            self.program.relocs.push(Reloc { insn: at, target: RelocTarget::Func(start) });
        } else {
            insn.src = 1;
        }
        Ok(())
    }
}
