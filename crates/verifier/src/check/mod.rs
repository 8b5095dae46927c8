//! One instruction on one path: what must hold before it, and what holds after it.

mod admission;
mod alu;
mod args;
mod arith_ptr;
mod call;
mod callback;
mod context;
mod exit;
mod format;
mod global;
mod helper;
mod jump;
mod kfunc;
mod load_imm;
mod memory;
mod null;
mod packet;
mod refs;
mod resolve;
mod speculation;
mod stack;

use skep_isa::{CallTarget, Op, Operand};

use crate::env::Env;
use crate::explore::Next;
use crate::refusal::{Step, Stop, errno};
use crate::state::{FP, Kind};
use crate::structure::Slot;
pub(crate) use admission::{admit, calls_allowed};
pub(crate) use global::{all_recorded, func_records, name_subprogs};
pub(crate) use memory::Access;
pub(crate) use resolve::{abnormal_returns, resolve};
pub(crate) use speculation::Mask;
pub(crate) use stack::show_tnum;

impl Env<'_> {
    /// Checks the instruction at the program counter and carries it out on the current state.
    pub(crate) fn check_insn(&mut self) -> Step<Next> {
        let op = match &self.slots[self.pc] {
            Slot::Op(op) => *op,
            Slot::Half => {
                return Err(self.refuse(errno::EINVAL, "V0105", "unknown opcode 00"));
            }
            Slot::Bad(e, _) => {
                let (class, op) = (e.insn().opcode & 7, e.insn().opcode & 0xf0);
                // A comparison's left side is read before anything else is looked at.
                if matches!(class, 5 | 6) && !matches!(op, 0x00 | 0x80 | 0x90 | 0xe0) && e.insn().dst <= 10 {
                    self.readable(e.insn().dst.into())?;
                }
                let m = malformed(e);
                return Err(self.refuse(errno::EINVAL, "V0110", m));
            }
        };
        let next = Next::At(self.pc + op.slots());
        match op {
            Op::Alu { width, op, dst, src } => self.alu(width, op, dst.index(), src)?,
            Op::Movsx { width, from, dst, src } => {
                self.move_extended(width, from.bytes(), dst.index(), src.index())?;
            }
            Op::Neg { width, dst } => self.negate(width, dst.index())?,
            Op::Swap { kind, size, dst } => self.swap_bytes(kind, size.bytes(), dst.index())?,
            Op::Load { .. } | Op::LoadAcquire { .. } => self.load(op)?,
            Op::Store { .. } | Op::StoreRelease { .. } => self.store(op)?,
            Op::Atomic { .. } => self.atomic(op)?,
            Op::LoadImm { dst, source, imm } => self.load_imm(dst.index(), source, imm)?,
            Op::LoadAbs { .. } | Op::LoadInd { .. } => return self.load_packet(op),
            Op::Jump { off, .. } => {
                self.jumps += 1;
                return Ok(Next::At(crate::structure::target(self.pc, off)));
            }
            Op::Branch { width, cond, dst, src, off } => {
                self.jumps += 1;
                return self.branch(width, cond, dst.index(), src, off);
            }
            Op::Call(target) => {
                self.jumps += 1;
                return self.call(target);
            }
            Op::Exit => {
                self.jumps += 1;
                return self.exit();
            }
            Op::MayGoto { .. } => return Err(Stop::NotModelled("may_goto".into())),
            Op::AddrSpaceCast { .. } => return Err(Stop::NotModelled("addr_space_cast".into())),
        }
        Ok(next)
    }

    /// The register holds something.
    pub(crate) fn readable(&self, r: usize) -> Step {
        if self.cur.reg(r).kind == Kind::NotInit {
            return Err(self.deny(r, "V0201", format!("R{r} !read_ok")));
        }
        Ok(())
    }

    /// The register may be set.
    pub(crate) fn writable(&self, r: usize) -> Step {
        if r == FP {
            return Err(self.deny(r, "V0202", "frame pointer is read only"));
        }
        Ok(())
    }

    pub(crate) fn operand_readable(&self, o: Operand) -> Step {
        match o {
            Operand::Reg(r) => self.readable(r.index()),
            Operand::Imm(_) => Ok(()),
        }
    }

    /// An address, where addresses must not become numbers.
    pub(crate) fn is_secret(&self, r: usize) -> bool {
        !self.rights.ptr_leaks && self.cur.reg(r).is_pointer()
    }

    fn call(&mut self, target: CallTarget) -> Step<Next> {
        match target {
            CallTarget::Helper(id) => self.call_helper(id),
            CallTarget::Subprog(off) => self.call_subprog(off),
            CallTarget::Kfunc { btf_id, .. } => self.call_kfunc(btf_id),
            CallTarget::Register(_) => {
                Err(self.refuse(errno::EINVAL, "V0110", "BPF_CALL uses reserved fields"))
            }
        }
    }
}

/// The opcode of a jump that bounds a loop by counting.
const MAY_GOTO: u8 = 0xe5;

/// The kernel's words for an instruction that is none.
fn malformed(e: &skep_isa::DecodeError) -> String {
    use skep_isa::Field;
    let insn = e.insn();
    match e.field() {
        Some(Field::Dst) if insn.dst > 10 => format!("R{} is invalid", insn.dst),
        Some(Field::Src) if insn.src > 10 => format!("R{} is invalid", insn.src),
        Some(Field::Opcode) | None => format!("unknown opcode {:02x}", insn.opcode),
        Some(_) if insn.opcode == MAY_GOTO => format!("invalid may_goto imm {}", insn.imm),
        Some(_) => {
            let class = match insn.opcode & 7 {
                0 if insn.opcode == 0x18 => "BPF_LD_IMM64",
                0 => "BPF_LD_[ABS|IND]",
                1 => "BPF_LDX",
                2 => "BPF_ST",
                3 => "BPF_STX",
                4 | 7 => "BPF_ALU",
                _ => match insn.opcode & 0xf0 {
                    0x80 => "BPF_CALL",
                    0x90 => "BPF_EXIT",
                    0x00 => "BPF_JA",
                    _ => "BPF_JMP/JMP32",
                },
            };
            format!("{class} uses reserved fields")
        }
    }
}
