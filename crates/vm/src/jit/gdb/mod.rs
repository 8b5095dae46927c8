//! GDB's JIT interface: debuggers name the frames of compiled code, and find the way from them to who called.
//!
//! A debugger puts a breakpoint on [`__jit_debug_register_code`] and reads a list from [`__jit_debug_descriptor`] when that is
//! called (GDB's manual, "JIT Compilation Interface"). The two names are the process's: every JIT in it uses the same, so they
//! are defined weakly, and whoever else brings them is used. GDB finds them only in programs that have their symbols.
//!
//! Invariants: an entry and its file do not move while they are in the list; the list is changed by who holds [`LOCK`].

mod elf;

use std::arch::global_asm;
use std::ptr::null_mut;
use std::sync::{Mutex, OnceLock, PoisonError};

pub(super) use elf::Row;
use elf::{Code, Symbol};

use super::native::Native;
use super::shape::NOWHERE;
use super::{Source, host};

global_asm!(
    ".pushsection .text.__jit_debug_register_code,\"ax\",%progbits",
    ".weak __jit_debug_register_code",
    ".type __jit_debug_register_code, %function",
    "__jit_debug_register_code: ret",
    ".size __jit_debug_register_code, . - __jit_debug_register_code",
    ".popsection",
    ".pushsection .data.__jit_debug_descriptor,\"aw\",%progbits",
    ".balign 8",
    ".weak __jit_debug_descriptor",
    ".type __jit_debug_descriptor, %object",
    "__jit_debug_descriptor: .long 1, 0",
    ".quad 0, 0",
    ".size __jit_debug_descriptor, . - __jit_debug_descriptor",
    ".popsection",
);

/// `jit_descriptor`, version 1.
#[repr(C)]
struct Descriptor {
    version: u32,
    action: u32,
    relevant: *mut Entry,
    first: *mut Entry,
}

/// `jit_code_entry`.
#[repr(C)]
struct Entry {
    next: *mut Entry,
    prev: *mut Entry,
    file: *const u8,
    size: u64,
}

const REGISTER: u32 = 1;
const UNREGISTER: u32 = 2;

unsafe extern "C" {
    static mut __jit_debug_descriptor: Descriptor;
    fn __jit_debug_register_code();
}

static LOCK: Mutex<()> = Mutex::new(());

/// Code that debuggers know of. Dropping it makes them forget.
pub(super) struct Registration {
    entry: *mut Entry,
    /// What the entry points to.
    _file: Box<[u8]>,
}

// SAFETY: the entry is this value's own, made with `Box`, and touched with the lock held.
unsafe impl Send for Registration {}
// SAFETY: there is nothing to do with a shared reference.
unsafe impl Sync for Registration {}

impl Registration {
    fn new(file: Vec<u8>) -> Self {
        let file = file.into_boxed_slice();
        let entry =
            Entry { next: null_mut(), prev: null_mut(), file: file.as_ptr(), size: file.len() as u64 };
        let entry = Box::into_raw(Box::new(entry));
        let _held = LOCK.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the descriptor has the shape that the interface gives it, whoever defined it, and its list is changed by
        // who holds the lock (another JIT in the process has its own; the interface knows of none). The entry is valid,
        // and no references to either are made. The function does nothing.
        unsafe {
            let list = &raw mut __jit_debug_descriptor;
            (*entry).next = (*list).first;
            if !(*list).first.is_null() {
                (*(*list).first).prev = entry;
            }
            (*list).first = entry;
            tell(entry, REGISTER);
        }
        Self { entry, _file: file }
    }
}

/// # Safety
/// With the lock held, and an entry that is in the list or was just now.
unsafe fn tell(entry: *mut Entry, action: u32) {
    // SAFETY: the caller's promise.
    unsafe {
        let list = &raw mut __jit_debug_descriptor;
        ((*list).relevant, (*list).action) = (entry, action);
        __jit_debug_register_code();
        ((*list).relevant, (*list).action) = (null_mut(), 0);
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let _held = LOCK.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: as in `new`; the entry is in the list, as its neighbours are, and goes out of it before it is freed.
        unsafe {
            let list = &raw mut __jit_debug_descriptor;
            let (next, prev) = ((*self.entry).next, (*self.entry).prev);
            match prev.is_null() {
                true => (*list).first = next,
                false => (*prev).next = next,
            }
            if !next.is_null() {
                (*next).prev = prev;
            }
            tell(self.entry, UNREGISTER);
            drop(Box::from_raw(self.entry));
        }
    }
}

/// The name of a part of the code, and how it begins.
pub(super) type Part = (&'static str, Row);

/// Tells debuggers of a program.
pub(super) fn register(native: &Native, source: &Source<'_>) -> Registration {
    // What programs share is there as long as the process.
    static SHARED: OnceLock<Option<Registration>> = OnceLock::new();
    SHARED.get_or_init(|| {
        let (code, parts) = host::shared_frames()?;
        let ends = parts.iter().skip(1).map(|part| part.1.at).chain([code.len() as u64]);
        let symbol =
            |(part, end): (&Part, u64)| Symbol { name: part.0.into(), at: part.1.at, len: end - part.1.at };
        let symbols: Vec<_> = parts.iter().zip(ends).map(symbol).collect();
        let rows: Vec<_> = parts.iter().map(|part| part.1).collect();
        Some(registration(code, &symbols, &rows))
    });
    registration(native.bytes(), &symbols(native, source), &host::frames(&native.shape))
}

/// A symbol for each function, and one for what stands before the code.
fn symbols(native: &Native, source: &Source<'_>) -> Vec<Symbol> {
    let (front, options) = (native.shape.front as u64, source.options);
    let main = format!("bpf_{}", options.name);
    let name = |slot: u32| match options.functions.iter().find(|f| f.0 == slot as usize) {
        _ if slot == 0 => main.clone(),
        Some((_, name)) => format!("bpf_{name}"),
        None => format!("{main}_{slot}"),
    };
    let place = |(slot, cell): &(u32, u32)| {
        let at = native.shape.entries[*cell as usize];
        (at != NOWHERE).then(|| (name(*slot), front + u64::from(at)))
    };
    let mut starts: Vec<(String, u64)> = source.plan.functions.iter().filter_map(place).collect();
    if front > 0 {
        starts.insert(0, (format!("{main}_rare"), 0));
    }
    let ends: Vec<u64> = starts.iter().skip(1).map(|s| s.1).chain([native.bytes().len() as u64]).collect();
    starts.into_iter().zip(ends).map(|((name, at), end)| Symbol { name, at, len: end - at }).collect()
}

fn registration(code: &[u8], symbols: &[Symbol], rows: &[Row]) -> Registration {
    let (start, len) = (code.as_ptr().addr() as u64, code.len() as u64);
    Registration::new(elf::file(&Code { machine: host::ELF_MACHINE, start, len, symbols, rows }))
}
