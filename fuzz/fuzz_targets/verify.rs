//! Any bytes as a program to verify: a verdict comes back, and a refusal names a slot of the program.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skep_abi::{AttachType, ProgType};
use skep_isa::{Endian, Insn, slots_from_bytes};
use skep_verifier::{Privilege, Task, Verdict, verify};

fuzz_target!(|data: &[u8]| {
    let Some((&first, bytes)) = data.split_first() else { return };
    // Longer programs only take longer.
    let whole = &bytes[..bytes.len().min(64 * Insn::BYTES) / Insn::BYTES * Insn::BYTES];
    let Ok(insns) = slots_from_bytes(whole, Endian::Little) else { return };
    let len = insns.len();
    let task = Task {
        name: String::new(),
        prog_type: ProgType(u32::from(first % 33)),
        attach_type: AttachType(0),
        flags: 0,
        gpl: true,
        insns,
        maps: Vec::new(),
        btf: None,
        func_info: Vec::new(),
        vmlinux: None,
        attach_func: None,
        privilege: Privilege::Root,
        cpus: 2,
        kfuncs: Vec::new(),
    };
    if let Verdict::Reject(r) = verify(&task).verdict {
        assert!(r.insn <= len, "{r:?}");
    }
});
