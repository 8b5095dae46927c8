//! The kernel as a laboratory: places that a test makes for itself and that go with it, even when it fails. Names
//! begin with `skep` and the process id.

mod cgroup;
mod child;

pub use cgroup::Cgroup;
pub use child::{Child, role, say};

use std::process::Command;
use std::time::{Duration, Instant};

use skep::btf::Kind;
use skep::kernel::{Kernel, Live};
use skep::object::Spec;
use skep_backend::{LoadOptions, Loaded};

use crate::scenario::root;

/// The kernel, where this process may attach programs of every kind and make namespaces; says why not.
pub fn kernel() -> Option<Kernel> {
    use skep_sys::Cap;
    let kernel = Kernel::new();
    let needed = [Cap::BPF, Cap::NET_ADMIN, Cap::PERFMON, Cap::SYS_ADMIN];
    let lacks = skep_sys::caps::Caps::current().ok().and_then(|c| c.lacks(&needed));
    let why = kernel.refusal().or_else(|| lacks.map(|cap| format!("needs {cap}")));
    match why {
        None => Some(kernel),
        Some(why) => {
            println!("skipped: {why}");
            None
        }
    }
}

/// The Spec of `tests/objects/NAME.o`.
pub fn object(name: &str) -> Spec {
    let path = root().join(format!("tests/objects/{name}.o"));
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    Spec::from_elf(&bytes).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// Loads programs of an object; all of them if none is named.
#[track_caller]
pub fn load(kernel: &Kernel, spec: &Spec, programs: &[&str]) -> Live {
    let programs = programs.iter().map(|p| (*p).to_owned()).collect();
    kernel.load(spec, &LoadOptions { programs, ..LoadOptions::default() }).unwrap_or_else(|e| panic!("{e}"))
}

/// The numbers of 64 bits that a variable of `.bss` holds now.
///
/// # Panics
/// If the object has no such variable.
pub fn global(live: &mut Live, spec: &Spec, name: &str) -> Vec<u64> {
    let btf = spec.btf.as_ref().expect("the object has types");
    let section = btf.find(".bss", Kind::Datasec).and_then(|id| btf.ty(id)).expect("it has variables");
    let place = section.vars().find(|v| btf.ty(v.ty).is_some_and(|t| t.name() == name));
    let place = place.unwrap_or_else(|| panic!("no variable {name}"));
    let map = live.map(".bss").expect("the section is a map");
    let bytes = map.lookup(&[0; 4]).expect("it can be read").expect("it has its value");
    let bytes = &bytes[place.offset as usize..][..place.size as usize];
    bytes.as_chunks().0.iter().map(|b| u64::from_ne_bytes(*b)).collect()
}

/// Waits until something is so, for at most two seconds. A link goes with its last descriptor, and a child that another
/// test starts holds a copy of each from its fork until its exec.
#[track_caller]
pub fn soon(mut so: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(2);
    while !so() {
        assert!(Instant::now() < until, "it is not so after two seconds");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Does something in a network namespace of its own, with the loopback interface up; it goes when this returns. What
/// is started inside is in it, too.
///
/// # Panics
/// If the namespace can't be made; and when `f` panics.
pub fn in_netns<T: Send>(f: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            skep_sys::netns::unshare().expect("a namespace");
            ip(&["link", "set", "lo", "up"]);
            f()
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Runs iproute2 in this thread's namespace.
#[track_caller]
pub fn ip(args: &[&str]) {
    let done = Command::new("ip").args(args).output().expect("iproute2 is installed");
    assert!(done.status.success(), "ip {args:?}: {}", String::from_utf8_lossy(&done.stderr));
}
