//! What the reader makes of the objects under `tests/objects`: one test a shape. The figures were read off the
//! sources beside the objects, and libbpf agrees on those that it opens.

use std::path::Path;

use skep_abi::{AttachType, MapType, ProgType};
use skep_object::{ExternKind, InitialRef, MapOrigin, MapSpec, Part, Program, RelocTarget, Spec};

fn bytes(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/objects").join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn read(name: &str) -> Spec {
    let spec = Spec::from_elf(&bytes(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert!(spec.problems.is_empty(), "{name}: {:?}", spec.problems);
    spec
}

fn map<'a>(spec: &'a Spec, name: &str) -> &'a MapSpec {
    spec.map(name).unwrap_or_else(|| panic!("no map `{name}`")).1
}

fn program<'a>(spec: &'a Spec, name: &str) -> &'a Program {
    spec.program(name).unwrap_or_else(|| panic!("no program `{name}`"))
}

/// Type, key size, value size, entries, flags.
fn shape(m: &MapSpec) -> (MapType, u32, u32, u32, u32) {
    (m.map_type, m.key_size, m.value_size, m.max_entries, m.flags)
}

fn functions(p: &Program) -> Vec<(&str, usize)> {
    p.func_info.iter().map(|f| (f.name.as_str(), f.insn)).collect()
}

#[test]
fn btf_maps() {
    let spec = read("maps_btf.o");
    assert_eq!(shape(map(&spec, "typed")), (MapType::HASH, 8, 8, 100, 1));
    assert!(map(&spec, "typed").btf_key.is_some() && map(&spec, "typed").btf_value.is_some());
    assert_eq!(shape(map(&spec, "sized")), (MapType::ARRAY, 4, 48, 3, 0));
    assert!(map(&spec, "sized").pin_by_name && !map(&spec, "typed").pin_by_name);
    assert_eq!(shape(map(&spec, "on_node")), (MapType::HASH, 4, 4, 8, MapSpec::F_NUMA_NODE));
    assert_eq!(map(&spec, "on_node").numa_node, Some(1));
    assert_eq!(shape(map(&spec, "bloom")), (MapType::BLOOM_FILTER, 0, 8, 1000, 0));
    assert_eq!(map(&spec, "bloom").map_extra, 7);
    assert_eq!(shape(map(&spec, "ring")), (MapType::RINGBUF, 0, 0, 4096, 0));
    assert!(spec.maps.iter().all(|m| m.origin == MapOrigin::Btf));
}

#[test]
fn maps_of_maps_and_prog_arrays_have_their_contents() {
    let spec = read("maps_btf.o");
    let index = |name: &str| spec.map(name).unwrap().0;
    let outer = map(&spec, "outer");
    assert_eq!(shape(outer), (MapType::ARRAY_OF_MAPS, 4, 4, 4, 0));
    assert_eq!(shape(outer.inner.as_ref().unwrap()), (MapType::ARRAY, 4, 4, 2, 0));
    let expected = vec![(1, InitialRef::Map(index("first"))), (3, InitialRef::Map(index("second")))];
    assert_eq!(outer.initial_refs, expected);
    let anonymous = map(&spec, "anonymous");
    assert_eq!(shape(anonymous.inner.as_ref().unwrap()), (MapType::LRU_HASH, 8, 1, 16, 0));
    assert!(anonymous.initial_refs.is_empty());
    let position = |name: &str| spec.programs.iter().position(|p| p.name == name).unwrap();
    let expected =
        vec![(0, InitialRef::Program(position("target_b"))), (4, InitialRef::Program(position("target_a")))];
    assert_eq!(map(&spec, "jumps").initial_refs, expected);
}

#[test]
fn legacy_maps() {
    let spec = read("maps_legacy.o");
    assert_eq!(shape(map(&spec, "counts")), (MapType::PERCPU_HASH, 4, 8, 64, 1));
    assert_eq!(shape(map(&spec, "flags")), (MapType::ARRAY, 4, 4, 2, 0));
    assert_eq!((spec.license.as_str(), spec.kernel_version), ("GPL", Some(0x06_0c00)));
    let count = program(&spec, "count");
    assert_eq!((count.section.as_str(), count.prog_type), ("xdp_count", Some(ProgType::XDP)));
    let targets: Vec<_> = count.relocs.iter().map(|r| r.target.clone()).collect();
    assert_eq!(targets, [RelocTarget::Map(0), RelocTarget::Map(1)]);
    assert!(spec.btf.is_none());
}

