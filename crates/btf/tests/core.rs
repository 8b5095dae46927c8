//! CO-RE over types made by hand: what compiled objects do not show. Candidates that agree and disagree,
//! modules, byte orders, instructions that do not fit.

use skep_btf::core::{CorePatch, POISON, Reloc, RelocKind, Solver, apply, solve};
use skep_btf::{Btf, Builder, Endian, IntEncoding, Kind, TypeId};
use skep_isa::Insn;

const SIGNED: IntEncoding = IntEncoding { signed: true, char: false, bool: false };
const UNSIGNED: IntEncoding = IntEncoding { signed: false, char: false, bool: false };

fn builder() -> (Builder, TypeId) {
    let mut b = Builder::new(Endian::Little);
    let int = b.int("unsigned int", 4, UNSIGNED);
    (b, int)
}

/// `struct name { unsigned int pad[pad]; unsigned int field; }`, as type 3.
fn with_field_after(name: &str, pad: u32) -> Btf {
    let (mut b, int) = builder();
    let padding = b.array(int, int, pad);
    b.composite(Kind::Struct, name, 4 * pad + 4, &[("pad", padding, 0, 0), ("field", int, 32 * pad, 0)]);
    b.finish().unwrap()
}

const FIELD: Reloc<'_> = Reloc { type_id: TypeId(3), access: "0:1", kind: RelocKind::FieldByteOffset };

fn insn(opcode: u8, off: i16, imm: i32) -> Insn {
    Insn { opcode, dst: 1, src: 0, off, imm }
}

#[test]
fn candidates_must_agree() {
    let local = with_field_after("s___local", 1);
    let candidates = |pads: &[u32]| {
        let (mut b, int) = builder();
        for (n, &pad) in pads.iter().enumerate() {
            let name = format!("s___{n}x");
            b.composite(Kind::Struct, &name, 4 * pad + 4, &[("field", int, 32 * pad, 0)]);
        }
        b.finish().unwrap()
    };
    let agreed = solve(&local, &FIELD, &candidates(&[5, 5])).unwrap();
    assert_eq!((agreed.orig, agreed.new, agreed.found), (4, 20, Some((0, TypeId(2)))));
    let e = solve(&local, &FIELD, &candidates(&[5, 6])).unwrap_err();
    assert!(e.is_ambiguous());
    assert!(e.to_string().contains("types [2] and [3] both match and disagree: 20 at bit 160"), "{e}");
}

#[test]
fn candidates_that_did_not_match_are_not_asked_again() {
    let (mut b, int) = builder();
    b.composite(Kind::Struct, "s", 8, &[("a", int, 0, 0), ("b", int, 32, 0)]);
    let local = b.finish().unwrap();
    let (mut b, int) = builder();
    b.composite(Kind::Struct, "s___one", 8, &[("a", int, 32, 0), ("b", int, 0, 0)]);
    b.composite(Kind::Struct, "s___two", 8, &[("b", int, 32, 0)]);
    let target = b.finish().unwrap();
    let a = Reloc { type_id: TypeId(2), access: "0:0", kind: RelocKind::FieldByteOffset };
    let b = Reloc { access: "0:1", ..a };
    assert!(Solver::new(&local, &target).solve(&b).unwrap_err().is_ambiguous());
    let mut solver = Solver::new(&local, &target);
    assert_eq!(solver.solve(&a).unwrap().new, 4);
    assert_eq!(solver.solve(&b).unwrap().new, 0);
}

#[test]
fn modules_are_asked_when_the_kernel_has_nothing() {
    let local = with_field_after("s", 1);
    let kernel = std::sync::Arc::new(with_field_after("other", 2));
    let mut b = Builder::split(kernel.clone());
    let module_type = b.composite(Kind::Struct, "s", 40, &[("field", TypeId(1), 256, 0)]);
    b.composite(Kind::Struct, "other", 40, &[("field", TypeId(1), 256, 0)]);
    let module = b.finish().unwrap();
    let absent = solve(&local, &FIELD, &kernel).unwrap();
    assert!(absent.poison && absent.found.is_none());
    let mut solver = Solver::new(&local, &kernel).with_module(&module);
    let found = solver.solve(&FIELD).unwrap();
    assert_eq!((found.new, found.found), (32, Some((1, module_type))));
    // Where the kernel has the type, a module's is not looked at, and not at odds with it.
    let other = with_field_after("other", 1);
    let found = Solver::new(&other, &kernel).with_module(&module).solve(&FIELD).unwrap();
    assert_eq!((found.new, found.found), (8, Some((0, TypeId(3)))));
}

