//! What one instruction does to a frame: everything but where it goes.

use skep_abi::{Arg, FieldKind};
use skep_isa::{AluOp, AtomicOp, CallTarget, ImmSource, Op, Operand, SwapKind, Width};

use super::super::access::{Call, MapRef, Region};
use super::Pass;
use super::frame::Frame;
use super::value::{Pointer, Target, Value};
use crate::rows::calls;
use crate::structure::target;
use crate::value::Scalar;

impl Pass {
    /// Carries out an instruction that falls through, or a helper's call.
    pub(super) fn step(&self, pc: usize, op: &Op, f: &mut Frame) {
        match *op {
            Op::Alu { width, op, dst, src } => {
                let s = self.operand(f, src);
                let d = &mut f.regs[dst.index()];
                *d = alu(width, op, d, &s);
            }
            Op::Movsx { width, from, dst, src } => {
                let v = f.regs[src.index()].number();
                f.regs[dst.index()] = Value::Number(extended(v, width, from.bytes()));
            }
            Op::Neg { width, dst } => {
                let d = &mut f.regs[dst.index()];
                let mut v = d.number();
                v.negate(width);
                *d = number(v, width);
            }
            Op::Swap { kind, size, dst } => {
                let d = &mut f.regs[dst.index()];
                let mut v = d.number();
                if kind != SwapKind::ToLe {
                    v.swap_bytes(size.bytes());
                }
                v.truncate(size.bytes());
                v.sync();
                *d = number(v, Width::W64);
            }
            Op::Load { size, signed, dst, .. } => {
                f.regs[dst.index()] = self.loaded(pc, size.bytes(), signed, f);
            }
            Op::LoadAcquire { size, dst, .. } => {
                f.regs[dst.index()] = self.loaded(pc, size.bytes(), false, f);
            }
            Op::Store { size, src, .. } => {
                let v = self.operand(f, src);
                self.stored(pc, size.bytes(), v, f);
            }
            Op::StoreRelease { size, src, .. } => {
                let v = f.regs[src.index()];
                self.stored(pc, size.bytes(), v, f);
            }
            Op::Atomic { op, size, fetch, src, .. } => {
                self.stored(pc, size.bytes(), Value::UNKNOWN, f);
                let old = Value::of_size(size.bytes(), false);
                if op == AtomicOp::Cmpxchg {
                    f.regs[0] = old;
                } else if fetch {
                    f.regs[src.index()] = old;
                }
            }
            Op::LoadImm { dst, source, imm } => f.regs[dst.index()] = self.wide(pc, source, imm),
            Op::LoadAbs { .. } | Op::LoadInd { .. } => {
                f.regs[..6].fill(Value::UNKNOWN);
            }
            Op::Call(CallTarget::Helper(id)) => self.helper(pc, id, f),
            Op::Call(_) => self.kfunc(pc, f),
            Op::AddrSpaceCast { dst, .. } => f.regs[dst.index()] = Value::UNKNOWN,
            Op::Jump { .. } | Op::Branch { .. } | Op::MayGoto { .. } | Op::Exit => {}
        }
    }

    fn operand(&self, f: &Frame, src: Operand) -> Value {
        match src {
            Operand::Reg(r) => f.regs[r.index()],
            Operand::Imm(v) => Value::constant(i64::from(v) as u64),
        }
    }

    fn wide(&self, pc: usize, source: ImmSource, imm: u64) -> Value {
        let map = || self.task.map(imm as i32).map(|i| MapRef(i as u32));
        match source {
            ImmSource::Value => Value::constant(imm),
            ImmSource::Func => Value::pointer(Target::Function(target(pc, imm as i32) as u32), 0),
            ImmSource::MapFd | ImmSource::MapIdx => {
                map().map_or(Value::UNKNOWN, |m| Value::pointer(Target::Map(m), 0))
            }
            ImmSource::MapValue | ImmSource::MapIdxValue => {
                map().map_or(Value::UNKNOWN, |m| Value::pointer(Target::MapValue(m), (imm >> 32) as i64))
            }
            ImmSource::BtfId => Value::UNKNOWN,
        }
    }

