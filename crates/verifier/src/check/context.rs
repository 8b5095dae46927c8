//! The context and other structures whose fields are rewritten: sockets, flow keys, maps.

use skep_abi::{AttachType, Context, FieldKind, ProgType, contexts};

use super::memory::Access;
use super::stack::show_tnum;
use crate::env::Env;
use crate::refusal::{Step, Stop, errno};
use crate::state::{Flags, Kind, Reg};

fn structure(name: &str) -> Option<&'static Context> {
    contexts().iter().find(|c| c.name == name)
}

impl Env<'_> {
    fn field(&self, c: &'static Context, a: &Access) -> Option<FieldKind> {
        let (prog, attach): (ProgType, AttachType) = (self.task.prog_type, self.task.attach_type);
        if self.before_record(a) {
            return Some(FieldKind::Scalar);
        }
        let off = u32::try_from(a.off).ok()?;
        let size = a.size as u32;
        let f = if a.write { c.store(prog, attach, off, size) } else { c.load(prog, attach, off, size) };
        f.map(|f| f.kind).filter(|_| self.rights.bpf || !self.needs_bpf(a))
    }

    /// Linux 6.18 lets a tracepoint's program read what lies in front of its record. The verdict follows it; where facts are
    /// wanted, what the verdict says has to hold.
    fn before_record(&self, a: &Access) -> bool {
        let aligned = i64::from(a.off) % a.size as i64 == 0;
        self.task.prog_type == ProgType::TRACEPOINT
            && a.off < 0
            && aligned
            && !a.write
            && self.recorder.is_none()
    }

    /// Fields of `struct __sk_buff` that cgroup programs use only with CAP_BPF: the packet itself, and setting its time.
    fn needs_bpf(&self, a: &Access) -> bool {
        let names: &[&str] = if a.write { &["tstamp"] } else { &["data", "data_end"] };
        let context = self.task.prog_type.context().filter(|_| self.task.prog_type == ProgType::CGROUP_SKB);
        let field = |name: &&str| {
            context.and_then(|c| c.field(name)).is_some_and(|f| i64::from(f.offset) == i64::from(a.off))
        };
        names.iter().any(field)
    }

    pub(crate) fn context_access(&mut self, a: &Access) -> Step {
        self.no_leak(a, "ctx")?;
        self.unmodified(a.ptr)?;
        let Some(c) = self.task.prog_type.context() else {
            return Err(Stop::NotModelled(format!("context of program type {}", self.task.prog_type)));
        };
        let Some(kind) = self.field(c, a) else {
            let m = format!("invalid bpf_context access off={} size={}", a.off, a.size);
            return Err(self.deny(a.ptr, "V0413", m));
        };
        let (Some(dst), false) = (a.dst, a.write) else { return Ok(()) };
        let (kind, flags) = match kind {
            FieldKind::Scalar => {
                self.set_unknown(dst);
                return Ok(());
            }
            FieldKind::Packet => (Kind::Packet, Flags::NONE),
            FieldKind::PacketEnd => (Kind::PacketEnd, Flags::NONE),
            FieldKind::PacketMeta => (Kind::PacketMeta, Flags::NONE),
            FieldKind::Sock => (Kind::Socket, Flags::NONE),
            FieldKind::SockOrNull => (Kind::Socket, Flags::NULL),
            FieldKind::SockCommonOrNull => (Kind::SockCommon, Flags::NULL),
            FieldKind::FlowKeys => (Kind::FlowKeys, Flags::NONE),
            FieldKind::TracepointBuffer => (Kind::TpBuffer, Flags::NONE),
            FieldKind::Btf(name) => {
                return Err(Stop::NotModelled(format!("BTF-typed pointer to {name}")));
            }
        };
        if a.signed {
            // A pointer can't be sign-extended.
            let m = format!("invalid bpf_context access off={} size={}", a.off, a.size);
            return Err(self.deny(a.ptr, "V0413", m));
        }
        self.set_pointer(dst, kind, flags);
        if flags.has(Flags::NULL) {
            let id = self.new_id();
            self.cur.reg_mut(dst).id = id;
        }
        Ok(())
    }

    pub(crate) fn flow_keys_access(&mut self, a: &Access) -> Step {
        self.no_leak(a, "flow keys")?;
        let size = structure("bpf_flow_keys").map_or(56, |c| i64::from(c.size));
        let off = i64::from(a.off);
        if off < 0 || off + a.size as i64 > size {
            let m = format!("invalid access to flow keys off={off} size={}", a.size);
            return Err(self.deny(a.ptr, "V0402", m));
        }
        if let (Some(dst), false) = (a.dst, a.write) {
            self.set_unknown(dst);
        }
        Ok(())
    }

    pub(crate) fn socket_access(&mut self, r: &Reg, a: &Access) -> Step {
        let word = self.type_word(r);
        if a.write {
            return Err(self.deny(a.ptr, "V0410", format!("R{} cannot write into {word}", a.ptr)));
        }
        if r.val.smin < 0 {
            let m = format!(
                "R{} min value is negative, either use unsigned index or do a if (index >=0) check.",
                a.ptr
            );
            return Err(self.deny(a.ptr, "V0403", m));
        }
        let valid = match r.kind {
            // The part that every socket has.
            Kind::SockCommon => common(a.off) && socket_field(a),
            Kind::Socket => socket_field(a),
            Kind::TcpSock => tcp_field(a),
            // Only queue_id.
            _ => a.off == 0 && a.size == 4,
        };
        if !valid {
            let m = format!("R{} invalid {word} access off={} size={}", a.ptr, a.off, a.size);
            return Err(self.deny(a.ptr, "V0413", m));
        }
        // The upper halves of its two long fields pass the check, and then there is no code for them.
        if r.kind == Kind::TcpSock && matches!(a.off, 84 | 92) {
            let m = "verifier bug: error during ctx access conversion (0)";
            return Err(self.refuse(errno::EFAULT, "V0901", m));
        }
        if let Some(dst) = a.dst {
            self.set_unknown(dst);
        }
        Ok(())
    }

    pub(crate) fn buffer_access(&mut self, r: &Reg, a: &Access, word: &str) -> Step {
        if a.off < 0 {
            let m = format!("R{} invalid {word} buffer access: off={}, size={}", a.ptr, a.off, a.size);
            return Err(self.deny(a.ptr, "V0402", m));
        }
        if !r.val.var.equals(0) {
            let t = show_tnum(r.val.var);
            let m = format!("R{} invalid variable buffer offset: off={}, var_off={t}", a.ptr, a.off);
            return Err(self.deny(a.ptr, "V0402", m));
        }
        if let (Some(dst), false) = (a.dst, a.write) {
            self.set_unknown(dst);
        }
        Ok(())
    }

    pub(crate) fn map_struct_access(&mut self, a: &Access) -> Step {
        if !self.rights.ptr_leaks {
            let m = "'struct bpf_array' access is allowed only to CAP_PERFMON and CAP_SYS_ADMIN";
            return Err(self.refuse(errno::EPERM, "V0805", m));
        }
        if a.write {
            let m = "only read from bpf_array is supported";
            return Err(self.refuse(errno::EACCES, "V0410", m));
        }
        Err(Stop::NotModelled("fields of a map's own structure".into()))
    }
}

