//! Looking on while programs run: every instruction, before it runs, with the registers and the memory.
//!
//! For tools that hold what was proven, or what is expected, against what happens. A world without an observer pays
//! nothing; one with an observer interprets.

use std::sync::{Arc, Mutex};

use skep_vm::{RegionId, Step};

use crate::env::{Env, Packet};

/// A look at one instruction.
type Look = dyn FnMut(&Sight<'_>) + Send;

/// What looks on. Copies share it.
#[derive(Clone)]
pub struct Observer(Arc<Mutex<Look>>);

impl Observer {
    /// Calls `look` before each instruction.
    pub fn new(look: impl FnMut(&Sight<'_>) + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(look)))
    }

    pub(crate) fn look(&self, sight: &Sight<'_>) {
        // A poisoned lock is one whose observer panicked before: that panic is on its way to the caller.
        if let Ok(mut look) = self.0.lock() {
            look(sight);
        }
    }
}

impl std::fmt::Debug for Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Observer")
    }
}

/// What there is to see before an instruction.
pub struct Sight<'a> {
    /// The instruction, the registers, the memory.
    pub step: &'a Step<'a>,
    pub(crate) env: &'a Env,
}

impl Sight<'_> {
    /// Where the values of a map are, by its index in the Spec.
    pub fn map_region(&self, index: usize) -> Option<RegionId> {
        self.env.maps.get(index).map(|m| m.region)
    }

    /// The address of the packet's first byte, where there is a packet.
    pub fn packet(&self) -> Option<u64> {
        match &self.env.packet {
            Packet::None => None,
            Packet::Xdp(buff) => Some(buff.address()),
            Packet::Skb(skb) => Some(RegionId::PACKET.base() + skb.data as u64),
        }
    }
}
