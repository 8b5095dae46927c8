//! Compiles checked slots to cells.
//!
//! Three passes: lay out (which cell each instruction begins at), emit (handlers and displacements), fuse
//! (give cells that begin a popular sequence the handler of the whole sequence). Fusing moves nothing: each cell keeps
//! its own operands, and may still be jumped to.
//!
//! What is established here is what [`crate::code`] lists, given that [`skep_isa::validate`] has passed.

use skep_isa::{CallTarget, Endian, ImmSource, Insn, Op, Operand, Reg, Size};

use crate::code::{BLOCK, Code, Handler};
use crate::host::Imports;
use crate::image::{Engine, ErrorKind, ImageError, Missing, Options};
use crate::jit::{Native, Source};
use crate::memory::function_address;
use crate::ops::reach;
use crate::ops::select::{self, Condition, Wide};
use crate::ops::{flow, fuse};

/// What a build gives.
pub(crate) struct Built {
    pub(crate) code: Box<[Code]>,
    pub(crate) slots: Box<[u32]>,
    pub(crate) functions: Box<[(u32, u32)]>,
    pub(crate) native: Option<Native>,
}

/// Branches over more slots than this are laid out with a long jump behind them: cells may be twice as many as
/// slots, and a few more.
const FAR: i16 = 8_000;

struct Builder<'a> {
    ops: Vec<(usize, Op)>,
    imports: &'a dyn Imports,
    options: &'a Options,
    /// First cell of the instruction at each slot.
    cell_of: Vec<u32>,
    code: Vec<Code>,
    slots: Vec<u32>,
    /// The instruction whose first cell this is.
    op_of: Vec<Option<Op>>,
    /// How the branch in each cell reaches its target.
    by: Vec<u8>,
    /// Cells that cut chains, ascending.
    bounces: Vec<u32>,
    /// Cells that call the embedder, ascending.
    host_calls: Vec<u32>,
}

pub(crate) fn build(insns: &[Insn], imports: &dyn Imports, options: &Options) -> Result<Built, ImageError> {
    let ops = skep_isa::decode_all(insns).unwrap_or_default();
    let mut builder = Builder {
        ops,
        imports,
        options,
        cell_of: vec![0; insns.len()],
        code: Vec::new(),
        slots: Vec::new(),
        op_of: Vec::new(),
        by: Vec::new(),
        bounces: Vec::new(),
        host_calls: Vec::new(),
    };
    builder.lay_out();
    builder.emit()?;
    if !options.observe {
        fuse::fuse(&mut builder.code, &builder.op_of, &builder.by, options.endian == Endian::Big);
    }
    let functions = builder.functions();
    let code: Box<[Code]> = std::mem::take(&mut builder.code).into();
    let native = match options.engine {
        _ if options.observe => None,
        Engine::Interpreter => None,
        Engine::Jit => Some(builder.native(&code)?),
    };
    Ok(Built { code, slots: builder.slots.into(), functions, native })
}

pub(crate) fn is_far(off: i16) -> bool {
    off.unsigned_abs() > FAR.unsigned_abs()
}

fn cells(op: &Op) -> usize {
    match *op {
        Op::LoadImm { source: ImmSource::Func, .. } => 2,
        Op::LoadImm { imm, .. } if matches!(select::wide(imm), Wide::Long) => 2,
        Op::Branch { off, .. } if is_far(off) => 2,
        Op::MayGoto { off } if is_far(off) => 3,
        _ => 1,
    }
}

fn scaled(reg: Reg) -> u8 {
    reg.index() as u8 * 8
}

