//! The virtual addresses that programs see: which region they name, and those that name no memory.
//!
//! The layout is told in [`crate::memory`].

/// Address of the first byte of the packet region's storage.
pub const PACKET_BASE: u64 = 0x1_0000;
/// Bytes of a stack frame (`MAX_BPF_STACK`).
pub const FRAME_BYTES: usize = 512;
/// How many frames may be live at once (`MAX_CALL_FRAMES`).
pub const MAX_FRAMES: usize = 8;

const MAP_HANDLES: u64 = 0xffff_8000_0000_0000;
const FUNCTIONS: u64 = 0xffff_9000_0000_0000;
/// Region numbers stay below this, clear of the handles.
pub(crate) const MAX_REGIONS: usize = 1 << 24;

/// The address that stands for map number `index`: no memory, only a name that helpers understand.
pub const fn map_handle(index: u32) -> u64 {
    MAP_HANDLES + ((index as u64) << 4)
}

/// The map that an address names, if it is the start of a handle.
pub const fn map_index(addr: u64) -> Option<u32> {
    let off = addr.wrapping_sub(MAP_HANDLES);
    if off < 1 << 36 && off & 15 == 0 { Some((off >> 4) as u32) } else { None }
}

/// The address of the function that begins at `slot`.
pub const fn function_address(slot: u32) -> u64 {
    FUNCTIONS + ((slot as u64) << 3)
}

/// The slot that a function address names.
pub const fn function_slot(addr: u64) -> Option<u32> {
    let off = addr.wrapping_sub(FUNCTIONS);
    if off < 1 << 35 && off & 7 == 0 { Some((off >> 3) as u32) } else { None }
}

/// The number of a region.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RegionId(pub(crate) u32);

impl RegionId {
    /// The packet.
    pub const PACKET: Self = Self(0);

    /// The stack frame at this depth, 0 for the program's first.
    #[inline]
    pub const fn frame(depth: usize) -> Self {
        Self(1 + (depth % MAX_FRAMES) as u32)
    }

    /// The address of the first byte of its storage.
    #[inline]
    pub const fn base(self) -> u64 {
        if self.0 == 0 { PACKET_BASE } else { (self.0 as u64) << 32 }
    }

    /// The region that an address would lie in.
    #[inline]
    pub const fn of(addr: u64) -> Option<Self> {
        let n = addr >> 32;
        if n < MAX_REGIONS as u64 { Some(Self(n as u32)) } else { None }
    }
}
