//! Loads and stores. RFC 9669, section 5.
//!
//! `BIG` is the program's byte order. Those through r10 with an offset inside the frame need no check: nothing
//! can write r10 but calls and returns.

use super::{Cx, Miss, Unit};

/// Reads `1 << SIZE` bytes, zero-extended, in the given order.
///
/// # Safety
/// They are readable.
#[inline(always)]
pub(crate) unsafe fn load<const SIZE: usize, const BIG: bool>(at: *const u8) -> u64 {
    macro_rules! read {
        ($ty:ty) => {{
            // SAFETY: the caller's promise; no alignment is asked for.
            let raw = unsafe { at.cast::<$ty>().read_unaligned() };
            u64::from(if BIG { <$ty>::from_be(raw) } else { <$ty>::from_le(raw) })
        }};
    }
    match SIZE {
        0 => read!(u8),
        1 => read!(u16),
        2 => read!(u32),
        _ => read!(u64),
    }
}

/// Writes the low `1 << SIZE` bytes of a value in the given order.
///
/// # Safety
/// They are writable.
#[inline(always)]
pub(crate) unsafe fn store<const SIZE: usize, const BIG: bool>(at: *mut u8, value: u64) {
    macro_rules! write {
        ($ty:ty) => {{
            let value = value as $ty;
            let raw = if BIG { value.to_be() } else { value.to_le() };
            // SAFETY: the caller's promise; no alignment is asked for.
            unsafe { at.cast::<$ty>().write_unaligned(raw) }
        }};
    }
    match SIZE {
        0 => write!(u8),
        1 => write!(u16),
        2 => write!(u32),
        _ => write!(u64),
    }
}

#[inline(always)]
fn extend<const SIZE: usize, const SIGNED: bool>(value: u64) -> u64 {
    let shift = 64 - (8 << SIZE);
    if SIGNED { ((value << shift) as i64 >> shift) as u64 } else { value }
}

/// `dst = *(src + off)`.
pub(crate) struct Load<const SIZE: usize, const SIGNED: bool, const BIG: bool>;

impl<const SIZE: usize, const SIGNED: bool, const BIG: bool> Unit for Load<SIZE, SIGNED, BIG> {
    #[inline(always)]
    fn exec(cx: Cx) -> Result<(), Miss> {
        let at = cx.reach::<SIZE, false>(cx.cell().b, cx.address(cx.b()))?;
        // SAFETY: `reach` found the bytes inside a region.
        cx.set_a(extend::<SIZE, SIGNED>(unsafe { load::<SIZE, BIG>(at) }));
        Ok(())
    }
}

/// `dst = *(r10 + off)`.
pub(crate) struct LoadFrame<const SIZE: usize, const SIGNED: bool, const BIG: bool>;

impl<const SIZE: usize, const SIGNED: bool, const BIG: bool> Unit for LoadFrame<SIZE, SIGNED, BIG> {
    #[inline(always)]
    fn exec(cx: Cx) -> Result<(), Miss> {
        // SAFETY: the builder chose this unit because the bytes lie in the frame.
        cx.set_a(extend::<SIZE, SIGNED>(unsafe { load::<SIZE, BIG>(cx.in_frame()) }));
        Ok(())
    }
}

#[inline(always)]
fn stored<const IMM: bool>(cx: Cx) -> u64 {
    if IMM { cx.imm() } else { cx.b() }
}

/// `*(dst + off) = src`.
pub(crate) struct Store<const SIZE: usize, const IMM: bool, const BIG: bool>;

impl<const SIZE: usize, const IMM: bool, const BIG: bool> Unit for Store<SIZE, IMM, BIG> {
    #[inline(always)]
    fn exec(cx: Cx) -> Result<(), Miss> {
        let at = cx.reach::<SIZE, true>(cx.cell().a, cx.address(cx.a()))?;
        // SAFETY: `reach` found the bytes inside a region that may be written.
        unsafe { store::<SIZE, BIG>(at, stored::<IMM>(cx)) };
        Ok(())
    }
}

/// `*(r10 + off) = src`.
pub(crate) struct StoreFrame<const SIZE: usize, const IMM: bool, const BIG: bool>;

impl<const SIZE: usize, const IMM: bool, const BIG: bool> Unit for StoreFrame<SIZE, IMM, BIG> {
    #[inline(always)]
    fn exec(cx: Cx) -> Result<(), Miss> {
        // SAFETY: the builder chose this unit because the bytes lie in the frame.
        unsafe { store::<SIZE, BIG>(cx.in_frame(), stored::<IMM>(cx)) };
        Ok(())
    }
}
