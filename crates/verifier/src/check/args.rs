//! Arguments of helpers: each against what its row demands.

use skep_abi::{Arg, HelperId as H, MapType};

use super::stack::MAX_VAR_OFF;
use crate::env::Env;
use crate::facts;
use crate::refusal::{Step, Stop, errno};
use crate::state::{Flags, HeldKind, Kind, Reg};
use crate::task::SpecialField;

/// What the arguments so far have told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meta {
    pub(crate) id: H,
    pub(crate) map: Option<(u32, u32)>,
    /// Memory argument that the helper fills whole: register and size.
    pub(crate) fills: Option<(usize, i64)>,
    /// Size of the memory that is returned.
    pub(crate) returned_size: u32,
    /// Reference that an argument carries.
    pub(crate) ref_id: u32,
    /// Register that is given back.
    pub(crate) release: Option<usize>,
    /// Subprogram that is called back.
    pub(crate) callback: Option<usize>,
    /// Greatest size that the size argument may have.
    pub(crate) max_size: u64,
    /// Constant key of an array.
    pub(crate) const_key: Option<u64>,
    /// The memory argument before may hold anything.
    raw: bool,
}

impl Meta {
    pub(crate) fn new(id: H) -> Self {
        Self {
            id,
            map: None,
            fills: None,
            returned_size: 0,
            ref_id: 0,
            release: None,
            callback: None,
            max_size: 0,
            const_key: None,
            raw: false,
        }
    }
}

const MEMORY: &[(Kind, Flags)] = &[
    (Kind::Stack, Flags::NONE),
    (Kind::Packet, Flags::NONE),
    (Kind::PacketMeta, Flags::NONE),
    (Kind::MapKey, Flags::NONE),
    (Kind::MapValue, Flags::NONE),
    (Kind::Mem, Flags::NONE),
    (Kind::Mem, Flags::RINGBUF),
    (Kind::Buf, Flags::NONE),
    (Kind::Btf, Flags::TRUSTED),
];
const SOCKETS: &[(Kind, Flags)] = &[
    (Kind::SockCommon, Flags::NONE),
    (Kind::Socket, Flags::NONE),
    (Kind::TcpSock, Flags::NONE),
    (Kind::XdpSock, Flags::NONE),
];

/// The same, and those that the kernel's types tell.
const TYPED_SOCKETS: &[(Kind, Flags)] = &[
    (Kind::SockCommon, Flags::NONE),
    (Kind::Socket, Flags::NONE),
    (Kind::TcpSock, Flags::NONE),
    (Kind::XdpSock, Flags::NONE),
    (Kind::Btf, Flags::NONE),
    (Kind::Btf, Flags::TRUSTED),
];
const FULL_SOCKET: &[(Kind, Flags)] = &[(Kind::Socket, Flags::NONE)];
const LOCKS: &[(Kind, Flags)] = &[(Kind::MapValue, Flags::NONE), (Kind::Btf, Flags::NONE)];

