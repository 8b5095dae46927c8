//! What was emitted is read back by another's decoder.

use skep_isa::asm::{Dialect, assemble};
use skep_isa::{Endian, Insn, Op};

use crate::host::Imports;
use crate::image::{Engine, Image, Missing, Options};
use crate::jit::every;
use crate::memory::RegionId;

/// Every instruction of a piece of code decodes, they fill it, and jumps lead to the start of one, or out to the code that
/// programs share.
fn tiles(code: &[u8]) {
    let mut decoder = iced_x86::Decoder::with_ip(64, code, 0, iced_x86::DecoderOptions::NONE);
    let (mut starts, mut targets) = (std::collections::HashSet::new(), Vec::new());
    let mut at = 0;
    while decoder.can_decode() {
        let insn = decoder.decode();
        assert!(!insn.is_invalid(), "byte {at}: {:x?}", &code[at..code.len().min(at + 15)]);
        starts.insert(at as u64);
        at += insn.len();
        use iced_x86::FlowControl::{Call, ConditionalBranch, UnconditionalBranch};
        if matches!(insn.flow_control(), Call | ConditionalBranch | UnconditionalBranch) {
            targets.push(insn.near_branch_target());
        }
    }
    assert_eq!(at, code.len());
    targets.retain(|t| *t < code.len() as u64);
    assert!(targets.iter().all(|t| starts.contains(t)), "a jump into the middle of an instruction");
}

struct All;

impl Imports for All {
    fn helper(&self, id: i32) -> Option<u32> {
        u32::try_from(id).ok()
    }
}

fn check(ops: &[Op]) {
    let mut insns: Vec<Insn> =
        ops.iter().flat_map(|op| op.encode().expect("an operation of the table").to_vec()).collect();
    insns.extend(Op::Exit.encode().expect("exit").to_vec());
    for endian in [Endian::Little, Endian::Big] {
        let arena = Some(RegionId::PACKET);
        let options =
            Options { endian, arena, engine: Engine::Jit, missing: Missing::Trap, ..Options::default() };
        let image = Image::new(&insns, &All, &options).expect("an image");
        tiles(image.machine_code().expect("machine code"));
    }
}

#[test]
fn arithmetic_tiles() {
    every::arithmetic().for_each(|ops| check(&ops));
}

#[test]
fn moves_and_byte_order_tile() {
    check(&every::moves_and_byte_order());
}

#[test]
fn accesses_tile() {
    every::accesses().for_each(|ops| check(&ops));
}

#[test]
fn atomics_tile() {
    check(&every::atomics());
}

#[test]
fn branches_and_calls_tile() {
    check(&every::branches());
    let options = Options { engine: Engine::Jit, ..Options::default() };
    let image = assemble(every::CALLS, Dialect::Kernel).expect("assembles");
    let image = Image::new(&image.insns, &All, &options).expect("an image");
    tiles(image.machine_code().expect("machine code"));
}
