//! Programs: every symbolic place filled in, and loaded.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use skep_abi::{AttachType, ProgType};
use skep_backend::{Error, ErrorKind, LoadOptions};
use skep_btf::core::{POISON, Solver};
use skep_btf::{Kind, essential_name};
use skep_isa::Insn;
use skep_object::{Extern, ExternKind, Program, RelocTarget, Spec};
use skep_sys::prog::{LOG_BASIC, LoadAttr, LoadError, load};
use skep_sys::{Cap, Errno, cap_for_prog};

use super::live::LoadedProgram;
use super::maps::LiveMap;
use super::modules::{FdArray, Found, Module};
use super::struct_ops::Table;
use super::target_prog;
use super::types::Loaded as Types;
use super::vmlinux::Vmlinux;
use super::{error, log};

/// `BPF_JMP | BPF_CALL`.
const CALL: u8 = 0x85;
/// Pseudo sources of wide loads and calls.
const PSEUDO_MAP_FD: u8 = 1;
const PSEUDO_MAP_VALUE: u8 = 2;
const PSEUDO_BTF_ID: u8 = 3;
const PSEUDO_KFUNC_CALL: u8 = 2;
/// Types whose programs are loaded for one function or hook of the kernel.
const TYPED: [ProgType; 3] = [ProgType::TRACING, ProgType::LSM, ProgType::EXT];
/// How much of the verifier's log an error shows.
const LOG_LINES: usize = 30;

/// What programs are resolved against.
pub(super) struct Resolver<'a> {
    pub(super) vmlinux: &'a Vmlinux,
    pub(super) object: &'a Spec,
    pub(super) maps: &'a [Option<LiveMap>],
    /// Tables of functions, at the places of their maps.
    pub(super) tables: &'a [Option<Table>],
    pub(super) types: Option<&'a Types>,
    /// Why the kernel did not take the object's types.
    pub(super) no_types: Option<&'a str>,
}

