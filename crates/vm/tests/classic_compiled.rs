//! Compiled filters give what interpreted ones give, on random programs and packets.

use skep_isa::classic::{AluOp, Cond, Insn, Op, Size, Source, check_socket};
use skep_vm::classic::{Facts, Filter, Packet};

/// SplitMix64, by Steele, Lea and Flood.
struct Random(u64);

impl Random {
    fn draw(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) as u32
    }

    fn below(&mut self, n: u32) -> u32 {
        self.draw() % n
    }

    /// An offset or a constant: mostly small, sometimes where things change.
    fn word(&mut self) -> u32 {
        match self.below(16) {
            0 => self.draw(),
            1 => 0u32.wrapping_sub(self.below(4)),
            2 => 0x7fff_fff8 + self.below(16),
            3 => 0xfff0_0000 + self.below(20),
            4 => 1 << self.below(32),
            _ => self.below(70),
        }
    }

    fn source(&mut self) -> Source {
        if self.below(3) == 0 { Source::X } else { Source::K(self.word()) }
    }

    fn op(&mut self, left: u32) -> Op {
        const ALU: [AluOp; 10] = [
            AluOp::Add,
            AluOp::Sub,
            AluOp::Mul,
            AluOp::Div,
            AluOp::Mod,
            AluOp::Or,
            AluOp::And,
            AluOp::Xor,
            AluOp::Lsh,
            AluOp::Rsh,
        ];
        let size = [Size::B, Size::H, Size::W][self.below(3) as usize];
        let (k, word) = (self.word(), self.below(3));
        match self.below(18) {
            0..4 => Op::LoadAbs { size, k },
            4 | 5 => Op::LoadInd { size, k },
            6 => Op::LoadxMsh { k },
            7 => [Op::LoadImm { k }, Op::LoadxImm { k }][word as usize % 2],
            8 => [Op::Store { k: word }, Op::Storex { k: word }][self.below(2) as usize],
            9 => [Op::LoadMem { k: word }, Op::LoadxMem { k: word }][self.below(2) as usize],
            10 => [Op::LoadLen, Op::LoadxLen, Op::Neg][word as usize],
            11 | 12 => Op::Alu { op: ALU[self.below(10) as usize], src: self.source() },
            13 => [Op::Tax, Op::Txa][word as usize % 2],
            14 if self.below(4) == 0 => Op::RetA,
            14 if self.below(4) == 0 => Op::RetK { k },
            14 => Op::Jump { k: self.below(left.min(4)) },
            _ => self.branch(left),
        }
    }

    fn branch(&mut self, left: u32) -> Op {
        let cond = [Cond::Eq, Cond::Gt, Cond::Ge, Cond::Set][self.below(4) as usize];
        let [jt, jf] = [self.below(left.min(9)) as u8, self.below(left.min(9)) as u8];
        Op::Branch { cond, src: self.source(), jt, jf }
    }

    fn program(&mut self) -> Vec<Insn> {
        let len = 1 + self.below(40);
        let mut ops: Vec<Op> = (0..3).map(|k| Op::Store { k }).collect();
        ops.extend((0..len).map(|at| self.op(len - at)));
        ops.push(Op::RetA);
        ops.push(Op::RetK { k: 7 });
        ops.into_iter().map(Op::encode).collect()
    }

    /// Loads something and compares it with constants only, on ways that join and part, until it ends in one of two.
    fn list(&mut self) -> Vec<Insn> {
        let len = 10 + self.below(100);
        let conds = [Cond::Eq, Cond::Eq, Cond::Eq, Cond::Gt, Cond::Ge];
        let mut ops = vec![[Op::LoadAbs { size: Size::B, k: 3 }, Op::LoadLen][self.below(2) as usize]];
        for at in 0..len {
            let left = len - at;
            let near = |n: u32| n.min(left + 1) as u8;
            let src = Source::K(self.below(140));
            let cond = conds[self.below(5) as usize];
            let end = [left - 1, left][self.below(2) as usize] as u8;
            let (jt, jf) = match self.below(8) {
                0 => (near(self.below(4)), near(self.below(12))),
                1 => (0, end),
                _ => (end, 0),
            };
            ops.push(Op::Branch { cond, src, jt, jf });
        }
        ops.extend([Op::RetK { k: 1 }, Op::RetA]);
        ops.into_iter().map(Op::encode).collect()
    }
}

fn agree(insns: &[Insn], random: &mut Random) -> bool {
    if check_socket(insns).is_err() {
        return false;
    }
    let (slow, fast) = (Filter::new(insns).expect("a filter"), Filter::compiled(insns).expect("the same"));
    let facts = Facts { network: 14, link: Some(2), ..Facts::NONE };
    for _ in 0..40 {
        let mut bytes: Vec<u8> = (0..random.below(140)).map(|_| random.draw() as u8).collect();
        if random.below(2) == 0 {
            bytes.iter_mut().for_each(|b| *b &= 0x43);
        }
        let packet = Packet { bytes: &bytes, len: bytes.len() as u32 + random.below(2) * 50, facts: &facts };
        assert_eq!(fast.run(&packet), slow.run(&packet), "{insns:?} on {bytes:x?} of {}", packet.len);
    }
    fast.is_compiled()
}

#[test]
fn compiled_filters_agree_with_interpreted_ones() {
    let mut random = Random(1);
    let rounds = if cfg!(debug_assertions) { 4_000 } else { 400_000 };
    let mut compiled = 0;
    for _ in 0..rounds {
        let (program, list) = (random.program(), random.list());
        compiled += u32::from(agree(&program, &mut random)) + u32::from(agree(&list, &mut random));
    }
    let there = cfg!(all(target_arch = "x86_64", unix, not(skep_portable)));
    assert_eq!(compiled > rounds / 2, there, "{compiled} of {rounds} twice were compiled");
}

#[test]
fn what_asks_for_more_is_interpreted() {
    for text in ["ld proto\nret a", "ldb [-1048576]\nret a"] {
        let insns = skep_isa::classic::text::parse(text).unwrap();
        assert!(!Filter::compiled(&insns).unwrap().is_compiled(), "{text}");
    }
}
