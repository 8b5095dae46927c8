//! The checked interpreter and its JIT: run any bytes at all, safely and fast.
//!
//! An [`Image`] is a program, checked and compiled to cells once; a [`Machine`] is what changes while it runs;
//! [`Memory`] is what it can touch, in virtual addresses; a [`Host`] is what it can call. A run ends with r0 or with
//! a [`Trap`] that says which instruction did what, and what was there.
//!
//! ```
//! use skep_isa::Endian;
//! use skep_vm::{Image, Machine, Memory, Options};
//!
//! // r0 = r1; r0 += r2; exit
//! let insns = skep_isa::slots_from_bytes(
//!     &[0xbf, 0x10, 0, 0, 0, 0, 0, 0, 0x0f, 0x20, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0],
//!     Endian::Little,
//! )?;
//! let image = Image::new(&insns, &(), &Options::default())?;
//! let mut memory = Memory::new(Endian::Little);
//! let r0 = Machine::new().run(&image, &mut memory, &mut (), [40, 2, 0, 0, 0])?;
//! assert_eq!(r0, 42);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What it promises for every input: no fault of the host, no access outside of regions, an end within the budget, the
//! same result each time. It decides nothing about what a program may do; that is the verifier's business.

mod address;
mod batch;
mod build;
#[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), unix, not(skep_portable)))]
mod cage;
#[cfg(not(all(any(target_arch = "x86_64", target_arch = "aarch64"), unix, not(skep_portable))))]
#[path = "cage_none.rs"]
mod cage;
pub mod classic;
mod code;
mod gate;
#[cfg_attr(
    not(all(any(target_arch = "x86_64", target_arch = "aarch64"), unix, not(skep_portable))),
    allow(dead_code, reason = "partly of use only where compiled code runs")
)]
mod head;
mod host;
mod image;
mod jit;
mod machine;
mod memory;
mod ops;
mod proof;
mod slab;
mod trap;

pub use batch::Lot;
pub use host::{Frame, Host, Imports, Plain, Step, Stop};
pub use image::{Engine, Image, ImageError, Missing, Options};
pub use jit::{Arch, words};
pub use machine::Machine;
pub use memory::{
    FRAME_BYTES, MAX_FRAMES, Memory, MemoryError, PACKET_BASE, Protection, RegionId, function_address,
    function_slot, map_handle, map_index,
};
pub use proof::{Binding, BoundMap, Elements};
pub use trap::{Fault, FaultKind, Near, Place, Trap, TrapKind};
