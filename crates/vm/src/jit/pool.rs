//! The process's pool of memory for machine code.
//!
//! A chunk is a file in memory that is mapped twice: once to be run and read, between two pages that nothing may touch, once
//! to be written. Programs get pieces of it and give them back, without a call of the system. What is free holds
//! instructions that trap. The habit is Linux's own: its
//! `bpf_prog_pack` puts many programs on one page and writes them through another mapping.
//!
//! A fork would leave two processes that write to the same file. So each of them leaves the chunks of before a fork as they
//! are: what is in them runs on, what is given back stays as it was, new programs go to new chunks. Whoever makes a
//! child past the C library's `fork` must not make or drop programs in both.
//!
//! Invariants: a piece in use is never written, in any process; `pieces` and `free` together cover a chunk; [`POOL`] is
//! touched only by who holds [`LOCK`].

use std::cell::UnsafeCell;
use std::ops::Range;
use std::ptr::{NonNull, null_mut};

use super::host;
use super::pages::{Draft, meet, page};

/// Bytes of a chunk, unless a program is longer.
const CHUNK: usize = 1 << 20;
/// Pieces begin at multiples of this: a cache line.
const UNIT: usize = 64;

struct Chunk {
    /// What is run and read. A page before and behind is this chunk's too.
    run: NonNull<u8>,
    /// The same bytes, to be written.
    write: NonNull<u8>,
    len: usize,
    page: usize,
    /// Free ranges, ascending, with something in use between any two.
    free: Vec<Range<usize>>,
    /// Pieces in use.
    pieces: usize,
    /// Of before a fork: not to be written again.
    frozen: bool,
}

struct Pool {
    chunks: Vec<Chunk>,
    /// Whether forks are told to the pool: not yet asked for, or the answer.
    told: Option<bool>,
}

struct Shared<T>(UnsafeCell<T>);

// SAFETY: the mutex is made to be shared; the pool is touched only by who holds it.
unsafe impl<T> Sync for Shared<T> {}

static LOCK: Shared<libc::pthread_mutex_t> = Shared(UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER));
static POOL: Shared<Pool> = Shared(UnsafeCell::new(Pool { chunks: Vec::new(), told: None }));

/// Does something with the pool.
fn with<T>(run: impl FnOnce(&mut Pool) -> T) -> T {
    /// Unlocks also when `run` panics.
    struct Held;
    impl Drop for Held {
        fn drop(&mut self) {
            // SAFETY: this thread holds the lock.
            unsafe { libc::pthread_mutex_unlock(LOCK.0.get()) };
        }
    }
    // SAFETY: a mutex that lives for ever. No function of this module is called while it is held.
    unsafe { libc::pthread_mutex_lock(LOCK.0.get()) };
    let _held = Held;
    // SAFETY: this thread holds the lock, and the reference ends with `run`.
    run(unsafe { &mut *POOL.0.get() })
}

/// Before a fork: what is there now is left as it is, by parent and child.
extern "C" fn before_fork() {
    // SAFETY: as in `with`; the lock is held until `after_fork`, on either side, so that the child finds the pool whole.
    unsafe {
        libc::pthread_mutex_lock(LOCK.0.get());
        (*POOL.0.get()).chunks.iter_mut().for_each(|chunk| chunk.frozen = true);
    }
}

extern "C" fn after_fork() {
    // SAFETY: the thread that forked holds the lock, and is the one that goes on in both processes.
    unsafe { libc::pthread_mutex_unlock(LOCK.0.get()) };
}

/// Puts code into a piece of its own: where it is run.
pub(super) fn take(draft: &Draft<'_>) -> Option<NonNull<u8>> {
    with(|pool| {
        // SAFETY: three functions of this program's, which may be called at any fork.
        let ask =
            || unsafe { libc::pthread_atfork(Some(before_fork), Some(after_fork), Some(after_fork)) == 0 };
        if !*pool.told.get_or_insert_with(ask) {
            return None;
        }
        let len = draft.len().max(1).checked_next_multiple_of(UNIT)?;
        let found = pool.chunks.iter_mut().rev().find_map(|chunk| Some((chunk.cut(len)?, chunk)));
        let (at, chunk) = match found {
            Some(found) => found,
            None => {
                pool.chunks.push(Chunk::new(len)?);
                let chunk = pool.chunks.last_mut()?;
                (chunk.cut(len)?, chunk)
            }
        };
        draft.write(chunk.bytes(at..at + draft.len()));
        let start = NonNull::new(chunk.run.as_ptr().wrapping_add(at))?;
        // SAFETY: the bytes just written, where they are run.
        unsafe { meet(start.as_ptr(), draft.len()) };
        Some(start)
    })
}

/// Takes a piece back that nobody runs any more.
pub(super) fn give_back(start: NonNull<u8>, len: usize) {
    with(|pool| {
        let place = |chunk: &Chunk| start.addr().get().wrapping_sub(chunk.run.addr().get());
        let Some(i) = pool.chunks.iter().position(|chunk| place(chunk) < chunk.len) else { return };
        let chunk = &mut pool.chunks[i];
        let at = place(chunk);
        chunk.pieces -= 1;
        if !chunk.frozen {
            chunk.put_back(at..at + len.max(1).next_multiple_of(UNIT));
        }
        // One chunk stays, for the next program.
        if chunk.pieces == 0 && (chunk.frozen || chunk.len > CHUNK || pool.chunks.len() > 1) {
            pool.chunks.swap_remove(i);
        }
    });
}

