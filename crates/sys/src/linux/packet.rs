//! AF_PACKET (packet(7)): frames of an interface as they pass, through a ring of blocks that is shared with the
//! kernel (TPACKET_V3).
//!
//! A socket is opened for no protocol, so that it receives nothing until it is bound: first the ring and the filter,
//! then [`PacketSocket::bind`], and every frame that comes has passed the filter.
//!
//! Invariant of the ring: a block belongs to the kernel or to us, as its status says; while it is ours, the kernel does
//! not write it, so its frames are lent as slices, and [`Block`] gives it back when it is dropped. What the kernel wrote
//! in it is checked all the same: offsets that leave the block end it.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::mapping::{Mapping, page_size};
use crate::Errno;

/// Every protocol (`ETH_P_ALL`), for [`PacketSocket::bind`].
pub const ALL: u16 = libc::ETH_P_ALL as u16;

/// Where frames begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// At the link-layer header (`SOCK_RAW`).
    Link,
    /// Behind it (`SOCK_DGRAM`).
    Network,
}

/// A packet socket.
#[derive(Debug)]
pub struct PacketSocket {
    fd: OwnedFd,
}

impl PacketSocket {
    /// Opens one that receives nothing yet.
    ///
    /// # Errors
    /// `EPERM` without CAP_NET_RAW.
    pub fn open(level: Level) -> Result<Self, Errno> {
        let kind = if level == Level::Link { libc::SOCK_RAW } else { libc::SOCK_DGRAM };
        // SAFETY: takes and gives numbers.
        let fd = unsafe { libc::socket(libc::AF_PACKET, kind | libc::SOCK_CLOEXEC, 0) };
        if fd < 0 {
            return Err(Errno::last());
        }
        // SAFETY: the kernel has just made this descriptor for us.
        Ok(Self { fd: unsafe { OwnedFd::from_raw_fd(fd) } })
    }

    /// Receives frames of a protocol (an Ethertype, or [`ALL`]) from an interface; 0 is all interfaces.
    ///
    /// # Errors
    /// `ENODEV` if there is no such interface, `ENETDOWN` if it is down.
    pub fn bind(&self, ifindex: u32, protocol: u16) -> Result<(), Errno> {
        // SAFETY: all zero is a value of this plain struct.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = protocol.to_be();
        address.sll_ifindex = i32::try_from(ifindex).map_err(|_| Errno::ENODEV)?;
        let size = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
        // SAFETY: the address lives for the call and has the length given.
        let done = unsafe { libc::bind(self.fd.as_raw_fd(), (&raw const address).cast(), size) };
        if done == 0 { Ok(()) } else { Err(Errno::last()) }
    }

    /// Sees frames for other hosts too, while the socket is open.
    ///
    /// # Errors
    /// `ENODEV` if there is no such interface.
    pub fn promiscuous(&self, ifindex: u32) -> Result<(), Errno> {
        let request = libc::packet_mreq {
            mr_ifindex: i32::try_from(ifindex).map_err(|_| Errno::ENODEV)?,
            mr_type: libc::PACKET_MR_PROMISC as u16,
            mr_alen: 0,
            mr_address: [0; 8],
        };
        self.set(libc::PACKET_ADD_MEMBERSHIP, &request)
    }

    /// Leaves out the frames that this machine sends.
    ///
    /// # Errors
    /// `ENOPROTOOPT` before Linux 4.20.
    pub fn ignore_outgoing(&self) -> Result<(), Errno> {
        self.set(libc::PACKET_IGNORE_OUTGOING, &1_i32)
    }

    /// Sets an option of packet sockets; what they read are numbers.
    fn set<T: Copy>(&self, option: i32, value: &T) -> Result<(), Errno> {
        let size = size_of::<T>() as libc::socklen_t;
        let at = std::ptr::from_ref(value).cast();
        // SAFETY: `value` lives for the call and has the length given; no option that is used here holds a pointer.
        let done = unsafe { libc::setsockopt(self.fd.as_raw_fd(), libc::SOL_PACKET, option, at, size) };
        if done == 0 { Ok(()) } else { Err(Errno::last()) }
    }

    /// Sends a frame on the interface that the socket is bound to.
    ///
    /// # Errors
    /// `ENXIO`, `EDESTADDRREQ` if it is not bound, `EMSGSIZE`, `ENOBUFS`.
    pub fn send(&self, frame: &[u8]) -> Result<(), Errno> {
        // SAFETY: the frame lives for the call and has the length given.
        let done = unsafe { libc::send(self.fd.as_raw_fd(), frame.as_ptr().cast(), frame.len(), 0) };
        if done < 0 { Err(Errno::last()) } else { Ok(()) }
    }

