//! What is asked of a program before anything is read in it: its type, what it is loaded for, and its flags.
//!
//! Most of these refusals leave the kernel's log empty, so the words are ours.

use skep_abi::{AttachType as A, ProgType as P, limits::MAX_INSNS_UNPRIVILEGED};

use skep_isa::{CallTarget, ImmSource, Op};

use crate::refusal::{Refusal, Step, Stop, errno};
use crate::structure::Slot;
use crate::task::{F_ANY_ALIGNMENT, F_SLEEPABLE, F_STRICT_ALIGNMENT, F_TEST_STATE_FREQ, Privilege, Task};

/// BPF_F_TEST_RND_HI32, BPF_F_XDP_HAS_FRAGS, BPF_F_XDP_DEV_BOUND_ONLY, BPF_F_TEST_REG_INVARIANTS.
const OTHER_FLAGS: u32 = 4 | 32 | 64 | 128;
const KNOWN_FLAGS: u32 = F_STRICT_ALIGNMENT | F_ANY_ALIGNMENT | F_TEST_STATE_FREQ | F_SLEEPABLE | OTHER_FLAGS;

/// Types that are loaded for one of some attach types.
static LOADED_FOR: &[(P, &[A])] = &[
    (
        P::CGROUP_SOCK,
        &[
            A::CGROUP_INET_SOCK_CREATE,
            A::CGROUP_INET_SOCK_RELEASE,
            A::CGROUP_INET4_POST_BIND,
            A::CGROUP_INET6_POST_BIND,
        ],
    ),
    (
        P::CGROUP_SOCK_ADDR,
        &[
            A::CGROUP_INET4_BIND,
            A::CGROUP_INET6_BIND,
            A::CGROUP_INET4_CONNECT,
            A::CGROUP_INET6_CONNECT,
            A::CGROUP_UNIX_CONNECT,
            A::CGROUP_INET4_GETPEERNAME,
            A::CGROUP_INET6_GETPEERNAME,
            A::CGROUP_UNIX_GETPEERNAME,
            A::CGROUP_INET4_GETSOCKNAME,
            A::CGROUP_INET6_GETSOCKNAME,
            A::CGROUP_UNIX_GETSOCKNAME,
            A::CGROUP_UDP4_SENDMSG,
            A::CGROUP_UDP6_SENDMSG,
            A::CGROUP_UNIX_SENDMSG,
            A::CGROUP_UDP4_RECVMSG,
            A::CGROUP_UDP6_RECVMSG,
            A::CGROUP_UNIX_RECVMSG,
        ],
    ),
    (P::CGROUP_SKB, &[A::CGROUP_INET_INGRESS, A::CGROUP_INET_EGRESS]),
    (P::CGROUP_SOCKOPT, &[A::CGROUP_SETSOCKOPT, A::CGROUP_GETSOCKOPT]),
    (P::SK_LOOKUP, &[A::SK_LOOKUP]),
    (P::SK_REUSEPORT, &[A::SK_REUSEPORT_SELECT, A::SK_REUSEPORT_SELECT_OR_MIGRATE]),
    (P::NETFILTER, &[A::NETFILTER]),
    (P::SYSCALL, &[A(0)]),
];

/// Types that see the kernel's memory.
const SEES_KERNEL: [P; 9] = [
    P::KPROBE,
    P::TRACEPOINT,
    P::PERF_EVENT,
    P::RAW_TRACEPOINT,
    P::RAW_TRACEPOINT_WRITABLE,
    P::TRACING,
    P::LSM,
    P::STRUCT_OPS,
    P::EXT,
];

/// Whether a program of this type may sleep.
fn can_sleep(task: &Task) -> bool {
    match task.prog_type {
        P::TRACING => {
            matches!(task.attach_type, A::TRACE_FENTRY | A::TRACE_FEXIT | A::MODIFY_RETURN | A::TRACE_ITER)
        }
        P::LSM => task.attach_type != A::LSM_CGROUP,
        P::KPROBE | P::STRUCT_OPS | P::SYSCALL | P::EXT => true,
        _ => false,
    }
}

/// Whether a program of this type, for this attach type and with these flags, is looked at at all.
pub(crate) fn admit(task: &Task) -> Step {
    let refuse = |message: String| {
        let r = Refusal { errno: errno::EINVAL, code: "V0114", insn: 0, message, reg: None };
        Err(Stop::Refused(Box::new(r)))
    };
    if task.flags & !KNOWN_FLAGS != 0 {
        return refuse(format!("flags {:#x} are unknown", task.flags & !KNOWN_FLAGS));
    }
    if task.prog_type == P::UNSPEC || task.prog_type.row().is_none() {
        return refuse(format!("program type {} is unknown", task.prog_type));
    }
    rights(task)?;
    let wanted = LOADED_FOR.iter().find(|(p, _)| *p == task.prog_type).map(|(_, a)| *a);
    if wanted.is_some_and(|a| !a.contains(&task.attach_type)) {
        return refuse(format!(
            "programs of type {} are not loaded for attach type {}",
            task.prog_type, task.attach_type
        ));
    }
    if task.is_sleepable() && !can_sleep(task) {
        return refuse(
            "Only fentry/fexit/fmod_ret, lsm, iter, uprobe, and struct_ops programs can be sleepable".into(),
        );
    }
    if task.prog_type == P::SYSCALL && !task.is_sleepable() {
        return refuse("Syscall programs can only be sleepable".into());
    }
    Ok(())
}

/// Whether the loader's rights are enough for the program's type.
fn rights(task: &Task) -> Step {
    let t = task.prog_type;
    let missing = match task.privilege {
        Privilege::Root => return Ok(()),
        Privilege::Unprivileged if task.insns.len() > MAX_INSNS_UNPRIVILEGED => {
            let message = format!("program of {} instructions", task.insns.len());
            let r = Refusal { errno: errno::E2BIG, code: "V0113", insn: 0, message, reg: None };
            return Err(Stop::Refused(Box::new(r)));
        }
        Privilege::Unprivileged if !matches!(t, P::SOCKET_FILTER | P::CGROUP_SKB) => "CAP_BPF",
        _ if SEES_KERNEL.contains(&t) => "CAP_PERFMON",
        _ => return Ok(()),
    };
    let message = format!("programs of type {t} are only loaded with {missing}");
    let r = Refusal { errno: errno::EPERM, code: "V0114", insn: 0, message, reg: None };
    Err(Stop::Refused(Box::new(r)))
}

/// Functions of its own, and the kernel's, are called only with CAP_BPF.
pub(crate) fn calls_allowed(slots: &[Slot]) -> Step {
    let calls = |s: &Slot| {
        matches!(
            s,
            Slot::Op(
                Op::Call(CallTarget::Subprog(_) | CallTarget::Kfunc { .. })
                    | Op::LoadImm { source: ImmSource::Func, .. }
            )
        )
    };
    let Some(insn) = slots.iter().position(calls) else { return Ok(()) };
    let message = "loading/calling other bpf or kernel functions are allowed for CAP_BPF and CAP_SYS_ADMIN";
    let r = Refusal { errno: errno::EPERM, code: "V0114", insn, message: message.into(), reg: None };
    Err(Stop::Refused(Box::new(r)))
}
