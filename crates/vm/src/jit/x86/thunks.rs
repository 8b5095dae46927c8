//! What all compiled programs share: the ways in and out, and calls of Rust code.
//!
//! On the host's stack, from the way in downwards: what the caller keeps, the `native_sp` of an outer run, the return
//! into [`enter`], then for each call of a subprogram what the call site pushes ([`super::compile`]) and the return into
//! it. `native_sp` in the machine is the stack pointer before the first return was pushed, so whoever leaves finds the way
//! from any depth.

use std::sync::OnceLock;

use super::asm::Asm;
use super::compile::{BUDGET, HOST};
use super::encode::*;
use super::reread;
use super::stubs::Stubs;
use crate::head::{Head, WAYS_OUT};
#[cfg(target_os = "linux")]
use crate::jit::gdb::{Part, Row};
use crate::jit::pages::{Draft, Pages};
use crate::jit::{layout, run};

/// What programs go to, by its place in the head.
#[derive(Clone, Copy)]
pub(crate) enum Out {
    /// Leaves for the interpreter at the cell in r10.
    Bail,
    /// Called with the word of a missed access in r10.
    Miss,
    /// Called with the cell of a call that opens a frame for the first time in r10.
    Open,
    /// Called with the cell of a helper call in r10.
    Helper,
    /// The same where nobody reads r1 to r5 afterwards.
    ProvedHelper,
    /// Called with the cell of a packet load in r10.
    Packet,
    /// As the helper's, if there is a quick form of it.
    Quick,
}

impl Out {
    /// Where the head has its address.
    pub(crate) const fn place(self) -> Rm {
        Rm::Mem(CAGE, layout::way_out(self as usize))
    }
}

/// What this process's programs share.
pub(crate) struct Shared {
    pages: Pages,
    /// `extern "C" fn(machine, code, base) -> status`.
    pub(crate) enter: usize,
    /// `extern "C" fn(machine, _, base) -> status`, over the lots in the head.
    pub(crate) batch: usize,
    outs: [usize; WAYS_OUT],
    /// What the compiler copies.
    pub(crate) stubs: Stubs,
}

/// Tells the head where the shared code is.
#[inline]
pub(crate) fn equip(head: &mut Head) {
    if head.ways_out[0].is_null()
        && let Some(shared) = shared()
    {
        head.ways_out = shared.outs.map(|at| shared.pages.start().wrapping_add(at).cast_const());
    }
}

/// The shared code in parts: a name, and where the caller's frame is.
#[cfg(target_os = "linux")]
pub(crate) fn shared_frames() -> Option<(&'static [u8], [Part; 4])> {
    /// Where a way in has put [`KEPT`], by DWARF's numbers.
    const PUSHED: [(u8, u8); 6] = [(3, 16), (6, 24), (12, 32), (13, 40), (14, 48), (15, 56)];
    let shared = shared()?;
    let row = |at: usize, bytes, kept| Row { at: at as u64, bytes, kept };
    let parts = [
        ("skep_leave", row(0, 8, &[])),
        ("skep_enter", row(shared.enter, 64, &PUSHED)),
        ("skep_call", row(shared.outs[Out::Miss as usize], 8, &[])),
        // The return, and the eight that are kept.
        ("skep_quick", row(shared.outs[Out::Quick as usize], 72, &[])),
    ];
    Some((shared.pages.bytes(), parts))
}

/// Where offsets of the ways in count from.
pub(crate) fn ways(_: &Pages) -> *mut u8 {
    let Some(shared) = shared() else { unreachable!("programs are compiled only if there is shared code") };
    shared.pages.start()
}

/// Host registers that a callee keeps, in the order in which they are pushed.
const KEPT: [Gpr; 6] = [RBX, RBP, R12, R13, R14, R15];

