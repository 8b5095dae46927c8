//! What a link is attached to: the tail of `struct bpf_link_info`, which is a union by type, with the texts and lists
//! that it points to.

use std::os::fd::BorrowedFd;

use skep_abi::{AttachType, LinkType};

use super::attr::LinkInfo;
use super::call::{address_mut, pair, text, unpair};
use super::info;
use crate::Errno;

/// The most places of one link that are asked for.
const PLACES: usize = 1 << 20;
/// Room for a text: a path.
const TEXT: usize = 4096;

/// A link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Id.
    pub id: u32,
    /// Type.
    pub link_type: LinkType,
    /// The program's id; 0 for links of tables (struct_ops).
    pub prog_id: u32,
    /// Where it is attached.
    pub place: Place,
}

/// Where a link is attached; names of fields are the kernel's.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the kernel's; see struct bpf_link_info")]
pub enum Place {
    RawTracepoint {
        tp_name: String,
        cookie: u64,
    },
    Tracing {
        attach_type: AttachType,
        target_obj_id: u32,
        target_btf_id: u32,
        cookie: u64,
    },
    Cgroup {
        cgroup_id: u64,
        attach_type: AttachType,
    },
    Iter {
        target_name: String,
        map_id: u32,
        words: [u64; 2],
    },
    Netns {
        netns_ino: u32,
        attach_type: AttachType,
    },
    Xdp {
        ifindex: u32,
    },
    StructOps {
        map_id: u32,
    },
    Netfilter {
        pf: u32,
        hooknum: u32,
        priority: i32,
        flags: u32,
    },
    KprobeMulti {
        flags: u32,
        missed: u64,
        addrs: Vec<u64>,
        cookies: Vec<u64>,
    },
    UprobeMulti {
        path: String,
        flags: u32,
        pid: u32,
        offsets: Vec<u64>,
        ref_ctr_offsets: Vec<u64>,
        cookies: Vec<u64>,
    },
    PerfEvent(PerfPlace),
    Tcx {
        ifindex: u32,
        attach_type: AttachType,
    },
    Netkit {
        ifindex: u32,
        attach_type: AttachType,
    },
    Sockmap {
        map_id: u32,
        attach_type: AttachType,
    },
    /// A type that is newer than this code.
    Other,
}

/// What a perf event link's event is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the kernel's; see struct bpf_link_info")]
pub enum PerfPlace {
    /// The kernel did not say (before 6.6).
    Unknown,
    Uprobe {
        ret: bool,
        file_name: String,
        offset: u32,
        cookie: u64,
        ref_ctr_offset: u64,
    },
    Kprobe {
        ret: bool,
        func_name: String,
        offset: u32,
        addr: u64,
        missed: u64,
        cookie: u64,
    },
    Tracepoint {
        tp_name: String,
        cookie: u64,
    },
    Event {
        config: u64,
        r#type: u32,
        cookie: u64,
    },
}

/// `enum bpf_perf_event_type`.
const UPROBE: u32 = 1;
const URETPROBE: u32 = 2;
const KPROBE: u32 = 3;
const KRETPROBE: u32 = 4;
const TRACEPOINT: u32 = 5;
const EVENT: u32 = 6;

/// Where in the tail pointers go, by type: word of a text; words of lists; and how to write the text's length or the
/// lists' count.
struct Pointers {
    text: Option<usize>,
    text_len: usize,
    lists: &'static [usize],
}

