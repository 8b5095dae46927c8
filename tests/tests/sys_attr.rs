//! The structs of bpf(2) as skep-sys writes them, field by field against the running kernel's own types.
#![cfg(all(target_os = "linux", not(skep_portable)))]

use skep_btf::{Btf, Kind, TypeId};
use skep_sys::attr::ALL;

/// Name, offset, size.
type Field = (String, usize, usize);

/// Every named field of a struct or union, those of its members of such a type included.
fn fields(btf: &Btf, ty: TypeId, at: usize, out: &mut Vec<Field>) {
    let Ok(ty) = btf.skip_modifiers(ty) else { return };
    for member in ty.members() {
        let offset = at + member.bit_offset as usize / 8;
        if !member.name.is_empty() && member.bits == 0 {
            let size = btf.size_of(member.ty).unwrap_or(0) as usize;
            out.push((member.name.to_owned(), offset, size));
        }
        fields(btf, member.ty, offset, out);
    }
}

/// The members of `union bpf_attr`, and the structs that describe objects, each as its fields.
fn kernel_structs(btf: &Btf) -> Vec<Vec<Field>> {
    let mut all = Vec::new();
    let attr = btf.find("bpf_attr", Kind::Union).expect("union bpf_attr");
    for member in btf.ty(attr).expect("a type").members() {
        let mut one = Vec::new();
        fields(btf, member.ty, 0, &mut one);
        all.push(one);
    }
    for name in ["bpf_prog_info", "bpf_map_info", "bpf_btf_info", "bpf_link_info"] {
        let id = btf.find(name, Kind::Struct).unwrap_or_else(|| panic!("struct {name}"));
        let mut one = Vec::new();
        fields(btf, id, 0, &mut one);
        all.push(one);
    }
    all
}

/// Fields that are not the kernel's: padding, bits that it does not name, and tails that are unions.
fn ours_alone(structure: &str, field: &str) -> bool {
    field.starts_with("_pad") || matches!((structure, field), (_, "tail") | ("ProgInfo", "flags"))
}

#[test]
fn every_field_is_where_the_kernel_has_it() {
    let Ok(bytes) = std::fs::read("/sys/kernel/btf/vmlinux") else {
        println!("skipped: this kernel shows no BTF");
        return;
    };
    let btf = Btf::parse(&bytes).unwrap();
    let kernel = kernel_structs(&btf);
    for (name, ours) in ALL {
        let wanted: Vec<Field> = ours
            .iter()
            .filter(|f| !ours_alone(name, f.0))
            .map(|f| (f.0.trim_start_matches("r#").to_owned(), f.1, f.2))
            .collect();
        let found = kernel.iter().any(|theirs| wanted.iter().all(|f| theirs.contains(f)));
        let nearest = kernel.iter().max_by_key(|theirs| wanted.iter().filter(|f| theirs.contains(f)).count());
        let missing: Vec<_> =
            wanted.iter().filter(|f| !nearest.is_some_and(|theirs| theirs.contains(f))).collect();
        assert!(found, "{name}: {missing:?} are not so in this kernel");
    }
}
