//! Calls of every sort in compiled code.
#![cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), unix, not(skep_portable)))]

use skep_vm::Engine;

#[path = "suites/calls.rs"]
mod suite;

const ENGINE: Engine = Engine::Jit;
const BLIND: Option<u64> = None;
