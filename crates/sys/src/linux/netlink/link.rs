//! Interfaces, and the XDP programs on them.

use std::os::fd::{AsRawFd, BorrowedFd};

use super::message::{Request, attr, attrs, text_of, u32_at};
use super::{F_ACK, F_DUMP, Refused, Socket, fixed};
use crate::Errno;

const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_SETLINK: u16 = 19;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_EXT_MASK: u16 = 29;
const IFLA_LINK_NETNSID: u16 = 37;
const IFLA_XDP: u16 = 43;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_XDP_FD: u16 = 1;
const IFLA_XDP_ATTACHED: u16 = 2;
const IFLA_XDP_FLAGS: u16 = 3;
const IFLA_XDP_PROG_ID: u16 = 4;
const IFLA_XDP_DRV_PROG_ID: u16 = 5;
const IFLA_XDP_SKB_PROG_ID: u16 = 6;
const IFLA_XDP_HW_PROG_ID: u16 = 7;
const IFLA_XDP_EXPECTED_FD: u16 = 8;
const RTEXT_FILTER_SKIP_STATS: u32 = 1 << 3;
const IFF_UP: u32 = 1;

/// `XDP_FLAGS_UPDATE_IF_NOEXIST`: refuse with `EBUSY` where there is a program.
pub const XDP_UPDATE_IF_NOEXIST: u32 = 1;
/// `XDP_FLAGS_REPLACE`: only if the program that is expected is there.
const XDP_REPLACE: u32 = 1 << 4;

/// Where an XDP program sits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum XdpMode {
    /// In the driver.
    Native,
    /// In the stack.
    Generic,
    /// In the card.
    Offload,
}

impl XdpMode {
    /// Its bit among `XDP_FLAGS_*`.
    pub fn flag(self) -> u32 {
        match self {
            Self::Generic => 1 << 1,
            Self::Native => 1 << 2,
            Self::Offload => 1 << 3,
        }
    }

    /// `native`, `generic`, `offload`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Generic => "generic",
            Self::Offload => "offload",
        }
    }
}

/// An XDP program on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XdpProgram {
    /// Where.
    pub mode: XdpMode,
    /// Which.
    pub prog_id: u32,
}

/// An interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// What its frames begin with (`ARPHRD_*`): 1 is Ethernet, 772 the loopback, 0xfffe nothing.
    pub hardware: u16,
    /// `veth`, `bridge`; empty for real devices and the loopback.
    pub kind: String,
    /// It is up.
    pub up: bool,
    /// Its hardware address.
    pub address: Vec<u8>,
    /// Largest packet, in bytes without the link layer's header.
    pub mtu: u32,
    /// The bridge or bond that it belongs to.
    pub master: Option<u32>,
    /// The device behind it (the parent of a VLAN) or at its other end (a veth's peer).
    pub other: Option<u32>,
    /// Where `other` is, if that is another network namespace: its number here.
    pub other_netns: Option<i32>,
    /// XDP programs, one a mode at most.
    pub xdp: Vec<XdpProgram>,
}

impl Link {
    fn parse(body: &[u8]) -> Option<Self> {
        let mut link =
            Self { index: u32_at(body, 4)?, up: u32_at(body, 8)? & IFF_UP != 0, ..Self::default() };
        link.hardware = u16::from_ne_bytes([*body.get(2)?, *body.get(3)?]);
        for (kind, payload) in attrs(body.get(16..)?) {
            match kind {
                IFLA_IFNAME => link.name = text_of(payload),
                IFLA_ADDRESS => link.address = payload.to_vec(),
                IFLA_MTU => link.mtu = u32_at(payload, 0).unwrap_or(0),
                IFLA_MASTER => link.master = u32_at(payload, 0),
                IFLA_LINK => link.other = u32_at(payload, 0).filter(|o| *o != 0 && *o != link.index),
                IFLA_LINK_NETNSID => link.other_netns = u32_at(payload, 0).map(|n| n as i32),
                IFLA_LINKINFO => link.kind = attr(payload, IFLA_INFO_KIND).map(text_of).unwrap_or_default(),
                IFLA_XDP => link.xdp = xdp(payload),
                _ => {}
            }
        }
        Some(link)
    }

    /// The program of a mode.
    pub fn xdp_in(&self, mode: XdpMode) -> Option<u32> {
        self.xdp.iter().find(|x| x.mode == mode).map(|x| x.prog_id)
    }
}

