//! The world's settings: everything that Linux would know by itself and a userspace world must be told.
//!
//! A [`World`] is plain data. With nothing set it is deterministic: the same object on the same packets gives
//! the same result on every machine. [`Backend::load`] makes a live copy; worlds share nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use skep_backend::{Backend, Error, LoadOptions, Loaded};
use skep_btf::Btf;
use skep_object::Spec;
use skep_vm::{Arch, Engine};

use crate::live::Live;
use crate::observe::Observer;

/// Where `bpf_ktime_get_ns` and its kin get the time from.
#[derive(Clone, Default)]
pub enum Clock {
    /// The packet's time of capture; 0 for packets that have none.
    #[default]
    Capture,
    /// Always this many nanoseconds.
    Fixed(u64),
    /// Whatever this says, in nanoseconds.
    Source(Arc<dyn Fn() -> u64 + Send + Sync>),
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Capture => f.write_str("Capture"),
            Self::Fixed(ns) => write!(f, "Fixed({ns})"),
            Self::Source(_) => f.write_str("Source(..)"),
        }
    }
}

/// The task that programs believe to run in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Thread id, which the kernel calls pid.
    pub pid: u32,
    /// Process id, which the kernel calls tgid.
    pub tgid: u32,
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Name; at most 15 bytes of it are seen.
    pub comm: String,
}

impl Default for Task {
    fn default() -> Self {
        Self { pid: 1, tgid: 1, uid: 0, gid: 0, comm: "skep".to_owned() }
    }
}

/// The layer at which a socket filter's packet begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Layer {
    /// The network header, as for sockets of IP and in BPF_PROG_TEST_RUN.
    #[default]
    Network,
    /// The link-layer header, as for raw packet sockets.
    Link,
}

/// The most instructions that a run may take.
const DEFAULT_BUDGET: u64 = 1_000_000_000;
/// The most bytes that all maps of an object may take.
const DEFAULT_MEMORY: usize = 4 << 30;
/// `LINUX_VERSION_CODE` of the release whose behaviour this crate keeps to, 6.18.0.
const DEFAULT_VERSION: u32 = 6 << 16 | 18 << 8;

/// A kernel-shaped world, to be loaded into.
#[derive(Clone, Debug)]
pub struct World {
    pub(crate) clock: Clock,
    pub(crate) seed: u64,
    pub(crate) cpus: u32,
    pub(crate) cpu: u32,
    pub(crate) task: Task,
    pub(crate) ifindex: u32,
    pub(crate) rx_queue: u32,
    pub(crate) socket_layer: Layer,
    pub(crate) target_btf: Option<Arc<Btf>>,
    pub(crate) kconfig: BTreeMap<String, String>,
    pub(crate) kernel_version: u32,
    pub(crate) budget: u64,
    pub(crate) memory: usize,
    pub(crate) engine: Engine,
    pub(crate) arch: Option<Arch>,
    pub(crate) proofs: bool,
    pub(crate) own_pages: bool,
    pub(crate) blind: Option<u64>,
    pub(crate) gdb: bool,
    pub(crate) observer: Option<Observer>,
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident: $ty:ty;)*) => {
        $($(#[$doc])*
        #[must_use]
        pub fn $name(mut self, $name: $ty) -> Self {
            self.$name = $name;
            self
        })*
    };
}

impl World {
    /// A world with one CPU, the capture's clock, interface 1, a fixed seed.
    pub fn new() -> Self {
        Self {
            clock: Clock::default(),
            seed: 0x5eed,
            cpus: 1,
            cpu: 0,
            task: Task::default(),
            ifindex: 1,
            rx_queue: 0,
            socket_layer: Layer::default(),
            target_btf: None,
            kconfig: BTreeMap::new(),
            kernel_version: DEFAULT_VERSION,
            budget: DEFAULT_BUDGET,
            memory: DEFAULT_MEMORY,
            engine: Engine::default(),
            arch: None,
            proofs: false,
            own_pages: false,
            blind: None,
            gdb: false,
            observer: None,
        }
    }

    settings! {
        /// Sets where time comes from.
        clock: Clock;
        /// Sets the seed of `bpf_get_prandom_u32` and of hashes.
        seed: u64;
        /// Sets what programs see of the current task.
        task: Task;
        /// Sets the interface that packets come in on.
        ifindex: u32;
        /// Sets the receive queue that packets come in on.
        rx_queue: u32;
        /// Sets where a socket filter's packet begins.
        socket_layer: Layer;
        /// Sets `LINUX_VERSION_CODE`.
        kernel_version: u32;
        /// Sets how many instructions a run may take, 10^9 at first.
        budget: u64;
        /// Sets how many bytes all maps may take, 4 GiB at first.
        memory: usize;
        /// Sets what runs programs: the interpreter at first. The results are the same.
        engine: Engine;
        /// Makes machine code for this machine, to be looked at; the interpreter runs the programs.
        arch: Option<Arch>;
        /// Sets whether programs are verified first, and machine code leaves out the checks that were proved to be needless.
        /// Programs without a proof keep all of theirs.
        proofs: bool;
        /// Gives each program's machine code pages of its own, so that profilers can name it (`perf-PID.map`).
        own_pages: bool;
        /// Hides programs' constants in machine code, by masks from this seed; see [`skep_vm::Options::blind`].
        blind: Option<u64>;
        /// Tells debuggers where machine code is, by GDB's JIT interface; see [`skep_vm::Options::gdb`].
        gdb: bool;
    }

    /// Sets how many CPUs there are (at least one), and which of them runs programs.
    #[must_use]
    pub fn cpus(mut self, cpus: u32, current: u32) -> Self {
        self.cpus = cpus.clamp(1, 8192);
        self.cpu = current.min(self.cpus - 1);
        self
    }

    /// Sets who looks on while programs run; they are interpreted then, whatever the engine.
    #[must_use]
    pub fn observer(mut self, observer: Observer) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Sets the types that CO-RE relocations are solved against; without, the object's own.
    #[must_use]
    pub fn target_btf(mut self, btf: Arc<Btf>) -> Self {
        self.target_btf = Some(btf);
        self
    }

    /// Sets a kconfig value, as `.config` spells it: `y`, `n`, `m`, a number, a string in quotes.
    #[must_use]
    pub fn kconfig(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.kconfig.insert(name.into(), value.into());
        self
    }

    /// As [`Backend::load`], with the type of this world's own.
    ///
    /// # Errors
    /// See [`Backend::load`].
    pub fn load(&self, spec: &Spec, options: &LoadOptions) -> Result<Live, Error> {
        crate::load::load(self, spec, options)
    }
}

impl Backend for World {
    fn load(&self, spec: &Spec, options: &LoadOptions) -> Result<Box<dyn Loaded>, Error> {
        Ok(Box::new(World::load(self, spec, options)?))
    }
}
