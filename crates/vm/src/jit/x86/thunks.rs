//! What every compiled program begins with: the ways in and out, calls of Rust code, frames.

use super::compile::{BUDGET, FRAME, HOST, MEMORY};
use super::encode::*;
use super::{layout, run};

/// Where they begin.
pub(crate) struct Thunks {
    /// `extern "sysv64" fn(machine, memory, code) -> status`.
    pub(crate) enter: usize,
    /// Leaves for the interpreter at the cell in r10.
    pub(crate) bail: usize,
    /// Called with the word of a missed access in r10.
    pub(crate) miss: usize,
    /// Called with the cell of a helper call in r10.
    pub(crate) helper: usize,
    /// Called with the cell of a packet load in r10.
    pub(crate) packet: usize,
    /// Called to open a frame: r10 is the cell to return to, r11 its code.
    pub(crate) push: usize,
    /// Jumped to with the cell of an exit in r10.
    pub(crate) pop: usize,
}

/// Host registers that a callee keeps, in the order in which they are pushed.
const KEPT: [Gpr; 6] = [RBX, RBP, R12, R13, R14, R15];

/// Room for the machine's address, and what aligns the stack to 16 bytes.
const LOCALS: i32 = 24;

/// A slot of the stack frame for whoever needs a register for a moment.
pub(super) const SPARE: Rm = Rm::Mem(RSP, 8);

pub(crate) fn emit(a: &mut Asm, cells: u64) -> Thunks {
    let enter = enter(a);
    let (bail, leave) = leave(a, cells);
    let miss = call_out(a, leave, run::miss as *const () as u64);
    let helper = call_out(a, leave, run::helper as *const () as u64);
    let packet = call_out(a, leave, run::packet as *const () as u64);
    let push = push(a);
    let pop = pop(a, bail, cells);
    Thunks { enter, bail, miss, helper, packet, push, pop }
}

fn enter(a: &mut Asm) -> usize {
    let start = a.here();
    KEPT.iter().for_each(|reg| a.push(*reg));
    a.mi(SUB_MI, W::Q, RSP, LOCALS);
    a.rm(MOV_MR, W::Q, RDI, Rm::Mem(RSP, 0));
    a.mov(MEMORY, RSI);
    a.mov(R11, RDX);
    a.mov(R10, RDI);
    a.rm(MOV_RM, W::Q, FRAME, Rm::Mem(R10, layout::FRAME_TOP));
    a.rm(MOV_RM, W::Q, BUDGET, Rm::Mem(R10, layout::FUEL));
    for (n, host) in HOST.iter().enumerate() {
        a.rm(MOV_RM, W::Q, *host, Rm::Mem(R10, layout::reg(n)));
    }
    a.m(JMP_M, W::D, R11);
    start
}

/// Puts registers and budget into the machine that r11 points to.
fn spill(a: &mut Asm) {
    for (n, host) in HOST.iter().enumerate() {
        a.rm(MOV_MR, W::Q, *host, Rm::Mem(R11, layout::reg(n)));
    }
    a.rm(MOV_MR, W::Q, BUDGET, Rm::Mem(R11, layout::FUEL));
}

/// Turns the cell's number in r10 into its address. Uses `scratch`.
fn cell_address(a: &mut Asm, cells: u64, scratch: Gpr) {
    a.mi8(SHL_I, W::Q, R10, layout::CELL_SHIFT);
    a.constant(scratch, cells);
    a.rm(ADD_MR, W::Q, scratch, R10);
}

fn leave(a: &mut Asm, cells: u64) -> (usize, usize) {
    let bail = a.here();
    a.rm(MOV_RM, W::Q, R11, Rm::Mem(RSP, 0));
    spill(a);
    cell_address(a, cells, RAX);
    a.rm(MOV_MR, W::Q, R10, Rm::Mem(R11, layout::PC));
    a.constant(RAX, layout::LEAVE.into());
    let leave = a.here();
    a.mi(ADD_MI, W::Q, RSP, LOCALS);
    KEPT.iter().rev().for_each(|reg| a.pop(*reg));
    a.ret();
    (bail, leave)
}

/// A call of `fn(machine, memory, word in r10) -> status`. The registers are in the machine meanwhile.
fn call_out(a: &mut Asm, leave: usize, function: u64) -> usize {
    let start = a.here();
    let machine = Rm::Mem(RSP, 8);
    a.rm(MOV_RM, W::Q, R11, machine);
    spill(a);
    a.mov(RDI, R11);
    a.mov(RSI, MEMORY);
    a.rm(MOV_MR, W::D, R10, RDX);
    // The return address has left the stack eight bytes off its alignment.
    a.mi(SUB_MI, W::Q, RSP, 8);
    a.constant(R11, function);
    a.m(CALL_M, W::D, R11);
    a.mi(ADD_MI, W::Q, RSP, 8);
    a.rm(TEST_MR, W::D, RAX, RAX);
    let go_on = a.skip_if(CC_E);
    a.mi(ADD_MI, W::Q, RSP, 8);
    let at = a.jmp();
    a.patch(at, leave);
    a.land(go_on);
    a.rm(MOV_RM, W::Q, R11, machine);
    // r6 to r9 are in registers that the callee has kept.
    for (n, host) in HOST.iter().enumerate().take(6) {
        a.rm(MOV_RM, W::Q, *host, Rm::Mem(R11, layout::reg(n)));
    }
    a.rm(MOV_RM, W::Q, FRAME, Rm::Mem(R11, layout::FRAME_TOP));
    a.rm(MOV_RM, W::Q, BUDGET, Rm::Mem(R11, layout::FUEL));
    a.ret();
    start
}

