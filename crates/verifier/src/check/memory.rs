//! Loads, stores and atomic operations: which memory they touch, and whether they may.

use skep_abi::MapFlags;
use skep_isa::{Op, Operand, Size};

use super::stack::{MAX_VAR_OFF, Stored, show_var};
use crate::env::Env;
use crate::facts;
use crate::refusal::{Step, errno};
use crate::state::{Flags, Kind, Reg};
use crate::value::Tnum;

/// One access through a pointer.
#[derive(Clone, Copy)]
pub(crate) struct Access {
    pub(crate) ptr: usize,
    pub(crate) off: i32,
    pub(crate) size: usize,
    pub(crate) write: bool,
    /// Register that a load fills.
    pub(crate) dst: Option<usize>,
    /// What a store stores.
    pub(crate) stored: Stored,
    /// Demand natural alignment whatever the program's flags say.
    pub(crate) aligned: bool,
    pub(crate) signed: bool,
}

impl Access {
    fn read(ptr: usize, off: i16, size: Size, dst: Option<usize>) -> Self {
        Self {
            ptr,
            off: off.into(),
            size: size.bytes(),
            write: false,
            dst,
            stored: Stored::Unknown,
            aligned: false,
            signed: false,
        }
    }

    pub(crate) fn write(ptr: usize, off: i32, size: usize, stored: Stored) -> Self {
        Self { ptr, off, size, write: true, dst: None, stored, aligned: false, signed: false }
    }
}

/// Pointer kinds that one instruction must not mix with others: their accesses are rewritten.
fn is_rewritten(kind: Kind) -> bool {
    matches!(kind, Kind::Ctx | Kind::Socket | Kind::SockCommon | Kind::TcpSock | Kind::XdpSock | Kind::Btf)
}

