//! What tests that cross floors share: the corpus of small programs and the engines that run it, captures,
//! mutation of input, random programs in two worlds, places of a test's own in the kernel. The tests themselves are in
//! `tests/tests`; the corpus is in `tests/corpus`.
//!
//! Nothing here is part of skep: no crate depends on this package.
#![forbid(unsafe_code)]

pub mod corpus;
pub mod damage;
#[cfg(all(target_os = "linux", not(skep_portable)))]
pub mod differ;
pub mod filters;
#[cfg(all(target_os = "linux", not(skep_portable)))]
pub mod lab;
pub mod scenario;
pub mod traced;
pub mod walked;
