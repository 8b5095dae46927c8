//! What to say of packet bytes that were not proven to be there.

use super::path::Place;
use super::tell::Case;
use super::words::{bytes, number};
use crate::state::Kind;

impl Case<'_> {
    pub(super) fn packet(&mut self) {
        let (off, size) = self.access();
        let name = self.name();
        let at = off + i64::from(self.reg.off);
        let needs = at + size;
        let verb = self.verb();
        self.told.title = "packet bytes are used that were not checked against data_end".into();
        let proven = self.reg.range.max(0);
        if at < 0 {
            self.told.title = "an access before the packet".into();
            self.told.label = format!("{verb} {} at offset {at}", bytes(size));
            return self.tell_origin(self.end, self.place);
        }
        if self.refusal.code == "V0403" {
            self.told.title = "the offset into the packet may be negative".into();
            self.told.label = format!("{name} may be {} bytes into the packet", number(&self.reg.val));
            return self.tell_variable();
        }
        self.told.label = match proven {
            0 => format!(
                "{verb} {}: needs {} behind the base of {name}, and none are proven",
                bytes(size),
                bytes(needs)
            ),
            n => format!("{verb} {} at offset {at}: needs {}, and {n} are proven", bytes(size), bytes(needs)),
        };
        if self.reg.val.is_const() {
            self.tell_origin(self.end, self.place);
        } else if let Some((add, p)) = self.variable_part() {
            let by = p.map_or(String::new(), |p| format!(" (r{})", p.reg));
            self.because(
                add,
                format!("adds a variable{by}: what was proven before does not count for the sum"),
            );
            if self.reg.val.umax > 0xffff {
                self.told.notes.push(format!(
                    "the variable may be {}: a comparison with data_end counts only while it is at most 65535",
                    number(&self.reg.val)
                ));
            }
        }
        self.tell_packet_check();
    }

    /// The last comparison with the end of the packet.
    fn tell_packet_check(&mut self) {
        let kind = |i: usize, reg: usize| {
            self.path.reg(i, Place { depth: self.path.depth(i), reg }).map(|r| (r.kind, r.off, r.id))
        };
        let about = std::cell::Cell::new(None);
        let found = self.path.comparison(self.end, |i, dst, src| {
            let Some(src) = src else { return false };
            match (kind(i, dst), kind(i, src)) {
                (Some((a, off, id)), Some((Kind::PacketEnd, ..)))
                | (Some((Kind::PacketEnd, ..)), Some((a, off, id)))
                    if a.is_packet() =>
                {
                    about.set(Some((off, id)));
                    true
                }
                _ => false,
            }
        });
        let Some(i) = found else {
            self.told.notes.push("no comparison with data_end is on this path".into());
            return;
        };
        let (off, id) = about.get().unwrap_or_default();
        let (range, same) = (self.reg.range, id == self.reg.id);
        let text = match () {
            () if same && range < 0 => {
                "this comparison shows that they are not there on this path".to_owned()
            }
            () if same && range > 0 => format!("this comparison proves {}", bytes(range.into())),
            () if same => format!("this comparison of {} proves nothing on this path", bytes(off.into())),
            () => "this comparison is about another pointer".to_owned(),
        };
        self.because(i, text);
    }
}
