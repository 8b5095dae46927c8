//! Filters that jump backwards, which Linux refuses: what libpcap makes of `protochain`.
//!
//! Such a loop follows what the packet says, and a packet can be made on which it never ends. So rounds are counted.

use super::packet::Packet;
use super::run::load_any;
use skep_isa::classic::{Ancillary, CheckError, Insn, MEM_WORDS, Op, Source, check_socket};

/// Jumps backwards before a packet is not taken: more than any chain of headers has, in 64 KiB.
const ROUNDS: u32 = 1 << 14;

/// A filter that may jump backwards, ready to run.
#[derive(Clone, Debug)]
pub struct LoopingFilter {
    ops: Box<[Op]>,
}

impl LoopingFilter {
    /// Checks a program as Linux checks socket filters, but for jumps backwards within it, and makes it ready.
    ///
    /// # Errors
    /// As Linux's; a jump out of the program is one, too.
    pub fn new(insns: &[Insn]) -> Result<Self, CheckError> {
        let mut straight = insns.to_vec();
        for (at, insn) in straight.iter_mut().enumerate() {
            let back = Op::Jump { k: insn.k };
            if Op::decode(*insn) == Some(back) && target(at, insn.k).is_some_and(|to| to <= at) {
                insn.k = 0;
            }
        }
        check_socket(&straight)?;
        Ok(Self { ops: insns.iter().filter_map(|&insn| Op::decode(insn)).collect() })
    }

    /// Runs it: how many bytes of the packet to keep, 0 for none.
    pub fn run(&self, packet: &Packet<'_>) -> u32 {
        self.walk(packet).unwrap_or(0)
    }

    fn walk(&self, packet: &Packet<'_>) -> Option<u32> {
        let (mut a, mut x, mut pc, mut rounds) = (0u32, 0u32, 0usize, 0);
        let mut mem = [0u32; MEM_WORDS];
        loop {
            let at = pc;
            pc += 1;
            match *self.ops.get(at)? {
                Op::LoadAbs { size, k } => match Ancillary::from_offset(k) {
                    Some(fact) => match super::facts::load(packet, fact, a, x) {
                        Some(value) => a = value,
                        None => return Some(a),
                    },
                    None => a = load_any(packet, k, size)?,
                },
                Op::LoadInd { size, k } => a = load_any(packet, x.wrapping_add(k), size)?,
                Op::LoadImm { k } => a = k,
                Op::LoadMem { k } => a = mem[k as usize % MEM_WORDS],
                Op::LoadLen => a = packet.len,
                Op::LoadxImm { k } => x = k,
                Op::LoadxMem { k } => x = mem[k as usize % MEM_WORDS],
                Op::LoadxLen => x = packet.len,
                Op::LoadxMsh { k } => x = (load_any(packet, k, skep_isa::classic::Size::B)? & 15) * 4,
                Op::Store { k } => mem[k as usize % MEM_WORDS] = a,
                Op::Storex { k } => mem[k as usize % MEM_WORDS] = x,
                Op::Alu { op, src } => a = op.apply(a, value(src, x))?,
                Op::Neg => a = a.wrapping_neg(),
                Op::Jump { k } => {
                    pc = target(at, k)?;
                    if pc <= at {
                        rounds += 1;
                        if rounds > ROUNDS {
                            return None;
                        }
                    }
                }
                Op::Branch { cond, src, jt, jf } => {
                    pc += usize::from(if cond.holds(a, value(src, x)) { jt } else { jf });
                }
                Op::RetK { k } => return Some(k),
                Op::RetA => return Some(a),
                Op::Tax => x = a,
                Op::Txa => a = x,
            }
        }
    }
}

fn value(src: Source, x: u32) -> u32 {
    match src {
        Source::K(k) => k,
        Source::X => x,
    }
}

/// Where an unconditional jump leads; its distance may be negative.
fn target(at: usize, k: u32) -> Option<usize> {
    (at + 1).checked_add_signed(k.cast_signed() as isize)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts X up to the packet's second byte, then returns it.
    fn counting() -> [Insn; 7] {
        [
            Insn::stmt(0x30, 1),
            Insn::stmt(0x02, 0),
            Insn::stmt(0x87, 0),
            Insn::stmt(0x04, 1),
            Insn::stmt(0x07, 0),
            Insn::jump(0x35, 200, 0, 0),
            Insn::stmt(0x16, 0),
        ]
    }

    #[test]
    fn loops_end_by_themselves_or_are_ended() {
        let mut program = counting().to_vec();
        // Up to 200, then on; before, back to `txa`.
        program[5] = Insn::jump(0x35, 200, 1, 0);
        program.insert(6, Insn::stmt(0x05, (-5i32).cast_unsigned()));
        let filter = LoopingFilter::new(&program).unwrap();
        assert_eq!(filter.run(&Packet::new(&[0, 9])), 200);
        program[5] = Insn::jump(0x35, u32::MAX, 1, 0);
        let endless = LoopingFilter::new(&program).unwrap();
        assert_eq!(endless.run(&Packet::new(&[0, 9])), 0, "ended");
        assert_eq!(filter.run(&Packet::new(&[0])), 0, "a load beyond the packet");
    }

    #[test]
    fn jumps_out_of_the_program_are_refused() {
        for k in [(-8i32).cast_unsigned(), 2, u32::MAX / 2] {
            let program = [Insn::stmt(0x05, k), Insn::stmt(0x06, 1)];
            assert!(LoopingFilter::new(&program).is_err(), "{k:#x}");
        }
        let program = [Insn::stmt(0x05, u32::MAX), Insn::stmt(0x06, 1)];
        assert_eq!(LoopingFilter::new(&program).map(|f| f.run(&Packet::new(&[]))), Ok(0));
    }
}
