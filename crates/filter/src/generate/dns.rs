//! Questions to DNS by name: patterns as one automaton over labels, as a search tree in each state.
//!
//! A name is a row of labels, each behind its length, and a label of length 0 (RFC 1035, section 4.1.2). The automaton
//! goes from label to label; its state is what remains of each pattern ([`name::State`]). X stands at the beginning of a
//! label, or a known distance before it: behind a label whose length is known X stays.

use rustc_hash::FxHashMap as HashMap;
use skep_isa::classic::{AluOp, Cond, Insn, Op, Size, Source};

use super::name::{self, Pattern, State};
use super::words::{Candidate, Place};
use super::{Error, bounded, error};
use crate::dag::{Dag, Id, Node};
use crate::walk::{self, Words};
use crate::{Dlt, Walk};

/// Labels that a name may have where a pattern has `**`: the automaton is written out, as classic code has no loops.
const MOST_LABELS: usize = 16;
/// Nodes that an automaton may have.
const MOST_NODES: usize = 200_000;
const UDP: u32 = 17;
const UDP_HDRLEN: u32 = 8;
const DNS_HDRLEN: u32 = 12;

/// Where a packet begins.
#[derive(Clone, Copy, Debug)]
pub enum Start {
    /// With the header of a link type; headers are walked to.
    Link(Dlt, Walk),
    /// With UDP's header: what filters of UDP sockets see.
    Udp,
}

/// Questions whose name is one of several patterns.
///
/// `*` is a label of any content, `*{4-20}` one of so many bytes, `**` one label or more; `?` in a label is any byte.
#[derive(Clone, Debug)]
pub struct Dns {
    patterns: Vec<Pattern>,
    /// Letters match in either case.
    pub ignore_case: bool,
    /// The server's port.
    pub port: u16,
    /// Answers instead of questions.
    pub responses: bool,
    /// The type that is asked for, if one alone is meant: 1 is A, 28 AAAA (RFC 1035, section 3.2.2).
    pub qtype: Option<u16>,
    /// What the filter returns for a packet that it takes.
    pub snaplen: u32,
}

impl Dns {
    /// Questions for these names, to port 53, in the case that they are written in.
    ///
    /// # Errors
    /// If a pattern is none.
    ///
    /// ```
    /// use skep_filter::{Dlt, Walk, generate::{Dns, Start}};
    /// let mut dns = Dns::new(&["*.example.com", "example.org"])?;
    /// dns.ignore_case = true;
    /// let insns = dns.compile(Start::Link(Dlt::EN10MB, Walk::default()))?;
    /// assert!(insns.len() < 400);
    /// # Ok::<(), skep_filter::generate::Error>(())
    /// ```
    pub fn new<S: AsRef<str>>(patterns: &[S]) -> Result<Dns, Error> {
        if patterns.is_empty() {
            return error("no name is given");
        }
        let patterns = patterns.iter().map(|p| name::parse(p.as_ref())).collect::<Result<_, _>>()?;
        Ok(Dns { patterns, ignore_case: false, port: 53, responses: false, qtype: None, snaplen: 262_144 })
    }

    /// The filter.
    ///
    /// # Errors
    /// If it has more than 4,096 instructions, or the link type is not one that is walked from.
    pub fn compile(&self, start: Start) -> Result<Vec<Insn>, Error> {
        let (mut insns, found, header) = self.start(start)?;
        let mut dag = Dag::default();
        let reject = dag.node(Node::Ret(0));
        let accept = dag.node(Node::Ret(self.snaplen));
        let mut automaton = Automaton {
            dns: self,
            dag,
            known: HashMap::default(),
            name: header + UDP_HDRLEN + DNS_HDRLEN,
            accept,
            reject,
        };
        let first: State = (0..self.patterns.len()).map(|p| (p, 0)).collect();
        let name = automaton.label(&first, 0, 0)?;
        let root = self.before(&mut automaton.dag, found, header, name, reject);
        insns.append(&mut automaton.dag.emit(root));
        bounded(insns)
    }

    /// What comes before the tests: code, the words that it fills, and the offset of UDP's header from X on.
    fn start(&self, start: Start) -> Result<(Vec<Insn>, Option<walk::Transport>, u32), Error> {
        let Start::Link(dlt, walk) = start else { return Ok((Vec::new(), None, 0)) };
        if walk.inner {
            return error("names are looked for outside of tunnels alone");
        }
        let walk = Walk { transport6: true, ..walk };
        let words = Words::new(walk, dlt);
        let (Some(found), Some(header)) = (words.transport, walk::payload(dlt)) else {
            return error(format!("names are not looked for on {}", dlt.name().unwrap_or("this link type")));
        };
        Ok((walk::prologue(walk, dlt, words, |_| true), Some(found), header))
    }

    /// The tests of the headers, then of the name.
    fn before(&self, dag: &mut Dag, found: Option<walk::Transport>, header: u32, name: Id, reject: Id) -> Id {
        let load = |size, k| Op::LoadInd { size, k: header + k };
        let is = |dag: &mut Dag, ops: &[Op], value: u32, then: Id| {
            let test = dag.node(Node::Branch(Cond::Eq, value, then, reject));
            dag.stmts(ops, test)
        };
        let one = is(dag, &[load(Size::H, UDP_HDRLEN + 4)], 1, name);
        let wanted = if self.responses { 0x80 } else { 0 };
        let response = Op::Alu { op: AluOp::And, src: Source::K(0x80) };
        let sort = is(dag, &[load(Size::B, UDP_HDRLEN + 2), response], wanted, one);
        let side = if self.responses { 0 } else { 2 };
        let port = is(dag, &[load(Size::H, side)], self.port.into(), sort);
        match found {
            Some(found) => {
                let udp = dag.stmts(&[Op::LoadxMem { k: found.offset }], port);
                is(dag, &[Op::LoadMem { k: found.protocol }], UDP, udp)
            }
            None => dag.stmts(&[Op::LoadxImm { k: 0 }], port),
        }
    }
}

