//! Live objects: which there are, and what they are.

use std::os::fd::{BorrowedFd, OwnedFd};

use skep_abi::Cmd;

use super::attr::{BtfInfo, GetId, Info, LinkInfo, MapInfo, Plain, ProgInfo};
use super::call::{address_mut, bpf, bpf_fd, number, text};
use crate::Errno;

/// Kinds of object that have ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Object {
    /// Programs.
    Prog,
    /// Maps.
    Map,
    /// BTF objects.
    Btf,
    /// Links.
    Link,
}

impl Object {
    fn next(self) -> Cmd {
        match self {
            Self::Prog => Cmd::PROG_GET_NEXT_ID,
            Self::Map => Cmd::MAP_GET_NEXT_ID,
            Self::Btf => Cmd::BTF_GET_NEXT_ID,
            Self::Link => Cmd::LINK_GET_NEXT_ID,
        }
    }

    /// The kind that a name in `/proc/PID/fd` stands for.
    pub fn of_file(name: &str) -> Option<Self> {
        let name = name.strip_prefix("anon_inode:")?;
        let name = name.strip_prefix('[').and_then(|n| n.strip_suffix(']')).unwrap_or(name);
        match name {
            "bpf-prog" => Some(Self::Prog),
            "bpf-map" => Some(Self::Map),
            "btf" => Some(Self::Btf),
            // The kernel uses both.
            "bpf_link" | "bpf-link" => Some(Self::Link),
            _ => None,
        }
    }

    fn open(self) -> Cmd {
        match self {
            Self::Prog => Cmd::PROG_GET_FD_BY_ID,
            Self::Map => Cmd::MAP_GET_FD_BY_ID,
            Self::Btf => Cmd::BTF_GET_FD_BY_ID,
            Self::Link => Cmd::LINK_GET_FD_BY_ID,
        }
    }
}

/// All ids of a kind, as they are now.
///
/// # Errors
/// `EPERM` without CAP_SYS_ADMIN.
pub fn ids(object: Object) -> Result<Vec<u32>, Errno> {
    let mut out = Vec::new();
    let mut attr = GetId::default();
    loop {
        // SAFETY: the attribute holds no pointer.
        match unsafe { bpf(object.next(), &mut attr) } {
            Ok(_) => out.push(attr.next_id),
            Err(Errno::ENOENT) => return Ok(out),
            Err(e) => return Err(e),
        }
        attr = GetId { start_id: attr.next_id, ..GetId::default() };
    }
}

/// Opens an object by its id.
///
/// # Errors
/// `ENOENT` if it is gone, `EPERM` without CAP_SYS_ADMIN.
pub fn fd_by_id(object: Object, id: u32) -> Result<OwnedFd, Errno> {
    fd_by_id_with(object, id, 0)
}

/// As [`fd_by_id`], for maps with `BPF_F_RDONLY` or `BPF_F_WRONLY`.
///
/// # Errors
/// As for [`fd_by_id`]; `EINVAL` for flags of other objects.
pub fn fd_by_id_with(object: Object, id: u32, open_flags: u32) -> Result<OwnedFd, Errno> {
    let mut attr = GetId { start_id: id, open_flags, ..GetId::default() };
    // SAFETY: the attribute holds no pointer; the command gives a descriptor.
    unsafe { bpf_fd(object.open(), &mut attr) }
}

/// BPF_OBJ_GET_INFO_BY_FD.
///
/// # Safety
/// Every pointer in `info` is zero or points to live memory of the length that goes with it.
pub(super) unsafe fn describe<I: Plain>(fd: BorrowedFd<'_>, info: &mut I) -> Result<(), Errno> {
    let mut attr =
        Info { bpf_fd: number(fd), info_len: size_of::<I>() as u32, info: std::ptr::from_mut(info) as u64 };
    // SAFETY: `info` is plain data of the length given; the caller vouches for what it points to.
    unsafe { bpf(Cmd::OBJ_GET_INFO_BY_FD, &mut attr) }?;
    Ok(())
}

fn plain<I: Plain>(fd: BorrowedFd<'_>) -> Result<I, Errno> {
    let mut info = I::default();
    // SAFETY: all pointers in it are zero.
    unsafe { describe(fd, &mut info) }?;
    Ok(info)
}