/// The shared code of this process. `None` if the system gives no memory for it.
pub(crate) fn shared() -> Option<&'static Shared> {
    static CODE: OnceLock<Option<Shared>> = OnceLock::new();
    CODE.get_or_init(|| {
        let mut asm = Asm::new(Vec::new());
        let ((enter, batch), outs) = emit(&mut asm);
        let code = asm.finish();
        if cfg!(debug_assertions) {
            reread::check(&code, 0, &[], &[layout::BATCH_ENTRY]);
        }
        let pages = Pages::own(&Draft { front: &[], room: 0, code: &code })?;
        Some(Shared { pages, enter, batch, outs, stubs: Stubs::new() })
    })
    .as_ref()
}

/// The ways in, and out of programs, in the order of [`Out`].
fn emit(a: &mut Asm) -> ((usize, usize), [usize; WAYS_OUT]) {
    let (leave, deopt) = leave(a);
    let bail = bail(a, deopt);
    let enter = enter(a, leave, bail);
    a.room();
    let batch = batch(a, leave);
    a.room();
    let miss = call_out(a, deopt, run::miss as *const () as u64, 6);
    let open = call_out(a, deopt, run::open as *const () as u64, 6);
    a.room();
    let helper = call_out(a, deopt, run::helper as *const () as u64, 6);
    let proved_helper = call_out(a, deopt, run::helper as *const () as u64, 1);
    a.room();
    let packet = call_out(a, deopt, run::packet as *const () as u64, 6);
    let quick = quick(a, helper);
    ((enter, batch), [bail, miss, open, helper, proved_helper, packet, quick])
}

/// Enters the code in rsi with registers from the machine in rdi, the cage's base in rdx; and what happens when
/// that function returns, with the cell of its exit in r10.
fn enter(a: &mut Asm, leave: usize, bail: usize) -> usize {
    let start = a.here();
    KEPT.iter().for_each(|reg| a.push(*reg));
    a.m(PUSH_M, W::D, Rm::Mem(RDI, layout::NATIVE_SP));
    a.rm(MOV_MR, W::Q, RSP, Rm::Mem(RDI, layout::NATIVE_SP));
    a.mov(CAGE, RDX);
    a.mov(R11, RSI);
    a.mov(R10, RDI);
    a.rm(MOV_RM, W::Q, BUDGET, Rm::Mem(R10, layout::FUEL));
    for (n, host) in HOST.iter().enumerate() {
        a.rm(MOV_RM, W::Q, *host, Rm::Mem(R10, layout::reg(n)));
    }
    a.m(CALL_M, W::D, R11);
    a.rm(MOV_RM, W::Q, R11, Rm::Mem(CAGE, layout::MACHINE));
    // A frame that the interpreter has opened is closed by it.
    a.rm(CMP_RM, W::Q, RBP, Rm::Mem(R11, layout::BASE_TOP));
    let foreign = a.skip_if(CC_NE);
    spill(a);
    a.rm(MOV_MR, W::D, R10, Rm::Mem(R11, layout::CELL));
    a.rm(MOV_RM, W::D, RAX, Rm::Mem(R11, layout::ENTRY_CELL));
    a.rm(ADD_MR, W::Q, RAX, Rm::Mem(R11, layout::FUEL));
    a.constant(RAX, layout::DONE);
    let at = a.jmp();
    a.patch(at, leave);
    a.land(foreign);
    // What the exit has paid is the interpreter's to take.
    a.rm(ADD_MR, W::Q, R10, BUDGET);
    a.mi(ADD_MI, W::Q, BUDGET, 1);
    let at = a.jmp();
    a.patch(at, bail);
    start
}

/// How many packets ahead the next ones' first bytes are asked for.
const AHEAD: i32 = 4;