    fn loaded(&self, pc: usize, size: usize, signed: bool, f: &Frame) -> Value {
        let any = Value::of_size(size, signed);
        let Some((region, Some(at))) =
            self.facts.at(pc).access().map(|r| (r, r.offset().and_then(|o| o.only())))
        else {
            return any;
        };
        match region {
            Region::Stack { up: 0, .. } => {
                let slot = f.slot(at);
                match slot {
                    _ if size == 8 => slot,
                    Value::Number(v) => Value::Number(narrowed(v, size, signed)),
                    Value::Pointer(_) => any,
                }
            }
            Region::Ctx { .. } => self.field(at, size).unwrap_or(any),
            Region::MapValue { map, .. } => self.frozen(map, at, size, signed).unwrap_or(any),
            _ => any,
        }
    }

    /// A field of the context that holds an address.
    fn field(&self, at: i64, size: usize) -> Option<Value> {
        let (prog, attach) = (self.task.prog_type, self.attach_type);
        let field = prog.context()?.load(prog, attach, u32::try_from(at).ok()?, size as u32)?;
        let (to, nullable) = match field.kind {
            FieldKind::Packet => (Target::Packet, false),
            FieldKind::PacketEnd => (Target::PacketEnd, false),
            FieldKind::PacketMeta => (Target::PacketMeta, false),
            FieldKind::Sock | FieldKind::FlowKeys => (Target::Object, false),
            FieldKind::SockOrNull | FieldKind::SockCommonOrNull => (Target::Object, true),
            _ => return None,
        };
        Some(Value::Pointer(Pointer { to, nullable, offset: Scalar::constant(0), id: 0 }))
    }

    /// Bytes of a map that nobody can change.
    fn frozen(&self, map: MapRef, at: i64, size: usize, signed: bool) -> Option<Value> {
        let data = self.facts.maps().get(map.0 as usize)?.frozen.as_ref()?;
        let at = usize::try_from(at).ok()?;
        let mut bytes = [0; 8];
        bytes[..size].copy_from_slice(data.get(at..at + size)?);
        Some(Value::Number(narrowed(Scalar::constant(u64::from_le_bytes(bytes)), size, signed)))
    }

    fn stored(&self, pc: usize, size: usize, v: Value, f: &mut Frame) {
        self.written(self.facts.at(pc).access(), size as i64, Some(v), f);
    }

    /// `size` bytes of a region were written; with `v`, if it is known.
    fn written(&self, region: Option<Region>, size: i64, v: Option<Value>, f: &mut Frame) {
        match region {
            Some(Region::Stack { up: 0, offset }) => {
                f.forget(offset.min, offset.max.saturating_add(size));
                if let (Some(v), Some(at), 8) = (v, offset.only(), size) {
                    f.set_slot(at, v);
                }
            }
            Some(Region::Mixed) | None => f.forget_stack(),
            // Another frame's stack is looked after where that frame calls.
            _ => {}
        }
    }

    /// A kernel function writes to memory that it is given.
    fn kfunc(&self, pc: usize, f: &mut Frame) {
        let passed = self.facts.at(pc).call().map(|c| c.args).into_iter().flatten().flatten();
        passed.for_each(|p| self.written(Some(p.region), i64::from(p.size), None, f));
        f.regs[..6].fill(Value::UNKNOWN);
    }

    fn helper(&self, pc: usize, id: i32, f: &mut Frame) {
        let none = Call::default();
        let call = self.facts.at(pc).call().unwrap_or(&none);
        let args = calls::helper(id).row().map_or(&[][..], |row| calls::args(row, self.task.prog_type));
        for (i, arg) in args.iter().enumerate() {
            if only_read(*arg) || i >= 5 {
                continue;
            }
            match call.args[i] {
                Some(p) => self.written(Some(p.region), i64::from(p.size), None, f),
                None if may_be_stack(&f.regs[i + 1]) => f.forget_stack(),
                None => {}
            }
        }
        let calls_back = calls::callback_kind(id).is_some();
        if calls_back && self.callbacks_write_up {
            f.forget_stack();
        }
        if calls::changes_packet(id) || calls_back && self.callbacks_move_packet {
            f.forget_packet();
        }
        f.regs[..6].fill(Value::UNKNOWN);
        let mut result = call.result.unwrap_or(Value::UNKNOWN);
        if let Value::Pointer(p) = &mut result
            && p.nullable
        {
            p.id = pc as u32 + 1;
            f.retire(p.id);
        }
        f.regs[0] = result;
    }
}

