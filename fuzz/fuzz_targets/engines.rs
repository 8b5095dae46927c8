//! Arbitrary instructions in the interpreter and in compiled code: the same result or trap, registers, memory, budget.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skep::isa::{Endian, Insn};
use skep::vm::{Engine, Image, Machine, Memory, Missing, Options, Protection, Trap};

type Seen = (Result<u64, Trap>, [u64; 11], u64, Vec<u8>);

fn run(insns: &[Insn], endian: Endian, engine: Engine) -> Option<Seen> {
    let mut memory = Memory::new(endian);
    let region = memory.add(64, Protection::ReadWrite).ok()?;
    let options = Options { endian, engine, missing: Missing::Trap, ..Options::default() };
    let image = Image::new(insns, &(), &options).ok()?;
    let mut machine = Machine::new();
    machine.set_budget(10_000);
    machine.set_may_goto_limit(20);
    let result = machine.run(&image, &mut memory, &mut (), [region.base(), 64, 3, 4, 5]);
    Some((result, machine.registers(), machine.charged(), memory.storage(region)?.to_vec()))
}

fuzz_target!(|data: &[u8]| {
    let Some((first, code)) = data.split_first() else { return };
    let endian = if first & 1 == 1 { Endian::Big } else { Endian::Little };
    let Ok(insns) = skep::isa::slots_from_bytes(&code[..code.len() / 8 * 8], endian) else { return };
    assert_eq!(run(&insns, endian, Engine::Jit), run(&insns, endian, Engine::Interpreter));
});