/// Runs the code in the head for each lot, and leaves when all are through.
fn batch(a: &mut Asm, leave: usize) -> usize {
    let start = a.here();
    KEPT.iter().for_each(|reg| a.push(*reg));
    a.m(PUSH_M, W::D, Rm::Mem(RDI, layout::NATIVE_SP));
    a.rm(MOV_MR, W::Q, RSP, Rm::Mem(RDI, layout::NATIVE_SP));
    a.mov(CAGE, RDX);
    let next = a.here();
    a.rm(MOV_RM, W::Q, R11, Rm::Mem(CAGE, layout::LOT));
    a.rm(LEA, W::Q, R10, Rm::Mem(R11, AHEAD * layout::LOT_BYTES));
    a.rm(CMP_RM, W::Q, R10, Rm::Mem(CAGE, layout::END));
    a.rm(CMOVAE, W::Q, R10, R11);
    a.rm(MOV_RM, W::D, R10, Rm::Mem(R10, 0));
    a.m(PREFETCH, W::D, Rm::Sum(CAGE, R10, 0));
    a.rm(MOV_RM, W::Q, RDI, Rm::Mem(CAGE, layout::CONTEXT));
    a.rm(MOV_RM, W::Q, RAX, Rm::Mem(R11, 0));
    a.rm(MOV_RM, W::D, RDX, Rm::Mem(R11, layout::LOT_META));
    a.rm(MOV_MR, W::Q, RAX, Rm::Sum(CAGE, RDI, 0));
    a.rm(MOV_MR, W::D, RDX, Rm::Sum(CAGE, RDI, 8));
    a.rm(MOV_RM, W::Q, RBP, Rm::Mem(CAGE, layout::OPENED));
    // xmm0 goes by rax's number.
    a.rm(XORPS, W::D, RAX, RAX);
    // What a packet may have left in the frame is cleaned, from the top down.
    a.rm(MOV_RM, W::Q, RDX, Rm::Mem(CAGE, layout::CLEAN));
    a.rm(TEST_MR, W::Q, RDX, RDX);
    let clean = a.skip_if(CC_E);
    a.rm(LEA, W::Q, R10, Rm::Sum(CAGE, RBP, 0));
    let more = a.here();
    a.mi(SUB_MI, W::Q, R10, 16);
    a.rm(MOVUPS, W::D, RAX, Rm::Mem(R10, 0));
    a.mi(SUB_MI, W::Q, RDX, 1);
    let again = a.jcc(CC_NE);
    a.patch(again, more);
    a.land(clean);
    a.rm(MOV_RM, W::Q, BUDGET, Rm::Mem(CAGE, layout::BATCH_FUEL));
    a.m(CALL_M, W::D, Rm::Mem(CAGE, layout::BATCH_ENTRY));
    a.rm(MOV_RM, W::Q, R11, Rm::Mem(CAGE, layout::LOT));
    a.rm(MOV_MR, W::D, RAX, Rm::Mem(R11, layout::LOT_RETVAL));
    a.mi(ADD_MI, W::Q, R11, layout::LOT_BYTES);
    a.rm(MOV_MR, W::Q, R11, Rm::Mem(CAGE, layout::LOT));
    a.rm(CMP_RM, W::Q, R11, Rm::Mem(CAGE, layout::END));
    let again = a.jcc(CC_B);
    a.patch(again, next);
    a.rm(MOV_RM, W::Q, R11, Rm::Mem(CAGE, layout::MACHINE));
    a.constant(RAX, layout::DONE);
    let at = a.jmp();
    a.patch(at, leave);
    start
}

/// Puts registers and budget into the machine that r11 points to.
fn spill(a: &mut Asm) {
    for (n, host) in HOST.iter().enumerate() {
        a.rm(MOV_MR, W::Q, *host, Rm::Mem(R11, layout::reg(n)));
    }
    a.rm(MOV_MR, W::Q, BUDGET, Rm::Mem(R11, layout::FUEL));
}

