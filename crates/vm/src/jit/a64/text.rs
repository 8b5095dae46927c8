//! What a word says, as an assembler reads it: the names that people use where there are some (`mov`, `cmp`, `lsl`),
//! the row's own elsewhere.

use std::fmt::Write;

use super::encode::*;

const CONDITIONS: [&str; 16] =
    ["eq", "ne", "hs", "lo", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le", "al", "nv"];

/// A register's name; 31 is the zero register.
fn reg(w: W, n: u32) -> String {
    match (w, n & 31) {
        (W::W, 31) => "wzr".into(),
        (W::X, 31) => "xzr".into(),
        (W::W, n) => format!("w{n}"),
        (W::X, n) => format!("x{n}"),
    }
}

/// The same where 31 is the stack pointer.
fn base(w: W, n: u32) -> String {
    match (w, n & 31) {
        (W::W, 31) => "wsp".into(),
        (W::X, 31) => "sp".into(),
        (w, n) => reg(w, n),
    }
}

/// The fields of a word.
struct Fields {
    word: u32,
    w: W,
}

impl Fields {
    fn bits(&self, at: u32, count: u32) -> u32 {
        self.word >> at & ((1 << count) - 1)
    }

    fn signed(&self, at: u32, count: u32) -> i32 {
        (self.bits(at, count) << (32 - count)) as i32 >> (32 - count)
    }

    fn d(&self) -> String {
        reg(self.w, self.word)
    }

    fn n(&self) -> String {
        reg(self.w, self.word >> 5)
    }

    fn m(&self) -> String {
        reg(self.w, self.word >> 16)
    }

    fn a(&self) -> String {
        reg(self.w, self.word >> 10)
    }

    fn at(&self) -> String {
        base(W::X, self.word >> 5)
    }

    fn has_d(&self) -> bool {
        self.bits(0, 5) != 31
    }

    fn has_n(&self) -> bool {
        self.bits(5, 5) != 31
    }
}

/// A word at an offset of its code. Without an offset, jumps say how far they go. `None` for what is no row.
pub(crate) fn text(word: u32, at: Option<usize>) -> Option<String> {
    let row = row(word).filter(|row| row.allows(word))?;
    let f = Fields { word, w: row.size(word) };
    Some(match row.form {
        Form::Rrr => three(row, &f),
        Form::Rrrr if *row == MADD && f.bits(10, 5) == 31 => format!("mul {}, {}, {}", f.d(), f.n(), f.m()),
        Form::Rrrr => format!("{} {}, {}, {}, {}", row.name, f.d(), f.n(), f.m(), f.a()),
        Form::Rr => format!("{} {}, {}", row.name, f.d(), f.n()),
        Form::Uxtw => {
            let (d, n) = (base(W::X, word), base(W::X, word >> 5));
            format!("{} {d}, {n}, {}, uxtw", row.name, reg(W::W, word >> 16))
        }
        Form::Imm12 => twelve(row, &f),
        Form::Logic => logic(row, &f)?,
        Form::MovW => wide(row, &f),
        Form::Bitfield => bitfield(row, &f),
        Form::Select => {
            format!("{} {}, {}, {}, {}", row.name, f.d(), f.n(), f.m(), CONDITIONS[f.bits(12, 4) as usize])
        }
        Form::Prefetch => format!("{} pldl1keep, [{}, {}]", row.name, f.at(), f.m()),
        Form::Sum => format!("{} {}, [{}, {}]", row.name, f.d(), f.at(), reg(W::X, word >> 16)),
        Form::Jump | Form::Branch | Form::Zero | Form::Adr => jump(row, &f, at),
        Form::Reg if *row == RET && f.bits(5, 5) == 30 => row.name.into(),
        Form::Reg => format!("{} {}", row.name, f.n()),
        _ => access(row, &f),
    })
}

fn three(row: &Enc, f: &Fields) -> String {
    let (d, n, m) = (f.d(), f.n(), f.m());
    match *row {
        ORR_R if !f.has_n() => format!("mov {d}, {m}"),
        ORN_R if !f.has_n() => format!("mvn {d}, {m}"),
        SUB_R if !f.has_n() => format!("neg {d}, {m}"),
        SUBS_R if !f.has_d() => format!("cmp {n}, {m}"),
        ADDS_R if !f.has_d() => format!("cmn {n}, {m}"),
        ANDS_R if !f.has_d() => format!("tst {n}, {m}"),
        _ => format!("{} {d}, {n}, {m}", row.name),
    }
}

fn twelve(row: &Enc, f: &Fields) -> String {
    let n = base(f.w, f.word >> 5);
    let shift = if f.bits(22, 1) == 1 { ", lsl #12" } else { "" };
    let imm = format!("#{}{shift}", f.bits(10, 12));
    match *row {
        SUBS_I if !f.has_d() => format!("cmp {n}, {imm}"),
        ADDS_I if !f.has_d() => format!("cmn {n}, {imm}"),
        SUBS_I | ADDS_I => format!("{} {}, {n}, {imm}", row.name, f.d()),
        _ => format!("{} {}, {n}, {imm}", row.name, base(f.w, f.word)),
    }
}

fn logic(row: &Enc, f: &Fields) -> Option<String> {
    let value = unpattern(f.bits(10, 13), f.w)?;
    Some(match *row {
        ANDS_I if !f.has_d() => format!("tst {}, #{value:#x}", f.n()),
        ANDS_I => format!("{} {}, {}, #{value:#x}", row.name, f.d(), f.n()),
        _ => format!("{} {}, {}, #{value:#x}", row.name, base(f.w, f.word), f.n()),
    })
}

fn wide(row: &Enc, f: &Fields) -> String {
    let mut text = format!("{} {}, #{:#x}", row.name, f.d(), f.bits(5, 16));
    if f.bits(21, 2) != 0 {
        // Writing to a string does not fail.
        let _ = write!(text, ", lsl #{}", 16 * f.bits(21, 2));
    }
    text
}

fn bitfield(row: &Enc, f: &Fields) -> String {
    let (first, last) = (f.bits(16, 6), f.bits(10, 6));
    let top = if f.w == W::X { 63 } else { 31 };
    let (d, n, narrow) = (f.d(), f.n(), reg(W::W, f.word >> 5));
    let signed = *row == SBFM;
    match (first, last) {
        (_, last) if last == top => format!("{} {d}, {n}, #{first}", if signed { "asr" } else { "lsr" }),
        (0, 7) if signed => format!("sxtb {d}, {narrow}"),
        (0, 15) if signed => format!("sxth {d}, {narrow}"),
        (0, 31) if signed => format!("sxtw {d}, {narrow}"),
        (0, 15) if f.w == W::W => format!("uxth {d}, {narrow}"),
        (first, last) if !signed && last + 1 == first => format!("lsl {d}, {n}, #{}", top - last),
        _ => format!("{} {d}, {n}, #{first}, #{last}", row.name),
    }
}

fn jump(row: &Enc, f: &Fields, at: Option<usize>) -> String {
    let distance = match row.form {
        Form::Jump => f.signed(0, 26) * 4,
        Form::Adr => f.signed(5, 19) * 4 + f.bits(29, 2) as i32,
        _ => f.signed(5, 19) * 4,
    };
    let target = match at {
        Some(at) => format!("{:#x}", at as i64 + i64::from(distance)),
        None => format!("#{distance}"),
    };
    match row.form {
        Form::Jump => format!("{} {target}", row.name),
        Form::Branch => format!("{}.{} {target}", row.name, CONDITIONS[f.bits(0, 4) as usize]),
        _ => format!("{} {}, {target}", row.name, f.d()),
    }
}

fn access(row: &Enc, f: &Fields) -> String {
    let (name, t, at) = (row.name, f.d(), f.at());
    let (u, near, pair) = (f.a(), f.signed(12, 9), f.signed(15, 7) * 8);
    match row.form {
        Form::Scaled(scale) => match f.bits(10, 12) << scale {
            0 => format!("{name} {t}, [{at}]"),
            off => format!("{name} {t}, [{at}, #{off}]"),
        },
        Form::Near if near == 0 => format!("{name} {t}, [{at}]"),
        Form::Near => format!("{name} {t}, [{at}, #{near}]"),
        Form::Pre => format!("{name} {t}, [{at}, #{near}]!"),
        Form::Post => format!("{name} {t}, [{at}], #{near}"),
        Form::Pair if pair == 0 => format!("{name} {t}, {u}, [{at}]"),
        Form::Pair => format!("{name} {t}, {u}, [{at}, #{pair}]"),
        Form::PairPre => format!("{name} {t}, {u}, [{at}, #{pair}]!"),
        Form::PairPost => format!("{name} {t}, {u}, [{at}], #{pair}"),
        Form::Exclusive => format!("{name} {}, {t}, [{at}]", reg(W::W, f.word >> 16)),
        Form::Atomic => format!("{name} {}, {t}, [{at}]", f.m()),
        // What is ordered, the only form left.
        _ => format!("{name} {t}, [{at}]"),
    }
}
