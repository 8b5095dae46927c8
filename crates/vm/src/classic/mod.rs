//! Classic BPF at run time: the machine of tcpdump, SO_ATTACH_FILTER and xt_bpf, over packets and the facts that
//! Linux keeps beside them.
//!
//! ```
//! use skep_isa::classic::Insn;
//! use skep_vm::classic::{Filter, Packet};
//!
//! // ldh [12]; jeq #0x800, l2, l3; l2: ret #64; l3: ret #0
//! let ip = [Insn::stmt(0x28, 12), Insn::jump(0x15, 0x800, 0, 1), Insn::stmt(6, 64), Insn::stmt(6, 0)];
//! let filter = Filter::new(&ip)?;
//! let mut frame = [0; 34];
//! frame[12..14].copy_from_slice(&[8, 0]);
//! assert_eq!(filter.run(&Packet::new(&frame)), 64);
//! assert_eq!(filter.run(&Packet::new(&frame[..13])), 0, "a load beyond the packet ends the filter");
//! # Ok::<(), skep_isa::classic::CheckError>(())
//! ```

mod convert;
mod emit;
mod facts;
#[cfg(all(target_arch = "x86_64", unix, not(skep_portable)))]
mod hash;
mod loops;
#[cfg(all(target_arch = "x86_64", unix, not(skep_portable)))]
mod native;
#[cfg(not(all(target_arch = "x86_64", unix, not(skep_portable))))]
#[path = "native_none.rs"]
mod native;
mod packet;
#[cfg(all(target_arch = "x86_64", unix, not(skep_portable)))]
mod region;
mod run;
mod step;
#[cfg(all(target_arch = "x86_64", unix, not(skep_portable)))]
mod x86;

pub use convert::{ConvertError, Form, Verdict, to_ebpf};
pub use loops::LoopingFilter;
pub use packet::{Device, Facts, Packet, VlanTag};
pub use run::Filter;
pub use step::{End, State, Step};
