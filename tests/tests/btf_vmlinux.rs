//! The running kernel's types: the raw dump against bpftool's, and the C dump against what clang makes of
//! it. Skipped, with the reason, where the kernel's BTF or a tool is missing.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

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
        let spec = skep_object::Spec::from_elf(&bytes).unwrap();
        same_raw_dump(bpftool, &objects.join(name), &spec.btf.unwrap());
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

/// Compiles the C dump, with a variable of each named struct and union so that all of them are written to
/// the object's BTF, and gives that BTF.
fn compiled(clang: &str, btf: &Btf) -> Btf {
    let scratch = Scratch::new("btf-c");
    let mut source = c::dump(btf).unwrap();
    let mut seen: HashMap<&str, u32> = HashMap::new();
    let tagged = |t: &Type<'_>| {
        matches!(t.kind(), Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64) && !t.name().is_empty()
    };
    for t in btf.types().filter(tagged) {
        let nth = seen.entry(t.name()).or_insert(0);
        *nth += 1;
        let flavour = if *nth > 1 { format!("___{nth}") } else { String::new() };
        let word = match t.kind() {
            Kind::Struct => "struct",
            Kind::Union => "union",
            _ => "enum",
        };
        let _ = writeln!(source, "{word} {}{flavour} skep_{};", t.name(), t.id().0);
    }
    let (file, object) = (scratch.0.join("types.c"), scratch.0.join("types.o"));
    std::fs::write(&file, source).unwrap();
    let out = Command::new(clang)
        .args(["-target", "bpf", "-g", "-O0", "-Werror", "-c"])
        .arg(&file)
        .arg("-o")
        .arg(&object)
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    skep_object::Spec::from_elf(&std::fs::read(&object).unwrap()).unwrap().btf.unwrap()
}

#[test]
fn the_c_dump_compiles_to_the_same_types() {
    let Some(bytes) = vmlinux() else { return };
    let Some(clang) = tool(&["clang-19", "clang"]) else { return };
    let btf = Btf::parse(&bytes).unwrap();
    let theirs = compiled(clang, &btf);
    let mut compared = 0;
    for var in theirs.types().filter(|t| t.kind() == Kind::Var) {
        let Some(id) = var.name().strip_prefix("skep_").and_then(|n| n.parse().ok()) else { continue };
        let mut comparison = Comparison { ours: &btf, theirs: &theirs, equal: HashSet::new() };
        let target = var.target().unwrap();
        let (a, b) = (btf.ty(TypeId(id)).unwrap(), theirs.resolve(target).unwrap());
        assert_eq!(a.name(), essential_or_same(b.name(), a.name()));
        if let Err(why) = comparison.definitions(a, b) {
            panic!("{a:?}: {why}\n{}\n{}", raw::Raw(a), raw::Raw(b));
        }
        compared += 1;
    }
    assert!(compared > 5_000, "only {compared} types compared");
    println!("{compared} named types: sizes, members, offsets and values are equal");
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
        if a.name() != essential_or_same(b.name(), a.name()) {
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
