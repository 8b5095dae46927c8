//! With constants hidden, none that a program chooses is in its machine code.
#![cfg(not(skep_portable))]

use skep_isa::asm::{Dialect, assemble};
use skep_isa::{Endian, Insn};
use skep_vm::{Arch, Engine, Image, Memory, Options, words};

/// Every form that takes a constant, with `K` for it.
const FORMS: [&str; 34] = [
    "r1 = K",
    "w1 = K",
    "r1 += K",
    "w1 += K",
    "r1 -= K",
    "w1 -= K",
    "r1 *= K",
    "w1 *= K",
    "r1 /= K",
    "w1 /= K",
    "r1 s/= K",
    "r1 %= K",
    "w1 %= K",
    "w1 s%= K",
    "r1 |= K",
    "w1 |= K",
    "r1 &= K",
    "w1 &= K",
    "r1 ^= K",
    "w1 ^= K",
    "if r1 == K goto +0",
    "if w1 != K goto +0",
    "if r1 > K goto +0",
    "if w1 s<= K goto +0",
    "if r1 & K goto +0",
    "*(u8 *)(r10 - 8) = K",
    "*(u16 *)(r10 - 8) = K",
    "*(u32 *)(r10 - 8) = K",
    "*(u64 *)(r10 - 8) = K",
    "*(u64 *)(r2 - 8) = K",
    "r1 = K ll",
    "r1 = K000000 ll",
    "r1 = subprog[f]\nr1 += K",
    "r1 = -K",
];

/// Constants whose bytes, and whose halves, are not to be found by chance.
fn constants() -> impl Iterator<Item = u32> {
    (0..FORMS.len() as u32).map(|n| 0x3c7b_5a01 + n * 0x0103_0705)
}

fn program() -> Vec<Insn> {
    let lines = FORMS.iter().zip(constants()).map(|(form, k)| form.replace('K', &format!("{k:#x}")) + "\n");
    let text = format!("r2 = r10\n{}r0 = r1\nexit\nf: exit", lines.collect::<String>());
    assemble(&text, Dialect::Kernel).unwrap_or_else(|e| panic!("{e}")).insns
}

fn image(options: Options) -> Option<Image> {
    match Image::new(&program(), &(), &options) {
        Err(e) if e.no_jit() => None,
        image => Some(image.expect("an image")),
    }
}

/// How many of the constants are somewhere in x86-64 code.
fn seen(code: &[u8]) -> usize {
    constants()
        .filter(|k| code.windows(4).any(|w| w == k.to_le_bytes() || w == k.wrapping_neg().to_le_bytes()))
        .count()
}

/// How many of the constants are in AArch64 code as one of their halves.
fn halves_seen(code: &[u8]) -> usize {
    let text: String = words(code, 0).map(|word| word.2 + "\n").collect();
    let half =
        |k: u32| text.contains(&format!("#{:#x}", k & 0xffff)) || text.contains(&format!("#{:#x}", k >> 16));
    constants().filter(|k| half(*k)).count()
}

#[test]
fn no_constant_is_in_x86_64_code() {
    if cfg!(not(target_arch = "x86_64")) {
        return println!("skipped: code of this machine's own is not x86-64");
    }
    let jit = |blind| image(Options { engine: Engine::Jit, blind, ..Options::default() });
    let Some(plain) = jit(None) else { return println!("skipped: there is no jit for this machine") };
    assert!(
        seen(plain.machine_code().expect("code")) >= FORMS.len() - 4,
        "the test knows constants when it sees them"
    );
    for seed in 0..200 {
        let hidden = jit(Some(seed)).expect("an image");
        assert_eq!(seen(hidden.machine_code().expect("code")), 0, "seed {seed}");
    }
}

#[test]
fn no_constant_is_in_aarch64_code() {
    for arch in [Arch::Aarch64, Arch::Aarch64Lse] {
        let code =
            |blind| image(Options { arch: Some(arch), blind, ..Options::default() }).expect("an image");
        let plain = code(None);
        let known = halves_seen(plain.machine_code().expect("code"));
        assert!(known > FORMS.len() / 2, "the test knows {known} constants when it sees them");
        let found = (0..200).map(|seed| halves_seen(code(Some(seed)).machine_code().expect("code")));
        // A half of a mask, or of what it hides, may be a half of some constant by chance: 2^-16 for each pair.
        let found: usize = found.sum();
        assert!(found < 60, "{found} constants in 200 programs");
    }
}

#[test]
fn seeds_decide_what_code_looks_like_and_nothing_else() {
    let jit = |blind| image(Options { engine: Engine::Jit, blind, ..Options::default() });
    let (Some(a), Some(b)) = (jit(Some(1)), jit(Some(2))) else {
        return println!("skipped: there is no jit for this machine");
    };
    assert_eq!(jit(Some(1)).expect("an image").machine_code(), a.machine_code());
    assert_ne!(a.machine_code(), b.machine_code());
    let run = |image: &Image| {
        skep_vm::Machine::new()
            .run(image, &mut Memory::new(Endian::Little), &mut (), [0; 5])
            .map_err(|e| e.to_string())
    };
    assert_eq!(run(&a), run(&b));
    assert_eq!(run(&a), run(&jit(None).expect("an image")));
}