struct Automaton<'d> {
    dns: &'d Dns,
    dag: Dag,
    /// By state, distance and number of the label.
    known: HashMap<(State, u32, usize), Id>,
    /// Where the name begins, from X on.
    name: u32,
    accept: Id,
    reject: Id,
}

impl Automaton<'_> {
    /// The node before a label that begins `behind` bytes after where X says.
    fn label(&mut self, state: &State, behind: u32, number: usize) -> Result<Id, Error> {
        if state.is_empty() || number > 127 {
            return Ok(self.reject);
        }
        let key = (state.clone(), behind, number);
        if let Some(&id) = self.known.get(&key) {
            return Ok(id);
        }
        if self.dag.len() > MOST_NODES {
            return error("the names make too large an automaton");
        }
        let patterns = &self.dns.patterns;
        let mut ranges = vec![(0, self.end(state, behind))];
        for len in 1..64 {
            let id = if name::takes_the_rest(patterns, state) && self.dns.qtype.is_none() {
                self.accept
            } else {
                self.of_length(state, behind, number, len)?
            };
            ranges.push((len as u32, id));
        }
        ranges.push((64, self.reject));
        ranges.dedup_by_key(|r| r.1);
        let search = self.dag.search(&ranges);
        let load = Op::LoadInd { size: Size::B, k: self.name.wrapping_add(behind) };
        let id = self.dag.stmts(&[load], search);
        self.known.insert(key, id);
        Ok(id)
    }

    /// The name ends here.
    fn end(&mut self, state: &State, behind: u32) -> Id {
        if !name::complete(&self.dns.patterns, state) {
            return self.reject;
        }
        let Some(qtype) = self.dns.qtype else { return self.accept };
        let test = self.dag.node(Node::Branch(Cond::Eq, qtype.into(), self.accept, self.reject));
        self.dag.stmts(&[Op::LoadInd { size: Size::H, k: self.name.wrapping_add(behind + 1) }], test)
    }

    /// A label of this length is here, which A holds.
    fn of_length(&mut self, state: &State, behind: u32, number: usize, len: usize) -> Result<Id, Error> {
        let dns = self.dns;
        let fold = dns.ignore_case;
        let same = |a: &[Option<u8>], b: &[Option<u8>]| match fold {
            true => a.iter().zip(b).all(|(a, b)| match (a, b) {
                (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
                (a, b) => a == b,
            }),
            false => a == b,
        };
        let mut any = name::after_any(&dns.patterns, state, len);
        if number >= MOST_LABELS {
            // No further along `**`.
            any.retain(|&(p, at)| dns.patterns[p].get(at) != Some(&name::Part::More));
        }
        let labels = name::labels(&dns.patterns, state, len, same);
        let (open, exact): (Vec<_>, Vec<_>) = labels.into_iter().partition(|(l, _)| l.contains(&None));
        if open.is_empty() && exact.is_empty() {
            let next = self.label(&any, 0, number + 1)?;
            if next == self.reject {
                return Ok(next);
            }
            // A is the length.
            let step = 1 + behind;
            let ops = [
                Op::Alu { op: AluOp::Add, src: Source::X },
                Op::Alu { op: AluOp::Add, src: Source::K(step) },
                Op::Tax,
            ];
            return Ok(self.dag.stmts(&ops, next));
        }
        if open.len() > 6 {
            return error(format!("more than 6 labels of {len} bytes with `?` may stand in one place"));
        }
        let place = Place { at: self.name.wrapping_add(behind + 1), fold };
        self.content(place, &open, &exact, &any, (behind, number, len))
    }

    /// Labels with bytes that may be any are tried one after the other, since several may match; then those without are
    /// searched.
    fn content(
        &mut self,
        place: Place,
        open: &[(&[Option<u8>], State)],
        exact: &[(&[Option<u8>], State)],
        state: &State,
        at: (u32, usize, usize),
    ) -> Result<Id, Error> {
        if let Some(((label, places), rest)) = open.split_first() {
            let then = self.content(place, rest, exact, &name::union(state, places), at)?;
            let otherwise = self.content(place, rest, exact, state, at)?;
            return Ok(place.one(&mut self.dag, label, then, otherwise));
        }
        let otherwise = self.behind(state, at)?;
        let mut candidates = Vec::with_capacity(exact.len());
        for (label, places) in exact {
            let then = self.behind(&name::union(state, places), at)?;
            candidates.push(Candidate::new(label, then));
        }
        Ok(if candidates.is_empty() {
            otherwise
        } else {
            place.among(&mut self.dag, candidates, 0, otherwise)
        })
    }

    /// Behind a label of known length: X stays, unless the state is one that many ways lead to.
    fn behind(&mut self, state: &State, (behind, number, len): (u32, usize, usize)) -> Result<Id, Error> {
        let step = behind + 1 + len as u32;
        let patterns = &self.dns.patterns;
        let wanders = state.iter().any(|&(p, _)| patterns[p].contains(&name::Part::More));
        if !wanders {
            return self.label(state, step, number + 1);
        }
        let next = self.label(state, 0, number + 1)?;
        if next == self.reject {
            return Ok(next);
        }
        let ops = [Op::Txa, Op::Alu { op: AluOp::Add, src: Source::K(step) }, Op::Tax];
        Ok(self.dag.stmts(&ops, next))
    }
}
