//! Superinstructions: sequences of cells that one handler runs.
//!
//! A cell that begins a sequence gets the sequence's handler. The cells themselves stay where they are and keep their
//! own handlers, so a jump into the middle, or a second try after a miss, needs no thought.
//!
//! Which sequences there are is the product of a few sets, chosen by what clang emits most in a hundred and fifty
//! objects of other people's programs: two operations; one or two and a branch; a copy and what is done to it
//! (BPF has two-operand arithmetic, so that `a = b + c` is `a = b; a += c`), which keeps the value in a host
//! register; and that with one operation more. They cost some 250 kB of code.
//!
//! Geometric mean over the programs of `bench/`, as a part of the faster peer's time: without sequences 0.37, with
//! pairs 0.29, with all of these 0.25. Two branches in a row, as a switch has, gained nothing.

use std::marker::PhantomData;

use skep_isa::{AluOp, Cond, ImmSource, Op, Operand, Size, Width};

use super::alu::{self, Alu, Chain, Step, Then, WideConst};
use super::mem::{Load, LoadFrame, Store, StoreFrame};
use super::select::{TestVisitor, UnitVisitor, Wide, in_frame, wide};
use super::test::{self, Compare};
use super::{Seq, Test, Unit, branch, reach, run};
use crate::code::{Code, Handler};

