//! Calls of every sort in the interpreter.

use skep_vm::Engine;

#[path = "suites/calls.rs"]
mod suite;

const ENGINE: Engine = Engine::Interpreter;
const BLIND: Option<u64> = None;
