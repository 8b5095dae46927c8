//! Which helper takes which type of map.

use skep_abi::{AttachType, HelperId as H, MapType as M, ProgType as P};

/// Map types that only these helpers take.
static FOR_MAP: &[(M, &[H])] = &[
    (M::PROG_ARRAY, &[H::TAIL_CALL]),
    (
        M::PERF_EVENT_ARRAY,
        &[H::PERF_EVENT_READ, H::PERF_EVENT_OUTPUT, H::SKB_OUTPUT, H::PERF_EVENT_READ_VALUE, H::XDP_OUTPUT],
    ),
    (
        M::RINGBUF,
        &[
            H::RINGBUF_OUTPUT,
            H::RINGBUF_RESERVE,
            H::RINGBUF_QUERY,
            H::RINGBUF_RESERVE_DYNPTR,
            H::RINGBUF_SUBMIT_DYNPTR,
            H::RINGBUF_DISCARD_DYNPTR,
        ],
    ),
    (M::USER_RINGBUF, &[H::USER_RINGBUF_DRAIN]),
    (M::STACK_TRACE, &[H::GET_STACKID]),
    (M::CGROUP_ARRAY, &[H::SKB_UNDER_CGROUP, H::CURRENT_TASK_UNDER_CGROUP]),
    (M::CGROUP_STORAGE, &[H::GET_LOCAL_STORAGE]),
    (M::PERCPU_CGROUP_STORAGE, &[H::GET_LOCAL_STORAGE]),
    (M::DEVMAP, &[H::REDIRECT_MAP, H::MAP_LOOKUP_ELEM]),
    (M::DEVMAP_HASH, &[H::REDIRECT_MAP, H::MAP_LOOKUP_ELEM]),
    (M::CPUMAP, &[H::REDIRECT_MAP]),
    (M::XSKMAP, &[H::REDIRECT_MAP, H::MAP_LOOKUP_ELEM]),
    (M::ARRAY_OF_MAPS, &[H::MAP_LOOKUP_ELEM]),
    (M::HASH_OF_MAPS, &[H::MAP_LOOKUP_ELEM]),
    (
        M::SOCKMAP,
        &[
            H::SK_REDIRECT_MAP,
            H::SOCK_MAP_UPDATE,
            H::MSG_REDIRECT_MAP,
            H::SK_SELECT_REUSEPORT,
            H::MAP_LOOKUP_ELEM,
        ],
    ),
    (
        M::SOCKHASH,
        &[
            H::SK_REDIRECT_HASH,
            H::SOCK_HASH_UPDATE,
            H::MSG_REDIRECT_HASH,
            H::SK_SELECT_REUSEPORT,
            H::MAP_LOOKUP_ELEM,
        ],
    ),
    (M::REUSEPORT_SOCKARRAY, &[H::SK_SELECT_REUSEPORT]),
    (M::QUEUE, &[H::MAP_PEEK_ELEM, H::MAP_POP_ELEM, H::MAP_PUSH_ELEM]),
    (M::STACK, &[H::MAP_PEEK_ELEM, H::MAP_POP_ELEM, H::MAP_PUSH_ELEM]),
    (M::SK_STORAGE, &[H::SK_STORAGE_GET, H::SK_STORAGE_DELETE, H::KPTR_XCHG]),
    (M::INODE_STORAGE, &[H::INODE_STORAGE_GET, H::INODE_STORAGE_DELETE, H::KPTR_XCHG]),
    (M::TASK_STORAGE, &[H::TASK_STORAGE_GET, H::TASK_STORAGE_DELETE, H::KPTR_XCHG]),
    (M::CGRP_STORAGE, &[H::CGRP_STORAGE_GET, H::CGRP_STORAGE_DELETE, H::KPTR_XCHG]),
    (M::BLOOM_FILTER, &[H::MAP_PEEK_ELEM, H::MAP_PUSH_ELEM]),
];

