//! Putting a [`CorePatch`] into an instruction.

use skep_isa::Insn;

use super::{CoreError, CorePatch};

/// The number of the helper that a poisoned instruction calls, which does not exist: 0xbad2310, "bad
/// relo". A verifier that reaches it complains of `unknown#195896080`.
pub const POISON: i32 = 0x0bad_2310;

const CALL: u8 = 0x85;

/// What [`apply`] did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Applied {
    /// The slot before.
    pub before: Insn,
    /// The second slot before, for wide loads.
    pub second_before: Option<Insn>,
    /// Whether it was poisoned.
    pub poisoned: bool,
}

/// Changes the instruction at `slot`: the immediate of arithmetic, the offset (and size) of a load or
/// store, both halves of a wide load; or replaces it by a call that no verifier accepts.
///
/// # Errors
/// If the instruction is of another sort, does not hold the value that the patch expects, or has no room
/// for the new one.
pub fn apply(insns: &mut [Insn], slot: usize, patch: &CorePatch) -> Result<Applied, CoreError> {
    let fail = |why: String| CoreError::new(format!("instruction {slot}: {why}"));
    let before = *insns.get(slot).ok_or_else(|| fail("is outside the program".into()))?;
    let second_before = if before.is_wide() {
        Some(*insns.get(slot + 1).ok_or_else(|| fail("is a wide load without its second half".into()))?)
    } else {
        None
    };
    let mut done = Applied { before, second_before, poisoned: false };
    if patch.poison {
        done.poisoned = true;
    } else {
        let conflict = change(&mut insns[slot..], patch).map_err(fail)?;
        done.poisoned = conflict;
    }
    if done.poisoned {
        let call = Insn { opcode: CALL, imm: POISON, ..Insn::default() };
        insns[slot] = call;
        if second_before.is_some() {
            insns[slot + 1] = call;
        }
    }
    Ok(done)
}

/// Changes the first instruction, or says (`true`) that it must be poisoned.
fn change(insns: &mut [Insn], patch: &CorePatch) -> Result<bool, String> {
    let (first, rest) = insns.split_first_mut().ok_or("is outside the program")?;
    match first.opcode & 7 {
        0x04 | 0x07 => {
            if first.opcode & 0x08 != 0 {
                return Err("takes no immediate".into());
            }
            expect(i64::from(first.imm) as u64, patch)?;
            if patch.is_wide() {
                return Err(format!("the new value {:#x} does not fit in 32 bits", patch.new));
            }
            first.imm = patch.new as i32;
            Ok(false)
        }
        0x01..=0x03 => access(first, patch),
        0x00 => {
            let plain = Insn { opcode: 0x18, dst: first.dst, imm: first.imm, ..Insn::default() };
            let second = rest.first_mut().filter(|s| **s == Insn { imm: s.imm, ..Insn::default() });
            let Some(second) = second.filter(|_| *first == plain) else {
                return Err("is not a plain wide load".into());
            };
            expect(u64::from(second.imm as u32) << 32 | u64::from(first.imm as u32), patch)?;
            first.imm = patch.new as u32 as i32;
            second.imm = (patch.new >> 32) as u32 as i32;
            Ok(false)
        }
        _ => Err(format!("opcode {:#04x} can't be relocated", first.opcode)),
    }
}

fn expect(holds: u64, patch: &CorePatch) -> Result<(), String> {
    if patch.validate && holds != patch.orig {
        return Err(format!("holds {} where the types say {}", holds as i64, patch.orig as i64));
    }
    Ok(())
}

/// A load or store: offset and size.
fn access(insn: &mut Insn, patch: &CorePatch) -> Result<bool, String> {
    expect(i64::from(insn.off) as u64, patch)?;
    let off = i16::try_from(patch.new)
        .map_err(|_| format!("the new offset {} does not fit in 16 bits", patch.new))?;
    if patch.size_conflict {
        return Ok(true);
    }
    let (old, new) = patch.access_size;
    if old != new {
        let holds = [4, 2, 1, 8][usize::from(insn.opcode >> 3 & 3)];
        if holds != old {
            return Err(format!("accesses {holds} bytes where the types say {old}"));
        }
        let size = match new {
            4 => 0x00,
            2 => 0x08,
            1 => 0x10,
            8 => 0x18,
            _ => return Err(format!("no access has the new size, {new} bytes")),
        };
        insn.opcode = insn.opcode & !0x18 | size;
    }
    insn.off = off;
    Ok(false)
}
