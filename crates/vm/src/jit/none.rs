//! Machines without a compiler: the names, and the answer.

use super::NoNative;
use super::shape::Source;
use crate::code::Signal;
use crate::machine::Machine;
use crate::memory::Memory;

/// Nothing is called.
pub(crate) const CALLS: [*const (); super::CALL_COUNT] = [std::ptr::null(); super::CALL_COUNT];

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