/// Arguments through which a helper writes nothing. Memory that rows call read is not among them, as the kernel lets
/// some helpers write there all the same.
fn only_read(arg: Arg) -> bool {
    matches!(
        arg,
        Arg::Num
            | Arg::Ctx
            | Arg::CtxOrNull
            | Arg::Map
            | Arg::Key
            | Arg::Value
            | Arg::ValueOrNull
            | Arg::Size
            | Arg::SizeOrZero
            | Arg::ReturnedSize
            | Arg::Str
            | Arg::Callback
            | Arg::SockCommon
            | Arg::SockCommonOrNull
            | Arg::Record
            | Arg::StackOrNull
    )
}

fn may_be_stack(v: &Value) -> bool {
    match v {
        Value::Number(n) => !n.is_const(),
        Value::Pointer(p) => matches!(p.to, Target::Stack(_)),
    }
}

/// What is known of a number of which nothing was written that a 32-bit operation would have left.
fn number(mut v: Scalar, width: Width) -> Value {
    if !v.sane() {
        v = Scalar::UNKNOWN;
        if width == Width::W32 {
            v.truncate(4);
        }
    }
    Value::Number(v)
}

fn narrowed(mut v: Scalar, size: usize, signed: bool) -> Scalar {
    if size < 8 {
        if signed {
            v.sign_extend(size);
        } else {
            v.truncate(size);
        }
    }
    v
}

fn extended(mut v: Scalar, width: Width, size: usize) -> Scalar {
    match width {
        Width::W64 => v.sign_extend(size),
        Width::W32 => {
            v.sign_extend32(size);
            v.zext32();
            v.sync();
        }
    }
    v
}

fn alu(width: Width, op: AluOp, d: &Value, s: &Value) -> Value {
    let wide = width == Width::W64;
    match (op, d, s) {
        (AluOp::Mov, _, s) if wide => *s,
        (AluOp::Mov, _, s) => Value::Number(narrowed(s.number(), 4, false)),
        (AluOp::Add | AluOp::Sub, Value::Pointer(p), Value::Number(n)) if wide => moved(p, op, n),
        (AluOp::Add, Value::Number(n), Value::Pointer(p)) if wide => moved(p, op, n),
        _ => arith(width, op, d.number(), &s.number()),
    }
}

/// A pointer plus or minus a number.
fn moved(p: &Pointer, op: AluOp, n: &Scalar) -> Value {
    let mut offset = p.offset;
    if p.nullable || !offset.alu(op, Width::W64, n) || !offset.sane() {
        return Value::UNKNOWN;
    }
    Value::Pointer(Pointer { offset, ..*p })
}

fn arith(width: Width, op: AluOp, mut d: Scalar, s: &Scalar) -> Value {
    if let Some(v) = divided(width, op, &d, s) {
        return Value::Number(v);
    }
    if !d.alu(op, width, s) && width == Width::W32 {
        d.truncate(4);
    }
    number(d, width)
}

/// Unsigned division by a constant, of which exploration keeps nothing, as the kernel does not.
fn divided(width: Width, op: AluOp, d: &Scalar, s: &Scalar) -> Option<Scalar> {
    let by = s.const_value(width == Width::W64).filter(|by| *by != 0)?;
    let (min, max) = match width {
        Width::W64 => (d.umin, d.umax),
        Width::W32 => (d.u32_min.into(), d.u32_max.into()),
    };
    let (min, max) = match op {
        AluOp::Div => (min / by, max / by),
        AluOp::Mod => (0, max.min(by - 1)),
        _ => return None,
    };
    let mut v = Scalar { umin: min, umax: max, ..Scalar::UNKNOWN };
    v.sync();
    Some(v)
}