/// Helpers that only take these map types.
static FOR_HELPER: &[(H, &[M])] = &[
    (H::TAIL_CALL, &[M::PROG_ARRAY]),
    (H::PERF_EVENT_READ, &[M::PERF_EVENT_ARRAY]),
    (H::PERF_EVENT_OUTPUT, &[M::PERF_EVENT_ARRAY]),
    (H::PERF_EVENT_READ_VALUE, &[M::PERF_EVENT_ARRAY]),
    (H::SKB_OUTPUT, &[M::PERF_EVENT_ARRAY]),
    (H::XDP_OUTPUT, &[M::PERF_EVENT_ARRAY]),
    (H::RINGBUF_OUTPUT, &[M::RINGBUF]),
    (H::RINGBUF_RESERVE, &[M::RINGBUF]),
    (H::RINGBUF_QUERY, &[M::RINGBUF]),
    (H::RINGBUF_RESERVE_DYNPTR, &[M::RINGBUF]),
    (H::USER_RINGBUF_DRAIN, &[M::USER_RINGBUF]),
    (H::GET_STACKID, &[M::STACK_TRACE]),
    (H::CURRENT_TASK_UNDER_CGROUP, &[M::CGROUP_ARRAY]),
    (H::SKB_UNDER_CGROUP, &[M::CGROUP_ARRAY]),
    (H::REDIRECT_MAP, &[M::DEVMAP, M::DEVMAP_HASH, M::CPUMAP, M::XSKMAP]),
    (H::SK_REDIRECT_MAP, &[M::SOCKMAP]),
    (H::MSG_REDIRECT_MAP, &[M::SOCKMAP]),
    (H::SOCK_MAP_UPDATE, &[M::SOCKMAP]),
    (H::SK_REDIRECT_HASH, &[M::SOCKHASH]),
    (H::MSG_REDIRECT_HASH, &[M::SOCKHASH]),
    (H::SOCK_HASH_UPDATE, &[M::SOCKHASH]),
    (H::GET_LOCAL_STORAGE, &[M::CGROUP_STORAGE, M::PERCPU_CGROUP_STORAGE]),
    (H::SK_SELECT_REUSEPORT, &[M::REUSEPORT_SOCKARRAY, M::SOCKMAP, M::SOCKHASH]),
    (H::MAP_POP_ELEM, &[M::QUEUE, M::STACK]),
    (H::MAP_PEEK_ELEM, &[M::QUEUE, M::STACK, M::BLOOM_FILTER]),
    (H::MAP_PUSH_ELEM, &[M::QUEUE, M::STACK, M::BLOOM_FILTER]),
    (H::MAP_LOOKUP_PERCPU_ELEM, &[M::PERCPU_ARRAY, M::PERCPU_HASH, M::LRU_PERCPU_HASH]),
    (H::SK_STORAGE_GET, &[M::SK_STORAGE]),
    (H::SK_STORAGE_DELETE, &[M::SK_STORAGE]),
    (H::INODE_STORAGE_GET, &[M::INODE_STORAGE]),
    (H::INODE_STORAGE_DELETE, &[M::INODE_STORAGE]),
    (H::TASK_STORAGE_GET, &[M::TASK_STORAGE]),
    (H::TASK_STORAGE_DELETE, &[M::TASK_STORAGE]),
    (H::CGRP_STORAGE_GET, &[M::CGRP_STORAGE]),
    (H::CGRP_STORAGE_DELETE, &[M::CGRP_STORAGE]),
];

/// Program types that may change a socket map by the general helpers, since they run where the socket is locked.
fn changes_sockets(helper: H, prog: P, attach: AttachType) -> bool {
    match prog {
        P::TRACING => attach == AttachType::TRACE_ITER,
        // Connections come while these run: adding has helpers of its own, which look at the event.
        P::SOCK_OPS => helper == H::MAP_DELETE_ELEM,
        P::SOCKET_FILTER
        | P::SCHED_CLS
        | P::SCHED_ACT
        | P::XDP
        | P::SK_REUSEPORT
        | P::FLOW_DISSECTOR
        | P::SK_LOOKUP => true,
        _ => false,
    }
}

/// Whether the helper takes a map of this type.
pub(crate) fn compatible(map: M, helper: H, prog: P, attach: AttachType) -> bool {
    let from_map = FOR_MAP.iter().find(|(m, _)| *m == map).is_none_or(|(_, helpers)| {
        helpers.contains(&helper)
            || matches!(map, M::SOCKMAP | M::SOCKHASH)
                && matches!(helper, H::MAP_UPDATE_ELEM | H::MAP_DELETE_ELEM)
                && changes_sockets(helper, prog, attach)
    });
    let from_helper =
        FOR_HELPER.iter().find(|(h, _)| *h == helper).is_none_or(|(_, maps)| maps.contains(&map));
    from_map && from_helper
}