impl Resolver<'_> {
    /// Loads the program with this index.
    pub(super) fn load(&self, index: usize, options: &LoadOptions) -> Result<LoadedProgram, Error> {
        let mut program = self.object.programs[index].clone();
        let given = options.prog_types.get(&program.name).copied();
        let Some(prog_type) = given.or(program.prog_type).filter(|t| *t != ProgType::UNSPEC) else {
            let message = format!("program `{}` has no type", program.name);
            return Err(Error::new(ErrorKind::Invalid, message).with_hint("give it one, such as xdp or tc"));
        };
        self.solve_core(&mut program)?;
        let mut fds = FdArray::default();
        for reloc in std::mem::take(&mut program.relocs) {
            self.resolve(&mut program, reloc.insn, &reloc.target, &mut fds)?;
        }
        let first = || prog_type.row().and_then(|row| row.attach_types.first().copied());
        let attach_type = program.attach_type.or_else(first).unwrap_or_default();
        let function = match options.target_progs.get(&program.name) {
            Some(target) => Some(target_prog::Function::find(&program, target)?),
            None => target_prog::unnamed(&program, prog_type).map_or(Ok(None), Err)?,
        };
        let fd = self.submit(index, &program, (prog_type, attach_type), &fds, function.as_ref())?;
        Ok(LoadedProgram { name: program.name, prog_type, attach_type, section: program.section, fd })
    }

    fn solve_core(&self, program: &mut Program) -> Result<(), Error> {
        if program.core_relocs.is_empty() {
            return Ok(());
        }
        let unsupported = |why: String| {
            let message = format!("program `{}` needs the kernel's types: {why}", program.name);
            Error::new(ErrorKind::Unsupported, message)
        };
        let target = self.vmlinux.target().map_err(unsupported)?;
        let Some(local) = &self.object.btf else {
            return Err(unsupported("the object has none of its own".into()));
        };
        let before = program.clone();
        let mut report = skep_object::core::relocate_with(program, &mut Solver::new(local, target));
        if report.patched() < report.entries.len() && !self.vmlinux.target_modules().is_empty() {
            // What the kernel proper has not may be a module's.
            let mut solver = Solver::new(local, target);
            for module in self.vmlinux.target_modules() {
                solver = solver.with_module(&module.btf);
            }
            *program = before;
            report = skep_object::core::relocate_with(program, &mut solver);
        }
        let failed = report.failures().next().map(|(reloc, why)| (reloc.insn, why.to_owned()));
        match failed {
            Some((slot, why)) => {
                let message = format!("program `{}`: {why}", program.name);
                Err(Error::new(ErrorKind::Invalid, message).at(&program.name, slot))
            }
            None => Ok(()),
        }
    }

    fn resolve(
        &self,
        program: &mut Program,
        slot: usize,
        target: &RelocTarget,
        fds: &mut FdArray,
    ) -> Result<(), Error> {
        let fd = |map: usize| {
            let live = self.maps.get(map).and_then(Option::as_ref);
            live.map(|m| m.map.as_fd().as_raw_fd() as u32).ok_or_else(|| dangling(program, slot))
        };
        match *target {
            RelocTarget::Map(map) => {
                let fd = fd(map)?;
                patch(program, slot, PSEUDO_MAP_FD, [fd, 0])
            }
            RelocTarget::MapValue { map, offset } => {
                let fd = fd(map)?;
                patch(program, slot, PSEUDO_MAP_VALUE, [fd, offset])
            }
            RelocTarget::Func(_) => Ok(()),
            RelocTarget::Extern(index) => {
                let ext = self.object.externs.get(index).ok_or_else(|| dangling(program, slot))?;
                self.resolve_extern(program, slot, ext, fds)
            }
        }
    }

    fn resolve_extern(
        &self,
        program: &mut Program,
        slot: usize,
        ext: &Extern,
        fds: &mut FdArray,
    ) -> Result<(), Error> {
        let kind = if ext.kind == ExternKind::Ksym { Kind::Var } else { Kind::Func };
        let found = match ext.kind {
            ExternKind::KsymAddr => None,
            _ => self.vmlinux.find(essential_name(&ext.name), kind),
        };
        if let Some(insn) = program.insns.get_mut(slot).filter(|i| i.opcode == CALL) {
            return match found {
                Some(Found { id, module }) => {
                    let off =
                        module.map_or(Ok(0), |m| fds.index(m).ok_or_else(|| closed(&program.name, m)))?;
                    *insn = Insn { src: PSEUDO_KFUNC_CALL, off, imm: id.0 as i32, ..*insn };
                    Ok(())
                }
                None if ext.weak => {
                    // Never run, if the program asks first; the verifier sees that.
                    *insn = Insn { src: 0, off: 0, imm: POISON, ..*insn };
                    Ok(())
                }
                None => Err(missing(program, slot, ext)),
            };
        }
        if ext.kind == ExternKind::KsymAddr {
            return match self.vmlinux.symbol(&ext.name) {
                Some(address) => patch(program, slot, 0, [address as u32, (address >> 32) as u32]),
                None if ext.weak => patch(program, slot, 0, [0, 0]),
                None => Err(missing(program, slot, ext)),
            };
        }
        match found {
            Some(Found { id, module }) => {
                let fd =
                    module.map_or(Ok(0), |m| module_fd(&program.name, m).map(|fd| fd.as_raw_fd() as u32))?;
                patch(program, slot, PSEUDO_BTF_ID, [id.0, fd])
            }
            None if ext.weak => patch(program, slot, 0, [0, 0]),
            None => Err(missing(program, slot, ext)),
        }
    }

    /// The kernel's type that a tracing program is for.
    fn attach_target(&self, program: &Program, prog_type: ProgType) -> Result<Option<Found<'_>>, Error> {
        let typed = TYPED.contains(&prog_type);
        let (true, Some(name)) = (typed, &program.attach_to) else { return Ok(None) };
        let (prefix, kind) = match program.attach_type {
            Some(AttachType::TRACE_RAW_TP) => ("btf_trace_", Kind::Typedef),
            Some(AttachType::TRACE_ITER) => ("bpf_iter_", Kind::Func),
            Some(AttachType::LSM_MAC | AttachType::LSM_CGROUP) => ("bpf_lsm_", Kind::Func),
            _ => ("", Kind::Func),
        };
        self.vmlinux.find(&format!("{prefix}{name}"), kind).map(Some).ok_or_else(|| {
            let message = format!("program `{}`: this kernel has no `{prefix}{name}`", program.name);
            Error::new(ErrorKind::NotFound, message)
        })
    }

    /// The kernel's struct, and the number of the member in it, that a function of a table is for.
    fn member(&self, index: usize, program: &Program) -> Result<(u32, AttachType), Error> {
        let invalid = |why: &str| {
            let message = format!("program `{}` is in {why}", program.name);
            Err(Error::new(ErrorKind::Invalid, message))
        };
        let mut places = self.tables.iter().flatten().filter_map(|t| t.place(index));
        let Some(place) = places.next() else { return invalid("no table of functions") };
        if places.any(|other| other != place) {
            return invalid("several tables, and not as the same member");
        }
        Ok((place.0, AttachType(place.1)))
    }

    fn submit(
        &self,
        index: usize,
        program: &Program,
        (prog_type, attach_type): (ProgType, AttachType),
        fds: &FdArray,
        function: Option<&target_prog::Function>,
    ) -> Result<OwnedFd, Error> {
        let (func_info, line_info) = self
            .types
            .and_then(|t| t.infos.get(index))
            .map_or((&[][..], &[][..]), |(f, l)| (f.as_slice(), l.as_slice()));
        let target = match function {
            Some(_) => None,
            None => self.attach_target(program, prog_type)?,
        };
        let (attach_btf_id, attach_type) = match (prog_type, function) {
            (ProgType::STRUCT_OPS, _) => self.member(index, program)?,
            (_, Some(function)) => (function.btf_id, attach_type),
            _ => (target.map_or(0, |t| t.id.0), attach_type),
        };
        let module = target.and_then(|t| t.module).map(|m| module_fd(&program.name, m)).transpose()?;
        let attach_to = function.map(target_prog::Function::fd).or(module);
        let mut attr = LoadAttr {
            prog_type,
            attach_type,
            name: &program.name,
            insns: &program.insns,
            license: &self.object.license,
            flags: program.flags,
            kern_version: self.vmlinux.version(),
            attach_btf_id,
            attach_to,
            fd_array: fds.as_slice(),
            ..LoadAttr::default()
        };
        // Lines without functions are refused.
        if let (Some(types), false) = (self.types, func_info.is_empty()) {
            (attr.btf, attr.func_info, attr.line_info) = (Some(types.fd.as_fd()), func_info, line_info);
        }
        if let Ok(fd) = load(&attr) {
            return Ok(fd);
        }
        // Most programs load; only for those that do not the verifier writes down why.
        load(&LoadAttr { log_level: LOG_BASIC, ..attr })
            .map_err(|e| self.refused(program, prog_type, attach_type, &e))
    }

    fn refused(
        &self,
        program: &Program,
        prog_type: ProgType,
        attach_type: AttachType,
        e: &LoadError,
    ) -> Error {
        let name = &program.name;
        let Some(line) = log::last_meaningful_line(&e.log) else {
            let mut needed = vec![Cap::BPF];
            needed.extend(cap_for_prog(prog_type));
            let typed = TYPED.contains(&prog_type);
            let what = match typed && prog_type != ProgType::EXT {
                true => format!("program `{name}` can't be loaded as {prog_type}, {attach_type}"),
                false => format!("program `{name}` can't be loaded as {prog_type}"),
            };
            let error = error::refused(&what, e.errno, &needed);
            return match (e.errno, self.no_types) {
                (Errno::EPERM, _) if typed && error.kind() != ErrorKind::Denied => error.with_hint(
                    "no capability is missing: this kernel refuses to let programs of this kind be loaded at all; \
                     tracepoints (tp, raw_tp, tp_btf) and uprobes may be open",
                ),
                (Errno::EINVAL, Some(why)) => {
                    error.with_hint(format!("the kernel did not take the object's types: {why}"))
                }
                _ => error,
            };
        };
        let tail = log::tail(&e.log, LOG_LINES);
        let message = format!("program `{name}` is refused: {line} ({:?})\n\n{tail}", e.errno);
        let error = Error::new(ErrorKind::Rejected, message);
        match log::last_slot(&e.log) {
            Some(slot) => error.at(name, slot),
            None => error,
        }
    }
}

