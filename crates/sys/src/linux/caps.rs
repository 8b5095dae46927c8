//! What this process may do.

use crate::{Cap, Errno};

/// `_LINUX_CAPABILITY_VERSION_3`.
const VERSION_3: u32 = 0x2008_0522;

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct Data {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

fn get() -> Result<[Data; 2], Errno> {
    let mut header = Header { version: VERSION_3, pid: 0 };
    let mut data = [Data::default(); 2];
    // SAFETY: version 3 reads one header and writes two data structs; both live for the call.
    let done = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, data.as_mut_ptr()) };
    if done == 0 { Ok(data) } else { Err(Errno::last()) }
}

fn set(data: [Data; 2]) -> Result<(), Errno> {
    let mut header = Header { version: VERSION_3, pid: 0 };
    // SAFETY: version 3 reads one header and two data structs; both live for the call.
    let done = unsafe { libc::syscall(libc::SYS_capset, &raw mut header, data.as_ptr()) };
    if done == 0 { Ok(()) } else { Err(Errno::last()) }
}

/// A thread with fewer effective capabilities; they come back when this is dropped.
#[derive(Debug)]
pub struct Lowered {
    before: [Data; 2],
    /// Capabilities are a thread's: it must be dropped where it was made.
    thread: std::marker::PhantomData<*const ()>,
}

impl Drop for Lowered {
    fn drop(&mut self) {
        // They are permitted still, so nothing can fail.
        let _ = set(self.before);
    }
}

/// The effective capabilities of the calling thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps(u64);

impl Caps {
    /// Asks the kernel (capget(2)).
    ///
    /// # Errors
    /// What capget says; nothing is expected.
    pub fn current() -> Result<Self, Errno> {
        let data = get()?;
        Ok(Self(u64::from(data[1].effective) << 32 | u64::from(data[0].effective)))
    }

    /// Makes these the only effective capabilities of the calling thread, until the answer is dropped: what it is
    /// permitted stays, so they come back. Those that it is not permitted are not asked for.
    ///
    /// # Errors
    /// What capget and capset say.
    pub fn only(caps: &[Cap]) -> Result<Lowered, Errno> {
        let before = get()?;
        let wanted = caps.iter().fold(0_u64, |all, c| all | 1_u64.checked_shl(c.0).unwrap_or(0));
        let mut after = before;
        for (word, data) in after.iter_mut().enumerate() {
            data.effective = (wanted >> (32 * word)) as u32 & data.permitted;
        }
        set(after)?;
        Ok(Lowered { before, thread: std::marker::PhantomData })
    }

    /// Whether this one is effective; CAP_SYS_ADMIN stands in for CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN's part in bpf(2).
    pub fn has(self, cap: Cap) -> bool {
        let bit = |c: Cap| self.0 & 1_u64.checked_shl(c.0).unwrap_or(0) != 0;
        bit(cap) || matches!(cap, Cap::BPF | Cap::PERFMON) && bit(Cap::SYS_ADMIN)
    }

    /// The first of these that is not effective.
    pub fn lacks(self, caps: &[Cap]) -> Option<Cap> {
        caps.iter().copied().find(|c| !self.has(*c))
    }
}

/// `kernel.unprivileged_bpf_disabled`: 0 is allowed, 1 and 2 are not; `None` if it cannot be read.
pub fn unprivileged_disabled() -> Option<u32> {
    std::fs::read_to_string("/proc/sys/kernel/unprivileged_bpf_disabled").ok()?.trim().parse().ok()
}
