//! A program as both verifiers get it, with maps and functions by index.

use skep_abi::{AttachType, ProgType};
use skep_isa::Insn;

/// Opcode of a wide load.
pub(super) const WIDE: u8 = 0x18;
/// Opcode of a call.
pub(super) const CALL: u8 = 0x85;
/// Opcode of an exit.
pub(super) const EXIT: u8 = 0x95;
/// Source of a wide load of a map, of a map's value, of a function.
pub(super) const MAP: u8 = 1;
pub(super) const MAP_VALUE: u8 = 2;
pub(super) const FUNCTION: u8 = 4;
/// Source of a call of a function of the program, and of a kernel function.
pub(super) const SUBPROG: u8 = 1;
pub(super) const KFUNC: u8 = 2;

/// A random program.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its type.
    pub prog_type: ProgType,
    /// Its attach type.
    pub attach_type: AttachType,
    /// Its flags.
    pub flags: u32,
    /// Its instructions; wide loads of maps hold a map's index in `imm`, calls of kernel functions theirs.
    pub insns: Vec<Insn>,
    /// First slot and type of each function, by index; empty where the program has no types.
    pub funcs: Vec<(usize, u32)>,
}

impl Program {
    /// Slots that are the second half of a wide load.
    pub(super) fn halves(&self) -> Vec<bool> {
        let mut wide = false;
        let half = |i: &Insn| {
            let second = wide;
            wide = i.opcode == WIDE && !second;
            second
        };
        self.insns.iter().map(half).collect()
    }

    /// The slot that a jump, call or address of a function at `at` names, if there is one.
    fn target(&self, at: usize) -> Option<i64> {
        let i = &self.insns[at];
        let by = match i.opcode {
            CALL if i.src == SUBPROG => i64::from(i.imm),
            WIDE if i.src == FUNCTION => i64::from(i.imm),
            CALL | EXIT => return None,
            0x06 => i64::from(i.imm),
            o if matches!(o & 7, 5 | 6) => i64::from(i.off),
            _ => return None,
        };
        Some(at as i64 + 1 + by)
    }

    fn aim(&mut self, at: usize, target: i64) {
        let by = target - at as i64 - 1;
        let i = &mut self.insns[at];
        match i.opcode {
            CALL | 0x06 => i.imm = by as i32,
            WIDE => i.imm = by as i32,
            _ => i.off = by as i16,
        }
    }

    /// Puts other instructions in the place of `count` slots from `at` on; jumps go on to where they went.
    pub(super) fn splice(&mut self, at: usize, count: usize, new: &[Insn]) {
        let (count, halves) = (count.min(self.insns.len() - at), self.halves());
        let delta = new.len() as i64 - count as i64;
        let moved = |t: i64| match t {
            t if t <= at as i64 => t,
            t if t < (at + count) as i64 => at as i64,
            t => t + delta,
        };
        let targets: Vec<Option<i64>> =
            (0..self.insns.len()).map(|n| self.target(n).filter(|_| !halves[n])).collect();
        self.insns.splice(at..at + count, new.iter().copied());
        for (old, target) in targets.iter().enumerate() {
            let inside = old >= at && old < at + count;
            if let (Some(target), false) = (target, inside) {
                let here = if old < at { old } else { (old as i64 + delta) as usize };
                self.aim(here, moved(*target));
            }
        }
        for (start, _) in &mut self.funcs {
            *start = moved(*start as i64) as usize;
        }
        self.funcs.dedup_by_key(|f| f.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insn(opcode: u8, off: i16) -> Insn {
        Insn { opcode, dst: 0, src: 0, off, imm: 0 }
    }

    #[test]
    fn jumps_go_on_to_where_they_went() {
        let insns = vec![insn(0x05, 2), insn(0xb7, 0), insn(0xb7, 0), insn(EXIT, 0)];
        let mut p = Program {
            prog_type: ProgType::XDP,
            attach_type: AttachType(0),
            flags: 0,
            insns,
            funcs: vec![(0, 0), (3, 1)],
        };
        p.splice(1, 1, &[]);
        assert_eq!((p.insns[0].off, p.funcs[1].0), (1, 2));
        p.splice(1, 0, &[insn(0xb7, 0), insn(0xb7, 0)]);
        assert_eq!((p.insns[0].off, p.funcs[1].0), (3, 4));
    }
}
