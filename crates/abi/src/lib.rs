//! The kernel's BPF ABI as rows of data: program, map, attach and link types, commands, helpers, section names,
//! contexts, verdicts and limits, as of Linux 6.18, each with the release it arrived in. No behaviour: what a row
//! means is up to the verifier, the runtime, the loader and `skep explain`, which all read the same rows.
//!
//! Numbers that no row has are kept: a newer kernel's object stays what it is. Each number type takes its name, an
//! alias or a number from text (`"xdp".parse::<ProgType>()`), and prints its name.
//!
//! Sources: `include/uapi/linux/bpf.h`, bpf(2), bpf-helpers(7), and the running kernel's BTF, with which a test
//! compares every number. Prior art: the tables of libbpf, cilium/ebpf and prevail.
#![forbid(unsafe_code)]

mod attach;
mod cmd;
mod context;
mod helper;
pub mod limits;
mod link;
mod map;
mod nearest;
mod prog;
mod section;
mod syscall;
mod table;
mod verdict;

pub use attach::{AttachType, AttachTypeRow, attach_types};
pub use cmd::{Cmd, CmdRow, cmds};
pub use context::{Access, Context, Field, FieldKind, contexts};
pub use helper::{Arg, HelperId, HelperRow, Progs, Ret, helpers};
pub use link::{LinkType, LinkTypeRow, link_types};
pub use map::{Entries, KeySize, MapFlags, MapType, MapTypeRow, ValueSize, map_flag_names, map_types};
pub use nearest::nearest;
pub use prog::{ProgType, ProgTypeRow, prog_types};
pub use section::{Rest, SectionMatch, SectionRow, section, sections};
pub use syscall::{Arch, is_syscall, syscall_name, syscall_number, syscalls};
pub use table::{KernelVersion, UnknownName};
pub use verdict::Verdict;
