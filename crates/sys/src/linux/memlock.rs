//! RLIMIT_MEMLOCK, to which kernels before 5.11 charge maps and programs; later ones charge memory cgroups instead.

use skep_abi::ProgType;
use skep_isa::Insn;

use super::prog::{LoadAttr, load};
use crate::Errno;

/// The limits on locked memory, in bytes; [`u64::MAX`] is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The one that counts.
    pub current: u64,
    /// How far a process without CAP_SYS_RESOURCE may raise it.
    pub most: u64,
}

/// The limits of this process (getrlimit(2)).
///
/// # Errors
/// Nothing is expected.
pub fn limit() -> Result<Limit, Errno> {
    let mut raw = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `raw` lives for the call and is of the type that is written.
    let done = unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &raw mut raw) };
    if done == 0 { Ok(Limit { current: raw.rlim_cur, most: raw.rlim_max }) } else { Err(Errno::last()) }
}

/// Takes the limit away, or where that is not allowed raises it as far as it goes. Gives what holds then.
///
/// # Errors
/// Nothing is expected: any process may raise its limit to the hard one.
pub fn raise() -> Result<Limit, Errno> {
    let set = |limit: Limit| {
        let raw = libc::rlimit { rlim_cur: limit.current, rlim_max: limit.most };
        // SAFETY: `raw` lives for the call and is only read.
        let done = unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const raw) };
        if done == 0 { Ok(()) } else { Err(Errno::last()) }
    };
    let now = limit()?;
    if now.current == u64::MAX {
        return Ok(now);
    }
    set(Limit { current: u64::MAX, most: u64::MAX })
        .or_else(|_| set(Limit { current: now.most, most: now.most }))?;
    limit()
}

/// Whether this kernel charges BPF to the limit: one that knows `bpf_ktime_get_coarse_ns`, which came with the
/// change, does not. Where no program may be loaded, the answer is no: the limit is not what is in the way.
pub fn counts() -> bool {
    const KTIME_GET_COARSE_NS: i32 = 160;
    let call = |helper| {
        let exit = Insn { opcode: 0x95, ..Insn::default() };
        let insns = [Insn { opcode: 0x85, imm: helper, ..Insn::default() }, exit];
        let attr = LoadAttr {
            prog_type: ProgType::SOCKET_FILTER,
            insns: &insns,
            license: "GPL",
            ..LoadAttr::default()
        };
        load(&attr).map_err(|e| e.errno)
    };
    // The verifier's answer to a helper it does not know; all else is not about the helper.
    matches!(call(KTIME_GET_COARSE_NS), Err(Errno::EINVAL))
}
