//! Limits that the kernel puts on programs and maps, with the kernel's names for them.

/// Bytes of stack of one program, over all of its frames (`MAX_BPF_STACK`).
pub const MAX_BPF_STACK: usize = 512;
/// Frames: the program and seven calls below it (`MAX_CALL_FRAMES`).
pub const MAX_CALL_FRAMES: usize = 8;
/// Tail calls in a row; the 34th fails and the program goes on (`MAX_TAIL_CALL_CNT`).
pub const MAX_TAIL_CALL_CNT: u32 = 33;
/// Bytes of stack of a program that does tail calls from a subprogram.
pub const MAX_STACK_WITH_TAIL_CALLS: usize = 256;
/// Instructions that the verifier walks for a privileged user (`BPF_COMPLEXITY_LIMIT_INSNS`); also the length limit.
pub const MAX_INSNS: usize = 1_000_000;
/// Length limit for an unprivileged user (`BPF_MAXINSNS`).
pub const MAX_INSNS_UNPRIVILEGED: usize = 4096;
/// Length limit of classic BPF (`BPF_MAXINSNS`).
pub const MAX_INSNS_CLASSIC: usize = 4096;
/// Scratch words of classic BPF (`BPF_MEMWORDS`).
pub const CLASSIC_MEMWORDS: usize = 16;
/// Bytes of a program, map or BPF object name, the terminating zero included (`BPF_OBJ_NAME_LEN`).
pub const OBJ_NAME_LEN: usize = 16;
/// Maps that one program may use (`MAX_USED_MAPS`).
pub const MAX_USED_MAPS: usize = 64;
/// Different BTF objects (modules) that one program may use (`MAX_USED_BTFS`).
pub const MAX_USED_BTFS: usize = 64;
/// Subprograms of one program (`BPF_MAX_SUBPROGS`).
pub const MAX_SUBPROGS: usize = 256;
/// Different kfuncs that one program may call (`MAX_KFUNC_DESCS`).
pub const MAX_KFUNC_DESCS: usize = 256;
/// Arguments of a helper, kfunc or subprogram (`MAX_BPF_FUNC_REG_ARGS`).
pub const MAX_FUNC_ARGS: usize = 5;
/// Iterations of `bpf_loop` (`BPF_MAX_LOOPS`).
pub const MAX_LOOPS: u32 = 8 * 1024 * 1024;
/// Iterations of a `may_goto` loop (`BPF_MAX_TIMED_LOOPS` kernels stop by time instead).
pub const MAX_MAY_GOTO: u32 = 8 * 1024 * 1024;
/// Bytes in front of the packet that a program may grow into (`XDP_PACKET_HEADROOM`).
pub const XDP_PACKET_HEADROOM: usize = 256;
/// Bytes of metadata in front of an XDP packet, a multiple of 4 (`xdp_metalen_invalid`).
pub const XDP_MAX_METADATA: usize = 252;
/// The packet offset that the verifier trusts (`MAX_PACKET_OFF`).
pub const MAX_PACKET_OFF: u32 = 0xffff;
/// Bytes of an LPM trie's data, without the 4 bytes of prefix length (`LPM_DATA_SIZE_MAX`).
pub const LPM_DATA_SIZE_MAX: usize = 256;
/// Bytes of a ring buffer record's header (`BPF_RINGBUF_HDR_SZ`).
pub const RINGBUF_HDR_SZ: usize = 8;
/// Bytes that `bpf_trace_printk` writes at most, the terminating zero included (`MAX_BPRINTF_BUF`).
pub const MAX_BPRINTF_BUF: usize = 1024;
/// Entries of a stack trace at most (`PERF_MAX_STACK_DEPTH`).
pub const PERF_MAX_STACK_DEPTH: usize = 127;
/// Bytes of a task's command name, the terminating zero included (`TASK_COMM_LEN`).
pub const TASK_COMM_LEN: usize = 16;
/// Log sizes that bpf(2) takes: at most this many bytes.
pub const MAX_LOG_SIZE: u32 = u32::MAX >> 2;
