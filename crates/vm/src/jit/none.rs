//! Machines without a compiler: the names, and the answer.

use skep_isa::Op;

use super::NoNative;
use crate::code::{Code, Signal};
use crate::machine::Machine;
use crate::memory::{Memory, RegionId};

/// What a compiler would read.
#[expect(dead_code, reason = "read where there is a compiler")]
pub(crate) struct Source<'a> {
    pub(crate) ops: &'a [(usize, Op)],
    pub(crate) cell_of: &'a [u32],
    pub(crate) code: &'a [Code],
    pub(crate) host_calls: &'a [u32],
    pub(crate) big: bool,
    pub(crate) arena: Option<RegionId>,
}

/// No native code.
pub(crate) enum Native {}

impl Native {
    pub(crate) fn new(_: &Source<'_>) -> Result<Self, NoNative> {
        Err(NoNative::Machine)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match *self {}
    }

    pub(crate) fn entry(&self, _: usize) -> Option<*const u8> {
        match *self {}
    }

    /// # Safety
    /// Never called.
    pub(crate) unsafe fn enter(&self, _: *mut Machine, _: *mut Memory, _: *const u8) -> Option<Signal> {
        match *self {}
    }
}
