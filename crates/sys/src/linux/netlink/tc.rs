//! tc: qdiscs, and filters that are BPF programs.

use std::os::fd::{AsRawFd, BorrowedFd};

use super::message::{Request, attr, attrs, text_of, u32_at};
use super::{F_ACK, F_CREATE, F_DUMP, F_ECHO, F_EXCL, F_REPLACE, Refused, Socket, fixed};
use crate::Errno;

const RTM_NEWQDISC: u16 = 36;
const RTM_DELQDISC: u16 = 37;
const RTM_GETQDISC: u16 = 38;
const RTM_NEWTFILTER: u16 = 44;
const RTM_DELTFILTER: u16 = 45;
const RTM_GETTFILTER: u16 = 46;
const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;
const TCA_CHAIN: u16 = 11;
const TCA_BPF_CLASSID: u16 = 3;
const TCA_BPF_FD: u16 = 6;
const TCA_BPF_NAME: u16 = 7;
const TCA_BPF_FLAGS: u16 = 8;
const TCA_BPF_TAG: u16 = 10;
const TCA_BPF_ID: u16 = 11;
const TCA_BPF_FLAG_ACT_DIRECT: u32 = 1;
/// `htons(ETH_P_ALL)`.
const ALL_PROTOCOLS: u16 = 3_u16.to_be();

/// `TC_H_CLSACT`: where the clsact qdisc hangs.
pub const CLSACT: u32 = 0xffff_fff1;
/// Its own handle.
const CLSACT_HANDLE: u32 = 0xffff_0000;
/// `TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)`: the parent of filters on packets that come in.
pub const INGRESS: u32 = 0xffff_fff2;
/// `TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)`: the parent of filters on packets that go out.
pub const EGRESS: u32 = 0xffff_fff3;

/// A qdisc.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Qdisc {
    /// The interface.
    pub index: u32,
    /// Its handle.
    pub handle: u32,
    /// What it hangs on.
    pub parent: u32,
    /// `clsact`, `htb`, `noqueue`.
    pub kind: String,
}

/// A filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The interface.
    pub index: u32,
    /// [`INGRESS`], [`EGRESS`], or a class of a qdisc.
    pub parent: u32,
    /// Its handle among those of the same priority.
    pub handle: u32,
    /// Its priority: lower ones run first.
    pub priority: u16,
    /// `ETH_P_*`, in this machine's byte order.
    pub protocol: u16,
    /// Its chain.
    pub chain: u32,
    /// `bpf`, `u32`, `flower`.
    pub kind: String,
    /// What a `bpf` filter is.
    pub bpf: Option<BpfFilter>,
}

/// What is known of a `bpf` filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BpfFilter {
    /// The text that whoever made it gave it.
    pub name: String,
    /// The program.
    pub prog_id: u32,
    /// Its tag.
    pub tag: [u8; 8],
    /// The program's answer is the action.
    pub direct_action: bool,
    /// The class that it sends packets to.
    pub classid: u32,
}

/// A filter to be made: a program whose answer is the action.
#[derive(Clone, Copy, Debug)]
pub struct NewFilter<'a> {
    /// The interface.
    pub index: u32,
    /// [`INGRESS`] or [`EGRESS`].
    pub parent: u32,
    /// 0 lets the kernel choose: in front of those that are there.
    pub priority: u16,
    /// 0 lets the kernel choose.
    pub handle: u32,
    /// The program.
    pub program: BorrowedFd<'a>,
    /// A text to know it by.
    pub name: &'a str,
    /// Takes the place of the filter with this priority and handle, at once.
    pub replace: bool,
}

/// `struct tcmsg`.
fn head(index: u32, handle: u32, parent: u32, info: u32) -> Vec<u8> {
    fixed([0, index, handle, parent, info])
}

fn info(priority: u16) -> u32 {
    u32::from(priority) << 16 | u32::from(ALL_PROTOCOLS)
}

