//! Classic filters as extended programs.
//!
//! A lives in r0, X in r7, the context in r6, the memory words at the top of the stack; in the direct forms r8 is
//! where the packet begins and r9 where it ends. Code that no path reaches is left out, since Linux refuses it.
//!
//! In the direct forms a load is guarded by one comparison with the end of the packet, unless every path to it has
//! compared with that offset or a later one: then the verifier knows, too. A packet of a socket buffer may have bytes
//! that are not in its linear part: where the comparison fails, they are pulled in and it is made once more.
//!
//! Prior art: Linux `bpf_convert_filter` (the register assignment), cbpfc by Cloudflare (guards that cover others).

use super::emit::{Emitter, Label, Slot};
use skep_isa::classic::{Ancillary, CheckError, Cond, Insn, LL_OFF, NET_OFF, Op, Size, Source, check_socket};
use skep_isa::{AluOp, Cond as Jump, Reg};
use std::fmt;

/// How the extended program gets at the packet, which decides where it can be attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// `LD_ABS` and `LD_IND`, for `socket_filter` and `sched_cls`: what Linux makes of SO_ATTACH_FILTER's programs.
    Legacy,
    /// Guarded direct access, for `sched_cls` and `sched_act`.
    Skb,
    /// Guarded direct access, for `xdp`. What the stack has not yet found out can't be asked for.
    Xdp,
}

/// What the extended program returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// What the filter returns: how many bytes to keep.
    Length,
    /// One number for packets that the filter keeps, and one for others, such as XDP_PASS and XDP_DROP.
    Action {
        /// For a packet of which the filter keeps something.
        matched: i32,
        /// For others.
        missed: i32,
    },
}

/// Why a filter has no extended form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConvertError {
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Check(CheckError),
    Fact(usize, Ancillary, Form),
    Network(usize),
    Reach,
    Missed,
}

impl ConvertError {
    /// The classic instruction that is to blame, if one is.
    pub fn insn(&self) -> Option<usize> {
        match &self.kind {
            Kind::Check(error) => Some(error.insn()),
            Kind::Fact(at, ..) | Kind::Network(at) => Some(*at),
            Kind::Reach | Kind::Missed => None,
        }
    }
}

impl fmt::Display for ConvertError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Check(error) => error.fmt(f),
            Kind::Fact(at, fact, form) => {
                let whose = if *form == Form::Xdp { "xdp" } else { "__sk_buff" };
                write!(f, "instruction {at}: {whose} programs can't ask for {}", fact.tcpdump_name())
            }
            Kind::Network(at) => {
                write!(f, "instruction {at}: xdp programs don't know where the network header is")
            }
            Kind::Reach => f.write_str("a branch reaches further than 32767 instructions"),
            Kind::Missed => {
                f.write_str("a load beyond the packet ends the legacy form with 0, not otherwise")
            }
        }
    }
}

impl std::error::Error for ConvertError {}

/// Fields of `struct __sk_buff` and `struct xdp_md`, as offsets in bytes. Source: `linux/bpf.h`.
mod field {
    pub(super) const LEN: i16 = 0;
    pub(super) const PKT_TYPE: i16 = 4;
    pub(super) const MARK: i16 = 8;
    pub(super) const QUEUE_MAPPING: i16 = 12;
    pub(super) const PROTOCOL: i16 = 16;
    pub(super) const VLAN_PRESENT: i16 = 20;
    pub(super) const VLAN_TCI: i16 = 24;
    pub(super) const VLAN_PROTO: i16 = 28;
    pub(super) const IFINDEX: i16 = 40;
    pub(super) const HASH: i16 = 68;
    pub(super) const SKB_DATA: [i16; 2] = [76, 80];
    pub(super) const XDP_DATA: [i16; 2] = [0, 4];
    pub(super) const XDP_IFINDEX: i16 = 12;
    pub(super) const XDP_QUEUE: i16 = 16;
}

/// Helpers that are called.
mod helper {
    pub(super) const PRANDOM: i32 = 7;
    pub(super) const CPU: i32 = 8;
    pub(super) const LOAD_BYTES: i32 = 26;
    pub(super) const PULL: i32 = 39;
    pub(super) const LOAD_RELATIVE: i32 = 68;
}

