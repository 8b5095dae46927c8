//! Types of kernel modules. Each has its BTF below `/sys/kernel/btf`, which continues that of the kernel proper. They are
//! looked at only for what the kernel proper has not: reading all of them takes a while on a machine with many.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use skep_btf::{Btf, Kind, TypeId};
use skep_sys::info;

/// Where the kernel shows its types.
pub(super) const DIR: &str = "/sys/kernel/btf";

/// A module that has types.
#[derive(Debug)]
pub(super) struct Module {
    pub(super) name: String,
    pub(super) btf: Arc<Btf>,
    fd: OnceLock<Option<OwnedFd>>,
}

impl Module {
    /// The descriptor of its types, by which they are named in programs; `None` if it went away, or without
    /// CAP_SYS_ADMIN.
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        let open = || {
            let named =
                |fd: &OwnedFd| info::btf(fd.as_fd(), false).is_ok_and(|b| b.kernel && b.name == self.name);
            let ids = info::ids(info::Object::Btf).ok()?;
            ids.into_iter().filter_map(|id| info::fd_by_id(info::Object::Btf, id).ok()).find(named)
        };
        self.fd.get_or_init(open).as_ref().map(AsFd::as_fd)
    }
}

/// A type of the running kernel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'a> {
    pub(super) id: TypeId,
    /// The module that it is of; `None` for the kernel proper.
    pub(super) module: Option<&'a Module>,
}

/// Reads the types of every module, in the order of names. What can't be read is left out: another kernel's, or one
/// that is being taken away.
pub(super) fn read(dir: &Path, base: &Arc<Btf>) -> Vec<Module> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|e| e.file_name().into_string().ok()).collect();
    names.retain(|n| n != "vmlinux");
    names.sort_unstable();
    let module = |name: String| {
        let bytes = std::fs::read(dir.join(&name)).ok()?;
        let btf = Btf::parse_split(&bytes, Arc::clone(base)).ok()?;
        Some(Module { name, btf: Arc::new(btf), fd: OnceLock::new() })
    };
    names.into_iter().filter_map(module).collect()
}

/// Finds a type, in the kernel proper first.
pub(super) fn find<'a>(
    base: &Btf,
    modules: impl FnOnce() -> &'a [Module],
    name: &str,
    kind: Kind,
) -> Option<Found<'a>> {
    if let Some(id) = base.find(name, kind) {
        return Some(Found { id, module: None });
    }
    let of = |module: &'a Module| Some(Found { id: module.btf.find(name, kind)?, module: Some(module) });
    modules().iter().find_map(of)
}

/// Descriptors that a program's instructions name by index. The first stands for the kernel proper and is never looked
/// at.
#[derive(Debug, Default)]
pub(super) struct FdArray(Vec<i32>);

impl FdArray {
    /// The index of a module's types; `None` if they can't be opened.
    pub(super) fn index(&mut self, module: &Module) -> Option<i16> {
        use std::os::fd::AsRawFd;
        let fd = module.fd()?.as_raw_fd();
        if self.0.is_empty() {
            self.0.push(0);
        }
        let known = self.0.iter().skip(1).position(|f| *f == fd).map(|n| n + 1);
        let at = known.unwrap_or_else(|| {
            self.0.push(fd);
            self.0.len() - 1
        });
        i16::try_from(at).ok()
    }

    pub(super) fn as_slice(&self) -> &[i32] {
        &self.0
    }
}

/// A kernel and one module, made up.
#[cfg(test)]
pub(super) mod tests {
    use skep_btf::{Builder, FuncLinkage, IntEncoding};

    use super::*;
    use crate::linux::types::HERE;

    /// The kernel has `int`, `struct old` and `in_kernel`; the module `struct fresh` and `in_module`.
    pub(in crate::linux) fn made(test: &str) -> (Arc<Btf>, Vec<Module>) {
        let mut b = Builder::new(HERE);
        let int = b.int("int", 4, IntEncoding { signed: true, ..IntEncoding::default() });
        b.composite(Kind::Struct, "old", 4, &[("a", int, 0, 0)]);
        let proto = b.func_proto(int, &[]);
        b.func("in_kernel", proto, FuncLinkage::Static);
        let base = Arc::new(b.finish().expect("good types"));
        let mut b = Builder::split(Arc::clone(&base));
        b.composite(Kind::Struct, "fresh", 12, &[("pad", int, 0, 0), ("b", int, 64, 0)]);
        b.func("in_module", proto, FuncLinkage::Static);
        let module = b.finish().expect("good types");
        let dir = std::env::temp_dir().join(format!("skep-modules-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a folder of our own");
        std::fs::write(dir.join("vmlinux"), base.to_bytes(HERE)).expect("ours");
        std::fs::write(dir.join("skep_mod"), module.to_bytes(HERE)).expect("ours");
        std::fs::write(dir.join("damaged"), b"no types").expect("ours");
        let modules = read(&dir, &base);
        std::fs::remove_dir_all(&dir).expect("ours");
        (base, modules)
    }

    #[test]
    fn what_the_kernel_has_not_is_found_in_its_modules() {
        let (base, modules) = made("find");
        assert_eq!(modules.iter().map(|m| m.name.as_str()).collect::<Vec<_>>(), ["skep_mod"]);
        let find = |name: &str, kind| {
            let found = find(&base, || &modules, name, kind)?;
            Some((found.id.0 >= base.end_id().0, found.module.map(|m| m.name.as_str())))
        };
        assert_eq!(find("in_kernel", Kind::Func), Some((false, None)));
        assert_eq!(find("in_module", Kind::Func), Some((true, Some("skep_mod"))));
        assert_eq!(find("in_module", Kind::Var), None);
        let asked = super::find(&base, || panic!("modules are not asked for this"), "old", Kind::Struct);
        assert!(asked.is_some());
        // The kernel has no such module, so its types have no descriptor.
        assert!(modules[0].fd().is_none());
        assert_eq!(FdArray::default().index(&modules[0]), None);
    }
}
