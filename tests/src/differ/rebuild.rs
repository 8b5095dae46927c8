//! Programs with other code in the place of some of theirs: a difference with as few instructions as show it, and what
//! [`super::known`] needs. Jumps keep their targets.

use skep_isa::Insn;

use super::{Found, Generated, Use, Verdict, Worlds};

/// A jump to the next instruction.
const NOTHING: Insn = Insn { opcode: 0x05, dst: 0, src: 0, off: 0, imm: 0 };

/// Whether an instruction goes elsewhere, and whether the distance stands in the immediate.
fn distance(insn: &Insn) -> Option<(i64, bool)> {
    const CALL: u8 = 0x85;
    const EXIT: u8 = 0x95;
    const LONG: u8 = 0x06;
    match insn.opcode {
        CALL if insn.src == 1 => Some((i64::from(insn.imm), true)),
        CALL | EXIT => None,
        LONG => Some((i64::from(insn.imm), true)),
        op if matches!(op & 7, 5 | 6) => Some((i64::from(insn.off), false)),
        _ => None,
    }
}

impl Generated {
    /// The same with each instruction for which `other` has a replacement replaced. Jumps within a replacement stay as
    /// they are; jumps to an instruction go to what stands for it.
    pub(super) fn rebuilt(&self, other: impl Fn(usize, &Insn) -> Option<Vec<Insn>>) -> Self {
        let (mut blocks, mut starts, mut at, mut second) = (Vec::new(), Vec::new(), 0, false);
        for (slot, insn) in self.insns.iter().enumerate() {
            let block = if second { None } else { other(slot, insn) };
            starts.push(at);
            at += block.as_ref().map_or(1, Vec::len);
            blocks.push(block);
            second = !second && insn.is_wide();
        }
        starts.push(at);
        let place =
            |slot: i64| usize::try_from(slot).ok().and_then(|s| starts.get(s)).map_or(0, |n| *n as i64);
        let (mut insns, mut second) = (Vec::new(), false);
        for (slot, (insn, block)) in self.insns.iter().zip(blocks).enumerate() {
            let (mut insn, is_second) = (*insn, second);
            second = !second && insn.is_wide();
            if let Some(block) = block {
                insns.extend(block);
                continue;
            }
            if let Some((by, long)) = distance(&insn).filter(|_| !is_second) {
                let by = place(slot as i64 + 1 + by) - place(slot as i64) - 1;
                if long { insn.imm = by as i32 } else { insn.off = by as i16 }
            }
            insns.push(insn);
        }
        let maps = self.maps.iter().map(|u| Use { slot: starts[u.slot], ..*u }).collect();
        Self { insns, maps, ..self.clone() }
    }

    /// The same without jumps to the next instruction.
    fn compacted(&self) -> Self {
        self.rebuilt(|_, insn| (*insn == NOTHING).then(Vec::new))
    }
}

/// Whether taking an instruction out could let a program see what no world promises: memory that nothing was written
/// to, or an address.
fn sets_up(slot: usize, insn: Insn) -> bool {
    const PROLOGUE: usize = 14;
    const CLASS: u8 = 7;
    const LDX: u8 = 1;
    const CONSTANTS: [u8; 3] = [0x18, 0x7a, 0xb7];
    slot < PROLOGUE || CONSTANTS.contains(&insn.opcode) || insn.opcode & CLASS == LDX
}

impl Found {
    /// The same difference with as many instructions as possible taken out.
    ///
    /// # Errors
    /// As for [`Worlds::compare`].
    pub fn reduced(mut self, worlds: &Worlds) -> Result<Self, String> {
        loop {
            let before = self.program.insns.clone();
            for slot in (0..before.len()).rev() {
                let wide = before[slot].is_wide();
                let second = slot > 0 && before[slot - 1].is_wide();
                if self.program.insns[slot] == NOTHING || second || sets_up(slot, before[slot]) {
                    continue;
                }
                let mut program = self.program.clone();
                program.insns[slot..=slot + usize::from(wide)].fill(NOTHING);
                program.maps.retain(|u| u.slot != slot);
                if let Verdict::Different(found) = worlds.compare_program(self.seed, program)? {
                    self = *found;
                }
            }
            if self.program.insns == before {
                let compacted = self.program.compacted();
                return Ok(match worlds.compare_program(self.seed, compacted)? {
                    Verdict::Different(found) => *found,
                    _ => self,
                });
            }
        }
    }
}
