//! Random programs, most of which a verifier accepts: each step uses registers by what they hold.

mod contract;
mod functions;
mod memory;
mod numbers;
mod protocols;

use skep_abi::{AttachType, ProgType};
use skep_isa::Insn;

use super::program::{CALL, EXIT, MAP, MAP_VALUE, Program, WIDE};
use super::world::{PROG_TYPES, STATIC};
use crate::random::Random;

use functions::{Function, Site};

/// What a register holds, as far as it matters here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Holds {
    Nothing,
    Number,
    Context,
    /// A value of a map, of so many bytes.
    Value(u32),
    /// Memory of so many bytes below the frame pointer.
    Stack(u32),
    Socket,
    Other,
}

const MOV: u8 = 0xbf;
const MOV_IMM: u8 = 0xb7;
const ADD: u8 = 0x0f;
const ADD_IMM: u8 = 0x07;
const AND_IMM: u8 = 0x57;
const STORE_IMM: u8 = 0x7a;
const LOAD: u8 = 0x79;
const FP: u8 = 10;
/// Where the context is kept.
const KEPT: u8 = 6;
/// Sizes as bits of an opcode, and in bytes.
const SIZES: [(u8, i16); 4] = [(0x10, 1), (0x08, 2), (0x00, 4), (0x18, 8)];
const MAX_DEPTH: u32 = 4;
/// Longest program that is made; what is begun is finished.
const MAX_LEN: usize = 400;

/// The program of a chance.
pub(super) fn grow(random: &mut Random) -> Program {
    let (prog_type, attach_type) = random.of(PROG_TYPES);
    let flags = random.of(&[0, 0, 0, 0, 0, 8, 8, 1]);
    let sleepable = prog_type == ProgType::SYSCALL;
    let mut b = Builder {
        random,
        insns: Vec::new(),
        regs: [Holds::Nothing; 10],
        prog_type,
        attach_type,
        depth: 0,
        functions: Vec::new(),
        sites: Vec::new(),
        in_callback: false,
    };
    b.start(&[Holds::Context]);
    let steps = 3 + b.random.below(12);
    b.block(steps);
    b.finish();
    let mut funcs = b.bodies();
    let typed = funcs.iter().skip(1).any(|(_, ty)| *ty != STATIC) || b.needs_types();
    if !typed && b.random.percent(90) {
        funcs.clear();
    }
    let flags = if sleepable { flags | 16 } else { flags };
    Program { prog_type, attach_type, flags, insns: b.insns, funcs }
}

struct Builder<'r> {
    random: &'r mut Random,
    insns: Vec<Insn>,
    regs: [Holds; 10],
    prog_type: ProgType,
    attach_type: AttachType,
    depth: u32,
    functions: Vec<Function>,
    sites: Vec<Site>,
    in_callback: bool,
}