/// Kinds of register, whether null is accepted, and whether read-only memory is.
type Accepted = (&'static [(Kind, Flags)], bool, bool);

/// Kinds of register that an argument takes; whether null is one, and whether read-only memory is.
fn accepted(arg: Arg) -> Option<Accepted> {
    Some(match arg {
        Arg::Ctx => (&[(Kind::Ctx, Flags::NONE)], false, false),
        Arg::CtxOrNull => (&[(Kind::Ctx, Flags::NONE)], true, false),
        Arg::Map => (&[(Kind::MapPtr, Flags::NONE)], false, false),
        Arg::Key | Arg::Value | Arg::ValueOut => (MEMORY, false, false),
        Arg::ValueOrNull => (MEMORY, true, false),
        Arg::Mem | Arg::Fixed(_) => (MEMORY, false, true),
        Arg::MemOrNull => (MEMORY, true, true),
        Arg::MemOut | Arg::MemInOut | Arg::FixedOut(_) | Arg::FixedInOut(_) => (MEMORY, false, false),
        Arg::MemOutOrNull => (MEMORY, true, false),
        Arg::Size | Arg::SizeOrZero | Arg::ReturnedSize => (&[(Kind::Scalar, Flags::NONE)], false, false),
        Arg::SpinLock => (LOCKS, false, false),
        Arg::Str | Arg::Timer => (&[(Kind::MapValue, Flags::NONE)], false, false),
        Arg::SockCommon => (SOCKETS, false, false),
        Arg::SockCommonOrNull => (SOCKETS, true, false),
        Arg::Record => (&[(Kind::Mem, Flags::RINGBUF)], false, false),
        Arg::Callback => (&[(Kind::Func, Flags::NONE)], false, false),
        Arg::StackOrNull => (&[(Kind::Stack, Flags::NONE)], true, false),
        _ => return None,
    })
}

/// Helpers that may be given pointers into the packet.
const PACKET_ACCESS: [H; 15] = [
    H::MAP_LOOKUP_ELEM,
    H::MAP_UPDATE_ELEM,
    H::MAP_DELETE_ELEM,
    H::MAP_PUSH_ELEM,
    H::MAP_LOOKUP_PERCPU_ELEM,
    H::CSUM_DIFF,
    H::SK_LOOKUP_TCP,
    H::SK_LOOKUP_UDP,
    H::SKC_LOOKUP_TCP,
    H::TCP_CHECK_SYNCOOKIE,
    H::TCP_GEN_SYNCOOKIE,
    H::TCP_RAW_GEN_SYNCOOKIE_IPV4,
    H::TCP_RAW_GEN_SYNCOOKIE_IPV6,
    H::TCP_RAW_CHECK_SYNCOOKIE_IPV4,
    H::TCP_RAW_CHECK_SYNCOOKIE_IPV6,
];

/// Array types whose lookup of a constant key in range can't fail.
fn never_misses(t: MapType) -> bool {
    matches!(t, MapType::ARRAY | MapType::PERCPU_ARRAY)
}

impl Env<'_> {
    /// Checks the argument in register `reg`; `before` is the one in the register before it.
    pub(crate) fn argument(&mut self, reg: usize, arg: Arg, before: Option<Arg>, m: &mut Meta) -> Step {
        self.readable(reg)?;
        let r = *self.cur.reg(reg);
        // A bloom filter is asked for a value: what is a result elsewhere is given here.
        let asks = |(map, _): (u32, u32)| self.maps[map as usize].map_type == MapType::BLOOM_FILTER;
        let arg = if arg == Arg::ValueOut && m.map.is_some_and(asks) { Arg::Value } else { arg };
        if arg == Arg::Num {
            if self.is_secret(reg) {
                return Err(self.deny(reg, "V0805", format!("R{reg} leaks addr into helper function")));
            }
            return Ok(());
        }
        if r.kind.is_packet() && !self.direct_packet(false, Some(PACKET_ACCESS.contains(&m.id))) {
            return Err(self.deny(reg, "V0504", "helper access to the packet is not allowed"));
        }
        let sockets = m.map.is_some_and(|(map, _)| {
            matches!(self.maps[map as usize].map_type, MapType::SOCKMAP | MapType::SOCKHASH)
        });
        if sockets && matches!(arg, Arg::ValueOrNull | Arg::ValueOut) {
            return Err(self.refuse(errno::EINVAL, "V0513", "invalid arg_type for sockmap/sockhash"));
        }
        let Some((kinds, nullable, rdonly)) = accepted(arg) else {
            return Err(Stop::NotModelled(format!("argument {reg} of helper {}", m.id.0)));
        };
        if !(r.is_null() && nullable) {
            self.check_kind(reg, &r, self.resolve(arg, kinds, m), nullable, rdonly)?;
            self.check_offset(reg, &r, arg, m)?;
        }
        self.note_reference(reg, &r, arg, m)?;
        self.demand(reg, &r, arg, before, m)
    }

    /// Socket maps hold sockets, whatever the prototype says; and a socket is not the same to all.
    fn resolve(&self, arg: Arg, kinds: &'static [(Kind, Flags)], m: &Meta) -> &'static [(Kind, Flags)] {
        let map_type = m.map.map(|(map, _)| self.maps[map as usize].map_type);
        match map_type {
            Some(MapType::SOCKMAP | MapType::SOCKHASH) if arg == Arg::Value => TYPED_SOCKETS,
            _ => match (arg, m.id) {
                (Arg::SockCommon, H::SK_FULLSOCK | H::TCP_SOCK | H::GET_LISTENER_SOCK) => SOCKETS,
                (Arg::SockCommonOrNull, H::SK_ASSIGN) => FULL_SOCKET,
                (Arg::SockCommon | Arg::SockCommonOrNull, _) => TYPED_SOCKETS,
                _ => kinds,
            },
        }
    }

    fn check_kind(&self, reg: usize, r: &Reg, kinds: &[(Kind, Flags)], nullable: bool, rdonly: bool) -> Step {
        let mut flags = r.flags;
        if nullable {
            flags = flags.without(Flags::NULL);
        }
        if rdonly {
            flags = flags.without(Flags::RDONLY);
        }
        if kinds.contains(&(r.kind, flags)) {
            return Ok(());
        }
        let list: Vec<String> = kinds
            .iter()
            .map(|(kind, flags)| self.type_word(&Reg { kind: *kind, flags: *flags, ..Reg::NOT_INIT }))
            .collect();
        let word = self.type_word(r);
        Err(self.deny(reg, "V0501", format!("R{reg} type={word} expected={}", list.join(", "))))
    }

    /// Releases give back what was given, at offset 0.
    fn check_offset(&self, reg: usize, r: &Reg, arg: Arg, m: &Meta) -> Step {
        if releases(m.id, arg) {
            if r.off != 0 {
                let m = format!(
                    "R{reg} must have zero offset when passed to release func or trusted arg to kfunc"
                );
                return Err(self.refuse(errno::EINVAL, "V0505", m));
            }
            return self.unmodified(reg);
        }
        self.memory_at_start(reg, r)
    }

    /// What is not memory is passed as it was given.
    pub(crate) fn memory_at_start(&self, reg: usize, r: &Reg) -> Step {
        match r.kind {
            Kind::Stack
            | Kind::Packet
            | Kind::PacketMeta
            | Kind::MapKey
            | Kind::MapValue
            | Kind::Mem
            | Kind::Buf
            | Kind::Scalar
            | Kind::Btf => Ok(()),
            _ => self.unmodified(reg),
        }
    }

    fn note_reference(&self, reg: usize, r: &Reg, arg: Arg, m: &mut Meta) -> Step {
        if releases(m.id, arg) {
            if r.ref_id == 0 && !r.is_null() {
                let m = format!("R{reg} must be referenced when passed to release function");
                return Err(self.refuse(errno::EINVAL, "V0704", m));
            }
            m.release = Some(reg);
        }
        if r.ref_id != 0 {
            if m.ref_id != 0 {
                let t = format!("more than one arg with ref_obj_id R{reg} {} {}", r.ref_id, m.ref_id);
                return Err(self.refuse(errno::EACCES, "V0704", t));
            }
            m.ref_id = r.ref_id;
        }
        Ok(())
    }

    fn demand(&mut self, reg: usize, r: &Reg, arg: Arg, before: Option<Arg>, m: &mut Meta) -> Step {
        match arg {
            Arg::Map => self.map_argument(r, m),
            Arg::Key => {
                let Some((map, _)) = m.map else { return Ok(()) };
                let (size, map_type) = (self.maps[map as usize].key_size, self.maps[map as usize].map_type);
                self.memory_argument(reg, size.into(), false, false, None)?;
                if never_misses(map_type) {
                    m.const_key = self.constant_key(r)?;
                }
                Ok(())
            }
            Arg::Value | Arg::ValueOrNull | Arg::ValueOut => {
                let Some((map, _)) = m.map else { return Ok(()) };
                if r.is_null() && arg == Arg::ValueOrNull || r.kind.is_socket() {
                    return Ok(());
                }
                let size = self.maps[map as usize].value_size;
                let out = arg == Arg::ValueOut;
                m.raw = out;
                self.memory_argument(reg, size.into(), out, false, Some(m))
            }
            Arg::Mem | Arg::MemOrNull | Arg::MemInOut => {
                m.raw = false;
                Ok(())
            }
            Arg::MemOut | Arg::MemOutOrNull => {
                m.raw = true;
                Ok(())
            }
            Arg::Fixed(n) => self.fixed(reg, r, n, (false, false), m),
            Arg::FixedOut(n) => self.fixed(reg, r, n, (true, true), m),
            Arg::FixedInOut(n) => self.fixed(reg, r, n, (true, false), m),
            Arg::Size | Arg::SizeOrZero => {
                let write = matches!(before, Some(Arg::MemOut | Arg::MemOutOrNull | Arg::MemInOut));
                self.size_argument(reg, r, write, arg == Arg::SizeOrZero, m)
            }
            Arg::ReturnedSize => {
                let Some(v) = r.val.const_value(true) else {
                    return Err(self.deny(reg, "V0506", format!("R{reg} is not a known constant'")));
                };
                m.returned_size = v as u32;
                self.mark_precise(reg)
            }
            Arg::Str => self.string_argument(reg, r),
            Arg::SpinLock => self.spin_lock(reg, r, m.id),
            Arg::Timer => self.timer(reg, r, m),
            Arg::Callback => {
                m.callback = Some(r.aux as usize);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn map_argument(&self, r: &Reg, m: &mut Meta) -> Step {
        if let Some((map, uid)) = m.map
            && (map, uid) != (r.aux, r.map_uid)
        {
            let t = format!(
                "timer pointer in R1 map_uid={uid} doesn't match map pointer in R2 map_uid={}",
                r.map_uid
            );
            return Err(self.refuse(errno::EINVAL, "V0507", t));
        }
        m.map = Some((r.aux, r.map_uid));
        Ok(())
    }

    fn fixed(&mut self, reg: usize, r: &Reg, n: u32, how: (bool, bool), m: &mut Meta) -> Step {
        let (write, raw) = how;
        m.raw = raw;
        self.memory_argument(reg, n.into(), write, false, Some(m))?;
        if write && matches!(n, 4 | 8) {
            let mut a = super::Access::write(reg, 0, n as usize, super::stack::Stored::Unknown);
            a.aligned = true;
            self.aligned(r, &a)?;
        }
        Ok(())
    }

    /// A constant key on the stack: the lookup's answer is known not to be null.
    fn constant_key(&mut self, r: &Reg) -> Step<Option<u64>> {
        if r.kind != Kind::Stack {
            return Ok(None);
        }
        let Some(off) = r.const_offset().filter(|o| *o < 0 && *o >= -512) else { return Ok(None) };
        let frame = r.aux as usize;
        let byte = (-off - 1) as usize;
        let (slot, first) = (byte / 8, byte % 8);
        let Some(s) = self.cur.frames[frame].stack.get(slot).copied() else { return Ok(None) };
        let zero = (0..4).all(|i| first >= i && s.bytes[first - i] == crate::state::Byte::Zero);
        if zero {
            return Ok(Some(0));
        }
        if !s.is_spilled_scalar() {
            return Ok(None);
        }
        // As many bytes as the key has were spilled from here on: no more, no fewer.
        let spilled = s.bytes[..=first].iter().rev().take_while(|b| **b == crate::state::Byte::Spill).count();
        let Some(v) = s.reg.val.const_value(true).filter(|_| spilled == 4) else { return Ok(None) };
        self.mark_precise_slot(frame, slot)?;
        Ok(Some(v))
    }

    fn size_argument(&mut self, reg: usize, r: &Reg, write: bool, zero: bool, m: &mut Meta) -> Step {
        m.max_size = r.val.umax;
        if r.val.smin < 0 {
            let t = format!("R{reg} min value is negative, either use unsigned or 'var &= const'");
            return Err(self.deny(reg, "V0502", t));
        }
        if r.val.umin == 0 && !zero {
            let t = format!("R{reg} invalid zero-sized read: u64=[{},{}]", r.val.umin, r.val.umax);
            return Err(self.deny(reg, "V0503", t));
        }
        if r.val.umax >= MAX_VAR_OFF as u64 {
            let t = format!("R{reg} unbounded memory access, use 'var &= const' or 'if (var < const)'");
            return Err(self.deny(reg, "V0502", t));
        }
        // What a variable size may leave unwritten has to be initialised before.
        let meta = r.val.is_const().then_some(m);
        self.memory_argument(reg - 1, r.val.umax as i64, write, zero, meta)?;
        self.mark_precise(reg)
    }

    /// Memory that a helper reads or writes.
    pub(crate) fn memory_argument(
        &mut self,
        reg: usize,
        size: i64,
        write: bool,
        zero: bool,
        meta: Option<&mut Meta>,
    ) -> Step {
        let r = *self.cur.reg(reg);
        if let (Some(f), true) = (&mut self.recorder, r.is_pointer()) {
            f.passed(self.pc, reg, facts::region(&r, 0, self.cur.cur()), size);
        }
        let word = self.type_word(&r);
        let read_only = |env: &Self| Err(env.deny(reg, "V0410", format!("R{reg} cannot write into {word}")));
        match r.kind {
            Kind::Packet | Kind::PacketMeta => {
                if write && !self.direct_packet(true, None) {
                    return read_only(self);
                }
                self.packet_range(reg, r.off, size, zero)
            }
            Kind::MapKey if write => read_only(self),
            Kind::MapKey => {
                let limit = self.maps[r.aux as usize].key_size;
                self.region(reg, r.off, size, limit, false)
            }
            Kind::MapValue if !r.maybe_null() => self.map_value_range(reg, r.off, size, write, zero),
            Kind::Mem if !r.maybe_null() => {
                if write && r.flags.has(Flags::RDONLY) {
                    return read_only(self);
                }
                self.region(reg, r.off, size, r.aux, zero)
            }
            Kind::Stack => match meta {
                Some(m) if m.raw && r.val.is_const() => {
                    if size == 0 && !zero {
                        return Err(self.deny(reg, "V0503", "invalid zero-sized read"));
                    }
                    self.stack_bounds(reg, r.off, size, write)?;
                    m.fills = Some((reg, size));
                    Ok(())
                }
                _ => self.stack_initialised(reg, r.off, size, zero, write),
            },
            _ if zero && size == 0 && r.is_null() => Ok(()),
            _ => Err(self.deny(reg, "V0501", format!("R{reg} type={word} expected=fp"))),
        }
    }

    fn string_argument(&self, reg: usize, r: &Reg) -> Step {
        let map = &self.maps[r.aux as usize];
        let refuse = |m: String| Err(self.deny(reg, "V0508", m));
        let Some(data) = &map.frozen else {
            return refuse(format!("R{reg} does not point to a readonly map'"));
        };
        if !r.val.is_const() {
            return refuse(format!("R{reg} is not a constant address'"));
        }
        let at = r.const_offset().and_then(|o| usize::try_from(o).ok());
        match at.and_then(|a| data.get(a..)) {
            Some(rest) if rest.contains(&0) => Ok(()),
            _ => refuse("string is not zero-terminated".into()),
        }
    }

    fn field_of(&self, r: &Reg, what: SpecialField) -> Option<u32> {
        self.maps[r.aux as usize].fields.iter().find(|(_, f)| *f == what).map(|(at, _)| *at)
    }

    fn spin_lock(&mut self, reg: usize, r: &Reg, id: H) -> Step {
        let refuse = |env: &Self, m: String| Err(env.refuse(errno::EINVAL, "V0706", m));
        let map = self.maps[r.aux as usize].clone();
        let Some(at) = r.const_offset() else {
            let m = format!(
                "R{reg} doesn't have constant offset. bpf_spin_lock has to be at the constant offset"
            );
            return refuse(self, m);
        };
        let Some(field) = self.field_of(r, SpecialField::SpinLock) else {
            return refuse(self, format!("map '{}' has no valid bpf_spin_lock", map.name));
        };
        if i64::from(field) != at {
            let m = format!("off {at} doesn't point to 'struct bpf_spin_lock' that is at {field}");
            return refuse(self, m);
        }
        let kind = HeldKind::Lock { owner: r.aux, map: true };
        if id == H::SPIN_LOCK {
            if self.cur.holds.locks > 0 {
                return refuse(self, "Locking two bpf_spin_locks are not allowed".into());
            }
            let insn = self.pc;
            self.cur.holds.list.push(crate::state::Held { kind, id: r.id, insn });
            self.cur.holds.locks += 1;
            return Ok(());
        }
        if self.cur.holds.locks == 0 {
            return refuse(self, "bpf_spin_unlock without taking a lock".into());
        }
        let held = |h: &crate::state::Held| h.kind == kind && h.id == r.id;
        if !self.cur.holds.list.iter().any(held) {
            return refuse(self, "bpf_spin_unlock of different lock".into());
        }
        self.cur.holds.list.retain(|h| !held(h));
        self.cur.holds.locks -= 1;
        Ok(())
    }

    fn timer(&self, reg: usize, r: &Reg, m: &mut Meta) -> Step {
        let refuse = |m: String| Err(self.refuse(errno::EINVAL, "V0507", m));
        let Some(at) = r.const_offset() else {
            return refuse(format!(
                "R{reg} doesn't have constant offset. bpf_timer has to be at the constant offset"
            ));
        };
        let name = &self.maps[r.aux as usize].name;
        let Some(field) = self.field_of(r, SpecialField::Timer) else {
            return refuse(format!("map '{name}' has no valid bpf_timer"));
        };
        if i64::from(field) != at {
            return refuse(format!("off {at} doesn't point to 'struct bpf_timer' that is at {field}"));
        }
        m.map = Some((r.aux, r.map_uid));
        Ok(())
    }
}

/// Whether this argument gives a reference back.
fn releases(id: H, arg: Arg) -> bool {
    match id {
        H::SK_RELEASE => arg == Arg::SockCommon,
        H::RINGBUF_SUBMIT | H::RINGBUF_DISCARD => arg == Arg::Record,
        _ => false,
    }
}
