//! BTF that maps and programs are tried with: an `int`, a function that takes a context, loaded once.

use std::os::fd::OwnedFd;

use skep_btf::{Builder, FuncLinkage, IntEncoding, Kind, TypeId};

use crate::linux::types::HERE;

/// See the module.
pub(super) struct Types {
    pub(super) fd: OwnedFd,
    /// `int`
    pub(super) int: TypeId,
    /// `int main(struct xdp_md *ctx)`, global.
    pub(super) main: TypeId,
}

impl Types {
    /// Nothing if the kernel takes no BTF.
    pub(super) fn load() -> Option<Self> {
        let mut b = Builder::new(HERE);
        let int = b.int("int", 4, IntEncoding { signed: true, ..IntEncoding::default() });
        let context = b.composite(Kind::Struct, "xdp_md", 4, &[("data", int, 0, 0)]);
        let pointer = b.ptr(context);
        let proto = b.func_proto(int, &[("ctx", pointer)]);
        let main = b.func("main", proto, FuncLinkage::Global);
        let btf = b.finish().ok()?;
        let fd = skep_sys::btf::load(&btf.to_bytes(HERE)).ok()?;
        Some(Self { fd, int, main })
    }
}