impl Env<'_> {
    /// The register's type as the log writes it.
    pub(crate) fn type_word(&self, r: &Reg) -> String {
        let mut s = String::new();
        for (flag, word) in [
            (Flags::RDONLY, "rdonly_"),
            (Flags::RINGBUF, "ringbuf_"),
            (Flags::USER, "user_"),
            (Flags::PERCPU, "percpu_"),
            (Flags::RCU, "rcu_"),
            (Flags::UNTRUSTED, "untrusted_"),
            (Flags::TRUSTED, "trusted_"),
        ] {
            if r.flags.has(flag) {
                s += word;
            }
        }
        s += r.kind.word();
        if r.maybe_null() {
            s += if r.kind == Kind::Btf { "or_null_" } else { "_or_null" };
        }
        s
    }

    fn note_pointer(&mut self, kind: Kind, flags: Flags) -> Step {
        let aux = &mut self.aux[self.pc];
        match aux.ptr_kind {
            None => aux.ptr_kind = Some((kind, flags)),
            Some((k, f)) => {
                if (k, f) != (kind, flags) && (is_rewritten(k) || is_rewritten(kind)) {
                    let m = "same insn cannot be used with different pointers";
                    return Err(self.refuse(errno::EINVAL, "V0407", m));
                }
            }
        }
        Ok(())
    }

    pub(crate) fn load(&mut self, op: Op) -> Step {
        let (size, signed, dst, src, off, acquire) = match op {
            Op::Load { size, signed, dst, src, off } => (size, signed, dst, src, off, false),
            Op::LoadAcquire { size, dst, src, off } => (size, false, dst, src, off, true),
            _ => return Ok(()),
        };
        let (src, dst) = (src.index(), dst.index());
        self.readable(src)?;
        if acquire {
            self.atomic_target(src, "loads from")?;
        }
        self.writable(dst)?;
        let (kind, flags) = (self.cur.reg(src).kind, self.cur.reg(src).flags);
        let mut a = Access::read(src, off, size, Some(dst));
        a.signed = signed;
        a.aligned = acquire;
        self.access(a)?;
        self.note_pointer(kind, flags)?;
        self.sane(dst)
    }

    pub(crate) fn store(&mut self, op: Op) -> Step {
        let (size, dst, src, off, release) = match op {
            Op::Store { size, dst, src, off } => (size, dst, src, off, false),
            Op::StoreRelease { size, dst, src, off } => (size, dst, Operand::Reg(src), off, true),
            _ => return Ok(()),
        };
        let dst = dst.index();
        self.operand_readable(src)?;
        self.readable(dst)?;
        if release {
            self.atomic_target(dst, "stores into")?;
        }
        let (kind, flags) = (self.cur.reg(dst).kind, self.cur.reg(dst).flags);
        let stored = match src {
            Operand::Reg(r) => Stored::Reg(r.index()),
            Operand::Imm(v) => Stored::Imm(v.into()),
        };
        let mut a = Access::write(dst, off.into(), size.bytes(), stored);
        a.aligned = release;
        self.access(a)?;
        self.note_pointer(kind, flags)
    }

    fn atomic_target(&self, r: usize, what: &str) -> Step {
        let kind = self.cur.reg(r).kind;
        if matches!(kind, Kind::Ctx | Kind::FlowKeys) || kind.is_packet() || kind.is_socket() {
            let word = self.type_word(self.cur.reg(r));
            return Err(self.deny(r, "V0408", format!("BPF_ATOMIC {what} R{r} {word} is not allowed")));
        }
        Ok(())
    }

    pub(crate) fn atomic(&mut self, op: Op) -> Step {
        let Op::Atomic { op, size, fetch, dst, src, off } = op else { return Ok(()) };
        let (dst, src) = (dst.index(), src.index());
        let cmpxchg = op == skep_isa::AtomicOp::Cmpxchg;
        self.readable(src)?;
        self.readable(dst)?;
        if cmpxchg {
            self.readable(0)?;
        }
        for r in if cmpxchg { [0, src] } else { [src, src] } {
            if self.is_secret(r) {
                return Err(self.deny(r, "V0805", format!("R{r} leaks addr into mem")));
            }
        }
        self.atomic_target(dst, "stores into")?;
        let target = match (cmpxchg, fetch) {
            (true, _) => Some(0),
            (false, true) => Some(src),
            _ => None,
        };
        if let Some(t) = target {
            // The result is written first: a base that is also the result is no pointer any more.
            self.writable(t)?;
            self.set_unknown(t);
        }
        let mut a = Access::read(dst, off, size, None);
        a.aligned = true;
        self.access(a)?;
        if target.is_some() {
            a.dst = target;
            self.access(a)?;
        }
        let mut w = Access::write(dst, off.into(), size.bytes(), Stored::Unknown);
        w.aligned = true;
        self.access(w)
    }

    pub(crate) fn aligned(&self, r: &Reg, a: &Access) -> Step {
        let strict = self.strict_alignment || a.aligned || r.kind == Kind::Stack;
        if !strict || a.size == 1 {
            return Ok(());
        }
        let word = match r.kind {
            Kind::Packet | Kind::PacketMeta => return self.packet_aligned(r, a),
            _ if r.flags != Flags::NONE => "",
            Kind::FlowKeys => "flow keys ",
            Kind::MapKey => "key ",
            Kind::MapValue => "value ",
            Kind::Ctx => "context ",
            Kind::Stack => "stack ",
            Kind::SockCommon => "sock_common ",
            Kind::Socket => "sock ",
            Kind::TcpSock => "tcp_sock ",
            Kind::XdpSock => "xdp_sock ",
            _ => "",
        };
        let t = r.val.var.add(Tnum::constant((i64::from(r.off) + i64::from(a.off)) as u64));
        if t.is_aligned(a.size as u64) {
            return Ok(());
        }
        let var = show_var(r.val.var);
        let m = format!("misaligned {word}access off {var}+{}+{} size {}", r.off, a.off, a.size);
        let code = if r.kind == Kind::Stack { "V0301" } else { "V0414" };
        Err(self.deny(a.ptr, code, m))
    }

    fn packet_aligned(&self, r: &Reg, a: &Access) -> Step {
        // The network headers are aligned, which puts the packet two bytes off.
        let ip = 2;
        let t = r.val.var.add(Tnum::constant((ip + i64::from(r.off) + i64::from(a.off)) as u64));
        if t.is_aligned(a.size as u64) {
            return Ok(());
        }
        let var = show_var(r.val.var);
        let m = format!("misaligned packet access off {ip}+{var}+{}+{} size {}", r.off, a.off, a.size);
        Err(self.deny(a.ptr, "V0414", m))
    }

    /// Checks one access and carries it out.
    pub(crate) fn access(&mut self, mut a: Access) -> Step {
        let r = *self.cur.reg(a.ptr);
        self.aligned(&r, &a)?;
        a.off = a.off.wrapping_add(r.off);
        let nullable = r.maybe_null();
        match r.kind {
            Kind::MapKey => self.map_key_access(&r, &a)?,
            Kind::MapValue if !nullable => self.map_value_access(&r, &a)?,
            Kind::Mem if !nullable => self.mem_access(&r, &a)?,
            Kind::Ctx => self.context_access(&a)?,
            Kind::Stack => {
                self.stack_bounds(a.ptr, a.off, a.size as i64, a.write)?;
                if a.write {
                    self.stack_store(a.ptr, a.off, a.size, a.stored)?;
                } else {
                    self.stack_load(a.ptr, a.off, a.size, a.dst)?;
                }
            }
            Kind::Packet | Kind::PacketMeta => self.packet_memory(&a)?,
            Kind::FlowKeys => self.flow_keys_access(&a)?,
            k if k.is_socket() && !nullable => self.socket_access(&r, &a)?,
            Kind::TpBuffer => self.buffer_access(&r, &a, "tracepoint")?,
            Kind::MapPtr => self.map_struct_access(&a)?,
            _ => {
                let word = self.type_word(&r);
                let m = format!("R{} invalid mem access '{word}'", a.ptr);
                let code = if nullable { "V0415" } else { "V0401" };
                return Err(self.deny(a.ptr, code, m));
            }
        }
        if let (Some(dst), false) = (a.dst, a.write)
            && a.size < 8
            && self.cur.reg(dst).is_scalar()
        {
            let v = &mut self.cur.reg_mut(dst).val;
            if a.signed {
                v.sign_extend(a.size);
            } else {
                v.truncate(a.size);
            }
        }
        if let Some(f) = &mut self.recorder {
            f.access(self.pc, facts::region(&r, i64::from(a.off) - i64::from(r.off), self.cur.cur()));
        }
        Ok(())
    }

    fn fill_unknown(&mut self, a: &Access) {
        if let (Some(dst), false) = (a.dst, a.write) {
            self.set_unknown(dst);
        }
    }

    /// An address must not be stored where userspace or the network sees it.
    pub(crate) fn no_leak(&self, a: &Access, into: &str) -> Step {
        if let (Stored::Reg(v), true) = (a.stored, a.write)
            && self.is_secret(v)
        {
            return Err(self.deny(v, "V0805", format!("R{v} leaks addr into {into}")));
        }
        Ok(())
    }

    fn map_key_access(&mut self, r: &Reg, a: &Access) -> Step {
        if a.write {
            let m = format!("write to change key R{} not allowed", a.ptr);
            return Err(self.deny(a.ptr, "V0409", m));
        }
        let size = self.maps[r.aux as usize].key_size;
        self.region(a.ptr, a.off, a.size as i64, size, false)?;
        self.fill_unknown(a);
        Ok(())
    }

    fn map_value_access(&mut self, r: &Reg, a: &Access) -> Step {
        self.no_leak(a, "map")?;
        self.map_value_range(a.ptr, a.off, a.size as i64, a.write, false)?;
        let map = self.maps[r.aux as usize].clone();
        if let (Some(dst), false) = (a.dst, a.write) {
            match (&map.frozen, r.val.is_const()) {
                (Some(data), true) => {
                    let at = (i64::from(a.off) + r.val.var.value as i64) as usize;
                    let mut bytes = [0; 8];
                    if let Some(src) = data.get(at..at + a.size) {
                        bytes[..a.size].copy_from_slice(src);
                    }
                    let v = u64::from_le_bytes(bytes);
                    let shift = 64 - 8 * a.size as u32;
                    let v = if a.signed { ((v << shift) as i64 >> shift) as u64 } else { v };
                    self.set_reg(dst, Reg::constant(v));
                }
                _ => self.set_unknown(dst),
            }
        }
        Ok(())
    }

    /// Whether a part of a map's value may be touched.
    pub(crate) fn map_value_range(
        &mut self,
        reg: usize,
        off: i32,
        size: i64,
        write: bool,
        zero: bool,
    ) -> Step {
        let r = *self.cur.reg(reg);
        let map = self.maps[r.aux as usize].clone();
        let forbidden = if write { MapFlags::RDONLY_PROG } else { MapFlags::WRONLY_PROG };
        if map.flags & forbidden.0 != 0 {
            let what = if write { "write into" } else { "read from" };
            let m = format!("{what} map forbidden, value_size={} off={off} size={size}", map.value_size);
            return Err(self.deny(reg, "V0410", m));
        }
        self.map_value_part(reg, off, size, zero)
    }

    /// Whether it lies in the value, and touches nothing that the kernel manages.
    pub(crate) fn map_value_part(&mut self, reg: usize, off: i32, size: i64, zero: bool) -> Step {
        let r = *self.cur.reg(reg);
        let map = self.maps[r.aux as usize].clone();
        self.region(reg, off, size, map.value_size, zero)?;
        for (at, field) in &map.fields {
            let (word, len) = field.layout();
            let (p, end) = (i64::from(*at), i64::from(*at) + len);
            let lo = r.val.smin.wrapping_add(off.into());
            let hi = (r.val.umax as i64).wrapping_add(i64::from(off)).wrapping_add(size);
            if lo < end && p < hi {
                let m = format!("{word} cannot be accessed directly by load/store");
                return Err(self.deny(reg, "V0411", m));
            }
        }
        Ok(())
    }

    fn mem_access(&mut self, r: &Reg, a: &Access) -> Step {
        if a.write && r.flags.has(Flags::RDONLY) {
            let m = format!("R{} cannot write into {}", a.ptr, self.type_word(r));
            return Err(self.deny(a.ptr, "V0410", m));
        }
        self.no_leak(a, "mem")?;
        self.region(a.ptr, a.off, a.size as i64, r.aux, false)?;
        self.fill_unknown(a);
        Ok(())
    }

    /// Whether an access lies in a region of `limit` bytes for every offset that the register may have.
    pub(crate) fn region(&self, reg: usize, off: i32, size: i64, limit: u32, zero: bool) -> Step {
        let r = self.cur.reg(reg);
        let off = i64::from(off);
        let v = &r.val;
        let low = off.wrapping_add(v.smin);
        if v.smin < 0 && (v.smin == i64::MIN || i32::try_from(low).is_err() || low < 0) {
            let m = format!(
                "R{reg} min value is negative, either use unsigned index or do a if (index >=0) check."
            );
            return Err(self.deny(reg, "V0403", m));
        }
        self.span(reg, r, low, size, limit, zero, "min value is outside of the allowed memory range")?;
        if v.umax >= MAX_VAR_OFF as u64 {
            let m = format!("R{reg} unbounded memory access, make sure to bounds check any such access");
            return Err(self.deny(reg, "V0404", m));
        }
        let high = v.umax as i64 + off;
        self.span(reg, r, high, size, limit, zero, "max value is outside of the allowed memory range")
    }

    #[allow(clippy::too_many_arguments, reason = "an access has that many sides")]
    pub(crate) fn span(
        &self,
        reg: usize,
        r: &Reg,
        off: i64,
        size: i64,
        limit: u32,
        zero: bool,
        which: &str,
    ) -> Step {
        let sized = size > 0 || size == 0 && zero;
        if off >= 0 && sized && off as u64 + size as u64 <= u64::from(limit) {
            return Ok(());
        }
        let (m, code) = match r.kind {
            Kind::MapKey => {
                (format!("invalid access to map key, key_size={limit} off={off} size={size}"), "V0402")
            }
            Kind::MapValue => {
                (format!("invalid access to map value, value_size={limit} off={off} size={size}"), "V0402")
            }
            Kind::Packet | Kind::PacketMeta | Kind::PacketEnd => (
                format!(
                    "invalid access to packet, off={off} size={size}, R{reg}(id={},off={},r={limit})",
                    r.id, off
                ),
                "V0405",
            ),
            _ => (format!("invalid access to memory, mem_size={limit} off={off} size={size}"), "V0402"),
        };
        Err(self.deny(reg, code, format!("{m}\nR{reg} {which}")))
    }
}
