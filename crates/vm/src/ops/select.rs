//! Which handler runs an instruction: from [`Op`] to types, in one place.
//!
//! A choice is made by visiting: [`with_unit`] and [`with_test`] call a visitor with the type that implements an
//! operation. Handlers for pairs come from visiting twice (see [`super::fuse`]).

use skep_isa::{AluOp, AtomicOp, Cond, ImmSource, Op, Operand, Size, SwapKind, Width};

use super::alu::{self, Alu, ArenaCast, Const32, Movsx, Neg, Swap, Truncate, WideConst};
use super::atomic::{Atomic, aligned};
use super::mem::{Load, LoadFrame, Store, StoreFrame};
use super::test::{self, Compare, Spent};
use super::{Nothing, Test, Unit, branch, reach, run};
use crate::code::Handler;
use crate::memory::FRAME_BYTES;

/// Called with the type of a unit.
pub(crate) trait UnitVisitor {
    /// What it makes of it.
    type Out;
    /// Visits.
    fn visit<U: Unit>(self) -> Self::Out;
}

/// Called with the type of a test.
pub(crate) trait TestVisitor {
    /// What it makes of it.
    type Out;
    /// Visits.
    fn visit<T: Test>(self) -> Self::Out;
}

/// A comparison as the builder wants it; `clear` is the inverse of `Set`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Condition {
    code: u8,
    width: Width,
    imm: bool,
}

impl Condition {
    pub(crate) fn new(cond: Cond, width: Width, src: Operand) -> Self {
        Self { code: cond as u8, width, imm: matches!(src, Operand::Imm(_)) }
    }

    /// The condition that holds when this one does not.
    pub(crate) fn inverse(self) -> Self {
        let code = match self.code {
            test::EQ => test::NE,
            test::NE => test::EQ,
            test::SET => test::CLEAR,
            test::CLEAR => test::SET,
            test::GT => test::LE,
            test::LE => test::GT,
            test::GE => test::LT,
            test::LT => test::GE,
            test::SGT => test::SLE,
            test::SLE => test::SGT,
            test::SGE => test::SLT,
            _ => test::SGE,
        };
        Self { code, ..self }
    }
}

macro_rules! each_test {
    ($c:expr, $v:expr, $($code:ident)*) => {
        match ($c.code, $c.width, $c.imm) {
            $(
                (test::$code, Width::W64, false) => $v.visit::<Compare<{ test::$code }, true, false>>(),
                (test::$code, Width::W64, true) => $v.visit::<Compare<{ test::$code }, true, true>>(),
                (test::$code, Width::W32, false) => $v.visit::<Compare<{ test::$code }, false, false>>(),
                (test::$code, Width::W32, true) => $v.visit::<Compare<{ test::$code }, false, true>>(),
            )*
            // Every code is in the list; the last one stands for the numbers that no condition has.
            _ => $v.visit::<Compare<{ test::SLE }, false, true>>(),
        }
    };
}

/// Visits the type of a comparison.
pub(crate) fn with_test<V: TestVisitor>(c: Condition, v: V) -> V::Out {
    each_test!(c, v, EQ NE SET CLEAR GT GE LT LE SGT SGE SLT SLE)
}

struct Single;

impl UnitVisitor for Single {
    type Out = Handler;
    fn visit<U: Unit>(self) -> Handler {
        run::<U>
    }
}

struct BranchBy<const REACH: u8>;

impl<const REACH: u8> TestVisitor for BranchBy<REACH> {
    type Out = Handler;
    fn visit<T: Test>(self) -> Handler {
        branch::<Nothing, T, REACH>
    }
}

/// The handler of a branch.
pub(crate) fn branch_handler(c: Condition, by: u8) -> Handler {
    match by {
        reach::NEAR => with_test(c, BranchBy::<{ reach::NEAR }>),
        reach::BACK => with_test(c, BranchBy::<{ reach::BACK }>),
        _ => with_test(c, BranchBy::<{ reach::CROSS }>),
    }
}

/// The handler of `may_goto`.
pub(crate) fn may_goto_handler(by: u8) -> Handler {
    match by {
        reach::NEAR => branch::<Nothing, Spent, { reach::NEAR }>,
        reach::BACK => branch::<Nothing, Spent, { reach::BACK }>,
        _ => branch::<Nothing, Spent, { reach::CROSS }>,
    }
}

/// The handler of an instruction that falls through, if it is one; calls aside.
pub(crate) fn unit_handler(op: &Op, big: bool) -> Option<Handler> {
    atomic_handler(op, big).or_else(|| with_unit(op, big, Single))
}

