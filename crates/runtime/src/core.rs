//! What a loaded object is made of, less its programs: the shared state and the memory, and bpf(2)'s view of a map.
//!
//! A map's logic and its values are owned apart (see [`crate::map`]), so the trait object that [`Core::map`]
//! hands out is the core itself, with the map that was asked for noted in it.

use skep_backend::{Error, ErrorKind, Event, Map};
use skep_object::MapSpec;
use skep_vm::Memory;

use crate::env::{Env, LiveMap};
use crate::errno::Errno;
use crate::map::Side;
use crate::map::attr::{RDONLY, WRONLY};

/// State and memory of a loaded object.
pub(crate) struct Core {
    pub(crate) env: Env,
    pub(crate) memory: Memory,
    selected: usize,
}

impl Core {
    pub(crate) fn new(env: Env, memory: Memory) -> Self {
        Self { env, memory, selected: 0 }
    }

    /// The map of this name, as [`Map`].
    pub(crate) fn map(&mut self, name: &str) -> Option<&mut dyn Map> {
        self.selected = self.env.maps.iter().position(|m| &*m.name == name)?;
        Some(self)
    }

    fn selected(&self) -> &LiveMap {
        &self.env.maps[self.selected]
    }

    fn slab(&self) -> &[u8] {
        self.memory.storage(self.selected().region).unwrap_or(&[])
    }

    fn failed(&self, what: &str, errno: Errno) -> Error {
        let message = format!("map `{}`: {what}: {errno}", self.selected().name);
        Error::new(ErrorKind::Os(errno.0), message)
    }

    /// Checks the length of a key or a value, and whether bpf(2) may do this.
    fn check(&self, what: &str, part: &str, have: usize, want: usize) -> Result<(), Error> {
        if have == want {
            return Ok(());
        }
        let name = &self.selected().name;
        let message = format!("map `{name}`: {what}: the {part} has {have} bytes and must have {want}");
        Err(Error::new(ErrorKind::Invalid, message))
    }

    fn may(&self, what: &str, forbidden: bool) -> Result<(), Error> {
        if forbidden { Err(self.failed(what, Errno::EPERM)) } else { Ok(()) }
    }

    /// Bytes of a value in bpf(2)'s view.
    fn value_len(&self) -> usize {
        let spec = &self.selected().spec;
        match spec.map_type.row() {
            Some(row) if row.per_cpu => crate::map::round8(spec.value_size as usize) * self.env.cpus as usize,
            _ => spec.value_size as usize,
        }
    }

    /// Sets a value as bpf(2) does, before anything is frozen.
    pub(crate) fn put(&mut self, map: usize, key: &[u8], value: &[u8]) -> Result<(), Error> {
        self.selected = map;
        let spec = &self.selected().spec;
        self.check("first contents", "key", key.len(), spec.key_size as usize)?;
        self.check("first contents", "value", value.len(), spec.value_size as usize)?;
        let memory = &mut self.memory;
        let live = &mut self.env.maps[map];
        let done = live.slab(memory).and_then(|slab| live.ops.update(slab, key, value, 0, Side::User));
        done.map_err(|e| self.failed("first contents", e))
    }

    /// Takes what programs emitted: events in order, then the records of ring buffers, map by map.
    pub(crate) fn take_events(&mut self) -> Vec<Event> {
        let mut events = self.env.events.take();
        let cpu = self.env.cpu;
        for map in &mut self.env.maps {
            let Some(slab) = self.memory.storage(map.region) else { continue };
            let Some(ring) = map.ops.ring() else { continue };
            let name = map.name.to_string();
            ring.take(slab, |data| {
                events.push(Event::Record { map: name.clone(), cpu, data: data.to_vec() });
            });
        }
        events
    }
}

impl Map for Core {
    fn spec(&self) -> &MapSpec {
        &self.selected().spec
    }

    fn lookup(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let map = self.selected();
        self.may("lookup", map.spec.flags & WRONLY != 0)?;
        self.check("lookup", "key", key.len(), map.spec.key_size as usize)?;
        let mut value = Vec::new();
        match map.ops.read(self.slab(), key, &mut value) {
            Ok(()) => Ok(Some(value)),
            Err(Errno::ENOENT) => Ok(None),
            Err(e) => Err(self.failed("lookup", e)),
        }
    }

    fn update(&mut self, key: &[u8], value: &[u8], flags: u64) -> Result<(), Error> {
        let map = self.selected();
        self.may("update", map.frozen || map.spec.flags & RDONLY != 0)?;
        self.check("update", "key", key.len(), map.spec.key_size as usize)?;
        self.check("update", "value", value.len(), self.value_len())?;
        let live = &mut self.env.maps[self.selected];
        let memory = &mut self.memory;
        let done = live.slab(memory).and_then(|slab| live.ops.update(slab, key, value, flags, Side::User));
        done.map_err(|e| self.failed("update", e))
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), Error> {
        let map = self.selected();
        self.may("delete", map.frozen || map.spec.flags & RDONLY != 0)?;
        self.check("delete", "key", key.len(), map.spec.key_size as usize)?;
        let live = &mut self.env.maps[self.selected];
        let memory = &mut self.memory;
        let done = live.slab(memory).and_then(|slab| live.ops.delete(slab, key));
        done.map_err(|e| self.failed("delete", e))
    }

    fn next_key(&self, key: Option<&[u8]>) -> Result<Option<Vec<u8>>, Error> {
        let map = self.selected();
        self.may("next key", map.spec.flags & WRONLY != 0)?;
        if let Some(key) = key {
            self.check("next key", "key", key.len(), map.spec.key_size as usize)?;
        }
        let mut next = Vec::new();
        match map.ops.next_key(self.slab(), key, &mut next) {
            Ok(()) => Ok(Some(next)),
            Err(Errno::ENOENT) => Ok(None),
            Err(e) => Err(self.failed("next key", e)),
        }
    }
}
