//! Programs that take no packet: plain memory as uBPF and rbpf pass it (r1 the memory, r2 its length), or a raw
//! context (r1 the context).

use skep_vm::{Memory, MemoryError, RegionId};

/// Puts bytes into a region that is made for them, and kept for the next run.
pub(crate) fn lay(memory: &mut Memory, region: RegionId, bytes: &[u8]) -> Result<(), MemoryError> {
    if memory.storage(region).is_none_or(|s| s.len() != bytes.len()) {
        memory.replace(region, bytes.len())?;
    }
    memory.storage_mut(region)?.copy_from_slice(bytes);
    Ok(())
}
