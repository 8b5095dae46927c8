//! Running a filter on a call, as the kernel does.

use skep_isa::classic::{CheckError, Insn, MEM_WORDS, Op, Source, check_seccomp};

use super::{Action, Call};

/// The 16 words of `struct seccomp_data`, as a little-endian machine lays them out.
pub(super) fn words(call: &Call) -> [u32; 16] {
    let mut words = [0; 16];
    words[0] = call.number;
    words[1] = call.arch;
    let wide = [call.instruction_pointer].into_iter().chain(call.args);
    for (pair, value) in words[2..].chunks_exact_mut(2).zip(wide) {
        pair.copy_from_slice(&[value as u32, (value >> 32) as u32]);
    }
    words
}

/// What a filter does to a call, and the indices of the instructions that it ran.
///
/// # Errors
/// If seccomp(2) would not take the filter.
pub fn run(insns: &[Insn], call: &Call) -> Result<(Action, Vec<usize>), CheckError> {
    check_seccomp(insns)?;
    let words = words(call);
    let (mut a, mut x, mut memory) = (0u32, 0u32, [0u32; MEM_WORDS]);
    let mut path = Vec::new();
    let mut pc = 0;
    // The check has seen to it that jumps go forward and that every path ends in a return.
    while let Some(op) = insns.get(pc).and_then(|&i| Op::decode(i)) {
        path.push(pc);
        pc += 1;
        let of = |src, x| match src {
            Source::K(k) => k,
            Source::X => x,
        };
        match op {
            Op::LoadAbs { k, .. } => a = words[k as usize / 4 % 16],
            Op::LoadImm { k } => a = k,
            Op::LoadxImm { k } => x = k,
            Op::LoadLen => a = 64,
            Op::LoadxLen => x = 64,
            Op::LoadMem { k } => a = memory[k as usize % MEM_WORDS],
            Op::LoadxMem { k } => x = memory[k as usize % MEM_WORDS],
            Op::Store { k } => memory[k as usize % MEM_WORDS] = a,
            Op::Storex { k } => memory[k as usize % MEM_WORDS] = x,
            Op::Tax => x = a,
            Op::Txa => a = x,
            Op::Neg => a = a.wrapping_neg(),
            Op::Alu { op, src } => match op.apply(a, of(src, x)) {
                Some(result) => a = result,
                None => return Ok((Action::from_value(0), path)),
            },
            Op::Jump { k } => pc += k as usize,
            Op::Branch { cond, src, jt, jf } => {
                pc += usize::from(if cond.holds(a, of(src, x)) { jt } else { jf });
            }
            Op::RetK { k } => return Ok((Action::from_value(k), path)),
            Op::RetA => return Ok((Action::from_value(a), path)),
            // Not seccomp's.
            Op::LoadInd { .. } | Op::LoadxMsh { .. } => break,
        }
    }
    Ok((Action::KillThread, path))
}
