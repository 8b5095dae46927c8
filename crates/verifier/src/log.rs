//! States as the kernel's log writes them.

use std::fmt::Write;

use crate::check::show_tnum;
use crate::env::Env;
use crate::state::{ADD_CONST, AT_PKT_END, BEYOND_PKT_END, Byte, Frame, Kind, Reg, State};
use crate::task::MapShape;
use crate::value::Scalar;
use crate::walk_log::Shown;

use std::sync::Arc;

/// Signed numbers are decimal in 16 bits, else hexadecimal.
fn signed(v: i64) -> String {
    if i16::try_from(v).is_ok() { v.to_string() } else { format!("{:#x}", v as u64) }
}

fn unsigned(v: u64) -> String {
    if v <= u64::from(u16::MAX) { v.to_string() } else { format!("{v:#x}") }
}

/// A signed bound of 32 bits: what is not written in decimal is written in eight digits at most.
fn signed32(v: i32) -> u64 {
    if i16::try_from(v).is_ok() { i64::from(v) as u64 } else { u64::from(v as u32) }
}

/// The bounds that say something; equal ones share a number.
fn ranges(s: &Scalar, out: &mut Vec<String>) {
    let bounds = [
        ("smin", s.smin as u64, s.smin == i64::MIN),
        ("smax", s.smax as u64, s.smax == i64::MAX),
        ("umin", s.umin, s.umin == 0),
        ("umax", s.umax, s.umax == u64::MAX),
        ("smin32", signed32(s.s32_min), s.s32_min == i32::MIN),
        ("smax32", signed32(s.s32_max), s.s32_max == i32::MAX),
        ("umin32", s.u32_min.into(), s.u32_min == 0),
        ("umax32", s.u32_max.into(), s.u32_max == u32::MAX),
    ];
    let mut omit: Vec<bool> = bounds.iter().map(|b| b.2).collect();
    let negative = |i: usize| bounds[i].0.starts_with('s') && (bounds[i].1 as i64) < 0;
    for i in 0..bounds.len() {
        if omit[i] {
            continue;
        }
        let mut text = format!("{}=", bounds[i].0);
        for j in (i + 2..bounds.len()).step_by(2) {
            if !omit[j] && bounds[j].1 == bounds[i].1 && negative(i) == negative(j) {
                omit[j] = true;
                let _ = write!(text, "{}=", bounds[j].0);
            }
        }
        let v = bounds[i].1;
        text += &if bounds[i].0.starts_with('s') { signed(v as i64) } else { unsigned(v) };
        out.push(text);
    }
}

impl Env<'_> {
    fn show_map(map: &Arc<MapShape>, out: &mut Vec<String>) {
        if !map.name.is_empty() {
            out.push(format!("map={}", map.name));
        }
        out.push(format!("ks={}", map.key_size));
        out.push(format!("vs={}", map.value_size));
    }

    /// One register.
    pub(crate) fn show_reg(&self, frame: u32, r: &Reg) -> String {
        let p = if r.is_scalar() && r.precise { "P" } else { "" };
        let known = r.val.is_const().then(|| (r.val.var.value as i64).wrapping_add(r.off.into()));
        if r.is_scalar()
            && let Some(v) = known
        {
            return format!("{p}{}", signed(v));
        }
        let mut head = format!("{p}{}", self.type_word(r));
        if r.kind == Kind::Stack {
            if r.aux != frame {
                let _ = write!(head, "[{}]", r.aux);
            }
            if let Some(v) = known {
                return head + &signed(v);
            }
        }
        let mut parts = Vec::new();
        if r.id != 0 {
            let delta = if r.id & ADD_CONST != 0 { format!("{:+}", r.off) } else { String::new() };
            parts.push(format!("id={}{delta}", r.link()));
        }
        if r.ref_id != 0 {
            parts.push(format!("ref_obj_id={}", r.ref_id));
        }
        if matches!(r.kind, Kind::MapPtr | Kind::MapValue | Kind::MapKey) {
            Self::show_map(&self.maps[r.aux as usize], &mut parts);
        }
        if !r.is_scalar() && r.off != 0 {
            parts.push(format!("off={}", signed(r.off.into())));
        }
        if r.kind.is_packet() {
            // Linux numbers the two the other way round.
            let range = match r.range {
                BEYOND_PKT_END => i64::from(AT_PKT_END),
                AT_PKT_END => i64::from(BEYOND_PKT_END),
                other => other.into(),
            };
            parts.push(format!("r={}", unsigned(range as u64)));
        }
        if r.kind == Kind::Mem {
            parts.push(format!("sz={}", unsigned(r.aux.into())));
        }
        if r.val.is_const() {
            if r.val.var.value != 0 {
                parts.push(format!("imm={}", signed(r.val.var.value as i64)));
            }
        } else {
            ranges(&r.val, &mut parts);
            if !r.val.var.is_unknown() {
                parts.push(format!("var_off={}", show_tnum(r.val.var)));
            }
        }
        format!("{head}({})", parts.join(","))
    }

    fn show_frame(&self, f: &Frame, shown: Shown) -> String {
        let mut s = String::new();
        if f.frameno != 0 {
            let _ = write!(s, " frame{}:", f.frameno);
        }
        let regs = f.regs.iter().enumerate().filter(|(i, _)| shown.regs >> i & 1 != 0);
        for (i, r) in regs.filter(|(_, r)| r.kind != Kind::NotInit) {
            let _ = write!(s, " R{i}={}", self.show_reg(f.frameno, r));
        }
        for (i, slot) in f.stack.iter().enumerate() {
            if shown.slots >> i & 1 == 0 || slot.bytes.iter().all(|b| *b == Byte::Invalid) {
                continue;
            }
            let text = |bytes: &[Byte]| -> String {
                bytes
                    .iter()
                    .map(|b| match b {
                        Byte::Invalid => '?',
                        Byte::Spill => 'r',
                        Byte::Misc => 'm',
                        Byte::Zero => '0',
                        Byte::IrqFlag => 'f',
                    })
                    .collect()
            };
            let _ = write!(s, " fp{}=", -8 * (i as i64 + 1));
            if slot.is_spilled() {
                let above = slot.bytes.iter().position(|b| *b == Byte::Spill).unwrap_or(0);
                s += &text(&slot.bytes[..above]);
                s += &self.show_reg(f.frameno, &slot.reg);
            } else {
                s += &text(&slot.bytes);
            }
        }
        s
    }

    /// A part of the state of the running frame.
    pub(crate) fn show_state(&self, state: &State, shown: Shown) -> String {
        self.show_frame_of(state, state.cur(), shown)
    }

    /// The same of another frame.
    pub(crate) fn show_frame_of(&self, state: &State, frame: usize, shown: Shown) -> String {
        let mut s = self.show_frame(&state.frames[frame], shown);
        let refs: Vec<String> = state.holds.list.iter().map(|h| h.id.to_string()).collect();
        if !refs.is_empty() {
            let _ = write!(s, " refs={}", refs.join(","));
        }
        if state.frames[frame].in_callback {
            s += " cb";
        }
        if state.frames[frame].in_async {
            s += " async_cb";
        }
        s
    }
}