const fn reg(n: u8) -> Reg {
    match Reg::new(n) {
        Some(reg) => reg,
        None => Reg::FP,
    }
}
const A: Reg = reg(0);
const X: Reg = reg(7);
const CTX: Reg = reg(6);
const DATA: Reg = reg(8);
const END: Reg = reg(9);
const T1: Reg = reg(1);
const T2: Reg = reg(2);
const T3: Reg = reg(3);
/// Where helpers put bytes, and where A waits, below the 16 memory words.
const SCRATCH: i16 = -72;
const SAVED: i16 = -76;
/// The verifier follows no packet pointer further (`MAX_PACKET_OFF`).
const MAX_OFFSET: u32 = 0xffff;

/// Converts a filter that Linux takes for a socket.
///
/// Differences to the classic machine: in the direct forms, loads relative to X reach the first 65,535 bytes and no
/// headers at negative offsets; in XDP no VLAN tag has been taken off, so asking for one gives 0.
pub fn to_ebpf(insns: &[Insn], form: Form, verdict: Verdict) -> Result<Vec<skep_isa::Insn>, ConvertError> {
    check_socket(insns).map_err(|error| ConvertError { kind: Kind::Check(error) })?;
    if form == Form::Legacy && matches!(verdict, Verdict::Action { missed, .. } if missed != 0) {
        return Err(ConvertError { kind: Kind::Missed });
    }
    let ops: Vec<Op> = insns.iter().filter_map(|&insn| Op::decode(insn)).collect();
    let mut c = Converter { form, verdict, e: Emitter::default(), known: vec![None; ops.len() + 1], at: 0 };
    c.known[0] = Some(0);
    c.prologue();
    for (at, &op) in ops.iter().enumerate() {
        if let Some(known) = c.known[at] {
            c.at = at;
            c.e.place(Label::Insn(at));
            c.op(op, known).map_err(|kind| ConvertError { kind })?;
        }
    }
    c.out();
    c.e.finish().ok_or(ConvertError { kind: Kind::Reach })
}

struct Converter {
    form: Form,
    verdict: Verdict,
    e: Emitter,
    /// Of each classic instruction: how many bytes of the packet every path to it has found to be there; none if no
    /// path leads to it.
    known: Vec<Option<u32>>,
    at: usize,
}

impl Converter {
    fn prologue(&mut self) {
        self.e.mov64(CTX, T1);
        self.e.imm(A, 0);
        self.e.imm(X, 0);
        self.pointers();
    }

    /// (Re)reads where the packet begins and ends.
    fn pointers(&mut self) {
        let [data, end] = match self.form {
            Form::Legacy => return,
            Form::Skb => field::SKB_DATA,
            Form::Xdp => field::XDP_DATA,
        };
        self.e.load(Size::W, DATA, CTX, data);
        self.e.load(Size::W, END, CTX, end);
    }

    /// Where all ends go that mean "no match".
    fn out(&mut self) {
        if self.e.is_wanted(Label::Out) {
            self.e.place(Label::Out);
            let missed = if let Verdict::Action { missed, .. } = self.verdict { missed } else { 0 };
            self.e.imm(A, missed);
            self.e.exit();
        }
    }

    /// An edge to the classic instruction `distance` after the next one.
    fn reach(&mut self, distance: usize, known: u32) -> Label {
        let target = self.at + 1 + distance;
        let entry = &mut self.known[target];
        *entry = Some(entry.map_or(known, |old| old.min(known)));
        Label::Insn(target)
    }

