//! The header of OpenBSD's packet filter log: interface, rule, reason, action.

use super::{Compiler, Rel, Res};
use crate::code::{B, W};
use crate::dlt::Dlt;
use crate::error::fail;
use crate::ir::BlockId;

/// Size of the names in the header, with their zero byte.
const NAME: usize = 16;

static REASONS: &[&str] = &[
    "match",
    "bad-offset",
    "fragment",
    "short",
    "normalize",
    "memory",
    "bad-timestamp",
    "congestion",
    "ip-option",
    "proto-cksum",
    "state-mismatch",
    "state-insert",
    "state-limit",
    "src-limit",
    "synproxy",
];

static ACTIONS: &[(&str, u32)] = &[
    ("pass", 0),
    ("accept", 0),
    ("drop", 1),
    ("block", 1),
    ("scrub", 2),
    ("noscrub", 3),
    ("nat", 4),
    ("nonat", 5),
    ("binat", 6),
    ("nobinat", 7),
    ("rdr", 8),
    ("nordr", 9),
    ("synproxy-drop", 10),
];

/// `reason NAME`.
pub(crate) fn reason(name: &str) -> Res<u32> {
    match REASONS.iter().position(|n| n.eq_ignore_ascii_case(name)) {
        Some(n) => Ok(n as u32),
        None => fail!("unknown PF reason \"{name}\""),
    }
}

/// `action NAME`.
pub(crate) fn action(name: &str) -> Res<u32> {
    match ACTIONS.iter().find(|row| row.0.eq_ignore_ascii_case(name)) {
        Some(row) => Ok(row.1),
        None => fail!("unknown PF action \"{name}\""),
    }
}

/// A number in the header: how messages call it, where it is, its size.
#[derive(Clone, Copy)]
pub(crate) struct Field(&'static str, u32, u16);

pub(crate) const RULE: Field = Field("rnr", 36, W);
pub(crate) const SUBRULE: Field = Field("srnr", 40, W);
pub(crate) const REASON: Field = Field("reason", 3, B);
pub(crate) const ACTION: Field = Field("action", 2, B);

impl Compiler<'_> {
    fn only_pflog(&self, keyword: &str) -> Res<()> {
        if self.linktype != Dlt::PFLOG {
            fail!("'{keyword}' supported only on PFLOG linktype");
        }
        Ok(())
    }

    pub(crate) fn pf_ifname(&mut self, name: &str) -> Res<BlockId> {
        self.only_pflog("ifname")?;
        if name.len() >= NAME {
            fail!("ifname interface names can only be {} characters", NAME - 1);
        }
        self.bcmp(Rel::LinkHdr, 4, name.as_bytes())
    }

    pub(crate) fn pf_ruleset(&mut self, name: &str) -> Res<BlockId> {
        self.only_pflog("ruleset")?;
        if name.len() >= NAME {
            fail!("ruleset names can only be {} characters", NAME - 1);
        }
        self.bcmp(Rel::LinkHdr, 20, name.as_bytes())
    }

    pub(crate) fn pf_field(&mut self, field: Field, value: u32) -> Res<BlockId> {
        self.only_pflog(field.0)?;
        self.cmp(Rel::LinkHdr, field.1, field.2, value)
    }
}
