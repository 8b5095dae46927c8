//! What a classic filter sees: bytes, and the facts that Linux keeps beside them.

/// One packet.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// The bytes that there are: loads reach no further.
    pub bytes: &'a [u8],
    /// The length that `ld #len` gives: that of the packet on the wire, where `bytes` is what a capture kept.
    pub len: u32,
    /// The facts.
    pub facts: &'a Facts,
}

impl<'a> Packet<'a> {
    /// A packet of which nothing is known but its bytes.
    pub fn new(bytes: &'a [u8]) -> Self {
        static NONE: Facts = Facts::NONE;
        Self { bytes, len: u32::try_from(bytes.len()).unwrap_or(u32::MAX), facts: &NONE }
    }
}

/// The device that a packet came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its index.
    pub index: u32,
    /// Its hardware type (`ARPHRD_*`).
    pub hatype: u16,
}

/// The VLAN tag that was taken off a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VlanTag {
    /// Priority, drop bit and number, in host order.
    pub tci: u16,
    /// The EtherType of the tag, such as 0x8100, in host order.
    pub tpid: u16,
}

/// What ancillary loads give: the embedder says it, nothing is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The EtherType, in host order.
    pub protocol: u16,
    /// To whom the packet is (`PACKET_HOST` = 0 and so on).
    pub pkt_type: u8,
    /// The device. Without one a filter that asks for it ends with what is in A, as in Linux.
    pub device: Option<Device>,
    /// The mark.
    pub mark: u32,
    /// The number of the receive queue.
    pub queue: u16,
    /// The receive hash.
    pub rxhash: u32,
    /// The CPU that runs the filter.
    pub cpu: u32,
    /// The tag that was taken off.
    pub vlan: Option<VlanTag>,
    /// What the next load of a random number gives. The embedder draws it; one run gives one number.
    pub random: u32,
    /// Where the payload begins, after the headers that Linux knows.
    pub payload: u32,
    /// Where the network header is, in bytes from the first one; loads at -0x10_0000 and above count from here.
    pub network: i32,
    /// Where the link-layer header is, if there is one; loads at -0x20_0000 and above count from here.
    pub link: Option<i32>,
}

impl Facts {
    /// Nothing known: zeros, no device, no tag, no link-layer header.
    pub const NONE: Self = Self {
        protocol: 0,
        pkt_type: 0,
        device: None,
        mark: 0,
        queue: 0,
        rxhash: 0,
        cpu: 0,
        vlan: None,
        random: 0,
        payload: 0,
        network: 0,
        link: None,
    };
}

impl Default for Facts {
    fn default() -> Self {
        Self::NONE
    }
}