impl Chunk {
    /// A chunk with room for `len` bytes.
    fn new(len: usize) -> Option<Self> {
        let page = page()?;
        let len = len.max(CHUNK).checked_next_multiple_of(page)?;
        let size = libc::off_t::try_from(len).ok()?;
        // SAFETY: a name that ends with zero; the descriptor is this function's own, and closed in it once. The first
        // mapping is new, of nobody's addresses; the second takes the place of its inside, which nobody has the address
        // of; the third is new again.
        let (map, run, write) = unsafe {
            let fd = libc::memfd_create(c"skep-code".as_ptr(), libc::MFD_CLOEXEC);
            if fd < 0 {
                return None;
            }
            let (private, shared) =
                (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE, libc::MAP_SHARED);
            let map = match libc::ftruncate(fd, size) {
                0 => libc::mmap(null_mut(), len + 2 * page, libc::PROT_NONE, private, -1, 0),
                _ => libc::MAP_FAILED,
            };
            let mut both = (libc::MAP_FAILED, libc::MAP_FAILED);
            if map != libc::MAP_FAILED {
                let (inside, rights) = (map.wrapping_byte_add(page), libc::PROT_READ | libc::PROT_EXEC);
                both.0 = libc::mmap(inside, len, rights, shared | libc::MAP_FIXED, fd, 0);
                both.1 = libc::mmap(null_mut(), len, libc::PROT_READ | libc::PROT_WRITE, shared, fd, 0);
            }
            libc::close(fd);
            (map, both.0, both.1)
        };
        if run == libc::MAP_FAILED || write == libc::MAP_FAILED {
            // SAFETY: what was mapped just now, which nobody uses.
            unsafe {
                if map != libc::MAP_FAILED {
                    libc::munmap(map, len + 2 * page);
                }
                if write != libc::MAP_FAILED {
                    libc::munmap(write, len);
                }
            }
            return None;
        }
        let (run, write) = (NonNull::new(run.cast())?, NonNull::new(write.cast())?);
        let free = std::iter::once(0..len).collect();
        Some(Self { run, write, len, page, free, pieces: 0, frozen: false })
    }

    /// Bytes to write.
    fn bytes(&mut self, range: Range<usize>) -> &mut [u8] {
        assert!(range.start <= range.end && range.end <= self.len);
        // SAFETY: inside of the mapping to write, of which only this borrow of the chunk gives references. What runs
        // the same bytes through the other mapping is no reference.
        unsafe { std::slice::from_raw_parts_mut(self.write.as_ptr().add(range.start), range.len()) }
    }

    /// Takes a piece of `len` bytes, the first that is free.
    fn cut(&mut self, len: usize) -> Option<usize> {
        if self.frozen {
            return None;
        }
        let i = self.free.iter().position(|range| range.len() >= len)?;
        let at = self.free[i].start;
        self.free[i].start += len;
        if self.free[i].is_empty() {
            self.free.remove(i);
        }
        self.pieces += 1;
        Some(at)
    }

    /// Frees a piece, together with what is free beside it.
    fn put_back(&mut self, piece: Range<usize>) {
        self.bytes(piece.clone()).fill(host::TRAPS);
        let i = self.free.partition_point(|range| range.start < piece.start);
        let joins = |a: Option<&Range<usize>>, b: &Range<usize>| a.is_some_and(|a| a.end == b.start);
        let before = joins(i.checked_sub(1).and_then(|i| self.free.get(i)), &piece);
        let behind = self.free.get(i).is_some_and(|next| next.start == piece.end);
        match (before, behind) {
            (true, true) => self.free[i - 1].end = self.free.remove(i).end,
            (true, false) => self.free[i - 1].end = piece.end,
            (false, true) => self.free[i].start = piece.start,
            (false, false) => self.free.insert(i, piece),
        }
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        // SAFETY: this chunk's own mappings, once; no piece of it is in use.
        unsafe {
            libc::munmap(self.write.as_ptr().cast(), self.len);
            libc::munmap(self.run.as_ptr().wrapping_sub(self.page).cast(), self.len + 2 * self.page);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk() -> Chunk {
        Chunk::new(1).expect("a chunk")
    }

    #[test]
    fn pieces_join_again() {
        let mut chunk = chunk();
        let [a, b, c] = [64, 128, 64].map(|len| chunk.cut(len).expect("room"));
        assert_eq!((a, b, c), (0, 64, 192));
        chunk.put_back(b..b + 128);
        assert_eq!(chunk.cut(192), Some(256));
        assert_eq!(chunk.cut(64), Some(b));
        chunk.put_back(b..b + 64);
        chunk.put_back(c..c + 64);
        chunk.put_back(a..a + 64);
        chunk.put_back(256..448);
        assert_eq!(chunk.free.len(), 1);
        assert_eq!(chunk.free[0], 0..chunk.len);
    }

    #[test]
    fn what_is_written_can_be_read_where_it_is_run() {
        let mut chunk = chunk();
        chunk.bytes(64..66).copy_from_slice(&[7, 8]);
        // SAFETY: the chunk's own bytes, readable, and not written meanwhile.
        let seen = unsafe { std::slice::from_raw_parts(chunk.run.as_ptr(), 66) };
        assert_eq!((&seen[..3], &seen[64..]), (&[0; 3][..], &[7, 8][..]));
    }

    #[test]
    fn a_frozen_chunk_gives_nothing() {
        let mut chunk = chunk();
        assert!(chunk.cut(64).is_some());
        chunk.frozen = true;
        assert!(chunk.cut(64).is_none());
    }
}
