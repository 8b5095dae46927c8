//! Messages of netlink(7), written and read. No system call is made here.
//!
//! What is read comes from the kernel, but every length in it is checked all the same: a message or attribute that does
//! not fit ends the reading.

use crate::Errno;

/// `NLMSG_ERROR`, which also acknowledges.
const ERROR: u16 = 2;
/// `NLMSG_DONE`.
const DONE: u16 = 3;
/// `NLM_F_DUMP_INTR`: what is dumped changed meanwhile.
const F_DUMP_INTR: u16 = 0x10;
/// `NLM_F_CAPPED`: the request is not repeated in the acknowledgement.
const F_CAPPED: u16 = 0x100;
/// `NLM_F_ACK_TLVS`: attributes follow.
const F_ACK_TLVS: u16 = 0x200;
/// Bytes of `struct nlmsghdr`.
const HEAD: usize = 16;
/// `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER`, which are no part of an attribute's type.
const NLA_FLAGS: u16 = 0xc000;
const NLA_F_NESTED: u16 = 0x8000;

fn padded(len: usize) -> usize {
    len.next_multiple_of(4)
}

/// A request being written.
#[derive(Clone, Debug)]
pub(super) struct Request {
    bytes: Vec<u8>,
}

impl Request {
    /// A request of this type with these flags (`NLM_F_REQUEST` is added), whose fixed part is `fixed`.
    pub(super) fn new(kind: u16, flags: u16, fixed: &[u8]) -> Self {
        const F_REQUEST: u16 = 1;
        let mut bytes = vec![0; HEAD];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&(flags | F_REQUEST).to_ne_bytes());
        bytes.extend_from_slice(fixed);
        bytes.resize(padded(bytes.len()), 0);
        Self { bytes }
    }

    /// Adds an attribute. One that is longer than an attribute can be makes [`Request::finish`] fail.
    pub(super) fn attr(mut self, kind: u16, payload: &[u8]) -> Self {
        self.put(kind, payload);
        self
    }

    /// Adds an attribute whose payload are attributes.
    pub(super) fn nested(mut self, kind: u16, inner: impl FnOnce(Self) -> Self) -> Self {
        let inner = inner(Self { bytes: Vec::new() });
        self.put(kind | NLA_F_NESTED, &inner.bytes);
        self
    }

    /// As [`Request::attr`], for text, which ends in NUL.
    pub(super) fn text(self, kind: u16, text: &str) -> Self {
        let mut bytes = text.split('\0').next().unwrap_or_default().as_bytes().to_vec();
        bytes.push(0);
        self.attr(kind, &bytes)
    }

    fn put(&mut self, kind: u16, payload: &[u8]) {
        let len = u16::try_from(payload.len() + 4).unwrap_or(0);
        self.bytes.extend_from_slice(&len.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(payload);
        self.bytes.resize(padded(self.bytes.len()), 0);
    }

    /// The bytes to send.
    pub(super) fn finish(mut self, sequence: u32) -> Result<Vec<u8>, Errno> {
        let len = u32::try_from(self.bytes.len()).map_err(|_| Errno::EMSGSIZE)?;
        self.bytes[..4].copy_from_slice(&len.to_ne_bytes());
        self.bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        Ok(self.bytes)
    }
}

/// One message that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received<'a> {
    /// An object: its type and what follows the header.
    Object(u16, &'a [u8]),
    /// The answer to the request: 0 is yes; and what the kernel says about it.
    Answer(i32, &'a [u8]),
    /// The end of a dump.
    Done(i32),
}

/// The messages of one datagram that answer the request of this number. The flag says that a dump was disturbed.
pub(super) fn messages(
    mut bytes: &[u8],
    sequence: u32,
) -> impl Iterator<Item = Result<(Received<'_>, bool), Errno>> {
    std::iter::from_fn(move || {
        loop {
            if bytes.len() < HEAD {
                return None;
            }
            let len = u32_at(bytes, 0)? as usize;
            let (kind, flags) = (u16_at(bytes, 4)?, u16_at(bytes, 6)?);
            let number = u32_at(bytes, 8)?;
            let Some(body) = bytes.get(HEAD..len) else {
                bytes = &[];
                return Some(Err(Errno::EPROTO));
            };
            bytes = bytes.get(padded(len)..).unwrap_or_default();
            if number != sequence {
                continue;
            }
            return Some(sort(kind, flags, body).ok_or(Errno::EPROTO).map(|r| (r, flags & F_DUMP_INTR != 0)));
        }
    })
}

fn sort(kind: u16, flags: u16, body: &[u8]) -> Option<Received<'_>> {
    Some(match kind {
        ERROR => {
            let code = u32_at(body, 0)? as i32;
            let told = if flags & F_ACK_TLVS == 0 {
                &[][..]
            } else {
                let request = if flags & F_CAPPED == 0 { u32_at(body, 4)? as usize } else { HEAD };
                body.get(request.checked_next_multiple_of(4)?.checked_add(4)?..).unwrap_or_default()
            };
            Received::Answer(code, told)
        }
        DONE => Received::Done(u32_at(body, 0).unwrap_or(0) as i32),
        kind => Received::Object(kind, body),
    })
}

