//! Which registers may still be read: live variables, backwards over each subprogram.

use skep_isa::{AtomicOp, CallTarget, Op, Operand, Reg};

use super::{Aux, Slot, successors};

const CALLER_SAVED: u16 = 0b11_1111;

fn bit(r: Reg) -> u16 {
    1 << r.index()
}

fn operand(o: Operand) -> u16 {
    match o {
        Operand::Reg(r) => bit(r),
        Operand::Imm(_) => 0,
    }
}

/// Registers that a call takes, a bit each.
pub(crate) type Takes<'a> = &'a dyn Fn(CallTarget) -> u16;

/// Registers that an instruction reads, and those that it sets.
fn use_def(op: &Op, takes: Takes<'_>) -> (u16, u16) {
    match *op {
        Op::Alu { op: skep_isa::AluOp::Mov, dst, src, .. } => (operand(src), bit(dst)),
        Op::Alu { dst, src, .. } => (bit(dst) | operand(src), bit(dst)),
        Op::Movsx { dst, src, .. } | Op::AddrSpaceCast { dst, src, .. } => (bit(src), bit(dst)),
        Op::Neg { dst, .. } | Op::Swap { dst, .. } => (bit(dst), bit(dst)),
        Op::Load { dst, src, .. } | Op::LoadAcquire { dst, src, .. } => (bit(src), bit(dst)),
        Op::Store { dst, src, .. } => (bit(dst) | operand(src), 0),
        Op::StoreRelease { dst, src, .. } => (bit(dst) | bit(src), 0),
        Op::Atomic { op: AtomicOp::Cmpxchg, dst, src, .. } => (1 | bit(dst) | bit(src), 1),
        Op::Atomic { fetch, dst, src, .. } => (bit(dst) | bit(src), if fetch { bit(src) } else { 0 }),
        Op::LoadImm { dst, .. } => (0, bit(dst)),
        // Everything may matter: the packet is read through r6.
        Op::LoadAbs { .. } | Op::LoadInd { .. } => (u16::MAX, 0),
        Op::Jump { .. } | Op::MayGoto { .. } => (0, 0),
        Op::Branch { dst, src, .. } => (bit(dst) | operand(src), 0),
        Op::Exit => (1, 0),
        Op::Call(target) => (takes(target), CALLER_SAVED),
    }
}

/// Fills [`Aux::live`] for each slot.
pub(crate) fn live_registers(slots: &[Slot], aux: &mut [Aux], takes: Takes<'_>) {
    let effects: Vec<(u16, u16)> = slots
        .iter()
        .map(|s| match s {
            Slot::Op(op) => use_def(op, takes),
            Slot::Half => (0, 0),
            Slot::Bad(_, Some(op)) => use_def(op, takes),
            Slot::Bad(..) => (u16::MAX, 0),
        })
        .collect();
    let live = flow(slots, &effects);
    for (aux, live) in aux.iter_mut().zip(live) {
        aux.live = live;
    }
}

/// The lowest register that some path reads before it sets it, if only those in `given` (a bit each) are set at the
/// start. What calls read is not known without their prototypes: they count as reading nothing.
pub(crate) fn unset_register(slots: &[Slot], given: u16) -> Option<u8> {
    let effects: Vec<(u16, u16)> = slots
        .iter()
        .map(|s| match s {
            Slot::Op(Op::LoadAbs { .. } | Op::LoadInd { .. }) => (0, CALLER_SAVED),
            Slot::Op(op) => use_def(op, &|_| 0),
            Slot::Half | Slot::Bad(..) => (0, 0),
        })
        .collect();
    let unset = flow(slots, &effects).first()? & !given;
    (unset != 0).then(|| unset.trailing_zeros() as u8)
}

