//! Dedup over what clang wrote: several objects joined.

use std::path::Path;

use skep_btf::ext::BtfExt;
use skep_btf::{Btf, Builder, Endian, TypeId, dedup, raw};

use object::{Object, ObjectSection};

const OBJECTS: [&str; 4] = ["core_fields.o", "core_types.o", "core_enums.o", "core_target.o"];

fn section(name: &str, section: &str) -> Vec<u8> {
    let file = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("objects").join(name)).unwrap();
    let elf = object::File::parse(&*file).unwrap();
    elf.section_by_name(section).unwrap().data().unwrap().to_vec()
}

fn joined() -> Btf {
    let mut builder = Builder::new(Endian::Little);
    for name in OBJECTS {
        builder.append(&Btf::parse(&section(name, ".BTF")).unwrap()).unwrap();
    }
    builder.finish().unwrap()
}

/// Counts of types by kind, from 1.
fn counts(btf: &Btf) -> [usize; 19] {
    let mut counts = [0; 19];
    btf.types().for_each(|t| counts[t.kind() as usize - 1] += 1);
    counts
}

#[test]
fn four_objects_keep_what_libbpf_keeps() {
    let joined = joined();
    let out = dedup(&joined, None).unwrap();
    assert_eq!(joined.len(), 188);
    // What `btf__dedup` of libbpf 1.8 leaves of the same four objects, kind by kind.
    let expected = [9, 14, 9, 31, 5, 12, 0, 11, 1, 2, 0, 14, 4, 4, 4, 0, 0, 0, 2];
    assert_eq!(counts(&out.btf), expected);
    // Nothing is left to merge, and no type became another.
    let again = dedup(&out.btf, None).unwrap();
    assert_eq!(raw::dump(&again.btf), raw::dump(&out.btf));
    for t in joined.types() {
        let new = out.btf.ty(out.map(t.id()).unwrap()).unwrap();
        assert_eq!(
            (t.name(), t.kind(), t.vlen(), t.size()),
            (new.name(), new.kind(), new.vlen(), new.size())
        );
    }
}

#[test]
fn code_information_comes_along() {
    let btf = Btf::parse(&section("core_fields.o", ".BTF")).unwrap();
    let ext = BtfExt::parse(&section("core_fields.o", ".BTF.ext"), &btf).unwrap();
    // The same object twice, the second one's code information: its ids and strings all move.
    let mut builder = Builder::extend(&btf);
    let shift = builder.append(&btf).unwrap();
    let mut second = ext.clone();
    for section in &mut second.core_relos {
        section.name = builder.string(btf.string(section.name).unwrap());
        for r in &mut section.records {
            r.type_id = TypeId(r.type_id.0 + shift);
            r.access = builder.string(btf.string(r.access).unwrap());
        }
    }
    let twice = builder.finish().unwrap();
    let out = dedup(&twice, Some(&second)).unwrap();
    let new = out.ext.as_ref().unwrap();
    let mut compared = 0;
    for (old_section, new_section) in ext.core_relos.iter().zip(&new.core_relos) {
        assert_eq!(old_section.name(&btf), new_section.name(&out.btf));
        for (old, new) in old_section.records.iter().zip(&new_section.records) {
            assert_eq!((old.insn_off, old.kind), (new.insn_off, new.kind));
            assert_eq!(btf.string(old.access), out.btf.string(new.access));
            assert_eq!(btf.ty(old.type_id).unwrap().name(), out.btf.ty(new.type_id).unwrap().name());
            compared += 1;
        }
    }
    assert!(compared > 50, "{compared}");
    let line = |btf: &Btf, ext: &BtfExt| btf.string(ext.line_info[3].records[2].text).unwrap().to_owned();
    assert_eq!(line(&btf, &ext), line(&out.btf, new));
}
