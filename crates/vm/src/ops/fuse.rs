//! Superinstructions: sequences of cells that one handler runs.
//!
//! A cell that begins a sequence gets the sequence's handler. The cells themselves stay where they are and keep their
//! own handlers, so a jump into the middle, or a second try after a miss, needs no thought.

use skep_isa::{AluOp, Cond, Op, Operand, Size, Width};

use super::alu::{self, Alu, WideConst};
use super::mem::{Load, LoadFrame, Store, StoreFrame};
use super::select::{TestVisitor, UnitVisitor, Wide, in_frame, wide};
use super::test::{self, Compare};
use super::{Seq, Test, Unit, branch, reach, run};
use crate::code::{Code, Handler};
use std::marker::PhantomData;

macro_rules! shapes {
    ($($(#[$doc:meta])* $name:ident = $ty:ty;)*) => {
        /// The operations that sequences are made of.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        enum Shape { $($name,)* }

        fn with_shape<V: UnitVisitor>(shape: Shape, v: V) -> V::Out {
            match shape { $(Shape::$name => v.visit::<$ty>(),)* }
        }
    };
}

shapes! {
    MovR = Alu<{ alu::MOV }, true, false>;
    MovI = Alu<{ alu::MOV }, true, true>;
    AddR = Alu<{ alu::ADD }, true, false>;
    AddI = Alu<{ alu::ADD }, true, true>;
    SubR = Alu<{ alu::SUB }, true, false>;
    MulR = Alu<{ alu::MUL }, true, false>;
    MulI = Alu<{ alu::MUL }, true, true>;
    OrR = Alu<{ alu::OR }, true, false>;
    AndR = Alu<{ alu::AND }, true, false>;
    AndI = Alu<{ alu::AND }, true, true>;
    XorR = Alu<{ alu::XOR }, true, false>;
    LshI = Alu<{ alu::LSH }, true, true>;
    RshI = Alu<{ alu::RSH }, true, true>;
    MovR32 = Alu<{ alu::MOV }, false, false>;
    MovI32 = Alu<{ alu::MOV }, false, true>;
    AddI32 = Alu<{ alu::ADD }, false, true>;
    AndI32 = Alu<{ alu::AND }, false, true>;
    LoadB = Load<0, false, false>;
    LoadH = Load<1, false, false>;
    LoadW = Load<2, false, false>;
    LoadD = Load<3, false, false>;
    LoadFrameD = LoadFrame<3, false, false>;
    StoreB = Store<0, false, false>;
    StoreH = Store<1, false, false>;
    StoreW = Store<2, false, false>;
    StoreD = Store<3, false, false>;
    StoreFrameD = StoreFrame<3, false, false>;
    Wide = WideConst;
}

/// The shape of an instruction, if sequences are made of it. `big` has no loads and stores.
fn shape(op: &Op, big: bool) -> Option<Shape> {
    Some(match *op {
        Op::Alu { width, op, src, .. } => alu_shape(op, width, matches!(src, Operand::Imm(_)))?,
        Op::LoadImm { imm, source: skep_isa::ImmSource::Value, .. } => match wide(imm) {
            Wide::Signed => Shape::MovI,
            Wide::Long => Shape::Wide,
            Wide::Unsigned => return None,
        },
        Op::Load { size, signed: false, src, off, .. } if !big => {
            match (size, src.index() == 10 && in_frame(off, size)) {
                (Size::B, false) => Shape::LoadB,
                (Size::H, false) => Shape::LoadH,
                (Size::W, false) => Shape::LoadW,
                (Size::Dw, false) => Shape::LoadD,
                (Size::Dw, true) => Shape::LoadFrameD,
                _ => return None,
            }
        }
        Op::Store { size, dst, off, src: Operand::Reg(_) } if !big => {
            match (size, dst.index() == 10 && in_frame(off, size)) {
                (Size::B, false) => Shape::StoreB,
                (Size::H, false) => Shape::StoreH,
                (Size::W, false) => Shape::StoreW,
                (Size::Dw, false) => Shape::StoreD,
                (Size::Dw, true) => Shape::StoreFrameD,
                _ => return None,
            }
        }
        _ => return None,
    })
}

fn alu_shape(op: AluOp, width: Width, imm: bool) -> Option<Shape> {
    Some(match (op, width, imm) {
        (AluOp::Mov, Width::W64, false) => Shape::MovR,
        (AluOp::Mov, Width::W64, true) => Shape::MovI,
        (AluOp::Add, Width::W64, false) => Shape::AddR,
        (AluOp::Add, Width::W64, true) => Shape::AddI,
        (AluOp::Sub, Width::W64, false) => Shape::SubR,
        (AluOp::Mul, Width::W64, false) => Shape::MulR,
        (AluOp::Mul, Width::W64, true) => Shape::MulI,
        (AluOp::Or, Width::W64, false) => Shape::OrR,
        (AluOp::And, Width::W64, false) => Shape::AndR,
        (AluOp::And, Width::W64, true) => Shape::AndI,
        (AluOp::Xor, Width::W64, false) => Shape::XorR,
        (AluOp::Lsh, Width::W64, true) => Shape::LshI,
        (AluOp::Rsh, Width::W64, true) => Shape::RshI,
        (AluOp::Mov, Width::W32, false) => Shape::MovR32,
        (AluOp::Mov, Width::W32, true) => Shape::MovI32,
        (AluOp::Add, Width::W32, true) => Shape::AddI32,
        (AluOp::And, Width::W32, true) => Shape::AndI32,
        _ => return None,
    })
}

macro_rules! tests {
    ($($cond:ident $width:ident $imm:literal = $ty:ty;)*) => {
        /// Visits a comparison that sequences end in.
        fn with_popular_test<V: TestVisitor>(cond: Cond, width: Width, imm: bool, v: V) -> Option<V::Out> {
            match (cond, width, imm) {
                $((Cond::$cond, Width::$width, $imm) => Some(v.visit::<$ty>()),)*
                _ => None,
            }
        }
    };
}

tests! {
    Eq W64 true = Compare<{ test::EQ }, true, true>;
    Ne W64 true = Compare<{ test::NE }, true, true>;
    Eq W64 false = Compare<{ test::EQ }, true, false>;
    Ne W64 false = Compare<{ test::NE }, true, false>;
    Lt W64 false = Compare<{ test::LT }, true, false>;
    Gt W64 false = Compare<{ test::GT }, true, false>;
    Lt W64 true = Compare<{ test::LT }, true, true>;
    Gt W64 true = Compare<{ test::GT }, true, true>;
    Sgt W64 true = Compare<{ test::SGT }, true, true>;
    Eq W32 true = Compare<{ test::EQ }, false, true>;
    Ne W32 true = Compare<{ test::NE }, false, true>;
}

struct First(Shape);
struct Second<A>(PhantomData<A>);

impl UnitVisitor for First {
    type Out = Handler;
    fn visit<A: Unit>(self) -> Handler {
        with_shape(self.0, Second::<A>(PhantomData))
    }
}

impl<A: Unit> UnitVisitor for Second<A> {
    type Out = Handler;
    fn visit<B: Unit>(self) -> Handler {
        run::<Seq<A, B>>
    }
}

struct BeforeBranch {
    cond: Cond,
    width: Width,
    imm: bool,
    back: bool,
}
struct Ending<A> {
    back: bool,
    first: PhantomData<A>,
}

impl UnitVisitor for BeforeBranch {
    type Out = Option<Handler>;
    fn visit<A: Unit>(self) -> Option<Handler> {
        with_popular_test(
            self.cond,
            self.width,
            self.imm,
            Ending::<A> { back: self.back, first: PhantomData },
        )
    }
}

impl<A: Unit> TestVisitor for Ending<A> {
    type Out = Handler;
    fn visit<T: Test>(self) -> Handler {
        if self.back { branch::<A, T, { reach::BACK }> } else { branch::<A, T, { reach::NEAR }> }
    }
}

/// Gives cells that begin a popular sequence the handler of the sequence. `by` is how each branch reaches its target.
pub(crate) fn fuse(code: &mut [Code], op_of: &[Option<Op>], by: &[u8], big: bool) {
    for at in 0..code.len() {
        if let Some(run) = sequence(op_of, by, big, at) {
            code[at].run = run;
        }
    }
}

fn sequence(op_of: &[Option<Op>], by: &[u8], big: bool, at: usize) -> Option<Handler> {
    let first = shape(op_of[at].as_ref()?, big)?;
    let next = at + if first == Shape::Wide { 2 } else { 1 };
    match op_of.get(next)?.as_ref()? {
        Op::Branch { width, cond, src, .. } if by[next] != reach::CROSS => with_shape(
            first,
            BeforeBranch {
                cond: *cond,
                width: *width,
                imm: matches!(src, Operand::Imm(_)),
                back: by[next] == reach::BACK,
            },
        ),
        op => Some(with_shape(first, First(shape(op, big)?))),
    }
}
