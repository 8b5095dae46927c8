//! XDP: a packet in a page, with the kernel's room around it, and its `xdp_md`.
//!
//! Geometry of BPF_PROG_TEST_RUN: 256 bytes of headroom, of which an `xdp_frame` takes the first 40, and 320
//! bytes of tailroom for the shared info at the end of the page. A packet that fits no page gets more pages,
//! as there are no fragments here. Bytes that a program brings into view for the first time are zero.

use skep_backend::Incoming;
use skep_isa::Endian;
use skep_vm::{Lot, Memory, MemoryError, RegionId};

use super::{ETH_HLEN, get32, packet_mut, packet_room, put32};
use crate::errno::Errno;

/// `XDP_PACKET_HEADROOM`.
const HEADROOM: usize = 256;
/// What adjust_head leaves for `struct xdp_frame`.
const FRAME_STRUCT: usize = 40;
/// `SKB_DATA_ALIGN(sizeof(struct skb_shared_info))`.
const SHARED_INFO: usize = 320;
const PAGE: usize = 4096;
/// The largest metadata: it must fit eight bits in words.
const MAX_META: usize = 252;

/// Bytes of `struct xdp_md`.
pub(crate) const CTX_LEN: usize = 24;
const CTX_DATA: usize = 0;
const CTX_DATA_END: usize = 4;
const CTX_DATA_META: usize = 8;
const CTX_INGRESS: usize = 12;
const CTX_QUEUE: usize = 16;
const CTX_EGRESS: usize = 20;

/// `struct xdp_buff`; offsets count from its hard start, which is the start of the packet region.
pub(crate) struct Buff {
    meta: usize,
    data: usize,
    end: usize,
    hard_end: usize,
    /// Lowest offset that has been in view.
    low: usize,
    ctx: RegionId,
}

/// Lays packets side by side for a batch, in `lots`. They have no room around them: programs that could ask for it are not
/// run in batches. What `ctx` says of each is set as it runs, the rest here.
pub(crate) fn lay_batch(
    memory: &mut Memory,
    ctx: RegionId,
    packets: &[Incoming<'_>],
    given: Given,
    lots: &mut Vec<Lot>,
) -> Result<(), MemoryError> {
    /// Packets begin on cache lines, not all on lines that share a set.
    const LINE: usize = 64;
    let room = |len: usize| len.next_multiple_of(LINE) + LINE;
    let mut total = 0;
    lots.clear();
    for packet in packets {
        let data = (RegionId::PACKET.base() as usize + total) as u32;
        lots.push(Lot { data, end: data + packet.data.len() as u32, meta: data, retval: 0 });
        total += room(packet.data.len());
    }
    packet_room(memory, total)?;
    let mut storage = packet_mut(memory);
    for packet in packets {
        let Some((place, rest)) = storage.split_at_mut_checked(room(packet.data.len())) else { break };
        copy(place, packet.data);
        storage = rest;
    }
    memory.set_window(RegionId::PACKET, 0..total)?;
    let endian = memory.endian();
    let bytes = memory.storage_mut(ctx)?;
    put32(bytes, CTX_INGRESS, given.ifindex, endian);
    put32(bytes, CTX_QUEUE, given.rx_queue, endian);
    put32(bytes, CTX_EGRESS, 0, endian);
    Ok(())
}

/// Copies a packet to the start of its place, which is a line longer: whole blocks without a call, and what is behind
/// the packet's end is nobody's.
#[inline]
fn copy(place: &mut [u8], packet: &[u8]) {
    const BLOCK: usize = 32;
    if packet.len() > 8 * BLOCK {
        return place[..packet.len()].copy_from_slice(packet);
    }
    let (places, _) = place.as_chunks_mut::<BLOCK>();
    let (blocks, rest) = packet.as_chunks::<BLOCK>();
    for (to, from) in places.iter_mut().zip(blocks) {
        *to = *from;
    }
    if let Some(last) = places.get_mut(blocks.len()).filter(|_| !rest.is_empty()) {
        last[..rest.len()].copy_from_slice(rest);
    }
}

/// The packet of a lot, in the packet region's storage.
#[inline]
pub(crate) fn lot_in<'m>(storage: &'m [u8], lot: &Lot) -> &'m [u8] {
    let base = RegionId::PACKET.base() as u32;
    let (data, end) = (lot.data.wrapping_sub(base), lot.end.wrapping_sub(base));
    storage.get(data as usize..end as usize).unwrap_or(&[])
}

/// What a caller may set in `xdp_md`.
#[derive(Clone, Copy, Default)]
pub(crate) struct Given {
    pub(crate) ifindex: u32,
    pub(crate) rx_queue: u32,
    /// Bytes at the start of the packet that are metadata.
    pub(crate) meta: usize,
}

impl Given {
    /// Reads a caller's context with the rules of BPF_PROG_TEST_RUN.
    pub(crate) fn from_ctx(ctx: &[u8], packet: usize, endian: Endian) -> Result<Self, &'static str> {
        if ctx.len() < CTX_LEN {
            return Err("an xdp_md has 24 bytes");
        }
        let field = |at| get32(ctx, at, endian);
        let meta = field(CTX_DATA) as usize;
        if field(CTX_DATA_META) != 0 || field(CTX_DATA_END) as usize != packet {
            return Err("data_meta must be 0 and data_end the length of the data");
        }
        if meta > MAX_META || !meta.is_multiple_of(4) || meta > packet {
            return Err("data, the length of the metadata, must be a multiple of 4 up to 252");
        }
        if field(CTX_EGRESS) != 0 {
            return Err("egress_ifindex must be 0");
        }
        Ok(Self { ifindex: field(CTX_INGRESS), rx_queue: field(CTX_QUEUE), meta })
    }
}

