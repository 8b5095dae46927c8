//! Programs that write down their steps: rewritten, they are still accepted by Linux, do what they did, and take the same
//! steps in both worlds. Skipped, with the reason, where Linux may not be asked.
#![cfg(all(target_os = "linux", not(skep_portable)))]

use skep::compare::{Outcome, Traces, Tracing};
use skep::object::Spec;
use skep_abi::MapType;
use skep_backend::{ErrorKind, LoadOptions};
use skep_object::InitialRef;
use skep_tests::differ;
use skep_tests::scenario::{packets, root};

/// Whether the kernel may be used.
fn kernel() -> bool {
    let Some(why) = skep::kernel::Kernel::new().refusal() else { return true };
    println!("skipped: {why}");
    false
}

/// The program and those that it may tail-call.
fn options(spec: &Spec, program: &str) -> LoadOptions {
    let mut options = LoadOptions { programs: vec![program.to_owned()], ..LoadOptions::default() };
    let arrays = spec.maps.iter().filter(|m| m.map_type == MapType::PROG_ARRAY);
    for (_, target) in arrays.flat_map(|m| &m.initial_refs) {
        if let InitialRef::Program(p) = target {
            options.programs.push(spec.programs[*p].name.clone());
        }
    }
    options
}

/// The steps around the place where the worlds part.
fn near(traces: &Traces) -> String {
    let Some(at) = traces.parted else { return "the same steps".into() };
    let shown = at.saturating_sub(3)..at + 3;
    let row = |i| format!("{i}: {:?} {:?}", traces.user.get(i), traces.kernel.get(i));
    shown.map(row).collect::<Vec<_>>().join("\n")
}

#[test]
fn examples_take_the_same_steps_in_both_worlds() {
    if !kernel() {
        return;
    }
    let packets = packets().expect("the capture is there");
    for object in ["xdp_firewall", "l4_lb", "tc_marker", "socket_filter"] {
        let bytes = std::fs::read(root().join(format!("examples/{object}.o"))).expect("is there");
        let spec = Spec::from_elf(&bytes).expect("an object");
        let mut tracing =
            Tracing::new(&spec, object, &options(&spec, object), None).expect("it can be rewritten");
        let (mut ran, mut steps) = (0, 0);
        for packet in packets.iter().take(150) {
            let (outcome, traces) = tracing.packet(packet, None).expect("records can be read");
            if outcome == Outcome::Same {
                assert_eq!(traces.parted, None, "{object}: {}", near(&traces));
                ran += 1;
                steps += traces.user.len();
            }
        }
        assert!(ran > 140 && steps > 20 * ran, "{object}: {ran} packets, {steps} steps");
    }
}

#[test]
fn random_programs_take_the_same_steps_in_both_worlds() {
    if !kernel() {
        return;
    }
    let (mut same, mut known, mut refused) = (0, 0, 0);
    for seed in 0..150 {
        let program = differ::generate(seed);
        let mut tracing = match Tracing::new(&program.spec(), "main", &LoadOptions::default(), None) {
            Ok(tracing) => tracing,
            // No room on its stack, not modelled, or too much for the verifier with the records.
            Err(e) => {
                assert_ne!(e.kind(), ErrorKind::Os(22), "program {seed}: {e}");
                println!("program {seed}: {}", e.to_string().lines().next().unwrap_or_default());
                refused += 1;
                continue;
            }
        };
        let (outcome, traces) = tracing.packet(&program.packet, None).expect("records can be read");
        match (outcome, traces.parted) {
            (Outcome::Same, None) => same += 1,
            // What differs and is known for it (docs/differences.md) may end in a register that nothing reads any more.
            (Outcome::Same | Outcome::Different { .. }, Some(_)) => {
                println!("program {seed}: {}", near(&traces));
                known += 1;
            }
            (outcome, _) => panic!("program {seed}: {outcome:?}, and no step shows it"),
        }
    }
    println!("{same} the same, {known} with a difference, {refused} that can't be rewritten");
    assert!(same > 100 && known < 5, "{same} the same, {known} different, {refused} not rewritten");
}
