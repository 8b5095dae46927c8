//! What commands read: files, `-` for stdin, and `hex:...` where bytes are asked for.

use std::fs::File;
use std::io::{IsTerminal, Read};
use std::path::Path;

use crate::failure::{Failure, reason};

/// The largest object or text that is read whole: 256 MiB. Captures are streamed and have no such limit.
const MAX_FILE: u64 = 256 << 20;

/// What to call a path in messages.
pub(crate) fn label(path: &Path) -> String {
    if is_stdin(path) { "<stdin>".into() } else { path.display().to_string() }
}

pub(crate) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// A whole file, or stdin.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|e| at(path, &e))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(Failure::new(format!("{}: larger than {} MiB", label(path), MAX_FILE >> 20)));
    }
    Ok(bytes)
}

/// The same as text.
pub(crate) fn read_text(path: &Path) -> Result<String, Failure> {
    String::from_utf8(read(path)?).map_err(|e| {
        let line = e.as_bytes()[..e.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n').count() + 1;
        Failure::new(format!("{}: line {line} is not UTF-8 text", label(path)))
    })
}

/// Opens a file, or stdin, for streaming.
pub(crate) fn open(path: &Path) -> Result<Box<dyn Read>, Failure> {
    if is_stdin(path) {
        let stdin = std::io::stdin();
        if stdin.is_terminal() {
            return Err(Failure::new("stdin is a terminal").hint("give a file, or pipe one in"));
        }
        return Ok(Box::new(stdin.lock()));
    }
    let file = File::open(path).map_err(|e| at(path, &e))?;
    if file.metadata().is_ok_and(|m| m.is_dir()) {
        return Err(Failure::new(format!("{}: is a directory", label(path))));
    }
    Ok(Box::new(file))
}

/// Length of a regular file, for progress.
pub(crate) fn len(path: &Path) -> Option<u64> {
    std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file).map(|m| m.len())
}

/// `FILE` or `hex:0a 0b...`.
pub(crate) fn bytes(arg: &str) -> Result<Vec<u8>, Failure> {
    match arg.strip_prefix("hex:") {
        Some(h) => hex(h),
        None => read(Path::new(arg)),
    }
}

/// Pairs of hex digits; spaces, commas, colons and line ends between them are passed over, as is `0x` before a pair.
pub(crate) fn hex(text: &str) -> Result<Vec<u8>, Failure> {
    let mut out = Vec::with_capacity(text.len() / 2);
    for word in text.split(|c: char| c.is_whitespace() || matches!(c, ',' | ':')) {
        let digits = word.strip_prefix("0x").unwrap_or(word);
        if let Some(bad) = digits.chars().find(|c| !c.is_ascii_hexdigit()) {
            return Err(Failure::new(format!("{bad:?} is not a hex digit")));
        }
        if !digits.len().is_multiple_of(2) {
            return Err(Failure::new(format!("`{word}` has an odd number of hex digits")));
        }
        for pair in digits.as_bytes().chunks_exact(2) {
            let digit = |b: u8| (b as char).to_digit(16).unwrap_or(0) as u8;
            out.push(digit(pair[0]) << 4 | digit(pair[1]));
        }
    }
    Ok(out)
}

/// A failure of the file system, with its place.
pub(crate) fn at(path: &Path, e: &std::io::Error) -> Failure {
    Failure::new(format!("{}: {}", label(path), reason(e)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_read_as_people_write_it() {
        assert_eq!(hex("0a0B 0c").unwrap(), [10, 11, 12]);
        assert_eq!(hex("0x0a, 0x0b\n ff:00").unwrap(), [10, 11, 255, 0]);
        assert_eq!(hex("").unwrap(), Vec::<u8>::new());
        assert_eq!(hex("abc").unwrap_err().message, "`abc` has an odd number of hex digits");
        assert_eq!(hex("zz").unwrap_err().message, "'z' is not a hex digit");
    }
}