    /// Receives a frame without a ring: the length that it has, of which as much as fits is in the buffer.
    /// `None` if none is there.
    ///
    /// # Errors
    /// `ENETDOWN`.
    pub fn receive(&self, buffer: &mut [u8]) -> Result<Option<usize>, Errno> {
        let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
        // SAFETY: the buffer is ours and has the length given.
        let done =
            unsafe { libc::recv(self.fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), flags) };
        match usize::try_from(done) {
            Ok(len) => Ok(Some(len)),
            Err(_) if Errno::last() == Errno::EAGAIN => Ok(None),
            Err(_) => Err(Errno::last()),
        }
    }

    /// What has come since the last time that this was asked.
    ///
    /// # Errors
    /// Nothing is expected.
    pub fn counts(&self) -> Result<Counts, Errno> {
        let mut raw = [0_u32; 3];
        let mut size = size_of_val(&raw) as libc::socklen_t;
        // SAFETY: the kernel writes at most `size` bytes, for which `raw` has room, and `size`.
        let done = unsafe {
            let at = raw.as_mut_ptr().cast();
            libc::getsockopt(
                self.fd.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_STATISTICS,
                at,
                &raw mut size,
            )
        };
        if done != 0 {
            return Err(Errno::last());
        }
        Ok(Counts { packets: raw[0], dropped: raw[1], frozen: raw[2] })
    }

    /// Waits until something can be received; `false` if the time is over. Negative is without end.
    ///
    /// # Errors
    /// `EINTR` at a signal.
    pub fn wait(&self, timeout_ms: i32) -> Result<bool, Errno> {
        let mut poll = libc::pollfd { fd: self.fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one entry, which lives for the call.
        match unsafe { libc::poll(&raw mut poll, 1, timeout_ms) } {
            0 => Ok(false),
            n if n > 0 => Ok(true),
            _ => Err(Errno::last()),
        }
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<PacketSocket> for OwnedFd {
    fn from(socket: PacketSocket) -> Self {
        socket.fd
    }
}

/// What a socket has received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames that passed the filter, those dropped included.
    pub packets: u32,
    /// Those that found no room.
    pub dropped: u32,
    /// How often the ring was full (rings only).
    pub frozen: u32,
}

/// How large a ring is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingShape {
    /// Bytes of a block: a multiple of the page size, more than the longest frame.
    pub block_size: u32,
    /// How many blocks.
    pub blocks: u32,
    /// A block that holds anything is handed over after this time, full or not.
    pub timeout_ms: u32,
    /// The kernel hashes each frame's flow, if its device has not; see [`Frame::hash`].
    pub hash: bool,
}

impl Default for RingShape {
    /// 4 MiB in blocks of 256 KiB, each handed over after at most 100 ms.
    fn default() -> Self {
        Self { block_size: 256 << 10, blocks: 16, timeout_ms: 100, hash: false }
    }
}

/// A ring of blocks into which the kernel receives.
#[derive(Debug)]
pub struct Ring {
    memory: Mapping,
    socket: PacketSocket,
    shape: RingShape,
    /// The block that comes next.
    next: usize,
}

/// Offsets in `struct tpacket_block_desc`.
mod block {
    pub(super) const STATUS: usize = 8;
    pub(super) const PACKETS: usize = 12;
    pub(super) const FIRST: usize = 16;
}

impl Ring {
    /// Makes the ring of a socket that is not bound yet.
    ///
    /// # Errors
    /// `EINVAL` for a shape that the kernel does not take, `ENOMEM`, `EBUSY` if there is a ring.
    pub fn new(socket: PacketSocket, shape: RingShape) -> Result<Self, Errno> {
        let len = (shape.block_size as usize).checked_mul(shape.blocks as usize).ok_or(Errno::EINVAL)?;
        let page = page_size();
        if len == 0 || !(shape.block_size as usize).is_multiple_of(page) {
            return Err(Errno::EINVAL);
        }
        socket.set(libc::PACKET_VERSION, &libc::tpacket_versions::TPACKET_V3)?;
        // Frames have no slots in this version, but the kernel wants the numbers to fit.
        let frame_size = u32::try_from(page).map_err(|_| Errno::EINVAL)?;
        let request = libc::tpacket_req3 {
            tp_block_size: shape.block_size,
            tp_block_nr: shape.blocks,
            tp_frame_size: frame_size,
            tp_frame_nr: u32::try_from(len / page).map_err(|_| Errno::EINVAL)?,
            tp_retire_blk_tov: shape.timeout_ms,
            tp_sizeof_priv: 0,
            tp_feature_req_word: if shape.hash { libc::TP_FT_REQ_FILL_RXHASH } else { 0 },
        };
        socket.set(libc::PACKET_RX_RING, &request)?;
        let memory = Mapping::new(socket.as_fd(), 0, len, true)?;
        Ok(Self { memory, socket, shape, next: 0 })
    }

    /// The socket, to bind it, filter it, wait on it.
    pub fn socket(&self) -> &PacketSocket {
        &self.socket
    }