impl Builder<'_> {
    fn lay_out(&mut self) {
        let (mut at, mut next_bounce) = (0, BLOCK);
        for (slot, op) in &self.ops {
            if at >= next_bounce {
                self.bounces.push(at as u32);
                at += 1;
                next_bounce = at + BLOCK;
            }
            self.cell_of[*slot] = at as u32;
            at += cells(op) + usize::from(self.options.observe);
        }
    }

    fn emit(&mut self) -> Result<(), ImageError> {
        let ops = std::mem::take(&mut self.ops);
        for (slot, op) in &ops {
            if self.code.len() < self.cell_of[*slot] as usize {
                self.push(*slot, flow::bounce, 0, 0, 0, 0);
            }
            if self.options.observe {
                self.push(*slot, flow::observe, 0, 0, 0, 0);
            }
            let first = self.code.len();
            self.emit_op(*slot, op).map_err(ImageError)?;
            // A branch with a long jump behind it is not what its cell does.
            self.op_of[first] = Some(*op).filter(|op| !matches!(op, Op::Branch { off, .. } if is_far(*off)));
        }
        self.ops = ops;
        self.push(self.cell_of.len().saturating_sub(1), flow::fell_off, 0, 0, 0, 0);
        Ok(())
    }

    fn push(&mut self, slot: usize, run: Handler, a: u8, b: u8, off: i16, imm: i32) {
        self.code.push(Code { run, a, b, off, imm });
        self.slots.push(slot as u32);
        self.op_of.push(None);
        self.by.push(reach::NEAR);
    }

    /// A second cell of an instruction; it only holds an immediate.
    fn push_data(&mut self, slot: usize, imm: i32) {
        self.push(slot, flow::fell_off, 0, 0, 0, imm);
    }

    /// Displacement from the cell at `from` to the instruction at a slot, and the way of reaching it.
    fn distance(&self, from: usize, target: usize) -> (i32, u8) {
        let target = self.cell_of[target] as usize;
        let distance = target as i64 - from as i64;
        let block = |cell: usize| self.bounces.partition_point(|b| (*b as usize) < cell);
        let by = if target <= from {
            reach::BACK
        } else if block(target) == block(from) {
            reach::NEAR
        } else {
            reach::CROSS
        };
        (distance as i32, by)
    }

    fn emit_op(&mut self, slot: usize, op: &Op) -> Result<(), ErrorKind> {
        match *op {
            Op::Jump { off, .. } => self.emit_jump(slot, target(slot, off)),
            Op::Branch { width, cond, dst, src, off } => {
                let (b, imm) = operand(src);
                let condition = Condition::new(cond, width, src);
                self.emit_branch(
                    slot,
                    condition,
                    (scaled(dst), b, imm),
                    target(slot, off.into()),
                    is_far(off),
                );
            }
            Op::MayGoto { off } => self.emit_may_goto(slot, target(slot, off.into()), is_far(off)),
            Op::Call(callee) => self.emit_call(slot, callee)?,
            Op::Exit => self.push(slot, flow::exit, 0, 0, 0, 0),
            Op::LoadAbs { size, imm } => {
                self.push(slot, flow::load_packet, 0, size_index(size), 0, imm);
            }
            Op::LoadInd { size, src, imm } => {
                self.push(slot, flow::load_packet, scaled(src), size_index(size), flow::INDEXED, imm);
            }
            Op::LoadImm { dst, source, imm } => self.emit_constant(slot, op, dst, source, imm)?,
            _ => self.emit_unit(slot, op),
        }
        Ok(())
    }

    fn emit_jump(&mut self, slot: usize, target: usize) {
        let (distance, by) = self.distance(self.code.len(), target);
        let run = match by {
            reach::NEAR => flow::ja::<{ reach::NEAR }>,
            reach::BACK => flow::ja::<{ reach::BACK }>,
            _ => flow::ja::<{ reach::CROSS }>,
        };
        self.push(slot, run, 0, 0, 0, distance);
    }

    fn emit_branch(
        &mut self,
        slot: usize,
        c: Condition,
        (a, b, imm): (u8, u8, i32),
        target: usize,
        far: bool,
    ) {
        if far {
            self.push(slot, select::branch_handler(c.inverse(), reach::NEAR), a, b, 2, imm);
            self.emit_jump(slot, target);
        } else {
            let (distance, by) = self.distance(self.code.len(), target);
            self.push(slot, select::branch_handler(c, by), a, b, distance as i16, imm);
            if let Some(last) = self.by.last_mut() {
                *last = by;
            }
        }
    }

    fn emit_may_goto(&mut self, slot: usize, target: usize, far: bool) {
        if far {
            self.push(slot, select::may_goto_handler(reach::NEAR), 0, 0, 2, 0);
            self.push(slot, flow::ja::<{ reach::NEAR }>, 0, 0, 0, 2);
            self.emit_jump(slot, target);
        } else {
            let (distance, by) = self.distance(self.code.len(), target);
            self.push(slot, select::may_goto_handler(by), 0, 0, distance as i16, 0);
        }
    }

    fn emit_call(&mut self, slot: usize, callee: CallTarget) -> Result<(), ErrorKind> {
        let reject = self.options.missing == Missing::Reject;
        match callee {
            CallTarget::Subprog(off) => {
                let (distance, _) = self.distance(self.code.len(), target(slot, off));
                self.push(slot, flow::call, 0, 0, 0, distance);
            }
            CallTarget::Register(reg) => self.push(slot, flow::call_register, scaled(reg), 0, 0, 0),
            CallTarget::Helper(id) => match self.imports.helper(id) {
                Some(index) => self.push_host_call(slot, index),
                None if reject => return Err(ErrorKind::Helper { slot, id }),
                None => self.push(slot, flow::no_helper, 0, 0, 0, id),
            },
            CallTarget::Kfunc { btf_id, module } => match self.imports.kfunc(btf_id, module) {
                Some(index) => self.push_host_call(slot, index),
                None if reject => return Err(ErrorKind::Kfunc { slot, btf_id }),
                None => self.push(slot, flow::no_kfunc, 0, 0, 0, btf_id),
            },
        }
        Ok(())
    }

    fn push_host_call(&mut self, slot: usize, index: u32) {
        self.host_calls.push(self.code.len() as u32);
        self.push(slot, flow::helper, 0, 0, 0, index as i32);
    }

    fn emit_constant(
        &mut self,
        slot: usize,
        op: &Op,
        dst: Reg,
        source: ImmSource,
        imm: u64,
    ) -> Result<(), ErrorKind> {
        let value = match source {
            ImmSource::Value => imm,
            ImmSource::Func => function_address(target(slot, imm as i32) as u32),
            _ => return Err(ErrorKind::Unresolved { slot }),
        };
        if let Some(run) = select::unit_handler(op, false) {
            self.push(slot, run, scaled(dst), 0, 0, value as i32);
        }
        if cells(op) == 2 {
            self.push_data(slot, (value >> 32) as i32);
        }
        Ok(())
    }

    fn emit_unit(&mut self, slot: usize, op: &Op) {
        let big = self.options.endian == Endian::Big;
        let (a, b, off, mut imm) = fields(op);
        let mut run = select::unit_handler(op, big);
        if let Op::AddrSpaceCast { dst, src, .. } = *op {
            match self.options.arena {
                Some(region) => imm = (region.base() >> 32) as i32,
                None => run = select::unit_handler(&low_half(dst, src), big),
            }
        }
        // Every instruction that gets here has a unit; what has none would stop the run rather than be skipped.
        self.push(slot, run.unwrap_or(flow::fell_off), a, b, off, imm);
    }

    fn native(&self, code: &[Code]) -> Result<Native, ImageError> {
        Native::new(&Source {
            ops: &self.ops,
            cell_of: &self.cell_of,
            code,
            host_calls: &self.host_calls,
            big: self.options.endian == Endian::Big,
            arena: self.options.arena,
        })
        .map_err(|why| ImageError(ErrorKind::Native(why)))
    }

    fn functions(&self) -> Box<[(u32, u32)]> {
        let mut slots: Vec<u32> = vec![0];
        for (slot, op) in &self.ops {
            match *op {
                Op::Call(CallTarget::Subprog(off)) => slots.push(target(*slot, off) as u32),
                Op::LoadImm { source: ImmSource::Func, imm, .. } => {
                    slots.push(target(*slot, imm as i32) as u32)
                }
                _ => {}
            }
        }
        slots.sort_unstable();
        slots.dedup();
        slots.iter().map(|slot| (*slot, self.cell_of[*slot as usize])).collect()
    }
}

