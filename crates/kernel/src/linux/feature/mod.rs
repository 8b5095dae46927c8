//! What the running kernel can do, found by trying each thing: a program of two instructions for a program type and an
//! attach type, one with a call for a helper, the smallest map for a map type. No answer is concluded from another.
//!
//! A try costs some 30 µs and leaves nothing behind: whatever the kernel gives is a descriptor that is closed at once, and
//! nothing is attached. Answers are kept, so that a question is put once. What is tried stands in tables, a row each.
//!
//! Prior art: `bpftool feature probe` and libbpf's `libbpf_probe_*`, whose words the command takes over.

mod attach;
mod helper;
mod map;
mod misc;
mod prog;
mod why;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use skep_abi::{AttachType, ProgType};
use skep_btf::{Kind, TypeId};
use skep_sys::{Cap, Errno, cap_for_prog, caps::Caps};

use super::Kernel;
use super::vmlinux::Vmlinux;

pub use helper::Helpers;
pub use misc::{Setting, settings};

/// Whether something is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It was tried, and it works.
    Available,
    /// It was tried, and the kernel refused.
    Absent {
        /// What the kernel answered.
        errno: Errno,
        /// What that is likely to mean.
        why: String,
    },
    /// It could not be tried, for this reason.
    Unknown(String),
}

impl State {
    /// Whether it is there.
    pub fn is_available(&self) -> bool {
        *self == Self::Available
    }
}

/// Something that a kernel may have.
#[derive(Clone, Debug)]
pub struct Feature {
    /// Its name: that of the type, or words of our own.
    pub name: &'static str,
    /// What it is, where the name does not say.
    pub about: &'static str,
    /// Whether it is there.
    pub state: State,
}

/// An attach type, with a program type that is loaded for it.
#[derive(Clone, Debug)]
pub struct AttachFeature {
    /// The attach type.
    pub attach_type: AttachType,
    /// The program type.
    pub prog_type: ProgType,
    /// Whether a program can be loaded for it, and attached by what the kernel says of a link to nowhere.
    pub state: State,
}

/// Asks the kernel.
pub struct Prober {
    vmlinux: Arc<Vmlinux>,
    caps: Option<Caps>,
    ifindex: u32,
    programs: RefCell<BTreeMap<(ProgType, AttachType), State>>,
    /// BTF with types that some maps and programs need.
    types: Option<types::Types>,
}

mod types;

impl Prober {
    /// For the kernel that runs; with the index of an interface, for programs and maps that its hardware takes over.
    ///
    /// # Errors
    /// Why this process may not use bpf(2).
    pub fn new(kernel: &Kernel, ifindex: Option<u32>) -> Result<Self, String> {
        if let Some(why) = kernel.refusal() {
            return Err(why);
        }
        Ok(Self {
            vmlinux: Arc::clone(&kernel.vmlinux),
            caps: Caps::current().ok(),
            ifindex: ifindex.unwrap_or(0),
            programs: RefCell::default(),
            types: types::Types::load(),
        })
    }

    /// Names of the functions that the kernel's BTF marks as callable by programs.
    ///
    /// # Errors
    /// If the kernel has no BTF.
    pub fn kfuncs(&self) -> Result<Vec<String>, String> {
        let btf = self.vmlinux.btf()?;
        let tagged = btf.types().filter(|t| t.kind() == Kind::DeclTag && t.name() == "bpf_kfunc");
        let mut names: Vec<String> =
            tagged.filter_map(|t| Some(btf.ty(t.target()?)?.name().to_owned())).collect();
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    /// The id of a type of the kernel.
    fn kernel_type(&self, name: &str, kind: Kind) -> Result<TypeId, String> {
        let btf = self.vmlinux.btf()?;
        btf.find(name, kind).ok_or_else(|| format!("the kernel's BTF has no `{name}`"))
    }

    /// The capability that a program type wants and this process has not.
    fn lacks(&self, prog_type: ProgType) -> Option<Cap> {
        let wanted = [Some(Cap::BPF), cap_for_prog(prog_type)];
        let wanted: Vec<Cap> = wanted.into_iter().flatten().collect();
        self.caps?.lacks(&wanted)
    }

    /// What an answer means for something of a program type.
    fn judge(&self, done: Result<OwnedFd, Errno>, prog_type: ProgType, config: Option<&str>) -> State {
        match done {
            Ok(_) => State::Available,
            Err(Errno::EPERM | Errno::EACCES) if self.lacks(prog_type).is_some() => {
                State::Unknown(self.lacks(prog_type).map_or_else(String::new, |cap| format!("needs {cap}")))
            }
            Err(errno) => State::Absent { errno, why: why::likely(&self.vmlinux, errno, config) },
        }
    }
}
