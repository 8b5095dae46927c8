//! The format strings of `bpf_trace_printk`, `bpf_trace_vprintk`, `bpf_snprintf` and `bpf_seq_printf`.
//!
//! One engine, with the kernel's subset of printf: `%d %i %u %x %X %c %s %p` with `l` and `ll`, the pointer
//! forms `%px %pK %ps %pS %pB %pks %pus %pi4 %pI4 %pi6 %pI6`, the flags ` +-0` and a width. What it does not
//! know is `EINVAL`, as there. Plain `%p` shows the address, which the kernel hashes; symbols are never known,
//! so their addresses are shown.

use skep_vm::Memory;

use crate::errno::Errno;

/// `MAX_BPRINTF_VARARGS`.
pub(crate) const MAX_ARGS: usize = 12;
/// The longest text that an argument contributes, and the longest line.
const MAX_TEXT: usize = 512;
const MAX_LINE: usize = 1024;

#[derive(Default)]
struct Field {
    zero: bool,
    left: bool,
    plus: bool,
    space: bool,
    width: usize,
}

impl Field {
    /// Pads a number's sign and digits, or a text.
    fn put(&self, out: &mut String, sign: &str, body: &str, number: bool) {
        let pad = self.width.saturating_sub(sign.len() + body.len());
        if self.left {
            out.push_str(sign);
            out.push_str(body);
            out.extend(std::iter::repeat_n(' ', pad));
        } else if self.zero && number {
            out.push_str(sign);
            out.extend(std::iter::repeat_n('0', pad));
            out.push_str(body);
        } else {
            out.extend(std::iter::repeat_n(' ', pad));
            out.push_str(sign);
            out.push_str(body);
        }
    }

    fn signed(&self, out: &mut String, n: i64) {
        let sign = match n {
            ..0 => "-",
            _ if self.plus => "+",
            _ if self.space => " ",
            _ => "",
        };
        self.put(out, sign, &n.unsigned_abs().to_string(), true);
    }
}

/// The text of `format` (up to its first NUL) with `args`; at most 1023 bytes of it.
///
/// # Errors
/// `EINVAL` for a format without NUL, one that is not printable ASCII, a conversion that the kernel does not
/// take, or fewer arguments than conversions.
pub(crate) fn format(format: &[u8], args: &[u64], memory: &Memory) -> Result<String, Errno> {
    let end = format.iter().position(|&b| b == 0).ok_or(Errno::EINVAL)?;
    let mut engine = Engine { rest: &format[..end], args: args.iter(), memory, out: String::new() };
    while let Some(byte) = engine.next() {
        if !(byte.is_ascii_graphic() || byte.is_ascii_whitespace()) {
            return Err(Errno::EINVAL);
        }
        match byte {
            b'%' if engine.peek() == Some(b'%') => {
                engine.next();
                engine.out.push('%');
            }
            b'%' => engine.conversion()?,
            _ => engine.out.push(byte as char),
        }
    }
    engine.out.truncate(engine.out.floor_char_boundary(MAX_LINE - 1));
    Ok(engine.out)
}

struct Engine<'a> {
    rest: &'a [u8],
    args: std::slice::Iter<'a, u64>,
    memory: &'a Memory,
    out: String,
}

