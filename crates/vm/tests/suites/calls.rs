//! Subprograms, helpers, callbacks, tail calls, legacy packet loads, and what they trap on.

use std::sync::Arc;

use skep_isa::asm::{Dialect, assemble};
use skep_isa::{Endian, Insn};
use skep_vm::{
    Frame, Host, Image, Imports, Machine, Memory, Missing, Options, Protection, RegionId, Stop, Trap,
    TrapKind, function_address,
};

/// Helper 1 adds, 2 calls back r2 times, 3 tail-calls, 4 ends the run, 5 charges, 6 writes to r1, 7 swaps memories.
#[derive(Default)]
struct Embedder {
    next: Option<Arc<Image>>,
    seen: Vec<(usize, usize)>,
}

/// The options of the engine that the test is about.
fn options() -> Options {
    Options { engine: crate::ENGINE, blind: crate::BLIND, ..Options::default() }
}

struct Names;

impl Imports for Names {
    fn helper(&self, id: i32) -> Option<u32> {
        u32::try_from(id).ok().filter(|id| (1..=7).contains(id))
    }

    fn kfunc(&self, btf_id: i32, module: i16) -> Option<u32> {
        (btf_id == 1000 && module == 0).then_some(1)
    }
}

impl Host for Embedder {
    fn call(&mut self, index: u32, args: [u64; 5], frame: &mut Frame<'_>) -> Result<u64, Stop> {
        self.seen.push((frame.slot(), frame.depth()));
        match index {
            1 => Ok(args.iter().fold(0, |sum, n| sum.wrapping_add(*n))),
            2 => {
                let mut sum = 0;
                for i in 0..args[1] {
                    sum += frame.callback(self, args[0], [i, args[2], 0, 0, 0])?;
                }
                Ok(sum)
            }
            3 => match self.next.clone() {
                Some(image) if frame.tail_calls() < Frame::MAX_TAIL_CALLS => Err(Stop::TailCall(image)),
                _ => Ok(-1i64 as u64),
            },
            4 => Err(Stop::Exit(args[0])),
            5 => {
                frame.charge(args[0])?;
                Ok(0)
            }
            6 => {
                frame.memory.write_u32(args[0], 0x1122_3344)?;
                Ok(0)
            }
            _ => {
                *frame.memory = Memory::new(Endian::Little);
                Ok(0)
            }
        }
    }

    fn helper_index(&self, id: u64) -> Option<u32> {
        (1..=7).contains(&id).then_some(id as u32)
    }
}

fn slots(text: &str) -> Vec<Insn> {
    assemble(text, Dialect::Kernel).unwrap_or_else(|e| panic!("{e:?}\n{text}")).insns
}

fn image(text: &str) -> Image {
    Image::new(&slots(text), &Names, &options()).expect("an image")
}

fn run_with(embedder: &mut Embedder, image: &Image, args: [u64; 5]) -> Result<u64, Trap> {
    Machine::new().run(image, &mut Memory::new(Endian::Little), embedder, args)
}

fn run(text: &str) -> Result<u64, Trap> {
    run_with(&mut Embedder::default(), &image(text), [0; 5])
}

fn kind(result: Result<u64, Trap>) -> TrapKind {
    result.expect_err("a trap").kind().clone()
}

#[test]
fn a_call_saves_r6_to_r9_and_gives_a_new_frame() {
    let text = "
        r6 = 6
        r9 = 9
        *(u64 *)(r10 - 8) = 77
        r1 = 5
        call pc+5
        r0 += r6
        r0 += r9
        r1 = *(u64 *)(r10 - 8)
        r0 += r1
        exit
        r6 = r1
        r9 = *(u64 *)(r10 - 8)
        *(u64 *)(r10 - 8) = 1
        r0 = r6
        r0 += r9
        exit";
    assert_eq!(run(text), Ok(5 + 6 + 9 + 77));
}

#[test]
fn eight_frames_and_no_more() {
    // The callee calls itself until r1 is zero.
    let text = "
        call pc+1
        exit
        if r1 == 0 goto +2
        r1 += -1
        call pc-3
        r0 = r10
        exit";
    let program = image(text);
    let run = |n| run_with(&mut Embedder::default(), &program, [n, 0, 0, 0, 0]);
    assert_eq!(run(6), Ok(RegionId::frame(1).base() + 512));
    let trap = run(7).expect_err("a ninth frame");
    assert_eq!((trap.kind(), trap.slot()), (&TrapKind::CallDepth, Some(4)));
    assert_eq!(trap.to_string(), "calls nest deeper than 8 frames at instruction 4, 7 calls deep");
}