/// The slot at a distance from the one after `slot`; validation found it inside.
fn target(slot: usize, off: i32) -> usize {
    (slot as i64 + 1 + i64::from(off)) as usize
}

fn size_index(size: Size) -> u8 {
    size.bytes().trailing_zeros() as u8
}

fn operand(src: Operand) -> (u8, i32) {
    match src {
        Operand::Reg(reg) => (scaled(reg), 0),
        Operand::Imm(imm) => (0, imm),
    }
}

/// `wdst = wsrc`: what a cast between address spaces is where there is no arena.
fn low_half(dst: Reg, src: Reg) -> Op {
    Op::Alu { width: skep_isa::Width::W32, op: skep_isa::AluOp::Mov, dst, src: Operand::Reg(src) }
}

fn fields(op: &Op) -> (u8, u8, i16, i32) {
    match *op {
        Op::Alu { dst, src, .. } => {
            let (b, imm) = operand(src);
            (scaled(dst), b, 0, imm)
        }
        Op::Movsx { dst, src, .. } | Op::AddrSpaceCast { dst, src, .. } => (scaled(dst), scaled(src), 0, 0),
        Op::Neg { dst, .. } | Op::Swap { dst, .. } => (scaled(dst), 0, 0, 0),
        Op::Load { dst, src, off, .. } | Op::LoadAcquire { dst, src, off, .. } => {
            (scaled(dst), scaled(src), off, 0)
        }
        Op::Store { dst, off, src, .. } => {
            let (b, imm) = operand(src);
            (scaled(dst), b, off, imm)
        }
        Op::Atomic { dst, src, off, .. } | Op::StoreRelease { dst, src, off, .. } => {
            (scaled(dst), scaled(src), off, 0)
        }
        _ => (0, 0, 0, 0),
    }
}