impl Qdisc {
    fn parse(body: &[u8]) -> Option<Self> {
        let kind = attr(body.get(20..)?, TCA_KIND).map(text_of).unwrap_or_default();
        Some(Self { index: u32_at(body, 4)?, handle: u32_at(body, 8)?, parent: u32_at(body, 12)?, kind })
    }
}

impl Filter {
    fn parse(body: &[u8]) -> Option<Self> {
        let info = u32_at(body, 16)?;
        let mut filter = Self {
            index: u32_at(body, 4)?,
            handle: u32_at(body, 8)?,
            parent: u32_at(body, 12)?,
            priority: (info >> 16) as u16,
            protocol: u16::from_be(info as u16),
            ..Self::default()
        };
        let mut options: &[u8] = &[];
        for (kind, payload) in attrs(body.get(20..)?) {
            match kind {
                TCA_KIND => filter.kind = text_of(payload),
                TCA_CHAIN => filter.chain = u32_at(payload, 0).unwrap_or(0),
                TCA_OPTIONS => options = payload,
                _ => {}
            }
        }
        filter.bpf = (filter.kind == "bpf").then(|| BpfFilter::parse(options));
        Some(filter)
    }
}

impl BpfFilter {
    fn parse(options: &[u8]) -> Self {
        let number = |kind: u16| attr(options, kind).and_then(|p| u32_at(p, 0)).unwrap_or(0);
        Self {
            name: attr(options, TCA_BPF_NAME).map(text_of).unwrap_or_default(),
            prog_id: number(TCA_BPF_ID),
            tag: attr(options, TCA_BPF_TAG).and_then(|t| t.try_into().ok()).unwrap_or_default(),
            direct_action: number(TCA_BPF_FLAGS) & TCA_BPF_FLAG_ACT_DIRECT != 0,
            classid: number(TCA_BPF_CLASSID),
        }
    }
}

impl Socket {
    /// The qdiscs of an interface, or of all of them for 0.
    ///
    /// # Errors
    /// Nothing is expected.
    pub fn qdiscs(&mut self, index: u32) -> Result<Vec<Qdisc>, Refused> {
        let all = self.dump(&Request::new(RTM_GETQDISC, F_DUMP, &head(0, 0, 0, 0)))?;
        let all = all.iter().filter(|o| o.0 == RTM_NEWQDISC).filter_map(|o| Qdisc::parse(&o.1));
        Ok(all.filter(|q| index == 0 || q.index == index).collect())
    }

    /// Whether an interface has a clsact qdisc.
    ///
    /// # Errors
    /// As for [`Socket::qdiscs`].
    pub fn has_clsact(&mut self, index: u32) -> Result<bool, Refused> {
        Ok(self.qdiscs(index)?.iter().any(|q| q.kind == "clsact"))
    }

    /// Gives an interface a clsact qdisc.
    ///
    /// # Errors
    /// `EEXIST` if it has one, or an ingress one; `EPERM` without CAP_NET_ADMIN.
    pub fn add_clsact(&mut self, index: u32) -> Result<(), Refused> {
        let head = head(index, CLSACT_HANDLE, CLSACT, 0);
        let request = Request::new(RTM_NEWQDISC, F_ACK | F_CREATE | F_EXCL, &head).text(TCA_KIND, "clsact");
        self.change(request).map(drop)
    }

    /// Takes the clsact qdisc away, with all its filters.
    ///
    /// # Errors
    /// `EINVAL` or `ENOENT` if it has none.
    pub fn del_clsact(&mut self, index: u32) -> Result<(), Refused> {
        let head = head(index, CLSACT_HANDLE, CLSACT, 0);
        self.change(Request::new(RTM_DELQDISC, F_ACK, &head).text(TCA_KIND, "clsact")).map(drop)
    }

