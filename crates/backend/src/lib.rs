//! The trait of the two worlds, userspace and kernel, and its plain data.
#![forbid(unsafe_code)]

pub mod kconfig;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;

use skep_abi::ProgType;
use skep_object::{MapSpec, Spec};

/// How a Spec is to be loaded.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// Only these programs; all of them if empty.
    pub programs: Vec<String>,
    /// Types for programs whose section name does not tell, by program name.
    pub prog_types: BTreeMap<String, ProgType>,
    /// Programs of Linux that programs are made for, by program name: whose function a `freplace` program replaces, or an
    /// `fentry` or `fexit` program watches. The function is named by [`Program::attach_to`].
    ///
    /// [`Program::attach_to`]: skep_object::Program::attach_to
    pub target_progs: BTreeMap<String, TargetProg>,
}

/// A program that Linux has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetProg {
    /// Its id.
    Id(u32),
    /// Where it is pinned.
    Pinned(PathBuf),
}

/// Why something could not be done. Opaque: ask it.
#[derive(Debug)]
pub struct Error {
    message: String,
    hint: Option<String>,
    kind: ErrorKind,
    place: Option<Place>,
}

/// Where in which program something went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The program's name.
    pub program: String,
    /// The instruction's first slot.
    pub slot: usize,
}

/// What sort of failure an [`Error`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Nothing of that name.
    NotFound,
    /// This world does not know how.
    Unsupported,
    /// The input is wrong.
    Invalid,
    /// A right is missing.
    Denied,
    /// The program was refused.
    Rejected,
    /// The program went wrong while it ran.
    Trapped,
    /// Anything else that the machine said, with its errno.
    Os(i32),
}

impl Error {
    /// Makes an error: lower case, no full stop.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, kind, place: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the instruction that it is about.
    #[must_use]
    pub fn at(mut self, program: impl Into<String>, slot: usize) -> Self {
        self.place = Some(Place { program: program.into(), slot });
        self
    }

