//! Random programs, and every operation with edge operands, in the interpreter and in a plain evaluator.
//!
//! Random programs are where sequences of instructions share a handler; they must not be told apart from their parts,
//! also when a part faults.

mod reference;

use std::cell::RefCell;

use proptest::prelude::*;
use reference::{DATA, End, Reference};
use skep_isa::{AluOp, AtomicOp, Cond, Endian, ImmSource, Insn, Op, Operand, Reg, Size, SwapKind, Width};
use skep_vm::{Engine, FaultKind, Image, Machine, Memory, Options, Protection, RegionId, Trap, TrapKind};

const EDGES: [u64; 14] = [
    0,
    1,
    2,
    31,
    32,
    63,
    64,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    u64::MAX,
];

fn insns(ops: &[Op]) -> Vec<Insn> {
    ops.iter().flat_map(|op| op.encode().expect("an operation of the table").to_vec()).collect()
}

fn end(result: Result<u64, Trap>) -> End {
    match result {
        Ok(value) => End::Exit(value),
        Err(trap) => match (trap.kind(), trap.slot()) {
            (TrapKind::Access(f), Some(slot)) => {
                End::Fault(slot, f.addr, f.len, f.write, f.kind == FaultKind::Misaligned)
            }
            (TrapKind::Budget, _) => End::Steps,
            other => panic!("unexpected {other:?}"),
        },
    }
}

/// Runs in both and compares everything that can be seen. `false` if the reference gave up.
fn compare(ops: &[Op], data: &[u8], endian: Endian) -> bool {
    let slots = insns(ops);
    let decoded = skep_isa::decode_all(&slots).expect("what was encoded decodes");
    let mut reference = Reference::new(data, endian);
    let expected = reference.run(&decoded, 20_000);
    if expected == End::Steps {
        return false;
    }
    let mut charged = Vec::new();
    for (engine, blind) in engines() {
        let (mut memory, region) = room(endian);
        memory.replace(region, data.len()).expect("data");
        memory.storage_mut(region).expect("data").copy_from_slice(data);
        let options = Options { endian, engine, blind, ..Options::default() };
        let image = Image::new(&slots, &(), &options).expect("an image");
        let mut machine = Machine::new();
        let found = end(machine.run(&image, &mut memory, &mut (), [DATA, 0, 0, 0, 0]));
        assert_eq!(found, expected, "{engine:?}, blind: {blind:?}, {ops:#?}");
        assert_eq!(machine.registers(), reference.regs, "{engine:?}, blind: {blind:?}, {ops:#?}");
        assert_eq!(memory.storage(region).expect("data"), reference.data, "{engine:?}");
        assert_eq!(memory.storage(RegionId::frame(0)).expect("stack"), reference.stack, "{engine:?}");
        charged.push(machine.charged());
        ROOMS.with_borrow_mut(|rooms| rooms.push((memory, region)));
    }
    assert!(charged.windows(2).all(|c| c[0] == c[1]), "{charged:?}");
    true
}

thread_local! {
    /// Memories to use again: to reserve their room takes long in emulation.
    static ROOMS: RefCell<Vec<(Memory, RegionId)>> = const { RefCell::new(Vec::new()) };
}

/// A memory of this byte order with a region at the address of the reference's data.
fn room(endian: Endian) -> (Memory, RegionId) {
    let used = ROOMS.with_borrow_mut(|rooms| {
        let i = rooms.iter().position(|(memory, _)| memory.endian() == endian)?;
        Some(rooms.swap_remove(i))
    });
    used.unwrap_or_else(|| {
        let mut memory = Memory::new(endian);
        let region = memory.add(0, Protection::ReadWrite).expect("data");
        assert_eq!(region.base(), DATA);
        (memory, region)
    })
}

/// What this machine can run programs with, hiding constants or not.
fn engines() -> Vec<(Engine, Option<u64>)> {
    let exit = insns(&[Op::Exit]);
    let options = Options { engine: Engine::Jit, ..Options::default() };
    match Image::new(&exit, &(), &options) {
        Err(e) if e.no_jit() => vec![(Engine::Interpreter, None)],
        _ => vec![(Engine::Interpreter, None), (Engine::Jit, None), (Engine::Jit, Some(2010))],
    }
}

fn reg(n: u8) -> Reg {
    Reg::new(n).expect("a register")
}

fn set(dst: u8, value: u64) -> Op {
    Op::LoadImm { dst: reg(dst), source: ImmSource::Value, imm: value }
}

const ENDIANS: [Endian; 2] = [Endian::Little, Endian::Big];

