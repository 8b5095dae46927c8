//! Facts in words: what registers hold before an instruction, and what memory it touches.

use skep::verifier::facts::{Call, Frame, MapRef, Region, Span, Target, Value, Verified};
use skep::verifier::value::Scalar;

/// What is known before each slot, where it can be reached.
pub(super) fn by_slot(verified: &Verified, slots: usize) -> Vec<Option<Frame>> {
    let mut out = vec![None; slots];
    verified.values().each(|slot, frame| out[slot] = Some(frame.clone()));
    out
}

/// Everything worth saying of an instruction, a line each.
pub(super) fn words(verified: &Verified, slot: usize, frame: Option<&Frame>) -> Vec<String> {
    let at = verified.facts().at(slot);
    let Some(frame) = frame.filter(|_| at.reached()) else { return vec!["never reached".into()] };
    let mut out = Vec::new();
    if let Some(region) = at.access() {
        out.push(format!("touches {}", place(verified, &region)));
    }
    if let Some(call) = at.call() {
        called(verified, call, &mut out);
    }
    match at.branch().map(|a| a.only()) {
        Some(Some(true)) => out.push("always taken".into()),
        Some(Some(false)) => out.push("never taken".into()),
        _ => {}
    }
    for (i, value) in frame.regs.iter().enumerate().take(10) {
        if !value.is_unknown() {
            out.push(format!("r{i}: {}", held(verified, value)));
        }
    }
    for offset in (1..=64).map(|i| -8 * i) {
        let value = frame.slot(offset);
        if !value.is_unknown() {
            out.push(format!("stack {offset}: {}", held(verified, &value)));
        }
    }
    out
}

fn called(verified: &Verified, call: &Call, out: &mut Vec<String>) {
    if let Some(map) = call.map {
        out.push(format!("always map {}", map_name(verified, map)));
    }
    if let Some(key) = call.key {
        out.push(format!("always key {key}{}", if call.finds { ", which is there" } else { "" }));
    }
    for (i, passed) in call.args.iter().enumerate() {
        if let Some(p) = passed {
            out.push(format!("r{}: {}, at most {} bytes", i + 1, place(verified, &p.region), p.size));
        }
    }
}

fn map_name(verified: &Verified, map: MapRef) -> &str {
    verified.facts().maps().get(map.0 as usize).map_or("?", |m| m.name.as_str())
}

fn span(s: Span) -> String {
    match s.only() {
        Some(at) => format!("at {at}"),
        None => format!("at {} to {}", s.min, s.max),
    }
}

fn frame_word(up: u32) -> String {
    match up {
        0 => "the stack".into(),
        1 => "the caller's stack".into(),
        n => format!("the stack {n} calls up"),
    }
}

fn place(verified: &Verified, region: &Region) -> String {
    let what = match region {
        Region::Stack { up, .. } => frame_word(*up),
        Region::Ctx { .. } => "the context".into(),
        Region::Packet { .. } => "the packet".into(),
        Region::PacketMeta { .. } => "metadata before the packet".into(),
        Region::MapValue { map, .. } => format!("a value of map {}", map_name(verified, *map)),
        Region::MapKey { map, .. } => format!("a key of map {}", map_name(verified, *map)),
        Region::Mem { record: true, .. } => "a record".into(),
        Region::Mem { .. } => "memory that was passed".into(),
        Region::Object { .. } => "a structure of the kernel's".into(),
        Region::TracepointBuffer { .. } => "the tracepoint's buffer".into(),
        _ => return "one kind of memory or another".into(),
    };
    match region.offset() {
        Some(s) => format!("{what} {}", span(s)),
        None => what,
    }
}

fn held(verified: &Verified, value: &Value) -> String {
    let p = match value {
        Value::Number(n) => return number(n),
        Value::Pointer(p) => p,
    };
    let what = match p.to {
        Target::Ctx => "context".into(),
        Target::Stack(up) => frame_word(up),
        Target::Packet => "packet".into(),
        Target::PacketMeta => "packet metadata".into(),
        Target::PacketEnd => "end of the packet".into(),
        Target::MapValue(map) => format!("value of map {}", map_name(verified, map)),
        Target::Map(map) => format!("map {}", map_name(verified, map)),
        Target::Mem => "memory".into(),
        Target::Object => "structure of the kernel's".into(),
        Target::Function(slot) => format!("function at {slot}"),
        _ => "address".into(),
    };
    let offset = match p.offset.const_value(true) {
        Some(0) => String::new(),
        Some(v) => format!("{:+}", v as i64),
        None => format!(" + {}", number(&p.offset)),
    };
    format!("{what}{offset}{}", if p.nullable { ", or null" } else { "" })
}

/// A number's range, by the narrower of its two readings, and its known bits where they say more.
fn number(n: &Scalar) -> String {
    if let Some(v) = n.const_value(true) {
        return (v as i64).to_string();
    }
    let range = if n.smin < 0 && n.smax.wrapping_sub(n.smin) as u64 <= n.umax - n.umin {
        format!("{} to {}", n.smin, n.smax)
    } else {
        format!("{} to {}", n.umin, n.umax)
    };
    let aligned = n.var.mask.trailing_zeros();
    match aligned {
        0 => range,
        _ if n.var.value & ((1 << aligned) - 1) == 0 => {
            format!("{range}, a multiple of {}", 1_u64 << aligned)
        }
        _ => format!("{range}, bits {:#x} of mask {:#x}", n.var.value, n.var.mask),
    }
}