#[test]
fn a_stack_starts_with_zeros_each_time() {
    let program = image(
        "
        r0 = *(u64 *)(r10 - 512)
        *(u64 *)(r10 - 512) = 5
        r6 = r0
        call pc+2
        r0 += r6
        exit
        r0 = *(u64 *)(r10 - 8)
        *(u64 *)(r10 - 8) = 5
        exit",
    );
    let (mut machine, mut memory) = (Machine::new(), Memory::new(Endian::Little));
    for _ in 0..3 {
        assert_eq!(machine.run(&program, &mut memory, &mut Embedder::default(), [0; 5]), Ok(0));
    }
}

#[test]
fn a_frame_that_was_not_opened_is_out_of_reach() {
    let text = "
        r1 = r10
        r2 = 1
        r2 <<= 32
        r1 += r2
        r0 = *(u64 *)(r1 - 8)
        exit";
    let trap = run(text).expect_err("a trap");
    assert_eq!(trap.fault().map(|f| f.addr), Some(RegionId::frame(1).base() + 504));
}

#[test]
fn helpers_kfuncs_and_registers_are_called() {
    assert_eq!(run("r1 = 1\nr2 = 2\nr3 = 3\nr4 = 4\nr5 = 5\ncall 1\nexit"), Ok(15));
    assert_eq!(run("r1 = 40\nr2 = 2\nr6 = 1\ncallx r6\nexit"), Ok(42));
    let mut kfunc = slots("r1 = 7\ncall 1\nexit");
    (kfunc[1].src, kfunc[1].imm) = (2, 1000);
    let program = Image::new(&kfunc, &Names, &options()).expect("an image");
    assert_eq!(run_with(&mut Embedder::default(), &program, [0; 5]), Ok(7));
    assert_eq!(kind(run("r6 = 99\ncallx r6\nexit")), TrapKind::NotAFunction(99));
}

/// A program whose first instruction loads the address of the function at `slot` into r1.
fn with_function(slot: usize, text: &str) -> Image {
    let mut all = vec![Insn { opcode: 0x18, dst: 1, src: 4, off: 0, imm: slot as i32 - 1 }, Insn::default()];
    all.extend(slots(text));
    Image::new(&all, &Names, &options()).expect("an image")
}

#[test]
fn the_address_of_a_function_can_be_called() {
    let program = with_function(5, "r2 = 40\ncallx r1\nexit\nr0 = r2\nr0 += 2\nexit");
    assert_eq!(run_with(&mut Embedder::default(), &program, [0; 5]), Ok(42));
    let made_up = format!("r1 = {} ll\ncallx r1\nexit", function_address(2));
    assert_eq!(kind(run(&made_up)), TrapKind::NotAFunction(function_address(2)));
}

#[test]
fn a_helper_calls_back_into_the_program() {
    let text = "r2 = 5\nr3 = 100\nr6 = 1\ncall 2\nr0 += r6\nexit\nr0 = r1\nr0 += r2\nr6 = 0\nexit";
    let program = with_function(8, text);
    let mut embedder = Embedder::default();
    assert_eq!(run_with(&mut embedder, &program, [0; 5]), Ok(1 + (1 + 2 + 3 + 4) + 500));
    assert_eq!(embedder.seen, [(5, 0)]);
}

#[test]
fn a_callback_may_call_helpers_and_its_traps_are_placed() {
    let program =
        with_function(7, "r2 = 3\ncall 2\nr1 = 7\ncall 4\nexit\nr2 = 1\ncall 1\nr0 = *(u8 *)(r0 + 0)\nexit");
    let mut embedder = Embedder::default();
    let trap = run_with(&mut embedder, &program, [0; 5]).expect_err("a trap");
    assert_eq!(trap.place().map(|p| (p.slot, p.depth)), Some((9, 1)));
    assert_eq!(
        trap.to_string(),
        "read of 1 bytes at 0x1: null pointer or a small number at instruction 9, 1 calls deep"
    );
    assert_eq!(embedder.seen, [(3, 0), (8, 1)]);
}

/// Calls back with a host that panics and is gone afterwards.
struct Catcher;

struct Panics;

impl Host for Panics {
    fn call(&mut self, _: u32, _: [u64; 5], _: &mut Frame<'_>) -> Result<u64, Stop> {
        panic!("on purpose")
    }
}

