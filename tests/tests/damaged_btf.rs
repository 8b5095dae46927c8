//! Damaged type information: whatever is done to a blob of BTF, reading it and everything that walks it
//! neither panics nor hangs nor takes more memory than is promised.
//!
//! A short run is part of `cargo test`; the long one is
//! `cargo test --release -p skep-tests --test damaged_btf -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use object::{Object, ObjectSection};
use peak_alloc::PeakAlloc;
use skep_btf::core::{Reloc, RelocKind, Solver};
use skep_btf::ext::BtfExt;
use skep_btf::{Btf, Builder, Endian, TypeId, c, dedup, print, raw};
use skep_object::Spec;
use skep_tests::damage::{Random, damage};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// What a parse may allocate: a multiple of the blob, since types and strings are kept as they are, indexed.
fn parse_bound(len: usize) -> usize {
    8 * len + (64 << 10)
}

/// What one walk over a parsed blob may allocate: printing makes at most 65,536 nodes and 16 for each byte
/// of data, solving keeps a budget of its own.
const WALK_BOUND: usize = 32 << 20;
/// What a walk may take, in a build of any profile on any machine that is not on its knees.
const TIME_BOUND: Duration = Duration::from_secs(10);

/// The blobs: types of every object in tests/objects and examples, in both byte orders.
fn blobs() -> Vec<(String, Vec<u8>)> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut out = Vec::new();
    for folder in ["objects", "../examples"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|e| e == "o")
                && let Ok(spec) = Spec::from_elf(&std::fs::read(&path).unwrap())
                && let Some(btf) = spec.btf
            {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                out.push((format!("{name} (little)"), btf.to_bytes(Endian::Little)));
                out.push((format!("{name} (big)"), btf.to_bytes(Endian::Big)));
            }
        }
    }
    out.sort();
    assert!(out.len() > 20, "only {} blobs", out.len());
    out
}

#[derive(Default)]
struct Most {
    parsed: usize,
    parse: usize,
    parse_share: f64,
    walk: usize,
    slowest: Duration,
}

/// Everything that reads types, on types that may be absurd.
fn walk(btf: &Btf, good: &Btf, random: &mut Random) {
    let data: Vec<u8> = (0..=255).collect();
    for t in btf.own_types() {
        let id = t.id();
        let _ = (btf.resolve(id), btf.size_of(id), btf.align_of(id), t.name(), t.vlen());
        if let Ok(value) = print::value(btf, id, &data, btf.endian()) {
            let _ = (value.to_string(), value.to_json());
        }
        let _ = btf.named(t.name()).count();
    }
    let _ = (raw::dump(btf), c::dump(btf));
    let mut both = Builder::new(good.endian());
    both.append(good).unwrap();
    both.append(btf).unwrap();
    let both = both.finish().unwrap();
    if let Ok(merged) = dedup(&both, None) {
        assert!(good.len() <= both.len() && merged.btf.len() <= both.len());
    }
    for (local, target) in [(btf, good), (good, btf)] {
        let mut solver = Solver::new(local, target);
        // A different dozen each time: every type of every blob has its turn.
        for _ in 0..12 {
            let id = TypeId(local.first_id().0 + random.below(local.len()) as u32);
            for kind in (0..).map_while(RelocKind::from_number) {
                for access in ["0", "0:0", "0:1", "0:1:0"] {
                    let _ = solver.solve(&Reloc { type_id: id, access, kind });
                }
            }
        }
        let _ = solver.solve(&Reloc {
            type_id: TypeId(u32::MAX),
            access: "0",
            kind: RelocKind::from_number(0).unwrap(),
        });
    }
    for endian in [Endian::Little, Endian::Big] {
        let again = Btf::parse(&btf.to_bytes(endian)).expect("what is written can be read");
        assert_eq!(again.len(), btf.len());
    }
}

/// Peak of allocation over what was there before.
fn peak_of<T>(f: impl FnOnce() -> T) -> (T, usize) {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let out = f();
    (out, MEMORY.peak_usage().saturating_sub(before))
}

fn check(name: &str, bytes: &[u8], good: &Btf, random: &mut Random, most: &mut Most) {
    let (parsed, peak) = peak_of(|| Btf::parse(bytes));
    assert!(peak <= parse_bound(bytes.len()), "{name}: parsing {} bytes took {peak}", bytes.len());
    most.parse = most.parse.max(peak);
    most.parse_share = most.parse_share.max(peak as f64 / bytes.len().max(1024) as f64);
    let Ok(btf) = parsed else { return };
    most.parsed += 1;
    let began = Instant::now();
    let ((), peak) = peak_of(|| walk(&btf, good, random));
    assert!(peak <= WALK_BOUND, "{name}: a walk took {peak} bytes");
    assert!(began.elapsed() <= TIME_BOUND, "{name}: a walk took {:?}", began.elapsed());
    most.walk = most.walk.max(peak);
    most.slowest = most.slowest.max(began.elapsed());
}

fn run(count: u64) {
    let blobs = blobs();
    let mut most = Most::default();
    let start = Instant::now();
    for number in 0..count {
        let (name, original) = &blobs[number as usize % blobs.len()];
        let name = format!("{name}, damage {number}");
        let good = Btf::parse(original).unwrap();
        let mut bytes = original.clone();
        let mut random = Random::new(number);
        damage(&mut bytes, &mut random);
        let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            check(&name, &bytes, &good, &mut random, &mut most)
        }));
        assert!(checked.is_ok(), "{name}: panicked");
    }
    println!(
        "{count} damaged blobs of {}: {} parsed; parsing took at most {} bytes ({:.1} a byte of input), \
         walking {} bytes, {:?}; all {:?}",
        blobs.len(),
        most.parsed,
        most.parse,
        most.parse_share,
        most.walk,
        most.slowest,
        start.elapsed()
    );
}

#[test]
fn damaged_types() {
    // One after the other: what is measured is the whole process.
    run(300);
    damaged_code_information();
}

/// `.BTF.ext` beside types that are as they were, and beside those of another object.
fn damaged_code_information() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("objects");
    let read = |name: &str| {
        let file = std::fs::read(root.join(name)).unwrap();
        let elf = object::File::parse(&*file).unwrap();
        let section = |name| elf.section_by_name(name).unwrap().data().unwrap().to_vec();
        (Btf::parse(&section(".BTF")).unwrap(), section(".BTF.ext"))
    };
    let (btf, original) = read("core_fields.o");
    let (other, _) = read("core_enums.o");
    assert!(BtfExt::parse(&original, &btf).is_ok() && BtfExt::parse(&original, &other).is_err());
    let mut parsed = 0;
    for number in 0..3_000 {
        let mut bytes = original.clone();
        damage(&mut bytes, &mut Random::new(number));
        for btf in [&btf, &other] {
            let (ext, peak) = peak_of(|| BtfExt::parse(&bytes, btf));
            assert!(peak <= parse_bound(bytes.len()), "damage {number}: took {peak} bytes");
            if let Ok(ext) = ext {
                parsed += 1;
                assert_eq!(BtfExt::parse(&ext.to_bytes(Endian::Big), btf).as_ref(), Ok(&ext), "{number}");
            }
        }
    }
    assert!(parsed > 100, "only {parsed} still parse");
}

#[test]
#[ignore = "minutes, even in a release build"]
fn many_damaged_types() {
    run(100_000);
}
