//! What the kernel looks at in every instruction before it explores any: opcodes, maps, functions.

use skep_abi::{MapType as M, ProgType as P};
use skep_isa::{CallTarget, Field, ImmSource, Insn, Op};

use crate::refusal::{Refusal, Step, Stop, errno};
use crate::structure::{Slot, Subprog};
use crate::task::{MapShape, SpecialField, Task};

fn refuse(errno: i32, insn: usize, code: &'static str, message: String) -> Stop {
    Stop::Refused(Box::new(Refusal { errno, code, insn, message, reg: None }))
}

/// Map types whose value's address can be in the code.
const MAX_OFFSET: u32 = 1 << 29;

/// Most maps that a program may name.
const MAX_USED_MAPS: usize = 64;
/// A call of the address in a register: an instruction of RFC 9669 that Linux does not have.
const CALLX: u8 = 0x8d;
/// A wide load.
const WIDE: u8 = 0x18;
/// Class of loads.
const LDX: u8 = 1;

/// What is wrong with a wide load: its second half is none, or it names nothing that there is.
fn wide_words(insns: &[Insn]) -> &'static str {
    let half = |i: &Insn| (i.opcode, i.dst, i.src, i.off) == (0, 0, 0, 0);
    if insns.get(1).is_some_and(half) {
        "unrecognized bpf_ld_imm64 insn"
    } else {
        "invalid bpf_ld_imm64 insn"
    }
}

/// Checks what each slot names.
pub(crate) fn resolve(task: &Task, slots: &[Slot]) -> Step {
    let mut used = Vec::new();
    for (i, slot) in slots.iter().enumerate() {
        match slot {
            Slot::Bad(_, None) if task.insns[i].opcode == WIDE => {
                return Err(refuse(errno::EINVAL, i, "V0110", wide_words(&task.insns[i..]).into()));
            }
            Slot::Op(Op::Call(CallTarget::Register(_))) => {
                return Err(refuse(errno::EINVAL, i, "V0110", format!("unknown opcode {CALLX:02x}")));
            }
            Slot::Bad(e, _) if e.field() == Some(Field::Opcode) || e.insn().opcode == CALLX => {
                let m = format!("unknown opcode {:02x}", e.insn().opcode);
                return Err(refuse(errno::EINVAL, i, "V0110", m));
            }
            Slot::Bad(e, _) if e.insn().opcode & 7 == LDX && e.field() == Some(Field::Imm) => {
                return Err(refuse(errno::EINVAL, i, "V0110", "BPF_LDX uses reserved fields".into()));
            }
            Slot::Op(Op::Call(CallTarget::Kfunc { module, .. })) if *module != 0 => {
                if *module < 0 {
                    let m = "negative offset disallowed for kernel module function call";
                    return Err(refuse(errno::EINVAL, i, "V0514", m.into()));
                }
                let m = "kfunc offset > 0 without fd_array is invalid";
                return Err(refuse(errno::EPROTO, i, "V0514", m.into()));
            }
            Slot::Op(Op::LoadImm { source, imm, .. })
            | Slot::Bad(_, Some(Op::LoadImm { source, imm, .. })) => {
                let value = match source {
                    ImmSource::MapFd => false,
                    ImmSource::MapValue => true,
                    // Tasks name maps by number; an array of them is what loaders in BPF have.
                    ImmSource::MapIdx | ImmSource::MapIdxValue => {
                        let m = "fd_idx without fd_array is invalid";
                        return Err(refuse(errno::EPROTO, i, "V0111", m.into()));
                    }
                    _ => continue,
                };
                let number = *imm as i32;
                let Some(map) = task.map(number).map(|m| &task.maps[m].1) else {
                    let m = format!("fd {number} is not pointing to valid bpf_map");
                    return Err(refuse(errno::EBADF, i, "V0111", m));
                };
                if value {
                    check_direct(i, map, (imm >> 32) as u32)?;
                }
                check_map_for_prog(task, i, map)?;
                if !used.contains(&number) {
                    used.push(number);
                }
                if used.len() > MAX_USED_MAPS {
                    let m = format!(
                        "The total number of maps per program has reached the limit of {MAX_USED_MAPS}"
                    );
                    return Err(refuse(errno::E2BIG, i, "V0113", m));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn check_direct(i: usize, map: &MapShape, off: u32) -> Step {
    if off >= MAX_OFFSET {
        let m = format!("direct value offset of {off} is not allowed");
        return Err(refuse(errno::EINVAL, i, "V0111", m));
    }
    if !matches!(map.map_type, M::ARRAY) {
        let m = "no direct value access support for this map type";
        return Err(refuse(errno::EINVAL, i, "V0111", m.into()));
    }
    let m = format!("invalid access to map value pointer, value_size={} off={off}", map.value_size);
    if map.max_entries != 1 {
        return Err(refuse(errno::ENOTSUPP, i, "V0111", m));
    }
    if off >= map.value_size {
        return Err(refuse(errno::EINVAL, i, "V0111", m));
    }
    Ok(())
}

fn check_map_for_prog(task: &Task, i: usize, map: &MapShape) -> Step {
    let has = |f: SpecialField| map.fields.iter().any(|(_, x)| *x == f);
    let tracing = matches!(
        task.prog_type,
        P::KPROBE | P::TRACEPOINT | P::PERF_EVENT | P::RAW_TRACEPOINT | P::RAW_TRACEPOINT_WRITABLE
    );
    let no = |m: &str| Err(refuse(errno::EINVAL, i, "V0514", m.into()));
    if has(SpecialField::SpinLock) {
        if task.prog_type == P::SOCKET_FILTER {
            return no("socket filter progs cannot use bpf_spin_lock yet");
        }
        if tracing {
            return no("tracing progs cannot use bpf_spin_lock yet");
        }
    }
    if has(SpecialField::Timer) && tracing {
        return no("tracing progs cannot use bpf_timer yet");
    }
    if task.is_sleepable() {
        let usable = matches!(
            map.map_type,
            M::HASH
                | M::LRU_HASH
                | M::ARRAY
                | M::PERCPU_HASH
                | M::PERCPU_ARRAY
                | M::LRU_PERCPU_HASH
                | M::ARRAY_OF_MAPS
                | M::HASH_OF_MAPS
                | M::RINGBUF
                | M::USER_RINGBUF
                | M::INODE_STORAGE
                | M::SK_STORAGE
                | M::TASK_STORAGE
                | M::CGRP_STORAGE
                | M::QUEUE
                | M::STACK
                | M::ARENA
        );
        if !usable {
            return no("Sleepable programs can only use array, hash, ringbuf and local storage maps");
        }
    }
    Ok(())
}

/// LD_ABS and tail calls return from the program: a subprogram with them must return a number.
pub(crate) fn abnormal_returns(task: &Task, subprogs: &[Subprog]) -> Step {
    for s in subprogs.iter().skip(1) {
        let what = if s.has_ld_abs {
            "LD_ABS"
        } else if s.tail_call {
            "tail_call"
        } else {
            continue;
        };
        if task.func_info.is_empty() {
            let m = format!("{what} is not allowed in subprogs without BTF");
            return Err(refuse(errno::EINVAL, s.start, "V0606", m));
        }
        if !s.returns_scalar {
            let m = format!("{what} is only allowed in functions that return 'int'.");
            return Err(refuse(errno::EINVAL, s.start, "V0606", m));
        }
    }
    Ok(())
}
