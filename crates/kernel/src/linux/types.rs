//! The object's BTF in the form that this kernel takes, loaded.
//!
//! The compiler writes things that no kernel takes: externs (which the loader resolves) and sections of them. Older
//! kernels take fewer kinds. Each such type is replaced by one that says less, so that ids stay, as libbpf does it.
//! Which kinds a kernel takes is found by loading a small BTF of each.

use std::os::fd::OwnedFd;

use skep_btf::{Btf, Builder, Endian, FuncLinkage, IntEncoding, Kind, Type, TypeId, VarLinkage};
use skep_object::{Program, Spec};

/// An object's types, as the kernel has them.
pub(super) struct Loaded {
    pub(super) fd: OwnedFd,
    /// Records of each program.
    pub(super) infos: Vec<Infos>,
}

/// What is known of a program's code: functions, lines.
pub(super) type Infos = (Vec<[u32; 2]>, Vec<[u32; 4]>);

/// What this kernel takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Takes {
    datasec: bool,
    global_func: bool,
    float: bool,
    decl_tag: bool,
    type_tag: bool,
    enum64: bool,
}

const ALL: Takes =
    Takes { datasec: true, global_func: true, float: true, decl_tag: true, type_tag: true, enum64: true };

/// The byte order of this machine.
pub(super) const HERE: Endian = if cfg!(target_endian = "big") { Endian::Big } else { Endian::Little };

/// Loads the types of an object, with the source lines of its programs. `Err` is the kernel's log: a program may do
/// without types, so it is for the caller to say whether that matters.
pub(super) fn load(spec: &Spec) -> Option<Result<Loaded, String>> {
    let btf = spec.btf.as_ref()?;
    Some(attempt(spec, btf, ALL).or_else(|first| {
        let takes = probe();
        if takes == ALL { Err(first) } else { attempt(spec, btf, takes) }
    }))
}

fn attempt(spec: &Spec, btf: &Btf, takes: Takes) -> Result<Loaded, String> {
    let mut builder = rebuild(btf, takes);
    let infos = spec.programs.iter().map(|p| (functions(p), lines(p, &mut builder))).collect();
    let finished = builder.finish().map_err(|e| e.to_string())?;
    match skep_sys::btf::load(&finished.to_bytes(HERE)) {
        Ok(fd) => Ok(Loaded { fd, infos }),
        Err(e) => {
            let why = super::log::last_meaningful_line(&e.log).unwrap_or("").to_owned();
            Err(if why.is_empty() { e.errno.to_string() } else { format!("{why} ({})", e.errno) })
        }
    }
}

/// Tries each kind that came later.
fn probe() -> Takes {
    let takes = |add: &dyn Fn(&mut Builder, TypeId)| {
        let mut b = Builder::new(HERE);
        let int = b.int("int", 4, IntEncoding { signed: true, ..IntEncoding::default() });
        add(&mut b, int);
        b.finish().is_ok_and(|btf| skep_sys::btf::load(&btf.to_bytes(HERE)).is_ok())
    };
    Takes {
        datasec: takes(&|b, int| {
            let ty = b.var("x", int, VarLinkage::Static);
            b.datasec(".data", 4, &[skep_btf::VarSecInfo { ty, offset: 0, size: 4 }]);
        }),
        global_func: takes(&|b, int| {
            let proto = b.func_proto(int, &[("x", int)]);
            b.func("f", proto, FuncLinkage::Global);
        }),
        float: takes(&|b, _| {
            b.float("float", 4);
        }),
        decl_tag: takes(&|b, int| {
            let var = b.var("x", int, VarLinkage::Static);
            b.decl_tag("t", var, -1);
        }),
        type_tag: takes(&|b, int| {
            let tag = b.type_tag("t", int);
            b.ptr(tag);
        }),
        enum64: takes(&|b, _| {
            b.enum64("e", 8, false, &[("E", 1)]);
        }),
    }
}

/// The same types with the same ids, those replaced that the kernel does not take.
fn rebuild(btf: &Btf, takes: Takes) -> Builder {
    let kconfig: Vec<TypeId> = btf
        .own_types()
        .filter(|t| t.kind() == Kind::Datasec && t.name() == ".kconfig")
        .flat_map(|t| t.vars().map(|v| v.ty))
        .collect();
    let mut b = Builder::new(HERE);
    for t in btf.own_types() {
        if !replaced(&mut b, btf, t, takes, &kconfig) {
            copy(&mut b, t);
        }
    }
    b
}

/// Stands for a type that the kernel would not take and nothing it is given refers to.
fn placeholder(b: &mut Builder) {
    b.int("skep_placeholder", 4, IntEncoding::default());
}

fn is_extern_func(t: Type<'_>) -> bool {
    t.kind() == Kind::Func && t.func_linkage() == Some(FuncLinkage::Extern)
}

fn is_extern_var(t: Type<'_>) -> bool {
    t.kind() == Kind::Var && t.var_linkage() == Some(VarLinkage::Extern)
}

