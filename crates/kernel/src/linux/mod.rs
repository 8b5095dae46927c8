//! Loading and running, on Linux.

pub mod attach;
pub mod batch;
mod binary;
pub mod cpus;
pub mod doctor;
mod error;
mod events;
pub mod feature;
mod live;
mod load;
mod log;
mod maps;
mod modules;
pub mod objects;
mod pins;
mod program;
mod run;
mod struct_ops;
mod target_prog;
pub mod top;
mod types;
mod vmlinux;

use std::path::PathBuf;
use std::sync::Arc;

use skep_abi::{MapType, ProgType};
use skep_backend::{Backend, Error, LoadOptions, Loaded};
use skep_btf::Btf;
use skep_object::Spec;
use skep_sys::map::{Create, Map};

pub use live::Live;
pub use log::last_meaningful_line;
pub use pins::Pins;

/// The running kernel, to be loaded into. Cheap to clone; what it learns of the kernel is shared.
#[derive(Clone, Debug, Default)]
pub struct Kernel {
    vmlinux: Arc<vmlinux::Vmlinux>,
    pin_dir: Option<PathBuf>,
}

impl Kernel {
    /// The kernel that this process runs on.
    pub fn new() -> Self {
        Self::default()
    }

    /// Solves CO-RE relocations against these types instead of the kernel's own. Ids of kernel functions still
    /// come from the kernel.
    #[must_use]
    pub fn target_btf(mut self, btf: Arc<Btf>) -> Self {
        self.vmlinux = Arc::new(vmlinux::Vmlinux::with_target(btf));
        self
    }

    /// Where maps are pinned, and looked for, that want to be found by name (`LIBBPF_PIN_BY_NAME`): `/sys/fs/bpf` by
    /// libbpf's custom. Without it they are maps like others.
    #[must_use]
    pub fn pin_maps_in(mut self, dir: impl Into<PathBuf>) -> Self {
        self.pin_dir = Some(dir.into());
        self
    }

    /// Why this process may not use bpf(2), if it may not: found by trying.
    pub fn refusal(&self) -> Option<String> {
        let probe = Create {
            map_type: MapType::ARRAY,
            name: "skep_probe",
            key_size: 4,
            value_size: 4,
            max_entries: 1,
            ..Create::default()
        };
        let errno = Map::create(&probe).err()?;
        Some(error::rights(&[skep_sys::Cap::BPF]).unwrap_or_else(|| format!("bpf(2) says {errno}")))
    }

    /// Whether programs of a type can be run by BPF_PROG_TEST_RUN; `prog` is only for the words.
    ///
    /// # Errors
    /// If the kernel does not run them; the hint says how such a program is tried instead.
    pub fn runs(&self, prog: &str, prog_type: ProgType) -> Result<(), Error> {
        run::runs(prog, prog_type)
    }

    /// As [`Backend::load`], with the type of this world's own.
    ///
    /// # Errors
    /// See [`Backend::load`].
    pub fn load(&self, spec: &Spec, options: &LoadOptions) -> Result<Live, Error> {
        load::load(&self.vmlinux, spec, options, self.pin_dir.as_deref())
    }
}

impl Backend for Kernel {
    fn load(&self, spec: &Spec, options: &LoadOptions) -> Result<Box<dyn Loaded>, Error> {
        Ok(Box::new(Kernel::load(self, spec, options)?))
    }
}
