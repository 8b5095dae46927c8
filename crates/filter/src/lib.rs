//! Filters of the pcap-filter(7) language, compiled to classic BPF; and [`seccomp`] policies.
//!
//! [`compile`] takes an expression and says what the packets are ([`Options`]); names of hosts, networks and services it
//! asks from a [`Names`]. The instructions are libpcap's, one for one: those of its HEAD of August 2026, without its
//! optimiser or with it, on Linux. Nothing here opens a file or asks the network.
//!
//! Prior art: tcpdump's compiler by Steven McCanne and Van Jacobson, and libpcap, which grew from it; the grammar, the
//! code and the optimiser follow it closely, so that its users find what they know.
#![forbid(unsafe_code)]

pub mod addr;
mod code;
mod compile;
mod dlt;
mod error;
mod graph;
mod ir;
mod lex;
pub mod names;
mod optimize;
mod parse;
mod qual;
pub mod seccomp;

use skep_isa::classic::Insn;

pub use dlt::Dlt;
pub use error::Error;
pub use names::{Database, Names, Ports};

/// The byte order of the machine that wrote a capture file, against this one's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteOrder {
    /// The same.
    Same,
    /// The other.
    Swapped,
}

/// What a filter is compiled for.
#[derive(Clone, Debug)]
pub struct Options {
    /// The link type of the packets.
    pub dlt: Dlt,
    /// What the filter returns for a packet it takes: how many bytes of it are wanted. Not 0.
    pub snaplen: u32,
    /// The netmask of the local network, in host order, which `ip broadcast` needs.
    pub netmask: Option<u32>,
    /// Whether to run the optimiser.
    pub optimize: bool,
    /// Whether to use what only Linux has, in a live capture: VLAN tags taken out of the packet, direction, interface.
    pub linux_extensions: bool,
    /// Set where packets come from a file: its byte order, for the link types that keep their writer's.
    pub file_order: Option<ByteOrder>,
}

impl Default for Options {
    /// Ethernet, whole packets, optimised, neither live nor from a file.
    fn default() -> Options {
        Options {
            dlt: Dlt::EN10MB,
            snaplen: 262_144,
            netmask: None,
            optimize: true,
            linux_extensions: false,
            file_order: None,
        }
    }
}

/// Compiles an expression; an empty one accepts every packet.
///
/// # Errors
/// The message is libpcap's, where libpcap refuses the same; see [`Error`] for its place.
///
/// ```
/// use skep_filter::{Database, Options, compile};
/// let insns = compile("ip", &Options::default(), &Database::new())?;
/// assert_eq!(insns.len(), 4); // load the EtherType, compare, return, return
/// # Ok::<(), skep_filter::Error>(())
/// ```
pub fn compile(expression: &str, options: &Options, names: &dyn Names) -> Result<Vec<Insn>, Error> {
    let whole = |message: String| Error::new(message, 0..expression.len());
    if options.snaplen == 0 {
        return Err(whole("snaplen of 0 rejects all packets".to_string()));
    }
    let mut compiler = compile::Compiler::new(options, names).map_err(|e| whole(e.0))?;
    let Some(last) = parse::Parser::new(&mut compiler, expression).program()? else {
        return Ok(vec![Insn { code: code::RET | code::K, jt: 0, jf: 0, k: options.snaplen }]);
    };
    let root = compiler.finish(last).map_err(|e| whole(e.0))?;
    let optimize = options.optimize && !compiler.no_optimize;
    let mut graph = graph::Graph::new(compiler.ir, root);
    if optimize {
        optimize::optimize(&mut graph).map_err(whole)?;
        let root = &graph.nodes[graph.root];
        if root.code == code::RET | code::K && root.k == 0 {
            return Err(whole("expression rejects all packets".to_string()));
        }
    }
    graph.emit().map_err(whole)
}
