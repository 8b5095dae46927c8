//! A policy as classic code: the machine, then a balanced tree over call numbers, then the arguments.

use std::fmt;

use skep_abi::Arch;
use skep_isa::classic::{AluOp, Cond, Insn, MAX_INSNS, Op, Size, Source, check_seccomp};

use crate::dag::{Dag, Id, Node};

use super::{Check, Policy, Test, X32};

/// Offset of the call's number in `struct seccomp_data`.
const NUMBER: u32 = 0;
/// Offset of the machine.
const ARCH: u32 = 4;
/// Offset of the first argument.
const ARGS: u32 = 16;

/// A policy that no filter holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompileError {
    len: usize,
}

impl CompileError {
    /// Instructions that the filter would have.
    pub fn instructions(&self) -> usize {
        self.len
    }
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the filter would have {} instructions, and Linux takes {MAX_INSNS}", self.len)
    }
}

impl std::error::Error for CompileError {}

/// The filter of a policy, as seccomp(2) takes it.
///
/// # Errors
/// If it has more instructions than Linux takes.
pub fn compile(policy: &Policy) -> Result<Vec<Insn>, CompileError> {
    let mut dag = Dag::default();
    let mut root = dag.node(Node::Ret(policy.foreign.value()));
    for (index, arch) in policy.arches.iter().enumerate().rev() {
        let mut tree = calls(&mut dag, policy, index);
        if *arch == Arch::X86_64 {
            let foreign = dag.node(Node::Ret(policy.foreign.value()));
            tree = dag.node(Node::Branch(Cond::Ge, X32, foreign, tree));
        }
        let tree = load(&mut dag, NUMBER, tree);
        root = dag.node(Node::Branch(Cond::Eq, arch.audit(), tree, root));
    }
    let root = load(&mut dag, ARCH, root);
    let insns = dag.emit(root);
    match check_seccomp(&insns) {
        Ok(()) => Ok(insns),
        Err(_) => Err(CompileError { len: insns.len() }),
    }
}

/// The tree over the numbers of one machine; A holds the number.
fn calls(dag: &mut Dag, policy: &Policy, arch: usize) -> Id {
    let default = dag.node(Node::Ret(policy.default.value()));
    let mut numbers: Vec<u32> = policy.rules.iter().flat_map(|r| r.numbers[arch].iter().copied()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let mut ranges = vec![(0, default)];
    for number in numbers {
        let node = rules(dag, policy, arch, number);
        ranges.pop_if(|last| last.0 == number);
        ranges.push((number, node));
        ranges.extend(number.checked_add(1).map(|next| (next, default)));
    }
    ranges.dedup_by_key(|r| r.1);
    dag.search(&ranges)
}

/// The rules for one call, in order.
fn rules(dag: &mut Dag, policy: &Policy, arch: usize, number: u32) -> Id {
    let mut otherwise = dag.node(Node::Ret(policy.default.value()));
    for rule in policy.rules.iter().rev().filter(|r| r.numbers[arch].contains(&number)) {
        let hit = dag.node(Node::Ret(rule.action.value()));
        otherwise = rule.checks.iter().rev().fold(hit, |then, c| check(dag, c, then, otherwise));
    }
    otherwise
}

/// One check: `then` if it holds.
fn check(dag: &mut Dag, check: &Check, then: Id, or_else: Id) -> Id {
    let low = ARGS + 8 * u32::from(check.arg % 6);
    // A constant wider than what is looked at decides by itself.
    let wide = |v: u64| check.low && v > u64::from(u32::MAX);
    let halves = |v: u64| ((v >> 32) as u32, v as u32);
    let word = Words { low, high: (!check.low).then_some(low + 4) };
    match check.test {
        Test::Eq(v) | Test::Ge(v) | Test::Gt(v) if wide(v) => or_else,
        Test::Ne(v) | Test::Lt(v) | Test::Le(v) if wide(v) => then,
        Test::Eq(v) => word.equal(dag, halves(v), then, or_else),
        Test::Ne(v) => word.equal(dag, halves(v), or_else, then),
        Test::Gt(v) => word.order(dag, Cond::Gt, halves(v), then, or_else),
        Test::Ge(v) => word.order(dag, Cond::Ge, halves(v), then, or_else),
        Test::Le(v) => word.order(dag, Cond::Gt, halves(v), or_else, then),
        Test::Lt(v) => word.order(dag, Cond::Ge, halves(v), or_else, then),
        Test::Masked { mask, value } => {
            let mask = if check.low { mask & u64::from(u32::MAX) } else { mask };
            if value & !mask != 0 {
                return or_else;
            }
            word.masked(dag, halves(mask), halves(value), then, or_else)
        }
    }
}

/// Where an argument lies; little-endian, as all three machines are.
struct Words {
    low: u32,
    high: Option<u32>,
}

impl Words {
    fn equal(&self, dag: &mut Dag, (high, low): (u32, u32), then: Id, or_else: Id) -> Id {
        let mut id = test(dag, self.low, Cond::Eq, low, then, or_else);
        if let Some(at) = self.high {
            id = test(dag, at, Cond::Eq, high, id, or_else);
        }
        id
    }

    fn order(&self, dag: &mut Dag, cond: Cond, (high, low): (u32, u32), then: Id, or_else: Id) -> Id {
        let id = test(dag, self.low, cond, low, then, or_else);
        let Some(at) = self.high else { return id };
        let id = dag.node(Node::Branch(Cond::Eq, high, id, or_else));
        test(dag, at, Cond::Gt, high, then, id)
    }

    fn masked(&self, dag: &mut Dag, mask: (u32, u32), value: (u32, u32), then: Id, or_else: Id) -> Id {
        let id = masked(dag, self.low, mask.1, value.1, then, or_else);
        self.high.map_or(id, |at| masked(dag, at, mask.0, value.0, id, or_else))
    }
}

fn load(dag: &mut Dag, k: u32, next: Id) -> Id {
    dag.node(Node::Stmt(Op::LoadAbs { size: Size::W, k }, next))
}

fn test(dag: &mut Dag, word: u32, cond: Cond, k: u32, then: Id, or_else: Id) -> Id {
    let id = dag.node(Node::Branch(cond, k, then, or_else));
    load(dag, word, id)
}

/// `word & mask == value`, where `value` has no bits but the mask's.
fn masked(dag: &mut Dag, word: u32, mask: u32, value: u32, then: Id, or_else: Id) -> Id {
    match mask {
        0 => then,
        u32::MAX => test(dag, word, Cond::Eq, value, then, or_else),
        _ if value == 0 => test(dag, word, Cond::Set, mask, or_else, then),
        _ => {
            let id = dag.node(Node::Branch(Cond::Eq, value, then, or_else));
            let id = dag.node(Node::Stmt(Op::Alu { op: AluOp::And, src: Source::K(mask) }, id));
            load(dag, word, id)
        }
    }
}
