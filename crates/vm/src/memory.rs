//! What a program can touch: regions of bytes at 64-bit virtual addresses.
//!
//! The upper 32 bits of an address are the number of a region, the lower 32 an offset in it. A program never
//! sees a host address, and an address that it makes up reaches a region's visible window or traps.
//!
//! - Region 0 is the packet. Its storage begins at [`PACKET_BASE`] and ends below 2^32, so that the 32-bit
//!   fields of `xdp_md` and `__sk_buff` hold true addresses. What lies under [`PACKET_BASE`] is never mapped.
//! - Regions 1 to 8 are the stack frames, [`FRAME_BYTES`] each; `r10` points one past the end of a frame. A frame that
//!   no call of the run has opened is out of reach; one that was left still holds what it held.
//! - The others are the embedder's: contexts, plain memory, one per map for its values.
//! - [`map_handle`] and [`function_address`] give addresses in ranges where no region can be.
//!
//! Where the system has one to give, all storage lies in a [`Cage`], so that a virtual address is a distance from its
//! base.
//!
//! Invariants. `ways`, and those of the cage's [`Head`], cache a region for each base register: an entry is a copy of
//! a region in the table, or empty. Whatever changes a region's storage, window or protection empties them all. While the
//! memory is borrowed, storage does not move.

use std::ops::Range;

use skep_isa::Endian;

use crate::address::MAX_REGIONS;
pub use crate::address::{
    FRAME_BYTES, MAX_FRAMES, PACKET_BASE, RegionId, function_address, function_slot, map_handle, map_index,
};
use crate::cage::{Cage, FIRST_REGIONS, MOST_REGIONS};
use crate::gate::{Gate, WAYS, Way};
use crate::head::Head;
use crate::slab::Slab;
use crate::trap::{Fault, FaultKind, Near};

/// What programs may do with a region.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Protection {
    /// Read.
    ReadOnly,
    /// Read and write.
    ReadWrite,
}

/// A region could not be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum MemoryError {
    /// Longer than a region's address space, or the packet's.
    TooLong,
    /// Beyond the limit given to [`Memory::set_limit`], or the host has no memory left.
    OutOfMemory,
    /// No free region number.
    TooMany,
    /// The region does not exist, or is one of the machine's own.
    NoSuchRegion,
}

impl std::fmt::Display for MemoryError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::TooLong => "region is longer than its address space",
            Self::OutOfMemory => "out of memory for regions",
            Self::TooMany => "too many regions",
            Self::NoSuchRegion => "no such region",
        })
    }
}

impl std::error::Error for MemoryError {}

struct Region {
    slab: Slab,
    /// Visible bytes, as offsets in the slab.
    window: Range<usize>,
    protection: Protection,
}

/// The memory of one world: every region that its programs can reach.
pub struct Memory {
    pub(crate) ways: [Way; WAYS],
    /// One past the end of each frame's bytes.
    pub(crate) frame_tops: [*mut u8; MAX_FRAMES],
    regions: Vec<Option<Region>>,
    /// Dropped after the regions that lie in it.
    cage: Option<Cage>,
    free: Vec<u32>,
    endian: Endian,
    /// Frames that this run, or else the last one, has opened: the others are zero, and out of reach.
    pub(crate) touched: usize,
    /// Whether a region is cached.
    filled: bool,
    used: usize,
    limit: usize,
}

// SAFETY: `frame_tops` points into slabs that the same value owns, so all of it moves between threads together.
unsafe impl Send for Memory {}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut map = f.debug_map();
        for (n, region) in self.regions.iter().enumerate() {
            if let Some(r) = region {
                map.entry(&n, &(r.window.clone(), r.protection));
            }
        }
        map.finish()
    }
}

impl Memory {
    /// Memory with an empty packet and eight stack frames, for programs of this byte order.
    ///
    /// # Panics
    /// If the host can't give the few kilobytes of the stack.
    #[expect(clippy::expect_used, reason = "four kilobytes, as any `Vec` would abort for")]
    pub fn new(endian: Endian) -> Self {
        let mut memory = Self {
            ways: [Way::EMPTY; WAYS],
            frame_tops: [std::ptr::null_mut(); MAX_FRAMES],
            regions: Vec::new(),
            cage: Cage::new(FIRST_REGIONS),
            free: Vec::new(),
            endian,
            touched: 0,
            filled: false,
            used: 0,
            limit: 1 << 32,
        };
        memory.add(0, Protection::ReadWrite).expect("an empty region");
        for _ in 0..MAX_FRAMES {
            memory.add(FRAME_BYTES, Protection::ReadWrite).expect("stack frames");
        }
        memory.find_frames();
        memory
    }