impl Host for Catcher {
    fn call(&mut self, index: u32, args: [u64; 5], frame: &mut Frame<'_>) -> Result<u64, Stop> {
        if index != 2 {
            return Ok(args[0]);
        }
        let call = || frame.callback(&mut Panics, args[0], [0; 5]);
        Ok(u64::from(std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).is_err()))
    }
}

#[test]
fn a_panic_in_a_callback_leaves_the_outer_run_whole() {
    let text =
        "r6 = 40\ncall 2\nr6 += r0\nr1 = r6\ncall 1\nr0 += 1\nexit\nr6 = 0\ncall pc+1\nexit\ncall 1\nexit";
    let program = with_function(9, text);
    let mut memory = Memory::new(Endian::Little);
    assert_eq!(Machine::new().run(&program, &mut memory, &mut Catcher, [0; 5]), Ok(42));
}

#[test]
fn a_callback_makes_no_tail_calls() {
    let program = with_function(5, "r2 = 1\ncall 2\nexit\ncall 3\nexit");
    let next = Arc::new(image("r0 = 1\nexit"));
    let mut embedder = Embedder { next: Some(next), ..Embedder::default() };
    let trap = run_with(&mut embedder, &program, [0; 5]).expect_err("a trap");
    assert_eq!(trap.to_string(), "tail call from a callback at instruction 5, 1 calls deep");
}

#[test]
fn callbacks_nest_no_deeper_than_frames() {
    // The callback asks for itself again; r1 of a callback is its index, so the address comes anew.
    let mut text = slots("r2 = 1\ncall 2\nexit\nr2 = 1\ncall 2\nexit");
    let load = |back: i32| [Insn { opcode: 0x18, dst: 1, src: 4, off: 0, imm: back }, Insn::default()];
    let mut all = load(4).to_vec();
    all.extend(text.drain(..3));
    all.extend(load(-1));
    all.extend(text);
    let program = Image::new(&all, &Names, &options()).expect("an image");
    assert_eq!(kind(run_with(&mut Embedder::default(), &program, [0; 5])), TrapKind::CallDepth);
}

#[test]
fn a_tail_call_replaces_the_program() {
    let next = Arc::new(image("r0 = r1\nr0 += 1\nexit"));
    let mut embedder = Embedder { next: Some(next), ..Embedder::default() };
    let program = image("r0 = 1\ncall 3\nr0 = 2\nexit");
    assert_eq!(run_with(&mut embedder, &program, [41, 0, 0, 0, 0]), Ok(42));
    assert_eq!(run("call 3\nexit"), Ok(-1i64 as u64));
}

#[test]
fn a_tail_call_in_a_subprogram_returns_to_the_caller() {
    let next = Arc::new(image("r6 = 9\nr0 = 30\nexit"));
    let mut embedder = Embedder { next: Some(next), ..Embedder::default() };
    let program = image("r6 = 3\ncall pc+2\nr0 += r6\nexit\ncall 3\nr0 = 0\nexit");
    assert_eq!(run_with(&mut embedder, &program, [0; 5]), Ok(33));
}

#[test]
fn tail_calls_end() {
    // The program that is tail-called tail-calls itself, by way of the embedder.
    let program = Arc::new(image("call 3\nr0 = 5\nexit"));
    let mut embedder = Embedder { next: Some(program.clone()), ..Embedder::default() };
    assert_eq!(run_with(&mut embedder, &program, [0; 5]), Ok(5));
    assert_eq!(embedder.seen.len(), 34);
}

#[test]
fn a_helper_may_end_the_run() {
    assert_eq!(run("r1 = 7\ncall pc+1\nexit\ncall 4\nr0 = 1\nexit"), Ok(7));
}

#[test]
fn a_helper_sees_the_programs_memory() {
    assert_eq!(run("r1 = r10\nr1 += -4\ncall 6\nr0 = *(u32 *)(r10 - 4)\nexit"), Ok(0x1122_3344));
    let trap = run("r1 = r10\nr1 += -2\ncall 6\nexit").expect_err("a trap");
    assert_eq!(
        trap.to_string(),
        "write of 4 bytes at 0x1000001fe: out of bounds (the stack of frame 0 is 0x100000000..0x100000200, 512 bytes) \
         at instruction 2"
    );
}

#[test]
fn a_host_that_replaces_the_memory_does_no_harm() {
    assert_eq!(run("*(u64 *)(r10 - 8) = 3\ncall 7\nr0 = *(u64 *)(r10 - 8)\nexit"), Ok(0));
}