/// The way out with a status in rax and the machine in r11; and before it, from where frames may be open: their
/// calls are written into the machine.
fn leave(a: &mut Asm) -> (usize, usize) {
    let deopt = a.here();
    a.rm(LEA, W::Q, R10, Rm::Mem(RSP, 8));
    a.rm(CMP_RM, W::Q, R10, Rm::Mem(R11, layout::NATIVE_SP));
    let outermost = a.skip_if(CC_AE);
    a.mov(RBX, RAX);
    a.mov(R13, R11);
    a.mov(RDI, R11);
    a.rm(MOV_MR, W::Q, RSP, RSI);
    a.mi(SUB_MI, W::Q, RSP, 8);
    a.constant(R11, run::deopt as *const () as u64);
    a.m(CALL_M, W::D, R11);
    a.mov(RAX, RBX);
    a.mov(R11, R13);
    a.land(outermost);
    let leave = a.here();
    a.rm(MOV_RM, W::Q, RSP, Rm::Mem(R11, layout::NATIVE_SP));
    a.m(POP_M, W::D, Rm::Mem(R11, layout::NATIVE_SP));
    KEPT.iter().rev().for_each(|reg| a.pop(*reg));
    a.ret();
    (leave, deopt)
}

fn bail(a: &mut Asm, deopt: usize) -> usize {
    let start = a.here();
    a.rm(MOV_RM, W::Q, R11, Rm::Mem(CAGE, layout::MACHINE));
    spill(a);
    a.rm(MOV_MR, W::D, R10, Rm::Mem(R11, layout::CELL));
    a.constant(RAX, layout::LEAVE);
    let at = a.jmp();
    a.patch(at, deopt);
    start
}

/// A call of the quick form of the helper whose word is in r10: the arguments are where they should be, the base and the word
/// follow them. Only what the callee may change is kept. If it declines, all is as before, and the helper is called.
fn quick(a: &mut Asm, helper: usize) -> usize {
    /// The word last, as the seventh argument is on the stack. An even number, for its alignment.
    const CHANGED: [Gpr; 8] = [RAX, BUDGET, RDI, RSI, RDX, RCX, R8, R10];
    let start = a.here();
    CHANGED.iter().for_each(|reg| a.push(*reg));
    a.mov(R9, CAGE);
    a.constant(R11, run::quick as *const () as u64);
    a.m(CALL_M, W::D, R11);
    a.rm(TEST_MR, W::Q, RDX, RDX);
    // These keep the flags.
    CHANGED[1..].iter().rev().for_each(|reg| a.pop(*reg));
    let declined = a.skip_if(CC_NE);
    a.mi(ADD_MI, W::Q, RSP, 8);
    a.ret();
    a.land(declined);
    a.pop(RAX);
    let at = a.jmp();
    a.patch(at, helper);
    start
}

/// A call of `fn(machine, memory, word in r10) -> Answer`. The registers are in the machine meanwhile; the first
/// `back` of them come back.
fn call_out(a: &mut Asm, deopt: usize, function: u64, back: usize) -> usize {
    let start = a.here();
    a.rm(MOV_RM, W::Q, R11, Rm::Mem(CAGE, layout::MACHINE));
    spill(a);
    a.mov(RDI, R11);
    a.rm(MOV_RM, W::Q, RSI, Rm::Mem(CAGE, layout::MEMORY));
    a.mov(RDX, R10);
    a.constant(R11, function);
    a.m(CALL_M, W::D, R11);
    a.rm(TEST_MR, W::Q, RAX, RAX);
    let leaves = a.skip_if(CC_NE);
    // The embedder may have put another memory in place of the old one.
    a.mov(CAGE, RDX);
    a.rm(MOV_RM, W::Q, R11, Rm::Mem(CAGE, layout::MACHINE));
    // r6 to r10 are in registers that the callee has kept.
    for (n, host) in HOST.iter().enumerate().take(back) {
        a.rm(MOV_RM, W::Q, *host, Rm::Mem(R11, layout::reg(n)));
    }
    a.rm(MOV_RM, W::Q, BUDGET, Rm::Mem(R11, layout::FUEL));
    a.ret();
    a.land(leaves);
    a.mov(R11, RDX);
    // The return into the program; above it the stack is as at its call.
    a.mi(ADD_MI, W::Q, RSP, 8);
    let at = a.jmp();
    a.patch(at, deopt);
    start
}