/// Visits the type of an instruction that falls through; atomics and calls aside.
pub(crate) fn with_unit<V: UnitVisitor>(op: &Op, big: bool, v: V) -> Option<V::Out> {
    Some(match *op {
        Op::Alu { width, op, src, .. } => visit_alu(op, width, matches!(src, Operand::Imm(_)), v),
        Op::Neg { width: Width::W64, .. } => v.visit::<Neg<true>>(),
        Op::Neg { width: Width::W32, .. } => v.visit::<Neg<false>>(),
        Op::Movsx { width, from, .. } => visit_movsx(width, from, v),
        Op::AddrSpaceCast { .. } => v.visit::<ArenaCast>(),
        Op::Swap { kind, size, .. } => visit_swap(kind, size, big, v),
        Op::LoadImm { source: ImmSource::Func, .. } => v.visit::<WideConst>(),
        Op::LoadImm { imm, .. } => match wide(imm) {
            Wide::Signed => v.visit::<Alu<{ alu::MOV }, true, true>>(),
            Wide::Unsigned => v.visit::<Const32>(),
            Wide::Long => v.visit::<WideConst>(),
        },
        Op::Load { size, signed, src, off, .. } => {
            let frame = src.index() == 10 && in_frame(off, size);
            if big {
                visit_load::<true, V>(size, signed, frame, v)
            } else {
                visit_load::<false, V>(size, signed, frame, v)
            }
        }
        Op::Store { size, dst, off, src } => {
            let frame = dst.index() == 10 && in_frame(off, size);
            let imm = matches!(src, Operand::Imm(_));
            if big {
                visit_store::<true, V>(size, imm, frame, v)
            } else {
                visit_store::<false, V>(size, imm, frame, v)
            }
        }
        _ => return None,
    })
}

/// How a wide constant fits into cells.
pub(crate) enum Wide {
    /// It is a sign-extended immediate.
    Signed,
    /// It is a zero-extended one.
    Unsigned,
    /// It takes two cells.
    Long,
}

pub(crate) fn wide(imm: u64) -> Wide {
    if i64::from(imm as i32) as u64 == imm {
        Wide::Signed
    } else if imm <= u64::from(u32::MAX) {
        Wide::Unsigned
    } else {
        Wide::Long
    }
}

/// Whether an access at r10 plus `off` lies in the frame, whose last byte is at -1.
pub(crate) fn in_frame(off: i16, size: Size) -> bool {
    let off = i32::from(off);
    off >= -(FRAME_BYTES as i32) && off + size.bytes() as i32 <= 0
}

macro_rules! each_alu {
    ($op:expr, $width:expr, $imm:expr, $v:expr, $($name:ident)*) => {
        match ($op, $width, $imm) {
            $(
                (AluOp::$name, Width::W64, false) => $v.visit::<Alu<{ AluOp::$name as u8 }, true, false>>(),
                (AluOp::$name, Width::W64, true) => $v.visit::<Alu<{ AluOp::$name as u8 }, true, true>>(),
                (AluOp::$name, Width::W32, false) => $v.visit::<Alu<{ AluOp::$name as u8 }, false, false>>(),
                (AluOp::$name, Width::W32, true) => $v.visit::<Alu<{ AluOp::$name as u8 }, false, true>>(),
            )*
        }
    };
}

fn visit_alu<V: UnitVisitor>(op: AluOp, width: Width, imm: bool, v: V) -> V::Out {
    each_alu!(op, width, imm, v, Add Sub Mul Div Sdiv Or And Lsh Rsh Mod Smod Xor Mov Arsh)
}

fn visit_movsx<V: UnitVisitor>(width: Width, from: Size, v: V) -> V::Out {
    match (width, from) {
        (Width::W32, Size::B) => v.visit::<Movsx<8, false>>(),
        (Width::W32, _) => v.visit::<Movsx<16, false>>(),
        (Width::W64, Size::B) => v.visit::<Movsx<8, true>>(),
        (Width::W64, Size::H) => v.visit::<Movsx<16, true>>(),
        (Width::W64, _) => v.visit::<Movsx<32, true>>(),
    }
}

fn visit_swap<V: UnitVisitor>(kind: SwapKind, size: Size, big: bool, v: V) -> V::Out {
    let swap = match kind {
        SwapKind::ToLe => big,
        SwapKind::ToBe => !big,
        SwapKind::Swap => true,
    };
    match (swap, size) {
        (true, Size::B | Size::H) => v.visit::<Swap<16>>(),
        (true, Size::W) => v.visit::<Swap<32>>(),
        (true, Size::Dw) => v.visit::<Swap<64>>(),
        (false, Size::B | Size::H) => v.visit::<Truncate<16>>(),
        (false, Size::W) => v.visit::<Truncate<32>>(),
        (false, Size::Dw) => v.visit::<Truncate<64>>(),
    }
}