#[test]
fn missing_helpers_are_rejected_or_trap() {
    let text = slots("if r1 == 0 goto +1\ncall 55\nr0 = 0\nexit");
    let error = Image::new(&text, &Names, &options()).expect_err("no helper 55");
    assert_eq!((error.slot(), error.missing_helper()), (1, Some(55)));
    assert_eq!(error.to_string(), "slot 1: helper 55 is not available");
    let options = Options { missing: Missing::Trap, ..options() };
    let program = Image::new(&text, &Names, &options).expect("an image");
    assert_eq!(run_with(&mut Embedder::default(), &program, [0; 5]), Ok(0));
    let trapped = run_with(&mut Embedder::default(), &program, [1, 0, 0, 0, 0]);
    assert_eq!(kind(trapped), TrapKind::UnknownHelper(55));
}

#[test]
fn legacy_packet_loads_read_network_order_or_end_the_program() {
    let run = |text: &str, endian| {
        let mut memory = Memory::new(endian);
        memory.set_packet(16, &[0x11, 0x22, 0x33, 0x44, 0x55], 0).expect("a packet");
        let options = Options { endian, ..options() };
        let program = Image::new(&slots(text), &Names, &options).expect("an image");
        Machine::new().run(&program, &mut memory, &mut Embedder::default(), [3, 0, 0, 0, 0])
    };
    for endian in [Endian::Little, Endian::Big] {
        assert_eq!(run("r0 = *(u16 *)skb[1]\nexit", endian), Ok(0x2233));
        assert_eq!(run("r6 = r1\nr0 = *(u8 *)skb[r6 + 1]\nexit", endian), Ok(0x55));
        assert_eq!(run("r0 = *(u32 *)skb[2]\nr0 = 9\nexit", endian), Ok(0));
    }
}

#[test]
fn the_budget_ends_loops_and_recursion_in_time() {
    let spend = |text: &str, budget| {
        let mut machine = Machine::new();
        machine.set_budget(budget);
        let result =
            machine.run(&image(text), &mut Memory::new(Endian::Little), &mut Embedder::default(), [0; 5]);
        (result, machine.charged())
    };
    let (result, _) = spend("r0 = 0\nr0 += 1\ngoto -2\nexit", 1000);
    assert_eq!(kind(result), TrapKind::Budget);
    assert_eq!(kind(spend("goto -1\nexit", 1000).0), TrapKind::Budget);
    assert_eq!(kind(spend("r1 = 900\ncall 5\nr1 = 200\ncall 5\nexit", 1000).0), TrapKind::Budget);
    assert_eq!(kind(spend("call pc+1\ngoto -2\nr0 = 0\nexit", 1000).0), TrapKind::Budget);
    // 100 rounds of two instructions.
    let (result, charged) = spend("r0 = 0\nr0 += 1\nif r0 != 100 goto -2\nexit", 1000);
    assert_eq!(result, Ok(100));
    assert!((200..=204).contains(&charged), "{charged}");
}

#[test]
fn may_goto_leaves_a_loop_once_it_is_spent() {
    let mut machine = Machine::new();
    machine.set_may_goto_limit(10);
    let program = image("r0 = 0\nmay_goto +2\nr0 += 1\ngoto -3\nexit");
    let result = machine.run(&program, &mut Memory::new(Endian::Little), &mut Embedder::default(), [0; 5]);
    assert_eq!(result, Ok(10));
}

#[test]
fn long_programs_jump_far_and_cut_their_chains() {
    // Forward over 20,000 additions, then backward to their beginning, twice.
    let mut text = String::from("r1 = 2\nr0 = 0\n");
    text += &"r0 += 1\n".repeat(20_000);
    text += "r1 += -1\nif r1 != 0 goto -20002\nif r0 & 7 goto +20001\n";
    text += "goto +20000\n";
    text += &"r0 += 1\n".repeat(20_000);
    text += "exit\n";
    assert_eq!(run(&text), Ok(40_000));
}

#[test]
fn byte_orders_must_agree() {
    let options = Options { endian: Endian::Big, ..options() };
    let program = Image::new(&slots("r0 = 0\nexit"), &Names, &options).expect("an image");
    assert_eq!(kind(run_with(&mut Embedder::default(), &program, [0; 5])), TrapKind::ByteOrder);
}

#[test]
fn addr_space_cast_leads_into_the_arena() {
    let mut text = slots("r2 = r1\nr0 = *(u32 *)(r2 + 0)\nexit");
    (text[0].off, text[0].imm) = (1, 1);
    let mut memory = Memory::new(Endian::Little);
    let arena = memory.add_bytes(&[0, 0, 0, 0, 9, 0, 0, 0], Protection::ReadWrite).expect("an arena");
    let options = Options { arena: Some(arena), ..options() };
    let program = Image::new(&text, &Names, &options).expect("an image");
    let result =
        Machine::new().run(&program, &mut memory, &mut Embedder::default(), [0xdead_0000_0004, 0, 0, 0, 0]);
    assert_eq!(result, Ok(9));
}

