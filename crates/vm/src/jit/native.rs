//! A compiled program of this machine, and what is known of its code.

#[cfg(target_os = "linux")]
use super::gdb;
use super::pages::{Draft, Pages};
use super::shape::{NOWHERE, Output, Shape, Site, Source};
use super::{NoNative, host};

/// A compiled program. It belongs to the cells that it was made from, and lives no longer than they do.
pub(crate) struct Native {
    /// What debuggers know of it. Before the pages, so that they forget first.
    #[cfg(target_os = "linux")]
    _known: Option<gdb::Registration>,
    pub(super) pages: Pages,
    pub(super) shape: Shape,
}

impl Native {
    /// Compiles a program.
    pub(crate) fn new(source: &Source<'_>) -> Result<Self, NoNative> {
        // Machines that see memory the other way round have instructions as these, but other data.
        if cfg!(target_endian = "big") {
            return Err(NoNative::Machine);
        }
        let Output { code, front, shape } = host::compile_here(source)?;
        let pages = Pages::new(
            &Draft { front: &front, room: shape.front, code: &code },
            source.options.own_pages || source.options.gdb,
        );
        host::recycle(code, front);
        #[cfg_attr(not(target_os = "linux"), expect(unused_mut, reason = "debuggers are told on Linux"))]
        let mut native = Self {
            #[cfg(target_os = "linux")]
            _known: None,
            pages: pages.ok_or(NoNative::Memory)?,
            shape,
        };
        #[cfg(target_os = "linux")]
        if source.options.gdb {
            native._known = Some(gdb::register(&native, source));
        }
        Ok(native)
    }

    /// The machine code.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.pages.bytes()
    }

    /// The code of the instruction that begins at a cell.
    pub(crate) fn entry(&self, cell: usize) -> Option<*const u8> {
        let offset = self.shape.entries.get(cell).copied().filter(|offset| *offset != NOWHERE)?;
        Some(self.first().wrapping_add(offset as usize))
    }

    /// Where offsets count from.
    pub(super) fn first(&self) -> *const u8 {
        self.pages.start().wrapping_add(self.shape.front)
    }

    /// The call that returns to an offset.
    pub(super) fn site(&self, offset: usize) -> Option<Site> {
        let sites = &self.shape.sites;
        let i = sites.binary_search_by_key(&offset, |site| site.back as usize).ok()?;
        Some(sites[i])
    }
}