#[test]
fn bitfields_count_from_the_end_that_the_byte_order_says() {
    for (endian, left) in [(Endian::Little, 64 - 5 - 3), (Endian::Big, 32 + 3)] {
        let mut b = Builder::new(endian);
        let int = b.int("unsigned int", 4, UNSIGNED);
        b.composite(Kind::Struct, "s", 4, &[("low", int, 0, 3), ("field", int, 3, 5)]);
        let btf = b.finish().unwrap();
        let ask = |kind| solve(&btf, &Reloc { type_id: TypeId(2), access: "0:1", kind }, &btf).unwrap();
        assert_eq!(ask(RelocKind::FieldLshiftU64).new, left);
        assert_eq!(ask(RelocKind::FieldRshiftU64).new, 64 - 5);
        assert_eq!(ask(RelocKind::FieldByteSize).new, 4);
        assert!(!ask(RelocKind::FieldByteOffset).validate);
    }
}

#[test]
fn a_missing_field_is_explained() {
    let local = with_field_after("s", 1);
    let (mut b, int) = builder();
    b.composite(Kind::Struct, "s", 4, &[("fields", int, 0, 0)]);
    let patch = solve(&local, &FIELD, &b.finish().unwrap()).unwrap();
    let why = patch.unresolved.unwrap();
    assert_eq!(why.nearest.as_deref(), Some("fields"));
    assert_eq!(
        why.to_string(),
        "byte_off of `struct s.field`: type [2] has no `field`; `fields` is the nearest name"
    );
}

#[test]
fn relocations_that_are_wrong_in_themselves() {
    let btf = with_field_after("s", 2);
    for (type_id, access, kind, part) in [
        (99, "0", RelocKind::TypeExists, "does not exist"),
        (3, "0:1", RelocKind::TypeExists, "access string `0:1` is not valid"),
        (3, "0:2", RelocKind::FieldExists, "has no member 2"),
        (3, "0:0:2", RelocKind::FieldExists, "index 2 is outside an array of 2"),
        (3, "0:1:0", RelocKind::FieldExists, "the access goes into INT"),
        (3, "0", RelocKind::EnumvalValue, "access string `0` is not valid"),
        (3, "2147483647:1", RelocKind::FieldByteOffset, "beyond 512 MiB"),
        (2, "0:0", RelocKind::FieldByteOffset, "types without a name"),
        (3, "0:0:0", RelocKind::FieldSigned, "can't be asked of an array element"),
    ] {
        let e = solve(&btf, &Reloc { type_id: TypeId(type_id), access, kind }, &btf).unwrap_err();
        assert!(e.to_string().contains(part), "{type_id} {access} {kind:?}: {e}");
    }
}

fn offset(orig: u64, new: u64, sizes: (u32, u32)) -> CorePatch {
    let local = with_field_after("s", 1);
    CorePatch { orig, new, access_size: sizes, ..solve(&local, &FIELD, &local).unwrap() }
}

