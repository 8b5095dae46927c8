//! What a map holds, key by key, and single operations on it.

use std::ops::ControlFlow;
use std::os::fd::BorrowedFd;

use skep_abi::MapType;
use skep_backend::{Error, ErrorKind};
use skep_sys::Errno;

use super::map::Map;
use crate::linux::batch;

/// More keys than this a map without a capacity does not give.
const MOST: usize = 1 << 24;

/// Types whose values are memory: each key has one, and it can be read.
const PLAIN: &[MapType] = &[
    MapType::HASH,
    MapType::ARRAY,
    MapType::PERCPU_HASH,
    MapType::PERCPU_ARRAY,
    MapType::LRU_HASH,
    MapType::LRU_PERCPU_HASH,
    MapType::LPM_TRIE,
];

/// A key, and what the kernel gave for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// The key's bytes.
    pub key: Vec<u8>,
    /// The value's bytes, of all CPUs for per-CPU maps.
    pub value: Result<Vec<u8>, Unread>,
}

/// Why the value of a key that is there could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unread(Errno);

impl Unread {
    /// The slot is empty.
    pub fn no_entry(self) -> bool {
        self.0 == Errno::ENOENT
    }

    /// The map does not show its values to user space: `ENOSPC` for sockets in a map whose values are too short.
    pub fn no_room(self) -> bool {
        self.0 == Errno::ENOSPC
    }

    /// As the C library says it (strerror(3)): `No such file or directory`.
    pub fn text(self) -> String {
        let text = std::io::Error::from_raw_os_error(self.0.0).to_string();
        text.split(" (os error").next().unwrap_or_default().to_owned()
    }
}

/// See [`Map::elements`].
#[derive(Debug)]
pub struct Elements<'a> {
    map: &'a Map,
    last: Option<Vec<u8>>,
    left: usize,
}

impl Map {
    /// Its elements, in the order in which the kernel gives the keys. Another process that writes at the same time may
    /// make a key come twice or not at all; but they come to an end.
    pub fn elements(&self) -> Elements<'_> {
        let capacity = self.info.max_entries as usize;
        // Hash maps that give memory out per CPU may hold a few more than they say.
        let left = if capacity == 0 { MOST } else { capacity.saturating_mul(2).saturating_add(64) };
        Elements { map: self, last: None, left }
    }

    /// Walks all elements, many at a time where the type can: see [`Map::elements`]. `visit` may end the walk.
    ///
    /// # Errors
    /// What the kernel says; map types without keys.
    pub fn walk(&self, mut visit: impl FnMut(Element) -> ControlFlow<()>) -> Result<(), Error> {
        if PLAIN.contains(&self.map_type()) {
            let visit =
                |key: &[u8], value: &[u8]| visit(Element { key: key.to_vec(), value: Ok(value.to_vec()) });
            return batch::dump(&self.map, visit).map_err(|e| self.wrong("reading", e));
        }
        for element in self.elements() {
            if visit(element?).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// The value of a key, as bpf(2) moves it; `None` if the key is not there. Queues and stacks have no key, and show
    /// their next value.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn lookup(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.optional("looking up", self.map.lookup(key, 0))
    }

    /// As [`Map::lookup`], and takes the element away.
    ///
    /// # Errors
    /// What the kernel says; map types without it.
    pub fn take(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.optional("taking", self.map.take(key, 0))
    }

    fn optional(&self, what: &str, done: Result<Vec<u8>, Errno>) -> Result<Option<Vec<u8>>, Error> {
        match done {
            Ok(value) => Ok(Some(value)),
            Err(Errno::ENOENT) => Ok(None),
            Err(e) => Err(self.wrong(what, e)),
        }
    }

    /// Writes a value; flags are BPF_ANY (0), BPF_NOEXIST (1), BPF_EXIST (2).
    ///
    /// # Errors
    /// What the kernel says.
    pub fn update(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), Error> {
        self.map.update(key, value, flags).map_err(|e| self.wrong("updating", e))
    }

    /// As [`Map::update`], with an object as the value: maps of maps, prog arrays.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn update_fd(&self, key: &[u8], object: BorrowedFd<'_>, flags: u64) -> Result<(), Error> {
        self.map.update_fd(key, object, flags).map_err(|e| self.wrong("updating", e))
    }

    /// Takes an element away.
    ///
    /// # Errors
    /// If it is not there; map types without it.
    pub fn delete(&self, key: &[u8]) -> Result<(), Error> {
        self.map.delete(key).map_err(|e| self.wrong("deleting", e))
    }

    /// The key after this one, the first if none is given; `None` after the last.
    ///
    /// # Errors
    /// Map types without keys.
    pub fn next_key(&self, key: Option<&[u8]>) -> Result<Option<Vec<u8>>, Error> {
        self.map.next_key(key).map_err(|e| match (self.map_type(), e) {
            (t @ (MapType::QUEUE | MapType::STACK), Errno::EINVAL | Errno::EOPNOTSUPP) => {
                self.no_keys(t, "`skep map peek` shows its next value")
            }
            (t, Errno::ENOTSUPP | Errno::EOPNOTSUPP) => {
                self.no_keys(t, "its contents are not for user space")
            }
            _ => self.wrong("the next key", e),
        })
    }

    fn no_keys(&self, map_type: MapType, hint: &str) -> Error {
        let message = format!("map {}: a {map_type} map has no keys to go by", self.info.id);
        Error::new(ErrorKind::Unsupported, message).with_hint(hint)
    }
}

impl Iterator for Elements<'_> {
    type Item = Result<Element, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let key = match self.map.next_key(self.last.as_deref()) {
            Ok(key) => key?,
            Err(e) => {
                self.left = 0;
                return Some(Err(e));
            }
        };
        let value = self.map.map.lookup(&key, 0).map_err(Unread);
        self.last = Some(key.clone());
        Some(Ok(Element { key, value }))
    }
}
