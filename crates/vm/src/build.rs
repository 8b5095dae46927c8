//! Compiles checked slots to cells.
//!
//! A [`Plan`] says which cell each instruction begins at and what each call calls. Then two passes: emit (handlers and
//! displacements), fuse
//! (give cells that begin a popular sequence the handler of the whole sequence). Fusing moves nothing: each cell keeps
//! its own operands, and may still be jumped to.
//!
//! What is established here is what [`crate::code`] lists, given that [`skep_isa::validate`] has passed.

use skep_isa::{CallTarget, Endian, ImmSource, Insn, Op, Operand, Reg, Size};

use crate::code::{BLOCK, Code, Handler};
use crate::host::Imports;
use crate::image::{ErrorKind, ImageError, Missing, Options};
use crate::memory::{RegionId, function_address};
use crate::ops::reach;
use crate::ops::select::{self, Condition, Wide};
use crate::ops::{flow, fuse};

/// Branches over more slots than this are laid out with a long jump behind them: cells may be twice as many as
/// slots, and a few more.
const FAR: i16 = 8_000;

/// What cells and compiled code are made from: a program whose structure is right, with its layout and its calls
/// resolved.
pub(crate) struct Plan {
    insns: Box<[Insn]>,
    pub(crate) endian: Endian,
    pub(crate) arena: Option<RegionId>,
    /// The embedder sees every instruction: each has a cell before it for that, and none are fused.
    pub(crate) observe: bool,
    /// First cell of the instruction at each slot; the second slot of a wide load has the first one's.
    pub(crate) cell_of: Box<[u32]>,
    /// Cells that cut chains, ascending.
    bounces: Vec<u32>,
    /// Cells that call the embedder, ascending, and what they call.
    pub(crate) host_calls: Vec<(u32, u32)>,
    /// Slot and cell of each function that has an address, by slot.
    pub(crate) functions: Box<[(u32, u32)]>,
    /// Slots that something jumps back to, ascending.
    pub(crate) heads: Vec<u32>,
    /// How many cells there are.
    pub(crate) cells: usize,
    /// The registers that the program writes by name, a bit each.
    pub(crate) written: u16,
    /// It has a `may_goto`.
    pub(crate) may_goto: bool,
    /// It has something that a verifier lets go round without walking every round: `may_goto`, kfuncs, of which some
    /// are iterators, functions that helpers call back.
    pub(crate) repeats: bool,
}

impl Plan {
    pub(crate) fn new(
        insns: &[Insn],
        ops: &[(usize, Op)],
        imports: &dyn Imports,
        options: &Options,
    ) -> Result<Self, ImageError> {
        let mut plan = Self {
            insns: insns.into(),
            endian: options.endian,
            arena: options.arena,
            observe: options.observe,
            cell_of: Box::default(),
            bounces: Vec::new(),
            host_calls: Vec::new(),
            functions: Box::default(),
            heads: Vec::new(),
            cells: 0,
            written: 0,
            may_goto: false,
            repeats: false,
        };
        let mut cell_of = Vec::with_capacity(insns.len());
        let mut functions = Vec::with_capacity(4);
        functions.push(0);
        let (mut at, mut next_bounce) = (0, BLOCK);
        for &(slot, ref op) in ops {
            if at >= next_bounce {
                plan.bounces.push(at as u32);
                at += 1;
                next_bounce = at + BLOCK;
            }
            cell_of.push(at as u32);
            plan.written |= op.writes().map_or(0, |reg| 1 << reg.index());
            let mut cells = 1;
            match *op {
                Op::Call(CallTarget::Subprog(off)) => functions.push(target(slot, off) as u32),
                Op::Call(callee) => {
                    plan.repeats |= !matches!(callee, CallTarget::Helper(_));
                    plan.resolve((slot, at), callee, imports, options.missing).map_err(ImageError)?
                }
                Op::LoadImm { source, imm, .. } => {
                    cell_of.push(at as u32);
                    cells = self::cells(op);
                    match source {
                        ImmSource::Value => {}
                        ImmSource::Func => {
                            plan.repeats = true;
                            functions.push(target(slot, imm as i32) as u32);
                        }
                        _ => return Err(ImageError(ErrorKind::Unresolved { slot })),
                    }
                }
                // A compare and exchange that fetches writes both.
                Op::Atomic { fetch: true, src, .. } => plan.written |= 1 << src.index(),
                Op::Jump { off, .. } if off < 0 => plan.heads.push(target(slot, off) as u32),
                Op::Branch { off, .. } => {
                    cells = self::cells(op);
                    if off < 0 {
                        plan.heads.push(target(slot, off.into()) as u32);
                    }
                }
                Op::MayGoto { .. } => {
                    cells = self::cells(op);
                    (plan.may_goto, plan.repeats) = (true, true);
                }
                _ => {}
            }
            at += cells + usize::from(plan.observe);
        }
        plan.cell_of = cell_of.into();
        // One more stops what runs past the last instruction.
        plan.cells = at + 1;
        plan.heads.sort_unstable();
        functions.sort_unstable();
        functions.dedup();
        plan.functions = functions.iter().map(|slot| (*slot, plan.cell_of[*slot as usize])).collect();
        Ok(plan)
    }

