//! A socket buffer and its `__sk_buff`.
//!
//! The bytes lie in the packet region; everything else that a program can see of the buffer lies in the
//! context, where programs read and write it, and stays true there: [`Skb::sync`] writes again what a helper
//! has changed. Only what `__sk_buff` does not show, the header offsets and the checksum's state, is here.
//! A hardware-accelerated VLAN tag is metadata, as in the kernel: it is not among the bytes.

use skep_isa::Endian;
use skep_vm::{Memory, MemoryError, RegionId};

use super::{packet_mut, packet_room, put32};
use crate::errno::Errno;

/// Bytes of `struct __sk_buff`.
pub(crate) const CTX_LEN: usize = 192;

/// Offsets in `struct __sk_buff`.
pub(crate) mod field {
    pub(crate) const LEN: usize = 0;
    pub(crate) const PKT_TYPE: usize = 4;
    pub(crate) const MARK: usize = 8;
    pub(crate) const PROTOCOL: usize = 16;
    pub(crate) const VLAN_PRESENT: usize = 20;
    pub(crate) const VLAN_TCI: usize = 24;
    pub(crate) const VLAN_PROTO: usize = 28;
    pub(crate) const PRIORITY: usize = 32;
    pub(crate) const INGRESS_IFINDEX: usize = 36;
    pub(crate) const IFINDEX: usize = 40;
    pub(crate) const CB: usize = 48;
    pub(crate) const HASH: usize = 68;
    pub(crate) const DATA: usize = 76;
    pub(crate) const DATA_END: usize = 80;
    pub(crate) const DATA_META: usize = 140;
    pub(crate) const TSTAMP: usize = 152;
    pub(crate) const WIRE_LEN: usize = 160;
    pub(crate) const GSO_SEGS: usize = 164;
    pub(crate) const GSO_SIZE: usize = 176;
    pub(crate) const HWTSTAMP: usize = 184;
}

/// Room before a packet; more is made when a program asks for it.
const HEADROOM: usize = 256;
const TAILROOM: usize = 256;
/// `BPF_SKB_MAX_LEN`: an order-2 allocation less the shared info.
pub(crate) const MAX_LEN: usize = 16384 - 320;

/// What is known of the checksum (`ip_summed`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Summed {
    /// `CHECKSUM_NONE`.
    None,
    /// `CHECKSUM_UNNECESSARY`, with its level.
    Unnecessary(u32),
}

/// An EtherType as it stands in a packet.
pub(crate) type EtherType = [u8; 2];

/// `ETH_P_IP`.
pub(crate) const IPV4: EtherType = [0x08, 0x00];
/// `ETH_P_IPV6`.
pub(crate) const IPV6: EtherType = [0x86, 0xdd];
/// `ETH_P_8021Q`.
pub(crate) const DOT1Q: EtherType = [0x81, 0x00];
/// `ETH_P_8021AD`.
pub(crate) const DOT1AD: EtherType = [0x88, 0xa8];
const ETH_P_802_3: EtherType = [0x00, 0x01];
const ETH_P_802_2: EtherType = [0x00, 0x04];

/// `eth_type_trans`, the part that decides the protocol: `after` is what follows the type field.
pub(crate) fn protocol_of(ether_type: EtherType, after: &[u8]) -> EtherType {
    if u16::from_be_bytes(ether_type) >= 0x600 {
        ether_type
    } else if after.starts_with(&[0xff, 0xff]) {
        ETH_P_802_3
    } else {
        ETH_P_802_2
    }
}

/// `struct sk_buff`; offsets count from the start of the packet region.
pub(crate) struct Skb {
    pub(crate) data: usize,
    pub(crate) end: usize,
    pub(crate) mac: usize,
    pub(crate) network: usize,
    pub(crate) protocol: EtherType,
    pub(crate) vlan: Option<(EtherType, u16)>,
    pub(crate) summed: Summed,
    pub(crate) encapsulated: bool,
    /// Programs reach the bytes by address.
    direct: bool,
    ctx: RegionId,
}