/// What sort of object a descriptor stands for (`/proc/self/fd`); `None` if it is no BPF object.
///
/// # Errors
/// `EBADF`; `ENOENT` where proc is not mounted.
pub fn kind(fd: BorrowedFd<'_>) -> Result<Option<Object>, Errno> {
    use std::os::fd::AsRawFd;
    let target = std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd()))
        .map_err(|e| Errno(e.raw_os_error().unwrap_or(Errno::EBADF.0)))?;
    Ok(Object::of_file(&target.to_string_lossy()))
}

fn is(fd: BorrowedFd<'_>, object: Object) -> Result<(), Errno> {
    if kind(fd)? == Some(object) { Ok(()) } else { Err(Errno::EINVAL) }
}

/// A map.
///
/// # Errors
/// `EINVAL` if it is no map.
pub fn map(fd: BorrowedFd<'_>) -> Result<MapInfo, Errno> {
    // The kernel fills in what the descriptor is; sizes are relied on, so it must be a map.
    is(fd, Object::Map)?;
    plain(fd)
}

/// A program, without what it points to.
///
/// # Errors
/// `EINVAL` if it is no program.
pub fn prog(fd: BorrowedFd<'_>) -> Result<ProgInfo, Errno> {
    is(fd, Object::Prog)?;
    plain(fd)
}

/// A link; what follows the head depends on its type.
///
/// # Errors
/// `EINVAL` if it is no link.
pub fn link(fd: BorrowedFd<'_>) -> Result<LinkInfo, Errno> {
    is(fd, Object::Link)?;
    plain(fd)
}

/// What a program refers to.
#[derive(Clone, Debug, Default)]
pub struct ProgDetails {
    /// The head; its pointers are zero.
    pub info: ProgInfo,
    /// Ids of its maps.
    pub map_ids: Vec<u32>,
    /// The instructions after the verifier rewrote them, eight bytes each; empty without the right to see them.
    pub xlated: Vec<u8>,
    /// Machine code; empty without the right to see it.
    pub jited: Vec<u8>,
    /// Addresses of the functions' machine code.
    pub jited_ksyms: Vec<u64>,
    /// Lengths of the functions' machine code.
    pub jited_func_lens: Vec<u32>,
    /// `struct bpf_func_info` records.
    pub func_info: Vec<[u32; 2]>,
    /// `struct bpf_line_info` records.
    pub line_info: Vec<[u32; 4]>,
    /// Machine addresses of the records of `line_info`.
    pub jited_line_info: Vec<u64>,
    /// Tags of the functions.
    pub prog_tags: Vec<[u8; 8]>,
}

/// A program with all that it refers to.
///
/// # Errors
/// `EINVAL` if it is no program.
pub fn prog_details(fd: BorrowedFd<'_>) -> Result<ProgDetails, Errno> {
    let head = prog(fd)?;
    let mut d = ProgDetails {
        map_ids: vec![0; head.nr_map_ids as usize],
        xlated: vec![0; head.xlated_prog_len as usize],
        jited: vec![0; head.jited_prog_len as usize],
        jited_ksyms: vec![0; head.nr_jited_ksyms as usize],
        jited_func_lens: vec![0; head.nr_jited_func_lens as usize],
        func_info: vec![[0; 2]; head.nr_func_info as usize],
        line_info: vec![[0; 4]; head.nr_line_info as usize],
        jited_line_info: vec![0; head.nr_jited_line_info as usize],
        prog_tags: vec![[0; 8]; head.nr_prog_tags as usize],
        ..ProgDetails::default()
    };
    let mut info = ProgInfo {
        nr_map_ids: head.nr_map_ids,
        map_ids: address_mut(&mut d.map_ids),
        xlated_prog_len: head.xlated_prog_len,
        xlated_prog_insns: address_mut(&mut d.xlated),
        jited_prog_len: head.jited_prog_len,
        jited_prog_insns: address_mut(&mut d.jited),
        nr_jited_ksyms: head.nr_jited_ksyms,
        jited_ksyms: address_mut(&mut d.jited_ksyms),
        nr_jited_func_lens: head.nr_jited_func_lens,
        jited_func_lens: address_mut(&mut d.jited_func_lens),
        nr_func_info: head.nr_func_info,
        func_info_rec_size: 8,
        func_info: address_mut(&mut d.func_info),
        nr_line_info: head.nr_line_info,
        line_info_rec_size: 16,
        line_info: address_mut(&mut d.line_info),
        nr_jited_line_info: head.nr_jited_line_info,
        jited_line_info_rec_size: 8,
        jited_line_info: address_mut(&mut d.jited_line_info),
        nr_prog_tags: head.nr_prog_tags,
        prog_tags: address_mut(&mut d.prog_tags),
        ..ProgInfo::default()
    };
    // SAFETY: each pointer goes with the length of the vector it points to; the kernel writes no more than that.
    unsafe { describe(fd, &mut info) }?;
    // A process without the right to see addresses gets zero lengths.
    d.xlated.truncate(if info.xlated_prog_insns == 0 { 0 } else { info.xlated_prog_len as usize });
    d.jited.truncate(if info.jited_prog_insns == 0 { 0 } else { info.jited_prog_len as usize });
    let zero = |p: &mut u64| *p = 0;
    for p in [
        &mut info.map_ids,
        &mut info.xlated_prog_insns,
        &mut info.jited_prog_insns,
        &mut info.jited_ksyms,
        &mut info.jited_func_lens,
        &mut info.func_info,
        &mut info.line_info,
        &mut info.jited_line_info,
        &mut info.prog_tags,
    ] {
        zero(p);
    }
    d.info = info;
    Ok(d)
}

