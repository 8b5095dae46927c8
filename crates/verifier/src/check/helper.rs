//! Calls of helpers: who may call, what is passed, what comes back.

use skep_abi::{Arg, HelperId as H, HelperRow, MapType as M, ProgType as P, Ret};

use super::args::Meta;
use super::memory::Access;
use super::stack::Stored;
use crate::env::Env;
use crate::explore::Next;
use crate::facts::Value;
use crate::refusal::{Step, Stop, errno};
use crate::rows::{calls, maps};
use crate::state::{Flags, HeldKind, Kind, Reg};

/// Helpers whose result is another view of the socket that they were given.
const CASTS: [H; 9] = [
    H::TCP_SOCK,
    H::SK_FULLSOCK,
    H::SKC_TO_TCP_SOCK,
    H::SKC_TO_TCP6_SOCK,
    H::SKC_TO_UDP6_SOCK,
    H::SKC_TO_MPTCP_SOCK,
    H::SKC_TO_TCP_TIMEWAIT_SOCK,
    H::SKC_TO_TCP_REQUEST_SOCK,
    H::SKC_TO_UNIX_SOCK,
];

const ACQUIRE: [H; 4] = [H::SK_LOOKUP_TCP, H::SK_LOOKUP_UDP, H::SKC_LOOKUP_TCP, H::RINGBUF_RESERVE];

const SIZED_RESULT: [H; 5] =
    [H::GET_STACK, H::GET_TASK_STACK, H::PROBE_READ_STR, H::PROBE_READ_KERNEL_STR, H::PROBE_READ_USER_STR];

/// Helpers that add and take elements.
const WRITES_MAP: [H; 4] = [H::MAP_UPDATE_ELEM, H::MAP_DELETE_ELEM, H::MAP_PUSH_ELEM, H::MAP_POP_ELEM];

/// A helper's name without prefix, and its number, as the log writes them.
fn shown(row: &HelperRow) -> String {
    format!("{}#{}", row.name, row.id.0)
}

/// Helpers that are there only in kernels that are built to inject errors (CONFIG_BPF_KPROBE_OVERRIDE), or that are
/// not locked down: refused, as where they are not.
const BY_CONFIGURATION: [H; 2] = [H::OVERRIDE_RETURN, H::PROBE_WRITE_USER];

/// Helpers that read the kernel's memory or tell of it: only for those with CAP_PERFMON.
const SEES_KERNEL: [H; 22] = [
    H::TRACE_PRINTK,
    H::TRACE_VPRINTK,
    H::GET_CURRENT_TASK,
    H::GET_CURRENT_TASK_BTF,
    H::TASK_PT_REGS,
    H::PROBE_READ_USER,
    H::PROBE_READ_KERNEL,
    H::PROBE_READ_USER_STR,
    H::PROBE_READ_KERNEL_STR,
    H::PROBE_READ,
    H::PROBE_READ_STR,
    H::SNPRINTF,
    H::SNPRINTF_BTF,
    H::SKC_TO_TCP6_SOCK,
    H::SKC_TO_TCP_SOCK,
    H::SKC_TO_TCP_TIMEWAIT_SOCK,
    H::SKC_TO_TCP_REQUEST_SOCK,
    H::SKC_TO_UDP6_SOCK,
    H::SKC_TO_UNIX_SOCK,
    H::SKC_TO_MPTCP_SOCK,
    H::COPY_FROM_USER_TASK,
    H::GET_TASK_STACK,
];

/// Helpers of every program type that only those with CAP_BPF get.
const WANTS_BPF: [H; 24] = [
    H::SPIN_LOCK,
    H::SPIN_UNLOCK,
    H::JIFFIES64,
    H::PER_CPU_PTR,
    H::THIS_CPU_PTR,
    H::TIMER_INIT,
    H::TIMER_SET_CALLBACK,
    H::TIMER_START,
    H::TIMER_CANCEL,
    H::KPTR_XCHG,
    H::FOR_EACH_MAP_ELEM,
    H::LOOP,
    H::USER_RINGBUF_DRAIN,
    H::RINGBUF_RESERVE_DYNPTR,
    H::RINGBUF_SUBMIT_DYNPTR,
    H::RINGBUF_DISCARD_DYNPTR,
    H::DYNPTR_FROM_MEM,
    H::DYNPTR_READ,
    H::DYNPTR_WRITE,
    H::DYNPTR_DATA,
    H::CGRP_STORAGE_GET,
    H::CGRP_STORAGE_DELETE,
    H::CURRENT_TASK_UNDER_CGROUP,
    H::GET_CURRENT_ANCESTOR_CGROUP_ID,
];

