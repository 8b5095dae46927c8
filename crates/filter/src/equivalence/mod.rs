//! Whether two classic programs take the same packets: a proof, or a packet that one takes and the other does not.
//!
//! Both programs are run on symbols (`walk`), which gives the questions that they ask: which bytes have to be there,
//! which values are compared. Out of these each program's verdict is made as a function of all bits of a packet
//! (`solve`): a binary decision diagram (`bdd`), so the two are equal if and only if they are the same diagram.
//! The machine's whole arithmetic is followed (`word`), and so are loads whose offset depends on the packet, as long as
//! it can have few values. Where that is too much, packets made for the two programs are tried (`search`).
//!
//! Invariants: "the same" is said only of equal diagrams; a packet is shown only after both programs were run on it and
//! gave different verdicts. A verdict is whether a packet is taken; how many of its bytes are asked for does not count.
//! Packets cut short by a capture are packets: programs that load in another order may differ on them, and only on them.

mod bdd;
mod search;
mod solve;
pub(crate) mod walk;
mod word;

use std::collections::BTreeMap;
use std::fmt;

use skep_isa::classic::{Ancillary, CheckError, Insn};
use skep_vm::classic::{self, Facts, Filter, VlanTag};

/// No packet has more bytes: what tools capture at most of one (`MAXIMUM_SNAPLEN` of tcpdump).
pub const MOST_BYTES: u32 = 262_144;

/// A packet, and what Linux keeps beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Its bytes, as far as they were captured.
    pub bytes: Vec<u8>,
    /// How long it was, in bytes.
    pub len: u32,
    /// Facts that are not 0, by the offset of [`Ancillary`].
    pub facts: BTreeMap<u32, u32>,
}

impl Packet {
    /// What a program returns for it.
    fn run(&self, filter: &Filter) -> u32 {
        let fact = |fact: Ancillary| self.facts.get(&fact.offset()).copied().unwrap_or(0);
        let (tci, tpid) = (fact(Ancillary::VlanTag) as u16, fact(Ancillary::VlanTpid) as u16);
        let facts = Facts {
            protocol: fact(Ancillary::Protocol) as u16,
            pkt_type: fact(Ancillary::PktType) as u8,
            mark: fact(Ancillary::Mark),
            queue: fact(Ancillary::Queue) as u16,
            rxhash: fact(Ancillary::RxHash),
            cpu: fact(Ancillary::Cpu),
            vlan: (fact(Ancillary::VlanTagPresent) != 0).then_some(VlanTag { tci, tpid }),
            ..Facts::NONE
        };
        filter.run(&classic::Packet { bytes: &self.bytes, len: self.len, facts: &facts })
    }
}

/// A packet that one program takes and the other does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// The packet.
    pub packet: Packet,
    /// What the first program returned for it: how many bytes to keep, 0 for none.
    pub first: u32,
    /// What the second did.
    pub second: u32,
}

/// Why it can't be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    what: String,
    place: Option<(usize, bool)>,
}

impl Unknown {
    fn new(what: String) -> Self {
        Self { what, place: None }
    }

    fn at(what: &str, insn: usize, second: bool) -> Self {
        Self { what: what.into(), place: Some((insn, second)) }
    }

    /// What is not followed, without its place.
    pub(crate) fn what(&self) -> &str {
        &self.what
    }

    /// The instruction that is not followed, if it is one.
    pub fn insn(&self) -> Option<usize> {
        self.place.map(|p| p.0)
    }

    /// Whether it is one of the second program.
    pub fn is_second(&self) -> bool {
        self.place.is_some_and(|p| p.1)
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((at, second)) = self.place {
            write!(f, "instruction {at} of the {}: ", if second { "second" } else { "first" })?;
        }
        f.write_str(&self.what)
    }
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// They take the same packets: proved.
    Same,
    /// They do not, and here is a packet; both were run on it.
    Different(Box<Witness>),
    /// Neither was a proof found nor a packet.
    Unknown(Unknown),
}

/// A program that Linux would not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompareError {
    error: CheckError,
    second: bool,
}

impl CompareError {
    /// Whether it is the second one.
    pub fn is_second(&self) -> bool {
        self.second
    }

    /// The instruction that is wrong.
    pub fn insn(&self) -> usize {
        self.error.insn()
    }
}

impl fmt::Display for CompareError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} program: {}", if self.second { "second" } else { "first" }, self.error)
    }
}

impl std::error::Error for CompareError {}

/// Compares two programs on all packets of at least `shortest` bytes; 0 for all packets.
///
/// # Errors
/// If a program is not one that Linux takes for a socket.
///
/// ```
/// use skep_filter::equivalence::{Answer, compare};
/// use skep_filter::{Code, Database, Options, compile};
///
/// let make = |text: &str| compile(text, &Options::default(), &Database::new());
/// let (web, other) = (make("tcp port 80 or tcp port 443")?, make("tcp and (port 443 or port 80)")?);
/// assert_eq!(compare(&web, &other, 0).ok(), Some(Answer::Same));
/// let udp = make("port 80 or port 443")?;
/// let Ok(Answer::Different(found)) = compare(&web, &udp, 0) else { panic!("one takes UDP, too") };
/// assert_eq!((found.first, found.second), (0, 262_144));
/// # Ok::<(), skep_filter::Error>(())
/// ```
pub fn compare(first: &[Insn], second: &[Insn], shortest: u32) -> Result<Answer, CompareError> {
    let filter = |insns, second| Filter::new(insns).map_err(|error| CompareError { error, second });
    let filters = [filter(first, false)?, filter(second, true)?];
    let mut all = walk::Questions::new();
    let roots = all.add(first, false).and_then(|a| Ok((a, all.add(second, true)?)));
    let found = roots.clone().and_then(|(a, b)| match a == b {
        true => Ok(None),
        false => solve::differ(&all, (a, b), shortest),
    });
    Ok(match found {
        Ok(None) => Answer::Same,
        Ok(Some(packet)) => witness(packet, &filters).map_or_else(
            || {
                Answer::Unknown(Unknown::new(
                    "a packet was found that both programs treat alike when run".into(),
                ))
            },
            |w| Answer::Different(Box::new(w)),
        ),
        Err(why) => search::search([first, second], &filters, shortest)
            .map_or(Answer::Unknown(why), |w| Answer::Different(Box::new(w))),
    })
}

/// What both programs say of a packet, if that is not the same.
fn witness(packet: Packet, filters: &[Filter; 2]) -> Option<Witness> {
    let [first, second] = [0, 1].map(|n| packet.run(&filters[n]));
    ((first == 0) != (second == 0)).then_some(Witness { packet, first, second })
}

#[cfg(test)]
mod tests;
