//! Addresses as filters write them: MAC-48 in five notations, MAC-8, DECnet, dotted parts of IPv4.

/// `1`, `1.2`, `1.2.3`, `1.2.3.4`: the number made of the parts that are there, and how many bits that is.
pub fn ipv4_prefix(text: &str) -> Option<(u32, u32)> {
    let (mut addr, mut bits) = (0u32, 0);
    for part in text.split('.') {
        let mut n = 0u32;
        for c in part.bytes() {
            if n > 25 {
                return None;
            }
            n = (n * 10).wrapping_add(u32::from(c).wrapping_sub(u32::from(b'0')));
        }
        if n > 255 {
            return None;
        }
        addr = (addr << 8) | n;
        bits += 8;
    }
    (bits <= 32).then_some((addr, bits))
}

/// `AREA.NODE` of DECnet Phase IV, packed.
pub fn decnet(text: &str) -> Option<u16> {
    let (area, node) = text.split_once('.')?;
    let number = |text: &str, max: u32| -> Option<u32> {
        if text.is_empty() {
            return None;
        }
        text.bytes().try_fold(0u32, |n, c| {
            let n = n * 10 + char::from(c).to_digit(10)?;
            (n <= max).then_some(n)
        })
    };
    Some(((number(area, 63)? << 10) | number(node, 1023)?) as u16)
}

/// `$X` or `$XX`: an address of eight bits, as ARCnet has them.
pub fn mac8(text: &str) -> Option<u8> {
    let digits = text.strip_prefix('$')?;
    if digits.len() > 2 || !digits.bytes().all(|c| c.is_ascii_hexdigit()) {
        return None;
    }
    u8::from_str_radix(digits, 16).ok()
}

/// An Ethernet-like address: `xxxxxxxxxxxx`, `xxxx.xxxx.xxxx`, or six parts with `:`, `-` or `.` between.
pub fn mac48(text: &str) -> Option<[u8; 6]> {
    let mut addr = [0u8; 6];
    if !text.is_ascii() {
        return None;
    }
    let dotted = text.len() == 14 && text.split('.').map(str::len).eq([4, 4, 4]);
    if text.len() == 12 || dotted {
        let digits: String = text.chars().filter(|&c| !(dotted && c == '.')).collect();
        if digits.bytes().all(|c| c.is_ascii_hexdigit()) {
            for (byte, pair) in addr.iter_mut().zip(digits.as_bytes().chunks(2)) {
                *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
            }
            return Some(addr);
        }
    }
    let sep = text.chars().find(|c| ":.-".contains(*c))?;
    let parts: Vec<&str> = text.split(sep).collect();
    if parts.len() != 6 {
        return None;
    }
    for (byte, part) in addr.iter_mut().zip(parts) {
        if part.is_empty() || part.len() > 2 || !part.bytes().all(|c| c.is_ascii_hexdigit()) {
            return None;
        }
        *byte = u8::from_str_radix(part, 16).ok()?;
    }
    Some(addr)
}

/// How a number fails to be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotANumber {
    Hex,
    Octal,
    Decimal,
    /// It does not fit 32 bits; the notation.
    Overflow(&'static str),
}

/// Decimal, `0x` hex or octal with a leading zero, as C writes them.
pub(crate) fn number(text: &str) -> Result<u32, NotANumber> {
    let (digits, radix, name, not) =
        if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            (hex, 16, "hexadecimal", NotANumber::Hex)
        } else if let Some(octal) = text.strip_prefix('0') {
            (octal, 8, "octal", NotANumber::Octal)
        } else {
            (text, 10, "decimal", NotANumber::Decimal)
        };
    let mut n = 0u32;
    for c in digits.chars() {
        let digit = c.to_digit(radix).ok_or(not)?;
        n = n.checked_mul(radix).and_then(|n| n.checked_add(digit)).ok_or(NotANumber::Overflow(name))?;
    }
    Ok(n)
}