impl Env<'_> {
    fn helper_row(&self, id: i32) -> Step<&'static HelperRow> {
        let row = calls::helper(id).row().filter(|_| id > 0);
        let Some(row) = row else {
            return Err(self.refuse(errno::EINVAL, "V0509", format!("invalid func unknown#{id}")));
        };
        let allowed = row.id.allowed(self.task.prog_type, self.task.attach_type);
        let lacking = !self.rights.ptr_leaks && SEES_KERNEL.contains(&row.id)
            || !self.rights.bpf && WANTS_BPF.contains(&row.id);
        if !allowed || lacking || BY_CONFIGURATION.contains(&row.id) {
            let m = format!("program of this type cannot use helper {}", shown(row));
            return Err(self.refuse(errno::EINVAL, "V0509", m));
        }
        Ok(row)
    }

    fn may_call(&self, row: &HelperRow) -> Step {
        let refuse = |code, m: String| Err(self.refuse(errno::EINVAL, code, m));
        let storage = matches!(row.id, H::SK_STORAGE_GET | H::SK_STORAGE_DELETE);
        if storage && self.task.prog_type == P::SYSCALL {
            return refuse("V0509", "helper call is not allowed in probe".into());
        }
        if calls::gpl_only(row, self.task.prog_type) && !self.task.gpl {
            let m = "cannot call GPL-restricted function from non-GPL compatible program";
            return refuse("V0510", m.into());
        }
        if calls::might_sleep(row.id.0 as i32) {
            if !self.cur.sleepable {
                return refuse("V0511", "helper call might sleep in a non-sleepable prog".into());
            }
            let name = shown(row);
            if self.cur.holds.rcu > 0 {
                return refuse("V0511", format!("sleepable helper {name} in rcu_read_lock region"));
            }
            if self.cur.holds.preempt > 0 {
                return refuse("V0511", format!("sleepable helper {name} in non-preemptible region"));
            }
            if self.cur.holds.irq().is_some() {
                return refuse("V0511", format!("sleepable helper {name} in IRQ-disabled region"));
            }
        }
        Ok(())
    }

    pub(crate) fn call_helper(&mut self, id: i32) -> Step<Next> {
        let unlocks = matches!(calls::helper(id), H::SPIN_UNLOCK | H::KPTR_XCHG);
        if self.cur.holds.locks > 0 && !unlocks {
            let m = "function calls are not allowed while holding a lock";
            return Err(self.refuse(errno::EINVAL, "V0703", m));
        }
        let row = self.helper_row(id)?;
        self.may_call(row)?;
        let mut m = Meta::new(row.id);
        let mut before: Option<Arg> = None;
        for (i, arg) in calls::args(row, self.task.prog_type).iter().enumerate() {
            self.argument(i + 1, *arg, before, &mut m)?;
            before = Some(*arg);
        }
        self.map_rights(row.id, &m)?;
        self.fill_memory(&m)?;
        self.give_back(row, &m)?;
        self.special(row.id, &m)?;
        self.clear_caller_saved();
        self.result(row, &m)?;
        self.compatible(row, &m)?;
        if let Some(f) = &mut self.recorder {
            let finds = row.id == H::MAP_LOOKUP_ELEM && !self.cur.reg(0).maybe_null();
            let object =
                |map: u32| matches!(self.maps[map as usize].map_type, M::XSKMAP | M::SOCKMAP | M::SOCKHASH);
            let result = Value::of_result(self.cur.reg(0), |map| self.inner[map as usize], object);
            f.called(self.pc, m.map.map(|(map, _)| map), m.const_key, finds, result);
        }
        if row.id == H::TAIL_CALL {
            return self.after_tail_call();
        }
        if calls::changes_packet(id) {
            self.forget_packet_pointers();
        }
        Ok(Next::At(self.pc + 1))
    }

    /// A tail call that fails changes nothing. In a function, one that succeeds returns to the caller, with whatever the
    /// other program did to the packet and left in r0.
    fn after_tail_call(&mut self) -> Step<Next> {
        let next = self.pc + 1;
        if self.cur.cur() == 0 {
            return Ok(Next::At(next));
        }
        self.push_branch(next)?;
        self.forget_packet_pointers();
        self.set_unknown(0);
        self.leave_function().map(Next::At)
    }

    /// Maps that are read-only for programs are not changed, whatever their elements are.
    fn map_rights(&self, id: H, m: &Meta) -> Step {
        let Some((map, _)) = m.map.filter(|_| WRITES_MAP.contains(&id)) else { return Ok(()) };
        if self.maps[map as usize].flags & crate::task::F_RDONLY_PROG == 0 {
            return Ok(());
        }
        Err(self.refuse(errno::EACCES, "V0410", "write into map forbidden"))
    }

    fn fill_memory(&mut self, m: &Meta) -> Step {
        let Some((reg, size)) = m.fills else { return Ok(()) };
        for i in 0..size {
            self.access(Access::write(reg, i as i32, 1, Stored::Unknown))?;
        }
        Ok(())
    }

    fn give_back(&mut self, row: &HelperRow, m: &Meta) -> Step {
        let Some(reg) = m.release else { return Ok(()) };
        let done = if m.ref_id != 0 { self.release_ref(m.ref_id) } else { self.cur.reg(reg).is_null() };
        if done {
            return Ok(());
        }
        let t = format!("func {} reference has not been acquired before", shown(row));
        Err(self.refuse(errno::EINVAL, "V0704", t))
    }

    /// Helpers that do more than their prototype says.
    fn special(&mut self, id: H, m: &Meta) -> Step {
        match id {
            H::TAIL_CALL => {
                self.note_tail_map(m);
                self.no_held(true, "tail_call")?;
                self.constant_index(m)
            }
            H::GET_FUNC_IP if self.task.prog_type != P::KPROBE => {
                let t = format!(
                    "func bpf_get_func_ip#173 not supported for program type {}",
                    self.task.prog_type.0
                );
                Err(self.refuse(errno::ENOTSUPP, "V0509", t))
            }
            H::SNPRINTF => self.format_string(),
            H::GET_LOCAL_STORAGE if !self.cur.reg(2).is_null() => {
                let t = "get_local_storage() doesn't support non-zero flags";
                Err(self.refuse(errno::EINVAL, "V0512", t))
            }
            H::FOR_EACH_MAP_ELEM | H::LOOP | H::TIMER_SET_CALLBACK => self.call_back(id, m),
            _ => Ok(()),
        }
    }

    /// A tail call to a known slot becomes a jump to it: the slot decided something.
    fn constant_index(&mut self, m: &Meta) -> Step {
        let Some((map, _)) = m.map else { return Ok(()) };
        let slots = u64::from(self.maps[map as usize].max_entries);
        match self.cur.reg(3).val.const_value(true).filter(|_| self.cur.reg(3).is_scalar()) {
            Some(slot) if slot < slots => self.mark_precise(3),
            _ => Ok(()),
        }
    }

    /// A tail call through different maps can't be masked for all of them: refused at the end, if nothing else is.
    fn note_tail_map(&mut self, m: &Meta) {
        let Some((map, _)) = m.map.filter(|_| !self.rights.speculation) else { return };
        let aux = &mut self.aux[self.pc];
        aux.tail_maps_differ |= aux.tail_map.is_some_and(|old| old != map);
        aux.tail_map = Some(map);
    }

    fn result(&mut self, row: &HelperRow, m: &Meta) -> Step {
        let (kind, flags) = match calls::result(row) {
            Ret::Void => {
                self.cur.top_mut().regs[0] = Reg::NOT_INIT;
                return Ok(());
            }
            Ret::Num => {
                self.set_unknown(0);
                self.bound_result(row.id, m);
                return Ok(());
            }
            Ret::Value => (Kind::MapValue, Flags::NONE),
            Ret::ValueOrNull => (Kind::MapValue, Flags::NULL),
            Ret::SockOrNull => (Kind::Socket, Flags::NULL),
            Ret::SockCommonOrNull => (Kind::SockCommon, Flags::NULL),
            Ret::TcpSockOrNull => (Kind::TcpSock, Flags::NULL),
            Ret::RecordOrNull => (Kind::Mem, Flags::NULL.with(Flags::RINGBUF)),
            _ => return Err(Stop::NotModelled(format!("result of helper {}", row.name))),
        };
        self.set_pointer(0, kind, flags);
        if kind == Kind::Mem {
            self.cur.reg_mut(0).aux = m.returned_size;
        }
        if kind == Kind::MapValue {
            self.value_result(row.id, m)?;
        }
        if self.cur.reg(0).maybe_null() {
            let id = self.new_id();
            self.cur.reg_mut(0).id = id;
        }
        let sockets = m
            .map
            .is_some_and(|(map, _)| matches!(self.maps[map as usize].map_type, M::SOCKMAP | M::SOCKHASH));
        if CASTS.contains(&row.id) {
            self.cur.reg_mut(0).ref_id = m.ref_id;
        } else if ACQUIRE.contains(&row.id) || row.id == H::MAP_LOOKUP_ELEM && sockets {
            let id = self.acquire(HeldKind::Ref);
            let r = self.cur.reg_mut(0);
            r.id = id;
            r.ref_id = id;
        }
        Ok(())
    }

    fn value_result(&mut self, id: H, m: &Meta) -> Step {
        let Some((map, uid)) = m.map else {
            return Err(self.refuse(errno::EINVAL, "V0901", "kernel subsystem misconfigured verifier"));
        };
        let shape = self.maps[map as usize].clone();
        let found = id == H::MAP_LOOKUP_ELEM
            && matches!(shape.map_type, M::ARRAY | M::PERCPU_ARRAY)
            && m.const_key.is_some_and(|k| k < u64::from(shape.max_entries));
        let lock = shape.fields.iter().any(|(_, f)| *f == crate::task::SpecialField::SpinLock);
        let fresh = self.new_id_if(lock && (found || !self.cur.reg(0).maybe_null()));
        let r = self.cur.reg_mut(0);
        r.aux = map;
        r.map_uid = uid;
        if found {
            r.flags = r.flags.without(Flags::NULL);
        }
        r.id = fresh;
        Ok(())
    }

    fn new_id_if(&mut self, yes: bool) -> u32 {
        if yes { self.new_id() } else { 0 }
    }

    fn bound_result(&mut self, id: H, m: &Meta) {
        let v = &mut self.cur.top_mut().regs[0].val;
        if SIZED_RESULT.contains(&id) {
            const MAX_ERRNO: i32 = 4095;
            v.smax = m.max_size as i64;
            v.s32_max = m.max_size as i32;
            v.smin = i64::from(-MAX_ERRNO);
            v.s32_min = -MAX_ERRNO;
            v.sync();
        } else if id == H::GET_SMP_PROCESSOR_ID {
            let last = self.task.cpus.saturating_sub(1);
            let v = &mut self.cur.top_mut().regs[0].val;
            (v.umin, v.umax, v.smin, v.smax) = (0, last.into(), 0, last.into());
            (v.u32_min, v.u32_max, v.s32_min, v.s32_max) = (0, last, 0, last as i32);
            v.sync();
        }
    }

    /// Some maps are for some helpers only, and the reverse.
    fn compatible(&self, row: &HelperRow, m: &Meta) -> Step {
        let Some((map, _)) = m.map else { return Ok(()) };
        let t = self.maps[map as usize].map_type;
        if maps::compatible(t, row.id, self.task.prog_type, self.task.attach_type) {
            return Ok(());
        }
        let t = format!("cannot pass map_type {} into func {}", t.0, shown(row));
        Err(self.refuse(errno::EINVAL, "V0513", t))
    }
}
