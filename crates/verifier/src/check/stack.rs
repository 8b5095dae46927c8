//! Loads and stores on the stack: spills, fills, and the bytes in between.

use crate::env::Env;
use crate::refusal::{Step, errno};
use crate::state::{Byte, Flags, Kind, Reg, Slot};
use crate::value::{Scalar, Tnum};

/// Offsets beyond this are taken as unbounded.
pub(crate) const MAX_VAR_OFF: i64 = 1 << 29;
const MAX_STACK: i64 = 512;

/// How a tnum is written in the log.
pub(crate) fn show_tnum(t: Tnum) -> String {
    format!("({:#x}; {:#x})", t.value, t.mask)
}

/// How the log writes a number: small ones in decimal.
pub(crate) fn show_unsigned(v: u64) -> String {
    if v <= i16::MAX as u64 { v.to_string() } else { format!("{v:#x}") }
}

/// How a variable part is written where a known one is written plainly.
pub(crate) fn show_var(t: Tnum) -> String {
    if !t.is_const() {
        return show_tnum(t);
    }
    show_unsigned(t.value)
}

/// What is stored.
#[derive(Clone, Copy)]
pub(crate) enum Stored {
    /// A register.
    Reg(usize),
    /// An immediate, sign-extended.
    Imm(i64),
    /// Something that a helper or an atomic operation leaves.
    Unknown,
}

fn place(off: i64) -> (usize, usize) {
    let slot = (-off - 1) as usize;
    (slot / 8, slot % 8)
}

fn is_spillable(kind: Kind) -> bool {
    !matches!(kind, Kind::NotInit | Kind::Scalar | Kind::TpBuffer)
}

