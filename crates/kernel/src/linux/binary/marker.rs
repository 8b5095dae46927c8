//! Markers (USDT probes): places that a program's author named, as notes in `.note.stapsdt`. The format is SystemTap's:
//! <https://sourceware.org/systemtap/wiki/UserSpaceProbeImplementation>.

use skep_backend::{Error, ErrorKind};

use super::Binary;

/// One place of a marker. A marker has as many as the compiler made copies of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::linux) struct Marker {
    provider: String,
    name: String,
    /// Where arguments are, as the compiler wrote it: `-4@%eax 8@$1`.
    pub(in crate::linux) args: String,
    /// Address of the instruction.
    address: u64,
    /// Address of the counter that says whether anybody listens; 0 is none.
    semaphore: u64,
}

/// A place, by offsets in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::linux) struct Place {
    pub(in crate::linux) offset: u64,
    pub(in crate::linux) semaphore: u64,
    pub(in crate::linux) args: String,
}

/// How words are written in a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words {
    pub(super) wide: bool,
    pub(super) big: bool,
}

impl Words {
    fn u32(self, bytes: &mut &[u8]) -> Option<u32> {
        let (word, rest) = bytes.split_first_chunk()?;
        *bytes = rest;
        Some(if self.big { u32::from_be_bytes(*word) } else { u32::from_le_bytes(*word) })
    }

    fn address(self, bytes: &mut &[u8]) -> Option<u64> {
        let (a, b) = (self.u32(bytes)?, if self.wide { self.u32(bytes)? } else { 0 });
        let (low, high) = if self.big && self.wide { (b, a) } else { (a, b) };
        Some(u64::from(high) << 32 | u64::from(low))
    }
}

/// Takes so many bytes and what pads them to four.
fn take<'a>(bytes: &mut &'a [u8], len: u32) -> Option<&'a [u8]> {
    let len = usize::try_from(len).ok()?;
    let (head, _) = bytes.split_at_checked(len)?;
    *bytes = bytes.get(len.checked_next_multiple_of(4)?..).unwrap_or_default();
    Some(head)
}

fn string(bytes: &mut &[u8]) -> Option<String> {
    let end = bytes.iter().position(|b| *b == 0)?;
    let text = String::from_utf8_lossy(&bytes[..end]).into_owned();
    *bytes = &bytes[end + 1..];
    Some(text)
}

/// Reads the notes; what is no marker, or is cut, is passed over. `base` is where `.stapsdt.base` lies now: a linker that
/// moved it after the notes were written (prelink) moved everything by as much.
pub(super) fn parse(mut notes: &[u8], words: Words, base: Option<u64>) -> Vec<Marker> {
    let mut out = Vec::new();
    while let Some((kind, name, desc)) = note(&mut notes, words) {
        if kind == KIND && name == b"stapsdt\0" {
            out.extend(marker(desc, words, base));
        }
    }
    out
}

/// `NT_STAPSDT`.
const KIND: u32 = 3;

fn note<'a>(notes: &mut &'a [u8], words: Words) -> Option<(u32, &'a [u8], &'a [u8])> {
    let (name, desc, kind) = (words.u32(notes)?, words.u32(notes)?, words.u32(notes)?);
    Some((kind, take(notes, name)?, take(notes, desc)?))
}

fn marker(mut desc: &[u8], words: Words, base: Option<u64>) -> Option<Marker> {
    let desc = &mut desc;
    let (address, then, semaphore) = (words.address(desc)?, words.address(desc)?, words.address(desc)?);
    let moved = base.filter(|_| then != 0).map_or(0, |now| now.wrapping_sub(then));
    Some(Marker {
        provider: string(desc)?,
        name: string(desc)?,
        args: string(desc)?,
        address: address.wrapping_add(moved),
        semaphore: if semaphore == 0 { 0 } else { semaphore.wrapping_add(moved) },
    })
}

