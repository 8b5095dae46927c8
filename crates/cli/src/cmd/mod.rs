//! The commands: one module each, with its arguments, its `run`, and the shape of its JSON.

pub(crate) mod asm;
pub(crate) mod attach;
pub(crate) mod bench;
pub(crate) mod btf;
pub(crate) mod cfg;
#[cfg(all(target_os = "linux", not(skep_portable)))]
pub(crate) mod cgroup;
pub(crate) mod classic;
pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod conformance;
pub(crate) mod detach;
pub(crate) mod disasm;
pub(crate) mod doctor;
pub(crate) mod explain;
pub(crate) mod feature;
pub(crate) mod filter;
pub(crate) mod info;
pub(crate) mod iter;
pub(crate) mod jit;
#[cfg(all(target_os = "linux", not(skep_portable)))]
pub(crate) mod link;
#[cfg(all(target_os = "linux", not(skep_portable)))]
pub(crate) mod live;
pub(crate) mod load;
pub(crate) mod man;
#[cfg(all(target_os = "linux", not(skep_portable)))]
pub(crate) mod map;
#[cfg(all(target_os = "linux", not(skep_portable)))]
pub(crate) mod net;
#[cfg(all(target_os = "linux", not(skep_portable)))]
pub(crate) mod perf;
#[cfg(all(target_os = "linux", not(skep_portable)))]
pub(crate) mod prog;
pub(crate) mod run;
pub(crate) mod seccomp;
#[cfg(all(target_os = "linux", not(skep_portable)))]
pub(crate) mod struct_ops;
pub(crate) mod top;
pub(crate) mod verify;

/// What a command says that is about Linux, where there is none.
#[cfg(not(all(target_os = "linux", not(skep_portable))))]
pub(crate) fn no_linux() -> crate::failure::Failure {
    crate::failure::Failure::new("this build has no door to Linux")
}
