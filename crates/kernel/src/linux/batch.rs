//! Many entries of a map at once: by the kernel's batch operations where the map's type has them (they cost a fraction
//! of a call each), one by one where it has not. Which types have them differs from kernel to kernel, so it is tried.
//!
//! A map that programs write meanwhile is seen as it was at no single moment: entries may be missed, or be given
//! twice. Every walk ends all the same.

use std::ops::ControlFlow;

use skep_sys::Errno;
use skep_sys::map::{Batch, Cursor, Map, Partial};

/// Entries that are asked for at once.
const COUNT: u32 = 1024;
/// Bytes of keys and values that are asked for at once.
const BYTES: usize = 4 << 20;
/// One bucket of a hash map may hold more than was asked for; this many is the end.
const COUNT_MAX: u32 = 1 << 20;

/// Walks all entries, in the map's order: key and value, of all CPUs for per-CPU maps. Entries that are gone when it is
/// their turn are passed over; `visit` may end the walk.
///
/// # Errors
/// What the kernel says: `EOPNOTSUPP` or `EINVAL` for maps without keys or whose values can't be read.
pub fn dump(map: &Map, mut visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>) -> Result<(), Errno> {
    if walk(map, Map::lookup_batch, &mut visit)? {
        return Ok(());
    }
    one_by_one(map, |key| {
        let value = match map.lookup(key, 0) {
            Ok(value) => value,
            Err(Errno::ENOENT) => return Ok(ControlFlow::Continue(())),
            Err(e) => return Err(e),
        };
        Ok(visit(key, &value))
    })
}

/// As [`dump`], and what was given is gone from the map; what is written meanwhile may be among it. For hash maps.
///
/// # Errors
/// As for [`dump`]; `EINVAL` for maps whose entries can't be removed.
pub fn take(map: &Map, mut visit: impl FnMut(&[u8], &[u8])) -> Result<(), Errno> {
    let mut visit = |key: &[u8], value: &[u8]| {
        visit(key, value);
        ControlFlow::Continue(())
    };
    if walk(map, Map::take_batch, &mut visit)? {
        return Ok(());
    }
    // Keys first: a walk does not go on from a key that is gone.
    let mut keys = Vec::new();
    one_by_one(map, |key| {
        keys.push(key.to_vec());
        Ok(ControlFlow::Continue(()))
    })?;
    for key in keys {
        // Two calls where the type has not both in one: a value that is written between them is lost.
        let value = map.take(&key, 0).or_else(|e| match e {
            Errno::EOPNOTSUPP | Errno::ENOTSUPP | Errno::EINVAL => {
                map.lookup(&key, 0).and_then(|v| map.delete(&key).map(|()| v))
            }
            e => Err(e),
        });
        match value {
            Ok(value) => _ = visit(&key, &value),
            Err(Errno::ENOENT) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Writes entries: keys one after the other, and values likewise; flags as for [`Map::update`]. Gives how many.
///
/// # Errors
/// What the first entry that is refused gets; those before it are written. `EINVAL` if the lengths do not fit.
pub fn update(map: &Map, keys: &[u8], values: &[u8], flags: u64) -> Result<usize, Errno> {
    let (key, value) = (map.info().key_size as usize, map.value_len());
    if key == 0 || value == 0 || !keys.len().is_multiple_of(key) || !values.len().is_multiple_of(value) {
        return Err(Errno::EINVAL);
    }
    let count = keys.len() / key;
    if values.len() / value != count {
        return Err(Errno::EINVAL);
    }
    let done = match map.update_batch(keys, values, flags) {
        Ok(()) => return Ok(count),
        Err(Partial { done, .. }) => done as usize,
    };
    let entries = keys.chunks_exact(key).zip(values.chunks_exact(value));
    for (k, v) in entries.skip(done) {
        map.update(k, v, flags)?;
    }
    Ok(count)
}

/// Removes entries; those that are not there are no error. Gives how many were there.
///
/// # Errors
/// `EINVAL` for maps whose entries can't be removed, and if the length does not fit.
pub fn delete(map: &Map, keys: &[u8]) -> Result<usize, Errno> {
    let key = map.info().key_size as usize;
    if key == 0 || !keys.len().is_multiple_of(key) {
        return Err(Errno::EINVAL);
    }
    let (mut left, mut count) = (keys, 0);
    while !left.is_empty() {
        let Err(Partial { done, errno }) = map.delete_batch(left) else {
            return Ok(count + left.len() / key);
        };
        count += done as usize;
        left = &left[done as usize * key..];
        if errno != Errno::ENOENT {
            break;
        }
        left = &left[key..];
    }
    for k in left.chunks_exact(key) {
        match map.delete(k) {
            Ok(()) => count += 1,
            Err(Errno::ENOENT) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(count)
}

/// How one batch is asked for.
type Ask = fn(&Map, &mut Cursor, u32) -> Result<Batch, Errno>;

/// Walks by batches; `false` if this map has none.
fn walk(map: &Map, ask: Ask, visit: &mut impl FnMut(&[u8], &[u8]) -> ControlFlow<()>) -> Result<bool, Errno> {
    let (key, value) = (map.info().key_size as usize, map.value_len());
    if key == 0 || value == 0 {
        return Ok(false);
    }
    let room = u32::try_from(BYTES / (key + value)).unwrap_or(u32::MAX).max(1);
    let (mut cursor, mut count, mut begun) = (Cursor::default(), COUNT.min(room), false);
    loop {
        let batch = match ask(map, &mut cursor, count) {
            Ok(batch) => batch,
            Err(Errno::ENOSPC) if count < COUNT_MAX => {
                count *= 2;
                continue;
            }
            // Arrays that a spin lock guards, tries of some kernels: the errno does not tell what is missing.
            Err(Errno::EINVAL | Errno::ENOTSUPP | Errno::EOPNOTSUPP | Errno::ENOSPC) if !begun => {
                return Ok(false);
            }
            Err(e) => return Err(e),
        };
        begun = true;
        for (k, v) in batch.keys.chunks_exact(key).zip(batch.values.chunks_exact(value)) {
            if visit(k, v).is_break() {
                return Ok(true);
            }
        }
        if !batch.more {
            return Ok(true);
        }
    }
}

/// Walks by key. A key that goes while it is looked at sends the kernel back to the start, so the walk has a limit.
fn one_by_one(
    map: &Map,
    mut visit: impl FnMut(&[u8]) -> Result<ControlFlow<()>, Errno>,
) -> Result<(), Errno> {
    let limit = u64::from(map.info().max_entries).saturating_mul(2).max(1 << 16);
    let mut key = map.next_key(None)?;
    for _ in 0..limit {
        let Some(k) = key else { break };
        if visit(&k)?.is_break() {
            break;
        }
        key = map.next_key(Some(&k))?;
    }
    Ok(())
}
