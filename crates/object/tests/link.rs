//! Linking: what several objects become, and that one object linked alone stays what it was.

use std::path::Path;

use skep_object::{Input, MapSpec, Program, Spec, link};

fn directory() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/objects")
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(directory().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn linked(names: &[&str]) -> Spec {
    let files: Vec<_> = names.iter().map(|n| bytes(n)).collect();
    let inputs: Vec<_> = names.iter().zip(&files).map(|(name, bytes)| Input { name, bytes }).collect();
    let spec = Spec::link(&inputs).unwrap_or_else(|e| panic!("{names:?}: {e}"));
    assert!(spec.problems.is_empty(), "{names:?}: {:?}", spec.problems);
    spec
}

fn refused(names: &[&str]) -> String {
    let files: Vec<_> = names.iter().map(|n| bytes(n)).collect();
    let inputs: Vec<_> = names.iter().zip(&files).map(|(name, bytes)| Input { name, bytes }).collect();
    link(&inputs).unwrap_err().to_string()
}

fn functions(p: &Program) -> Vec<&str> {
    p.func_info.iter().map(|f| f.name.as_str()).collect()
}

#[test]
fn functions_maps_and_variables_meet_across_objects() {
    for names in [["link_main.o", "link_part.o"], ["link_part.o", "link_main.o"]] {
        let spec = linked(&names);
        assert!(spec.externs.is_empty(), "{:?}", spec.externs);
        let program = spec.program("linked").unwrap();
        assert_eq!(functions(program), ["linked", "twist", "account", "twist"]);
        // Each half calls its own static function: they multiply by 5 and by 7.
        let factor = |n: usize| {
            let from = program.func_info[n].insn;
            let multiply = program.insns[from..].iter().find(|i| i.opcode == 0x24).unwrap();
            multiply.imm
        };
        assert_eq!((factor(1), factor(3)), (5, 7));
        let (_, data) = spec.map(".data").unwrap();
        assert_eq!(data.value_size, 16);
        let value = data.initial_value.as_ref().unwrap();
        let word = |at: usize| u64::from_le_bytes(value[at..at + 8].try_into().unwrap());
        let mut words = [word(0), word(8)];
        words.sort_unstable();
        assert_eq!(words, [11, 1000]);
        assert_eq!(spec.map("counts").unwrap().1.max_entries, 4);
        assert_eq!(spec.maps.len(), 3);
    }
}

#[test]
fn types_and_lines_are_joined() {
    let spec = linked(&["link_main.o", "link_part.o"]);
    let btf = spec.btf.as_ref().unwrap();
    let (_, data) = spec.map(".data").unwrap();
    let datasec = btf.ty(data.btf_value.unwrap()).unwrap();
    let vars: Vec<_> = datasec.vars().map(|v| (btf.ty(v.ty).unwrap().name(), v.offset)).collect();
    assert_eq!(vars, [("own", 0), ("limit", 8)]);
    let program = spec.program("linked").unwrap();
    for (n, file) in
        [(0, "link_main.bpf.c"), (1, "link_main.bpf.c"), (2, "link_part.bpf.c"), (3, "link_part.bpf.c")]
    {
        let function = &program.func_info[n];
        let line = program.line_at(function.insn).unwrap();
        assert!(line.file.ends_with(file), "{}: {}", function.name, line.file);
        let ty = btf.ty(function.type_id.unwrap()).unwrap();
        assert_eq!(ty.name(), function.name);
    }
}

#[test]
fn a_strong_function_takes_the_place_of_a_weak_one() {
    let alone = linked(&["link_weak.o"]);
    assert!(alone.program("weakly").unwrap().insns.iter().any(|i| i.imm == 900));
    for names in [["link_weak.o", "link_part.o"], ["link_part.o", "link_weak.o"]] {
        let spec = linked(&names);
        let weakly = spec.program("weakly").unwrap();
        assert!(weakly.insns.iter().all(|i| i.imm != 900), "{names:?}");
        assert_eq!(functions(weakly), ["weakly", "account", "twist"]);
    }
}

#[test]
fn what_can_not_be_linked_is_refused_with_a_reason() {
    let twice = refused(&["link_part.o", "link_part.o"]);
    assert!(twice.contains(": is defined in `link_part.o` already"), "{twice}");
    let mixed = refused(&["link_main.o", "big_endian.o"]);
    assert_eq!(mixed, "big_endian.o: byte order differs from the first object's");
    let licences = refused(&["link_main.o", "data.o"]);
    assert_eq!(licences, "data.o: section `license`: differs between the objects");
    assert_eq!(refused(&[]), "nothing to link");
}

/// What does not depend on the numbers of types.
fn shape(m: &MapSpec) -> String {
    let m = MapSpec { btf_key: None, btf_value: None, inner: None, ..m.clone() };
    format!("{m:?}")
}

#[test]
fn an_object_linked_alone_stays_the_same() {
    let mut count = 0;
    for entry in std::fs::read_dir(directory()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "o") {
            continue;
        }
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let before = Spec::from_elf(&bytes(&name)).unwrap();
        let after = linked(&[&name]);
        assert_eq!((before.endian, &before.license), (after.endian, &after.license), "{name}");
        assert_eq!(before.programs.len(), after.programs.len(), "{name}");
        for (a, b) in before.programs.iter().zip(&after.programs) {
            assert_eq!(
                (&a.name, &a.section, &a.insns, &a.relocs),
                (&b.name, &b.section, &b.insns, &b.relocs)
            );
            assert_eq!((functions(a), &a.line_info), (functions(b), &b.line_info), "{name}");
            let accesses = |p: &Program| {
                p.core_relocs.iter().map(|c| (c.insn, c.access.clone(), c.kind)).collect::<Vec<_>>()
            };
            assert_eq!(accesses(a), accesses(b), "{name}");
        }
        let maps = |s: &Spec| s.maps.iter().map(shape).collect::<Vec<_>>();
        assert_eq!(maps(&before), maps(&after), "{name}");
        let externs =
            |s: &Spec| s.externs.iter().map(|e| (e.name.clone(), e.kind, e.weak)).collect::<Vec<_>>();
        assert_eq!(externs(&before), externs(&after), "{name}");
        count += 1;
    }
    assert!(count > 15, "{count}");
}
