//! Spoilt BTF: whatever the bytes are, everything that reads them ends, without a panic, within bounds of
//! memory that are measured here by the allocator.
//!
//! Mutations are the same on every run. `cargo test -p skep-tests --release --test btf_mutations -- --ignored`
//! makes 100,000 of them.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::Path;

use object::{Object, ObjectSection};
use skep_btf::core::{Reloc, RelocKind, Solver};
use skep_btf::ext::BtfExt;
use skep_btf::{Btf, Builder, Endian, Kind, c, print, raw};

/// Memory that parsing may take, for each byte of input, and besides.
const PARSE: (usize, usize) = (4, 4 << 10);
/// The same for everything else: dumps, printed values, relocations.
const USE: (usize, usize) = (64, 1 << 20);

thread_local! {
    /// Bytes that this thread holds now, and the most since it was last asked.
    static HELD: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

/// The system's allocator, counting.
struct Counting;

fn count(change: impl Fn(usize) -> usize) {
    // Threads that end free memory after their counters are gone; those need no counting.
    let _ = HELD.try_with(|held| {
        let now = change(held.get().0);
        held.set((now, held.get().1.max(now)));
    });
}

// SAFETY: every call is handed on to the system's allocator as it came; counting does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(|held| held.saturating_add(layout.size()));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        count(|held| held.saturating_sub(layout.size()));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most memory that `f` held at a time, beyond what was held before.
fn peak<T>(f: impl FnOnce() -> T) -> (T, usize) {
    let before = HELD.get().0;
    HELD.set((before, before));
    let result = f();
    (result, HELD.get().1.saturating_sub(before))
}

/// xorshift64*: the same numbers on every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() >> 11) as usize % n.max(1)
    }

    /// A number that is likely to mean trouble.
    fn word(&mut self) -> u32 {
        const WORDS: [u32; 12] =
            [0, 1, 2, 3, 0x20, 0xff, 0xffff, 0xff_ffff, 0x7fff_ffff, 0x8000_0000, u32::MAX - 3, u32::MAX];
        match self.below(4) {
            0 => WORDS[self.below(WORDS.len())],
            1 => self.below(80) as u32,
            // The head of a type: kind, number of elements.
            2 => (self.below(21) as u32) << 24 | self.below(6) as u32 | (self.below(2) as u32) << 31,
            _ => self.next() as u32,
        }
    }

    /// Spoils a few places.
    fn spoil(&mut self, original: &[u8]) -> Vec<u8> {
        let mut bytes = original.to_vec();
        for _ in 0..1 + self.below(8) {
            let at = self.below(bytes.len());
            match self.below(10) {
                0 => bytes[at] ^= 1 << self.below(8),
                1 => bytes[at] = self.next() as u8,
                2 if self.below(4) == 0 => bytes.truncate(at),
                3 => {
                    // One part over another.
                    let from = self.below(bytes.len());
                    let len = self.below(64).min(bytes.len() - from.max(at));
                    bytes.copy_within(from..from + len, at);
                }
                _ => {
                    let at = at & !3;
                    let word = self.word().to_le_bytes();
                    if let Some(place) = bytes.get_mut(at..at + 4) {
                        place.copy_from_slice(&word);
                    }
                }
            }
            if bytes.is_empty() {
                break;
            }
        }
        bytes
    }
}

struct Sample {
    btf: Vec<u8>,
    ext: Vec<u8>,
}

fn sample(name: &str) -> Sample {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("objects").join(name);
    let file = std::fs::read(path).unwrap();
    let elf = object::File::parse(&*file).unwrap();
    let section = |name| elf.section_by_name(name).map(|s| s.data().unwrap().to_vec()).unwrap_or_default();
    Sample { btf: section(".BTF"), ext: section(".BTF.ext") }
}

/// Asks everything of spoilt types.
fn use_everywhere(btf: &Btf, good: &Btf, ext: &BtfExt) {
    for t in btf.types() {
        let _ = btf.resolve(t.id());
        let _ = btf.align_of(t.id());
        assert!(btf.find(t.name(), t.kind()).is_some() || t.name().is_empty(), "{t:?}");
        let size = btf.size_of(t.id()).unwrap_or(0).min(4096) as usize;
        if !matches!(t.kind(), Kind::Func | Kind::FuncProto)
            && let Ok(value) = print::value(btf, t.id(), &vec![0x41; size], Endian::Little)
        {
            let _ = (value.to_json(), format!("{value} {value:#}"));
        }
    }
    let _ = (raw::dump(btf), c::dump(btf));
    let bytes = btf.to_bytes(Endian::Big);
    assert_eq!(Btf::parse(&bytes).unwrap().to_bytes(Endian::Big), bytes);
    let mut builder = Builder::extend(good);
    builder.append(btf).unwrap();
    assert_eq!(builder.finish().unwrap().len(), good.len() + btf.len());
    let (mut here, mut there) = (Solver::new(btf, good), Solver::new(good, btf));
    for relo in ext.core_relos.iter().flat_map(|s| &s.records) {
        let Some(kind) = RelocKind::from_number(relo.kind) else { continue };
        let access = good.string(relo.access).unwrap_or("0");
        let reloc = Reloc { type_id: relo.type_id, access, kind };
        let _ = (here.solve(&reloc), there.solve(&reloc));
    }
}

fn bound((factor, more): (usize, usize), len: usize) -> usize {
    factor * len + more
}

fn mutate(count: usize) {
    let samples = ["core_fields.o", "core_types.o", "core_enums.o"].map(sample);
    let (mut parsed, mut ext_parsed, mut most_parse, mut most_use) = (0, 0, 0, 0);
    for n in 0..count {
        let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ (n as u64 + 1).wrapping_mul(0xd134_2543_de82_ef95));
        let sample = &samples[n % samples.len()];
        let good = Btf::parse(&sample.btf).unwrap();
        let ext = BtfExt::parse(&sample.ext, &good).unwrap();

        let bytes = random.spoil(&sample.btf);
        let (btf, held) = peak(|| Btf::parse(&bytes));
        assert!(held <= bound(PARSE, bytes.len()), "mutation {n}: parsing took {held} bytes");
        most_parse = most_parse.max(held);
        if let Ok(btf) = btf {
            parsed += 1;
            let ((), held) = peak(|| use_everywhere(&btf, &good, &ext));
            assert!(held <= bound(USE, bytes.len()), "mutation {n}: use took {held} bytes");
            most_use = most_use.max(held);
        }

        let bytes = random.spoil(&sample.ext);
        let (ext, held) = peak(|| BtfExt::parse(&bytes, &good));
        assert!(held <= bound(PARSE, bytes.len()), "mutation {n}: parsing .BTF.ext took {held} bytes");
        ext_parsed += usize::from(ext.is_ok());
    }
    println!(
        "{count} mutations: {parsed} .BTF and {ext_parsed} .BTF.ext still parsed; \
         at most {most_parse} bytes to parse, {most_use} to use"
    );
    // A test whose every input is refused at the door would show nothing.
    assert!(parsed * 10 > count && parsed < count && ext_parsed < count);
}

#[test]
fn two_thousand_mutations() {
    mutate(2_000);
}

#[test]
#[ignore = "takes minutes; two_thousand_mutations is the short form"]
fn a_hundred_thousand_mutations() {
    mutate(100_000);
}