#[test]
fn images_are_shared_and_machines_are_sent() {
    fn shared<T: Send + Sync>() {}
    fn sent<T: Send>() {}
    shared::<Image>();
    sent::<Machine>();
    sent::<Memory>();
}

/// Notes what it is shown.
#[derive(Default)]
struct Onlooker(Vec<(usize, usize, u64)>);

impl Host for Onlooker {
    fn call(&mut self, _: u32, _: [u64; 5], _: &mut Frame<'_>) -> Result<u64, Stop> {
        Ok(7)
    }

    fn observe(&mut self, step: &skep_vm::Step<'_>) {
        self.0.push((step.slot, step.depth, step.regs[0]));
    }
}

#[test]
fn an_onlooker_sees_every_instruction_before_it_runs() {
    let text =
        "r0 = 1\nr1 = 0x1122334455667788 ll\ncall sub\nr0 += 1\nif r0 < 5 goto -2\nexit\nsub:\nr0 = 2\nexit";
    let insns = assemble(text, Dialect::Kernel).unwrap().insns;
    let image = Image::new(&insns, &Names, &Options { observe: true, ..options() }).unwrap();
    let (mut host, mut memory) = (Onlooker::default(), Memory::new(Endian::Little));
    assert_eq!(Machine::new().run(&image, &mut memory, &mut host, [0; 5]).unwrap(), 5);
    let seen: Vec<(usize, usize, u64)> = vec![
        (0, 0, 0),
        (1, 0, 1),
        (3, 0, 1),
        (7, 1, 1),
        (8, 1, 2),
        (4, 0, 2),
        (5, 0, 3),
        (4, 0, 3),
        (5, 0, 4),
        (4, 0, 4),
        (5, 0, 5),
        (6, 0, 5),
    ];
    assert_eq!(host.0, seen);
}

/// Its quick form declines, panics, or does the work, as r1 says; the other traps.
#[derive(Default)]
struct Hasty {
    asked: usize,
    called: usize,
}

impl Imports for Hasty {
    fn helper(&self, _: i32) -> Option<u32> {
        Some(0)
    }

    fn is_quick(&self, _: u32) -> bool {
        true
    }
}

impl Host for Hasty {
    fn call(&mut self, _: u32, args: [u64; 5], _: &mut Frame<'_>) -> Result<u64, Stop> {
        self.called += 1;
        match args[0] {
            0 => Err(Trap::host("declined").into()),
            1 => panic!("on purpose"),
            _ => Ok(args[1] + 1),
        }
    }

    fn quick(&mut self, _: u32, args: [u64; 5], _: &Memory) -> Option<u64> {
        self.asked += 1;
        match args[0] {
            0 => None,
            1 => panic!("on purpose"),
            _ => Some(args[1] + 1),
        }
    }
}

#[test]
fn quick_forms_are_the_helpers() {
    let text = "r6 = 6\nr7 = 7\nr0 = 9\nr2 = 20\nr3 = 30\nr4 = 40\nr5 = 50\ncall 1\nr0 += r2\nexit";
    let insns = assemble(text, Dialect::Kernel).unwrap().insns;
    let mut memory = Memory::new(Endian::Little);
    let image = Image::new(&insns, &Hasty::default(), &options()).unwrap();
    let mut run = |r1: u64| {
        let (mut host, mut machine) = (Hasty::default(), Machine::new());
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            machine.run(&image, &mut memory, &mut host, [r1, 0, 0, 0, 0])
        }));
        (result, machine.registers(), host)
    };
    let (result, _, host) = run(2);
    assert_eq!(result.unwrap().unwrap(), 41);
    let jit = image.engine() == skep_vm::Engine::Jit;
    assert_eq!((host.asked, host.called), if jit { (1, 0) } else { (0, 1) });
    // All registers are as before the call.
    let (result, registers, host) = run(0);
    assert_eq!(result.unwrap().unwrap_err().slot(), Some(7));
    assert_eq!(registers[..8], [9, 0, 20, 30, 40, 50, 6, 7]);
    assert_eq!(host.called, 1);
    let (result, _, host) = run(1);
    assert!(result.is_err(), "it panics");
    assert_eq!(host.called, usize::from(!jit));
}
