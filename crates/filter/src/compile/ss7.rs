//! Signalling System 7: units of MTP2, fields of MTP3, and both for high-speed links.

use super::{Compiler, Rel, Res, at_most};
use crate::code::{B, H, JEQ, JGT, W};
use crate::dlt::Dlt;
use crate::error::fail;
use crate::ir::BlockId;

/// Where things are: length indicator (and that of high-speed links), service information octet, point codes, link.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offsets {
    li: u32,
    li_hsl: u32,
    sio: u32,
    point_code: u32,
    sls: u32,
}

impl Offsets {
    pub(super) fn of(dlt: Dlt) -> Option<Offsets> {
        let base = match dlt {
            Dlt::MTP2 => 0,
            Dlt::MTP2_WITH_PHDR => 4,
            Dlt::ERF => 20,
            _ => return None,
        };
        Some(Offsets { li: base + 2, li_hsl: base + 4, sio: base + 3, point_code: base + 4, sls: base + 7 })
    }
}

/// A high-speed link's header is three bytes longer.
const HSL: u32 = 3;

impl Compiler<'_> {
    fn only_ss7(&self, keyword: &str) -> Res<Offsets> {
        match self.ss7 {
            Some(offsets) => Ok(offsets),
            None => fail!("'{keyword}' supported only on SS7"),
        }
    }

    /// `fisu`, `lssu`, `msu`, and with an `h` before.
    pub(crate) fn mtp2(&mut self, name: &str) -> Res<BlockId> {
        let name = if name == "lsu" { "lssu" } else { name };
        let o = self.only_ss7(name)?;
        let (kind, off, size, mask, max) = match name.strip_prefix('h') {
            Some(kind) => (kind, o.li_hsl, H, 0xff80, 0x0100),
            None => (name, o.li, B, 0x3f, 2),
        };
        let rel = Rel::Packet;
        match kind {
            "fisu" => self.ncmp(rel, off, size, mask, JEQ, false, 0),
            "msu" => self.ncmp(rel, off, size, mask, JGT, false, max),
            _ => {
                let a = self.ncmp(rel, off, size, mask, JGT, true, max)?;
                let b = self.ncmp(rel, off, size, mask, JGT, false, 0)?;
                Ok(self.and(b, a))
            }
        }
    }

    /// `sio`, `opc`, `dpc`, `sls`, and with an `h` before, against a number.
    pub(crate) fn mtp3(&mut self, name: &str, value: u32, jump: u16, reverse: bool) -> Res<BlockId> {
        let o = self.only_ss7(name)?;
        let (field, more) = match name.strip_prefix('h') {
            Some(field) => (field, HSL),
            None => (name, 0),
        };
        let (off, size, mask, value) = match field {
            "sio" => {
                at_most(name, value, 0xff)?;
                (o.sio, B, u32::MAX, value)
            }
            "opc" => {
                at_most(name, value, 0x3fff)?;
                (o.point_code, W, (0x3fffu32 << 14).swap_bytes(), (value << 14).swap_bytes())
            }
            "dpc" => {
                at_most(name, value, 0x3fff)?;
                (o.point_code, H, 0xff3f, u32::from((value as u16).swap_bytes()))
            }
            _ => {
                at_most(name, value, 0x0f)?;
                (o.sls, B, 0xf0, value << 4)
            }
        };
        self.ncmp(Rel::Packet, off + more, size, mask, jump, reverse, value)
    }
}