fn visit_load<const BIG: bool, V: UnitVisitor>(size: Size, signed: bool, frame: bool, v: V) -> V::Out {
    match (size, signed, frame) {
        (Size::B, false, false) => v.visit::<Load<0, false, BIG>>(),
        (Size::H, false, false) => v.visit::<Load<1, false, BIG>>(),
        (Size::W, false, false) => v.visit::<Load<2, false, BIG>>(),
        (Size::Dw, _, false) => v.visit::<Load<3, false, BIG>>(),
        (Size::B, true, false) => v.visit::<Load<0, true, BIG>>(),
        (Size::H, true, false) => v.visit::<Load<1, true, BIG>>(),
        (Size::W, true, false) => v.visit::<Load<2, true, BIG>>(),
        (Size::B, false, true) => v.visit::<LoadFrame<0, false, BIG>>(),
        (Size::H, false, true) => v.visit::<LoadFrame<1, false, BIG>>(),
        (Size::W, false, true) => v.visit::<LoadFrame<2, false, BIG>>(),
        (Size::Dw, _, true) => v.visit::<LoadFrame<3, false, BIG>>(),
        (Size::B, true, true) => v.visit::<LoadFrame<0, true, BIG>>(),
        (Size::H, true, true) => v.visit::<LoadFrame<1, true, BIG>>(),
        (Size::W, true, true) => v.visit::<LoadFrame<2, true, BIG>>(),
    }
}

fn visit_store<const BIG: bool, V: UnitVisitor>(size: Size, imm: bool, frame: bool, v: V) -> V::Out {
    match (size, imm, frame) {
        (Size::B, false, false) => v.visit::<Store<0, false, BIG>>(),
        (Size::H, false, false) => v.visit::<Store<1, false, BIG>>(),
        (Size::W, false, false) => v.visit::<Store<2, false, BIG>>(),
        (Size::Dw, false, false) => v.visit::<Store<3, false, BIG>>(),
        (Size::B, true, false) => v.visit::<Store<0, true, BIG>>(),
        (Size::H, true, false) => v.visit::<Store<1, true, BIG>>(),
        (Size::W, true, false) => v.visit::<Store<2, true, BIG>>(),
        (Size::Dw, true, false) => v.visit::<Store<3, true, BIG>>(),
        (Size::B, false, true) => v.visit::<StoreFrame<0, false, BIG>>(),
        (Size::H, false, true) => v.visit::<StoreFrame<1, false, BIG>>(),
        (Size::W, false, true) => v.visit::<StoreFrame<2, false, BIG>>(),
        (Size::Dw, false, true) => v.visit::<StoreFrame<3, false, BIG>>(),
        (Size::B, true, true) => v.visit::<StoreFrame<0, true, BIG>>(),
        (Size::H, true, true) => v.visit::<StoreFrame<1, true, BIG>>(),
        (Size::W, true, true) => v.visit::<StoreFrame<2, true, BIG>>(),
        (Size::Dw, true, true) => v.visit::<StoreFrame<3, true, BIG>>(),
    }
}

macro_rules! each_atomic {
    ($op:expr, $size:expr, $fetch:expr, $($name:ident)*) => {
        match ($op, $size, $fetch) {
            $(
                (AtomicOp::$name, Size::Dw, false) => aligned::<Atomic<{ AtomicOp::$name as u8 }, 3, false, BIG>, 3, true>,
                (AtomicOp::$name, Size::Dw, true) => aligned::<Atomic<{ AtomicOp::$name as u8 }, 3, true, BIG>, 3, true>,
                (AtomicOp::$name, _, false) => aligned::<Atomic<{ AtomicOp::$name as u8 }, 2, false, BIG>, 2, true>,
                (AtomicOp::$name, _, true) => aligned::<Atomic<{ AtomicOp::$name as u8 }, 2, true, BIG>, 2, true>,
            )*
        }
    };
}

fn rmw<const BIG: bool>(op: AtomicOp, size: Size, fetch: bool) -> Handler {
    each_atomic!(op, size, fetch, Add Or And Xor Xchg Cmpxchg)
}

fn acquire<const BIG: bool>(size: Size) -> Handler {
    match size {
        Size::B => aligned::<Load<0, false, BIG>, 0, false>,
        Size::H => aligned::<Load<1, false, BIG>, 1, false>,
        Size::W => aligned::<Load<2, false, BIG>, 2, false>,
        Size::Dw => aligned::<Load<3, false, BIG>, 3, false>,
    }
}

fn release<const BIG: bool>(size: Size) -> Handler {
    match size {
        Size::B => aligned::<Store<0, false, BIG>, 0, true>,
        Size::H => aligned::<Store<1, false, BIG>, 1, true>,
        Size::W => aligned::<Store<2, false, BIG>, 2, true>,
        Size::Dw => aligned::<Store<3, false, BIG>, 3, true>,
    }
}

fn atomic_handler(op: &Op, big: bool) -> Option<Handler> {
    Some(match *op {
        Op::Atomic { op, size, fetch, .. } if big => rmw::<true>(op, size, fetch),
        Op::Atomic { op, size, fetch, .. } => rmw::<false>(op, size, fetch),
        Op::LoadAcquire { size, .. } if big => acquire::<true>(size),
        Op::LoadAcquire { size, .. } => acquire::<false>(size),
        Op::StoreRelease { size, .. } if big => release::<true>(size),
        Op::StoreRelease { size, .. } => release::<false>(size),
        _ => return None,
    })
}
