//! Commands of bpf(2).

use crate::table::{KernelVersion, numbers, v};

/// What is known of one command.
#[derive(Debug)]
pub struct CmdRow {
    /// The number.
    pub id: Cmd,
    /// The kernel's name in lower case, without `BPF_`.
    pub name: &'static str,
    /// The release it arrived in.
    pub since: KernelVersion,
    /// What it is, in one sentence.
    pub about: &'static str,
}

numbers! {
    /// A command (`enum bpf_cmd`); unknown numbers are kept.
    Cmd, CmdRow, CMDS, cmds, "command", "bpf_", &[("prog_run", 10)];

    MAP_CREATE = 0 "map_create" v(3, 18), "Makes a map.";
    MAP_LOOKUP_ELEM = 1 "map_lookup_elem" v(3, 18), "Reads the value of a key.";
    MAP_UPDATE_ELEM = 2 "map_update_elem" v(3, 18), "Writes the value of a key.";
    MAP_DELETE_ELEM = 3 "map_delete_elem" v(3, 18), "Removes a key.";
    MAP_GET_NEXT_KEY = 4 "map_get_next_key" v(3, 18), "Gives the key after a key, or the first.";
    PROG_LOAD = 5 "prog_load" v(3, 18), "Verifies and loads a program.";
    OBJ_PIN = 6 "obj_pin" v(4, 4), "Gives an object a path in a BPF file system.";
    OBJ_GET = 7 "obj_get" v(4, 4), "Opens an object by its path.";
    PROG_ATTACH = 8 "prog_attach" v(4, 10), "Attaches a program to a cgroup, a sockmap or a device.";
    PROG_DETACH = 9 "prog_detach" v(4, 10), "Detaches a program.";
    PROG_TEST_RUN = 10 "prog_test_run" v(4, 12), "Runs a program on given input; also called PROG_RUN.";
    PROG_GET_NEXT_ID = 11 "prog_get_next_id" v(4, 13), "Gives the program id after an id.";
    MAP_GET_NEXT_ID = 12 "map_get_next_id" v(4, 13), "Gives the map id after an id.";
    PROG_GET_FD_BY_ID = 13 "prog_get_fd_by_id" v(4, 13), "Opens a program by its id.";
    MAP_GET_FD_BY_ID = 14 "map_get_fd_by_id" v(4, 13), "Opens a map by its id.";
    OBJ_GET_INFO_BY_FD = 15 "obj_get_info_by_fd" v(4, 13), "Describes a program, map, BTF object or link.";
    PROG_QUERY = 16 "prog_query" v(4, 15), "Lists the programs attached to a place.";
    RAW_TRACEPOINT_OPEN = 17 "raw_tracepoint_open" v(4, 17), "Attaches a program to a raw tracepoint or a trampoline.";
    BTF_LOAD = 18 "btf_load" v(4, 18), "Loads BTF.";
    BTF_GET_FD_BY_ID = 19 "btf_get_fd_by_id" v(4, 18), "Opens a BTF object by its id.";
    TASK_FD_QUERY = 20 "task_fd_query" v(4, 18), "Says which probe stands behind a task's file descriptor.";
    MAP_LOOKUP_AND_DELETE_ELEM = 21 "map_lookup_and_delete_elem" v(4, 20), "Reads and removes a value.";
    MAP_FREEZE = 22 "map_freeze" v(5, 2), "Forbids userspace to write a map from now on.";
    BTF_GET_NEXT_ID = 23 "btf_get_next_id" v(5, 4), "Gives the BTF id after an id.";
    MAP_LOOKUP_BATCH = 24 "map_lookup_batch" v(5, 6), "Reads many elements.";
    MAP_LOOKUP_AND_DELETE_BATCH = 25 "map_lookup_and_delete_batch" v(5, 6), "Reads and removes many elements.";
    MAP_UPDATE_BATCH = 26 "map_update_batch" v(5, 6), "Writes many elements.";
    MAP_DELETE_BATCH = 27 "map_delete_batch" v(5, 6), "Removes many elements.";
    LINK_CREATE = 28 "link_create" v(5, 7), "Attaches a program through a link.";
    LINK_UPDATE = 29 "link_update" v(5, 7), "Puts another program into a link.";
    LINK_GET_FD_BY_ID = 30 "link_get_fd_by_id" v(5, 8), "Opens a link by its id.";
    LINK_GET_NEXT_ID = 31 "link_get_next_id" v(5, 8), "Gives the link id after an id.";
    ENABLE_STATS = 32 "enable_stats" v(5, 8), "Counts runs and run time of programs while a file descriptor is open.";
    ITER_CREATE = 33 "iter_create" v(5, 8), "Opens an iterator for reading.";
    LINK_DETACH = 34 "link_detach" v(5, 9), "Detaches a link and keeps it.";
    PROG_BIND_MAP = 35 "prog_bind_map" v(5, 10), "Ties a map's life to a program.";
    TOKEN_CREATE = 36 "token_create" v(6, 9), "Makes a token that carries rights of a BPF file system.";
    PROG_STREAM_READ_BY_FD = 37 "prog_stream_read_by_fd" v(6, 17), "Reads what a program printed to its streams.";
}