    /// The filters of an interface below a parent. Where there is no such parent there are none.
    ///
    /// # Errors
    /// `ENODEV` if there is no such interface.
    pub fn filters(&mut self, index: u32, parent: u32) -> Result<Vec<Filter>, Refused> {
        let dumped = self.dump(&Request::new(RTM_GETTFILTER, F_DUMP, &head(index, 0, parent, 0)));
        let all = match dumped {
            Err(e) if matches!(e.errno, Errno::EINVAL | Errno::ENOENT) => return Ok(Vec::new()),
            all => all?,
        };
        let all = all.iter().filter(|o| o.0 == RTM_NEWTFILTER).filter_map(|o| Filter::parse(&o.1));
        // A head without a filter stands for the priority itself.
        Ok(all.filter(|f| f.handle != 0).collect())
    }

    /// Makes a filter, and gives it as the kernel has it.
    ///
    /// # Errors
    /// `EPERM` without CAP_NET_ADMIN; `EINVAL` without a clsact qdisc; `EEXIST` for a priority and handle that are
    /// taken; `ENOENT` if there is nothing to replace.
    pub fn add_filter(&mut self, new: &NewFilter<'_>) -> Result<Filter, Refused> {
        let how = if new.replace { F_REPLACE } else { F_CREATE | F_EXCL };
        let head = head(new.index, new.handle, new.parent, info(new.priority));
        let request = Request::new(RTM_NEWTFILTER, F_ACK | F_ECHO | how, &head).text(TCA_KIND, "bpf").nested(
            TCA_OPTIONS,
            |r| {
                r.attr(TCA_BPF_FD, &new.program.as_raw_fd().to_ne_bytes())
                    .text(TCA_BPF_NAME, new.name)
                    .attr(TCA_BPF_FLAGS, &TCA_BPF_FLAG_ACT_DIRECT.to_ne_bytes())
            },
        );
        let answer = self.change(request)?;
        let made = answer.iter().filter(|o| o.0 == RTM_NEWTFILTER).find_map(|o| Filter::parse(&o.1));
        made.ok_or_else(|| Errno::EPROTO.into())
    }

    /// Takes one `bpf` filter away.
    ///
    /// # Errors
    /// `ENOENT` or `EINVAL` if it is not there.
    pub fn del_filter(&mut self, filter: &Filter) -> Result<(), Refused> {
        let head = head(filter.index, filter.handle, filter.parent, info(filter.priority));
        self.change(Request::new(RTM_DELTFILTER, F_ACK, &head).text(TCA_KIND, "bpf")).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_read_as_the_kernel_writes_it() {
        let request = Request::new(RTM_NEWTFILTER, 0, &head(3, 1, INGRESS, info(7)))
            .text(TCA_KIND, "bpf")
            .nested(TCA_OPTIONS, |r| {
                r.text(TCA_BPF_NAME, "a name")
                    .attr(TCA_BPF_FLAGS, &1_u32.to_ne_bytes())
                    .attr(TCA_BPF_ID, &42_u32.to_ne_bytes())
                    .attr(TCA_BPF_TAG, &[1, 2, 3, 4, 5, 6, 7, 8])
            });
        let bytes = request.finish(0).expect("short");
        let filter = Filter::parse(&bytes[16..]).expect("whole");
        assert_eq!((filter.index, filter.handle, filter.parent), (3, 1, INGRESS));
        assert_eq!((filter.priority, filter.protocol), (7, 3));
        let bpf = filter.bpf.expect("a bpf filter");
        assert_eq!((bpf.name.as_str(), bpf.prog_id, bpf.direct_action), ("a name", 42, true));
        assert_eq!(bpf.tag, [1, 2, 3, 4, 5, 6, 7, 8]);
        for cut in 16..bytes.len() {
            let _ = Filter::parse(&bytes[16..cut]);
            let _ = Qdisc::parse(&bytes[16..cut]);
        }
        assert_eq!(Filter::parse(&bytes[16..35]), None);
    }
}
