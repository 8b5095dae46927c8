//! Programs that write down what they do: the one way to see the steps of a run inside of Linux, which tells of
//! a run only how it ended.
//!
//! Behind each instruction that sets a register, and before each that jumps, stores, calls or returns, code is put that
//! writes a record into the value of an array map: which instruction, and what the register holds. The rewritten program is
//! an ordinary one, so that both worlds run it, and their records can be held against each other.
//!
//! The code needs two registers and, where they are in use, a place on the stack to keep them. Both are taken from what the
//! verifier proved: registers that nothing reads any more, and the bytes below those that a function uses. A program
//! that is not accepted, or not modelled, can therefore not be rewritten.

use std::collections::BTreeMap;
use std::sync::Arc;

use skep_abi::{HelperId, MapType, Ret};
use skep_backend::{Error, ErrorKind, LoadOptions};
use skep_btf::{Btf, Kind};
use skep_isa::{AluOp, AtomicOp, CallTarget, ImmSource, Insn, Op, Operand, Reg, Size, Width, decode_all};
use skep_object::{MapSpec, Program, Reloc, RelocTarget, Spec};
use skep_verifier::facts::Function;
use skep_verifier::{Task, TaskOptions, Verdict, Verified};

/// The map's name.
pub(super) const MAP: &str = "skep_steps";
/// How many of the last records are kept.
pub(super) const KEPT: usize = 1 << 15;
/// A record: slot, program and flag, value.
pub(super) const RECORD: usize = 16;
/// The number of records comes first in the map's value.
pub(super) const HEAD: usize = 8;
/// In the second word of a record, beside the program's index: the third holds a value.
pub(super) const HAS_VALUE: u32 = 1 << 31;
/// What all frames of a program may use of the stack.
const STACK: u32 = 512;

/// Where records of a program are written, and what is known of them.
pub(super) struct Rewritten {
    pub(super) program: Program,
    pub(super) verified: Verified,
}

/// A Spec whose chosen programs record, with the map that they record to.
pub(super) struct Recording {
    pub(super) spec: Spec,
    /// By index in [`Spec::programs`].
    pub(super) verified: BTreeMap<usize, Verified>,
}

/// Rewrites all programs that `options` chooses.
pub(super) fn rewrite(
    spec: &Spec,
    options: &LoadOptions,
    vmlinux: Option<&Arc<Btf>>,
) -> Result<Recording, Error> {
    let mut made = spec.clone();
    let map = made.maps.len();
    made.maps.push(MapSpec {
        name: MAP.to_owned(),
        map_type: MapType::ARRAY,
        key_size: 4,
        value_size: (HEAD + KEPT * RECORD) as u32,
        max_entries: 1,
        ..MapSpec::default()
    });
    let mut verified = BTreeMap::new();
    for (index, program) in spec.programs.iter().enumerate() {
        if !options.programs.is_empty() && !options.programs.contains(&program.name) {
            continue;
        }
        let task_options = TaskOptions {
            prog_type: options.prog_types.get(&program.name).copied(),
            vmlinux: vmlinux.cloned(),
            ..TaskOptions::default()
        };
        let done = one(spec, index, map, &task_options)?;
        made.programs[index] = done.program;
        verified.insert(index, done.verified);
    }
    Ok(Recording { spec: made, verified })
}

fn one(spec: &Spec, index: usize, map: usize, options: &TaskOptions) -> Result<Rewritten, Error> {
    let program = &spec.programs[index];
    let name = &program.name;
    let invalid = |why: String| Error::new(ErrorKind::Invalid, format!("program `{name}`: {why}"));
    let task = Task::from_spec(spec, program, options).map_err(|e| invalid(e.to_string()))?;
    let verified = Verified::new(task).map_err(|outcome| match outcome.verdict {
        Verdict::NotModelled(what) => {
            let message = format!("program `{name}`: the verifier does not model {what} yet");
            Error::new(ErrorKind::Unsupported, message)
        }
        _ => invalid("it is not accepted: `skep verify` says why".into()),
    })?;
    let ops = decode_all(&program.insns).map_err(|e| invalid(e.to_string()))?;
    let mut writer = Writer {
        spec,
        program,
        verified: &verified,
        index: index as u32,
        map,
        out: Vec::new(),
        relocs: Vec::new(),
        starts: vec![0; program.insns.len() + 1],
        places: vec![0; program.insns.len()],
    };
    for (slot, op) in &ops {
        writer.instruction(*slot, op)?;
    }
    writer.starts[program.insns.len()] = writer.out.len();
    writer.aim(&ops)?;
    let program = writer.finish();
    Ok(Rewritten { program, verified })
}