/// Ids of a program's maps.
///
/// # Errors
/// `EINVAL` if it is no program.
pub fn prog_map_ids(fd: BorrowedFd<'_>) -> Result<Vec<u32>, Errno> {
    let mut ids = vec![0; prog(fd)?.nr_map_ids as usize];
    let mut info =
        ProgInfo { nr_map_ids: ids.len() as u32, map_ids: address_mut(&mut ids), ..ProgInfo::default() };
    // SAFETY: the pointer goes with the length of the vector that it points to.
    unsafe { describe(fd, &mut info) }?;
    ids.truncate(info.nr_map_ids as usize);
    Ok(ids)
}

/// The type of a program's first function, if it has types.
///
/// # Errors
/// `EINVAL` if it is no program.
pub fn first_func(fd: BorrowedFd<'_>) -> Result<Option<u32>, Errno> {
    if prog(fd)?.nr_func_info == 0 {
        return Ok(None);
    }
    let mut record = [[0_u32; 2]];
    let mut info = ProgInfo {
        nr_func_info: 1,
        func_info_rec_size: 8,
        func_info: address_mut(&mut record),
        ..ProgInfo::default()
    };
    // SAFETY: one record of eight bytes is asked for, and there is room for one.
    unsafe { describe(fd, &mut info) }?;
    Ok(Some(record[0][1]))
}

/// A BTF object.
#[derive(Clone, Debug, Default)]
pub struct Btf {
    /// Its id.
    pub id: u32,
    /// `vmlinux`, a module's name, or empty.
    pub name: String,
    /// It belongs to the kernel or a module.
    pub kernel: bool,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A BTF object: its name, and with `bytes` all of it.
///
/// # Errors
/// `EINVAL` if it is no BTF.
pub fn btf(fd: BorrowedFd<'_>, bytes: bool) -> Result<Btf, Errno> {
    is(fd, Object::Btf)?;
    let mut name = [0_u8; 128];
    let head: BtfInfo = plain(fd)?;
    let mut out = Btf { bytes: vec![0; if bytes { head.btf_size as usize } else { 0 }], ..Btf::default() };
    let mut info = BtfInfo {
        name: address_mut(&mut name),
        name_len: name.len() as u32,
        btf: address_mut(&mut out.bytes),
        btf_size: out.bytes.len() as u32,
        ..BtfInfo::default()
    };
    // SAFETY: both pointers go with the lengths of what they point to.
    unsafe { describe(fd, &mut info) }?;
    out.id = info.id;
    out.name = text(&name);
    out.kernel = info.kernel_btf != 0;
    Ok(out)
}

/// Size in bytes of a BTF object.
///
/// # Errors
/// `EINVAL` if it is no BTF.
pub fn btf_size(fd: BorrowedFd<'_>) -> Result<u32, Errno> {
    is(fd, Object::Btf)?;
    plain::<BtfInfo>(fd).map(|i| i.btf_size)
}

/// The name of a program or map, as text.
pub fn name(bytes: &[u8; 16]) -> String {
    text(bytes)
}