    fn resolve(
        &mut self,
        (slot, cell): (usize, usize),
        callee: CallTarget,
        imports: &dyn Imports,
        missing: Missing,
    ) -> Result<(), ErrorKind> {
        let (index, error) = match callee {
            CallTarget::Helper(id) => (imports.helper(id), ErrorKind::Helper { slot, id }),
            CallTarget::Kfunc { btf_id, module } => {
                (imports.kfunc(btf_id, module), ErrorKind::Kfunc { slot, btf_id })
            }
            CallTarget::Subprog(_) | CallTarget::Register(_) => return Ok(()),
        };
        match index {
            Some(index) => self.host_calls.push((cell as u32, index)),
            None if missing == Missing::Reject => return Err(error),
            None => {}
        }
        Ok(())
    }

    /// What a cell calls, if it calls the embedder.
    pub(crate) fn host_call(&self, cell: u32) -> Option<u32> {
        let i = self.host_calls.binary_search_by_key(&cell, |call| call.0).ok()?;
        Some(self.host_calls[i].1)
    }

    /// The instructions once more.
    pub(crate) fn decode(&self) -> Vec<(usize, Op)> {
        skep_isa::decode_all(&self.insns).unwrap_or_default()
    }

    /// The slot of a cell: a cell that cuts a chain belongs to the instruction behind it. 0 past the end.
    pub(crate) fn slot_of(&self, cell: usize) -> usize {
        if cell >= self.cells {
            return 0;
        }
        let bounce = self.bounces.binary_search(&(cell as u32)).is_ok();
        let cell = cell as u32 + u32::from(bounce);
        let slot = self.cell_of.partition_point(|c| *c <= cell).saturating_sub(1);
        // Both slots of a wide load have its cell, and the first one names it.
        if slot > 0 && self.cell_of[slot] == self.cell_of[slot - 1] { slot - 1 } else { slot }
    }
}

/// Makes the cells.
pub(crate) fn emit(plan: &Plan, ops: &[(usize, Op)]) -> Vec<Code> {
    let mut builder =
        Builder { plan, code: Vec::with_capacity(plan.cells), op_of: Vec::new(), by: Vec::new() };
    builder.emit(ops);
    if !plan.observe {
        fuse::fuse(&mut builder.code, &builder.op_of, &builder.by, plan.endian == Endian::Big);
    }
    builder.code
}