    /// The instruction that it is about.
    pub fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// What sort it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// A world in which programs run.
pub trait Backend {
    /// Loads a Spec: its maps are made and filled, its programs resolved.
    fn load(&self, spec: &Spec, options: &LoadOptions) -> Result<Box<dyn Loaded>, Error>;
}

/// A loaded Spec. Everything that it made goes when it is dropped.
pub trait Loaded {
    /// Names of the programs, in file order.
    fn programs(&self) -> Vec<String>;
    /// Names of the maps.
    fn maps(&self) -> Vec<String>;
    /// One map.
    fn map(&mut self, name: &str) -> Option<&mut dyn Map>;
    /// Runs a program once, as BPF_PROG_TEST_RUN does (or `repeat` times over fresh copies of the input).
    fn test_run(&mut self, prog: &str, input: &TestRun<'_>) -> Result<TestOutput, Error>;
    /// The number by which [`Loaded::run_packet`] knows a program.
    fn program_index(&self, name: &str) -> Option<usize> {
        self.programs().iter().position(|p| p == name)
    }
    /// Runs a packet program once, for loops over many packets: nothing is copied out or looked up by name.
    /// `timestamp_ns` is as in [`TestRun`].
    fn run_packet(
        &mut self,
        program: usize,
        packet: &[u8],
        timestamp_ns: Option<u64>,
    ) -> Result<Outcome, Error>;
    /// Runs a packet program over many packets in one call, which costs less than as many calls of
    /// [`Loaded::run_packet`]. `each` gets the place in `packets`, what came of it, and the packet as it was left, in order.
    fn run_packets(&mut self, program: usize, packets: &[Incoming<'_>], each: &mut Each<'_>) {
        for (i, packet) in packets.iter().enumerate() {
            let outcome = self.run_packet(program, packet.data, packet.timestamp_ns);
            each(i, outcome, self.packet());
        }
    }
    /// The packet as the last [`Loaded::run_packet`] left it.
    fn packet(&self) -> &[u8];
    /// Takes what programs have emitted since the last call (perf_event_output, ring buffers, trace_printk).
    fn take_events(&mut self) -> Vec<Event>;
}

/// Takes what came of the packets of [`Loaded::run_packets`].
pub type Each<'a> = dyn FnMut(usize, Result<Outcome, Error>, &[u8]) + 'a;

/// A packet for [`Loaded::run_packets`].
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'a> {
    /// From its link-layer header.
    pub data: &'a [u8],
    /// As in [`TestRun`].
    pub timestamp_ns: Option<u64>,
}

/// Operations on a map, as through bpf(2). Per-CPU values are the CPUs' values one after the other,
/// each rounded up to eight bytes.
pub trait Map {
    /// Shape.
    fn spec(&self) -> &MapSpec;
    /// The value of a key.
    fn lookup(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error>;
    /// Sets a value; flags are BPF_ANY, BPF_NOEXIST, BPF_EXIST.
    fn update(&mut self, key: &[u8], value: &[u8], flags: u64) -> Result<(), Error>;
    /// Removes a key.
    fn delete(&mut self, key: &[u8]) -> Result<(), Error>;
    /// The key after this one; the first if none is given or the given one is gone.
    fn next_key(&self, key: Option<&[u8]>) -> Result<Option<Vec<u8>>, Error>;
    /// Gives every entry to `visit`, key and value, until it breaks. Values that can't be read are passed over, and entries
    /// that programs put in or take out meanwhile may be missed or come twice.
    fn walk(&self, visit: &mut Visit<'_>) -> Result<(), Error> {
        let mut key = self.next_key(None)?;
        while let Some(k) = key {
            if let Ok(Some(value)) = self.lookup(&k)
                && visit(&k, &value).is_break()
            {
                break;
            }
            key = self.next_key(Some(&k))?;
        }
        Ok(())
    }
}

/// Takes the entries of [`Map::walk`].
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// What a program is run on.
#[derive(Clone, Debug, Default)]
pub struct TestRun<'a> {
    /// The packet, from its link-layer header.
    pub packet: &'a [u8],
    /// The context's bytes, where a caller sets them (`xdp_md`, `__sk_buff`, or what a tracing program takes).
    pub ctx: Option<&'a [u8]>,
    /// Plain memory for programs that take `r1` memory, `r2` length.
    pub mem: Option<&'a [u8]>,
    /// How often; 0 is 1.
    pub repeat: u32,
    /// The CPU to run on, for programs and worlds that leave the choice (raw tracepoints in the kernel).
    pub cpu: Option<u32>,
    /// Time of the capture in nanoseconds since 1970, for worlds that can set their clock.
    pub timestamp_ns: Option<u64>,
}

/// What a program answered to one packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// `r0`, 32 bits of it.
    pub retval: u64,
    /// Where a redirect would go.
    pub redirect: Option<Redirect>,
}

/// What a program answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TestOutput {
    /// `r0`: 32 bits for packet programs.
    pub retval: u64,
    /// The packet as the program left it.
    pub packet: Vec<u8>,
    /// What the program put before the packet (`bpf_xdp_adjust_meta`).
    pub meta: Vec<u8>,
    /// The context as the program left it.
    pub ctx: Option<Vec<u8>>,
    /// Plain memory as the program left it.
    pub mem: Option<Vec<u8>>,
    /// Mean duration of a run.
    pub duration_ns: u64,
    /// Where a redirect would go: interface index, or map and key.
    pub redirect: Option<Redirect>,
}

/// Where a redirected packet goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redirect {
    /// `bpf_redirect`.
    Interface {
        /// Interface index.
        ifindex: u32,
        /// `flags` as given.
        flags: u64,
    },
    /// `bpf_redirect_map`.
    Map {
        /// The map's name.
        map: String,
        /// Key in the map.
        key: u64,
    },
}

/// Something that a program emitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A record of a ring buffer or perf event array.
    Record {
        /// The map's name.
        map: String,
        /// CPU that emitted it.
        cpu: u32,
        /// Its bytes.
        data: Vec<u8>,
    },
    /// Records of a perf event array that found no room, between those before and behind it.
    Lost {
        /// The map's name.
        map: String,
        /// CPU that emitted them.
        cpu: u32,
        /// How many.
        count: u64,
    },
    /// A line of bpf_trace_printk.
    Trace(String),
    /// A copy of the packet that bpf_clone_redirect sent.
    Clone {
        /// Interface index.
        ifindex: u32,
        /// `flags` as given (`BPF_F_INGRESS` is 1).
        flags: u64,
        /// Its bytes.
        packet: Vec<u8>,
    },
}