#[test]
fn maps_of_the_kernels_samples() {
    let spec = read("maps_samples.o");
    let outer = map(&spec, "outer");
    assert_eq!(shape(outer.inner.as_ref().unwrap()), (MapType::HASH, 4, 4, 16, 0));
    assert_eq!(map(&spec, "node").numa_node, Some(3));
    assert!(map(&spec, "inner").inner.is_none());
}

#[test]
fn maps_of_iproute2() {
    let spec = read("maps_iproute2.o");
    assert!(spec.maps.iter().all(|m| m.origin == MapOrigin::Iproute2));
    assert!(map(&spec, "shared").pin_by_name && !map(&spec, "jumps").pin_by_name);
    assert_eq!(map(&spec, "jumps").initial_refs, [(0, InitialRef::Program(0)), (5, InitialRef::Program(1))]);
    let outer = map(&spec, "outer");
    assert_eq!(shape(outer.inner.as_ref().unwrap()), (MapType::ARRAY, 4, 4, 4, 0));
    assert_eq!(outer.initial_refs, [(3, InitialRef::Map(2))]);
    assert_eq!(program(&spec, "entry").prog_type, Some(ProgType::SCHED_CLS));
    assert_eq!(program(&spec, "first").prog_type, None);
}

#[test]
fn maps_of_older_iproute2() {
    let spec = read("maps_iproute2_old.o");
    assert!(spec.maps.iter().all(|m| m.origin == MapOrigin::Iproute2 && m.inner.is_none()));
    assert!(map(&spec, "shared").pin_by_name && !map(&spec, "jumps").pin_by_name);
    assert_eq!(map(&spec, "jumps").initial_refs, [(7, InitialRef::Program(0))]);
}

#[test]
fn data_sections() {
    let spec = read("data.o");
    let data = map(&spec, ".data");
    assert_eq!(shape(data), (MapType::ARRAY, 4, 12, 1, MapSpec::F_MMAPABLE));
    let mut expected = 0x1122_3344_5566_7788_u64.to_le_bytes().to_vec();
    expected.extend(7u32.to_le_bytes());
    assert_eq!(data.initial_value.as_deref(), Some(expected.as_slice()));
    let rodata = map(&spec, ".rodata");
    assert_eq!(rodata.flags, MapSpec::F_MMAPABLE | MapSpec::F_RDONLY_PROG);
    assert!(rodata.frozen && !data.frozen);
    assert_eq!(rodata.initial_value.as_deref(), Some(&42u32.to_le_bytes()[..]));
    let bss = map(&spec, ".bss");
    assert_eq!((bss.value_size, bss.origin, &bss.initial_value), (8, MapOrigin::Bss, &None));
    assert_eq!(map(&spec, ".data.custom").initial_value.as_deref(), Some(&99u32.to_le_bytes()[..]));
    assert_eq!(map(&spec, ".rodata.table").value_size, 16);
    assert!(map(&spec, ".rodata.table").frozen);
    assert_eq!(map(&spec, "knobs").initial_value.as_deref(), Some(&5u32.to_le_bytes()[..]));
    let strings = map(&spec, ".rodata.str1.1");
    assert_eq!(strings.initial_value.as_deref(), Some(&b"seen %d\n\0"[..]));
    assert_eq!((strings.flags, strings.btf_value), (MapSpec::F_RDONLY_PROG, None));
}

#[test]
fn a_huge_bss_has_a_size_and_no_bytes() {
    let spec = read("data.o");
    let huge = map(&spec, ".bss.huge");
    assert_eq!((huge.value_size, &huge.initial_value), (0xc000_0000, &None));
    let index = spec.map(".bss.huge").unwrap().0;
    let used = program(&spec, "use");
    let into_huge =
        |r: &&skep_object::Reloc| matches!(r.target, RelocTarget::MapValue { map, .. } if map == index);
    let reloc = used.relocs.iter().find(into_huge).unwrap();
    let RelocTarget::MapValue { offset, .. } = reloc.target else { unreachable!() };
    assert_eq!(used.insns[reloc.insn].src, 2);
    assert_eq!(used.insns[reloc.insn + 1].imm.cast_unsigned(), offset);
}