struct Builder<'a> {
    plan: &'a Plan,
    code: Vec<Code>,
    /// The instruction whose first cell this is.
    op_of: Vec<Option<Op>>,
    /// How the branch in each cell reaches its target.
    by: Vec<u8>,
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
    fn emit(&mut self, ops: &[(usize, Op)]) {
        for (slot, op) in ops {
            if self.code.len() < self.plan.cell_of[*slot] as usize {
                self.push(flow::bounce, 0, 0, 0, 0);
            }
            if self.plan.observe {
                self.push(flow::observe, 0, 0, 0, 0);
            }
            let first = self.code.len();
            self.emit_op(*slot, op);
            // A branch with a long jump behind it is not what its cell does.
            self.op_of[first] = Some(*op).filter(|op| !matches!(op, Op::Branch { off, .. } if is_far(*off)));
        }
        self.push(flow::fell_off, 0, 0, 0, 0);
    }

    fn push(&mut self, run: Handler, a: u8, b: u8, off: i16, imm: i32) {
        self.code.push(Code { run, a, b, off, imm });
        self.op_of.push(None);
        self.by.push(reach::NEAR);
    }

    /// A second cell of an instruction; it only holds an immediate.
    fn push_data(&mut self, imm: i32) {
        self.push(flow::fell_off, 0, 0, 0, imm);
    }

    /// Displacement from the cell at `from` to the instruction at a slot, and the way of reaching it.
    fn distance(&self, from: usize, target: usize) -> (i32, u8) {
        let target = self.plan.cell_of[target] as usize;
        let distance = target as i64 - from as i64;
        let block = |cell: usize| self.plan.bounces.partition_point(|b| (*b as usize) < cell);
        let by = if target <= from {
            reach::BACK
        } else if block(target) == block(from) {
            reach::NEAR
        } else {
            reach::CROSS
        };
        (distance as i32, by)
    }

    fn emit_op(&mut self, slot: usize, op: &Op) {
        match *op {
            Op::Jump { off, .. } => self.emit_jump(target(slot, off)),
            Op::Branch { width, cond, dst, src, off } => {
                let (b, imm) = operand(src);
                let condition = Condition::new(cond, width, src);
                self.emit_branch(condition, (scaled(dst), b, imm), target(slot, off.into()), is_far(off));
            }
            Op::MayGoto { off } => self.emit_may_goto(target(slot, off.into()), is_far(off)),
            Op::Call(callee) => self.emit_call(slot, callee),
            Op::Exit => self.push(flow::exit, 0, 0, 0, 0),
            Op::LoadAbs { size, imm } => {
                self.push(flow::load_packet, 0, size_index(size), 0, imm);
            }
            Op::LoadInd { size, src, imm } => {
                self.push(flow::load_packet, scaled(src), size_index(size), flow::INDEXED, imm);
            }
            Op::LoadImm { dst, source, imm } => self.emit_constant(slot, op, dst, source, imm),
            _ => self.emit_unit(op),
        }
    }

    fn emit_jump(&mut self, target: usize) {
        let (distance, by) = self.distance(self.code.len(), target);
        let run = match by {
            reach::NEAR => flow::ja::<{ reach::NEAR }>,
            reach::BACK => flow::ja::<{ reach::BACK }>,
            _ => flow::ja::<{ reach::CROSS }>,
        };
        self.push(run, 0, 0, 0, distance);
    }

    fn emit_branch(&mut self, c: Condition, (a, b, imm): (u8, u8, i32), target: usize, far: bool) {
        if far {
            self.push(select::branch_handler(c.inverse(), reach::NEAR), a, b, 2, imm);
            self.emit_jump(target);
        } else {
            let (distance, by) = self.distance(self.code.len(), target);
            self.push(select::branch_handler(c, by), a, b, distance as i16, imm);
            if let Some(last) = self.by.last_mut() {
                *last = by;
            }
        }
    }

    fn emit_may_goto(&mut self, target: usize, far: bool) {
        if far {
            self.push(select::may_goto_handler(reach::NEAR), 0, 0, 2, 0);
            self.push(flow::ja::<{ reach::NEAR }>, 0, 0, 0, 2);
            self.emit_jump(target);
        } else {
            let (distance, by) = self.distance(self.code.len(), target);
            self.push(select::may_goto_handler(by), 0, 0, distance as i16, 0);
        }
    }

    fn emit_call(&mut self, slot: usize, callee: CallTarget) {
        if let Some(index) = self.plan.host_call(self.plan.cell_of[slot]) {
            return self.push(flow::helper, 0, 0, 0, index as i32);
        }
        match callee {
            CallTarget::Subprog(off) => {
                let (distance, _) = self.distance(self.code.len(), target(slot, off));
                self.push(flow::call, 0, 0, 0, distance);
            }
            CallTarget::Register(reg) => self.push(flow::call_register, scaled(reg), 0, 0, 0),
            CallTarget::Helper(id) => self.push(flow::no_helper, 0, 0, 0, id),
            CallTarget::Kfunc { btf_id, .. } => self.push(flow::no_kfunc, 0, 0, 0, btf_id),
        }
    }

    fn emit_constant(&mut self, slot: usize, op: &Op, dst: Reg, source: ImmSource, imm: u64) {
        let value = match source {
            ImmSource::Func => function_address(target(slot, imm as i32) as u32),
            _ => imm,
        };
        if let Some(run) = select::unit_handler(op, false) {
            self.push(run, scaled(dst), 0, 0, value as i32);
        }
        if cells(op) == 2 {
            self.push_data((value >> 32) as i32);
        }
    }

    fn emit_unit(&mut self, op: &Op) {
        let big = self.plan.endian == Endian::Big;
        let (a, b, off, mut imm) = fields(op);
        let mut run = select::unit_handler(op, big);
        if let Op::AddrSpaceCast { dst, src, .. } = *op {
            match self.plan.arena {
                Some(region) => imm = (region.base() >> 32) as i32,
                None => run = select::unit_handler(&low_half(dst, src), big),
            }
        }
        // Every instruction that gets here has a unit; what has none would stop the run rather than be skipped.
        self.push(run.unwrap_or(flow::fell_off), a, b, off, imm);
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
