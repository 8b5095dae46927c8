//! Maps: completed as a loader must, made, filled, frozen.

use std::os::fd::{AsFd, BorrowedFd};

use skep_abi::MapType;
use skep_backend::{Error, ErrorKind, Map as BackendMap, Visit, kconfig};
use skep_object::{InitialRef, MapOrigin, MapSpec, Spec};
use skep_sys::map::{Create, Map};
use skep_sys::{Cap, Errno, cpu};

use super::batch;
use super::error::refused;
use super::struct_ops::Table;
use super::types::{HERE, Loaded as Types};
use super::vmlinux::Vmlinux;
use skep_isa::Endian;

/// A map of the object, made.
#[derive(Debug)]
pub(super) struct LiveMap {
    pub(super) spec: MapSpec,
    pub(super) map: Map,
}

/// Types whose keys and values the kernel takes no BTF for.
const NO_BTF: &[MapType] = &[
    MapType::PROG_ARRAY,
    MapType::PERF_EVENT_ARRAY,
    MapType::CGROUP_ARRAY,
    MapType::STACK_TRACE,
    MapType::ARRAY_OF_MAPS,
    MapType::HASH_OF_MAPS,
    MapType::DEVMAP,
    MapType::DEVMAP_HASH,
    MapType::CPUMAP,
    MapType::XSKMAP,
    MapType::SOCKMAP,
    MapType::SOCKHASH,
    MapType::QUEUE,
    MapType::STACK,
    MapType::RINGBUF,
    MapType::USER_RINGBUF,
    MapType::ARENA,
];

/// Types that ask for CAP_NET_ADMIN, too (`map_create` in `kernel/bpf/syscall.c`).
const FOR_NETWORKS: &[MapType] =
    &[MapType::DEVMAP, MapType::DEVMAP_HASH, MapType::XSKMAP, MapType::SOCKMAP, MapType::SOCKHASH];

/// Fills in what is left to the loader.
pub(super) fn complete(spec: &MapSpec) -> Result<MapSpec, Errno> {
    const PAGE: u32 = 4096;
    let mut spec = spec.clone();
    match spec.map_type {
        MapType::PERF_EVENT_ARRAY => {
            if spec.max_entries == 0 {
                spec.max_entries = cpu::possible()? as u32;
            }
            spec.key_size = if spec.key_size == 0 { 4 } else { spec.key_size };
            spec.value_size = if spec.value_size == 0 { 4 } else { spec.value_size };
        }
        MapType::RINGBUF | MapType::USER_RINGBUF
            if !spec.max_entries.is_power_of_two() || !spec.max_entries.is_multiple_of(PAGE) =>
        {
            let pages = spec.max_entries.div_ceil(PAGE).max(1).checked_next_power_of_two();
            spec.max_entries = pages.and_then(|p| p.checked_mul(PAGE)).ok_or(Errno::E2BIG)?;
        }
        // These hold descriptors, and old objects leave out how large those are.
        MapType::ARRAY_OF_MAPS | MapType::HASH_OF_MAPS | MapType::PROG_ARRAY if spec.value_size == 0 => {
            spec.value_size = 4;
        }
        _ => {}
    }
    Ok(spec)
}

/// Makes a map as its spec says, empty.
fn create(spec: &MapSpec, types: Option<&Types>, inner: Option<BorrowedFd<'_>>) -> Result<Map, Errno> {
    let mut create = Create {
        map_type: spec.map_type,
        name: &spec.name,
        key_size: spec.key_size,
        value_size: spec.value_size,
        max_entries: spec.max_entries,
        flags: spec.flags,
        map_extra: spec.map_extra,
        numa_node: spec.numa_node.unwrap_or(0),
        inner,
        ..Create::default()
    };
    let typed = types.filter(|_| !NO_BTF.contains(&spec.map_type));
    if let (Some(types), Some(value)) = (typed, spec.btf_value) {
        create.btf = Some((types.fd.as_fd(), spec.btf_key.map_or(0, |k| k.0), value.0));
    }
    match Map::create(&create) {
        // A map whose types the kernel does not like is better than none: types are for people, but for locks and
        // the like, without which the program is refused with a reason.
        Err(Errno::EINVAL | Errno::ENOTSUPP) if create.btf.is_some() => {
            Map::create(&Create { btf: None, ..create })
        }
        done => done,
    }
}

