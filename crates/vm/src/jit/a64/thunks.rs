//! What every compiled program begins with: the ways in and out, and calls of Rust code.
//!
//! On the host's stack, from the way in downwards: what the caller keeps, the `native_sp` of an outer run, sixteen bytes
//! with the return into [`enter`], then for each call of a subprogram the room that its call site makes, the return into
//! it lowest. `native_sp` in the machine is the stack pointer before the first return was stored, so whoever leaves finds
//! the way from any depth.
//!
//! Functions of Rust are called through a table in the machine, so that code holds no address of a process.

use super::asm::Asm;
use super::compile::{BUDGET, CAGE, FP, FRAME, HEAD, HOST, MACHINE};
use super::encode::*;
use crate::jit::layout;

/// Where they begin.
pub(crate) struct Thunks {
    /// `extern "C" fn(machine, code, base) -> status`.
    pub(crate) enter: usize,
    /// `extern "C" fn(machine, _, base) -> status`, over the lots in the head.
    pub(crate) batch: usize,
    /// Leaves for the interpreter at the cell in x16.
    pub(crate) bail: usize,
    /// Called with the word of a missed access in x16.
    pub(crate) miss: usize,
    /// Called with the cell of a call that opens a frame for the first time in x16.
    pub(crate) open: usize,
    /// Called with the cell of a helper call in x16.
    pub(crate) helper: usize,
    /// The same where nobody reads r1 to r5 afterwards.
    pub(crate) proved_helper: usize,
    /// Called with the cell of a packet load in x16.
    pub(crate) packet: usize,
    /// As the helper's, if there is a quick form of it.
    pub(crate) quick: usize,
}

/// Host registers that a callee keeps, in pairs.
const KEPT: [(Gpr, Gpr); 6] = [(X29, X30), (X19, X20), (X21, X22), (X23, X24), (X25, X26), (X27, X28)];

/// An offset of [`layout`] from the head, which it gives from the cage's base.
pub(super) fn head(from_base: i32) -> u32 {
    (from_base + crate::head::HEAD as i32) as u32
}

/// `stack` bytes of the frame are cleaned for each packet of a batch.
pub(crate) fn emit(a: &mut Asm, stack: u32) -> Thunks {
    let (leave, deopt) = leave(a);
    let bail = bail(a, deopt);
    let start = a.here();
    a.near(STR_PRE, X30, SP, -16);
    a.reg(BR, X16);
    let enter = enter(a, start, leave, bail);
    let batch = batch(a, start, leave, stack);
    let miss = call_out(a, deopt, layout::CALL_MISS, 6);
    let open = call_out(a, deopt, layout::CALL_OPEN, 6);
    let helper = call_out(a, deopt, layout::CALL_HELPER, 6);
    let proved_helper = call_out(a, deopt, layout::CALL_HELPER, 1);
    let packet = call_out(a, deopt, layout::CALL_PACKET, 6);
    let quick = quick(a, helper);
    Thunks { enter, batch, bail, miss, open, helper, proved_helper, packet, quick }
}

/// Keeps what the caller wants kept, with the machine in x0 and the cage's base in x2.
fn begin(a: &mut Asm) {
    KEPT.iter().for_each(|pair| a.pair(STP_PRE, *pair, SP, -16));
    a.at(LDR_X, X16, X0, layout::NATIVE_SP as u32);
    a.near(STR_PRE, X16, SP, -16);
    a.imm12(ADD_I, W::X, (X16, SP), 0, false);
    a.at(STR_X, X16, X0, layout::NATIVE_SP as u32);
    a.mov(MACHINE, X0);
    a.mov(CAGE, X2);
    a.add(W::X, HEAD, CAGE, -(crate::head::HEAD as i64));
}

/// Calls the code in x16 as the outermost function. `start` stores the return.
fn run(a: &mut Asm, start: usize) {
    let call = a.bl();
    a.patch(call, start);
    a.add(W::X, SP, SP, 16);
}