#[test]
fn variables_get_their_places_in_the_types() {
    let spec = read("data.o");
    let btf = spec.btf.as_ref().unwrap();
    let datasec = btf.ty(map(&spec, ".data").btf_value.unwrap()).unwrap();
    let vars: Vec<_> =
        datasec.vars().map(|v| (btf.ty(v.ty).unwrap().name().to_owned(), v.offset, v.size)).collect();
    assert_eq!(vars, [("written".to_owned(), 0, 8), ("hidden".to_owned(), 8, 4)]);
    assert_eq!(datasec.size(), Some(12));
}

#[test]
fn subprograms_follow_the_program_in_the_order_of_their_first_call() {
    let spec = read("subprogs.o");
    let names = |p: &str| functions(program(&spec, p)).iter().map(|f| f.0.to_owned()).collect::<Vec<_>>();
    assert_eq!(names("one"), ["one", "middle", "shared", "leaf"]);
    assert_eq!(names("two"), ["two", "each", "shared", "leaf"]);
    assert_eq!(names("three"), ["three", "beside", "shared", "leaf"]);
    assert_eq!(names("four"), ["four"]);
    assert_eq!(spec.programs.len(), 4);
    for p in &spec.programs {
        assert_eq!(p.func_info[0].insn, 0);
        assert!(p.func_info.iter().all(|f| f.type_id.is_some()), "{}", p.name);
    }
}

#[test]
fn every_call_lands_on_a_function() {
    for name in ["subprogs.o", "big_endian.o", "link_main.o"] {
        for p in read(name).programs {
            let starts: Vec<usize> = p.func_info.iter().map(|f| f.insn).collect();
            let symbolic: Vec<usize> = p.relocs.iter().map(|r| r.insn).collect();
            let calls = p.insns.iter().enumerate().filter(|(_, i)| i.opcode == 0x85 && i.src == 1);
            let mut count = 0;
            for (at, call) in calls.filter(|(at, _)| !symbolic.contains(at)) {
                let target = at as i64 + 1 + i64::from(call.imm);
                assert!(starts.contains(&(target as usize)), "{name} {} {at}: {target}", p.name);
                count += 1;
            }
            assert!(count > 0 || p.name == "four" || starts.len() == 1, "{name} {}", p.name);
        }
    }
}

#[test]
fn callbacks_are_addresses_of_functions() {
    let spec = read("subprogs.o");
    let two = program(&spec, "two");
    let callback = functions(two).iter().find(|f| f.0 == "each").unwrap().1;
    let reloc = two.relocs.iter().find(|r| r.target == RelocTarget::Func(callback)).unwrap();
    let insn = two.insns[reloc.insn];
    assert_eq!((insn.opcode, insn.src), (0x18, 4));
    assert_eq!(reloc.insn as i64 + 1 + i64::from(insn.imm), callback as i64);
}

#[test]
fn source_lines_follow_the_code() {
    let spec = read("subprogs.o");
    for p in &spec.programs {
        assert!(p.line_info.windows(2).all(|w| w[0].insn < w[1].insn), "{}", p.name);
        for f in &p.func_info {
            let line = p.line_info.iter().find(|l| l.insn == f.insn).unwrap();
            assert!(line.file.ends_with("subprogs.bpf.c") && line.line > 0);
        }
    }
    let one = program(&spec, "one");
    let leaf = functions(one).iter().find(|f| f.0 == "leaf").unwrap().1;
    assert!(one.line_at(leaf).unwrap().text.contains("leaf(u32 n)"));
    assert_eq!(one.function_at(leaf + 1).unwrap().name, "leaf");
}

#[test]
fn functions_without_function_symbols() {
    // As clang before 9 wrote them: FUNC symbols become NOTYPE.
    let mut old = bytes("maps_iproute2.o");
    let changed = retype_symbols(&mut old, 2, 0);
    assert_eq!(changed, 3);
    let spec = Spec::from_elf(&old).unwrap();
    let names: Vec<_> = spec.programs.iter().map(|p| p.name.as_str()).collect();
    assert_eq!((names, spec.problems.len()), (vec!["first", "last", "entry"], 0));
    // Without any symbol that names them: the sections' names.
    let mut bare = bytes("maps_iproute2.o");
    retype_symbols(&mut bare, 2, 3);
    let spec = Spec::from_elf(&bare).unwrap();
    let names: Vec<_> = spec.programs.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["1/0", "1/5", "classifier"]);
}

