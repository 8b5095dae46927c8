//! An instruction in words.

use skep_isa::classic::{AluOp, Cond, Op, Source};

use super::fields::{Field, Kind, Layers, sign};
use super::flow::At;
use crate::Dlt;
use crate::decide::expr::Exprs;

/// What an instruction does, and the field that is in A (or X) when it is done or asked.
pub(super) fn words(exprs: &mut Exprs, dlt: Dlt, pc: usize, op: Op, at: &At) -> (String, Option<Field>) {
    if !at.reached {
        return ("never reached".into(), None);
    }
    let layers = Layers::new(exprs, &at.facts, dlt);
    let only = |ids: &[u32]| match *ids {
        [id] => Some(layers.field(exprs, id)),
        _ => None,
    };
    match op {
        Op::RetK { k: 0 } => ("reject".into(), None),
        Op::RetK { k: 1 } => ("accept 1 byte".into(), None),
        Op::RetK { k } => (format!("accept {k} bytes"), None),
        Op::RetA => ("accept as many bytes as A says".into(), None),
        Op::Jump { k } => {
            (format!("go on at {}", (pc as u32).wrapping_add(1).wrapping_add(k).cast_signed()), None)
        }
        Op::Branch { cond, src, .. } => {
            let field = only(&at.a);
            (question(cond, src, field.as_ref(), only(&at.x).as_ref()), field)
        }
        _ => {
            let gives = only(&at.gives);
            (statement(op, gives.as_ref()), gives)
        }
    }
}

fn statement(op: Op, gives: Option<&Field>) -> String {
    let named = |words: &str| match gives {
        Some(field) => format!("{words} {}", field.name),
        None => format!("{words} bytes whose place depends on the way here"),
    };
    match op {
        Op::LoadAbs { .. } | Op::LoadInd { .. } | Op::LoadLen => named("load"),
        Op::LoadImm { k } => format!("A = {k}"),
        Op::LoadxImm { k } => format!("X = {k}"),
        Op::LoadxLen | Op::LoadxMsh { .. } => named("X ="),
        Op::LoadMem { k } => format!("A = M[{k}]{}", known(gives)),
        Op::LoadxMem { k } => format!("X = M[{k}]{}", known(gives)),
        Op::Store { k } => format!("keep A in M[{k}]{}", known(gives)),
        Op::Storex { k } => format!("keep X in M[{k}]{}", known(gives)),
        Op::Tax => format!("X = A{}", known(gives)),
        Op::Txa => format!("A = X{}", known(gives)),
        Op::Neg => "negate A".into(),
        Op::Alu { op: AluOp::And, src: Source::K(k) } => masked(k, gives),
        Op::Alu { op, src: Source::K(k) } => format!("A = A {} {k}", sign(op)),
        Op::Alu { op, src: Source::X } => format!("A = A {} X", sign(op)),
        _ => String::new(),
    }
}

fn known(gives: Option<&Field>) -> String {
    gives.map_or_else(String::new, |field| format!(": {}", field.name))
}

fn masked(k: u32, gives: Option<&Field>) -> String {
    match gives {
        Some(Field { kind: Kind::Net(bits), .. }) => format!("keep its first {bits} bits"),
        _ => format!("keep its bits {k:#x}"),
    }
}

fn question(cond: Cond, src: Source, field: Option<&Field>, x: Option<&Field>) -> String {
    let Source::K(k) = src else {
        let x = x.map_or_else(|| "X".into(), |f| format!("X, {}", f.name));
        return match cond {
            Cond::Eq => format!("is it the same as {x}?"),
            Cond::Gt => format!("is it above {x}?"),
            Cond::Ge => format!("is it at least {x}?"),
            Cond::Set => format!("has it a bit in common with {x}?"),
        };
    };
    // What A holds on the way here is not one field: a number is all that can be said.
    let kind = field.map_or(Kind::Number, |f| f.kind);
    match (cond, kind) {
        (Cond::Set, Kind::Fragment) if k == 0x1fff => "is it a later fragment?".into(),
        (Cond::Set, Kind::TcpFlags) => format!("is any of {} set?", flags(k)),
        (Cond::Set, _) if k.is_power_of_two() => format!("is bit {k:#x} set?"),
        (Cond::Set, _) => format!("is any of the bits {k:#x} set?"),
        (Cond::Eq, Kind::TcpFlags) if k != 0 && k < 0x100 => format!("is it {}?", flags(k)),
        (Cond::Eq, Kind::Net(_)) => format!("is it in {}?", kind.text(k)),
        (Cond::Eq, _) => format!("is it {}?", kind.text(k)),
        // An EtherType up to 1500 is the length of an 802.3 frame.
        (Cond::Gt, Kind::EtherType) if k == 1500 => "is it a type, and no 802.3 length?".into(),
        (Cond::Gt, _) => format!("is it above {}?", order(kind, k)),
        (Cond::Ge, _) => format!("is it at least {}?", order(kind, k)),
    }
}

/// A number among others: names have no order.
fn order(kind: Kind, k: u32) -> String {
    match kind {
        Kind::EtherType => format!("{k:#06x}"),
        Kind::Protocol => k.to_string(),
        _ => kind.text(k),
    }
}

/// Flags of TCP, by name.
fn flags(k: u32) -> String {
    const NAMES: [&str; 8] = ["fin", "syn", "rst", "push", "ack", "urg", "ece", "cwr"];
    if k > 0xff {
        return format!("{k:#x}");
    }
    let set: Vec<&str> = (0..8).filter(|bit| k & 1 << bit != 0).map(|bit| NAMES[bit]).collect();
    set.join("+")
}