/// Enters the code in x1 with registers from the machine in x0, the cage's base in x2; and what happens when
/// that function returns, with the cell of its exit in x16.
fn enter(a: &mut Asm, start: usize, leave: usize, bail: usize) -> usize {
    let at = a.here();
    begin(a);
    a.mov(X16, X1);
    a.at(LDR_X, BUDGET, MACHINE, layout::FUEL as u32);
    restore(a, HOST.len());
    a.rrr(ADD_R, W::X, FRAME, CAGE, FP);
    run(a, start);
    // A frame that the interpreter has opened is closed by it.
    a.at(LDR_X, X17, MACHINE, layout::BASE_TOP as u32);
    a.rrr(SUBS_R, W::X, ZR, FP, X17);
    let foreign = a.skip_if(CC_NE);
    a.at(LDR_W, X17, MACHINE, layout::ENTRY_CELL as u32);
    a.rrr(ADD_R, W::X, BUDGET, BUDGET, X17);
    spill(a);
    a.at(STR_W, X16, MACHINE, layout::CELL as u32);
    a.constant(X0, layout::DONE);
    let done = a.b();
    a.patch(done, leave);
    a.land(foreign);
    // What the exit has paid is the interpreter's to take.
    a.rrr(ADD_R, W::X, BUDGET, BUDGET, X16);
    a.add(W::X, BUDGET, BUDGET, 1);
    let back = a.b();
    a.patch(back, bail);
    at
}

/// How many packets ahead the next ones' first bytes are asked for.
const AHEAD: i32 = 4;

/// Runs the code in the head for each lot, and leaves when all are through.
fn batch(a: &mut Asm, start: usize, leave: usize, stack: u32) -> usize {
    let at = a.here();
    begin(a);
    let next = a.here();
    a.at(LDR_X, X9, HEAD, head(layout::LOT));
    a.at(LDR_X, X11, HEAD, head(layout::END));
    a.add(W::X, X10, X9, i64::from(AHEAD * layout::LOT_BYTES));
    a.rrr(SUBS_R, W::X, ZR, X10, X11);
    a.select(W::X, X10, (X9, X10), CC_HS);
    a.at(LDR_W, X10, X10, 0);
    a.sum(PRFM_SUM, Gpr(0), CAGE, X10);
    a.at(LDR_X, X0, HEAD, head(layout::CONTEXT));
    a.at(LDR_X, X10, X9, 0);
    a.at(LDR_W, X11, X9, layout::LOT_META as u32);
    a.sum(STRX_SUM, X10, CAGE, X0);
    a.add(W::X, X10, X0, 8);
    a.sum(STRW_SUM, X11, CAGE, X10);
    a.at(LDR_X, FP, HEAD, head(layout::OPENED));
    a.rrr(ADD_R, W::X, FRAME, CAGE, FP);
    for at in (1..=stack.div_ceil(16) as i32).map(|n| -16 * n) {
        a.pair(STP, (ZR, ZR), FRAME, at);
    }
    a.at(LDR_X, BUDGET, HEAD, head(layout::BATCH_FUEL));
    a.at(LDR_X, X16, HEAD, head(layout::BATCH_ENTRY));
    run(a, start);
    a.at(LDR_X, X9, HEAD, head(layout::LOT));
    a.at(LDR_X, X11, HEAD, head(layout::END));
    a.at(STR_W, X5, X9, layout::LOT_RETVAL as u32);
    a.add(W::X, X9, X9, layout::LOT_BYTES.into());
    a.at(STR_X, X9, HEAD, head(layout::LOT));
    a.rrr(SUBS_R, W::X, ZR, X9, X11);
    let done = a.skip_if(CC_HS);
    let again = a.b();
    a.patch(again, next);
    a.land(done);
    a.constant(X0, layout::DONE);
    let out = a.b();
    a.patch(out, leave);
    at
}

/// The registers in pairs, as they lie in the machine.
fn pairs() -> impl Iterator<Item = (usize, Gpr, Gpr)> {
    HOST.chunks_exact(2).enumerate().map(|(i, pair)| (2 * i, pair[0], pair[1]))
}

/// Puts registers and budget into the machine.
fn spill(a: &mut Asm) {
    pairs().for_each(|(n, first, second)| a.pair(STP, (first, second), MACHINE, layout::reg(n)));
    a.at(STR_X, FP, MACHINE, layout::reg(10) as u32);
    a.at(STR_X, BUDGET, MACHINE, layout::FUEL as u32);
}

