//! Filters of the pcap-filter(7) language, compiled to classic BPF; and [`seccomp`] policies.
//!
//! [`compile`] takes an expression and says what the packets are ([`Options`]); names of hosts, networks and services it
//! asks from a [`Names`]. The instructions are libpcap's, one for one: those of its HEAD of August 2026, without its
//! optimiser or with it, on Linux. Nothing here opens a file or asks the network. [`equivalence`] says whether two programs
//! take the same packets.
//!
//! Prior art: tcpdump's compiler by Steven McCanne and Van Jacobson, and libpcap, which grew from it; the grammar, the
//! code and the optimiser follow it closely, so that its users find what they know.
#![forbid(unsafe_code)]

pub mod addr;
mod code;
mod compile;
mod dag;
mod decide;
mod dlt;
pub mod equivalence;
mod error;
pub mod explain;
pub mod generate;
mod graph;
mod ir;
mod lex;
pub mod lift;
pub mod names;
mod optimize;
mod parse;
mod qual;
pub mod seccomp;
mod walk;

use skep_isa::classic::{Insn, MAX_INSNS};

pub use dlt::Dlt;
pub use error::Error;
pub use names::{Database, Names, Ports};
pub use walk::Walk;

/// The byte order of the machine that wrote a capture file, against this one's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteOrder {
    /// The same.
    Same,
    /// The other.
    Swapped,
}

/// Whose code is made of a filter. All of them take the same packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Code {
    /// libpcap's, not optimised: what `tcpdump -O -d` prints.
    Plain,
    /// libpcap's, optimised: what `tcpdump -d` prints.
    Libpcap,
    /// The shorter one of libpcap's and our own, which looks at each field once and searches lists.
    #[default]
    Best,
}

/// What a filter is compiled for.
#[derive(Clone, Debug)]
pub struct Options {
    /// The link type of the packets.
    pub dlt: Dlt,
    /// What the filter returns for a packet it takes: how many bytes of it are wanted. Not 0.
    pub snaplen: u32,
    /// The netmask of the local network, in host order, which `ip broadcast` needs. One of 32 bits is none, as in libpcap.
    pub netmask: Option<u32>,
    /// Whose code is made.
    pub code: Code,
    /// Whether to use what only Linux has, in a live capture: VLAN tags taken out of the packet, direction, interface.
    pub linux_extensions: bool,
    /// Set where packets come from a file: its byte order, for the link types that keep their writer's.
    pub file_order: Option<ByteOrder>,
    /// What is walked past to find headers. libpcap's optimised code does not walk.
    pub walk: Walk,
    /// Whether the code may jump backwards, for who runs it in userspace; Linux takes no such filter. Without it
    /// [`Code::Best`] follows protocol chains for eight headers.
    pub loops: bool,
}

