//! Damaged objects, all the way: whatever is done to a file, reading it, resolving its relocations, making its
//! maps and running its programs neither panics nor hangs nor takes more memory than is promised.
//!
//! A short run is part of `cargo test`; the long one is
//! `cargo test --release -p skep-tests --test damaged_objects -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use peak_alloc::PeakAlloc;
use skep::abi::ProgType;
use skep::backend::{Backend, LoadOptions, TestRun};
use skep::object::{Limits, Spec, core};
use skep::runtime::World;
use skep_tests::damage::{Random, damage};
use skep_tests::scenario::root;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Far below the defaults, so that the test is about the accounting.
const SPEC: usize = 1 << 20;
const WORLD: usize = 16 << 20;
const BUDGET: u64 = 100_000;
const TIME_BOUND: Duration = Duration::from_secs(10);

/// What one file may take: twice the Spec's limit (a vector that grows holds its old and new self), a multiple
/// of the file for its tables and types, the world's limit for maps as often as they can be in the air at once,
/// and what a world is without maps.
fn bound(len: usize) -> usize {
    2 * SPEC + 64 * len + 2 * WORLD + (16 << 20)
}

fn objects() -> Vec<(String, Vec<u8>)> {
    let mut out = Vec::new();
    for folder in ["tests/objects", "examples"] {
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|e| e == "o") {
                out.push((
                    path.file_name().unwrap().to_string_lossy().into_owned(),
                    std::fs::read(&path).unwrap(),
                ));
            }
        }
    }
    out.sort();
    assert!(out.len() > 20, "only {} objects", out.len());
    out
}

/// How far a file came.
#[derive(Default)]
struct Reached {
    read: u32,
    loaded: u32,
    ran: u32,
    trapped: u32,
}

fn use_it(bytes: &[u8], reached: &mut Reached) {
    let limits = Limits { bytes: SPEC, ..Limits::default() };
    let Ok(mut spec) = Spec::from_elf_within(bytes, &limits) else { return };
    reached.read += 1;
    if let Some(btf) = spec.btf.take() {
        for program in &mut spec.programs {
            core::relocate(program, &btf, &btf);
        }
        spec.btf = Some(btf);
    }
    let world = World::new().memory(WORLD).budget(BUDGET);
    // Each program alone, so that one that cannot be loaded does not hide the others.
    for program in spec.programs.iter().take(4) {
        let mut options = LoadOptions { programs: vec![program.name.clone()], ..LoadOptions::default() };
        if program.prog_type.is_none() {
            options.prog_types.insert(program.name.clone(), ProgType::XDP);
        }
        let Ok(mut loaded) = Backend::load(&world, &spec, &options) else { continue };
        reached.loaded += 1;
        for packet in [[0x45_u8; 64].as_slice(), &[0; 14], &[]] {
            match loaded.test_run(&program.name, &TestRun { packet, ..TestRun::default() }) {
                Ok(_) => reached.ran += 1,
                Err(_) => reached.trapped += 1,
            }
        }
        for name in loaded.maps() {
            let Some(map) = loaded.map(&name) else { continue };
            let first = map.next_key(None).ok().flatten();
            let _ = first.map(|key| map.lookup(&key));
        }
        loaded.take_events();
    }
}

fn run(count: u64) {
    let objects = objects();
    let mut reached = Reached::default();
    let (mut most, mut slowest) = (0, Duration::ZERO);
    let start = Instant::now();
    for number in 0..count {
        let (name, original) = &objects[number as usize % objects.len()];
        let mut bytes = original.clone();
        damage(&mut bytes, &mut Random::new(number));
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let began = Instant::now();
        let used = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| use_it(&bytes, &mut reached)));
        let (took, peak) = (began.elapsed(), MEMORY.peak_usage().saturating_sub(before));
        assert!(used.is_ok(), "{name}, damage {number}: panicked");
        assert!(peak <= bound(bytes.len()), "{name}, damage {number}: {peak} bytes");
        assert!(took <= TIME_BOUND, "{name}, damage {number}: {took:?}");
        (most, slowest) = (most.max(peak), slowest.max(took));
    }
    println!(
        "{count} damaged files of {}: {} read, {} programs loaded, {} runs and {} traps; peak {most} bytes, \
         slowest {slowest:?}, all {:?}",
        objects.len(),
        reached.read,
        reached.loaded,
        reached.ran,
        reached.trapped,
        start.elapsed()
    );
    assert!(reached.ran > 0 && reached.trapped > 0, "the damage is too great or too small to test anything");
}

#[test]
fn damaged_objects() {
    run(300);
}

#[test]
#[ignore = "minutes, even in a release build"]
fn many_damaged_objects() {
    run(100_000);
}
