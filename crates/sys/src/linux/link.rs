//! Links: attachments that go when their last descriptor and pin go.

use std::ffi::CString;
use std::os::fd::{BorrowedFd, OwnedFd};

use skep_abi::{AttachType, Cmd};

use super::attr::{IterCreate, LinkCreate, LinkDetach, LinkUpdate, RawTracepoint};
use super::call::{address, bpf, bpf_fd, length, number, pair};
use super::prog::Target;
use crate::Errno;

/// What a link needs beyond program, target and attach type.
#[derive(Clone, Copy, Debug)]
pub enum More<'a> {
    /// Nothing.
    Nothing,
    /// tracing: the function's type in the target, and a cookie.
    Tracing {
        /// BTF id in the target program; 0 if the program was loaded with its target.
        target_btf_id: u32,
        /// What `bpf_get_attach_cookie` answers.
        cookie: u64,
    },
    /// Perf events: a cookie.
    PerfEvent {
        /// What `bpf_get_attach_cookie` answers.
        cookie: u64,
    },
    /// netfilter: protocol family, hook, priority, flags.
    Netfilter {
        /// `NFPROTO_IPV4` (2) or `NFPROTO_IPV6` (10).
        pf: u32,
        /// `NF_INET_*`.
        hooknum: u32,
        /// Where among the hooks.
        priority: i32,
        /// `BPF_F_NETFILTER_IP_DEFRAG`.
        flags: u32,
    },
    /// uprobe.multi: offsets in one binary.
    UprobeMulti {
        /// Path of the binary.
        path: &'a std::ffi::CStr,
        /// Offsets in the file.
        offsets: &'a [u64],
        /// Offsets in the file of counters that are raised while the probes are there, as many as offsets or none.
        semaphores: &'a [u64],
        /// Cookies, as many as offsets or none.
        cookies: &'a [u64],
        /// [`F_MULTI_RETURN`].
        flags: u32,
        /// Only this process; 0 is any.
        pid: u32,
    },
    /// kprobe.multi: symbols by address.
    KprobeMulti {
        /// Addresses.
        addrs: &'a [u64],
        /// Cookies, as many as addresses or none.
        cookies: &'a [u64],
        /// [`F_MULTI_RETURN`].
        flags: u32,
    },
    /// A place among the programs of a cgroup (since Linux 6.17) or a device (tcx, netkit); the link's flags say on
    /// which side of it: [`super::hooked::F_BEFORE`], [`super::hooked::F_AFTER`].
    Among {
        /// The program or link (its id with [`super::hooked::F_ID`], else its descriptor); 0 is none.
        relative: u32,
        /// What [`super::hooked::Hooked::revision`] must still be; 0 is anything.
        revision: u64,
    },
    /// Iterators: what they walk.
    Iter(Walk<'a>),
}

/// `BPF_F_KPROBE_MULTI_RETURN`, `BPF_F_UPROBE_MULTI_RETURN`: when functions return.
pub const F_MULTI_RETURN: u32 = 1;

/// What an iterator walks (`union bpf_iter_link_info`).
#[derive(Clone, Copy, Debug, Default)]
pub enum Walk<'a> {
    /// Everything of its kind.
    #[default]
    All,
    /// The elements of a map; the sockets of a sockmap.
    Map(BorrowedFd<'a>),
    /// Cgroups from this one on.
    Cgroup(CgroupOrder, BorrowedFd<'a>),
    /// One thread, by its id.
    Thread(u32),
    /// The threads of one process.
    Process(u32),
}

/// In which order cgroups are walked (`enum bpf_cgroup_iter_order`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CgroupOrder {
    /// This one alone.
    SelfOnly = 1,
    /// Those below it, parents first.
    DescendantsPre = 2,
    /// Those below it, children first.
    DescendantsPost = 3,
    /// Those above it, up to the root.
    AncestorsUp = 4,
}

impl Walk<'_> {
    /// The union's bytes: map_fd; or order, cgroup_fd, cgroup_id; or tid, pid, pid_fd.
    fn words(self) -> [u32; 4] {
        match self {
            Self::All => [0; 4],
            Self::Map(fd) => [number(fd), 0, 0, 0],
            Self::Cgroup(order, fd) => [order as u32, number(fd), 0, 0],
            Self::Thread(tid) => [tid, 0, 0, 0],
            Self::Process(pid) => [0, pid, 0, 0],
        }
    }
}