/// The programs in an `IFLA_XDP`. Kernels before 4.20 give one, with the mode apart.
fn xdp(nest: &[u8]) -> Vec<XdpProgram> {
    let of = |kind: u16, mode: XdpMode| {
        let prog_id = u32_at(attr(nest, kind)?, 0).filter(|id| *id != 0)?;
        Some(XdpProgram { mode, prog_id })
    };
    let modes = [
        of(IFLA_XDP_DRV_PROG_ID, XdpMode::Native),
        of(IFLA_XDP_SKB_PROG_ID, XdpMode::Generic),
        of(IFLA_XDP_HW_PROG_ID, XdpMode::Offload),
    ];
    let all: Vec<_> = modes.into_iter().flatten().collect();
    if !all.is_empty() {
        return all;
    }
    let mode = match attr(nest, IFLA_XDP_ATTACHED).and_then(|a| a.first()) {
        Some(1) => XdpMode::Native,
        Some(2) => XdpMode::Generic,
        Some(3) => XdpMode::Offload,
        _ => return Vec::new(),
    };
    of(IFLA_XDP_PROG_ID, mode).into_iter().collect()
}

/// `struct ifinfomsg` with nothing but an index.
fn head(index: u32) -> Vec<u8> {
    fixed([0, index, 0, 0])
}

impl Socket {
    /// Every interface.
    ///
    /// # Errors
    /// Nothing is expected.
    pub fn links(&mut self) -> Result<Vec<Link>, Refused> {
        let request = Request::new(RTM_GETLINK, F_DUMP, &head(0))
            .attr(IFLA_EXT_MASK, &RTEXT_FILTER_SKIP_STATS.to_ne_bytes());
        let all = self.dump(&request)?;
        Ok(all.iter().filter(|o| o.0 == RTM_NEWLINK).filter_map(|o| Link::parse(&o.1)).collect())
    }

    /// One interface, by its name or its number.
    ///
    /// # Errors
    /// `ENODEV` if there is none of that name.
    pub fn link(&mut self, iface: &str) -> Result<Link, Refused> {
        const IFNAMSIZ: usize = 16;
        let index = iface.parse().unwrap_or(0_u32);
        let mut request = Request::new(RTM_GETLINK, F_ACK, &head(index));
        if index == 0 {
            if iface.is_empty() || iface.len() >= IFNAMSIZ {
                return Err(Errno::ENODEV.into());
            }
            request = request.text(IFLA_IFNAME, iface);
        }
        let answer = self.change(request)?;
        answer.iter().find_map(|o| Link::parse(&o.1)).ok_or_else(|| Errno::EPROTO.into())
    }

    /// Puts an XDP program on an interface, or takes the one of a mode away. `flags` are `XDP_FLAGS_*`. With `expected`
    /// this is done only if that program is there, at once: no packet sees neither.
    ///
    /// # Errors
    /// `EPERM` without CAP_NET_ADMIN; `EBUSY` if there is a program that may not be replaced, or a link; `EEXIST` if
    /// it is not the one expected; `EOPNOTSUPP` where the driver knows no XDP.
    pub fn set_xdp(
        &mut self,
        index: u32,
        program: Option<BorrowedFd<'_>>,
        flags: u32,
        expected: Option<BorrowedFd<'_>>,
    ) -> Result<(), Refused> {
        let fd = program.map_or(-1, |p| p.as_raw_fd());
        let flags = if expected.is_some() { flags | XDP_REPLACE } else { flags };
        let request = Request::new(RTM_SETLINK, F_ACK, &head(index)).nested(IFLA_XDP, |mut r| {
            r = r.attr(IFLA_XDP_FD, &fd.to_ne_bytes()).attr(IFLA_XDP_FLAGS, &flags.to_ne_bytes());
            match expected {
                Some(old) => r.attr(IFLA_XDP_EXPECTED_FD, &old.as_raw_fd().to_ne_bytes()),
                None => r,
            }
        });
        self.change(request).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_read_from_both_forms() {
        let nest = |r: Request| {
            let bytes = r.finish(0).expect("short");
            bytes[16..].to_vec()
        };
        let new = nest(
            Request::new(0, 0, &[])
                .attr(IFLA_XDP_ATTACHED, &[4])
                .attr(IFLA_XDP_DRV_PROG_ID, &7_u32.to_ne_bytes())
                .attr(IFLA_XDP_SKB_PROG_ID, &8_u32.to_ne_bytes()),
        );
        let modes: Vec<_> = xdp(&new).iter().map(|x| (x.mode, x.prog_id)).collect();
        assert_eq!(modes, [(XdpMode::Native, 7), (XdpMode::Generic, 8)]);
        let old = nest(
            Request::new(0, 0, &[])
                .attr(IFLA_XDP_ATTACHED, &[2])
                .attr(IFLA_XDP_PROG_ID, &9_u32.to_ne_bytes()),
        );
        assert_eq!(xdp(&old), [XdpProgram { mode: XdpMode::Generic, prog_id: 9 }]);
        assert_eq!(xdp(&nest(Request::new(0, 0, &[]).attr(IFLA_XDP_ATTACHED, &[0]))), []);
    }

    #[test]
    fn short_objects_are_no_links() {
        assert_eq!(Link::parse(&[0; 15]), None);
        assert_eq!(Link::parse(&[0xff; 16]).map(|l| l.index), Some(u32::MAX));
        assert!(Link::parse(&[0xff; 64]).is_some_and(|l| l.name.is_empty()));
    }
}