/// Start and end of the first section of a type (`SHT_*`). Little-endian only.
fn section_of_type(elf: &[u8], kind: u8) -> (usize, usize) {
    let u64_at = |at: usize| u64::from_le_bytes(elf[at..at + 8].try_into().unwrap()) as usize;
    let count = usize::from(u16::from_le_bytes([elf[60], elf[61]]));
    let header = (0..count).map(|i| u64_at(40) + 64 * i).find(|&at| elf[at + 4] == kind).unwrap();
    (u64_at(header + 24), u64_at(header + 24) + u64_at(header + 32))
}

/// Gives all symbols of one type another; answers how many there were.
fn retype_symbols(elf: &mut [u8], from: u8, to: u8) -> usize {
    let (start, end) = section_of_type(elf, 2);
    let mut changed = 0;
    for at in (start..end).step_by(24) {
        if elf[at + 4] & 15 == from {
            elf[at + 4] = elf[at + 4] & 0xf0 | to;
            changed += 1;
        }
    }
    changed
}

#[test]
fn static_functions_that_nothing_calls_are_programs() {
    let mut elf = bytes("maps_iproute2.o");
    let (start, end) = section_of_type(&elf, 2);
    for at in (start..end).step_by(24).filter(|at| *at > start) {
        if elf[at + 4] == 0x12 {
            elf[at + 4] = 0x02;
        }
    }
    let spec = Spec::from_elf(&elf).unwrap();
    let names: Vec<_> = spec.programs.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["first", "last", "entry"]);
}

#[test]
fn the_type_of_a_relocation_does_not_matter() {
    let original = read("maps_legacy.o");
    for kind in [0, 2, 3, 4, 10] {
        let mut elf = bytes("maps_legacy.o");
        let (start, end) = section_of_type(&elf, 9);
        for at in (start..end).step_by(16) {
            elf[at + 8] = kind;
        }
        let spec = Spec::from_elf(&elf).unwrap();
        assert_eq!(spec.programs[0].relocs, original.programs[0].relocs, "{kind}");
        assert_eq!(spec.programs[0].insns, original.programs[0].insns, "{kind}");
    }
}

#[test]
fn externs() {
    let spec = read("externs.o");
    let find = |name: &str| spec.externs.iter().find(|e| e.name == name).unwrap();
    assert_eq!((find("bpf_task_from_pid").kind, find("bpf_task_from_pid").weak), (ExternKind::Kfunc, false));
    assert_eq!((find("bpf_no_such_kfunc").kind, find("bpf_no_such_kfunc").weak), (ExternKind::Kfunc, true));
    assert_eq!(find("bpf_prog_active").kind, ExternKind::Ksym);
    assert_eq!((find("jiffies_64").kind, find("jiffies_64").weak), (ExternKind::KsymAddr, true));
    // Strictest alignment first, then the smaller, then by name.
    for (name, offset, size) in [
        ("CONFIG_HZ", 0, 8),
        ("CONFIG_IPV6", 8, 4),
        ("LINUX_KERNEL_VERSION", 12, 4),
        ("CONFIG_BPF", 16, 1),
        ("CONFIG_LOCALVERSION", 17, 20),
    ] {
        assert_eq!(find(name).kind, ExternKind::Kconfig { offset, size }, "{name}");
    }
    let (kconfig, m) = spec.map(".kconfig").unwrap();
    assert_eq!((m.value_size, m.frozen, m.origin), (37, true, MapOrigin::Kconfig));
    let look = program(&spec, "look");
    let version = RelocTarget::MapValue { map: kconfig, offset: 12 };
    assert!(look.relocs.iter().any(|r| r.target == version));
    let call = look
        .relocs
        .iter()
        .find(|r| matches!(r.target, RelocTarget::Extern(i) if spec.externs[i].name == "bpf_task_release"));
    let insn = look.insns[call.unwrap().insn];
    assert_eq!((insn.opcode, insn.src, insn.imm), (0x85, 2, 0));
    assert_eq!(look.core_relocs.len(), 1);
}

