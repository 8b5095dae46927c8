//! A loaded object: [`Live`], the [`skep_backend::Loaded`] of this world. Descriptors are all that keeps maps and
//! programs in the kernel, so everything goes when it is dropped.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use skep_abi::{AttachType, MapType, ProgType};
use skep_backend::{Error, ErrorKind, Event, Loaded, Map, Outcome, TestOutput, TestRun};
use skep_btf::Btf;
use skep_sys::user_ring::UserRing;
use skep_sys::{Cap, Errno, info, pin};

use super::attach::update;
use super::error::refused;
use super::events::Consumers;
use super::maps::LiveMap;
use super::objects::Prog;
use super::pins::Pins;
use super::run;
use super::struct_ops::Ready;
use super::vmlinux::Vmlinux;

/// A program in the kernel.
#[derive(Debug)]
pub(super) struct LoadedProgram {
    pub(super) name: String,
    pub(super) prog_type: ProgType,
    /// The attach type that it was loaded with.
    pub(super) attach_type: AttachType,
    /// The object's section, as written.
    pub(super) section: String,
    pub(super) fd: OwnedFd,
}

/// A loaded object.
#[derive(Debug)]
pub struct Live {
    programs: Vec<LoadedProgram>,
    maps: Vec<LiveMap>,
    /// Tables of functions, ready to be registered.
    tables: Vec<Ready>,
    consumers: Consumers,
    /// The packet of the last run, metadata first.
    packet: Vec<u8>,
    /// Bytes of metadata in front of it.
    meta: usize,
    vmlinux: Arc<Vmlinux>,
    /// Maps that were pinned under their names.
    pins: Pins,
    types: Option<Btf>,
    /// What is in the map of `usdt.bpf.h`, in its order.
    usdt: Mutex<Vec<Vec<u8>>>,
}

impl Live {
    pub(super) fn new(
        programs: Vec<LoadedProgram>,
        maps: Vec<Option<LiveMap>>,
        tables: Vec<Ready>,
        vmlinux: Arc<Vmlinux>,
        pins: Pins,
        types: Option<Btf>,
    ) -> Result<Self, Error> {
        let maps: Vec<LiveMap> = maps.into_iter().flatten().collect();
        let consumers = Consumers::open(&maps)?;
        Ok(Self {
            programs,
            maps,
            tables,
            consumers,
            packet: Vec::new(),
            meta: 0,
            vmlinux,
            pins,
            types,
            usdt: Mutex::default(),
        })
    }

