//! Values of every kind, in both byte orders, as text and as JSON.

use serde_json::json;
use skep_btf::print::{Form, bpftool, declaration, encode, value};
use skep_btf::{Btf, Builder, Endian, IntEncoding, Kind, TypeId, VarLinkage, VarSecInfo};

const UNSIGNED: IntEncoding = IntEncoding { signed: false, char: false, bool: false };
const SIGNED: IntEncoding = IntEncoding { signed: true, char: false, bool: false };

struct Types {
    btf: Btf,
    all: TypeId,
    sec: TypeId,
}

fn types() -> Types {
    let mut b = Builder::new(Endian::Little);
    let int = b.int("int", 4, SIGNED);
    let u8 = b.int("unsigned char", 1, UNSIGNED);
    let char = b.int("char", 1, SIGNED);
    let bool = b.int("_Bool", 1, IntEncoding { bool: true, ..UNSIGNED });
    let u64 = b.int("unsigned long", 8, UNSIGNED);
    let double = b.float("double", 8);
    let name = b.array(char, int, 8);
    let mac = b.array(u8, int, 2);
    let colour = b.enumeration("colour", 4, true, &[("RED", -1), ("GREEN", 1)]);
    let ptr = b.ptr(TypeId::VOID);
    let anon = b.composite(Kind::Union, "", 4, &[("word", int, 0, 0), ("first", u8, 0, 0)]);
    let typedef = b.typedef("colour_t", colour);
    let members = [
        ("n", int, 0, 0),
        ("low", int, 32, 3),
        ("high", int, 35, 5),
        ("yes", bool, 40, 0),
        ("mac", mac, 48, 0),
        ("name", name, 64, 0),
        ("colour", typedef, 128, 0),
        ("", anon, 160, 0),
        ("ptr", ptr, 192, 0),
        ("ratio", double, 256, 0),
        ("big", u64, 320, 0),
    ];
    let all = b.composite(Kind::Struct, "all", 48, &members);
    let var = b.var("counter", u64, VarLinkage::Global);
    let sec = b.datasec(".data", 16, &[VarSecInfo { ty: var, offset: 8, size: 8 }]);
    Types { btf: b.finish().unwrap(), all, sec }
}

fn data(endian: Endian) -> Vec<u8> {
    let mut out = Vec::new();
    let mut put = |n: u64, size: usize| match endian {
        Endian::Little => out.extend(&n.to_le_bytes()[..size]),
        Endian::Big => out.extend(&n.to_be_bytes()[8 - size..]),
    };
    put(-5i64 as u64, 4);
    // low = -2 in 3 bits, high = 9 in 5: from the low end of the byte, or from the high one.
    put(if endian == Endian::Little { 9 << 3 | 6 } else { 6 << 5 | 9 }, 1);
    put(1, 1);
    put(0xaa, 1);
    put(0xbb, 1);
    for &b in b"eth0\0xyz" {
        put(b.into(), 1);
    }
    put(-1i64 as u64, 4);
    put(0x0102_0304, 4);
    put(0xffff_8880_0000_1000, 8);
    put(1.5f64.to_bits(), 8);
    put(u64::MAX, 8);
    out
}

#[test]
fn a_struct_with_everything() {
    let Types { btf, all, .. } = types();
    for endian in [Endian::Little, Endian::Big] {
        let v = value(&btf, all, &data(endian), endian).unwrap();
        let first = if endian == Endian::Little { 4 } else { 1 };
        let expected = json!({
            "n": -5, "low": -2, "high": 9, "yes": true, "mac": [0xaa, 0xbb], "name": "eth0",
            "colour": "RED", "word": 0x0102_0304, "first": first, "ptr": "0xffff888000001000",
            "ratio": 1.5, "big": u64::MAX,
        });
        assert_eq!(v.to_json(), expected);
        let text = format!(
            "{{.n = -5, .low = -2, .high = 9, .yes = true, .mac = {{170, 187}}, .name = \"eth0\", \
             .colour = RED, .word = 16909060, .first = {first}, .ptr = 0xffff888000001000, \
             .ratio = 1.5, .big = 18446744073709551615}}"
        );
        assert_eq!(v.to_string(), text);
    }
}

#[test]
fn pretty_takes_a_line_a_member() {
    let Types { btf, sec, .. } = types();
    let mut data = [0; 16];
    data[8] = 7;
    let v = value(&btf, sec, &data, Endian::Little).unwrap();
    assert_eq!(format!("{v:#}"), "{\n    .counter = 7,\n}");
    assert_eq!(v.field("counter").and_then(|v| v.as_i128()), Some(7));
}

#[test]
fn data_that_is_too_short_is_an_error() {
    let Types { btf, all, .. } = types();
    let bytes = data(Endian::Little);
    for len in 0..bytes.len() {
        assert!(value(&btf, all, &bytes[..len], Endian::Little).is_err(), "{len}");
    }
}

