//! The calls themselves.

pub mod attr;
pub mod btf;
mod call;
pub mod caps;
pub mod cpu;
pub mod info;
pub mod link;
pub mod map;
mod mapping;
pub mod net;
pub mod perf;
pub mod pin;
pub mod probe;
pub mod prog;
pub mod ring;
pub mod stats;
pub mod task_fd;
pub mod test_run;
pub mod tracefs;
pub mod user_ring;
