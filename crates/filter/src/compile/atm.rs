//! ATM as SunATM captures have it: circuits, fields, LAN emulation, signalling messages of Q.2931.

use super::{Compiler, Offset, Rel, Res, at_most};
use crate::code::{B, H, JEQ};
use crate::dlt::Dlt;
use crate::error::fail;
use crate::ir::BlockId;

/// The circuits that have names: all on virtual path 0.
static CIRCUITS: &[(&str, u32)] =
    &[("metac", 1), ("bcc", 2), ("oamf4sc", 3), ("oamf4ec", 4), ("sc", 5), ("ilmic", 16)];

/// Signalling messages: SETUP, CALL PROCEEDING, CONNECT, (CONNECT ACKNOWLEDGE,) RELEASE, RELEASE COMPLETE.
static CONNECT: &[u32] = &[0x05, 0x02, 0x07, 0x0f, 0x4d, 0x5a];
static METACONNECT: &[u32] = &[0x05, 0x02, 0x07, 0x4d, 0x5a];

const PAYLOAD: u32 = 4;
const MSG_TYPE: u32 = 5;

impl Compiler<'_> {
    fn only_atm(&self, keyword: &str) -> Res<()> {
        if self.linktype != Dlt::SUNATM || !self.is_atm {
            fail!("'{keyword}' supported only on SUNATM");
        }
        Ok(())
    }

    /// `vpi` or `vci` against a number.
    pub(crate) fn atm_field(&mut self, field: &str, value: u32, jump: u16, reverse: bool) -> Res<BlockId> {
        self.only_atm(field)?;
        if field == "vpi" {
            at_most("VPI", value, 0xff)?;
            return self.ncmp(Rel::LinkHdr, 1, B, u32::MAX, jump, reverse, value);
        }
        at_most("VCI", value, 0xffff)?;
        self.ncmp(Rel::LinkHdr, 2, H, u32::MAX, jump, reverse, value)
    }

    /// The traffic type in the first byte.
    pub(super) fn atm_prototype(&mut self, kind: u32) -> Res<BlockId> {
        self.mcmp(Rel::LinkHdr, 0, B, kind, 0x0f)
    }

    /// A named circuit or kind of message.
    pub(crate) fn atm(&mut self, name: &str) -> Res<BlockId> {
        self.only_atm(name)?;
        if let Some(&(_, vci)) = CIRCUITS.iter().find(|row| row.0 == name) {
            let a = self.atm_field("vpi", 0, JEQ, false)?;
            let b = self.atm_field("vci", vci, JEQ, false)?;
            return Ok(self.and(a, b));
        }
        match name {
            "lane" => {
                let b = self.atm_prototype(1)?;
                self.push_linkhdr(Dlt::EN10MB, Offset::at(PAYLOAD + 2));
                self.off_linktype.constant = PAYLOAD + 2 + 12;
                self.off_linkpl.constant = PAYLOAD + 2 + 14;
                self.off_nl = 0;
                self.off_nl_nosnap = 3;
                Ok(b)
            }
            "connectmsg" => self.messages(CONNECT, "sc"),
            "metaconnect" => self.messages(METACONNECT, "metac"),
            // oam, oamf4
            _ => {
                let a = self.atm_field("vci", 3, JEQ, false)?;
                let b = self.atm_field("vci", 4, JEQ, false)?;
                let b = self.or(a, b);
                let a = self.atm_field("vpi", 0, JEQ, false)?;
                Ok(self.and(a, b))
            }
        }
    }

    fn messages(&mut self, types: &[u32], circuit: &str) -> Res<BlockId> {
        let mut any = self.cmp(Rel::LinkHdr, PAYLOAD + MSG_TYPE, B, types[0])?;
        for (i, &n) in types.iter().enumerate().skip(1) {
            let b = self.cmp(Rel::LinkHdr, PAYLOAD + MSG_TYPE, B, n)?;
            any = if i == 1 { self.or(any, b) } else { self.or(b, any) };
        }
        let circuit = self.atm(circuit)?;
        Ok(self.and(circuit, any))
    }
}