    fn op(&mut self, op: Op, known: u32) -> Result<(), Kind> {
        let mut known = known;
        match op {
            Op::LoadAbs { size, k } => match Ancillary::from_offset(k) {
                Some(fact) => self.fact(fact)?,
                None if !self.absolute(size, k, A, &mut known)? => return Ok(()),
                None => {}
            },
            Op::LoadInd { size, k } => self.indirect(size, k, &mut known),
            Op::LoadxMsh { k } => {
                if !self.msh(k, &mut known)? {
                    return Ok(());
                }
            }
            Op::LoadImm { k } => self.e.imm(A, k.cast_signed()),
            Op::LoadxImm { k } => self.e.imm(X, k.cast_signed()),
            Op::LoadMem { k } => self.e.load(Size::W, A, Reg::FP, word(k)),
            Op::LoadxMem { k } => self.e.load(Size::W, X, Reg::FP, word(k)),
            Op::Store { k } => self.e.store(Size::W, word(k), A),
            Op::Storex { k } => self.e.store(Size::W, word(k), X),
            Op::LoadLen => self.length(A),
            Op::LoadxLen => self.length(X),
            Op::Alu { op, src } => self.alu(op, src),
            Op::Neg => self.e.neg(A),
            Op::Tax => self.e.mov32(X, A),
            Op::Txa => self.e.mov32(A, X),
            Op::Jump { k } => {
                let label = self.reach(k as usize, known);
                if k > 0 {
                    self.e.goto(label);
                }
                return Ok(());
            }
            Op::Branch { cond, src, jt, jf } => {
                self.branch(cond, src, [usize::from(jt), usize::from(jf)], known);
                return Ok(());
            }
            Op::RetK { k } => {
                self.ret_k(k);
                return Ok(());
            }
            Op::RetA => {
                self.ret_a();
                return Ok(());
            }
        }
        self.reach(0, known);
        Ok(())
    }

    fn ret_k(&mut self, k: u32) {
        let value = match self.verdict {
            Verdict::Length => k.cast_signed(),
            Verdict::Action { matched, missed } => {
                if k == 0 {
                    missed
                } else {
                    matched
                }
            }
        };
        self.e.imm(A, value);
        self.e.exit();
    }

    fn ret_a(&mut self) {
        if let Verdict::Action { matched, .. } = self.verdict {
            self.e.branch_imm(Jump::Eq, A, 0, Label::Out);
            self.e.imm(A, matched);
        }
        self.e.exit();
    }

    fn alu(&mut self, op: skep_isa::classic::AluOp, src: Source) {
        use skep_isa::classic::AluOp as Classic;
        let ours = match op {
            Classic::Add => AluOp::Add,
            Classic::Sub => AluOp::Sub,
            Classic::Mul => AluOp::Mul,
            Classic::Div => AluOp::Div,
            Classic::Or => AluOp::Or,
            Classic::And => AluOp::And,
            Classic::Lsh => AluOp::Lsh,
            Classic::Rsh => AluOp::Rsh,
            Classic::Mod => AluOp::Mod,
            Classic::Xor => AluOp::Xor,
        };
        match src {
            Source::K(k) => self.e.alu_imm(ours, A, k.cast_signed()),
            Source::X => {
                if matches!(op, Classic::Div | Classic::Mod) {
                    self.e.branch_imm(Jump::Eq, X, 0, Label::Out);
                }
                self.e.alu(ours, A, X);
            }
        }
    }

    fn branch(&mut self, cond: Cond, src: Source, [jt, jf]: [usize; 2], known: u32) {
        let (holds, fails) = (self.reach(jt, known), self.reach(jf, known));
        if jt == jf {
            if jt > 0 {
                self.e.goto(holds);
            }
            return;
        }
        let (when, otherwise) = match cond {
            Cond::Eq => (Jump::Eq, Some(Jump::Ne)),
            Cond::Gt => (Jump::Gt, Some(Jump::Le)),
            Cond::Ge => (Jump::Ge, Some(Jump::Lt)),
            Cond::Set => (Jump::Set, None),
        };
        let mut emit = |cond, label| match src {
            Source::K(k) => self.e.branch_imm(cond, A, k.cast_signed(), label),
            Source::X => self.e.branch(cond, A, X, label),
        };
        match otherwise {
            Some(inverse) if jt == 0 => emit(inverse, fails),
            _ => {
                emit(when, holds);
                if jf > 0 {
                    self.e.goto(fails);
                }
            }
        }
    }

    fn length(&mut self, dst: Reg) {
        if self.form == Form::Xdp {
            self.e.mov64(dst, END);
            self.e.alu64(AluOp::Sub, dst, DATA);
            self.e.mov32(dst, dst);
        } else {
            self.e.load(Size::W, dst, CTX, field::LEN);
        }
    }

