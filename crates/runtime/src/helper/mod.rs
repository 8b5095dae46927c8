//! Helpers: one file a family, one row a helper in [`ROWS`].
//!
//! A row names a helper by its number, says which context its implementation needs, and gives the function.
//! What types of program may call it, and with what, is the verifier's business and stands in the rows of
//! `skep_abi`; a helper here checks what it touches, and answers everything else with the kernel's errno.

mod csum;
mod iter;
pub(crate) mod kfunc;
mod map;
mod memory;
mod perf;
mod redirect;
mod ringbuf;
mod skb_bytes;
mod skb_meta;
mod skb_room;
mod skb_vlan;
mod string;
mod tail_call;
mod task;
mod time;
mod trace;
mod xdp;

use skep_abi::HelperId;
use skep_vm::{BoundMap, Elements, Frame, Imports, Memory, RegionId, Stop, map_index};

use crate::env::Env;

/// A helper's code: r1 to r5 in, r0 out.
pub(crate) type Run = fn(&mut Env, &mut Frame<'_>, [u64; 5]) -> Result<u64, Stop>;

/// The same for helpers that read memory at most, when nothing is wrong: `None` leaves it to [`Run`].
pub(crate) type Quick = fn(&mut Env, &Memory, [u64; 5]) -> Option<u64>;

/// The context that a helper works on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Context {
    /// Any, none included.
    Any,
    Xdp,
    Skb,
}

/// A helper of this world.
pub(crate) struct Row {
    pub(crate) id: HelperId,
    pub(crate) context: Context,
    pub(crate) run: Run,
    pub(crate) quick: Option<Quick>,
}

macro_rules! quick {
    () => {
        None
    };
    ($quick:path) => {
        Some($quick)
    };
}

macro_rules! rows {
    ($($name:ident $context:ident $run:path $(, $quick:path)?;)*) => {
        /// Every helper of this world. The machine calls them by their place here.
        pub(crate) static ROWS: &[Row] = &[
            $(Row { id: HelperId::$name, context: Context::$context, run: $run, quick: quick!($($quick)?) },)*
        ];
    };
}

rows! {
    MAP_LOOKUP_ELEM Any map::lookup, map::quick_lookup;
    MAP_UPDATE_ELEM Any map::update;
    MAP_DELETE_ELEM Any map::delete;
    MAP_LOOKUP_PERCPU_ELEM Any map::lookup_percpu;
    MAP_PUSH_ELEM Any map::push;
    MAP_POP_ELEM Any map::pop;
    MAP_PEEK_ELEM Any map::peek;
    FOR_EACH_MAP_ELEM Any iter::for_each_map_elem;
    LOOP Any iter::bpf_loop;
    SPIN_LOCK Any map::spin_lock;
    SPIN_UNLOCK Any map::spin_lock;
    TAIL_CALL Any tail_call::tail_call;

    KTIME_GET_NS Any time::ktime_get_ns, time::quick_ktime;
    KTIME_GET_BOOT_NS Any time::ktime_get_ns, time::quick_ktime;
    KTIME_GET_COARSE_NS Any time::ktime_get_ns;
    KTIME_GET_TAI_NS Any time::ktime_get_ns;
    JIFFIES64 Any time::jiffies64;
    GET_PRANDOM_U32 Any time::get_prandom_u32, time::quick_prandom;
    GET_SMP_PROCESSOR_ID Any time::get_smp_processor_id, time::quick_cpu;
    GET_NUMA_NODE_ID Any time::get_numa_node_id;

    GET_CURRENT_PID_TGID Any task::get_current_pid_tgid;
    GET_CURRENT_UID_GID Any task::get_current_uid_gid;
    GET_CURRENT_COMM Any task::get_current_comm;

    PROBE_READ Any memory::probe_read;
    PROBE_READ_KERNEL Any memory::probe_read;
    PROBE_READ_USER Any memory::probe_read;
    PROBE_READ_STR Any memory::probe_read_str;
    PROBE_READ_KERNEL_STR Any memory::probe_read_str;
    PROBE_READ_USER_STR Any memory::probe_read_str;

    STRTOL Any string::strtol;
    STRTOUL Any string::strtoul;
    STRNCMP Any string::strncmp;
    SNPRINTF Any trace::snprintf;
    TRACE_PRINTK Any trace::trace_printk;
    TRACE_VPRINTK Any trace::trace_vprintk;

    PERF_EVENT_OUTPUT Any perf::perf_event_output;
    RINGBUF_OUTPUT Any ringbuf::output;
    RINGBUF_RESERVE Any ringbuf::reserve;
    RINGBUF_SUBMIT Any ringbuf::submit;
    RINGBUF_DISCARD Any ringbuf::discard;
    RINGBUF_QUERY Any ringbuf::query;

    CSUM_DIFF Any csum::csum_diff;
    L3_CSUM_REPLACE Skb csum::l3_csum_replace;
    L4_CSUM_REPLACE Skb csum::l4_csum_replace;
    CSUM_UPDATE Skb csum::csum_update;
    CSUM_LEVEL Skb csum::csum_level;

    REDIRECT Xdp redirect::xdp_redirect;
    REDIRECT Skb redirect::skb_redirect;
    REDIRECT_MAP Xdp redirect::redirect_map;
    REDIRECT_PEER Skb redirect::skb_redirect_peer;
    REDIRECT_NEIGH Skb redirect::skb_redirect_neigh;
    CLONE_REDIRECT Skb redirect::clone_redirect;

    XDP_ADJUST_HEAD Xdp xdp::adjust_head;
    XDP_ADJUST_META Xdp xdp::adjust_meta;
    XDP_ADJUST_TAIL Xdp xdp::adjust_tail;
    XDP_GET_BUFF_LEN Xdp xdp::get_buff_len;
    XDP_LOAD_BYTES Xdp xdp::load_bytes;
    XDP_STORE_BYTES Xdp xdp::store_bytes;

    SKB_LOAD_BYTES Skb skb_bytes::load_bytes;
    SKB_LOAD_BYTES_RELATIVE Skb skb_bytes::load_bytes_relative;
    SKB_STORE_BYTES Skb skb_bytes::store_bytes;
    SKB_PULL_DATA Skb skb_bytes::pull_data;
    SKB_CHANGE_TAIL Skb skb_room::change_tail;
    SKB_CHANGE_HEAD Skb skb_room::change_head;
    SKB_CHANGE_PROTO Skb skb_room::change_proto;
    SKB_ADJUST_ROOM Skb skb_room::adjust_room;
    SKB_CHANGE_TYPE Skb skb_meta::change_type;
    GET_HASH_RECALC Skb skb_meta::get_hash_recalc;
    SET_HASH_INVALID Skb skb_meta::set_hash_invalid;
    SET_HASH Skb skb_meta::set_hash;
    SKB_ECN_SET_CE Skb skb_meta::ecn_set_ce;
    GET_CGROUP_CLASSID Skb skb_meta::zero;
    GET_ROUTE_REALM Skb skb_meta::zero;
    SKB_VLAN_PUSH Skb skb_vlan::push;
    SKB_VLAN_POP Skb skb_vlan::pop;
}

