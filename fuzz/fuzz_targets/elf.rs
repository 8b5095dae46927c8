//! Any bytes as an object: reading it neither panics nor passes its limits, and what it gives is consistent.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skep_object::{InitialRef, Limits, RelocTarget, Spec, core};

fuzz_target!(|data: &[u8]| {
    let limits = Limits { bytes: 16 << 20, ..Limits::default() };
    let Ok(mut spec) = Spec::from_elf_within(data, &limits) else { return };
    for program in &spec.programs {
        for reloc in &program.relocs {
            assert!(reloc.insn < program.insns.len());
            match reloc.target {
                RelocTarget::Map(map) | RelocTarget::MapValue { map, .. } => assert!(map < spec.maps.len()),
                RelocTarget::Extern(index) => assert!(index < spec.externs.len()),
                RelocTarget::Func(start) => assert!(program.func_info.iter().any(|f| f.insn == start)),
            }
        }
    }
    for (_, target) in spec.maps.iter().flat_map(|m| &m.initial_refs) {
        match *target {
            InitialRef::Map(map) => assert!(map < spec.maps.len()),
            InitialRef::Program(program) => assert!(program < spec.programs.len()),
        }
    }
    if let Some(btf) = spec.btf.take() {
        for program in &mut spec.programs {
            core::relocate(program, &btf, &btf);
        }
    }
});
