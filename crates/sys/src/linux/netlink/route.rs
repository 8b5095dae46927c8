//! Routes whose packets pass programs (light-weight tunnels).

use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::message::{Request, attr, attrs, text_of, u32_at};
use super::{F_ACK, F_CREATE, F_DUMP, F_EXCL, Refused, Socket};

const RTM_NEWROUTE: u16 = 24;
const RTM_DELROUTE: u16 = 25;
const RTM_GETROUTE: u16 = 26;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_ENCAP_TYPE: u16 = 21;
const RTA_ENCAP: u16 = 22;
const LWTUNNEL_ENCAP_BPF: u16 = 6;
const LWT_BPF_XMIT_HEADROOM: u16 = 4;
const LWT_BPF_PROG_FD: u16 = 1;
const LWT_BPF_PROG_NAME: u16 = 2;
const RT_TABLE_MAIN: u8 = 254;
/// `RTPROT_STATIC`: an administrator's.
const RTPROT_STATIC: u8 = 4;
const RTN_UNICAST: u8 = 1;
const RT_SCOPE_LINK: u8 = 253;

/// Where on a route a program sees packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LwtHook {
    /// `LWT_BPF_IN`: those that arrive.
    In,
    /// `LWT_BPF_OUT`: those that are sent.
    Out,
    /// `LWT_BPF_XMIT`: those about to be transmitted, which may be rewritten and sent elsewhere.
    Xmit,
}

impl LwtHook {
    fn attr(self) -> u16 {
        match self {
            Self::In => 1,
            Self::Out => 2,
            Self::Xmit => 3,
        }
    }
}

/// A route through an interface to what is on its link.
#[derive(Clone, Copy, Debug)]
pub struct LwtRoute {
    /// The destination's address.
    pub to: IpAddr,
    /// Bits of it that count.
    pub prefix: u8,
    /// The interface.
    pub index: u32,
}

impl LwtRoute {
    fn request(&self, kind: u16, flags: u16) -> Request {
        let (family, address) = match self.to {
            IpAddr::V4(a) => (libc::AF_INET as u8, a.octets().to_vec()),
            IpAddr::V6(a) => (libc::AF_INET6 as u8, a.octets().to_vec()),
        };
        // struct rtmsg; its last field are flags.
        let mut head =
            vec![family, self.prefix, 0, 0, RT_TABLE_MAIN, RTPROT_STATIC, RT_SCOPE_LINK, RTN_UNICAST];
        head.extend_from_slice(&[0; 4]);
        Request::new(kind, flags, &head).attr(RTA_DST, &address).attr(RTA_OIF, &self.index.to_ne_bytes())
    }
}

impl Socket {
    /// Makes a route whose packets pass a program. `headroom` are bytes that an xmit program may put in front.
    ///
    /// # Errors
    /// `EEXIST` if there is such a route; `EPERM` without CAP_NET_ADMIN; `EOPNOTSUPP` without CONFIG_LWTUNNEL_BPF.
    pub fn add_lwt_route(
        &mut self,
        route: &LwtRoute,
        hook: LwtHook,
        program: BorrowedFd<'_>,
        name: &str,
        headroom: u32,
    ) -> Result<(), Refused> {
        let request = route
            .request(RTM_NEWROUTE, F_ACK | F_CREATE | F_EXCL)
            .nested(RTA_ENCAP, |r| {
                let r = r.nested(hook.attr(), |r| {
                    r.attr(LWT_BPF_PROG_FD, &program.as_raw_fd().to_ne_bytes()).text(LWT_BPF_PROG_NAME, name)
                });
                if headroom == 0 { r } else { r.attr(LWT_BPF_XMIT_HEADROOM, &headroom.to_ne_bytes()) }
            })
            .attr(RTA_ENCAP_TYPE, &LWTUNNEL_ENCAP_BPF.to_ne_bytes());
        self.change(request).map(drop)
    }

    /// The names of the programs on a route; nothing if there is no such route, or none on it.
    ///
    /// # Errors
    /// Nothing is expected.
    pub fn lwt_programs(&mut self, route: &LwtRoute) -> Result<Vec<String>, Refused> {
        let family = if route.to.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 } as u8;
        let mut head = [0; 12];
        head[0] = family;
        let all = self.dump(&Request::new(RTM_GETROUTE, F_DUMP, &head))?;
        let all = all.iter().filter(|o| o.0 == RTM_NEWROUTE);
        Ok(all.filter_map(|o| programs_on(&o.1, route)).flatten().collect())
    }

    /// Takes a route away.
    ///
    /// # Errors
    /// `ESRCH` if there is none.
    pub fn del_route(&mut self, route: &LwtRoute) -> Result<(), Refused> {
        self.change(route.request(RTM_DELROUTE, F_ACK)).map(drop)
    }
}

/// The names of the programs on a route that was dumped; `None` if it is another route.
fn programs_on(body: &[u8], wanted: &LwtRoute) -> Option<Vec<String>> {
    let address = match wanted.to {
        IpAddr::V4(a) => a.octets().to_vec(),
        IpAddr::V6(a) => a.octets().to_vec(),
    };
    let attributes = body.get(12..)?;
    let to = attr(attributes, RTA_DST).unwrap_or(&[]);
    let index = attr(attributes, RTA_OIF).and_then(|p| u32_at(p, 0))?;
    // A route to everything says no destination.
    let same = to == address || to.is_empty() && wanted.prefix == 0;
    if !same || body.get(1) != Some(&wanted.prefix) || index != wanted.index {
        return None;
    }
    let encap = attr(attributes, RTA_ENCAP).unwrap_or(&[]);
    let named = attrs(encap).filter_map(|(_, program)| attr(program, LWT_BPF_PROG_NAME).map(text_of));
    Some(named.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_on_their_route_only() {
        let route = LwtRoute { to: [10, 1, 0, 0].into(), prefix: 16, index: 4 };
        let request = route
            .request(RTM_NEWROUTE, 0)
            .nested(RTA_ENCAP, |r| r.nested(LwtHook::Out.attr(), |r| r.text(LWT_BPF_PROG_NAME, "a program")));
        let bytes = request.finish(0).expect("short");
        assert_eq!(programs_on(&bytes[16..], &route), Some(vec!["a program".to_owned()]));
        assert_eq!(programs_on(&bytes[16..], &LwtRoute { prefix: 24, ..route }), None);
        assert_eq!(programs_on(&bytes[16..], &LwtRoute { index: 5, ..route }), None);
        for cut in 16..bytes.len() {
            let _ = programs_on(&bytes[16..cut], &route);
        }
    }
}
