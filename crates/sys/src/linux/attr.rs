//! `union bpf_attr` of Linux 6.18, one struct a command, and the structs that describe objects.
//!
//! Each struct is `repr(C)` without padding that is not written down as a field, so that all of its bytes are
//! initialised; a constant assertion holds that. Pointers are `u64`, as in the UAPI. Field names are the kernel's.

/// Data that the kernel may read and write as bytes.
///
/// # Safety
/// The type is `repr(C)`, has no padding, and every pattern of bits is a value of it.
pub unsafe trait Plain: Copy + Default {
    /// Name of the struct, and of each field with offset and size.
    const FIELDS: &'static [(&'static str, usize, usize)];
}

macro_rules! attrs {
    ($($(#[$doc:meta])* $name:ident { $($(#[$fdoc:meta])* $field:ident: $ty:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[repr(C)]
            #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
            pub struct $name {
                $($(#[$fdoc])* #[allow(missing_docs, reason = "the names are the kernel's; see bpf(2)")] pub $field: $ty,)*
            }
            const _: () = assert!(size_of::<$name>() == 0 $(+ size_of::<$ty>())*, "there is padding");
            // SAFETY: repr(C); the assertion above leaves no room for padding; all fields are integers or arrays of them.
            unsafe impl Plain for $name {
                const FIELDS: &'static [(&'static str, usize, usize)] =
                    &[$((stringify!($field), std::mem::offset_of!($name, $field), size_of::<$ty>())),*];
            }
        )*
    };
}
pub(super) use attrs;

macro_rules! bpf_attrs {
    ($($(#[$doc:meta])* $name:ident { $($body:tt)* })*) => {
        attrs! { $($(#[$doc])* $name { $($body)* })* }
        /// Every struct with its fields, for comparison with the kernel's own types.
        pub static ALL: &[(&str, &[(&str, usize, usize)])] = &[$((stringify!($name), $name::FIELDS)),*];
    };
}

bpf_attrs! {
    /// BPF_MAP_CREATE.
    MapCreate {
        map_type: u32, key_size: u32, value_size: u32, max_entries: u32, map_flags: u32, inner_map_fd: u32,
        numa_node: u32, map_name: [u8; 16], map_ifindex: u32, btf_fd: u32, btf_key_type_id: u32,
        btf_value_type_id: u32, btf_vmlinux_value_type_id: u32, map_extra: u64, value_type_btf_obj_fd: i32,
        map_token_fd: i32, excl_prog_hash: u64, excl_prog_hash_size: u32, _pad: u32,
    }
    /// BPF_MAP_*_ELEM, BPF_MAP_GET_NEXT_KEY (`value` is `next_key` there), BPF_MAP_FREEZE.
    MapElem { map_fd: u32, _pad: u32, key: u64, value: u64, flags: u64, }
    /// BPF_MAP_*_BATCH.
    MapBatch {
        in_batch: u64, out_batch: u64, keys: u64, values: u64, count: u32, map_fd: u32, elem_flags: u64, flags: u64,
    }
    /// BPF_PROG_LOAD.
    ProgLoad {
        prog_type: u32, insn_cnt: u32, insns: u64, license: u64, log_level: u32, log_size: u32, log_buf: u64,
        kern_version: u32, prog_flags: u32, prog_name: [u8; 16], prog_ifindex: u32, expected_attach_type: u32,
        prog_btf_fd: u32, func_info_rec_size: u32, func_info: u64, func_info_cnt: u32, line_info_rec_size: u32,
        line_info: u64, line_info_cnt: u32, attach_btf_id: u32, attach_prog_fd: u32, core_relo_cnt: u32,
        fd_array: u64, core_relos: u64, core_relo_rec_size: u32, log_true_size: u32, prog_token_fd: i32,
        fd_array_cnt: u32, signature: u64, signature_size: u32, keyring_id: i32,
    }
    /// BPF_OBJ_PIN, BPF_OBJ_GET.
    Obj { pathname: u64, bpf_fd: u32, file_flags: u32, path_fd: i32, _pad: u32, }
    /// BPF_PROG_ATTACH, BPF_PROG_DETACH.
    Attach {
        target_fd: u32, attach_bpf_fd: u32, attach_type: u32, attach_flags: u32, replace_bpf_fd: u32,
        relative_fd: u32, expected_revision: u64,
    }
    /// BPF_PROG_TEST_RUN.
    TestRun {
        prog_fd: u32, retval: u32, data_size_in: u32, data_size_out: u32, data_in: u64, data_out: u64, repeat: u32,
        duration: u32, ctx_size_in: u32, ctx_size_out: u32, ctx_in: u64, ctx_out: u64, flags: u32, cpu: u32,
        batch_size: u32, _pad: u32,
    }
    /// BPF_*_GET_NEXT_ID, BPF_*_GET_FD_BY_ID.
    GetId { start_id: u32, next_id: u32, open_flags: u32, fd_by_id_token_fd: i32, }
    /// BPF_OBJ_GET_INFO_BY_FD.
    Info { bpf_fd: u32, info_len: u32, info: u64, }
    /// BPF_PROG_QUERY.
    Query {
        target_fd: u32, attach_type: u32, query_flags: u32, attach_flags: u32, prog_ids: u64, prog_cnt: u32,
        _pad: u32, prog_attach_flags: u64, link_ids: u64, link_attach_flags: u64, revision: u64,
    }
    /// BPF_RAW_TRACEPOINT_OPEN.
    RawTracepoint { name: u64, prog_fd: u32, _pad: u32, cookie: u64, }
    /// BPF_BTF_LOAD.
    BtfLoad {
        btf: u64, btf_log_buf: u64, btf_size: u32, btf_log_size: u32, btf_log_level: u32, btf_log_true_size: u32,
        btf_flags: u32, btf_token_fd: i32,
    }
    /// BPF_TASK_FD_QUERY.
    TaskFdQuery {
        pid: u32, fd: u32, flags: u32, buf_len: u32, buf: u64, prog_id: u32, fd_type: u32, probe_offset: u64,
        probe_addr: u64,
    }
    /// BPF_LINK_CREATE; what follows `flags` depends on the attach type, see [`crate::link`].
    LinkCreate { prog_fd: u32, target_fd: u32, attach_type: u32, flags: u32, tail: [u64; 6], }
    /// BPF_LINK_UPDATE.
    LinkUpdate { link_fd: u32, new_prog_fd: u32, flags: u32, old_prog_fd: u32, }
    /// BPF_LINK_DETACH.
    LinkDetach { link_fd: u32, }
    /// BPF_ENABLE_STATS.
    EnableStats { r#type: u32, }
    /// BPF_ITER_CREATE.
    IterCreate { link_fd: u32, flags: u32, }
    /// BPF_PROG_BIND_MAP.
    ProgBindMap { prog_fd: u32, map_fd: u32, flags: u32, }
    /// BPF_TOKEN_CREATE.
    TokenCreate { flags: u32, bpffs_fd: u32, }
    /// BPF_PROG_STREAM_READ_BY_FD.
    ProgStreamRead { stream_buf: u64, stream_buf_len: u32, stream_id: u32, prog_fd: u32, _pad: u32, }
    /// `struct bpf_prog_info`.
    ProgInfo {
        r#type: u32, id: u32, tag: [u8; 8], jited_prog_len: u32, xlated_prog_len: u32, jited_prog_insns: u64,
        xlated_prog_insns: u64, load_time: u64, created_by_uid: u32, nr_map_ids: u32, map_ids: u64, name: [u8; 16],
        ifindex: u32,
        /// The lowest bit is `gpl_compatible`.
        flags: u32,
        netns_dev: u64, netns_ino: u64, nr_jited_ksyms: u32, nr_jited_func_lens: u32, jited_ksyms: u64,
        jited_func_lens: u64, btf_id: u32, func_info_rec_size: u32, func_info: u64, nr_func_info: u32,
        nr_line_info: u32, line_info: u64, jited_line_info: u64, nr_jited_line_info: u32, line_info_rec_size: u32,
        jited_line_info_rec_size: u32, nr_prog_tags: u32, prog_tags: u64, run_time_ns: u64, run_cnt: u64,
        recursion_misses: u64, verified_insns: u32, attach_btf_obj_id: u32, attach_btf_id: u32, _pad: u32,
    }
    /// `struct bpf_map_info`.
    MapInfo {
        r#type: u32, id: u32, key_size: u32, value_size: u32, max_entries: u32, map_flags: u32, name: [u8; 16],
        ifindex: u32, btf_vmlinux_value_type_id: u32, netns_dev: u64, netns_ino: u64, btf_id: u32,
        btf_key_type_id: u32, btf_value_type_id: u32, btf_vmlinux_id: u32, map_extra: u64, hash: u64,
        hash_size: u32, _pad: u32,
    }
    /// `struct bpf_btf_info`.
    BtfInfo { btf: u64, btf_size: u32, id: u32, name: u64, name_len: u32, kernel_btf: u32, }
    /// `struct bpf_link_info`; what follows `prog_id` depends on the type.
    LinkInfo { r#type: u32, id: u32, prog_id: u32, _pad: u32, tail: [u64; 8], }
}