impl Default for Options {
    /// Ethernet, whole packets, libpcap's optimised code, neither live nor from a file.
    fn default() -> Options {
        Options {
            dlt: Dlt::EN10MB,
            snaplen: 262_144,
            netmask: None,
            code: Code::Libpcap,
            linux_extensions: false,
            file_order: None,
            walk: Walk::default(),
            loops: false,
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
    compile_within(expression, options, names, MAX_INSNS)
}

/// The same, where [`Code::Best`] may have up to `longest` instructions: more than the classic machine of Linux takes, for
/// who makes extended code of them.
///
/// # Errors
/// As [`compile`].
pub fn compile_within(
    expression: &str,
    options: &Options,
    names: &dyn Names,
    longest: usize,
) -> Result<Vec<Insn>, Error> {
    let Some(built) = built(expression, options, names)? else {
        return Ok(vec![Insn { code: RETURN, jt: 0, jf: 0, k: options.snaplen }]);
    };
    coded(built, options, longest).map_err(|message| Error::new(message, 0..expression.len()))
}

/// A filter as it is written, before anything about it is made better.
pub(crate) struct Built {
    graph: graph::Graph,
    marks: ir::Marks,
    no_optimize: bool,
    words: walk::Words,
}

/// The filter of an expression; none of an empty one.
fn built(expression: &str, options: &Options, names: &dyn Names) -> Result<Option<Built>, Error> {
    let whole = |message: String| Error::new(message, 0..expression.len());
    if options.snaplen == 0 {
        return Err(whole("snaplen of 0 rejects all packets".to_string()));
    }
    if options.walk.any() && options.code == Code::Libpcap {
        return Err(whole("libpcap's code does not walk past headers".to_string()));
    }
    let mut compiler = compile::Compiler::new(options, names).map_err(|e| whole(e.0))?;
    let Some(mut last) = parse::Parser::new(&mut compiler, expression).program()? else { return Ok(None) };
    if options.walk.inner {
        let there = compiler.enter_inner().map_err(|e| whole(e.0))?;
        if let Some(inner) = parse::Parser::new(&mut compiler, expression).program()? {
            let inner = compiler.ir.and(there, inner);
            last = compiler.ir.or(last, inner);
        }
    }
    let root = compiler.finish(last).map_err(|e| whole(e.0))?;
    let marks = std::mem::take(&mut compiler.ir.marks);
    let (no_optimize, words) = (compiler.no_optimize, compiler.words);
    let mut graph = graph::Graph::new(compiler.ir, root);
    graph.given = words.all().fold(0, |bits, word| bits | 1 << word);
    Ok(Some(Built { graph, marks, no_optimize, words }))
}

/// Its code.
fn coded(built: Built, options: &Options, longest: usize) -> Result<Vec<Insn>, String> {
    let Built { mut graph, no_optimize, words, .. } = built;
    // The optimiser takes words for its own.
    let plain = options.code == Code::Plain || no_optimize || graph.given != 0;
    let mut theirs = None;
    if options.code == Code::Best && !plain && graph.nodes.len() <= TINY {
        let code = libpcap(&mut graph.clone(), true)?;
        if !has_repeats(&code) {
            return Ok(code);
        }
        theirs = Some(code);
    }
    let best = match options.code {
        Code::Best => decide::decide(&graph, longest).ok(),
        Code::Plain | Code::Libpcap => None,
    };
    let insns = match best {
        // The optimiser takes its time on a large graph, and never makes a search of it.
        Some(best) if graph.nodes.len() > SMALL => best,
        best => {
            let theirs = theirs.map_or_else(|| libpcap(&mut graph, !plain), Ok)?;
            best.filter(|b| b.len() <= theirs.len()).unwrap_or(theirs)
        }
    };
    let rejects = matches!(insns[..], [Insn { code: RETURN, k: 0, .. }]);
    if rejects && options.code != Code::Plain && !no_optimize {
        return Err("expression rejects all packets".to_string());
    }
    Ok(if graph.given == 0 { insns } else { walking(insns, options, words, longest)? })
}

/// Puts the walk before a filter that goes by what it finds.
fn walking(
    mut insns: Vec<Insn>,
    options: &Options,
    words: walk::Words,
    longest: usize,
) -> Result<Vec<Insn>, String> {
    let loads = |i: &Insn| i.code == code::LD | code::MEM || i.code == code::LDX | code::MEM;
    let used: Vec<u32> = insns.iter().filter(|i| loads(i)).map(|i| i.k).collect();
    let mut all = walk::prologue(options.walk, options.dlt, words, |word| used.contains(&word));
    all.append(&mut insns);
    if all.len() > longest {
        return Err(format!("the filter is too long: {} instructions, and {longest} at most", all.len()));
    }
    Ok(all)
}

const RETURN: u16 = code::RET | code::K;

/// Blocks of a filter that libpcap's optimiser is run on, too, to see which code is shorter.
const SMALL: usize = 300;

/// Blocks of a filter for which libpcap's code is made first, and is good enough if it does nothing twice.
const TINY: usize = 48;

/// Comparisons of one value, one behind the other, that are not worth a search.
const FEW: usize = 4;

/// Whether code loads something in two places, or compares one value with many: then better code is to be hoped for.
fn has_repeats(insns: &[Insn]) -> bool {
    let is_load = |insn: &Insn| matches!(code::class(insn.code), code::LD | code::LDX);
    let is_jump = |insn: &Insn| code::class(insn.code) == code::JMP;
    let twice = |(at, insn): (usize, &Insn)| {
        is_load(insn) && insns[..at].iter().any(|other| (other.code, other.k) == (insn.code, insn.k))
    };
    insns.iter().enumerate().any(twice) || insns.split(|insn| !is_jump(insn)).any(|run| run.len() > FEW)
}

fn libpcap(graph: &mut graph::Graph, optimize: bool) -> Result<Vec<Insn>, String> {
    if optimize {
        optimize::optimize(graph)?;
        let root = &graph.nodes[graph.root];
        if root.code == RETURN && root.k == 0 {
            return Err("expression rejects all packets".to_string());
        }
    }
    graph.emit()
}
