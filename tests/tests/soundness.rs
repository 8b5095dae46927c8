//! What the verifier accepts does what the verifier says: a fixed set of random programs on random inputs.

#![cfg(all(target_os = "linux", not(skep_portable)))]

#[test]
fn facts_hold_while_accepted_programs_run() {
    let figures = xtask::soundness::run(300, 1, 5);
    assert!(figures.broken.is_empty(), "{figures}");
    assert!(figures.steps > 10_000, "{figures}");
}