    pub(super) fn find(&self, name: &str) -> Result<&LoadedProgram, Error> {
        let found = self.programs.iter().find(|p| p.name == name);
        found.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("no program `{name}` is loaded")))
    }

    pub(super) fn live_maps(&self) -> &[LiveMap] {
        &self.maps
    }

    pub(super) fn tables(&self) -> &[Ready] {
        &self.tables
    }

    /// The descriptor of a program, to attach it by.
    ///
    /// # Errors
    /// If none of that name is loaded.
    pub fn program(&self, name: &str) -> Result<BorrowedFd<'_>, Error> {
        Ok(self.find(name)?.fd.as_fd())
    }

    /// The address of a symbol of the kernel; `None` where there is none, or addresses are hidden from this process.
    pub fn symbol(&self, name: &str) -> Option<u64> {
        self.vmlinux.symbol(name)
    }

    /// Pins every program below a directory, by its name, and every map below its `maps`. They stay as long as the
    /// guard does, or for good if that is kept.
    ///
    /// # Errors
    /// If the directory is in no BPF file system, or something is there; then nothing stays.
    pub fn pin(&self, dir: &Path) -> Result<Pins, Error> {
        let mut pins = Pins::default();
        pins.directory(dir)?;
        for program in &self.programs {
            pins.add(&dir.join(&program.name), program.fd.as_fd())?;
        }
        let maps = dir.join("maps");
        for map in &self.maps {
            pins.directory(&maps)?;
            // A name that begins with a dot, or holds one, is none for a BPF file system.
            let name = map.spec.name.trim_start_matches('.').replace('.', "_");
            pins.add(&maps.join(name), map.map.as_fd())?;
        }
        Ok(pins)
    }

    /// Makes a directory for pins; it goes with the guard, unless that is kept.
    ///
    /// # Errors
    /// If it can't be made.
    pub fn pin_directory(&self, dir: &Path) -> Result<Pins, Error> {
        let mut pins = Pins::default();
        pins.directory(dir)?;
        Ok(pins)
    }

    /// Puts a program into a link that is pinned, in place of the one that is there: nothing passes between the two.
    /// Gives the link's id.
    ///
    /// # Errors
    /// If no link is pinned there, another program came into it in the meantime, or the kernel refuses.
    pub fn replace_pinned(&self, path: &Path, prog: &str) -> Result<u32, Error> {
        let what = format!("the link {}", path.display());
        let wrong = |e: Errno| refused(&what, e, &[Cap::BPF, Cap::NET_ADMIN]);
        let link = pin::get(path, 0).map_err(wrong)?;
        let found = info::link(link.as_fd()).map_err(wrong)?;
        // Opening it takes more rights than replacing it.
        let old = Prog::by_id(found.prog_id).ok().flatten();
        update(link.as_fd(), self.program(prog)?, old.as_ref().map(AsFd::as_fd), &what)?;
        Ok(found.id)
    }

    /// Descriptors that can be read from when programs have emitted something, for poll(2).
    pub fn event_fds(&self) -> Vec<BorrowedFd<'_>> {
        let rings = self.maps.iter().filter(|m| m.spec.map_type == MapType::RINGBUF).map(|m| m.map.as_fd());
        rings.chain(self.consumers.perf_fds()).collect()
    }

    /// Maps that the object wants to be found by name stay pinned when this goes.
    pub fn keep_pins(&mut self) {
        std::mem::take(&mut self.pins).keep();
    }

    /// Whether the kernel was built with an option, where it tells.
    pub(super) fn built_with(&self, option: &str) -> Option<bool> {
        self.vmlinux.built_with(option)
    }

    /// The object's own types.
    pub fn types(&self) -> Option<&Btf> {
        self.types.as_ref()
    }

    pub(super) fn live_map(&self, name: &str) -> Option<&LiveMap> {
        self.maps.iter().find(|m| m.spec.name == name)
    }

    /// Records of markers' arguments that were written so far.
    pub(super) fn usdt_records(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.usdt.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The producer of a user ring buffer, from which programs take what is put in. A map has one at a time.
    ///
    /// # Errors
    /// If there is no such map, or it is of another type.
    pub fn user_ring(&self, map: &str) -> Result<UserRing, Error> {
        let found = self.live_map(map);
        let found = found.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("no map `{map}`")))?;
        UserRing::new(&found.map).map_err(|e| match e {
            Errno::EINVAL => {
                let message = format!("map `{map}` is {}, no user ring buffer", found.spec.map_type);
                Error::new(ErrorKind::Invalid, message)
            }
            e => refused(&format!("map `{map}`: writing to it"), e, &[Cap::BPF]),
        })
    }

    /// How many samples perf buffers had no room for so far, of those that were taken or looked for.
    pub fn lost_samples(&self) -> u64 {
        self.consumers.lost()
    }

    /// The descriptor of a map.
    pub fn map_fd(&self, name: &str) -> Option<BorrowedFd<'_>> {
        self.maps.iter().find(|m| m.spec.name == name).map(|m| m.map.as_fd())
    }
}

impl Loaded for Live {
    fn programs(&self) -> Vec<String> {
        self.programs.iter().map(|p| p.name.clone()).collect()
    }

    fn maps(&self) -> Vec<String> {
        self.maps.iter().map(|m| m.spec.name.clone()).collect()
    }

    fn map(&mut self, name: &str) -> Option<&mut dyn Map> {
        self.maps.iter_mut().find(|m| m.spec.name == name).map(|m| m as &mut dyn Map)
    }

    fn test_run(&mut self, prog: &str, input: &TestRun<'_>) -> Result<TestOutput, Error> {
        let program = self.find(prog)?;
        run::test(program.fd.as_fd(), prog, program.prog_type, input)
    }

    fn run_packet(&mut self, program: usize, packet: &[u8], _: Option<u64>) -> Result<Outcome, Error> {
        let Some(program) = self.programs.get(program) else {
            return Err(Error::new(ErrorKind::NotFound, format!("no program has the number {program}")));
        };
        let shape =
            run::shape(program.prog_type).ok_or_else(|| run::not_run(&program.name, program.prog_type))?;
        let ran = run::once(program.fd.as_fd(), shape, packet, None, None, &mut self.packet)
            .map_err(|e| run::wrong(&program.name, program.prog_type, packet, e))?;
        self.meta = ran.meta;
        Ok(Outcome { retval: u64::from(ran.output.retval), redirect: None })
    }

    fn packet(&self) -> &[u8] {
        self.packet.get(self.meta..).unwrap_or_default()
    }

    fn take_events(&mut self) -> Vec<Event> {
        self.consumers.take()
    }
}
