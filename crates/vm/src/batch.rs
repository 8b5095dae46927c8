//! Many packets in one call: compiled code goes from one to the next by itself.
//!
//! What a call of the machine costs (saving and loading registers, finding the way in, the ways out) is paid once for
//! all. Only programs with a proof can be run like this, as no window is set for each packet, and only those of one
//! function, as frames above the first are not cleaned in between. Whoever wants more runs packet by packet.

use crate::host::Host;
use crate::image::Image;
use crate::machine::Machine;
use crate::memory::{Memory, RegionId};
use crate::trap::Trap;

/// A packet in region 0, by the addresses that its program sees, and what the program answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Lot {
    /// Its first byte.
    pub data: u32,
    /// One past its last.
    pub end: u32,
    /// Its metadata; `data` if there are none.
    pub meta: u32,
    /// The low half of r0, afterwards.
    pub retval: u32,
}

impl Lot {
    /// Whether it lies before an address in region 0.
    #[inline]
    fn is_before(&self, end: u64) -> bool {
        RegionId::PACKET.base() <= self.meta.into()
            && self.meta <= self.data
            && self.data <= self.end
            && u64::from(self.end) <= end
    }
}

impl Image {
    /// Whether [`Machine::run_batch`] takes it.
    pub fn takes_batches(&self) -> bool {
        self.batch.is_some()
    }
}

impl Machine {
    /// Runs a program over packets. `context` is the region of its context, which begins with `data`, `data_end` and
    /// `data_meta` of 32 bits each, as `xdp_md` does; they are set for each packet, the rest stays.
    ///
    /// A packet on which the run goes wrong gets 0 and is told to `failed`, with its place in `lots`; the others go on.
    ///
    /// # Errors
    /// Nothing was run, as the image takes no batches ([`Image::takes_batches`]), the memory has no cage, or the packets do not lie in
    /// region 0.
    pub fn run_batch(
        &mut self,
        image: &Image,
        memory: &mut Memory,
        host: &mut dyn Host,
        context: RegionId,
        lots: &mut [Lot],
        failed: &mut dyn FnMut(usize, Trap),
    ) -> Result<(), Trap> {
        let wrong = |why: &str| Err(Trap::host(why));
        if !image.takes_batches() {
            return wrong("the program takes no batches");
        }
        if memory.storage(context).is_none_or(|s| s.len() < 12) || !image.admits(context.base()) {
            return wrong("the context is not the program's");
        }
        let end = memory.storage(RegionId::PACKET).map_or(0, |s| RegionId::PACKET.base() + s.len() as u64);
        if !lots.iter().all(|lot| lot.is_before(end)) {
            return wrong("a packet is not in the packet region");
        }
        let mut at = 0;
        while at < lots.len() {
            self.begin(image, memory, [context.base(), 0, 0, 0, 0]);
            match self.enter_batch(image, memory, host, context, &mut lots[at..]) {
                None => return wrong("the memory has no cage"),
                Some((done, None)) => at += done,
                Some((done, Some(result))) => {
                    at += done;
                    lots[at].retval = result.map_or_else(
                        |trap| {
                            failed(at, trap);
                            0
                        },
                        |value| value as u32,
                    );
                    at += 1;
                }
            }
        }
        self.finish();
        Ok(())
    }
}