    /// Loads from a constant offset; false if no packet has bytes there, so that the filter ends.
    fn absolute(&mut self, size: Size, k: u32, dst: Reg, known: &mut u32) -> Result<bool, Kind> {
        let bytes = size.bytes() as u32;
        match (self.form, k) {
            (Form::Legacy, _) => {
                self.e.load_abs(size, k.cast_signed());
                if dst != A {
                    self.e.mov32(dst, A);
                }
            }
            (_, LL_OFF..NET_OFF) => return self.absolute(size, k - LL_OFF, dst, known),
            (Form::Xdp, NET_OFF..) => return Err(Kind::Network(self.at)),
            (_, NET_OFF..) => self.call_load(helper::LOAD_RELATIVE, k - NET_OFF, size, dst),
            (_, 0x8000_0000..) => {
                self.e.goto(Label::Out);
                return Ok(false);
            }
            (_, k) if k + bytes <= MAX_OFFSET => {
                self.guard(k + bytes, dst != A, known);
                match i16::try_from(k) {
                    Ok(off) => self.e.load(size, dst, DATA, off),
                    Err(_) => {
                        self.e.mov64(T1, DATA);
                        self.e.alu64_imm(AluOp::Add, T1, k.cast_signed());
                        self.e.load(size, dst, T1, 0);
                    }
                }
                self.e.swap_to_host(size, dst);
            }
            (Form::Xdp, _) => {
                self.e.goto(Label::Out);
                return Ok(false);
            }
            (Form::Skb, k) => self.call_load(helper::LOAD_BYTES, k, size, dst),
        }
        Ok(true)
    }

    /// Sees to it that the first `end` bytes are there, or goes out. Keeps A if asked to.
    fn guard(&mut self, end: u32, keep: bool, known: &mut u32) {
        if end <= *known {
            return;
        }
        *known = end;
        let compare = |e: &mut Emitter| {
            e.mov64(T1, DATA);
            e.alu64_imm(AluOp::Add, T1, end.cast_signed());
        };
        compare(&mut self.e);
        if self.form == Form::Xdp {
            self.e.branch64(Jump::Gt, T1, END, Label::Out);
            return;
        }
        let fine = self.e.fresh();
        self.e.branch64(Jump::Le, T1, END, fine);
        if keep {
            self.e.store(Size::W, SAVED, A);
        }
        self.e.imm(T2, end.cast_signed());
        self.pull();
        if keep {
            self.e.load(Size::W, A, Reg::FP, SAVED);
        }
        compare(&mut self.e);
        self.e.branch64(Jump::Gt, T1, END, Label::Out);
        self.e.place(fine);
    }

    /// Makes as many bytes linear as r2 says.
    fn pull(&mut self) {
        self.e.mov64(T1, CTX);
        self.e.call(helper::PULL);
        self.pointers();
    }

    fn indirect(&mut self, size: Size, k: u32, known: &mut u32) {
        if self.form == Form::Legacy {
            self.e.load_ind(size, X, k.cast_signed());
            return;
        }
        let bytes = size.bytes() as i32;
        let address = |e: &mut Emitter| {
            // In this order: of a copy of X plus a constant Linux remembers the constant, and refuses a large one as
            // the offset of a packet pointer.
            e.imm(T1, k.cast_signed());
            e.alu(AluOp::Add, T1, X);
            e.branch64_imm(Jump::Gt, T1, MAX_OFFSET.cast_signed() - bytes, Label::Out);
            e.mov64(T2, DATA);
            e.alu64(AluOp::Add, T2, T1);
            e.mov64(T3, T2);
            e.alu64_imm(AluOp::Add, T3, bytes);
        };
        address(&mut self.e);
        if self.form == Form::Xdp {
            self.e.branch64(Jump::Gt, T3, END, Label::Out);
        } else {
            let fine = self.e.fresh();
            self.e.branch64(Jump::Le, T3, END, fine);
            self.e.mov64(T2, T1);
            self.e.alu64_imm(AluOp::Add, T2, bytes);
            self.pull();
            address(&mut self.e);
            self.e.branch64(Jump::Gt, T3, END, Label::Out);
            self.e.place(fine);
            // The packet may lie elsewhere now, and the verifier has forgotten what it knew of it.
            *known = 0;
        }
        self.e.load(size, A, T2, 0);
        self.e.swap_to_host(size, A);
    }