/// Where the headers of a packet lie that is laid, and how programs may reach it.
pub(crate) struct Layout {
    /// Offset of `data` in the packet.
    pub(crate) data: usize,
    /// Offset of the network header in the packet.
    pub(crate) network: usize,
    pub(crate) protocol: EtherType,
    pub(crate) direct: bool,
}

impl Skb {
    /// Lays a packet into the packet region. The context is the caller's to fill, before [`Skb::sync`].
    pub(crate) fn lay(
        memory: &mut Memory,
        ctx: RegionId,
        packet: &[u8],
        layout: &Layout,
    ) -> Result<Self, MemoryError> {
        packet_room(memory, HEADROOM + packet.len() + TAILROOM)?;
        packet_mut(memory)[HEADROOM..HEADROOM + packet.len()].copy_from_slice(packet);
        Ok(Self {
            data: HEADROOM + layout.data,
            end: HEADROOM + packet.len(),
            mac: HEADROOM,
            network: HEADROOM + layout.network,
            protocol: layout.protocol,
            vlan: None,
            summed: Summed::None,
            encapsulated: false,
            direct: layout.direct,
            ctx,
        })
    }

    /// `skb->len`.
    pub(crate) fn len(&self) -> usize {
        self.end - self.data
    }

    /// The bytes from `data`.
    pub(crate) fn bytes<'m>(&self, memory: &'m Memory) -> &'m [u8] {
        memory.storage(RegionId::PACKET).and_then(|s| s.get(self.data..self.end)).unwrap_or(&[])
    }

    /// The bytes from `data`, for writing.
    pub(crate) fn bytes_mut<'m>(&self, memory: &'m mut Memory) -> &'m mut [u8] {
        packet_mut(memory).get_mut(self.data..self.end).unwrap_or(&mut [])
    }

    /// The whole packet, from its link-layer header.
    pub(crate) fn frame<'m>(&self, memory: &'m Memory) -> &'m [u8] {
        let start = self.mac.min(self.data);
        memory.storage(RegionId::PACKET).and_then(|s| s.get(start..self.end)).unwrap_or(&[])
    }

    /// The bytes between two offsets of the packet region that are inside the packet's headers or data.
    pub(crate) fn range<'m>(&self, memory: &'m Memory, from: usize, len: usize) -> Option<&'m [u8]> {
        let end = from.checked_add(len).filter(|&e| e <= self.end)?;
        memory.storage(RegionId::PACKET)?.get(from..end)
    }

    /// Length of the link-layer header (`skb_mac_header_len`).
    pub(crate) fn mac_len(&self) -> usize {
        self.network.saturating_sub(self.mac)
    }

    /// Writes a field of the context.
    pub(crate) fn put(&self, memory: &mut Memory, at: usize, value: u32) {
        let endian = memory.endian();
        if let Ok(bytes) = memory.storage_mut(self.ctx) {
            put32(bytes, at, value, endian);
        }
    }

    /// Reads a field of the context.
    pub(crate) fn get(&self, memory: &Memory, at: usize) -> u32 {
        super::get32(memory.storage(self.ctx).unwrap_or(&[]), at, memory.endian())
    }

    /// Tells the context and the window what a helper has changed.
    pub(crate) fn sync(&self, memory: &mut Memory) {
        let endian = memory.endian();
        let window = if self.direct { self.data..self.end } else { self.end..self.end };
        // The window is inside the storage, which `lay` and `grow_head` made long enough.
        let _ = memory.set_window(RegionId::PACKET, window);
        let Ok(bytes) = memory.storage_mut(self.ctx) else { return };
        let (present, proto, tci) = match self.vlan {
            Some((proto, tci)) => (1, proto, tci),
            None => (0, [0; 2], 0),
        };
        let mut put = |at, value| put32(bytes, at, value, endian);
        put(field::LEN, self.len() as u32);
        put(field::PROTOCOL, native16(self.protocol, endian).into());
        put(field::VLAN_PRESENT, present);
        put(field::VLAN_TCI, tci.into());
        put(field::VLAN_PROTO, native16(proto, endian).into());
        let base = RegionId::PACKET.base() as u32;
        let (data, end) =
            if self.direct { (base + self.data as u32, base + self.end as u32) } else { (0, 0) };
        put(field::DATA, data);
        put(field::DATA_END, end);
        put(field::DATA_META, data);
    }

    /// Makes sure that there are `need` bytes before `data`.
    fn grow_head(&mut self, memory: &mut Memory, need: usize) -> Result<(), Errno> {
        if self.data >= need && self.mac >= need {
            return Ok(());
        }
        let shift = need.next_multiple_of(HEADROOM);
        let old = memory.storage(RegionId::PACKET).map(|s| s[..self.end].to_vec()).unwrap_or_default();
        packet_room(memory, self.end + shift + TAILROOM).map_err(|_| Errno::ENOMEM)?;
        packet_mut(memory)[shift..shift + old.len()].copy_from_slice(&old);
        self.data += shift;
        self.end += shift;
        self.mac += shift;
        self.network += shift;
        Ok(())
    }

    /// `skb_push`: `len` zeroed bytes before `data`.
    pub(crate) fn push(&mut self, memory: &mut Memory, len: usize) -> Result<(), Errno> {
        self.grow_head(memory, len)?;
        self.data -= len;
        packet_mut(memory)[self.data..self.data + len].fill(0);
        Ok(())
    }

    /// Opens `len` zeroed bytes at offset `at` from `data`; what is before moves to the front.
    pub(crate) fn open(&mut self, memory: &mut Memory, at: usize, len: usize) -> Result<(), Errno> {
        if at > self.len() {
            return Err(Errno::ENOMEM);
        }
        self.push(memory, len)?;
        let data = self.data;
        let bytes = packet_mut(memory);
        bytes.copy_within(data + len..data + len + at, data);
        bytes[data + at..data + at + len].fill(0);
        Ok(())
    }

    /// Takes out `len` bytes at offset `at` from `data`; what is before moves back.
    pub(crate) fn close(&mut self, memory: &mut Memory, at: usize, len: usize) -> Result<(), Errno> {
        if at.checked_add(len).is_none_or(|end| end > self.len()) {
            return Err(Errno::ENOMEM);
        }
        let data = self.data;
        packet_mut(memory).copy_within(data..data + at, data + len);
        self.data += len;
        Ok(())
    }

    /// Sets the length; what is added is zeroed.
    pub(crate) fn set_len(&mut self, memory: &mut Memory, len: usize) -> Result<(), Errno> {
        let end = self.data + len;
        if end > self.end {
            let have = memory.storage(RegionId::PACKET).map_or(0, <[u8]>::len);
            if have < end {
                let old = memory.storage(RegionId::PACKET).unwrap_or(&[]).to_vec();
                packet_room(memory, end + TAILROOM).map_err(|_| Errno::ENOMEM)?;
                packet_mut(memory)[..old.len()].copy_from_slice(&old);
            }
            packet_mut(memory)[self.end..end].fill(0);
        }
        self.end = end;
        Ok(())
    }
}

/// Two bytes of a packet as the program's CPU reads them.
pub(crate) fn native16(bytes: [u8; 2], endian: Endian) -> u16 {
    match endian {
        Endian::Little => u16::from_le_bytes(bytes),
        Endian::Big => u16::from_be_bytes(bytes),
    }
}

/// The bytes in a packet of what the program's CPU holds.
pub(crate) fn wire16(value: u16, endian: Endian) -> [u8; 2] {
    match endian {
        Endian::Little => value.to_le_bytes(),
        Endian::Big => value.to_be_bytes(),
    }
}