/// BPF_LINK_CREATE.
///
/// # Errors
/// `EPERM`, `EINVAL`, `EBUSY`, `EOPNOTSUPP`, as the hook sees it.
pub fn create(
    prog: BorrowedFd<'_>,
    target: Target<'_>,
    attach_type: AttachType,
    flags: u32,
    more: &More<'_>,
) -> Result<OwnedFd, Errno> {
    let target_fd = match target {
        Target::Fd(fd) => number(fd),
        Target::Ifindex(index) => index,
    };
    let mut attr =
        LinkCreate { prog_fd: number(prog), target_fd, attach_type: attach_type.0, flags, tail: [0; 6] };
    let info;
    let tail = &mut attr.tail;
    match *more {
        More::Nothing => {}
        More::Tracing { target_btf_id, cookie } => (tail[0], tail[1]) = (pair(target_btf_id, 0), cookie),
        More::PerfEvent { cookie } => tail[0] = cookie,
        More::Among { relative, revision } => (tail[0], tail[1]) = (pair(relative, 0), revision),
        More::Netfilter { pf, hooknum, priority, flags } => {
            (tail[0], tail[1]) = (pair(pf, hooknum), pair(priority as u32, flags));
        }
        More::UprobeMulti { path, offsets, semaphores, cookies, flags, pid } => {
            let fits = |list: &[u64]| list.is_empty() || list.len() == offsets.len();
            if !fits(cookies) || !fits(semaphores) {
                return Err(Errno::EINVAL);
            }
            *tail = [
                path.as_ptr() as u64,
                address(offsets),
                address(semaphores),
                address(cookies),
                pair(length(offsets)?, flags),
                pair(pid, 0),
            ];
        }
        More::KprobeMulti { addrs, cookies, flags } => {
            if !cookies.is_empty() && cookies.len() != addrs.len() {
                return Err(Errno::EINVAL);
            }
            *tail = [pair(flags, length(addrs)?), 0, address(addrs), address(cookies), 0, 0];
        }
        More::Iter(Walk::All) => {}
        More::Iter(walk) => {
            info = walk.words();
            (tail[0], tail[1]) = (address(&info), pair(size_of_val(&info) as u32, 0));
        }
    }
    // SAFETY: pointers in the tail are to `info`, or into slices that `more` borrows, as long as the counts beside them say;
    // all live for the call, and the kernel only reads them. For an attach type that does not fit `more`, the same bytes are read as other fields, at
    // worst as an address that the kernel cannot read, which is an error.
    unsafe { bpf_fd(Cmd::LINK_CREATE, &mut attr) }
}

/// BPF_LINK_UPDATE: puts another program in, without a gap. With `old`, only if that one is there.
///
/// # Errors
/// `EPERM` if `old` is not what is there; `EINVAL` for another type of program.
pub fn update(link: BorrowedFd<'_>, new: BorrowedFd<'_>, old: Option<BorrowedFd<'_>>) -> Result<(), Errno> {
    const F_REPLACE: u32 = 4;
    let mut attr = LinkUpdate {
        link_fd: number(link),
        new_prog_fd: number(new),
        flags: if old.is_some() { F_REPLACE } else { 0 },
        old_prog_fd: old.map_or(0, number),
    };
    // SAFETY: the attribute holds no pointer.
    unsafe { bpf(Cmd::LINK_UPDATE, &mut attr) }?;
    Ok(())
}

/// BPF_LINK_DETACH: the link stays, attached to nothing.
///
/// # Errors
/// `EOPNOTSUPP` for links that go only with their descriptor.
pub fn detach(link: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut attr = LinkDetach { link_fd: number(link) };
    // SAFETY: the attribute holds no pointer.
    unsafe { bpf(Cmd::LINK_DETACH, &mut attr) }?;
    Ok(())
}

/// BPF_RAW_TRACEPOINT_OPEN. Typed programs (tp_btf, fentry, LSM) know their target and want no name.
///
/// # Errors
/// `ENOENT` if there is no such tracepoint.
pub fn raw_tracepoint(prog: BorrowedFd<'_>, name: Option<&str>, cookie: u64) -> Result<OwnedFd, Errno> {
    let name = name.map(CString::new).transpose().map_err(|_| Errno::EINVAL)?;
    let mut attr = RawTracepoint {
        name: name.as_ref().map_or(0, |n| n.as_ptr() as u64),
        prog_fd: number(prog),
        cookie,
        ..RawTracepoint::default()
    };
    // SAFETY: the name is zero or a string that ends in NUL and lives for the call.
    unsafe { bpf_fd(Cmd::RAW_TRACEPOINT_OPEN, &mut attr) }
}

/// BPF_ITER_CREATE: a descriptor to read an iterator's output from.
///
/// # Errors
/// `EINVAL` if the link is no iterator.
pub fn iter(link: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let mut attr = IterCreate { link_fd: number(link), flags: 0 };
    // SAFETY: the attribute holds no pointer; the command gives a descriptor.
    unsafe { bpf_fd(Cmd::ITER_CREATE, &mut attr) }
}