    /// The next block, if the kernel has handed it over.
    pub fn next_block(&mut self) -> Option<Block<'_>> {
        let start = self.next * self.shape.block_size as usize;
        let status = self.memory.load32(start + block::STATUS);
        if status & libc::TP_STATUS_USER == 0 {
            return None;
        }
        let packets = self.memory.load32(start + block::PACKETS);
        let first = self.memory.load32(start + block::FIRST);
        // SAFETY: the block is ours until `Block` is dropped, which borrows the ring; the kernel does not write it
        // meanwhile, and nobody else has the mapping.
        let bytes = unsafe { self.memory.bytes(start, self.shape.block_size as usize) };
        self.next = (self.next + 1) % self.shape.blocks as usize;
        Some(Block { memory: &self.memory, start, bytes, packets, at: first as usize })
    }

    /// Calls `f` for each frame of every block that is there, and gives how many they were.
    pub fn drain(&mut self, mut f: impl FnMut(&Frame<'_>)) -> u64 {
        let mut count = 0;
        while let Some(mut block) = self.next_block() {
            while let Some(frame) = block.next_frame() {
                f(&frame);
                count += 1;
            }
        }
        count
    }
}

/// A block of frames; given back to the kernel when it is dropped.
#[derive(Debug)]
pub struct Block<'a> {
    memory: &'a Mapping,
    start: usize,
    bytes: &'a [u8],
    /// How many frames are left.
    packets: u32,
    /// Where the next one is.
    at: usize,
}

impl Block<'_> {
    /// The next frame; `None` after the last.
    pub fn next_frame(&mut self) -> Option<Frame<'_>> {
        if self.packets == 0 {
            return None;
        }
        self.packets -= 1;
        let (frame, next) = Frame::read(self.bytes.get(self.at..)?)?;
        // Zero is written behind the last one.
        self.at = self.at.checked_add(next)?;
        self.packets = if next == 0 { 0 } else { self.packets };
        Some(frame)
    }
}

impl Drop for Block<'_> {
    fn drop(&mut self) {
        self.memory.store32(self.start + block::STATUS, libc::TP_STATUS_KERNEL);
    }
}

/// A frame in a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its bytes, as many as the filter kept.
    pub data: &'a [u8],
    /// Bytes that it had.
    pub len: u32,
    /// When it came, in nanoseconds since 1970.
    pub time_ns: u64,
    /// Interface.
    pub ifindex: u32,
    /// Ethertype.
    pub protocol: u16,
    /// For whom it was: `PACKET_HOST` (0), `PACKET_BROADCAST` (1), `PACKET_MULTICAST` (2), `PACKET_OTHERHOST` (3),
    /// `PACKET_OUTGOING` (4).
    pub to: u8,
    /// Type of the link (`ARPHRD_*`).
    pub link: u16,
    /// Its flow, where the ring was made to say; else 0.
    pub hash: u32,
    /// A VLAN tag that the device took off: its Ethertype and its content.
    pub vlan: Option<(u16, u16)>,
}

impl<'a> Frame<'a> {
    /// Reads `struct tpacket3_hdr` and the `struct sockaddr_ll` behind it. Gives how far the next one is.
    fn read(bytes: &'a [u8]) -> Option<(Self, usize)> {
        let u32_at = |at: usize| Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let u16_at = |at: usize| Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
        let (kept, status, mac) = (u32_at(12)? as usize, u32_at(20)?, usize::from(u16_at(24)?));
        let vlan = (status & libc::TP_STATUS_VLAN_VALID != 0).then(|| {
            let tpid = u16_at(36).filter(|_| status & libc::TP_STATUS_VLAN_TPID_VALID != 0);
            Some((tpid.unwrap_or(libc::ETH_P_8021Q as u16), u32_at(32)? as u16))
        });
        let frame = Self {
            data: bytes.get(mac..mac.checked_add(kept)?)?,
            len: u32_at(16)?,
            time_ns: u64::from(u32_at(4)?) * 1_000_000_000 + u64::from(u32_at(8)?),
            ifindex: u32_at(52)?,
            protocol: u16::from_be(u16_at(50)?),
            to: *bytes.get(58)?,
            link: u16_at(56)?,
            hash: u32_at(28)?,
            vlan: vlan.flatten(),
        };
        Some((frame, u32_at(0)? as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::Frame;

    #[test]
    fn damaged_headers_end_a_block() {
        assert_eq!(Frame::read(&[]), None);
        let mut bytes = [0_u8; 100];
        bytes[12..16].copy_from_slice(&20_u32.to_ne_bytes());
        bytes[24..26].copy_from_slice(&80_u16.to_ne_bytes());
        assert_eq!(Frame::read(&bytes).map(|(f, next)| (f.data.len(), next)), Some((20, 0)));
        bytes[12..16].copy_from_slice(&21_u32.to_ne_bytes());
        assert_eq!(Frame::read(&bytes), None, "a frame that leaves the block");
    }
}
