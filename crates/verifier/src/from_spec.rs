//! From a Spec's program to a [`Task`]: what a loader would do, without a machine.
//!
//! Maps are numbered by their place in the Spec. CO-RE is solved against the given kernel's types, or
//! the object's own where none are given.

use std::fmt;
use std::sync::Arc;

use skep_abi::{AttachType, MapFlags, ProgType};
use skep_btf::{Btf, Kind, TypeId};
use skep_isa::Insn;
use skep_object::{ExternKind, MapSpec, Program, RelocTarget, Spec};

use crate::task::{MapShape, Privilege, SpecialField, Task};

/// What the object does not say.
#[derive(Clone, Debug, Default)]
pub struct TaskOptions {
    /// The type, where the section's name does not tell it.
    pub prog_type: Option<ProgType>,
    /// Types of the kernel that it is for.
    pub vmlinux: Option<Arc<Btf>>,
    /// Processors of that kernel; 0 is the most that kernels are built for.
    pub cpus: u32,
    /// With what rights it would be loaded.
    pub privilege: Privilege,
}

/// Why a program can't be given to the verifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskError {
    message: String,
    hint: Option<String>,
}

impl TaskError {
    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for TaskError {}

/// Most processors that a kernel is built for (`CONFIG_NR_CPUS`).
const MAX_CPUS: u32 = 8192;
/// Constant data beyond this is not looked into.
const MAX_FROZEN: u32 = 16 << 20;
/// `BPF_PSEUDO_KFUNC_CALL`.
const KFUNC_CALL: u8 = 2;

impl Task {
    /// The task of one of a Spec's programs.
    pub fn from_spec(spec: &Spec, program: &Program, options: &TaskOptions) -> Result<Self, TaskError> {
        let Some(prog_type) = options.prog_type.or(program.prog_type) else {
            return Err(TaskError {
                message: format!("the type of program `{}` is not known", program.name),
                hint: Some(format!(
                    "section `{}` is no name that tells it: give one with --type",
                    program.section
                )),
            });
        };
        let mut solved = program.clone();
        if let Some(own) = spec.btf.as_ref().filter(|_| !solved.core_relocs.is_empty()) {
            let target = options.vmlinux.as_deref().unwrap_or(own);
            skep_object::core::relocate(&mut solved, own, target);
        }
        let mut kfuncs = Vec::new();
        let insns = resolve(spec, &solved, &mut kfuncs);
        let btf = spec.btf.clone().map(Arc::new);
        Ok(Self {
            name: program.name.clone(),
            prog_type,
            attach_type: program.attach_type.unwrap_or(AttachType(0)),
            flags: program.flags,
            gpl: gpl_compatible(&spec.license),
            insns,
            maps: (0..).zip(&spec.maps).map(|(i, m)| (i, Arc::new(shape(m, spec.btf.as_ref())))).collect(),
            // A function without a type has no record, and then none has.
            func_info: solved
                .func_info
                .iter()
                .map(|f| Some((f.insn, f.type_id?)))
                .collect::<Option<_>>()
                .unwrap_or_default(),
            btf,
            vmlinux: options.vmlinux.clone(),
            attach_func: program.attach_to.clone(),
            privilege: options.privilege,
            cpus: if options.cpus == 0 { MAX_CPUS } else { options.cpus },
            kfuncs,
        })
    }
}

/// `license_is_gpl_compatible` of the kernel.
pub fn gpl_compatible(license: &str) -> bool {
    matches!(
        license,
        "GPL" | "GPL v2" | "GPL and additional rights" | "Dual BSD/GPL" | "Dual MIT/GPL" | "Dual MPL/GPL"
    )
}

fn resolve(spec: &Spec, program: &Program, kfuncs: &mut Vec<(i32, String)>) -> Vec<Insn> {
    let mut insns = program.insns.clone();
    for r in &program.relocs {
        let (src, imm, high) = match &r.target {
            RelocTarget::Map(i) => (1, *i as i32, 0),
            RelocTarget::MapValue { map, offset } => (2, *map as i32, *offset as i32),
            RelocTarget::Func(slot) => (4, *slot as i32 - r.insn as i32 - 1, 0),
            RelocTarget::Extern(i) => {
                let Some(e) = spec.externs.get(*i) else { continue };
                if matches!(e.kind, ExternKind::Kfunc) {
                    // A number of our own: the kernel's is only known where it runs.
                    let number = *i as i32 + 1;
                    kfuncs.push((number, e.name.clone()));
                    if let Some(insn) = insns.get_mut(r.insn) {
                        (insn.src, insn.imm, insn.off) = (KFUNC_CALL, number, 0);
                    }
                    continue;
                }
                (3, *i as i32 + 1, 0)
            }
        };
        if let Some(insn) = insns.get_mut(r.insn) {
            (insn.src, insn.imm) = (src, imm);
        }
        if let Some(next) = insns.get_mut(r.insn + 1) {
            next.imm = high;
        }
    }
    insns
}

/// The shape of a map, with the fields of its value that the kernel manages.
pub fn shape(map: &MapSpec, btf: Option<&Btf>) -> MapShape {
    let mut fields = Vec::new();
    if let (Some(btf), Some(value)) = (btf, map.btf_value) {
        special_fields(btf, value, 0, 0, &mut fields);
    }
    let constant = map.frozen && map.flags & MapFlags::RDONLY_PROG.0 != 0;
    let frozen = (constant && map.name != ".kconfig" && map.value_size <= MAX_FROZEN).then(|| {
        let mut data = map.initial_value.clone().unwrap_or_default();
        data.resize(map.value_size as usize, 0);
        data.into()
    });
    MapShape {
        name: map.name.clone(),
        map_type: map.map_type,
        key_size: map.key_size,
        value_size: map.value_size,
        max_entries: map.max_entries,
        flags: map.flags,
        fields,
        inner: map.inner.as_ref().map(|i| Arc::new(shape(i, btf))),
        frozen,
    }
}

fn field_kind(name: &str) -> Option<SpecialField> {
    Some(match name {
        "bpf_spin_lock" => SpecialField::SpinLock,
        "bpf_timer" => SpecialField::Timer,
        "bpf_res_spin_lock" => SpecialField::Other("bpf_res_spin_lock"),
        "bpf_wq" => SpecialField::Other("bpf_wq"),
        "bpf_list_head" => SpecialField::Other("bpf_list_head"),
        "bpf_list_node" => SpecialField::Other("bpf_list_node"),
        "bpf_rb_root" => SpecialField::Other("bpf_rb_root"),
        "bpf_rb_node" => SpecialField::Other("bpf_rb_node"),
        "bpf_refcount" => SpecialField::Other("bpf_refcount"),
        "bpf_task_work" => SpecialField::Other("bpf_task_work"),
        _ => return None,
    })
}

/// Types nest at most this deep, and fields are at most this many.
const MAX_DEPTH: u32 = 8;
const MAX_FIELDS: usize = 64;

/// Walks a value's type for fields that the kernel manages.
pub fn special_fields(btf: &Btf, ty: TypeId, base: u32, depth: u32, out: &mut Vec<(u32, SpecialField)>) {
    if depth > MAX_DEPTH || out.len() >= MAX_FIELDS {
        return;
    }
    // The kernel looks behind a typedef of the whole value, but not of its members.
    let found = if depth == 0 { btf.resolve(ty) } else { btf.skip_modifiers(ty) };
    let Ok(t) = found else { return };
    match t.kind() {
        Kind::Struct | Kind::Union => {
            if let Some(kind) = field_kind(t.name()) {
                out.push((base, kind));
                return;
            }
            for m in t.members() {
                special_fields(btf, m.ty, base.saturating_add(m.bit_offset / 8), depth + 1, out);
            }
        }
        Kind::Datasec => {
            for v in t.vars() {
                if let Some(target) = btf.ty(v.ty).and_then(|var| var.target()) {
                    special_fields(btf, target, base.saturating_add(v.offset), depth + 1, out);
                }
            }
        }
        Kind::Array => {
            let Some(a) = t.array() else { return };
            let Ok(size) = btf.size_of(a.element) else { return };
            for i in 0..a.len.min(MAX_FIELDS as u32) {
                let before = out.len();
                let at = base.saturating_add(i.saturating_mul(size));
                special_fields(btf, a.element, at, depth + 1, out);
                if out.len() == before {
                    break;
                }
            }
        }
        Kind::Ptr => {
            let tag = t.target().and_then(|p| btf.ty(p)).filter(|p| p.kind() == Kind::TypeTag);
            if tag.is_some_and(|p| matches!(p.name(), "kptr" | "kptr_untrusted" | "percpu_kptr" | "uptr")) {
                out.push((base, SpecialField::Other("kptr")));
            }
        }
        _ => {}
    }
}