    /// Loads with a helper, into the scratch word first.
    fn call_load(&mut self, helper: i32, offset: u32, size: Size, dst: Reg) {
        if dst != A {
            self.e.store(Size::W, SAVED, A);
        }
        self.e.mov64(T1, CTX);
        self.e.imm(T2, offset.cast_signed());
        self.e.mov64(T3, Reg::FP);
        self.e.alu64_imm(AluOp::Add, T3, SCRATCH.into());
        self.e.imm(reg(4), size.bytes() as i32);
        if helper == helper::LOAD_RELATIVE {
            // BPF_HDR_START_NET
            self.e.imm(reg(5), 1);
        }
        self.e.call(helper);
        self.e.branch64_imm(Jump::Ne, A, 0, Label::Out);
        if dst != A {
            self.e.load(Size::W, A, Reg::FP, SAVED);
        }
        self.e.load(size, dst, Reg::FP, SCRATCH);
        self.e.swap_to_host(size, dst);
    }

    fn msh(&mut self, k: u32, known: &mut u32) -> Result<bool, Kind> {
        if self.form == Form::Legacy {
            // A waits in X, which is overwritten anyway.
            self.e.mov32(X, A);
            self.e.load_abs(Size::B, k.cast_signed());
            self.e.mov32(T1, A);
            self.e.mov32(A, X);
            self.e.mov32(X, T1);
        } else if !self.absolute(Size::B, k, X, known)? {
            return Ok(false);
        }
        self.e.alu_imm(AluOp::And, X, 15);
        self.e.alu_imm(AluOp::Lsh, X, 2);
        Ok(true)
    }

    fn fact(&mut self, fact: Ancillary) -> Result<(), Kind> {
        let xdp = self.form == Form::Xdp;
        match fact {
            Ancillary::XorX => self.e.alu(AluOp::Xor, A, X),
            Ancillary::Cpu => self.e.call(helper::CPU),
            Ancillary::Random => self.e.call(helper::PRANDOM),
            Ancillary::IfIndex => {
                self.e.load(Size::W, T1, CTX, if xdp { field::XDP_IFINDEX } else { field::IFINDEX });
                // Without a device the classic filter ends with what is in A.
                let found = self.e.fresh();
                self.e.branch_imm(Jump::Ne, T1, 0, found);
                self.ret_a();
                self.e.place(found);
                self.e.mov32(A, T1);
            }
            Ancillary::VlanTag | Ancillary::VlanTagPresent | Ancillary::VlanTpid if xdp => self.e.imm(A, 0),
            _ => {
                let (off, swap) = field_of(fact, xdp).ok_or(Kind::Fact(self.at, fact, self.form))?;
                self.e.load(Size::W, A, CTX, off);
                if swap {
                    self.e.swap_to_host(Size::H, A);
                }
            }
        }
        // A helper may leave more than 32 bits.
        if matches!(fact, Ancillary::Cpu | Ancillary::Random) {
            self.e.mov32(A, A);
        }
        Ok(())
    }
}

/// The field of the context, and whether it is in network order.
const fn field_of(fact: Ancillary, xdp: bool) -> Option<(i16, bool)> {
    Some(match (fact, xdp) {
        (Ancillary::Queue, true) => (field::XDP_QUEUE, false),
        (_, true) => return None,
        (Ancillary::Protocol, _) => (field::PROTOCOL, true),
        (Ancillary::PktType, _) => (field::PKT_TYPE, false),
        (Ancillary::Mark, _) => (field::MARK, false),
        (Ancillary::Queue, _) => (field::QUEUE_MAPPING, false),
        (Ancillary::RxHash, _) => (field::HASH, false),
        (Ancillary::VlanTag, _) => (field::VLAN_TCI, false),
        (Ancillary::VlanTagPresent, _) => (field::VLAN_PRESENT, false),
        (Ancillary::VlanTpid, _) => (field::VLAN_PROTO, true),
        _ => return None,
    })
}

/// Where a memory word is, from the frame pointer.
const fn word(k: u32) -> Slot {
    -4 * (k as i16 + 1)
}