/// Takes the first `count` registers from the machine.
fn restore(a: &mut Asm, count: usize) {
    for (n, host) in HOST.iter().enumerate().take(count) {
        a.at(LDR_X, *host, MACHINE, layout::reg(n) as u32);
    }
}

/// The way out with a status in x0; and before it, from where frames may be open: their calls are written into the
/// machine.
fn leave(a: &mut Asm) -> (usize, usize) {
    let deopt = a.here();
    a.add(W::X, X16, SP, 16);
    a.at(LDR_X, X17, MACHINE, layout::NATIVE_SP as u32);
    a.rrr(SUBS_R, W::X, ZR, X16, X17);
    let outermost = a.skip_if(CC_HS);
    a.mov(X19, X0);
    a.mov(X0, MACHINE);
    a.imm12(ADD_I, W::X, (X1, SP), 0, false);
    a.at(LDR_X, X16, MACHINE, layout::CALL_DEOPT as u32);
    a.reg(BLR, X16);
    a.mov(X0, X19);
    a.land(outermost);
    let leave = a.here();
    a.at(LDR_X, X16, MACHINE, layout::NATIVE_SP as u32);
    a.imm12(ADD_I, W::X, (SP, X16), 0, false);
    a.near(LDR_POST, X16, SP, 16);
    a.at(STR_X, X16, MACHINE, layout::NATIVE_SP as u32);
    KEPT.iter().rev().for_each(|pair| a.pair(LDP_POST, *pair, SP, 16));
    a.reg(RET, X30);
    (leave, deopt)
}

fn bail(a: &mut Asm, deopt: usize) -> usize {
    let start = a.here();
    spill(a);
    a.at(STR_W, X16, MACHINE, layout::CELL as u32);
    a.constant(X0, layout::LEAVE);
    let at = a.b();
    a.patch(at, deopt);
    start
}

/// A call of the quick form of the helper whose word is in x16: the arguments are where they should be, the base and the word
/// follow them. Only what the callee may change is kept. If it declines, all is as before, and the helper is called.
fn quick(a: &mut Asm, helper: usize) -> usize {
    const CHANGED: [(Gpr, Gpr); 4] = [(X0, X1), (X2, X3), (X4, X5), (X16, X30)];
    let start = a.here();
    CHANGED.iter().for_each(|pair| a.pair(STP_PRE, *pair, SP, -16));
    a.mov(X5, CAGE);
    a.mov(X6, X16);
    a.at(LDR_X, X17, MACHINE, layout::CALL_QUICK as u32);
    a.reg(BLR, X17);
    a.mov(X9, X0);
    a.mov(X10, X1);
    CHANGED.iter().rev().for_each(|pair| a.pair(LDP_POST, *pair, SP, 16));
    let done = a.skip_zero(W::X, X10, true);
    let at = a.b();
    a.patch(at, helper);
    a.land(done);
    a.mov(X5, X9);
    a.reg(RET, X30);
    start
}

/// A call of `fn(machine, memory, word in x16) -> Answer`. The registers are in the machine meanwhile; the first
/// `back` of them come back.
fn call_out(a: &mut Asm, deopt: usize, function: i32, back: usize) -> usize {
    let start = a.here();
    spill(a);
    a.mov(X0, MACHINE);
    a.at(LDR_X, X1, HEAD, head(layout::MEMORY));
    a.mov(X2, X16);
    a.at(LDR_X, X17, MACHINE, function as u32);
    a.near(STR_PRE, X30, SP, -16);
    a.reg(BLR, X17);
    a.near(LDR_POST, X30, SP, 16);
    let leaves = a.skip_zero(W::X, X0, false);
    // The embedder may have put another memory in place of the old one.
    a.mov(CAGE, X1);
    a.add(W::X, HEAD, CAGE, -(crate::head::HEAD as i64));
    a.rrr(ADD_R, W::X, FRAME, CAGE, FP);
    // r6 to r10 are in registers that the callee has kept.
    restore(a, back);
    a.at(LDR_X, BUDGET, MACHINE, layout::FUEL as u32);
    a.reg(RET, X30);
    a.land(leaves);
    let at = a.b();
    a.patch(at, deopt);
    start
}