impl Engine<'_> {
    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn next(&mut self) -> Option<u8> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    fn eat(&mut self, byte: u8) -> bool {
        let yes = self.peek() == Some(byte);
        if yes {
            self.next();
        }
        yes
    }

    fn arg(&mut self) -> Result<u64, Errno> {
        self.args.next().copied().ok_or(Errno::EINVAL)
    }

    fn field(&mut self) -> Field {
        let mut field = Field::default();
        while let Some(flag @ (b'0' | b'+' | b'-' | b' ')) = self.peek() {
            match flag {
                b'0' => field.zero = true,
                b'+' => field.plus = true,
                b'-' => field.left = true,
                _ => field.space = true,
            }
            self.next();
        }
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            field.width = (field.width * 10 + usize::from(digit - b'0')).min(MAX_LINE);
            self.next();
        }
        field
    }

    /// What stands between `%` and the end of a conversion.
    fn conversion(&mut self) -> Result<(), Errno> {
        let field = self.field();
        match self.peek() {
            Some(b'p') => {
                self.next();
                self.pointer(&field)
            }
            Some(b's') => {
                self.next();
                let text = self.text()?;
                field.put(&mut self.out, "", &text, false);
                Ok(())
            }
            Some(b'c') => {
                self.next();
                let c = self.arg()? as u8 as char;
                field.put(&mut self.out, "", c.encode_utf8(&mut [0; 4]), false);
                Ok(())
            }
            _ => self.integer(&field),
        }
    }

    fn integer(&mut self, field: &Field) -> Result<(), Errno> {
        let long = self.eat(b'l');
        if long {
            self.eat(b'l');
        }
        let kind = self.next().ok_or(Errno::EINVAL)?;
        if !matches!(kind, b'd' | b'i' | b'u' | b'x' | b'X') {
            return Err(Errno::EINVAL);
        }
        let arg = self.arg()?;
        let unsigned = if long { arg } else { u64::from(arg as u32) };
        match kind {
            b'd' | b'i' => field.signed(&mut self.out, if long { arg as i64 } else { i64::from(arg as i32) }),
            b'u' => field.put(&mut self.out, "", &unsigned.to_string(), true),
            b'x' => field.put(&mut self.out, "", &format!("{unsigned:x}"), true),
            _ => field.put(&mut self.out, "", &format!("{unsigned:X}"), true),
        }
        Ok(())
    }

    fn pointer(&mut self, field: &Field) -> Result<(), Errno> {
        match self.peek() {
            Some(b'k' | b'u') => {
                self.next();
                if !self.eat(b's') {
                    return Err(Errno::EINVAL);
                }
                let text = self.text()?;
                field.put(&mut self.out, "", &text, false);
            }
            Some(kind @ (b'i' | b'I')) => {
                self.next();
                self.address(kind == b'I', field)?;
            }
            Some(b'x' | b'K' | b's' | b'S' | b'B') => {
                let symbol = !matches!(self.next(), Some(b'x' | b'K'));
                let arg = self.arg()?;
                let text = if symbol { format!("{arg:#x}") } else { format!("{arg:016x}") };
                field.put(&mut self.out, "", &text, false);
            }
            None | Some(b' ' | b'\t' | b'\n') => self.plain_pointer(field)?,
            Some(c) if c.is_ascii_punctuation() => self.plain_pointer(field)?,
            _ => return Err(Errno::EINVAL),
        }
        Ok(())
    }

    fn plain_pointer(&mut self, field: &Field) -> Result<(), Errno> {
        let text = format!("{:016x}", self.arg()?);
        field.put(&mut self.out, "", &text, false);
        Ok(())
    }

    /// `%pi4`, `%pI4`, `%pi6`, `%pI6`: an address in memory.
    fn address(&mut self, separated: bool, field: &Field) -> Result<(), Errno> {
        let text = match self.next() {
            Some(b'4') => {
                let octets = self.bytes::<4>()?;
                let octets = octets.map(|o| if separated { o.to_string() } else { format!("{o:03}") });
                octets.join(".")
            }
            Some(b'6') => {
                let bytes = self.bytes::<16>()?;
                let groups: Vec<_> = bytes.chunks(2).map(|g| format!("{:02x}{:02x}", g[0], g[1])).collect();
                groups.join(if separated { ":" } else { "" })
            }
            _ => return Err(Errno::EINVAL),
        };
        field.put(&mut self.out, "", &text, false);
        Ok(())
    }

    /// Bytes that an argument points to; zeroes if it points nowhere.
    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Errno> {
        let addr = self.arg()?;
        Ok(self.memory.read(addr, N).ok().and_then(|b| b.try_into().ok()).unwrap_or([0; N]))
    }

    /// The string that an argument points to; empty if it points nowhere.
    fn text(&mut self) -> Result<String, Errno> {
        let addr = self.arg()?;
        let mut bytes = Vec::new();
        for i in 0..MAX_TEXT as u64 - 1 {
            match self.memory.read(addr.wrapping_add(i), 1) {
                Ok(&[b]) if b != 0 => bytes.push(b),
                Ok(_) => break,
                Err(_) => {
                    bytes.clear();
                    break;
                }
            }
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use skep_isa::Endian;
    use skep_vm::{Memory, Protection};

    use super::*;

    fn show(fmt: &str, args: &[u64]) -> Result<String, Errno> {
        format(format!("{fmt}\0").as_bytes(), args, &Memory::new(Endian::Little))
    }

    #[test]
    fn numbers_take_their_width_from_the_length() {
        assert_eq!(show("%d %u %x", &[u64::MAX, u64::MAX, u64::MAX]).unwrap(), "-1 4294967295 ffffffff");
        assert_eq!(show("%lld %lu %llX", &[u64::MAX, 7, 0xabc]).unwrap(), "-1 7 ABC");
        assert_eq!(show("[%5d|%-5d|%05d|%+d]", &[42, 42, 42, 42]).unwrap(), "[   42|42   |00042|+42]");
        assert_eq!(show("100%% %c", &[u64::from(b'x')]).unwrap(), "100% x");
    }

    #[test]
    fn strings_and_addresses_are_read_from_memory() {
        let mut memory = Memory::new(Endian::Little);
        let id = memory.add_bytes(b"bee\0\x0a\x07\x00\x42\xfd\x07", Protection::ReadOnly).unwrap();
        let show = |fmt: &[u8], args: &[u64]| format(fmt, args, &memory).unwrap();
        assert_eq!(show(b"<%s>%6s\0", &[id.base(), id.base()]), "<bee>   bee");
        assert_eq!(show(b"%pI4 %pi4\0", &[id.base() + 4; 2]), "10.7.0.66 010.007.000.066");
        assert_eq!(show(b"<%s>%pI6\0", &[0, 0]), "<>0000:0000:0000:0000:0000:0000:0000:0000");
    }

    #[test]
    fn what_the_kernel_refuses_is_refused() {
        for (fmt, args) in [("%d", &[][..]), ("%f", &[1]), ("%", &[]), ("%hd", &[1]), ("%pz", &[1])] {
            assert_eq!(show(fmt, args), Err(Errno::EINVAL), "{fmt}");
        }
        let memory = Memory::new(Endian::Little);
        assert_eq!(format(b"no end", &[], &memory), Err(Errno::EINVAL));
        assert_eq!(format(b"\x01\0", &[], &memory), Err(Errno::EINVAL));
    }
}
