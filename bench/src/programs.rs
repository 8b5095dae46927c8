//! The loop programs, their sizes, and how they are built for this machine.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use object::{Object, ObjectSection};
use skep_isa::{Endian, Insn};

/// A loop program.
pub struct Program {
    pub name: &'static str,
    /// The count at the start of its input: chosen for some milliseconds in an interpreter.
    pub n: u64,
    object: &'static [u8],
    /// The same as an XDP program that a verifier accepts, with fewer rounds.
    pub verified: &'static [u8],
    source: &'static str,
}

macro_rules! programs {
    ($($name:literal $n:literal;)*) => {
        /// Every program; the first one is empty, and its time is subtracted from the others'.
        pub const PROGRAMS: &[Program] = &[$(Program {
            name: $name,
            n: $n,
            object: include_bytes!(concat!("../programs/", $name, ".bpf.o")),
            verified: include_bytes!(concat!("../programs/", $name, ".xdp.o")),
            source: include_str!(concat!("../programs/", $name, ".bpf.c")),
        }),*];
    };
}

programs! {
    "empty" 0;
    "arithmetic" 100_000;
    "copy_words" 100_000;
    "copy_bytes" 30_000;
    "compare_strings" 30_000;
    "switch" 100_000;
    "checksum" 200_000;
    "hash_fnv" 100_000;
    "hash_jenkins" 20_000;
    "primes" 10_000;
    "log2" 10_000;
    "binary_search" 10_000;
    "subprograms" 100_000;
    "lookups" 100_000;
    "sort" 100;
    "matrix" 30;
    "stack_sieve" 500;
}

impl Program {
    /// Its instructions.
    pub fn insns(&self) -> Vec<Insn> {
        let file = object::File::parse(self.object).expect("object");
        let text = file.section_by_name(".text").expect("text");
        skep_isa::slots_from_bytes(text.data().expect("data"), Endian::Little).expect("slots")
    }

    /// The rounds of the verified form.
    pub fn count(&self) -> u64 {
        let own = self.source.lines().find_map(|l| l.strip_prefix("// verified: -DCOUNT="));
        own.map_or(1000, |n| n.parse().expect("a count"))
    }

    /// Its input.
    pub fn input(&self) -> Vec<u8> {
        self.input_of(self.n)
    }

    /// Its input for another count: the count, then sorted numbers for the search, and bytes without a zero for the others.
    pub fn input_of(&self, n: u64) -> Vec<u8> {
        let mut input = vec![0; 65536];
        if self.name == "binary_search" {
            for (i, word) in input[16..].chunks_exact_mut(4).take(4096).enumerate() {
                word.copy_from_slice(&(i as u32 * 8).to_le_bytes());
            }
        } else {
            let mut x = 0x2545_f491_4f6c_dd1d_u64;
            for i in 0..32768 {
                x ^= x << 13;
                x ^= x >> 7;
                x ^= x << 17;
                input[16 + i] = (x >> 32) as u8 | 1;
                if self.name == "switch" {
                    input[16 + i] = (x >> 32) as u8;
                }
                if self.name == "compare_strings" && 16 + 32768 + i < input.len() {
                    input[16 + 32768 + i] = input[16 + i];
                }
            }
        }
        input[..8].copy_from_slice(&n.to_le_bytes());
        input
    }
}

/// Builds all programs for this machine with clang -O2, if there is one.
pub fn native() -> Option<Arc<libloading::Library>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs");
    let out = std::env::temp_dir().join(format!("skep-bench-{}", std::process::id()));
    std::fs::create_dir_all(&out).ok()?;
    let mut objects = Vec::new();
    for program in PROGRAMS {
        let object = out.join(format!("{}.o", program.name));
        let ok = Command::new("clang-19")
            .args(["-O2", "-fPIC", "-c", "-o"])
            .arg(&object)
            .arg(format!("-Drun=run_{}", program.name))
            .arg(dir.join(format!("{}.bpf.c", program.name)))
            .status()
            .ok()?
            .success();
        if !ok {
            return None;
        }
        objects.push(object);
    }
    let so = out.join("native.so");
    Command::new("clang-19")
        .arg("-shared")
        .arg("-o")
        .arg(&so)
        .args(&objects)
        .status()
        .ok()?
        .success()
        .then_some(())?;
    // SAFETY: the library was just built from our own sources, which have no initialisers.
    let library = unsafe { libloading::Library::new(&so) }.ok()?;
    let _ = std::fs::remove_dir_all(&out);
    Some(Arc::new(library))
}