    fn find_frames(&mut self) {
        for (top, region) in self.frame_tops.iter_mut().zip(self.regions.iter().skip(1)) {
            if let Some(region) = region {
                *top = region.slab.ptr().wrapping_add(FRAME_BYTES);
            }
        }
    }

    /// The cage's base, if everything lies in it and compiled code may run.
    #[cfg_attr(
        not(all(any(target_arch = "x86_64", target_arch = "aarch64"), unix, not(skep_portable))),
        expect(dead_code, reason = "asked by compiled code")
    )]
    pub(crate) fn cage_base(&self) -> Option<*mut u8> {
        self.cage.as_ref().map(Cage::base)
    }

    /// The head of the cage.
    #[inline]
    pub(crate) fn head(&mut self) -> Option<&mut Head> {
        // SAFETY: the cage keeps a head in its first page; only this borrow of the memory gives references to it, and
        // compiled code, which writes to it too, runs while the memory is borrowed mutably and not used.
        self.cage.as_ref().map(|cage| unsafe { &mut *cage.head() })
    }

    /// The byte order in which programs see it.
    #[inline]
    pub fn endian(&self) -> Endian {
        self.endian
    }

    /// Sets how many bytes all regions together may hold; 4 GiB at first.
    pub fn set_limit(&mut self, bytes: usize) {
        self.limit = bytes;
    }

    /// Makes a region of zeroed bytes.
    ///
    /// # Errors
    /// [`MemoryError::TooLong`] from 4 GiB, [`MemoryError::OutOfMemory`] beyond the limit.
    pub fn add(&mut self, len: usize, protection: Protection) -> Result<RegionId, MemoryError> {
        if self.free.is_empty() && self.regions.len() >= MAX_REGIONS {
            return Err(MemoryError::TooMany);
        }
        let number = self.free.last().copied().unwrap_or(self.regions.len() as u32);
        let slab = self.allocate(RegionId(number), len)?;
        let region = Some(Region { window: 0..len, slab, protection });
        if self.free.pop().is_some() {
            self.regions[number as usize] = region;
        } else {
            self.regions.push(region);
        }
        Ok(RegionId(number))
    }

    /// Makes a region that holds these bytes.
    ///
    /// # Errors
    /// As [`Memory::add`].
    pub fn add_bytes(&mut self, bytes: &[u8], protection: Protection) -> Result<RegionId, MemoryError> {
        let id = self.add(bytes.len(), protection)?;
        self.storage_mut(id)?.copy_from_slice(bytes);
        Ok(id)
    }

    /// Storage for a region that has none.
    fn allocate(&mut self, id: RegionId, len: usize) -> Result<Slab, MemoryError> {
        self.check_room(len)?;
        self.grow_cage(id.0 as usize);
        let slab = match &self.cage {
            Some(cage) => {
                let ptr = cage.open(id.base(), len).ok_or(MemoryError::OutOfMemory)?;
                // SAFETY: just opened, for a region that has no slab, and closed only when this one is gone.
                unsafe { Slab::caged(ptr, len) }
            }
            None => Slab::zeroed(len),
        };
        let slab = slab.ok_or(MemoryError::OutOfMemory)?;
        self.used += len;
        Ok(slab)
    }

    fn check_room(&self, len: usize) -> Result<(), MemoryError> {
        if len >= u32::MAX as usize - PACKET_BASE as usize {
            return Err(MemoryError::TooLong);
        }
        match self.used.checked_add(len) {
            Some(n) if n <= self.limit => Ok(()),
            _ => Err(MemoryError::OutOfMemory),
        }
    }

    /// Makes room in the cage for a region of this number; where there is none to be had, everything goes to the heap.
    #[cold]
    #[inline(never)]
    fn move_cage(&mut self, number: usize) {
        let Some(old) = self.cage.take() else { return };
        let wider = (number + 1).next_power_of_two();
        let new = if wider <= MOST_REGIONS { Cage::new(wider) } else { None };
        let live =
            self.regions.iter_mut().enumerate().filter_map(|(n, r)| Some((RegionId(n as u32), r.as_mut()?)));
        let mut all = new.is_some();
        for (id, region) in live {
            let len = region.slab.len();
            let moved = match &new {
                Some(new) if all && old.move_to(new, id.base(), len) => {
                    // SAFETY: the pages of the region's slab are there now, and that slab is replaced here.
                    unsafe { Slab::caged(new.at(id.base()), len) }
                }
                _ => None,
            };
            all = moved.is_some();
            region.slab = moved.unwrap_or_else(|| region.slab.on_heap());
        }
        if !all {
            for region in self.regions.iter_mut().flatten().filter(|r| r.slab.is_caged()) {
                region.slab = region.slab.on_heap();
            }
        }
        self.cage = new.filter(|_| all);
        self.forget_ways();
        self.find_frames();
    }

    fn grow_cage(&mut self, number: usize) {
        if self.cage.as_ref().is_some_and(|cage| number >= cage.regions()) {
            self.move_cage(number);
        }
    }

    /// Gives the storage of a region back.
    fn release(&mut self, id: RegionId, slab: Slab) {
        let (len, caged) = (slab.len(), slab.is_caged());
        drop(slab);
        if let Some(cage) = self.cage.as_ref().filter(|_| caged) {
            cage.close(id.base(), len);
        }
        self.used -= len;
    }

    fn region(&self, id: RegionId) -> Option<&Region> {
        self.regions.get(id.0 as usize)?.as_ref()
    }

    fn region_mut(&mut self, id: RegionId) -> Result<&mut Region, MemoryError> {
        self.forget_ways();
        self.regions.get_mut(id.0 as usize).and_then(Option::as_mut).ok_or(MemoryError::NoSuchRegion)
    }

    /// Empties the cached regions.
    fn forget_ways(&mut self) {
        // Packets come by the million, and most programs are through before a region is cached.
        if std::mem::take(&mut self.filled) {
            self.ways = [Way::EMPTY; WAYS];
            if let Some(head) = self.head() {
                head.gates = [Gate::EMPTY; WAYS];
            }
        }
    }

    /// Removes a region; its number may be given out again. Packet and stack stay.
    ///
    /// # Errors
    /// [`MemoryError::NoSuchRegion`].
    pub fn remove(&mut self, id: RegionId) -> Result<(), MemoryError> {
        if id.0 as usize <= MAX_FRAMES {
            return Err(MemoryError::NoSuchRegion);
        }
        self.region_mut(id)?;
        if let Some(region) = self.regions[id.0 as usize].take() {
            self.release(id, region.slab);
            self.free.push(id.0);
        }
        Ok(())
    }

    /// Gives a region new storage of `len` zeroed bytes, all visible. The stack can't be replaced.
    ///
    /// # Errors
    /// As [`Memory::add`]; the old storage then stays.
    pub fn replace(&mut self, id: RegionId, len: usize) -> Result<(), MemoryError> {
        if (1..=MAX_FRAMES).contains(&(id.0 as usize)) {
            return Err(MemoryError::NoSuchRegion);
        }
        let old_len = self.region_mut(id)?.slab.len();
        let slab = match &self.cage {
            Some(cage) => {
                // In its place: what the old storage takes is free for the new one.
                self.used -= old_len;
                let room = self.check_room(len);
                self.used += old_len;
                room?;
                let ptr = cage.open(id.base(), len.max(old_len)).ok_or(MemoryError::OutOfMemory)?;
                cage.shorten(id.base(), old_len, len);
                // SAFETY: open for the longer of both lengths, or the shorter one's pages; the old slab is replaced below.
                unsafe { Slab::caged(ptr, len) }
            }
            None => {
                self.check_room(len)?;
                Slab::zeroed(len)
            }
        };
        let mut slab = slab.ok_or(MemoryError::OutOfMemory)?;
        if slab.is_caged() {
            let kept = len.min(old_len);
            slab.bytes_mut()[..kept].fill(0);
        }
        self.used = self.used - old_len + len;
        let region = self.region_mut(id)?;
        region.slab = slab;
        region.window = 0..len;
        Ok(())
    }

    /// Sets what programs may do with a region.
    ///
    /// # Errors
    /// [`MemoryError::NoSuchRegion`].
    pub fn protect(&mut self, id: RegionId, protection: Protection) -> Result<(), MemoryError> {
        self.region_mut(id)?.protection = protection;
        Ok(())
    }

    /// Sets which bytes of a region's storage programs can reach, as offsets; addresses do not change. The
    /// packet's head- and tailroom lie outside its window.
    ///
    /// # Errors
    /// [`MemoryError::TooLong`] if the range is not inside the storage, [`MemoryError::NoSuchRegion`] also for
    /// stack frames.
    pub fn set_window(&mut self, id: RegionId, window: Range<usize>) -> Result<(), MemoryError> {
        if (1..=MAX_FRAMES).contains(&(id.0 as usize)) {
            return Err(MemoryError::NoSuchRegion);
        }
        let region = self.region_mut(id)?;
        if window.start > window.end || window.end > region.slab.len() {
            return Err(MemoryError::TooLong);
        }
        region.window = window;
        Ok(())
    }

    /// The visible bytes of a region, as offsets in its storage.
    pub fn window(&self, id: RegionId) -> Option<Range<usize>> {
        self.region(id).map(|r| r.window.clone())
    }

    /// Lays a packet into region 0 with this much room around it, reusing storage that is long enough.
    /// Returns the address of its first byte (`data`). Head- and tailroom are zeroed.
    ///
    /// # Errors
    /// As [`Memory::add`].
    pub fn set_packet(&mut self, headroom: usize, bytes: &[u8], tailroom: usize) -> Result<u64, MemoryError> {
        let end = headroom.checked_add(bytes.len()).ok_or(MemoryError::TooLong)?;
        let total = end.checked_add(tailroom).ok_or(MemoryError::TooLong)?;
        if self.region(RegionId::PACKET).is_none_or(|r| r.slab.len() < total) {
            self.replace(RegionId::PACKET, total)?;
        }
        let region = self.region_mut(RegionId::PACKET)?;
        let storage = region.slab.bytes_mut();
        storage[..headroom].fill(0);
        storage[headroom..end].copy_from_slice(bytes);
        storage[end..total].fill(0);
        region.window = headroom..end;
        Ok(PACKET_BASE + headroom as u64)
    }

    /// All bytes of a region, those outside its window included. For the embedder, not for programs.
    #[inline]
    pub fn storage(&self, id: RegionId) -> Option<&[u8]> {
        self.region(id).map(|r| r.slab.bytes())
    }

    /// All bytes of a region for writing, whatever its window and protection.
    ///
    /// # Errors
    /// [`MemoryError::NoSuchRegion`].
    #[inline]
    pub fn storage_mut(&mut self, id: RegionId) -> Result<&mut [u8], MemoryError> {
        let region = self.regions.get_mut(id.0 as usize).and_then(Option::as_mut);
        region.map(|r| r.slab.bytes_mut()).ok_or(MemoryError::NoSuchRegion)
    }

    /// Where an access of `len` bytes lands: the region and the offset in its storage.
    fn locate(&self, addr: u64, len: usize, write: bool) -> Result<(RegionId, usize), Fault> {
        let fault = |kind, near| Fault { addr, len, write, kind, near };
        let opened = |id: &RegionId| !(self.touched + 1..=MAX_FRAMES).contains(&(id.0 as usize));
        // A null pointer is no near miss of the packet.
        let found = RegionId::of(addr)
            .filter(|_| addr >= PACKET_BASE)
            .filter(opened)
            .and_then(|id| Some((id, self.region(id)?)));
        let Some((id, region)) = found else {
            let kind =
                if map_index(addr & !15).is_some() { FaultKind::MapHandle } else { FaultKind::Unmapped };
            return Err(fault(kind, None));
        };
        let near =
            Near { region: id, start: id.base() + region.window.start as u64, len: region.window.len() };
        let inside = addr
            .checked_sub(near.start)
            .is_some_and(|d| (near.len as u64).checked_sub(len as u64).is_some_and(|room| d <= room));
        if !inside {
            return Err(fault(FaultKind::OutOfBounds, Some(near)));
        }
        if write && region.protection == Protection::ReadOnly {
            return Err(fault(FaultKind::ReadOnly, Some(near)));
        }
        Ok((id, (addr - id.base()) as usize))
    }

    /// The bytes at an address, as a program could read them.
    ///
    /// # Errors
    /// The fault that the program would take.
    pub fn read(&self, addr: u64, len: usize) -> Result<&[u8], Fault> {
        let (id, offset) = self.locate(addr, len, false)?;
        Ok(self.region(id).map_or(&[], |r| &r.slab.bytes()[offset..offset + len]))
    }

    /// The bytes at an address, as a program could write them.
    ///
    /// # Errors
    /// The fault that the program would take.
    pub fn slice_mut(&mut self, addr: u64, len: usize) -> Result<&mut [u8], Fault> {
        let (id, offset) = self.locate(addr, len, true)?;
        match self.regions.get_mut(id.0 as usize).and_then(Option::as_mut) {
            Some(r) => Ok(&mut r.slab.bytes_mut()[offset..offset + len]),
            None => Err(Fault { addr, len, write: true, kind: FaultKind::Unmapped, near: None }),
        }
    }

    /// Writes bytes at an address.
    ///
    /// # Errors
    /// The fault that the program would take.
    pub fn write(&mut self, addr: u64, bytes: &[u8]) -> Result<(), Fault> {
        self.slice_mut(addr, bytes.len())?.copy_from_slice(bytes);
        Ok(())
    }

    /// Copies between addresses; the ranges may overlap.
    ///
    /// # Errors
    /// The first fault; nothing is then written.
    pub fn copy(&mut self, to: u64, from: u64, len: usize) -> Result<(), Fault> {
        let (from_id, from_offset) = self.locate(from, len, false)?;
        let (to_id, to_offset) = self.locate(to, len, true)?;
        let (Some(a), Some(b)) = (self.region(from_id), self.region(to_id)) else { return Ok(()) };
        let (src, dst) = (a.slab.ptr(), b.slab.ptr());
        // SAFETY: `locate` found `len` bytes at each offset of slabs that live in `self`, which is borrowed
        // mutably; `copy` allows them to overlap.
        unsafe { std::ptr::copy(src.add(from_offset), dst.add(to_offset), len) }
        Ok(())
    }

    /// Finds the region for an access and caches it for a base register. The access then passes its check.
    pub(crate) fn fill_way(&mut self, way: usize, addr: u64, size: usize, write: bool) -> Result<(), Fault> {
        let (id, _) = self.locate(addr, size, write)?;
        if let Some(region) = self.region(id) {
            let host = region.slab.ptr().expose_provenance() as u64 + region.window.start as u64;
            let writable = region.protection == Protection::ReadWrite;
            let new = Way::of(id.base() + region.window.start as u64, host, region.window.len(), writable);
            self.filled = true;
            self.ways[way % WAYS] = new;
            if let Some(head) = self.head() {
                head.gates[way % WAYS] = Gate::of(&new);
            }
        }
        Ok(())
    }

    /// Zeroes the frames that earlier runs used, so that a run starts on a clean stack.
    pub(crate) fn start_stack(&mut self) {
        if self.touched > 1 {
            self.forget_ways();
        }
        for region in self.regions.iter_mut().skip(1).take(self.touched).flatten() {
            region.slab.bytes_mut().fill(0);
        }
        self.touched = 0;
    }

    /// Notes that the frame at this depth is in use.
    #[inline(always)]
    pub(crate) fn touch_frame(&mut self, depth: usize) {
        self.touched = self.touched.max(depth + 1);
    }
}