/// Registers that may be read from each slot on, given what each slot reads and sets.
///
/// A slot is looked at again only when more became live behind it, so at most once for each register and successor.
fn flow(slots: &[Slot], effects: &[(u16, u16)]) -> Vec<u16> {
    let mut before = vec![Vec::new(); slots.len()];
    for i in 0..slots.len() {
        successors(slots, i).for_each(|s| before[s].push(i as u32));
    }
    let mut live = vec![0; slots.len()];
    let mut due: Vec<u32> = (0..slots.len() as u32).collect();
    let mut is_due = vec![true; slots.len()];
    while let Some(i) = due.pop() {
        let i = i as usize;
        is_due[i] = false;
        let after = successors(slots, i).fold(0, |acc, s| acc | live[s]);
        let (uses, defs) = effects[i];
        let now = after & !defs | uses;
        if now != live[i] {
            live[i] = now;
            for p in &before[i] {
                if !std::mem::replace(&mut is_due[*p as usize], true) {
                    due.push(*p);
                }
            }
        }
    }
    live
}

#[cfg(test)]
mod tests {
    use skep_isa::Insn;

    use super::super::{Aux, decode_slots};
    use super::{flow, live_registers, use_def};
    use crate::structure::{Slot, successors};

    /// `r1 = r2`, `if r1 == 0 goto`, `goto`, `exit`.
    fn insn(n: u32, off: i16) -> Insn {
        let (dst, src) = ((n >> 4 & 7) as u8, (n >> 8 & 7) as u8);
        match n % 4 {
            0 => Insn { opcode: 0xbf, dst, src, off: 0, imm: 0 },
            1 => Insn { opcode: 0x0f, dst, src, off: 0, imm: 0 },
            2 => Insn { opcode: 0x15, dst, src: 0, off, imm: 0 },
            _ => Insn { opcode: 0xb7, dst, src: 0, off: 0, imm: 1 },
        }
    }

    /// The same as rounds over all slots until nothing changes.
    #[test]
    fn one_pass_finds_what_rounds_find() {
        let mut seed = 1_u32;
        let mut next = || {
            seed ^= seed << 13;
            seed ^= seed >> 17;
            seed ^= seed << 5;
            seed
        };
        for _ in 0..200 {
            let n = 4 + next() % 40;
            let mut insns: Vec<Insn> =
                (0..n).map(|i| insn(next(), (next() % n) as i16 - i as i16 - 1)).collect();
            insns.push(Insn { opcode: 0x95, ..Insn::default() });
            let slots = decode_slots(&insns);
            let effects: Vec<(u16, u16)> = slots
                .iter()
                .map(|s| if let Slot::Op(op) = s { use_def(op, &|_| 0) } else { (0, 0) })
                .collect();
            let mut rounds = vec![0_u16; slots.len()];
            loop {
                let before = rounds.clone();
                for i in (0..slots.len()).rev() {
                    let after = successors(&slots, i).fold(0, |a, s| a | rounds[s]);
                    rounds[i] = after & !effects[i].1 | effects[i].0;
                }
                if rounds == before {
                    break;
                }
            }
            assert_eq!(flow(&slots, &effects), rounds);
        }
    }

    /// Half a million jumps back, each of which would be a round of its own.
    #[test]
    fn long_programs_take_one_pass() {
        let mut insns = vec![Insn { opcode: 0xb7, dst: 0, ..Insn::default() }];
        for i in 0..250_000 {
            insns.push(Insn { opcode: 0xbf, dst: (i % 5 + 1) as u8, src: (i % 4 + 6) as u8, off: 0, imm: 0 });
            insns.push(Insn { opcode: 0x15, dst: 0, src: 0, off: -2, imm: 7 });
        }
        insns.push(Insn { opcode: 0x95, ..Insn::default() });
        let slots = decode_slots(&insns);
        let mut aux = vec![Aux::default(); slots.len()];
        live_registers(&slots, &mut aux, &|_| 0);
        // r0 from the beginning on, and what the copies read.
        assert_eq!(aux[1].live, 0b11_1100_0001);
        assert_eq!(aux[500_001].live, 1);
    }
}