/// The kernel's words in an acknowledgement (`NLMSGERR_ATTR_MSG`).
pub(super) fn words(told: &[u8]) -> String {
    const ATTR_MSG: u16 = 1;
    attrs(told).find(|(kind, _)| *kind == ATTR_MSG).map(|(_, text)| text_of(text)).unwrap_or_default()
}

/// Attributes, up to the first that does not fit.
pub(super) fn attrs(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let len = usize::from(u16_at(bytes, 0)?);
        let kind = u16_at(bytes, 2)?;
        let payload = bytes.get(4..len)?;
        bytes = bytes.get(padded(len)..).unwrap_or_default();
        Some((kind & !NLA_FLAGS, payload))
    })
}

/// The first attribute of a type.
pub(super) fn attr(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attrs(bytes).find(|(k, _)| *k == kind).map(|(_, payload)| payload)
}

/// Text up to its NUL.
pub(super) fn text_of(payload: &[u8]) -> String {
    super::super::call::text(payload)
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at.checked_add(2)?)?.try_into().ok().map(u16::from_ne_bytes)
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, flags: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
        let mut bytes = ((HEAD + body.len()) as u32).to_ne_bytes().to_vec();
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&flags.to_ne_bytes());
        bytes.extend_from_slice(&sequence.to_ne_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(body);
        bytes.resize(padded(bytes.len()), 0);
        bytes
    }

    #[test]
    fn what_is_written_is_read_back() {
        let request = Request::new(20, 4, &[7; 6])
            .attr(1, &[1, 2, 3])
            .nested(2, |r| r.text(3, "name").attr(4, &9_u32.to_ne_bytes()));
        let bytes = request.finish(5).expect("short");
        let (received, disturbed) = messages(&bytes, 5).next().expect("one").expect("whole");
        let Received::Object(20, body) = received else { panic!("{received:?}") };
        assert!(!disturbed);
        let all: Vec<_> = attrs(&body[8..]).collect();
        assert_eq!(all[0], (1, &[1, 2, 3][..]));
        assert_eq!(attr(all[1].1, 3).map(text_of).as_deref(), Some("name"));
        assert_eq!(attr(all[1].1, 4).and_then(|p| u32_at(p, 0)), Some(9));
        assert!(messages(&bytes, 6).next().is_none(), "it answers another request");
    }

    #[test]
    fn an_acknowledgement_says_why() {
        let mut body = (-22_i32).to_ne_bytes().to_vec();
        body.extend_from_slice(&[0; HEAD]);
        body.extend_from_slice(&Request { bytes: Vec::new() }.text(1, "no such mode").bytes);
        let bytes = message(ERROR, F_CAPPED | F_ACK_TLVS, 1, &body);
        let Some(Ok((Received::Answer(-22, told), _))) = messages(&bytes, 1).next() else { panic!() };
        assert_eq!(words(told), "no such mode");
    }

    /// Every cut, and every byte set to every extreme, of a good datagram is read without a panic and ends.
    #[test]
    fn damaged_datagrams_end() {
        let nest = Request { bytes: Vec::new() }.nested(43, |r| r.attr(2, &[4]).attr(4, &[1, 0, 0, 0])).bytes;
        let mut good = message(16, 2, 1, &nest);
        good.extend(message(ERROR, F_ACK_TLVS, 1, &[0xff; 24]));
        good.extend(message(DONE, 2, 1, &[0; 4]));
        let read = |bytes: &[u8]| {
            let mut steps = 0;
            for received in messages(bytes, 1) {
                steps += 1;
                match received {
                    Ok((Received::Object(_, body), _)) => {
                        steps += attrs(body).map(|(_, inner)| attrs(inner).count()).sum::<usize>();
                    }
                    Ok((Received::Answer(_, told), _)) => steps += words(told).len(),
                    Ok((Received::Done(_), _)) | Err(_) => {}
                }
            }
            assert!(steps <= bytes.len(), "{steps} steps over {} bytes", bytes.len());
        };
        for cut in 0..good.len() {
            read(&good[..cut]);
        }
        for at in 0..good.len() {
            for value in [0, 1, 3, 4, 15, 16, 17, 0x7f, 0x80, 0xff] {
                let mut bad = good.clone();
                bad[at] = value;
                read(&bad);
            }
        }
    }
}
