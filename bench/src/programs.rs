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
    "sort" 60;
    "matrix" 30;
    "stack_sieve" 2_000;
    "siphash" 3_000;
    "chacha" 1_000;
    "parse" 100_000;
    "balance" 50_000;
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
        } else if matches!(self.name, "parse" | "balance") {
            for (i, frame) in input[16..].chunks_exact_mut(64).take(256).enumerate() {
                fill_frame(frame, i as u32);
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

/// A frame of 64 bytes: of eight, two have a VLAN tag, two IPv6 and one ARP; UDP and TCP in turn, one in three for a name server
/// or a web server.
fn fill_frame(frame: &mut [u8], n: u32) {
    let n = n.wrapping_mul(0x9e37_79b9) ^ n >> 3;
    let kind = n >> 13 & 7;
    frame[..12].copy_from_slice(&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2]);
    let mut at = 12;
    if kind < 2 {
        frame[12..16].copy_from_slice(&[0x81, 0, 0, 42]);
        at = 16;
    }
    let tcp = n >> 21 & 1 == 1;
    let proto = if tcp { 6 } else { 17 };
    match kind {
        7 => return frame[at..at + 2].copy_from_slice(&[8, 6]),
        5 | 6 => {
            frame[at..at + 9].copy_from_slice(&[0x86, 0xdd, 0x60, 0, 0, 0, 0, 10, proto]);
            at += 42;
        }
        _ => {
            frame[at..at + 3].copy_from_slice(&[8, 0, 0x45]);
            frame[at + 11] = proto;
            frame[at + 14..at + 18].copy_from_slice(&n.to_be_bytes());
            frame[at + 18..at + 22].copy_from_slice(&[10, 0, 0, 1]);
            at += 22;
        }
    }
    let port: u16 = match n % 3 {
        0 if tcp => 443,
        0 => 53,
        _ => (n >> 8) as u16 | 1024,
    };
    frame[at..at + 2].copy_from_slice(&((n >> 4) as u16).to_be_bytes());
    frame[at + 2..at + 4].copy_from_slice(&port.to_be_bytes());
    if let Some(flags) = frame.get_mut(at + 13).filter(|_| tcp) {
        *flags = if n >> 17 & 3 == 0 { 2 } else { 0x10 };
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
