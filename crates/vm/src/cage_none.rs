//! Machines without compiled code have no cages: regions lie on the heap.

use crate::head::Head;

/// Regions that a new cage would have room for.
pub(crate) const FIRST_REGIONS: usize = 64;
/// The most that it would grow to.
pub(crate) const MOST_REGIONS: usize = 4096;

/// No cage.
pub(crate) enum Cage {}

impl Cage {
    pub(crate) fn new(_: usize) -> Option<Self> {
        None
    }

    pub(crate) fn base(&self) -> *mut u8 {
        match *self {}
    }

    pub(crate) fn regions(&self) -> usize {
        match *self {}
    }

    pub(crate) fn head(&self) -> *mut Head {
        match *self {}
    }

    pub(crate) fn at(&self, _: u64) -> *mut u8 {
        match *self {}
    }

    pub(crate) fn open(&self, _: u64, _: usize) -> Option<*mut u8> {
        match *self {}
    }

    pub(crate) fn close(&self, _: u64, _: usize) {
        match *self {}
    }

    pub(crate) fn shorten(&self, _: u64, _: usize, _: usize) {
        match *self {}
    }

    pub(crate) fn move_to(&self, _: &Self, _: u64, _: usize) -> bool {
        match *self {}
    }
}
