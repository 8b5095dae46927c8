//! Machines without a compiler: the names, and the answer.

use skep_isa::Op;

use super::NoNative;
use crate::build::Plan;
use crate::code::Signal;
use crate::host::Imports;
use crate::machine::Machine;
use crate::memory::Memory;
use crate::proof::Binding;

/// What a compiler would read.
#[expect(dead_code, reason = "read where there is a compiler")]
pub(crate) struct Source<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) ops: &'a [(usize, Op)],
    pub(crate) imports: &'a dyn Imports,
    pub(crate) binding: Option<&'a Binding<'a>>,
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