/// Writes something else for `t`, if it must be.
fn replaced(b: &mut Builder, btf: &Btf, t: Type<'_>, takes: Takes, kconfig: &[TypeId]) -> bool {
    let target = t.target().unwrap_or_default();
    match t.kind() {
        _ if is_extern_func(t) => _ = b.typedef(t.name(), target),
        _ if is_extern_var(t) && kconfig.contains(&t.id()) && takes.datasec => {
            b.var(t.name(), target, VarLinkage::Global);
        }
        _ if is_extern_var(t) => _ = b.typedef(t.name(), target),
        Kind::Var if !takes.datasec => placeholder(b),
        Kind::Datasec => {
            let known = |v: TypeId| {
                btf.ty(v).is_some_and(|v| {
                    v.kind() == Kind::Var && (!is_extern_var(v) || kconfig.contains(&v.id()))
                })
            };
            let fits = t.size().is_some_and(|s| s > 0) && t.vars().all(|v| known(v.ty) && v.size > 0);
            if takes.datasec && fits {
                return false;
            }
            placeholder(b);
        }
        Kind::Func if !takes.global_func && t.func_linkage() == Some(FuncLinkage::Global) => {
            b.func(t.name(), target, FuncLinkage::Static);
        }
        Kind::Float if !takes.float => {
            b.composite(Kind::Struct, t.name(), t.size().unwrap_or(4), &[]);
        }
        Kind::DeclTag => {
            let lost = btf.ty(target).is_none_or(|on| is_extern_func(on) || is_extern_var(on));
            if takes.decl_tag && !lost {
                return false;
            }
            placeholder(b);
        }
        Kind::TypeTag if !takes.type_tag => _ = b.modifier(Kind::Const, target),
        Kind::Enum64 if !takes.enum64 => {
            b.int("skep_enum64", t.size().unwrap_or(8), IntEncoding::default());
        }
        _ => return false,
    }
    true
}

/// Writes `t` as it is.
fn copy(b: &mut Builder, t: Type<'_>) {
    let (name, target, size) = (t.name(), t.target().unwrap_or_default(), t.size().unwrap_or(0));
    match t.kind() {
        Kind::Void => {}
        Kind::Int => _ = t.int().map(|int| b.int_bits(name, int)),
        Kind::Ptr => _ = b.ptr(target),
        Kind::Array => _ = t.array().map(|a| b.array(a.element, a.index, a.len)),
        Kind::Struct | Kind::Union => {
            let members: Vec<_> = t.members().map(|m| (m.name, m.ty, m.bit_offset, m.bits)).collect();
            b.composite(t.kind(), name, size, &members);
        }
        Kind::Enum => {
            let values: Vec<_> = t.variants().map(|v| (v.name, v.bits as i64)).collect();
            b.enumeration(name, size, t.kind_flag(), &values);
        }
        Kind::Enum64 => {
            let values: Vec<_> = t.variants().map(|v| (v.name, v.bits)).collect();
            b.enum64(name, size, t.kind_flag(), &values);
        }
        Kind::Fwd => _ = b.fwd(name, t.kind_flag()),
        Kind::Typedef => _ = b.typedef(name, target),
        Kind::Volatile | Kind::Const | Kind::Restrict => _ = b.modifier(t.kind(), target),
        Kind::Func => _ = b.func(name, target, t.func_linkage().unwrap_or(FuncLinkage::Static)),
        Kind::FuncProto => {
            let params: Vec<_> = t.params().map(|p| (p.name, p.ty)).collect();
            b.func_proto(target, &params);
        }
        Kind::Var => _ = b.var(name, target, t.var_linkage().unwrap_or(VarLinkage::Static)),
        Kind::Datasec => _ = b.datasec(name, size, &t.vars().collect::<Vec<_>>()),
        Kind::Float => _ = b.float(name, size),
        Kind::DeclTag => _ = b.decl_tag(name, target, t.component().unwrap_or(-1)),
        Kind::TypeTag => _ = b.type_tag(name, target),
    }
}

/// Function records: all of a program's functions, or none.
fn functions(program: &Program) -> Vec<[u32; 2]> {
    let records = program.func_info.iter().map(|f| Some([f.insn as u32, f.type_id?.0]));
    records.collect::<Option<Vec<_>>>().unwrap_or_default()
}

/// Line records, if they are such as the kernel takes: rising, each at an instruction, one at each function's start.
fn lines(program: &Program, strings: &mut Builder) -> Vec<[u32; 4]> {
    let starts_insn = |slot: usize| program.insns.get(slot).is_some_and(|i| i.opcode != 0);
    let rising = program.line_info.windows(2).all(|w| w[0].insn < w[1].insn);
    let all = program.line_info.iter().all(|l| starts_insn(l.insn));
    let mut functions = program.func_info.iter();
    let begun = functions.all(|f| program.line_info.iter().any(|l| l.insn == f.insn));
    if !rising || !all || !begun {
        return Vec::new();
    }
    let mut record = |l: &skep_object::LineInfo| {
        let (file, text) = (strings.string(&l.file), strings.string(&l.text));
        [l.insn as u32, file, text, l.line << 10 | l.column.min(0x3ff)]
    };
    program.line_info.iter().map(&mut record).collect()
}