#[test]
fn loads_stores_arithmetic_and_wide_loads() {
    let patch = offset(4, 40, (4, 4));
    for opcode in [0x61, 0x63, 0x62] {
        let mut code = [insn(opcode, 4, 7)];
        apply(&mut code, 0, &patch).unwrap();
        assert_eq!(code, [insn(opcode, 40, 7)]);
    }
    for opcode in [0xb7, 0x07, 0xb4] {
        let mut code = [insn(opcode, 0, 4)];
        let done = apply(&mut code, 0, &patch).unwrap();
        assert_eq!((code[0].imm, done.before.imm, done.poisoned), (40, 4, false));
    }
    let mut code = [insn(0x18, 0, 4), Insn::default()];
    apply(&mut code, 0, &CorePatch { new: 0x1_0000_0002, ..patch.clone() }).unwrap();
    assert_eq!((code[0].imm, code[1].imm), (2, 1));
    // Every size to every other.
    let sizes = [(1, 0x71), (2, 0x69), (4, 0x61), (8, 0x79)];
    for (from, opcode) in sizes {
        for (to, new_opcode) in sizes {
            let mut code = [insn(opcode, 4, 0)];
            apply(&mut code, 0, &offset(4, 8, (from, to))).unwrap();
            assert_eq!(code, [insn(new_opcode, 8, 0)]);
        }
    }
}

#[test]
fn poison_covers_both_halves() {
    let poison = CorePatch { poison: true, ..offset(4, 0, (4, 0)) };
    let call = Insn { opcode: 0x85, imm: POISON, ..Insn::default() };
    let mut code = [insn(0x18, 0, 4), Insn::default(), insn(0x61, 4, 0), insn(0x61, 4, 0)];
    assert!(apply(&mut code, 0, &poison).unwrap().poisoned);
    apply(&mut code, 2, &poison).unwrap();
    let conflict = CorePatch { size_conflict: true, ..offset(4, 8, (4, 8)) };
    assert!(apply(&mut code, 3, &conflict).unwrap().poisoned);
    assert_eq!(code, [call; 4]);
    // Arithmetic does not care about the size of a field.
    let mut code = [insn(0xb7, 0, 4)];
    assert!(!apply(&mut code, 0, &conflict).unwrap().poisoned);
    assert_eq!(code[0].imm, 8);
}

#[test]
fn instructions_that_do_not_fit_are_left_alone() {
    let patch = offset(4, 40, (4, 4));
    for (code, patch, part) in [
        (vec![], patch.clone(), "outside the program"),
        (vec![insn(0x18, 0, 4)], patch.clone(), "without its second half"),
        (vec![insn(0x61, 5, 0)], patch.clone(), "holds 5 where the types say 4"),
        (vec![insn(0xbf, 0, 0)], patch.clone(), "takes no immediate"),
        (vec![insn(0x95, 0, 0)], patch.clone(), "opcode 0x95 can't be relocated"),
        (vec![insn(0x61, 4, 0)], offset(4, 32_768, (4, 4)), "does not fit in 16 bits"),
        (vec![insn(0x61, 4, 0)], offset(4, 8, (8, 4)), "accesses 4 bytes where the types say 8"),
        (vec![insn(0x61, 4, 0)], offset(4, 8, (4, 3)), "no access has the new size, 3 bytes"),
        (vec![insn(0xb7, 0, 4)], offset(4, 1 << 32, (4, 4)), "does not fit in 32 bits"),
        (vec![Insn { src: 1, ..insn(0x18, 0, 4) }, Insn::default()], patch.clone(), "not a plain wide load"),
    ] {
        let mut patched = code.clone();
        let e = apply(&mut patched, 0, &patch).unwrap_err();
        assert!(e.to_string().contains(part), "{e}");
        assert_eq!(patched, code, "{e}");
    }
}

/// A prototype whose parameters are pointers to the prototype below it, twice: 2^30 paths.
#[test]
fn types_that_multiply_run_out_of_budget() {
    let mut b = Builder::new(Endian::Little);
    let mut t = b.int("int", 4, SIGNED);
    for _ in 0..30 {
        let proto = b.func_proto(TypeId::VOID, &[("", t), ("", t)]);
        t = b.ptr(proto);
    }
    let t = b.typedef("deep", t);
    let btf = b.finish().unwrap();
    for kind in [RelocKind::TypeExists, RelocKind::TypeMatches] {
        let e = solve(&btf, &Reloc { type_id: t, access: "0", kind }, &btf).unwrap_err();
        assert!(e.to_string().contains("nested too deep"), "{e}");
    }
}