/// Helpers that neither ask for the packet at hand nor leave anything behind for it: a program that calls no others can be
/// run over many packets in one call.
const QUIET: &[HelperId] = &[
    HelperId::MAP_LOOKUP_ELEM,
    HelperId::MAP_UPDATE_ELEM,
    HelperId::MAP_DELETE_ELEM,
    HelperId::MAP_LOOKUP_PERCPU_ELEM,
    HelperId::SPIN_LOCK,
    HelperId::SPIN_UNLOCK,
    HelperId::GET_PRANDOM_U32,
    HelperId::GET_SMP_PROCESSOR_ID,
    HelperId::CSUM_DIFF,
    HelperId::STRNCMP,
];

/// Whether the helper at a place in [`ROWS`] is one of these.
pub(crate) fn is_quiet(index: u32) -> bool {
    ROWS.get(index as usize).is_some_and(|row| QUIET.contains(&row.id))
}

/// Indices from here on stand for what is missing.
pub(crate) const MISSING: u32 = 1 << 24;

/// The place in [`ROWS`] of a helper for programs that run on this context.
pub(crate) fn find(id: u32, context: Context) -> Option<u32> {
    let fits = |r: &Row| r.id.0 == id && (r.context == Context::Any || r.context == context);
    ROWS.iter().position(fits).map(|i| i as u32)
}

/// Resolves a program's calls. What is missing gets an index that traps when, and only when, it is called.
pub(crate) struct Resolver<'a> {
    pub(crate) context: Context,
    /// Kfuncs of the object by the immediate that their calls carry.
    pub(crate) kfuncs: &'a [String],
    /// Maps, by their handles.
    pub(crate) maps: &'a [BoundMap],
    /// Where what is missing is noted, for [`Env::missing`].
    pub(crate) missing: &'a std::cell::RefCell<Vec<String>>,
}

impl Resolver<'_> {
    fn note(&self, what: String) -> Option<u32> {
        let mut missing = self.missing.borrow_mut();
        let at = missing.iter().position(|m| *m == what).unwrap_or_else(|| {
            missing.push(what);
            missing.len() - 1
        });
        Some(MISSING + at as u32)
    }
}

impl Imports for Resolver<'_> {
    fn helper(&self, id: i32) -> Option<u32> {
        let id = HelperId(id as u32);
        find(id.0, self.context).or_else(|| {
            let exists = ROWS.iter().any(|r| r.id == id);
            self.note(match (id.row(), exists) {
                (Some(row), true) => format!("helper {} does not serve this type of program", row.name),
                (Some(row), false) => {
                    format!(
                        "helper {} (number {}, Linux {}) is not available here",
                        row.name, id.0, row.since
                    )
                }
                (None, _) => format!("there is no helper number {}", id.0 as i32),
            })
        })
    }

    fn is_quick(&self, index: u32) -> bool {
        ROWS.get(index as usize).is_some_and(|row| row.quick.is_some())
    }

    fn array(&self, helper: i32, handle: u64) -> Option<(RegionId, Elements)> {
        let map = self.maps.get(map_index(handle)? as usize)?;
        Some((map.region, map.elements?)).filter(|_| helper == HelperId::MAP_LOOKUP_ELEM.0 as i32)
    }

    fn kfunc(&self, btf_id: i32, _: i16) -> Option<u32> {
        let name = usize::try_from(btf_id).ok().and_then(|i| self.kfuncs.get(i));
        name.and_then(|name| kfunc::find(name)).or_else(|| {
            self.note(match name {
                Some(name) => format!("kfunc {name} is not available here"),
                None => format!("kfunc with BTF id {btf_id} is not available here"),
            })
        })
    }
}

/// A size that the kernel's verifier would have bounded.
pub(crate) fn size(arg: u64) -> usize {
    arg as u32 as usize
}