struct Writer<'a> {
    spec: &'a Spec,
    program: &'a Program,
    verified: &'a Verified,
    index: u32,
    map: usize,
    out: Vec<Insn>,
    /// Of the code that records.
    relocs: Vec<Reloc>,
    /// By old slot: where jumps to it go now, and where it stands now.
    starts: Vec<usize>,
    places: Vec<usize>,
}

impl Writer<'_> {
    fn instruction(&mut self, slot: usize, op: &Op) -> Result<(), Error> {
        self.starts[slot] = self.out.len();
        let reached = self.verified.facts().at(slot).reached();
        let behind = slot + op.slots();
        let set = self.sets(slot, op);
        if reached && set.is_none_or(|_| matches!(op, Op::Call(_))) {
            self.record(slot, None, slot)?;
        }
        for i in slot..behind {
            self.places[i] = self.out.len();
            self.out.push(self.program.insns[i]);
        }
        match set {
            Some(reg) if reached && self.verified.facts().at(behind).reached() => {
                self.record(slot, Some(reg), behind)
            }
            _ => Ok(()),
        }
    }

    /// The register that an instruction sets, if it is sure to hold anything behind it.
    fn sets(&self, slot: usize, op: &Op) -> Option<Reg> {
        match *op {
            Op::Call(target) if !self.returns(slot, target) => None,
            _ => set(op),
        }
    }

    /// Whether a call leaves anything in r0.
    fn returns(&self, slot: usize, target: CallTarget) -> bool {
        let used = self.verified.facts().at(slot + 1).live() & 1 != 0;
        used && match target {
            CallTarget::Helper(id) => HelperId(id as u32).row().is_some_and(|row| row.ret != Ret::Void),
            CallTarget::Subprog(off) => {
                !self.returns_void((slot as i64 + 1 + i64::from(off)).max(0) as usize)
            }
            CallTarget::Kfunc { .. } | CallTarget::Register(_) => false,
        }
    }

    /// Whether the function at a slot is declared to return nothing.
    fn returns_void(&self, slot: usize) -> bool {
        let declared = || {
            let btf = self.spec.btf.as_ref()?;
            let info = self.program.func_info.iter().find(|f| f.insn == slot)?;
            let proto = btf.ty(btf.ty(info.type_id?)?.target()?)?;
            Some(btf.ty(proto.target()?)?.kind() == Kind::Void)
        };
        declared().unwrap_or(false)
    }

    /// Two registers that may be overwritten at `at`, other than `keep`; whether each is still needed.
    ///
    /// Of those that are read later only r6 to r9 are sure to hold anything: the others count as read by calls of functions
    /// with fewer arguments.
    fn scratch(&self, at: usize, keep: Option<Reg>) -> [(u8, bool); 2] {
        let live = self.verified.facts().at(at).live();
        let free = (0..10).filter(|r| live & 1 << r == 0).map(|r| (r, false));
        let kept = (6..10).filter(|r| live & 1 << r != 0).map(|r| (r, true));
        let mut found = free.chain(kept).filter(|(r, _)| keep.is_none_or(|k| k.index() != usize::from(*r)));
        // r6 to r9 are four, and `keep` is one at most.
        std::array::from_fn(|_| found.next().unwrap_or((9, true)))
    }

    fn function(&self, slot: usize) -> Option<&Function> {
        self.verified.facts().functions().iter().find(|f| (f.start..f.end).contains(&slot))
    }

    /// Code that records `slot` and, if any, what `value` holds, in front of what was at `at`.
    fn record(&mut self, slot: usize, value: Option<Reg>, at: usize) -> Result<(), Error> {
        let [a, b] = self.scratch(at, value);
        let depth = self.function(slot).map_or(0, |f| f.stack);
        if (a.1 || b.1) && depth + 16 > STACK {
            let message = format!("program `{}` leaves no room on its stack for a trace", self.program.name);
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let saved = [(a, -(depth as i32) - 8), (b, -(depth as i32) - 16)];
        for ((reg, _), off) in saved.iter().filter(|((_, live), _)| *live) {
            self.out.push(store(Size::Dw, 10, *off as i16, operand(*reg)));
        }
        let (base, count) = (a.0, b.0);
        self.relocs
            .push(Reloc { insn: self.out.len(), target: RelocTarget::MapValue { map: self.map, offset: 0 } });
        let wide = Op::LoadImm { dst: reg(base), source: ImmSource::MapValue, imm: 0 };
        self.push(&wide);
        let alu = |op, dst, src| Op::Alu { width: Width::W64, op, dst: reg(dst), src };
        self.push(&Op::Load { size: Size::Dw, signed: false, dst: reg(count), src: reg(base), off: 0 });
        self.push(&alu(AluOp::Add, count, Operand::Imm(1)));
        self.out.push(store(Size::Dw, base, 0, operand(count)));
        self.push(&alu(AluOp::And, count, Operand::Imm(KEPT as i32 - 1)));
        self.push(&alu(AluOp::Lsh, count, Operand::Imm(RECORD.trailing_zeros() as i32)));
        self.push(&alu(AluOp::Add, base, operand(count)));
        let mark = if value.is_some() { self.index | HAS_VALUE } else { self.index };
        self.out.push(store(Size::W, base, HEAD as i16, Operand::Imm(slot as i32)));
        self.out.push(store(Size::W, base, HEAD as i16 + 4, Operand::Imm(mark as i32)));
        if let Some(value) = value {
            self.out.push(store(Size::Dw, base, HEAD as i16 + 8, Operand::Reg(value)));
        }
        for ((reg_, _), off) in saved.iter().filter(|((_, live), _)| *live) {
            self.push(&Op::Load {
                size: Size::Dw,
                signed: false,
                dst: reg(*reg_),
                src: Reg::FP,
                off: *off as i16,
            });
        }
        Ok(())
    }

    fn push(&mut self, op: &Op) {
        self.out.extend(encoded(op));
    }

    /// Aims jumps, calls and addresses of functions at where their targets went.
    fn aim(&mut self, ops: &[(usize, Op)]) -> Result<(), Error> {
        for (slot, op) in ops {
            let distance = match *op {
                Op::Jump { off, .. } => off,
                Op::Branch { off, .. } | Op::MayGoto { off } => i32::from(off),
                Op::Call(CallTarget::Subprog(off)) => off,
                Op::LoadImm { source: ImmSource::Func, imm, .. } => imm as i32,
                _ => continue,
            };
            let old = *slot as i64 + 1 + i64::from(distance);
            let place = self.places[*slot];
            let target = usize::try_from(old).ok().and_then(|t| self.starts.get(t));
            let far = target.map_or(0, |t| *t as i64 - place as i64 - 1);
            let insn = &mut self.out[place];
            match *op {
                Op::Call(_) | Op::LoadImm { .. } | Op::Jump { long: true, .. } => insn.imm = far as i32,
                _ => {
                    insn.off = i16::try_from(far).map_err(|_| {
                        let message = format!(
                            "program `{}` is too long to be traced: a jump no longer reaches",
                            self.program.name
                        );
                        Error::new(ErrorKind::Unsupported, message)
                    })?;
                }
            }
        }
        Ok(())
    }

    /// The program with all that names slots moved along. Lines stay behind: they would not fit.
    fn finish(self) -> Program {
        let mut made = self.program.clone();
        let place = |slot: usize| self.places.get(slot).copied().unwrap_or(slot);
        let start = |slot: usize| self.starts.get(slot).copied().unwrap_or(slot);
        for reloc in &mut made.relocs {
            reloc.insn = place(reloc.insn);
            if let RelocTarget::Func(target) = &mut reloc.target {
                *target = start(*target);
            }
        }
        made.relocs.extend(self.relocs);
        made.core_relocs.iter_mut().for_each(|r| r.insn = place(r.insn));
        made.poisoned.iter_mut().for_each(|p| p.insn = place(p.insn));
        made.func_info.iter_mut().for_each(|f| f.insn = start(f.insn));
        made.line_info.clear();
        made.insns = self.out;
        made
    }
}