#[test]
fn arithmetic_with_edge_operands() {
    for (op, width) in AluOp::ALL.iter().flat_map(|op| Width::ALL.map(|w| (*op, w))) {
        for (a, b) in EDGES.iter().flat_map(|a| EDGES.map(|b| (*a, b))) {
            let alu = |src| Op::Alu { width, op, dst: reg(0), src };
            assert!(compare(
                &[set(0, a), set(2, b), alu(Operand::Reg(reg(2))), Op::Exit],
                &[0; 8],
                Endian::Little
            ));
            assert!(compare(&[set(0, a), alu(Operand::Imm(b as i32)), Op::Exit], &[0; 8], Endian::Little));
        }
    }
}

#[test]
fn comparisons_with_edge_operands() {
    for (cond, width) in Cond::ALL.iter().flat_map(|c| Width::ALL.map(|w| (*c, w))) {
        for (a, b) in EDGES.iter().flat_map(|a| EDGES.map(|b| (*a, b))) {
            for src in [Operand::Reg(reg(2)), Operand::Imm(b as i32)] {
                let branch = Op::Branch { width, cond, dst: reg(1), src, off: 1 };
                let set_r0 =
                    |n| Op::Alu { width: Width::W64, op: AluOp::Mov, dst: reg(0), src: Operand::Imm(n) };
                let ops = [set(1, a), set(2, b), set_r0(1), branch, set_r0(2), Op::Exit];
                assert!(compare(&ops, &[0; 8], Endian::Little));
            }
        }
    }
}

#[test]
fn moves_and_byte_order_with_edge_operands() {
    let mut ops = Vec::new();
    for size in [Size::H, Size::W, Size::Dw] {
        for kind in [SwapKind::ToLe, SwapKind::ToBe, SwapKind::Swap] {
            ops.push(Op::Swap { kind, size, dst: reg(0) });
        }
    }
    for width in Width::ALL {
        ops.push(Op::Neg { width, dst: reg(0) });
        for from in [Size::B, Size::H, Size::W] {
            ops.push(Op::Movsx { width, from, dst: reg(0), src: reg(0) });
        }
    }
    for op in ops.iter().filter(|op| op.encode().is_ok()) {
        for value in EDGES.iter().chain(&[0x1122_3344_5566_7788, 0x8899_aabb_ccdd_eeff]) {
            for endian in ENDIANS {
                assert!(compare(&[set(0, *value), *op, Op::Exit], &[0; 8], endian));
            }
        }
    }
}

#[test]
fn accesses_at_the_edges_of_a_region() {
    let data: Vec<u8> = (0x80..0x90).collect();
    for (size, endian) in Size::ALL.iter().flat_map(|s| ENDIANS.map(|e| (*s, e))) {
        for off in -10..20 {
            for signed in [false, true] {
                let load = Op::Load { size, signed, dst: reg(0), src: reg(1), off };
                if load.encode().is_ok() {
                    assert!(compare(&[load, Op::Exit], &data, endian));
                }
            }
            for src in [Operand::Reg(reg(1)), Operand::Imm(-2)] {
                assert!(compare(&[Op::Store { size, dst: reg(1), off, src }, Op::Exit], &data, endian));
            }
            for frame_off in [off, off - 512] {
                let store = Op::Store { size, dst: reg(10), off: frame_off, src: Operand::Imm(-3) };
                let load = Op::Load { size, signed: false, dst: reg(0), src: reg(10), off: frame_off };
                assert!(compare(&[store, load, Op::Exit], &data, endian));
            }
        }
    }
}

fn any_reg() -> impl Strategy<Value = Reg> {
    // Few registers, so that instructions depend on each other; r6 and r10 are bases and r9 counts.
    (0u8..6).prop_map(reg)
}

fn any_operand() -> impl Strategy<Value = Operand> {
    prop_oneof![any_reg().prop_map(Operand::Reg), prop_oneof![-4i32..70, any::<i32>()].prop_map(Operand::Imm)]
}

fn any_size() -> impl Strategy<Value = Size> {
    prop::sample::select(&Size::ALL[..])
}

fn any_base() -> impl Strategy<Value = (Reg, i16)> {
    prop_oneof![
        12 => (Just(reg(6)), 0i16..56),
        6 => (Just(reg(10)), -512i16..-8),
        1 => (Just(reg(6)), -9i16..70),
        1 => (Just(reg(10)), -520i16..2),
        1 => (any_reg(), 0i16..8),
    ]
}

