//! Null checks: what a comparison with zero says of every copy of a pointer.

use skep_abi::MapType;

use crate::env::Env;
use crate::state::{Flags, HeldKind, Kind, Reg, State};
use crate::task::{MapShape, SpecialField};

use std::sync::Arc;

/// Whether a lock may lie in what the pointer points to: its id tells one value from another then.
fn may_hold_lock(r: &Reg, maps: &[Arc<MapShape>]) -> bool {
    r.kind == Kind::MapValue && maps[r.aux as usize].fields.iter().any(|(_, f)| *f == SpecialField::SpinLock)
}

/// A map value that is not null turns into what the map's type holds.
fn not_null(r: &mut Reg, maps: &[Arc<MapShape>], inner: &[Option<u32>]) {
    r.flags = r.flags.without(Flags::NULL);
    if r.kind != Kind::MapValue {
        return;
    }
    let map = &maps[r.aux as usize];
    if let Some(i) = inner[r.aux as usize] {
        r.kind = Kind::MapPtr;
        r.aux = i;
        let timer = |f: &(u32, SpecialField)| f.1 == SpecialField::Timer;
        r.map_uid = if maps[i as usize].fields.iter().any(timer) { r.id } else { 0 };
    } else if map.map_type == MapType::XSKMAP {
        r.kind = Kind::XdpSock;
        r.aux = 0;
    } else if matches!(map.map_type, MapType::SOCKMAP | MapType::SOCKHASH) {
        r.kind = Kind::Socket;
        r.aux = 0;
    }
}

/// Marks one register as not null.
pub(crate) fn mark_not_null(env: &Env<'_>, r: &mut Reg) {
    not_null(r, &env.maps, &env.inner);
}

/// Marks every copy of a pointer in a state as null or not.
pub(crate) fn mark_null(
    state: &mut State,
    reg: usize,
    is_null: bool,
    maps: &[Arc<MapShape>],
    inner: &[Option<u32>],
) {
    let (id, ref_id) = (state.reg(reg).id, state.reg(reg).ref_id);
    if is_null && ref_id != 0 && ref_id == id {
        // There is nothing to release.
        state.holds.list.retain(|h| !(h.kind == HeldKind::Ref && h.id == id));
    }
    state.each_reg(
        |r| r.maybe_null() && r.id == id && id != 0,
        |r| {
            if is_null {
                r.kind = Kind::Scalar;
                r.flags = Flags::NONE;
                r.id = 0;
                r.ref_id = 0;
                r.aux = 0;
                r.range = 0;
                r.map_uid = 0;
                return;
            }
            not_null(r, maps, inner);
            if !may_hold_lock(r, maps) {
                r.id = 0;
            }
        },
    );
}
