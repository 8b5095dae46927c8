//! Machines for which filters are not compiled.

use super::packet::Packet;
use skep_isa::classic::Op;

/// Has no values.
#[derive(Debug)]
pub(super) enum Native {}

impl Native {
    pub(super) fn new(_: &[Op]) -> Option<Self> {
        None
    }

    pub(super) fn run(&self, _: &Packet<'_>) -> Option<u32> {
        match *self {}
    }
}