/// Makes a map of the object and gives it its first contents, but for references.
pub(super) fn make(
    vmlinux: &Vmlinux,
    object: &Spec,
    spec: &MapSpec,
    types: Option<&Types>,
    table: Option<&Table>,
) -> Result<LiveMap, Error> {
    let what = format!("map `{}`", spec.name);
    let needed: &[Cap] =
        if FOR_NETWORKS.contains(&spec.map_type) { &[Cap::BPF, Cap::NET_ADMIN] } else { &[Cap::BPF] };
    let wrong = |errno| refused(&format!("{what} ({}) can't be made", spec.map_type), errno, needed);
    let mut spec = complete(spec).map_err(wrong)?;
    if let Some(table) = table {
        let Some(types) = types else {
            let message = format!("{what}: a table of functions needs the object's types");
            return Err(Error::new(ErrorKind::Invalid, message));
        };
        // Its value is the kernel's struct, written when it is registered.
        (spec.value_size, spec.initial_value) = (table.value_size(), None);
        let create = Create {
            map_type: spec.map_type,
            name: &spec.name,
            key_size: spec.key_size,
            value_size: spec.value_size,
            max_entries: spec.max_entries,
            flags: spec.flags,
            btf: Some((types.fd.as_fd(), 0, 0)),
            vmlinux_value_type: table.value_type,
            ..Create::default()
        };
        return Ok(LiveMap { map: Map::create(&create).map_err(wrong)?, spec });
    }
    let inner = match &spec.inner {
        Some(inner) => {
            let inner = complete(inner).map_err(wrong)?;
            Some(create(&inner, types, None).map_err(wrong)?)
        }
        None => None,
    };
    let map = create(&spec, types, inner.as_ref().map(AsFd::as_fd)).map_err(wrong)?;
    let contents = match spec.origin {
        MapOrigin::Kconfig => {
            let config = |name: &str| vmlinux.config(name).map(str::to_owned);
            let source = kconfig::Source { version: vmlinux.version(), config: &config };
            Some(kconfig::values(&source, object, spec.value_size as usize)?)
        }
        _ => spec.initial_value.clone(),
    };
    if let Some(mut contents) = contents {
        if contents.len() > map.value_len() {
            let message = format!("{what}: first contents are longer than its value");
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        contents.resize(map.value_len(), 0);
        let first = vec![0; spec.key_size as usize];
        map.update(&first, &contents, 0).map_err(|e| refused(&format!("{what}: first contents"), e, &[]))?;
    }
    if spec.frozen {
        map.freeze().map_err(|e| refused(&format!("{what}: freezing it"), e, &[]))?;
    }
    Ok(LiveMap { spec, map })
}

/// Puts maps into maps of maps, and programs into prog arrays.
pub(super) fn fill<'a>(
    object: &Spec,
    maps: &[Option<LiveMap>],
    program: impl Fn(usize) -> Option<BorrowedFd<'a>>,
    wanted: impl Fn(InitialRef) -> bool,
) -> Result<(), Error> {
    for (spec, live) in object.maps.iter().zip(maps) {
        // A table of functions takes its programs with its value.
        let Some(live) = live.as_ref().filter(|m| m.spec.map_type != MapType::STRUCT_OPS) else { continue };
        for &(key, target) in spec.initial_refs.iter().filter(|(_, target)| wanted(*target)) {
            let fd = match target {
                InitialRef::Map(m) => maps.get(m).and_then(Option::as_ref).map(|m| m.map.as_fd()),
                InitialRef::Program(p) => program(p),
            };
            let Some(fd) = fd else {
                let message = format!("map `{}`: slot {key} holds what was not loaded", spec.name);
                return Err(Error::new(ErrorKind::Invalid, message));
            };
            let key_bytes = match HERE {
                Endian::Little => key.to_le_bytes(),
                Endian::Big => key.to_be_bytes(),
            };
            live.map
                .update_fd(&key_bytes, fd, 0)
                .map_err(|e| refused(&format!("map `{}`: slot {key}", spec.name), e, &[]))?;
        }
    }
    Ok(())
}

impl LiveMap {
    fn wrong(&self, errno: Errno) -> Error {
        refused(&format!("map `{}`", self.spec.name), errno, &[Cap::BPF])
    }
}

impl BackendMap for LiveMap {
    fn spec(&self) -> &MapSpec {
        &self.spec
    }

    fn lookup(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        match self.map.lookup(key, 0) {
            Ok(value) => Ok(Some(value)),
            Err(Errno::ENOENT) => Ok(None),
            Err(e) => Err(self.wrong(e)),
        }
    }

    fn update(&mut self, key: &[u8], value: &[u8], flags: u64) -> Result<(), Error> {
        self.map.update(key, value, flags).map_err(|e| self.wrong(e))
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), Error> {
        self.map.delete(key).map_err(|e| self.wrong(e))
    }

    fn next_key(&self, key: Option<&[u8]>) -> Result<Option<Vec<u8>>, Error> {
        self.map.next_key(key).map_err(|e| self.wrong(e))
    }

    fn walk(&self, visit: &mut Visit<'_>) -> Result<(), Error> {
        batch::dump(&self.map, visit).map_err(|e| self.wrong(e))
    }
}