impl Buff {
    /// Lays a packet, metadata first, into the packet region and its `xdp_md` into `ctx`.
    pub(crate) fn lay(
        memory: &mut Memory,
        ctx: RegionId,
        packet: &[u8],
        given: Given,
    ) -> Result<Self, MemoryError> {
        let frame = (HEADROOM + packet.len() + SHARED_INFO).next_multiple_of(PAGE);
        packet_room(memory, frame)?;
        packet_mut(memory)[HEADROOM..HEADROOM + packet.len()].copy_from_slice(packet);
        let buff = Self {
            meta: HEADROOM,
            data: HEADROOM + given.meta,
            end: HEADROOM + packet.len(),
            hard_end: frame - SHARED_INFO,
            low: HEADROOM,
            ctx,
        };
        let endian = memory.endian();
        let bytes = memory.storage_mut(ctx)?;
        put32(bytes, CTX_INGRESS, given.ifindex, endian);
        put32(bytes, CTX_QUEUE, given.rx_queue, endian);
        put32(bytes, CTX_EGRESS, 0, endian);
        buff.sync(memory)?;
        Ok(buff)
    }

    /// Tells the context and the window where the packet is now.
    fn sync(&self, memory: &mut Memory) -> Result<(), MemoryError> {
        memory.set_window(RegionId::PACKET, self.meta..self.end)?;
        let endian = memory.endian();
        let base = RegionId::PACKET.base() as u32;
        let bytes = memory.storage_mut(self.ctx)?;
        put32(bytes, CTX_DATA, base + self.data as u32, endian);
        put32(bytes, CTX_DATA_END, base + self.end as u32, endian);
        put32(bytes, CTX_DATA_META, base + self.meta as u32, endian);
        Ok(())
    }

    /// The packet.
    pub(crate) fn bytes<'m>(&self, memory: &'m Memory) -> &'m [u8] {
        memory.storage(RegionId::PACKET).and_then(|s| s.get(self.data..self.end)).unwrap_or(&[])
    }

    /// The address of its first byte.
    pub(crate) fn address(&self) -> u64 {
        RegionId::PACKET.base() + self.data as u64
    }

    /// The metadata before it.
    pub(crate) fn meta<'m>(&self, memory: &'m Memory) -> &'m [u8] {
        memory.storage(RegionId::PACKET).and_then(|s| s.get(self.meta..self.data)).unwrap_or(&[])
    }

    /// Length of the packet.
    pub(crate) fn len(&self) -> usize {
        self.end - self.data
    }

    /// The context as BPF_PROG_TEST_RUN hands it back: offsets from the start of the metadata.
    pub(crate) fn ctx_out(&self, memory: &Memory) -> Vec<u8> {
        let mut ctx = memory.storage(self.ctx).unwrap_or(&[]).to_vec();
        let endian = memory.endian();
        put32(&mut ctx, CTX_DATA, (self.data - self.meta) as u32, endian);
        put32(&mut ctx, CTX_DATA_END, (self.end - self.meta) as u32, endian);
        put32(&mut ctx, CTX_DATA_META, 0, endian);
        ctx
    }

    fn moved(at: usize, by: i32) -> Option<usize> {
        at.checked_add_signed(by as isize)
    }

    /// Zeroes what comes into view below `low`.
    fn reveal(&mut self, memory: &mut Memory, from: usize) {
        if from < self.low {
            packet_mut(memory)[from..self.low].fill(0);
            self.low = from;
        }
    }

    /// `bpf_xdp_adjust_head`: metadata moves along.
    pub(crate) fn adjust_head(&mut self, memory: &mut Memory, by: i32) -> Result<(), Errno> {
        let meta_len = self.data - self.meta;
        let data = Self::moved(self.data, by).ok_or(Errno::EINVAL)?;
        if data < FRAME_STRUCT + meta_len || data + ETH_HLEN > self.end {
            return Err(Errno::EINVAL);
        }
        self.reveal(memory, data - meta_len);
        if meta_len > 0 {
            packet_mut(memory).copy_within(self.meta..self.data, data - meta_len);
        }
        (self.data, self.meta) = (data, data - meta_len);
        self.sync(memory).map_err(|_| Errno::EINVAL)
    }

    /// `bpf_xdp_adjust_meta`.
    pub(crate) fn adjust_meta(&mut self, memory: &mut Memory, by: i32) -> Result<(), Errno> {
        let meta = Self::moved(self.meta, by).ok_or(Errno::EINVAL)?;
        if meta < FRAME_STRUCT || meta > self.data {
            return Err(Errno::EINVAL);
        }
        let len = self.data - meta;
        if len > MAX_META || !len.is_multiple_of(4) {
            return Err(Errno::EACCES);
        }
        self.reveal(memory, meta);
        self.meta = meta;
        self.sync(memory).map_err(|_| Errno::EINVAL)
    }

    /// `bpf_xdp_adjust_tail`: what is added is zeroed.
    pub(crate) fn adjust_tail(&mut self, memory: &mut Memory, by: i32) -> Result<(), Errno> {
        let end = Self::moved(self.end, by).ok_or(Errno::EINVAL)?;
        if end > self.hard_end || end < self.data + ETH_HLEN {
            return Err(Errno::EINVAL);
        }
        if end > self.end {
            packet_mut(memory)[self.end..end].fill(0);
        }
        self.end = end;
        self.sync(memory).map_err(|_| Errno::EINVAL)
    }
}
