//! The one door to Linux: bpf(2) and what goes with it, as safe types over file descriptors.
//!
//! Nothing here decides anything. A call takes plain data, hands it to the kernel and gives back what the kernel
//! said: a file descriptor that closes when it is dropped, bytes, or an [`Errno`]. Rules, retries and words for
//! people are the business of the crates above.
//!
//! Attribute structs ([`attr`]) are written from the UAPI of Linux 6.18. They work on older kernels, too: the kernel
//! takes a struct that is longer than its own as long as the tail is zero, and says `E2BIG` if a field that it
//! does not know is set. A test compares every offset with the running kernel's BTF.
//!
//! Invariants: every pointer that is handed to the kernel points into a live slice of at least the length that
//! is handed along; lengths that the kernel writes without being told (map values) come from what the kernel itself
//! says of the object, asked when it was opened, never from a caller.
//!
//! On other systems, and with `--cfg skep_portable`, only the names are left: [`Errno`] and [`Cap`].

mod cap;
mod errno;

pub use cap::{Cap, cap_for_prog};
pub use errno::Errno;

#[cfg(all(target_os = "linux", not(skep_portable)))]
mod linux;
#[cfg(all(target_os = "linux", not(skep_portable)))]
pub use linux::*;