/// A field of `struct bpf_sock`: through a pointer any program reads what socket programs read in their context at
/// one hook or another.
fn socket_field(a: &Access) -> bool {
    let hooks = [
        AttachType::CGROUP_INET_SOCK_CREATE,
        AttachType::CGROUP_INET4_POST_BIND,
        AttachType::CGROUP_INET6_POST_BIND,
        AttachType::CGROUP_INET_SOCK_RELEASE,
    ];
    let (Some(c), Ok(off)) = (structure("bpf_sock"), u32::try_from(a.off)) else { return false };
    hooks.into_iter().any(|hook| c.load(ProgType::CGROUP_SOCK, hook, off, a.size as u32).is_some())
}

/// A field of `struct bpf_tcp_sock`, of 112 bytes: all are words, but bytes_received and bytes_acked.
fn tcp_field(a: &Access) -> bool {
    let size = if matches!(a.off, 80 | 88) { 8 } else { 4 };
    (0..112).contains(&a.off) && a.off % size == 0 && a.size == size as usize
}

/// Offsets of `struct bpf_sock` that are part of every socket: bound_dev_if, family, addresses, ports, state.
fn common(off: i32) -> bool {
    // type, protocol, mark and priority belong to full sockets only.
    !matches!(off, 8..24)
}