/// The descriptor of a module's types.
fn module_fd<'a>(program: &str, module: &'a Module) -> Result<BorrowedFd<'a>, Error> {
    module.fd().ok_or_else(|| closed(program, module))
}

fn closed(program: &str, module: &Module) -> Error {
    let name = &module.name;
    let error = error::refused(
        &format!("program `{program}`: opening the types of module `{name}`"),
        Errno::EPERM,
        &[Cap::SYS_ADMIN],
    );
    if error.kind() == ErrorKind::Denied {
        return error;
    }
    Error::new(ErrorKind::NotFound, format!("program `{program}`: module `{name}` is gone"))
}

fn dangling(program: &Program, slot: usize) -> Error {
    let message = format!("program `{}`: the relocation names nothing", program.name);
    Error::new(ErrorKind::Invalid, message).at(&program.name, slot)
}

fn missing(program: &Program, slot: usize, ext: &Extern) -> Error {
    let message = format!("program `{}` needs `{}`, which this kernel does not have", program.name, ext.name);
    Error::new(ErrorKind::NotFound, message).at(&program.name, slot)
}

/// Fills in both halves of a wide load.
fn patch(program: &mut Program, slot: usize, src: u8, imm: [u32; 2]) -> Result<(), Error> {
    match program.insns.get_mut(slot..) {
        Some([low, high, ..]) if low.is_wide() => {
            low.src = src;
            (low.imm, high.imm) = (imm[0] as i32, imm[1] as i32);
            Ok(())
        }
        _ => Err(dangling(program, slot)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use skep_btf::{Builder, IntEncoding};
    use skep_object::CoreReloc;

    use super::*;
    use crate::linux::modules::tests::made;
    use crate::linux::types::HERE;

    /// An object that reads a field of a module's struct and calls a module's function.
    fn object() -> (Spec, Program) {
        let mut b = Builder::new(HERE);
        let int = b.int("int", 4, IntEncoding { signed: true, ..IntEncoding::default() });
        let type_id = b.composite(Kind::Struct, "fresh", 4, &[("b", int, 0, 0)]);
        let load = Insn { opcode: 0x61, dst: 0, src: 1, ..Insn::default() };
        let call = Insn { opcode: CALL, ..Insn::default() };
        let program = Program {
            name: "p".into(),
            insns: vec![load, call, Insn { opcode: 0x95, ..Insn::default() }],
            core_relocs: vec![CoreReloc { insn: 0, type_id, access: "0:0".into(), kind: 0 }],
            ..Program::default()
        };
        let called =
            Extern { name: "in_module".into(), kind: ExternKind::Kfunc, weak: false, btf_type: None };
        (Spec { btf: b.finish().ok(), externs: vec![called], ..Spec::default() }, program)
    }

    #[test]
    fn modules_answer_what_the_kernel_does_not() {
        let (base, modules) = made("resolve");
        let vmlinux = Vmlinux::made(base, modules);
        let (object, mut program) = object();
        let resolver = Resolver {
            vmlinux: &vmlinux,
            object: &object,
            maps: &[],
            tables: &[],
            types: None,
            no_types: None,
        };
        resolver.solve_core(&mut program).expect("the module has the field");
        assert_eq!((program.insns[0].off, program.poisoned.len()), (8, 0));
        // The function is found, but the running kernel has no such module whose types could be named.
        let called = RelocTarget::Extern(0);
        let error = resolver.resolve(&mut program, 1, &called, &mut FdArray::default()).expect_err("made up");
        assert!(error.to_string().contains("module `skep_mod`"), "{error}");
    }

    #[test]
    fn types_that_were_given_have_no_modules() {
        let (base, _) = made("given");
        let vmlinux = Vmlinux::with_target(Arc::clone(&base));
        assert!(vmlinux.target_modules().is_empty());
    }
}
