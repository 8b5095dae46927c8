//! The running kernel's types: the raw dump against bpftool's, and the C dump against what clang makes of
//! it. Skipped, with the reason, where the kernel's BTF or a tool is missing.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use object::{Object, ObjectSection};
use skep_btf::{Btf, Endian, Kind, Type, TypeId, c, essential_name, raw};

const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

fn vmlinux() -> Option<Vec<u8>> {
    std::fs::read(VMLINUX).map_err(|e| println!("skipped: {VMLINUX}: {e}")).ok()
}

/// The first of these programs that runs.
fn tool(names: &[&'static str]) -> Option<&'static str> {
    let found = names.iter().find(|n| Command::new(n).arg("--version").output().is_ok());
    if found.is_none() {
        println!("skipped: none of {names:?} is installed");
    }
    found.copied()
}

/// A directory of this test's own, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("skep-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn bytes_come_back() {
    let Some(bytes) = vmlinux() else { return };
    let btf = Btf::parse(&bytes).unwrap();
    assert!(btf.len() > 10_000);
    assert!(btf.to_bytes(btf.endian()) == bytes, "the same bytes");
    let big = btf.to_bytes(Endian::Big);
    assert!(Btf::parse(&big).unwrap().to_bytes(Endian::Little) == bytes, "through the other byte order");
    // About the size of the file: no type costs more than its words and a place.
    assert!(btf.heap_size() < bytes.len() + bytes.len() / 4, "{} bytes of memory", btf.heap_size());
}

#[test]
fn the_raw_dump_is_bpftools() {
    let Some(bytes) = vmlinux() else { return };
    let Some(bpftool) = tool(&["bpftool"]) else { return };
    let objects = Path::new(env!("CARGO_MANIFEST_DIR")).join("objects");
    same_raw_dump(bpftool, Path::new(VMLINUX), &Btf::parse(&bytes).unwrap());
    for name in ["core_fields.o", "core_types.o", "core_enums.o", "core_target.o"] {
        let bytes = std::fs::read(objects.join(name)).unwrap();
        let elf = object::File::parse(&*bytes).unwrap();
        let section = elf.section_by_name(".BTF").unwrap();
        same_raw_dump(bpftool, &objects.join(name), &Btf::parse(section.data().unwrap()).unwrap());
    }
}

fn same_raw_dump(bpftool: &str, path: &Path, btf: &Btf) {
    let theirs = Command::new(bpftool).args(["btf", "dump", "file"]).arg(path).output().unwrap();
    if !theirs.status.success() {
        return println!("skipped: {path:?}: {}", String::from_utf8_lossy(&theirs.stderr));
    }
    let theirs = String::from_utf8(theirs.stdout).unwrap();
    let ours = raw::dump(btf).unwrap();
    for (n, (our, their)) in ours.lines().zip(theirs.lines()).enumerate() {
        assert_eq!(our, their, "{path:?}, line {}", n + 1);
    }
    assert_eq!(ours.len(), theirs.len(), "{path:?}");
}

/// Each named struct, union and enumeration, with the C name that the dump gives it.
fn tagged(btf: &Btf) -> Vec<(Type<'_>, String)> {
    let mut seen: HashMap<&str, u32> = HashMap::new();
    let mut out = Vec::new();
    for t in btf.types().filter(|t| !t.name().is_empty()) {
        let word = match t.kind() {
            Kind::Struct => "struct",
            Kind::Union => "union",
            Kind::Enum | Kind::Enum64 => "enum",
            _ => continue,
        };
        let nth = seen.entry(t.name()).or_insert(0);
        *nth += 1;
        let flavour = if *nth > 1 { format!("___{nth}") } else { String::new() };
        out.push((t, format!("{word} {}{flavour}", t.name())));
    }
    out
}

/// Compiles the C dump, with a member of each of these types so that all of them are written to the
/// object's BTF, and gives that BTF.
fn compiled(clang: &str, dump: &str, types: &[(Type<'_>, String)]) -> Btf {
    let scratch = Scratch::new("btf-c");
    let mut source = dump.to_owned();
    for (n, chunk) in types.chunks(1_000).enumerate() {
        let members: String = chunk.iter().map(|(t, c)| format!("{c} skep_{};\n", t.id().0)).collect();
        let _ = writeln!(source, "union {{ {members} }} skep_all_{n};");
    }
    let (file, object) = (scratch.0.join("types.c"), scratch.0.join("types.o"));
    std::fs::write(&file, source).unwrap();
    let out = Command::new(clang)
        // The kernel has its `char` unsigned.
        .args(["-target", "bpf", "-g", "-O0", "-Werror", "-funsigned-char", "-c"])
        .arg(&file)
        .arg("-o")
        .arg(&object)
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    skep_object::Spec::from_elf(&std::fs::read(&object).unwrap()).unwrap().btf.unwrap()
}

fn compare_compiled(pick: impl Fn(Type<'_>) -> bool, at_least: usize) {
    let Some(bytes) = vmlinux() else { return };
    let Some(clang) = tool(&["clang-19", "clang"]) else { return };
    let btf = Btf::parse(&bytes).unwrap();
    let types: Vec<_> = tagged(&btf).into_iter().filter(|(t, _)| pick(*t)).collect();
    let theirs = compiled(clang, &c::dump(&btf).unwrap(), &types);
    let mut compared = 0;
    let unions = theirs.types().filter(|t| t.kind() == Kind::Union && t.name().is_empty());
    for member in unions.flat_map(Type::members) {
        let Some(id) = member.name.strip_prefix("skep_").and_then(|n| n.parse().ok()) else { continue };
        let mut comparison = Comparison { ours: &btf, theirs: &theirs, equal: HashSet::new() };
        let (a, b) = (btf.ty(TypeId(id)).unwrap(), theirs.resolve(member.ty).unwrap());
        assert_eq!(a.name(), essential_or_same(b.name(), a.name()));
        if let Err(why) = comparison.definitions(a, b) {
            panic!("{a:?}: {why}\n{}\n{}", raw::Raw(a), raw::Raw(b));
        }
        compared += 1;
    }
    assert_eq!(compared, types.len());
    assert!(compared >= at_least, "only {compared} types compared");
    println!("{compared} named types: sizes, members, offsets, bitfields and values are equal");
}

/// Types that are laid out in other ways than by their members' natural order are the ones to go wrong.
#[test]
fn the_c_dump_compiles_to_the_same_types() {
    let odd = |t: Type<'_>| t.members().any(|m| m.bits != 0) || t.id().0 % 32 == 0;
    compare_compiled(odd, 500);
}

#[test]
#[ignore = "takes clang half a minute; the other tests of the dump look at a part of this"]
fn the_c_dump_compiles_to_the_same_types_all_of_them() {
    compare_compiled(|_| true, 5_000);
}

/// `Static_assert`s on the size of every type and the offset of every member that C can ask for.
#[test]
fn the_c_dump_has_all_sizes_and_offsets() {
    let Some(bytes) = vmlinux() else { return };
    let Some(clang) = tool(&["clang-19", "clang"]) else { return };
    let btf = Btf::parse(&bytes).unwrap();
    let mut source = c::dump(&btf).unwrap();
    let (mut sizes, mut offsets) = (0, 0);
    for (t, c) in tagged(&btf) {
        let _ = writeln!(source, "_Static_assert(sizeof({c}) == {}, \"\");", t.size().unwrap());
        sizes += 1;
        for m in t.members().filter(|m| m.bits == 0 && !m.name.is_empty()) {
            let at = m.bit_offset / 8;
            let _ = writeln!(source, "_Static_assert(__builtin_offsetof({c}, {}) == {at}, \"\");", m.name);
            offsets += 1;
        }
    }
    let scratch = Scratch::new("btf-c-sizes");
    let file = scratch.0.join("types.c");
    std::fs::write(&file, source).unwrap();
    let args = ["-target", "bpf", "-Werror", "-fsyntax-only"];
    let out = Command::new(clang).args(args).arg(&file).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    println!("{sizes} sizes and {offsets} offsets are equal");
}

/// A name without the flavour that a dump gave it, unless it came with one.
fn essential_or_same<'a>(dumped: &'a str, original: &str) -> &'a str {
    if dumped == original { dumped } else { essential_name(dumped) }
}

struct Comparison<'a> {
    ours: &'a Btf,
    theirs: &'a Btf,
    equal: HashSet<(TypeId, TypeId)>,
}

impl Comparison<'_> {
    /// Size, and all members or values.
    fn definitions(&mut self, a: Type<'_>, b: Type<'_>) -> Result<(), String> {
        if a.kind() != b.kind() && !(a.kind().is_enum() && b.kind().is_enum()) {
            return Err(format!("{a:?} became {b:?}"));
        }
        if a.size() != b.size() || a.vlen() != b.vlen() {
            return Err(format!("size {:?} vlen {} became {:?} {}", a.size(), a.vlen(), b.size(), b.vlen()));
        }
        for (x, y) in a.members().zip(b.members()) {
            if (x.name, x.bit_offset, x.bits) != (y.name, y.bit_offset, y.bits) {
                return Err(format!("{x:?} became {y:?}"));
            }
            self.types(x.ty, y.ty).map_err(|why| format!("member {}: {why}", x.name))?;
        }
        let width = if a.size() == Some(8) { u64::MAX } else { 0xffff_ffff };
        for (x, y) in a.variants().zip(b.variants()) {
            if x.name != essential_or_same(y.name, x.name) || x.bits & width != y.bits & width {
                return Err(format!("{x:?} became {y:?}"));
            }
        }
        Ok(())
    }

    /// What a member's type comes to: names of named types, everything of those without.
    fn types(&mut self, a: TypeId, b: TypeId) -> Result<(), String> {
        let a = self.ours.skip_modifiers(a).map_err(|e| e.to_string())?;
        let b = self.theirs.skip_modifiers(b).map_err(|e| e.to_string())?;
        if !self.equal.insert((a.id(), b.id())) {
            return Ok(());
        }
        let forward = |t: Type<'_>| t.kind().is_composite() || t.kind() == Kind::Fwd;
        // Compilers spell the built-in types in their own ways.
        let built_in = matches!(a.kind(), Kind::Int | Kind::Float);
        if !built_in && a.name() != essential_or_same(b.name(), a.name()) {
            return Err(format!("{a:?} became {b:?}"));
        }
        if !a.name().is_empty() && forward(a) && forward(b) {
            return Ok(());
        }
        let target = |t: Type<'_>| t.target().unwrap_or_default();
        match (a.kind(), b.kind()) {
            (x, y) if x.is_enum() && y.is_enum() => self.definitions(a, b),
            (x, y) if x != y => Err(format!("{a:?} became {b:?}")),
            (Kind::Struct | Kind::Union, _) => self.definitions(a, b),
            (Kind::Ptr | Kind::Typedef, _) => self.types(target(a), target(b)),
            (Kind::Array, _) => {
                let (x, y) = (a.array().unwrap(), b.array().unwrap());
                if x.len != y.len { Err("another length".into()) } else { self.types(x.element, y.element) }
            }
            (Kind::FuncProto, _) => {
                if a.vlen() != b.vlen() {
                    return Err("another number of parameters".into());
                }
                for (p, q) in a.params().zip(b.params()) {
                    self.types(p.ty, q.ty)?;
                }
                self.types(target(a), target(b))
            }
            _ if a.int() != b.int() => Err(format!("{:?} became {:?}", a.int(), b.int())),
            _ => Ok(()),
        }
    }
}
