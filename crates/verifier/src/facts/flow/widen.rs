//! Where bounds go that do not settle: to the next number that the program itself compares with or masks by.

use skep_isa::{AluOp, Op, Operand};

use crate::structure::Slot;
use crate::value::Scalar;

/// Numbers at which a growing bound stops, ascending.
pub(super) struct Steps {
    unsigned: Vec<u64>,
    signed: Vec<i64>,
}

/// More numbers than this are not kept: each is a stop at which the pass may go round once more.
const MOST: usize = 96;

impl Steps {
    /// The steps of a program.
    pub(super) fn new(slots: &[Slot]) -> Self {
        let mut signed: Vec<i64> = slots.iter().filter_map(constant).collect();
        signed.sort_unstable();
        signed.dedup();
        if signed.len() > MOST {
            let every = signed.len().div_ceil(MOST);
            signed = signed.into_iter().step_by(every).collect();
        }
        let beside = signed.iter().flat_map(|v| [v.saturating_sub(1), *v, v.saturating_add(1)]);
        let widths = [0, 0xff, 0xffff, i64::from(i32::MAX), i64::from(u32::MAX), i64::from(i32::MIN), -1];
        let mut signed: Vec<i64> = beside.chain(widths).collect();
        signed.sort_unstable();
        signed.dedup();
        let mut unsigned: Vec<u64> = signed.iter().map(|v| *v as u64).collect();
        unsigned.sort_unstable();
        Self { unsigned, signed }
    }

    /// No steps: bounds go to the end at once.
    pub(super) fn none() -> Self {
        Self { unsigned: Vec::new(), signed: Vec::new() }
    }

    fn up(&self, v: u64, most: u64) -> u64 {
        let at = self.unsigned.partition_point(|s| *s < v);
        self.unsigned.get(at).map_or(most, |s| (*s).min(most))
    }

    fn down(&self, v: u64) -> u64 {
        let at = self.unsigned.partition_point(|s| *s <= v);
        at.checked_sub(1).map_or(0, |i| self.unsigned[i])
    }

    fn up_signed(&self, v: i64, most: i64) -> i64 {
        let at = self.signed.partition_point(|s| *s < v);
        self.signed.get(at).map_or(most, |s| (*s).min(most))
    }

    fn down_signed(&self, v: i64, least: i64) -> i64 {
        let at = self.signed.partition_point(|s| *s <= v);
        at.checked_sub(1).map_or(least, |i| self.signed[i].max(least))
    }

    /// `new` holds `old`; bounds that differ go on to the next step.
    pub(super) fn widen(&self, old: &Scalar, new: &Scalar) -> Scalar {
        let mut w = *new;
        if new.umin != old.umin {
            w.umin = self.down(new.umin);
        }
        if new.umax != old.umax {
            w.umax = self.up(new.umax, u64::MAX);
        }
        if new.smin != old.smin {
            w.smin = self.down_signed(new.smin, i64::MIN);
        }
        if new.smax != old.smax {
            w.smax = self.up_signed(new.smax, i64::MAX);
        }
        if new.u32_min != old.u32_min {
            w.u32_min = self.down(new.u32_min.into()) as u32;
        }
        if new.u32_max != old.u32_max {
            w.u32_max = self.up(new.u32_max.into(), u32::MAX.into()) as u32;
        }
        if new.s32_min != old.s32_min {
            w.s32_min = self.down_signed(new.s32_min.into(), i32::MIN.into()) as i32;
        }
        if new.s32_max != old.s32_max {
            w.s32_max = self.up_signed(new.s32_max.into(), i32::MAX.into()) as i32;
        }
        w
    }
}

/// The constant of a comparison or a mask.
fn constant(slot: &Slot) -> Option<i64> {
    match slot {
        Slot::Op(
            Op::Branch { src: Operand::Imm(v), .. }
            | Op::Alu { op: AluOp::And | AluOp::Mod, src: Operand::Imm(v), .. },
        ) => Some(i64::from(*v)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_stop_at_the_next_step_and_end() {
        let steps = Steps { unsigned: vec![0, 10, 255], signed: vec![-1, 0, 10, 255] };
        let mut old = Scalar::constant(0);
        for v in [1_u64, 11, 300, 70_000] {
            let new = old.union(&Scalar::constant(v));
            let wide = steps.widen(&old, &new);
            assert!(wide.includes(&new), "{wide:?} {new:?}");
            old = wide;
        }
        assert_eq!((old.umin, old.umax, old.smax), (0, u64::MAX, i64::MAX));
        let wide = steps.widen(&Scalar::constant(0), &Scalar::constant(0).union(&Scalar::constant(1)));
        assert_eq!((wide.umax, wide.smax, wide.u32_max, wide.s32_max), (10, 10, 10, 10));
    }
}