impl Binary {
    /// The places of a marker.
    ///
    /// # Errors
    /// If there is no such marker; the hint names those that there are.
    pub(in crate::linux) fn marker(&self, provider: &str, name: &str) -> Result<Vec<Place>, Error> {
        let path = self.path.display();
        let mut places = Vec::new();
        for m in self.markers.iter().filter(|m| m.provider == provider && m.name == name) {
            let outside = |what: &str| {
                let message = format!("{path}: {what} of `{provider}:{name}` lies outside of what is mapped");
                Error::new(ErrorKind::Invalid, message)
            };
            let (offset, _) = self.offset(m.address).filter(|p| p.1).ok_or_else(|| outside("a place"))?;
            let semaphore = match m.semaphore {
                0 => 0,
                at => self.offset(at).filter(|p| !p.1).ok_or_else(|| outside("the semaphore"))?.0,
            };
            places.push(Place { offset, semaphore, args: m.args.clone() });
        }
        if !places.is_empty() {
            return Ok(places);
        }
        let error = Error::new(ErrorKind::NotFound, format!("{path} has no marker `{provider}:{name}`"));
        let mut known: Vec<_> = self.markers.iter().map(|m| format!("{}:{}", m.provider, m.name)).collect();
        known.sort_unstable();
        known.dedup();
        Err(error.with_hint(match known.len() {
            0 => "it has no markers at all; they are made with DTRACE_PROBE of <sys/sdt.h>".to_owned(),
            1..=12 => format!("it has {}", known.join(", ")),
            n => format!("it has {} and {} others", known[..12].join(", "), n - 12),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A note as the compiler writes it.
    fn written(words: [u64; 3], strings: &str) -> Vec<u8> {
        let mut desc: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        desc.extend(strings.as_bytes());
        let mut out: Vec<u8> = [8, desc.len() as u32, KIND].iter().flat_map(|w| w.to_le_bytes()).collect();
        out.extend(b"stapsdt\0");
        out.extend(&desc);
        out.resize(out.len().next_multiple_of(4), 0);
        out
    }

    const LITTLE: Words = Words { wide: true, big: false };

    #[test]
    fn notes_are_read_and_moved_with_their_base() {
        let mut notes = written([0x1010, 0x2000, 0x3000], "skep\0one\0-4@%eax\0");
        notes.extend(written([0x1020, 0x2000, 0], "skep\0two\0\0"));
        let found = parse(&notes, LITTLE, Some(0x2100));
        assert_eq!(found.len(), 2);
        let one = Marker {
            provider: "skep".into(),
            name: "one".into(),
            args: "-4@%eax".into(),
            address: 0x1110,
            semaphore: 0x3100,
        };
        assert_eq!(found[0], one);
        assert_eq!((found[1].semaphore, found[1].args.as_str()), (0, ""));
        assert_eq!(parse(&notes, LITTLE, None)[0].address, 0x1010);
    }

    /// Every prefix of good notes, and lengths that lie, end without a marker that is not whole.
    #[test]
    fn what_is_cut_is_passed_over() {
        let notes = written([1, 2, 3], "a\0b\0c\0");
        for len in 0..notes.len() - 3 {
            assert_eq!(parse(&notes[..len], LITTLE, None), [], "{len}");
        }
        assert_eq!(parse(&[0xff; 64], LITTLE, None), []);
        let mut no_end = notes;
        no_end[20 + 24..].fill(b'x');
        assert_eq!(parse(&no_end, LITTLE, None), []);
    }

    #[test]
    fn words_of_other_machines() {
        let (mut narrow, mut wide): (&[u8], &[u8]) = (&[0, 0, 1, 2], &[0, 0, 0, 1, 0, 0, 0, 2]);
        assert_eq!(Words { wide: false, big: true }.address(&mut narrow), Some(0x102));
        assert_eq!(Words { wide: true, big: true }.address(&mut wide), Some(1 << 32 | 2));
    }
}