#[test]
fn all_cpu_versions_and_byte_orders() {
    for name in ["cpu_v1.o", "cpu_v2.o", "cpu_v3.o", "cpu_v4.o", "cpu_big_endian.o"] {
        let spec = read(name);
        let sum = program(&spec, "sum");
        assert_eq!(shape(map(&spec, "sums")), (MapType::ARRAY, 4, 8, 1, 0), "{name}");
        assert_eq!(sum.relocs.len(), 1);
        assert_eq!((sum.prog_type, sum.attach_type), (Some(ProgType::XDP), Some(AttachType::XDP)));
        assert_eq!(sum.insns.last().unwrap().opcode, 0x95, "{name}");
    }
}

#[test]
fn big_endian() {
    let spec = read("big_endian.o");
    assert_eq!(spec.endian, skep_isa::Endian::Big);
    assert_eq!(map(&spec, "outer").initial_refs, [(2, InitialRef::Map(spec.map("slot").unwrap().0))]);
    assert_eq!(map(&spec, ".data").initial_value.as_deref(), Some(&[1, 2, 3, 4][..]));
    assert_eq!(map(&spec, ".rodata").initial_value.as_deref(), Some(&[5, 6][..]));
    assert_eq!(map(&spec, ".kconfig").value_size, 4);
    assert_eq!(functions(program(&spec, "use")).len(), 2);
}

#[test]
fn unknown_sections_are_kept() {
    let spec = read("unknown_section.o");
    let alpha = program(&spec, "alpha");
    assert_eq!((alpha.section.as_str(), alpha.prog_type), ("my_hook/alpha", None));
    assert_eq!(program(&spec, "strange").relocs[0].target, RelocTarget::Extern(0));
    assert_eq!(spec.externs[0].kind, ExternKind::Func);
    let waiting = program(&spec, "on_demand");
    assert_eq!((waiting.on_demand, waiting.prog_type), (true, Some(ProgType::XDP)));
}

#[test]
fn struct_ops() {
    let spec = read("struct_ops.o");
    let mine = map(&spec, "mine");
    assert_eq!(shape(mine), (MapType::STRUCT_OPS, 4, 40, 1, MapSpec::F_LINK));
    assert_eq!(mine.initial_refs, [(0, InitialRef::Program(0)), (8, InitialRef::Program(1))]);
    let value = mine.initial_value.as_ref().unwrap();
    assert!(value[..16].iter().all(|&b| b == 0));
    assert_eq!((&value[16..25], value[32]), (&b"skep_test"[..], 3));
    assert_eq!(map(&spec, "plain").initial_refs, [(8, InitialRef::Program(1))]);
}

#[test]
fn what_is_no_object_is_refused_with_a_reason() {
    for (bytes, part) in [
        (&b""[..], "not an ELF file"),
        (b"\x7fELF\x01", "not a 64-bit"),
        (b"#include <linux/bpf.h>", "not an ELF file"),
    ] {
        let error = Spec::from_elf(bytes).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
        assert!(error.hint().is_some());
    }
    let mut foreign = bytes("maps_legacy.o");
    foreign[18] = 62;
    let error = Spec::from_elf(&foreign).unwrap_err();
    assert_eq!(error.to_string(), "machine 62 is not BPF (247)");
}

#[test]
fn a_malformed_map_costs_only_its_users() {
    // The section of 40 bytes, two definitions, is said to have 39.
    let mut broken = bytes("maps_legacy.o");
    let size = find(&broken, &40u64.to_le_bytes());
    broken[size] = 39;
    let spec = Spec::from_elf(&broken).unwrap();
    assert!(spec.maps.is_empty() && spec.programs.is_empty());
    let section = spec.problem("maps").unwrap();
    assert_eq!((section.part, section.error.section()), (Part::Section, Some("maps")));
    let program = spec.problem("count").unwrap();
    assert_eq!(program.part, Part::Program);
    assert!(program.error.to_string().contains("counts"), "{}", program.error);
}

fn find(haystack: &[u8], needle: &[u8]) -> usize {
    haystack.windows(needle.len()).position(|w| w == needle).unwrap_or(0)
}

#[test]
fn the_same_file_gives_the_same_spec() {
    for name in ["maps_btf.o", "subprogs.o", "externs.o", "data.o"] {
        let bytes = bytes(name);
        let [a, b] = [0, 1].map(|_| Spec::from_elf(&bytes).unwrap());
        assert_eq!(format!("{:?}", a.programs), format!("{:?}", b.programs));
        assert_eq!(format!("{:?}{:?}", a.maps, a.externs), format!("{:?}{:?}", b.maps, b.externs));
    }
}
