//! System calls by name and number, on the machines whose seccomp filters skep makes.
//!
//! A row is `name: x86_64, aarch64, riscv64`, `_` where a machine does not have the call. Source: the UAPI headers
//! (`asm/unistd_64.h`, `asm-generic/unistd.h`) as of Linux 6.18; the kernel's tables are the same on every release that
//! has the call.

use crate::nearest::nearest;
use crate::table::UnknownName;

/// A machine, as seccomp knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Arch {
    /// x86-64, without its x32 calls.
    X86_64,
    /// 64-bit Arm, little-endian.
    Aarch64,
    /// 64-bit RISC-V.
    Riscv64,
}

impl Arch {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::X86_64, Self::Aarch64, Self::Riscv64];

    /// As `uname -m` has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
            Self::Riscv64 => "riscv64",
        }
    }

    /// `AUDIT_ARCH_*`, what `seccomp_data.arch` holds.
    pub fn audit(self) -> u32 {
        match self {
            Self::X86_64 => 0xc000_003e,
            Self::Aarch64 => 0xc000_00b7,
            Self::Riscv64 => 0xc000_00f3,
        }
    }

    /// The machine with this audit number.
    pub fn from_audit(audit: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.audit() == audit)
    }

    fn number(self, row: &Row) -> Option<u32> {
        row.numbers[self as usize]
    }
}

impl core::fmt::Display for Arch {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.pad(self.name())
    }
}

impl core::str::FromStr for Arch {
    type Err = UnknownName;

    /// Takes `uname -m`'s names, libseccomp's (`SCMP_ARCH_X86_64`) and Go's (`amd64`, `arm64`).
    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let lower = text.to_ascii_lowercase();
        let bare = lower.strip_prefix("scmp_arch_").unwrap_or(&lower);
        let bare = match bare {
            "amd64" | "x86-64" => "x86_64",
            "arm64" => "aarch64",
            other => other,
        };
        Self::ALL.into_iter().find(|a| a.name() == bare).ok_or_else(|| {
            UnknownName::new("architecture", text, nearest(bare, Self::ALL.iter().map(|a| a.name())))
        })
    }
}

struct Row {
    name: &'static str,
    numbers: [Option<u32>; 3],
}

/// The number of a call on a machine.
///
/// # Errors
/// If the machine has no such call; [`UnknownName::nearest`] may know what was meant.
pub fn syscall_number(arch: Arch, name: &str) -> Result<u32, UnknownName> {
    let found = ROWS.iter().find(|r| r.name == name).and_then(|r| arch.number(r));
    found.ok_or_else(|| {
        let known = ROWS.iter().filter(|r| arch.number(r).is_some()).map(|r| r.name);
        UnknownName::new("system call", name, nearest(name, known))
    })
}

/// Whether any machine has a call of this name.
pub fn is_syscall(name: &str) -> bool {
    ROWS.iter().any(|r| r.name == name)
}

/// The name of a call of a machine.
pub fn syscall_name(arch: Arch, number: u32) -> Option<&'static str> {
    ROWS.iter().find(|r| arch.number(r) == Some(number)).map(|r| r.name)
}

/// Names and numbers of all calls of a machine.
pub fn syscalls(arch: Arch) -> impl Iterator<Item = (&'static str, u32)> {
    ROWS.iter().filter_map(move |r| Some((r.name, arch.number(r)?)))
}

macro_rules! number {
    (_) => {
        None
    };
    ($number:literal) => {
        Some($number)
    };
}

macro_rules! rows {
    ($($name:ident: $x86_64:tt, $aarch64:tt, $riscv64:tt;)*) => {
        static ROWS: &[Row] = &[$(Row {
            name: stringify!($name),
            numbers: [number!($x86_64), number!($aarch64), number!($riscv64)],
        }),*];
    };
}

