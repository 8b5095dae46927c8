//! Strings: `bpf_strtol`, `bpf_strtoul`, `bpf_strncmp`.

use skep_vm::{Frame, Stop};

use super::size;
use crate::env::Env;
use crate::errno::{Errno, answer};

/// The base is in the low bits of `flags`.
const BASE_MASK: u64 = 0x1f;

/// A number at the start of text: its sign, its magnitude, and how many bytes it took.
fn parse(text: &[u8], flags: u64) -> Result<(bool, u64, usize), Errno> {
    let mut base = flags & BASE_MASK;
    if flags & !BASE_MASK != 0 || !matches!(base, 0 | 8 | 10 | 16) {
        return Err(Errno::EINVAL);
    }
    let mut at = text.iter().take_while(|b| b.is_ascii_whitespace() || **b == 0x0b).count();
    let negative = text.get(at) == Some(&b'-');
    at += usize::from(negative);
    let prefix = text.get(at) == Some(&b'0') && matches!(text.get(at + 1), Some(b'x' | b'X'));
    if base == 0 {
        base = match text.get(at) {
            Some(b'0') if prefix && text.get(at + 2).is_some_and(u8::is_ascii_hexdigit) => 16,
            Some(b'0') => 8,
            _ => 10,
        };
    }
    if base == 16 && prefix {
        at += 2;
    }
    let (mut value, start) = (0u64, at);
    while let Some(digit) = text.get(at).and_then(|b| (*b as char).to_digit(base as u32)) {
        let next = value.checked_mul(base).and_then(|v| v.checked_add(digit.into()));
        value = next.ok_or(Errno::ERANGE)?;
        at += 1;
    }
    if at == start { Err(Errno::EINVAL) } else { Ok((negative, value, at)) }
}

/// `long bpf_strtol(buf, buf_len, flags, res)`
pub(super) fn strtol(_: &mut Env, frame: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    convert(frame, args, |negative, value| {
        let value = i128::from(value) * if negative { -1 } else { 1 };
        i64::try_from(value).map(|v| v as u64).map_err(|_| Errno::ERANGE)
    })
}

/// `long bpf_strtoul(buf, buf_len, flags, res)`
pub(super) fn strtoul(_: &mut Env, frame: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    convert(frame, args, |negative, value| if negative { Err(Errno::EINVAL) } else { Ok(value) })
}

fn convert(
    frame: &mut Frame<'_>,
    args: [u64; 5],
    sign: fn(bool, u64) -> Result<u64, Errno>,
) -> Result<u64, Stop> {
    let [buf, len, flags, res, _] = args;
    let text = frame.memory.read(buf, size(len))?;
    // The kernel looks at no more than 64 bytes.
    let parsed = parse(&text[..text.len().min(64)], flags);
    let parsed = parsed.and_then(|(negative, value, used)| Ok((sign(negative, value)?, used)));
    frame.memory.write_u64(res, parsed.map_or(0, |(value, _)| value))?;
    Ok(answer(parsed.map(|(_, used)| used as u64)))
}

/// `long bpf_strncmp(s1, s1_sz, s2)`: sign of the difference of the first bytes that differ.
pub(super) fn strncmp(_: &mut Env, frame: &mut Frame<'_>, args: [u64; 5]) -> Result<u64, Stop> {
    let [s1, len, s2, ..] = args;
    frame.charge(size(len) as u64 / 16)?;
    let s1 = frame.memory.read(s1, size(len))?;
    for (i, &a) in s1.iter().enumerate() {
        let b = frame.memory.read_u8(s2.wrapping_add(i as u64))?;
        if a != b {
            return Ok(if a < b { -1i64 as u64 } else { 1 });
        }
        if a == 0 {
            break;
        }
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_the_kernel_reads_them() {
        assert_eq!(parse(b"  -42 rest", 10), Ok((true, 42, 5)));
        assert_eq!(parse(b"0x1fz", 0), Ok((false, 31, 4)));
        assert_eq!(parse(b"017", 0), Ok((false, 15, 3)));
        assert_eq!(parse(b"0", 0), Ok((false, 0, 1)));
        assert_eq!(parse(b"0xg", 0), Ok((false, 0, 1)));
        assert_eq!(parse(b"0xg", 16), Err(Errno::EINVAL));
        assert_eq!(parse(b"99999999999999999999", 10), Err(Errno::ERANGE));
        assert_eq!(parse(b"x", 10), Err(Errno::EINVAL));
        assert_eq!(parse(b"1", 7), Err(Errno::EINVAL));
        assert_eq!(parse(b"1", 32), Err(Errno::EINVAL));
    }
}
