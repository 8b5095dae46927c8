//! Programs that decide on packets: an object in, packets in, verdicts and packets out.

use std::marker::PhantomData;

use skep_abi::ProgType;
use skep_backend::{Event, LoadOptions, Loaded, Map, Redirect};
use skep_object::Spec;
use skep_runtime::{Live, World};

use crate::Error;
use crate::machine::no_program;

/// An XDP program in a kernel-shaped world: its maps, its helpers, packet after packet.
///
/// ```
/// use skep::{Xdp, XdpAction};
///
/// # let object = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/xdp_firewall.o")).unwrap();
/// let mut firewall = Xdp::from_elf(&object, "xdp_firewall")?;
///
/// let mut arp = [0u8; 60];
/// arp[12..14].copy_from_slice(&[0x08, 0x06]);
/// let verdict = firewall.run_packet(&arp)?;
/// assert_eq!(verdict.action, XdpAction::Pass);
/// assert_eq!(verdict.packet, arp);
///
/// // What the program counted, as bytes: see `skep::btf::print` for values with their types.
/// let counters = firewall.map("counters").expect("the object has it");
/// assert!(counters.lookup(&0u32.to_le_bytes())?.is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type Xdp = PacketProgram<XdpAction>;

/// A tc classifier (`sched_cls`); otherwise as [`Xdp`].
///
/// ```
/// use skep::{Tc, TcAction};
///
/// # let object = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/tc_marker.o")).unwrap();
/// let mut marker = Tc::from_elf(&object, "tc_marker")?;
/// assert_eq!(marker.run_packet(&[0; 64])?.action, TcAction::Ok);
/// # Ok::<(), skep::Error>(())
/// ```
pub type Tc = PacketProgram<TcAction>;

/// What a hook does with a packet: the verdicts of one program type.
pub trait Action: Copy + sealed::Sealed {
    /// The program type whose verdicts these are.
    const PROG_TYPE: ProgType;

    /// The verdict that `r0` means.
    fn from_retval(retval: i32) -> Self;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! actions {
    ($(#[$meta:meta])* $Name:ident = $prog_type:expr; $($(#[$doc:meta])* $Variant:ident = $value:literal;)*) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $Name {
            $($(#[$doc])* $Variant,)*
            /// A number without a meaning.
            Other(i32),
        }

        impl sealed::Sealed for $Name {}

        impl Action for $Name {
            const PROG_TYPE: ProgType = $prog_type;

            fn from_retval(retval: i32) -> Self {
                match retval {
                    $($value => Self::$Variant,)*
                    other => Self::Other(other),
                }
            }
        }
    };
}

actions! {
    /// What an XDP program answers (`enum xdp_action`).
    XdpAction = ProgType::XDP;
    /// Something went wrong: dropped, with a tracepoint.
    Aborted = 0;
    /// Dropped.
    Drop = 1;
    /// On to the network stack.
    Pass = 2;
    /// Out of the interface that it came in on.
    Tx = 3;
    /// To where `bpf_redirect` or `bpf_redirect_map` said.
    Redirect = 4;
}

actions! {
    /// What a tc classifier answers (`TC_ACT_*`).
    TcAction = ProgType::SCHED_CLS;
    /// What the filter was configured with.
    Unspec = -1;
    /// Let through.
    Ok = 0;
    /// Classified anew.
    Reclassify = 1;
    /// Dropped.
    Shot = 2;
    /// On to the next action.
    Pipe = 3;
    /// Taken.
    Stolen = 4;
    /// Queued.
    Queued = 5;
    /// Once more.
    Repeat = 6;
    /// To where `bpf_redirect` said.
    Redirect = 7;
    /// To the control plane of hardware.
    Trap = 8;
}

/// What became of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict<A> {
    /// What the program answered.
    pub action: A,
    /// The packet as the program left it.
    pub packet: Vec<u8>,
    /// Where a redirect goes.
    pub redirect: Option<Redirect>,
}

/// A program that decides on packets; see [`Xdp`] and [`Tc`].
pub struct PacketProgram<A> {
    live: Live,
    index: usize,
    action: PhantomData<A>,
}

impl<A> std::fmt::Debug for PacketProgram<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PacketProgram").field("index", &self.index).finish_non_exhaustive()
    }
}

impl<A: Action> PacketProgram<A> {
    /// Loads a program of an ELF object into a world of its own.
    ///
    /// # Errors
    /// If the object can't be read or has no such program, or the world does not take it.
    pub fn from_elf(object: &[u8], prog: &str) -> Result<Self, Error> {
        Self::from_spec(&Spec::from_elf(object)?, prog, &World::new())
    }

    /// Loads a program of a [`Spec`] into the world that is given.
    ///
    /// # Errors
    /// If there is no such program, or the world does not take it.
    pub fn from_spec(spec: &Spec, prog: &str, world: &World) -> Result<Self, Error> {
        if spec.program(prog).is_none() {
            return Err(no_program(spec, prog));
        }
        let mut options = LoadOptions { programs: vec![prog.to_owned()], ..LoadOptions::default() };
        options.prog_types.insert(prog.to_owned(), A::PROG_TYPE);
        let live = world.load(spec, &options)?;
        let Some(index) = live.program_index(prog) else { return Err(no_program(spec, prog)) };
        Ok(Self { live, index, action: PhantomData })
    }

    /// Runs it over one packet, from its link-layer header.
    ///
    /// # Errors
    /// A trap, or a packet that the hook does not take.
    pub fn run_packet(&mut self, packet: &[u8]) -> Result<Verdict<A>, Error> {
        self.run_at(packet, None)
    }

    /// The same for a packet that was captured at this time, in nanoseconds since 1970.
    ///
    /// # Errors
    /// As [`PacketProgram::run_packet`].
    pub fn run_captured(&mut self, packet: &[u8], timestamp_ns: u64) -> Result<Verdict<A>, Error> {
        self.run_at(packet, Some(timestamp_ns))
    }

    fn run_at(&mut self, packet: &[u8], timestamp_ns: Option<u64>) -> Result<Verdict<A>, Error> {
        let o = self.live.run_packet(self.index, packet, timestamp_ns)?;
        Ok(Verdict {
            action: A::from_retval(o.retval as i32),
            packet: self.live.packet().to_vec(),
            redirect: o.redirect,
        })
    }

    /// One of the object's maps.
    pub fn map(&mut self, name: &str) -> Option<&mut dyn Map> {
        self.live.map(name)
    }

    /// What the program has emitted since the last call.
    pub fn take_events(&mut self) -> Vec<Event> {
        self.live.take_events()
    }
}