rows! {
    read: 0, 63, 63;
    write: 1, 64, 64;
    open: 2, _, _;
    close: 3, 57, 57;
    stat: 4, _, _;
    fstat: 5, 80, 80;
    lstat: 6, _, _;
    poll: 7, _, _;
    lseek: 8, 62, 62;
    mmap: 9, 222, 222;
    mprotect: 10, 226, 226;
    munmap: 11, 215, 215;
    brk: 12, 214, 214;
    rt_sigaction: 13, 134, 134;
    rt_sigprocmask: 14, 135, 135;
    rt_sigreturn: 15, 139, 139;
    ioctl: 16, 29, 29;
    pread64: 17, 67, 67;
    pwrite64: 18, 68, 68;
    readv: 19, 65, 65;
    writev: 20, 66, 66;
    access: 21, _, _;
    pipe: 22, _, _;
    select: 23, _, _;
    sched_yield: 24, 124, 124;
    mremap: 25, 216, 216;
    msync: 26, 227, 227;
    mincore: 27, 232, 232;
    madvise: 28, 233, 233;
    shmget: 29, 194, 194;
    shmat: 30, 196, 196;
    shmctl: 31, 195, 195;
    dup: 32, 23, 23;
    dup2: 33, _, _;
    pause: 34, _, _;
    nanosleep: 35, 101, 101;
    getitimer: 36, 102, 102;
    alarm: 37, _, _;
    setitimer: 38, 103, 103;
    getpid: 39, 172, 172;
    sendfile: 40, 71, 71;
    socket: 41, 198, 198;
    connect: 42, 203, 203;
    accept: 43, 202, 202;
    sendto: 44, 206, 206;
    recvfrom: 45, 207, 207;
    sendmsg: 46, 211, 211;
    recvmsg: 47, 212, 212;
    shutdown: 48, 210, 210;
    bind: 49, 200, 200;
    listen: 50, 201, 201;
    getsockname: 51, 204, 204;
    getpeername: 52, 205, 205;
    socketpair: 53, 199, 199;
    setsockopt: 54, 208, 208;
    getsockopt: 55, 209, 209;
    clone: 56, 220, 220;
    fork: 57, _, _;
    vfork: 58, _, _;
    execve: 59, 221, 221;
    exit: 60, 93, 93;
    wait4: 61, 260, 260;
    kill: 62, 129, 129;
    uname: 63, 160, 160;
    semget: 64, 190, 190;
    semop: 65, 193, 193;
    semctl: 66, 191, 191;
    shmdt: 67, 197, 197;
    msgget: 68, 186, 186;
    msgsnd: 69, 189, 189;
    msgrcv: 70, 188, 188;
    msgctl: 71, 187, 187;
    fcntl: 72, 25, 25;
    flock: 73, 32, 32;
    fsync: 74, 82, 82;
    fdatasync: 75, 83, 83;
    truncate: 76, 45, 45;
    ftruncate: 77, 46, 46;
    getdents: 78, _, _;
    getcwd: 79, 17, 17;
    chdir: 80, 49, 49;
    fchdir: 81, 50, 50;
    rename: 82, _, _;
    mkdir: 83, _, _;
    rmdir: 84, _, _;
    creat: 85, _, _;
    link: 86, _, _;
    unlink: 87, _, _;
    symlink: 88, _, _;
    readlink: 89, _, _;
    chmod: 90, _, _;
    fchmod: 91, 52, 52;
    chown: 92, _, _;
    fchown: 93, 55, 55;
    lchown: 94, _, _;
    umask: 95, 166, 166;
    gettimeofday: 96, 169, 169;
    getrlimit: 97, 163, 163;
    getrusage: 98, 165, 165;
    sysinfo: 99, 179, 179;
    times: 100, 153, 153;
    ptrace: 101, 117, 117;
    getuid: 102, 174, 174;
    syslog: 103, 116, 116;
    getgid: 104, 176, 176;
    setuid: 105, 146, 146;
    setgid: 106, 144, 144;
    geteuid: 107, 175, 175;
    getegid: 108, 177, 177;
    setpgid: 109, 154, 154;
    getppid: 110, 173, 173;
    getpgrp: 111, _, _;
    setsid: 112, 157, 157;
    setreuid: 113, 145, 145;
    setregid: 114, 143, 143;
    getgroups: 115, 158, 158;
    setgroups: 116, 159, 159;
    setresuid: 117, 147, 147;
    getresuid: 118, 148, 148;
    setresgid: 119, 149, 149;
    getresgid: 120, 150, 150;
    getpgid: 121, 155, 155;
    setfsuid: 122, 151, 151;
    setfsgid: 123, 152, 152;
    getsid: 124, 156, 156;
    capget: 125, 90, 90;
    capset: 126, 91, 91;
    rt_sigpending: 127, 136, 136;
    rt_sigtimedwait: 128, 137, 137;
    rt_sigqueueinfo: 129, 138, 138;
    rt_sigsuspend: 130, 133, 133;
    sigaltstack: 131, 132, 132;
    utime: 132, _, _;
    mknod: 133, _, _;
    uselib: 134, _, _;
    personality: 135, 92, 92;
    ustat: 136, _, _;
    statfs: 137, 43, 43;
    fstatfs: 138, 44, 44;
    sysfs: 139, _, _;
    getpriority: 140, 141, 141;
    setpriority: 141, 140, 140;
    sched_setparam: 142, 118, 118;
    sched_getparam: 143, 121, 121;
    sched_setscheduler: 144, 119, 119;
    sched_getscheduler: 145, 120, 120;
    sched_get_priority_max: 146, 125, 125;
    sched_get_priority_min: 147, 126, 126;
    sched_rr_get_interval: 148, 127, 127;
    mlock: 149, 228, 228;
    munlock: 150, 229, 229;
    mlockall: 151, 230, 230;
    munlockall: 152, 231, 231;
    vhangup: 153, 58, 58;
    modify_ldt: 154, _, _;
    pivot_root: 155, 41, 41;
    _sysctl: 156, _, _;
    prctl: 157, 167, 167;
    arch_prctl: 158, _, _;
    adjtimex: 159, 171, 171;
    setrlimit: 160, 164, 164;
    chroot: 161, 51, 51;
    sync: 162, 81, 81;
    acct: 163, 89, 89;
    settimeofday: 164, 170, 170;
    mount: 165, 40, 40;
    umount2: 166, 39, 39;
    swapon: 167, 224, 224;
    swapoff: 168, 225, 225;
    reboot: 169, 142, 142;
    sethostname: 170, 161, 161;
    setdomainname: 171, 162, 162;
    iopl: 172, _, _;
    ioperm: 173, _, _;
    create_module: 174, _, _;
    init_module: 175, 105, 105;
    delete_module: 176, 106, 106;
    get_kernel_syms: 177, _, _;
    query_module: 178, _, _;
    quotactl: 179, 60, 60;
    nfsservctl: 180, 42, 42;
    getpmsg: 181, _, _;
    putpmsg: 182, _, _;
    afs_syscall: 183, _, _;
    tuxcall: 184, _, _;
    security: 185, _, _;
    gettid: 186, 178, 178;
    readahead: 187, 213, 213;
    setxattr: 188, 5, 5;
    lsetxattr: 189, 6, 6;
    fsetxattr: 190, 7, 7;
    getxattr: 191, 8, 8;
    lgetxattr: 192, 9, 9;
    fgetxattr: 193, 10, 10;
    listxattr: 194, 11, 11;
    llistxattr: 195, 12, 12;
    flistxattr: 196, 13, 13;
    removexattr: 197, 14, 14;
    lremovexattr: 198, 15, 15;
    fremovexattr: 199, 16, 16;
    tkill: 200, 130, 130;
    time: 201, _, _;
    futex: 202, 98, 98;
    sched_setaffinity: 203, 122, 122;
    sched_getaffinity: 204, 123, 123;
    set_thread_area: 205, _, _;
    io_setup: 206, 0, 0;
    io_destroy: 207, 1, 1;
    io_getevents: 208, 4, 4;
    io_submit: 209, 2, 2;
    io_cancel: 210, 3, 3;
    get_thread_area: 211, _, _;
    lookup_dcookie: 212, 18, 18;
    epoll_create: 213, _, _;
    epoll_ctl_old: 214, _, _;
    epoll_wait_old: 215, _, _;
    remap_file_pages: 216, 234, 234;
    getdents64: 217, 61, 61;
    set_tid_address: 218, 96, 96;
    restart_syscall: 219, 128, 128;
    semtimedop: 220, 192, 192;
    fadvise64: 221, 223, 223;
    timer_create: 222, 107, 107;
    timer_settime: 223, 110, 110;
    timer_gettime: 224, 108, 108;
    timer_getoverrun: 225, 109, 109;
    timer_delete: 226, 111, 111;
    clock_settime: 227, 112, 112;
    clock_gettime: 228, 113, 113;
    clock_getres: 229, 114, 114;
    clock_nanosleep: 230, 115, 115;
    exit_group: 231, 94, 94;
    epoll_wait: 232, _, _;
    epoll_ctl: 233, 21, 21;
    tgkill: 234, 131, 131;
    utimes: 235, _, _;
    vserver: 236, _, _;
    mbind: 237, 235, 235;
    set_mempolicy: 238, 237, 237;
    get_mempolicy: 239, 236, 236;
    mq_open: 240, 180, 180;
    mq_unlink: 241, 181, 181;
    mq_timedsend: 242, 182, 182;
    mq_timedreceive: 243, 183, 183;
    mq_notify: 244, 184, 184;
    mq_getsetattr: 245, 185, 185;
    kexec_load: 246, 104, 104;
    waitid: 247, 95, 95;
    add_key: 248, 217, 217;
    request_key: 249, 218, 218;
    keyctl: 250, 219, 219;
    ioprio_set: 251, 30, 30;
    ioprio_get: 252, 31, 31;
    inotify_init: 253, _, _;
    inotify_add_watch: 254, 27, 27;
    inotify_rm_watch: 255, 28, 28;
    migrate_pages: 256, 238, 238;
    openat: 257, 56, 56;
    mkdirat: 258, 34, 34;
    mknodat: 259, 33, 33;
    fchownat: 260, 54, 54;
    futimesat: 261, _, _;
    newfstatat: 262, 79, 79;
    unlinkat: 263, 35, 35;
    renameat: 264, 38, _;
    linkat: 265, 37, 37;
    symlinkat: 266, 36, 36;
    readlinkat: 267, 78, 78;
    fchmodat: 268, 53, 53;
    faccessat: 269, 48, 48;
    pselect6: 270, 72, 72;
    ppoll: 271, 73, 73;
    unshare: 272, 97, 97;
    set_robust_list: 273, 99, 99;
    get_robust_list: 274, 100, 100;
    splice: 275, 76, 76;
    tee: 276, 77, 77;
    sync_file_range: 277, 84, 84;
    vmsplice: 278, 75, 75;
    move_pages: 279, 239, 239;
    utimensat: 280, 88, 88;
    epoll_pwait: 281, 22, 22;
    signalfd: 282, _, _;
    timerfd_create: 283, 85, 85;
    eventfd: 284, _, _;
    fallocate: 285, 47, 47;
    timerfd_settime: 286, 86, 86;
    timerfd_gettime: 287, 87, 87;
    accept4: 288, 242, 242;
    signalfd4: 289, 74, 74;
    eventfd2: 290, 19, 19;
    epoll_create1: 291, 20, 20;
    dup3: 292, 24, 24;
    pipe2: 293, 59, 59;
    inotify_init1: 294, 26, 26;
    preadv: 295, 69, 69;
    pwritev: 296, 70, 70;
    rt_tgsigqueueinfo: 297, 240, 240;
    perf_event_open: 298, 241, 241;
    recvmmsg: 299, 243, 243;
    fanotify_init: 300, 262, 262;
    fanotify_mark: 301, 263, 263;
    prlimit64: 302, 261, 261;
    name_to_handle_at: 303, 264, 264;
    open_by_handle_at: 304, 265, 265;
    clock_adjtime: 305, 266, 266;
    syncfs: 306, 267, 267;
    sendmmsg: 307, 269, 269;
    setns: 308, 268, 268;
    getcpu: 309, 168, 168;
    process_vm_readv: 310, 270, 270;
    process_vm_writev: 311, 271, 271;
    kcmp: 312, 272, 272;
    finit_module: 313, 273, 273;
    sched_setattr: 314, 274, 274;
    sched_getattr: 315, 275, 275;
    renameat2: 316, 276, 276;
    seccomp: 317, 277, 277;
    getrandom: 318, 278, 278;
    memfd_create: 319, 279, 279;
    kexec_file_load: 320, 294, 294;
    bpf: 321, 280, 280;
    execveat: 322, 281, 281;
    userfaultfd: 323, 282, 282;
    membarrier: 324, 283, 283;
    mlock2: 325, 284, 284;
    copy_file_range: 326, 285, 285;
    preadv2: 327, 286, 286;
    pwritev2: 328, 287, 287;
    pkey_mprotect: 329, 288, 288;
    pkey_alloc: 330, 289, 289;
    pkey_free: 331, 290, 290;
    statx: 332, 291, 291;
    io_pgetevents: 333, 292, 292;
    rseq: 334, 293, 293;
    uretprobe: 335, _, _;
    uprobe: 336, _, _;
    pidfd_send_signal: 424, 424, 424;
    io_uring_setup: 425, 425, 425;
    io_uring_enter: 426, 426, 426;
    io_uring_register: 427, 427, 427;
    open_tree: 428, 428, 428;
    move_mount: 429, 429, 429;
    fsopen: 430, 430, 430;
    fsconfig: 431, 431, 431;
    fsmount: 432, 432, 432;
    fspick: 433, 433, 433;
    pidfd_open: 434, 434, 434;
    clone3: 435, 435, 435;
    close_range: 436, 436, 436;
    openat2: 437, 437, 437;
    pidfd_getfd: 438, 438, 438;
    faccessat2: 439, 439, 439;
    process_madvise: 440, 440, 440;
    epoll_pwait2: 441, 441, 441;
    mount_setattr: 442, 442, 442;
    quotactl_fd: 443, 443, 443;
    landlock_create_ruleset: 444, 444, 444;
    landlock_add_rule: 445, 445, 445;
    landlock_restrict_self: 446, 446, 446;
    memfd_secret: 447, 447, 447;
    process_mrelease: 448, 448, 448;
    futex_waitv: 449, 449, 449;
    set_mempolicy_home_node: 450, 450, 450;
    cachestat: 451, 451, 451;
    fchmodat2: 452, 452, 452;
    map_shadow_stack: 453, 453, 453;
    futex_wake: 454, 454, 454;
    futex_wait: 455, 455, 455;
    futex_requeue: 456, 456, 456;
    statmount: 457, 457, 457;
    listmount: 458, 458, 458;
    lsm_get_self_attr: 459, 459, 459;
    lsm_set_self_attr: 460, 460, 460;
    lsm_list_modules: 461, 461, 461;
    mseal: 462, 462, 462;
    setxattrat: 463, 463, 463;
    getxattrat: 464, 464, 464;
    listxattrat: 465, 465, 465;
    removexattrat: 466, 466, 466;
    open_tree_attr: 467, 467, 467;
    file_getattr: 468, 468, 468;
    file_setattr: 469, 469, 469;
    riscv_hwprobe: _, _, 258;
    riscv_flush_icache: _, _, 259;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_call_stands_once() {
        for arch in Arch::ALL {
            let mut numbers: Vec<_> = syscalls(arch).map(|(_, n)| n).collect();
            numbers.sort_unstable();
            let all = numbers.len();
            numbers.dedup();
            assert_eq!((numbers.len(), all > 300), (all, true), "{arch}");
            for (name, number) in syscalls(arch) {
                assert_eq!(syscall_name(arch, number), Some(name));
                assert_eq!(syscall_number(arch, name).ok(), Some(number));
            }
        }
    }

    #[test]
    fn a_misspelt_call_is_guessed() {
        let error = syscall_number(Arch::Aarch64, "openatt").unwrap_err();
        assert_eq!(
            (error.to_string().as_str(), error.nearest()),
            ("unknown system call `openatt`", Some("openat"))
        );
        assert!(syscall_number(Arch::Aarch64, "open").is_err() && is_syscall("open"));
    }

    /// Where the headers of this machine are installed, no row differs from them.
    #[test]
    fn numbers_are_those_of_the_headers() {
        let path = "/usr/include/x86_64-linux-gnu/asm/unistd_64.h";
        let Ok(header) = std::fs::read_to_string(path) else {
            println!("skipped: there is no {path}");
            return;
        };
        let defines = header.lines().filter_map(|l| l.strip_prefix("#define __NR_")?.split_once(' '));
        for (name, number) in defines {
            assert_eq!(syscall_number(Arch::X86_64, name).ok(), number.trim().parse().ok(), "{name}");
        }
    }
}
