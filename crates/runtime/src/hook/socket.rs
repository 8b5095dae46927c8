//! Socket filters, and the legacy loads (LD_ABS, LD_IND) that they and classifiers use.
//!
//! A filter reaches the packet only through helpers and legacy loads. Where it begins, at the network header
//! or at the link-layer header, depends on the socket: see [`Layer`].

use skep_isa::Size;
use skep_vm::{Memory, MemoryError, RegionId};

use super::ETH_HLEN;
use super::skb::{CTX_LEN, Layout, Skb, protocol_of};
use crate::world::Layer;

/// `SKF_NET_OFF`: offsets from here count from the network header. Ancillary offsets (`SKF_AD_OFF`) lie above
/// it and so name bytes that no packet has; only classic BPF translates them into something else.
const NET_OFF: i32 = -0x10_0000;
/// `SKF_LL_OFF`: offsets from here count from the link-layer header.
const LL_OFF: i32 = -0x20_0000;

/// Offset of a filter's first byte in a packet.
pub(crate) fn start(layer: Layer) -> usize {
    match layer {
        Layer::Network => ETH_HLEN,
        Layer::Link => 0,
    }
}

/// Lays a packet for a socket filter.
pub(crate) fn lay(
    memory: &mut Memory,
    ctx: RegionId,
    packet: &[u8],
    fields: &[u8; CTX_LEN],
    layer: Layer,
) -> Result<Skb, MemoryError> {
    let ether_type = [packet[12], packet[13]];
    let layout = Layout {
        data: start(layer),
        network: ETH_HLEN,
        protocol: protocol_of(ether_type, &packet[ETH_HLEN..]),
        direct: false,
    };
    let skb = Skb::lay(memory, ctx, packet, &layout)?;
    memory.storage_mut(ctx)?.copy_from_slice(fields);
    skb.sync(memory);
    Ok(skb)
}

impl Skb {
    /// LD_ABS and LD_IND: a big-endian number in the packet. `None` ends the program.
    pub(crate) fn load(&self, memory: &Memory, offset: i32, size: Size) -> Option<u64> {
        let from = match offset {
            0.. => self.data.checked_add(offset as usize)?,
            NET_OFF.. => self.network.checked_add((offset - NET_OFF) as usize)?,
            LL_OFF.. => self.mac.checked_add((offset - LL_OFF) as usize)?,
            _ => return None,
        };
        let bytes = self.range(memory, from, size.bytes())?;
        Some(bytes.iter().fold(0, |n, &b| n << 8 | u64::from(b)))
    }
}