/// The register that an instruction sets.
pub(super) fn set(op: &Op) -> Option<Reg> {
    match *op {
        Op::Alu { dst, .. }
        | Op::Movsx { dst, .. }
        | Op::AddrSpaceCast { dst, .. }
        | Op::Neg { dst, .. }
        | Op::Swap { dst, .. }
        | Op::Load { dst, .. }
        | Op::LoadAcquire { dst, .. }
        | Op::LoadImm { dst, .. } => Some(dst),
        Op::Atomic { op, fetch: true, src, .. } if op != AtomicOp::Cmpxchg => Some(src),
        Op::Atomic { fetch: true, .. } | Op::LoadAbs { .. } | Op::LoadInd { .. } | Op::Call(_) => Reg::new(0),
        _ => None,
    }
}

fn reg(n: u8) -> Reg {
    Reg::new(n).unwrap_or(Reg::FP)
}

fn operand(n: u8) -> Operand {
    Operand::Reg(reg(n))
}

fn store(size: Size, base: u8, off: i16, src: Operand) -> Insn {
    encoded(&Op::Store { size, dst: reg(base), off, src }).next().unwrap_or_default()
}

/// The slots of an operation that the instruction set has.
fn encoded(op: &Op) -> impl Iterator<Item = Insn> + use<> {
    let slots = op.encode().map(|e| e.to_vec()).unwrap_or_default();
    debug_assert!(!slots.is_empty());
    slots.into_iter()
}
