//! Reading and writing: both byte orders, split BTF, and what each sort of damage is called.

use std::sync::Arc;

use skep_btf::{Btf, Builder, Endian, FuncLinkage, IntEncoding, Kind, TypeId, VarLinkage, VarSecInfo, raw};

const SIGNED: IntEncoding = IntEncoding { signed: true, char: false, bool: false };

/// One type of every kind.
fn every_kind() -> Btf {
    let mut b = Builder::new(Endian::Little);
    let int = b.int("int", 4, SIGNED);
    let ptr = b.ptr(int);
    b.array(ptr, int, 7);
    b.composite(Kind::Struct, "s", 8, &[("a", int, 0, 31), ("b", int, 31, 1), ("p", int, 32, 0)]);
    b.composite(Kind::Union, "u", 4, &[("a", int, 0, 0)]);
    b.enumeration("e", 4, true, &[("NEGATIVE", -5), ("POSITIVE", 5)]);
    b.fwd("f", true);
    b.typedef("t", int);
    for kind in [Kind::Volatile, Kind::Const, Kind::Restrict] {
        b.modifier(kind, ptr);
    }
    let proto = b.func_proto(int, &[("x", int), ("", TypeId::VOID)]);
    b.func("func", proto, FuncLinkage::Extern);
    let var = b.var("v", int, VarLinkage::Global);
    b.datasec(".data", 4, &[VarSecInfo { ty: var, offset: 0, size: 4 }]);
    b.float("double", 8);
    b.decl_tag("decl", TypeId(4), 1);
    b.type_tag("type", int);
    b.enum64("e64", 8, false, &[("MOST", u64::MAX)]);
    b.finish().unwrap()
}

#[test]
fn every_kind_comes_back_in_both_byte_orders() {
    let btf = every_kind();
    let kinds: Vec<u32> = btf.types().map(|t| t.kind() as u32).collect();
    assert_eq!(kinds, (1..=8).chain([9, 10, 11, 13, 12, 14, 15, 16, 17, 18, 19]).collect::<Vec<_>>());
    for endian in [Endian::Little, Endian::Big] {
        let again = Btf::parse(&btf.to_bytes(endian)).unwrap();
        assert_eq!(again.endian(), endian);
        assert_eq!(raw::dump(&again), raw::dump(&btf));
    }
    let s = btf.ty(TypeId(4)).unwrap();
    let places: Vec<_> = s.members().map(|m| (m.name, m.bit_offset, m.bits)).collect();
    assert_eq!(places, [("a", 0, 31), ("b", 31, 1), ("p", 32, 0)]);
    let e = btf.ty(btf.find("e", Kind::Enum).unwrap()).unwrap();
    assert_eq!(e.variants().map(|v| v.value()).collect::<Vec<_>>(), [-5, 5]);
}

#[test]
fn split_types_continue_their_base() {
    let base = Arc::new(every_kind());
    let mut b = Builder::split(base.clone());
    let ptr = b.ptr(base.find("s", Kind::Struct).unwrap());
    let mine = b.typedef("mine", ptr);
    let split = b.finish().unwrap();
    assert_eq!(split.first_id(), base.end_id());
    let again = Btf::parse_split(&split.to_bytes(Endian::Little), base.clone()).unwrap();
    assert_eq!(again.find("mine", Kind::Typedef), Some(mine));
    assert_eq!(again.find("s", Kind::Struct), base.find("s", Kind::Struct));
    assert_eq!((again.len(), again.own_types().count()), (base.len() + 2, 2));
    assert_eq!(again.resolve(mine).unwrap().id(), ptr);
    assert_eq!(raw::dump(&again).unwrap(), "[20] PTR '(anon)' type_id=4\n[21] TYPEDEF 'mine' type_id=20\n");
    // Alone it makes no sense, nor in another byte order.
    assert!(Btf::parse(&split.to_bytes(Endian::Little)).is_err());
    let e = Btf::parse_split(&split.to_bytes(Endian::Big), base).unwrap_err();
    assert!(e.to_string().contains("byte order"), "{e}");
}

#[test]
fn sections_can_be_placed_by_a_loader() {
    let mut btf = every_kind();
    let id = btf.find(".data", Kind::Datasec).unwrap();
    btf.patch_datasec(id, 64, |var| (var.offset, var.size) = (16, 4)).unwrap();
    let sec = btf.ty(id).unwrap();
    assert_eq!((sec.size(), sec.vars().next().map(|v| v.offset)), (Some(64), Some(16)));
    assert!(btf.patch_datasec(TypeId(1), 0, |_| ()).is_err());
}

/// Good bytes with one word changed.
fn with_word(at: usize, word: u32) -> Vec<u8> {
    let mut bytes = every_kind().to_bytes(Endian::Little);
    bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
    bytes
}

#[test]
fn damage_has_a_name_and_a_place() {
    // The first type, an INT, stands at 24: name, info, size, encoding; the PTR at 40; the ARRAY at 52.
    for (bytes, place, part) in [
        (vec![], None, "0 bytes are too few"),
        (with_word(0, 0x0001_eb9e), None, "magic is 9eeb"),
        (with_word(0, 0x0002_eb9f), Some(2), "version 2 is not known"),
        (with_word(4, 8), Some(4), "header length 8"),
        (with_word(4, u32::MAX), Some(4), "header length 4294967295"),
        (with_word(8, u32::MAX - 3), Some(8), "type section (0xfffffffc"),
        (with_word(12, 0x1001), Some(8), "type section"),
        (with_word(12, 6), Some(24), "not a whole number of words"),
        (with_word(20, 0xffff), Some(16), "string section"),
        (with_word(28, 0x1f00_0000), Some(24), "type [1]: kind 31 is not known"),
        (with_word(28, 0x04ff_ffff), Some(24), "type [1]: STRUCT runs past the end"),
        (with_word(24, 0xffff), Some(24), "type [1]: INT has a name outside the string section (0xffff)"),
        (with_word(48, 20), Some(48), "type [2]: PTR names type [20], which does not exist"),
        (with_word(64, 99), Some(64), "type [3]: ARRAY names type [99]"),
    ] {
        let e = Btf::parse(&bytes).unwrap_err();
        assert!(e.to_string().contains(part), "{e}");
        assert_eq!(e.offset(), place, "{e}");
    }
}

#[test]
fn sizes() {
    let mut b = Builder::new(Endian::Little);
    let long = b.int("long", 8, SIGNED);
    let huge = b.array(long, long, 1 << 29);
    let just = b.array(long, long, (1 << 29) - 1);
    let nested = b.array(huge, long, u32::MAX);
    let void_array = b.array(TypeId::VOID, long, 1);
    let looped = b.next_id();
    b.array(looped, long, 1);
    let btf = b.finish().unwrap();
    assert_eq!(btf.size_of(just), Ok(u32::MAX - 7));
    for (id, part) in [
        (huge, "larger than 4 GiB"),
        (nested, "larger than 4 GiB"),
        (void_array, "VOID has no size"),
        (looped, "nested without end"),
        (TypeId(99), "does not exist"),
    ] {
        let e = btf.size_of(id).unwrap_err();
        assert!(e.to_string().contains(part), "{id}: {e}");
    }
}
