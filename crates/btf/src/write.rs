//! [`Btf`] to bytes, in either byte order.

use crate::parse::{HEADER, MAGIC};
use crate::{Btf, Endian};

impl Btf {
    /// The file form: header, types, strings. Of split BTF only what is not in the base.
    ///
    /// Reading it again gives the same types with the same ids, in the byte order asked for.
    pub fn to_bytes(&self, endian: Endian) -> Vec<u8> {
        let types_len = 4 * self.words.len() as u32;
        let strings = self.strings.bytes();
        let mut out = Vec::with_capacity(HEADER + 4 * self.words.len() + strings.len());
        out.extend(match endian {
            Endian::Little => MAGIC.to_le_bytes(),
            Endian::Big => MAGIC.to_be_bytes(),
        });
        out.extend([1, 0]);
        let header = [HEADER as u32, 0, types_len, types_len, strings.len() as u32];
        for &w in header.iter().chain(&self.words) {
            out.extend(match endian {
                Endian::Little => w.to_le_bytes(),
                Endian::Big => w.to_be_bytes(),
            });
        }
        out.extend_from_slice(strings);
        out
    }
}