impl Builder<'_> {
    fn emit(&mut self, opcode: u8, dst: u8, src: u8, off: i16, imm: i32) {
        self.insns.push(Insn { opcode, dst, src, off, imm });
    }

    fn reg_with(&mut self, wanted: impl Fn(Holds) -> bool) -> Option<u8> {
        let fit: Vec<u8> = (0..10).filter(|r| wanted(self.regs[usize::from(*r)])).collect();
        (!fit.is_empty()).then(|| self.random.of(&fit))
    }

    /// A register with a number, or now and then any at all.
    fn number(&mut self) -> u8 {
        let found = if self.random.percent(2) { None } else { self.reg_with(|h| h == Holds::Number) };
        found.unwrap_or_else(|| self.random.below(10) as u8)
    }

    fn set(&mut self, reg: u8, holds: Holds) {
        self.regs[usize::from(reg)] = holds;
    }

    fn holds(&self, reg: u8) -> Holds {
        self.regs[usize::from(reg)]
    }

    /// A function begins: the first argument goes to r6, others get constants, or bytes of the stack that nobody wrote.
    fn start(&mut self, args: &[Holds]) {
        self.regs = [Holds::Nothing; 10];
        let first = args.first().copied().unwrap_or(Holds::Nothing);
        for (reg, holds) in (1..).zip(args) {
            self.set(reg, *holds);
        }
        if first != Holds::Nothing {
            self.emit(MOV, KEPT, 1, 0, 0);
            self.set(KEPT, first);
        }
        for reg in [0, 2, 3, 4, 5, 7, 8, 9] {
            if self.holds(reg) != Holds::Nothing || self.random.percent(15) {
                continue;
            }
            match self.random.below(4) {
                0 => {
                    let imm = self.random.imm();
                    self.emit(MOV_IMM, reg, 0, 0, imm);
                }
                1 if first == Holds::Context && self.holds(1) == first => {
                    let Some((size, off)) = self.field(false) else { continue };
                    self.emit(0x61 | size, reg, 1, off, 0);
                }
                _ => self.emit(LOAD, reg, FP, -8 * (i16::from(reg) + 1), 0),
            }
            self.set(reg, Holds::Number);
        }
    }

    /// A function ends, mostly with a value that its kind may return.
    fn finish(&mut self) {
        if self.holds(0) != Holds::Number || self.random.percent(60) {
            let r0 = if self.random.percent(95) { self.random.below(2) } else { self.random.below(6) };
            self.emit(MOV_IMM, 0, 0, 0, r0 as i32);
        }
        self.emit(EXIT, 0, 0, 0, 0);
    }

    fn block(&mut self, steps: u32) {
        if self.depth >= MAX_DEPTH {
            return;
        }
        self.depth += 1;
        for _ in 0..=self.random.below(steps) {
            if self.insns.len() > MAX_LEN {
                break;
            }
            match self.random.below(100) {
                0..28 => self.alu(),
                28..33 => self.odd_alu(),
                33..44 => self.stack(),
                44..47 => self.variable_stack(),
                47..58 => self.branch(steps / 2),
                58..60 => self.repeat(steps / 2),
                60..65 => self.lookup(),
                65..67 => self.value_access(),
                67..71 => self.packet(),
                71..75 => self.context(),
                75..87 => self.helper(),
                87..90 => self.call(),
                90..92 => self.protocol(steps / 2),
                92..94 => self.socket(steps / 2),
                94..95 => self.pointer_arithmetic(),
                95..96 => self.direct_value(),
                96..97 => self.load_bytes(),
                _ => self.helper(),
            }
        }
        self.depth -= 1;
    }

    /// Lets the jump at `at` come to here.
    fn land(&mut self, at: usize) {
        self.insns[at].off = (self.insns.len() - at - 1) as i16;
    }

    fn merge(&mut self, other: [Holds; 10]) {
        for (mine, theirs) in self.regs.iter_mut().zip(other) {
            if *mine != theirs {
                *mine = Holds::Nothing;
            }
        }
    }

    /// A call of a helper whose arguments are in place.
    fn called(&mut self, id: i32) {
        self.emit(CALL, 0, 0, 0, id);
        self.regs[1..6].fill(Holds::Nothing);
        self.set(0, Holds::Number);
    }

    fn load_map(&mut self, reg: u8, map: usize) {
        self.emit(WIDE, reg, MAP, 0, map as i32);
        self.emit(0, 0, 0, 0, 0);
        self.set(reg, Holds::Other);
    }

    fn load_value(&mut self, reg: u8, map: usize, off: i32) {
        self.emit(WIDE, reg, MAP_VALUE, 0, map as i32);
        self.emit(0, 0, 0, 0, off);
        self.set(reg, Holds::Other);
    }

    /// An address on the stack.
    fn load_stack(&mut self, reg: u8, at: i32) {
        self.emit(MOV, reg, FP, 0, 0);
        self.emit(ADD_IMM, reg, 0, 0, -at);
        self.set(reg, Holds::Stack(at as u32));
    }

    /// Writes `size` bytes of the stack that begin `at` bytes below the frame pointer; rarely forgets some.
    fn fill(&mut self, at: i32, size: i32) {
        let skipped = if self.random.percent(2) { self.random.below(8) as i32 } else { -1 };
        for n in (0..(size + 7) / 8).filter(|n| *n != skipped) {
            let imm = self.random.below(256) as i32;
            self.emit(STORE_IMM, FP, 0, (8 * n - at) as i16, imm);
        }
    }
}
