//! The calls themselves.

pub mod attr;
pub mod btf;
mod call;
pub mod caps;
pub mod cgroup;
pub mod cpu;
pub mod hooked;
pub mod info;
pub mod link;
pub mod map;
mod mapping;
pub mod memlock;
pub mod netlink;
pub mod netns;
pub mod packet;
pub mod perf;
pub mod pin;
pub mod probe;
pub mod prog;
pub mod ring;
pub mod seccomp;
pub mod socket;
pub mod stats;
pub mod task_fd;
pub mod test_run;
pub mod tracefs;
pub mod user_ring;
