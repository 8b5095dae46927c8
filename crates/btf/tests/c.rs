//! The C dump, word for word, on types made by hand. What a compiler makes of it is tested over the
//! kernel's types, where there is a compiler.

use skep_btf::{Btf, Builder, Endian, IntEncoding, Kind, TypeId, c};

const SIGNED: IntEncoding = IntEncoding { signed: true, char: false, bool: false };

fn builder() -> (Builder, TypeId) {
    let mut b = Builder::new(Endian::Little);
    let int = b.int("int", 4, SIGNED);
    (b, int)
}

/// The dump between its head and tail.
fn body(btf: &Btf) -> String {
    let text = c::dump(btf).unwrap();
    let from = text.find("#endif\n\n").unwrap() + 8;
    let to = text.rfind("#ifndef").unwrap();
    text[from..to].trim_end().to_owned()
}

#[test]
fn pointers_arrays_and_functions_inside_out() {
    let (mut b, int) = builder();
    let char = b.int("char", 1, SIGNED);
    let constant = b.modifier(Kind::Const, char);
    let text = b.ptr(constant);
    let fixed = b.modifier(Kind::Const, text);
    let row = b.array(int, int, 3);
    let rows = b.array(row, int, 2);
    let to_rows = b.ptr(rows);
    let callback = b.func_proto(TypeId::VOID, &[("arg", text), ("", TypeId::VOID)]);
    let to_callback = b.ptr(callback);
    let returns = b.func_proto(to_callback, &[]);
    let to_returns = b.ptr(returns);
    let table = b.array(to_returns, int, 4);
    let tag = b.type_tag("user", char);
    let user = b.ptr(tag);
    let members =
        [("text", fixed), ("rows", to_rows), ("call", to_callback), ("table", table), ("user", user)];
    let mut at = 0;
    let members = members.map(|(name, ty)| {
        let member = (name, ty, at, 0);
        at += if name == "table" { 256 } else { 64 };
        member
    });
    b.composite(Kind::Struct, "s", 64, &members);
    let expected = "\
struct s {
\tconst char *const text;
\tint (*rows)[2][3];
\tvoid (*call)(const char *arg, ...);
\tvoid (*(*table[4])(void))(const char *arg, ...);
\t__attribute__((btf_type_tag(\"user\"))) char *user;
};";
    assert_eq!(body(&b.finish().unwrap()), expected);
}

#[test]
fn definitions_wait_for_what_they_contain() {
    let (mut b, int) = builder();
    let (inner, list) = (TypeId(b.next_id().0 + 4), b.next_id());
    let next = TypeId(list.0 + 1);
    b.composite(Kind::Struct, "list", 16, &[("next", next, 0, 0), ("data", TypeId(list.0 + 2), 64, 0)]);
    b.ptr(list);
    b.ptr(inner);
    let typedef = b.typedef("inner_t", inner);
    b.composite(Kind::Union, "inner", 16, &[("list", list, 0, 0), ("n", int, 0, 0)]);
    b.composite(Kind::Struct, "outer", 16, &[("inner", typedef, 0, 0)]);
    let expected = "\
struct list;

union inner;

struct list {
\tstruct list *next;
\tunion inner *data;
};

typedef union inner inner_t;

union inner {
\tstruct list list;
\tint n;
};

struct outer {
\tinner_t inner;
};";
    assert_eq!(body(&b.finish().unwrap()), expected);
}

#[test]
fn layout_is_forced_where_c_would_choose_another() {
    let (mut b, int) = builder();
    let char = b.int("char", 1, SIGNED);
    let long = b.int("long", 8, SIGNED);
    b.composite(Kind::Struct, "packed", 5, &[("c", char, 0, 0), ("n", int, 8, 0)]);
    b.composite(Kind::Struct, "gaps", 24, &[("c", char, 0, 0), ("n", int, 64, 0)]);
    b.composite(Kind::Struct, "bits", 8, &[("a", int, 0, 3), ("b", int, 8, 5), ("c", char, 40, 0)]);
    b.composite(Kind::Union, "aligned", 16, &[("l", long, 0, 0)]);
    b.composite(Kind::Struct, "empty", 0, &[]);
    let expected = "\
struct packed {
\tchar c;
\tint n;
} __attribute__((packed));

struct gaps {
\tchar c;
\tlong: 56;
\tint n;
\tint: 32;
\tlong: 64;
};

struct bits {
\tint a: 3;
\tchar: 5;
\tint b: 5;
\tlong: 27;
\tchar c;
};

union aligned {
\tlong l;
} __attribute__((aligned(16)));

struct empty {};";
    assert_eq!(body(&b.finish().unwrap()), expected);
}

#[test]
fn names_that_are_taken_get_a_flavour() {
    let (mut b, int) = builder();
    b.enumeration("e", 4, false, &[("A", 0), ("B", 1)]);
    b.enumeration("", 1, true, &[("B", -1)]);
    b.enum64("big", 8, false, &[("HUGE", u64::MAX)]);
    b.typedef("t", int);
    b.typedef("t", int);
    b.composite(Kind::Struct, "s", 4, &[("a", int, 0, 0)]);
    b.composite(Kind::Struct, "s", 4, &[("b", int, 0, 0)]);
    b.fwd("s", false);
    b.fwd("s", true);
    let expected = "\
enum e {
\tA = 0,
\tB = 1,
};

enum {
\tB___2 = -1,
} __attribute__((mode(QI)));

enum big {
\tHUGE = 18446744073709551615ULL,
};

typedef int t;

typedef int t___2;

struct s {
\tint a;
};

struct s___2 {
\tint b;
};

struct s;

union s___3;";
    assert_eq!(body(&b.finish().unwrap()), expected);
}

#[test]
fn types_without_an_end_are_errors() {
    let (mut b, _) = builder();
    let me = b.next_id();
    b.composite(Kind::Struct, "me", 4, &[("me", me, 0, 0)]);
    let e = c::dump(&b.finish().unwrap()).unwrap_err();
    assert_eq!(e.type_id(), Some(me));

    let (mut b, int) = builder();
    let mut t = int;
    for _ in 0..40 {
        t = b.composite(Kind::Struct, "", 8, &[("a", t, 0, 0), ("b", t, 0, 0)]);
    }
    b.composite(Kind::Struct, "wide", 8, &[("t", t, 0, 0)]);
    assert!(c::dump(&b.finish().unwrap()).is_err());

    let (mut b, _) = builder();
    let t = b.next_id();
    b.typedef("t", t);
    assert!(c::dump(&b.finish().unwrap()).is_err());
}