impl Env<'_> {
    /// Whether `off..off + size` is stack that may be touched; grows the frame to hold it.
    pub(crate) fn stack_bounds(&mut self, reg: usize, off: i32, size: i64, write: bool) -> Step {
        let r = *self.cur.reg(reg);
        let frame = r.aux as usize;
        let what = if write { " write to" } else { " read from" };
        let known = r.val.is_const();
        let (min, max) = if known {
            let min = (r.val.var.value as i64).wrapping_add(i64::from(off));
            (min, min.wrapping_add(size))
        } else {
            if r.val.smax >= MAX_VAR_OFF || r.val.smin <= -MAX_VAR_OFF {
                let m = format!("invalid unbounded variable-offset{what} stack R{reg}");
                return Err(self.deny(reg, "V0303", m));
            }
            (r.val.smin + i64::from(off), r.val.smax + i64::from(off) + size)
        };
        let lowest = if write || self.rights.uninit_stack {
            -MAX_STACK
        } else {
            -(self.cur.frames[frame].depth() as i64)
        };
        let err = if min < lowest || min > -1 {
            errno::EACCES
        } else if max > 0 {
            errno::EINVAL
        } else if size < 0 {
            errno::EFAULT
        } else {
            self.cur.frame_grow(frame, -min as usize);
            let s = &mut self.subprogs[self.cur.frames[frame].subprog];
            s.stack_depth = s.stack_depth.max(-min as usize);
            return Ok(());
        };
        let m = if known {
            format!("invalid{what} stack R{reg} off={min} size={size}")
        } else {
            let t = show_tnum(r.val.var);
            format!("invalid variable-offset{what} stack R{reg} var_off={t} off={off} size={size}")
        };
        Err(self.refuse(err, "V0303", m))
    }

    /// Loads `size` bytes into `dst`, or only checks that they are data.
    pub(crate) fn stack_load(&mut self, ptr: usize, off: i32, size: usize, dst: Option<usize>) -> Step {
        let r = *self.cur.reg(ptr);
        if r.val.is_const() {
            let off = i64::from(off) + r.val.var.value as i64;
            return self.stack_load_fixed(r.aux as usize, off, size, dst);
        }
        let Some(dst) = dst else {
            let t = show_tnum(r.val.var);
            let m = format!(
                "variable offset stack pointer cannot be passed into helper function; var_off={t} off={off} size={size}"
            );
            return Err(self.deny(ptr, "V0304", m));
        };
        self.stack_initialised(ptr, off, size as i64, false, false)?;
        let (min, max) = (r.val.smin + i64::from(off), r.val.smax + i64::from(off));
        self.log_slots(1 << place(min).0);
        self.load_bytes(r.aux as usize, min, max + size as i64, dst);
        Ok(())
    }

    /// What plain bytes give: zero if all are.
    fn load_bytes(&mut self, frame: usize, min: i64, max: i64, dst: usize) {
        let zero = (min..max).all(|i| {
            let (slot, byte) = place(i);
            self.cur.frames[frame].stack.get(slot).is_some_and(|s| s.bytes[byte] == Byte::Zero)
        });
        let r = if zero { Reg::constant(0) } else { Reg::UNKNOWN };
        self.set_reg(dst, r);
    }

    fn bytes_readable(&self, s: &Slot, off: i64, size: usize) -> Step<(usize, usize)> {
        let (mut spills, mut zeros) = (0, 0);
        let (_, first) = place(off);
        for i in 0..size {
            match s.bytes[(first + 8 - i) % 8] {
                Byte::Spill => spills += 1,
                Byte::Zero => zeros += 1,
                Byte::Misc => {}
                Byte::Invalid if self.rights.uninit_stack => {}
                Byte::Invalid | Byte::IrqFlag => {
                    let m = format!("invalid read from stack off {off}+{i} size {size}");
                    return Err(self.refuse(errno::EACCES, "V0305", m));
                }
            }
        }
        Ok((spills, zeros))
    }

    fn stack_load_fixed(&mut self, frame: usize, off: i64, size: usize, dst: Option<usize>) -> Step {
        let (slot, _) = place(off);
        self.stack_live.read(frame, 1 << slot);
        self.log_slots(1 << slot);
        let s = self.cur.frames[frame].stack[slot];
        if !s.is_spilled() {
            self.bytes_readable(&s, off, size)?;
            if let Some(dst) = dst {
                self.load_bytes(frame, off, off + size as i64, dst);
            }
            return Ok(());
        }
        let spilled = s.bytes.iter().rev().take_while(|b| **b == Byte::Spill).count();
        if size == 8 && spilled == 8 {
            return self.fill_whole(frame, slot, off, dst);
        }
        if !s.reg.is_scalar() {
            return Err(self.refuse(errno::EACCES, "V0306", "invalid size of register fill"));
        }
        let Some(dst) = dst else { return Ok(()) };
        if size <= spilled && off % 8 == 0 {
            if self.rights.bpf && size == 4 && spilled == 4 && s.reg.val.umax >> 32 == 0 {
                self.link_slot(frame, slot);
            }
            let mut r = self.cur.frames[frame].stack[slot].reg;
            if size < 8 && r.val.umax >> (size * 8) != 0 {
                r.unlink();
            }
            self.set_reg(dst, r);
        } else {
            let (spills, zeros) = self.bytes_readable(&s, off, size)?;
            if spills == size && s.reg.val.var.equals(0) {
                self.set_reg(dst, Reg::constant(0));
            } else {
                let r = if zeros == size { Reg::constant(0) } else { Reg::UNKNOWN };
                self.set_reg(dst, r);
                return Ok(());
            }
        }
        self.note_stack(frame, slot);
        Ok(())
    }

    fn fill_whole(&mut self, frame: usize, slot: usize, off: i64, dst: Option<usize>) -> Step {
        match dst {
            Some(dst) => {
                if self.rights.bpf {
                    self.link_slot(frame, slot);
                }
                let r = self.cur.frames[frame].stack[slot].reg;
                self.cur.top_mut().regs[dst] = r;
            }
            None => {
                let r = &self.cur.frames[frame].stack[slot].reg;
                if !self.rights.ptr_leaks && r.is_pointer() {
                    let m = format!("leaking pointer from stack off {off}");
                    return Err(self.refuse(errno::EACCES, "V0805", m));
                }
            }
        }
        self.note_stack(frame, slot);
        Ok(())
    }

    /// Gives a spilled number an id, so that its copy stays linked.
    fn link_slot(&mut self, frame: usize, slot: usize) {
        let r = self.cur.frames[frame].stack[slot].reg;
        if let Some(id) = self.link_id(&r) {
            let r = &mut self.cur.frame_mut(frame).stack[slot].reg;
            r.id = id;
            r.off = 0;
        }
    }

    /// The id that a number needs before it is copied, if it has none that would serve.
    pub(crate) fn link_id(&mut self, r: &Reg) -> Option<u32> {
        if !r.is_scalar() {
            return None;
        }
        let stale = r.id & crate::state::ADD_CONST != 0;
        if r.val.is_const() { stale.then_some(0) } else { (stale || r.id == 0).then(|| self.new_id()) }
    }

    /// Gives a register's number an id, so that its copy stays linked.
    pub(crate) fn link_reg(&mut self, n: usize) {
        let r = *self.cur.reg(n);
        if let Some(id) = self.link_id(&r) {
            let r = self.cur.reg_mut(n);
            r.id = id;
            if r.off != 0 {
                r.off = 0;
            }
        }
    }

    /// Notes for backtracking that this instruction spills or fills.
    fn note_stack(&mut self, frame: usize, slot: usize) {
        self.history_entry().stack = Some((frame as u8, slot as u8));
    }

    /// Stores `size` bytes.
    pub(crate) fn stack_store(&mut self, ptr: usize, off: i32, size: usize, what: Stored) -> Step {
        let r = *self.cur.reg(ptr);
        if r.val.is_const() {
            let off = i64::from(off) + r.val.var.value as i64;
            self.stack_store_fixed(r.aux as usize, off, size, what)
        } else {
            self.stack_store_var(&r, off, size, what)
        }
    }

    fn stack_store_fixed(&mut self, frame: usize, off: i64, size: usize, what: Stored) -> Step {
        let (slot, first) = place(off);
        self.log_slots(1 << slot);
        let old = &self.cur.frames[frame].stack[slot];
        if !self.rights.ptr_leaks && old.is_spilled() && !old.is_spilled_scalar() && size != 8 {
            let m = "attempt to corrupt spilled pointer on stack";
            return Err(self.refuse(errno::EACCES, "V0307", m));
        }
        if !self.rights.speculation {
            // On a guess, a load may come before the store and find what was there.
            let pointer = matches!(what, Stored::Reg(r) if is_spillable(self.cur.reg(r).kind));
            let bare = |i: usize| !matches!(old.bytes[(first + 8 - i) % 8], Byte::Misc | Byte::Zero);
            self.aux[self.pc].barrier_behind |= pointer || (0..size).any(bare);
        }
        if size == 8 {
            self.stack_live.write(frame, 1 << slot);
        }
        let aligned = off % 8 == 0;
        let reg = match what {
            Stored::Reg(r) => Some(*self.cur.reg(r)),
            _ => None,
        };
        match (reg, what) {
            (Some(v), Stored::Reg(n)) if aligned && v.is_scalar() && self.rights.bpf => {
                self.spill_scalar(frame, slot, size, n);
            }
            (None, Stored::Imm(imm)) if aligned && self.rights.bpf => {
                self.save(frame, slot, Reg::constant(imm as u64), size);
            }
            (Some(v), _) if is_spillable(v.kind) => {
                if size != 8 {
                    return Err(self.refuse(errno::EACCES, "V0306", "invalid size of register spill"));
                }
                if frame != self.cur.cur() && v.kind == Kind::Stack {
                    let m = "cannot spill pointers to stack into stack frame of the caller";
                    return Err(self.refuse(errno::EINVAL, "V0308", m));
                }
                self.save(frame, slot, v, size);
            }
            _ => return self.store_data(frame, slot, first, size, what),
        }
        self.note_stack(frame, slot);
        Ok(())
    }

    fn spill_scalar(&mut self, frame: usize, slot: usize, size: usize, n: usize) {
        let v = *self.cur.reg(n);
        let fits = size == 8 || v.val.umax >> (size * 8) == 0;
        if fits {
            self.link_reg(n);
        }
        let mut v = *self.cur.reg(n);
        if !fits {
            v.unlink();
        }
        self.save(frame, slot, v, size);
    }

    fn save(&mut self, frame: usize, slot: usize, v: Reg, size: usize) {
        let s = &mut self.cur.frame_mut(frame).stack[slot];
        s.reg = v;
        for (i, b) in s.bytes.iter_mut().enumerate() {
            if i >= 8 - size {
                *b = Byte::Spill;
            } else if *b != Byte::Zero && *b != Byte::Invalid {
                *b = Byte::Misc;
            }
        }
    }

    fn store_data(&mut self, frame: usize, slot: usize, first: usize, size: usize, what: Stored) -> Step {
        let s = &mut self.cur.frame_mut(frame).stack[slot];
        if s.is_one_thing() {
            s.bytes.iter_mut().for_each(Slot::scrub);
        }
        s.reg = Reg::NOT_INIT;
        let mut byte = Byte::Misc;
        match what {
            Stored::Reg(r) if self.cur.reg(r).is_null() => {
                // The bytes are only zero as long as the register was.
                self.mark_precise(r)?;
                byte = Byte::Zero;
            }
            Stored::Imm(0) => byte = Byte::Zero,
            _ => {}
        }
        let s = &mut self.cur.frame_mut(frame).stack[slot];
        for i in 0..size {
            s.bytes[(first + 8 - i) % 8] = byte;
        }
        Ok(())
    }

    fn stack_store_var(&mut self, ptr: &Reg, off: i32, size: usize, what: Stored) -> Step {
        let frame = ptr.aux as usize;
        let min = ptr.val.smin + i64::from(off);
        let max = ptr.val.smax + i64::from(off) + size as i64;
        let zero = match what {
            Stored::Reg(r) => self.cur.reg(r).is_null(),
            Stored::Imm(v) => v == 0,
            Stored::Unknown => false,
        };
        let mut zero_used = false;
        for i in min..max {
            let (slot, byte) = place(i);
            self.log_slots(1 << slot);
            let s = self.cur.frames[frame].stack[slot];
            if !self.rights.ptr_leaks && s.is_spilled() && !s.is_spilled_scalar() {
                let m =
                    format!("spilled ptr in range of var-offset stack write; insn {}, ptr off: {i}", self.pc);
                return Err(self.refuse(errno::EINVAL, "V0307", m));
            }
            if zero && s.bytes[byte] == Byte::Spill && s.is_spilled_scalar() && s.reg.val.var.equals(0) {
                zero_used = true;
                continue;
            }
            if s.bytes[byte] == Byte::Invalid && !self.rights.uninit_stack {
                let m = format!(
                    "uninit stack in range of var-offset write prohibited for !root; insn {}, off: {i}",
                    self.pc
                );
                return Err(self.refuse(errno::EINVAL, "V0305", m));
            }
            let s = &mut self.cur.frame_mut(frame).stack[slot];
            if s.is_one_thing() {
                s.bytes.iter_mut().for_each(Slot::scrub);
            }
            s.reg = Reg::NOT_INIT;
            let keep = zero && s.bytes[byte] == Byte::Zero;
            zero_used |= keep;
            s.bytes[byte] = if keep { Byte::Zero } else { Byte::Misc };
        }
        match what {
            Stored::Reg(r) if zero_used => self.mark_precise(r),
            _ => Ok(()),
        }
    }

    /// Checks that a helper may read (and, if `clobber`, write) this stack memory.
    pub(crate) fn stack_initialised(
        &mut self,
        reg: usize,
        off: i32,
        size: i64,
        zero_allowed: bool,
        clobber: bool,
    ) -> Step {
        if size == 0 && !zero_allowed {
            return Err(self.deny(reg, "V0503", "invalid zero-sized read"));
        }
        self.stack_bounds(reg, off, size, clobber)?;
        let r = *self.cur.reg(reg);
        let (min, max) = if r.val.is_const() {
            let min = r.val.var.value as i64 + i64::from(off);
            (min, min)
        } else {
            if !self.rights.ptr_leaks {
                let t = show_tnum(r.val.var);
                let m = format!("R{reg} variable offset stack access prohibited for !root, var_off={t}");
                return Err(self.deny(reg, "V0304", m));
            }
            (r.val.smin + i64::from(off), r.val.smax + i64::from(off))
        };
        for i in min..max + size {
            self.stack_byte_initialised(reg, &r, i, min, size, clobber)?;
        }
        Ok(())
    }

    fn stack_byte_initialised(
        &mut self,
        reg: usize,
        r: &Reg,
        i: i64,
        min: i64,
        size: i64,
        clobber: bool,
    ) -> Step {
        let frame = r.aux as usize;
        let (slot, byte) = place(i);
        let s = self.cur.frames[frame].stack[slot];
        let plain = match s.bytes[byte] {
            Byte::Misc => true,
            Byte::Zero => true,
            Byte::Invalid => self.rights.uninit_stack,
            Byte::Spill | Byte::IrqFlag => false,
        };
        if plain {
            if clobber && s.bytes[byte] != Byte::Misc {
                self.cur.frame_mut(frame).stack[slot].bytes[byte] = Byte::Misc;
            }
        } else if s.is_spilled() && (s.reg.is_scalar() || self.rights.ptr_leaks) {
            if clobber {
                let s = &mut self.cur.frame_mut(frame).stack[slot];
                s.reg = Reg::UNKNOWN;
                s.bytes.iter_mut().for_each(Slot::scrub);
            }
        } else {
            let m = if r.val.is_const() {
                format!("invalid read from stack R{reg} off {min}+{} size {size}", i - min)
            } else {
                let t = show_tnum(r.val.var);
                format!("invalid read from stack R{reg} var_off {t}+{} size {size}", i - min)
            };
            return Err(self.deny(reg, "V0305", m));
        }
        self.stack_live.read(frame, 1 << slot);
        Ok(())
    }

    /// Sets a register to a fresh value; numbers count as precise where precision is not tracked.
    pub(crate) fn set_reg(&mut self, dst: usize, mut r: Reg) {
        r.precise = r.is_scalar() && (r.precise || !self.rights.bpf);
        self.cur.top_mut().regs[dst] = r;
    }

    /// Sets a register to an unknown number.
    pub(crate) fn set_unknown(&mut self, dst: usize) {
        self.set_reg(dst, Reg::UNKNOWN);
    }

    /// Sets a register to a pointer without offset.
    pub(crate) fn set_pointer(&mut self, dst: usize, kind: Kind, flags: Flags) {
        self.cur.top_mut().regs[dst] = Reg { val: Scalar::constant(0), ..Reg::pointer(kind, flags) };
    }
}