fn any_unit() -> impl Strategy<Value = Op> {
    let alu = (prop::sample::select(&AluOp::ALL[..]), any::<bool>(), any_reg(), any_operand()).prop_map(
        |(op, wide, dst, src)| Op::Alu { width: if wide { Width::W64 } else { Width::W32 }, op, dst, src },
    );
    let popular = prop::sample::select(
        &[
            AluOp::Mov,
            AluOp::Add,
            AluOp::And,
            AluOp::Lsh,
            AluOp::Rsh,
            AluOp::Xor,
            AluOp::Or,
            AluOp::Sub,
            AluOp::Mul,
        ][..],
    );
    let alu64 =
        (popular, prop::bool::weighted(0.7), any_reg(), any_operand()).prop_map(|(op, wide, dst, src)| {
            Op::Alu { width: if wide { Width::W64 } else { Width::W32 }, op, dst, src }
        });
    let copy = (any_reg(), any_reg()).prop_map(|(dst, src)| Op::Alu {
        width: Width::W64,
        op: AluOp::Mov,
        dst,
        src: Operand::Reg(src),
    });
    let load =
        (any_size(), any::<bool>(), any_reg(), any_base()).prop_map(|(size, signed, dst, (src, off))| {
            Op::Load { size, signed: signed && size != Size::Dw, dst, src, off }
        });
    let store = (any_size(), any_base(), any_operand()).prop_map(|(size, (dst, off), src)| Op::Store {
        size,
        dst,
        off,
        src,
    });
    let rmw = prop::sample::select(&AtomicOp::ALL[..]);
    let atomic = (rmw, any::<bool>(), any::<bool>(), any_base(), any_reg()).prop_map(
        |(op, wide, fetch, (dst, off), src)| Op::Atomic {
            op,
            size: if wide { Size::Dw } else { Size::W },
            fetch: fetch || matches!(op, AtomicOp::Xchg | AtomicOp::Cmpxchg),
            dst,
            src,
            off: off & !3,
        },
    );
    let constant = (any_reg(), prop_oneof![any::<u64>(), any::<u32>().prop_map(u64::from)])
        .prop_map(|(dst, imm)| Op::LoadImm { dst, source: ImmSource::Value, imm });
    prop_oneof![2 => alu, 6 => alu64, 4 => copy, 3 => load, 3 => store, 1 => atomic, 1 => constant]
}

/// What a program is made of; a branch names how many operations it skips.
#[derive(Clone, Debug)]
enum Piece {
    Unit(Op),
    Branch(Width, Cond, Reg, Operand, usize),
}

fn any_piece() -> impl Strategy<Value = Piece> {
    let branch = (any::<bool>(), prop::sample::select(&Cond::ALL[..]), any_reg(), any_operand(), 0usize..12)
        .prop_map(|(wide, cond, dst, src, skip)| {
            Piece::Branch(if wide { Width::W64 } else { Width::W32 }, cond, dst, src, skip)
        });
    prop_oneof![5 => any_unit().prop_map(Piece::Unit), 1 => branch]
}

/// Sets the bases, runs the pieces `count` times, exits.
fn program(pieces: &[Piece], count: i32, ending: Cond) -> Vec<Op> {
    let mov = |dst, src| Op::Alu { width: Width::W64, op: AluOp::Mov, dst: reg(dst), src };
    let mut ops = vec![mov(6, Operand::Reg(reg(1))), mov(9, Operand::Imm(0))];
    let start = ops.len();
    let slots = |piece: &Piece| match piece {
        Piece::Unit(Op::LoadImm { .. }) => 2,
        _ => 1,
    };
    for (i, piece) in pieces.iter().enumerate() {
        ops.push(match *piece {
            Piece::Unit(op) => op,
            Piece::Branch(width, cond, dst, src, skip) => {
                let off: usize = pieces[i + 1..].iter().take(skip).map(slots).sum();
                Op::Branch { width, cond, dst, src, off: off as i16 }
            }
        });
    }
    ops.push(Op::Alu { width: Width::W64, op: AluOp::Add, dst: reg(9), src: Operand::Imm(1) });
    let body: usize = pieces.iter().map(slots).sum();
    let back = -(body as i16 + 2);
    ops.push(Op::Branch {
        width: Width::W64,
        cond: ending,
        dst: reg(9),
        src: Operand::Imm(count),
        off: back,
    });
    ops.push(Op::Exit);
    debug_assert_eq!(start, 2);
    ops
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_programs(
        pieces in prop::collection::vec(any_piece(), 0..60),
        count in 1i32..20,
        ending in prop::sample::select(&[Cond::Lt, Cond::Ne, Cond::Slt][..]),
        data in prop::collection::vec(any::<u8>(), 64),
        big in any::<bool>(),
    ) {
        let endian = if big { Endian::Big } else { Endian::Little };
        prop_assume!(compare(&program(&pieces, count, ending), &data, endian));
    }

    #[test]
    fn random_bytes_never_do_harm(bytes in prop::collection::vec(any::<[u8; 8]>(), 1..40), big in any::<bool>()) {
        let endian = if big { Endian::Big } else { Endian::Little };
        let slots: Vec<Insn> = bytes.iter().map(|b| Insn::from_bytes(*b, endian)).collect();
        let options = Options { endian, missing: skep_vm::Missing::Trap, ..Options::default() };
        if let Ok(image) = Image::new(&slots, &(), &options) {
            let mut machine = Machine::new();
            machine.set_budget(10_000);
            let _ = machine.run(&image, &mut Memory::new(endian), &mut (), [1, 2, 3, 4, 5]);
        }
    }
}
