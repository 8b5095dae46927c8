//! rtnetlink(7): interfaces and the XDP programs on them, qdiscs and filters of tc, routes with programs.
//!
//! A [`Socket`] speaks for the network namespace that it was opened in, whichever thread uses it afterwards. Every
//! request waits for its answer, with a limit; what the kernel says in words about a refusal is in [`Refused`].

mod link;
mod message;
mod route;
mod tc;

use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::Errno;
use message::{Received, Request};

pub use link::{Link, XDP_UPDATE_IF_NOEXIST, XdpMode, XdpProgram};
pub use route::{LwtHook, LwtRoute};
pub use tc::{BpfFilter, CLSACT, EGRESS, Filter, INGRESS, NewFilter, Qdisc};

/// The longest answer that is taken.
const DATAGRAM_MAX: usize = 16 << 20;
/// The most that a dump may hold.
const DUMP_MAX: usize = 256 << 20;
/// How often a dump that was disturbed is begun again.
const TRIES: usize = 8;
/// How long an answer may take.
const PATIENCE: libc::timeval = libc::timeval { tv_sec: 10, tv_usec: 0 };

const F_ACK: u16 = 4;
const F_ECHO: u16 = 8;
const F_DUMP: u16 = 0x300;
const F_REPLACE: u16 = 0x100;
const F_EXCL: u16 = 0x200;
const F_CREATE: u16 = 0x400;

/// What the kernel refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The error.
    pub errno: Errno,
    /// What it says about it; often empty.
    pub words: String,
}

impl From<Errno> for Refused {
    fn from(errno: Errno) -> Self {
        Self { errno, words: String::new() }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.words.as_str() {
            "" => self.errno.fmt(f),
            words => write!(f, "{words}: {}", self.errno),
        }
    }
}

impl std::error::Error for Refused {}

/// A message's type and what follows its header.
type Object = (u16, Vec<u8>);

/// A socket to the kernel's router.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    sequence: u32,
}

