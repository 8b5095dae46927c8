//! A kernel-shaped world in userspace: maps, helpers and hooks around the interpreter of `skep_vm`.
//!
//! [`World`] holds what Linux would know by itself: time, CPUs, the current task, the interface. Loading a
//! [`Spec`](skep_object::Spec) into it makes a [`Live`] object: its maps made and filled, its relocations
//! resolved, its programs compiled. [`Live`] runs programs on packets, plain memory or raw contexts, as
//! BPF_PROG_TEST_RUN does, and gives access to maps and events. Both implement the traits of `skep_backend`.
//!
//! The reference is Linux 6.18: sizes, flags, limits and error numbers are its own. What this world does not
//! have is refused or trapped by name.
#![deny(unsafe_code)]

mod checksum;
mod core;
mod env;
mod errno;
mod events;
mod format;
mod helper;
mod hook;
mod live;
mod load;
mod map;
mod observe;
mod proof;
mod world;

pub use errno::Errno;
pub use live::Live;
pub use observe::{Observer, Sight};
pub use world::{Clock, Layer, Task, World};

/// The map types that this world makes.
pub fn map_types() -> impl Iterator<Item = skep_abi::MapType> {
    map::TYPES.iter().map(|row| row.map_type)
}

/// The helpers that this world serves, each perhaps to some types of program only.
pub fn helpers() -> impl Iterator<Item = skep_abi::HelperId> {
    helper::ROWS.iter().map(|row| row.id)
}
