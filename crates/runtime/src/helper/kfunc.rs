//! Kernel functions that open and close sections. One program runs at a time, on one CPU that nothing interrupts: there is
//! nothing to switch off, only the processor's flags to keep where the program wants them.

use skep_vm::{Frame, Stop};

use super::Run;
use crate::env::Env;

/// Every kernel function of this world, by name. The machine calls them by their place here, from [`FIRST`] on.
static ROWS: &[(&str, Run)] = &[
    ("bpf_rcu_read_lock", section),
    ("bpf_rcu_read_unlock", section),
    ("bpf_preempt_disable", section),
    ("bpf_preempt_enable", section),
    ("bpf_local_irq_save", local_irq_save),
    ("bpf_local_irq_restore", local_irq_restore),
];

/// The index of the first, behind those of the helpers.
const FIRST: u32 = 1 << 16;

/// The index under which programs call the function with this name.
pub(super) fn find(name: &str) -> Option<u32> {
    ROWS.iter().position(|(n, _)| *n == name).map(|i| FIRST + i as u32)
}

/// The function at an index.
pub(crate) fn get(index: u32) -> Option<Run> {
    let row = ROWS.get(index.checked_sub(FIRST)? as usize)?;
    Some(row.1)
}

/// `void bpf_rcu_read_lock(void)` and its like.
fn section(_: &mut Env, _: &mut Frame<'_>, _: [u64; 5]) -> Result<u64, Stop> {
    Ok(0)
}

/// What the flags of an x86 processor say while it can be interrupted (`X86_EFLAGS_IF`).
const INTERRUPTS_ON: u64 = 0x200;

/// `void bpf_local_irq_save(unsigned long *flags)`
fn local_irq_save(_: &mut Env, frame: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    frame.memory.slice_mut(args[0], 8)?.copy_from_slice(&INTERRUPTS_ON.to_le_bytes());
    Ok(0)
}

/// `void bpf_local_irq_restore(unsigned long *flags)`
fn local_irq_restore(_: &mut Env, frame: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    frame.memory.read(args[0], 8)?;
    Ok(0)
}
