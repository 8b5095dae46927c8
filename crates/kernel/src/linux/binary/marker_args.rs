//! Where a marker's arguments are: the compiler writes an operand of its assembler for each, `SIZE@OPERAND`, signed if
//! the size is negative.
//!
//! On x86-64 `-4@%eax`, `8@$71`, `-4@-20(%rbp)`, `1@8(%rbp,%rax,4)`; on arm64 `-4@x4`, `4@5`, `-4@[sp, 96]`. These are the
//! forms that libbpf takes, and what each comes to is a place in `struct pt_regs` as [`Arg`] has it.

use object::elf::{EM_AARCH64, EM_X86_64};

/// How many arguments `usdt.bpf.h` has room for.
pub(in crate::linux) const MOST: usize = 12;

/// How a value is come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::linux) enum Kind {
    /// It is `offset` itself.
    Const,
    /// It is in a register.
    Reg,
    /// It is in memory, `offset` bytes behind what a register points to.
    Deref,
    /// As [`Kind::Deref`], with an index register, shifted, added.
    Sib,
}

/// One argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::linux) struct Arg {
    pub(in crate::linux) kind: Kind,
    pub(in crate::linux) offset: i64,
    /// Offset of the register in `struct pt_regs`.
    pub(in crate::linux) reg: u16,
    /// Likewise, of the index register.
    pub(in crate::linux) index: u16,
    /// The index is shifted left by so many bits.
    pub(in crate::linux) shift: u8,
    pub(in crate::linux) signed: bool,
    /// 1, 2, 4 or 8.
    pub(in crate::linux) size: u8,
}

/// `e_machine` of this machine's programs; nothing for machines whose operands are not known.
pub(in crate::linux) const HERE: Option<u16> = if cfg!(target_arch = "x86_64") {
    Some(EM_X86_64)
} else if cfg!(target_arch = "aarch64") {
    Some(EM_AARCH64)
} else {
    None
};

/// Reads the arguments of a marker in a program for `machine`. The error is the part that can't be read.
pub(in crate::linux) fn parse(text: &str, machine: u16) -> Result<Vec<Arg>, String> {
    let operand = match machine {
        EM_X86_64 => x86_64,
        EM_AARCH64 => aarch64,
        other => return Err(format!("machine {other}")),
    };
    let mut out = Vec::new();
    for part in parts(text) {
        let arg = || {
            let (size, rest) = part.split_once('@')?;
            let size: i8 = size.trim().parse().ok()?;
            let bytes = size.unsigned_abs();
            let place = operand(rest.trim()).filter(|_| matches!(bytes, 1 | 2 | 4 | 8))?;
            Some(Arg { signed: size < 0, size: bytes, ..place })
        };
        out.push(arg().ok_or_else(|| part.to_owned())?);
    }
    Ok(out)
}

/// Parts at spaces, but for spaces in brackets and after commas.
fn parts(text: &str) -> Vec<&str> {
    let (mut out, mut depth, mut start) = (Vec::new(), 0_usize, 0);
    for (n, c) in text.bytes().enumerate() {
        match c {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.saturating_sub(1),
            b' ' if depth == 0 => {
                out.push(&text[start..n]);
                start = n + 1;
            }
            _ => {}
        }
    }
    out.push(&text[start..]);
    out.retain(|p| !p.is_empty());
    out
}

const NOWHERE: Arg = Arg { kind: Kind::Const, offset: 0, reg: 0, index: 0, shift: 0, signed: false, size: 0 };

/// Decimal, or hexadecimal with `0x`.
fn number(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let n = match digits.strip_prefix("0x") {
        Some(hex) => i128::from(u64::from_str_radix(hex, 16).ok()?),
        None if digits.starts_with(|c: char| c.is_ascii_digit()) => i128::from(digits.parse::<u64>().ok()?),
        None => return None,
    };
    let n = if negative { -n } else { n };
    // Constants of eight bytes may be written without a sign.
    i64::try_from(n).ok().or_else(|| u64::try_from(n).ok().map(|n| n as i64))
}

fn x86_64(text: &str) -> Option<Arg> {
    if let Some(constant) = text.strip_prefix('$') {
        return Some(Arg { offset: number(constant)?, ..NOWHERE });
    }
    let Some((offset, inside)) = text.split_once('(') else {
        return Some(Arg { kind: Kind::Reg, reg: x86_64_reg(text)?, ..NOWHERE });
    };
    let offset = if offset.trim().is_empty() { 0 } else { number(offset.trim())? };
    let mut words = inside.strip_suffix(')')?.split(',').map(str::trim);
    let reg = x86_64_reg(words.next()?)?;
    let Some(index) = words.next() else { return Some(Arg { kind: Kind::Deref, offset, reg, ..NOWHERE }) };
    let shift = match words.next() {
        None | Some("1") => 0,
        Some("2") => 1,
        Some("4") => 2,
        Some("8") => 3,
        Some(_) => return None,
    };
    let whole = words.next().is_none();
    whole.then_some(Arg { kind: Kind::Sib, offset, reg, index: x86_64_reg(index)?, shift, ..NOWHERE })
}

