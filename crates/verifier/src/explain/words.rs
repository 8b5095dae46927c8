//! Facts in words.

use crate::state::{Kind, Reg};
use crate::task::Task;
use crate::value::Scalar;

/// `1 byte`, `8 bytes`.
pub(super) fn bytes(n: i64) -> String {
    if n == 1 { "1 byte".into() } else { format!("{n} bytes") }
}

/// What a number may be.
pub(super) fn number(v: &Scalar) -> String {
    if v.is_const() {
        return (v.var.value as i64).to_string();
    }
    match (v.smin, v.smax) {
        (i64::MIN, i64::MAX) if v.umax == u64::MAX && v.umin == 0 => "any number".into(),
        (i64::MIN, i64::MAX) => format!("{} to {}", v.umin, large(v.umax)),
        (i64::MIN, hi) => format!("anything up to {hi}"),
        (lo, i64::MAX) => format!("anything from {lo}"),
        (lo, hi) => format!("{lo} to {}", large_signed(hi)),
    }
}

fn large_signed(v: i64) -> String {
    u64::try_from(v).map_or_else(|_| v.to_string(), large)
}

/// Numbers that are known by their powers.
fn large(v: u64) -> String {
    match v {
        0xffff_ffff => "2^32 - 1".into(),
        u64::MAX => "2^64 - 1".into(),
        0x7fff_ffff => "2^31 - 1".into(),
        v => v.to_string(),
    }
}

/// What a register holds, with an article.
pub(super) fn what(task: &Task, r: &Reg) -> String {
    let map = || {
        let (name, size) =
            task.maps.get(r.aux as usize).map_or(("a map", 0), |(_, m)| (m.name.as_str(), m.value_size));
        (if name.is_empty() { "a map" } else { name }.to_owned(), size)
    };
    let base = match r.kind {
        Kind::NotInit => return "nothing".into(),
        Kind::Scalar if r.val.is_const() => return format!("the number {}", number(&r.val)),
        Kind::Scalar => return format!("a number ({})", number(&r.val)),
        Kind::Ctx => "a pointer to the context".to_owned(),
        Kind::MapPtr => format!("the map `{}`", map().0),
        Kind::MapValue => format!("a pointer to a value of `{}` ({})", map().0, bytes(map().1.into())),
        Kind::MapKey => format!("a pointer to a key of `{}`", map().0),
        Kind::Stack => "a pointer to the stack".into(),
        Kind::PacketMeta => "a pointer to the packet's metadata".into(),
        Kind::Packet => "a pointer into the packet".into(),
        Kind::PacketEnd => "the end of the packet".into(),
        Kind::FlowKeys => "a pointer to flow keys".into(),
        Kind::Socket | Kind::SockCommon | Kind::TcpSock | Kind::XdpSock => "a pointer to a socket".into(),
        Kind::TpBuffer => "a pointer to the tracepoint's buffer".into(),
        Kind::Btf => "a pointer to a kernel object".into(),
        Kind::Mem => format!("a pointer to {} of memory", bytes(r.aux.into())),
        Kind::Buf => "a pointer to a buffer".into(),
        Kind::Func => "the address of a function".into(),
    };
    if r.maybe_null() { format!("{base}, or null") } else { base }
}

/// The name of a helper as C programs spell it.
pub(super) fn helper(id: i32) -> String {
    let row = u32::try_from(id).ok().and_then(|id| skep_abi::HelperId(id).row());
    row.map_or_else(|| format!("helper {id}"), |r| r.name.to_owned())
}
