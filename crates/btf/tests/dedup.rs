//! Dedup over types made by hand; over compiled ones see the tests that cross crates.

use skep_btf::{Btf, Builder, Endian, IntEncoding, Kind, TypeId, VarLinkage, dedup, raw};

const SIGNED: IntEncoding = IntEncoding { signed: true, char: false, bool: false };

fn names(btf: &Btf, kind: Kind) -> Vec<&str> {
    btf.types().filter(|t| t.kind() == kind).map(|t| t.name()).collect()
}

/// A list node that points to itself, and a struct that points to a struct which is only declared, or
/// defined with this many members.
fn object(members: Option<usize>) -> Btf {
    let mut b = Builder::new(Endian::Little);
    let int = b.int("int", 4, SIGNED);
    let node_ptr = TypeId(b.next_id().0 + 1);
    b.composite(Kind::Struct, "node", 16, &[("next", node_ptr, 0, 0), ("value", int, 64, 0)]);
    b.ptr(TypeId(node_ptr.0 - 1));
    let other = match members {
        None => b.fwd("other", false),
        Some(n) => {
            let names = ["a", "b", "c"];
            let members: Vec<_> = (0..n).map(|i| (names[i], int, 32 * i as u32, 0)).collect();
            b.composite(Kind::Struct, "other", 4 * n as u32, &members)
        }
    };
    let other_ptr = b.ptr(other);
    b.composite(Kind::Struct, "user", 16, &[("other", other_ptr, 0, 0), ("list", node_ptr, 64, 0)]);
    b.var("counter", int, VarLinkage::Global);
    b.finish().unwrap()
}

fn join(parts: &[&Btf]) -> Btf {
    let mut b = Builder::new(Endian::Little);
    parts.iter().for_each(|part| {
        b.append(part).unwrap();
    });
    b.finish().unwrap()
}

#[test]
fn copies_become_one_but_for_variables() {
    let one = object(Some(2));
    let three = join(&[&one, &one, &one]);
    let out = dedup(&three, None).unwrap();
    assert_eq!(out.btf.len(), one.len() + 2);
    assert_eq!(names(&out.btf, Kind::Var), ["counter", "counter", "counter"]);
    assert_eq!(names(&out.btf, Kind::Struct), ["node", "other", "user"]);
    // Every copy's id leads to the same type.
    for id in 1..one.len() as u32 {
        let copy = out.map(TypeId(id + one.len() as u32));
        assert_eq!(out.map(TypeId(id)), copy);
    }
    assert_eq!(raw::dump(&dedup(&one, None).unwrap().btf), raw::dump(&one));
}

#[test]
fn a_declaration_is_its_only_definition() {
    let out = dedup(&join(&[&object(None), &object(Some(2)), &object(None)]), None).unwrap().btf;
    assert_eq!(names(&out, Kind::Fwd), [""; 0]);
    assert_eq!(names(&out, Kind::Struct), ["node", "user", "other"]);
}

#[test]
fn a_declaration_with_two_definitions_stays() {
    let out = dedup(&join(&[&object(None), &object(Some(2)), &object(Some(3))]), None).unwrap().btf;
    assert_eq!(names(&out, Kind::Fwd), ["other"]);
    // Three users, as each means another `other`; one node, as it has no part in that.
    assert_eq!(names(&out, Kind::Struct), ["node", "user", "other", "user", "other", "user"]);
}

/// A chain of pointers is the worst case for the number of rounds.
#[test]
fn a_long_chain_ends() {
    let mut b = Builder::new(Endian::Little);
    let mut t = TypeId::VOID;
    for _ in 0..50_000 {
        t = b.ptr(t);
    }
    let chain = b.finish().unwrap();
    let out = dedup(&join(&[&chain, &chain]), None).unwrap();
    assert_eq!(out.btf.len(), chain.len());
}

#[test]
fn a_cycle_is_equal_to_itself_unrolled() {
    let mut b = Builder::new(Endian::Little);
    // One pointer to itself, and two that point to each other: nothing tells them apart.
    b.ptr(TypeId(1));
    b.ptr(TypeId(3));
    b.ptr(TypeId(2));
    let out = dedup(&b.finish().unwrap(), None).unwrap();
    assert_eq!(out.btf.len(), 1);
}

#[test]
fn split_types_that_the_base_has_go() {
    let base = std::sync::Arc::new(object(Some(2)));
    let mut b = Builder::split(base.clone());
    let int = b.int("int", 4, SIGNED);
    let ptr = b.ptr(int);
    b.typedef("mine", ptr);
    let out = dedup(&b.finish().unwrap(), None).unwrap();
    assert_eq!(out.btf.own_types().map(|t| t.kind()).collect::<Vec<_>>(), [Kind::Ptr, Kind::Typedef]);
    assert_eq!(out.map(int), base.find("int", Kind::Int));
}