/// Registers in the order of `struct pt_regs`, eight bytes each, by all their names.
const X86_64: &[&[&str]] = &[
    &["r15", "r15d", "r15w", "r15b"],
    &["r14", "r14d", "r14w", "r14b"],
    &["r13", "r13d", "r13w", "r13b"],
    &["r12", "r12d", "r12w", "r12b"],
    &["rbp", "ebp", "bp", "bpl"],
    &["rbx", "ebx", "bx", "bl"],
    &["r11", "r11d", "r11w", "r11b"],
    &["r10", "r10d", "r10w", "r10b"],
    &["r9", "r9d", "r9w", "r9b"],
    &["r8", "r8d", "r8w", "r8b"],
    &["rax", "eax", "ax", "al"],
    &["rcx", "ecx", "cx", "cl"],
    &["rdx", "edx", "dx", "dl"],
    &["rsi", "esi", "si", "sil"],
    &["rdi", "edi", "di", "dil"],
    &[/* orig_rax */],
    &["rip", "eip"],
    &[/* cs */],
    &[/* eflags */],
    &["rsp", "esp", "sp", "spl"],
];

fn x86_64_reg(text: &str) -> Option<u16> {
    let name = text.strip_prefix('%')?;
    let n = X86_64.iter().position(|names| names.contains(&name))?;
    Some(n as u16 * 8)
}

fn aarch64(text: &str) -> Option<Arg> {
    if let Some(inside) = text.strip_prefix('[') {
        let inside = inside.strip_suffix(']')?;
        let (reg, offset) = inside.split_once(',').unwrap_or((inside, "0"));
        let (reg, offset) = (aarch64_reg(reg.trim())?, number(offset.trim())?);
        return Some(Arg { kind: Kind::Deref, offset, reg, ..NOWHERE });
    }
    match number(text) {
        Some(offset) => Some(Arg { offset, ..NOWHERE }),
        None => Some(Arg { kind: Kind::Reg, reg: aarch64_reg(text)?, ..NOWHERE }),
    }
}

/// `x0` to `x30` and `sp`, in the order of `struct user_pt_regs`.
fn aarch64_reg(name: &str) -> Option<u16> {
    if name == "sp" {
        return Some(31 * 8);
    }
    let n: u16 = name.strip_prefix(['x', 'w'])?.parse().ok()?;
    (n < 31).then_some(n * 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arg(kind: Kind, offset: i64, reg: u16, size: i8) -> Arg {
        Arg { kind, offset, reg, signed: size < 0, size: size.unsigned_abs(), ..NOWHERE }
    }

    #[test]
    fn operands_of_x86_64() {
        let found = parse("-4@%eax 8@$71 -4@-20(%rbp) 8@(%rsp) -1@$-9 2@%r15w", EM_X86_64).expect("good");
        let wanted = [
            arg(Kind::Reg, 0, 80, -4),
            arg(Kind::Const, 71, 0, 8),
            arg(Kind::Deref, -20, 32, -4),
            arg(Kind::Deref, 0, 152, 8),
            arg(Kind::Const, -9, 0, -1),
            arg(Kind::Reg, 0, 0, 2),
        ];
        assert_eq!(found, wanted);
        let sib = |index, shift, offset| Arg { index, shift, ..arg(Kind::Sib, offset, 32, 1) };
        assert_eq!(
            parse("1@-96(%rbp,%rax,8) 1@(%rbp, %rdx)", EM_X86_64).expect("good"),
            [sib(80, 3, -96), sib(96, 0, 0)]
        );
        assert_eq!(parse("8@$18446744073709551615", EM_X86_64).expect("good"), [arg(Kind::Const, -1, 0, 8)]);
        assert_eq!(parse("", EM_X86_64), Ok(Vec::new()));
    }

    #[test]
    fn operands_of_aarch64() {
        let found = parse("-4@[sp, 96] 8@x4 4@5 8@[x0] -4@-3 -4@w2", EM_AARCH64).expect("good");
        let wanted = [
            arg(Kind::Deref, 96, 248, -4),
            arg(Kind::Reg, 0, 32, 8),
            arg(Kind::Const, 5, 0, 4),
            arg(Kind::Deref, 0, 0, 8),
            arg(Kind::Const, -3, 0, -4),
            arg(Kind::Reg, 0, 16, -4),
        ];
        assert_eq!(found, wanted);
    }

    /// The part that is not understood is what the error holds.
    #[test]
    fn other_operands_are_named() {
        for bad in [
            "8@foo(%rip)",
            "8f@%xmm0",
            "3@%eax",
            "4@%zax",
            "1@(%rbp,%rax,3)",
            "4",
            "4@",
            "1@(%rbp,%rax,1,1)",
            "4@$",
        ] {
            assert_eq!(parse(&format!("8@%rax {bad}"), EM_X86_64), Err(bad.to_owned()));
        }
        for bad in ["4@x31", "4@[x1, x2]", "4@%x1", "4@[sp"] {
            assert_eq!(parse(bad, EM_AARCH64), Err(bad.to_owned()));
        }
        assert_eq!(parse("4@x1", 0), Err("machine 0".into()));
    }
}