/// Copies a field through r10.
fn copy(a: &mut Asm, w: W, to: Rm, from: Rm) {
    a.rm(MOV_RM, w, R10, from);
    a.rm(MOV_MR, w, R10, to);
}

/// `Machine::push`, at a depth that the caller has found to leave room.
fn push(a: &mut Asm) -> usize {
    let start = a.here();
    a.push(RAX);
    a.push(RCX);
    a.rm(MOV_RM, W::Q, RAX, Rm::Mem(RSP, 24));
    a.imul_imm_of(RCX, Rm::Mem(RAX, layout::DEPTH));
    a.rm(ADD_MR, W::Q, RAX, RCX);
    let m = |offset| Rm::Mem(RAX, offset);
    let saved = |offset| Rm::Mem(RCX, offset);
    a.rm(MOV_MR, W::Q, R10, saved(layout::SAVED_PC));
    a.rm(MOV_MR, W::Q, R11, saved(layout::SAVED_NATIVE));
    copy(a, W::Q, saved(layout::SAVED_ENTRY), m(layout::ENTRY));
    copy(a, W::Q, saved(layout::SAVED_IMAGE), m(layout::IMAGE));
    copy(a, W::D, saved(layout::SAVED_MAY_GOTO), m(layout::MAY_GOTO));
    copy(a, W::D, m(layout::MAY_GOTO), m(layout::MAY_GOTO_LIMIT));
    for (n, host) in HOST[6..].iter().enumerate() {
        a.rm(MOV_MR, W::Q, *host, saved(layout::SAVED_REGS + 8 * n as i32));
    }
    a.rm(MOV_RM, W::Q, RCX, m(layout::DEPTH));
    a.mi(ADD_MI, W::Q, RCX, 1);
    a.rm(MOV_MR, W::Q, RCX, m(layout::DEPTH));
    a.rm(MOV_RM, W::Q, FRAME, Rm::Indexed(MEMORY, RCX, layout::FRAME_TOPS));
    a.rm(MOV_MR, W::Q, FRAME, m(layout::FRAME_TOP));
    a.mi(ADD_MI, W::D, m(layout::FRAME_NUMBER), 1);
    a.mi(ADD_MI, W::Q, RCX, 1);
    a.rm(CMP_RM, W::Q, RCX, Rm::Mem(MEMORY, layout::TOUCHED));
    let opened = a.skip_if(CC_BE);
    a.rm(MOV_MR, W::Q, RCX, Rm::Mem(MEMORY, layout::TOUCHED));
    a.land(opened);
    a.pop(RCX);
    a.pop(RAX);
    a.ret();
    start
}

/// `exit`: closes the frame if compiled code has opened it, else leaves it to the interpreter.
fn pop(a: &mut Asm, bail: usize, cells: u64) -> usize {
    let start = a.here();
    a.push(RAX);
    a.push(RCX);
    a.rm(MOV_RM, W::Q, RAX, Rm::Mem(RSP, 16));
    let m = |offset| Rm::Mem(RAX, offset);
    let saved = |offset| Rm::Mem(RCX, offset);
    a.rm(MOV_RM, W::Q, R11, m(layout::DEPTH));
    a.rm(CMP_RM, W::Q, R11, m(layout::BASE));
    let last = a.jcc(CC_E);
    a.mi(SUB_MI, W::Q, R11, 1);
    a.imul_imm_of(RCX, R11.into());
    a.rm(ADD_MR, W::Q, RAX, RCX);
    a.mi(CMP_MI, W::Q, saved(layout::SAVED_NATIVE), 0);
    let foreign = a.jcc(CC_E);
    a.rm(MOV_MR, W::Q, R11, m(layout::DEPTH));
    a.rm(MOV_RM, W::Q, FRAME, Rm::Indexed(MEMORY, R11, layout::FRAME_TOPS));
    a.rm(MOV_MR, W::Q, FRAME, m(layout::FRAME_TOP));
    // Pays for the way from the function's entry, if that is forward.
    cell_address(a, cells, R11);
    a.rm(SUB_RM, W::Q, R10, m(layout::ENTRY));
    a.mi8(SAR_I, W::Q, R10, layout::CELL_SHIFT);
    a.constant(R11, 0);
    a.rm(TEST_MR, W::Q, R10, R10);
    a.rm(CMOVS, W::Q, R10, R11);
    a.rm(SUB_MR, W::Q, R10, BUDGET);
    a.mi(SUB_MI, W::Q, BUDGET, 1);
    for (n, host) in HOST[6..].iter().enumerate() {
        a.rm(MOV_RM, W::Q, *host, saved(layout::SAVED_REGS + 8 * n as i32));
    }
    a.mi(SUB_MI, W::D, m(layout::FRAME_NUMBER), 1);
    copy(a, W::D, m(layout::MAY_GOTO), saved(layout::SAVED_MAY_GOTO));
    copy(a, W::Q, m(layout::ENTRY), saved(layout::SAVED_ENTRY));
    copy(a, W::Q, m(layout::IMAGE), saved(layout::SAVED_IMAGE));
    a.rm(MOV_RM, W::Q, R11, saved(layout::SAVED_NATIVE));
    a.pop(RCX);
    a.pop(RAX);
    a.m(JMP_M, W::D, R11);
    let here = a.here();
    a.patch(last, here);
    a.patch(foreign, here);
    a.pop(RCX);
    a.pop(RAX);
    let at = a.jmp();
    a.patch(at, bail);
    start
}

impl Asm {
    /// `reg = rm * size_of::<Saved>()`.
    fn imul_imm_of(&mut self, reg: Gpr, rm: Rm) {
        self.imul_imm(W::Q, reg, rm, layout::SAVED_BYTES);
    }
}