macro_rules! typed_access {
    ($($read:ident $write:ident $ty:ty, $what:literal;)*) => {
        impl Memory {$(
            #[doc = concat!("Reads ", $what, " in the program's byte order.")]
            ///
            /// # Errors
            /// The fault that the program would take.
            pub fn $read(&self, addr: u64) -> Result<$ty, Fault> {
                let mut bytes = [0; size_of::<$ty>()];
                bytes.copy_from_slice(self.read(addr, size_of::<$ty>())?);
                Ok(match self.endian {
                    Endian::Little => <$ty>::from_le_bytes(bytes),
                    Endian::Big => <$ty>::from_be_bytes(bytes),
                })
            }

            #[doc = concat!("Writes ", $what, " in the program's byte order.")]
            ///
            /// # Errors
            /// The fault that the program would take.
            pub fn $write(&mut self, addr: u64, value: $ty) -> Result<(), Fault> {
                let bytes = match self.endian {
                    Endian::Little => value.to_le_bytes(),
                    Endian::Big => value.to_be_bytes(),
                };
                self.write(addr, &bytes)
            }
        )*}
    };
}

typed_access! {
    read_u8 write_u8 u8, "a byte";
    read_u16 write_u16 u16, "16 bits";
    read_u32 write_u32 u32, "32 bits";
    read_u64 write_u64 u64, "64 bits";
}