/// Each level holds the one below twice at the same place: 2^40 leaves in a few hundred bytes of BTF.
#[test]
fn a_doubling_type_runs_out_of_budget() {
    let mut b = Builder::new(Endian::Little);
    let mut t = b.int("int", 4, SIGNED);
    for _ in 0..40 {
        t = b.composite(Kind::Union, "u", 4, &[("a", t, 0, 0), ("b", t, 0, 0)]);
    }
    let nothing = b.composite(Kind::Struct, "nothing", 0, &[]);
    let endless = b.array(nothing, t, u32::MAX);
    let btf = b.finish().unwrap();
    for id in [t, endless] {
        let e = value(&btf, id, &[0; 4], Endian::Little).unwrap_err();
        assert!(e.to_string().contains("too many parts"), "{e}");
    }
}

#[test]
fn a_struct_that_holds_itself_is_an_error() {
    let mut b = Builder::new(Endian::Little);
    let me = b.next_id();
    b.composite(Kind::Struct, "me", 4, &[("me", me, 0, 0)]);
    let typedef = b.next_id();
    b.typedef("t", typedef);
    let btf = b.finish().unwrap();
    assert!(value(&btf, me, &[0; 4], Endian::Little).is_err());
    assert!(btf.size_of(typedef).is_err());
    assert!(btf.align_of(me).is_err());
}

#[test]
fn bpftools_shape_keeps_bits_as_hex_and_anonymous_members_apart() {
    for endian in [Endian::Little, Endian::Big] {
        let Types { btf, all, sec } = types();
        let json = bpftool(&btf, all, &data(endian), endian, Form::Json).unwrap();
        assert_eq!(json["low"], json!("0x6"));
        assert_eq!(json["high"], json!("0x9"));
        assert_eq!(json["n"], json!(-5));
        assert_eq!(json["yes"], json!(true));
        assert!(json["ptr"].is_u64());
        assert!(json[""]["word"].is_i64(), "{json}");
        let plain = bpftool(&btf, all, &data(endian), endian, Form::Plain).unwrap();
        assert!(plain["ptr"].as_str().is_some_and(|p| p.starts_with("0x")));
        let vars = bpftool(&btf, sec, &[7; 16], endian, Form::Json).unwrap();
        assert_eq!(vars, json!({".data": [{"counter": 0x0707_0707_0707_0707_u64}]}));
    }
}

#[test]
fn what_was_read_is_written_back() {
    for endian in [Endian::Little, Endian::Big] {
        let Types { btf, all, sec } = types();
        let bytes = data(endian);
        let ours = value(&btf, all, &bytes, endian).unwrap().to_json();
        let theirs = bpftool(&btf, all, &bytes, endian, Form::Json).unwrap();
        for json in [ours, theirs] {
            let back = encode(&btf, all, &json, endian).unwrap();
            let again = bpftool(&btf, all, &back, endian, Form::Json).unwrap();
            assert_eq!(again, bpftool(&btf, all, &bytes, endian, Form::Json).unwrap(), "{json}");
        }
        for json in [json!({"counter": 5}), json!({".data": [{"counter": 5}]})] {
            let back = encode(&btf, sec, &json, endian).unwrap();
            let number = |b: &[u8]| match endian {
                Endian::Little => u64::from_le_bytes(b.try_into().unwrap()),
                Endian::Big => u64::from_be_bytes(b.try_into().unwrap()),
            };
            assert_eq!((number(&back[..8]), number(&back[8..])), (0, 5));
        }
    }
}

#[test]
fn what_does_not_fit_is_told_with_its_member() {
    let Types { btf, all, .. } = types();
    let wrong = |json| encode(&btf, all, &json, Endian::Little).unwrap_err().to_string();
    for (json, words) in [
        (json!({"n": 3_000_000_000_u64}), ".n: 3000000000 does not fit"),
        (json!({"mac": [1, 256]}), ".mac.1: 256 does not fit: 0 to 255 do"),
        (json!({"mac": [1, 2, 3]}), ".mac: 3 items, and there is room for 2"),
        (json!({"colour": "BLUE"}), "is no value of `colour`"),
        (json!({"shade": 1}), "there is no member `shade`; there are n, low"),
        (json!(5), "5 is no object of members"),
    ] {
        let said = wrong(json);
        assert!(said.contains(words), "{said}");
    }
    let back = encode(&btf, all, &json!({"colour": "RED", "first": 7}), Endian::Little).unwrap();
    assert_eq!((&back[16..20], back[20]), (&[0xff; 4][..], 7));
}

#[test]
fn functions_are_declared_as_bpftool_declares_them() {
    let mut b = Builder::new(Endian::Little);
    let int = b.int("int", 4, SIGNED);
    let md = b.composite(Kind::Struct, "xdp_md", 4, &[]);
    let ptr = b.ptr(md);
    let proto = b.func_proto(int, &[("ctx", ptr), ("", int)]);
    let func = b.func("main", proto, skep_btf::FuncLinkage::Global);
    let btf = b.finish().unwrap();
    assert_eq!(declaration(&btf, func).as_deref(), Some("int main(struct xdp_md * ctx, int)"));
    assert_eq!(declaration(&btf, TypeId(99)), None);
}