/// A link, with all that its type points to.
///
/// # Errors
/// `EINVAL` if it is no link.
pub fn link(fd: BorrowedFd<'_>) -> Result<Link, Errno> {
    let head = info::link(fd)?;
    let (count, at) = shape(&head);
    let (mut name, mut lists) = (vec![0_u8; TEXT], [const { Vec::new() }; 3]);
    let mut full = LinkInfo { r#type: 0, ..LinkInfo::default() };
    if let Some(word) = at.text {
        full.tail[word] = address_mut(&mut name);
        full.tail[at.text_len] = pair(TEXT as u32, 0);
    }
    for (list, word) in lists.iter_mut().zip(at.lists) {
        *list = vec![0_u64; count];
        full.tail[*word] = address_mut(list);
    }
    let n = count as u32;
    match LinkType(head.r#type) {
        LinkType::KPROBE_MULTI => full.tail[1] = pair(n, 0),
        LinkType::UPROBE_MULTI => full.tail[4] = pair(TEXT as u32, n),
        _ => {}
    }
    // SAFETY: pointers stand only in words that the kernel reads as pointers for this type of link, which does not
    // change while the descriptor is open; beside each stands the length of the buffer that it points to, all of
    // which live for the call.
    match unsafe { info::describe(fd, &mut full) } {
        // A list that has grown is cut.
        Ok(()) | Err(Errno::ENOSPC) => {}
        Err(e) => return Err(e),
    }
    let tail = if at.text.is_none() && at.lists.is_empty() { head.tail } else { full.tail };
    let place = place(LinkType(head.r#type), &tail, text(&name), lists);
    Ok(Link { id: head.id, link_type: LinkType(head.r#type), prog_id: head.prog_id, place })
}

/// How many places a link has, and where its pointers go.
fn shape(head: &LinkInfo) -> (usize, Pointers) {
    let tail = &head.tail;
    let none = Pointers { text: None, text_len: 0, lists: &[] };
    let (count, at) = match LinkType(head.r#type) {
        LinkType::RAW_TRACEPOINT | LinkType::ITER => (0, Pointers { text: Some(0), text_len: 1, ..none }),
        LinkType::PERF_EVENT if (UPROBE..=TRACEPOINT).contains(&unpair(tail[0]).0) => {
            (0, Pointers { text: Some(1), text_len: 2, ..none })
        }
        LinkType::KPROBE_MULTI => (unpair(tail[1]).0, Pointers { lists: &[0, 3], ..none }),
        LinkType::UPROBE_MULTI => {
            (unpair(tail[4]).1, Pointers { text: Some(0), text_len: 4, lists: &[1, 2, 3] })
        }
        _ => (0, none),
    };
    ((count as usize).min(PLACES), at)
}

fn place(link_type: LinkType, tail: &[u64; 8], text: String, lists: [Vec<u64>; 3]) -> Place {
    let [w0, w1, w2, w3, w4, w5, ..] = *tail;
    let ((a, b), (c, d)) = (unpair(w0), unpair(w1));
    let [first, second, third] = lists;
    match link_type {
        LinkType::RAW_TRACEPOINT => Place::RawTracepoint { tp_name: text, cookie: w2 },
        LinkType::TRACING => {
            let attach_type = AttachType(a);
            Place::Tracing { attach_type, target_obj_id: b, target_btf_id: c, cookie: w2 }
        }
        LinkType::CGROUP => Place::Cgroup { cgroup_id: w0, attach_type: AttachType(c) },
        LinkType::ITER => Place::Iter { target_name: text, map_id: d, words: [w2, w3] },
        LinkType::NETNS => Place::Netns { netns_ino: a, attach_type: AttachType(b) },
        LinkType::XDP => Place::Xdp { ifindex: a },
        LinkType::STRUCT_OPS => Place::StructOps { map_id: a },
        LinkType::NETFILTER => Place::Netfilter { pf: a, hooknum: b, priority: c as i32, flags: d },
        LinkType::KPROBE_MULTI => Place::KprobeMulti { flags: d, missed: w2, addrs: first, cookies: second },
        LinkType::UPROBE_MULTI => {
            let (flags, pid) = unpair(w5);
            let (offsets, ref_ctr_offsets, cookies) = (first, second, third);
            Place::UprobeMulti { path: text, flags, pid, offsets, ref_ctr_offsets, cookies }
        }
        LinkType::PERF_EVENT => Place::PerfEvent(perf_place(a, text, [w1, w2, w3, w4, w5])),
        LinkType::TCX => Place::Tcx { ifindex: a, attach_type: AttachType(b) },
        LinkType::NETKIT => Place::Netkit { ifindex: a, attach_type: AttachType(b) },
        LinkType::SOCKMAP => Place::Sockmap { map_id: a, attach_type: AttachType(b) },
        _ => Place::Other,
    }
}

/// The union of a perf event link; its first word is a pointer, and the second the text's length and an offset.
fn perf_place(kind: u32, text: String, words: [u64; 5]) -> PerfPlace {
    let [w1, w2, w3, w4, w5] = words;
    let (half, offset) = unpair(w2);
    match kind {
        UPROBE | URETPROBE => PerfPlace::Uprobe {
            ret: kind == URETPROBE,
            file_name: text,
            offset,
            cookie: w3,
            ref_ctr_offset: w4,
        },
        KPROBE | KRETPROBE => PerfPlace::Kprobe {
            ret: kind == KRETPROBE,
            func_name: text,
            offset,
            addr: w3,
            missed: w4,
            cookie: w5,
        },
        TRACEPOINT => PerfPlace::Tracepoint { tp_name: text, cookie: w3 },
        EVENT => PerfPlace::Event { config: w1, r#type: half, cookie: w3 },
        _ => PerfPlace::Unknown,
    }
}
