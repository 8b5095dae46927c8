//! Damaged objects: whatever is done to a file, reading it neither panics nor takes more memory than is promised.
//!
//! Mutations are deterministic: a failure names the object and the number, which is the seed. The short run is part
//! of `cargo test`; the long one (100,000) is `cargo test --release -p skep-object --test mutations -- --ignored`.

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use skep_object::{Input, Limits, Spec};

/// Counts what is allocated now, and the most that ever was.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator unchanged; the counters do not touch the memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(now, Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller got the pointer from `alloc` above, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What reading a file of this length may allocate: twice the limit (a vector that grows holds its old and new
/// self) and a multiple of the file for its tables and types.
fn bound(limits: &Limits, len: usize) -> usize {
    2 * limits.bytes + 64 * len
}

/// xorshift64*: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

/// Values that sizes and offsets break at.
const EDGES: [u64; 12] =
    [0, 1, 7, 8, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0xffff_ffff, i64::MAX as u64, u64::MAX];

fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..1 + random.below(4) {
        let len = bytes.len();
        // Half of the places are in the tables, which are at the end, or in the header.
        let at = match random.below(4) {
            0 => len.saturating_sub(1 + random.below(2048)),
            1 => random.below(64),
            _ => random.below(len),
        };
        match random.below(6) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.next() as u8,
            2 | 3 => {
                let width = [2, 4, 8][random.below(3)];
                let value = EDGES[random.below(EDGES.len())].to_le_bytes();
                let end = (at + width).min(len);
                bytes[at..end].copy_from_slice(&value[..end - at]);
            }
            4 => {
                let from = random.below(len);
                let count = (1 + random.below(64)).min(len - from.max(at));
                bytes.copy_within(from..from + count, at);
            }
            _ if random.below(8) == 0 => bytes.truncate(len - random.below(len / 2)),
            _ => bytes[at] = bytes[at].wrapping_add(1),
        }
    }
}

/// Links a damaged object with a whole one: an object, which can be read, or an error. Answers the peak.
fn link(bytes: &[u8], whole: &[u8]) -> usize {
    let before = NOW.load(Relaxed);
    PEAK.store(before, Relaxed);
    let inputs = [("damaged", bytes), ("whole", whole)].map(|(name, bytes)| Input { name, bytes });
    if let Ok(linked) = skep_object::link(&inputs) {
        let read = Spec::from_elf(&linked);
        assert!(read.is_ok(), "{:?}", read.err());
    }
    PEAK.load(Relaxed) - before
}

fn objects() -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/objects");
    let files = std::fs::read_dir(directory).unwrap().map(|e| e.unwrap().path());
    let mut objects: Vec<_> = files
        .filter(|p| p.extension().is_some_and(|e| e == "o"))
        .map(|p| (p.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&p).unwrap()))
        .collect();
    objects.sort();
    objects
}

/// Reads one file, applies its CO-RE records against its own types; answers the peak over what was there before.
fn read(bytes: &[u8], limits: &Limits) -> (usize, bool) {
    let before = NOW.load(Relaxed);
    PEAK.store(before, Relaxed);
    let read = Spec::from_elf_within(bytes, limits);
    let fine = read.is_ok();
    if let Ok(mut spec) = read
        && let Some(btf) = spec.btf.take()
    {
        for program in &mut spec.programs {
            skep_object::core::relocate(program, &btf, &btf);
        }
    }
    (PEAK.load(Relaxed) - before, fine)
}

fn run(count: u64) {
    let objects = objects();
    // Far below the default, so that the test is about the accounting and not about the size of the files.
    let limits = Limits { bytes: 1 << 20, ..Limits::default() };
    let whole = &objects.iter().find(|o| o.0 == "link_weak.o").unwrap().1;
    let (mut most, mut readable) = (0, 0);
    let start = std::time::Instant::now();
    let mut slowest = std::time::Duration::ZERO;
    for number in 0..count {
        let (name, original) = &objects[number as usize % objects.len()];
        let mut random = Random(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let mut bytes = original.clone();
        mutate(&mut bytes, &mut random);
        let began = std::time::Instant::now();
        let result = std::panic::catch_unwind(|| read(&bytes, &limits));
        slowest = slowest.max(began.elapsed());
        let Ok((peak, fine)) = result else { panic!("{name}, mutation {number}: panicked") };
        assert!(peak <= bound(&limits, bytes.len()), "{name}, mutation {number}: {peak} bytes");
        most = most.max(peak);
        let result = std::panic::catch_unwind(|| link(&bytes, whole));
        let Ok(peak) = result else { panic!("{name}, mutation {number}: panicked in the linker") };
        assert!(peak <= bound(&limits, bytes.len() + whole.len()), "{name}, mutation {number}: {peak} bytes");
        readable += u64::from(fine);
    }
    println!(
        "{count} mutations of {} objects: {readable} read, peak {most} bytes, slowest {slowest:?}, all {:?}",
        objects.len(),
        start.elapsed()
    );
}

#[test]
fn mutated_objects() {
    run(2_000);
    limits_hold_at_every_size();
}

/// A limit that is too small is said to be one, and kept. Not a test of its own, since tests run side by side and
/// the counters are shared.
fn limits_hold_at_every_size() {
    for (name, bytes) in objects() {
        let mut met = 0;
        for limit in (0..64).map(|n| n * bytes.len() / 8) {
            let limits = Limits { bytes: limit, ..Limits::default() };
            let (peak, fine) = read(&bytes, &limits);
            assert!(peak <= bound(&limits, bytes.len()), "{name} within {limit}: {peak} bytes");
            match Spec::from_elf_within(&bytes, &limits) {
                Ok(_) => assert!(fine),
                Err(error) => {
                    assert!(error.is_limit(), "{name} within {limit}: {error}");
                    met += 1;
                }
            }
        }
        assert!((1..64).contains(&met), "{name}: {met}");
    }
}

#[test]
#[ignore = "a minute in a release build"]
fn many_mutated_objects() {
    run(100_000);
}
