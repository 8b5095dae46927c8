//! Hooks: what a program of each kind is given, and what becomes of it. One file a kind of context.

pub(crate) mod plain;
pub(crate) mod skb;
pub(crate) mod socket;
pub(crate) mod tc;
pub(crate) mod xdp;

use skep_isa::Endian;
use skep_vm::{Memory, MemoryError, RegionId};

/// `ETH_HLEN`.
pub(crate) const ETH_HLEN: usize = 14;

/// Writes 32 bits into a context's bytes.
pub(crate) fn put32(bytes: &mut [u8], at: usize, value: u32, endian: Endian) {
    let value = match endian {
        Endian::Little => value.to_le_bytes(),
        Endian::Big => value.to_be_bytes(),
    };
    bytes[at..at + 4].copy_from_slice(&value);
}

/// Reads 32 bits of a context's bytes; 0 past their end.
pub(crate) fn get32(bytes: &[u8], at: usize, endian: Endian) -> u32 {
    let word = bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).unwrap_or([0; 4]);
    match endian {
        Endian::Little => u32::from_le_bytes(word),
        Endian::Big => u32::from_be_bytes(word),
    }
}

/// Makes the packet region at least `len` bytes long.
fn packet_room(memory: &mut Memory, len: usize) -> Result<(), MemoryError> {
    if memory.storage(RegionId::PACKET).is_none_or(|s| s.len() < len) {
        memory.replace(RegionId::PACKET, len)?;
    }
    Ok(())
}

/// The packet region's bytes; it always exists.
fn packet_mut(memory: &mut Memory) -> &mut [u8] {
    memory.storage_mut(RegionId::PACKET).unwrap_or(&mut [])
}