macro_rules! shapes {
    ($($name:ident = $ty:ty;)*) => {
        /// The operations that sequences are made of.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        enum Shape { $($name,)* }

        $(type $name = $ty;)*

        fn with_shape<V: UnitVisitor>(shape: Shape, v: V) -> V::Out {
            match shape { $(Shape::$name => v.visit::<$name>(),)* }
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
    AddR32 = Alu<{ alu::ADD }, false, false>;
    SubR32 = Alu<{ alu::SUB }, false, false>;
    OrR32 = Alu<{ alu::OR }, false, false>;
    XorR32 = Alu<{ alu::XOR }, false, false>;
    LshI32 = Alu<{ alu::LSH }, false, true>;
    RshI32 = Alu<{ alu::RSH }, false, true>;
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
    Const64 = WideConst;
}

/// The shape of an instruction, if sequences are made of it. Big-endian loads and stores have none.
fn shape(op: &Op, big: bool) -> Option<Shape> {
    Some(match *op {
        Op::Alu { width, op, src, .. } => alu_shape(op, width, matches!(src, Operand::Imm(_)))?,
        Op::LoadImm { imm, source: ImmSource::Value, .. } => match wide(imm) {
            Wide::Signed => Shape::MovI,
            Wide::Long => Shape::Const64,
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
        (AluOp::Add, Width::W32, false) => Shape::AddR32,
        (AluOp::Sub, Width::W32, false) => Shape::SubR32,
        (AluOp::Or, Width::W32, false) => Shape::OrR32,
        (AluOp::Xor, Width::W32, false) => Shape::XorR32,
        (AluOp::Lsh, Width::W32, true) => Shape::LshI32,
        (AluOp::Rsh, Width::W32, true) => Shape::RshI32,
        _ => return None,
    })
}

macro_rules! tests {
    ($($cond:ident $width:ident $imm:literal = $ty:ty;)*) => {
        /// Visits a comparison that sequences end in.
        fn with_popular_test<V: TestVisitor>(end: End, v: V) -> Option<V::Out> {
            match (end.cond, end.width, end.imm) {
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

/// The branch that a sequence ends in.
#[derive(Clone, Copy)]
struct End {
    cond: Cond,
    width: Width,
    imm: bool,
    back: bool,
}

/// Called with the type of a step.
trait StepVisitor {
    type Out;
    fn visit<S: Step>(self) -> Self::Out;
}

macro_rules! steps {
    ($visit:ident: $($name:ident)*) => {
        fn $visit<V: StepVisitor>(shape: Shape, v: V) -> Option<V::Out> {
            match shape {
                $(Shape::$name => Some(v.visit::<$name>()),)*
                _ => None,
            }
        }
    };
}

// What may be done to a value that stays in a host register.
steps!(with_step: AddR AddI SubR MulR MulI OrR AndR AndI XorR LshI RshI);
// The same on 32 bits.
steps!(with_step32: AddR32 AddI32 SubR32 OrR32 AndI32 XorR32 LshI32 RshI32);
// What is done to a copy most often.
steps!(with_popular_step: AddR AddI AndR AndI LshI RshI);

/// Makes the handler of `A` and what is visited.
struct After<A>(PhantomData<A>);

impl<A: Unit> UnitVisitor for After<A> {
    type Out = Handler;
    fn visit<B: Unit>(self) -> Handler {
        run::<Seq<A, B>>
    }
}

/// Makes the handler of two units.
struct Pair(Shape);

impl UnitVisitor for Pair {
    type Out = Handler;
    fn visit<A: Unit>(self) -> Handler {
        with_shape(self.0, After::<A>(PhantomData))
    }
}

/// Makes the handler of `A` and a branch.
struct Ending<A> {
    back: bool,
    first: PhantomData<A>,
}

impl<A: Unit> TestVisitor for Ending<A> {
    type Out = Handler;
    fn visit<T: Test>(self) -> Handler {
        if self.back { branch::<A, T, { reach::BACK }> } else { branch::<A, T, { reach::NEAR }> }
    }
}

fn ending<A: Unit>(end: End) -> Option<Handler> {
    with_popular_test(end, Ending::<A> { back: end.back, first: PhantomData })
}

/// Makes the handler of a unit and a branch.
struct OneThen(End);

impl UnitVisitor for OneThen {
    type Out = Option<Handler>;
    fn visit<A: Unit>(self) -> Option<Handler> {
        ending::<A>(self.0)
    }
}

/// Makes the handler of a unit, the step of a counter, and a branch: how a loop ends.
struct CountThen(End);

impl UnitVisitor for CountThen {
    type Out = Option<Handler>;
    fn visit<A: Unit>(self) -> Option<Handler> {
        ending::<Seq<A, AddI>>(self.0)
    }
}

/// Makes the handler of two steps on one destination.
struct FirstStep(Shape);
struct SecondStep<A>(PhantomData<A>);

impl StepVisitor for FirstStep {
    type Out = Option<Handler>;
    fn visit<A: Step>(self) -> Option<Handler> {
        with_step(self.0, SecondStep::<A>(PhantomData))
    }
}

impl<A: Step> StepVisitor for SecondStep<A> {
    type Out = Handler;
    fn visit<B: Step>(self) -> Handler {
        run::<Chain<Then<A, B>>>
    }
}

/// The same on 32 bits.
struct FirstStep32(Shape);
struct SecondStep32<A>(PhantomData<A>);

impl StepVisitor for FirstStep32 {
    type Out = Option<Handler>;
    fn visit<A: Step>(self) -> Option<Handler> {
        with_step32(self.0, SecondStep32::<A>(PhantomData))
    }
}

impl<A: Step> StepVisitor for SecondStep32<A> {
    type Out = Handler;
    fn visit<B: Step>(self) -> Handler {
        run::<Chain<Then<A, B>>>
    }
}

/// Makes the handler of a copy and two steps.
struct CopyStep(Shape);
struct CopyStepStep<A>(PhantomData<A>);

impl StepVisitor for CopyStep {
    type Out = Option<Handler>;
    fn visit<A: Step>(self) -> Option<Handler> {
        with_step(self.0, CopyStepStep::<A>(PhantomData))
    }
}

impl<A: Step> StepVisitor for CopyStepStep<A> {
    type Out = Handler;
    fn visit<B: Step>(self) -> Handler {
        run::<Chain<Then<MovR, Then<A, B>>>>
    }
}

/// Makes the handler of a copy, a step, and any unit or branch.
enum CopyStepAnd {
    Unit(Shape),
    Branch(End),
}

impl StepVisitor for CopyStepAnd {
    type Out = Option<Handler>;
    fn visit<A: Step>(self) -> Option<Handler> {
        match self {
            Self::Unit(shape) => Some(with_shape(shape, After::<Chain<Then<MovR, A>>>(PhantomData))),
            Self::Branch(end) => ending::<Chain<Then<MovR, A>>>(end),
        }
    }
}

/// The handler of two operations on one destination.
fn steps(first: Shape, second: Shape) -> Option<Handler> {
    match first {
        Shape::MovR => with_step(second, SecondStep::<MovR>(PhantomData)),
        Shape::MovR32 => with_step32(second, SecondStep32::<MovR32>(PhantomData)),
        _ => {
            with_step(first, FirstStep(second)).or_else(|| with_step32(first, FirstStep32(second))).flatten()
        }
    }
}

/// Gives cells that begin a popular sequence the handler of the sequence. `by` is how each branch reaches its target.
pub(crate) fn fuse(code: &mut [Code], op_of: &[Option<Op>], by: &[u8], big: bool) {
    let window = Window { op_of, by, big };
    for (at, cell) in code.iter_mut().enumerate() {
        if let Some(run) = window.sequence(at) {
            cell.run = run;
        }
    }
}

struct Window<'a> {
    op_of: &'a [Option<Op>],
    by: &'a [u8],
    big: bool,
}

impl Window<'_> {
    fn shape(&self, at: usize) -> Option<Shape> {
        shape(self.op_of.get(at)?.as_ref()?, self.big)
    }

    fn end(&self, at: usize) -> Option<End> {
        match *self.op_of.get(at)?.as_ref()? {
            Op::Branch { width, cond, src, .. } if self.by[at] != reach::CROSS => {
                let imm = matches!(src, Operand::Imm(_));
                Some(End { cond, width, imm, back: self.by[at] == reach::BACK })
            }
            _ => None,
        }
    }

    /// Whether the instruction changes the register that the one before it wrote, and reads no other copy of it.
    fn chained(&self, at: usize) -> bool {
        match (self.op_of.get(at - 1).copied().flatten(), self.op_of.get(at).copied().flatten()) {
            (Some(Op::Alu { dst: before, .. }), Some(Op::Alu { dst, src, .. })) => {
                before == dst && src != Operand::Reg(dst)
            }
            _ => false,
        }
    }

    /// The longest sequence that begins at a cell.
    fn sequence(&self, at: usize) -> Option<Handler> {
        let first = self.shape(at)?;
        let next = at + if first == Shape::Const64 { 2 } else { 1 };
        if let Some(end) = self.end(next) {
            return with_shape(first, OneThen(end));
        }
        let second = self.shape(next)?;
        let chained = self.chained(next);
        self.copy_and_more(first, second, chained, next)
            .or_else(|| with_shape(first, CountThen(self.end(next + 1).filter(|_| second == Shape::AddI)?)))
            .or_else(|| if chained { steps(first, second) } else { None })
            .or_else(|| Some(with_shape(first, Pair(second))))
    }

    fn copy_and_more(&self, first: Shape, second: Shape, chained: bool, next: usize) -> Option<Handler> {
        if first != Shape::MovR || !chained {
            return None;
        }
        if let Some(end) = self.end(next + 1) {
            return with_popular_step(second, CopyStepAnd::Branch(end)).flatten();
        }
        let third = self.shape(next + 1)?;
        let all_chained =
            self.chained(next + 1).then(|| with_step(second, CopyStep(third)).flatten()).flatten();
        all_chained.or_else(|| with_popular_step(second, CopyStepAnd::Unit(third)).flatten())
    }
}