impl Socket {
    /// For this thread's network namespace.
    ///
    /// # Errors
    /// What socket(2) says.
    pub fn open() -> Result<Self, Errno> {
        const SOL_NETLINK: i32 = 270;
        const CAP_ACK: i32 = 10;
        const EXT_ACK: i32 = 11;
        const GET_STRICT_CHK: i32 = 12;
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
        // SAFETY: no pointer is given.
        let fd = unsafe { libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_ROUTE) };
        if fd < 0 {
            return Err(Errno::last());
        }
        // SAFETY: the kernel has just made this descriptor for us.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        for option in [CAP_ACK, EXT_ACK, GET_STRICT_CHK] {
            // An old kernel that knows none of these says less, and does the same.
            let _ = set(&fd, SOL_NETLINK, option, &1_i32);
        }
        set(&fd, libc::SOL_SOCKET, libc::SO_RCVTIMEO, &PATIENCE)?;
        Ok(Self { fd, sequence: 0 })
    }

    /// For a network namespace, given its descriptor.
    ///
    /// # Errors
    /// `EPERM` without CAP_SYS_ADMIN over it.
    pub fn open_in(netns: BorrowedFd<'_>) -> Result<Self, Errno> {
        super::netns::inside(netns, Self::open)?
    }

    /// Sends a request and gives what came before its acknowledgement.
    fn change(&mut self, request: Request) -> Result<Vec<Object>, Refused> {
        self.send(request)?;
        let mut objects = Vec::new();
        loop {
            let datagram = self.receive()?;
            for received in message::messages(&datagram, self.sequence) {
                match received?.0 {
                    Received::Object(kind, body) => objects.push((kind, body.to_vec())),
                    Received::Answer(0, _) => return Ok(objects),
                    Received::Answer(code, told) => return Err(refusal(code, told)),
                    Received::Done(_) => return Err(Errno::EPROTO.into()),
                }
            }
        }
    }

    /// Asks for all objects of a kind.
    fn dump(&mut self, request: &Request) -> Result<Vec<Object>, Refused> {
        for _ in 0..TRIES {
            if let Some(objects) = self.dump_once(request.clone())? {
                return Ok(objects);
            }
        }
        Err(Errno::EAGAIN.into())
    }

    /// `None` if what was dumped changed meanwhile.
    fn dump_once(&mut self, request: Request) -> Result<Option<Vec<Object>>, Refused> {
        self.send(request)?;
        let (mut objects, mut bytes, mut whole) = (Vec::new(), 0, true);
        loop {
            let datagram = self.receive()?;
            bytes += datagram.len();
            if bytes > DUMP_MAX {
                return Err(Errno::E2BIG.into());
            }
            for received in message::messages(&datagram, self.sequence) {
                let (received, disturbed) = received?;
                whole &= !disturbed;
                match received {
                    Received::Object(kind, body) => objects.push((kind, body.to_vec())),
                    Received::Answer(0, _) | Received::Done(0..) => return Ok(whole.then_some(objects)),
                    Received::Answer(code, told) => return Err(refusal(code, told)),
                    Received::Done(code) => return Err(refusal(code, &[])),
                }
            }
        }
    }

    fn send(&mut self, request: Request) -> Result<(), Errno> {
        self.sequence = self.sequence.wrapping_add(1).max(1);
        let bytes = request.finish(self.sequence)?;
        // SAFETY: the bytes live for the call, which reads as many as there are.
        let sent = unsafe { libc::send(self.fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), 0) };
        if sent == bytes.len() as isize { Ok(()) } else { Err(Errno::last()) }
    }

    /// One datagram, as long as it is.
    fn receive(&mut self) -> Result<Vec<u8>, Errno> {
        let take = |buffer: &mut [u8], flags: i32| {
            loop {
                // SAFETY: the buffer lives for the call, which writes no more than its length.
                let got = unsafe {
                    libc::recv(
                        self.fd.as_raw_fd(),
                        buffer.as_mut_ptr().cast(),
                        buffer.len(),
                        flags | libc::MSG_TRUNC,
                    )
                };
                match usize::try_from(got) {
                    Ok(got) => return Ok(got),
                    Err(_) if Errno::last() == Errno::EINTR => {}
                    Err(_) if Errno::last() == Errno::EAGAIN => return Err(Errno::ETIMEDOUT),
                    Err(_) => return Err(Errno::last()),
                }
            }
        };
        let len = take(&mut [0; 1], libc::MSG_PEEK)?;
        if len > DATAGRAM_MAX {
            return Err(Errno::EMSGSIZE);
        }
        let mut buffer = vec![0; len];
        let got = take(&mut buffer, 0)?;
        buffer.truncate(got);
        Ok(buffer)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn refusal(code: i32, told: &[u8]) -> Refused {
    Refused { errno: Errno(code.checked_neg().unwrap_or(Errno::EPROTO.0)), words: message::words(told) }
}

fn set<T>(fd: &OwnedFd, level: i32, option: i32, value: &T) -> Result<(), Errno> {
    let value = std::ptr::from_ref(value).cast();
    // SAFETY: the value lives for the call, which reads as many bytes of it as it has.
    let done = unsafe { libc::setsockopt(fd.as_raw_fd(), level, option, value, size_of::<T>() as u32) };
    if done == 0 { Ok(()) } else { Err(Errno::last()) }
}

/// Fixed parts of requests.
fn fixed<const N: usize>(words: [u32; N]) -> Vec<u8> {
    words.iter().flat_map(|w| w.to_ne_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_namespace_has_a_loopback() {
        let mut socket = Socket::open().expect("no right is needed");
        let links = socket.links().expect("a dump");
        assert!(links.iter().any(|l| l.index == 1 && l.name == "lo"), "{links:?}");
        assert_eq!(socket.link("lo").expect("there").index, 1);
        assert_eq!(socket.link("1").expect("there").name, "lo");
        assert_eq!(socket.link("skep-no-such").map_err(|e| e.errno).unwrap_err(), Errno::ENODEV);
    }
}
